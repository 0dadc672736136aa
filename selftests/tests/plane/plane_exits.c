// SPDX-License-Identifier: GPL-2.0
/*
 * What KVM_RUN promises while a policy switches planes: which plane an event is for, what it tells
 * of suspended planes, that an interrupt window is seen, and that a plane counts as preempted only
 * between two instructions.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "puppet_test.h"

#define VECTOR			0x50
#define ROUNDS			20
#define NO_MEMORY		0xd0000ffcUL	/* eight bytes from here are in two pages */
#define PORT			0x911
#define MSR_KVM_STEAL_TIME	0x4b564d03
#define STEAL_TIME_PREEMPTED	16		/* struct kvm_steal_time, preempted */

static struct puppet_test t;

static void event_target(enum test_how how)
{
	struct kvm_plane_event *event;

	puppet_start(&t, 3);
	t.puppet->op[PUPPET_EVENT].verdict = KVM_PLANE_USER;
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_send(&t, 1, VECTOR);
	puppet_send(&t, 2, VECTOR);
	kvm_run_planes(t.vm->run)->req_exit_planes = 1U << 2;
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(event->pending_event_planes, 1U << 1 | 1U << 2);
	ASSERT_EQ(event->target, 2);
	kvm_run_planes(t.vm->run)->req_exit_planes = 0;
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(event->pending_event_planes, 1U << 1 | 1U << 2);
	ASSERT_EQ(event->target, 1);
	puppet_end(&t);
}

static void suspended(enum test_how how)
{
	puppet_start(&t, 2);
	puppet_let(0, puppet_write, 0, 0, 0, NO_MEMORY);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_MMIO);
	ASSERT_EQ(t.vm->run->mmio.phys_addr, NO_MEMORY);

	/* The other half of the access comes first. */
	kvm_run_planes(t.vm->run)->suspended_planes = 1U << 0;
	ASSERT_EQ(puppet_exit(&t, 1), KVM_EXIT_MMIO);
	ASSERT_EQ(t.vm->run->mmio.phys_addr, NO_MEMORY + 4);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 0);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1U << 0);
	puppet_turn(&t, 1);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1U << 0);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	puppet_end(&t);
}

static __u8 hypercalls[] = { 0x0f, 0x01, 0xd9, 0xeb, 0xfb };	/* for (;;) hypercall */

static void on_alarm(int signal)
{
}

static void set_alarm(long usec)
{
	const struct itimerval interval = { .it_value.tv_usec = usec };
	const struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

/* Only plane 0 takes interrupts that userspace injects, and only it has interrupts enabled. */
static struct puppet_op *start_window(int verdict, __u32 asks)
{
	struct puppet_op *op;

	puppet_start(&t, 2);
	lapic_set(t.vm->vcpu[0], APIC_LVT0, APIC_LVT_EXTINT);
	memcpy(hypercalls, guest_hypercall_insn, 3);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	op->verdict = verdict;
	op->asks = PUPPET_SKIP | asks;
	op->target = PUPPET_TO_OTHER;
	puppet_let(0, hypercalls, 0, 0, 0, 0);
	puppet_in[0].rflags |= X86_RFLAGS_IF;
	puppet_let(1, hypercalls, 0, 0, 0, 0);
	return op;
}

static int compare(const void *a, const void *b)
{
	return *(const __u32 *)a < *(const __u32 *)b ? -1 : 1;
}

/* Now and then the host has something else to do between the two events. */
static void expect_few(__u32 *counts)
{
	qsort(counts, ROUNDS, sizeof(*counts), compare);
	note("%u to %u hypercalls before the exit, in half of the cases up to %u", counts[0],
	     counts[ROUNDS - 1], counts[ROUNDS / 2]);
	ASSERT(counts[ROUNDS / 2] <= 4);
}

static void expect_window(void)
{
	ASSERT_EXIT(t.vm, KVM_EXIT_IRQ_WINDOW_OPEN);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 0);
	ASSERT_EQ(t.vm->run->ready_for_interrupt_injection, 1);
	t.vm->run->request_interrupt_window = 0;
}

/* On CPU 0: not so that the vCPU, which runs on another one, has to exit for this. */
static void *request_window(void *unused)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	usleep(20000);
	t.puppet->op[PUPPET_HYPERCALL].calls = 0;
	t.vm->run->request_interrupt_window = 1;
	return NULL;
}

static void window(struct puppet_op *op)
{
	__u32 counts[ROUNDS];
	pthread_t thread;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");
	for (i = 0; i < ROUNDS; i++) {
		pthread_create(&thread, NULL, request_window, NULL);
		puppet_exit(&t, 0);
		expect_window();
		pthread_join(thread, NULL);
		counts[i] = op->calls;
	}
	expect_few(counts);
	puppet_end(&t);
}

static void window_switched(enum test_how how)
{
	window(start_window(KVM_PLANE_SWITCH, PUPPET_SWITCH));
}

static void window_answered(enum test_how how)
{
	window(start_window(KVM_PLANE_RESUME, 0));
}

/* while (!*(__u8 *)RBX); rep outsb; return */
static __u8 output[] = { 0x80, 0x3b, 0x00, 0x74, 0xfb, 0xf3, 0x6e, 0xc3 };
static volatile __u8 go;
static __u8 steal_time[64] __attribute__((aligned(64)));
static int event_fd;
static volatile int preempted, preemptions;

/* Runs as soon as plane 1 has made its output, which KVM emulates then. */
static void *preempt(void *unused)
{
	struct sched_param param = { .sched_priority = 1 };
	__u64 value;

	ASSERT_EQ(sched_setscheduler(0, SCHED_FIFO, &param), 0);
	while (read(event_fd, &value, sizeof(value)) == sizeof(value)) {
		preempted += *(volatile __u8 *)&steal_time[STEAL_TIME_PREEMPTED];
		preemptions++;
	}
	return NULL;
}

/* KVM_RUN of plane 1 ends between two instructions. */
static void interrupt_plane1(void)
{
	go = 0;
	puppet_let(1, output, 0, 10, PORT, (unsigned long)&go);
	puppet_in[1].gpr[RSI] = (unsigned long)output;
	kvm_run_planes(t.vm->run)->plane = 1;
	set_alarm(20000);
	ASSERT_ERRNO(ioctl(t.vm->vcpu[0], KVM_RUN, 0), EINTR);
	go = 1;
}

static void start_preempting(void)
{
	struct kvm_ioeventfd io = {
		.addr = PORT,
		.len = 1,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	event_fd = eventfd(0, 0);
	io.fd = event_fd;
	vm_ioctl(t.vm->fd, KVM_IOEVENTFD, &io);
	ASSERT(vm_set_msr(t.vm, 1, MSR_KVM_STEAL_TIME, (unsigned long)steal_time | 1));
	pthread_create(&thread, NULL, preempt, NULL);
}

static void boundary(enum test_how how)
{
	struct puppet_op *op;
	int i;

	puppet_start(&t, 2);
	op = &t.puppet->op[PUPPET_WRMSR];
	op->verdict = KVM_PLANE_SWITCH;
	op->asks = PUPPET_SKIP | PUPPET_SWITCH;
	op->target = 1;
	start_preempting();
	for (i = 1; i <= ROUNDS; i++) {
		interrupt_plane1();
		puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
		kvm_run_planes(t.vm->run)->plane = 0;
		ASSERT_EQ(puppet_run(&t), 1);
		ASSERT_EQ(op->calls, i);
		puppet_turn(&t, 0);
	}
	note("preempted %d times, %d of them at an instruction boundary", preemptions, preempted);
	ASSERT(preemptions >= ROUNDS);
	ASSERT_EQ(preempted, 0);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST("an event that a policy leaves to userspace is of a plane that this asked for, if any",
	     event_target),
	TEST("suspended planes that userspace sets are not lost if another exit comes first",
	     suspended),
	TEST("an interrupt window opens though a policy switches planes at each hypercall",
	     window_switched),
	TEST("it does though a policy answers each hypercall", window_answered),
	TEST("a plane that a policy switched to does not count as preempted in the emulator",
	     boundary),
	{ }
};
