// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of VMPL 0 and 1 arrive at any time while the guest runs one VMPL from the other: each
 * is taken once, by #HV or as such, and no request or register is lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lapic.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

/* In descending order each can come while the one before is handled: as many fit on a stack. */
#define FIRST_VECTOR	0x40
#define NR_VECTORS	16
#define NMI		(GHCB_DOORBELL_NMI << 8)
#define RACES		10000

/* What is not taken within that is lost. */
#define SECONDS		60

static volatile __u64 taken[GUEST_PLANES][256];
static volatile __u64 calls, served, preempted, hvs;
static volatile bool called, stop;
static struct ghcb_doorbell doorbell;
static bool with_doorbell;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	int vmpl = guest_plane();
	__u16 event;

	if (vector != X86_HV) {
		GUEST_ASSERT(vmpl || !with_doorbell);
		taken[vmpl][vector]++;
		wrmsr(MSR_X2APIC_EOI, 0);
		return;
	}
	GUEST_ASSERT(!vmpl && with_doorbell);
	hvs++;
	event = __atomic_exchange_n((__u16 *)&doorbell, 0, __ATOMIC_SEQ_CST);
	GUEST_ASSERT(event & GHCB_DOORBELL_NO_FURTHER_SIGNAL << 8);
	GUEST_ASSERT(!(event & NMI));
	taken[0][event & 0xff]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* Forced or asked for */
static void vmpl0(void)
{
	vmpl_enable_ghcb();
	if (with_doorbell)
		GUEST_ASSERT_EQ(vmpl_doorbell(GHCB_DOORBELL_SET,
					      (unsigned long)&doorbell).info_1, GHCB_OK);
	asm volatile("sti");
	for (;;) {
		vmpl_run_ok(1);
		if (called) {
			called = false;
			served++;
		} else {
			preempted++;
		}
	}
}

/* With something in all registers, by page and by MSR */
static void vmpl1(void)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u64 random = 1;
	int i;

	vmpl_enable_ghcb();
	guest_sync(1);
	in.rflags |= X86_RFLAGS_IF;
	while (!stop) {
		for (i = 0; i < NR_GPRS; i++)
			in.gpr[i] = guest_random(&random);
		if (calls & 1)
			vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);
		else
			wrmsr(GHCB_MSR, GHCB_MSR_RUN_VMPL);
		calls++;
		called = true;
		guest_run(&in, &out);
		GUEST_ASSERT_EQ(served, calls);
		for (i = 0; i < NR_GPRS; i++)
			if (i != RSP)
				GUEST_ASSERT_EQ(out.gpr[i], in.gpr[i]);
		if (rdmsr(GHCB_MSR) & GHCB_MSR_INFO) {
			GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
			vmpl_enable_ghcb();
		} else {
			GUEST_ASSERT_EQ(vmpl_read_ghcb().info_1, GHCB_OK);
		}
	}
	guest_done();
}

struct sender {
	struct vm *vm;
	__u64 seed;
	__u64 sent[2][256];
};

static __u64 *sent(struct sender *sender, int vmpl, int vector)
{
	return &sender->sent[vmpl][FIRST_VECTOR + vector];
}

static void wait_taken(struct sender *sender, int vmpl, int vector, time_t deadline)
{
	const volatile __u64 *n = &taken[vmpl][FIRST_VECTOR + vector];
	__u64 want = *sent(sender, vmpl, vector);

	while (*n < want) {
		if (time(NULL) > deadline)
			fail("VMPL %d took %llu of %llu interrupts", vmpl, *n, want);
		sched_yield();
	}
	if (*n > want)
		fail("VMPL %d took %llu interrupts, of %llu", vmpl, *n, want);
}

/* Each vector to VMPL 0 most of the time and to VMPL 1 now and then; returns those for VMPL 0. */
static int send_some(struct sender *sender)
{
	int i, n = 0;

	for (i = 0; i < 2 * NR_VECTORS; i++) {
		__u64 random = guest_random(&sender->seed);
		int vmpl = i & 1;

		for (; random & 0x1ff; random--)
			asm volatile("");
		if (vmpl ? random >> 40 & 3 : !(random >> 40 & 3))
			continue;
		msi_send(vmpl ? sender->vm->plane[1] : sender->vm->fd, FIRST_VECTOR + i / 2);
		++*sent(sender, vmpl, i / 2);
		n += !vmpl;
	}
	return n;
}

static void wait_for_all(struct sender *sender)
{
	time_t deadline = time(NULL) + SECONDS;
	__u64 from = calls;
	int i;

	for (i = 0; i < 2 * NR_VECTORS; i++)
		wait_taken(sender, i & 1, i / 2, deadline);
	while (calls == from) {
		if (time(NULL) > deadline)
			fail("no call after %llu", calls);
		sched_yield();
	}
}

/* A vector that is pending is not sent again: the two would be one. */
static void *send(void *sender)
{
	int n = 0;

	while (n < RACES) {
		n += send_some(sender);
		wait_for_all(sender);
	}
	usleep(10000);
	wait_for_all(sender);
	stop = true;
	return NULL;
}

static void race(enum test_how how, bool restricted)
{
	const guest_code_t entry[] = { vmpl0, vmpl1 };
	struct sender sender;
	struct vmpl_test t;
	pthread_t thread;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");

	guest_irq_handler = on_irq;
	with_doorbell = restricted;
	vmpl_test_start(&t, how, 2, entry);
	for (i = 0; i < 2; i++)
		lapic_enable_x2apic(t.vm->vcpu[i]);
	if (how == BY_USERSPACE)
		vmpl_take_interrupts(&t.vmpl);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 1);

	sender = (struct sender) { .vm = t.vm, .seed = test_seed() | 1 };
	pthread_create(&thread, NULL, send, &sender);
	vmpl_test_run_to_end(&t);
	pthread_join(thread, NULL);
	note("%llu calls, VMPL 0 forced %llu times, %llu #HVs", calls, preempted, hvs);
	ASSERT(preempted > 0);
	ASSERT(restricted == !!hvs);
}

static void as_such(enum test_how how)
{
	race(how, false);
}

static void by_hv(enum test_how how)
{
	race(BY_POLICY, true);
}

const struct test tests[] = {
	TEST_BOTH("of 10000 interrupts for VMPL 0 raced against run-VMPL, none is lost or doubled",
		  as_such),
	TEST("nor of 10000 that #HV tells of", by_hv),
	{ }
};
