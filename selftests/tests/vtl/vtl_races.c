// SPDX-License-Identifier: GPL-2.0
/*
 * While a guest makes VTL calls, other threads of its VMM get and set the state
 * of its VTLs, come and go with other VMs, and send signals; no call is lost.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "counting_guest.h"
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ROUNDS		300
#define MSR_LSTAR	0xc0000082

static struct vtl_test racing;
static volatile bool stop;
static volatile __u64 done;
static pthread_t vcpu_thread;

/* Gets everything; sets what this guest has no use for. */
static void *get_and_set(void *unused)
{
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	int vcpu = racing.vm->vcpu[1];
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_xsave xsave;

	while (!stop) {
		vm_ioctl(vcpu, KVM_GET_REGS, &regs);
		vm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
		vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debugregs);
		vm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events);
		vm_ioctl(vcpu, KVM_GET_XSAVE, &xsave);
		ASSERT(vm_set_msr(racing.vm, 1, MSR_LSTAR, done));
		ASSERT_EQ(vm_get_msr(racing.vm, 1, MSR_LSTAR), done);
		done++;
	}
	return unused;
}

static void *other_vms(void *unused)
{
	int kvm = vmm_open_kvm();

	while (!stop) {
		int vm = vm_ioctl(kvm, KVM_CREATE_VM, 0);
		int vcpu = vm_ioctl(vm, KVM_CREATE_VCPU, 0);
		int plane = vm_ioctl(vm, KVM_CREATE_PLANE, 1 + done % 3);
		int plane_vcpu = vm_ioctl(plane, KVM_CREATE_VCPU_PLANE, vcpu);

		close(done & 1 ? vm : vcpu);
		close(plane);
		close(plane_vcpu);
		close(done & 1 ? vcpu : vm);
		done++;
	}
	close(kvm);
	return unused;
}

/* Planes of the VM that runs: KVM_CREATE_VCPU_PLANE waits for the KVM_RUN to end. */
static void *more_planes(void *unused)
{
	int i;

	for (i = 2; i < KVM_MAX_PLANES; i++) {
		int plane = vm_ioctl(racing.vm->fd, KVM_CREATE_PLANE, i);

		close(vm_ioctl(plane, KVM_CREATE_VCPU_PLANE, racing.vm->vcpu[0]));
		close(plane);
		done++;
	}
	return unused;
}

/* The memory slot that the guest runs in changes its flags, and its log is read. */
static void *memory_slots(void *unused)
{
	while (!stop) {
		vm_set_dirty_log(racing.vm, true);
		vm_page_dirty(racing.vm, counting_guest);
		vm_page_dirty(racing.vm, counting_guest);
		vm_set_dirty_log(racing.vm, false);
		usleep(1000);
		done++;
	}
	return unused;
}

static void on_signal(int signal)
{
	racing.vm->run->immediate_exit = 1;
	done++;
}

static void *send_signals(void *unused)
{
	while (!stop) {
		pthread_kill(vcpu_thread, SIGUSR1);
		usleep(200);
	}
	return unused;
}

static void race_with(enum test_how how, void *(*thread_fn)(void *), __u64 enough)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;
	__u64 i;

	sigaction(SIGUSR1, &action, NULL);
	vcpu_thread = pthread_self();
	vtl_test_start(&racing, how, 2, counting_guest);
	/* Past the first entry of both VTLs */
	vtl_test_run(&racing);
	if (pthread_create(&thread, NULL, thread_fn, NULL))
		fail("pthread_create");
	for (i = 1; i < ROUNDS || (done < enough && i < 20 * ROUNDS); i++)
		ASSERT_EQ(vtl_test_run(&racing)->arg[0], (i + 1) * COUNTING_GUEST_CALLS);
	stop = true;
	pthread_join(thread, NULL);
	note("%llu calls, %llu times disturbed", i * COUNTING_GUEST_CALLS, done);
	ASSERT(done >= enough);
	vtl_test_end(&racing);
}

static void state(enum test_how how)
{
	race_with(how, get_and_set, 20);
}

static void vms(enum test_how how)
{
	race_with(how, other_vms, 5);
}

static void signals(enum test_how how)
{
	race_with(how, send_signals, 20);
}

static void slots(enum test_how how)
{
	race_with(how, memory_slots, 20);
}

static void planes(enum test_how how)
{
	race_with(how, more_planes, 2);
}

static void *run_until_closed(void *unused)
{
	struct vm *vm = racing.vm;

	while (!ioctl(vm->vcpu[0], KVM_RUN, 0) || errno == EINTR)
		vm->run->immediate_exit = 0;
	ASSERT_EQ(errno, EBADF);
	return unused;
}

/* VTL 1 answers at once, and so it goes on, without an exit. */
static void call_forever(void)
{
	vtl_enable();
	for (;;)
		vtl_call();
}

static void close_all(enum test_how how)
{
	const guest_code_t entry[] = { call_forever, NULL };
	struct sigaction action = { .sa_handler = on_signal };
	struct policy_status status;
	pthread_t thread;
	int i;

	sigaction(SIGUSR1, &action, NULL);
	vtl_test_start(&racing, BY_POLICY, 2, entry);
	if (pthread_create(&thread, NULL, run_until_closed, NULL))
		fail("pthread_create");
	do {
		usleep(1000);
		ASSERT(policy_read_status(racing.vm, &status));
	} while (status.switches < 100);

	close(racing.vm->plane[1]);
	close(racing.vm->vcpu[1]);
	close(racing.vm->fd);
	policy_unload(&racing.policy);
	vtl_policy_load(&racing.policy);
	close(racing.vm->vcpu[0]);
	for (i = 0; i < 10; i++) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(thread, NULL);
	policy_unload(&racing.policy);
}

const struct test tests[] = {
	TEST_BOTH("the state of VTLs can be got and set while the guest runs", state),
	TEST_BOTH("VMs with planes come and go while the guest runs", vms),
	TEST_BOTH("signals interrupt KVM_RUN and no call is lost", signals),
	TEST_BOTH("dirty logging goes on and off while the guest runs", slots),
	TEST_BOTH("planes are added while the guest runs", planes),
	TEST("all fds of a VM can be closed while the guest runs", close_all),
	{ }
};
