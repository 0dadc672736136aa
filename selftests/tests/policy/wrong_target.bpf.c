// SPDX-License-Identifier: GPL-2.0
/* Switches to the plane in RSI, there or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_switch(ctx, begin(ctx), KVM_PLANE_STATE_ALL);
	return KVM_PLANE_SWITCH;
}

CARELESS_POLICY(wrong_target);
