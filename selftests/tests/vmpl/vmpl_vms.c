// SPDX-License-Identifier: GPL-2.0
/*
 * VMs with VMPLs next to VMs with VTLs, and as VMMs have them: each of the two policies takes VMs
 * of its own kind only; policies come and go; VMs move, and their VMMs are killed.
 */
#include <linux/kvm_plane_vmpl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_guest.h"
#include "lapic.h"
#include "migrate.h"
#include "test.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"
#include "vtl_test.h"

#define SYNC_CALLS	50
#define TURNS		20
#define MIGRATIONS	40
#define CHANGES		15
#define KILLS		6
#define DOORBELL_GPA	((unsigned long)&doorbell)

static struct vmpl_test t;
static struct ghcb_doorbell doorbell;

/* A guest that notices when a request gets lost or goes wrong */

static volatile __u64 served;

/* VMPL 2 has something in all registers and in XMM0. */
static void client(void)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u64 random = 2, calls = 0, xmm0;
	int i;

	for (;;) {
		if (++calls & 1) {
			vmpl_enable_ghcb();
			vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);
		} else {
			wrmsr(GHCB_MSR, GHCB_MSR_RUN_VMPL);
		}
		for (i = 0; i < NR_GPRS; i++)
			in.gpr[i] = guest_random(&random);
		asm volatile("movq %0, %%xmm0" : : "r"(random));
		guest_run(&in, &out);
		asm volatile("movq %%xmm0, %0" : "=r"(xmm0));
		GUEST_ASSERT_EQ(xmm0, random);
		GUEST_ASSERT_EQ(served, calls);
		for (i = 0; i < NR_GPRS; i++)
			if (i != RSP)
				GUEST_ASSERT_EQ(out.gpr[i], in.gpr[i]);
		if (calls & 1)
			GUEST_ASSERT_EQ(vmpl_read_ghcb().info_1, GHCB_OK);
		else
			GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
		if (calls % SYNC_CALLS == 0)
			guest_sync(calls);
	}
}

/* VMPL 0 answers through VMPL 1, and VMPL 3, which have no more than that to do. */
static void server(void)
{
	__u64 value, xmm0 = 7;

	vmpl_enable_ghcb();
	for (;;) {
		asm volatile("movq %0, %%xmm0" : : "r"(xmm0));
		vmpl_run_ok(2);
		served++;
		vmpl_run_ok(served & 1 ? 1 : 3);
		asm volatile("movq %%xmm0, %0" : "=r"(value));
		GUEST_ASSERT_EQ(value, xmm0);
		xmm0++;
	}
}

static const guest_code_t counting_vmpls[] = { server, NULL, client, NULL };

/* Up to the next sync */
static void run_to_sync(struct vmpl_test *test)
{
	static __u64 calls;

	calls += SYNC_CALLS;
	ASSERT_EQ(vmpl_test_run(test)->arg[0], calls);
}

static void refuses(enum test_how how)
{
	struct policy vtl, vmpl;
	struct vm *split = vmpl_create_vm(2);
	struct vm *shared = vm_create(2);

	vtl_policy_load(&vtl);
	vmpl_policy_load(&vmpl);
	ASSERT_ERRNO(vm_enable_cap(split->fd, KVM_CAP_PLANE_SWITCH, vtl.token, 0, 0),
		     EOPNOTSUPP);
	ASSERT_ERRNO(vm_enable_cap(shared->fd, KVM_CAP_PLANE_SWITCH, vmpl.token, 0, 0),
		     EOPNOTSUPP);
	/* Nothing is left of that. */
	ASSERT_ERRNO(vm_enable_cap(split->fd, KVM_CAP_PLANE_SWITCH, -1, 0, 0), ENOENT);
	ASSERT_EQ(vm_enable_cap(split->fd, KVM_CAP_PLANE_SWITCH, vmpl.token, 0, 0), 0);
	ASSERT_EQ(vm_enable_cap(shared->fd, KVM_CAP_PLANE_SWITCH, vtl.token, 0, 0), 0);
	ASSERT(!vm_set_msr(shared, 0, GHCB_MSR, 0));
	ASSERT(vm_set_msr(split, 0, GHCB_MSR, 0));
	vm_free(split);
	vm_free(shared);
	policy_unload(&vtl);
	policy_unload(&vmpl);
}

/* Two processes, as a program is its guest's memory, that take turns on one CPU */

static volatile int *progress;

static void share(void)
{
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(progress != MAP_FAILED);
}

static void run_vtls(int link)
{
	struct vtl_test v;

	vtl_test_start(&v, BY_USERSPACE, 2, counting_guest);
	ASSERT_EQ(vtl_use_policy(&v.vtl, link), 0);
	while (progress[0] < TURNS || progress[1] < TURNS) {
		ASSERT_EQ(vtl_test_run(&v)->arg[0], ++progress[0] * COUNTING_GUEST_CALLS);
		sched_yield();
	}
	policy_check_switched(v.vm, "vtl");
	ASSERT_EQ(v.vtl.switches, 0);
	vm_free(v.vm);
}

static void run_vmpls(int link)
{
	vmpl_test_start(&t, BY_USERSPACE, GUEST_PLANES, counting_vmpls);
	ASSERT_EQ(vmpl_use_policy(&t.vmpl, link), 0);
	while (progress[0] < TURNS || progress[1] < TURNS) {
		run_to_sync(&t);
		progress[1]++;
		sched_yield();
	}
	policy_check_switched(t.vm, "vmpl");
	ASSERT_EQ(t.vmpl.switches, 0);
	vm_free(t.vm);
}

static pid_t start(void (*vmm)(int), int link)
{
	pid_t pid = fork();

	ASSERT(pid >= 0);
	if (!pid) {
		vmm(link);
		_exit(EXIT_SUCCESS);
	}
	return pid;
}

static void next_to_each_other(enum test_how how)
{
	struct policy vtl, vmpl;
	cpu_set_t cpus;
	pid_t pid[2];
	int i, status;

	share();
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	vtl_policy_load(&vtl);
	vmpl_policy_load(&vmpl);
	pid[0] = start(run_vtls, vtl.token);
	pid[1] = start(run_vmpls, vmpl.token);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(waitpid(pid[i], &status, 0), pid[i]);
		ASSERT_EQ(status, 0);
	}
	note("%d syncs of VTLs, %d of VMPLs", progress[0], progress[1]);
	policy_unload(&vtl);
	policy_unload(&vmpl);
}

/* The policy comes and goes. */

static volatile bool stop;
static volatile int changes;

static void *replace(void *unused)
{
	while (!stop) {
		vmpl_policy_replace(&t.policy);
		usleep(1000);
		changes++;
	}
	return unused;
}

static void *remove_and_add(void *unused)
{
	while (!stop) {
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, t.policy.token), 0);
		usleep(2000);
		policy_unload(&t.policy);
		usleep(2000);
		vmpl_policy_load(&t.policy);
		changes++;
	}
	return unused;
}

static __u64 kernel_switches(void)
{
	struct policy_status status;

	ASSERT(policy_read_status(t.vm, &status));
	ASSERT_EQ(status.eject_kind, 0);
	return status.switches;
}

static void race_with(void *(*thread_fn)(void *))
{
	pthread_t thread;

	vmpl_test_start(&t, BY_POLICY, GUEST_PLANES, counting_vmpls);
	run_to_sync(&t);
	if (thread_fn == remove_and_add)
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, -1), 0);
	if (pthread_create(&thread, NULL, thread_fn, NULL))
		fail("pthread_create");
	while (changes < CHANGES)
		run_to_sync(&t);
	stop = true;
	pthread_join(thread, NULL);
	run_to_sync(&t);
	note("%d changes, %llu switches by userspace, %llu by the kernel", changes,
	     t.vmpl.switches, kernel_switches());
	ASSERT(kernel_switches() > 0);
}

static void replaced(enum test_how how)
{
	race_with(replace);
	ASSERT_EQ(t.vmpl.switches, 0);
	vmpl_test_end(&t);
}

static void removed(enum test_how how)
{
	race_with(remove_and_add);
	ASSERT(t.vmpl.switches > 0);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

/* Moves, with what the policy knows of a VMPL */

struct latched {
	__u64 ghcb;
	__u64 doorbell;
};

static void move(bool has_policy)
{
	struct latched latched[KVM_MAX_PLANES];
	int i;

	for (i = 0; i < GUEST_PLANES; i++)
		latched[i] = (struct latched) {
			vm_get_msr(t.vm, i, KVM_PLANE_VMPL_MSR_GHCB),
			vm_get_msr(t.vm, i, KVM_PLANE_VMPL_MSR_DOORBELL),
		};
	t.vm = vm_migrate(t.vm, vmpl_create_vm);
	vmpl_init(&t.vmpl, t.vm);
	ASSERT_EQ(vmpl_use_policy(&t.vmpl, t.policy.token), 0);
	for (i = 0; i < GUEST_PLANES; i++) {
		ASSERT(vm_set_msr(t.vm, i, KVM_PLANE_VMPL_MSR_GHCB, latched[i].ghcb));
		ASSERT(vm_set_msr(t.vm, i, KVM_PLANE_VMPL_MSR_DOORBELL, latched[i].doorbell));
	}
	if (!has_policy)
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, -1), 0);
}

static void on_alarm(int signal)
{
	t.vm->run->immediate_exit = 1;
}

/* False: a signal came first. */
static bool run_once(void)
{
	if (ioctl(t.vm->vcpu[0], KVM_RUN, 0)) {
		ASSERT_EQ(errno, EINTR);
		t.vm->run->immediate_exit = 0;
		return false;
	}
	if (!vmpl_handle_exit(&t.vmpl))
		ASSERT(vm_guest_call(t.vm));
	return true;
}

static void moves(enum test_how how)
{
	struct sigaction action = { .sa_handler = on_alarm };
	__u64 random = test_seed() | 1;
	struct itimerspec after = { };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	int i;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	vmpl_test_start(&t, BY_POLICY, GUEST_PLANES, counting_vmpls);
	migrate_init(t.vm);
	for (i = 0; i < MIGRATIONS || served < 2 * SYNC_CALLS; i++) {
		after.it_value.tv_nsec = 1 + guest_random(&random) % 50000000;
		timer_settime(timer, 0, &after, NULL);
		while (run_once())
			;
		move(guest_random(&random) & 1);
	}
	note("%llu calls, %d migrations", served, i);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

/* VMPL 0 has been told of one interrupt, and another one waits, while VMPL 2 runs. */
static volatile __u16 event[3];

static __u16 look(void)
{
	return __atomic_exchange_n((__u16 *)&doorbell, 0, __ATOMIC_SEQ_CST);
}

static void hv(__u8 vector, const __u64 *gpr)
{
	GUEST_ASSERT_EQ(vector, X86_HV);
	event[0]++;
}

static void vmpl0_doorbell(void)
{
	vmpl_enable_ghcb();
	GUEST_ASSERT_EQ(vmpl_doorbell(GHCB_DOORBELL_SET, DOORBELL_GPA).info_1, GHCB_OK);
	guest_sync(1);
	vmpl_run_ok(2);
	event[1] = look();
	guest_sync(3);
	event[2] = look();
	guest_done();
}

static void vmpl2_doorbell(void)
{
	vmpl_enable_ghcb();
	guest_sync(2);
	vmpl_run_ok(0);
}

static void moves_doorbell(enum test_how how)
{
	const guest_code_t entry[] = { vmpl0_doorbell, NULL, vmpl2_doorbell, NULL };

	guest_irq_handler = hv;
	vmpl_test_start(&t, BY_POLICY, GUEST_PLANES, entry);
	lapic_enable_x2apic(t.vm->vcpu[0]);
	migrate_init(t.vm);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 1);
	msi_send(t.vm->fd, 0x50);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 2);
	msi_send(t.vm->fd, 0x60);
	move(true);
	ASSERT_EQ(event[0], 1);
	ASSERT_EQ(vm_get_msr(t.vm, 0, KVM_PLANE_VMPL_MSR_DOORBELL), DOORBELL_GPA);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 3);
	ASSERT_EQ(vmpl_test_run(&t)->cmd, GUEST_DONE);
	ASSERT_EQ(event[0], 2);
	ASSERT_EQ(event[1], GHCB_DOORBELL_NO_FURTHER_SIGNAL << 8 | 0x50);
	ASSERT_EQ(event[2], GHCB_DOORBELL_NO_FURTHER_SIGNAL << 8 | 0x60);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

static void run_forever(int link)
{
	vmpl_test_start(&t, BY_USERSPACE, GUEST_PLANES, counting_vmpls);
	if (link >= 0)
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, link), 0);
	progress[0] = 1;
	for (;;)
		vmpl_test_run(&t);
}

static void kill_some(int link)
{
	__u64 random = test_seed() | 1;
	int i, status;
	pid_t pid;

	share();
	for (i = 0; i < KILLS; i++) {
		progress[0] = 0;
		pid = start(run_forever, link);
		while (!progress[0])
			usleep(1000);
		usleep(guest_random(&random) % 40000);
		ASSERT_EQ(kill(pid, SIGKILL), 0);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		ASSERT(WIFSIGNALED(status));
	}
}

/* Nothing uses the policy then: another one can have its name. */
static void killed(enum test_how how)
{
	struct policy policy;

	vmpl_policy_load(&policy);
	kill_some(how == BY_POLICY ? policy.token : -1);
	policy_unload(&policy);
	vmpl_policy_load(&policy);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("each policy refuses VMs of the other kind, with EOPNOTSUPP", refuses),
	TEST("a VM with VTLs and one with VMPLs run on one CPU, each right", next_to_each_other),
	TEST("the policy is replaced while a guest runs, and no request is lost", replaced),
	TEST("the policy is removed and added while a guest runs, and no request is lost",
	     removed),
	TEST("a VM goes on as another one wherever it is stopped, with the policy or without",
	     moves),
	TEST("with a doorbell page, what is told of and what waits are not lost", moves_doorbell),
	TEST_BOTH("a VMM can be killed while VMPLs are switched", killed),
	{ }
};
