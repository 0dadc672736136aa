// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's side of VTLs. See vtl_guest.h.
 */
#include "vtl_guest.h"

/* TLFS, "Reporting the guest OS identity": open source (bit 63), Linux (bits 62:56) */
#define GUEST_OS_ID		0x8100000000000000ULL

__u8 vtl_assist_pages[GUEST_PLANES][4096] __attribute__((aligned(4096)));
static __u8 hypercall_pages[GUEST_PLANES][4096] __attribute__((aligned(4096)));

void vtl_enable(void)
{
	wrmsr(HV_MSR_GUEST_OS_ID, GUEST_OS_ID);
	wrmsr(HV_MSR_HYPERCALL, (unsigned long)hypercall_pages[guest_plane()] | HV_MSR_ENABLE);
}

void vtl_enable_assist_page(void)
{
	wrmsr(HV_MSR_VP_ASSIST_PAGE,
	      (unsigned long)vtl_assist_pages[guest_plane()] | HV_MSR_ENABLE);
}

struct guest_regs vtl_hypercall_regs(__u64 control, __u64 input)
{
	return (struct guest_regs) {
		.gpr[RAX] = input,
		.gpr[RCX] = control,
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)guest_hypercall_insn,
	};
}

static void hypercall(__u64 control, __u64 input)
{
	struct guest_regs in = vtl_hypercall_regs(control, input);
	struct guest_regs out;

	guest_run(&in, &out);
}

void vtl_call(void)
{
	hypercall(HV_VTL_CALL, 0);
}

void vtl_return(__u64 input)
{
	hypercall(HV_VTL_RETURN, input);
}

void vtl_return_forever(void)
{
	vtl_enable();
	for (;;)
		vtl_return(HV_VTL_RETURN_FAST);
}
