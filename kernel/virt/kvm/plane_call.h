/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: one call of an op, in which its kfuncs note what the op asks for.
 */
#ifndef __KVM_PLANE_CALL_H
#define __KVM_PLANE_CALL_H

#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include "plane_policy.h"

/**
 * struct kvm_plane_op - an op that is called for an exit
 * @offset: its place in struct kvm_plane_ops, in bytes
 * @cause: what a switch that it chose is counted as, enum kvm_plane_cause
 * @at_insn: the exit is for an instruction that has not been executed yet
 * @can_skip: the op can skip this instruction
 * @can_take: it can have an event count as injected
 * @can_switch: it can choose another plane
 * @exceptions: the exceptions that it can raise, a bit each
 */
struct kvm_plane_op {
	u16 offset;
	u8 cause;
	bool at_insn;
	bool can_skip;
	bool can_take;
	bool can_switch;
	u32 exceptions;
};

/**
 * struct kvm_plane_call - one call of an op
 * @ctx: what BPF sees
 * @vcpu: the vCPU that runs
 * @op: the op
 * @serial: of the policy that is called
 * @calls_left: how many kfuncs the op may still call
 * @writes_left: how many of them may write to guest memory
 * @breach: the first rule that the op broke
 * @effects: what the op asked for
 */
struct kvm_plane_call {
	struct kvm_plane_ctx ctx;
	struct kvm_vcpu *vcpu;
	const struct kvm_plane_op *op;
	u64 serial;
	u32 calls_left;
	u32 writes_left;
	struct kvm_plane_breach breach;
	struct kvm_plane_effects effects;
};

static inline struct kvm_plane_call *to_call(struct kvm_plane_ctx *ctx)
{
	return container_of(ctx, struct kvm_plane_call, ctx);
}

int kvm_plane_kfuncs_register(void);

/*
 * Note that the op broke a rule: the policy is ejected when the op returns. The first rule that was
 * broken counts. Inline, or each kfunc would save registers for the call that it does not make.
 *
 * Return: -EINVAL, for a kfunc to return.
 */
static inline int kvm_plane_break(struct kvm_plane_call *call, u32 kind, s64 code,
				  const char *message)
{
	if (!call->breach.kind) {
		call->breach.kind = kind;
		call->breach.code = code;
		call->breach.message = message;
	}
	return -EINVAL;
}

/* The code of a policy that is ejected because of the budget: the op's place, from 0. */
static inline s64 kvm_plane_op_code(const struct kvm_plane_op *op)
{
	return op->offset / sizeof(kvm_plane_op_t);
}

/* Whether the op may call one more kfunc. Every kfunc asks first. */
static __always_inline bool kvm_plane_charge(struct kvm_plane_call *call)
{
	if (unlikely(!call->calls_left)) {
		kvm_plane_break(call, KVM_PLANE_EJECT_BUDGET, kvm_plane_op_code(call->op),
				"too many calls of kfuncs in an op");
		return false;
	}
	call->calls_left--;
	return true;
}

/* The vCPU of @plane; NULL if there is none. */
static inline struct kvm_vcpu *kvm_plane_vcpu(struct kvm_plane_ctx *ctx, u32 plane)
{
	if (plane >= KVM_MAX_PLANES)
		return NULL;
	return kvm_vcpu_sibling(to_call(ctx)->vcpu, array_index_nospec(plane, KVM_MAX_PLANES));
}

#endif /* __KVM_PLANE_CALL_H */
