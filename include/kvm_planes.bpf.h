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
 * @abi: enum kvm_plane_hypercall_abi
 * @planes: the planes that this vCPU has
 * @runnable: those of them that can be switched to
 * @suspended: those suspended to run a more privileged one
 * @vcpu_id: the vCPU's id
 * @vm_id: a number that no other VM has had since KVM was loaded
 */
struct kvm_plane_ctx {
	__u8 plane;
	__u8 cpl;
	__u8 mode;
	__u8 abi;
	__u16 planes;
	__u16 runnable;
	__u16 suspended;
	__u32 vcpu_id;
	__u64 vm_id;
};

/**
 * struct kvm_plane_ops - a policy
 * @hypercall: the running plane executed VMCALL or VMMCALL. Returns
 *	enum kvm_plane_verdict. Not sleepable.
 * @abi: KVM_PLANE_ABI
 * @name: letters, digits, '_', '-' and '.'
 *
 * An op left out costs nothing; its exits are handled as without a policy.
 */
struct kvm_plane_ops {
	int (*hypercall)(struct kvm_plane_ctx *ctx);
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
int bpf_kvm_plane_read_assist(struct kvm_plane_ctx *ctx, __u32 plane, __u32 offset,
			      void *data, __u32 data__sz) __ksym;
int bpf_kvm_plane_write_assist(struct kvm_plane_ctx *ctx, __u32 plane, __u32 offset,
			       const void *data, __u32 data__sz) __ksym;

#endif /* KVM_PLANES_BPF_H */
