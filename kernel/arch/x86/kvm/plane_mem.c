// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: memory attributes in the MMU, and of what KVM accesses for
 * the guest.
 *
 * A plane has page tables of its own (kvm_mmu_page_role.plane). A fault that the
 * attributes forbid goes to userspace, and make_spte() grants nothing that they
 * forbid, whoever calls it and why.
 *
 * What the emulator and KVM's own walks of guest page tables may not access ends
 * as if the guest had a page fault, which undoes what there is to undo; that is
 * dropped where it would be injected, and the run loop exits to userspace instead.
 *
 * Where a guest asks KVM to read or write, it must be allowed to do so itself: see
 * kvm_plane_refuses() for accesses that then are not made, and kvm_plane_denies() and its like
 * for instructions that then exit. docs/memory.md lists all of them.
 */

#include <linux/kvm_host.h>

#include <asm/hyperv-tlfs.h>

#include "mmu.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "plane.h"
#include "x86.h"

/* Whether nested page tables can express "execute only". */
static bool kvm_plane_has_exec_only(void)
{
	return tdp_enabled && !(shadow_present_mask & PT_PRESENT_MASK);
}

/**
 * kvm_arch_plane_mem_valid - whether page tables can express attributes
 * @attrs: KVM_MEMORY_ATTRIBUTE_N*
 *
 * What is writable is readable; so is what is executable, but for EPT.
 */
bool kvm_arch_plane_mem_valid(u64 attrs)
{
	if (!(attrs & KVM_MEMORY_ATTRIBUTE_NR))
		return true;
	if (!(attrs & KVM_MEMORY_ATTRIBUTE_NW))
		return false;
	return attrs & KVM_MEMORY_ATTRIBUTE_NX || kvm_plane_has_exec_only();
}

static bool kvm_plane_shadows(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end)
{
	struct kvm_mmu_page *sp;

	list_for_each_entry(sp, &kvm->arch.active_mmu_pages, link)
		if (sp->role.plane == plane && !sp->role.direct &&
		    sp->gfn >= start && sp->gfn < end)
			return true;
	return false;
}

/**
 * kvm_arch_plane_mem_zap_tables - forget what guest page tables in a range say
 * @kvm: the VM, its slots_lock held
 * @plane: the plane, which may not access the range as it could before
 * @start: the first page of the range
 * @end: the page after its last
 *
 * Shadow pages stand for guest page tables, which nobody walks any more. To zap
 * all of them is much, but page tables that are forbidden are rare.
 */
void kvm_arch_plane_mem_zap_tables(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter iter;
	bool shadows;

	lockdep_assert_held(&kvm->slots_lock);

	write_lock(&kvm->mmu_lock);
	shadows = kvm_plane_shadows(kvm, plane, start, end);
	write_unlock(&kvm->mmu_lock);
	if (!shadows)
		return;

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), start, end)
		kvm_arch_flush_shadow_memslot(kvm, iter.slot);
}

/* The largest page around @gfn that has its attributes, @attrs, everywhere. */
static u8 kvm_plane_mem_max_level(struct kvm *kvm, u8 plane, gfn_t gfn, u64 attrs, u8 level)
{
	gfn_t start;

	/* When a huge page is split, this workaround makes the small ones executable. */
	if (attrs & KVM_MEMORY_ATTRIBUTE_NX && is_nx_huge_page_enabled(kvm))
		return PG_LEVEL_4K;

	/* Each page that has attributes has to be looked at: 512 are enough for a fault. */
	if (attrs)
		level = min(level, PG_LEVEL_2M);

	for (; level > PG_LEVEL_4K; level--) {
		start = gfn_round_for_level(gfn, level);
		if (kvm_plane_mem_uniform(kvm, plane, start,
					  start + KVM_PAGES_PER_HPAGE(level), attrs))
			break;
	}
	return level;
}

/* See kvm_plane_faultin(). */
int __kvm_plane_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	u64 attrs = kvm_plane_mem_attrs(vcpu->kvm, vcpu->plane.id, fault->gfn);
	u64 access = KVM_MEMORY_EXIT_FLAG_READ;

	if (fault->exec)
		access = KVM_MEMORY_EXIT_FLAG_EXEC;
	else if (fault->write)
		access = KVM_MEMORY_EXIT_FLAG_WRITE;

	if (attrs & access) {
		if (fault->is_private)
			access |= KVM_MEMORY_EXIT_FLAG_PRIVATE;
		/* A prefetch is not the guest's, and nobody exits for it. */
		if (fault->prefetch)
			return -EFAULT;
		kvm_plane_mem_deny(vcpu, gfn_to_gpa(fault->gfn), access);
		return RET_PF_RETRY;
	}

	fault->max_level = kvm_plane_mem_max_level(vcpu->kvm, vcpu->plane.id, fault->gfn, attrs,
						   fault->max_level);
	return RET_PF_CONTINUE;
}

/* See kvm_plane_pte_access(). */
unsigned int __kvm_plane_pte_access(struct kvm *kvm, u8 plane, gfn_t gfn)
{
	u64 attrs = kvm_plane_mem_attrs(kvm, plane, gfn);
	unsigned int access = ACC_ALL;

	/* As in gpte_access() for EPT; without "execute only" nothing is mapped that is NR. */
	if (attrs & KVM_MEMORY_ATTRIBUTE_NR)
		access &= ~ACC_USER_MASK;
	if (attrs & KVM_MEMORY_ATTRIBUTE_NW)
		access &= ~ACC_WRITE_MASK;
	if (attrs & KVM_MEMORY_ATTRIBUTE_NX)
		access &= ~ACC_EXEC_MASK;
	return access;
}

/* See kvm_plane_denies(). */
bool __kvm_plane_denies(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
			struct x86_exception *exception)
{
	u64 flag = KVM_MEMORY_EXIT_FLAG_READ;

	if (access & PFERR_FETCH_MASK)
		flag = KVM_MEMORY_EXIT_FLAG_EXEC;
	else if (access & PFERR_WRITE_MASK)
		flag = KVM_MEMORY_EXIT_FLAG_WRITE;

	if (!(kvm_plane_mem_attrs(vcpu->kvm, vcpu->plane.id, gpa_to_gfn(gpa)) & flag) ||
	    kvm_plane_mem_exempt(vcpu))
		return false;

	kvm_plane_mem_deny(vcpu, gpa, flag);

	if (exception)
		*exception = (struct x86_exception) { .vector = PF_VECTOR };
	return true;
}

/* See kvm_plane_denies_param(). */
bool __kvm_plane_denies_param(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 access)
{
	gpa_t end = gpa + len;

	for (; gpa < end; gpa = (gpa & PAGE_MASK) + PAGE_SIZE)
		if (__kvm_plane_denies(vcpu, gpa, access, NULL))
			return true;
	return false;
}

/**
 * kvm_arch_plane_mem_exempt - whether an ioctl of a vCPU is not bound by memory attributes
 * @ioctl: the ioctl
 *
 * Those by which userspace gets or sets the state of a plane are not. KVM_TRANSLATE is, as it
 * says how the plane itself would find the address.
 */
bool kvm_arch_plane_mem_exempt(unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_GET_SREGS:
	case KVM_GET_SREGS2:
	case KVM_SET_SREGS:
	case KVM_SET_SREGS2:
	case KVM_SET_MSRS:
	case KVM_SET_NESTED_STATE:
		return true;
	default:
		return false;
	}
}

/**
 * kvm_arch_plane_insn - tell what the CPU said of an instruction that was not executed
 * @vcpu: the plane's vCPU, loaded, whose last exit is dealt with
 * @insn: all 0; gets what there is
 *
 * Not of a nested guest, whose VMCB or VMCS may have the last exit of an earlier entry. Not of
 * a VM with memory that userspace cannot read: the CPU may have fetched from there.
 */
void kvm_arch_plane_insn(struct kvm_vcpu *vcpu, struct kvm_plane_insn *insn)
{
	if (!is_guest_mode(vcpu) && !kvm_arch_has_private_mem(vcpu->kvm))
		kvm_x86_call(plane_insn)(vcpu, insn);
}

/* Which bits of an MSR are where KVM is to write, if bit 0 is set. */
static u64 kvm_plane_msr_address_bits(u32 msr)
{
	switch (msr) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
	case MSR_KVM_PV_EOI_EN:
		return ~1ULL;
	case MSR_KVM_STEAL_TIME:
	case MSR_KVM_ASYNC_PF_EN:
		return ~0x3fULL;
	case HV_X64_MSR_HYPERCALL:
	case HV_X64_MSR_REFERENCE_TSC:
	case HV_X64_MSR_VP_ASSIST_PAGE:
	case HV_X64_MSR_SIEFP:
	case HV_X64_MSR_SIMP:
		return PAGE_MASK;
	default:
		return 0;
	}
}

/* What KVM writes when the MSR has @data; nothing if it is of no length. */
static u32 kvm_plane_msr_area(struct kvm_vcpu *vcpu, u32 msr, u64 data, gpa_t *gpa)
{
	u64 bits = kvm_plane_msr_address_bits(msr);

	if (bits) {
		*gpa = data & bits;
		return data & 1;	/* or more, but not of another page */
	}
	if (msr == MSR_KVM_WALL_CLOCK || msr == MSR_KVM_WALL_CLOCK_NEW) {
		*gpa = data;
		return sizeof(struct pvclock_wall_clock);
	}
#ifdef CONFIG_KVM_XEN
	if (msr && msr == vcpu->kvm->arch.xen_hvm_config.msr) {
		*gpa = data & PAGE_MASK;
		return 1;
	}
#endif
	return 0;
}

/* See kvm_plane_denies_msr(). */
bool __kvm_plane_denies_msr(struct kvm_vcpu *vcpu, u32 msr, u64 data)
{
	gpa_t gpa;
	u32 len = kvm_plane_msr_area(vcpu, msr, data, &gpa);

	if (!len)
		return false;
	if (kvm_plane_may_write(vcpu, gpa)) {
		gpa += len - 1;
		if (kvm_plane_may_write(vcpu, gpa))
			return false;
	}

	vcpu->plane.mem_fault.gpa = gpa;
	return true;
}

/* See kvm_plane_skips(). */
int __kvm_plane_emulate_skip(struct kvm_vcpu *vcpu, int emul_type)
{
	int r;

	vcpu->plane.mem_exempt = true;
	r = x86_emulate_instruction(vcpu, 0, emul_type, NULL, 0);
	vcpu->plane.mem_exempt = false;
	return r;
}
