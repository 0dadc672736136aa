// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy is told of VMs: that one opts in, which it may refuse, that one opts out or is
 * gone, and why a VM does not have it any more; and the MSRs that it may claim.
 */
#include <bpf/libbpf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "puppet_test.h"

#define BAD_VERDICT	77

POLICY(claims, "selftests/policies/puppet.bpf.o");

static struct puppet_test t;

static int opt(struct vm *vm, long long fd)
{
	return vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, fd, 0, 0);
}

static bool has_policy(struct vm *vm)
{
	struct policy_status status;

	ASSERT(policy_read_status(vm, &status));
	return !strcmp(status.policy, "puppet");
}

static void refused(enum test_how how)
{
	static const int errors[] = { EPERM, ENOSPC, EXDEV, 4095 };
	struct policy policy;
	struct puppet *p = puppet_load(&policy);
	struct vm *vm = vm_create(2);
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		p->attach_result = -errors[i];
		ASSERT_ERRNO(opt(vm, policy.token), errors[i]);
		ASSERT_EQ(p->attach.calls, i + 1);
		ASSERT(!has_policy(vm));
	}
	p->attach_result = -4096;
	ASSERT_ERRNO(opt(vm, policy.token), EINVAL);
	ASSERT_ERRNO(opt(vm, -1), ENOENT);
	ASSERT_EQ(p->detach.calls, 0);

	p->attach_result = 0;
	ASSERT_EQ(opt(vm, policy.token), 0);
	ASSERT(has_policy(vm));
	vm_free(vm);
	policy_unload(&policy);
}

static void sees_vms(enum test_how how)
{
	struct policy policy;
	struct puppet *p = puppet_load(&policy);
	struct vm *vm = vm_create(1);
	struct vm *split = vm_create_with(2, KVM_CAP_PLANE_FPU, 1);
	__u64 id;

	ASSERT_EQ(opt(vm, policy.token), 0);
	id = p->attach.vm_id;
	ASSERT(id);
	ASSERT_EQ(p->attach.split_fpu, 0);
	ASSERT_ERRNO(opt(vm, policy.token), EBUSY);
	ASSERT_EQ(p->attach.calls, 1);

	ASSERT_EQ(opt(split, policy.token), 0);
	ASSERT(p->attach.vm_id && p->attach.vm_id != id);
	ASSERT_EQ(p->attach.split_fpu, 1);
	ASSERT_EQ(p->attach.calls, 2);
	ASSERT_EQ(p->detach.calls, 0);

	ASSERT_EQ(opt(vm, -1), 0);
	ASSERT_EQ(p->detach.calls, 1);
	ASSERT_EQ(p->detach.vm_id, id);
	ASSERT_ERRNO(opt(vm, -1), ENOENT);
	ASSERT_EQ(p->detach.calls, 1);

	id = p->attach.vm_id;
	vm_free(split);
	ASSERT_EQ(p->detach.calls, 2);
	ASSERT_EQ(p->detach.vm_id, id);
	ASSERT_EQ(p->detach.split_fpu, 1);
	vm_free(vm);
	ASSERT_EQ(p->detach.calls, 2);
	ASSERT_EQ(p->exit.calls, 0);
	policy_unload(&policy);
}

/* To read what is not in memory takes a page fault, which may sleep. */
static void sleeps(enum test_how how)
{
	struct policy policy;
	struct puppet *p = puppet_load(&policy);
	struct vm *vm = vm_create(1);
	int fd = memfd_create("test", MFD_CLOEXEC);
	char *memory;

	ASSERT_EQ(ftruncate(fd, 4096), 0);
	ASSERT_EQ(pwrite(fd, "asleep", 7, 0), 7);
	memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT(memory != MAP_FAILED);
	p->attach_from = (unsigned long)memory;
	ASSERT_EQ(opt(vm, policy.token), 0);
	ASSERT(!strcmp((char *)p->attach_data, "asleep"));
	vm_free(vm);
	policy_unload(&policy);
}

static void told_of_ejection(enum test_how how)
{
	struct puppet *p;

	puppet_start(&t, 2);
	p = t.puppet;
	p->op[PUPPET_WRMSR].verdict = BAD_VERDICT;
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, 13);
	ASSERT_EQ(p->exit.calls, 1);
	ASSERT_EQ(p->exit.vm_id, p->attach.vm_id);
	ASSERT_EQ(p->exit.kind, KVM_PLANE_EJECT_VERDICT);
	ASSERT_EQ(p->exit.code, BAD_VERDICT);
	ASSERT(!has_policy(t.vm));

	/* It has gone from this VM; no op of it is called any more, nor detach. */
	puppet_turn(&t, 0);
	ASSERT_EQ(p->op[PUPPET_WRMSR].calls, 1);
	ASSERT_ERRNO(opt(t.vm, -1), ENOENT);
	ASSERT_EQ(p->detach.calls, 0);

	/* It can be had again. */
	p->op[PUPPET_WRMSR].verdict = KVM_PLANE_RESUME;
	p->op[PUPPET_WRMSR].asks = PUPPET_SKIP;
	ASSERT_EQ(opt(t.vm, t.policy.token), 0);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(p->attach.calls, 2);
	vm_free(t.vm);
	ASSERT_EQ(p->detach.calls, 1);
	policy_unload(&t.policy);
	ASSERT_EQ(p->exit.calls, 2);
}

static void told_of_removal(enum test_how how)
{
	struct puppet *p;

	puppet_start(&t, 2);
	p = t.puppet;
	policy_unload(&t.policy);
	ASSERT_EQ(p->exit.calls, 1);
	ASSERT_EQ(p->exit.vm_id, 0);
	ASSERT_EQ(p->exit.kind, KVM_PLANE_EJECT_REMOVED);
	ASSERT_EQ(p->exit.code, 0);
	ASSERT(!has_policy(t.vm));
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, 13);
	vm_free(t.vm);
	ASSERT_EQ(p->detach.calls, 0);
	ASSERT_EQ(p->exit.calls, 1);
}

/* struct kvm_plane_ops, as libbpf has it before it is loaded */
struct shadow {
	void *ops[10];
	__u32 msrs[KVM_PLANE_NR_MSRS];
	__u32 latches[KVM_PLANE_NR_LATCHES];
	__u32 abi;
	char name[KVM_PLANE_NAME_LEN];
};

static int load_claiming(__u32 first, __u32 last)
{
	const struct policy_object *object = &policy_claims;
	struct bpf_object *obj;
	struct bpf_link *link;
	struct shadow *shadow;
	struct bpf_map *map;
	size_t size;
	int i, err;

	libbpf_set_print(NULL);
	obj = bpf_object__open_mem(object->start, object->end - object->start, NULL);
	ASSERT(obj);
	map = bpf_object__find_map_by_name(obj, "puppet");
	ASSERT(map);
	shadow = bpf_map__initial_value(map, &size);
	ASSERT_EQ(size, sizeof(*shadow));
	ASSERT_EQ(shadow->msrs[0], PUPPET_MSR);
	for (i = 0; i < KVM_PLANE_NR_MSRS; i++)
		shadow->msrs[i] = PUPPET_MSR + i;
	shadow->msrs[0] = first;
	shadow->msrs[KVM_PLANE_NR_MSRS - 1] = last;

	err = bpf_object__load(obj);
	if (!err) {
		link = bpf_map__attach_struct_ops(map);
		err = link ? 0 : -errno;
		bpf_link__destroy(link);
	}
	bpf_object__close(obj);
	return err;
}

static void claims(enum test_how how)
{
	ASSERT_EQ(load_claiming(PUPPET_MSR, PUPPET_MSR + 7), 0);
	ASSERT_EQ(load_claiming(0xc0000082, 0x1b), 0);
	/* IA32_TSC_DEADLINE, and the registers of the x2APIC */
	ASSERT_EQ(load_claiming(0x6e0, PUPPET_MSR), -EINVAL);
	ASSERT_EQ(load_claiming(PUPPET_MSR, 0x6e0), -EINVAL);
	ASSERT_EQ(load_claiming(0x800, PUPPET_MSR), -EINVAL);
	ASSERT_EQ(load_claiming(PUPPET_MSR, 0x830), -EINVAL);
	ASSERT_EQ(load_claiming(PUPPET_MSR, 0x8ff), -EINVAL);
	ASSERT_EQ(load_claiming(PUPPET_MSR, 0x900), 0);
	/* What comes after the first 0 does not count. */
	ASSERT_EQ(load_claiming(0, 0x830), 0);
}

const struct test tests[] = {
	TEST("a policy can refuse a VM with any errno", refused),
	TEST("it is told of each VM that opts in, opts out or is gone", sees_vms),
	TEST("it may sleep when a VM opts in", sleeps),
	TEST("it is told that it was ejected from a VM, and why", told_of_ejection),
	TEST("it is told that it was removed", told_of_removal),
	TEST("a policy that claims an MSR of the local APIC is refused", claims),
	{ }
};
