// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: what the planes of a vCPU share, and what a switch carries from
 * one to another.
 */

#include <linux/kvm_host.h>

#include <asm/fpu/api.h>

#include "cpuid.h"
#include "hyperv.h"
#include "irq.h"
#include "kvm_cache_regs.h"
#include "lapic.h"
#include "mmu.h"
#include "plane.h"
#include "pmu.h"
#include "smm.h"
#include "x86.h"
#include "xen.h"

/* AMD APM volume 2, "#HV, hypervisor injection exception" */
#define HV_VECTOR	28

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
 * kvm_arch_plane_leave_pmu - see that nothing counts for a plane that is left
 * @vcpu: the plane's vCPU
 */
void kvm_arch_plane_leave_pmu(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(KVM_REQ_PMU, vcpu))
		kvm_pmu_handle_event(vcpu);
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

/*
 * Have the next load of the FPU's registers be of the plane that is to run. Interrupts may be
 * off, so fpu_swap_kvm_fpstate() is of no use; nor is what the thread has in userspace to
 * be loaded in between. kernel_fpu_begin_mask() saves the registers and sets
 * TIF_NEED_FPU_LOAD, unless they are saved already: from there on only memory counts.
 */
static void kvm_plane_swap_fpu(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	struct fpu *fpu = &current->thread.fpu;

	kernel_fpu_begin_mask(0);
	kernel_fpu_end();

	from->arch.guest_fpu.fpstate->in_use = false;
	to->arch.guest_fpu.fpstate->in_use = true;
	fpu->fpstate = to->arch.guest_fpu.fpstate;
	/* A CPU where the thread was before may have the registers of @from still. */
	fpu->last_cpu = -1;
}

/**
 * kvm_arch_plane_switch_fpu - have the FPU of another plane loaded at the next entry
 * @from: the plane that runs
 * @to: the plane that is to run
 *
 * Nothing to do where both have the same one.
 */
void kvm_arch_plane_switch_fpu(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	if (from->kvm->planes.split_fpu)
		kvm_plane_swap_fpu(from, to);
}

/**
 * kvm_arch_plane_switch_timer - have the APIC timer of a plane that does not run expire
 * @from: the plane that is left
 * @to: the plane that is entered
 *
 * VMX counts the timer of the guest that runs down, and of no other.
 */
void kvm_arch_plane_switch_timer(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	if (!kvm_x86_ops.set_hv_timer)
		return;
	if (lapic_in_kernel(from))
		kvm_lapic_switch_to_sw_timer(from);
	if (lapic_in_kernel(to))
		kvm_lapic_switch_to_hv_timer(to);
}

/**
 * kvm_arch_plane_can_reenter - whether a plane can be entered in the inner run loop
 * @from: the plane that runs, which has exited
 * @to: the plane to enter
 *
 * Nothing is left to do of what vcpu_enter_guest() does before that loop for @to, nor of
 * what it does after it for @from, but for what kvm_arch_plane_reload() does.
 */
bool kvm_arch_plane_can_reenter(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	if (kvm_request_pending(to) || to->cpu != from->cpu ||
	    to->arch.mp_state != KVM_MP_STATE_RUNNABLE || to->arch.apf.halted ||
	    !VALID_PAGE(to->arch.mmu->root.hpa) || is_guest_mode(to) ||
	    to->arch.tsc_offset_adjustment)
		return false;
	/* Its events may be on still, from before it had a sibling. */
	if (kvm_test_request(KVM_REQ_PMU, from))
		return false;
	/* What userspace is to be asked before, or to be told after */
	if (!lapic_in_kernel(to) || kvm_xen_msr_enabled(to->kvm))
		return false;
	/*
	 * VMX has a timer in what is loaded, and looks at the exit of the vCPU that is
	 * loaded after the loop, even if that was not entered after all.
	 */
	if (cpu_feature_enabled(X86_FEATURE_VMX))
		return false;
	/* State that is loaded before the loop and saved after it */
	if (from->arch.switch_db_regs || to->arch.switch_db_regs || hw_breakpoint_active() ||
	    from->arch.guest_fpu.xfd_err || to->arch.guest_fpu.xfd_err ||
	    from->arch.xfd_no_write_intercept)
		return false;
	return !from->arch.apic_attention && !from->arch.tsc_always_catchup &&
	       to->arch.host_debugctl == from->arch.host_debugctl;
}

/**
 * kvm_arch_plane_load - load a plane on the CPU and the thread of another one
 * @vcpu: the plane's vCPU
 * @cpu: the CPU; preemption is off
 *
 * As kvm_arch_vcpu_load(), of which most is about a CPU or a time that is another.
 */
void kvm_arch_plane_load(struct kvm_vcpu *vcpu, int cpu)
{
	/* That was of its last exit. */
	vcpu->arch.at_instruction_boundary = false;
	if (vcpu->cpu != cpu || vcpu->arch.tsc_offset_adjustment) {
		kvm_arch_vcpu_load(vcpu, cpu);
		return;
	}

	vcpu->arch.l1tf_flush_l1d = true;
	kvm_x86_call(vcpu_load)(vcpu, cpu);
	vcpu->arch.host_pkru = read_pkru();
	if (vcpu->arch.st.msr_val & KVM_MSR_ENABLED)
		kvm_make_request(KVM_REQ_STEAL_UPDATE, vcpu);
}

/* As kvm_arch_vcpu_put(), kvm_arch_plane_load(), and what is done before the inner run loop. */
static void kvm_plane_reload_slow(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	kvm_arch_vcpu_put(from);
	kvm_arch_plane_load(to, from->cpu);
	kvm_x86_call(prepare_switch_to_guest)(to);
}

/**
 * kvm_arch_plane_reload - load a plane that is to be entered in the inner run loop
 * @from: the plane that is loaded, and has just exited
 * @to: the plane to enter; kvm_arch_plane_can_reenter() says that it can be
 */
void kvm_arch_plane_reload(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	u64 tsc = rdtsc();

	if (likely(kvm_x86_call(plane_reload)(from, to))) {
		to->arch.host_pkru = from->arch.host_pkru;
		to->arch.at_instruction_boundary = false;
		if (to->arch.st.msr_val & KVM_MSR_ENABLED)
			kvm_make_request(KVM_REQ_STEAL_UPDATE, to);
	} else {
		kvm_plane_reload_slow(from, to);
	}

	from->arch.last_vmentry_cpu = from->cpu;
	from->arch.last_host_tsc = tsc;
	from->arch.last_guest_tsc = kvm_read_l1_tsc(from, tsc);

	if (from->kvm->planes.split_fpu) {
		kvm_plane_swap_fpu(from, to);
		switch_fpu_return();
	}
}

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
 * kvm_arch_plane_leave - save what is asked of a plane that does not run
 * @vcpu: the plane's vCPU, loaded; another plane, or none, is loaded next
 *
 * That is RFLAGS, for kvm_arch_plane_ready(): VMX can read it only while the plane is loaded.
 */
void kvm_arch_plane_leave(struct kvm_vcpu *vcpu)
{
	kvm_plane_assert_loaded(vcpu);
	kvm_get_rflags(vcpu);
}

/**
 * kvm_arch_plane_update_exit - have an exit to userspace tell of the plane that was switched to
 * @vcpu: the plane's vCPU, loaded; the switch was made when the exit was ready
 *
 * A debugger that steps over the instruction that switches is at the plane's next one.
 */
void kvm_arch_plane_update_exit(struct kvm_vcpu *vcpu)
{
	if (vcpu->run->exit_reason == KVM_EXIT_DEBUG)
		vcpu->run->debug.arch.pc = kvm_get_linear_rip(vcpu);
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
 * kvm_arch_plane_write_reg - write a general register of a plane
 * @vcpu: the plane's vCPU
 * @reg: one that is shared
 * @value: the value
 */
void kvm_arch_plane_write_reg(struct kvm_vcpu *vcpu, u32 reg, u64 value)
{
	kvm_register_write_raw(vcpu, array_index_nospec(reg, KVM_PLANE_NR_REGS), value);
}

/**
 * kvm_arch_plane_can_claim_msr - whether a policy may see accesses to an MSR
 * @msr: its index; not those that KVM handles before anybody else is asked
 */
bool kvm_arch_plane_can_claim_msr(u32 msr)
{
	return msr != MSR_IA32_TSC_DEADLINE && (msr < APIC_BASE_MSR || msr > APIC_BASE_MSR + 0xff);
}

/**
 * kvm_arch_plane_raise_irq - raise an interrupt in the local APIC of a plane
 * @vcpu: the plane's vCPU, with a local APIC in the kernel
 * @vector: 16 to 255; fixed and edge-triggered
 */
void kvm_arch_plane_raise_irq(struct kvm_vcpu *vcpu, u8 vector)
{
	struct kvm_lapic_irq irq = {
		.vector = vector,
		.delivery_mode = APIC_DM_FIXED,
		.level = true,
	};

	if (lapic_in_kernel(vcpu))
		kvm_apic_set_irq(vcpu, &irq, NULL);
}

/**
 * kvm_arch_plane_can_inject - whether a policy may raise an exception
 * @vector: its vector; those that an instruction can always raise
 */
bool kvm_arch_plane_can_inject(u32 vector)
{
	return vector == UD_VECTOR || vector == GP_VECTOR;
}

/**
 * kvm_arch_plane_can_signal - whether a policy may raise an exception to tell of an event
 * @vector: its vector; #HV, which is there for that (AMD APM volume 2, "Restricted Injection")
 */
bool kvm_arch_plane_can_signal(u32 vector)
{
	return vector == HV_VECTOR;
}

/**
 * kvm_arch_plane_inject - raise an exception at the instruction that exited, or is next
 * @vcpu: the plane's vCPU
 * @vector: one that a policy may raise
 */
void kvm_arch_plane_inject(struct kvm_vcpu *vcpu, u32 vector)
{
	if (vector == GP_VECTOR)
		kvm_queue_exception_e(vcpu, GP_VECTOR, 0);
	else
		kvm_queue_exception(vcpu, vector);
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

/**
 * kvm_arch_plane_take - have a plane's event count as injected
 * @vcpu: the plane's vCPU, which is about to be entered
 * @injection: KVM_PLANE_INJECT_IRQ: is in service until EOI; KVM_PLANE_INJECT_NMI
 * @vector: of the interrupt, as kvm_arch_plane_injection() had it
 */
void kvm_arch_plane_take(struct kvm_vcpu *vcpu, u8 injection, u8 vector)
{
	if (injection == KVM_PLANE_INJECT_NMI)
		vcpu->arch.nmi_pending--;
	else
		kvm_apic_ack_interrupt(vcpu, vector);
}

/* Go on at @rip; what kvm_skip_emulated_instruction() does where nobody steps through the guest. */
static void kvm_plane_skip_to(struct kvm_vcpu *vcpu, unsigned long rip)
{
	kvm_rip_write(vcpu, rip);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	if (!bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx, X86_PMC_IDX_MAX))
		kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
}

/**
 * kvm_arch_plane_skip_insn - skip the instruction that exited
 * @vcpu: the plane's vCPU, loaded, in an SRCU read section
 * @r: the exit handler's return value: 0 if userspace is to see something first
 *
 * Return: whether it was skipped. It cannot be, for want of next-RIP, if another
 * vCPU has overwritten it in the meantime.
 */
bool kvm_arch_plane_skip_insn(struct kvm_vcpu *vcpu, int *r)
{
	if (vcpu->plane.next_rip) {
		kvm_plane_skip_to(vcpu, vcpu->plane.next_rip);
		*r = 1;
		return true;
	}

	*r = kvm_skip_emulated_instruction(vcpu);
	return *r || vcpu->run->exit_reason == KVM_EXIT_DEBUG;
}

static void kvm_plane_carry_gprs(struct kvm_vcpu *vcpu, struct kvm_vcpu *sibling)
{
	unsigned long *from = vcpu->arch.regs, *to = sibling->arch.regs;
	unsigned long rsp = to[VCPU_REGS_RSP];
	unsigned int reg;

	/* General registers are always in arch.regs; RSP may be in the VMCS only. */
#pragma GCC unroll 16
	for (reg = 0; reg < KVM_PLANE_NR_REGS; reg++)
		to[reg] = from[reg];
	to[VCPU_REGS_RSP] = rsp;
}

static void kvm_plane_carry_drs(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	BUILD_BUG_ON(sizeof(to->arch.db) != sizeof(to->arch.eff_db));

	memcpy(to->arch.db, from->arch.db, sizeof(to->arch.db));
	if (!(to->guest_debug & KVM_GUESTDBG_USE_HW_BP))
		memcpy(to->arch.eff_db, to->arch.db, sizeof(to->arch.eff_db));
}

/* Both planes have the same CPUID, so what one accepted is good for the other. */
static void kvm_plane_carry_xcr0(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	if (to->arch.xcr0 == from->arch.xcr0)
		return;

	to->arch.xcr0 = from->arch.xcr0;
	kvm_update_cpuid_runtime(to);
}

/**
 * kvm_arch_plane_carry - copy state that two planes share by architecture
 * @from: the plane that is left, all of its state saved
 * @to: the plane that is entered
 * @state: KVM_PLANE_STATE_*
 */
void kvm_arch_plane_carry(struct kvm_vcpu *from, struct kvm_vcpu *to, u32 state)
{
	if (state & KVM_PLANE_STATE_GPRS)
		kvm_plane_carry_gprs(from, to);
	if (state & KVM_PLANE_STATE_CR2)
		to->arch.cr2 = from->arch.cr2;
	if (state & KVM_PLANE_STATE_DRS)
		kvm_plane_carry_drs(from, to);
	if (state & KVM_PLANE_STATE_XCR0)
		kvm_plane_carry_xcr0(from, to);
}
