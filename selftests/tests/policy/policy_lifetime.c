// SPDX-License-Identifier: GPL-2.0
/*
 * Policies come and go while a guest that makes VTL calls runs: whoever switches,
 * it never notices, and no call is lost.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "counting_guest.h"
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

#define PIN		"/sys/fs/bpf/planes-test"
#define ROUNDS		60
#define CHANGES		15

static void load_and_use(struct vtl_test *t, struct policy *policy)
{
	vtl_policy_load(policy);
	if (vtl_use_policy(&t->vtl, policy->token))
		fail("opting in: %s", strerror(errno));
}

/* Up to the next sync; returns how many of the switches were made by userspace. */
static __u64 run_to_sync(struct vtl_test *t)
{
	__u64 before = t->vtl.switches;

	vtl_test_run(t);
	return t->vtl.switches - before;
}

static __u64 kernel_switches(struct vtl_test *t)
{
	struct policy_status status;

	ASSERT(policy_read_status(t->vm, &status));
	ASSERT_EQ(status.eject_kind, 0);
	return status.switches;
}

static void unload_and_load(enum test_how how)
{
	struct policy policy;
	struct vtl_test t;
	__u64 before;
	int i;

	vtl_test_start(&t, BY_USERSPACE, 2, counting_guest);
	run_to_sync(&t);
	for (i = 0; i < ROUNDS; i++) {
		load_and_use(&t, &policy);
		before = kernel_switches(&t);
		ASSERT_EQ(run_to_sync(&t), 0);
		ASSERT_EQ(kernel_switches(&t) - before, 2 * COUNTING_GUEST_CALLS);

		policy_unload(&policy);
		before = kernel_switches(&t);
		ASSERT_EQ(run_to_sync(&t), 2 * COUNTING_GUEST_CALLS);
		ASSERT_EQ(kernel_switches(&t), before);
	}
	vm_free(t.vm);
}

static void opt_out_and_in(enum test_how how)
{
	struct policy policy;
	struct vtl_test t;
	int i;

	vtl_test_start(&t, BY_USERSPACE, 2, counting_guest);
	vtl_policy_load(&policy);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(vtl_use_policy(&t.vtl, policy.token), 0);
		run_to_sync(&t);
		ASSERT_EQ(vtl_use_policy(&t.vtl, -1), 0);
		run_to_sync(&t);
	}
	ASSERT(t.vtl.switches >= ROUNDS * 2 * COUNTING_GUEST_CALLS);
	ASSERT(kernel_switches(&t) >= ROUNDS * 2 * COUNTING_GUEST_CALLS);
	vm_free(t.vm);
	policy_unload(&policy);
}

/* What other threads do to a VM whose vCPU runs. */

static struct vtl_test racing;
static volatile bool stop;
static volatile int changes;

static void *load_pin_unlink(void *unused)
{
	struct policy policy;

	while (!stop) {
		load_and_use(&racing, &policy);
		unlink(PIN);
		ASSERT_EQ(policy_pin_link(&policy, PIN), 0);
		usleep(3000);
		/* The pin is the last to hold the link. */
		policy_unload(&policy);
		usleep(1000);
		ASSERT_EQ(unlink(PIN), 0);
		usleep(3000);
		changes++;
	}
	return unused;
}

static void *opt_out_and_in_thread(void *unused)
{
	struct policy policy;

	vtl_policy_load(&policy);
	while (!stop) {
		ASSERT_EQ(vtl_use_policy(&racing.vtl, policy.token), 0);
		usleep(1000);
		ASSERT_EQ(vtl_use_policy(&racing.vtl, -1), 0);
		usleep(1000);
		changes++;
	}
	policy_unload(&policy);
	return unused;
}

/* Replaces the policy that the VM has by another object of the same name. */
static void *replace(void *unused)
{
	struct policy policy;

	load_and_use(&racing, &policy);
	while (!stop) {
		vtl_policy_replace(&policy);
		usleep(1000);
		changes++;
	}
	policy_unload(&policy);
	return unused;
}

static void race_with(void *(*thread_fn)(void *), bool both_switch)
{
	pthread_t thread;

	vtl_test_start(&racing, BY_USERSPACE, 2, counting_guest);
	/* Somebody else opts in: from now on KVM may switch. */
	racing.vtl.kernel_switches = true;
	if (pthread_create(&thread, NULL, thread_fn, NULL))
		fail("pthread_create");
	while (changes < CHANGES)
		run_to_sync(&racing);
	stop = true;
	pthread_join(thread, NULL);
	run_to_sync(&racing);

	note("%d changes, %llu switches by userspace, %llu by the kernel", changes,
	     racing.vtl.switches, kernel_switches(&racing));
	ASSERT(kernel_switches(&racing) > 0);
	if (both_switch)
		ASSERT(racing.vtl.switches > 0);
	vm_free(racing.vm);
}

static void race_unload(enum test_how how)
{
	race_with(load_pin_unlink, true);
}

static void race_opt_out(enum test_how how)
{
	race_with(opt_out_and_in_thread, true);
}

static void race_replace(enum test_how how)
{
	race_with(replace, false);
}

const struct test tests[] = {
	TEST("unloaded and loaded again, a policy leaves no call undone", unload_and_load),
	TEST("a VM that opts out and in again loses no call", opt_out_and_in),
	TEST("a policy can be unloaded while the guest runs", race_unload),
	TEST("a VM can opt out and in while the guest runs", race_opt_out),
	TEST("a policy can be replaced while the guest runs", race_replace),
	{ }
};
