// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: what the planes of a vCPU share, and how they are created.
 *
 * KVM counts nothing for a VM with planes, and its planes have the same CPUID. They share the FPU,
 * unless the VM chose otherwise, and the buffer of emulated port I/O.
 */

#include <linux/kvm_host.h>

#include "cpuid.h"
#include "hyperv.h"
#include "kvm_cache_regs.h"
#include "lapic.h"
#include "mmu.h"
#include "plane.h"
#include "pmu.h"
#include "x86.h"

/**
 * kvm_arch_has_planes - whether a VM can have planes
 * @kvm: the VM; NULL asks for any type of VM
 *
 * Not one whose registers KVM cannot read. Of those with SEV-ES the type need not tell.
 */
bool kvm_arch_has_planes(struct kvm *kvm)
{
	return !kvm || !(kvm->arch.has_protected_state || READ_ONCE(kvm->planes.forbidden));
}

/**
 * kvm_arch_plane_create - a VM gets its first extra plane
 * @kvm: the VM, its lock held
 *
 * AVIC and VMX posted interrupts index their tables by APIC id, of which the
 * planes of a vCPU have but one.
 */
void kvm_arch_plane_create(struct kvm *kvm)
{
	kvm_set_apicv_inhibit(kvm, APICV_INHIBIT_REASON_DISABLED);
}

/**
 * kvm_arch_plane_stop_pmu - stop what counts for a VM that has planes now
 * @kvm: the VM, its lock held
 *
 * Nothing that is programmed from here on counts. What was programmed before stops when the vCPU is
 * entered next, and before it is left for another plane.
 */
void kvm_arch_plane_stop_pmu(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	/* Who clears the bits looks afterwards whether the VM has planes. */
	smp_mb();
	kvm_for_each_vcpu(i, vcpu, kvm) {
		atomic64_set(&vcpu_to_pmu(vcpu)->__reprogram_pmi, -1ull);
		kvm_make_request(KVM_REQ_PMU, vcpu);
		kvm_vcpu_kick(vcpu);
	}
}

/**
 * kvm_arch_plane_add - allocate what a VM holds for an extra plane
 * @kvm: the VM, its lock held
 * @plane: the plane, not 0
 *
 * kvm_plane_vm_destroy() frees it. Nothing is done for a plane that has it, as there is
 * after an earlier call if creating the plane failed later.
 *
 * Return: 0 or -ENOMEM.
 */
int kvm_arch_plane_add(struct kvm *kvm, u8 plane)
{
#ifdef CONFIG_KVM_HYPERV
	struct kvm_hv *hv;

	if (kvm->planes.hyperv[plane])
		return 0;

	hv = kzalloc(sizeof(*hv), GFP_KERNEL_ACCOUNT);
	if (!hv)
		return -ENOMEM;
	mutex_init(&hv->hv_lock);
	/* Pairs with smp_load_acquire() in kvm_hv_request_tsc_page_update(). */
	smp_store_release(&kvm->planes.hyperv[plane], hv);
#endif
	return 0;
}

/**
 * kvm_arch_plane_ioctl - whether a plane's vCPU fd takes an ioctl
 * @vcpu: the plane's vCPU
 * @ioctl: the ioctl; those that get or set the state of one plane, and those that
 *	interrupt it where no local APIC of KVM's does
 */
bool kvm_arch_plane_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_GET_REGS:
	case KVM_SET_REGS:
	case KVM_GET_SREGS:
	case KVM_SET_SREGS:
	case KVM_GET_SREGS2:
	case KVM_SET_SREGS2:
	case KVM_TRANSLATE:
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
	case KVM_GET_FPU:
	case KVM_SET_FPU:
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
	case KVM_SET_XSAVE:
	case KVM_GET_XCRS:
	case KVM_SET_XCRS:
	case KVM_GET_VCPU_EVENTS:
	case KVM_SET_VCPU_EVENTS:
	case KVM_GET_DEBUGREGS:
	case KVM_SET_DEBUGREGS:
	case KVM_GET_LAPIC:
	case KVM_SET_LAPIC:
	case KVM_GET_NESTED_STATE:
	case KVM_SET_NESTED_STATE:
	case KVM_GET_MP_STATE:
	case KVM_SET_MP_STATE:
	case KVM_ENABLE_CAP:
	case KVM_PRE_FAULT_MEMORY:
	case KVM_HAS_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
	case KVM_GET_TSC_KHZ:
	case KVM_SET_TSC_KHZ:
		return true;
	case KVM_INTERRUPT:
	case KVM_NMI:
		return !lapic_in_kernel(vcpu);
	default:
		return false;
	}
}

/* CPUID is the same in all planes, and refused to change once there is a second one. */
static int kvm_plane_copy_cpuid(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0;
	struct kvm_cpuid_entry2 *entries;
	int nent = vcpu0->arch.cpuid_nent;
	int r;

	kvm_plane_assert_loaded(vcpu);

	if (!nent)
		return 0;

	entries = kvmemdup(vcpu0->arch.cpuid_entries, nent * sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;

	r = kvm_set_cpuid(vcpu, entries, nent);
	if (r)
		kvfree(entries);
	return r;
}

/* So is whether a guest may use what CPUID does not offer, until userspace says otherwise. */
static int kvm_plane_copy_enforcement(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0;

	vcpu->arch.pv_cpuid.enforce = vcpu0->arch.pv_cpuid.enforce;
#ifdef CONFIG_KVM_HYPERV
	if (to_hv_vcpu(vcpu0))
		return kvm_hv_set_enforce_cpuid(vcpu, to_hv_vcpu(vcpu0)->enforce_cpuid);
#endif
	return 0;
}

/**
 * kvm_arch_plane_vcpu_create - make a new vCPU a sibling of plane 0's
 * @vcpu: the new vCPU, after kvm_arch_vcpu_create(); plane 0's cpuid_lock is held
 *
 * Unless the VM chose otherwise the FPU is one: both point to one fpstate. It
 * cannot move any more, as only KVM_SET_CPUID{,2} enlarges it.
 *
 * Return: 0 or -errno; then kvm_arch_plane_vcpu_predestroy() comes next.
 */
int kvm_arch_plane_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0;
	int r;

	if (!vcpu->kvm->planes.split_fpu) {
		fpu_free_guest_fpstate(&vcpu->arch.guest_fpu);
		vcpu->arch.guest_fpu = vcpu0->arch.guest_fpu;
	}
	free_page((unsigned long)vcpu->arch.pio_data);
	vcpu->arch.pio_data = vcpu0->arch.pio_data;

	vcpu->arch.msr_kvm_poll_control = vcpu0->arch.msr_kvm_poll_control;

	/* A plane runs when userspace or a policy says so, unless userspace wants it to wait. */
	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;

	vcpu_load(vcpu);
	kvm_plane_init_tsc(vcpu);
	r = kvm_plane_copy_cpuid(vcpu) ?: kvm_plane_copy_enforcement(vcpu);
	vcpu_put(vcpu);
	return r;
}

/**
 * kvm_arch_plane_vcpu_predestroy - let go of what belongs to plane 0
 * @vcpu: the plane's vCPU, which kvm_vcpu_destroy() will see next
 */
void kvm_arch_plane_vcpu_predestroy(struct kvm_vcpu *vcpu)
{
	kvm_clear_async_pf_completion_queue(vcpu);

	vcpu_load(vcpu);
	kvm_mmu_unload(vcpu);
	vcpu_put(vcpu);

	if (!vcpu->kvm->planes.split_fpu)
		vcpu->arch.guest_fpu.fpstate = NULL;
	vcpu->arch.pio_data = NULL;
}

/**
 * kvm_arch_plane_mode - the mode that a plane is in
 * @vcpu: the plane's vCPU, loaded
 *
 * Return: enum kvm_plane_mode.
 */
u8 kvm_arch_plane_mode(struct kvm_vcpu *vcpu)
{
	if (is_64_bit_mode(vcpu))
		return KVM_PLANE_MODE_64BIT;
	if (is_protmode(vcpu) && !(kvm_get_rflags(vcpu) & X86_EFLAGS_VM))
		return KVM_PLANE_MODE_32BIT;
	return KVM_PLANE_MODE_REAL;
}

/**
 * kvm_arch_plane_rip - where a plane executes
 * @vcpu: the plane's vCPU, loaded
 */
unsigned long kvm_arch_plane_rip(struct kvm_vcpu *vcpu)
{
	return kvm_rip_read(vcpu);
}

/**
 * kvm_arch_plane_can_claim_msr - whether a policy may see accesses to an MSR
 * @msr: its index; not those that KVM handles before anybody else is asked
 */
bool kvm_arch_plane_can_claim_msr(u32 msr)
{
	return msr != MSR_IA32_TSC_DEADLINE && (msr < APIC_BASE_MSR || msr > APIC_BASE_MSR + 0xff);
}
