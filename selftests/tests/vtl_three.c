// SPDX-License-Identifier: GPL-2.0
/*
 * With VTLs 0, 1 and 2, a call enters the next higher VTL and a return goes to
 * the one that was suspended; exits to userspace say which these are.
 */
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

static void vtl0(void)
{
	vtl_enable();
	guest_sync(1);
	vtl_call();
	guest_sync(5);
	vtl_call();
	guest_sync(9);
	vtl_call();
	guest_done();
}

static void vtl1(void)
{
	vtl_enable();
	guest_sync(2);
	vtl_call();
	guest_sync(4);
	vtl_return(HV_VTL_RETURN_FAST);
	guest_sync(6);
	vtl_call();
	guest_sync(8);
	vtl_return(0);
	vtl_call();
	guest_abort("VTL 2 returned to VTL 1, which was not suspended", 0, 0);
}

static void vtl2(void)
{
	vtl_enable();
	guest_sync(3);
	vtl_return(HV_VTL_RETURN_FAST);
	guest_sync(7);
	vtl_return(0);
	guest_sync(10);
	vtl_return(HV_VTL_RETURN_FAST);
	guest_abort("VTL 2 entered once too often", 0, 0);
}

static const struct {
	int vtl;
	__u16 suspended;
} steps[] = {
	{ 0, 0 }, { 1, 1 }, { 2, 3 }, { 1, 1 }, { 0, 0 },
	{ 1, 1 }, { 2, 3 }, { 1, 1 }, { 0, 0 },
	{ 2, 3 },
};

static const guest_code_t entry[] = { vtl0, vtl1, vtl2 };

static void three_vtls(enum test_how how)
{
	struct kvm_run_planes *planes;
	struct vtl_test t;
	unsigned int i;

	vtl_test_start(&t, how, 3, entry);
	planes = kvm_run_planes(t.vm->run);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct guest_call *call = vtl_test_run(&t);

		ASSERT_EQ(call->cmd, GUEST_SYNC);
		ASSERT_EQ(call->arg[0], i + 1);
		ASSERT_EQ(call->plane, steps[i].vtl);
		ASSERT_EQ(planes->plane, steps[i].vtl);
		ASSERT_EQ(planes->suspended_planes, steps[i].suspended);
	}

	/* As if VTL 2 had been entered from VTL 0 */
	planes->suspended_planes = 1;
	ASSERT_EQ(vtl_test_run(&t)->cmd, GUEST_DONE);
	ASSERT_EQ(planes->plane, 0);
	ASSERT_EQ(planes->suspended_planes, 0);
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("a call enters the next higher VTL, a return the one that was suspended",
		  three_vtls),
	{ }
};
