// SPDX-License-Identifier: GPL-2.0
/*
 * KVM writes clocks, counters and messages where a guest wants to have them. A
 * plane must not have KVM write for it where it may not write itself: neither when
 * it says where, nor later.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lapic.h"
#include "mem_test.h"
#include "vtl_guest.h"

/* Documentation/virt/kvm/x86/msr.rst */
#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00
#define MSR_KVM_SYSTEM_TIME_NEW	0x4b564d01
#define MSR_KVM_ASYNC_PF_EN	0x4b564d02
#define MSR_KVM_STEAL_TIME	0x4b564d03
#define MSR_KVM_PV_EOI_EN	0x4b564d04
#define MSR_KVM_ASYNC_PF_INT	0x4b564d06
#define ASYNC_PF_BY_INT		9	/* enabled, by interrupt */
#define MSR_EFER		0xc0000080
#define EFER_SVME		(1U << 12)

/* TLFS, appendix "Synthetic MSRs" */
#define HV_MSR_GUEST_OS_ID	0x40000000
#define HV_MSR_HYPERCALL	0x40000001
#define HV_MSR_REFERENCE_TSC	0x40000021
#define HV_MSR_SIEFP		0x40000082
#define HV_MSR_SIMP		0x40000083
#define HV_MSR_SINT2		0x40000092
#define HV_MSR_STIMER0_CONFIG	0x400000b0
#define HV_MSR_STIMER0_COUNT	0x400000b1
#define HV_STIMER_SINT2		(1 | 2ULL << 16)

#define PATTERN		0xa6
#define PAGE		(MEM_GPA + MEM_HUGE)
#define VECTOR		0x50

static const __u8 wrmsr_insn[] = { 0x0f, 0x30, 0xc3 };		/* WRMSR; RET */
/* The same, emulated, as KVM has been told to do after this prefix; kvm_emulate.h */
static const __u8 ewrmsr_insn[] = { 0x0f, 0x0b, 'k', 'v', 'm', 0x0f, 0x30, 0xc3 };
static const __u8 vmsave_insn[] = { 0x0f, 0x01, 0xdb, 0xc3 };	/* VMSAVE; RET */
static const void *volatile insn;
static __u64 insn_rax, insn_rcx;
static volatile __u64 taken;

__attribute__((interrupt)) static void take(void *frame)
{
	taken++;
	guest_sync(0);
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* Executes what it is told to, and says whether there was an exception. */
static void execute(void)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];
	struct guest_regs regs = { .rflags = X86_RFLAGS_FIXED }, out;

	asm volatile("sti");
	fault->expected = true;
	for (;;) {
		fault->count = 0;
		if (insn) {
			regs.cs = GUEST_CS;
			regs.ss = GUEST_DS;
			regs.rip = (unsigned long)insn;
			regs.gpr[RAX] = (__u32)insn_rax;
			regs.gpr[RCX] = insn_rcx;
			regs.gpr[RDX] = insn_rax >> 32;
			guest_run(&regs, &out);
		}
		guest_sync(fault->count);
	}
}

static struct mem_vm start(void)
{
	struct mem_vm m = mem_start(2);
	int i;

	for (i = 0; i < 2; i++) {
		if (vm_enable_cap(m.vm->vcpu[i], KVM_CAP_HYPERV_SYNIC2, 0, 0, 0))
			fail("KVM_CAP_HYPERV_SYNIC2: %s", strerror(errno));
		vm_set_msr(m.vm, i, HV_MSR_GUEST_OS_ID, 1);
		vm_start(m.vm, i, execute);
		vm_set_vector(i, VECTOR, take);
		lapic_enable_x2apic(m.vm->vcpu[i]);
	}
	return m;
}

static __u8 *page(struct mem_vm *m)
{
	return m->mem + (PAGE - MEM_GPA);
}

static bool touched(struct mem_vm *m)
{
	unsigned long i;

	for (i = 0; i < MEM_PAGE; i++)
		if (page(m)[i] != PATTERN)
			return true;
	return false;
}

static void fill(struct mem_vm *m, __u8 pattern)
{
	memset(page(m), pattern, MEM_PAGE);
}

static void tell_wrmsr(__u32 msr, __u64 value)
{
	insn_rcx = msr;
	insn_rax = value;
	insn = wrmsr_insn;
}

/* MSRs with an address; some of them have KVM write at once. */
static const struct {
	__u32 msr;
	__u64 flags;
	bool writes;
} msrs[] = {
	{ MSR_KVM_WALL_CLOCK_NEW, 0, true },
	{ MSR_KVM_WALL_CLOCK_NEW, -8, true },		/* the end of it is in the page */
	{ MSR_KVM_SYSTEM_TIME_NEW, 1, true },
	{ MSR_KVM_ASYNC_PF_EN, ASYNC_PF_BY_INT, false },
	{ MSR_KVM_STEAL_TIME, 1, true },
	{ MSR_KVM_PV_EOI_EN, 1, false },
	{ HV_MSR_HYPERCALL, 1, true },
	{ HV_MSR_REFERENCE_TSC, 1, true },
	{ HV_MSR_VP_ASSIST_PAGE, 1, true },
	{ HV_MSR_SIEFP, 1, false },
	{ HV_MSR_SIMP, 1, false },
};

/* KVM_EXIT_HYPERV tells userspace of SynIC pages. */
static __u64 run_to_sync(struct mem_vm *m, __u8 plane)
{
	kvm_run_planes(m->vm->run)->plane = plane;
	while (vm_run(m->vm) == KVM_EXIT_HYPERV)
		;
	ASSERT(vm_guest_call(m->vm));
	return vm_guest_call(m->vm)->arg[0];
}

static void when_told(enum test_how how)
{
	struct mem_vm m = start();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		note("MSR %#x", msrs[i].msr);
		tell_wrmsr(msrs[i].msr, PAGE + msrs[i].flags);
		fill(&m, PATTERN);
		mem_attr(&m, 1, PAGE, MEM_PAGE, NW);
		mem_fault(&m, 1, PAGE, NW);
		mem_fault(&m, 1, PAGE, NW);
		ASSERT(!touched(&m));

		/* Plane 0 may; and plane 1 as soon as it may. */
		ASSERT_EQ(run_to_sync(&m, 0), 0);
		tell_wrmsr(msrs[i].msr, 0);
		ASSERT_EQ(run_to_sync(&m, 0), 0);
		tell_wrmsr(msrs[i].msr, PAGE + msrs[i].flags);
		fill(&m, PATTERN);
		mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
		ASSERT_EQ(run_to_sync(&m, 1), 0);
		insn = NULL;
		ASSERT_EQ(run_to_sync(&m, 1), 0);
		if (msrs[i].writes)
			ASSERT(touched(&m));
		vm_set_msr(m.vm, 1, msrs[i].msr, 0);
	}
	mem_free(&m);
}

/* Userspace wants to see each access to an MSR that fails. */
static void exits_for_msrs(enum test_how how)
{
	const __u64 reasons = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
			      KVM_MSR_EXIT_REASON_FILTER;
	struct mem_vm m = start();
	struct kvm_regs regs;
	unsigned int i;

	if (vm_enable_cap(m.vm->fd, KVM_CAP_X86_USER_SPACE_MSR, reasons, 0, 0))
		fail("KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
	for (i = 0; i < 2 * ARRAY_SIZE(msrs); i++) {
		note("MSR %#x", msrs[i / 2].msr);
		tell_wrmsr(msrs[i / 2].msr, PAGE + msrs[i / 2].flags);
		if (i & 1)
			insn = ewrmsr_insn;
		fill(&m, PATTERN);
		mem_attr(&m, 1, PAGE, MEM_PAGE, NW);
		mem_fault(&m, 1, PAGE, NW);
		vm_ioctl(m.vm->vcpu[1], KVM_GET_REGS, &regs);
		ASSERT_EQ(regs.rip, (unsigned long)insn + sizeof(ewrmsr_insn) * (i & 1) -
				    sizeof(wrmsr_insn) * (i & 1));
		mem_fault(&m, 1, PAGE, NW);
		ASSERT(!touched(&m));

		mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
		ASSERT_EQ(run_to_sync(&m, 1), 0);
		insn = NULL;
		ASSERT_EQ(run_to_sync(&m, 1), 0);
		vm_set_msr(m.vm, 1, msrs[i / 2].msr, 0);
	}
	mem_free(&m);
}

/* What userspace sets, KVM writes at once, if anything; as when a VM is restored. */
static void by_userspace(enum test_how how)
{
	struct mem_vm m = start();
	unsigned int i;

	mem_attr(&m, 1, PAGE, MEM_PAGE, NONE);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		note("MSR %#x", msrs[i].msr);
		ASSERT(vm_set_msr(m.vm, 1, msrs[i].msr, PAGE + msrs[i].flags));
		ASSERT(vm_set_msr(m.vm, 1, msrs[i].msr, 0));
	}
	mem_free(&m);
}

static void no_need(struct mem_vm *m)
{
}

static void set_clock(struct mem_vm *m)
{
	struct kvm_clock_data clock = { };

	vm_ioctl(m->vm->fd, KVM_GET_CLOCK, &clock);
	clock.flags = 0;
	vm_ioctl(m->vm->fd, KVM_SET_CLOCK, &clock);
}

static void interrupt(struct mem_vm *m)
{
	msi_send(m->vm->plane[1], VECTOR);
}

static void expire_timer(struct mem_vm *m)
{
	vm_set_msr(m->vm, 1, HV_MSR_SINT2, VECTOR);
	vm_set_msr(m->vm, 1, HV_MSR_STIMER0_CONFIG, HV_STIMER_SINT2);
	vm_set_msr(m->vm, 1, HV_MSR_STIMER0_COUNT, 1);
}

/* Afterwards it is as if memory was there again, which KVM tells the guest. */
static void restart_async_pf(struct mem_vm *m)
{
	vm_set_msr(m->vm, 1, MSR_KVM_ASYNC_PF_INT, VECTOR);
	vm_set_msr(m->vm, 1, MSR_KVM_ASYNC_PF_EN, 0);
	vm_set_msr(m->vm, 1, MSR_KVM_ASYNC_PF_EN, PAGE | ASYNC_PF_BY_INT);
}

static void restart_hypercalls(struct mem_vm *m)
{
	vm_set_msr(m->vm, 1, HV_MSR_HYPERCALL, 0);
	vm_set_msr(m->vm, 1, HV_MSR_HYPERCALL, PAGE | 1);
}

/* What has KVM write again, and what is there before, if not just anything. */
static const struct {
	const char *name;
	__u32 msr;
	__u64 flags;
	void (*trigger)(struct mem_vm *m);
	bool empty;
} areas[] = {
	{ "kvmclock", MSR_KVM_SYSTEM_TIME_NEW, 1, set_clock, false },
	{ "steal time", MSR_KVM_STEAL_TIME, 1, no_need, false },
	{ "async page faults", MSR_KVM_ASYNC_PF_EN, ASYNC_PF_BY_INT, restart_async_pf, true },
	{ "PV EOI", MSR_KVM_PV_EOI_EN, 1, interrupt, false },
	{ "SynIC messages", HV_MSR_SIMP, 1, expire_timer, true },
	{ "the reference TSC", HV_MSR_REFERENCE_TSC, 1, set_clock, false },
	{ "the hypercall page", HV_MSR_HYPERCALL, 1, restart_hypercalls, false },
};

static bool writes(struct mem_vm *m, unsigned int area)
{
	__u8 pattern = areas[area].empty ? 0 : PATTERN;
	bool written = false;
	unsigned long i;
	int n;

	fill(m, pattern);
	areas[area].trigger(m);
	for (n = 0; n < 4; n++) {
		run_to_sync(m, 1);
		for (i = 0; i < MEM_PAGE; i++)
			written |= page(m)[i] != pattern;
	}
	return written;
}

/* Userspace sets MSRs when it restores a VM: then it does not matter yet. */
static void later(enum test_how how)
{
	struct mem_vm m = start();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		note("%s", areas[i].name);
		ASSERT(vm_set_msr(m.vm, 1, areas[i].msr, PAGE | areas[i].flags));
		ASSERT(writes(&m, i));
		mem_attr(&m, 1, PAGE, MEM_PAGE, NW);
		ASSERT(!writes(&m, i));
		mem_attr(&m, 0, PAGE, MEM_PAGE, NW);
		mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
		ASSERT(writes(&m, i));
		mem_attr(&m, 0, PAGE, MEM_PAGE, 0);

		mem_attr(&m, 1, PAGE, MEM_PAGE, NONE);
		ASSERT(vm_set_msr(m.vm, 1, areas[i].msr, 0));
		ASSERT(vm_set_msr(m.vm, 1, areas[i].msr, PAGE | areas[i].flags));
		ASSERT(!writes(&m, i));
		mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
		ASSERT(vm_set_msr(m.vm, 1, areas[i].msr, 0));
	}
	mem_free(&m);
}

static void nested(enum test_how how)
{
	struct mem_vm m = start();

	if (!(vm_cpuid(m.vm, 0x80000001, 0)->ecx & 1U << 2))
		skip("no SVM");
	vm_set_msr(m.vm, 1, MSR_EFER, vm_get_msr(m.vm, 1, MSR_EFER) | EFER_SVME);
	insn_rax = PAGE;
	insn = vmsave_insn;
	fill(&m, PATTERN);
	mem_attr(&m, 1, PAGE, MEM_PAGE, NW);
	ASSERT_EQ(run_to_sync(&m, 1), 1);
	ASSERT(!touched(&m));
	mem_attr(&m, 1, PAGE, MEM_PAGE, 0);
	ASSERT_EQ(run_to_sync(&m, 1), 0);
	ASSERT(touched(&m));
	mem_free(&m);
}

#define SMBASE		0x30000
#define SMRAM_SIZE	0x10000
#define SMM_ENTRY	0x8000
#define SMM_SLOTS	(1U << 16)	/* of the other address space */
#define SAVE_AREA	(SMRAM_SIZE - MEM_PAGE)

static bool saved(struct mem_vm *m)
{
	return memcmp(m->mem + SAVE_AREA, m->mem + SAVE_AREA + 1, MEM_PAGE - 1);
}

/* KVM has nowhere to go if it cannot save the state. */
static void smm(enum test_how how)
{
	static const __u8 rsm[] = { 0x0f, 0xaa };
	struct mem_vm m = start();
	struct kvm_userspace_memory_region smram = {
		.slot = SMM_SLOTS | MEM_SLOT,
		.guest_phys_addr = SMBASE,
		.memory_size = SMRAM_SIZE,
		.userspace_addr = (unsigned long)m.mem,
	};

	vm_ioctl(m.vm->fd, KVM_SET_USER_MEMORY_REGION, &smram);
	memcpy(m.mem + SMM_ENTRY, rsm, sizeof(rsm));
	memset(m.mem + SAVE_AREA, PATTERN, MEM_PAGE);
	mem_attr(&m, 0, SMBASE + SAVE_AREA, MEM_PAGE, NW);
	mem_attr(&m, 0, SMBASE + SAVE_AREA, MEM_PAGE, 0);
	run_to_sync(&m, 0);
	vm_ioctl(m.vm->vcpu[0], KVM_SMI, 0);
	run_to_sync(&m, 0);
	ASSERT(saved(&m));

	memset(m.mem + SAVE_AREA, PATTERN, MEM_PAGE);
	mem_attr(&m, 0, SMBASE + SAVE_AREA, MEM_PAGE, NW);
	vm_ioctl(m.vm->vcpu[0], KVM_SMI, 0);
	ASSERT_ERRNO(ioctl(m.vm->vcpu[0], KVM_RUN, 0), EIO);
	ASSERT(!saved(&m));
}

#define PORT	0x98

/* SMM code may have moved SMBASE: what RSM loads is then wherever it likes. */
static void rsm(enum test_how how)
{
	static const __u8 code[] = { 0xe6, PORT, 0x0f, 0xaa };	/* OUT; RSM */
	struct mem_vm m = start();
	struct kvm_userspace_memory_region smram = {
		.slot = SMM_SLOTS | MEM_SLOT,
		.guest_phys_addr = SMBASE,
		.memory_size = SMRAM_SIZE,
		.userspace_addr = (unsigned long)m.mem,
	};
	int i;

	vm_ioctl(m.vm->fd, KVM_SET_USER_MEMORY_REGION, &smram);
	memcpy(m.mem + SMM_ENTRY, code, sizeof(code));
	run_to_sync(&m, 0);
	for (i = 0; i < 2; i++) {
		vm_ioctl(m.vm->vcpu[0], KVM_SMI, 0);
		vm_run(m.vm);
		ASSERT_EXIT(m.vm, KVM_EXIT_IO);
		ASSERT_EQ(m.vm->run->io.port, PORT);
		if (i)
			mem_attr(&m, 0, SMBASE + SAVE_AREA, MEM_PAGE, NONE);
		vm_run(m.vm);
		if (i)
			ASSERT_EXIT(m.vm, KVM_EXIT_SHUTDOWN);
		else
			ASSERT(vm_guest_call(m.vm));
	}
}

const struct test tests[] = {
	TEST("a plane that has KVM write where it may not exits, and can try again", when_told),
	TEST("it does so, too, if userspace is to see MSRs that fail", exits_for_msrs),
	TEST("userspace sets MSRs whatever the plane may write", by_userspace),
	TEST("KVM does not write there later either", later),
	TEST("nor for a nested hypervisor", nested),
	TEST("nor the state of a plane that enters SMM", smm),
	TEST("RSM shuts a plane down that may not read its state", rsm),
	{ }
};
