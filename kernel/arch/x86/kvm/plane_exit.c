// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: exits that may ask for another plane, hypercalls and accesses
 * to MSRs.
 *
 * A hypercall is decided on in the exit fast path, where that can be done without
 * sleeping; else, and if it is left to KVM or to userspace, in its exit handler.
 */

#include <linux/kvm_host.h>

#include "hyperv.h"
#include "kvm_cache_regs.h"
#include "mmu.h"
#include "plane.h"
#include "x86.h"
#include "xen.h"

/* Bits 15:0 of the control word are the call code; TLFS, "Hypercall interface" */
#define HV_HYPERCALL_CODE_MASK	GENMASK_ULL(15, 0)

/* As in memory; VMGEXIT is VMMCALL with a REP prefix. AMD APM volume 3 */
#define INSN_VMMCALL		0xd9010f
#define INSN_VMMCALL_MASK	0xffffff
#define INSN_VMMCALL_LEN	3
#define INSN_VMGEXIT		0xd9010ff3
#define INSN_VMGEXIT_LEN	4

/* kvm_plane_vcpu.hypercall: what is left for the exit handler */
enum {
	KVM_PLANE_HYPERCALL_UNSEEN,
	KVM_PLANE_HYPERCALL_UNCLAIMED,	/* the policy passed it on */
	KVM_PLANE_HYPERCALL_TO_USER,	/* the policy leaves it to userspace */
};

static __always_inline u8 kvm_plane_hypercall_abi(struct kvm_vcpu *vcpu)
{
	if (kvm_xen_hypercall_enabled(vcpu->kvm))
		return KVM_PLANE_ABI_XEN;
	if (kvm_hv_hypercall_enabled(vcpu))
		return KVM_PLANE_ABI_HYPERV;
	return KVM_PLANE_ABI_KVM;
}

static u64 kvm_plane_hypercall_nr(struct kvm_vcpu *vcpu, u8 abi)
{
	if (abi != KVM_PLANE_ABI_HYPERV)
		return kvm_rax_read(vcpu);
	if (is_64_bit_hypercall(vcpu))
		return kvm_rcx_read(vcpu) & HV_HYPERCALL_CODE_MASK;
	return kvm_rax_read(vcpu) & HV_HYPERCALL_CODE_MASK;
}

/* Whether it is a VMGEXIT, which userspace asked for with KVM_CAP_PLANE. */
static bool kvm_plane_vmgexit_exits(struct kvm_vcpu *vcpu)
{
	return vcpu->plane.vmgexit && READ_ONCE(vcpu->kvm->planes.vmgexit_exits);
}

/* Whether userspace asked for this hypercall, in the same way. */
static bool kvm_plane_hypercall_exits(struct kvm_vcpu *vcpu, u8 abi)
{
	struct kvm_plane_vm *planes = &vcpu->kvm->planes;
	u64 nr;

	if (kvm_x86_call(get_cpl)(vcpu))
		return false;
	if (kvm_plane_vmgexit_exits(vcpu))
		return true;
	if (!READ_ONCE(planes->hypercall_exits) || !is_protmode(vcpu))
		return false;

	nr = kvm_plane_hypercall_nr(vcpu, abi);
	return nr >= READ_ONCE(planes->hypercall_first) &&
	       nr <= READ_ONCE(planes->hypercall_last);
}

/* The next KVM_RUN asks for the plane that made the hypercall: here is the answer. */
static int kvm_plane_complete_hypercall(struct kvm_vcpu *vcpu)
{
	switch (READ_ONCE(kvm_run_plane_event(vcpu->run)->flags)) {
	case 0:
		return 1;
	case KVM_PLANE_HYPERCALL_PASS:
		kvm_rip_write(vcpu, vcpu->plane.hypercall_rip);
		return kvm_emulate_hypercall(vcpu);
	case KVM_PLANE_HYPERCALL_UD:
		kvm_rip_write(vcpu, vcpu->plane.hypercall_rip);
		kvm_queue_exception(vcpu, UD_VECTOR);
		return 1;
	default:
		/* Nothing is lost: the answer can be given again. */
		vcpu->arch.complete_userspace_io = kvm_plane_complete_hypercall;
		return -EINVAL;
	}
}

static int kvm_plane_hypercall_to_user(struct kvm_vcpu *vcpu)
{
	int r;

	vcpu->plane.hypercall_rip = kvm_rip_read(vcpu);
	/* An exit for a debugger gives way; it has another one at the next instruction. */
	if (!kvm_plane_skip_insn(vcpu, &r))
		return r;

	vcpu->arch.complete_userspace_io = kvm_plane_complete_hypercall;
	return kvm_plane_exit_to_user(vcpu, (struct kvm_plane_event) {
		.pending_event_planes = kvm_plane_pending(vcpu),
		.cause = kvm_plane_vmgexit_exits(vcpu) ? KVM_PLANE_EVENT_VMGEXIT :
							 KVM_PLANE_EVENT_HYPERCALL,
		.extra = vcpu->plane.hypercall_rip,
	});
}

/**
 * kvm_arch_plane_completes_io - whether userspace is completing an exit of a plane
 * @vcpu: the plane's vCPU, which is not to run
 *
 * A hypercall is complete when another plane is to run: that was the answer. If
 * there is something else, CR8 in the run page is then what the plane has.
 */
bool kvm_arch_plane_completes_io(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.complete_userspace_io == kvm_plane_complete_hypercall)
		vcpu->arch.complete_userspace_io = NULL;
	if (!vcpu->arch.complete_userspace_io)
		return false;

	vcpu->run->cr8 = kvm_get_cr8(vcpu);
	return true;
}

/* Where the instruction at RIP is in userspace; 0 if it is not, or not all of it in one page. */
static unsigned long kvm_plane_insn_hva(struct kvm_vcpu *vcpu)
{
	struct kvm_mmu *mmu = vcpu->arch.walk_mmu;
	unsigned long hva;
	gpa_t gpa;

	vcpu->plane.mem_exempt = true;
	gpa = mmu->gva_to_gpa(vcpu, mmu, kvm_get_linear_rip(vcpu), 0, NULL);
	vcpu->plane.mem_exempt = false;
	if (gpa == INVALID_GPA || offset_in_page(gpa) > PAGE_SIZE - sizeof(u32))
		return 0;

	hva = __kvm_vcpu_gfn_to_hva(vcpu, gpa_to_gfn(gpa));
	return kvm_is_error_hva(hva) ? 0 : hva + offset_in_page(gpa);
}

/*
 * The same, remembered for as long as RIP, CR3 and the memory slots are what they were.
 * The guest may have remapped the page since: then it is in the wrong if it finds
 * another hypercall instruction, of another length, at the same address.
 */
static unsigned long kvm_plane_insn_hva_cached(struct kvm_vcpu *vcpu, bool cs_l)
{
	u64 generation = kvm_memslots(vcpu->kvm)->generation;
	unsigned long rip = kvm_rip_read(vcpu), cr3;

	/* There is a base, and CS may have changed. */
	if (!cs_l)
		return kvm_plane_insn_hva(vcpu);

	cr3 = kvm_read_cr3(vcpu);
	if (rip != vcpu->plane.insn.rip || cr3 != vcpu->plane.insn.cr3 ||
	    generation != vcpu->plane.insn.generation) {
		vcpu->plane.insn.hva = kvm_plane_insn_hva(vcpu);
		vcpu->plane.insn.rip = rip;
		vcpu->plane.insn.cr3 = cr3;
		vcpu->plane.insn.generation = generation;
	}
	return vcpu->plane.insn.hva;
}

/* The bytes that a plane executes, where it fetched them; 0 if they cannot be seen. */
static __always_inline u32 kvm_plane_insn(struct kvm_vcpu *vcpu, bool cs_l)
{
	unsigned long hva;
	u32 insn = 0;

	pagefault_disable();
	hva = kvm_plane_insn_hva_cached(vcpu, cs_l);
	if (!hva || __get_user(insn, (u32 __user *)hva))
		insn = 0;
	pagefault_enable();
	return insn;
}

/* EIP wraps. */
static unsigned long kvm_plane_wrap_rip(unsigned long rip, bool cs_l)
{
	return cs_l ? rip : (u32)rip;
}

/*
 * The address after the hypercall that a plane made, for a CPU that does not tell; 0 if it
 * is neither VMMCALL nor VMGEXIT, or cannot be seen.
 */
static unsigned long kvm_plane_next_rip(struct kvm_vcpu *vcpu, bool cs_l)
{
	unsigned long rip = kvm_rip_read(vcpu);
	u32 insn = kvm_plane_insn(vcpu, cs_l);

	vcpu->plane.vmgexit = insn == INSN_VMGEXIT;
	if (vcpu->plane.vmgexit)
		rip += INSN_VMGEXIT_LEN;
	else if ((insn & INSN_VMMCALL_MASK) == INSN_VMMCALL)
		rip += INSN_VMMCALL_LEN;
	else
		return 0;
	return kvm_plane_wrap_rip(rip, cs_l);
}

/*
 * Find out which instruction it is, and which one is next.
 *
 * Return: false if that cannot be seen.
 */
static bool kvm_plane_decode(struct kvm_vcpu *vcpu, u64 *next_rip, bool cs_l)
{
	u32 insn;

	if (!*next_rip) {
		*next_rip = kvm_plane_next_rip(vcpu, cs_l);
		return *next_rip;
	}

	vcpu->plane.vmgexit = false;
	if ((u32)(*next_rip - kvm_rip_read(vcpu)) != INSN_VMGEXIT_LEN)
		return true;

	insn = kvm_plane_insn(vcpu, cs_l);
	vcpu->plane.vmgexit = insn == INSN_VMGEXIT;
	return insn;
}

/* Whether it is VMGEXIT, if the exit fast path did not find out. */
static bool kvm_plane_at_vmgexit(struct kvm_vcpu *vcpu)
{
	struct x86_exception exception;
	u32 insn;
	int r;

	vcpu->plane.mem_exempt = true;
	r = kvm_read_guest_virt(vcpu, kvm_get_linear_rip(vcpu), &insn, sizeof(insn), &exception);
	vcpu->plane.mem_exempt = false;
	return !r && insn == INSN_VMGEXIT;
}

/* Whether to skip an instruction is all that there is to it: nobody steps through the guest. */
static bool kvm_plane_not_stepped(struct kvm_vcpu *vcpu)
{
	return !(vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP) &&
	       !(kvm_x86_call(get_rflags)(vcpu) & X86_EFLAGS_TF);
}

static fastpath_t __kvm_plane_fastpath_hypercall(struct kvm_vcpu *vcpu, u64 next_rip, bool cs_l)
{
	u8 mode = cs_l ? KVM_PLANE_MODE_64BIT : kvm_arch_plane_mode(vcpu);
	enum kvm_plane_handled handled;
	int r;

	vcpu->plane.next_rip = kvm_plane_wrap_rip(next_rip, cs_l);
	handled = kvm_plane_policy_fastpath(vcpu, kvm_plane_hypercall_abi(vcpu), mode, &r);
	vcpu->plane.next_rip = 0;

	switch (handled) {
	case KVM_PLANE_HANDLED:
		return r ? EXIT_FASTPATH_REENTER_GUEST : EXIT_FASTPATH_EXIT_USERSPACE;
	case KVM_PLANE_TO_USER:
		vcpu->plane.hypercall = KVM_PLANE_HYPERCALL_TO_USER;
		return EXIT_FASTPATH_NONE;
	case KVM_PLANE_NOT_ASKED:
		return EXIT_FASTPATH_NONE;
	default:
		vcpu->plane.hypercall = KVM_PLANE_HYPERCALL_UNCLAIMED;
		return EXIT_FASTPATH_NONE;
	}
}

/**
 * kvm_plane_fastpath_hypercall - let the policy decide on a hypercall, in the exit fast path
 * @vcpu: the plane's vCPU, its control registers saved, interrupts off
 * @next_rip: the address after the instruction; 0 if the CPU did not tell, and
 *	afterwards if KVM cannot tell either
 * @cs_l: the plane is in 64-bit mode
 */
fastpath_t kvm_plane_fastpath_hypercall(struct kvm_vcpu *vcpu, u64 *next_rip, bool cs_l)
{
	fastpath_t r = EXIT_FASTPATH_NONE;

	vcpu->plane.hypercall = KVM_PLANE_HYPERCALL_UNSEEN;
	if (is_guest_mode(vcpu))
		return r;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (kvm_plane_decode(vcpu, next_rip, cs_l) && kvm_plane_not_stepped(vcpu))
		r = __kvm_plane_fastpath_hypercall(vcpu, *next_rip, cs_l);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return r;
}
EXPORT_SYMBOL_GPL(kvm_plane_fastpath_hypercall);

/*
 * What is @left to do of a hypercall, outside the exit fast path.
 *
 * Return: false if neither the policy nor userspace wants it; else *@r is the exit
 * handler's return value.
 */
static bool kvm_plane_hypercall(struct kvm_vcpu *vcpu, u8 left, int *r)
{
	u8 abi = kvm_plane_hypercall_abi(vcpu);

	if (left == KVM_PLANE_HYPERCALL_UNSEEN) {
		switch (kvm_plane_policy_hypercall(vcpu, abi, kvm_arch_plane_mode(vcpu), r)) {
		case KVM_PLANE_HANDLED:
			return true;
		case KVM_PLANE_TO_USER:
			left = KVM_PLANE_HYPERCALL_TO_USER;
			break;
		default:
			break;
		}
	}

	if (left != KVM_PLANE_HYPERCALL_TO_USER && !kvm_plane_hypercall_exits(vcpu, abi))
		return false;
	*r = kvm_plane_hypercall_to_user(vcpu);
	return true;
}

/* See kvm_plane_emulate_hypercall(). */
int __kvm_plane_emulate_hypercall(struct kvm_vcpu *vcpu)
{
	u8 left = vcpu->plane.hypercall;
	int r;

	/* In the exit fast path, a moment ago */
	if (unlikely(vcpu->plane.vcpu0->plane.ejected))
		kvm_plane_policy_ejected(vcpu);

	/* A nested guest's hypercalls are its hypervisor's. */
	if (is_guest_mode(vcpu))
		return kvm_emulate_hypercall(vcpu);

	vcpu->plane.hypercall = KVM_PLANE_HYPERCALL_UNSEEN;
	if (left == KVM_PLANE_HYPERCALL_UNSEEN)
		vcpu->plane.vmgexit = kvm_plane_at_vmgexit(vcpu);
	return kvm_plane_hypercall(vcpu, left, &r) ? r : kvm_emulate_hypercall(vcpu);
}
EXPORT_SYMBOL_GPL(__kvm_plane_emulate_hypercall);

/* See kvm_plane_emulate_vmgexit(). */
bool __kvm_plane_emulate_vmgexit(struct kvm_vcpu *vcpu, int *r)
{
	unsigned long next_rip = kvm_rip_read(vcpu) + INSN_VMGEXIT_LEN;
	bool done;

	if (is_guest_mode(vcpu) || !kvm_plane_not_stepped(vcpu) || !kvm_plane_at_vmgexit(vcpu))
		return false;

	/* The length that the CPU may have left is not of this instruction. */
	vcpu->plane.next_rip = kvm_plane_wrap_rip(next_rip, is_64_bit_mode(vcpu));
	vcpu->plane.vmgexit = true;
	done = kvm_plane_hypercall(vcpu, KVM_PLANE_HYPERCALL_UNSEEN, r);
	vcpu->plane.next_rip = 0;
	return done;
}

/* Return: true if there is nothing left to do, and *@r is the exit handler's return value. */
static bool kvm_plane_msr(struct kvm_vcpu *vcpu, bool write, int *r)
{
	u64 value = write ? kvm_read_edx_eax(vcpu) : 0;
	u32 msr = kvm_rcx_read(vcpu);

	if (is_guest_mode(vcpu))
		return false;

	switch (kvm_plane_policy_msr(vcpu, msr, write, value, r)) {
	case KVM_PLANE_HANDLED:
		return true;
	case KVM_PLANE_TO_USER:
		*r = kvm_plane_exit_to_user(vcpu, (struct kvm_plane_event) {
			.pending_event_planes = kvm_plane_pending(vcpu),
			.cause = KVM_PLANE_EVENT_MSR,
			.flags = write ? KVM_PLANE_MSR_WRITE : 0,
			.extra = msr,
		});
		return true;
	default:
		return false;
	}
}

/* See kvm_plane_emulate_rdmsr(). */
int __kvm_plane_emulate_rdmsr(struct kvm_vcpu *vcpu)
{
	int r;

	return kvm_plane_msr(vcpu, false, &r) ? r : kvm_emulate_rdmsr(vcpu);
}
EXPORT_SYMBOL_GPL(__kvm_plane_emulate_rdmsr);

/* See kvm_plane_emulate_wrmsr(). */
int __kvm_plane_emulate_wrmsr(struct kvm_vcpu *vcpu)
{
	int r;

	return kvm_plane_msr(vcpu, true, &r) ? r : kvm_emulate_wrmsr(vcpu);
}
EXPORT_SYMBOL_GPL(__kvm_plane_emulate_wrmsr);
