// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_PRE_FAULT_MEMORY on the fd of a plane's vCPU maps memory for that plane,
 * and fails as it does on plane 0's.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

/* Since Linux 6.11; the userspace headers of Debian 12 are older. */
#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY	236
#define KVM_PRE_FAULT_MEMORY		_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)

struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};
#endif

#define PAGE		4096UL
#define NR_PAGES	256
#define SLOT		5
#define SLOT_NO_MEMORY	6
#define GPA		0x40000000UL
#define GPA_NO_MEMORY	0x50000000UL
#define GPA_NO_SLOT	0x60000000UL

static void touch_forever(void)
{
	unsigned long i;

	for (;;) {
		guest_sync(0);
		for (i = 0; i < NR_PAGES; i++)
			GUEST_ASSERT_EQ(*(volatile __u64 *)(GPA + i * PAGE), i + 1);
	}
}

static __u64 *memory;

static void set_slot(struct vm *vm, __u32 slot, __u64 gpa, void *start, __u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)start,
	};

	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void add_slot(struct vm *vm, __u32 slot, __u64 gpa, void *start)
{
	set_slot(vm, slot, gpa, start, NR_PAGES * PAGE);
}

/* Two planes; memory in small pages that are there, and a slot where there is none. */
static struct vm *start(void)
{
	struct vm *vm = vm_create(2);
	void *none;
	int i;

	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PRE_FAULT_MEMORY) <= 0)
		skip("no KVM_CAP_PRE_FAULT_MEMORY: no nested paging");

	memory = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	none = mmap(NULL, NR_PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(memory != MAP_FAILED && none != MAP_FAILED);
	madvise(memory, NR_PAGES * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < NR_PAGES; i++)
		memory[i * PAGE / sizeof(*memory)] = i + 1;
	add_slot(vm, SLOT, GPA, memory);
	add_slot(vm, SLOT_NO_MEMORY, GPA_NO_MEMORY, none);

	for (i = 0; i < 2; i++) {
		vm_start(vm, i, touch_forever);
		kvm_run_planes(vm->run)->plane = i;
		vm_run(vm);
		ASSERT(vm_guest_call(vm));
	}
	return vm;
}

/* How many page faults the vCPU had to exit for */
static __u64 page_faults(struct vm *vm)
{
	int fd = vm_ioctl(vm->vcpu[0], KVM_GET_STATS_FD, 0);
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	__u64 value = 0;
	char text[256];
	unsigned int i;

	ASSERT_EQ(pread(fd, &header, sizeof(header), 0), sizeof(header));
	ASSERT(sizeof(*desc) + header.name_size <= sizeof(text));
	desc = (void *)text;
	for (i = 0; i < header.num_desc; i++) {
		size_t size = sizeof(*desc) + header.name_size;

		ASSERT_EQ(pread(fd, text, size, header.desc_offset + i * size), size);
		if (!strcmp(desc->name, "pf_taken"))
			ASSERT_EQ(pread(fd, &value, sizeof(value),
					header.data_offset + desc->offset), sizeof(value));
	}
	close(fd);
	return value;
}

static __u64 faults_of_touching(struct vm *vm, int plane)
{
	__u64 faults = page_faults(vm);

	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	return page_faults(vm) - faults;
}

/* Take all of it away, for every plane. */
static void unmap(struct vm *vm)
{
	mprotect(memory, NR_PAGES * PAGE, PROT_NONE);
	mprotect(memory, NR_PAGES * PAGE, PROT_READ | PROT_WRITE);
}

static void maps(enum test_how how)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = NR_PAGES * PAGE };
	struct vm *vm = start();

	ASSERT(faults_of_touching(vm, 1) >= NR_PAGES);
	ASSERT(faults_of_touching(vm, 1) < NR_PAGES / 8);
	unmap(vm);
	ASSERT(faults_of_touching(vm, 1) >= NR_PAGES);
	unmap(vm);

	vm_ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range);
	ASSERT_EQ(range.size, 0);
	ASSERT_EQ(range.gpa, GPA + NR_PAGES * PAGE);
	ASSERT(faults_of_touching(vm, 1) < NR_PAGES / 8);

	/* Once more, where all is mapped */
	range = (struct kvm_pre_fault_memory) { .gpa = GPA, .size = NR_PAGES * PAGE };
	vm_ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range);
	ASSERT_EQ(range.size, 0);
	vm_free(vm);
}

static const struct {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	int error;
	const char *what;
} failures[] = {
	{ GPA + 1, PAGE, 0, EINVAL, "an address that is not of a page" },
	{ GPA, PAGE + 1, 0, EINVAL, "a size that is not of pages" },
	{ GPA, 0, 0, EINVAL, "nothing" },
	{ -PAGE, 2 * PAGE, 0, EINVAL, "more than there are addresses" },
	{ GPA, PAGE, 1, EINVAL, "a flag" },
	{ GPA_NO_SLOT, PAGE, 0, ENOENT, "no memory slot" },
	{ GPA + NR_PAGES * PAGE, PAGE, 0, ENOENT, "right after a memory slot" },
	{ GPA_NO_MEMORY, PAGE, 0, EFAULT, "a memory slot without memory" },
};

static void errors(enum test_how how)
{
	struct vm *vm = start();
	unsigned int i;
	int plane;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		for (plane = 0; plane < 2; plane++) {
			struct kvm_pre_fault_memory range = {
				.gpa = failures[i].gpa,
				.size = failures[i].size,
				.flags = failures[i].flags,
			};

			errno = 0;
			if (ioctl(vm->vcpu[plane], KVM_PRE_FAULT_MEMORY, &range) != -1 ||
			    errno != failures[i].error)
				fail("%s, plane %d: %s", failures[i].what, plane, strerror(errno));
			ASSERT_EQ(range.gpa, failures[i].gpa);
			ASSERT_EQ(range.size, failures[i].size);
		}
	}
	ASSERT_ERRNO(ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, 8), EFAULT);
	vm_free(vm);
}

static void part(enum test_how how)
{
	struct kvm_pre_fault_memory range = {
		.gpa = GPA + (NR_PAGES - 2) * PAGE,
		.size = 5 * PAGE,
	};
	struct vm *vm = start();

	vm_ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range);
	ASSERT_EQ(range.gpa, GPA + NR_PAGES * PAGE);
	ASSERT_EQ(range.size, 3 * PAGE);
	ASSERT_ERRNO(ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range), ENOENT);
	ASSERT_EQ(range.size, 3 * PAGE);
	vm_free(vm);
}

/* A plane that never ran, and whose page tables are not good for anything */
static void never_ran(enum test_how how)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = NR_PAGES * PAGE };
	struct vm *vm = start();
	struct kvm_sregs sregs;

	vm_add_plane(vm, 2);
	vm_ioctl(vm->vcpu[2], KVM_PRE_FAULT_MEMORY, &range);
	ASSERT_EQ(range.size, 0);

	range = (struct kvm_pre_fault_memory) { .gpa = GPA, .size = PAGE };
	vm_ioctl(vm->vcpu[1], KVM_GET_SREGS, &sregs);
	sregs.cr3 = GPA_NO_SLOT;
	vm_ioctl(vm->vcpu[1], KVM_SET_SREGS, &sregs);
	vm_ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range);
	ASSERT_EQ(range.size, 0);
	vm_free(vm);
}

/* Page tables are thrown away with a slot, and no plane has run since that could see it. */
static void after_deletion(enum test_how how)
{
	struct vm *vm = start();
	int plane;

	for (plane = 0; plane < 2; plane++) {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = NR_PAGES * PAGE };

		set_slot(vm, SLOT_NO_MEMORY, GPA_NO_MEMORY, NULL, 0);
		vm_ioctl(vm->vcpu[plane], KVM_PRE_FAULT_MEMORY, &range);
		ASSERT_EQ(range.size, 0);
		ASSERT(faults_of_touching(vm, plane) < NR_PAGES / 8);
		add_slot(vm, SLOT_NO_MEMORY, GPA_NO_MEMORY, memory);
	}
	vm_free(vm);
}

static volatile bool stop;

static void *pre_fault(void *arg)
{
	struct vm *vm = arg;

	while (!stop) {
		struct kvm_pre_fault_memory range = { .gpa = GPA, .size = NR_PAGES * PAGE };

		if (ioctl(vm->vcpu[1], KVM_PRE_FAULT_MEMORY, &range) &&
		    errno != EAGAIN && errno != ENOENT)
			fail("KVM_PRE_FAULT_MEMORY: %s", strerror(errno));
	}
	return arg;
}

/* The slot that is pre-faulted, and another one */
static void while_deleted(enum test_how how)
{
	struct vm *vm = start();
	pthread_t thread;
	int i;

	ASSERT(!pthread_create(&thread, NULL, pre_fault, vm));
	for (i = 0; i < 200; i++) {
		set_slot(vm, SLOT, GPA, NULL, 0);
		add_slot(vm, SLOT, GPA, memory);
		set_slot(vm, SLOT_NO_MEMORY, GPA_NO_MEMORY, NULL, 0);
		add_slot(vm, SLOT_NO_MEMORY, GPA_NO_MEMORY, memory);
	}
	stop = true;
	pthread_join(thread, NULL);
	faults_of_touching(vm, 1);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("a plane takes no page fault where its memory was pre-faulted", maps),
	TEST("pre-faulting fails in a plane with the errors that it fails with in plane 0", errors),
	TEST("what was pre-faulted before an error is told", part),
	TEST("memory is pre-faulted by its guest-physical address, whatever state the plane is in",
	     never_ran),
	TEST("memory is pre-faulted after another memory slot was deleted", after_deletion),
	TEST("a memory slot can be deleted while it is pre-faulted", while_deleted),
	{ }
};
