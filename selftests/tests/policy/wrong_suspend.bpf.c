// SPDX-License-Identifier: GPL-2.0
/* Suspends the planes in RSI, there or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_suspend(ctx, begin(ctx));
	bpf_kvm_plane_switch(ctx, !ctx->plane, KVM_PLANE_STATE_ALL);
	return KVM_PLANE_SWITCH;
}

CARELESS_POLICY(wrong_suspend);
