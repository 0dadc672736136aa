// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: the time stamp counters of the planes of a vCPU.
 *
 * How fast it counts is shared, as the planes share a thread and CPUID: whoever sets the
 * frequency sets it for all planes. The value is private to a plane (TLFS, "VTL state
 * isolation"). It is plane 0's, and follows when userspace sets that, until the plane has
 * a value of its own, from userspace or because the guest wrote one. So it does not matter in
 * which order userspace restores the planes.
 *
 * Everything here is under the mutex of plane 0's vCPU.
 */

#include <linux/kvm_host.h>

#include "plane.h"
#include "x86.h"

static bool kvm_plane_same_rate(struct kvm_vcpu *a, struct kvm_vcpu *b)
{
	return a->arch.virtual_tsc_khz == b->arch.virtual_tsc_khz &&
	       a->arch.l1_tsc_scaling_ratio == b->arch.l1_tsc_scaling_ratio &&
	       a->arch.tsc_always_catchup == b->arch.tsc_always_catchup;
}

/* Whether @vcpu is to have the value that plane 0 has. */
static bool kvm_plane_follows(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0;
	s64 ahead = vcpu->arch.l1_tsc_offset - vcpu0->arch.l1_tsc_offset;
	s64 second = vcpu0->arch.virtual_tsc_khz * 1000LL;

	switch (vcpu->plane.tsc) {
	case KVM_PLANE_TSC_FOLLOWS:
		return true;
	case KVM_PLANE_TSC_NEAR:
		return ahead > -second && ahead < second;
	default:
		return false;
	}
}

static void kvm_plane_copy_rate(struct kvm_vcpu *to, struct kvm_vcpu *from)
{
	to->arch.virtual_tsc_khz = from->arch.virtual_tsc_khz;
	to->arch.virtual_tsc_mult = from->arch.virtual_tsc_mult;
	to->arch.virtual_tsc_shift = from->arch.virtual_tsc_shift;
	to->arch.tsc_always_catchup = from->arch.tsc_always_catchup;
	to->arch.tsc_catchup = from->arch.tsc_catchup;
	kvm_vcpu_write_tsc_multiplier(to, from->arch.l1_tsc_scaling_ratio);
}

static void kvm_plane_copy_value(struct kvm_vcpu *to, struct kvm_vcpu *from)
{
	to->arch.this_tsc_nsec = from->arch.this_tsc_nsec;
	to->arch.this_tsc_write = from->arch.this_tsc_write;
	to->arch.this_tsc_generation = from->arch.this_tsc_generation;
	kvm_vcpu_write_tsc_offset(to, from->arch.l1_tsc_offset);
	/* Where the host's TSC is not stable, the value at the next load comes from this one. */
	to->arch.last_guest_tsc = kvm_read_l1_tsc(to, rdtsc());
}

/**
 * kvm_plane_init_tsc - give a new plane the TSC of plane 0
 * @vcpu: the plane's vCPU, loaded; nobody else knows of it
 */
void kvm_plane_init_tsc(struct kvm_vcpu *vcpu)
{
	kvm_plane_assert_loaded(vcpu);

	kvm_plane_copy_rate(vcpu, vcpu->plane.vcpu0);
	kvm_plane_copy_value(vcpu, vcpu->plane.vcpu0);
}

/* See kvm_plane_share_tsc(). */
void __kvm_plane_share_tsc(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *vcpu0 = vcpu->plane.vcpu0, *to;
	unsigned int id;
	bool copy_value;

	kvm_for_each_sibling(id, to, vcpu) {
		copy_value = vcpu == vcpu0 && kvm_plane_follows(to) &&
			     to->arch.l1_tsc_offset != vcpu0->arch.l1_tsc_offset;
		if (!copy_value && kvm_plane_same_rate(vcpu, to))
			continue;

		vcpu_load(to);
		kvm_plane_copy_rate(to, vcpu);
		if (copy_value)
			kvm_plane_copy_value(to, vcpu0);
		vcpu_put(to);
		/* For kvmclock, and for the page of the reference TSC. */
		kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, to);
	}
}

/* See kvm_plane_tsc_set(). */
void __kvm_plane_tsc_set(struct kvm_vcpu *vcpu, u8 how)
{
	vcpu->plane.tsc = how;
	kvm_make_request(KVM_REQ_MASTERCLOCK_UPDATE, vcpu);
}

/* See kvm_plane_tsc_written(). */
void __kvm_plane_tsc_written(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *sibling;
	unsigned int id;

	if (vcpu->plane.id) {
		__kvm_plane_tsc_set(vcpu, KVM_PLANE_TSC_OWN);
		return;
	}

	/* They keep theirs, which nobody in another plane may change. */
	kvm_for_each_sibling(id, sibling, vcpu)
		sibling->plane.tsc = KVM_PLANE_TSC_OWN;
}

/* See kvm_plane_tsc_matches(). */
bool __kvm_plane_tsc_matches(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *other;
	unsigned long i;

	kvm_for_each_vcpu(i, other, vcpu->kvm) {
		other = kvm_vcpu_sibling(other, vcpu->plane.id);
		if (!other)
			continue;
		if (READ_ONCE(other->arch.l1_tsc_offset) != vcpu->arch.l1_tsc_offset ||
		    READ_ONCE(other->arch.l1_tsc_scaling_ratio) != vcpu->arch.l1_tsc_scaling_ratio)
			return false;
	}
	return true;
}
