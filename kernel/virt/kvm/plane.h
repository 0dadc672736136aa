/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the planes need of kvm_main.c.
 */
#ifndef __KVM_MAIN_PLANE_H
#define __KVM_MAIN_PLANE_H

struct file;
struct file_operations;
struct kmem_cache;

extern struct kmem_cache *kvm_vcpu_cache;
extern struct file_operations kvm_vcpu_fops;

void kvm_vcpu_init(struct kvm_vcpu *vcpu, struct kvm *kvm, unsigned int id);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);
long kvm_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);

#endif /* __KVM_MAIN_PLANE_H */
