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

/* What INIT could change of a plane */
struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_lapic_state lapic;
	struct kvm_fpu fpu;
	__u64 star;
};

#define MSR_STAR	0xc0000081

static void get_all(struct vm *vm, int plane, struct state *state)
{
	int vcpu = vm->vcpu[plane];

	memset(state, 0, sizeof(*state));
	vm_ioctl(vcpu, KVM_GET_REGS, &state->regs);
	vm_ioctl(vcpu, KVM_GET_SREGS, &state->sregs);
	vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &state->events);
	vm_ioctl(vcpu, KVM_GET_MP_STATE, &state->mp_state);
	vm_ioctl(vcpu, KVM_GET_LAPIC, &state->lapic);
	vm_ioctl(vcpu, KVM_GET_FPU, &state->fpu);
	state->star = vm_get_msr(vm, plane, MSR_STAR);
}

/* Let INIT have a plane wait for a SIPI, which it does unless the plane is of the boot CPU. */
static void clear_bsp(struct vm *vm, int plane)
{
	struct kvm_sregs sregs;

	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	sregs.apic_base &= ~0x100ULL;
	vm_ioctl(vm->vcpu[plane], KVM_SET_SREGS, &sregs);
}

static struct vm *start_three(void)
{
	struct vm *vm = vm_create(3);
	int i;

	for (i = 0; i < 3; i++) {
		vm_start(vm, i, sync_forever);
		lapic_enable(vm->vcpu[i]);
		lapic_set(vm->vcpu[i], APIC_TPR, 0x20 + i);
		ASSERT(vm_set_msr(vm, i, MSR_STAR, 0x1000 + i));
		clear_bsp(vm, i);
		run(vm, i);
		ASSERT(vm_guest_call(vm));
	}
	return vm;
}

static void init_one(enum test_how how)
{
	static struct state before[3], after[3];
	struct vm *vm = start_three();
	int i;

	for (i = 0; i < 3; i++)
		get_all(vm, i, &before[i]);
	msi_send(vm->plane[1], MSI_INIT);
	ASSERT_EQ(get_state(vm, 1), KVM_MP_STATE_INIT_RECEIVED);
	for (i = 0; i < 3; i++)
		get_all(vm, i, &after[i]);
	for (i = 0; i < 3; i += 2)
		ASSERT(!memcmp(&before[i], &after[i], sizeof(before[i])));

	/* Intel SDM volume 3, "Processor State After Reset" and "Local APIC State After INIT" */
	ASSERT_EQ(after[1].regs.rip, 0xfff0);
	ASSERT_EQ(after[1].sregs.cr0 & 1, 0);
	ASSERT_EQ(after[1].sregs.apic_base, before[1].sregs.apic_base);
	ASSERT_EQ(after[1].star, before[1].star);
	ASSERT_EQ(lapic_get(vm->vcpu[1], APIC_SPIV), 0xff);
	ASSERT_EQ(lapic_get(vm->vcpu[1], APIC_TPR), 0);
	vm_free(vm);
}

static void apic_of_reset(enum test_how how)
{
	static const int lvt[] = { APIC_LVTT, 0x330, 0x340, APIC_LVT0, 0x360, 0x370 };
	struct vm *vm = vm_create(1);
	struct kvm_sregs sregs;
	unsigned int i;

	/* Plane 0's is in use when VTL 1 is enabled. */
	lapic_enable_x2apic(vm->vcpu[0]);
	vm_add_plane(vm, 1);
	vm_ioctl(vm->vcpu[1], KVM_GET_SREGS, &sregs);
	ASSERT_EQ(sregs.apic_base, 0xfee00900);	/* enabled, of the boot CPU */
	ASSERT_EQ(lapic_get(vm->vcpu[1], APIC_SPIV), 0xff);
	ASSERT_EQ(lapic_get(vm->vcpu[1], APIC_TPR), 0);
	for (i = 0; i < sizeof(lvt) / sizeof(lvt[0]); i++)
		ASSERT_EQ(lapic_get(vm->vcpu[1], lvt[i]), 1U << 16);
	vm_free(vm);
}

static void drop_init(enum test_how how)
{
	static struct state before, after;
	struct vm *vm = start_three();
	int i;

	ASSERT(!vm_enable_cap(vm->fd, KVM_CAP_PLANE, KVM_PLANE_DROP_INIT, 0, 0));
	for (i = 0; i < 2; i++) {
		run(vm, i);
		get_all(vm, i, &before);
		msi_send(i ? vm->plane[i] : vm->fd, MSI_INIT);
		msi_send(i ? vm->plane[i] : vm->fd, MSI_SIPI(VMM_LOW_GPA));
		run(vm, i);
		ASSERT(vm_guest_call(vm));
		get_all(vm, i, &after);
		ASSERT(!memcmp(&before, &after, sizeof(before)));
	}
	msi_send(vm->plane[2], MSI_INIT);
	ASSERT_EQ(get_state(vm, 2), KVM_MP_STATE_INIT_RECEIVED);

	ASSERT(!vm_enable_cap(vm->fd, KVM_CAP_PLANE, 0, 0, 0));
	msi_send(vm->plane[1], MSI_INIT);
	ASSERT_EQ(get_state(vm, 1), KVM_MP_STATE_INIT_RECEIVED);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("each plane has an MP state of its own, and is runnable at first", own),
	TEST("a plane that waits for a SIPI starts where it says", sipi),
	TEST("an INIT resets the plane that gets it and no other", init_one),
	TEST("the local APIC of a new plane is that of a reset, whatever plane 0's is",
	     apic_of_reset),
	TEST("INIT and SIPI are for the highest plane alone where the VMM says so", drop_init),
	{ }
};
