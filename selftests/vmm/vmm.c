// SPDX-License-Identifier: GPL-2.0
/*
 * The VMM that tests and vtl-vmm use. See vmm.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define PAGE_SIZE	4096UL
#define SLOT_IMAGE	0
#define SLOT_LOW	1
#define IMAGE_MAX_PAGES	4096
#define CPUID_ENTRIES	256
#define HV_CPUID_FIRST	0x40000000
#define HV_CPUID_LAST	0x400000ff

/* AMD APM volume 2, chapters 3 to 5: control registers, descriptors, page tables */
#define CR0_PE		(1UL << 0)
#define CR0_MP		(1UL << 1)
#define CR0_ET		(1UL << 4)
#define CR0_NE		(1UL << 5)
#define CR0_PG		(1UL << 31)
#define CR4_PAE		(1UL << 5)
#define CR4_OSFXSR	(1UL << 9)
#define CR4_OSXMMEXCPT	(1UL << 10)
#define CR4_OSXSAVE	(1UL << 18)
#define EFER_LME	(1UL << 8)
#define EFER_LMA	(1UL << 10)
#define PTE_TABLE	0x7UL		/* present, writable, user */
#define PTE_LEAF_2M	0xe7UL		/* and accessed, dirty, large */
#define DESC_CODE64	0x00209b0000000000UL
#define DESC_CODE32	0x00cf9b000000ffffUL
#define DESC_DATA	0x00cf93000000ffffUL
#define DESC_USER	0x0000600000000000UL
#define TYPE_LDT	2
#define TYPE_TSS	9
#define TYPE_TSS_BUSY	11

/* CPUID.1:ECX */
#define CPUID_TSC_DEADLINE	(1U << 24)
#define CPUID_XSAVE	(1U << 26)

struct guest_tables guest_tables[KVM_MAX_PLANES];

extern __u8 __executable_start[];
extern __u8 _end[];

int __vm_ioctl(int fd, unsigned long cmd, const char *name, unsigned long arg)
{
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		fail("%s: %s", name, strerror(errno));
	return ret;
}

int vm_enable_cap(int fd, __u32 cap, __u64 arg0, __u64 arg1, __u64 arg2)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg0, arg1, arg2 } };

	return ioctl(fd, KVM_ENABLE_CAP, &enable);
}

int vmm_open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		fail("cannot open /dev/kvm: %s", strerror(errno));
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE) <= 0)
		fail("no kernel support for planes in this KVM\n"
		     "The kvm module that is loaded seems to be the distribution's own.");
	return kvm;
}

/* KVM_GET_SUPPORTED_CPUID leaves this one to who has the local APIC. */
static void add_tsc_deadline(int kvm, struct kvm_cpuid2 *cpuid)
{
	__u32 i;

	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		return;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_TSC_DEADLINE;
}

/* KVM's CPUID, but with the leaves of Hyper-V where KVM has its own. */
static struct kvm_cpuid2 *get_cpuid(int kvm)
{
	size_t size = sizeof(struct kvm_cpuid2) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *cpuid = calloc(1, size);
	struct kvm_cpuid2 *hv = calloc(1, size);
	__u32 from, to;

	if (!cpuid || !hv)
		fail("no memory");
	cpuid->nent = CPUID_ENTRIES;
	vm_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	hv->nent = CPUID_ENTRIES;
	vm_ioctl(kvm, KVM_GET_SUPPORTED_HV_CPUID, hv);

	for (from = to = 0; from < cpuid->nent; from++) {
		__u32 function = cpuid->entries[from].function;

		if (function < HV_CPUID_FIRST || function > HV_CPUID_LAST)
			cpuid->entries[to++] = cpuid->entries[from];
	}
	if (to + hv->nent > CPUID_ENTRIES)
		fail("more than %d CPUID entries", CPUID_ENTRIES);
	memcpy(&cpuid->entries[to], hv->entries, hv->nent * sizeof(hv->entries[0]));
	cpuid->nent = to + hv->nent;
	add_tsc_deadline(kvm, cpuid);
	free(hv);
	return cpuid;
}

const struct kvm_cpuid_entry2 *vm_cpuid(struct vm *vm, __u32 function, __u32 index)
{
	static const struct kvm_cpuid_entry2 none;
	__u32 i;

	for (i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == function &&
		    vm->cpuid->entries[i].index == index)
			return &vm->cpuid->entries[i];
	return &none;
}

static void set_memory(struct vm *vm, __u32 slot, __u64 gpa, void *start, __u64 size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)start,
	};

	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Whole pages, at the addresses that they have here */
static unsigned long image_start(void)
{
	return (unsigned long)__executable_start & -PAGE_SIZE;
}

static unsigned long image_end(void)
{
	return ((unsigned long)_end + PAGE_SIZE - 1) & -PAGE_SIZE;
}

static void set_image(struct vm *vm, __u32 flags)
{
	unsigned long start = image_start();

	set_memory(vm, SLOT_IMAGE, start, (void *)start, image_end() - start, flags);
}

static bool is_within(__u64 gpa, __u64 size, __u64 start, __u64 end)
{
	return gpa >= start && gpa < end && size <= end - gpa;
}

void *vm_memory(struct vm *vm, __u64 gpa, __u64 size)
{
	if (is_within(gpa, size, image_start(), image_end()))
		return (void *)(unsigned long)gpa;
	if (is_within(gpa, size, VMM_LOW_GPA, VMM_LOW_GPA + VMM_LOW_SIZE))
		return vm->low + (gpa - VMM_LOW_GPA);
	return NULL;
}

void vm_set_dirty_log(struct vm *vm, bool enabled)
{
	set_image(vm, enabled ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

bool vm_page_dirty(struct vm *vm, const void *address)
{
	unsigned long start = image_start();
	unsigned long page = ((unsigned long)address - start) / PAGE_SIZE;
	static __u64 bitmap[IMAGE_MAX_PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT_IMAGE, .dirty_bitmap = bitmap };

	if ((unsigned long)_end - start > IMAGE_MAX_PAGES * PAGE_SIZE)
		fail("the image has more than %d pages", IMAGE_MAX_PAGES);
	vm_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	return bitmap[page / 64] >> page % 64 & 1;
}

/* The instruction that this CPU has: KVM would patch the other one, in memory. */
static void choose_hypercall_insn(struct vm *vm)
{
	const struct kvm_cpuid_entry2 *vendor = vm_cpuid(vm, 0, 0);
	bool intel = vendor->ebx == 0x756e6547;		/* "Genu", of "GenuineIntel" */

	guest_hypercall_insn[2] = intel ? 0xc1 : 0xd9;
}

static void create_vcpu(struct vm *vm, int kvm, int id)
{
	vm->vcpu[0] = vm_ioctl(vm->fd, KVM_CREATE_VCPU, id);
	vm_ioctl(vm->vcpu[0], KVM_SET_CPUID2, vm->cpuid);
	vm->run_size = vm_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0], 0);
	if (vm->run == MAP_FAILED)
		fail("mmap of a vCPU: %s", strerror(errno));
}

static void create_irqchip(struct vm *vm, enum vm_irqchip irqchip)
{
	if (irqchip == IRQCHIP_FULL)
		vm_ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
	else if (irqchip == IRQCHIP_SPLIT &&
		 vm_enable_cap(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24, 0, 0))
		fail("KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
}

static struct vm *create(int nr_planes, enum vm_irqchip irqchip, __u32 cap, __u64 arg)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int kvm = vmm_open_kvm();
	int i;

	if (!vm)
		fail("no memory");
	for (i = 0; i < KVM_MAX_PLANES; i++) {
		vm->plane[i] = -1;
		vm->vcpu[i] = -1;
	}

	vm->cpuid = get_cpuid(kvm);
	vm->fd = vm_ioctl(kvm, KVM_CREATE_VM, 0);
	vm_ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	create_irqchip(vm, irqchip);
	if (cap && vm_enable_cap(vm->fd, cap, arg, 0, 0))
		fail("KVM_ENABLE_CAP of %#x: %s", cap, strerror(errno));

	vm->low = mmap(NULL, VMM_LOW_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->low == MAP_FAILED)
		fail("no memory");
	set_image(vm, 0);
	set_memory(vm, SLOT_LOW, VMM_LOW_GPA, vm->low, VMM_LOW_SIZE, 0);

	create_vcpu(vm, kvm, 0);
	close(kvm);

	choose_hypercall_insn(vm);
	for (i = 1; i < nr_planes; i++)
		vm_add_plane(vm, i);
	return vm;
}

struct vm *vm_create_with(int nr_planes, __u32 cap, __u64 arg)
{
	return create(nr_planes, IRQCHIP_SPLIT, cap, arg);
}

struct vm *vm_create_irqchip(int nr_planes, enum vm_irqchip irqchip)
{
	return create(nr_planes, irqchip, 0, 0);
}

struct vm *vm_create(int nr_planes)
{
	return vm_create_irqchip(nr_planes, IRQCHIP_SPLIT);
}

struct vm *vm_add_vcpu(struct vm *vm, int id)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vm *other = malloc(sizeof(*other));
	int kvm = vmm_open_kvm();
	int i;

	if (!other)
		fail("no memory");
	*other = *vm;
	for (i = 0; i < KVM_MAX_PLANES; i++)
		other->vcpu[i] = -1;
	create_vcpu(other, kvm, id);
	close(kvm);
	vm_ioctl(other->vcpu[0], KVM_SET_MP_STATE, &runnable);
	return other;
}

void vm_add_plane(struct vm *vm, int plane)
{
	vm->plane[plane] = vm_ioctl(vm->fd, KVM_CREATE_PLANE, plane);
	vm->vcpu[plane] = vm_ioctl(vm->plane[plane], KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
}

void vm_free(struct vm *vm)
{
	int i;

	for (i = 0; i < KVM_MAX_PLANES; i++) {
		if (vm->vcpu[i] >= 0)
			close(vm->vcpu[i]);
		if (vm->plane[i] >= 0)
			close(vm->plane[i]);
	}
	close(vm->fd);
	munmap(vm->run, vm->run_size);
	munmap(vm->low, VMM_LOW_SIZE);
	free(vm->cpuid);
	free(vm);
}

static void set_page_tables(int plane)
{
	struct guest_tables *tables = &guest_tables[plane];
	unsigned long i;

	tables->pml4[0] = (unsigned long)tables->pdpt | PTE_TABLE;
	for (i = 0; i < 4; i++)
		tables->pdpt[i] = (unsigned long)&tables->pd[i * 512] | PTE_TABLE;
	for (i = 0; i < 4 * 512; i++)
		tables->pd[i] = i << 21 | PTE_LEAF_2M;
}

static void set_system_desc(__u64 *desc, void *base, __u64 limit, __u64 type)
{
	unsigned long b = (unsigned long)base;

	desc[0] = (limit & 0xffff) | (b & 0xffffff) << 16 | (0x80 | type) << 40 |
		  (b >> 24 & 0xff) << 56;
	desc[1] = b >> 32;
}

void vm_set_vector(int plane, __u8 vector, const void *handler)
{
	unsigned long address = (unsigned long)handler;

	guest_tables[plane].idt[vector] = (struct guest_gate) {
		.offset_low = address,
		.offset_mid = address >> 16,
		.offset_high = address >> 32,
		.selector = GUEST_CS,
		.type = 0x8e00,		/* interrupt gate, present */
	};
}

static void set_descriptors(int plane)
{
	struct guest_tables *tables = &guest_tables[plane];
	struct guest_tss *tss = &tables->tss;
	__u64 *gdt = tables->gdt;
	int i;

	gdt[GUEST_CS >> 3] = DESC_CODE64;
	gdt[GUEST_CS_2 >> 3] = DESC_CODE64;
	gdt[GUEST_CS_32 >> 3] = DESC_CODE32;
	gdt[GUEST_DS >> 3] = DESC_DATA;
	for (i = 0; i < GUEST_NR_DS_2; i++)
		gdt[(GUEST_DS_2 >> 3) + i] = DESC_DATA;
	gdt[GUEST_USER_CS >> 3] = DESC_CODE64 | DESC_USER;
	gdt[GUEST_USER_DS >> 3] = DESC_DATA | DESC_USER;
	set_system_desc(&gdt[GUEST_TR >> 3], tss, sizeof(*tss) - 1, TYPE_TSS_BUSY);
	set_system_desc(&gdt[GUEST_TR_2 >> 3], tss, sizeof(*tss) - 1, TYPE_TSS);
	set_system_desc(&gdt[GUEST_LDTR >> 3], tables->ldt, 15, TYPE_LDT);
	set_system_desc(&gdt[GUEST_LDTR_2 >> 3], tables->ldt, 15, TYPE_LDT);

	/* Exceptions from CPL 3 use the lower half of the plane's stack. */
	tss->rsp0 = (unsigned long)guest_stacks[plane] + GUEST_STACK_SIZE / 2;

	for (i = 0; i < 256; i++)
		vm_set_vector(plane, i, guest_vectors[i]);
}

void vm_prepare(int plane)
{
	set_page_tables(plane);
	set_descriptors(plane);
}

static struct kvm_segment segment(__u16 selector, bool code)
{
	return (struct kvm_segment) {
		.selector = selector,
		.limit = 0xffffffff,
		.type = code ? 11 : 3,
		.present = 1,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

static struct kvm_segment system_segment(__u16 selector, const void *base, __u32 limit, __u8 type)
{
	return (struct kvm_segment) {
		.selector = selector,
		.base = (unsigned long)base,
		.limit = limit,
		.type = type,
		.present = 1,
	};
}

void vm_start(struct vm *vm, int plane, guest_code_t entry)
{
	struct kvm_regs regs = {
		.rip = (unsigned long)entry,
		.rflags = X86_RFLAGS_FIXED,
	};
	const struct guest_tables *tables = &guest_tables[plane];
	struct kvm_sregs sregs;

	/* As after a CALL: the return address, 0, is at a multiple of 16 less 8. */
	regs.rsp = (unsigned long)guest_stacks[plane] + GUEST_STACK_SIZE - 8;

	vm_prepare(plane);
	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_PG;
	sregs.cr3 = (unsigned long)tables->pml4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	if (vm_cpuid(vm, 1, 0)->ecx & CPUID_XSAVE)
		sregs.cr4 |= CR4_OSXSAVE;
	sregs.efer = EFER_LME | EFER_LMA;
	sregs.cs = segment(GUEST_CS, true);
	sregs.ds = segment(GUEST_DS, false);
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.tr = system_segment(GUEST_TR, &tables->tss, sizeof(tables->tss) - 1,
				  TYPE_TSS_BUSY);
	sregs.ldt = system_segment(GUEST_LDTR, tables->ldt, 15, TYPE_LDT);
	sregs.gdt.base = (unsigned long)tables->gdt;
	sregs.gdt.limit = sizeof(tables->gdt) - 1;
	sregs.idt.base = (unsigned long)tables->idt;
	sregs.idt.limit = sizeof(tables->idt) - 1;
	vm_ioctl(vm->vcpu[plane], KVM_SET_SREGS, &sregs);
	vm_ioctl(vm->vcpu[plane], KVM_SET_REGS, &regs);
}

__u32 vm_run(struct vm *vm)
{
	while (ioctl(vm->vcpu[0], KVM_RUN, 0)) {
		if (errno != EINTR)
			fail("KVM_RUN: %s", strerror(errno));
		vm->run->immediate_exit = 0;
	}
	return vm->run->exit_reason;
}

/* KVM_RUN fails with EFAULT where the exit is for a memory fault. */
__u32 vm_run_fault(struct vm *vm)
{
	while (ioctl(vm->vcpu[0], KVM_RUN, 0)) {
		if (errno == EFAULT && vm->run->exit_reason == KVM_EXIT_MEMORY_FAULT)
			break;
		if (errno != EINTR)
			fail("KVM_RUN: %s", strerror(errno));
	}
	return vm->run->exit_reason;
}

void vm_raise_gp(struct vm *vm)
{
	int vcpu = vm->vcpu[kvm_run_planes(vm->run)->plane];
	struct kvm_vcpu_events events;

	vm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events);
	events.exception.injected = 1;
	events.exception.nr = X86_GP;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0;
	vm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

const char *vm_exit_name(__u32 reason)
{
	static char number[32];

	switch (reason) {
	case KVM_EXIT_IO:
		return "KVM_EXIT_IO";
	case KVM_EXIT_MMIO:
		return "KVM_EXIT_MMIO";
	case KVM_EXIT_HLT:
		return "KVM_EXIT_HLT";
	case KVM_EXIT_SHUTDOWN:
		return "KVM_EXIT_SHUTDOWN (a triple fault)";
	case KVM_EXIT_FAIL_ENTRY:
		return "KVM_EXIT_FAIL_ENTRY";
	case KVM_EXIT_INTERNAL_ERROR:
		return "KVM_EXIT_INTERNAL_ERROR";
	case KVM_EXIT_PLANE_EVENT:
		return "KVM_EXIT_PLANE_EVENT";
	}
	snprintf(number, sizeof(number), "exit %u", reason);
	return number;
}

struct guest_call *vm_guest_call(struct vm *vm)
{
	struct kvm_run *run = vm->run;
	struct guest_call *call;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != GUEST_PORT ||
	    run->io.direction != KVM_EXIT_IO_OUT)
		return NULL;

	call = (void *)(unsigned long)*(__u32 *)((char *)run + run->io.data_offset);
	if (call->cmd == GUEST_ABORT)
		fail("guest, plane %u: %s (%#llx, %#llx)", call->plane, call->text,
		     call->arg[0], call->arg[1]);
	return call;
}

struct one_msr {
	struct kvm_msrs header;
	struct kvm_msr_entry entry;
};

__u64 vm_get_msr(struct vm *vm, int plane, __u32 msr)
{
	struct one_msr msrs = { .header.nmsrs = 1, .entry.index = msr };

	if (vm_ioctl(vm->vcpu[plane], KVM_GET_MSRS, &msrs) != 1)
		fail("KVM_GET_MSRS: no MSR %#x", msr);
	return msrs.entry.data;
}

bool vm_set_msr(struct vm *vm, int plane, __u32 msr, __u64 value)
{
	struct one_msr msrs = { .header.nmsrs = 1, .entry = { .index = msr, .data = value } };

	return vm_ioctl(vm->vcpu[plane], KVM_SET_MSRS, &msrs) == 1;
}

bool vm_has_master_clock(struct vm *vm)
{
	struct kvm_clock_data clock = { };

	vm_ioctl(vm->fd, KVM_GET_CLOCK, &clock);
	return clock.flags & KVM_CLOCK_TSC_STABLE;
}

unsigned int vm_find_msrs(struct vm *vm, __u32 *msrs, unsigned int max)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + max * sizeof(list->indices[0]));
	struct one_msr one;
	int kvm = vmm_open_kvm();
	unsigned int i, n = 0;

	if (!list)
		fail("no memory");
	list->nmsrs = max;
	vm_ioctl(kvm, KVM_GET_MSR_INDEX_LIST, list);
	for (i = 0; i < list->nmsrs; i++) {
		one = (struct one_msr) { .header.nmsrs = 1, .entry.index = list->indices[i] };
		if (vm_ioctl(vm->vcpu[0], KVM_GET_MSRS, &one) == 1)
			msrs[n++] = list->indices[i];
	}
	free(list);
	close(kvm);
	return n;
}
