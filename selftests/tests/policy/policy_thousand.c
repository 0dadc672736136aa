// SPDX-License-Identifier: GPL-2.0
/*
 * A policy is replaced, or removed and loaded again, a thousand times, while two VMs make VTL
 * calls all the time: no call is lost, and what was loaded is freed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_guest.h"
#include "policy.h"
#include "test.h"
#include "vtl_test.h"

#define PIN		"/sys/fs/bpf/planes-thousand"
#define PIN_LINK	"/sys/fs/bpf/planes-thousand-link"
#define CHANGES		1000

/* What the two processes share; the second VM is that of a child. */
static struct shared {
	volatile bool stop;
	volatile __u64 calls[2];
	volatile __u64 by_userspace[2];
	volatile __u64 by_kernel[2];
} *shared;

static struct policy policies[2];
static struct vtl_test here;

static struct bpf_map *ops_of(struct policy *policy)
{
	struct bpf_map *map = bpf_object__find_map_by_name(policy->object, "vtl");

	if (!map)
		fail("no struct_ops \"vtl\" in the VTL policy");
	return map;
}

/* The name is taken for as long as somebody has the last policy open. */
static void attach(struct policy *policy)
{
	int i;

	for (i = 0; i < 1000; i++) {
		policy->link = bpf_map__attach_struct_ops(ops_of(policy));
		if (policy->link || errno != EEXIST)
			break;
		usleep(1000);
	}
	if (!policy->link)
		fail("loading the policy again: %s", strerror(errno));
}

static void detach(struct policy *policy)
{
	bpf_link__destroy(policy->link);
	policy->link = NULL;
}

/* Two objects of the same policy, without a link */
static void load_both(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		vtl_policy_load(&policies[i]);
		detach(&policies[i]);
	}
}

static void report(int which)
{
	struct policy_status status;

	ASSERT(policy_read_status(here.vm, &status));
	if (status.eject_kind)
		fail("ejected: %s", status.eject_message);
	shared->by_kernel[which] = status.switches;
	shared->by_userspace[which] = here.vtl.switches;
	vm_free(here.vm);
}

/* Call until the other thread has done what it is to do; the guest notices what goes wrong. */
static void call(int which)
{
	__u64 round = 0;

	while (!shared->stop) {
		ASSERT_EQ(vtl_test_run(&here)->arg[0], ++round * COUNTING_GUEST_CALLS);
		shared->calls[which] = round * COUNTING_GUEST_CALLS;
	}
	report(which);
}

static void create(void)
{
	vtl_test_start(&here, BY_USERSPACE, 2, counting_guest);
	here.vtl.kernel_switches = true;
}

/* Opts in to whatever is pinned, again and again. */
static void *opt_in_always(void *unused)
{
	int fd;

	while (!shared->stop) {
		fd = bpf_obj_get(PIN);
		if (fd >= 0) {
			if (vtl_use_policy(&here.vtl, fd) && errno != EBUSY && errno != EINVAL)
				fail("opting in: %s", strerror(errno));
			close(fd);
		}
		usleep(300);
	}
	return unused;
}

static pid_t start_child(bool (*opt_in)(void))
{
	pid_t pid = fork();
	pthread_t thread;
	bool thread_runs;

	if (pid)
		return pid;

	create();
	thread_runs = !opt_in();
	if (thread_runs && pthread_create(&thread, NULL, opt_in_always, NULL))
		fail("pthread_create");
	call(1);
	if (thread_runs)
		pthread_join(thread, NULL);
	_exit(0);
}

static bool opt_in_once(void)
{
	ASSERT_EQ(vtl_use_policy(&here.vtl, policies[0].token), 0);
	return true;
}

static bool do_not_opt_in(void)
{
	return false;
}

static void wait_for_calls(void)
{
	while (!shared->calls[0] || !shared->calls[1])
		usleep(1000);
}

static void *replace(void *unused)
{
	int i, err;

	wait_for_calls();
	for (i = 1; i <= CHANGES; i++) {
		err = bpf_link__update_map(policies[0].link, ops_of(&policies[i & 1]));
		if (err)
			fail("replacing the policy: %s", strerror(-err));
		usleep(500);
	}
	shared->stop = true;
	return unused;
}

static void *remove_and_load(void *unused)
{
	int i;

	wait_for_calls();
	for (i = 1; i <= CHANGES; i++) {
		struct policy *policy = &policies[i & 1];

		attach(policy);
		ASSERT_EQ(vtl_use_policy(&here.vtl, policy->token), 0);
		if (i % 4) {
			usleep(200);
			detach(policy);
			continue;
		}
		/* Now and then it stays a while, and the other VM can have it as well. */
		ASSERT_EQ(policy_pin_link(policy, PIN_LINK), 0);
		ASSERT_EQ(policy_pin_token(policy, PIN), 0);
		usleep(2000);
		detach(policy);
		ASSERT_EQ(unlink(PIN_LINK), 0);
		ASSERT_EQ(unlink(PIN), 0);
	}
	shared->stop = true;
	return unused;
}

static void thousand(void *(*change)(void *), bool (*child_opts_in)(void))
{
	pthread_t thread;
	int status;
	pid_t pid;

	pid = start_child(child_opts_in);
	create();
	if (child_opts_in == opt_in_once)
		opt_in_once();
	if (pthread_create(&thread, NULL, change, NULL))
		fail("pthread_create");
	call(0);
	pthread_join(thread, NULL);
	waitpid(pid, &status, 0);
	ASSERT(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), 0);
	note("%llu and %llu calls; switches by KVM %llu and %llu, by userspace %llu and %llu",
	     shared->calls[0], shared->calls[1], shared->by_kernel[0], shared->by_kernel[1],
	     shared->by_userspace[0], shared->by_userspace[1]);
}

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT(shared != MAP_FAILED);
	unlink(PIN);
	unlink(PIN_LINK);
	load_both();
}

static void free_all(void)
{
	struct policy again;

	policy_unload(&policies[0]);
	policy_unload(&policies[1]);
	/* The name is free again. */
	vtl_policy_load(&again);
	policy_unload(&again);
}

static void replaced(enum test_how how)
{
	share();
	attach(&policies[0]);
	thousand(replace, opt_in_once);
	ASSERT_EQ(shared->by_userspace[0], 0);
	ASSERT_EQ(shared->by_userspace[1], 0);
	ASSERT(shared->by_kernel[0] >= 2 * shared->calls[0]);
	ASSERT(shared->by_kernel[1] >= 2 * shared->calls[1]);
	free_all();
}

static void removed(enum test_how how)
{
	share();
	thousand(remove_and_load, do_not_opt_in);
	ASSERT(shared->by_userspace[0] > 0 && shared->by_kernel[0] > 0);
	ASSERT(shared->by_userspace[1] > 0 && shared->by_kernel[1] > 0);
	ASSERT(shared->by_kernel[0] + shared->by_userspace[0] >= 2 * shared->calls[0]);
	free_all();
}

const struct test tests[] = {
	TEST("a policy is replaced 1000 times, and every switch is made by one of them", replaced),
	TEST("a policy is removed and loaded 1000 times, and no call is lost", removed),
	{ }
};
