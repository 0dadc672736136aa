// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_MP_STATE and KVM_SET_MP_STATE on a plane's vCPU: whether the plane runs
 * when KVM_RUN asks for it, or waits.
 */
#include <sys/ioctl.h>

#include "lapic.h"
#include "test.h"

#define MSI_INIT	(5 << 8)
#define MSI_SIPI(gpa)	(6 << 8 | (gpa) >> 12)
#define PORT		0x99

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static __u32 get_state(struct vm *vm, int plane)
{
	struct kvm_mp_state state;

	vm_ioctl(vm->vcpu[plane], KVM_GET_MP_STATE, &state);
	return state.mp_state;
}

static int set_state(struct vm *vm, int plane, __u32 mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	return ioctl(vm->vcpu[plane], KVM_SET_MP_STATE, &state);
}

static void own(enum test_how how)
{
	struct vm *vm = vm_create(3);
	int plane;

	for (plane = 0; plane < 3; plane++) {
		ASSERT_EQ(get_state(vm, plane), KVM_MP_STATE_RUNNABLE);
		ASSERT(!set_state(vm, plane, KVM_MP_STATE_HALTED));
		ASSERT_EQ(get_state(vm, plane), KVM_MP_STATE_HALTED);
		ASSERT_EQ(get_state(vm, (plane + 1) % 3), KVM_MP_STATE_RUNNABLE);
		ASSERT(!set_state(vm, plane, KVM_MP_STATE_RUNNABLE));
	}
	ASSERT_ERRNO(set_state(vm, 1, 1000), EINVAL);
	ASSERT_EQ(get_state(vm, 1), KVM_MP_STATE_RUNNABLE);
	vm_free(vm);
}

/* KVM_RUN returns EAGAIN when the vCPU gets the INIT. */
static void run(struct vm *vm, __u8 plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	while (ioctl(vm->vcpu[0], KVM_RUN, 0))
		if (errno != EAGAIN)
			fail("KVM_RUN: %s", strerror(errno));
}

static void sipi(enum test_how how)
{
	static const __u8 code[] = { 0xe6, PORT };	/* OUT %AL, $PORT */
	struct vm *vm = vm_create(2);
	struct kvm_sregs sregs;
	int i;

	vm_start(vm, 0, sync_forever);
	memcpy(vm->low, code, sizeof(code));
	for (i = 0; i < 2; i++)
		lapic_enable(vm->vcpu[i]);

	ASSERT(!set_state(vm, 1, KVM_MP_STATE_UNINITIALIZED));
	msi_send(vm->plane[1], MSI_INIT);
	ASSERT_EQ(get_state(vm, 0), KVM_MP_STATE_RUNNABLE);
	/* KVM takes the boot CPU out of an INIT by itself. */
	vm_ioctl(vm->vcpu[1], KVM_GET_SREGS, &sregs);
	sregs.apic_base &= ~0x100ULL;
	vm_ioctl(vm->vcpu[1], KVM_SET_SREGS, &sregs);
	ASSERT_EQ(get_state(vm, 1), KVM_MP_STATE_INIT_RECEIVED);
	run(vm, 0);
	ASSERT(vm_guest_call(vm));

	msi_send(vm->plane[1], MSI_SIPI(VMM_LOW_GPA));
	run(vm, 1);
	ASSERT_EXIT(vm, KVM_EXIT_IO);
	ASSERT_EQ(vm->run->io.port, PORT);
	ASSERT_EQ(get_state(vm, 1), KVM_MP_STATE_RUNNABLE);
	run(vm, 0);
	ASSERT(vm_guest_call(vm));
	vm_free(vm);
}

const struct test tests[] = {
	TEST("each plane has an MP state of its own, and is runnable at first", own),
	TEST("a plane that waits for a SIPI starts where it says", sipi),
	{ }
};
