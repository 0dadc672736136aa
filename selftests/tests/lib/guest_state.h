/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random values for all the state that a plane has, and whether it still has them.
 *
 * It is in two parts: what planes that share anything share (struct guest_user_state), and what
 * they never do (__u64[NR_STATE], by enum guest_state_reg).
 */
#ifndef GUEST_STATE_H
#define GUEST_STATE_H

#include "vmm.h"

enum guest_state_reg {
	CR0, CR3, CR4, CR8, EFER, PAT, DR6, DR7, DS, ES, FS, GS, TR, LDTR,
	GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT,
	FIRST_MSR,
	FS_BASE = FIRST_MSR, GS_BASE, KERNEL_GS_BASE, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP,
	STAR, LSTAR, CSTAR, SFMASK, TSC_AUX,
	NR_STATE
};

#define XSAVE_SIZE	832		/* x87, SSE and, at 576, AVX */

struct xsave_area {
	__u8 byte[XSAVE_SIZE];
} __attribute__((aligned(64)));

struct guest_user_state {
	__u64 gpr[NR_GPRS];
	__u64 cr2;
	__u64 dr[4];
	__u64 xcr0;
	struct xsave_area fpu;
};

/* For guests of @vm, which has not run; false if its CPU has no XSAVE. */
bool guest_state_init(struct vm *vm, __u64 seed);

/* The guest. Each plane calls this first, with what is its state from then on. */
void guest_state_start(__u64 *state);

__u64 guest_state_random(__u64 mask);

/* New values, and in the registers; and are they there? */
void guest_state_choose(__u64 *state);
void guest_state_write(const __u64 *state);
void guest_state_check(const __u64 *state);

/* RFLAGS, CS and SS, which change with guest_run() */
void guest_state_choose_regs(struct guest_regs *in);

/*
 * All of @state, at random but for those general registers of which bits are set in @keep; the
 * general registers are in @in only, for guest_run().
 */
void guest_state_give_user(struct guest_user_state *state, struct guest_regs *in, __u32 keep);
void guest_state_check_user(const struct guest_user_state *state, const struct guest_regs *out);

/* The VMM: KVM says the same; @state is of @plane. These fail otherwise. */
void vm_compare(int plane, const char *name, __u64 found, __u64 expected);
void vm_compare_state(struct vm *vm, int plane, const __u64 *state);
void vm_compare_user_state(struct vm *vm, int plane, const struct guest_user_state *state);

/* Whether guest_state_choose() leaves CR0.WP set: see there. */
bool guest_state_keeps_wp(void);

#endif /* GUEST_STATE_H */
