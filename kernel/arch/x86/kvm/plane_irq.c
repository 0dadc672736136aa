// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: the interrupts, NMIs and SMIs of a plane, from delivery to injection.
 *
 * Each plane has a local APIC of its own. An IPI stays in the plane of its sender, and an interrupt
 * of a device goes to plane 0 unless userspace sends it to another plane as an MSI.
 */

#include <linux/kvm_host.h>

#include "hyperv.h"
#include "irq.h"
#include "kvm_cache_regs.h"
#include "lapic.h"
#include "plane.h"
#include "smm.h"
#include "x86.h"
#include "xen.h"

/**
 * kvm_arch_plane_halted - whether a plane executed HLT, and nothing wakes it
 * @vcpu: the plane's vCPU, loaded
 */
bool kvm_arch_plane_halted(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.mp_state == KVM_MP_STATE_HALTED && !kvm_arch_vcpu_runnable(vcpu);
}

/**
 * kvm_arch_plane_wake - end the HLT of a plane
 * @vcpu: the plane's vCPU, loaded
 */
void kvm_arch_plane_wake(struct kvm_vcpu *vcpu)
{
	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
}

/* Whether the PIC of the VM, whose interrupts are plane 0's, asserts its output. */
static bool kvm_plane_pic_quiet(struct kvm_vcpu *vcpu)
{
	if (irqchip_split(vcpu->kvm))
		return vcpu->arch.pending_external_vector == -1;
	return vcpu->plane.id || !pic_in_kernel(vcpu->kvm) || !vcpu->kvm->arch.vpic->output;
}

/**
 * kvm_arch_plane_quiet - whether it can be seen at a glance that a plane has no event
 * @vcpu: the plane's vCPU, which does not run; interrupts may be off
 *
 * Return: false if kvm_arch_plane_has_event() has to tell.
 */
bool kvm_arch_plane_quiet(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->arch.apic;

	if (!apic || apic->irr_pending || atomic_read(&apic->lapic_timer.pending))
		return false;
	if (kvm_request_pending(vcpu) || kvm_xen_msr_enabled(vcpu->kvm) || is_smm(vcpu))
		return false;
	return !vcpu->arch.nmi_pending && !atomic_read(&vcpu->arch.nmi_queued) &&
	       !vcpu->arch.nmi_injected && !vcpu->arch.interrupt.injected &&
	       kvm_plane_pic_quiet(vcpu);
}

/* Whether a plane has an NMI or an SMI pending. */
static bool kvm_plane_has_nmi(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.nmi_pending || atomic_read(&vcpu->arch.nmi_queued) ||
	    vcpu->arch.nmi_injected)
		return true;
#ifdef CONFIG_KVM_SMM
	if (vcpu->arch.smi_pending)
		return true;
#endif
	return kvm_test_request(KVM_REQ_NMI, vcpu) || kvm_test_request(KVM_REQ_SMI, vcpu);
}

/**
 * kvm_arch_plane_run_timers - have timers of a plane that have expired raise their events
 * @vcpu: the plane's vCPU, which does not run
 *
 * As the plane does by itself before it is entered. May sleep: a synthetic timer of
 * Hyper-V writes a message to guest memory.
 */
void kvm_arch_plane_run_timers(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(KVM_REQ_HV_STIMER, vcpu))
		kvm_hv_process_stimers(vcpu);
}

/*
 * KVM_SET_LAPIC leaves irr_pending set, until there has been an interrupt. Once it is known
 * that there is none, kvm_arch_plane_quiet() is to see so.
 */
static void kvm_plane_update_irr_pending(struct kvm_lapic *apic)
{
	unsigned int i;

	apic->irr_pending = false;
	/* As apic_clear_irr(): who sets a vector sets irr_pending afterwards. */
	smp_mb();
	for (i = 0; i < APIC_ISR_NR; i++)
		if (kvm_lapic_get_reg(apic, APIC_IRR + i * 0x10))
			apic->irr_pending = true;
}

/**
 * kvm_arch_plane_has_event - whether a plane has a pending interrupt
 * @vcpu: the plane's vCPU, which does not run; interrupts may be off
 *
 * One that its own APIC priority lets through, an NMI or an SMI; or one that it
 * was about to take when it was left. Whether the plane would take it at once
 * (RFLAGS.IF) is its own affair.
 */
bool kvm_arch_plane_has_event(struct kvm_vcpu *vcpu)
{
	if (kvm_cpu_has_pending_timer(vcpu))
		kvm_inject_pending_timer_irqs(vcpu);

	if (lapic_in_kernel(vcpu) && vcpu->arch.apic->irr_pending)
		kvm_plane_update_irr_pending(vcpu->arch.apic);

	return kvm_plane_has_nmi(vcpu) || vcpu->arch.interrupt.injected ||
	       kvm_cpu_has_interrupt(vcpu);
}

/**
 * kvm_arch_plane_ready - whether a plane would take its pending event at once
 * @vcpu: the plane's vCPU, which does not run
 *
 * An interrupt, if RFLAGS.IF is set; an NMI or an SMI, always. Whatever last changed RFLAGS,
 * kvm_arch_plane_leave() or an ioctl, has left it where VMX need not ask the CPU.
 */
bool kvm_arch_plane_ready(struct kvm_vcpu *vcpu)
{
	WARN_ON_ONCE(cpu_feature_enabled(X86_FEATURE_VMX) &&
		     !kvm_register_is_available(vcpu, VCPU_EXREG_RFLAGS));
	return kvm_x86_call(get_if_flag)(vcpu) || kvm_plane_has_nmi(vcpu);
}

/**
 * kvm_plane_deliver_irq - deliver an interrupt to the vCPUs of a plane
 * @kvm: the VM
 * @plane: the plane, not 0
 * @src: who sends an IPI; NULL for an MSI
 * @irq: the interrupt
 *
 * Return: the number of vCPUs that it was delivered to, 0 if they had it
 * pending, -1 if there is none.
 */
int kvm_plane_deliver_irq(struct kvm *kvm, u8 plane, struct kvm_lapic *src,
			  struct kvm_lapic_irq *irq)
{
	struct kvm_vcpu *vcpu, *lowest = NULL;
	unsigned long i;
	int r = -1;

	if (src && irq->shorthand == APIC_DEST_SELF)
		return kvm_apic_set_irq(src->vcpu, irq, NULL);

	kvm_for_each_vcpu(i, vcpu, kvm) {
		vcpu = kvm_vcpu_sibling(vcpu, plane);
		if (!vcpu || !kvm_apic_present(vcpu))
			continue;
		if (!kvm_apic_match_dest(vcpu, src, irq->shorthand, irq->dest_id, irq->dest_mode))
			continue;

		if (!kvm_lowest_prio_delivery(irq))
			r = max(r, 0) + kvm_apic_set_irq(vcpu, irq, NULL);
		else if (kvm_lapic_enabled(vcpu) &&
			 (!lowest || kvm_apic_compare_prio(vcpu, lowest) < 0))
			lowest = vcpu;
	}

	return lowest ? kvm_apic_set_irq(lowest, irq, NULL) : r;
}

/**
 * kvm_plane_pv_send_ipi - KVM_HC_SEND_IPI of a plane
 * @sender: the vCPU that made the hypercall, not of plane 0
 * @low: the first half of the bitmap of APIC ids
 * @high: the second half
 * @min: the APIC id of its first bit
 * @icr: the low half of an ICR
 * @op_64_bit: whether a half is 64 bits, not 32
 *
 * Return: the number of vCPUs, or -KVM_EINVAL.
 */
long kvm_plane_pv_send_ipi(struct kvm_vcpu *sender, u64 low, u64 high, u32 min,
			   unsigned long icr, bool op_64_bit)
{
	struct kvm_lapic_irq irq = {
		.vector = icr & APIC_VECTOR_MASK,
		.delivery_mode = icr & APIC_MODE_MASK,
		.level = icr & APIC_INT_ASSERT,
		.trig_mode = icr & APIC_INT_LEVELTRIG,
	};
	unsigned int half = op_64_bit ? 64 : 32;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	long count = 0;
	u32 bit;

	if (icr & (APIC_DEST_MASK | APIC_SHORT_MASK))
		return -KVM_EINVAL;

	kvm_for_each_vcpu(i, vcpu, sender->kvm) {
		vcpu = kvm_vcpu_sibling(vcpu, sender->plane.id);
		if (!vcpu || !kvm_apic_present(vcpu))
			continue;

		bit = vcpu->vcpu_id - min;
		if (bit < half ? low & BIT_ULL(bit) :
		    bit < 2 * half && high & BIT_ULL(bit - half))
			count += kvm_apic_set_irq(vcpu, &irq, NULL);
	}
	return count;
}

/**
 * kvm_arch_plane_signal_msi - deliver an MSI to a plane
 * @kvm: the VM
 * @plane: the plane, not 0
 * @msi: the message
 *
 * Return: as KVM_SIGNAL_MSI; 0 also if there is nobody to take it, as in plane 0.
 */
int kvm_arch_plane_signal_msi(struct kvm *kvm, u8 plane, struct kvm_msi *msi)
{
	struct kvm_kernel_irq_routing_entry e = {
		.msi.address_lo = msi->address_lo,
		.msi.address_hi = msi->address_hi,
		.msi.data = msi->data,
	};
	struct kvm_lapic_irq irq;

	if (!irqchip_in_kernel(kvm) || msi->flags)
		return -EINVAL;
	if (kvm->arch.x2apic_format && msi->address_hi & 0xff)
		return -EINVAL;

	kvm_set_msi_irq(kvm, &e, &irq);
	return max(kvm_plane_deliver_irq(kvm, plane, NULL, &irq), 0);
}

/**
 * kvm_arch_plane_injection - what is to be injected into a plane next
 * @vcpu: the plane's vCPU, which is about to be entered
 * @vector: that of an interrupt of the local APIC
 *
 * Return: enum kvm_plane_injection; 0: nothing that a policy could decide about, which is so,
 * too, if an exception or an SMI comes first, and in a nested guest.
 */
u8 kvm_arch_plane_injection(struct kvm_vcpu *vcpu, u8 *vector)
{
	int irq;

	if (vcpu->arch.exception.pending || is_guest_mode(vcpu) || is_smm(vcpu) ||
	    !lapic_in_kernel(vcpu))
		return 0;
	/* Nothing is to be injected, for a debugger */
	if (vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ)
		return 0;
#ifdef CONFIG_KVM_SMM
	if (vcpu->arch.smi_pending)
		return 0;
#endif
	if (vcpu->arch.nmi_pending)
		return KVM_PLANE_INJECT_NMI;
	if (kvm_cpu_has_extint(vcpu))
		return KVM_PLANE_INJECT_EXTINT;

	irq = kvm_apic_has_interrupt(vcpu);
	if (irq < 0)
		return 0;
	*vector = irq;
	return KVM_PLANE_INJECT_IRQ;
}
