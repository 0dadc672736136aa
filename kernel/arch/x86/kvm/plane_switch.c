// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: what a switch does to the plane that is left and the one that is entered.
 *
 * The outer run loop can switch between any two planes. The inner one does not look at what a vCPU
 * needs before it is entered, and switches only if kvm_arch_plane_can_reenter() says that there is
 * nothing to look at.
 */

#include <linux/kvm_host.h>

#include <asm/fpu/api.h>

#include "cpuid.h"
#include "kvm_cache_regs.h"
#include "lapic.h"
#include "mmu.h"
#include "plane.h"
#include "pmu.h"
#include "x86.h"
#include "xen.h"

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
 * kvm_arch_plane_leave_pmu - see that nothing counts for a plane that is left
 * @vcpu: the plane's vCPU
 */
void kvm_arch_plane_leave_pmu(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(KVM_REQ_PMU, vcpu))
		kvm_pmu_handle_event(vcpu);
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
