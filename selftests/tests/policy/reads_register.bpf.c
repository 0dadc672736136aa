// SPDX-License-Identifier: GPL-2.0
/* Reads the register whose number is in RSI, shared or not. */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_read_reg(ctx, begin(ctx));
	return KVM_PLANE_RESUME;
}

CARELESS_POLICY(reads_register);
