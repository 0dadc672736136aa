// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of two planes arrive at any time while the planes switch, in all ten thousand, and
 * the op inject by turns holds, takes and passes on what it is asked about: each is taken once.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "puppet_test.h"

#define FIRST_VECTOR	0x40
#define VECTOR_STEP	0x0b	/* not all of the same priority class */
#define NR_VECTORS	8
#define RACES		10000

/* What is not taken within that is lost. */
#define SECONDS		20

static volatile __u32 taken[KVM_MAX_PLANES][256];
static volatile __u32 signalled, spurious;
static volatile bool stop;

static struct puppet_test t;
static __u32 sent[2][NR_VECTORS];
static __u64 seed;

/* The interrupt in service that comes first; 0 is none */
static __u8 in_service(void)
{
	__u32 isr;
	int i;

	for (i = 7; i >= 0; i--) {
		isr = rdmsr(MSR_X2APIC_ISR + i);
		if (isr)
			return i * 32 + 31 - __builtin_clz(isr);
	}
	return 0;
}

static void on_irq(__u8 vector, const __u64 *gpr)
{
	if (vector == X86_HV) {
		signalled++;
		vector = in_service();
		if (!vector) {
			spurious++;
			return;
		}
	}
	taken[guest_plane()][vector]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

extern __u8 race_loop[];
asm(".pushsection .text\n"
	"race_loop:\n"
	"	call	guest_hypercall_insn\n"
	"	cli\n"
	"	call	guest_hypercall_insn\n"
	"	xor	%eax, %eax\n"
	"	cpuid\n"
	"	sti\n"
	"	cmpb	$0, stop\n"
	"	je	race_loop\n"
	"	ret\n"
	".popsection\n");

static __u8 vector(int i)
{
	return FIRST_VECTOR + i * VECTOR_STEP;
}

static int send_some(void)
{
	int i, n = 0;

	for (i = 0; i < 2 * NR_VECTORS; i++) {
		__u64 random = guest_random(&seed);
		int plane = i & 1;

		for (; random & 0x1ff; random--)
			asm volatile("");
		if (!(random >> 40 & 3))
			continue;
		puppet_send(&t, plane, vector(i / 2));
		sent[plane][i / 2]++;
		n++;
	}
	return n;
}

static __noreturn void fail_all(int i)
{
	fail("of interrupt %#x, plane 0 took %u of %u, and plane 1 took %u of %u", vector(i),
	     taken[0][vector(i)], sent[0][i], taken[1][vector(i)], sent[1][i]);
}

static void wait_taken(int plane, int i, time_t deadline)
{
	const volatile __u32 *n = &taken[plane][vector(i)];

	while (*n < sent[plane][i])
		if (time(NULL) > deadline)
			fail_all(i);
	if (*n > sent[plane][i])
		fail_all(i);
}

static void wait_for_all(void)
{
	time_t deadline = time(NULL) + SECONDS;
	int i;

	for (i = 0; i < 2 * NR_VECTORS; i++)
		wait_taken(i & 1, i / 2, deadline);
}

/* A vector that is pending is not sent again: the two would be one. */
static void *send(void *unused)
{
	int n = 0;

	while (n < RACES) {
		n += send_some();
		wait_for_all();
	}
	usleep(10000);
	wait_for_all();
	stop = true;
	return NULL;
}

static void race(int verdict)
{
	struct puppet_op *hypercall, *inject;
	pthread_t thread;
	int plane;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");

	seed = test_seed();
	guest_irq_handler = on_irq;
	puppet_start(&t, 2);
	hypercall = &t.puppet->op[PUPPET_HYPERCALL];
	hypercall->verdict = KVM_PLANE_SWITCH;
	hypercall->asks = PUPPET_SKIP | PUPPET_SWITCH;
	hypercall->target = PUPPET_TO_OTHER;
	inject = &t.puppet->op[PUPPET_INJECTION];
	inject->verdict = verdict;
	inject->asks = PUPPET_BY_TURNS;
	if (verdict == KVM_PLANE_RESUME)
		inject->asks |= PUPPET_TAKE | PUPPET_INJECT;
	inject->exception = X86_HV;
	for (plane = 0; plane < 2; plane++) {
		lapic_enable_x2apic(t.vm->vcpu[plane]);
		puppet_let(plane, race_loop, 0, 0, 0, 0);
		puppet_in[plane].rflags |= X86_RFLAGS_IF;
	}

	pthread_create(&thread, NULL, send, NULL);
	kvm_run_planes(t.vm->run)->plane = 0;
	while (!stop) {
		ioctl(t.vm->vcpu[0], KVM_RUN, 0);
		if (t.vm->run->exit_reason == KVM_EXIT_PLANE_EVENT)
			ASSERT_EQ(kvm_run_plane_event(t.vm->run)->cause, KVM_PLANE_EVENT_INJECT);
		else
			ASSERT(vm_guest_call(t.vm));
	}
	pthread_join(thread, NULL);
	note("the op was called %u times, #HV raised %u times", inject->calls, signalled);
	ASSERT_EQ(spurious, 0);
	ASSERT(inject->calls > RACES);
	ASSERT_EQ(!!signalled, verdict == KVM_PLANE_RESUME);
	puppet_end(&t);
}

static void take(enum test_how how)
{
	race(KVM_PLANE_RESUME);
}

static void user(enum test_how how)
{
	race(KVM_PLANE_USER);
}

const struct test tests[] = {
	TEST("interrupts that are held, taken and passed on while planes switch come once each",
	     take),
	TEST("so do those that are held, left to userspace and passed on", user),
	{ }
};
