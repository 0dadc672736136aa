/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest with Hyper-V VTLs does.
 */
#ifndef VTL_GUEST_H
#define VTL_GUEST_H

#include "guest.h"

/* Hypervisor Top-Level Functional Specification (TLFS), "Synthetic MSRs" */
#define HV_MSR_GUEST_OS_ID	0x40000000
#define HV_MSR_HYPERCALL	0x40000001
#define HV_MSR_VP_ASSIST_PAGE	0x40000073
#define HV_MSR_ENABLE		1ULL

/* TLFS, appendix A, hypercall codes; bit 0 of a return's input makes it a fast one */
#define HV_VTL_CALL		0x11
#define HV_VTL_RETURN		0x12
#define HV_VTL_RETURN_FAST	1

/* TLFS, HV_VP_ASSIST_PAGE */
#define HV_ASSIST_ENTRY_REASON	0x08
#define HV_ASSIST_VINA_STATUS	0x0c
#define HV_ASSIST_RETURN_RAX	0x10
#define HV_ASSIST_RETURN_RCX	0x18
#define HV_ASSIST_INTERCEPT	0x70
#define HV_ENTRY_REASON_CALL	1
#define HV_ENTRY_REASON_INTERRUPT	2
#define HV_ENTRY_REASON_INTERCEPT	3
#define HV_VINA_ASSERTED	1

extern __u8 vtl_assist_pages[GUEST_PLANES][4096];

/* Use Hyper-V's hypercall interface; each VTL does that for itself. */
void vtl_enable(void);
void vtl_enable_assist_page(void);

/* Registers for guest_run() to make a hypercall with. */
struct guest_regs vtl_hypercall_regs(__u64 control, __u64 input);

/* Call and return with nothing special in the registers. */
void vtl_call(void);
void vtl_return(__u64 input);

/* The same with interrupts enabled, until it is over. */
void vtl_call_irqs_on(void);

/* The whole of a VTL that has nothing to do but to return. */
void vtl_return_forever(void);

/**
 * vtl_serve - the whole of a VTL that leaves no trace
 * @entered: called each time that the VTL was entered, with the general registers
 *	by number, which are those of the VTL returned to afterwards; may be NULL
 *
 * As a VTL has to be that an interrupt may enter at any time: it saves the registers that
 * it shares, and returns RAX and RCX by its assist page.
 */
__noreturn void vtl_serve(void (*entered)(__u64 *gpr));

/* Why the VTL that executes this was entered; HV_ENTRY_REASON_* */
__u32 vtl_entry_reason(void);

#endif /* VTL_GUEST_H */
