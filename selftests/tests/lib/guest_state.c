// SPDX-License-Identifier: GPL-2.0
/*
 * Random state for planes. See guest_state.h.
 */
#include "guest_state.h"

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

static const char *const state_names[NR_STATE] = {
	"CR0", "CR3", "CR4", "CR8", "EFER", "PAT", "DR6", "DR7", "DS", "ES", "FS", "GS", "TR",
	"LDTR", "GDT base", "GDT limit", "IDT base", "IDT limit", "FS base", "GS base",
	"KERNEL_GS_BASE", "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "STAR", "LSTAR", "CSTAR",
	"SFMASK", "TSC_AUX",
};

static const __u32 state_msrs[NR_STATE] = {
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
};

static const char *const gpr_names[NR_GPRS] = {
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
	"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
};

struct desc_ptr {
	__u16 limit;
	__u64 base;
} __attribute__((packed));

static struct xsave_area fpu_found[GUEST_PLANES];
static __u64 rng;
static __u64 xfeatures;
static bool has_tsc_aux;
static __u64 cr0_bits = CR0_NE | CR0_WP | CR0_AM;

__u64 guest_state_random(__u64 mask)
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
	return GUEST_DS_2 + 8 * guest_state_random(GUEST_NR_DS_2 - 1);
}

/* New private state for this VTL, but RFLAGS, CS and SS: these change with guest_run(). */
void guest_state_choose(__u64 *p)
{
	int i;

	p[CR0] = (p[CR0] & ~cr0_bits) | guest_state_random(cr0_bits);
	p[CR3] = (p[CR3] & ~0x18ULL) | guest_state_random(0x18);		/* PWT, PCD */
	p[CR4] = (p[CR4] & ~0x18cULL) | guest_state_random(0x18c);	/* TSD, DE, PGE, PCE */
	p[CR8] = guest_state_random(15);
	p[EFER] = (p[EFER] & ~0x801ULL) | guest_state_random(0x801);		/* SCE, NXE */
	p[PAT] = random_pat();
	p[DR6] = DR6_FIXED | guest_state_random(0x600f);		/* B0-3, BD, BS */
	p[DR7] = DR7_FIXED | guest_state_random(0xff);				/* L0-3, G0-3 */
	for (i = DS; i <= GS; i++)
		p[i] = random_data_selector();
	p[TR] = guest_state_random(1) ? GUEST_TR : GUEST_TR_2;
	p[LDTR] = guest_state_random(1) ? GUEST_LDTR : GUEST_LDTR_2;
	p[GDT_LIMIT] = 8 * GUEST_GDT_ENTRIES - 1 + guest_state_random(0xff);
	p[IDT_LIMIT] = 32 * 16 - 1 + guest_state_random(0xff);
	p[FS_BASE] = canonical();
	p[GS_BASE] = canonical();
	p[KERNEL_GS_BASE] = canonical();
	p[SYSENTER_CS] = guest_state_random(0xffff);
	p[SYSENTER_ESP] = guest_state_random(0x7fffffff);
	p[SYSENTER_EIP] = guest_state_random(0x7fffffff);
	p[STAR] = guest_random(&rng);
	p[LSTAR] = canonical();
	p[CSTAR] = canonical();
	p[SFMASK] = guest_state_random(0xffffffff);
	p[TSC_AUX] = has_tsc_aux ? guest_state_random(0xffffffff) : 0;
}

void guest_state_write(const __u64 *p)
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
	for (i = 0; i < NR_STATE; i++)
		if (state_msrs[i] && (i != TSC_AUX || has_tsc_aux))
			wrmsr(state_msrs[i], p[i]);
}

static void read_state(__u64 *p)
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
	for (i = 0; i < NR_STATE; i++)
		if (state_msrs[i])
			p[i] = i != TSC_AUX || has_tsc_aux ? rdmsr(state_msrs[i]) : 0;
}

void guest_state_check(const __u64 *expected)
{
	__u64 found[NR_STATE];
	int i;

	read_state(found);
	for (i = 0; i < NR_STATE; i++)
		if (found[i] != expected[i])
			guest_abort(state_names[i], found[i], expected[i]);
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

static void give_fpu(struct xsave_area *fpu)
{
	__u8 *b = fpu->byte;
	int i;

	for (i = 0; i < XSAVE_SIZE; i++)
		b[i] = guest_random(&rng);
	for (i = XSAVE_BV; i < XSAVE_YMM; i++)
		b[i] = 0;
	*(__u16 *)&b[0] = 0x37f ^ guest_state_random(0xc00);	/* FCW: masked, rounding */
	*(__u16 *)&b[2] = 0;				/* FSW */
	b[4] = 0xff;					/* FTW: all valid */
	*(__u32 *)&b[24] = 0x1f80 ^ guest_state_random(0x6000);	/* MXCSR */
	*(__u32 *)&b[28] = 0xffff;			/* its mask */
	*(__u64 *)&b[XSAVE_BV] = xfeatures;
	xrstor(fpu, xfeatures);
}

static void same_bytes(const char *what, const __u8 *found, const __u8 *given, int from, int to)
{
	for (; from < to; from++)
		if (found[from] != given[from])
			guest_abort(what, found[from], given[from]);
}

/* What the XCR0 that came along enables. */
static void check_fpu(const struct xsave_area *fpu, __u64 features)
{
	const __u8 *given = fpu->byte;
	__u8 *b = fpu_found[guest_plane()].byte;
	int i;

	xsave(&fpu_found[guest_plane()], features);
	same_bytes("FCW", b, given, 0, 2);
	for (i = 0; i < 8; i++)
		same_bytes("x87 register", b, given, 32 + 16 * i, 42 + 16 * i);
	if (features & 2) {
		same_bytes("MXCSR", b, given, 24, 28);
		same_bytes("XMM register", b, given, 160, 416);
	}
	if (features & 4)
		same_bytes("YMM register", b, given, XSAVE_YMM, XSAVE_SIZE);
}

void guest_state_give_user(struct guest_user_state *state, struct guest_regs *in, __u32 keep)
{
	int i;

	for (i = 0; i < NR_GPRS; i++) {
		if (i != RSP && !(keep & 1U << i))
			in->gpr[i] = guest_random(&rng);
		state->gpr[i] = in->gpr[i];
	}
	state->cr2 = guest_random(&rng);
	for (i = 0; i < 4; i++)
		state->dr[i] = guest_random(&rng);
	state->xcr0 = (1 << (1 + guest_random(&rng) % 3)) - 1;
	state->xcr0 &= xfeatures;

	write_cr2(state->cr2);
	write_dr0(state->dr[0]);
	write_dr1(state->dr[1]);
	write_dr2(state->dr[2]);
	write_dr3(state->dr[3]);
	xsetbv(xfeatures);
	give_fpu(&state->fpu);
	xsetbv(state->xcr0);
}

void guest_state_check_user(const struct guest_user_state *state, const struct guest_regs *out)
{
	int i;

	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP && out->gpr[i] != state->gpr[i])
			guest_abort(gpr_names[i], out->gpr[i], state->gpr[i]);
	GUEST_ASSERT_EQ(read_cr2(), state->cr2);
	GUEST_ASSERT_EQ(read_dr0(), state->dr[0]);
	GUEST_ASSERT_EQ(read_dr1(), state->dr[1]);
	GUEST_ASSERT_EQ(read_dr2(), state->dr[2]);
	GUEST_ASSERT_EQ(read_dr3(), state->dr[3]);
	GUEST_ASSERT_EQ(xgetbv(), state->xcr0);
	check_fpu(&state->fpu, state->xcr0);
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

void guest_state_choose_regs(struct guest_regs *in)
{
	/* The status flags, IF, DF, IOPL, AC and ID */
	in->rflags = X86_RFLAGS_FIXED | guest_state_random(0x2436d5 | 0x800);
	in->cs = guest_state_random(1) ? GUEST_CS : GUEST_CS_2;
	in->ss = random_data_selector();
}

void guest_state_start(__u64 *state)
{
	avoid_stray_cr3();
	read_state(state);
}

/* The VMM. */

bool guest_state_init(struct vm *vm, __u64 seed)
{
	rng = seed | 1;
	xfeatures = vm_cpuid(vm, 0xd, 0)->eax & XFEATURES;
	has_tsc_aux = vm_cpuid(vm, 0x80000001, 0)->edx & 1U << 27;
	return vm_cpuid(vm, 1, 0)->ecx & 1U << 26;
}

bool guest_state_keeps_wp(void)
{
	return !(cr0_bits & CR0_WP);
}

void vm_compare(int plane, const char *name, __u64 found, __u64 expected)
{
	if (found != expected)
		fail("plane %d: KVM says %s is %#llx, not %#llx", plane, name, found, expected);
}

void vm_compare_state(struct vm *vm, int plane, const __u64 *p)
{
	struct kvm_debugregs debugregs;
	struct kvm_sregs s;
	int i;

	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &s);
	vm_ioctl(vm->vcpu[plane], KVM_GET_DEBUGREGS, &debugregs);
	const __u64 found[FIRST_MSR] = {
		[CR0] = s.cr0, [CR3] = s.cr3, [CR4] = s.cr4, [CR8] = s.cr8, [EFER] = s.efer,
		[PAT] = p[PAT], [DR6] = debugregs.dr6, [DR7] = debugregs.dr7,
		[DS] = s.ds.selector, [ES] = s.es.selector, [FS] = s.fs.selector,
		[GS] = s.gs.selector, [TR] = s.tr.selector, [LDTR] = s.ldt.selector,
		[GDT_BASE] = s.gdt.base, [GDT_LIMIT] = s.gdt.limit,
		[IDT_BASE] = s.idt.base, [IDT_LIMIT] = s.idt.limit,
	};
	for (i = 0; i < FIRST_MSR; i++)
		vm_compare(plane, state_names[i], found[i], p[i]);
	for (i = 0; i < NR_STATE; i++)
		if (state_msrs[i] && (i != TSC_AUX || has_tsc_aux))
			vm_compare(plane, state_names[i],
				   vm_get_msr(vm, plane, state_msrs[i]), p[i]);
}

void vm_compare_user_state(struct vm *vm, int plane, const struct guest_user_state *state)
{
	struct kvm_debugregs debugregs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	int i;

	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	vm_ioctl(vm->vcpu[plane], KVM_GET_DEBUGREGS, &debugregs);
	vm_ioctl(vm->vcpu[plane], KVM_GET_XCRS, &xcrs);
	vm_compare(plane, "CR2", sregs.cr2, state->cr2);
	for (i = 0; i < 4; i++)
		vm_compare(plane, "a DR", debugregs.db[i], state->dr[i]);
	vm_compare(plane, "XCR0", xcrs.xcrs[0].value, state->xcr0);
}
