// SPDX-License-Identifier: GPL-2.0
/*
 * A plane with a nested guest of its own tells KVM where its permission maps are: which I/O
 * ports and MSRs of that guest exit to it. KVM must not read them where the plane may not, or
 * each exit tells the plane a bit of what is there.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "mem_test.h"

#define MSR_EFER		0xc0000080
#define EFER_SVME		(1ULL << 12)
#define MSR_VM_HSAVE_PA		0xc0010117

/* APM volume 2, appendix B, "VMCB layout" */
#define VMCB_INTERCEPT_1	0x0c
#define VMCB_INTERCEPT_IOIO	(1U << 27)
#define VMCB_INTERCEPT_MSR	(1U << 28)
#define VMCB_INTERCEPT_2	0x10
#define VMCB_INTERCEPT_VMRUN	(1U << 0)
#define VMCB_INTERCEPT_VMMCALL	(1U << 1)
#define VMCB_IOPM		0x40
#define VMCB_MSRPM		0x48
#define VMCB_ASID		0x58
#define VMCB_EXIT_CODE		0x70
#define VMCB_ES			0x400
#define VMCB_CS			0x410
#define VMCB_SS			0x420
#define VMCB_DS			0x430
#define VMCB_GDTR		0x460
#define VMCB_IDTR		0x480
#define VMCB_EFER		0x4d0
#define VMCB_CR4		0x548
#define VMCB_CR3		0x550
#define VMCB_CR0		0x558
#define VMCB_DR7		0x560
#define VMCB_DR6		0x568
#define VMCB_RFLAGS		0x570
#define VMCB_RIP		0x578
#define VMCB_RSP		0x5d8

/* APM volume 2, appendix C, "SVM intercept exit codes" */
#define VMEXIT_IOIO		0x7b
#define VMEXIT_MSR		0x7c
#define VMEXIT_VMMCALL		0x81
#define VMEXIT_INVALID		-1ULL

/* I/O permission maps have three pages, MSR permission maps have two. */
#define IO_MAP			(MEM_GPA + MEM_HUGE)
#define MSR_MAP			(IO_MAP + 4 * MEM_PAGE)

/* APM volume 2, 15.11, "MSR intercepts": two bits each, reading first */
#define MSR			0xc0010015	/* HWCR, which KVM emulates */
#define MSR_MAP_BYTE		(0x1000 + (MSR & 0x1fff) / 4)
#define MSR_MAP_READS		(1U << (MSR & 3) * 2)

#define PORT			0x77
#define IO_MAP_BYTE		(PORT / 8)
#define IO_MAP_BIT		(1U << (PORT & 7))

static __u8 vmcb[4096] __attribute__((aligned(4096)));
static __u8 hsave[4096] __attribute__((aligned(4096)));
static __u8 l2_stack[4096] __attribute__((aligned(4096)));
extern __u8 l2_io[], l2_msr[];

asm(".pushsection .text\n"
	".globl l2_io, l2_msr\n"
	"l2_io: in $" GUEST_STR(PORT) ", %al\n"
	"vmmcall\n"
	"l2_msr: in $" GUEST_STR(PORT) ", %al\n"
	"mov $" GUEST_STR(MSR) ", %ecx\n"
	"rdmsr\n"
	"vmmcall\n"
	".popsection");

static void put(int offset, __u64 value)
{
	memcpy(vmcb + offset, &value, sizeof(value));
}

static void put32(int offset, __u32 value)
{
	memcpy(vmcb + offset, &value, sizeof(value));
}

/* Runs the nested guest, and says with which exit code that ended. */
static void hypervisor(void)
{
	for (;;) {
		asm volatile("push %%rbp\n\tvmrun\n\tpop %%rbp"
			     : : "a"(vmcb)
			     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
			       "r13", "r14", "r15", "memory", "cc");
		guest_sync(*(volatile __u64 *)(vmcb + VMCB_EXIT_CODE));
	}
}

static void put_segment(int offset, const struct kvm_segment *s)
{
	__u16 attributes = s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 8 |
			   s->l << 9 | s->db << 10 | s->g << 11;

	memcpy(vmcb + offset, &s->selector, 2);
	memcpy(vmcb + offset + 2, &attributes, 2);
	put32(offset + 4, s->g ? s->limit >> 12 : s->limit);
	put(offset + 8, s->base);
}

static void put_table(int offset, const struct kvm_dtable *table)
{
	put32(offset + 4, table->limit);
	put(offset + 8, table->base);
}

/* Let the nested guest start at @rip, with the state of the plane else. */
static void prepare_vmcb(const struct kvm_sregs *sregs, const void *rip)
{
	memset(vmcb, 0, sizeof(vmcb));
	put32(VMCB_INTERCEPT_1, VMCB_INTERCEPT_IOIO | VMCB_INTERCEPT_MSR);
	put32(VMCB_INTERCEPT_2, VMCB_INTERCEPT_VMRUN | VMCB_INTERCEPT_VMMCALL);
	put(VMCB_IOPM, IO_MAP);
	put(VMCB_MSRPM, MSR_MAP);
	put(VMCB_ASID, 1);
	put_segment(VMCB_ES, &sregs->es);
	put_segment(VMCB_CS, &sregs->cs);
	put_segment(VMCB_SS, &sregs->ss);
	put_segment(VMCB_DS, &sregs->ds);
	put_table(VMCB_GDTR, &sregs->gdt);
	put_table(VMCB_IDTR, &sregs->idt);
	put(VMCB_EFER, sregs->efer);
	put(VMCB_CR4, sregs->cr4);
	put(VMCB_CR3, sregs->cr3);
	put(VMCB_CR0, sregs->cr0);
	put(VMCB_DR7, 0x400);
	put(VMCB_DR6, 0xffff0ff0);
	put(VMCB_RFLAGS, X86_RFLAGS_FIXED);
	put(VMCB_RIP, (unsigned long)rip);
	put(VMCB_RSP, (unsigned long)l2_stack + sizeof(l2_stack));
}

static __u8 *at(struct mem_vm *m, __u64 gpa)
{
	return m->mem + (gpa - MEM_GPA);
}

static struct mem_vm start(const void *rip)
{
	struct mem_vm m = mem_start(2);
	struct kvm_sregs sregs;

	if (!(vm_cpuid(m.vm, 0x80000001, 0)->ecx & 1U << 2))
		skip("no SVM");
	memset(at(&m, IO_MAP), 0, 6 * MEM_PAGE);
	vm_start(m.vm, 1, hypervisor);
	vm_ioctl(m.vm->vcpu[1], KVM_GET_SREGS, &sregs);
	sregs.efer |= EFER_SVME;
	vm_ioctl(m.vm->vcpu[1], KVM_SET_SREGS, &sregs);
	ASSERT(vm_set_msr(m.vm, 1, MSR_VM_HSAVE_PA, (unsigned long)hsave));
	prepare_vmcb(&sregs, rip);
	kvm_run_planes(m.vm->run)->plane = 1;
	return m;
}

/* The plane's hypervisor runs its guest, which exits to that for this reason. */
static void expect_nested_exit(struct mem_vm *m, __u64 code)
{
	struct guest_call *call;

	vm_run(m->vm);
	call = vm_guest_call(m->vm);
	if (!call)
		fail("%s, not an exit to the hypervisor", vm_exit_name(m->vm->run->exit_reason));
	ASSERT_EQ(call->plane, 1);
	ASSERT_EQ(call->arg[0], code);
}

/* It does not exit to that, but reads the port. */
static void expect_port(struct mem_vm *m)
{
	vm_run(m->vm);
	ASSERT_EXIT(m->vm, KVM_EXIT_IO);
	ASSERT_EQ(m->vm->run->io.port, PORT);
}

/* What a plane gets to know of memory with @contents, once it is forbidden. */
static void io_map(enum test_how how)
{
	static const __u8 contents[] = { 0, 0xff, IO_MAP_BIT, (__u8)~IO_MAP_BIT };
	struct mem_vm m = start(l2_io);
	unsigned int i;

	*at(&m, IO_MAP + IO_MAP_BYTE) = IO_MAP_BIT;
	expect_nested_exit(&m, VMEXIT_IOIO);
	*at(&m, IO_MAP + IO_MAP_BYTE) = (__u8)~IO_MAP_BIT;
	expect_port(&m);
	expect_nested_exit(&m, VMEXIT_VMMCALL);

	mem_attr(&m, 1, IO_MAP, MEM_PAGE, NONE);
	put(VMCB_RIP, (unsigned long)l2_io);
	for (i = 0; i < ARRAY_SIZE(contents); i++) {
		note("%#x", contents[i]);
		*at(&m, IO_MAP + IO_MAP_BYTE) = contents[i];
		expect_nested_exit(&m, VMEXIT_IOIO);
	}
	mem_free(&m);
}

static void msr_map(enum test_how how)
{
	struct mem_vm m = start(l2_msr);

	*at(&m, MSR_MAP + MSR_MAP_BYTE) = MSR_MAP_READS;
	expect_port(&m);
	expect_nested_exit(&m, VMEXIT_MSR);
	*at(&m, MSR_MAP + MSR_MAP_BYTE) = (__u8)~MSR_MAP_READS;
	put(VMCB_RIP, (unsigned long)l2_msr);
	expect_port(&m);
	expect_nested_exit(&m, VMEXIT_VMMCALL);

	/* Forbidden while the nested guest runs */
	put(VMCB_RIP, (unsigned long)l2_msr);
	expect_port(&m);
	mem_attr(&m, 1, MSR_MAP, 2 * MEM_PAGE, NONE);
	expect_nested_exit(&m, VMEXIT_MSR);
	mem_free(&m);
}

static void msr_map_at_entry(enum test_how how)
{
	struct mem_vm m = start(l2_msr);

	mem_attr(&m, 1, MSR_MAP, 2 * MEM_PAGE, NONE);
	expect_nested_exit(&m, VMEXIT_INVALID);
	mem_attr(&m, 1, MSR_MAP, 2 * MEM_PAGE, 0);
	expect_port(&m);
	mem_free(&m);
}

const struct test tests[] = {
	TEST("all I/O of a nested guest exits if its map is where the plane may not read", io_map),
	TEST("so do accesses to MSRs if the plane may not read their map any more", msr_map),
	TEST("a nested guest is not entered if the plane may not read its map of MSRs",
	     msr_map_at_entry),
	{ }
};
