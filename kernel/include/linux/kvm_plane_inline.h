/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: what stock KVM calls, so that a VM without planes pays a load and
 * a predicted branch. Included by <linux/kvm_host.h>, after its structs.
 */
#ifndef __KVM_PLANE_INLINE_H
#define __KVM_PLANE_INLINE_H

static inline bool kvm_has_planes(struct kvm *kvm)
{
	return unlikely(READ_ONCE(kvm->planes.created));
}

/* Whether a plane has memory attributes; if not, it may do everything. */
static inline bool kvm_plane_mem_restricted(struct kvm *kvm, u8 plane)
{
	return unlikely(READ_ONCE(kvm->planes.mem_restricted) & BIT(plane));
}

static inline struct kvm_vcpu *kvm_vcpu_sibling(struct kvm_vcpu *vcpu, unsigned int id)
{
	/* Pairs with smp_store_release() in kvm_plane_add_vcpu(). */
	return smp_load_acquire(&vcpu->plane.vcpu0->plane.sibling[id]);
}

static inline bool kvm_vcpu_has_siblings(struct kvm_vcpu *vcpu)
{
	unsigned int id;

	if (!kvm_has_planes(vcpu->kvm))
		return false;

	for (id = 1; id < KVM_MAX_PLANES; id++)
		if (kvm_vcpu_sibling(vcpu, id))
			return true;
	return false;
}

/*
 * The vCPU at *@pos or the next one after it, @pos being the index of a vCPU
 * times KVM_MAX_PLANES plus a plane.
 */
static inline struct kvm_vcpu *kvm_plane_vcpu_at(struct kvm *kvm, unsigned long *pos)
{
	struct kvm_vcpu *vcpu0, *vcpu;

	for (; (vcpu0 = kvm_get_vcpu(kvm, *pos / KVM_MAX_PLANES)); ++*pos) {
		if (!kvm_has_planes(kvm)) {
			*pos |= KVM_MAX_PLANES - 1;
			return vcpu0;
		}
		vcpu = kvm_vcpu_sibling(vcpu0, *pos % KVM_MAX_PLANES);
		if (vcpu)
			return vcpu;
	}
	return NULL;
}

/* Every vCPU of every plane; kvm_for_each_vcpu() has those of plane 0 only. */
#define kvm_for_each_plane_vcpu(pos, vcpup, kvm)	\
	for (pos = 0; (vcpup = kvm_plane_vcpu_at(kvm, &(pos))); (pos)++)

/**
 * kvm_plane_run - KVM_RUN of the plane that userspace asks for
 * @vcpu: plane 0's vCPU, its mutex held
 *
 * Return: as kvm_arch_vcpu_ioctl_run(); EINVAL or ENOENT for a plane that
 * cannot be or is not there.
 */
static inline int kvm_plane_run(struct kvm_vcpu *vcpu)
{
	/* Not the guest's: what another ioctl translated. */
	vcpu->plane.mem_fault.flags = 0;
	if (kvm_has_planes(vcpu->kvm))
		return __kvm_plane_run(vcpu);
	return kvm_arch_vcpu_ioctl_run(vcpu);
}

/**
 * kvm_plane_running - the sibling that runs
 * @vcpu: the one that ran before the run loop, which may have switched since
 */
static inline struct kvm_vcpu *kvm_plane_running(struct kvm_vcpu *vcpu)
{
	return vcpu->plane.vcpu0->plane.running;
}

/**
 * kvm_plane_next - carry out a switch of planes that was decided in the run loop
 * @vcpu: the vCPU that runs, loaded, in an SRCU read section
 *
 * Return: the vCPU to go on with, in the same state.
 */
static inline struct kvm_vcpu *kvm_plane_next(struct kvm_vcpu *vcpu)
{
	if (likely(!vcpu->plane.switch_to))
		return vcpu;
	return __kvm_plane_switch(vcpu);
}

/**
 * kvm_plane_kick - an event arrived for a vCPU, see who else wants to know
 * @vcpu: the vCPU; its request, or what it is about, was made already
 */
static inline void kvm_plane_kick(struct kvm_vcpu *vcpu)
{
	if (kvm_has_planes(vcpu->kvm))
		__kvm_plane_kick(vcpu);
}

/**
 * kvm_plane_event - see whether an event for another plane ends KVM_RUN, or an
 *	access that KVM did not make for this one
 * @vcpu: the vCPU that runs, before it is entered or blocks
 * @r: what the run loop is to return, if so
 */
static inline bool kvm_plane_event(struct kvm_vcpu *vcpu, int *r)
{
	if (likely(!kvm_test_request(KVM_REQ_PLANE_EVENT, vcpu)))
		return false;
	return __kvm_plane_event(vcpu, r);
}

#endif /* __KVM_PLANE_INLINE_H */
