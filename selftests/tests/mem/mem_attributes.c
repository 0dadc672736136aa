// SPDX-License-Identifier: GPL-2.0
/*
 * What a plane may do with memory: each kind of access, by each plane, and what
 * is refused when attributes are set.
 */
#include <sys/ioctl.h>

#include "mem_test.h"

#define PAGE		(MEM_GPA + 3 * MEM_PAGE)
#define PTE_ADDRESS	0x000ffffffffff000ULL

static const __u64 sets[] = { 0, NW, NX, NW | NX, NONE };

static __u64 supported(struct mem_vm *m, int plane)
{
	return ioctl(plane ? m->vm->plane[plane] : m->vm->fd, KVM_CHECK_EXTENSION,
		     KVM_CAP_MEMORY_ATTRIBUTES);
}

static void capability(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	int kvm = vmm_open_kvm();

	ASSERT_EQ(supported(&m, 0) & NONE, NONE);
	ASSERT_EQ(supported(&m, 1), NONE);
	ASSERT_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_ATTRIBUTES) & NONE, NONE);
	mem_free(&m);
}

static void refused(struct mem_vm *m, int plane, __u64 gpa, __u64 size, __u64 attributes)
{
	ASSERT_ERRNO(mem_set(m, plane, gpa, size, attributes), EINVAL);
	mem_may(m, plane, OP_WRITE, PAGE);
	mem_may(m, plane, OP_EXEC, PAGE);
}

static void invalid(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	struct kvm_memory_attributes attrs = {
		.address = PAGE, .size = MEM_PAGE, .attributes = NONE, .flags = 1,
	};
	int plane;

	for (plane = 0; plane < 2; plane++) {
		refused(&m, plane, PAGE, MEM_PAGE, NR);
		refused(&m, plane, PAGE, MEM_PAGE, NR | NX);
		refused(&m, plane, PAGE, MEM_PAGE, NONE | 1);
		refused(&m, plane, PAGE, MEM_PAGE, NONE | NX << 1);
		refused(&m, plane, PAGE, MEM_PAGE, NONE | 1ULL << 63);
		refused(&m, plane, PAGE, 0, NONE);
		refused(&m, plane, PAGE + 1, MEM_PAGE, NONE);
		refused(&m, plane, PAGE, MEM_PAGE + 1, NONE);
		refused(&m, plane, PAGE, -MEM_PAGE, NONE);
	}
	refused(&m, 1, PAGE, MEM_PAGE, NONE | 1ULL << 3);	/* PRIVATE is the VM's */
	ASSERT_ERRNO(ioctl(m.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs), EINVAL);
	ASSERT_ERRNO(ioctl(m.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs), EINVAL);
	ASSERT_ERRNO(ioctl(m.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, NULL), EFAULT);
	ASSERT_ERRNO(ioctl(m.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, NULL), EFAULT);
	mem_free(&m);
}

/* Intel's EPT may have it, nothing else has. */
static void exec_only(enum test_how how)
{
	struct mem_vm m = mem_start(2);

	if (mem_set(&m, 1, PAGE, MEM_PAGE, NR | NW)) {
		ASSERT_EQ(errno, EINVAL);
		mem_may(&m, 1, OP_READ, PAGE);
		mem_may(&m, 1, OP_WRITE, PAGE);
	} else {
		mem_may_not(&m, 1, OP_READ, PAGE);
		mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
		mem_retry(&m, 1, OP_READ, PAGE);
		mem_attr(&m, 1, PAGE, MEM_PAGE, NR | NW);
		mem_may(&m, 1, OP_EXEC, PAGE);
		mem_may_not(&m, 1, OP_WRITE, PAGE);
	}
	mem_free(&m);
}

/* @op, by each of two planes, with each set of attributes for it and for the other. */
static void one_op(enum mem_op op, __u64 gpa)
{
	struct mem_vm m = mem_start(2);
	unsigned int i, j;
	int plane;

	for (plane = 0; plane < 2; plane++) {
		for (i = 0; i < ARRAY_SIZE(sets); i++) {
			for (j = 0; j < ARRAY_SIZE(sets); j++) {
				mem_attr(&m, plane, gpa, MEM_PAGE, sets[i]);
				mem_attr(&m, !plane, gpa, MEM_PAGE, sets[j]);
				if (!(sets[i] & mem_needs(op))) {
					mem_may(&m, plane, op, gpa);
					continue;
				}
				if (!(sets[j] & mem_needs(op)))
					mem_may(&m, !plane, op, gpa);
				mem_may_not(&m, plane, op, gpa);
				mem_attr(&m, plane, gpa, MEM_PAGE, sets[i] & ~(NR | mem_needs(op)));
				mem_retry(&m, plane, op, gpa);
			}
		}
		mem_attr(&m, 0, gpa, MEM_PAGE, 0);
		mem_attr(&m, 1, gpa, MEM_PAGE, 0);
	}
	mem_free(&m);
}

#define ONE_OP(name, op)					\
static void name(enum test_how how)				\
{								\
	one_op(op, PAGE);					\
}

ONE_OP(read, OP_READ)
ONE_OP(write, OP_WRITE)
ONE_OP(exec, OP_EXEC)
ONE_OP(emulated_read, OP_EREAD)
ONE_OP(emulated_write, OP_EWRITE)
ONE_OP(emulated_cmpxchg, OP_ECMPXCHG)
ONE_OP(emulated_fetch, OP_EEXEC)
ONE_OP(emulated_movs, OP_MOVS)

/* Descriptor tables are read and written by the emulator in a way of their own. */
static void use_tables(void)
{
	for (;;) {
		asm volatile("ud2\n\t.ascii \"kvm\"\n\tmov %0, %%es" : : "r"(GUEST_DS) : "memory");
		guest_sync(1);
		asm volatile("ud2\n\t.ascii \"kvm\"\n\tsgdt (%0)"
			     : : "r"(PAGE + MEM_PAGE) : "memory");
		guest_sync(2);
	}
}

static void start_use_tables(struct mem_vm *m, int plane)
{
	struct kvm_sregs sregs;

	vm_start(m->vm, plane, use_tables);
	vm_ioctl(m->vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	memcpy(m->mem + PAGE - MEM_GPA, (void *)sregs.gdt.base, sregs.gdt.limit + 1);
	sregs.gdt.base = PAGE;
	vm_ioctl(m->vm->vcpu[plane], KVM_SET_SREGS, &sregs);
}

static void emulated_tables(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	const __u8 *written = m.mem + PAGE + MEM_PAGE - MEM_GPA;
	int plane;

	for (plane = 0; plane < 2; plane++) {
		start_use_tables(&m, plane);
		mem_attr(&m, plane, PAGE, MEM_PAGE, NONE);
		mem_fault(&m, plane, PAGE, NR);
		mem_fault(&m, plane, PAGE, NR);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		ASSERT_EQ(mem_done(&m, plane), 1);

		memset((void *)written, 0xcc, 16);
		mem_attr(&m, plane, PAGE + MEM_PAGE, MEM_PAGE, NW);
		mem_fault(&m, plane, PAGE + MEM_PAGE, NW);
		ASSERT_EQ(written[0], 0xcc);
		mem_attr(&m, plane, PAGE + MEM_PAGE, MEM_PAGE, 0);
		ASSERT_EQ(mem_done(&m, plane), 2);
		ASSERT_EQ(*(__u64 *)(written + 2), PAGE);
	}
	mem_free(&m);
}

/* Plane 0's table of the highest level, which both planes use from here on. */
static __u64 share_tables(struct mem_vm *m)
{
	struct kvm_sregs sregs[2];

	vm_ioctl(m->vm->vcpu[0], KVM_GET_SREGS, &sregs[0]);
	vm_ioctl(m->vm->vcpu[1], KVM_GET_SREGS, &sregs[1]);
	sregs[1].cr3 = sregs[0].cr3;
	vm_ioctl(m->vm->vcpu[1], KVM_SET_SREGS, &sregs[1]);
	return sregs[0].cr3 & PTE_ADDRESS;
}

/* The tables that lead to the memory, from the highest level on. */
static void find_tables(__u64 cr3, __u64 *tables)
{
	tables[0] = cr3;
	tables[1] = *(__u64 *)tables[0] & PTE_ADDRESS;
	tables[2] = ((__u64 *)tables[1])[MEM_GPA >> 30] & PTE_ADDRESS;
}

static void one_walk(enum mem_op op)
{
	struct mem_vm m = mem_start(2);
	unsigned int i, j;
	__u64 tables[3];
	int plane;

	find_tables(share_tables(&m), tables);
	for (plane = 0; plane < 2; plane++) {
		for (i = 0; i < ARRAY_SIZE(tables); i++) {
			for (j = 0; j < ARRAY_SIZE(sets); j++) {
				mem_attr(&m, plane, tables[i], MEM_PAGE, sets[j]);
				mem_may(&m, !plane, op, PAGE);
				if (!(sets[j] & NW)) {
					mem_may(&m, plane, op, PAGE);
					continue;
				}
				mem_op(op, PAGE, 0x55);
				mem_fault(&m, plane, tables[i], NW);
				mem_fault(&m, plane, tables[i], NW);
				mem_attr(&m, plane, tables[i], MEM_PAGE, 0);
				mem_done(&m, plane);
			}
		}
	}
	mem_free(&m);
}

static void walk(enum test_how how)
{
	one_walk(OP_READ);
}

/* A table that only the access itself goes through, not the instruction. */
static void emulated_walk(enum test_how how)
{
	static const enum mem_op ops[] = { OP_EREAD, OP_EWRITE, OP_ECMPXCHG };
	static __u64 table[512] __attribute__((aligned(MEM_PAGE)));
	struct mem_vm m = mem_start(2);
	__u64 tables[3];
	unsigned int i;
	int plane;

	find_tables(share_tables(&m), tables);
	memcpy(table, (void *)tables[2], sizeof(table));
	((__u64 *)tables[1])[MEM_GPA >> 30] = (unsigned long)table | 7;

	for (plane = 0; plane < 2; plane++) {
		for (i = 0; i < ARRAY_SIZE(ops); i++) {
			mem_attr(&m, plane, (unsigned long)table, MEM_PAGE, NW);
			mem_may(&m, !plane, ops[i], PAGE);
			mem_op(ops[i], PAGE, 0x77);
			mem_fault(&m, plane, (unsigned long)table, NW);
			mem_attr(&m, plane, (unsigned long)table, MEM_PAGE, 0);
			mem_done(&m, plane);
		}
	}
	mem_free(&m);
}

/* RDMSR of an MSR that is nobody's; RET */
static const __u8 rdmsr_code[] = { 0xb9, 0x21, 0x43, 0, 0, 0x0f, 0x32, 0xc3 };

#define MSR		0x4321
#define RDMSR_SKIPPED	7

/* Userspace completes an instruction that the plane may not execute any more. */
static void completed(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	struct kvm_regs regs;
	int plane;

	if (vm_enable_cap(m.vm->fd, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 0, 0))
		fail("KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
	memcpy(m.mem + PAGE - MEM_GPA, rdmsr_code, sizeof(rdmsr_code));
	for (plane = 0; plane < 2; plane++) {
		mem_op(OP_EXEC, PAGE, 0);
		kvm_run_planes(m.vm->run)->plane = plane;
		vm_run(m.vm);
		ASSERT_EXIT(m.vm, KVM_EXIT_X86_RDMSR);
		ASSERT_EQ(m.vm->run->msr.index, MSR);
		m.vm->run->msr.data = 0x99;
		mem_attr(&m, plane, PAGE, MEM_PAGE, NX);
		mem_fault(&m, plane, PAGE, NX);
		vm_ioctl(m.vm->vcpu[plane], KVM_GET_REGS, &regs);
		ASSERT_EQ(regs.rip, PAGE + RDMSR_SKIPPED);
		mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
		ASSERT_EQ(mem_done(&m, plane), 0x99);
	}
	mem_free(&m);
}

/* An access is denied page by page, and only where it is forbidden. */
static void neighbours(enum test_how how)
{
	struct mem_vm m = mem_start(2);
	__u64 gpa;

	mem_attr(&m, 0, PAGE, MEM_PAGE, NONE);
	mem_attr(&m, 0, PAGE + MEM_PAGE, MEM_PAGE, NW);
	mem_attr(&m, 1, PAGE - MEM_PAGE, MEM_PAGE, NX);
	for (gpa = MEM_GPA + MEM_PAGE; gpa < PAGE; gpa += MEM_PAGE)
		mem_may(&m, 0, OP_WRITE, gpa);
	for (gpa = PAGE + 2 * MEM_PAGE; gpa < PAGE + 12 * MEM_PAGE; gpa += MEM_PAGE)
		mem_may(&m, 0, OP_EWRITE, gpa);
	mem_may_not(&m, 0, OP_READ, PAGE);
	mem_attr(&m, 0, PAGE, MEM_PAGE, 0);
	mem_retry(&m, 0, OP_READ, PAGE);
	mem_may(&m, 0, OP_READ, PAGE + MEM_PAGE);
	mem_may_not(&m, 0, OP_WRITE, PAGE + MEM_PAGE);
	mem_free(&m);
}

/* Plane 0 of a VM that has no other. */
static void only_plane_0(enum test_how how)
{
	struct mem_vm m = mem_start(1);

	mem_may(&m, 0, OP_WRITE, PAGE);
	mem_attr(&m, 0, PAGE, MEM_PAGE, NW);
	mem_may_not(&m, 0, OP_WRITE, PAGE);
	mem_attr(&m, 0, PAGE, MEM_PAGE, NX);
	mem_retry(&m, 0, OP_WRITE, PAGE);
	mem_may_not(&m, 0, OP_EEXEC, PAGE);
	mem_free(&m);
}

/* Four planes, one page, and each may do something else. */
#define PDPT_GOOD	(MEM_GPA + 2 * MEM_PAGE)
#define PORT		0x99

/* Let plane 1 be in PAE mode, about to load CR3 with PAGE. */
static void start_pae(struct mem_vm *m)
{
	static const __u8 insns[] = { 0x0f, 0x22, 0xd8, 0xe6, PORT };	/* MOV %EAX, %CR3; OUT */
	struct kvm_regs regs = { .rip = MEM_GPA, .rax = PAGE, .rflags = X86_RFLAGS_FIXED };
	const __u64 *pml4, *pdpt;
	struct kvm_sregs sregs;
	__u64 pdpte;
	int i;

	vm_ioctl(m->vm->vcpu[1], KVM_GET_SREGS, &sregs);
	pml4 = (void *)(unsigned long)sregs.cr3;
	pdpt = (void *)(unsigned long)(pml4[0] & PTE_ADDRESS);
	for (i = 0; i < 4; i++) {
		pdpte = (pdpt[i] & PTE_ADDRESS) | 1;
		memcpy(m->mem + (PDPT_GOOD - MEM_GPA) + i * 8, &pdpte, 8);
		memcpy(m->mem + (PAGE - MEM_GPA) + i * 8, &pdpte, 8);
	}
	memcpy(m->mem, insns, sizeof(insns));
	sregs.efer = 0;
	sregs.cr3 = PDPT_GOOD;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	sregs.idt.limit = 0;
	vm_ioctl(m->vm->vcpu[1], KVM_SET_SREGS, &sregs);
	vm_ioctl(m->vm->vcpu[1], KVM_SET_REGS, &regs);
	kvm_run_planes(m->vm->run)->plane = 1;
}

/* The CPU has a fault if it walks there; what KVM loads for it is invalid, without an IDT. */
static void pdptes(enum test_how how)
{
	struct mem_vm m = mem_start(2);

	start_pae(&m);
	vm_run(m.vm);
	ASSERT_EXIT(m.vm, KVM_EXIT_IO);
	ASSERT_EQ(m.vm->run->io.port, PORT);
	mem_free(&m);

	m = mem_start(2);
	start_pae(&m);
	mem_attr(&m, 1, PAGE, MEM_PAGE, NONE);
	if (!ioctl(m.vm->vcpu[0], KVM_RUN, 0))
		ASSERT_EXIT(m.vm, KVM_EXIT_SHUTDOWN);
	else
		ASSERT_EXIT(m.vm, KVM_EXIT_MEMORY_FAULT);
	mem_free(&m);
}

static void four_planes(enum test_how how)
{
	struct mem_vm m = mem_start(4);
	static const __u64 set[] = { NW, NX, NONE, 0 };
	static const enum mem_op ops[] = { OP_READ, OP_WRITE, OP_EXEC, OP_EWRITE, OP_EEXEC };
	unsigned int i;
	int plane;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (plane = 0; plane < 4; plane++) {
			mem_attr(&m, plane, PAGE, MEM_PAGE, set[plane]);
			mem_may(&m, 3, ops[i], PAGE);
			if (!(set[plane] & mem_needs(ops[i]))) {
				mem_may(&m, plane, ops[i], PAGE);
				continue;
			}
			mem_may_not(&m, plane, ops[i], PAGE);
			mem_attr(&m, plane, PAGE, MEM_PAGE, 0);
			mem_retry(&m, plane, ops[i], PAGE);
			mem_attr(&m, plane, PAGE, MEM_PAGE, set[plane]);
		}
	}
	mem_free(&m);
}

const struct test tests[] = {
	TEST("KVM_CHECK_EXTENSION says which attributes memory can have", capability),
	TEST("attributes that page tables cannot express are EINVAL and change nothing", invalid),
	TEST("memory is \"execute only\" if page tables can express that, else EINVAL", exec_only),
	TEST("a plane reads memory unless it may not, and then exits", read),
	TEST("a plane writes memory unless it may not, and then exits", write),
	TEST("a plane executes memory unless it may not, and then exits", exec),
	TEST("KVM reads for a plane unless that may not, and then exits", emulated_read),
	TEST("KVM writes for a plane unless that may not, and then exits", emulated_write),
	TEST("KVM exchanges for a plane unless that may not, and then exits", emulated_cmpxchg),
	TEST("KVM fetches for a plane unless that may not, and then exits", emulated_fetch),
	TEST("KVM uses descriptor tables for a plane unless that may not", emulated_tables),
	TEST("an instruction is completed though the plane may not execute it any more",
	     completed),
	TEST("KVM writes what came from a device unless the plane may not", emulated_movs),
	TEST("a plane uses page tables unless it may not write them, and then exits", walk),
	TEST("KVM uses page tables for a plane unless that may not write them", emulated_walk),
	TEST("page-directory pointers that a plane may not read are not loaded", pdptes),
	TEST("pages beside those that a plane may not access are not affected", neighbours),
	TEST("plane 0 can be forbidden to access memory if it is the only one", only_plane_0),
	TEST("each of four planes may do what its own attributes say", four_planes),
	{ }
};
