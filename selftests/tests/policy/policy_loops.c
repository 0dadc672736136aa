// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that keeps a vCPU from getting anywhere: it is ejected at last, and until then a signal
 * ends KVM_RUN, and other tasks have their turn.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mem_test.h"
#include "puppet_test.h"

#define VECTOR		0x50
#define OTHER_VECTOR	0x60

/* <linux/kvm_plane_bpf.h>, KVM_PLANE_EJECT_LOOP: this many are none too many. */
#define MAX_VERDICTS	4096

POLICY(raises, "selftests/policies/raises.bpf.o");

static struct puppet_test t;
static __u64 data[512] __attribute__((aligned(4096)));

static struct puppet_op *start(enum puppet_op_nr op, int verdict, __u32 asks)
{
	puppet_start(&t, 2);
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	t.puppet->op[op].verdict = verdict;
	t.puppet->op[op].asks = asks;
	return &t.puppet->op[op];
}

static void expect_ejected(const struct puppet_op *op)
{
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_LOOP, -1);
	note("asked %u times", op->calls);
	ASSERT(op->calls > MAX_VERDICTS);
	ASSERT(op->calls < MAX_VERDICTS + 100);
	puppet_free(&t);
}

static void event(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_EVENT, KVM_PLANE_RESUME, PUPPET_RAISE_IRQ);

	op->irq_plane = 1;
	op->vector = OTHER_VECTOR;
	puppet_send(&t, 1, VECTOR);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT(puppet_pending(&t, 1, VECTOR));
	ASSERT(puppet_pending(&t, 1, OTHER_VECTOR));
	expect_ejected(op);
}

static __u32 taken;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	taken++;
}

static void injection_of(__u32 irq_plane)
{
	struct puppet_op *op = start(PUPPET_INJECTION, KVM_PLANE_RESUME, PUPPET_RAISE_IRQ);

	op->irq_plane = irq_plane;
	op->vector = OTHER_VECTOR;
	guest_irq_handler = on_irq;
	puppet_in[0].rflags |= X86_RFLAGS_IF;
	puppet_send(&t, 0, VECTOR);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT(taken);
	expect_ejected(op);
}

static void injection(enum test_how how)
{
	injection_of(0);
}

static void injection_elsewhere(enum test_how how)
{
	injection_of(1);
}

static void memory_fault(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_MEMORY_FAULT, KVM_PLANE_RESUME, 0);
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = sizeof(data),
		.attributes = NW,
	};

	vm_ioctl(t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	puppet_let(0, puppet_write, 1, 0, 0, (unsigned long)data);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(data[0], 0);
	expect_ejected(op);
}

/* What KVM does with the instruction once there is no policy */
static void retried(enum puppet_op_nr nr, const void *insn, __u64 rcx, __u64 vector)
{
	struct puppet_op *op = start(nr, KVM_PLANE_RESUME, 0);

	puppet_let(0, insn, 0, rcx, 0, 0);
	puppet_turn(&t, 0);
	if (vector)
		puppet_expect_fault(0, vector);
	else
		puppet_expect_no_fault(0);
	expect_ejected(op);
}

static void hypercall(enum test_how how)
{
	retried(PUPPET_HYPERCALL, guest_hypercall_insn, 0, 0);
}

static void wrmsr_again(enum test_how how)
{
	retried(PUPPET_WRMSR, puppet_wrmsr, PUPPET_MSR, X86_GP);
}

static void rdmsr_again(enum test_how how)
{
	retried(PUPPET_RDMSR, puppet_rdmsr, PUPPET_MSR, X86_GP);
}

static void by_turns(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HYPERCALL, KVM_PLANE_SWITCH, PUPPET_SWITCH);

	op->target = PUPPET_TO_OTHER;
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_let(1, guest_hypercall_insn, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	puppet_run(&t);
	expect_ejected(op);
}

/* Each time the plane gets past it at last, because the policy passes it on or skips it. */
static void progress(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HYPERCALL, KVM_PLANE_RESUME, 0);
	int i;

	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_let(1, guest_hypercall_insn, 0, 0, 0, 0);
	for (i = 0; i < 3; i++) {
		op->calls = 0;
		op->times = MAX_VERDICTS - 1;
		op->asks = 0;
		puppet_turn(&t, 0);
		ASSERT_EQ(op->calls, MAX_VERDICTS);
		op->asks = PUPPET_SKIP;
		op->calls = 0;
		puppet_turn(&t, 1);
		ASSERT_EQ(op->calls, 1);
	}
	puppet_end(&t);
}

static pthread_t vcpu_thread;
static volatile int ran;

static void on_signal(int signal)
{
}

static void *interrupt(void *unused)
{
	usleep(100000);
	ran = 1;
	pthread_kill(vcpu_thread, SIGUSR1);
	return NULL;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The thread that sends the signal has the same CPU as the vCPU. */
static void signalled(enum test_how how)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct policy_status status;
	struct policy policy;
	pthread_t thread;
	cpu_set_t cpus;
	__u64 begin;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	puppet_create(&t, 2);
	ASSERT_EQ(policy_load(&policy, &policy_raises), 0);
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	puppet_send(&t, 1, VECTOR);
	sigaction(SIGUSR1, &action, NULL);
	vcpu_thread = pthread_self();
	pthread_create(&thread, NULL, interrupt, NULL);

	begin = now_ms();
	ASSERT_ERRNO(ioctl(t.vm->vcpu[0], KVM_RUN, 0), EINTR);
	note("KVM_RUN took %llu ms", now_ms() - begin);
	ASSERT_EQ(ran, 1);
	ASSERT(now_ms() - begin < 3000);
	pthread_join(thread, NULL);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT(!strcmp(status.policy, "raises"));
	ASSERT_EQ(status.eject_kind, 0);
	policy_unload(&policy);
	puppet_turn(&t, 0);
	puppet_free(&t);
}

const struct test tests[] = {
	TEST("events without end keep no signal from ending KVM_RUN, and no task from the CPU",
	     signalled),
	TEST("a policy that raises an interrupt for each event, so that no plane runs, is ejected",
	     event),
	TEST("so is one that does so before each injection", injection),
	TEST("so is one that does so for another plane", injection_elsewhere),
	TEST("so is one that resumes at a forbidden access for ever", memory_fault),
	TEST("so is one that resumes at a hypercall for ever, and never skips it", hypercall),
	TEST("so is one that does so at WRMSR", wrmsr_again),
	TEST("so is one that does so at RDMSR", rdmsr_again),
	TEST("so is one that has planes take turns at hypercalls that are never skipped", by_turns),
	TEST("one that lets a plane get past its instruction in time is not", progress),
	{ }
};
