/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes on x86: what exit handlers call.
 */
#ifndef __KVM_X86_PLANE_H
#define __KVM_X86_PLANE_H

#include <linux/kvm_host.h>

struct kvm_lapic;
struct kvm_lapic_irq;

int kvm_plane_deliver_irq(struct kvm *kvm, u8 plane, struct kvm_lapic *src,
			  struct kvm_lapic_irq *irq);
long kvm_plane_pv_send_ipi(struct kvm_vcpu *sender, u64 low, u64 high, u32 min,
			   unsigned long icr, bool op_64_bit);
void kvm_load_guest_fpu(struct kvm_vcpu *vcpu);
void kvm_put_guest_fpu(struct kvm_vcpu *vcpu);
bool __kvm_plane_hypercall(struct kvm_vcpu *vcpu, int *r);

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

#endif /* __KVM_X86_PLANE_H */
