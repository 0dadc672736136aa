// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: an exit, for which a policy's op is asked what to do.
 *
 * The exits that may mean "switch planes" come here. An op cannot change anything itself: its
 * kfuncs note in a struct kvm_plane_call what is to be done. When the op returns, KVM checks its
 * verdict and carries the whole out, or nothing; a policy that broke a rule is ejected.
 *
 * The ops run under RCU. BPF takes them away by clearing the policy's pointer to them, and frees
 * them a grace period later.
 */

#include <linux/kvm_host.h>
#include <linux/rcupdate.h>

#include "plane_call.h"
#include "plane_policy.h"

/* The ops, in the order of struct kvm_plane_ops; the numbers are of no other use. */
enum {
	KVM_PLANE_OP_HYPERCALL,
	KVM_PLANE_OP_WRMSR,
	KVM_PLANE_OP_RDMSR,
	KVM_PLANE_OP_MEMORY_FAULT,
	KVM_PLANE_OP_EVENT,
	KVM_PLANE_OP_HALT,
	KVM_PLANE_OP_INJECT,
};

#define KVM_PLANE_OP_OFFSET(member)							\
	(offsetof(struct kvm_plane_ops, member) +					\
	 BUILD_BUG_ON_ZERO(!__same_type(((struct kvm_plane_ops *)0)->member,		\
					(kvm_plane_op_t)0)))

/* What differs between the ops. */
static const struct kvm_plane_op kvm_plane_op_table[] = {
	[KVM_PLANE_OP_HYPERCALL] = {
		.offset		= KVM_PLANE_OP_OFFSET(hypercall),
		.cause		= KVM_PLANE_CAUSE_HYPERCALL,
		.at_insn	= true,
		.can_skip	= true,
		.can_switch	= true,
		.exceptions	= KVM_ARCH_PLANE_INSN_EXCEPTIONS,
	},
	[KVM_PLANE_OP_WRMSR] = {
		.offset		= KVM_PLANE_OP_OFFSET(wrmsr),
		.cause		= KVM_PLANE_CAUSE_MSR,
		.at_insn	= true,
		.can_skip	= true,
		.can_switch	= true,
		.exceptions	= KVM_ARCH_PLANE_INSN_EXCEPTIONS,
	},
	[KVM_PLANE_OP_RDMSR] = {
		.offset		= KVM_PLANE_OP_OFFSET(rdmsr),
		.cause		= KVM_PLANE_CAUSE_MSR,
		.at_insn	= true,
		.can_skip	= true,
		.can_switch	= true,
		.exceptions	= KVM_ARCH_PLANE_INSN_EXCEPTIONS,
	},
	[KVM_PLANE_OP_MEMORY_FAULT] = {
		.offset		= KVM_PLANE_OP_OFFSET(memory_fault),
		.cause		= KVM_PLANE_CAUSE_MEMORY_FAULT,
		.at_insn	= true,
		.can_switch	= true,
		.exceptions	= KVM_ARCH_PLANE_INSN_EXCEPTIONS,
	},
	[KVM_PLANE_OP_EVENT] = {
		.offset		= KVM_PLANE_OP_OFFSET(event),
		.cause		= KVM_PLANE_CAUSE_EVENT,
		.can_switch	= true,
	},
	[KVM_PLANE_OP_HALT] = {
		.offset		= KVM_PLANE_OP_OFFSET(halt),
		.cause		= KVM_PLANE_CAUSE_HALT,
		.can_switch	= true,
	},
	[KVM_PLANE_OP_INJECT] = {
		.offset		= KVM_PLANE_OP_OFFSET(inject),
		.can_take	= true,
		.exceptions	= KVM_ARCH_PLANE_EVENT_EXCEPTIONS,
	},
};

/* Switches in a row, for events, between planes that did not run in between */
#define KVM_PLANE_MAX_IDLE_SWITCHES	16

/* Verdicts in a row that were carried out for events, while no plane was entered */
#define KVM_PLANE_MAX_IDLE_VERDICTS	4096

/* Verdicts in a row after which each plane was still at the instruction that it exited at */
#define KVM_PLANE_MAX_RETRIES		4096

/* In place of a verdict: the op is not for the exit fast path */
#define KVM_PLANE_ASK_LATER		(-1)

/* The ops of the policy that @kvm has; NULL if none. RCU. */
static struct kvm_plane_ops *kvm_plane_vm_ops(struct kvm *kvm)
{
	struct kvm_plane_policy *policy = rcu_dereference(kvm->planes.policy);

	return policy ? rcu_dereference(policy->ops) : NULL;
}

static bool kvm_plane_policy_claims_msr(struct kvm *kvm, u32 msr)
{
	struct kvm_plane_ops *ops;

	guard(rcu)();
	ops = kvm_plane_vm_ops(kvm);
	return ops && kvm_plane_find_msr(ops->msrs, KVM_PLANE_NR_MSRS, msr) >= 0;
}

/* The planes of @planes, all of which the vCPU has, for which @condition is true. */
static __always_inline u16 kvm_plane_filter(struct kvm_vcpu *vcpu, u16 planes,
					    bool (*condition)(struct kvm_vcpu *vcpu))
{
	u16 filtered = 0;
	unsigned int id;

	for (; planes; planes &= planes - 1) {
		id = __ffs(planes);
		if (condition(kvm_vcpu_sibling(vcpu, id)))
			filtered |= BIT(id);
	}
	return filtered;
}

/*
 * A call of @op, without arguments and with nothing asked for yet. Every field of the
 * context is set; of the rest, @call is not initialized where that says nothing.
 */
static inline void kvm_plane_call_init(struct kvm_plane_call *call, struct kvm_vcpu *vcpu,
				       unsigned int op, u8 mode)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;
	u16 planes = READ_ONCE(plane0->present);
	u16 suspended = plane0->suspended & planes;
	struct kvm_plane_ctx *ctx = &call->ctx;

	ctx->plane = vcpu->plane.id;
	ctx->cpl = kvm_arch_plane_cpl(vcpu);
	ctx->mode = mode;
	ctx->abi = 0;
	ctx->planes = planes;
	ctx->runnable = kvm_plane_filter(vcpu, planes & ~BIT(vcpu->plane.id),
					 kvm_arch_plane_runnable);
	ctx->suspended = suspended;
	ctx->pending = 0;
	ctx->ready = 0;
	ctx->vmgexit = 0;
	ctx->injection = 0;
	ctx->vector = 0;
	ctx->vcpu_id = vcpu->vcpu_id;
	ctx->vm_id = vcpu->kvm->planes.id;
	ctx->msr = 0;
	ctx->access = 0;
	ctx->value = 0;
	ctx->gpa = 0;
	ctx->regs[0] = kvm_arch_plane_read_reg(vcpu, 0);
	ctx->regs[1] = kvm_arch_plane_read_reg(vcpu, 1);
	ctx->regs[2] = kvm_arch_plane_read_reg(vcpu, 2);
	ctx->regs[3] = kvm_arch_plane_read_reg(vcpu, 3);

	call->vcpu = vcpu;
	call->op = &kvm_plane_op_table[op];
	call->breach.kind = KVM_PLANE_EJECT_NONE;
	call->effects.target = -1;
	call->effects.exception = -1;
	call->effects.skip = false;
	call->effects.take = 0;
	call->effects.taken = 0;
	call->effects.latches_written = 0;
	call->effects.suspended = suspended;
	call->effects.irqs = 0;
	call->effects.regs_written = 0;
}

/* An event may neither have planes take turns for ever, nor keep the one that runs from it. */
static void kvm_plane_check_idle(struct kvm_plane_call *call, int verdict)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;

	if (vcpu->stat.exits != vcpu->plane.entered_at) {
		vcpu->plane.entered_at = vcpu->stat.exits;
		plane0->idle_switches = 0;
		plane0->idle_verdicts = 0;
	} else if (verdict == KVM_PLANE_SWITCH &&
		   ++plane0->idle_switches > KVM_PLANE_MAX_IDLE_SWITCHES) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, call->effects.target,
				"switches between planes that do not run");
	} else if (++plane0->idle_verdicts > KVM_PLANE_MAX_IDLE_VERDICTS) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, -1,
				"events that keep a plane from running");
	}
}

/* The plane is to execute the instruction that exited again: that may not go on for ever. */
static void kvm_plane_check_retry(struct kvm_plane_call *call)
{
	struct kvm_plane_vcpu *plane = &call->vcpu->plane;
	unsigned long rip = kvm_arch_plane_rip(call->vcpu);

	if (plane->retried.rip != rip || plane->retried.gpa != call->ctx.gpa) {
		plane->retried.rip = rip;
		plane->retried.gpa = call->ctx.gpa;
		plane->vcpu0->plane.retries = 0;
	} else if (++plane->vcpu0->plane.retries > KVM_PLANE_MAX_RETRIES) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, -1,
				"instruction that its plane does not get past");
	}
}

/* Whether a verdict that is to be carried out gets the vCPU any further. */
static __always_inline void kvm_plane_check_progress(struct kvm_plane_call *call,
						     const struct kvm_plane_op *op, int verdict)
{
	const struct kvm_plane_effects *effects = &call->effects;

	if (!op->at_insn)
		kvm_plane_check_idle(call, verdict);
	else if (effects->skip || (verdict == KVM_PLANE_RESUME && effects->exception >= 0))
		call->vcpu->plane.vcpu0->plane.retries = 0;
	else
		kvm_plane_check_retry(call);
}

/* Whether the verdict is one and can be carried out. */
static __always_inline void kvm_plane_check(struct kvm_plane_call *call,
					    const struct kvm_plane_op *op, int verdict)
{
	switch (verdict) {
	case KVM_PLANE_PASS:
	case KVM_PLANE_USER:
		break;
	case KVM_PLANE_RESUME:
		kvm_plane_check_progress(call, op, verdict);
		break;
	case KVM_PLANE_SWITCH:
		if (call->effects.target < 0)
			kvm_plane_break(call, KVM_PLANE_EJECT_TARGET, -1,
					"switch to no plane");
		else if (!op->can_switch)
			kvm_plane_break(call, KVM_PLANE_EJECT_VERDICT, verdict,
					"switch while an event is injected");
		else
			kvm_plane_check_progress(call, op, verdict);
		break;
	default:
		kvm_plane_break(call, KVM_PLANE_EJECT_VERDICT, verdict,
				"return value that is no verdict");
	}
}

/* The program that a policy has for an op; NULL if there is none. */
static kvm_plane_op_t kvm_plane_program(const struct kvm_plane_ops *ops,
					const struct kvm_plane_op *op)
{
	return *(const kvm_plane_op_t *)((const void *)ops + op->offset);
}

/* What an op may do, and what the same policy remembered of this vCPU, if anything. */
static void kvm_plane_recall(struct kvm_plane_call *call, const struct kvm_plane_ops *ops)
{
	const struct kvm_plane_vcpu *plane0 = &call->vcpu->plane.vcpu0->plane;
	bool is_long = ops->flags & KVM_PLANE_OPS_LONG;

	call->calls_left = is_long ? KVM_PLANE_MAX_CALLS_LONG : KVM_PLANE_MAX_CALLS;
	call->writes_left = is_long ? KVM_PLANE_MAX_WRITES_LONG : KVM_PLANE_MAX_WRITES;
	call->serial = ops->serial;
	call->ctx.cached = plane0->cached_by == ops->serial ? plane0->cached : 0;
}

/* Call the op, if there is one. RCU. Return: the verdict, if there is one to carry out. */
static __always_inline int __kvm_plane_ask(struct kvm_plane_call *call,
					   const struct kvm_plane_op *op, const bool fast)
{
	struct kvm_plane_policy *policy;
	struct kvm_plane_ops *ops;
	kvm_plane_op_t program;
	int verdict;

	policy = rcu_dereference_check(call->vcpu->kvm->planes.policy, rcu_read_lock_any_held());
	if (!policy)
		return KVM_PLANE_PASS;
	ops = rcu_dereference_check(policy->ops, rcu_read_lock_any_held());
	if (!ops)
		return KVM_PLANE_PASS;
	program = kvm_plane_program(ops, op);
	if (!program)
		return KVM_PLANE_PASS;
	if (fast && unlikely(ops->flags & KVM_PLANE_OPS_LONG))
		return KVM_PLANE_ASK_LATER;

	kvm_plane_recall(call, ops);
	verdict = program(&call->ctx);
	kvm_plane_check(call, op, verdict);
	if (unlikely(call->breach.kind)) {
		kvm_plane_policy_eject(call->vcpu, policy, ops, &call->breach);
		return KVM_PLANE_PASS;
	}
	return verdict;
}

/*
 * The same. In the exit fast path preemption off, which it is anyway, is an RCU read section that
 * costs next to nothing; elsewhere an op may be preempted. Programs have a read section of their
 * own besides.
 */
static __always_inline int kvm_plane_ask(struct kvm_plane_call *call,
					 const struct kvm_plane_op *op, const bool fast)
{
	if (fast) {
		guard(preempt)();
		return __kvm_plane_ask(call, op, true);
	}

	guard(rcu)();
	return __kvm_plane_ask(call, op, false);
}

/* Return: as an exit handler's. */
static __always_inline int kvm_plane_resume(struct kvm_plane_call *call,
					    const struct kvm_plane_op *op)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	int r;

	if (kvm_arch_plane_commit(vcpu, &call->effects, &r) &&
	    call->effects.exception >= 0 && op->at_insn)
		vcpu->plane.stat.refused++;
	return r;
}

/* Return: as an exit handler's; the switch is made before userspace runs. */
static __always_inline int kvm_plane_do_switch(struct kvm_plane_call *call,
					       const struct kvm_plane_op *op)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	int r;

	call->effects.exception = -1;
	if (!kvm_arch_plane_commit(vcpu, &call->effects, &r))
		return r;

	vcpu->plane.vcpu0->plane.suspended = call->effects.suspended;
	kvm_plane_switch_later(vcpu, call->effects.target, call->effects.state, op->cause);
	return r;
}

/*
 * Call the op and carry its verdict out; *@r is what an exit handler returns. @op is call->op, and
 * a constant in the exit fast path.
 */
static __always_inline enum kvm_plane_handled
__kvm_plane_decide(struct kvm_plane_call *call, const struct kvm_plane_op *op, int *r,
		   const bool fast)
{
	switch (kvm_plane_ask(call, op, fast)) {
	case KVM_PLANE_RESUME:
		*r = kvm_plane_resume(call, op);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_SWITCH:
		*r = kvm_plane_do_switch(call, op);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_USER:
		return KVM_PLANE_TO_USER;
	case KVM_PLANE_ASK_LATER:
		return KVM_PLANE_NOT_ASKED;
	default:
		return KVM_PLANE_NOT_HANDLED;
	}
}

/* The same, for exits that are not the fast path's. */
static enum kvm_plane_handled kvm_plane_decide(struct kvm_plane_call *call, int *r)
{
	return __kvm_plane_decide(call, call->op, r, false);
}

/* A call of the op hypercall; see kvm_plane_policy_hypercall(). */
static __always_inline void kvm_plane_call_init_hypercall(struct kvm_plane_call *call,
							  struct kvm_vcpu *vcpu, u8 abi, u8 mode)
{
	kvm_plane_call_init(call, vcpu, KVM_PLANE_OP_HYPERCALL, mode);
	call->ctx.abi = abi;
	call->ctx.vmgexit = vcpu->plane.vmgexit;
}

/**
 * kvm_plane_policy_hypercall - let the VM's policy decide on a hypercall
 * @vcpu: the vCPU that made it, in an SRCU read section
 * @abi: enum kvm_plane_hypercall_abi
 * @mode: enum kvm_plane_mode
 * @r: the exit handler's return value, if it was handled
 */
enum kvm_plane_handled kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init_hypercall(&call, vcpu, abi, mode);
	return kvm_plane_decide(&call, r);
}

/**
 * kvm_plane_policy_fastpath - the same, in the exit fast path
 * @vcpu: the vCPU that made it, in an SRCU read section; interrupts are off, and the
 *	instruction is known to be skipped without sleeping
 * @abi: enum kvm_plane_hypercall_abi
 * @mode: enum kvm_plane_mode
 * @r: the exit handler's return value, if it was handled
 *
 * After KVM_PLANE_NOT_ASKED, kvm_plane_policy_hypercall() is to be called with interrupts on; after
 * KVM_PLANE_NOT_HANDLED, kvm_plane_policy_ejected() if kvm_plane_vcpu.ejected is set.
 */
enum kvm_plane_handled kvm_plane_policy_fastpath(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init_hypercall(&call, vcpu, abi, mode);
	return __kvm_plane_decide(&call, &kvm_plane_op_table[KVM_PLANE_OP_HYPERCALL], r, true);
}

/**
 * kvm_plane_policy_msr - let the VM's policy decide on an access to an MSR
 * @vcpu: the vCPU that makes it, in the run loop
 * @msr: the MSR
 * @write: it is a write
 * @value: the value written
 * @r: the exit handler's return value, if it was handled
 */
enum kvm_plane_handled kvm_plane_policy_msr(struct kvm_vcpu *vcpu, u32 msr, bool write, u64 value,
					    int *r)
{
	unsigned int op = write ? KVM_PLANE_OP_WRMSR : KVM_PLANE_OP_RDMSR;
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_policy_claims_msr(vcpu->kvm, msr))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, op, kvm_arch_plane_mode(vcpu));
	call.ctx.msr = msr;
	call.ctx.value = value;
	return kvm_plane_decide(&call, r);
}

/**
 * kvm_plane_policy_memory_fault - let the VM's policy decide on a forbidden access
 * @vcpu: the vCPU that is to make it, in the run loop
 * @gpa: the address, or its page
 * @access: KVM_MEMORY_EXIT_FLAG_*
 */
enum kvm_plane_handled kvm_plane_policy_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_MEMORY_FAULT, kvm_arch_plane_mode(vcpu));
	call.ctx.gpa = gpa;
	call.ctx.access = access;
	return kvm_plane_decide(&call, &r);
}

/**
 * kvm_plane_policy_event - let the VM's policy decide on events of planes that do not run
 * @vcpu: the vCPU that runs, in the run loop
 * @pending: the planes that have one
 */
enum kvm_plane_handled kvm_plane_policy_event(struct kvm_vcpu *vcpu, u16 pending)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_EVENT, kvm_arch_plane_mode(vcpu));
	call.ctx.pending = pending;
	call.ctx.ready = kvm_plane_filter(vcpu, pending, kvm_arch_plane_ready);
	return kvm_plane_decide(&call, &r);
}

/**
 * kvm_plane_policy_halt - let the VM's policy decide on a vCPU that is about to block
 * @vcpu: the vCPU that runs, in the run loop
 */
enum kvm_plane_handled kvm_plane_policy_halt(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_HALT, kvm_arch_plane_mode(vcpu));
	return kvm_plane_decide(&call, &r);
}

static bool kvm_plane_policy_injects(struct kvm *kvm)
{
	struct kvm_plane_ops *ops;

	guard(rcu)();
	ops = kvm_plane_vm_ops(kvm);
	return ops && ops->inject;
}

/**
 * kvm_plane_policy_inject - let the VM's policy decide on what is about to be injected
 * @vcpu: the vCPU that runs, about to be entered
 */
enum kvm_plane_handled kvm_plane_policy_inject(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_call call __uninitialized;
	u8 injection, vector = 0;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm) || !kvm_plane_policy_injects(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	injection = kvm_arch_plane_injection(vcpu, &vector);
	if (!injection)
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_INJECT, kvm_arch_plane_mode(vcpu));
	call.ctx.injection = injection;
	call.ctx.vector = vector;
	return kvm_plane_decide(&call, &r);
}
