/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AMD VMPLs switched by the VMM: what bpf/vmpl.bpf.c does, in userspace, and what is
 * userspace's with a policy, too: creating a VMPL, and what it may do with memory.
 */
#ifndef VMPL_SWITCH_H
#define VMPL_SWITCH_H

#include "vmm.h"

/**
 * struct vmpl - VMPLs of a VM
 * @interrupts: an interrupt for VMPL 0 preempts the others
 * @kernel_msrs: KVM has the GHCB MSRs; a policy may have changed them since
 * @runnable: the VMPLs that can be run
 * @switches: how many were made here
 * @ghcb_msr: what each VMPL's GHCB MSR is, while it is not KVM that has it
 */
struct vmpl {
	struct vm *vm;
	bool interrupts;
	bool kernel_msrs;
	__u8 runnable;
	__u64 switches;
	__u64 ghcb_msr[KVM_MAX_PLANES];
};

/* A VM whose VMPLs have an FPU each; of VMPLs 0 to @nr_vmpls - 1 the vCPU is there. */
struct vm *vmpl_create_vm(int nr_vmpls);

/* Have VMGEXIT exit to userspace. All planes of @vm are there then, not all of them with a vCPU. */
void vmpl_init(struct vmpl *vmpl, struct vm *vm);

/* From now on, which is before the first KVM_RUN, let VMPL 0 preempt the others. */
void vmpl_take_interrupts(struct vmpl *vmpl);

/* The next KVM_RUN goes on with the VMPL whose turn it is. False: the exit is not about VMPLs. */
bool vmpl_handle_exit(struct vmpl *vmpl);

/* Opt in to the policy whose token is @token; -1 opts out. Returns what ioctl() does. */
int vmpl_use_policy(struct vmpl *vmpl, int token);

#endif /* VMPL_SWITCH_H */
