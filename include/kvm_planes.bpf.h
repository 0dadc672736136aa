/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a plane-switch policy includes: the types and kfuncs that kvm.ko offers.
 *
 * Enough for a policy on its own, without vmlinux.h. Fields are found by name
 * when the policy is loaded (CO-RE), so a policy built once runs on every kernel
 * that has the fields it uses.
 */
#ifndef KVM_PLANES_BPF_H
#define KVM_PLANES_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/kvm_plane_bpf.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/**
 * struct kvm_plane_ctx - the exit that an op is called for; read-only
 * @plane: the plane that runs
 * @cpl: its privilege level, 0 to 3
 * @mode: enum kvm_plane_mode
 * @abi: enum kvm_plane_hypercall_abi; op hypercall
 * @planes: the planes that this vCPU has
 * @runnable: those of them that can be switched to
 * @suspended: those suspended to run a more privileged one
 * @pending: those, without the one that runs, that have a pending interrupt; op event
 * @ready: those of @pending that would take it at once: RFLAGS.IF is set; op event
 * @vmgexit: the instruction is VMGEXIT, which is VMMCALL with a REP prefix; op hypercall
 * @injection: enum kvm_plane_injection; op inject
 * @vector: of the interrupt, if @injection is KVM_PLANE_INJECT_IRQ
 * @vcpu_id: the vCPU's id
 * @vm_id: a number that no other VM has had since KVM was loaded; userspace has it from
 *	KVM_CHECK_EXTENSION of KVM_CAP_PLANE_SWITCH
 * @cached: what bpf_kvm_plane_cache() was given for this vCPU since KVM_RUN was called; or 0
 * @msr: the MSR; ops wrmsr and rdmsr
 * @access: KVM_MEMORY_EXIT_FLAG_*; op memory_fault
 * @value: what is written; op wrmsr
 * @gpa: an address in the page that is accessed; op memory_fault
 * @regs: RAX, RCX, RDX and RBX of the running plane, as when it exited; the index is
 *	enum kvm_plane_reg
 *
 * What is not of the op, is 0.
 */
struct kvm_plane_ctx {
	__u8 plane;
	__u8 cpl;
	__u8 mode;
	__u8 abi;
	__u16 planes;
	__u16 runnable;
	__u16 suspended;
	__u16 pending;
	__u16 ready;
	__u8 vmgexit;
	__u8 injection;
	__u8 vector;
	__u32 vcpu_id;
	__u64 vm_id;
	__u64 cached;
	__u32 msr;
	__u32 access;
	__u64 value;
	__u64 gpa;
	__u64 regs[4];
};

/**
 * struct kvm_plane_vm_ctx - the VM that an op is called for; read-only
 * @vm_id: as in struct kvm_plane_ctx; 0 in the op exit of a policy that was removed
 * @split_fpu: each plane has an FPU of its own (KVM_CAP_PLANE_FPU)
 * @kind: enum kvm_plane_eject_kind; op exit
 * @code: ditto
 */
struct kvm_plane_vm_ctx {
	__u64 vm_id;
	__u8 split_fpu;
	__u32 kind;
	__s64 code;
};

/**
 * struct kvm_plane_ops - a policy
 * @hypercall: the running plane executed VMCALL or VMMCALL
 * @wrmsr: it writes to an MSR in @msrs
 * @rdmsr: it reads one
 * @memory_fault: it made an access that its plane may not make
 * @event: other planes have a pending interrupt, NMI or SMI. Called when one arrives,
 *	and after each switch as long as there is one
 * @halt: it is halted, and about to wait for an interrupt
 * @inject: it has an interrupt or NMI that its APIC priority lets through, whatever its
 *	RFLAGS.IF. PASS: KVM injects it when the plane can take it. RESUME: it stays pending
 *	unless the policy takes it, and is asked for again after the next exit. Not SWITCH
 * @attach: a VM opts in; 0, or a negative errno to refuse. May sleep
 * @detach: a VM opts out, or is gone. May sleep
 * @exit: the policy was ejected from a VM, or removed for all
 * @msrs: up to the first 0, the MSRs that @wrmsr and @rdmsr are for: those that KVM
 *	intercepts, other than of the local APIC
 * @latches: up to the first 0, MSRs that each plane of a VM with the policy has, with a value
 *	of its own, if KVM knows no such MSR: the guest writes and reads it without being seen,
 *	unless it is one from KVM_PLANE_PRIVATE_MSR on; userspace with KVM_SET_MSRS and
 *	KVM_GET_MSRS, the policy by kfuncs. They stay when the policy goes, and a
 *	replacement names the same ones
 * @abi: KVM_PLANE_ABI
 * @flags: KVM_PLANE_OPS_LONG, or 0
 * @name: letters, digits, '_', '-' and '.'
 *
 * The ops before @attach are called in the run loop of a vCPU, for which they return
 * enum kvm_plane_verdict; they cannot sleep, and hypercall may run with interrupts off,
 * unless @flags has KVM_PLANE_OPS_LONG. Each call of an op has a budget of kfuncs
 * (KVM_PLANE_MAX_*). What it does without kfuncs is not counted: it is to be short.
 * An op left out costs nothing; its exits are handled as without a policy.
 *
 * In wrmsr and rdmsr, RESUME and SWITCH leave it to the policy to skip the instruction
 * and, of rdmsr, to write RAX and RDX.
 */
struct kvm_plane_ops {
	int (*hypercall)(struct kvm_plane_ctx *ctx);
	int (*wrmsr)(struct kvm_plane_ctx *ctx);
	int (*rdmsr)(struct kvm_plane_ctx *ctx);
	int (*memory_fault)(struct kvm_plane_ctx *ctx);
	int (*event)(struct kvm_plane_ctx *ctx);
	int (*halt)(struct kvm_plane_ctx *ctx);
	int (*inject)(struct kvm_plane_ctx *ctx);
	int (*attach)(struct kvm_plane_vm_ctx *ctx);
	void (*detach)(struct kvm_plane_vm_ctx *ctx);
	void (*exit)(struct kvm_plane_vm_ctx *ctx);
	__u32 msrs[KVM_PLANE_NR_MSRS];
	__u32 latches[KVM_PLANE_NR_LATCHES];
	__u32 flags;
	__u32 abi;
	char name[KVM_PLANE_NAME_LEN];
};

#pragma clang attribute pop

/* kernel-doc of the kfuncs is with their code, in virt/kvm/plane_bpf.c */
__u64 bpf_kvm_plane_read_reg(struct kvm_plane_ctx *ctx, __u32 reg) __ksym;
int bpf_kvm_plane_write_reg(struct kvm_plane_ctx *ctx, __u32 reg, __u64 value) __ksym;
int bpf_kvm_plane_switch(struct kvm_plane_ctx *ctx, __u32 plane, __u32 state) __ksym;
int bpf_kvm_plane_suspend(struct kvm_plane_ctx *ctx, __u32 planes) __ksym;
int bpf_kvm_plane_inject(struct kvm_plane_ctx *ctx, __u32 vector) __ksym;
int bpf_kvm_plane_skip_insn(struct kvm_plane_ctx *ctx) __ksym;
__u32 bpf_kvm_plane_pending(struct kvm_plane_ctx *ctx) __ksym;
int bpf_kvm_plane_raise_irq(struct kvm_plane_ctx *ctx, __u32 plane, __u32 vector) __ksym;
int bpf_kvm_plane_take(struct kvm_plane_ctx *ctx) __ksym;
__u64 bpf_kvm_plane_read_latch(struct kvm_plane_ctx *ctx, __u32 plane, __u32 msr) __ksym;
int bpf_kvm_plane_write_latch(struct kvm_plane_ctx *ctx, __u32 msr, __u64 value) __ksym;
void bpf_kvm_plane_count(struct kvm_plane_ctx *ctx, __u32 counter) __ksym;
void bpf_kvm_plane_cache(struct kvm_plane_ctx *ctx, __u64 value) __ksym;
int bpf_kvm_plane_read_mem(struct kvm_plane_ctx *ctx, __u32 plane, __u64 gpa,
			   void *data, __u32 data__sz) __ksym;
int bpf_kvm_plane_write_mem(struct kvm_plane_ctx *ctx, __u32 plane, __u64 gpa,
			    const void *data, __u32 data__sz) __ksym;
int bpf_kvm_plane_read_assist(struct kvm_plane_ctx *ctx, __u32 plane, __u32 offset,
			      void *data, __u32 data__sz) __ksym;
int bpf_kvm_plane_write_assist(struct kvm_plane_ctx *ctx, __u32 plane, __u32 offset,
			       const void *data, __u32 data__sz) __ksym;

#endif /* KVM_PLANES_BPF_H */
