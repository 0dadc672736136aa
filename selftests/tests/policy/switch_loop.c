// SPDX-License-Identifier: GPL-2.0
/*
 * Switches that never leave KVM's run loop: what a plane has that takes more than to enter it, and
 * what KVM_RUN tells when it ends between any two of them.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_guest.h"
#include "puppet_test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ROUNDS		200
#define INTERRUPTIONS	300
#define X86_DB		1
#define DR7_OFF		0x400ULL
#define DR7_L0		(DR7_OFF | 1ULL << 0)	/* DR0: a breakpoint for instructions */
#define VECTOR		0x50

static void run(enum test_how how, guest_code_t vtl0, guest_code_t vtl1)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;

	vtl_test_start(&t, how, 2, entry);
	vtl_test_run_to_end(&t);
}

/* DR0 to DR3 are shared, DR7 is not: a breakpoint of the one is none of the other. */

static __u8 target[] = { 0x90, 0xc3 };

static struct guest_regs at_target(void)
{
	return (struct guest_regs) {
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)target,
	};
}

static void vtl0_breaks(void)
{
	struct guest_fault *fault = &guest_faults[0];
	struct guest_regs in = at_target(), out;
	int i;

	vtl_enable();
	vtl_call();
	write_dr0((unsigned long)target);
	for (i = 0; i < ROUNDS; i++) {
		bool on = i % 8 < 5;

		write_dr7(on ? DR7_L0 : DR7_OFF);
		vtl_call();
		GUEST_ASSERT_EQ(read_dr7(), on ? DR7_L0 : DR7_OFF);
		fault->count = 0;
		fault->expected = true;
		guest_run(&in, &out);
		fault->expected = false;
		GUEST_ASSERT_EQ(fault->count, on);
		if (on)
			GUEST_ASSERT_EQ(fault->vector, X86_DB);
		vtl_call();
	}
	write_dr7(DR7_OFF);
	guest_done();
}

static void vtl1_does_not(void)
{
	struct guest_regs in = at_target(), out;

	vtl_enable();
	vtl_return(HV_VTL_RETURN_FAST);
	for (;;) {
		GUEST_ASSERT_EQ(read_dr7(), DR7_OFF);
		guest_run(&in, &out);
		vtl_return(HV_VTL_RETURN_FAST);
	}
}

static void breakpoints(enum test_how how)
{
	run(how, vtl0_breaks, vtl1_does_not);
}

/* XCR0 is shared, and CPUID has its size: the one that a VTL has left is what the other finds. */

static __u32 xsave_size(void)
{
	__u32 eax = 0xd, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx;
}

static volatile __u64 expected_xcr0;
static volatile __u32 expected_size;
static __u64 all_xcr0;

static void set_next_xcr0(__u64 round)
{
	expected_xcr0 = round % 3 ? (round % 3 == 1 ? 3 : all_xcr0) : 1;
	xsetbv(expected_xcr0);
	expected_size = xsave_size();
}

static void check_xcr0(void)
{
	GUEST_ASSERT_EQ(xgetbv(), expected_xcr0);
	GUEST_ASSERT_EQ(xsave_size(), expected_size);
}

static void vtl0_xcr0(void)
{
	__u64 i;

	vtl_enable();
	set_next_xcr0(0);
	for (i = 0; i < ROUNDS; i++) {
		vtl_call();
		check_xcr0();
		if (i % 4 < 2)
			set_next_xcr0(i);
	}
	guest_done();
}

static void vtl1_xcr0(void)
{
	__u64 i;

	vtl_enable();
	for (i = 0; ; i++) {
		check_xcr0();
		if (i % 5 < 3)
			set_next_xcr0(i + 1);
		vtl_return(HV_VTL_RETURN_FAST);
	}
}

static void xcr0(enum test_how how)
{
	struct vm *vm = vm_create(1);
	const struct kvm_cpuid_entry2 *leaf = vm_cpuid(vm, 0xd, 0);

	all_xcr0 = leaf->eax & 7;
	vm_free(vm);
	if (all_xcr0 != 7)
		skip("no AVX");
	run(how, vtl0_xcr0, vtl1_xcr0);
}

/* A signal at any time, which ends KVM_RUN between any two switches. */

static struct vm *interrupted;

static void on_alarm(int signal)
{
	interrupted->run->immediate_exit = 1;
}

static void set_interval(long usec)
{
	struct itimerval interval = {
		.it_interval.tv_usec = usec,
		.it_value.tv_usec = usec,
	};

	setitimer(ITIMER_REAL, &interval, NULL);
}

/* A plane is known by its stack. */
static void check_run(struct vm *vm, __u64 rsp)
{
	const struct kvm_run_planes *run = kvm_run_planes(vm->run);
	unsigned long stack = (unsigned long)guest_stacks[run->plane];

	ASSERT(run->plane < 2);
	ASSERT(rsp > stack && rsp <= stack + GUEST_STACK_SIZE);
	ASSERT_EQ(run->suspended_planes, run->plane ? 1 : 0);
}

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_xsave xsave;
};

static void get_state(int vcpu, struct state *state)
{
	vm_ioctl(vcpu, KVM_GET_REGS, &state->regs);
	vm_ioctl(vcpu, KVM_GET_SREGS, &state->sregs);
	vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_GET_XCRS, &state->xcrs);
	vm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &state->events);
	vm_ioctl(vcpu, KVM_GET_LAPIC, &state->lapic);
	vm_ioctl(vcpu, KVM_GET_XSAVE, &state->xsave);
}

static void set_state(int vcpu, struct state *state)
{
	vm_ioctl(vcpu, KVM_SET_SREGS, &state->sregs);
	vm_ioctl(vcpu, KVM_SET_REGS, &state->regs);
	vm_ioctl(vcpu, KVM_SET_XCRS, &state->xcrs);
	vm_ioctl(vcpu, KVM_SET_XSAVE, &state->xsave);
	vm_ioctl(vcpu, KVM_SET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_SET_LAPIC, &state->lapic);
	vm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &state->events);
}

/* What a migration would carry, with everything lost in between. */
static void save_and_restore(struct vm *vm)
{
	static struct state state[2], nothing;
	struct kvm_run_planes saved = *kvm_run_planes(vm->run);
	int i;

	nothing.regs.rflags = X86_RFLAGS_FIXED;
	for (i = 0; i < 2; i++)
		get_state(vm->vcpu[i], &state[i]);
	for (i = 0; i < 2; i++) {
		vm_ioctl(vm->vcpu[i], KVM_SET_REGS, &nothing.regs);
		vm_ioctl(vm->vcpu[i], KVM_SET_DEBUGREGS, &nothing.debugregs);
	}
	kvm_run_planes(vm->run)->plane = 0;
	kvm_run_planes(vm->run)->suspended_planes = 0;
	for (i = 0; i < 2; i++)
		set_state(vm->vcpu[i], &state[i]);
	kvm_run_planes(vm->run)->plane = saved.plane;
	kvm_run_planes(vm->run)->suspended_planes = saved.suspended_planes;
}

static void interrupt(bool with_state)
{
	struct sigaction action = { .sa_handler = on_alarm };
	__u64 seed = test_seed(), by_plane[2] = { };
	int interruptions = 0;
	struct vtl_test t;
	struct vm *vm;
	int r;

	vtl_test_start(&t, BY_POLICY, 2, counting_guest);
	vm = t.vm;
	interrupted = vm;
	vtl_test_run(&t);
	sigaction(SIGALRM, &action, NULL);
	while (interruptions < INTERRUPTIONS) {
		set_interval(100 + guest_random(&seed) % 1000);
		r = ioctl(vm->vcpu[0], KVM_RUN, 0);
		set_interval(0);
		vm->run->immediate_exit = 0;
		check_run(vm, vm->run->s.regs.regs.rsp);
		if (!r) {
			ASSERT(vtl_handle_exit(&t.vtl) || vm_guest_call(vm));
			continue;
		}
		ASSERT_EQ(errno, EINTR);
		interruptions++;
		by_plane[kvm_run_planes(vm->run)->plane]++;
		if (with_state)
			save_and_restore(vm);
	}
	note("in VTL 0 %llu, in VTL 1 %llu", by_plane[0], by_plane[1]);
	ASSERT(by_plane[0] && by_plane[1]);
	vtl_test_run(&t);
	vtl_test_end(&t);
}

static void signals(enum test_how how)
{
	interrupt(false);
}

static void saved(enum test_how how)
{
	interrupt(true);
}

/* Two VMs that have one CPU between them: each is preempted wherever it is. */

static __noreturn void share_cpu(int link, int cpu)
{
	cpu_set_t cpus;
	struct vtl_test t;
	int i;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	vtl_test_start(&t, BY_USERSPACE, 2, counting_guest);
	ASSERT_EQ(vtl_use_policy(&t.vtl, link), 0);
	for (i = 0; i < ROUNDS; i++)
		vtl_test_run(&t);
	ASSERT_EQ(t.vtl.switches, 0);
	_exit(0);
}

static void preempted(enum test_how how)
{
	int cpu = sched_getcpu();
	struct policy policy;
	pid_t pid[2];
	int i, status;

	vtl_policy_load(&policy);
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i])
			share_cpu(policy.token, cpu);
	}
	for (i = 0; i < 2; i++) {
		waitpid(pid[i], &status, 0);
		ASSERT(WIFEXITED(status) && !WEXITSTATUS(status));
	}
	policy_unload(&policy);
}

/* The APIC timer of plane 1 expires while planes 0 and 2 keep the run loop busy. */

static __u8 hypercalls[] = { 0x0f, 0x01, 0xd9, 0xeb, 0xfb };	/* for (;;) hypercall */

static void set_timer(struct vm *vm, int plane, __u32 count)
{
	struct kvm_lapic_state apic;

	vm_ioctl(vm->vcpu[plane], KVM_GET_LAPIC, &apic);
	*(__u32 *)(apic.regs + APIC_TDCR) = 0xb;
	*(__u32 *)(apic.regs + APIC_LVTT) = VECTOR;
	*(__u32 *)(apic.regs + APIC_TMICT) = count;
	*(__u32 *)(apic.regs + APIC_TMCCT) = count;
	vm_ioctl(vm->vcpu[plane], KVM_SET_LAPIC, &apic);
}

static void timer(enum test_how how)
{
	struct puppet_op *hypercall, *event;
	struct puppet_test t;
	int i;

	puppet_start(&t, 4);
	memcpy(hypercalls, guest_hypercall_insn, 3);
	hypercall = &t.puppet->op[PUPPET_HYPERCALL];
	hypercall->verdict = KVM_PLANE_SWITCH;
	hypercall->asks = PUPPET_SKIP | PUPPET_SWITCH;
	hypercall->target = PUPPET_TO_OTHER;
	event = &t.puppet->op[PUPPET_EVENT];
	event->verdict = KVM_PLANE_SWITCH;
	event->asks = PUPPET_SWITCH;
	event->target = PUPPET_TO_PENDING;
	puppet_let(2, hypercalls, 0, 0, 0, 0);
	puppet_let(3, hypercalls, 0, 0, 0, 0);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	for (i = 1; i <= 5; i++) {
		set_timer(t.vm, 1, 50000000);
		kvm_run_planes(t.vm->run)->plane = 2 + i % 2;
		ASSERT_EQ(puppet_run(&t), 1);
		ASSERT_EQ(event->calls, i);
		ASSERT_EQ(event->seen.pending, 1U << 1);
		lapic_drop_interrupts(t.vm->vcpu[1]);
	}
	ASSERT(hypercall->calls > 100);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("a breakpoint of one VTL is none of another", breakpoints),
	TEST_BOTH("XCR0 is what the VTL that ran before has left, and CPUID has its size", xcr0),
	TEST("when a signal ends KVM_RUN, the plane that runs and the suspended ones are told",
	     signals),
	TEST("planes can be saved and restored wherever a signal ends KVM_RUN", saved),
	TEST("two VMs whose planes are switched can share a CPU", preempted),
	TEST("the timer of a plane goes on while others are switched all the time", timer),
	{ }
};
