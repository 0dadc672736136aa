// SPDX-License-Identifier: GPL-2.0
/*
 * Memory attributes hold whatever happens to memory: huge pages, memory slots,
 * the host's page tables, dirty logging; and they change while the guest runs.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_test.h"

#define PAGE		(MEM_GPA + 5 * MEM_PAGE)
#define FAR_GPA		0x50000000UL
#define NO_GPA		0x60000000UL
#define NX_HUGE		"/sys/module/kvm/parameters/nx_huge_pages"
#define PAGES_2M	"/sys/kernel/debug/kvm/pages_2m"
#define ROUNDS		100
#define PROGRESS_USEC	20000000

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static long pages_2m(void)
{
	char text[32] = "";
	int fd = open(PAGES_2M, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		skip("no %s", PAGES_2M);
	close(fd);
	return atol(text);
}

/* @plane's memory around @gpa is one huge page, or is not. */
static void expect_huge(struct mem_vm *m, int plane, enum mem_op op, __u64 gpa, bool huge)
{
	long before;

	/* Whatever is mapped of it is not any more. */
	mem_slot(m, MEM_GPA, 0, 0);
	mem_slot(m, MEM_GPA, MEM_SIZE, 0);
	before = pages_2m();
	mem_may(m, plane, op, gpa);
	ASSERT_EQ(pages_2m() > before, huge);
}

static struct mem_vm start_huge(int nr_planes)
{
	struct mem_vm m = mem_start(nr_planes);
	long before = pages_2m();

	mem_may(&m, 0, OP_READ, PAGE);
	if (pages_2m() <= before)
		skip("this machine has no huge pages");
	return m;
}

static void huge_one_page(enum test_how how)
{
	struct mem_vm m = start_huge(2);
	int i;

	for (i = 0; i < 3; i++) {
		mem_attr(&m, 0, PAGE, MEM_PAGE, NW);
		mem_may(&m, 0, OP_READ, PAGE);
		mem_may(&m, 0, OP_WRITE, PAGE - MEM_PAGE);
		mem_may(&m, 0, OP_WRITE, PAGE + MEM_PAGE);
		mem_may(&m, 0, OP_EXEC, MEM_GPA + MEM_HUGE - MEM_PAGE);
		expect_huge(&m, 1, OP_WRITE, PAGE + MEM_PAGE, true);
		mem_may(&m, 1, OP_WRITE, PAGE);
		mem_may_not(&m, 0, OP_WRITE, PAGE);
		mem_attr(&m, 0, PAGE, MEM_PAGE, 0);
		mem_retry(&m, 0, OP_WRITE, PAGE);
		expect_huge(&m, 0, OP_WRITE, PAGE, true);
	}
	mem_attr(&m, 0, PAGE, MEM_PAGE, NX);
	expect_huge(&m, 0, OP_READ, PAGE + MEM_PAGE, false);
	expect_huge(&m, 0, OP_READ, PAGE + MEM_HUGE, true);
	mem_may_not(&m, 0, OP_EXEC, PAGE);
	mem_free(&m);
}

static void huge_whole(enum test_how how)
{
	struct mem_vm m = start_huge(2);
	const __u64 last = MEM_GPA + MEM_HUGE - MEM_PAGE;

	mem_attr(&m, 1, MEM_GPA, MEM_HUGE, NW);
	expect_huge(&m, 1, OP_READ, PAGE, true);
	mem_may(&m, 1, OP_EXEC, PAGE);
	mem_may(&m, 1, OP_WRITE, last + MEM_PAGE);
	mem_may_not(&m, 1, OP_WRITE, last);
	mem_attr(&m, 1, last, MEM_PAGE, 0);
	mem_retry(&m, 1, OP_WRITE, last);
	expect_huge(&m, 1, OP_READ, PAGE, false);
	mem_may(&m, 0, OP_WRITE, MEM_GPA);
	mem_may_not(&m, 1, OP_WRITE, MEM_GPA);
	mem_attr(&m, 1, MEM_GPA, MEM_SIZE, 0);
	mem_retry(&m, 1, OP_WRITE, MEM_GPA);
	expect_huge(&m, 1, OP_WRITE, last, true);
	mem_free(&m);
}

static void nx_huge_pages(enum test_how how)
{
	struct mem_vm m;

	if (!write_file(NX_HUGE, "force"))
		skip("%s cannot be set", NX_HUGE);
	m = start_huge(2);
	mem_attr(&m, 0, MEM_GPA, MEM_HUGE, NX);
	mem_may(&m, 0, OP_WRITE, PAGE);
	mem_may(&m, 0, OP_WRITE, PAGE + MEM_HUGE);
	/* That splits huge pages. */
	mem_slot(&m, MEM_GPA, MEM_SIZE, KVM_MEM_LOG_DIRTY_PAGES);
	mem_may(&m, 0, OP_READ, PAGE);
	mem_may(&m, 0, OP_EXEC, PAGE + MEM_HUGE);
	mem_may_not(&m, 0, OP_EXEC, PAGE);
	mem_free(&m);
	write_file(NX_HUGE, "auto");
}

static bool dirty(struct mem_vm *m, __u64 gpa)
{
	static __u64 bitmap[MEM_SIZE / MEM_PAGE / 64];
	struct kvm_dirty_log log = { .slot = MEM_SLOT, .dirty_bitmap = bitmap };
	__u64 page = (gpa - MEM_GPA) / MEM_PAGE;

	vm_ioctl(m->vm->fd, KVM_GET_DIRTY_LOG, &log);
	return bitmap[page / 64] >> page % 64 & 1;
}

static void one_dirty_log(enum mem_op op)
{
	struct mem_vm m = mem_start(2);
	int plane;

	for (plane = 0; plane < 2; plane++) {
		mem_may(&m, plane, op, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW);
		mem_slot(&m, MEM_GPA, MEM_SIZE, KVM_MEM_LOG_DIRTY_PAGES);
		mem_may(&m, plane, OP_READ, PAGE);
		dirty(&m, PAGE);
		mem_may_not(&m, plane, op, PAGE);
		ASSERT(!dirty(&m, PAGE));
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, op, PAGE);
		ASSERT(dirty(&m, PAGE));

		/* It is write-protected for the log, which must not be undone. */
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW);
		mem_may(&m, plane, OP_READ, PAGE);
		mem_may_not(&m, plane, op, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, op, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW);
		mem_may(&m, plane, op, PAGE + MEM_PAGE);
		mem_may(&m, plane, OP_READ, PAGE);

		/* Back to huge pages */
		mem_slot(&m, MEM_GPA, MEM_SIZE, 0);
		mem_may(&m, plane, op, PAGE + MEM_PAGE);
		mem_may_not(&m, plane, op, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, op, PAGE);
	}
	mem_free(&m);
}

static void dirty_log(enum test_how how)
{
	one_dirty_log(OP_WRITE);
	one_dirty_log(OP_EWRITE);
}

static void slots(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	int plane;

	for (plane = 0; plane < 2; plane++) {
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW);
		mem_may_not(&m, plane, OP_WRITE, PAGE);
		mem_slot(&m, MEM_GPA, 0, 0);
		mem_fault(&m, plane, PAGE, NW);
		mem_slot(&m, FAR_GPA, MEM_SIZE, 0);
		mem_fault(&m, plane, PAGE, NW);
		mem_slot(&m, MEM_GPA, MEM_SIZE, 0);		/* moved back */
		mem_fault(&m, plane, PAGE, NW);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, OP_WRITE, PAGE);

		/* They are of the address, not of the memory. */
		mem_attr(&m, plane, PAGE, MEM_PAGE, NONE);
		mem_slot(&m, FAR_GPA, MEM_SIZE, 0);
		mem_may(&m, plane, OP_WRITE, PAGE - MEM_GPA + FAR_GPA);
		mem_may(&m, plane, OP_EXEC, PAGE - MEM_GPA + FAR_GPA);
		mem_slot(&m, MEM_GPA, MEM_SIZE, 0);
		mem_may_not(&m, plane, OP_READ, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, OP_READ, PAGE);
	}
	mem_free(&m);
}

static void mmu_notifier(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	int plane, i;

	for (plane = 0; plane < 2; plane++) {
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW | NX);
		for (i = 0; i < 10; i++) {
			mem_may(&m, plane, OP_READ, PAGE);
			mem_may(&m, plane, OP_WRITE, PAGE + MEM_PAGE);
			madvise(m.mem, MEM_HUGE, MADV_DONTNEED);
			mem_op(OP_READ, PAGE, 0);
			ASSERT_EQ(mem_done(&m, plane), 0);
			mem_may(&m, plane, OP_WRITE, PAGE + MEM_PAGE);
			mem_may(&m, !plane, OP_WRITE, PAGE);
			mem_may_not(&m, plane, OP_WRITE, PAGE);
			mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
			mem_retry(&m, plane, OP_WRITE, PAGE);
			mem_attr(&m, plane, PAGE, MEM_PAGE, NW | NX);
		}
		mem_may_not(&m, plane, OP_EWRITE, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, OP_EWRITE, PAGE);
	}
	mem_free(&m);
}

/* The exit of a device, which is completed. */
static void expect_device(struct mem_vm *m, int plane, enum mem_op op, __u64 gpa)
{
	__u64 answer = 0x1122334455667788;

	mem_op(op, gpa, answer);
	kvm_run_planes(m->vm->run)->plane = plane;
	vm_run(m->vm);
	ASSERT_EXIT(m->vm, KVM_EXIT_MMIO);
	ASSERT_EQ(m->vm->run->mmio.phys_addr, gpa + MEM_DATA);
	memcpy(m->vm->run->mmio.data, &answer, sizeof(answer));
	ASSERT_EQ(mem_done(m, plane), op == OP_READ ? answer : 0);
}

static void no_memory(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	int plane;

	for (plane = 0; plane < 2; plane++) {
		expect_device(&m, plane, OP_READ, NO_GPA);
		expect_device(&m, plane, OP_WRITE, NO_GPA);
		mem_attr(&m, plane, NO_GPA, MEM_PAGE, NW);
		expect_device(&m, plane, OP_READ, NO_GPA);
		expect_device(&m, !plane, OP_WRITE, NO_GPA);
		mem_op(OP_WRITE, NO_GPA, 1);
		mem_fault(&m, plane, NO_GPA, NW);
		mem_fault(&m, plane, NO_GPA, NW);
		mem_attr(&m, plane, NO_GPA, MEM_PAGE, 0);
		expect_device(&m, plane, OP_WRITE, NO_GPA);

		mem_attr(&m, plane, NO_GPA, MEM_PAGE, NONE);
		expect_device(&m, !plane, OP_READ, NO_GPA);
		mem_op(OP_READ, NO_GPA, 1);
		mem_fault(&m, plane, NO_GPA, NR);
		mem_attr(&m, plane, NO_GPA, MEM_PAGE, 0);
		expect_device(&m, plane, OP_READ, NO_GPA);

		mem_attr(&m, plane, NO_GPA, MEM_PAGE, NX);
		mem_op(OP_EXEC, NO_GPA, 1);
		mem_fault(&m, plane, NO_GPA, NX);
		vm_start(m.vm, plane, (guest_code_t)0);
		mem_free(&m);
		m = mem_start(2);
	}
	mem_free(&m);
}

struct pre_fault {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct pre_fault)
#endif

static int pre_fault(struct mem_vm *m, int plane, __u64 gpa)
{
	struct pre_fault range = { .gpa = gpa, .size = MEM_PAGE };

	return ioctl(m->vm->vcpu[plane], KVM_PRE_FAULT_MEMORY, &range);
}

static void pre_faults(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	int plane;

	for (plane = 0; plane < 2; plane++) {
		if (pre_fault(&m, plane, PAGE + MEM_HUGE)) {
			if (errno == EOPNOTSUPP)
				skip("nested page tables are not used");
			fail("KVM_PRE_FAULT_MEMORY: %s", strerror(errno));
		}
		mem_attr(&m, plane, PAGE, MEM_PAGE, NONE);
		m.vm->run->exit_reason = KVM_EXIT_UNKNOWN;
		ASSERT_ERRNO(pre_fault(&m, plane, PAGE), EFAULT);
		ASSERT_EXIT(m.vm, KVM_EXIT_UNKNOWN);
		ASSERT_EQ(pre_fault(&m, !plane, PAGE), 0);
		mem_attr(&m, plane, PAGE, MEM_PAGE, NW | NX);
		ASSERT_EQ(pre_fault(&m, plane, PAGE), 0);
		mem_may(&m, plane, OP_READ, PAGE);
		mem_may_not(&m, plane, OP_EXEC, PAGE);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		mem_retry(&m, plane, OP_EXEC, PAGE);
	}
	mem_free(&m);
}

/* Guest code that accesses one page all the time, and counts. */
static volatile enum mem_op busy_op;
static volatile __u64 busy_count;
static volatile bool busy_stop;

static void busy(void)
{
	volatile __u64 *p = (__u64 *)(PAGE + MEM_DATA);
	__u64 value;

	while (!busy_stop) {
		switch (busy_op) {
		case OP_EWRITE:
			value = busy_count + 1;
			asm volatile("ud2\n\t.ascii \"kvm\"\n\tmov %0, (%1)"
				     : : "a"(value), "b"(p) : "memory");
			break;
		case OP_EXEC:
			asm volatile("call *%0" : : "r"(PAGE + MEM_CODE) : "rax", "memory");
			break;
		default:
			*p = busy_count + 1;
		}
		busy_count++;
	}
	guest_sync(0);
}

static __u64 faults;

static void *run_busy(void *arg)
{
	struct mem_vm *m = arg;

	for (;;) {
		if (!ioctl(m->vm->vcpu[0], KVM_RUN, 0)) {
			if (!vm_guest_call(m->vm))
				fail("%s", vm_exit_name(m->vm->run->exit_reason));
			return NULL;
		}
		if (errno == EINTR)
			continue;
		if (errno != EFAULT || m->vm->run->exit_reason != KVM_EXIT_MEMORY_FAULT)
			fail("KVM_RUN: %s", strerror(errno));
		faults++;
		sched_yield();
	}
}

static void wait_for_progress(void)
{
	__u64 before = busy_count;
	int i;

	for (i = 0; busy_count < before + 2; i++) {
		if (i == PROGRESS_USEC / 100)
			fail("the guest does not go on");
		usleep(100);
	}
}

static void one_busy(int plane, enum mem_op op, __u64 start, __u64 size)
{
	struct mem_vm m = mem_start(2);
	__u64 before;
	pthread_t thread;
	int i;

	busy_stop = false;
	busy_op = op;
	busy_count = 0;
	faults = 0;
	vm_start(m.vm, plane, busy);
	kvm_run_planes(m.vm->run)->plane = plane;
	pthread_create(&thread, NULL, run_busy, &m);
	for (i = 0; i < ROUNDS; i++) {
		wait_for_progress();
		mem_attr(&m, plane, start, size, op == OP_EXEC ? NX : NW);
		before = busy_count;
		usleep(200);
		/* The access may be made already, and not counted. */
		if (busy_count > before + 1)
			fail("round %d: %llu accesses that are forbidden", i, busy_count - before);
		mem_attr(&m, plane, start, size, 0);
	}
	busy_stop = true;
	pthread_join(thread, NULL);
	note("%llu accesses, %llu faults", busy_count, faults);
	ASSERT(faults);
	mem_free(&m);
}

static void while_running(enum test_how how)
{
	one_busy(0, OP_WRITE, PAGE, MEM_PAGE);
	one_busy(1, OP_EXEC, PAGE, MEM_PAGE);
}

static void while_running_huge(enum test_how how)
{
	one_busy(1, OP_WRITE, MEM_GPA, MEM_HUGE);
	one_busy(0, OP_EXEC, MEM_GPA, MEM_HUGE);
}

static void while_emulating(enum test_how how)
{
	one_busy(0, OP_EWRITE, PAGE, MEM_PAGE);
	one_busy(1, OP_EWRITE, PAGE, MEM_PAGE);
}

const struct test tests[] = {
	TEST("a page of a huge page can be restricted, for one plane", huge_one_page),
	TEST("a huge page can be restricted, and a page of it allowed", huge_whole),
	TEST("memory stays not executable when huge pages are, for a workaround", nx_huge_pages),
	TEST("attributes hold while dirty pages are logged, and after it", dirty_log),
	TEST("attributes stay where they are when memory slots go, come and move", slots),
	TEST("attributes hold when the host takes memory away", mmu_notifier),
	TEST("attributes hold where there is no memory", no_memory),
	TEST("memory is faulted in with the attributes of the plane that it is for", pre_faults),
	TEST("attributes change while a plane runs, and hold at once", while_running),
	TEST("attributes of a huge page change while a plane runs, and hold at once",
	     while_running_huge),
	TEST("attributes change while KVM emulates, and hold at once", while_emulating),
	{ }
};
