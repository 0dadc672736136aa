// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that notices when a VTL call gets lost or goes wrong. See counting_guest.h.
 */
#include "counting_guest.h"
#include "vtl_guest.h"

/* VTL 1's count; VTL 0 has its own. */
static volatile __u64 served;

static void vtl0(void)
{
	__u64 random = 1, calls = 0;
	struct guest_regs in, out;
	int i;

	vtl_enable();
	vtl_call();
	for (;;) {
		in = vtl_hypercall_regs(HV_VTL_CALL, 0);
		for (i = RBX; i < NR_GPRS; i++)
			if (i != RSP)
				in.gpr[i] = guest_random(&random);
		guest_run(&in, &out);
		calls++;
		GUEST_ASSERT_EQ(served, calls);
		GUEST_ASSERT_EQ(out.gpr[RDX], calls);
		GUEST_ASSERT_EQ(out.gpr[RCX], HV_VTL_RETURN);
		GUEST_ASSERT_EQ(out.gpr[RBX], ~in.gpr[RBX]);
		for (i = RBP; i < NR_GPRS; i++)
			GUEST_ASSERT_EQ(out.gpr[i], in.gpr[i]);
		if (calls % COUNTING_GUEST_CALLS == 0)
			guest_sync(calls);
	}
}

/* Answers in RDX with its count, in RBX with the complement. */
static void vtl1(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_RETURN, HV_VTL_RETURN_FAST), out;
	int i;

	vtl_enable();
	for (;;) {
		guest_run(&in, &out);
		for (i = RDX; i < NR_GPRS; i++)
			in.gpr[i] = out.gpr[i];
		in.gpr[RDX] = ++served;
		in.gpr[RBX] = ~out.gpr[RBX];
	}
}

const guest_code_t counting_guest[2] = { vtl0, vtl1 };
