// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of two VTLs arrive at any time while the guest makes VTL calls and
 * returns, a hundred thousand in all: each is taken once, and no call or register is
 * lost.
 */
#include <linux/kvm_plane_vtl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lapic.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define FIRST_VECTOR	0x40
#define NR_VECTORS	32
#define VINA		0x30
#define RACES		50000

/* What is not taken within that is lost. */
#define SECONDS		20

static volatile __u64 taken[GUEST_PLANES][256];
static volatile __u64 notified, calls, served, preempted;
static volatile bool stop;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	if (vector == VINA)
		notified++;
	else
		taken[guest_plane()][vector]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* VTL 0 calls all the time, with something in all registers. */
static void vtl0(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0), out;
	__u64 random = 1;
	int i;

	vtl_enable();
	vtl_call();
	guest_sync(1);
	in.rflags |= X86_RFLAGS_IF;
	while (!stop) {
		for (i = RDX; i < NR_GPRS; i++)
			in.gpr[i] = guest_random(&random);
		guest_run(&in, &out);
		calls++;
		GUEST_ASSERT_EQ(served, calls);
		for (i = RAX; i < NR_GPRS; i++)
			if (i != RSP)
				GUEST_ASSERT_EQ(out.gpr[i], in.gpr[i]);
	}
	guest_done();
}

static void count(__u64 *gpr)
{
	if (vtl_entry_reason() == HV_ENTRY_REASON_CALL)
		served++;
	else
		preempted++;
}

static void vtl1(void)
{
	asm volatile("sti");
	vtl_serve(count);
}

struct sender {
	struct vm *vm;
	__u64 seed;
	__u64 sent[2][256];
};

static __u64 *sent(struct sender *sender, int vtl, int vector)
{
	return &sender->sent[vtl][FIRST_VECTOR + vector];
}

static void wait_taken(struct sender *sender, int vtl, int vector, time_t deadline)
{
	const volatile __u64 *n = &taken[vtl][FIRST_VECTOR + vector];
	__u64 want = *sent(sender, vtl, vector);

	while (*n < want)
		if (time(NULL) > deadline)
			fail("VTL %d took %llu of %llu interrupts", vtl, *n, want);
	if (*n > want)
		fail("VTL %d took %llu interrupts, of %llu", vtl, *n, want);
}

/* Each vector to none, one or both of the VTLs, with something in between */
static int send_some(struct sender *sender)
{
	int i, n = 0;

	for (i = 0; i < 2 * NR_VECTORS; i++) {
		__u64 random = guest_random(&sender->seed);
		int vtl = i & 1;

		for (; random & 0x1ff; random--)
			asm volatile("");
		if (!(random >> 40 & 3))
			continue;
		msi_send(vtl ? sender->vm->plane[1] : sender->vm->fd, FIRST_VECTOR + i / 2);
		++*sent(sender, vtl, i / 2);
		n++;
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
	while (calls == from)
		if (time(NULL) > deadline)
			fail("no call after %llu", calls);
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

static void race(__u16 vina)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct sender sender;
	pthread_t thread;
	struct vtl_test t;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");

	guest_irq_handler = on_irq;
	vtl_test_start(&t, BY_POLICY, 2, entry);
	vtl_set_vina(t.vm, 1, vina);
	for (i = 0; i < 2; i++)
		lapic_enable_x2apic(t.vm->vcpu[i]);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);

	sender = (struct sender) { .vm = t.vm, .seed = test_seed() };
	pthread_create(&thread, NULL, send, &sender);
	vtl_test_run_to_end(&t);
	pthread_join(thread, NULL);
	note("%llu calls, VTL 0 preempted %llu times, VTL 1 notified %llu times", calls, preempted,
	     notified);
	ASSERT(preempted > 0);
	ASSERT(!vina == !notified);
}

static void without_vina(enum test_how how)
{
	race(0);
}

static void with_vina(enum test_how how)
{
	race(KVM_PLANE_VTL_VINA_ENABLED | KVM_PLANE_VTL_VINA_AUTO_RESET | VINA);
}

const struct test tests[] = {
	TEST("of 50000 interrupts raced against calls and returns, none is lost or doubled",
	     without_vina),
	TEST("nor of another 50000 with VINA", with_vina),
	{ }
};
