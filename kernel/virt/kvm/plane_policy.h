/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: a policy, and what BPF, which loads it, and an exit, which calls its ops, need of it.
 */
#ifndef __KVM_PLANE_POLICY_H
#define __KVM_PLANE_POLICY_H

#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>

struct bpf_link;

/**
 * struct kvm_plane_ctx - the exit that an op is called for
 *
 * All that BPF sees of it, read-only. See include/kvm_planes.bpf.h for the fields.
 */
struct kvm_plane_ctx {
	u8 plane;
	u8 cpl;
	u8 mode;
	u8 abi;
	u16 planes;
	u16 runnable;
	u16 suspended;
	u16 pending;
	u16 ready;
	u8 vmgexit;
	u8 injection;
	u8 vector;
	u32 vcpu_id;
	u64 vm_id;
	u64 cached;
	u32 msr;
	u32 access;
	u64 value;
	u64 gpa;
	u64 regs[4];
};

/**
 * struct kvm_plane_vm_ctx - the VM that an op is called for
 *
 * As struct kvm_plane_ctx.
 */
struct kvm_plane_vm_ctx {
	u64 vm_id;
	u8 split_fpu;
	u32 kind;
	s64 code;
};

/**
 * struct kvm_plane_ops - a policy
 * @hypercall: the running plane executed VMCALL or VMMCALL
 * @wrmsr: it wrote to an MSR in @msrs
 * @rdmsr: it read one
 * @memory_fault: it made an access that its plane may not make
 * @event: another plane has a pending interrupt, NMI or SMI
 * @halt: it is about to block
 * @inject: it has an interrupt or NMI that could be injected
 * @attach: a VM opts in; may sleep, and refuse with an errno
 * @detach: a VM opts out, or is gone; may sleep
 * @exit: the policy was ejected from a VM, or removed
 * @msrs: the MSRs that @wrmsr and @rdmsr are for, up to the first 0
 * @latches: MSRs that each plane keeps a value of, up to the first 0
 * @flags: KVM_PLANE_OPS_*
 * @abi: KVM_PLANE_ABI
 * @name: names the policy; no two that are loaded have the same
 * @serial: KVM's; no two that were ever loaded have the same
 *
 * The ops before @attach are those of an exit: kvm_plane_op_table has a row for each.
 * They return enum kvm_plane_verdict, run under RCU and cannot sleep; @hypercall
 * may run with interrupts off, unless @flags has KVM_PLANE_OPS_LONG.
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
	u32 msrs[KVM_PLANE_NR_MSRS];
	u32 latches[KVM_PLANE_NR_LATCHES];
	u32 flags;
	u32 abi;
	char name[KVM_PLANE_NAME_LEN];
	u64 serial;
};

typedef int (*kvm_plane_op_t)(struct kvm_plane_ctx *ctx);

/**
 * struct kvm_plane_policy - a policy that is loaded
 * @ops: NULL once it was removed; RCU
 * @programs: the ops that came with @link, for kvm_plane_native_set()
 * @link: the BPF link it came with; an identity, not a reference
 * @users: the list while it is loaded, and each VM
 * @node: in kvm_plane_policies
 * @rcu: to free it
 * @name: as in the ops; outlives them
 */
struct kvm_plane_policy {
	struct kvm_plane_ops __rcu *ops;
	struct kvm_plane_ops *programs;
	struct bpf_link *link;
	refcount_t users;
	struct list_head node;
	struct rcu_head rcu;
	char name[KVM_PLANE_NAME_LEN];
};

/**
 * struct kvm_plane_breach - a rule that an op broke
 * @kind: enum kvm_plane_eject_kind; KVM_PLANE_EJECT_NONE if none was broken
 * @code: the value that broke it; see enum kvm_plane_eject_kind
 * @message: the rule, for people
 */
struct kvm_plane_breach {
	u32 kind;
	s64 code;
	const char *message;
};

int kvm_plane_policy_load(struct kvm_plane_ops *ops, struct bpf_link *link);
void kvm_plane_policy_unload(struct kvm_plane_ops *ops, struct bpf_link *link);
int kvm_plane_policy_replace(struct kvm_plane_ops *ops, struct kvm_plane_ops *old,
			     struct bpf_link *link);
void kvm_plane_policy_eject(struct kvm_vcpu *vcpu, struct kvm_plane_policy *policy,
			    struct kvm_plane_ops *ops, const struct kvm_plane_breach *breach);

#endif /* __KVM_PLANE_POLICY_H */
