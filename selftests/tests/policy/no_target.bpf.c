// SPDX-License-Identifier: GPL-2.0
/* Switches without saying where to. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	begin(ctx);
	return KVM_PLANE_SWITCH;
}

CARELESS_POLICY(no_target);
