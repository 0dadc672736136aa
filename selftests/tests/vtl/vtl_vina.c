// SPDX-License-Identifier: GPL-2.0
/*
 * The virtual interrupt notification assist (TLFS, VINA): a VTL is told, once, that a lower
 * one has an interrupt; as the VMM sets it up in an MSR of each.
 */
#include <linux/kvm_plane_vtl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define VECTOR		0x50
#define OTHER_VECTOR	0x51
#define VINA		0x40
#define VINA_2		0x41
#define ON		(KVM_PLANE_VTL_VINA_ENABLED | VINA)
#define ON_2		(KVM_PLANE_VTL_VINA_ENABLED | VINA_2)
#define AUTO_RESET	KVM_PLANE_VTL_VINA_AUTO_RESET

static volatile __u32 irqs[GUEST_PLANES][256];

static void on_irq(__u8 vector, const __u64 *gpr)
{
	irqs[guest_plane()][vector]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

static volatile __u8 *vina_status(int vtl)
{
	return &vtl_assist_pages[vtl][HV_ASSIST_VINA_STATUS];
}

/* With interrupts enabled. Each entry lets the VMM do things three times. */
static void sync_thrice(__u64 *gpr)
{
	__u32 vtl = guest_plane();
	int i;

	asm volatile("sti");
	for (i = 0; i < 3; i++)
		guest_sync(vtl);
	asm volatile("cli");
}

static void vtl_n(void)
{
	vtl_serve(sync_thrice);
}

static void vtl1_without_page(void)
{
	vtl_enable();
	for (;;) {
		vtl_return(HV_VTL_RETURN_FAST);
		asm volatile("sti");
		guest_sync(1);
		guest_sync(1);
	}
}

static void vtl0_enabled(void)
{
	vtl_enable();
	vtl_call();
	guest_sync(0);
	for (;;) {
		vtl_call_irqs_on();
		guest_sync(0);
	}
}

static void vtl0_disabled(void)
{
	vtl_enable();
	vtl_call();
	for (;;) {
		guest_sync(0);
		vtl_call();
	}
}

static void start(struct vtl_test *t, int nr_vtls, guest_code_t vtl0, guest_code_t vtl1, __u16 vina)
{
	const guest_code_t entry[] = { vtl0, vtl1, vtl_n };
	int i;

	guest_irq_handler = on_irq;
	vtl_test_start(t, BY_POLICY, nr_vtls, entry);
	vtl_set_vina(t->vm, 1, vina);
	for (i = 0; i < nr_vtls; i++)
		lapic_enable_x2apic(t->vm->vcpu[i]);
	ASSERT_EQ(vtl_test_run(t)->arg[0], 0);
}

/* Run until @vtl says that it is its turn. */
static void expect(struct vtl_test *t, int vtl)
{
	struct guest_call *call = vtl_test_run(t);

	ASSERT_EQ(call->plane, vtl);
	ASSERT_EQ(kvm_run_planes(t->vm->run)->plane, vtl);
}

static void told_once(enum test_how how)
{
	struct vtl_test t;

	start(&t, 2, vtl0_enabled, vtl_n, ON);
	expect(&t, 1);
	ASSERT_EQ(*vina_status(1), 0);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 1);
	ASSERT_EQ(*vina_status(1), HV_VINA_ASSERTED);
	ASSERT_EQ(irqs[0][VECTOR], 0);

	msi_send(t.vm->fd, OTHER_VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 1);
	expect(&t, 0);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	ASSERT_EQ(irqs[0][OTHER_VECTOR], 1);

	/* It stays asserted without AutoReset. */
	expect(&t, 1);
	ASSERT_EQ(*vina_status(1), HV_VINA_ASSERTED);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 1);
	vtl_test_end(&t);
}

static void told_again(enum test_how how)
{
	struct vtl_test t;

	start(&t, 2, vtl0_enabled, vtl_n, ON);
	expect(&t, 1);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 1);

	*vina_status(1) = 0;
	msi_send(t.vm->fd, OTHER_VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 2);
	ASSERT_EQ(*vina_status(1), HV_VINA_ASSERTED);
	vtl_test_end(&t);
}

static void auto_reset(enum test_how how)
{
	struct vtl_test t;

	start(&t, 2, vtl0_enabled, vtl_n, ON | AUTO_RESET);
	expect(&t, 1);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	ASSERT_EQ(*vina_status(1), HV_VINA_ASSERTED);
	expect(&t, 1);
	expect(&t, 0);
	ASSERT_EQ(*vina_status(1), 0);

	expect(&t, 1);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 2);
	vtl_test_end(&t);
}

static void lower_disabled(enum test_how how)
{
	struct vtl_test t;

	start(&t, 2, vtl0_disabled, vtl_n, ON);
	expect(&t, 1);
	msi_send(t.vm->fd, VECTOR);
	expect(&t, 1);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VINA], 0);
	ASSERT_EQ(*vina_status(1), 0);

	/* An NMI is not for RFLAGS.IF to hold back. */
	msi_send(t.vm->fd, MSI_NMI);
	expect(&t, 0);
	ASSERT_EQ(irqs[0][X86_NMI], 1);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	vtl_test_end(&t);
}

static void never_told(guest_code_t vtl1, __u16 vina)
{
	struct vtl_test t;

	start(&t, 2, vtl0_enabled, vtl1, vina);
	expect(&t, 1);
	msi_send(t.vm->fd, VECTOR);
	do {
		ASSERT_EQ(irqs[0][VECTOR], 0);
	} while (vtl_test_run(&t)->plane);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	ASSERT_EQ(irqs[1][VINA], 0);
	ASSERT_EQ(*vina_status(1), 0);
	vtl_test_end(&t);
}

static void not_enabled(enum test_how how)
{
	never_told(vtl_n, VINA | AUTO_RESET);
}

static void no_page(enum test_how how)
{
	never_told(vtl1_without_page, ON | AUTO_RESET);
}

static void bad_vector(enum test_how how)
{
	never_told(vtl_n, KVM_PLANE_VTL_VINA_ENABLED | 15);
}

static void vtl0_stops(void)
{
	vtl_enable();
	vtl_call();
	asm volatile("sti");
	for (;;)
		guest_sync(0);
}

/* VTL 0 is preempted before it can take its own. */
static void on_entry(enum test_how how)
{
	struct vtl_test t;

	start(&t, 2, vtl0_stops, vtl_n, ON);
	msi_send(t.vm->fd, VECTOR);
	msi_send(t.vm->plane[1], OTHER_VECTOR);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][OTHER_VECTOR], 1);
	ASSERT_EQ(irqs[1][VINA], 1);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	vtl_test_end(&t);
}

static void vtl1_halts(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_return(HV_VTL_RETURN_FAST);
	asm volatile("sti; hlt; cli");
	guest_sync(1);
}

static void *send_later(void *vm)
{
	usleep(50000);
	msi_send(((struct vm *)vm)->fd, VECTOR);
	return NULL;
}

static void out_of_halt(enum test_how how)
{
	pthread_t thread;
	struct vtl_test t;

	start(&t, 2, vtl0_enabled, vtl1_halts, ON);
	pthread_create(&thread, NULL, send_later, t.vm);
	expect(&t, 1);
	pthread_join(thread, NULL);
	ASSERT_EQ(irqs[1][VINA], 1);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	vtl_test_end(&t);
}

static void vtl1_calls(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_return(HV_VTL_RETURN_FAST);
	for (;;) {
		vtl_call_irqs_on();
		guest_sync(1);
	}
}

static void three(enum test_how how)
{
	struct vtl_test t;

	start(&t, 3, vtl0_enabled, vtl1_calls, ON);
	vtl_set_vina(t.vm, 2, ON_2);
	expect(&t, 1);
	expect(&t, 2);
	msi_send(t.vm->plane[1], VECTOR);
	expect(&t, 2);
	ASSERT_EQ(irqs[2][VINA_2], 1);
	ASSERT_EQ(*vina_status(2), HV_VINA_ASSERTED);
	ASSERT_EQ(*vina_status(1), 0);
	ASSERT_EQ(irqs[1][VECTOR], 0);
	expect(&t, 2);
	expect(&t, 1);
	ASSERT_EQ(irqs[1][VECTOR], 1);
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST("a VTL is told once that a lower one has an interrupt", told_once),
	TEST("it is told again after it cleared VinaAsserted", told_again),
	TEST("with AutoReset, its return clears VinaAsserted", auto_reset),
	TEST("it is not told while the lower one has interrupts disabled", lower_disabled),
	TEST("nor without VINA enabled", not_enabled),
	TEST("nor without an assist page", no_page),
	TEST("nor with a vector that cannot be an interrupt's", bad_vector),
	TEST("it is told of an interrupt that is pending when it is entered", on_entry),
	TEST("VINA ends a HLT of the higher VTL", out_of_halt),
	TEST("VTL 2 is told of VTL 1's interrupts as its own VINA says", three),
	{ }
};
