/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The header that a plane-switch policy includes: the types and kfuncs that kvm.ko offers.
 *
 * A policy needs no vmlinux.h besides. Fields are found by name when the policy is loaded
 * (CO-RE), so a policy that was built once runs on every kernel that has the fields it uses.
 *
 * docs/policy.md describes all of them: the ops, the fields of their context, and the kfuncs with
 * their errors and rules. It is installed as share/doc/planeswitch/policy.md.
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

/* The exit that an op is called for; read-only. docs/policy.md, "The context" */
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

/* The VM that an op is called for; read-only. docs/policy.md, "The context" */
struct kvm_plane_vm_ctx {
	__u64 vm_id;
	__u8 split_fpu;
	__u32 kind;
	__s64 code;
};

/*
 * A policy. The ops up to @inject are called for an exit and return enum kvm_plane_verdict; the
 * others are called for a VM. docs/policy.md, "A policy" and "Ops"
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

/* docs/policy.md, "Kfuncs" */
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
