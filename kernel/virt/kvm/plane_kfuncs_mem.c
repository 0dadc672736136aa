// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: the guest memory that the ops of a policy read and write.
 *
 * An op accesses memory as one of the planes: what that plane may not access, the op cannot access
 * as this plane. Unlike the rest of what an op asks for, a write takes effect at once. An op cannot
 * sleep, and so nothing is faulted in.
 */

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/kvm_host.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "plane_call.h"

/*
 * Whether the dirty ring has no room for what a policy writes. Userspace is to empty the ring once
 * it is soft-full, but may ask for KVM_RUN before it does; what an op that began earlier may
 * write then takes a quarter of the entries that are reserved.
 */
static bool kvm_plane_dirty_ring_full(struct kvm_vcpu *vcpu)
{
	struct kvm_dirty_ring *ring = &vcpu->plane.vcpu0->dirty_ring;

	BUILD_BUG_ON(KVM_PLANE_MAX_WRITES * 4 > KVM_DIRTY_RING_RSVD_ENTRIES);

	return vcpu->kvm->dirty_ring_size &&
	       READ_ONCE(ring->dirty_index) - READ_ONCE(ring->reset_index) >=
	       ring->soft_limit + KVM_PLANE_MAX_WRITES;
}

/* The same as kvm_plane_charge(), for a kfunc that writes to guest memory. Return: 0 or -errno. */
static int kvm_plane_charge_write(struct kvm_plane_call *call)
{
	if (!call->writes_left)
		return kvm_plane_break(call, KVM_PLANE_EJECT_BUDGET, kvm_plane_op_code(call->op),
				       "too many writes to guest memory in an op");
	call->writes_left--;
	return kvm_plane_dirty_ring_full(call->vcpu) ? -EAGAIN : 0;
}

/* Where @gpa is in userspace; NULL if it is not in a memory slot, or not to be written */
static void __user *kvm_plane_hva(struct kvm_vcpu *vcpu, gpa_t gpa, bool write,
				  struct kvm_memory_slot **slot)
{
	unsigned long hva;

	*slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	hva = write ? gfn_to_hva_memslot(*slot, gpa_to_gfn(gpa)) :
		      gfn_to_hva_memslot_prot(*slot, gpa_to_gfn(gpa), NULL);
	return kvm_is_error_hva(hva) ? NULL : (void __user *)hva + offset_in_page(gpa);
}

/*
 * The page of @gpa, remembered in @page for as long as the memory slots are what they were, which
 * includes whether they are read-only, and whether they log what is written.
 */
static __always_inline void kvm_plane_find_page(struct kvm_vcpu *vcpu, struct kvm_plane_page *page,
						gpa_t gpa)
{
	u64 generation = kvm_vcpu_memslots(vcpu)->generation;

	gpa &= PAGE_MASK;
	if (page->gpa == gpa && page->generation == generation)
		return;

	page->hva = kvm_plane_hva(vcpu, gpa, true, &page->slot);
	page->gpa = gpa;
	page->generation = generation;
}

/*
 * What policies read as a plane, and below what they write: all of it comes here, where the
 * plane's attributes are looked at. BPF knows that @data has @size bytes, which do not cross a
 * page, so that nobody else has to find out.
 */
static int kvm_plane_read(struct kvm_vcpu *vcpu, struct kvm_plane_page *page, gpa_t gpa,
			  void *data, u32 size)
{
	struct kvm_memory_slot *slot;
	void __user *hva;
	int r = -EFAULT;

	if (kvm_plane_refuses(vcpu, gpa, 1, KVM_MEMORY_ATTRIBUTE_NR)) {
		memset(data, 0, size);
		return -EPERM;
	}

	kvm_plane_find_page(vcpu, page, gpa);
	/* It may be readable nevertheless. */
	hva = page->hva ? page->hva + offset_in_page(gpa) : kvm_plane_hva(vcpu, gpa, false, &slot);
	if (hva) {
		pagefault_disable();
		r = raw_copy_from_user(data, hva, size) ? -EFAULT : 0;
		pagefault_enable();
	}
	if (r)
		memset(data, 0, size);
	return r;
}

static int kvm_plane_write(struct kvm_vcpu *vcpu, struct kvm_plane_page *page, gpa_t gpa,
			   const void *data, u32 size)
{
	void __user *hva;
	int r;

	if (kvm_plane_refuses(vcpu, gpa, 1, KVM_MEMORY_ATTRIBUTE_NW))
		return -EPERM;

	kvm_plane_find_page(vcpu, page, gpa);
	if (!page->hva)
		return -EFAULT;
	hva = page->hva + offset_in_page(gpa);

	pagefault_disable();
	if (size == sizeof(u32))
		r = __put_user(get_unaligned((u32 *)data), (u32 __user *)hva);
	else
		r = raw_copy_to_user(hva, data, size);
	pagefault_enable();
	if (r)
		return -EFAULT;

	if (kvm_slot_dirty_track_enabled(page->slot))
		mark_page_dirty_in_slot(vcpu->kvm, page->slot, gpa_to_gfn(gpa));
	return 0;
}

/* The vCPU of @plane, or an error pointer if @size bytes at @gpa cross a page. */
static struct kvm_vcpu *kvm_plane_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa, u32 size)
{
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	if (!kvm_plane_charge(to_call(ctx)))
		return ERR_PTR(-EINVAL);
	return vcpu && size <= PAGE_SIZE - offset_in_page(gpa) ? vcpu : ERR_PTR(-EINVAL);
}

__bpf_kfunc_start_defs();

/**
 * bpf_kvm_plane_read_mem - read guest memory, as a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @gpa: the guest physical address
 * @data: where to
 * @data__sz: how many bytes; they do not cross a page
 *
 * Nothing is faulted in. A policy that finds a page not there returns
 * KVM_PLANE_USER, and userspace, which can wait for the page, does the rest.
 *
 * Return: 0; -EINVAL: no such plane, or more than one page; -EPERM: the plane may not
 * read there; -EFAULT: it is not in memory. Then @data is zeroed.
 */
__bpf_kfunc int bpf_kvm_plane_read_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa,
				       void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu = kvm_plane_mem(ctx, plane, gpa, data__sz);

	if (IS_ERR(vcpu)) {
		memset(data, 0, data__sz);
		return PTR_ERR(vcpu);
	}
	return kvm_plane_read(vcpu, &vcpu->plane.mem, gpa, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_mem);

/**
 * bpf_kvm_plane_write_mem - write guest memory, as a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @gpa: the guest physical address
 * @data: what
 * @data__sz: how many bytes; they do not cross a page
 *
 * Takes effect at once, whatever the verdict. Nothing is faulted in.
 *
 * Return: as bpf_kvm_plane_read_mem(); -EFAULT also for memory that is read-only; -EAGAIN:
 * userspace has to empty the dirty ring before.
 */
__bpf_kfunc int bpf_kvm_plane_write_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa,
					const void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu = kvm_plane_mem(ctx, plane, gpa, data__sz);
	int r = kvm_plane_charge_write(to_call(ctx));

	if (r)
		return r;
	return IS_ERR(vcpu) ? PTR_ERR(vcpu) :
			      kvm_plane_write(vcpu, &vcpu->plane.mem, gpa, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_mem);

/* The assist page of @plane, if @size bytes at @offset are within it. */
static struct kvm_vcpu *kvm_plane_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					 u32 size, gpa_t *gpa)
{
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	if (!kvm_plane_charge(to_call(ctx)))
		return ERR_PTR(-EINVAL);
	if (!vcpu || offset > PAGE_SIZE || size > PAGE_SIZE - offset)
		return ERR_PTR(-EINVAL);
	return kvm_arch_plane_assist_gpa(vcpu, gpa) ? vcpu : ERR_PTR(-ENOENT);
}

/**
 * bpf_kvm_plane_read_assist - read from the VP assist page of a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @offset: where in the page, in bytes
 * @data: where to
 * @data__sz: how many bytes
 *
 * The page is the one that the plane's HV_X64_MSR_VP_ASSIST_PAGE names.
 *
 * Return: 0; -EINVAL: no such plane, or not within the page; -ENOENT: the page is
 * not enabled; -EPERM: the plane may not read it; -EFAULT: it is not in memory, and
 * userspace may bring it in. Then @data is zeroed.
 */
__bpf_kfunc int bpf_kvm_plane_read_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					  void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu;
	gpa_t gpa;

	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	if (IS_ERR(vcpu)) {
		memset(data, 0, data__sz);
		return PTR_ERR(vcpu);
	}
	return kvm_plane_read(vcpu, &vcpu->plane.assist, gpa + offset, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_assist);

/**
 * bpf_kvm_plane_write_assist - write to the VP assist page of a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @offset: where in the page, in bytes
 * @data: what
 * @data__sz: how many bytes
 *
 * Takes effect at once, whatever the verdict.
 *
 * Return: as bpf_kvm_plane_read_assist(); -EAGAIN: userspace has to empty the dirty ring before.
 */
__bpf_kfunc int bpf_kvm_plane_write_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					   const void *data, u32 data__sz)
{
	int r = kvm_plane_charge_write(to_call(ctx));
	struct kvm_vcpu *vcpu;
	gpa_t gpa;

	if (r)
		return r;
	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	return IS_ERR(vcpu) ? PTR_ERR(vcpu) :
			      kvm_plane_write(vcpu, &vcpu->plane.assist, gpa + offset,
					      data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_assist);

__bpf_kfunc_end_defs();
