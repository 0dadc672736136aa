// SPDX-License-Identifier: GPL-2.0
/* Returns RSI, whatever that is. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	return begin(ctx);
}

CARELESS_POLICY(wrong_verdict);
