// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of VTLs (TLFS, "Interrupt management"): one for a higher VTL preempts
 * a lower one, one for a lower VTL waits, and none gets lost when a policy is removed.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lapic.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define VECTOR		0x50
#define LOW_VECTOR	0x30
#define MAGIC		0x0123456789abcdefULL
#define OTHER_MAGIC	0xfedcba9876543210ULL

/* Of each VTL: what it got, how often it was entered but for the first time, and why. */
static volatile __u32 irqs[GUEST_PLANES][256];
static volatile __u32 entries[GUEST_PLANES];
static volatile __u32 reasons[GUEST_PLANES];
static volatile __u64 entered_with[NR_GPRS];
static volatile bool in_loop, halt_is_over;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	irqs[guest_plane()][vector]++;
	if (vector != X86_NMI)
		wrmsr(MSR_X2APIC_EOI, 0);
}

static void count_entry(__u64 *gpr)
{
	__u32 vtl = guest_plane();
	int i;

	for (i = 0; i < NR_GPRS; i++)
		entered_with[i] = gpr[i];
	reasons[vtl] = vtl_entry_reason();
	entries[vtl]++;
}

/* VTL 1 has interrupts disabled but while this runs. */
static void take_interrupts(__u64 *gpr)
{
	count_entry(gpr);
	asm volatile("sti; nop; cli");
}

static void vtl1(void)
{
	vtl_serve(take_interrupts);
}

static void vtl1_enabled(void)
{
	asm volatile("sti");
	vtl_serve(count_entry);
}

static void start(struct vtl_test *t, enum test_how how, guest_code_t vtl0, guest_code_t vtl1)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	int i;

	guest_irq_handler = on_irq;
	vtl_test_start(t, how, 2, entry);
	for (i = 0; i < 2; i++)
		lapic_enable_x2apic(t->vm->vcpu[i]);
	if (how == BY_USERSPACE)
		vtl_take_interrupts(&t->vtl);
	ASSERT_EQ(vtl_test_run(t)->arg[0], 1);
}

/* All the guest has to do before the test begins */
static void begin(void)
{
	vtl_enable();
	vtl_call();
	guest_sync(1);
}

static void vtl0_disabled(void)
{
	begin();
	while (!irqs[1][VECTOR])
		guest_spin();
	GUEST_ASSERT_EQ(entries[1], 1);
	GUEST_ASSERT_EQ(reasons[1], HV_ENTRY_REASON_INTERRUPT);
	guest_done();
}

static void preempts(enum test_how how)
{
	struct vtl_test t;

	start(&t, how, vtl0_disabled, vtl1);
	msi_send(t.vm->plane[1], VECTOR);
	vtl_test_run_to_end(&t);
}

/* Registers that hold something in a loop, in which it is preempted */
static void vtl0_registers(void)
{
	__u64 rax = MAGIC, r12;

	begin();
	asm volatile("mov %2, %%r12\n"
		     "movb $1, %3\n"
		     "1: " GUEST_SPIN "\n"
		     "cmpl $0, %4\n"
		     "je 1b\n"
		     "mov %%r12, %1\n"
		     : "+a"(rax), "=&r"(r12)
		     : "r"(OTHER_MAGIC), "m"(in_loop), "m"(irqs[1][VECTOR])
		     : "r12", "cc", "memory");
	GUEST_ASSERT_EQ(rax, MAGIC);
	GUEST_ASSERT_EQ(r12, OTHER_MAGIC);
	GUEST_ASSERT_EQ(entries[1], 1);
	GUEST_ASSERT_EQ(reasons[1], HV_ENTRY_REASON_INTERRUPT);
	GUEST_ASSERT_EQ(entered_with[RAX], MAGIC);
	GUEST_ASSERT_EQ(entered_with[R12], OTHER_MAGIC);
	guest_done();
}

static void *send_in_loop(void *vm)
{
	while (!in_loop)
		usleep(1000);
	msi_send(((struct vm *)vm)->plane[1], VECTOR);
	return NULL;
}

static void preempts_running(enum test_how how)
{
	pthread_t thread;
	struct vtl_test t;

	start(&t, how, vtl0_registers, vtl1);
	pthread_create(&thread, NULL, send_in_loop, t.vm);
	vtl_test_run_to_end(&t);
	pthread_join(thread, NULL);
}

static void vtl0_nmi(void)
{
	begin();
	while (!irqs[1][X86_NMI])
		guest_spin();
	GUEST_ASSERT_EQ(reasons[1], HV_ENTRY_REASON_INTERRUPT);
	GUEST_ASSERT_EQ(irqs[0][X86_NMI], 0);
	guest_done();
}

static void nmi(enum test_how how)
{
	struct vtl_test t;

	start(&t, how, vtl0_nmi, vtl1);
	msi_send(t.vm->plane[1], MSI_NMI);
	vtl_test_run_to_end(&t);
}

static void vtl0_halts(void)
{
	begin();
	asm volatile("sti; hlt");
	halt_is_over = true;
	GUEST_ASSERT_EQ(irqs[1][VECTOR], 1);
	GUEST_ASSERT_EQ(irqs[0][VECTOR], 1);
	GUEST_ASSERT_EQ(reasons[1], HV_ENTRY_REASON_INTERRUPT);
	guest_done();
}

static void *send_to_both(void *arg)
{
	struct vm *vm = arg;

	usleep(50000);
	msi_send(vm->plane[1], VECTOR);
	while (!irqs[1][VECTOR])
		usleep(1000);
	usleep(50000);
	if (halt_is_over)
		fail("an interrupt of VTL 1 ended VTL 0's HLT");
	msi_send(vm->fd, VECTOR);
	return NULL;
}

static void out_of_halt(enum test_how how)
{
	pthread_t thread;
	struct vtl_test t;

	start(&t, how, vtl0_halts, vtl1_enabled);
	pthread_create(&thread, NULL, send_to_both, t.vm);
	vtl_test_run_to_end(&t);
	pthread_join(thread, NULL);
}

static void vtl0_enabled_calls(void)
{
	begin();
	vtl_call_irqs_on();
	GUEST_ASSERT_EQ(irqs[0][VECTOR], 1);
	guest_done();
}

/* Lets the VMM send something while it runs. */
static void let_vmm_send(__u64 *gpr)
{
	count_entry(gpr);
	guest_sync(2);
	guest_sync(irqs[0][VECTOR]);
}

static void vtl1_waits(void)
{
	vtl_serve(let_vmm_send);
}

static void lower_waits(enum test_how how)
{
	struct vtl_test t;

	start(&t, how, vtl0_enabled_calls, vtl1_waits);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	msi_send(t.vm->fd, VECTOR);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	vtl_test_run_to_end(&t);
}

static void vtl0_is_bounced(void)
{
	begin();
	vtl_call();
	GUEST_ASSERT_EQ(entries[1], 2);
	GUEST_ASSERT_EQ(reasons[1], HV_ENTRY_REASON_INTERRUPT);
	GUEST_ASSERT_EQ(irqs[1][VECTOR], 1);
	guest_done();
}

/* The first time it returns without having taken its interrupt, which it sent itself. */
static void take_second_time(__u64 *gpr)
{
	count_entry(gpr);
	if (entries[1] == 1)
		wrmsr(MSR_X2APIC_ICR, ICR_SELF | VECTOR);
	else
		asm volatile("sti; nop; cli");
}

static void vtl1_second(void)
{
	vtl_serve(take_second_time);
}

static void bounced(enum test_how how)
{
	struct vtl_test t;

	start(&t, how, vtl0_is_bounced, vtl1_second);
	vtl_test_run_to_end(&t);
}

static void vtl0_not_preempted(void)
{
	int i;

	begin();
	for (i = 0; i < 1000; i++)
		asm volatile("pause");
	GUEST_ASSERT_EQ(entries[1], 0);

	/* VTL 1 lowers its priority. */
	vtl_call();
	GUEST_ASSERT_EQ(irqs[1][LOW_VECTOR], 1);
	guest_done();
}

static void lower_priority(__u64 *gpr)
{
	wrmsr(MSR_X2APIC_TPR, 0);
	take_interrupts(gpr);
}

static void vtl1_priority(void)
{
	wrmsr(MSR_X2APIC_TPR, VECTOR);
	vtl_serve(lower_priority);
}

static void priority(enum test_how how)
{
	struct vtl_test t;

	start(&t, how, vtl0_not_preempted, vtl1_priority);
	msi_send(t.vm->plane[1], LOW_VECTOR);
	vtl_test_run_to_end(&t);
}

/* Userspace is to bring the page in, and switches on that occasion. */
static void page_not_there(enum test_how how)
{
	struct vtl_test t;
	__u64 before;

	start(&t, BY_POLICY, vtl0_disabled, vtl1);
	before = t.vtl.switches;
	if (madvise(vtl_assist_pages[1], sizeof(vtl_assist_pages[1]), MADV_DONTNEED))
		fail("madvise: %s", strerror(errno));
	msi_send(t.vm->plane[1], VECTOR);
	vtl_test_run_to_end(&t);
	ASSERT_EQ(t.vtl.switches, before + 1);
}

static void removed(enum test_how how)
{
	struct vtl_test t;
	__u64 before;

	start(&t, BY_POLICY, vtl0_disabled, vtl1);
	before = t.vtl.switches;
	msi_send(t.vm->plane[1], VECTOR);
	policy_unload(&t.policy);
	vtl_take_interrupts(&t.vtl);
	while (vtl_test_run(&t)->cmd != GUEST_DONE)
		;
	/* There and back */
	ASSERT_EQ(t.vtl.switches, before + 2);
	vm_free(t.vm);
}

const struct test tests[] = {
	TEST_BOTH("an interrupt for a higher VTL preempts a lower one that has interrupts disabled",
		  preempts),
	TEST_BOTH("it finds the registers of the lower one, which has them again afterwards",
		  preempts_running),
	TEST_BOTH("so does an NMI", nmi),
	TEST_BOTH("an interrupt for a higher VTL is taken out of HLT, which is not over by it",
		  out_of_halt),
	TEST_BOTH("an interrupt for a lower VTL waits until that runs", lower_waits),
	TEST_BOTH("a VTL that returns with an interrupt pending is entered again at once", bounced),
	TEST_BOTH("an interrupt that the higher VTL's TPR holds back does not preempt", priority),
	TEST("with an assist page that is not in memory, userspace makes the switch",
	     page_not_there),
	TEST("an interrupt that is pending when the policy is removed is userspace's", removed),
	{ }
};
