// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes on x86: what a policy's verdict does to the plane that runs, all of it or nothing.
 */

#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include "kvm_cache_regs.h"
#include "lapic.h"
#include "plane.h"
#include "pmu.h"
#include "x86.h"

/* Go on at @rip; what kvm_skip_emulated_instruction() does where nobody steps through the guest. */
static __always_inline void kvm_plane_skip_to(struct kvm_vcpu *vcpu, unsigned long rip)
{
	kvm_rip_write(vcpu, rip);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	if (!bitmap_empty(vcpu_to_pmu(vcpu)->all_valid_pmc_idx, X86_PMC_IDX_MAX))
		kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
}

/* The same where the exit fast path did not find out where the next instruction is. */
static noinline bool kvm_plane_skip_slow(struct kvm_vcpu *vcpu, int *r)
{
	*r = kvm_skip_emulated_instruction(vcpu);
	return *r || vcpu->run->exit_reason == KVM_EXIT_DEBUG;
}

static __always_inline bool __kvm_plane_skip_insn(struct kvm_vcpu *vcpu, int *r)
{
	if (unlikely(!vcpu->plane.next_rip))
		return kvm_plane_skip_slow(vcpu, r);

	kvm_plane_skip_to(vcpu, vcpu->plane.next_rip);
	return true;
}

/**
 * kvm_plane_skip_insn - skip the instruction that exited
 * @vcpu: the plane's vCPU, loaded, in an SRCU read section
 * @r: the exit handler's return value: 0 if userspace is to see something first
 *
 * Return: whether it was skipped. It cannot be, for want of next-RIP, if another
 * vCPU has overwritten it in the meantime.
 */
bool kvm_plane_skip_insn(struct kvm_vcpu *vcpu, int *r)
{
	*r = 1;
	return __kvm_plane_skip_insn(vcpu, r);
}

static void kvm_plane_write_regs(struct kvm_vcpu *vcpu, const struct kvm_plane_effects *effects)
{
	unsigned int reg;
	u32 left;

	for (left = effects->regs_written; left; left &= left - 1) {
		reg = array_index_nospec(__ffs(left), KVM_PLANE_NR_REGS);
		kvm_register_write_raw(vcpu, reg, effects->regs[reg]);
	}
}

static void kvm_plane_write_latches(struct kvm_vcpu *vcpu, const struct kvm_plane_effects *effects)
{
	unsigned int i;
	u8 left;

	for (left = effects->latches_written; left; left &= left - 1) {
		i = __ffs(left);
		vcpu->plane.latched[i] = effects->latches[i];
	}
}

/* An interrupt is in service until EOI then, and an NMI is over. */
static void kvm_plane_take(struct kvm_vcpu *vcpu, u8 injection, u8 vector)
{
	if (injection == KVM_PLANE_INJECT_NMI)
		vcpu->arch.nmi_pending--;
	else
		kvm_apic_ack_interrupt(vcpu, vector);
}

/* Raise an interrupt, fixed and edge-triggered, in the local APIC of a plane. */
static void kvm_plane_raise_irq(struct kvm_vcpu *vcpu, u8 vector)
{
	struct kvm_lapic_irq irq = {
		.vector = vector,
		.delivery_mode = APIC_DM_FIXED,
		.level = true,
	};

	if (lapic_in_kernel(vcpu))
		kvm_apic_set_irq(vcpu, &irq, NULL);
}

static void kvm_plane_raise_irqs(struct kvm_vcpu *vcpu, const struct kvm_plane_effects *effects)
{
	unsigned int id;
	u16 left;

	for (left = effects->irqs; left; left &= left - 1) {
		id = __ffs(left);
		kvm_plane_raise_irq(kvm_vcpu_sibling(vcpu, id), effects->irq[id]);
	}
}

static void kvm_plane_raise_exception(struct kvm_vcpu *vcpu, u32 vector)
{
	if (vector == GP_VECTOR)
		kvm_queue_exception_e(vcpu, GP_VECTOR, 0);
	else
		kvm_queue_exception(vcpu, vector);
}

/* What few ops ask for; not inline, or each would pay for it. */
static noinline void kvm_plane_commit_events(struct kvm_vcpu *vcpu,
					     const struct kvm_plane_effects *effects)
{
	/* This comes first: an interrupt that is raised with the same vector stays pending. */
	if (effects->take)
		kvm_plane_take(vcpu, effects->take, effects->taken);
	if (effects->irqs)
		kvm_plane_raise_irqs(vcpu, effects);
	if (effects->exception >= 0)
		kvm_plane_raise_exception(vcpu, effects->exception);
}

/**
 * kvm_arch_plane_commit - do what an op asked for, except to switch planes
 * @vcpu: the vCPU of the plane that runs, loaded, in an SRCU read section
 * @effects: what the op asked for, all of which it may ask for
 * @r: the exit handler's return value: 0 if userspace is to see something first
 *
 * Only the instruction may not be skipped, and so that comes first.
 *
 * Return: whether all was done; if not, nothing was. Also true with *@r 0: userspace steps through
 * the guest, and is told.
 */
bool kvm_arch_plane_commit(struct kvm_vcpu *vcpu, const struct kvm_plane_effects *effects, int *r)
{
	*r = 1;
	if (effects->skip && effects->exception < 0 && !__kvm_plane_skip_insn(vcpu, r))
		return false;

	kvm_plane_write_regs(vcpu, effects);
	kvm_plane_write_latches(vcpu, effects);
	if (unlikely(effects->take | effects->irqs || effects->exception >= 0))
		kvm_plane_commit_events(vcpu, effects);
	return true;
}
