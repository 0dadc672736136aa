// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that the kernel does not load; the reason by errno.
 */
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

POLICY(sleepable, "selftests/policies/sleepable.bpf.o");
POLICY(wrong_abi, "selftests/policies/wrong_abi.bpf.o");
POLICY(empty_name, "selftests/policies/empty_name.bpf.o");
POLICY(wrong_name, "selftests/policies/wrong_name.bpf.o");
POLICY(long_name, "selftests/policies/long_name.bpf.o");
POLICY(not_gpl, "selftests/policies/not_gpl.bpf.o");
POLICY(no_link, "selftests/policies/no_link.bpf.o");
POLICY(writes_ctx, "selftests/policies/writes_ctx.bpf.o");

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
}

static void abi(enum test_how how)
{
	refused(&policy_wrong_abi, EPROTO);
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
	TEST("an op that may sleep is refused", sleepable),
	TEST("a policy for another version of the interface is refused", abi),
	TEST("a policy whose name is empty, too long or no file name is refused", name),
	TEST("a policy that is not under the GPL is refused", license),
	TEST("a policy without a link is refused", no_link),
	TEST("a policy that writes to its context is refused", ctx),
	TEST("a second policy of the same name is refused until the first is gone", same_name),
	{ }
};
