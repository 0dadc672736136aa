// SPDX-License-Identifier: GPL-2.0
/*
 * VTL calls and returns load RAX and RCX as the TLFS says ("VTL call", "VTL
 * return"), and write of the VP assist page what they must and nothing else.
 */
#include <sys/mman.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define RETURN_RAX	0x1111222233334444ULL
#define RETURN_RCX	0x5555666677778888ULL
#define FILL		0xa5

static bool with_assist_page;
static __u64 return_input;
static struct guest_regs vtl1_entered;

static void fill(__u8 *page)
{
	int i;

	for (i = 0; i < 4096; i++)
		page[i] = FILL;
}

/* The page is as fill() left it but for the ranges that a test names. */
static bool untouched(const __u8 *page, int from, int to)
{
	for (; from < to; from++)
		if (page[from] != FILL)
			return false;
	return true;
}

static void vtl1(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_RETURN, HV_VTL_RETURN_FAST);

	vtl_enable();
	if (with_assist_page)
		vtl_enable_assist_page();
	guest_run(&in, &vtl1_entered);
	for (;;) {
		in = vtl_hypercall_regs(HV_VTL_RETURN, return_input);
		guest_run(&in, &vtl1_entered);
	}
}

static struct guest_regs call(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0);
	struct guest_regs out;

	in.gpr[RDX] = 0x1234;
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RAX], 0);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RCX], HV_VTL_CALL);
	GUEST_ASSERT_EQ(vtl1_entered.gpr[RDX], 0x1234);
	return out;
}

static void vtl0_fast(void)
{
	struct guest_regs out;

	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	out = call();
	GUEST_ASSERT_EQ(out.gpr[RAX], 1);
	GUEST_ASSERT_EQ(out.gpr[RCX], HV_VTL_RETURN);
	guest_done();
}

/* The values of VTL 0's own page must not be the ones that are loaded. */
static void vtl0_normal(void)
{
	struct guest_regs out;

	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	*(__u64 *)&vtl_assist_pages[0][HV_ASSIST_RETURN_RAX] = ~0ULL;
	*(__u64 *)&vtl_assist_pages[0][HV_ASSIST_RETURN_RCX] = ~0ULL;
	*(__u64 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RAX] = RETURN_RAX;
	*(__u64 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RCX] = RETURN_RCX;
	out = call();
	GUEST_ASSERT_EQ(out.gpr[RAX], RETURN_RAX);
	GUEST_ASSERT_EQ(out.gpr[RCX], RETURN_RCX);
	guest_done();
}

static void vtl0_no_page(void)
{
	struct guest_regs out;

	vtl_enable();
	vtl_call();
	*(__u64 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RAX] = RETURN_RAX;
	*(__u64 *)&vtl_assist_pages[1][HV_ASSIST_RETURN_RCX] = RETURN_RCX;
	out = call();
	GUEST_ASSERT_EQ(out.gpr[RAX], 0);
	GUEST_ASSERT_EQ(out.gpr[RCX], HV_VTL_RETURN);
	guest_done();
}

static void vtl0_entry_reason(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	fill(vtl_assist_pages[0]);
	fill(vtl_assist_pages[1]);
	call();
	GUEST_ASSERT(untouched(vtl_assist_pages[0], 0, 4096));
	GUEST_ASSERT(untouched(vtl_assist_pages[1], 0, HV_ASSIST_ENTRY_REASON));
	GUEST_ASSERT_EQ(*(__u32 *)&vtl_assist_pages[1][HV_ASSIST_ENTRY_REASON],
			HV_ENTRY_REASON_CALL);
	GUEST_ASSERT(untouched(vtl_assist_pages[1], HV_ASSIST_ENTRY_REASON + 4, 4096));
	guest_done();
}

static void run(enum test_how how, guest_code_t vtl0, bool assist_page, __u64 input)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;

	with_assist_page = assist_page;
	return_input = input;
	vtl_test_start(&t, how, 2, entry);
	vtl_test_run_to_end(&t);
}

static void fast_return(enum test_how how)
{
	run(how, vtl0_fast, true, HV_VTL_RETURN_FAST);
}

static void normal_return(enum test_how how)
{
	run(how, vtl0_normal, true, 0);
}

static void normal_return_without_page(enum test_how how)
{
	run(how, vtl0_no_page, false, 0);
}

static void vtl0_absent_page(void)
{
	vtl_enable();
	vtl_call();
	guest_sync(0);
	call();
	GUEST_ASSERT_EQ(*(__u32 *)&vtl_assist_pages[1][HV_ASSIST_ENTRY_REASON],
			HV_ENTRY_REASON_CALL);
	guest_done();
}

/* The policy cannot wait for memory, and leaves that call to userspace. */
static void absent_page(enum test_how how)
{
	const guest_code_t entry[] = { vtl0_absent_page, vtl1 };
	struct vtl_test t;

	with_assist_page = true;
	return_input = HV_VTL_RETURN_FAST;
	vtl_test_start(&t, BY_POLICY, 2, entry);
	ASSERT_EQ(vtl_test_run(&t)->cmd, GUEST_SYNC);
	ASSERT_EQ(t.vtl.switches, 0);
	ASSERT_EQ(madvise(vtl_assist_pages[1], 4096, MADV_DONTNEED), 0);
	ASSERT_EQ(vtl_test_run(&t)->cmd, GUEST_DONE);
	ASSERT_EQ(t.vtl.switches, 1);
	vtl_test_end(&t);
}

static volatile __u64 touched_by_vtl1[512] __attribute__((aligned(4096)));

static void vtl1_touches(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_return(HV_VTL_RETURN_FAST);
	touched_by_vtl1[0] = 1;
	for (;;)
		vtl_return(HV_VTL_RETURN_FAST);
}

static void vtl0_syncs(void)
{
	vtl_enable();
	vtl_call();
	guest_sync(0);
	vtl_call();
	guest_sync(1);
	guest_done();
}

/* What the policy writes, too, has to reach the other side of a migration. */
static void dirty_log(enum test_how how)
{
	const guest_code_t entry[] = { vtl0_syncs, vtl1_touches };
	struct vtl_test t;

	vtl_test_start(&t, BY_POLICY, 2, entry);
	vtl_test_run(&t);
	vm_set_dirty_log(t.vm, true);
	vm_page_dirty(t.vm, vtl_assist_pages[1]);
	ASSERT_EQ(vm_page_dirty(t.vm, vtl_assist_pages[1]), false);

	vtl_test_run(&t);
	ASSERT_EQ(vm_page_dirty(t.vm, vtl_assist_pages[1]), true);
	ASSERT_EQ(vm_page_dirty(t.vm, vtl_assist_pages[1]), false);
	vtl_test_run_to_end(&t);
}

static void dirty_log_other_vtl(enum test_how how)
{
	const guest_code_t entry[] = { vtl0_syncs, vtl1_touches };
	struct vtl_test t;

	vtl_test_start(&t, how, 2, entry);
	vtl_test_run(&t);
	vm_set_dirty_log(t.vm, true);
	ASSERT_EQ(vm_page_dirty(t.vm, (void *)touched_by_vtl1), false);
	vtl_test_run(&t);
	ASSERT_EQ(vm_page_dirty(t.vm, (void *)touched_by_vtl1), true);
	vtl_test_run_to_end(&t);
}

static void entry_reason(enum test_how how)
{
	run(how, vtl0_entry_reason, true, HV_VTL_RETURN_FAST);
}

const struct test tests[] = {
	TEST_BOTH("a call leaves RAX and RCX as they were, and so does a fast return", fast_return),
	TEST_BOTH("a return loads RAX and RCX from the assist page of the VTL that returns",
		  normal_return),
	TEST_BOTH("a return without an assist page leaves RAX and RCX as they were",
		  normal_return_without_page),
	TEST_BOTH("a call writes its reason to the assist page of the VTL it enters, no more",
		  entry_reason),
	TEST("what a policy writes to an assist page is in the dirty log", dirty_log),
	TEST_BOTH("what VTL 1 writes is in the dirty log", dirty_log_other_vtl),
	TEST("a call whose assist page is not in memory is made by userspace", absent_page),
	{ }
};
