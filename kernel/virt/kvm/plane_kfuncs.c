// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: the functions of KVM that the ops of a policy call.
 *
 * A kfunc changes nothing itself: it notes in struct kvm_plane_call what the op asks for, and KVM
 * does that when the op has returned. The exceptions are statistics, what a policy remembers, and
 * guest memory, which is in plane_kfuncs_mem.c. A kfunc that is called with an argument that
 * no policy may use notes that a rule was broken.
 */

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include "plane_call.h"

__bpf_kfunc_start_defs();

/**
 * bpf_kvm_plane_read_reg - read a general register of the running plane
 * @ctx: the exit
 * @reg: enum kvm_plane_reg; another is a broken rule
 *
 * Return: its value, as written by this op if it was.
 */
__bpf_kfunc u64 bpf_kvm_plane_read_reg(struct kvm_plane_ctx *ctx, u32 reg)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return 0;
	if (!kvm_arch_plane_reg_shared(reg)) {
		kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg, "read of a private register");
		return 0;
	}
	if (call->effects.regs_written & BIT(reg))
		return call->effects.regs[reg];
	return kvm_arch_plane_read_reg(call->vcpu, array_index_nospec(reg, KVM_PLANE_NR_REGS));
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_reg);

/**
 * bpf_kvm_plane_write_reg - write a general register of the running plane
 * @ctx: the exit
 * @reg: enum kvm_plane_reg; another is a broken rule
 * @value: the value
 *
 * With a switch that carries KVM_PLANE_STATE_GPRS, the plane entered has it too.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_write_reg(struct kvm_plane_ctx *ctx, u32 reg, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!kvm_arch_plane_reg_shared(reg))
		return kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg,
				       "write to a private register");
	call->effects.regs[reg] = value;
	call->effects.regs_written |= BIT(reg);
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_reg);

/**
 * bpf_kvm_plane_switch - choose the plane to run next
 * @ctx: the exit
 * @plane: a plane in @ctx->runnable; another is a broken rule
 * @state: KVM_PLANE_STATE_*, the groups to carry to it; others are a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_SWITCH. The last call counts.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_switch(struct kvm_plane_ctx *ctx, u32 plane, u32 state)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (plane >= KVM_MAX_PLANES || !(ctx->runnable & BIT(plane)))
		return kvm_plane_break(call, KVM_PLANE_EJECT_TARGET, plane,
				       "switch to a plane that cannot run");
	if (state & ~KVM_PLANE_STATE_ALL)
		return kvm_plane_break(call, KVM_PLANE_EJECT_STATE, state,
				       "switch that carries unknown state");
	call->effects.target = plane;
	call->effects.state = state;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_switch);

/**
 * bpf_kvm_plane_suspend - set which planes are suspended
 * @ctx: the exit
 * @planes: a mask, within @ctx->planes; other bits are a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_SWITCH. Migrates with the VM, in
 * kvm_run_planes.suspended_planes.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_suspend(struct kvm_plane_ctx *ctx, u32 planes)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (planes & ~ctx->planes)
		return kvm_plane_break(call, KVM_PLANE_EJECT_SUSPEND, planes,
				       "suspended planes that are not there");
	call->effects.suspended = planes;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_suspend);

/**
 * bpf_kvm_plane_inject - raise an exception in the running plane
 * @ctx: the exit
 * @vector: 6 (#UD) or, with error code 0, 13 (#GP); in the op inject 28 (#HV); another is
 *	a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_RESUME, at the instruction that exited,
 * which is not skipped then; in the op inject, before the next one. In the ops event and
 * halt, a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_inject(struct kvm_plane_ctx *ctx, u32 vector)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!call->op->exceptions)
		return kvm_plane_break(call, KVM_PLANE_EJECT_INSN, vector,
				       "exception without an instruction");
	if (vector > 31 || !(call->op->exceptions & BIT(vector)))
		return kvm_plane_break(call, KVM_PLANE_EJECT_EXCEPTION, vector,
				       "exception that a policy cannot raise");
	call->effects.exception = vector;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_inject);

/**
 * bpf_kvm_plane_skip_insn - skip the instruction that exited
 * @ctx: the exit
 *
 * In the plane that executed it, whatever its length, and once however often
 * this is called. Takes effect with KVM_PLANE_RESUME and KVM_PLANE_SWITCH. In the
 * ops memory_fault, event, halt and inject, a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_skip_insn(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!call->op->can_skip)
		return kvm_plane_break(call, KVM_PLANE_EJECT_INSN, -1,
				       "skip without an instruction to skip");
	call->effects.skip = true;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_skip_insn);

/**
 * bpf_kvm_plane_pending - see which planes have a pending interrupt
 * @ctx: the exit
 *
 * An interrupt that the plane's APIC priority lets through, an NMI or an SMI,
 * whatever its RFLAGS.IF. A synthetic timer of Hyper-V that has just expired may be
 * seen later, by the op event. There, @ctx->pending says the same for less.
 *
 * Return: a mask of planes other than the one that runs.
 */
__bpf_kfunc u32 bpf_kvm_plane_pending(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	return kvm_plane_charge(call) ? __kvm_plane_pending(call->vcpu) : 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_pending);

/**
 * bpf_kvm_plane_raise_irq - raise an interrupt in a plane
 * @ctx: the exit
 * @plane: a plane in @ctx->planes; another is a broken rule
 * @vector: 16 to 255; another is a broken rule
 *
 * Fixed and edge-triggered, in the local APIC that the plane's vCPU has. Takes effect
 * with KVM_PLANE_RESUME and KVM_PLANE_SWITCH; of two in one plane, the second.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP: the local APIC is userspace's.
 */
__bpf_kfunc int bpf_kvm_plane_raise_irq(struct kvm_plane_ctx *ctx, u32 plane, u32 vector)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (plane >= KVM_MAX_PLANES || !(ctx->planes & BIT(plane)))
		return kvm_plane_break(call, KVM_PLANE_EJECT_IRQ, plane,
				       "interrupt for a plane that is not there");
	if (vector < 16 || vector > 255)
		return kvm_plane_break(call, KVM_PLANE_EJECT_IRQ, vector,
				       "interrupt with an invalid vector");
	if (!kvm_arch_irqchip_in_kernel(call->vcpu->kvm))
		return -EOPNOTSUPP;

	call->effects.irqs |= BIT(plane);
	call->effects.irq[plane] = vector;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_raise_irq);

/**
 * bpf_kvm_plane_take - have the event that KVM would inject count as injected
 * @ctx: the exit, of the op inject; in others, a broken rule
 *
 * An interrupt of the local APIC is in service until its EOI, an NMI is over; the plane
 * knows of it only what the policy tells it. Takes effect with KVM_PLANE_RESUME. What the
 * PIC or userspace has pending cannot be taken: a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_take(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!call->op->can_take || ctx->injection == KVM_PLANE_INJECT_EXTINT)
		return kvm_plane_break(call, KVM_PLANE_EJECT_TAKE, ctx->injection,
				       "event taken that cannot be");
	call->effects.take = ctx->injection;
	call->effects.taken = ctx->vector;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_take);

/* Where in kvm_plane_vm.latches @msr is; -EINVAL, and a broken rule, if nowhere. */
static int kvm_plane_find_latch(struct kvm_plane_call *call, u32 msr)
{
	int i = kvm_plane_find_msr(call->vcpu->kvm->planes.latches, KVM_PLANE_NR_LATCHES, msr);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (i < 0)
		return kvm_plane_break(call, KVM_PLANE_EJECT_MSR, msr, "MSR that is no latch");
	return i;
}

/**
 * bpf_kvm_plane_read_latch - read an MSR that a plane has because of the policy
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @msr: one in kvm_plane_ops.latches, of this policy or one that the VM had before; another is
 *	a broken rule
 *
 * Return: what the plane has there, not what this op has written; 0 if there is no such
 * plane.
 */
__bpf_kfunc u64 bpf_kvm_plane_read_latch(struct kvm_plane_ctx *ctx, u32 plane, u32 msr)
{
	int i = kvm_plane_find_latch(to_call(ctx), msr);
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	return i >= 0 && vcpu ? READ_ONCE(vcpu->plane.latched[i]) : 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_latch);

/**
 * bpf_kvm_plane_write_latch - write an MSR that a plane has because of the policy
 * @ctx: the exit
 * @msr: one in kvm_plane_ops.latches, of this policy or one that the VM had before; another is
 *	a broken rule
 * @value: what the running plane, which a switch leaves, is to have there
 *
 * Takes effect with KVM_PLANE_RESUME and KVM_PLANE_SWITCH.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_write_latch(struct kvm_plane_ctx *ctx, u32 msr, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);
	int i = kvm_plane_find_latch(call, msr);

	if (i < 0)
		return i;
	call->effects.latches[i] = value;
	call->effects.latches_written |= BIT(i);
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_latch);

/**
 * bpf_kvm_plane_count - count something
 * @ctx: the exit
 * @counter: 0 to 3; another is ignored
 *
 * In the vCPU's binary statistics, as plane_policy_0 and so on; what it means is the
 * policy's. Takes effect at once, whatever the verdict.
 */
__bpf_kfunc void bpf_kvm_plane_count(struct kvm_plane_ctx *ctx, u32 counter)
{
	struct kvm_plane_call *call = to_call(ctx);
	struct kvm_plane_stat *stat = &call->vcpu->plane.stat;

	if (kvm_plane_charge(call) && counter < ARRAY_SIZE(stat->policy))
		stat->policy[array_index_nospec(counter, ARRAY_SIZE(stat->policy))]++;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_count);

/**
 * bpf_kvm_plane_cache - remember something of this vCPU until KVM_RUN returns
 * @ctx: the exit
 * @value: what later ops have in @ctx->cached, which is 0 until then
 *
 * For what userspace has chosen, in MSRs of the planes for one, and is slow to look up. Takes
 * effect at once, whatever the verdict. It is forgotten, too, when the policy is replaced.
 */
__bpf_kfunc void bpf_kvm_plane_cache(struct kvm_plane_ctx *ctx, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);
	struct kvm_plane_vcpu *plane0 = &call->vcpu->plane.vcpu0->plane;

	if (!kvm_plane_charge(call))
		return;
	plane0->cached = value;
	plane0->cached_by = call->serial;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_cache);

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kvm_plane_kfuncs)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_switch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_suspend, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_inject, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_skip_insn, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_pending, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_raise_irq, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_take, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_latch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_latch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_count, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_cache, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_mem, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_mem, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_assist, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_assist, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(kvm_plane_kfuncs)

static const struct btf_kfunc_id_set kvm_plane_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &kvm_plane_kfuncs,
};

/* When kvm.ko is loaded: let programs of policies, and no others, call the kfuncs. */
int __init kvm_plane_kfuncs_register(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &kvm_plane_kfunc_set);
}
