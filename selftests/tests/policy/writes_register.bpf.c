// SPDX-License-Identifier: GPL-2.0
/* Writes the register whose number is in RSI, shared or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_write_reg(ctx, begin(ctx), 0xbad);
	return KVM_PLANE_RESUME;
}

CARELESS_POLICY(writes_register);
