// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts of a plane that does not run: which of them end KVM_RUN of the one
 * that does, and that none is lost.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

#define VECTOR		0x50
#define LOW_VECTOR	0x30
#define RACES		10000

static volatile __u64 progress;

static void spin(void)
{
	for (;;)
		progress++;
}

static void halt(void)
{
	asm volatile("sti; hlt");
	guest_sync(1);
	for (;;)
		;
}

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static struct vm *start(int nr_planes, guest_code_t plane0)
{
	struct vm *vm = vm_create(nr_planes);
	int i;

	for (i = 0; i < nr_planes; i++) {
		vm_start(vm, i, i ? sync_forever : plane0);
		lapic_enable(vm->vcpu[i]);
	}
	return vm;
}

static void expect_event(struct vm *vm, __u16 pending, __u8 target)
{
	const struct kvm_plane_event *event = kvm_run_plane_event(vm->run);

	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(event->pending_event_planes, pending);
	ASSERT_EQ(event->target, target);
	ASSERT_EQ(event->flags, 0);
	ASSERT_EQ(event->extra, 0);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, 0);
}

static void expect_sync(struct vm *vm)
{
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
}

static void pending_before(enum test_how how)
{
	struct vm *vm = start(3, spin);

	msi_send(vm->plane[2], VECTOR);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1 | 1U << 2;
	progress = 0;
	expect_event(vm, 1U << 2, 2);
	ASSERT_EQ(progress, 0);

	/* It stays pending, and another one is pending besides. */
	msi_send(vm->plane[1], VECTOR);
	expect_event(vm, 1U << 1 | 1U << 2, 1);
	ASSERT_EQ(progress, 0);

	/* Pending, but only one of them is asked for. */
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 2;
	expect_event(vm, 1U << 1 | 1U << 2, 2);
	vm_free(vm);
}

static void not_wanted(enum test_how how)
{
	struct vm *vm = start(3, sync_forever);

	msi_send(vm->plane[1], VECTOR);
	kvm_run_planes(vm->run)->req_exit_planes = 0;
	expect_sync(vm);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 2 | 1U << 3;
	expect_sync(vm);
	kvm_run_planes(vm->run)->req_exit_planes = 0xfff0;
	expect_sync(vm);
	vm_free(vm);
}

static void own_bit(enum test_how how)
{
	struct vm *vm = start(2, sync_forever);

	msi_send(vm->fd, VECTOR);
	ASSERT(lapic_in_irr(vm->vcpu[0], VECTOR));
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 0;
	expect_sync(vm);
	expect_sync(vm);
	vm_free(vm);
}

static void low_priority(enum test_how how)
{
	struct vm *vm = start(2, sync_forever);

	lapic_set(vm->vcpu[1], APIC_TPR, VECTOR);
	msi_send(vm->plane[1], LOW_VECTOR);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	expect_sync(vm);

	lapic_set(vm->vcpu[1], APIC_TPR, 0);
	expect_event(vm, 1U << 1, 1);
	vm_free(vm);
}

static void nmi(enum test_how how)
{
	struct vm *vm = start(2, sync_forever);

	msi_send(vm->plane[1], MSI_NMI);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	expect_event(vm, 1U << 1, 1);
	vm_free(vm);
}

static void isolated(enum test_how how)
{
	struct vm *vm = start(3, spin);
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = VECTOR, .flags = 1 };

	msi_send(vm->plane[1], VECTOR);
	msi_send(vm->fd, VECTOR + 1);
	ASSERT(lapic_in_irr(vm->vcpu[1], VECTOR));
	ASSERT(!lapic_in_irr(vm->vcpu[0], VECTOR));
	ASSERT(!lapic_in_irr(vm->vcpu[2], VECTOR));
	ASSERT(lapic_in_irr(vm->vcpu[0], VECTOR + 1));
	ASSERT(!lapic_in_irr(vm->vcpu[1], VECTOR + 1));
	ASSERT(!lapic_in_irr(vm->vcpu[2], VECTOR + 1));
	ASSERT_ERRNO(ioctl(vm->plane[1], KVM_SIGNAL_MSI, &msi), EINVAL);
	vm_free(vm);
}

struct sender {
	struct vm *vm;
	volatile int turn;
	volatile int sent;
	__u64 seed;
};

static void *send_later(void *arg)
{
	struct sender *sender = arg;

	usleep(50000);
	msi_send(sender->vm->plane[1], VECTOR);
	return NULL;
}

static void while_it(guest_code_t plane0)
{
	struct sender sender = { .vm = start(2, plane0) };
	struct vm *vm = sender.vm;
	pthread_t thread;

	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	pthread_create(&thread, NULL, send_later, &sender);
	expect_event(vm, 1U << 1, 1);
	pthread_join(thread, NULL);
	lapic_drop_interrupts(vm->vcpu[1]);

	/* A HLT goes on: only an interrupt of its own ends it. */
	if (plane0 == halt) {
		pthread_create(&thread, NULL, send_later, &sender);
		expect_event(vm, 1U << 1, 1);
		pthread_join(thread, NULL);
	}
	vm_free(vm);
}

static void while_running(enum test_how how)
{
	while_it(spin);
}

static void while_halted(enum test_how how)
{
	while_it(halt);
}

static void timer(enum test_how how)
{
	struct vm *vm = start(2, spin);

	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	lapic_set(vm->vcpu[1], APIC_TDCR, 0xb);
	lapic_set(vm->vcpu[1], APIC_LVTT, VECTOR);
	lapic_set(vm->vcpu[1], APIC_TMICT, 20000000);
	expect_event(vm, 1U << 1, 1);
	ASSERT(lapic_in_irr(vm->vcpu[1], VECTOR));
	vm_free(vm);
}

static void *send_at_any_time(void *arg)
{
	struct sender *sender = arg;
	int i;

	for (i = 1; i <= RACES; i++) {
		while (sender->turn != i)
			;
		for (__u64 delay = guest_random(&sender->seed) % 100000; delay; delay--)
			asm volatile("");
		msi_send(sender->vm->plane[1], VECTOR);
		sender->sent = i;
	}
	return NULL;
}

static void raced(enum test_how how)
{
	struct sender sender = { .vm = start(2, spin), .seed = test_seed() };
	struct vm *vm = sender.vm;
	struct kvm_lapic_state clean;
	pthread_t thread;
	int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");

	vm_ioctl(vm->vcpu[1], KVM_GET_LAPIC, &clean);
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	pthread_create(&thread, NULL, send_at_any_time, &sender);
	for (i = 1; i <= RACES; i++) {
		sender.turn = i;
		expect_event(vm, 1U << 1, 1);
		while (sender.sent != i)
			;
		vm_ioctl(vm->vcpu[1], KVM_SET_LAPIC, &clean);
	}
	pthread_join(thread, NULL);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("an interrupt that is pending before ends KVM_RUN before the guest is entered",
	     pending_before),
	TEST("an interrupt of a plane that was not asked for does not", not_wanted),
	TEST("nor does one of the plane that runs, though it was asked for", own_bit),
	TEST("one that its plane's TPR holds back does not until it is let through", low_priority),
	TEST("an NMI does", nmi),
	TEST("an MSI on a plane's fd is pending in that plane and no other", isolated),
	TEST("an interrupt that arrives while another plane runs ends KVM_RUN", while_running),
	TEST("one that arrives while another plane is halted does, and the HLT is not over",
	     while_halted),
	TEST("the APIC timer of a plane goes on while another one runs", timer),
	TEST("none of 10000 interrupts is lost that arrive around guest entry", raced),
	{ }
};
