// SPDX-License-Identifier: GPL-2.0
/*
 * No interrupt controller in KVM: userspace has the local APIC of each plane, of
 * which KVM knows CR8 and the interrupt that userspace injects.
 */
#include <sys/ioctl.h>

#include "lapic.h"
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define VECTOR		0x60
#define PORT_IN		0x910
#define CALLS		20

static volatile __u64 taken[GUEST_PLANES];
static volatile __u64 nmis[GUEST_PLANES];

__attribute__((interrupt)) static void take(void *frame)
{
	taken[guest_plane()]++;
}

__attribute__((interrupt)) static void take_nmi(void *frame)
{
	nmis[guest_plane()]++;
}

static void serve(void)
{
	asm volatile("sti");
	for (;;)
		guest_sync(read_cr8());
}

static void halt(void)
{
	asm volatile("sti; hlt");
	serve();
}

/* CR8 goes up by one between two exits, but for what the VMM does to it. */
static void count_cr8(void)
{
	__u64 cr8;

	for (;;) {
		cr8 = read_cr8();
		guest_sync(cr8);
		write_cr8((read_cr8() + 1) & 15);
	}
}

static void read_port(void)
{
	__u32 value;

	write_cr8(3);
	asm volatile("inl %w1, %0" : "=a"(value) : "d"(PORT_IN));
	GUEST_ASSERT_EQ(value, 0x1234);
	guest_sync(read_cr8());
	guest_done();
}

static struct vm *start(guest_code_t plane0, guest_code_t plane1)
{
	struct vm *vm = vm_create_irqchip(2, IRQCHIP_NONE);
	int i;

	for (i = 0; i < 2; i++) {
		vm_start(vm, i, i ? plane1 : plane0);
		vm_set_vector(i, VECTOR, take);
		vm_set_vector(i, X86_NMI, take_nmi);
	}
	return vm;
}

static __u64 sync_with(struct vm *vm, __u8 plane)
{
	struct guest_call *call;

	kvm_run_planes(vm->run)->plane = plane;
	/* An APIC in userspace has to know when CR8 is less than before. */
	while (vm_run(vm) == KVM_EXIT_SET_TPR)
		ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	call = vm_guest_call(vm);
	ASSERT(call);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	ASSERT_EQ(vm->run->cr8, call->arg[0]);
	return call->arg[0];
}

static void cr8(enum test_how how)
{
	struct vm *vm = start(count_cr8, count_cr8);
	__u8 expected[2] = { 2, 9 };
	struct kvm_sregs sregs;
	int i, plane;

	for (i = 0; i < 40; i++) {
		plane = i % 3 == 1;
		vm->run->cr8 = expected[plane];
		if (i > 1)
			expected[plane]++;
		ASSERT_EQ(sync_with(vm, plane), expected[plane] & 15);
		expected[plane] = vm->run->cr8;
		vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
		ASSERT_EQ(sregs.cr8, expected[plane]);
		if (i) {
			vm_ioctl(vm->vcpu[!plane], KVM_GET_SREGS, &sregs);
			ASSERT_EQ(sregs.cr8, expected[!plane]);
		}
	}
	vm_free(vm);
}

/* Plane 1 is asked for, with its CR8, when the IN of plane 0 is to be completed. */
static void cr8_and_completion(enum test_how how)
{
	struct vm *vm = start(read_port, serve);
	struct kvm_sregs sregs;

	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_IO);
	ASSERT_EQ(vm->run->io.port, PORT_IN);
	ASSERT_EQ(vm->run->cr8, 3);
	*(__u32 *)((char *)vm->run + vm->run->io.data_offset) = 0x1234;

	vm->run->cr8 = 5;
	ASSERT_EQ(sync_with(vm, 1), 5);
	vm_ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs);
	ASSERT_EQ(sregs.cr8, 3);
	vm->run->cr8 = 3;
	ASSERT_EQ(sync_with(vm, 0), 3);
	vm_free(vm);
}

static void inject(struct vm *vm, int plane)
{
	struct kvm_interrupt interrupt = { .irq = VECTOR };

	vm_ioctl(vm->vcpu[plane], KVM_INTERRUPT, &interrupt);
}

static void expect_event(struct vm *vm, __u8 plane, __u8 target)
{
	kvm_run_planes(vm->run)->plane = plane;
	kvm_run_planes(vm->run)->req_exit_planes = 1U << target;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->pending_event_planes, 1U << target);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->target, target);
	kvm_run_planes(vm->run)->req_exit_planes = 0;
}

static void interrupts(enum test_how how)
{
	struct vm *vm = start(serve, serve);
	int plane, i;

	sync_with(vm, 0);
	sync_with(vm, 1);
	for (plane = 0; plane < 2; plane++) {
		ASSERT(vm->run->ready_for_interrupt_injection);
		inject(vm, plane);
		for (i = 0; i < 3; i++)
			sync_with(vm, !plane);
		ASSERT_EQ(taken[plane], 0);
		expect_event(vm, !plane, plane);
		for (i = 0; i < 3; i++)
			sync_with(vm, plane);
		ASSERT_EQ(taken[plane], 1);
		ASSERT_EQ(taken[!plane], plane);
	}

	vm_ioctl(vm->vcpu[1], KVM_NMI, 0);
	expect_event(vm, 0, 1);
	sync_with(vm, 1);
	sync_with(vm, 1);
	ASSERT_EQ(nmis[1], 1);
	ASSERT_EQ(nmis[0], 0);
	vm_free(vm);
}

static void hlt(enum test_how how)
{
	struct vm *vm = start(halt, halt);
	int plane;

	for (plane = 0; plane < 2; plane++) {
		kvm_run_planes(vm->run)->plane = plane;
		vm_run(vm);
		ASSERT_EXIT(vm, KVM_EXIT_HLT);
	}
	inject(vm, 1);
	expect_event(vm, 0, 1);
	sync_with(vm, 1);
	ASSERT_EQ(taken[1], 1);
	vm_free(vm);
}

static void call_vtl1(void)
{
	int i;

	vtl_enable();
	write_cr8(4);
	for (i = 0; i < CALLS; i++) {
		vtl_call();
		GUEST_ASSERT_EQ(read_cr8(), 4);
	}
	guest_done();
}

static void serve_vtl0(void)
{
	vtl_enable();
	write_cr8(7);
	for (;;) {
		vtl_return(HV_VTL_RETURN_FAST);
		GUEST_ASSERT_EQ(read_cr8(), 7);
	}
}

static void vtls(enum test_how how)
{
	struct vtl_test t = { .how = how, .vm = start(call_vtl1, serve_vtl0) };
	__u8 cr8[2] = { };
	bool done;

	vtl_init(&t.vtl, t.vm);
	if (how == BY_POLICY) {
		vtl_policy_load(&t.policy);
		ASSERT(!vtl_use_policy(&t.vtl, t.policy.token));
	}
	/* Userspace keeps CR8 of a plane that does not run, as it keeps the plane's APIC. */
	do {
		vm_run(t.vm);
		cr8[kvm_run_planes(t.vm->run)->plane] = t.vm->run->cr8;
		done = !vtl_handle_exit(&t.vtl);
		t.vm->run->cr8 = cr8[kvm_run_planes(t.vm->run)->plane];
	} while (!done);
	ASSERT(vm_guest_call(t.vm));
	vtl_test_end(&t);
}

static void errors(enum test_how how)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = VECTOR };
	struct vm *vm = start(serve, serve);
	struct kvm_lapic_state apic;

	ASSERT_ERRNO(ioctl(vm->vcpu[1], KVM_GET_LAPIC, &apic), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[1], KVM_SET_LAPIC, &apic), EINVAL);
	ASSERT_ERRNO(ioctl(vm->plane[1], KVM_SIGNAL_MSI, &msi), EINVAL);
	ASSERT_EQ(sync_with(vm, 1), 0);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("CR8 in kvm_run is that of the plane that is asked for, and that of the one that ran",
	     cr8),
	TEST("a plane whose exit is completed by KVM_RUN of another one keeps its CR8",
	     cr8_and_completion),
	TEST("KVM_INTERRUPT and KVM_NMI on a plane's vCPU interrupt that plane, when it runs",
	     interrupts),
	TEST("a HLT of any plane exits", hlt),
	TEST_BOTH("VTL calls and returns leave each VTL its CR8", vtls),
	TEST("there is no APIC to get or set, and no MSI is taken", errors),
	{ }
};
