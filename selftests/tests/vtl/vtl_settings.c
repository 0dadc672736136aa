// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMM can choose for a policy "vtl": which VTLs are enabled, in an MSR of plane 0;
 * and which VMs it serves.
 */
#include <sys/ioctl.h>

#include "lapic.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define VECTOR	0x50

static volatile __u32 irqs[GUEST_PLANES];
static volatile bool ran[GUEST_PLANES];

static void on_irq(__u8 vector, const __u64 *gpr)
{
	irqs[guest_plane()]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* Answers with the number of #UD, and of interrupts, that there were. */
static void call_and_sync(void)
{
	struct guest_fault *fault = &guest_faults[0];
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0), out;

	vtl_enable();
	fault->expected = true;
	for (;;) {
		guest_run(&in, &out);
		guest_sync(fault->count);
	}
}

static void vtl_n(void)
{
	ran[guest_plane()] = true;
	asm volatile("sti");
	vtl_serve(NULL);
}

static void start(struct vtl_test *t)
{
	const guest_code_t entry[] = { call_and_sync, vtl_n, vtl_n };
	int i;

	guest_irq_handler = on_irq;
	vtl_test_start(t, BY_POLICY, 3, entry);
	for (i = 0; i < 3; i++)
		lapic_enable_x2apic(t->vm->vcpu[i]);
}

static void enabled_set(enum test_how how)
{
	struct vtl_test t;

	start(&t);
	vtl_set_enabled(t.vm, ~0ULL << KVM_MAX_PLANES);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	vtl_set_enabled(t.vm, 1U << 0 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	ASSERT(ran[2] && !ran[1]);
	vtl_set_enabled(t.vm, 1U << 0 | 1U << 1 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	ASSERT(ran[1]);
	vtl_set_enabled(t.vm, 1U << 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	/* Of another plane it means nothing, and 0 is all that the vCPU has. */
	ASSERT(vm_set_msr(t.vm, 1, KVM_PLANE_VTL_MSR_ENABLED, 1U << 1 | 1U << 2));
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 3);
	vtl_set_enabled(t.vm, 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 3);
	vtl_test_end(&t);
}

static void no_preemption(enum test_how how)
{
	struct vtl_test t;

	start(&t);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	vtl_set_enabled(t.vm, 1U << 0 | 1U << 2);
	msi_send(t.vm->plane[1], VECTOR);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	ASSERT_EQ(irqs[1], 0);
	vtl_set_enabled(t.vm, 1U << 0 | 1U << 1 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	ASSERT_EQ(irqs[1], 1);
	vtl_test_end(&t);
}

static void replaced(enum test_how how)
{
	struct vtl_test t;

	start(&t);
	vtl_set_enabled(t.vm, 1U << 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	vtl_policy_replace(&t.policy);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	vtl_set_enabled(t.vm, 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	vtl_test_end(&t);
}

/* What one VM chose is no other one's, nor one vCPU's another's; it goes with the VM. */
static void own(enum test_how how)
{
	struct vtl_test t;
	struct vm *vcpu, *vm;
	int i;

	guest_irq_handler = on_irq;
	start(&t);
	ASSERT_EQ(vtl_use_policy(&t.vtl, -1), 0);
	vm = vm_create(2);
	ASSERT(!vm_set_msr(vm, 0, KVM_PLANE_VTL_MSR_ENABLED, 1));
	ASSERT(!vm_set_msr(vm, 1, KVM_PLANE_VTL_MSR_VINA, 1));
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	ASSERT_EQ(vtl_use_policy(&t.vtl, t.policy.token), 0);
	vcpu = vm_add_vcpu(vm, 1);
	vtl_set_enabled(vm, 1);
	vtl_set_vina(vm, 1, 0x140);
	ASSERT_EQ(vm_get_msr(vcpu, 0, KVM_PLANE_VTL_MSR_ENABLED), 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(vm_get_msr(t.vm, i, KVM_PLANE_VTL_MSR_ENABLED), 0);
		ASSERT_EQ(vm_get_msr(t.vm, i, KVM_PLANE_VTL_MSR_VINA), 0);
	}
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);

	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, -1, 0, 0), 0);
	ASSERT_EQ(vm_get_msr(vm, 0, KVM_PLANE_VTL_MSR_ENABLED), 1);
	ASSERT_EQ(vm_get_msr(vm, 1, KVM_PLANE_VTL_MSR_VINA), 0x140);
	vm_free(vm);
	vtl_test_end(&t);
}

static void split_fpu(enum test_how how)
{
	struct vm *vm = vm_create_with(2, KVM_CAP_PLANE_FPU, 1);
	struct policy policy;

	vtl_policy_load(&policy);
	ASSERT_ERRNO(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0),
		     EOPNOTSUPP);
	vm_free(vm);

	/* Nor can it be chosen afterwards. */
	vm = vm_create(1);
	ASSERT(!vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0));
	ASSERT_ERRNO(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 1, 0, 0), EBUSY);
	vm_free(vm);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("a VTL call enters the next higher VTL that is enabled, or raises #UD", enabled_set),
	TEST("an interrupt of a VTL that is not enabled waits until that is", no_preemption),
	TEST("a policy that replaces another has what the VMM chose", replaced),
	TEST("what a VMM chose is this VM's and this vCPU's alone, and stays when it opts out",
	     own),
	TEST("the policy refuses a VM whose planes have FPUs of their own", split_fpu),
	{ }
};
