// SPDX-License-Identifier: GPL-2.0
/*
 * Latches: MSRs that each plane of a VM has because of its policy. Who has them, what is kept in
 * them, and for how long.
 */
#include <sys/ioctl.h>

#include "puppet_test.h"

POLICY(fourth, "selftests/policies/latch_fourth.bpf.o");
POLICY(fifth, "selftests/policies/latch_fifth.bpf.o");
POLICY(other, "selftests/policies/latch_other.bpf.o");
POLICY(same, "selftests/policies/latch_same.bpf.o");

#define VALUE		0x1122334455667788ULL
#define OTHER_VALUE	0x99aabbccddeeff00ULL
#define NO_LATCH	(PUPPET_LATCH + 1)

static struct puppet_test t;

static void guest_write(int plane, __u32 msr, __u64 value)
{
	puppet_let(plane, puppet_wrmsr, (__u32)value, msr, value >> 32, 0);
	puppet_turn(&t, plane);
}

static void guest_read(int plane, __u32 msr)
{
	puppet_let(plane, puppet_rdmsr, 0, msr, 0, 0);
	puppet_turn(&t, plane);
}

static void expect_read(int plane, __u32 msr, __u64 value)
{
	guest_read(plane, msr);
	puppet_expect_no_fault(plane);
	ASSERT_EQ(puppet_out[plane].gpr[RDX] << 32 | (__u32)puppet_out[plane].gpr[RAX], value);
}

/* The guest has no such MSR. */
static void expect_none(int plane, __u32 msr)
{
	guest_read(plane, msr);
	puppet_expect_fault(plane, X86_GP);
	guest_write(plane, msr, OTHER_VALUE);
	puppet_expect_fault(plane, X86_GP);
}

/* Nor has userspace. */
static bool userspace_has(struct vm *vm, int plane, __u32 msr)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} msrs = { .header.nmsrs = 1, .entry.index = msr };

	return vm_ioctl(vm->vcpu[plane], KVM_GET_MSRS, &msrs) == 1;
}

static struct puppet_op *hypercall(int verdict, __u32 asks)
{
	struct puppet_op *op = &t.puppet->op[PUPPET_HYPERCALL];

	op->verdict = verdict;
	op->asks = asks;
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	return op;
}

static __u64 policy_reads(int plane, __u32 msr)
{
	struct puppet_op *op = hypercall(KVM_PLANE_RESUME, PUPPET_READ_LATCH | PUPPET_SKIP);

	op->latch = msr;
	op->latch_plane = plane;
	op->latch_read = ~0ULL;
	puppet_turn(&t, 0);
	return op->latch_read;
}

/* Those of plane 0; returns what the policy reads there in the same op. */
static __u64 policy_writes(__u32 msr, __u64 value)
{
	struct puppet_op *op = hypercall(KVM_PLANE_RESUME, PUPPET_WRITE_LATCH |
					 PUPPET_READ_LATCH | PUPPET_SKIP);

	op->latch = msr;
	op->latch_plane = 0;
	op->latch_value = value;
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	return op->latch_read;
}

static void keep(enum test_how how)
{
	int plane;

	puppet_start(&t, 3);
	for (plane = 0; plane < 3; plane++) {
		expect_read(plane, PUPPET_LATCH, 0);
		guest_write(plane, PUPPET_LATCH, VALUE + plane);
		puppet_expect_no_fault(plane);
	}
	for (plane = 0; plane < 3; plane++) {
		expect_read(plane, PUPPET_LATCH, VALUE + plane);
		ASSERT_EQ(vm_get_msr(t.vm, plane, PUPPET_LATCH), VALUE + plane);
		ASSERT_EQ(policy_reads(plane, PUPPET_LATCH), VALUE + plane);
		ASSERT(vm_set_msr(t.vm, plane, PUPPET_LATCH, ~0ULL - plane));
	}
	for (plane = 0; plane < 3; plane++) {
		expect_read(plane, PUPPET_LATCH, ~0ULL - plane);
		ASSERT_EQ(policy_reads(plane, PUPPET_LATCH), ~0ULL - plane);
	}
	ASSERT_EQ(policy_reads(3, PUPPET_LATCH), 0);
	ASSERT_EQ(policy_reads(1U << 31, PUPPET_LATCH), 0);
	/* No op was needed for that. */
	ASSERT_EQ(t.puppet->op[PUPPET_RDMSR].calls, 0);
	ASSERT_EQ(t.puppet->op[PUPPET_WRMSR].calls, 0);
	puppet_end(&t);
}

static void vcpus(enum test_how how)
{
	struct vm *other;

	puppet_start(&t, 2);
	other = vm_add_vcpu(t.vm, 1);
	other->vcpu[1] = vm_ioctl(t.vm->plane[1], KVM_CREATE_VCPU_PLANE, other->vcpu[0]);
	guest_write(0, PUPPET_LATCH, VALUE);
	guest_write(1, PUPPET_LATCH, VALUE + 1);
	ASSERT_EQ(vm_get_msr(other, 0, PUPPET_LATCH), 0);
	ASSERT_EQ(vm_get_msr(other, 1, PUPPET_LATCH), 0);
	ASSERT(vm_set_msr(other, 1, PUPPET_LATCH, OTHER_VALUE));
	expect_read(1, PUPPET_LATCH, VALUE + 1);
	ASSERT_EQ(policy_reads(1, PUPPET_LATCH), VALUE + 1);
	puppet_end(&t);
}

static void policy_resumes(enum test_how how)
{
	puppet_start(&t, 2);
	ASSERT(vm_set_msr(t.vm, 1, PUPPET_LATCH, OTHER_VALUE));
	ASSERT_EQ(policy_writes(PUPPET_LATCH, VALUE), 0);
	expect_read(0, PUPPET_LATCH, VALUE);
	ASSERT_EQ(policy_writes(PUPPET_LATCH, VALUE + 1), VALUE);
	expect_read(0, PUPPET_LATCH, VALUE + 1);
	expect_read(1, PUPPET_LATCH, OTHER_VALUE);
	puppet_end(&t);
}

/* In the plane that it leaves */
static void policy_switches(enum test_how how)
{
	struct puppet_op *op;

	puppet_start(&t, 2);
	op = hypercall(KVM_PLANE_SWITCH, PUPPET_WRITE_LATCH | PUPPET_SWITCH | PUPPET_SKIP);
	op->latch = PUPPET_LATCH;
	op->latch_value = VALUE;
	op->target = 1;
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), 1);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH), VALUE);
	ASSERT_EQ(vm_get_msr(t.vm, 1, PUPPET_LATCH), 0);
	puppet_turn(&t, 0);
	puppet_end(&t);
}

static void other_verdicts(enum test_how how)
{
	struct puppet_op *op;

	puppet_start(&t, 2);
	guest_write(0, PUPPET_LATCH, VALUE);
	op = hypercall(KVM_PLANE_PASS, PUPPET_WRITE_LATCH);
	op->latch = PUPPET_LATCH;
	op->latch_value = OTHER_VALUE;
	puppet_turn(&t, 0);
	expect_read(0, PUPPET_LATCH, VALUE);

	hypercall(KVM_PLANE_USER, PUPPET_WRITE_LATCH);
	puppet_event(&t, 0, KVM_PLANE_EVENT_HYPERCALL);
	puppet_turn(&t, 0);
	expect_read(0, PUPPET_LATCH, VALUE);

	hypercall(17, PUPPET_WRITE_LATCH);
	puppet_turn(&t, 0);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_VERDICT, 17);
	expect_read(0, PUPPET_LATCH, VALUE);
	puppet_free(&t);
}

static void expect_kept(void)
{
	expect_read(0, PUPPET_LATCH, VALUE);
	expect_read(1, PUPPET_LATCH, VALUE + 1);
	ASSERT_EQ(vm_get_msr(t.vm, 1, PUPPET_LATCH), VALUE + 1);
	ASSERT_EQ(vm_get_msr(t.vm, 1, PUPPET_LATCH_PRIVATE), VALUE + 2);
}

/* Also while it has no policy, the guest goes on to use them. */
static void policy_goes(enum test_how how)
{
	puppet_start(&t, 2);
	guest_write(0, PUPPET_LATCH, VALUE);
	guest_write(1, PUPPET_LATCH, VALUE + 1);
	ASSERT(vm_set_msr(t.vm, 1, PUPPET_LATCH_PRIVATE, VALUE + 2));

	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, -1ULL, 0, 0), 0);
	expect_kept();
	guest_write(0, PUPPET_LATCH, OTHER_VALUE);
	expect_read(0, PUPPET_LATCH, OTHER_VALUE);
	guest_write(0, PUPPET_LATCH, VALUE);
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	expect_kept();
	ASSERT_EQ(policy_reads(1, PUPPET_LATCH_PRIVATE), VALUE + 2);

	hypercall(17, 0);
	puppet_turn(&t, 0);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_VERDICT, 17);
	expect_kept();

	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	policy_unload(&t.policy);
	expect_kept();
	vm_free(t.vm);
}

static void no_policy(enum test_how how)
{
	puppet_create(&t, 2);
	expect_none(0, PUPPET_LATCH);
	expect_none(1, PUPPET_LATCH);
	ASSERT(!userspace_has(t.vm, 1, PUPPET_LATCH));
	ASSERT(!vm_set_msr(t.vm, 1, PUPPET_LATCH, VALUE));
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	expect_read(0, PUPPET_LATCH, 0);
	puppet_end(&t);
}

static void known(enum test_how how)
{
	__u64 pat;

	puppet_start(&t, 2);
	pat = vm_get_msr(t.vm, 0, PUPPET_MSR_PAT);
	ASSERT(pat);
	ASSERT_EQ(policy_writes(PUPPET_MSR_PAT, VALUE), 0);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_MSR_PAT), pat);
	expect_read(0, PUPPET_MSR_PAT, pat);
	guest_write(0, PUPPET_MSR_PAT, pat ^ 1);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_MSR_PAT), pat ^ 1);
	puppet_end(&t);
}

static void private(enum test_how how)
{
	puppet_start(&t, 2);
	expect_none(0, PUPPET_LATCH_PRIVATE);
	expect_none(1, PUPPET_LATCH_PRIVATE);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH_PRIVATE), 0);
	ASSERT_EQ(policy_writes(PUPPET_LATCH_PRIVATE, VALUE), 0);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH_PRIVATE), VALUE);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH), 0);
	ASSERT(vm_set_msr(t.vm, 1, PUPPET_LATCH_PRIVATE, OTHER_VALUE));
	ASSERT_EQ(policy_reads(1, PUPPET_LATCH_PRIVATE), OTHER_VALUE);
	ASSERT_EQ(policy_reads(0, PUPPET_LATCH_PRIVATE), VALUE);
	expect_none(1, PUPPET_LATCH_PRIVATE);
	puppet_end(&t);
}

static void wrong_msr(__u32 asks, __u32 msr)
{
	struct puppet_op *op;

	puppet_start(&t, 2);
	op = hypercall(KVM_PLANE_RESUME, asks | PUPPET_WRITE_REGS);
	op->latch = msr;
	op->rax = 0xbad;
	puppet_turn(&t, 0);
	ASSERT(puppet_out[0].gpr[RAX] != 0xbad);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_MSR, msr);
	puppet_free(&t);
}

static void no_latch(enum test_how how)
{
	wrong_msr(PUPPET_READ_LATCH, NO_LATCH);
	wrong_msr(PUPPET_WRITE_LATCH, NO_LATCH);
	wrong_msr(PUPPET_READ_LATCH, 0);
	wrong_msr(PUPPET_WRITE_LATCH, ~0U);
}

static void opt_over(const struct policy_object *object, int error)
{
	struct policy policy;

	ASSERT_EQ(policy_load(&policy, object), 0);
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, -1ULL, 0, 0), 0);
	if (error) {
		ASSERT_ERRNO(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0),
			     error);
	} else {
		ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
		ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, -1ULL, 0, 0), 0);
	}
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	policy_unload(&policy);
}

/* The puppet has three. */
static void too_many(enum test_how how)
{
	puppet_start(&t, 2);
	guest_write(1, PUPPET_LATCH, VALUE);
	opt_over(&policy_fifth, ENOSPC);
	expect_none(0, PUPPET_LATCH_MORE);
	expect_none(0, PUPPET_LATCH_MORE + 1);
	opt_over(&policy_fourth, 0);
	guest_write(1, PUPPET_LATCH_MORE, OTHER_VALUE);
	expect_read(1, PUPPET_LATCH_MORE, OTHER_VALUE);
	opt_over(&policy_fifth, ENOSPC);
	opt_over(&policy_fourth, 0);
	expect_none(0, PUPPET_LATCH_MORE + 1);
	expect_read(1, PUPPET_LATCH, VALUE);
	expect_read(1, PUPPET_LATCH_MORE, OTHER_VALUE);
	puppet_end(&t);
}

static void refused(enum test_how how)
{
	puppet_create(&t, 2);
	t.puppet->attach_result = -EPERM;
	ASSERT_ERRNO(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), EPERM);
	expect_none(0, PUPPET_LATCH);
	ASSERT(!userspace_has(t.vm, 0, PUPPET_LATCH_PRIVATE));
	puppet_free(&t);
}

static void replaced(enum test_how how)
{
	puppet_start(&t, 2);
	guest_write(1, PUPPET_LATCH, VALUE);
	ASSERT_EQ(policy_replace(&t.policy, &policy_other), -EINVAL);
	ASSERT_EQ(policy_reads(1, PUPPET_LATCH), VALUE);
	expect_none(1, PUPPET_LATCH_MORE);
	ASSERT_EQ(policy_replace(&t.policy, &policy_same), 0);
	expect_read(1, PUPPET_LATCH, VALUE);
	puppet_end(&t);
}

/* As to another host: userspace reads there what it writes here. */
static void migrate(enum test_how how)
{
	static const __u32 msrs[] = { PUPPET_LATCH, PUPPET_LATCH_PRIVATE };
	struct puppet_test from;
	int plane;
	unsigned int i;

	puppet_start(&t, 2);
	for (plane = 0; plane < 2; plane++)
		guest_write(plane, PUPPET_LATCH, VALUE + plane);
	policy_writes(PUPPET_LATCH_PRIVATE, OTHER_VALUE);
	from = t;

	t.vm = vm_create(2);
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE_SWITCH, t.policy.token, 0, 0), 0);
	for (plane = 0; plane < 2; plane++) {
		for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
			ASSERT(vm_set_msr(t.vm, plane, msrs[i],
					  vm_get_msr(from.vm, plane, msrs[i])));
	}
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH), VALUE);
	ASSERT_EQ(vm_get_msr(t.vm, 1, PUPPET_LATCH), VALUE + 1);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_LATCH_PRIVATE), OTHER_VALUE);
	ASSERT_EQ(vm_get_msr(t.vm, 1, PUPPET_LATCH_PRIVATE), 0);
	vm_free(from.vm);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST("each plane has the policy's MSRs, for the guest, userspace and the policy", keep),
	TEST("each vCPU has its own", vcpus),
	TEST("a policy writes to them with the verdict to resume", policy_resumes),
	TEST("it does with the verdict to switch, in the plane that is left", policy_switches),
	TEST("it does not with other verdicts, nor if it is ejected", other_verdicts),
	TEST("they stay when the VM opts out or in, and the policy is ejected or removed",
	     policy_goes),
	TEST("a VM without the policy does not have them", no_policy),
	TEST("an MSR that KVM knows stays what it is", known),
	TEST("a private one is for userspace and the policy only", private),
	TEST("a policy that names an MSR that is none of them is ejected", no_latch),
	TEST("a VM has no more than four, of whatever policies", too_many),
	TEST("a VM that the policy refuses does not have them", refused),
	TEST("a replacement has the same ones, or is refused", replaced),
	TEST("userspace can move them to another VM", migrate),
	{ }
};
