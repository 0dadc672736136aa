// SPDX-License-Identifier: GPL-2.0
/* Carries the groups of state in RSI, known or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_switch(ctx, !ctx->plane, begin(ctx));
	return KVM_PLANE_SWITCH;
}

CARELESS_POLICY(wrong_state);
