/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the planes and kvm_main.c need of each other and nobody else does.
 */
#ifndef __KVM_MAIN_PLANE_H
#define __KVM_MAIN_PLANE_H

struct file;
struct file_operations;
struct kmem_cache;
struct kvm_memory_attributes;

extern struct kmem_cache *kvm_vcpu_cache;
extern struct file_operations kvm_vcpu_fops;

#ifdef CONFIG_KVM_GENERIC_MEMORY_ATTRIBUTES
int kvm_vm_ioctl_set_mem_attributes(struct kvm *kvm, struct kvm_memory_attributes *attrs);
#else
static inline int kvm_vm_ioctl_set_mem_attributes(struct kvm *kvm,
						  struct kvm_memory_attributes *attrs)
{
	return 0;
}
#endif

void kvm_vcpu_init(struct kvm_vcpu *vcpu, struct kvm *kvm, unsigned int id);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);
ssize_t kvm_plane_stats_read(struct kvm_vcpu *vcpu, char __user *buf, size_t size, loff_t *offset);
void kvm_plane_add_stat(struct kvm_vcpu *vcpu, size_t offset, u64 *sum);
void kvm_plane_clear_stat(struct kvm_vcpu *vcpu, size_t offset);
long kvm_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg);

#endif /* __KVM_MAIN_PLANE_H */
