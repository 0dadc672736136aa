// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that the kernel does not load; the reason by errno.
 */
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

POLICY(sleepable, "selftests/policies/sleepable.bpf.o");
POLICY(wrong_abi, "selftests/policies/wrong_abi.bpf.o");
POLICY(wrong_flags, "selftests/policies/wrong_flags.bpf.o");
POLICY(empty_name, "selftests/policies/empty_name.bpf.o");
POLICY(wrong_name, "selftests/policies/wrong_name.bpf.o");
POLICY(long_name, "selftests/policies/long_name.bpf.o");
POLICY(not_gpl, "selftests/policies/not_gpl.bpf.o");
POLICY(no_link, "selftests/policies/no_link.bpf.o");
POLICY(writes_ctx, "selftests/policies/writes_ctx.bpf.o");
POLICY(keeps_ctx, "selftests/policies/keeps_ctx.bpf.o");
POLICY(wrong_ctx, "selftests/policies/wrong_ctx.bpf.o");
POLICY(big_read, "selftests/policies/big_read.bpf.o");
POLICY(endless, "selftests/policies/endless.bpf.o");
POLICY(sleepable_exit, "selftests/policies/sleepable_exit.bpf.o");
POLICY(other_type, "selftests/policies/other_type.bpf.o");

static void refused(const struct policy_object *object, int error)
{
	struct policy policy;
	int err = policy_load(&policy, object);

	if (err != -error)
		fail("%s, not %s", err ? strerror(-err) : "it loads", strerror(error));
}

static void sleepable(enum test_how how)
{
	refused(&policy_sleepable, EINVAL);
	refused(&policy_sleepable_exit, EINVAL);
}

static void abi(enum test_how how)
{
	refused(&policy_wrong_abi, EPROTO);
}

static void flags(enum test_how how)
{
	refused(&policy_wrong_flags, EINVAL);
}

static void name(enum test_how how)
{
	refused(&policy_empty_name, EINVAL);
	refused(&policy_wrong_name, EINVAL);
	refused(&policy_long_name, EINVAL);
}

static void license(enum test_how how)
{
	refused(&policy_not_gpl, EINVAL);
}

static void no_link(enum test_how how)
{
	refused(&policy_no_link, EOPNOTSUPP);
}

static void ctx(enum test_how how)
{
	refused(&policy_writes_ctx, EACCES);
}

static void kept_ctx(enum test_how how)
{
	refused(&policy_keeps_ctx, EACCES);
}

static void wrong_ctx(enum test_how how)
{
	refused(&policy_wrong_ctx, EINVAL);
}

static void big_read(enum test_how how)
{
	refused(&policy_big_read, EINVAL);
}

static void endless(enum test_how how)
{
	refused(&policy_endless, EINVAL);
}

static void other_type(enum test_how how)
{
	refused(&policy_other_type, EACCES);
}

static void same_name(enum test_how how)
{
	struct policy first, second;

	vtl_policy_load(&first);
	ASSERT_EQ(vtl_policy_try_load(&second), -EEXIST);
	policy_unload(&first);
	ASSERT_EQ(vtl_policy_try_load(&second), 0);
	policy_unload(&second);
}

const struct test tests[] = {
	TEST("an op other than attach and detach that may sleep is refused", sleepable),
	TEST("a policy for another version of the interface is refused", abi),
	TEST("a policy with a flag that KVM does not know is refused", flags),
	TEST("a policy whose name is empty, too long or no file name is refused", name),
	TEST("a policy that is not under the GPL is refused", license),
	TEST("a policy without a link is refused", no_link),
	TEST("a policy that writes to its context is refused", ctx),
	TEST("a policy that uses a context after its op has returned is refused", kept_ctx),
	TEST("a policy that uses a VM's context for that of an exit is refused", wrong_ctx),
	TEST("a policy that reads more guest memory than it has room for is refused", big_read),
	TEST("a policy that need not come to an end is refused", endless),
	TEST("a BPF program of another type cannot call the kfuncs", other_type),
	TEST("a second policy of the same name is refused until the first is gone", same_name),
	{ }
};
