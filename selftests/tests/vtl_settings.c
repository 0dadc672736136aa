// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMM can choose for a policy "vtl": which VTLs are enabled, in the policy's map;
 * and which VMs it serves.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

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

static struct kvm_plane_vtl_key vp_of(struct vm *vm)
{
	return (struct kvm_plane_vtl_key) {
		.vm_id = vm_ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH),
	};
}

static bool has_entry(const struct policy *policy, const struct kvm_plane_vtl_key *key)
{
	int map = bpf_object__find_map_fd_by_name(policy->object, "vtl_vps");
	struct kvm_plane_vtl_vp vp;

	return !bpf_map_lookup_elem(map, key, &vp);
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

static void enable(struct vtl_test *t, __u16 vtls)
{
	struct kvm_plane_vtl_key key = vp_of(t->vm);

	vtl_policy_set(&t->policy, &key, &(struct kvm_plane_vtl_vp) { .enabled = vtls });
}

static void enabled_set(enum test_how how)
{
	struct vtl_test t;

	start(&t);
	enable(&t, 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	enable(&t, 1U << 0 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	ASSERT(ran[2] && !ran[1]);
	enable(&t, 1U << 0 | 1U << 1 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	ASSERT(ran[1]);
	enable(&t, 1U << 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 2);
	vtl_test_end(&t);
}

static void no_preemption(enum test_how how)
{
	struct vtl_test t;

	start(&t);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	enable(&t, 1U << 0 | 1U << 2);
	msi_send(t.vm->plane[1], VECTOR);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	ASSERT_EQ(irqs[1], 0);
	enable(&t, 1U << 0 | 1U << 1 | 1U << 2);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 0);
	ASSERT_EQ(irqs[1], 1);
	vtl_test_end(&t);
}

static void replaced(enum test_how how)
{
	struct kvm_plane_vtl_key key;
	struct vtl_test t;

	start(&t);
	key = vp_of(t.vm);
	enable(&t, 1U << 0);
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	/* The new one has a map of its own here, and nothing of the old one is remembered. */
	vtl_policy_replace(&t.policy);
	ASSERT(!has_entry(&t.policy, &key));
	ASSERT_EQ(vtl_test_run(&t)->arg[0], 1);
	vtl_test_end(&t);
}

static void forgotten(enum test_how how)
{
	struct kvm_plane_vtl_key keys[3];
	int kvm = vmm_open_kvm(), i;
	struct policy policy;
	struct vm *vm[3];

	vtl_policy_load(&policy);
	for (i = 0; i < 3; i++) {
		vm[i] = vm_create(2);
		keys[i] = vp_of(vm[i]);
		ASSERT(keys[i].vm_id > 0);
		ASSERT(!i || keys[i].vm_id != keys[i - 1].vm_id);
		ASSERT(!vm_enable_cap(vm[i]->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0));
		vtl_policy_set(&policy, &keys[i], &(struct kvm_plane_vtl_vp) { .enabled = 3 });
	}

	ASSERT(!vm_enable_cap(vm[0]->fd, KVM_CAP_PLANE_SWITCH, -1, 0, 0));
	ASSERT(!has_entry(&policy, &keys[0]));
	ASSERT(has_entry(&policy, &keys[1]));
	ASSERT_EQ(vp_of(vm[0]).vm_id, keys[0].vm_id);

	munmap(vm[1]->run, vm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	vm_free(vm[1]);
	ASSERT(!has_entry(&policy, &keys[1]));
	ASSERT(has_entry(&policy, &keys[2]));
	vm_free(vm[0]);
	vm_free(vm[2]);
	policy_unload(&policy);
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
	TEST("a policy that replaces another remembers nothing of it", replaced),
	TEST("the policy forgets a VM that opts out or ends, and no other", forgotten),
	TEST("the policy refuses a VM whose planes have FPUs of their own", split_fpu),
	{ }
};
