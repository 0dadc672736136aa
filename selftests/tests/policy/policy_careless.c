// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that breaks a rule is ejected from the VM, which goes on without
 * one: the exit it was asked about goes to userspace, with all registers as
 * the guest had them, whatever the policy wrote before. In RSI the guest passes
 * the number that breaks the rule.
 */
#include "policy.h"
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

POLICY(wrong_target, "selftests/policies/wrong_target.bpf.o");
POLICY(no_target, "selftests/policies/no_target.bpf.o");
POLICY(wrong_verdict, "selftests/policies/wrong_verdict.bpf.o");
POLICY(wrong_state, "selftests/policies/wrong_state.bpf.o");
POLICY(reads_register, "selftests/policies/reads_register.bpf.o");
POLICY(writes_register, "selftests/policies/writes_register.bpf.o");
POLICY(wrong_exception, "selftests/policies/wrong_exception.bpf.o");
POLICY(wrong_suspend, "selftests/policies/wrong_suspend.bpf.o");
POLICY(assist_page, "selftests/policies/assist_page.bpf.o");

static struct guest_regs call_regs, vtl1_entered;
static __u64 answer_rbx, answer_rdx;

/* A call whenever the VMM lets it, with the registers that this gives it. */
static void vtl0(void)
{
	struct guest_regs out;

	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	for (;;) {
		guest_sync(0);
		guest_run(&call_regs, &out);
		answer_rbx = out.gpr[RBX];
		answer_rdx = out.gpr[RDX];
	}
}

static void vtl1(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_RETURN, HV_VTL_RETURN_FAST);

	vtl_enable();
	vtl_enable_assist_page();
	for (;;)
		guest_run(&in, &vtl1_entered);
}

static const guest_code_t entry[] = { vtl0, vtl1 };

static void choose_regs(__u64 rsi)
{
	__u64 random = test_seed();
	int i;

	call_regs = vtl_hypercall_regs(HV_VTL_CALL, 0);
	for (i = RDX; i < NR_GPRS; i++)
		call_regs.gpr[i] = guest_random(&random);
	call_regs.gpr[RSI] = rsi;
}

/* One call, made by userspace, that brings every register to VTL 1. */
static void call_by_userspace(struct vtl_test *t)
{
	__u64 before = t->vtl.switches;
	int i;

	memset(&vtl1_entered, 0, sizeof(vtl1_entered));
	vtl_test_run(t);
	ASSERT_EQ(t->vtl.switches, before + 2);
	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP)
			ASSERT_EQ(vtl1_entered.gpr[i], call_regs.gpr[i]);
}

static void ejected(const struct policy_object *object, __u64 rsi, int kind, long long code)
{
	struct policy_status status;
	struct policy policy, good;
	struct vtl_test t;
	int err;

	choose_regs(rsi);
	vtl_test_start(&t, BY_USERSPACE, 2, entry);
	vtl_test_run(&t);
	err = policy_load(&policy, object);
	if (err)
		fail("the policy does not load: %s (VERBOSE=1 says more)", strerror(-err));
	ASSERT_EQ(vtl_use_policy(&t.vtl, policy.token), 0);

	call_by_userspace(&t);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT(!strcmp(status.policy, "none"));
	ASSERT_EQ(status.eject_kind, kind);
	ASSERT_EQ(status.eject_code, code);
	ASSERT(strlen(status.eject_message) > 10);
	ASSERT_EQ(status.switches, 0);

	/* The VM goes on, without a policy or with a good one. */
	call_by_userspace(&t);
	ASSERT_EQ(vtl_use_policy(&t.vtl, -1), -1);
	ASSERT_EQ(errno, ENOENT);
	vtl_policy_load(&good);
	ASSERT_EQ(vtl_use_policy(&t.vtl, good.token), 0);
	vtl_test_run(&t);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT_EQ(status.switches, 2);
	vm_free(t.vm);
	policy_unload(&good);
	policy_unload(&policy);
}

static void missing_plane(enum test_how how)
{
	ejected(&policy_wrong_target, 3, KVM_PLANE_EJECT_TARGET, 3);
}

static void no_plane(enum test_how how)
{
	ejected(&policy_wrong_target, 4, KVM_PLANE_EJECT_TARGET, 4);
}

static void huge_plane(enum test_how how)
{
	ejected(&policy_wrong_target, 1ULL << 31, KVM_PLANE_EJECT_TARGET, 1LL << 31);
}

static void running_plane(enum test_how how)
{
	ejected(&policy_wrong_target, 0, KVM_PLANE_EJECT_TARGET, 0);
}

static void no_target(enum test_how how)
{
	ejected(&policy_no_target, 0, KVM_PLANE_EJECT_TARGET, -1);
}

static void verdict(enum test_how how)
{
	ejected(&policy_wrong_verdict, 4, KVM_PLANE_EJECT_VERDICT, 4);
}

static void negative_verdict(enum test_how how)
{
	ejected(&policy_wrong_verdict, -22, KVM_PLANE_EJECT_VERDICT, -22);
}

static void state(enum test_how how)
{
	ejected(&policy_wrong_state, 1U << 4 | 1, KVM_PLANE_EJECT_STATE, 1U << 4 | 1);
}

static void read_rsp(enum test_how how)
{
	ejected(&policy_reads_register, RSP, KVM_PLANE_EJECT_REG, RSP);
}

static void write_rsp(enum test_how how)
{
	ejected(&policy_writes_register, RSP, KVM_PLANE_EJECT_REG, RSP);
}

static void read_no_register(enum test_how how)
{
	ejected(&policy_reads_register, 16, KVM_PLANE_EJECT_REG, 16);
}

static void write_no_register(enum test_how how)
{
	ejected(&policy_writes_register, 0xffffffff, KVM_PLANE_EJECT_REG, 0xffffffff);
}

static void page_fault(enum test_how how)
{
	ejected(&policy_wrong_exception, X86_PF, KVM_PLANE_EJECT_EXCEPTION, X86_PF);
}

static void breakpoint(enum test_how how)
{
	ejected(&policy_wrong_exception, 3, KVM_PLANE_EJECT_EXCEPTION, 3);
}

static void no_exception(enum test_how how)
{
	ejected(&policy_wrong_exception, 300, KVM_PLANE_EJECT_EXCEPTION, 300);
}

static void suspend(enum test_how how)
{
	ejected(&policy_wrong_suspend, 5, KVM_PLANE_EJECT_SUSPEND, 5);
}

/* Returns what reading gave, having seen that writing gave the same. */
static int assist_access(struct vtl_test *t, __u64 plane, __u64 offset)
{
	choose_regs(offset);
	call_regs.gpr[RDI] = plane;
	vtl_test_run(t);
	ASSERT_EQ(answer_rbx, answer_rdx);
	return answer_rbx;
}

#define ASSIST_OFFSET	0x100

static void assist_bounds(enum test_how how)
{
	struct policy_status status;
	struct policy policy;
	struct vtl_test t;

	choose_regs(0);
	vtl_test_start(&t, BY_USERSPACE, 2, entry);
	vtl_test_run(&t);
	ASSERT_EQ(policy_load(&policy, &policy_assist_page), 0);
	ASSERT_EQ(vtl_use_policy(&t.vtl, policy.token), 0);

	vtl_assist_pages[1][4095] = 0xa5;
	ASSERT_EQ(assist_access(&t, 0, 0), 0);
	ASSERT_EQ(assist_access(&t, 1, 4096 - 8), 0);
	ASSERT_EQ(*(__u64 *)&vtl_assist_pages[1][4096 - 8], 0x6e656c616e61ULL);
	ASSERT_EQ(assist_access(&t, 1, 4096 - 7), -EINVAL);
	ASSERT_EQ(assist_access(&t, 1, 4096), -EINVAL);
	ASSERT_EQ(assist_access(&t, 1, 0xfffffff8), -EINVAL);
	ASSERT_EQ(assist_access(&t, 1, 0xffffffff), -EINVAL);
	ASSERT_EQ(assist_access(&t, 2, 0), -EINVAL);
	ASSERT_EQ(assist_access(&t, 4, 0), -EINVAL);
	ASSERT_EQ(assist_access(&t, 0xffffffff, 0), -EINVAL);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT_EQ(status.eject_kind, 0);
	ASSERT(!strcmp(status.policy, "assist_page"));
	vm_free(t.vm);
	policy_unload(&policy);
}

/* VTL 1 named the page when it could access it. */
static void assist_forbidden(enum test_how how)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)vtl_assist_pages[1],
		.size = 4096,
		.attributes = KVM_MEMORY_ATTRIBUTE_NR | KVM_MEMORY_ATTRIBUTE_NW |
			      KVM_MEMORY_ATTRIBUTE_NX,
	};
	struct policy policy;
	struct vtl_test t;

	choose_regs(0);
	vtl_test_start(&t, BY_USERSPACE, 2, entry);
	vtl_test_run(&t);
	ASSERT_EQ(policy_load(&policy, &policy_assist_page), 0);
	ASSERT_EQ(vtl_use_policy(&t.vtl, policy.token), 0);

	vtl_assist_pages[1][ASSIST_OFFSET] = 0xa5;
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	ASSERT_EQ(assist_access(&t, 1, ASSIST_OFFSET), -EPERM);
	ASSERT_EQ(vtl_assist_pages[1][ASSIST_OFFSET], 0xa5);
	ASSERT_EQ(assist_access(&t, 0, ASSIST_OFFSET), 0);
	attrs.attributes = 0;
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	ASSERT_EQ(assist_access(&t, 1, ASSIST_OFFSET), 0);
	vm_free(t.vm);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("a policy that switches to a plane that is not there is ejected", missing_plane),
	TEST("a policy that switches to plane 4 is ejected", no_plane),
	TEST("a policy that switches to plane 2147483648 is ejected", huge_plane),
	TEST("a policy that switches to the plane that runs is ejected", running_plane),
	TEST("a policy that switches to no plane is ejected", no_target),
	TEST("a policy that returns what is no verdict is ejected", verdict),
	TEST("a policy that returns an errno is ejected", negative_verdict),
	TEST("a policy that carries state that does not exist is ejected", state),
	TEST("a policy that reads RSP is ejected", read_rsp),
	TEST("a policy that writes RSP is ejected", write_rsp),
	TEST("a policy that reads a register that does not exist is ejected", read_no_register),
	TEST("a policy that writes a register that does not exist is ejected", write_no_register),
	TEST("a policy that raises #PF is ejected", page_fault),
	TEST("a policy that raises #BP is ejected", breakpoint),
	TEST("a policy that raises an exception that does not exist is ejected", no_exception),
	TEST("a policy that suspends planes that are not there is ejected", suspend),
	TEST("a policy gets -EINVAL outside of assist pages", assist_bounds),
	TEST("it gets -EPERM if the plane may not access its assist page", assist_forbidden),
	{ }
};
