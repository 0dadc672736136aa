/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes on x86: what exit handlers call.
 */
#ifndef __KVM_X86_PLANE_H
#define __KVM_X86_PLANE_H

#include <linux/kvm_host.h>

struct kvm_lapic;
struct kvm_lapic_irq;
struct kvm_page_fault;
struct x86_exception;

int kvm_plane_deliver_irq(struct kvm *kvm, u8 plane, struct kvm_lapic *src,
			  struct kvm_lapic_irq *irq);
long kvm_plane_pv_send_ipi(struct kvm_vcpu *sender, u64 low, u64 high, u32 min,
			   unsigned long icr, bool op_64_bit);
void kvm_load_guest_fpu(struct kvm_vcpu *vcpu);
void kvm_put_guest_fpu(struct kvm_vcpu *vcpu);
bool __kvm_plane_hypercall(struct kvm_vcpu *vcpu, int *r);
int __kvm_plane_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
unsigned int __kvm_plane_pte_access(struct kvm *kvm, u8 plane, gfn_t gfn);
bool __kvm_plane_denies(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
			struct x86_exception *exception);

/**
 * kvm_plane_hypercall - a plane made a hypercall; see whether it means "switch"
 * @vcpu: the vCPU, at the hypercall instruction
 * @r: the exit handler's return value, if so
 *
 * Return: true if there is nothing left to do.
 */
static inline bool kvm_plane_hypercall(struct kvm_vcpu *vcpu, int *r)
{
	return kvm_has_planes(vcpu->kvm) && __kvm_plane_hypercall(vcpu, r);
}

/**
 * kvm_plane_faultin - check a page fault against the attributes of its plane
 * @vcpu: the plane's vCPU
 * @fault: the fault, its mmu_seq taken; is limited to a page size that they allow
 *
 * Return: 0 (RET_PF_CONTINUE), or -EFAULT with an exit prepared.
 */
static inline int kvm_plane_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	if (!kvm_plane_mem_restricted(vcpu->kvm, vcpu->plane.id))
		return 0;
	return __kvm_plane_faultin(vcpu, fault);
}

/**
 * kvm_plane_pte_access - what an SPTE may grant of a page
 * @kvm: the VM
 * @plane: the plane that the page table is for
 * @gfn: the page, or the first one of a huge page
 *
 * Return: ACC_*_MASK, for a caller that holds mmu_lock.
 */
static inline unsigned int kvm_plane_pte_access(struct kvm *kvm, u8 plane, gfn_t gfn)
{
	if (!kvm_plane_mem_restricted(kvm, plane))
		return ~0U;
	return __kvm_plane_pte_access(kvm, plane, gfn);
}

/**
 * kvm_plane_denies - see whether a plane may make an access that KVM makes for it
 * @vcpu: the plane's vCPU
 * @gpa: where; the access does not cross a page
 * @access: PFERR_FETCH_MASK, PFERR_WRITE_MASK or neither; others are ignored
 * @exception: what the caller is to return the failure by, may be NULL
 *
 * Return: true if it may not. The caller is to act as if the guest had a page
 * fault; the next turn of the run loop tells userspace.
 */
static inline bool kvm_plane_denies(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
				    struct x86_exception *exception)
{
	return kvm_plane_mem_restricted(vcpu->kvm, vcpu->plane.id) &&
	       __kvm_plane_denies(vcpu, gpa, access, exception);
}

/**
 * kvm_plane_denied - whether an exception is what kvm_plane_denies() made
 * @vcpu: the plane's vCPU
 */
static inline bool kvm_plane_denied(struct kvm_vcpu *vcpu)
{
	return unlikely(vcpu->plane.mem_fault.flags);
}

#endif /* __KVM_X86_PLANE_H */
