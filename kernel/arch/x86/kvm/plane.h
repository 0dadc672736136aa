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
fastpath_t kvm_plane_fastpath_hypercall(struct kvm_vcpu *vcpu, u64 *next_rip, bool cs_l);
int __kvm_plane_emulate_hypercall(struct kvm_vcpu *vcpu);
bool __kvm_plane_emulate_vmgexit(struct kvm_vcpu *vcpu, int *r);
int __kvm_plane_emulate_rdmsr(struct kvm_vcpu *vcpu);
int __kvm_plane_emulate_wrmsr(struct kvm_vcpu *vcpu);
bool kvm_plane_skip_insn(struct kvm_vcpu *vcpu, int *r);
int __kvm_plane_emulate_skip(struct kvm_vcpu *vcpu, int emul_type);
int __kvm_plane_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
unsigned int __kvm_plane_pte_access(struct kvm *kvm, u8 plane, gfn_t gfn);
bool __kvm_plane_denies(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
			struct x86_exception *exception);
bool __kvm_plane_denies_param(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 access);
bool __kvm_plane_denies_msr(struct kvm_vcpu *vcpu, u32 msr, u64 data);
void kvm_plane_init_tsc(struct kvm_vcpu *vcpu);
void __kvm_plane_share_tsc(struct kvm_vcpu *vcpu);
void __kvm_plane_tsc_set(struct kvm_vcpu *vcpu, u8 how);
void __kvm_plane_tsc_written(struct kvm_vcpu *vcpu);
bool __kvm_plane_tsc_matches(struct kvm_vcpu *vcpu);

/* x86.c has them for itself in stock KVM. */
void kvm_vcpu_write_tsc_offset(struct kvm_vcpu *vcpu, u64 l1_offset);
void kvm_vcpu_write_tsc_multiplier(struct kvm_vcpu *vcpu, u64 l1_multiplier);

/**
 * enum kvm_plane_tsc - whose value the TSC of a plane has
 * @KVM_PLANE_TSC_FOLLOWS: plane 0's, whatever userspace sets that to
 * @KVM_PLANE_TSC_NEAR: the one that userspace wrote to MSR_IA32_TSC; plane 0's if that is no more
 *	than a second away, as KVM takes vCPUs for synchronized that are set so
 * @KVM_PLANE_TSC_OWN: its own
 */
enum kvm_plane_tsc {
	KVM_PLANE_TSC_FOLLOWS,
	KVM_PLANE_TSC_NEAR,
	KVM_PLANE_TSC_OWN,
};

/**
 * kvm_plane_share_tsc - have the planes of a vCPU share what they share of the TSC
 * @vcpu: the plane's vCPU on which userspace has made an ioctl, not loaded
 * @ioctl: the ioctl; only those by which userspace sets the TSC have anything to share
 */
static inline void kvm_plane_share_tsc(struct kvm_vcpu *vcpu, unsigned int ioctl)
{
	if (ioctl != KVM_SET_MSRS && ioctl != KVM_SET_TSC_KHZ && ioctl != KVM_SET_DEVICE_ATTR)
		return;
	if (kvm_vcpu_has_planes(vcpu))
		__kvm_plane_share_tsc(vcpu);
}

/**
 * kvm_plane_tsc_set - userspace set the TSC
 * @vcpu: the plane's vCPU
 * @how: enum kvm_plane_tsc; of no effect in plane 0
 */
static inline void kvm_plane_tsc_set(struct kvm_vcpu *vcpu, u8 how)
{
	if (vcpu->plane.id)
		__kvm_plane_tsc_set(vcpu, how);
}

/**
 * kvm_plane_tsc_written - the guest wrote the TSC
 * @vcpu: the vCPU of the plane that did
 */
static inline void kvm_plane_tsc_written(struct kvm_vcpu *vcpu)
{
	if (kvm_vcpu_has_planes(vcpu))
		__kvm_plane_tsc_written(vcpu);
}

/**
 * kvm_plane_tsc_matches - whether all vCPUs of a plane have the same TSC
 * @vcpu: one of them
 *
 * KVM uses the master clock only while those of plane 0 have.
 */
static inline bool kvm_plane_tsc_matches(struct kvm_vcpu *vcpu)
{
	return !vcpu->plane.id || __kvm_plane_tsc_matches(vcpu);
}

/**
 * kvm_plane_drops_init - whether a plane does not get INIT and SIPI
 * @vcpu: the plane's vCPU
 *
 * TLFS, "Virtual processor execution management": those for a VTL that is not the highest one.
 */
static inline bool kvm_plane_drops_init(struct kvm_vcpu *vcpu)
{
	return kvm_vcpu_has_planes(vcpu) && READ_ONCE(vcpu->kvm->planes.drop_init) &&
	       READ_ONCE(vcpu->plane.vcpu0->plane.present) >> (vcpu->plane.id + 1);
}

/**
 * kvm_plane_yield_target - the vCPU whose thread is to run in place of another's
 * @vcpu: the vCPU that yields
 * @target: the vCPU of plane 0 that has the APIC id there; NULL if there is none
 * @id: the APIC id
 *
 * Return: the plane that runs or ran last, as that is the one that was preempted; or NULL.
 */
static inline struct kvm_vcpu *kvm_plane_yield_target(struct kvm_vcpu *vcpu,
						      struct kvm_vcpu *target, unsigned long id)
{
	if (!kvm_vcpu_has_planes(vcpu))
		return target;
	if (vcpu->plane.id)
		target = kvm_get_vcpu_by_id(vcpu->kvm, id);
	return target ? kvm_plane_running(target) : NULL;
}

/**
 * kvm_plane_emulate_hypercall - the exit handler of hypercalls
 * @vcpu: the vCPU, at the instruction
 *
 * Return: as an exit handler's.
 */
static inline int kvm_plane_emulate_hypercall(struct kvm_vcpu *vcpu)
{
	if (!kvm_vcpu_has_planes(vcpu))
		return kvm_emulate_hypercall(vcpu);
	return __kvm_plane_emulate_hypercall(vcpu);
}

/**
 * kvm_plane_emulate_vmgexit - see whether an invalid opcode is VMGEXIT
 * @vcpu: the vCPU, at the instruction
 * @r: as an exit handler's
 *
 * Return: false if it is not, or nobody wants it.
 */
static inline bool kvm_plane_emulate_vmgexit(struct kvm_vcpu *vcpu, int *r)
{
	return kvm_vcpu_has_planes(vcpu) && __kvm_plane_emulate_vmgexit(vcpu, r);
}

/**
 * kvm_plane_emulate_rdmsr - the exit handler of RDMSR
 * @vcpu: the vCPU, at the instruction
 *
 * Return: as an exit handler's.
 */
static inline int kvm_plane_emulate_rdmsr(struct kvm_vcpu *vcpu)
{
	if (!kvm_vcpu_has_planes(vcpu))
		return kvm_emulate_rdmsr(vcpu);
	return __kvm_plane_emulate_rdmsr(vcpu);
}

/**
 * kvm_plane_emulate_wrmsr - the exit handler of WRMSR
 * @vcpu: the vCPU, at the instruction
 *
 * Return: as an exit handler's.
 */
static inline int kvm_plane_emulate_wrmsr(struct kvm_vcpu *vcpu)
{
	if (!kvm_vcpu_has_planes(vcpu))
		return kvm_emulate_wrmsr(vcpu);
	return __kvm_plane_emulate_wrmsr(vcpu);
}

/* Where the value of an MSR is that a plane has because of a policy; NULL if it has none. */
static inline u64 *kvm_plane_latch(struct kvm_vcpu *vcpu, const struct msr_data *msr)
{
	int i;

	if (!kvm_vcpu_has_planes(vcpu))
		return NULL;
	if (!msr->host_initiated && msr->index >= KVM_PLANE_PRIVATE_MSR &&
	    msr->index <= KVM_PLANE_PRIVATE_MSR_LAST)
		return NULL;
	i = kvm_plane_find_msr(vcpu->kvm->planes.latches, KVM_PLANE_NR_LATCHES, msr->index);
	return i < 0 ? NULL : &vcpu->plane.latched[i];
}

/**
 * kvm_plane_set_latch - write an MSR that a plane has because of a policy
 * @vcpu: the plane's vCPU
 * @msr: one that KVM does not know, and what it is to keep
 *
 * Return: false if the plane has no such MSR.
 */
static inline bool kvm_plane_set_latch(struct kvm_vcpu *vcpu, const struct msr_data *msr)
{
	u64 *latch = kvm_plane_latch(vcpu, msr);

	if (latch)
		*latch = msr->data;
	return latch;
}

/**
 * kvm_plane_get_latch - read such an MSR
 * @vcpu: the plane's vCPU
 * @msr: one that KVM does not know; gets what it keeps
 *
 * Return: false if the plane has no such MSR.
 */
static inline bool kvm_plane_get_latch(struct kvm_vcpu *vcpu, struct msr_data *msr)
{
	const u64 *latch = kvm_plane_latch(vcpu, msr);

	if (latch)
		msr->data = *latch;
	return latch;
}

/* Statistics of planes, for kvm_vcpu_stats_desc[] */
#define KVM_PLANE_STATS_DESC(member, stat_name)					\
	{									\
		STATS_DESC_COMMON(KVM_STATS_TYPE_CUMULATIVE,			\
				  KVM_STATS_UNIT_NONE,				\
				  KVM_STATS_BASE_POW10, 0, 1, 0),		\
		.offset = sizeof(struct kvm_vcpu_stat) +			\
			  offsetof(struct kvm_plane_stat, member),		\
		.name = "plane_" stat_name,					\
	}
#define KVM_PLANE_STATS_DESCS								\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_HYPERCALL], "switch_hypercall"),	\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_MSR], "switch_msr"),		\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_MEMORY_FAULT],			\
			     "switch_memory_fault"),					\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_EVENT], "switch_event"),		\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_HALT], "switch_halt"),		\
	KVM_PLANE_STATS_DESC(switches[KVM_PLANE_CAUSE_USER], "switch_user"),		\
	KVM_PLANE_STATS_DESC(refused, "refused"),					\
	KVM_PLANE_STATS_DESC(policy[0], "policy_0"),					\
	KVM_PLANE_STATS_DESC(policy[1], "policy_1"),					\
	KVM_PLANE_STATS_DESC(policy[2], "policy_2"),					\
	KVM_PLANE_STATS_DESC(policy[3], "policy_3")

/**
 * kvm_plane_skips - whether the emulator is to skip an instruction of a plane
 * @vcpu: the vCPU, at an instruction that had its effect
 * @emul_type: EMULTYPE_*
 *
 * The plane has fetched it. If it may not any more, to make it do that again
 * would be wrong: __kvm_plane_emulate_skip() skips it nevertheless.
 */
static inline bool kvm_plane_skips(struct kvm_vcpu *vcpu, int emul_type)
{
	return kvm_vcpu_mem_restricted(vcpu) && emul_type & EMULTYPE_SKIP;
}

/**
 * kvm_plane_faultin - check a page fault against the attributes of its plane
 * @vcpu: the plane's vCPU
 * @fault: the fault, its mmu_seq taken; is limited to a page size that they allow
 *
 * Return: RET_PF_CONTINUE; RET_PF_RETRY: the run loop sees to it; -EFAULT: a
 * prefetch of what it may not access.
 */
static inline int kvm_plane_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	if (!kvm_vcpu_mem_restricted(vcpu))
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
	return kvm_vcpu_mem_restricted(vcpu) &&
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

/**
 * kvm_plane_denies_param - see whether a plane may not access what a hypercall has in memory
 * @vcpu: the plane's vCPU, at the hypercall, of which nothing is done yet
 * @gpa: the address of the first byte
 * @len: the number of bytes
 * @access: PFERR_WRITE_MASK, or 0 to read
 *
 * Return: true if it may not. The caller leaves the hypercall as it is; the next turn of
 * the run loop tells userspace, and the plane makes the hypercall again.
 */
static inline bool kvm_plane_denies_param(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 access)
{
	return kvm_vcpu_mem_restricted(vcpu) &&
	       __kvm_plane_denies_param(vcpu, gpa, len, access);
}

/**
 * kvm_plane_read_param - read what a hypercall has in memory
 * @vcpu: the plane's vCPU, at the hypercall, of which nothing is done yet
 * @gpa: the address
 * @data: the buffer to read to
 * @len: the number of bytes
 *
 * Return: 0; -EFAULT: there is no memory, or kvm_plane_denies_param() returned true.
 */
static inline int kvm_plane_read_param(struct kvm_vcpu *vcpu, gpa_t gpa, void *data,
				       unsigned long len)
{
	if (kvm_plane_denies_param(vcpu, gpa, len, 0))
		return -EFAULT;
	return kvm_read_guest(vcpu->kvm, gpa, data, len);
}

/**
 * kvm_plane_denies_msr - see whether an MSR lets KVM write where its plane may not
 * @vcpu: the plane's vCPU, which writes the MSR
 * @msr: its number
 * @data: what it is to have
 *
 * Return: true if so. The MSR is not to be written; if that is what an instruction does, the
 * caller says so by kvm_plane_deny_msr().
 */
static inline bool kvm_plane_denies_msr(struct kvm_vcpu *vcpu, u32 msr, u64 data)
{
	return kvm_vcpu_mem_restricted(vcpu) &&
	       __kvm_plane_denies_msr(vcpu, msr, data);
}

/**
 * kvm_plane_deny_msr - have a plane exit at an instruction that writes an MSR
 * @vcpu: the plane's vCPU, for which kvm_plane_denies_msr() has just returned true
 */
static inline void kvm_plane_deny_msr(struct kvm_vcpu *vcpu)
{
	kvm_plane_mem_deny(vcpu, vcpu->plane.mem_fault.gpa, KVM_MEMORY_EXIT_FLAG_WRITE);
}

#endif /* __KVM_X86_PLANE_H */
