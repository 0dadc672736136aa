// SPDX-License-Identifier: GPL-2.0
/* Raises the exception whose vector is in RSI, allowed or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_inject(ctx, begin(ctx));
	return KVM_PLANE_RESUME;
}

CARELESS_POLICY(wrong_exception);
