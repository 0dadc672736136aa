/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: what generic code asks of x86 at each exit that a policy sees.
 * Included by <linux/kvm_plane_inline.h>.
 */
#ifndef _ASM_X86_KVM_PLANE_H
#define _ASM_X86_KVM_PLANE_H

/* AMD APM volume 2, "#HV, hypervisor injection exception" */
#define KVM_PLANE_HV_VECTOR	28

/* The exceptions that a policy may raise at an instruction: those that each one can raise */
#define KVM_ARCH_PLANE_INSN_EXCEPTIONS	(BIT(UD_VECTOR) | BIT(GP_VECTOR))

/* And in place of an event: #HV is there for that (AMD APM volume 2, "Restricted Injection") */
#define KVM_ARCH_PLANE_EVENT_EXCEPTIONS	BIT(KVM_PLANE_HV_VECTOR)

/**
 * kvm_plane_assert_loaded - check that a vCPU is loaded
 * @vcpu: the vCPU
 *
 * VMX reads and writes the VMCS that is current, whichever vCPU it is asked about: call vendor
 * code that does so for the plane that is loaded, and for no other.
 */
static inline void kvm_plane_assert_loaded(struct kvm_vcpu *vcpu)
{
	WARN_ON_ONCE(kvm_get_running_vcpu() != vcpu);
}

/**
 * kvm_arch_plane_cpl - the privilege level that a plane runs at
 * @vcpu: the plane's vCPU, loaded
 *
 * Return: 0 to 3.
 */
static inline u8 kvm_arch_plane_cpl(struct kvm_vcpu *vcpu)
{
	/* A program sees every exit: only a debug kernel pays for the check. */
	lockdep_assert(kvm_get_running_vcpu() == vcpu);
	return kvm_x86_call(get_cpl)(vcpu);
}

/**
 * kvm_arch_plane_runnable - whether a plane can run if it is chosen
 * @vcpu: the plane's vCPU
 *
 * Not while it waits for a SIPI, nor before userspace completed its last exit.
 */
static inline bool kvm_arch_plane_runnable(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.complete_userspace_io)
		return false;

	return vcpu->arch.mp_state == KVM_MP_STATE_RUNNABLE ||
	       vcpu->arch.mp_state == KVM_MP_STATE_HALTED;
}

/**
 * kvm_arch_plane_reg_shared - whether a policy may access a register
 * @reg: its number in instructions; RSP is private to a plane
 */
static inline bool kvm_arch_plane_reg_shared(u32 reg)
{
	BUILD_BUG_ON((int)KVM_PLANE_NR_REGS > (int)NR_VCPU_REGS);
	BUILD_BUG_ON((int)KVM_PLANE_REG_RAX != (int)VCPU_REGS_RAX);
	BUILD_BUG_ON((int)KVM_PLANE_REG_RBP != (int)VCPU_REGS_RBP);
	BUILD_BUG_ON((int)KVM_PLANE_REG_R8 != (int)VCPU_REGS_R8);

	return reg < KVM_PLANE_NR_REGS && reg != VCPU_REGS_RSP;
}

/**
 * kvm_arch_plane_read_reg - read a general register of a plane
 * @vcpu: the plane's vCPU
 * @reg: one that is shared; these are always in memory
 */
static inline u64 kvm_arch_plane_read_reg(struct kvm_vcpu *vcpu, u32 reg)
{
	return vcpu->arch.regs[reg];
}

/**
 * kvm_arch_plane_recheck - have the events of a plane looked at before it is entered
 * @vcpu: the plane's vCPU
 */
static inline void kvm_arch_plane_recheck(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_EVENT, vcpu);
}

/**
 * kvm_arch_plane_assist_gpa - where the VP assist page of a plane is
 * @vcpu: the plane's vCPU
 * @gpa: its address; TLFS, HV_X64_MSR_VP_ASSIST_PAGE
 *
 * Return: whether it is enabled.
 */
static inline bool kvm_arch_plane_assist_gpa(struct kvm_vcpu *vcpu, gpa_t *gpa)
{
#ifdef CONFIG_KVM_HYPERV
	struct kvm_vcpu_hv *hv_vcpu = vcpu->arch.hyperv;

	if (hv_vcpu && hv_vcpu->hv_vapic & HV_X64_MSR_VP_ASSIST_PAGE_ENABLE) {
		*gpa = hv_vcpu->hv_vapic & HV_X64_MSR_VP_ASSIST_PAGE_ADDRESS_MASK;
		return true;
	}
#endif
	return false;
}

#endif /* _ASM_X86_KVM_PLANE_H */
