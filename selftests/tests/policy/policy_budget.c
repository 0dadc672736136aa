// SPDX-License-Identifier: GPL-2.0
/*
 * What an op may do before it is too much: how many kfuncs it may call, how many of them may write
 * to guest memory, and that the dirty ring has room for these. A policy that takes longer says so,
 * and is not called with interrupts off.
 */
#include <bpf/libbpf.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "budget.h"
#include "policy.h"
#include "test.h"

#define SLOT		5
#define GPA		0x40000000UL
#define NR_PAGES	1024

POLICY(budget, "selftests/policies/budget.bpf.o");
POLICY(budget_long, "selftests/policies/budget_long.bpf.o");

static struct vm *vm;
static struct policy policy;
static struct budget *budget;
static __u32 hypercalls;

static void hypercall(void)
{
	const struct guest_regs in = {
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)guest_hypercall_insn,
	};
	struct guest_regs out;

	hypercalls++;
	guest_run(&in, &out);
}

/* One for each KVM_RUN */
static void by_turns(void)
{
	for (;;) {
		guest_sync(0);
		hypercall();
	}
}

static void without_end(void)
{
	guest_sync(0);
	for (;;)
		hypercall();
}

static void run(int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
}

static void use(const struct policy_object *object)
{
	struct bpf_map *map;

	ASSERT_EQ(policy_load(&policy, object), 0);
	map = bpf_object__find_map_by_name(policy.object, ".bss");
	ASSERT(map);
	budget = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(map), 0);
	ASSERT(budget != MAP_FAILED);
	budget->gpa = GPA;
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
}

static void start_with(const struct policy_object *object, __u64 ring_size, guest_code_t entry)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = GPA,
		.memory_size = NR_PAGES * BUDGET_PAGE,
	};
	void *memory = mmap(NULL, region.memory_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int plane;

	ASSERT(memory != MAP_FAILED);
	region.userspace_addr = (unsigned long)memory;
	vm = vm_create_with(2, ring_size ? KVM_CAP_DIRTY_LOG_RING : 0, ring_size);
	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	for (plane = 0; plane < 2; plane++) {
		vm_start(vm, plane, entry);
		run(plane);
		/* An exit that is not complete keeps a plane from being switched to. */
		vm->run->immediate_exit = 1;
		ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
		vm->run->immediate_exit = 0;
	}
	use(object);
}

static void start(const struct policy_object *object)
{
	start_with(object, 0, by_turns);
}

static void end(void)
{
	vm_free(vm);
	policy_unload(&policy);
}

static void expect_kind(__u32 kind)
{
	struct policy_status status;

	ASSERT(policy_read_status(vm, &status));
	ASSERT_EQ(status.eject_kind, kind);
	ASSERT_EQ(status.eject_code, 0);
	ASSERT_EQ(budget->exits, kind ? 1 : 0);
	ASSERT_EQ(!strcmp(status.policy, "none"), kind ? 1 : 0);
}

static void calls(const struct policy_object *object, __u32 max)
{
	start(object);
	budget->reads = max;
	run(0);
	run(0);
	ASSERT_EQ(budget->calls, 2);
	expect_kind(KVM_PLANE_EJECT_NONE);
	budget->reads = max + 1;
	run(0);
	ASSERT_EQ(budget->calls, 3);
	expect_kind(KVM_PLANE_EJECT_BUDGET);
	end();
}

static void calls_short(enum test_how how)
{
	calls(&policy_budget, KVM_PLANE_MAX_CALLS);
}

static void calls_long(enum test_how how)
{
	calls(&policy_budget_long, KVM_PLANE_MAX_CALLS_LONG);
}

static void writes(const struct policy_object *object, __u32 max)
{
	start(object);
	budget->writes = max;
	run(0);
	ASSERT_EQ(budget->error, 0);
	ASSERT_EQ(budget->written, max);
	expect_kind(KVM_PLANE_EJECT_NONE);
	budget->writes = max + 1;
	run(0);
	ASSERT_EQ(budget->error, -EINVAL);
	ASSERT_EQ(budget->written, 2 * max);
	expect_kind(KVM_PLANE_EJECT_BUDGET);
	end();
}

static void writes_short(enum test_how how)
{
	writes(&policy_budget, KVM_PLANE_MAX_WRITES);
}

static void writes_long(enum test_how how)
{
	writes(&policy_budget_long, KVM_PLANE_MAX_WRITES_LONG);
}

/* The dirty ring */

static struct kvm_dirty_gfn *ring;
static __u32 ring_entries, next_entry;

static bool on_intel(void)
{
	return !access("/sys/module/kvm_intel", F_OK);
}

static void start_ring(const struct policy_object *object, guest_code_t entry)
{
	__u64 size = ioctl(vmm_open_kvm(), KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING);

	if ((__s64)size <= 0)
		skip("no dirty ring");
	/* As small as there is room for what KVM reserves, VMX's page-modification log included */
	size = on_intel() ? 1024 * sizeof(*ring) : 256 * sizeof(*ring);
	start_with(object, size, entry);
	ring_entries = size / sizeof(*ring);
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0],
		    KVM_DIRTY_LOG_PAGE_OFFSET * BUDGET_PAGE);
	ASSERT(ring != MAP_FAILED);
}

/* Takes all that is in the ring, of which the pages of the slot are to be @first and so on. */
static __u32 harvest(__u32 first)
{
	struct kvm_dirty_gfn *entry;
	__u32 found = 0, all = 0;

	for (;; next_entry++, all++) {
		entry = &ring[next_entry % ring_entries];
		if (!(entry->flags & KVM_DIRTY_GFN_F_DIRTY))
			break;
		if (entry->slot == SLOT)
			ASSERT_EQ(entry->offset, first + found++);
		entry->flags = KVM_DIRTY_GFN_F_RESET;
	}
	ASSERT(all < ring_entries);
	ASSERT_EQ(ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0), all);
	return found;
}

static void ring_full(enum test_how how)
{
	__u32 written;
	int i;

	start_ring(&policy_budget_long, by_turns);
	budget->writes = KVM_PLANE_MAX_WRITES_LONG;
	/* Nobody empties the ring. */
	for (i = 0; i < 20; i++) {
		kvm_run_planes(vm->run)->plane = i % 2;
		vm_run(vm);
		if (budget->error)
			ASSERT_EXIT(vm, KVM_EXIT_DIRTY_RING_FULL);
	}
	written = budget->written;
	note("%u pages written, %u entries in the ring", written, ring_entries);
	ASSERT_EQ(budget->error, -EAGAIN);
	ASSERT(written < ring_entries);

	/* Everything that was written is there. */
	ASSERT_EQ(harvest(0), written);
	budget->writes = 1;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(budget->error, 0);
	ASSERT(budget->written > written);
	ASSERT_EQ(harvest(written), budget->written - written);
	expect_kind(KVM_PLANE_EJECT_NONE);
	end();
}

static void ring_switched(enum test_how how)
{
	__u32 calls;

	/* How many calls fill the ring, if one plane makes them */
	start_ring(&policy_budget, without_end);
	budget->writes = KVM_PLANE_MAX_WRITES;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_DIRTY_RING_FULL);
	calls = budget->calls;
	ASSERT_EQ(harvest(0), budget->written);

	budget->calls = 0;
	budget->written = 0;
	budget->switches = 1;
	hypercalls = 0;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_DIRTY_RING_FULL);
	note("%u hypercalls", hypercalls);
	ASSERT_EQ(budget->error, 0);
	ASSERT_EQ(budget->written, budget->calls * KVM_PLANE_MAX_WRITES);
	ASSERT_EQ(hypercalls, budget->calls);
	ASSERT_EQ(budget->calls, calls);
	ASSERT_EQ(harvest(0), budget->written);
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_DIRTY_RING_FULL);
	ASSERT_EQ(budget->error, 0);
	expect_kind(KVM_PLANE_EJECT_NONE);
	end();
}

/* How many interrupts of its timer the CPU has had */
static __u64 timer_interrupts(int cpu)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024], *next;
	__u64 count = 0;
	int i;

	ASSERT(file);
	while (fgets(line, sizeof(line), file)) {
		next = strstr(line, "LOC:");
		if (!next)
			continue;
		next += 4;
		for (i = 0; i <= cpu; i++)
			count = strtoull(next, &next, 10);
	}
	fclose(file);
	return count;
}

#define LONG_MS		1500

/* A run of the plane that takes LONG_MS; returns the timer interrupts of its CPU in that time. */
static __u64 long_run(void)
{
	int cpu = sched_getcpu();
	cpu_set_t cpus;
	__u64 before;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	before = timer_interrupts(cpu);
	run(0);
	before = timer_interrupts(cpu) - before;
	note("%llu interrupts", before);
	return before;
}

static void interrupts(enum test_how how)
{
	start(&policy_budget_long);
	budget->ms = LONG_MS;
	ASSERT(long_run() > 8);
	ASSERT_EQ(budget->calls, 1);
	expect_kind(KVM_PLANE_EJECT_NONE);
	end();
}

static void interrupts_exit(enum test_how how)
{
	start(&policy_budget);
	budget->reads = KVM_PLANE_MAX_CALLS + 1;
	budget->exit_ms = LONG_MS;
	ASSERT(long_run() > 8);
	expect_kind(KVM_PLANE_EJECT_BUDGET);
	end();
}

const struct test tests[] = {
	TEST("an op that calls more than 64 kfuncs ends with an ejection", calls_short),
	TEST("one of a policy that declared long work may call 4096", calls_long),
	TEST("an op that writes to guest memory more than 16 times ends with an ejection",
	     writes_short),
	TEST("one of a policy that declared long work may do so 256 times", writes_long),
	TEST("what an op writes never overflows the dirty ring, whoever runs and does not empty it",
	     ring_full),
	TEST("a switch leads no plane past a dirty ring that userspace has to empty",
	     ring_switched),
	TEST("the ops of a policy that declared long work run with interrupts on", interrupts),
	TEST("the op exit runs with interrupts on", interrupts_exit),
	{ }
};
