// SPDX-License-Identifier: GPL-2.0
/*
 * The state of each plane is its own: whatever of it is set in one plane is
 * there, and what KVM_GET_* say of every other plane is what they said before.
 */
#include <cpuid.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

#define NR_PLANES	KVM_MAX_PLANES
#define MAX_MSRS	256
#define SET_SIZE	16384

/* APM volume 2, "Local APIC registers" */
#define APIC_LDR	0xd0
#define APIC_ICR2	0x310
#define APIC_LVT_ERROR	0x370

/* APM volume 2, "XSAVE/XRSTOR Instructions"; the offset of PKRU is in CPUID */
#define XSAVE_MXCSR	24
#define XSAVE_XMM0	160
#define XSAVE_BV	512
#define XFEATURE_PKRU	9

#define EFER_SVME	(1ULL << 12)
#define MSR_TSC		0x10
#define MSR_EFER	0xc0000080

struct state {
	__u64 set[12][SET_SIZE / 8];
	__u64 msr[MAX_MSRS];
};

static struct state before[NR_PLANES], after;
static __u32 msrs[MAX_MSRS];
static unsigned int nr_msrs;
static bool svm;

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static void change_regs(void *state, __u8 salt)
{
	struct kvm_regs *regs = state;

	for (__u64 *reg = &regs->rax; reg <= &regs->rip; reg++)
		*reg += salt * 0x10001;
	regs->rflags ^= 0x8d5;		/* the status flags */
}

/* What struct kvm_sregs and struct kvm_sregs2 have at the same place */
static void change_sregs(void *state, __u8 salt)
{
	struct kvm_sregs2 *sregs = state;

	sregs->fs.base += salt * 0x1000;
	sregs->gs.selector += 8 * salt;
	sregs->ds.limit -= salt * 0x1000;
	sregs->gdt.base += salt * 8;
	sregs->idt.limit ^= salt;
	sregs->cr2 += salt;
	sregs->cr3 ^= 0x18;		/* PWT, PCD */
	sregs->cr4 ^= 0x8c;		/* TSD, DE, PGE */
	sregs->cr8 ^= salt & 0xf;
	sregs->efer ^= 0x801;		/* SCE, NXE */
}

static void change_debugregs(void *state, __u8 salt)
{
	struct kvm_debugregs *regs = state;
	int i;

	for (i = 0; i < 4; i++)
		regs->db[i] += salt << i;
	regs->dr6 ^= 0xf;
	regs->dr7 ^= 0xff;
}

static void change_xcrs(void *state, __u8 salt)
{
	struct kvm_xcrs *xcrs = state;

	xcrs->xcrs[0].value ^= 2;
}

static void change_events(void *state, __u8 salt)
{
	struct kvm_vcpu_events *events = state;

	events->interrupt.injected = 1;
	events->interrupt.nr = 0x40 + salt;
	/* SVM has one kind of shadow, which KVM reports as both; VMX has either. */
	events->interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS | (svm ? KVM_X86_SHADOW_INT_STI : 0);
	events->nmi.masked = 1;
	events->nmi.pending = 1;
	events->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
}

static void change_lapic(void *state, __u8 salt)
{
	struct kvm_lapic_state *apic = state;

	apic->regs[APIC_LDR + 3] ^= salt;
	apic->regs[APIC_SPIV + 1] ^= APIC_SPIV_ON >> 8;
	apic->regs[APIC_IRR + 0x20] ^= salt;
	apic->regs[APIC_ICR2 + 3] ^= salt;
	apic->regs[APIC_LVT_ERROR] ^= salt;
}

static void change_nested(void *state, __u8 salt)
{
	struct kvm_nested_state *nested = state;

	nested->flags ^= KVM_STATE_NESTED_GIF_SET;
}

static void change_fpu(void *state, __u8 salt)
{
	struct kvm_fpu *fpu = state;

	memset(fpu->xmm[3], salt, sizeof(fpu->xmm[3]));
	memset(fpu->fpr[3], salt, 10);
	fpu->fcw ^= 0xc00;		/* MXCSR is not set by KVM_SET_FPU */
}

static void change_xsave(void *state, __u8 salt)
{
	__u8 *area = state;

	area[XSAVE_BV] |= 3;
	area[XSAVE_MXCSR + 1] ^= 0x60;
	memset(area + XSAVE_XMM0, salt, 256);
}

#define SET(what, type, fn)						\
	{ .name = "KVM_SET_" #what, .get = KVM_GET_##what, .set = KVM_SET_##what,	\
	  .size = sizeof(type), .change = fn }
#define FPU_SET(what, type, how, fn)					\
	{ .name = #how " and KVM_SET_" #what, .get = how, .set = KVM_SET_##what,	\
	  .size = sizeof(type), .change = fn, .is_fpu = true }

/* The get/set list; where it depends on the CPU, a size of 0 is one that this CPU has not. */
static struct {
	const char *name;
	unsigned long get, set;
	size_t size;
	void (*change)(void *state, __u8 salt);
	bool is_fpu;
} sets[] = {
	SET(REGS, struct kvm_regs, change_regs),
	SET(SREGS, struct kvm_sregs, change_sregs),
	SET(SREGS2, struct kvm_sregs2, change_sregs),
	SET(DEBUGREGS, struct kvm_debugregs, change_debugregs),
	SET(XCRS, struct kvm_xcrs, change_xcrs),
	SET(VCPU_EVENTS, struct kvm_vcpu_events, change_events),
	SET(LAPIC, struct kvm_lapic_state, change_lapic),
	SET(NESTED_STATE, char[SET_SIZE], change_nested),
	FPU_SET(FPU, struct kvm_fpu, KVM_GET_FPU, change_fpu),
	FPU_SET(XSAVE, struct kvm_xsave, KVM_GET_XSAVE, change_xsave),
	FPU_SET(XSAVE, char[SET_SIZE], KVM_GET_XSAVE2, change_xsave),
};

#define NR_SETS		(sizeof(sets) / sizeof(sets[0]))

static void get_set(struct vm *vm, int plane, unsigned int set, void *state)
{
	memset(state, 0, SET_SIZE);
	if (sets[set].get == KVM_GET_NESTED_STATE)
		((struct kvm_nested_state *)state)->size = SET_SIZE;
	if (sets[set].size)
		vm_ioctl(vm->vcpu[plane], sets[set].get, state);
}

static void get_state(struct vm *vm, int plane, struct state *state)
{
	unsigned int i;

	for (i = 0; i < NR_SETS; i++)
		get_set(vm, plane, i, state->set[i]);
	for (i = 0; i < nr_msrs; i++)
		state->msr[i] = vm_get_msr(vm, plane, msrs[i]);
}

struct msr_range {
	__u32 first;
	__u32 last;
	const char *why;
};

/* Those that go on by themselves */
static const struct msr_range time_msrs[] = {
	{ MSR_TSC, MSR_TSC, "the TSC; a test of its own" },
	{ 0x40000010, 0x40000010, "HV_X64_MSR_VP_RUNTIME" },
	{ 0x40000020, 0x40000020, "HV_X64_MSR_TIME_REF_COUNT" },
};

/* Those that KVM keeps in struct kvm, where all vCPUs of a stock VM share them, too */
static const struct msr_range vm_msrs[] = {
	{ 0x11, 0x11, "the address where KVM writes the wall clock" },
	{ 0x4b564d00, 0x4b564d00, "the same by its new number" },
	{ 0x40000002, 0x40000002, "HV_X64_MSR_VP_INDEX" },
	{ 0x400000ff, 0x400000ff, "HvX64MsrDebugDeviceOptions" },
};

static bool in_range(__u32 msr, const struct msr_range *range, unsigned int n)
{
	for (; n; n--, range++)
		if (msr >= range->first && msr <= range->last)
			return true;
	return false;
}

#define IN_RANGE(msr, ranges)	in_range(msr, ranges, sizeof(ranges) / sizeof(ranges[0]))

/* What can be read here and keeps its value */
static void find_msrs(struct vm *vm)
{
	unsigned int i, all = vm_find_msrs(vm, msrs, MAX_MSRS);

	for (i = 0; i < all; i++)
		if (!IN_RANGE(msrs[i], time_msrs))
			msrs[nr_msrs++] = msrs[i];
}

/* Of a component that XSTATE_BV says is not there, KVM_GET_FPU tells what it was once. */
static void fill_fpu(struct vm *vm, int plane)
{
	static struct kvm_xsave xsave;

	vm_ioctl(vm->vcpu[plane], KVM_GET_XSAVE, &xsave);
	xsave.region[XSAVE_BV / 4] |= 3;
	vm_ioctl(vm->vcpu[plane], KVM_SET_XSAVE, &xsave);
}

static struct vm *start(bool own_fpu)
{
	struct vm *vm = vm_create_with(NR_PLANES, own_fpu ? KVM_CAP_PLANE_FPU : 0, 1);
	int xsave2 = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	unsigned int i;

	svm = vm_cpuid(vm, 0x80000001, 0)->ecx & 1U << 2;
	for (i = 0; i < NR_PLANES; i++) {
		vm_start(vm, i, sync_forever);
		fill_fpu(vm, i);
		/* For GIF to be part of the nested state */
		if (svm)
			vm_set_msr(vm, i, MSR_EFER, vm_get_msr(vm, i, MSR_EFER) | EFER_SVME);
	}
	for (i = 0; i < NR_SETS; i++) {
		if (sets[i].get == KVM_GET_NESTED_STATE && !svm)
			sets[i].size = 0;
		if (sets[i].get == KVM_GET_XSAVE2) {
			ASSERT(xsave2 <= SET_SIZE);
			sets[i].size = xsave2 > 0 ? xsave2 : 0;
		}
		if (!sets[i].size)
			note("%s: not for this CPU", sets[i].name);
	}
	find_msrs(vm);
	for (i = 0; i < NR_PLANES; i++)
		get_state(vm, i, &before[i]);
	return vm;
}

static void same_state(struct vm *vm, int plane, const char *what, int of, bool own_fpu)
{
	unsigned int i;

	get_state(vm, plane, &after);
	for (i = 0; i < NR_SETS; i++)
		if ((own_fpu || !sets[i].is_fpu) &&
		    memcmp(after.set[i], before[plane].set[i], SET_SIZE))
			fail("%s of plane %d changes what %s is for of plane %d",
			     what, of, sets[i].name, plane);
	for (i = 0; i < nr_msrs; i++)
		if (after.msr[i] != before[plane].msr[i])
			fail("%s of plane %d changes MSR %#x of plane %d from %#llx to %#llx",
			     what, of, msrs[i], plane, before[plane].msr[i], after.msr[i]);
}

static void others_same(struct vm *vm, const char *what, int of, bool own_fpu)
{
	int i;

	for (i = 0; i < NR_PLANES; i++)
		if (i != of)
			same_state(vm, i, what, of, own_fpu);
}

static void set_one(struct vm *vm, unsigned int set, int plane, bool own_fpu)
{
	static __u64 changed[SET_SIZE / 8], found[SET_SIZE / 8];

	memcpy(changed, before[plane].set[set], SET_SIZE);
	sets[set].change(changed, 1 + plane);
	vm_ioctl(vm->vcpu[plane], sets[set].set, changed);
	get_set(vm, plane, set, found);
	ASSERT(memcmp(found, before[plane].set[set], SET_SIZE));
	if (memcmp(found, changed, SET_SIZE))
		fail("%s of plane %d: what is got is not what was set", sets[set].name, plane);
	others_same(vm, sets[set].name, plane, own_fpu);

	vm_ioctl(vm->vcpu[plane], sets[set].set, before[plane].set[set]);
	same_state(vm, plane, sets[set].name, plane, own_fpu);
}

static void each_set(bool own_fpu)
{
	struct vm *vm = start(own_fpu);
	unsigned int i;
	int plane;

	for (i = 0; i < NR_SETS; i++)
		for (plane = 0; sets[i].size && plane < NR_PLANES; plane++)
			if (own_fpu || !sets[i].is_fpu)
				set_one(vm, i, plane, own_fpu);
	vm_free(vm);
}

static void shared_fpu(enum test_how how)
{
	each_set(false);
}

static void own_fpu(enum test_how how)
{
	each_set(true);
}

/* Another value that the MSR of this plane accepts and has then */
static bool change_msr(struct vm *vm, int plane, unsigned int i)
{
	static const __u64 bits[] = { 1, 2, 0x10, 0x100, 0x1000, 1U << 18, 1ULL << 32 };
	__u64 old = before[plane].msr[i];
	unsigned int bit;

	for (bit = 0; bit < sizeof(bits) / sizeof(bits[0]); bit++)
		if (vm_set_msr(vm, plane, msrs[i], old ^ bits[bit]) &&
		    vm_get_msr(vm, plane, msrs[i]) != old)
			return true;
	return false;
}

static void each_msr(enum test_how how)
{
	struct vm *vm = start(false);
	unsigned int i, n = 0;
	char name[32];
	int plane;

	for (plane = 0; plane < NR_PLANES; plane++) {
		for (i = 0; i < nr_msrs; i++) {
			if (IN_RANGE(msrs[i], vm_msrs) || !change_msr(vm, plane, i))
				continue;
			n++;
			snprintf(name, sizeof(name), "MSR %#x", msrs[i]);
			others_same(vm, name, plane, false);
			if (!vm_set_msr(vm, plane, msrs[i], before[plane].msr[i]))
				fail("%s cannot be set back", name);
			/* What depends on it, as the CR0 of a VMCB on EFER, may differ now. */
			get_state(vm, plane, &before[plane]);
		}
	}
	note("%u of %u MSRs can be changed", n / NR_PLANES, nr_msrs);
	ASSERT(n / NR_PLANES > 30);
	vm_free(vm);
}

static void vm_wide_msrs(enum test_how how)
{
	struct vm *vm = start(false);
	unsigned int i, n = 0;
	int plane;

	for (i = 0; i < nr_msrs; i++) {
		if (!IN_RANGE(msrs[i], vm_msrs) || !change_msr(vm, 1, i))
			continue;
		n++;
		for (plane = 0; plane < NR_PLANES; plane++)
			ASSERT_EQ(vm_get_msr(vm, plane, msrs[i]), vm_get_msr(vm, 1, msrs[i]));
		vm_set_msr(vm, 1, msrs[i], before[1].msr[i]);
	}
	note("%u MSRs", n);
	ASSERT(n);
	vm_free(vm);
}

#define TSC_STEP	(1ULL << 50)

static void tsc(enum test_how how)
{
	struct vm *vm = start(false);
	int plane, other, n;

	/* Plane 0 is the last, as those that have none of their own follow it. */
	for (n = 1; n <= NR_PLANES; n++) {
		__u64 all[NR_PLANES];

		plane = n % NR_PLANES;
		for (other = 0; other < NR_PLANES; other++)
			all[other] = vm_get_msr(vm, other, MSR_TSC);
		ASSERT(vm_set_msr(vm, plane, MSR_TSC, all[plane] + (1 + plane) * TSC_STEP));
		for (other = 0; other < NR_PLANES; other++) {
			__u64 passed = vm_get_msr(vm, other, MSR_TSC) - all[other];

			ASSERT_EQ((passed + TSC_STEP / 2) / TSC_STEP,
				  other == plane ? 1 + plane : 0);
		}
	}
	vm_free(vm);
}

static __u32 get_pkru(struct vm *vm, int plane, __u32 offset)
{
	static struct kvm_xsave xsave;
	__u32 pkru = 0;

	vm_ioctl(vm->vcpu[plane], KVM_GET_XSAVE, &xsave);
	if ((xsave.region[XSAVE_BV / 4] >> XFEATURE_PKRU) & 1)
		pkru = xsave.region[offset / 4];
	return pkru;
}

static void pkru(bool own_fpu)
{
	struct vm *vm = start(own_fpu);
	__u32 offset = vm_cpuid(vm, 0xd, XFEATURE_PKRU)->ebx;
	static struct kvm_xsave xsave;
	int plane, other;

	if (!(vm_cpuid(vm, 7, 0)->ecx & 1U << 3))
		skip("no protection keys");

	for (plane = 0; plane < NR_PLANES; plane++) {
		vm_ioctl(vm->vcpu[plane], KVM_GET_XSAVE, &xsave);
		xsave.region[XSAVE_BV / 4] |= 1U << XFEATURE_PKRU;
		xsave.region[offset / 4] = 0x1110 + plane;
		vm_ioctl(vm->vcpu[plane], KVM_SET_XSAVE, &xsave);
		for (other = 0; other < NR_PLANES; other++)
			ASSERT_EQ(get_pkru(vm, other, offset), other <= plane ? 0x1110 + other : 0);
	}
	vm_free(vm);
}

static void pkru_shared_fpu(enum test_how how)
{
	pkru(false);
}

static void pkru_own_fpu(enum test_how how)
{
	pkru(true);
}

#define NR_LEAVES	0x20
#define NR_SUBLEAVES	4

static const __u32 leaf_groups[] = { 0, 0x40000000, 0x80000000 };
static __u32 leaves[NR_PLANES][3][NR_LEAVES][NR_SUBLEAVES][4];

static void read_cpuid(void)
{
	__u32 group, leaf, sub, *to;

	for (group = 0; group < 3; group++) {
		for (leaf = 0; leaf < NR_LEAVES; leaf++) {
			for (sub = 0; sub < NR_SUBLEAVES; sub++) {
				to = leaves[guest_plane()][group][leaf][sub];
				__cpuid_count(leaf_groups[group] + leaf, sub,
					      to[0], to[1], to[2], to[3]);
			}
		}
	}
	guest_done();
}

static void same_cpuid(enum test_how how)
{
	struct vm *vm = vm_create(NR_PLANES);
	int plane;

	for (plane = 0; plane < NR_PLANES; plane++) {
		vm_start(vm, plane, read_cpuid);
		kvm_run_planes(vm->run)->plane = plane;
		vm_run(vm);
		ASSERT(vm_guest_call(vm));
		ASSERT(leaves[plane][0][0][0][0]);
		ASSERT(!memcmp(leaves[0], leaves[plane], sizeof(leaves[0])));
	}
	vm_free(vm);
}

static struct {
	__u64 pml4[512];
	__u64 pdpt[512];
} own_tables[NR_PLANES] __attribute__((aligned(4096)));

#define GIB	(1UL << 30)

/* The tables of plane n map the GiB n to 4 + n, and nothing else. */
static void translate(enum test_how how)
{
	struct vm *vm = start(false);
	struct kvm_translation t;
	struct kvm_sregs sregs;
	int plane, i;

	for (plane = 0; plane < NR_PLANES; plane++) {
		own_tables[plane].pml4[0] = (unsigned long)own_tables[plane].pdpt | 7;
		own_tables[plane].pdpt[plane] = (4 + plane) * GIB | 0xe7;
		vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
		sregs.cr3 = (unsigned long)own_tables[plane].pml4;
		vm_ioctl(vm->vcpu[plane], KVM_SET_SREGS, &sregs);
	}
	for (plane = 0; plane < NR_PLANES; plane++) {
		for (i = 0; i < NR_PLANES; i++) {
			t = (struct kvm_translation) { .linear_address = i * GIB + 0x123 };
			vm_ioctl(vm->vcpu[plane], KVM_TRANSLATE, &t);
			ASSERT_EQ(t.valid, i == plane);
			if (t.valid)
				ASSERT_EQ(t.physical_address, (4 + i) * GIB + 0x123);
		}
	}
	vm_free(vm);
}

const struct test tests[] = {
	TEST("each set of registers that is set in one plane is as it was in every other",
	     shared_fpu),
	TEST("so are FPU and XSAVE if each plane has an FPU of its own", own_fpu),
	TEST("each MSR that is set in one plane is as it was in every other", each_msr),
	TEST("but for those that a VM or a virtual processor has once, which all planes see",
	     vm_wide_msrs),
	TEST("a TSC that is set in one plane goes on as it was in those that have their own", tsc),
	TEST("PKRU in XSAVE is a plane's own though the FPU is shared", pkru_shared_fpu),
	TEST("PKRU in XSAVE is a plane's own if the FPU is", pkru_own_fpu),
	TEST("CPUID is the same in the guests of all planes", same_cpuid),
	TEST("KVM_TRANSLATE goes by the page tables of its plane", translate),
	{ }
};
