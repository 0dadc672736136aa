// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: what a plane may do with memory.
 *
 * The attributes are in an xarray of each plane, by gfn, and nowhere else: what
 * the MMU needs to know of a huge page is looked up when it is mapped. They have
 * nothing to do with memory slots, and so survive whatever happens to them.
 *
 * Changing them is an invalidation like that of an MMU notifier: a fault that
 * was resolved by the old ones is not mapped any more once it has begun, and by the
 * new ones not before it has ended. They are stored in between, so that whoever
 * maps under mmu_lock, having found no invalidation, has the current ones.
 */

#include <linux/kvm_host.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "kvm_mm.h"
#include "plane_main.h"

/* What is stored of attributes: three bits, which fit into an entry on any machine. */
#define KVM_PLANE_MEM_SHIFT	24
#define KVM_PLANE_MEM_MASK	\
	(KVM_MEMORY_ATTRIBUTE_NR | KVM_MEMORY_ATTRIBUTE_NW | KVM_MEMORY_ATTRIBUTE_NX)

/**
 * kvm_plane_mem_supported - the attributes that memory of a plane can have
 * @kvm: the VM; NULL asks for any type of VM
 * @plane: the plane; plane 0's are set together with those of the VM
 */
u64 kvm_plane_mem_supported(struct kvm *kvm, u8 plane)
{
	u64 attrs = 0;

#ifdef CONFIG_KVM_GENERIC_MEMORY_ATTRIBUTES
	if (!plane && (!kvm || kvm_arch_has_private_mem(kvm)))
		attrs |= KVM_MEMORY_ATTRIBUTE_PRIVATE;
#endif
	if (kvm_arch_has_planes(kvm))
		attrs |= KVM_PLANE_MEM_MASK;
	return attrs;
}

/**
 * kvm_plane_mem_attrs - what a plane may not do with a page
 * @kvm: the VM
 * @plane: the plane
 * @gfn: the page
 *
 * Return: KVM_MEMORY_ATTRIBUTE_N*. They may change at once, unless the caller
 * holds mmu_lock and knows that there is no invalidation of the page.
 */
u64 kvm_plane_mem_attrs(struct kvm *kvm, u8 plane, gfn_t gfn)
{
	void *entry;

	if (!kvm_plane_mem_restricted(kvm, plane))
		return 0;

	/* Pairs with smp_wmb() in kvm_plane_mem_restrict(). */
	smp_rmb();
	entry = xa_load(&kvm->planes.mem_attr[plane], gfn);
	return entry ? (u64)xa_to_value(entry) << KVM_PLANE_MEM_SHIFT : 0;
}

/**
 * kvm_plane_mem_uniform - whether all of a range has the same attributes
 * @kvm: the VM
 * @plane: the plane
 * @start: its first page
 * @end: the page after its last
 * @attrs: the attributes, KVM_MEMORY_ATTRIBUTE_N*
 */
bool kvm_plane_mem_uniform(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end, u64 attrs)
{
	XA_STATE(xas, &kvm->planes.mem_attr[plane], start);
	void *entry;

	if (!kvm_plane_mem_restricted(kvm, plane))
		return !attrs;

	/* Pairs with smp_wmb() in kvm_plane_mem_restrict(). */
	smp_rmb();
	guard(rcu)();

	xas_for_each(&xas, entry, end - 1) {
		/* What is merely reserved is not there. */
		if (xas_retry(&xas, entry))
			continue;
		if (!attrs || xas.xa_index != start)
			return false;
		if (xa_to_value(entry) << KVM_PLANE_MEM_SHIFT != attrs)
			return false;
		start++;
	}
	return !attrs || start == end;
}

/**
 * kvm_plane_mem_exempt - see whether an access is not bound by the attributes of its plane
 * @vcpu: the plane's vCPU
 *
 * Another thread may write for the vCPU at the same time, and is bound.
 */
bool kvm_plane_mem_exempt(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->plane.mem_exempt) && kvm_get_running_vcpu() == vcpu;
}

/* See kvm_plane_refuses(). */
bool __kvm_plane_refuses(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 attr)
{
	gfn_t gfn, last = gpa_to_gfn(gpa + len - 1);

	for (gfn = gpa_to_gfn(gpa); gfn <= last; gfn++)
		if (kvm_plane_mem_attrs(vcpu->kvm, vcpu->plane.id, gfn) & attr)
			return !kvm_plane_mem_exempt(vcpu);
	return false;
}
EXPORT_SYMBOL_GPL(__kvm_plane_refuses);

/* From now on the plane's attributes are looked at. */
static void kvm_plane_mem_restrict(struct kvm *kvm, u8 plane)
{
	struct kvm_plane_vm *planes = &kvm->planes;
	unsigned int id;

	lockdep_assert_held(&kvm->slots_lock);

	if (!planes->mem_restricted)
		for (id = 0; id < KVM_MAX_PLANES; id++)
			xa_init_flags(&planes->mem_attr[id], XA_FLAGS_ACCOUNT);

	/* Make the xarrays visible before they are used; pairs with kvm_plane_mem_attrs(). */
	smp_wmb();
	WRITE_ONCE(planes->mem_restricted, planes->mem_restricted | BIT(plane));
}

/* So that storing them cannot fail. */
static int kvm_plane_mem_reserve(struct xarray *xa, gfn_t start, gfn_t end)
{
	gfn_t gfn;
	int r;

	for (gfn = start; gfn < end; gfn++) {
		r = fatal_signal_pending(current) ? -EINTR :
						    xa_reserve(xa, gfn, GFP_KERNEL_ACCOUNT);
		if (r)
			goto release;
		cond_resched();
	}
	return 0;

release:
	while (gfn-- > start)
		xa_release(xa, gfn);
	return r;
}

/* Into what is reserved. */
static int kvm_plane_mem_store(struct xarray *xa, gfn_t start, gfn_t end, u64 attrs)
{
	void *entry = xa_mk_value(attrs >> KVM_PLANE_MEM_SHIFT);
	gfn_t gfn;
	int r;

	for (gfn = start; gfn < end; gfn++) {
		r = xa_err(xa_store(xa, gfn, entry, GFP_KERNEL_ACCOUNT));
		if (r)
			return r;
		cond_resched();
	}
	return 0;
}

/* That nothing is forbidden needs no entry. */
static void kvm_plane_mem_erase(struct xarray *xa, gfn_t start, gfn_t end)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(xa, index, entry, start, end - 1) {
		xa_erase(xa, index);
		cond_resched();
	}
}

/* Unmap the range for all planes, of which this one is enough but slower to find. */
static bool kvm_plane_mem_unmap(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_gfn_range range = { .may_block = true };
	struct kvm_memslot_iter iter;
	struct kvm_memslots *slots;
	bool flush = false;
	int i;

	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++) {
		slots = __kvm_memslots(kvm, i);
		kvm_for_each_memslot_in_gfn_range(&iter, slots, start, end) {
			range.slot = iter.slot;
			range.start = max(start, iter.slot->base_gfn);
			range.end = min(end, iter.slot->base_gfn + iter.slot->npages);
			if (range.start < range.end)
				flush |= kvm_unmap_gfn_range(kvm, &range);
		}
	}
	return flush;
}

static void kvm_plane_mem_invalidate_begin(struct kvm *kvm, gfn_t start, gfn_t end)
{
	const gfn_t pages = PUD_SIZE >> PAGE_SHIFT;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_begin(kvm);
	/* A huge page that a fault beside the range is about to map may reach into it. */
	kvm_mmu_invalidate_range_add(kvm, round_down(start, pages), round_up(end, pages));
	if (kvm_plane_mem_unmap(kvm, start, end))
		kvm_flush_remote_tlbs(kvm);
	KVM_MMU_UNLOCK(kvm);
}

static void kvm_plane_mem_invalidate_end(struct kvm *kvm)
{
	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
}

/*
 * Have kvm_plane_mem_commit() set attributes without fail.
 *
 * Return: as kvm_plane_set_mem_attributes(); then there is nothing to undo.
 */
static int kvm_plane_mem_prepare(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end, u64 attrs)
{
	lockdep_assert_held(&kvm->slots_lock);

	kvm_plane_mem_restrict(kvm, plane);
	return attrs ? kvm_plane_mem_reserve(&kvm->planes.mem_attr[plane], start, end) : 0;
}

static void kvm_plane_mem_unprepare(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end)
{
	gfn_t gfn;

	for (gfn = start; gfn < end; gfn++)
		xa_release(&kvm->planes.mem_attr[plane], gfn);
}

static void kvm_plane_mem_commit(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end, u64 attrs)
{
	struct xarray *xa = &kvm->planes.mem_attr[plane];

	kvm_plane_mem_invalidate_begin(kvm, start, end);
	if (attrs)
		KVM_BUG_ON(kvm_plane_mem_store(xa, start, end, attrs), kvm);
	else
		kvm_plane_mem_erase(xa, start, end);
	kvm_plane_mem_invalidate_end(kvm);

	if (attrs) {
		/* What KVM accesses for a plane looks attributes up by itself; let it end. */
		synchronize_srcu_expedited(&kvm->srcu);
		kvm_arch_plane_mem_zap_tables(kvm, plane, start, end);
	}
}

/* Set @attrs of a plane, and @stock, without them, of the VM: all of it or nothing. */
static int kvm_plane_mem_set(struct kvm *kvm, u8 plane, u64 attrs,
			     struct kvm_memory_attributes *stock)
{
	gfn_t start = gpa_to_gfn(stock->address);
	gfn_t end = gpa_to_gfn(stock->address + stock->size);
	bool change;
	int r = 0;

	lockdep_assert_held(&kvm->slots_lock);

	change = !kvm_plane_mem_uniform(kvm, plane, start, end, attrs);
	if (change)
		r = kvm_plane_mem_prepare(kvm, plane, start, end, attrs);
	if (!r && !plane) {
		r = kvm_vm_ioctl_set_mem_attributes(kvm, stock);
		if (r && change)
			kvm_plane_mem_unprepare(kvm, plane, start, end);
	}
	if (!r && change)
		kvm_plane_mem_commit(kvm, plane, start, end, attrs);
	return r;
}

/**
 * kvm_plane_set_mem_attributes - KVM_SET_MEMORY_ATTRIBUTES of a plane, or of the VM
 * @kvm: the VM
 * @plane: the plane; on the VM's fd it is plane 0, and the attributes of the VM are set as well
 * @attrs: what userspace gave
 *
 * Return: 0; or EINVAL, ENOMEM, EINTR, and nothing has changed.
 */
int kvm_plane_set_mem_attributes(struct kvm *kvm, u8 plane, struct kvm_memory_attributes *attrs)
{
	u64 set = attrs->attributes & KVM_PLANE_MEM_MASK;
	int r;

	if (attrs->flags || attrs->attributes & ~kvm_plane_mem_supported(kvm, plane))
		return -EINVAL;
	if (!attrs->size || attrs->address + attrs->size < attrs->address)
		return -EINVAL;
	if (!PAGE_ALIGNED(attrs->address) || !PAGE_ALIGNED(attrs->size))
		return -EINVAL;
	if (!kvm_arch_plane_mem_valid(set))
		return -EINVAL;

	if (set)
		kvm_plane_use(kvm);
	attrs->attributes &= ~KVM_PLANE_MEM_MASK;
	mutex_lock(&kvm->slots_lock);
	r = kvm_plane_mem_set(kvm, plane, set, attrs);
	mutex_unlock(&kvm->slots_lock);
	return r;
}

/**
 * kvm_plane_mem_deny - note that a plane may not make an access
 * @vcpu: the plane's vCPU, in the run loop
 * @gpa: an address in the page
 * @flags: KVM_MEMORY_EXIT_FLAG_*
 *
 * The caller sees to it that nothing has changed, and the run loop does the rest
 * before the plane is entered again.
 */
void kvm_plane_mem_deny(struct kvm_vcpu *vcpu, gpa_t gpa, u64 flags)
{
	vcpu->plane.mem_fault.gpa = gpa;
	vcpu->plane.mem_fault.flags = flags;
	kvm_make_request(KVM_REQ_PLANE, vcpu);
}

/**
 * kvm_plane_mem_fault - decide on an access that a plane may not make
 * @vcpu: the plane's vCPU, at the instruction that is to make it
 *
 * The policy does; if it does not, userspace.
 *
 * Return: as a run loop's.
 */
int kvm_plane_mem_fault(struct kvm_vcpu *vcpu)
{
	gpa_t gpa = vcpu->plane.mem_fault.gpa;
	u64 flags = vcpu->plane.mem_fault.flags;
	struct kvm_plane_insn insn = { };

	vcpu->plane.mem_fault.flags = 0;
	if (kvm_plane_policy_memory_fault(vcpu, gpa, flags) == KVM_PLANE_HANDLED) {
		if (vcpu->plane.switch_to)
			__kvm_plane_switch(vcpu);
		return 1;
	}

	kvm_prepare_memory_fault_exit(vcpu, gpa & PAGE_MASK, PAGE_SIZE, false, false, false);
	vcpu->run->memory_fault.flags = flags;
	kvm_arch_plane_insn(vcpu, &insn);
	*kvm_run_plane_insn(vcpu->run) = insn;
	return -EFAULT;
}

/**
 * kvm_plane_mem_destroy - forget the attributes of all planes
 * @kvm: the VM, to which there is no reference any more
 */
void kvm_plane_mem_destroy(struct kvm *kvm)
{
	unsigned int id;

	if (!kvm->planes.mem_restricted)
		return;
	for (id = 0; id < KVM_MAX_PLANES; id++)
		xa_destroy(&kvm->planes.mem_attr[id]);
}
