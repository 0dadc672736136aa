/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hyper-V VTLs switched by the VMM: what bpf/vtl.bpf.c does, in userspace.
 */
#ifndef VTL_SWITCH_H
#define VTL_SWITCH_H

#include "vmm.h"

/**
 * struct vtl_state - what the VMM knows of a VTL that does not run
 * @known: whether the rest is true
 */
struct vtl_state {
	bool known;
	__u64 rsp;
	__u64 rip;
	__u64 rflags;
	__u64 cr2;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
};

/**
 * struct vtl - VTLs of a VM
 * @gprs_only: carry the general registers and nothing else, between 64-bit VTLs.
 *	Faster, and wrong for a guest that uses the rest
 * @interrupts: an interrupt for a higher VTL preempts a lower one
 * @kernel_switches: KVM may switch too, so nothing is known of a VTL that KVM
 *	may have run
 * @switches: how many were made here
 * @assist_msr: what each VTL's HV_X64_MSR_VP_ASSIST_PAGE is
 * @state: what each VTL's state is
 */
struct vtl {
	struct vm *vm;
	bool gprs_only;
	bool interrupts;
	bool kernel_switches;
	__u64 switches;
	__u64 assist_msr[KVM_MAX_PLANES];
	struct vtl_state state[KVM_MAX_PLANES];
};

/* Have VTL calls and returns exit to userspace. */
void vtl_init(struct vtl *vtl, struct vm *vm);

/* From now on carry the general registers only. */
void vtl_carry_gprs_only(struct vtl *vtl);

/* From now on, which is before the first KVM_RUN, let higher VTLs preempt lower ones. */
void vtl_take_interrupts(struct vtl *vtl);

/* Go on with a higher VTL, whose assist page, if it has one, says why. */
void vtl_enter(struct vtl *vtl, int to, __u32 reason);

/* The next KVM_RUN goes on with the VTL whose turn it is. False: the exit is not about VTLs. */
bool vtl_handle_exit(struct vtl *vtl);

/* Opt in to the policy whose token is @token; -1 opts out. Returns what ioctl() does. */
int vtl_use_policy(struct vtl *vtl, int token);

#endif /* VTL_SWITCH_H */
