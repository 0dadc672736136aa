// SPDX-License-Identifier: GPL-2.0
/*
 * A VM with planes can be stopped anywhere, saved by what KVM_GET_* and kvm_run
 * say, and go on as another VM: with a policy or without.
 *
 * Both VMs have the image of this program for memory, so that memory is there
 * without being copied; the old VM is gone before the new one runs.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "counting_guest.h"
#include "lapic.h"
#include "migrate.h"
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define AT_SIGNALS	15
#define AT_EXITS	10
#define SYNCS		3

#define VECTOR		0x50
#define TIMER_VECTOR	0x51

#define MSR_TSC			0x10
#define MSR_TSC_DEADLINE	0x6e0
#define CPUID_TSC_DEADLINE	(1U << 24)	/* CPUID.1:ECX */

static __u64 rng;

/* The VMM's part of it: what it knows of VTLs, and who switches them from now on. */
static void migrate_vtls(struct vtl *vtl, int policy)
{
	struct vtl old = *vtl;

	vtl_init(vtl, vm_migrate(old.vm, vm_create));
	memcpy(vtl->assist_msr, old.assist_msr, sizeof(old.assist_msr));
	vtl->switches = old.switches;
	if (policy >= 0 && vtl_use_policy(vtl, policy))
		fail("opting in to the VTL policy: %s", strerror(errno));
}

static struct vm *current_vm;
static sigset_t signals;
static pthread_t vcpu_thread;
static volatile bool armed, stop;
/* Whether this VM is to be stopped by a signal; else it is after some exit. */
static bool by_signal;

static void on_signal(int signal)
{
	current_vm->run->immediate_exit = 1;
}

static void *interrupt(void *unused)
{
	__u64 random = test_seed() | 1;

	while (!stop) {
		usleep(armed ? guest_random(&random) % 50000 : 100);
		if (armed)
			pthread_kill(vcpu_thread, SIGUSR1);
		armed = false;
	}
	return unused;
}

/* False: a signal came. It is blocked but for here. */
static bool run_once(struct vm *vm)
{
	bool exited;
	int err;

	current_vm = vm;
	armed = by_signal;
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	exited = !ioctl(vm->vcpu[0], KVM_RUN, 0);
	err = errno;
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (!exited && err != EINTR)
		fail("KVM_RUN: %s", strerror(err));
	vm->run->immediate_exit = 0;
	return exited;
}

struct migrations {
	struct vtl vtl;
	struct policy policy;
	__u64 at_signal;
	__u64 at_exit;
	__u64 to_policy;
	bool (*with_policy)(void);
};

static bool never(void)
{
	return false;
}

static bool always(void)
{
	return true;
}

static bool sometimes(void)
{
	return guest_random(&rng) & 1;
}

static void move(struct migrations *m)
{
	bool policy = m->with_policy();

	migrate_vtls(&m->vtl, policy ? m->policy.token : -1);
	m->to_policy += policy;
	by_signal = guest_random(&rng) & 1;
}

static void run_and_migrate(bool (*with_policy)(void), int nr_vtls, const guest_code_t *entry)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct migrations m = { .with_policy = with_policy };
	const struct guest_call *call;
	__u64 syncs = 0, chance;
	pthread_t thread;
	int i;

	rng = test_seed() | 1;
	vtl_init(&m.vtl, vm_create(nr_vtls));
	for (i = 0; i < nr_vtls; i++)
		vm_start(m.vtl.vm, i, entry[i]);
	migrate_init(m.vtl.vm);
	vtl_policy_load(&m.policy);

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sigaction(SIGUSR1, &action, NULL);
	vcpu_thread = pthread_self();
	if (pthread_create(&thread, NULL, interrupt, NULL))
		fail("pthread_create");

	while (m.at_signal < AT_SIGNALS || m.at_exit < AT_EXITS || syncs < SYNCS) {
		if (!run_once(m.vtl.vm)) {
			move(&m);
			m.at_signal++;
			continue;
		}
		chance = 48;
		if (!vtl_handle_exit(&m.vtl)) {
			chance = 2;
			call = vm_guest_call(m.vtl.vm);
			if (!call)
				fail("%s", vm_exit_name(m.vtl.vm->run->exit_reason));
			ASSERT_EQ(call->arg[0], ++syncs * COUNTING_GUEST_CALLS);
		}
		if (!by_signal && guest_random(&rng) % chance == 0) {
			move(&m);
			m.at_exit++;
		}
	}
	stop = true;
	pthread_join(thread, NULL);
	note("%llu migrations at signals, %llu at exits, %llu to a VM with the policy; %llu calls",
	     m.at_signal, m.at_exit, m.to_policy, syncs * COUNTING_GUEST_CALLS);
	vm_free(m.vtl.vm);
	policy_unload(&m.policy);
}

static void one_switcher(enum test_how how)
{
	run_and_migrate(how == BY_POLICY ? always : never, 2, counting_guest);
}

static void any_switcher(enum test_how how)
{
	run_and_migrate(sometimes, 2, counting_guest);
}

static void vtl0_of_three(void)
{
	vtl_enable();
	for (;;) {
		vtl_call();
		guest_sync(0);
	}
}

static void vtl1_of_three(void)
{
	vtl_enable();
	for (;;)
		vtl_call();
}

static void vtl2_of_three(void)
{
	vtl_enable();
	for (;;) {
		guest_sync(2);
		vtl_return(HV_VTL_RETURN_FAST);
	}
}

static void expect_sync(struct migrations *m, __u64 value)
{
	const struct guest_call *call;

	do {
		vm_run(m->vtl.vm);
	} while (vtl_handle_exit(&m->vtl));
	call = vm_guest_call(m->vtl.vm);
	ASSERT(call);
	ASSERT_EQ(call->arg[0], value);
}

/* VTL 2, as if it interrupted VTL 0, moves and then returns: not to VTL 1, the next lower. */
static void suspended(enum test_how how)
{
	static const guest_code_t entry[] = { vtl0_of_three, vtl1_of_three, vtl2_of_three };
	struct migrations m = { .with_policy = sometimes };
	int i;

	rng = test_seed() | 1;
	vtl_init(&m.vtl, vm_create(3));
	for (i = 0; i < 3; i++)
		vm_start(m.vtl.vm, i, entry[i]);
	migrate_init(m.vtl.vm);
	vtl_policy_load(&m.policy);
	for (i = 0; i < 20; i++) {
		expect_sync(&m, 2);
		ASSERT_EQ(kvm_run_planes(m.vtl.vm->run)->suspended_planes, 3);
		kvm_run_planes(m.vtl.vm->run)->suspended_planes = 1;
		move(&m);
		expect_sync(&m, 0);
		ASSERT_EQ(kvm_run_planes(m.vtl.vm->run)->suspended_planes, 0);
	}
	vm_free(m.vtl.vm);
	policy_unload(&m.policy);
}

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static void spin(void)
{
	for (;;)
		guest_spin();
}

static void expect_event(struct vm *vm, __u8 target)
{
	kvm_run_planes(vm->run)->req_exit_planes = 0xe;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->cause, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->target, target);
}

static void pending_events(enum test_how how)
{
	struct vm *vm = vm_create(4);
	int i;

	migrate_init(vm);
	for (i = 0; i < 4; i++) {
		vm_start(vm, i, i ? sync_forever : spin);
		lapic_enable(vm->vcpu[i]);
	}
	/* A fixed interrupt for plane 3, an NMI for plane 2, a timer in plane 1 */
	msi_send(vm->plane[3], VECTOR);
	msi_send(vm->plane[2], MSI_NMI);

	vm = vm_migrate(vm, vm_create);
	ASSERT(lapic_in_irr(vm->vcpu[3], VECTOR));
	ASSERT(!lapic_in_irr(vm->vcpu[0], VECTOR));
	expect_event(vm, 2);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->pending_event_planes, 0xc);
	vm_free(vm);
}

static void timers(enum test_how how)
{
	struct vm *vm = vm_create(3);
	int i;

	migrate_init(vm);
	for (i = 0; i < 3; i++) {
		vm_start(vm, i, i ? sync_forever : spin);
		lapic_enable(vm->vcpu[i]);
	}
	lapic_set(vm->vcpu[1], APIC_TDCR, 0xb);
	lapic_set(vm->vcpu[1], APIC_LVTT, TIMER_VECTOR);
	lapic_set(vm->vcpu[1], APIC_TMICT, 500000000);
	vm = vm_migrate(vm, vm_create);
	ASSERT(!lapic_in_irr(vm->vcpu[1], TIMER_VECTOR));
	expect_event(vm, 1);
	ASSERT(lapic_in_irr(vm->vcpu[1], TIMER_VECTOR));
	vm_free(vm);
}

static void deadline(enum test_how how)
{
	struct vm *vm = vm_create(3);
	__u64 khz, when;
	int i;

	if (!(vm_cpuid(vm, 1, 0)->ecx & CPUID_TSC_DEADLINE))
		skip("no TSC deadline timer");
	migrate_init(vm);
	for (i = 0; i < 3; i++) {
		vm_start(vm, i, i ? sync_forever : spin);
		lapic_enable(vm->vcpu[i]);
	}
	khz = vm_ioctl(vm->vcpu[1], KVM_GET_TSC_KHZ, 0);
	lapic_set(vm->vcpu[1], APIC_LVTT, TIMER_VECTOR | APIC_LVTT_DEADLINE);
	when = vm_get_msr(vm, 1, MSR_TSC) + 3000 * khz;
	ASSERT(vm_set_msr(vm, 1, MSR_TSC_DEADLINE, when));
	vm = vm_migrate(vm, vm_create);
	ASSERT(!lapic_in_irr(vm->vcpu[1], TIMER_VECTOR));
	ASSERT_EQ(vm_get_msr(vm, 1, MSR_TSC_DEADLINE), when);
	expect_event(vm, 1);
	ASSERT(lapic_in_irr(vm->vcpu[1], TIMER_VECTOR));
	ASSERT(vm_get_msr(vm, 1, MSR_TSC) >= when);
	vm_free(vm);
}

#define PORT_IN		0x910

static void read_port(void)
{
	__u8 byte;

	for (;;) {
		asm volatile("in %1, %0" : "=a"(byte) : "d"((__u16)PORT_IN));
		guest_sync(byte);
	}
}

/* Plane 1 waits for what it read from a port when the VM is to stop: KVM_RUN ends that. */
static void unfinished_exit(enum test_how how)
{
	struct vm *vm = vm_create(2);
	const struct guest_call *call;
	int i;

	migrate_init(vm);
	for (i = 0; i < 2; i++)
		vm_start(vm, i, read_port);
	for (i = 0; i < 10; i++) {
		kvm_run_planes(vm->run)->plane = i & 1;
		vm_run(vm);
		ASSERT_EXIT(vm, KVM_EXIT_IO);
		*((__u8 *)vm->run + vm->run->io.data_offset) = 0x30 + i;
		/* The plane asked for need not be the one that it is for. */
		if (i & 2)
			kvm_run_planes(vm->run)->plane ^= 1;
		vm = vm_migrate(vm, vm_create);
		kvm_run_planes(vm->run)->plane = i & 1;
		vm_run(vm);
		call = vm_guest_call(vm);
		ASSERT(call);
		ASSERT_EQ(call->plane, i & 1);
		ASSERT_EQ(call->arg[0], 0x30 + i);
	}
	vm_free(vm);
}

__attribute__((interrupt)) static void take_interrupt(void *frame)
{
}

static void halt(void)
{
	asm volatile("sti; hlt");
	sync_forever();
}

static void run_to_sync(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
}

/* The plane runs for a while and nothing comes of it. */
static void stays_halted(struct vm *vm, int plane)
{
	struct itimerval soon = { .it_value.tv_usec = 200000 };
	struct sigaction action = { .sa_handler = on_signal };

	current_vm = vm;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	kvm_run_planes(vm->run)->plane = plane;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
	vm->run->immediate_exit = 0;
}

static void halted(enum test_how how)
{
	struct vm *vm = vm_create(3);
	struct kvm_mp_state state;
	int i;

	migrate_init(vm);
	for (i = 0; i < 3; i++) {
		vm_start(vm, i, i ? halt : sync_forever);
		vm_set_vector(i, VECTOR, take_interrupt);
		lapic_enable(vm->vcpu[i]);
	}
	stays_halted(vm, 1);
	run_to_sync(vm, 0);

	vm = vm_migrate(vm, vm_create);
	vm_ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &state);
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_HALTED);
	vm_ioctl(vm->vcpu[2], KVM_GET_MP_STATE, &state);
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	run_to_sync(vm, 0);
	stays_halted(vm, 1);
	msi_send(vm->plane[1], VECTOR);
	run_to_sync(vm, 1);
	vm_free(vm);
}

const struct test tests[] = {
	TEST_BOTH("VTLs that call all the time go on as another VM, wherever they are stopped",
		  one_switcher),
	TEST("it does not matter which of the VMs have a policy", any_switcher),
	TEST("a VTL that was suspended is, and the return goes there", suspended),
	TEST("interrupts that are pending in planes that do not run are not lost", pending_events),
	TEST("nor are APIC timers", timers),
	TEST("nor are TSC deadlines", deadline),
	TEST("nor is a HLT that a plane was in", halted),
	TEST("nor is what a device answered to a plane", unfinished_exit),
	{ }
};
