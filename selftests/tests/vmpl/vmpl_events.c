// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of VMPLs: one for VMPL 0 forces VMPL 0, one for any other VMPL waits until that runs.
 * (GHCB specification, "Run at VMPL"). No VMPL has a doorbell page here: see vmpl_restricted.c.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

#define VECTOR		0x50
#define LOW_VECTOR	0x30
#define MAGIC		0x0123456789abcdefULL
#define OTHER_MAGIC	0xfedcba9876543210ULL

static struct vmpl_test t;

/* Of each VMPL, what it got */
static volatile __u32 irqs[GUEST_PLANES][256];
static volatile bool in_loop, halt_is_over;

/* What VMPL 0 does when the other VMPL has made its first request. */
static volatile int other;
static volatile bool irqs_off;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	irqs[guest_plane()][vector]++;
	if (vector != X86_NMI)
		wrmsr(MSR_X2APIC_EOI, 0);
}

static void start(enum test_how how, int nr_vmpls, const guest_code_t *entry)
{
	int i;

	guest_irq_handler = on_irq;
	vmpl_test_start(&t, how, nr_vmpls, entry);
	for (i = 0; i < nr_vmpls; i++)
		lapic_enable_x2apic(t.vm->vcpu[i]);
	if (how == BY_USERSPACE)
		vmpl_take_interrupts(&t.vmpl);
}

static void expect_sync(int vmpl, __u64 value, __u16 suspended)
{
	const struct guest_call *call = vmpl_test_run(&t);

	ASSERT_EQ(call->cmd, GUEST_SYNC);
	ASSERT_EQ(call->plane, vmpl);
	ASSERT_EQ(call->arg[0], value);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, vmpl);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, suspended);
}

static void send(int vmpl, __u32 data)
{
	msi_send(vmpl ? t.vm->plane[vmpl] : t.vm->fd, data);
}

/* VMPL 0, which is forced, takes what came and goes back. */
static void vmpl0(void)
{
	vmpl_enable_ghcb();
	vmpl_run_ok(other);
	for (;;) {
		if (!irqs_off)
			asm volatile("sti; nop; cli");
		guest_sync(20);
		vmpl_run_ok(other);
	}
}

/* The other VMPL, with all of its interrupts disabled, in a loop that has something in registers */
static void spin(void)
{
	__u64 rax = MAGIC, r12;

	guest_sync(1);
	asm volatile("mov %2, %%r12\n"
		     "movb $1, %3\n"
		     "1: " GUEST_SPIN "\n"
		     "cmpb $0, %4\n"
		     "je 1b\n"
		     "mov %%r12, %1\n"
		     : "+a"(rax), "=&r"(r12)
		     : "r"(OTHER_MAGIC), "m"(in_loop), "m"(halt_is_over)
		     : "r12", "cc", "memory");
	GUEST_ASSERT_EQ(rax, MAGIC);
	GUEST_ASSERT_EQ(r12, OTHER_MAGIC);
	guest_sync(2);
	guest_done();
}

/* An event for VMPL 0, while @vmpl is at a sync, and another one while it is in the loop */

static void *send_in_loop(void *data)
{
	while (!in_loop)
		usleep(1000);
	send(0, *(__u32 *)data);
	return NULL;
}

static void force(enum test_how how, int vmpl, __u32 data, __u8 vector)
{
	const guest_code_t entry[] = { vmpl0, spin, spin, spin };
	pthread_t thread;

	other = vmpl;
	in_loop = false;
	halt_is_over = false;
	irqs[0][vector] = 0;
	start(how, GUEST_PLANES, entry);
	expect_sync(vmpl, 1, 0);
	send(0, data);
	expect_sync(0, 20, 1 << vmpl);
	ASSERT_EQ(irqs[0][vector], 1);

	pthread_create(&thread, NULL, send_in_loop, &data);
	expect_sync(0, 20, 1 << vmpl);
	pthread_join(thread, NULL);
	ASSERT_EQ(irqs[0][vector], 2);
	ASSERT_EQ(irqs[vmpl][vector], 0);
	halt_is_over = true;
	expect_sync(vmpl, 2, 0);
	vmpl_test_run_to_end(&t);
}

static void irq_forces(enum test_how how)
{
	int vmpl;

	for (vmpl = 1; vmpl < GUEST_PLANES; vmpl++)
		force(how, vmpl, VECTOR, VECTOR);
}

static void nmi_forces(enum test_how how)
{
	int vmpl;

	for (vmpl = 1; vmpl < GUEST_PLANES; vmpl++)
		force(how, vmpl, MSI_NMI, X86_NMI);
}

/* With interrupts disabled, it is forced all the same, and again when it goes away. */
static void disabled(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0, NULL, spin };

	other = 2;
	irqs_off = true;
	start(how, 3, entry);
	expect_sync(2, 1, 0);
	send(0, VECTOR);
	expect_sync(0, 20, 1 << 2);
	ASSERT_EQ(irqs[0][VECTOR], 0);
	ASSERT(!in_loop);
	expect_sync(0, 20, 1 << 2);
	ASSERT(!in_loop);
	irqs_off = false;
	halt_is_over = true;
	/* Bounced once more, then it takes the interrupt. */
	expect_sync(0, 20, 1 << 2);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	expect_sync(2, 2, 0);
	vmpl_test_run_to_end(&t);
}

/* VMPL 0's priority holds it back. */
static void vmpl0_priority(void)
{
	wrmsr(MSR_X2APIC_TPR, VECTOR);
	vmpl_enable_ghcb();
	vmpl_run_ok(1);
	wrmsr(MSR_X2APIC_TPR, 0);
	asm volatile("sti; nop; cli");
	GUEST_ASSERT_EQ(irqs[0][LOW_VECTOR], 1);
	guest_done();
}

static void vmpl1_syncs(void)
{
	int i;

	for (i = 0; i < 5; i++)
		guest_sync(i);
	vmpl_run_forever(0);
}

static void priority(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_priority, vmpl1_syncs };
	int i;

	start(how, 2, entry);
	for (i = 0; i < 5; i++) {
		expect_sync(1, i, 0);
		if (!i)
			send(0, LOW_VECTOR);
	}
	ASSERT_EQ(irqs[0][LOW_VECTOR], 0);
	vmpl_test_run_to_end(&t);
}

/* VMPL 3 is forced away, then VMPL 2, which VMPL 0 runs instead. */

static void vmpl0_chooses(void)
{
	static const int next[] = { 3, 2, 1, 3, 2, 1 };
	unsigned int i;

	vmpl_enable_ghcb();
	for (i = 0; i < 6; i++) {
		vmpl_run_ok(next[i]);
		asm volatile("sti; nop; cli");
	}
	guest_done();
}

static void sync_forever(void)
{
	int i;

	for (i = 0;; i++)
		guest_sync(i);
}

static void suspended(enum test_how how)
{
	const guest_code_t entry[] = {
		vmpl0_chooses, sync_forever, sync_forever, sync_forever
	};

	start(how, GUEST_PLANES, entry);
	expect_sync(3, 0, 0);
	send(0, VECTOR);
	expect_sync(2, 0, 0x8);
	send(0, VECTOR);
	expect_sync(1, 0, 0xc);
	send(0, VECTOR);
	expect_sync(3, 1, 0x6);
	send(0, VECTOR);
	expect_sync(2, 1, 0xa);
	send(0, VECTOR);
	expect_sync(1, 1, 0xc);
	send(0, VECTOR);
	ASSERT_EQ(vmpl_test_run(&t)->cmd, GUEST_DONE);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 0xe);
	ASSERT_EQ(irqs[0][VECTOR], 6);
	vmpl_test_end(&t);
}

/* Out of HLT, which goes on afterwards */

static void halts(void)
{
	vmpl_enable_ghcb();
	guest_sync(1);
	asm volatile("sti; hlt");
	halt_is_over = true;
	GUEST_ASSERT_EQ(irqs[guest_plane()][VECTOR], 1);
	guest_done();
}

static void vmpl0_interrupts_on(void)
{
	vmpl_enable_ghcb();
	asm volatile("sti");
	for (;;)
		vmpl_run_ok(other);
}

static void *send_to_both(void *data)
{
	__u8 vector = *(__u32 *)data == MSI_NMI ? X86_NMI : VECTOR;

	usleep(50000);
	send(0, *(__u32 *)data);
	while (!irqs[0][vector])
		usleep(1000);
	usleep(50000);
	if (halt_is_over)
		fail("an event for VMPL 0 ended the HLT of VMPL %d", other);
	send(other, VECTOR);
	return NULL;
}

static void halted(enum test_how how, __u32 data)
{
	const guest_code_t entry[] = { vmpl0_interrupts_on, halts, halts, halts };
	pthread_t thread;

	for (other = 1; other < GUEST_PLANES; other++) {
		halt_is_over = false;
		irqs[0][VECTOR] = 0;
		irqs[0][X86_NMI] = 0;
		start(how, GUEST_PLANES, entry);
		expect_sync(other, 1, 0);
		pthread_create(&thread, NULL, send_to_both, &data);
		vmpl_test_run_to_end(&t);
		pthread_join(thread, NULL);
	}
}

static void irq_halted(enum test_how how)
{
	halted(how, VECTOR);
}

static void nmi_halted(enum test_how how)
{
	halted(how, MSI_NMI);
}

/* Events for VMPL n wait while any other one runs. */

static volatile int runs, target;

static void runner(void)
{
	vmpl_enable_ghcb();
	if (guest_plane() == 0 && runs)
		vmpl_run_ok(runs);
	asm volatile("sti");
	vmpl_run_ok(target);
	guest_sync(1);
	guest_sync(2);
	guest_sync(3);
	vmpl_run_ok(target);
	guest_sync(4);
	guest_done();
}

/* VMPL n, which has interrupts enabled, gets its event before anything else. */
static void waits(void)
{
	asm volatile("sti");
	vmpl_run_forever(runs);
}

static void wait(enum test_how how, __u32 data, __u8 vector)
{
	guest_code_t entry[] = { runner, NULL, NULL, NULL };

	entry[runs] = runner;
	entry[target] = waits;
	irqs[target][vector] = 0;
	irqs[runs][vector] = 0;
	start(how, GUEST_PLANES, entry);
	expect_sync(runs, 1, 0);
	send(target, data);
	expect_sync(runs, 2, 0);
	ASSERT_EQ(irqs[target][vector], 0);
	expect_sync(runs, 3, 0);
	ASSERT_EQ(irqs[target][vector], 0);
	expect_sync(runs, 4, 0);
	ASSERT_EQ(irqs[target][vector], 1);
	ASSERT_EQ(irqs[runs][vector], 0);
	vmpl_test_run_to_end(&t);
}

static void wait_each(enum test_how how, __u32 data, __u8 vector)
{
	for (runs = 0; runs < GUEST_PLANES; runs++)
		for (target = 1; target < GUEST_PLANES; target++)
			if (runs != target)
				wait(how, data, vector);
}

static void irq_waits(enum test_how how)
{
	wait_each(how, VECTOR, VECTOR);
}

static void nmi_waits(enum test_how how)
{
	wait_each(how, MSI_NMI, X86_NMI);
}

/* One pending for VMPL 0 when the policy goes is userspace's. */
static void removed(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0, NULL, spin };

	other = 2;
	start(BY_POLICY, 3, entry);
	expect_sync(2, 1, 0);
	send(0, VECTOR);
	policy_unload(&t.policy);
	vmpl_take_interrupts(&t.vmpl);
	expect_sync(0, 20, 1 << 2);
	halt_is_over = true;
	expect_sync(2, 2, 0);
	ASSERT_EQ(irqs[0][VECTOR], 1);
	/* There and back */
	ASSERT_EQ(t.vmpl.switches, 2);
	vm_free(t.vm);
}

const struct test tests[] = {
	TEST_BOTH("an interrupt for VMPL 0 forces it while 1, 2 or 3 runs, which is suspended then",
		  irq_forces),
	TEST_BOTH("so does an NMI", nmi_forces),
	TEST_BOTH("also if VMPL 0 has interrupts disabled; it comes back until it takes it",
		  disabled),
	TEST_BOTH("an interrupt that VMPL 0's TPR holds back does not force it", priority),
	TEST_BOTH("VMPLs that are suspended stay so until they are run", suspended),
	TEST_BOTH("an interrupt for VMPL 0 is taken out of another one's HLT, which goes on",
		  irq_halted),
	TEST_BOTH("so is an NMI", nmi_halted),
	TEST_BOTH("an interrupt for another VMPL waits until that runs, whatever else does",
		  irq_waits),
	TEST_BOTH("so does an NMI", nmi_waits),
	TEST("an interrupt that is pending when the policy is removed is userspace's", removed),
	{ }
};
