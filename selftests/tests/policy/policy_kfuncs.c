// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy gets from the kernel, and what it may do to a VM beside switching: memory,
 * interrupts, counters. What breaks no rule does not eject it, however wrong it is.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "mem_test.h"
#include "puppet_test.h"

#define VECTOR		0x50
#define LOW_VECTOR	0x20
#define PATTERN		0x5a5a5a5a5a5a5a5aULL

#define READ_ONLY_GPA	0x50000000ULL
#define ABSENT_GPA	0x50001000ULL
#define HOLE_GPA	0x60000000ULL
#define READ_ONLY_SLOT	3
#define ABSENT_SLOT	4

static struct puppet_test t;
static struct puppet_op *op;
static __u64 data[1024] __attribute__((aligned(4096)));
static __u64 *read_only, *absent;

/* A policy whose op hypercall does this, and resumes after the instruction */
static void start(__u32 asks)
{
	puppet_start(&t, 3);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	op->verdict = KVM_PLANE_RESUME;
	op->asks = asks | PUPPET_SKIP;
}

static void hypercall(void)
{
	__u32 calls = op->calls;

	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(op->calls, calls + 1);
}

/* Memory */

static __u64 *add_slot(__u32 slot, __u64 gpa, __u32 flags)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = 4096,
		.userspace_addr = (unsigned long)memory,
	};

	ASSERT(memory != MAP_FAILED);
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	return memory;
}

static void start_mem(void)
{
	start(0);
	read_only = add_slot(READ_ONLY_SLOT, READ_ONLY_GPA, KVM_MEM_READONLY);
	absent = add_slot(ABSENT_SLOT, ABSENT_GPA, 0);
	read_only[0] = PATTERN;
	memset(data, 0xa5, sizeof(data));
}

/* Returns what the kfunc did; data is PATTERN before. */
static int access_as(int plane, __u32 what, __u64 gpa, __u32 size)
{
	/* Not skipped, as that has a result, too, but passed on. */
	op->asks = what;
	op->verdict = KVM_PLANE_PASS;
	op->mem_plane = plane;
	op->gpa = gpa;
	op->size = size;
	memset(op->data, 0x5a, sizeof(op->data));
	hypercall();
	return op->result;
}

static int read_as(int plane, __u64 gpa, __u32 size)
{
	int err = access_as(plane, PUPPET_READ_MEM, gpa, size);
	static const __u8 zero[PUPPET_DATA_SIZE];

	if (err)
		ASSERT(!memcmp(op->data, zero, size));
	return err;
}

static int write_as(int plane, __u64 gpa, __u32 size)
{
	return access_as(plane, PUPPET_WRITE_MEM, gpa, size);
}

static void memory(enum test_how how)
{
	unsigned long gpa = (unsigned long)data;
	int size;

	start_mem();
	data[2] = 0x0102030405060708ULL;
	ASSERT_EQ(read_as(0, gpa + 16, 8), 0);
	ASSERT(!memcmp(op->data, &data[2], 8));
	ASSERT_EQ(read_as(2, gpa + 17, 3), 0);
	ASSERT(!memcmp(op->data, "\x07\x06\x05", 3));
	ASSERT_EQ(read_as(0, gpa + 4096 - 8, 8), 0);

	for (size = 1; size <= PUPPET_DATA_SIZE; size++) {
		memset(data, 0xa5, 64);
		ASSERT_EQ(write_as(size % 3, gpa + 5, size), 0);
		ASSERT_EQ(((__u8 *)data)[4], 0xa5);
		ASSERT_EQ(((__u8 *)data)[5], 0x5a);
		ASSERT_EQ(((__u8 *)data)[4 + size], 0x5a);
		ASSERT_EQ(((__u8 *)data)[5 + size], 0xa5);
	}
	puppet_end(&t);
}

static void bounds(enum test_how how)
{
	unsigned long gpa = (unsigned long)data;

	start_mem();
	ASSERT_EQ(read_as(0, gpa + 4096 - 7, 8), -EINVAL);
	ASSERT_EQ(write_as(0, gpa + 4096 - 7, 8), -EINVAL);
	ASSERT_EQ(data[511], data[510]);
	ASSERT_EQ(read_as(0, ~0ULL, 2), -EINVAL);
	ASSERT_EQ(read_as(0, ~0ULL, 1), -EFAULT);
	ASSERT_EQ(write_as(0, ~0ULL - 7, 8), -EFAULT);
	ASSERT_EQ(read_as(0, 1ULL << 63 | gpa, 8), -EFAULT);
	ASSERT_EQ(write_as(0, 1ULL << 52 | gpa, 8), -EFAULT);
	ASSERT_EQ(read_as(3, gpa, 8), -EINVAL);
	ASSERT_EQ(write_as(4, gpa, 8), -EINVAL);
	ASSERT_EQ(read_as(-1, gpa, 8), -EINVAL);
	ASSERT_EQ(data[0], data[511]);
	puppet_end(&t);
}

static void no_memory(enum test_how how)
{
	start_mem();
	ASSERT_EQ(read_as(0, HOLE_GPA, 8), -EFAULT);
	ASSERT_EQ(write_as(0, HOLE_GPA, 8), -EFAULT);

	ASSERT_EQ(read_as(0, READ_ONLY_GPA, 8), 0);
	ASSERT(!memcmp(op->data, read_only, 8));
	ASSERT_EQ(write_as(0, READ_ONLY_GPA, 8), -EFAULT);
	ASSERT_EQ(read_only[0], PATTERN);

	/* Nobody has touched it, and to fault it in would be to sleep. */
	ASSERT_EQ(write_as(0, ABSENT_GPA, 8), -EFAULT);
	ASSERT_EQ(read_as(0, ABSENT_GPA, 8), -EFAULT);
	absent[0] = 1;
	ASSERT_EQ(write_as(0, ABSENT_GPA, 8), 0);
	ASSERT_EQ(absent[0], PATTERN);
	ASSERT_EQ(mprotect(absent, 4096, PROT_NONE), 0);
	ASSERT_EQ(read_as(0, ABSENT_GPA, 8), -EFAULT);
	ASSERT_EQ(mprotect(absent, 4096, PROT_READ), 0);
	ASSERT_EQ(write_as(0, ABSENT_GPA, 8), -EFAULT);
	ASSERT_EQ(munmap(absent, 4096), 0);
	ASSERT_EQ(read_as(0, ABSENT_GPA, 8), -EFAULT);
	puppet_end(&t);
}

static void forbid(int plane, __u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = 4096,
		.attributes = attributes,
	};

	vm_ioctl(plane ? t.vm->plane[plane] : t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

static void forbidden(enum test_how how)
{
	unsigned long gpa = (unsigned long)data;

	start_mem();
	forbid(0, NW);
	forbid(1, NONE);
	ASSERT_EQ(read_as(0, gpa, 8), 0);
	ASSERT_EQ(write_as(0, gpa, 8), -EPERM);
	ASSERT_EQ(read_as(1, gpa, 8), -EPERM);
	ASSERT_EQ(write_as(1, gpa + 4088, 8), -EPERM);
	ASSERT_EQ(data[0], data[511]);
	ASSERT_EQ(write_as(1, gpa + 4096, 8), 0);
	ASSERT_EQ(write_as(2, gpa, 8), 0);
	ASSERT_EQ(data[0], PATTERN);
	forbid(1, 0);
	ASSERT_EQ(read_as(1, gpa, 8), 0);
	puppet_end(&t);
}

static void dirty(enum test_how how)
{
	unsigned long gpa = (unsigned long)data;

	start_mem();
	vm_set_dirty_log(t.vm, true);
	vm_page_dirty(t.vm, data);
	ASSERT_EQ(read_as(1, gpa, 8), 0);
	ASSERT(!vm_page_dirty(t.vm, data));
	ASSERT_EQ(write_as(1, gpa, 8), 0);
	ASSERT(vm_page_dirty(t.vm, data));
	puppet_end(&t);
}

/* Interrupts */

static void pending(enum test_how how)
{
	puppet_start(&t, 3);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	op->asks = PUPPET_PENDING;
	hypercall();
	ASSERT_EQ(op->result, 0);
	puppet_send(&t, 0, VECTOR);
	hypercall();
	ASSERT_EQ(op->result, 0);
	puppet_send(&t, 2, VECTOR);
	hypercall();
	ASSERT_EQ(op->result, 1 << 2);
	puppet_send(&t, 1, VECTOR);
	hypercall();
	ASSERT_EQ(op->result, 1 << 1 | 1 << 2);
	lapic_drop_interrupts(t.vm->vcpu[2]);
	hypercall();
	ASSERT_EQ(op->result, 1 << 1);
	puppet_end(&t);
}

static void raise(enum test_how how)
{
	int plane;

	start(PUPPET_RAISE_IRQ);
	for (plane = 0; plane < 3; plane++) {
		op->irq_plane = plane;
		op->vector = VECTOR + plane;
		hypercall();
		ASSERT_EQ(op->result, 0);
	}
	for (plane = 0; plane < 3; plane++) {
		ASSERT(puppet_pending(&t, plane, VECTOR + plane));
		ASSERT(!puppet_pending(&t, plane, VECTOR + (plane + 1) % 3));
		lapic_drop_interrupts(t.vm->vcpu[plane]);
	}

	op->irq_plane = 1;
	op->vector = 16;
	hypercall();
	op->vector = 255;
	hypercall();
	ASSERT(puppet_pending(&t, 1, 16));
	ASSERT(puppet_pending(&t, 1, 255));
	puppet_end(&t);
}

/* It is one of the things that a verdict carries out, or not. */
static void raise_and(enum test_how how)
{
	start(PUPPET_RAISE_IRQ);
	op->irq_plane = 1;
	op->vector = VECTOR;
	op->verdict = KVM_PLANE_PASS;
	hypercall();
	ASSERT(!puppet_pending(&t, 1, VECTOR));
	op->verdict = KVM_PLANE_USER;
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_event(&t, 0, KVM_PLANE_EVENT_HYPERCALL);
	ASSERT(!puppet_pending(&t, 1, VECTOR));

	op->verdict = KVM_PLANE_SWITCH;
	op->asks |= PUPPET_SWITCH;
	op->target = 1;
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_let(1, guest_hypercall_insn + 3, 0, 0, 0, 0);
	puppet_turn(&t, 0);
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), 1);
	ASSERT(puppet_pending(&t, 1, VECTOR));
	puppet_end(&t);
}

/* The event that it makes is one for the op event, of a plane that does not run. */
static void raise_event(enum test_how how)
{
	struct puppet_op *event;

	start(PUPPET_RAISE_IRQ);
	event = &t.puppet->op[PUPPET_EVENT];
	event->verdict = KVM_PLANE_SWITCH;
	event->asks = PUPPET_SWITCH;
	event->target = PUPPET_TO_PENDING;
	op->irq_plane = 2;
	op->vector = VECTOR;
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_let(2, guest_hypercall_insn + 3, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), 2);
	ASSERT_EQ(event->calls, 1);
	ASSERT_EQ(event->seen.pending, 1U << 2);
	puppet_end(&t);
}

/* Counters */

static void count(enum test_how how)
{
	static const char *const names[] = {
		"plane_policy_0", "plane_policy_1", "plane_policy_2", "plane_policy_3",
	};
	int i, k;

	start(PUPPET_COUNT);
	for (i = 0; i < 4; i++) {
		op->counter = i;
		for (k = 0; k <= i; k++)
			hypercall();
	}
	op->counter = 4;
	hypercall();
	op->counter = ~0U;
	hypercall();
	for (i = 0; i < 4; i++)
		ASSERT_EQ(puppet_stat(&t, names[i]), i + 1);

	/* Whatever the verdict */
	op->verdict = KVM_PLANE_PASS;
	op->counter = 0;
	hypercall();
	ASSERT_EQ(puppet_stat(&t, names[0]), 2);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST("a policy reads and writes guest memory", memory),
	TEST("it gets -EINVAL across pages and for planes that are not there", bounds),
	TEST("it gets -EFAULT where memory is not there or may not be written", no_memory),
	TEST("it gets -EPERM where its plane may not read or write", forbidden),
	TEST("pages that it writes are dirty", dirty),
	TEST("it sees which planes have interrupts pending", pending),
	TEST("it raises interrupts in any plane of the vCPU", raise),
	TEST("an interrupt is raised if the verdict is to resume or to switch", raise_and),
	TEST("an interrupt that it raises is an event of that plane", raise_event),
	TEST("what it counts is in the statistics, and counters that do not exist are ignored",
	     count),
	{ }
};
