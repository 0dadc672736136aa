// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM that is killed while its VM's planes are switched leaves nothing behind.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "puppet_test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define DEBUGFS		"/sys/kernel/debug/kvm"
#define KILLS		6

static volatile bool *ready;
static __u8 halt_forever[] = { 0xf4, 0xeb, 0xfd };

static void call_forever(void)
{
	vtl_enable();
	for (;;)
		vtl_call();
}

/* A VTL that calls, which takes the registers of VTL 1 from the first of them on */
static const guest_code_t entry[] = { call_forever, NULL };

static void by_policy(int token)
{
	struct vtl_test v;

	vtl_test_start(&v, BY_USERSPACE, 2, entry);
	ASSERT_EQ(vtl_use_policy(&v.vtl, token), 0);
	*ready = true;
	vtl_test_run(&v);
}

static void by_userspace(int token)
{
	struct vtl_test v;

	vtl_test_start(&v, BY_USERSPACE, 2, entry);
	*ready = true;
	vtl_test_run(&v);
}

/* Planes that take turns as they halt: switched outside of the inner run loop */
static void halting(int token)
{
	struct vm *vm = vm_create(2);
	int i;

	for (i = 0; i < 2; i++)
		vm_start(vm, i, (guest_code_t)(void *)halt_forever);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, token, 0, 0), 0);
	*ready = true;
	vm_run(vm);
}

static pid_t start(void (*vmm)(int), int token)
{
	pid_t pid;

	*ready = false;
	pid = fork();
	if (!pid) {
		vmm(token);
		_exit(1);
	}
	while (!*ready)
		usleep(1000);
	return pid;
}

static void share_ready(void)
{
	ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT(ready != MAP_FAILED);
}

/* Directories of VMs in debugfs, each <pid>-<fd> */
static int count_vms(void)
{
	DIR *dir = opendir(DEBUGFS);
	struct dirent *entry;
	int n = 0;

	ASSERT(dir);
	while ((entry = readdir(dir)))
		n += !!strchr(entry->d_name, '-');
	closedir(dir);
	return n;
}

/* At any time; when wait() returns, it has closed all that it had open. */
static void kill_some(void (*vmm)(int), int token)
{
	int i, status, vms = count_vms();
	__u64 random = test_seed();
	pid_t pid;

	share_ready();
	for (i = 0; i < KILLS; i++) {
		pid = start(vmm, token);
		ASSERT_EQ(count_vms(), vms + 1);
		usleep(guest_random(&random) % 40000);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT(WIFSIGNALED(status));
		ASSERT_EQ(WTERMSIG(status), SIGKILL);
		ASSERT_EQ(count_vms(), vms);
	}
}

static void killed_by_policy(enum test_how how)
{
	struct policy policy;

	vtl_policy_load(&policy);
	kill_some(by_policy, policy.token);
	policy_unload(&policy);
}

static void killed_by_userspace(enum test_how how)
{
	kill_some(by_userspace, -1);
}

static void killed_halting(enum test_how how)
{
	struct policy policy;
	struct puppet *p = puppet_load(&policy);
	struct puppet_op *op = &p->op[PUPPET_HALT];

	/* One that sleeps, and one that switches */
	kill_some(halting, policy.token);
	ASSERT_EQ(p->detach.calls, KILLS);

	op->verdict = KVM_PLANE_RESUME;
	kill_some(halting, policy.token);
	ASSERT_EQ(p->detach.calls, 2 * KILLS);
	policy_unload(&policy);
}

/* The VMM is the last to use a policy that is not pinned, and not even loaded any more. */
static void killed_after_removal(enum test_how how)
{
	int vms = count_vms();
	struct policy policy;
	pid_t pid;

	share_ready();
	vtl_policy_load(&policy);
	pid = start(by_policy, policy.token);
	policy_unload(&policy);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ASSERT_EQ(count_vms(), vms);
	vtl_policy_load(&policy);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("a VMM can be killed while a policy switches", killed_by_policy),
	TEST("a VMM can be killed while it switches", killed_by_userspace),
	TEST("a VMM can be killed while its planes halt, and the policy is told", killed_halting),
	TEST("a VMM can be killed when its policy has gone", killed_after_removal),
	{ }
};
