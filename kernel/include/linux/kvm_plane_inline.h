/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: what stock KVM calls, so that a VM without planes pays a no-op, or a
 * load and a predicted branch if another VM has planes. Included by
 * <linux/kvm_host.h>, after its structs.
 */
#ifndef __KVM_PLANE_INLINE_H
#define __KVM_PLANE_INLINE_H

#ifdef CONFIG_X86
#include <asm/kvm_plane.h>
#endif

static inline bool kvm_has_planes(struct kvm *kvm)
{
	return static_branch_unlikely(&kvm_planes_used.key) && READ_ONCE(kvm->planes.created);
}

/**
 * kvm_plane_forbid - a VM that has no planes cannot have any from now on
 * @kvm: the VM, its lock held; the caller has seen that kvm_has_planes() is not true
 * @forbidden: whether that is so
 */
static inline void kvm_plane_forbid(struct kvm *kvm, bool forbidden)
{
	WRITE_ONCE(kvm->planes.forbidden, forbidden);
}

/* As kvm_has_planes(), of the VM of a vCPU: nothing is loaded as long as no VM has planes. */
static inline bool kvm_vcpu_has_planes(struct kvm_vcpu *vcpu)
{
	return static_branch_unlikely(&kvm_planes_used.key) &&
	       READ_ONCE(vcpu->kvm->planes.created);
}

/* Whether a plane has memory attributes; if not, it may do everything. */
static inline bool kvm_plane_mem_restricted(struct kvm *kvm, u8 plane)
{
	return static_branch_unlikely(&kvm_planes_used.key) &&
	       READ_ONCE(kvm->planes.mem_restricted) & BIT(plane);
}

static inline bool kvm_plane_has_policy(struct kvm *kvm)
{
	return rcu_access_pointer(kvm->planes.policy);
}

/* The same, of the plane of a vCPU */
static inline bool kvm_vcpu_mem_restricted(struct kvm_vcpu *vcpu)
{
	return static_branch_unlikely(&kvm_planes_used.key) &&
	       READ_ONCE(vcpu->kvm->planes.mem_restricted) & BIT(vcpu->plane.id);
}

/**
 * kvm_plane_refuses - see whether a plane may not access memory that KVM accesses for it
 * @vcpu: the plane's vCPU
 * @gpa: the address of the first byte
 * @len: the number of bytes, not 0; they may cross pages
 * @attr: KVM_MEMORY_ATTRIBUTE_NR before KVM reads, KVM_MEMORY_ATTRIBUTE_NW before it writes
 *
 * KVM's functions that access guest memory and take a vCPU ask here, so that their callers
 * need not. The caller is in an SRCU read section until it has made the access, or the access
 * may go on when the plane may not make it any more. If the plane may not, the caller acts as
 * if there were no memory. What userspace does by an ioctl, and what the plane has done
 * already, is not refused. A caller that has asked already, to have the plane exit, uses the
 * functions with two underscores: asked twice, the attributes may answer differently.
 */
static inline bool kvm_plane_refuses(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 attr)
{
	return kvm_vcpu_mem_restricted(vcpu) && __kvm_plane_refuses(vcpu, gpa, len, attr);
}

/**
 * kvm_plane_may_write - see whether a plane may write where KVM writes by a pointer of its own
 * @vcpu: the plane's vCPU
 * @gpa: the address, of something that does not cross a page
 *
 * As kvm_plane_refuses(), for what may happen in the middle of an ioctl and is not done by it.
 */
static inline bool kvm_plane_may_write(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return !kvm_vcpu_mem_restricted(vcpu) ||
	       !(kvm_plane_mem_attrs(vcpu->kvm, vcpu->plane.id, gpa >> PAGE_SHIFT) &
		 KVM_MEMORY_ATTRIBUTE_NW);
}

/*
 * KVM's functions that access guest memory and take no vCPU, for a plane. They use the first
 * address space, whether the plane is in SMM or not. Return: 0, or -EFAULT.
 */

static inline int kvm_plane_read_guest(struct kvm_vcpu *vcpu, gpa_t gpa, void *data,
				       unsigned long len)
{
	if (kvm_plane_refuses(vcpu, gpa, len, KVM_MEMORY_ATTRIBUTE_NR))
		return -EFAULT;
	return kvm_read_guest(vcpu->kvm, gpa, data, len);
}

static inline int kvm_plane_write_guest(struct kvm_vcpu *vcpu, gpa_t gpa, const void *data,
					unsigned long len)
{
	if (kvm_plane_refuses(vcpu, gpa, len, KVM_MEMORY_ATTRIBUTE_NW))
		return -EFAULT;
	return kvm_write_guest(vcpu->kvm, gpa, data, len);
}

static inline int kvm_plane_clear_guest(struct kvm_vcpu *vcpu, gpa_t gpa, unsigned long len)
{
	if (kvm_plane_refuses(vcpu, gpa, len, KVM_MEMORY_ATTRIBUTE_NW))
		return -EFAULT;
	return kvm_clear_guest(vcpu->kvm, gpa, len);
}

static inline int kvm_plane_read_cached(struct kvm_vcpu *vcpu, struct gfn_to_hva_cache *ghc,
					void *data, unsigned int offset, unsigned long len)
{
	if (kvm_plane_refuses(vcpu, ghc->gpa + offset, len, KVM_MEMORY_ATTRIBUTE_NR))
		return -EFAULT;
	return kvm_read_guest_offset_cached(vcpu->kvm, ghc, data, offset, len);
}

static inline int kvm_plane_write_cached(struct kvm_vcpu *vcpu, struct gfn_to_hva_cache *ghc,
					 void *data, unsigned int offset, unsigned long len)
{
	if (kvm_plane_refuses(vcpu, ghc->gpa + offset, len, KVM_MEMORY_ATTRIBUTE_NW))
		return -EFAULT;
	return kvm_write_guest_offset_cached(vcpu->kvm, ghc, data, offset, len);
}

/*
 * An ioctl of a vCPU begins, and ends. Those that get or set the state of a plane are
 * userspace's: KVM accesses memory for them that the plane may not access.
 */
static inline void kvm_plane_ioctl_begin(struct kvm_vcpu *vcpu, unsigned int ioctl)
{
	if (static_branch_unlikely(&kvm_planes_used.key))
		WRITE_ONCE(vcpu->plane.mem_exempt, kvm_arch_plane_mem_exempt(ioctl));
}

static inline void kvm_plane_ioctl_end(struct kvm_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->plane.mem_exempt, false);
}

static inline struct kvm_vcpu *kvm_vcpu_sibling(struct kvm_vcpu *vcpu, unsigned int id)
{
	/* Pairs with smp_store_release() in kvm_plane_add_vcpu(). */
	return smp_load_acquire(&vcpu->plane.vcpu0->plane.sibling[id]);
}

/* The vCPU of plane *@id, or of the next plane after it, other than @vcpu; NULL at the end. */
static inline struct kvm_vcpu *kvm_plane_sibling_at(struct kvm_vcpu *vcpu, unsigned int *id)
{
	struct kvm_vcpu *sibling;

	for (; *id < KVM_MAX_PLANES; ++*id) {
		sibling = kvm_vcpu_sibling(vcpu, *id);
		if (sibling && sibling != vcpu)
			return sibling;
	}
	return NULL;
}

/* The siblings of a vCPU, without itself. */
#define kvm_for_each_sibling(id, sibling, vcpu)	\
	for (id = 0; (sibling = kvm_plane_sibling_at(vcpu, &(id))); (id)++)

static inline bool kvm_vcpu_has_siblings(struct kvm_vcpu *vcpu)
{
	unsigned int id = 0;

	return kvm_vcpu_has_planes(vcpu) && kvm_plane_sibling_at(vcpu, &id);
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
	if (static_branch_unlikely(&kvm_planes_used.key))
		return __kvm_plane_run(vcpu);
	return kvm_arch_vcpu_ioctl_run(vcpu);
}

/*
 * The run loop is compiled twice. The one for VMs without planes is as it was, but
 * that a request leads from it to the other one, of which the vCPU may be another
 * afterwards.
 */

/* What the run loop returns to be run again, with planes; no errno */
#define KVM_PLANE_RERUN		INT_MIN

/* What kvm_plane_halt() returns if the vCPU is to block */
#define KVM_PLANE_BLOCK		2

/**
 * kvm_plane_running - the sibling that runs
 * @vcpu: any; of another thread, the answer may be an old one at once
 */
static inline struct kvm_vcpu *kvm_plane_running(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->plane.vcpu0->plane.running);
}

/* The run loop with planes begins, and ends. */
static inline void kvm_plane_loop_begin(struct kvm_vcpu *vcpu)
{
	vcpu->plane.vcpu0->plane.looping = true;
}

static inline void kvm_plane_loop_end(struct kvm_vcpu *vcpu)
{
	vcpu->plane.vcpu0->plane.looping = false;
	vcpu = kvm_plane_running(vcpu);
	/* Decided on, but the loop had no time for it */
	if (vcpu->plane.switch_to) {
		vcpu = __kvm_plane_switch(vcpu);
		kvm_arch_plane_update_exit(vcpu);
	}
	/* Userspace may have another one run next. */
	kvm_arch_plane_leave(vcpu);
}

/* Have the run loop go on with plane @id in place of @vcpu, which runs. */
static inline void kvm_plane_switch_later(struct kvm_vcpu *vcpu, u8 id, u32 state, u8 cause)
{
	vcpu->plane.switch_to = kvm_vcpu_sibling(vcpu, id);
	vcpu->plane.switch_state = state;
	vcpu->plane.switch_cause = cause;
	if (!vcpu->plane.vcpu0->plane.looping)
		kvm_make_request(KVM_REQ_PLANE, vcpu);
}

/**
 * kvm_plane_reenter - carry out a switch of planes without leaving the inner run loop
 * @vcpu: the vCPU whose exit was dealt with in the fast path, interrupts off
 *
 * Return: the vCPU to enter, its requests not looked at yet.
 */
static inline struct kvm_vcpu *kvm_plane_reenter(struct kvm_vcpu *vcpu)
{
	/* The outer loop looks at them, or the next time that the plane is entered. */
	if (unlikely(vcpu->plane.held))
		kvm_arch_plane_recheck(vcpu);
	if (vcpu->plane.switch_to)
		vcpu = __kvm_plane_reenter(vcpu);
	/* The outer loop looks whether userspace can inject an interrupt. */
	if (unlikely(READ_ONCE(vcpu->run->request_interrupt_window)))
		kvm_make_request(KVM_REQ_PLANE, vcpu);
	return vcpu;
}

/**
 * kvm_plane_attention - see whether kvm_plane_attend() has anything to do
 * @vcpu: the vCPU that runs, before it is entered or blocks
 */
static inline bool kvm_plane_attention(struct kvm_vcpu *vcpu)
{
	return kvm_test_request(KVM_REQ_PLANE, vcpu) || vcpu->plane.switch_to ||
	       vcpu->plane.held;
}

/* Where @msr is in @msrs, of which there are @nr, or as many as come before a 0; -1 if nowhere. */
static inline int kvm_plane_find_msr(const u32 *msrs, unsigned int nr, u32 msr)
{
	unsigned int i;

	for (i = 0; i < nr && READ_ONCE(msrs[i]); i++)
		if (msrs[i] == msr)
			return i;
	return -1;
}

/**
 * kvm_plane_holds_events - let a policy see what is about to be injected
 * @vcpu: the vCPU that runs, before it is entered
 *
 * Return: true if no interrupt or NMI is to be injected now; an exception may be.
 */
static inline bool kvm_plane_holds_events(struct kvm_vcpu *vcpu)
{
	return kvm_vcpu_has_planes(vcpu) && __kvm_plane_holds_events(vcpu);
}

/**
 * kvm_plane_halt - see whether a vCPU is to do something better than to block
 * @vcpu: the vCPU that runs, not to be entered
 * @planes: whether this is the run loop with planes
 *
 * Return: as a run loop's, or KVM_PLANE_BLOCK.
 */
static inline int kvm_plane_halt(struct kvm_vcpu *vcpu, const bool planes)
{
	if (planes)
		return __kvm_plane_halt(vcpu);
	return kvm_plane_attention(vcpu) ? KVM_PLANE_RERUN : KVM_PLANE_BLOCK;
}

/**
 * kvm_plane_kick - an event arrived for a vCPU, see who else wants to know
 * @vcpu: the vCPU; its request, or what it is about, was made already
 */
static inline void kvm_plane_kick(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_planes(vcpu))
		__kvm_plane_kick(vcpu);
}

#endif /* __KVM_PLANE_INLINE_H */
