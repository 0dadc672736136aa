// SPDX-License-Identifier: GPL-2.0
/*
 * What VTLs share, and what each has of its own (TLFS, chapter "Virtual Secure
 * Mode", "Shared state" and "Private state").
 *
 * Both VTLs do the same: give all of it new random values, switch, and find the
 * shared values that the other VTL gave, and the private ones that they had
 * themselves. At each end of a switch the VMM compares with what KVM_GET_* say.
 */
#include <stdlib.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ROUNDS		60
#define XSAVE_SIZE	832		/* x87, SSE and, at 576, AVX */
#define XSAVE_BV	512
#define XSAVE_YMM	576
#define XFEATURES	7ULL

/* AMD APM volume 2, appendix A */
#define MSR_TSC_AUX	0xc0000103
#define MSR_EFER	0xc0000080
#define MSR_PAT		0x277

#define CR0_NE		0x20ULL
#define CR0_WP		0x10000ULL
#define CR0_AM		0x40000ULL
#define DR6_FIXED	0xffff0ff0ULL
#define DR7_FIXED	0x400ULL

enum private {
	CR0, CR3, CR4, CR8, EFER, PAT, DR6, DR7, DS, ES, FS, GS, TR, LDTR,
	GDT_BASE, GDT_LIMIT, IDT_BASE, IDT_LIMIT,
	FIRST_MSR,
	FS_BASE = FIRST_MSR, GS_BASE, KERNEL_GS_BASE, SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP,
	STAR, LSTAR, CSTAR, SFMASK, TSC_AUX, VP_ASSIST_PAGE,
	NR_PRIVATE
};

static const char *const private_names[NR_PRIVATE] = {
	"CR0", "CR3", "CR4", "CR8", "EFER", "PAT", "DR6", "DR7", "DS", "ES", "FS", "GS", "TR",
	"LDTR", "GDT base", "GDT limit", "IDT base", "IDT limit", "FS base", "GS base",
	"KERNEL_GS_BASE", "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "STAR", "LSTAR", "CSTAR",
	"SFMASK", "TSC_AUX", "VP_ASSIST_PAGE",
};

static const __u32 private_msrs[NR_PRIVATE] = {
	[EFER] = MSR_EFER,
	[PAT] = MSR_PAT,
	[FS_BASE] = 0xc0000100,
	[GS_BASE] = 0xc0000101,
	[KERNEL_GS_BASE] = 0xc0000102,
	[SYSENTER_CS] = 0x174,
	[SYSENTER_ESP] = 0x175,
	[SYSENTER_EIP] = 0x176,
	[STAR] = 0xc0000081,
	[LSTAR] = 0xc0000082,
	[CSTAR] = 0xc0000083,
	[SFMASK] = 0xc0000084,
	[TSC_AUX] = MSR_TSC_AUX,
	[VP_ASSIST_PAGE] = HV_MSR_VP_ASSIST_PAGE,
};

static const char *const gpr_names[NR_GPRS] = {
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
	"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
};

struct desc_ptr {
	__u16 limit;
	__u64 base;
} __attribute__((packed));

struct xsave_area {
	__u8 byte[XSAVE_SIZE];
} __attribute__((aligned(64)));

/* The shared state as the VTL that left it gave it. */
static struct {
	__u64 gpr[NR_GPRS];
	__u64 cr2;
	__u64 dr[4];
	__u64 xcr0;
	struct xsave_area fpu;
} shared;

static __u64 private_state[2][NR_PRIVATE];
static struct guest_regs private_regs[2];	/* RFLAGS, CS, SS */
static struct xsave_area fpu_found[2];
static __u64 rng;
static __u64 xfeatures;
static bool has_tsc_aux;
static __u64 cr0_bits = CR0_NE | CR0_WP | CR0_AM;

static __u64 random_of(__u64 mask)
{
	return guest_random(&rng) & mask;
}

static __u64 canonical(void)
{
	return (__s64)(guest_random(&rng) << 16) >> 16;
}

/* AMD APM volume 2, section 7.8.2: 2 and 3 are no memory types */
static __u64 random_pat(void)
{
	static const __u8 types[] = { 0, 1, 4, 5, 6, 7 };
	__u64 pat = 0;
	int i;

	for (i = 0; i < 8; i++)
		pat = pat << 8 | types[guest_random(&rng) % sizeof(types)];
	return pat;
}

static __u64 random_data_selector(void)
{
	return GUEST_DS_2 + 8 * random_of(GUEST_NR_DS_2 - 1);
}

/* New private state for this VTL, but RFLAGS, CS and SS: these change with guest_run(). */
static void choose_private(__u64 *p)
{
	int i;

	p[CR0] = (p[CR0] & ~cr0_bits) | random_of(cr0_bits);
	p[CR3] = (p[CR3] & ~0x18ULL) | random_of(0x18);			/* PWT, PCD */
	p[CR4] = (p[CR4] & ~0x18cULL) | random_of(0x18c);		/* TSD, DE, PGE, PCE */
	p[CR8] = random_of(15);
	p[EFER] = (p[EFER] & ~0x801ULL) | random_of(0x801);		/* SCE, NXE */
	p[PAT] = random_pat();
	p[DR6] = DR6_FIXED | random_of(0x600f);				/* B0-3, BD, BS */
	p[DR7] = DR7_FIXED | random_of(0xff);				/* L0-3, G0-3 */
	for (i = DS; i <= GS; i++)
		p[i] = random_data_selector();
	p[TR] = random_of(1) ? GUEST_TR : GUEST_TR_2;
	p[LDTR] = random_of(1) ? GUEST_LDTR : GUEST_LDTR_2;
	p[GDT_LIMIT] = 8 * GUEST_GDT_ENTRIES - 1 + random_of(0xff);
	p[IDT_LIMIT] = 32 * 16 - 1 + random_of(0xff);
	p[FS_BASE] = canonical();
	p[GS_BASE] = canonical();
	p[KERNEL_GS_BASE] = canonical();
	p[SYSENTER_CS] = random_of(0xffff);
	p[SYSENTER_ESP] = random_of(0x7fffffff);
	p[SYSENTER_EIP] = random_of(0x7fffffff);
	p[STAR] = guest_random(&rng);
	p[LSTAR] = canonical();
	p[CSTAR] = canonical();
	p[SFMASK] = random_of(0xffffffff);
	p[TSC_AUX] = has_tsc_aux ? random_of(0xffffffff) : 0;
	p[VP_ASSIST_PAGE] = random_of(1) ?
		(unsigned long)vtl_assist_pages[guest_plane()] | HV_MSR_ENABLE : 0;
}

static void write_private(const __u64 *p)
{
	struct desc_ptr gdt = { .limit = p[GDT_LIMIT], .base = p[GDT_BASE] };
	struct desc_ptr idt = { .limit = p[IDT_LIMIT], .base = p[IDT_BASE] };
	__u8 *tss = (__u8 *)p[GDT_BASE] + p[TR];
	int i;

	asm volatile("lgdt %0" : : "m"(gdt));
	asm volatile("lidt %0" : : "m"(idt));
	asm volatile("mov %0, %%ds" : : "r"((__u32)p[DS]) : "memory");
	asm volatile("mov %0, %%es" : : "r"((__u32)p[ES]) : "memory");
	asm volatile("mov %0, %%fs" : : "r"((__u32)p[FS]) : "memory");
	asm volatile("mov %0, %%gs" : : "r"((__u32)p[GS]) : "memory");
	/* LTR wants a TSS that is not busy. */
	tss[5] &= ~2;
	asm volatile("ltr %w0" : : "r"((__u32)p[TR]) : "memory");
	asm volatile("lldt %w0" : : "r"((__u32)p[LDTR]) : "memory");
	write_cr0(p[CR0]);
	write_cr3(p[CR3]);
	write_cr4(p[CR4]);
	write_cr8(p[CR8]);
	write_dr6(p[DR6]);
	write_dr7(p[DR7]);
	for (i = 0; i < NR_PRIVATE; i++)
		if (private_msrs[i] && (i != TSC_AUX || has_tsc_aux))
			wrmsr(private_msrs[i], p[i]);
}

static void read_private(__u64 *p)
{
	struct desc_ptr gdt, idt;
	__u32 selector[6];
	int i;

	asm volatile("sgdt %0" : "=m"(gdt));
	asm volatile("sidt %0" : "=m"(idt));
	asm volatile("mov %%ds, %0" : "=r"(selector[0]));
	asm volatile("mov %%es, %0" : "=r"(selector[1]));
	asm volatile("mov %%fs, %0" : "=r"(selector[2]));
	asm volatile("mov %%gs, %0" : "=r"(selector[3]));
	asm volatile("str %0" : "=r"(selector[4]));
	asm volatile("sldt %0" : "=r"(selector[5]));
	for (i = 0; i < 6; i++)
		p[DS + i] = selector[i];
	p[GDT_BASE] = gdt.base;
	p[GDT_LIMIT] = gdt.limit;
	p[IDT_BASE] = idt.base;
	p[IDT_LIMIT] = idt.limit;
	p[CR0] = read_cr0();
	p[CR3] = read_cr3();
	p[CR4] = read_cr4();
	p[CR8] = read_cr8();
	p[DR6] = read_dr6();
	p[DR7] = read_dr7();
	for (i = 0; i < NR_PRIVATE; i++)
		if (private_msrs[i])
			p[i] = i != TSC_AUX || has_tsc_aux ? rdmsr(private_msrs[i]) : 0;
}

static void check_private(const __u64 *expected)
{
	__u64 found[NR_PRIVATE];
	int i;

	read_private(found);
	for (i = 0; i < NR_PRIVATE; i++)
		if (found[i] != expected[i])
			guest_abort(private_names[i], found[i], expected[i]);
}

static void xrstor(struct xsave_area *area, __u64 features)
{
	asm volatile("xrstor64 (%0)"
		     : : "r"(area), "a"((__u32)features), "d"(0) : "memory");
}

static void xsave(struct xsave_area *area, __u64 features)
{
	asm volatile("xsave64 (%0)"
		     : : "r"(area), "a"((__u32)features), "d"(0) : "memory");
}

static void give_fpu(void)
{
	__u8 *b = shared.fpu.byte;
	int i;

	for (i = 0; i < XSAVE_SIZE; i++)
		b[i] = guest_random(&rng);
	for (i = XSAVE_BV; i < XSAVE_YMM; i++)
		b[i] = 0;
	*(__u16 *)&b[0] = 0x37f ^ random_of(0xc00);	/* FCW: exceptions masked, rounding */
	*(__u16 *)&b[2] = 0;				/* FSW */
	b[4] = 0xff;					/* FTW: all valid */
	*(__u32 *)&b[24] = 0x1f80 ^ random_of(0x6000);	/* MXCSR */
	*(__u32 *)&b[28] = 0xffff;			/* its mask */
	*(__u64 *)&b[XSAVE_BV] = xfeatures;
	xrstor(&shared.fpu, xfeatures);
}

static void same_bytes(const char *what, const __u8 *found, int from, int to)
{
	for (; from < to; from++)
		if (found[from] != shared.fpu.byte[from])
			guest_abort(what, found[from], shared.fpu.byte[from]);
}

/* What the XCR0 that came along enables. */
static void check_fpu(__u64 features)
{
	__u8 *b = fpu_found[guest_plane()].byte;
	int i;

	xsave(&fpu_found[guest_plane()], features);
	same_bytes("FCW", b, 0, 2);
	for (i = 0; i < 8; i++)
		same_bytes("x87 register", b, 32 + 16 * i, 42 + 16 * i);
	if (features & 2) {
		same_bytes("MXCSR", b, 24, 28);
		same_bytes("XMM register", b, 160, 416);
	}
	if (features & 4)
		same_bytes("YMM register", b, XSAVE_YMM, XSAVE_SIZE);
}

static void give_shared(struct guest_regs *in)
{
	int i;

	for (i = 0; i < NR_GPRS; i++) {
		if (i != RAX && i != RCX && i != RSP)
			in->gpr[i] = guest_random(&rng);
		shared.gpr[i] = in->gpr[i];
	}
	shared.cr2 = guest_random(&rng);
	for (i = 0; i < 4; i++)
		shared.dr[i] = guest_random(&rng);
	shared.xcr0 = (1 << (1 + guest_random(&rng) % 3)) - 1;
	shared.xcr0 &= xfeatures;

	write_cr2(shared.cr2);
	write_dr0(shared.dr[0]);
	write_dr1(shared.dr[1]);
	write_dr2(shared.dr[2]);
	write_dr3(shared.dr[3]);
	xsetbv(xfeatures);
	give_fpu();
	xsetbv(shared.xcr0);
}

static void check_shared(const struct guest_regs *out)
{
	int i;

	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP && out->gpr[i] != shared.gpr[i])
			guest_abort(gpr_names[i], out->gpr[i], shared.gpr[i]);
	GUEST_ASSERT_EQ(read_cr2(), shared.cr2);
	GUEST_ASSERT_EQ(read_dr0(), shared.dr[0]);
	GUEST_ASSERT_EQ(read_dr1(), shared.dr[1]);
	GUEST_ASSERT_EQ(read_dr2(), shared.dr[2]);
	GUEST_ASSERT_EQ(read_dr3(), shared.dr[3]);
	GUEST_ASSERT_EQ(xgetbv(), shared.xcr0);
	check_fpu(shared.xcr0);
}

/*
 * With shadow paging KVM intercepts reads of CR3, but QEMU 10's TCG goes by the
 * intercept of CR0 for every control register. That is off as long as the guest's
 * CR0 is what KVM wants to have there, of which only WP is in the guest's hand.
 */
static void avoid_stray_cr3(void)
{
	__u64 cr0 = read_cr0(), cr3 = read_cr3();

	write_cr0(cr0 | CR0_WP);
	if (read_cr3() != cr3)
		cr0_bits &= ~CR0_WP;
	write_cr0(cr0);
}

static void choose_private_regs(struct guest_regs *in)
{
	/* The status flags, IF, DF, IOPL, AC and ID */
	in->rflags = X86_RFLAGS_FIXED | random_of(0x2436d5 | 0x800);
	in->cs = random_of(1) ? GUEST_CS : GUEST_CS_2;
	in->ss = random_data_selector();
}

static void take_turns(__u64 control, __u64 input)
{
	int vtl = guest_plane();
	__u64 *private = private_state[vtl];
	struct guest_regs *in = &private_regs[vtl];
	struct guest_regs out;

	avoid_stray_cr3();
	read_private(private);
	*in = vtl_hypercall_regs(control, input);
	for (;;) {
		choose_private(private);
		choose_private_regs(in);
		write_private(private);
		check_private(private);
		give_shared(in);
		guest_sync(0);

		guest_run(in, &out);

		check_shared(&out);
		check_private(private);
		GUEST_ASSERT_EQ(out.gpr[RSP], guest_faults[vtl].resume_rsp);
		GUEST_ASSERT_EQ(out.rflags, in->rflags);
		GUEST_ASSERT_EQ(out.cs, in->cs);
		GUEST_ASSERT_EQ(out.ss, in->ss);
		guest_sync(1);
	}
}

static void vtl0(void)
{
	vtl_enable();
	vtl_call();
	take_turns(HV_VTL_CALL, 0);
}

static void vtl1(void)
{
	vtl_enable();
	vtl_return(HV_VTL_RETURN_FAST);
	take_turns(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
}

/* The VMM's view. */

static void compare(int vtl, const char *name, __u64 found, __u64 expected)
{
	if (found != expected)
		fail("VTL %d: KVM says %s is %#llx, not %#llx", vtl, name, found, expected);
}

static void compare_private(struct vm *vm, int vtl)
{
	const __u64 *p = private_state[vtl];
	struct kvm_debugregs debugregs;
	struct kvm_sregs s;
	int i;

	vm_ioctl(vm->vcpu[vtl], KVM_GET_SREGS, &s);
	vm_ioctl(vm->vcpu[vtl], KVM_GET_DEBUGREGS, &debugregs);
	const __u64 found[FIRST_MSR] = {
		[CR0] = s.cr0, [CR3] = s.cr3, [CR4] = s.cr4, [CR8] = s.cr8, [EFER] = s.efer,
		[PAT] = p[PAT], [DR6] = debugregs.dr6, [DR7] = debugregs.dr7,
		[DS] = s.ds.selector, [ES] = s.es.selector, [FS] = s.fs.selector,
		[GS] = s.gs.selector, [TR] = s.tr.selector, [LDTR] = s.ldt.selector,
		[GDT_BASE] = s.gdt.base, [GDT_LIMIT] = s.gdt.limit,
		[IDT_BASE] = s.idt.base, [IDT_LIMIT] = s.idt.limit,
	};
	for (i = 0; i < FIRST_MSR; i++)
		compare(vtl, private_names[i], found[i], p[i]);
	for (i = 0; i < NR_PRIVATE; i++)
		if (private_msrs[i] && (i != TSC_AUX || has_tsc_aux))
			compare(vtl, private_names[i], vm_get_msr(vm, vtl, private_msrs[i]), p[i]);
}

/* The VTL that waits is where it left off. */
static void compare_waiting(struct vm *vm, int vtl)
{
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[vtl], KVM_GET_REGS, &regs);
	compare(vtl, "RIP", regs.rip, (unsigned long)guest_hypercall_insn + 3);
	compare(vtl, "RSP", regs.rsp, guest_faults[vtl].resume_rsp - 8);
	compare(vtl, "RFLAGS", regs.rflags, private_regs[vtl].rflags);
}

static void compare_shared(struct vm *vm, int vtl)
{
	struct kvm_debugregs debugregs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	int i;

	vm_ioctl(vm->vcpu[vtl], KVM_GET_SREGS, &sregs);
	vm_ioctl(vm->vcpu[vtl], KVM_GET_DEBUGREGS, &debugregs);
	vm_ioctl(vm->vcpu[vtl], KVM_GET_XCRS, &xcrs);
	compare(vtl, "CR2", sregs.cr2, shared.cr2);
	for (i = 0; i < 4; i++)
		compare(vtl, "a DR", debugregs.db[i], shared.dr[i]);
	compare(vtl, "XCR0", xcrs.xcrs[0].value, shared.xcr0);
}

/* Both vCPU fds get and set the one FPU. */
static void compare_fpu(struct vm *vm)
{
	static struct kvm_xsave xsave[2];

	vm_ioctl(vm->vcpu[0], KVM_GET_XSAVE, &xsave[0]);
	vm_ioctl(vm->vcpu[1], KVM_GET_XSAVE, &xsave[1]);
	if (memcmp(&xsave[0], &xsave[1], XSAVE_SIZE))
		fail("KVM_GET_XSAVE says that the VTLs' FPUs differ");
}

static void state(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;
	int i;

	rng = test_seed() | 1;
	vtl_test_start(&t, how, 2, entry);
	if (!(vm_cpuid(t.vm, 1, 0)->ecx & 1U << 26))
		skip("no XSAVE");
	xfeatures = vm_cpuid(t.vm, 0xd, 0)->eax & XFEATURES;
	has_tsc_aux = vm_cpuid(t.vm, 0x80000001, 0)->edx & 1U << 27;

	/* The first sync is before any switch with VTL 1 as it will be. */
	vtl_test_run(&t);
	if (!(cr0_bits & CR0_WP))
		note("CR0.WP stays clear, as this CPU does not intercept reads of CR3 otherwise");
	for (i = 1; i < 2 * ROUNDS; i++) {
		const struct guest_call *call = vtl_test_run(&t);

		compare_private(t.vm, call->plane);
		compare_shared(t.vm, call->plane);
		compare_fpu(t.vm);
		if (i > 2) {
			compare_private(t.vm, !call->plane);
			compare_waiting(t.vm, !call->plane);
		}
	}
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("what VTLs share arrives in the other VTL, what is private to one stays", state),
	{ }
};
