// SPDX-License-Identifier: GPL-2.0
/*
 * With VTLs 0, 1 and 2, a call enters the next higher VTL, an interrupt the one that it
 * is for, and a return goes to the one that was suspended; exits to userspace say which
 * these are.
 */
#include "lapic.h"
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

static volatile __u32 irqs[GUEST_PLANES];

static void on_irq(__u8 vector, const __u64 *gpr)
{
	irqs[guest_plane()]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* Stops twice each time that it is entered. */
static void sync_twice(__u64 *gpr)
{
	guest_sync(0);
	guest_sync(0);
}

static void vtl_n_interrupted(void)
{
	asm volatile("sti");
	vtl_serve(sync_twice);
}

static void vtl0_interrupted(void)
{
	vtl_enable();
	/* The first entries of VTLs 1 and 2 */
	vtl_call();
	for (;;)
		guest_sync(0);
}

static void vtl1_calls(void)
{
	vtl_enable();
	vtl_call();
	asm volatile("sti");
	vtl_serve(sync_twice);
}

static void start_interrupted(struct vtl_test *t, enum test_how how)
{
	const guest_code_t interrupted[] = { vtl0_interrupted, vtl1_calls, vtl_n_interrupted };
	int i;

	guest_irq_handler = on_irq;
	vtl_test_start(t, how, 3, interrupted);
	for (i = 0; i < 3; i++)
		lapic_enable_x2apic(t->vm->vcpu[i]);
	if (how == BY_USERSPACE)
		vtl_take_interrupts(&t->vtl);
}

/* The VTL that stops next, while these are suspended; all of its interrupts are taken. */
static void expect(struct vtl_test *t, int vtl, __u16 suspended, __u32 nr_irqs)
{
	const struct kvm_run_planes *planes = kvm_run_planes(t->vm->run);

	ASSERT_EQ(vtl_test_run(t)->plane, vtl);
	ASSERT_EQ(planes->plane, vtl);
	ASSERT_EQ(planes->suspended_planes, suspended);
	ASSERT_EQ(irqs[vtl], nr_irqs);
}

static void skips_a_level(enum test_how how)
{
	struct vtl_test t;

	start_interrupted(&t, how);
	expect(&t, 0, 0, 0);
	msi_send(t.vm->plane[2], 0x50);
	expect(&t, 2, 1U << 0, 1);
	expect(&t, 2, 1U << 0, 1);
	expect(&t, 0, 0, 0);
	ASSERT_EQ(irqs[1], 0);
	vtl_test_end(&t);
}

static void one_after_the_other(enum test_how how)
{
	struct vtl_test t;

	start_interrupted(&t, how);
	expect(&t, 0, 0, 0);
	/* Both at once: first the highest. */
	msi_send(t.vm->plane[1], 0x50);
	msi_send(t.vm->plane[2], 0x50);
	expect(&t, 2, 1U << 0, 1);
	ASSERT_EQ(irqs[1], 0);
	expect(&t, 2, 1U << 0, 1);
	expect(&t, 1, 1U << 0, 1);

	/* VTL 2 preempts VTL 1, which preempted VTL 0. */
	msi_send(t.vm->plane[2], 0x50);
	expect(&t, 2, 1U << 0 | 1U << 1, 2);
	msi_send(t.vm->plane[1], 0x50);
	expect(&t, 2, 1U << 0 | 1U << 1, 2);
	ASSERT_EQ(irqs[1], 1);
	expect(&t, 1, 1U << 0, 2);
	expect(&t, 0, 0, 0);
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("a call enters the next higher VTL, a return the one that was suspended",
		  three_vtls),
	TEST_BOTH("an interrupt for VTL 2 skips VTL 1, and so does the return from it",
		  skips_a_level),
	TEST_BOTH("of several VTLs that have interrupts, the highest runs first",
		  one_after_the_other),
	{ }
};
