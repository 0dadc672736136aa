// SPDX-License-Identifier: GPL-2.0
/*
 * Reads eight bytes at offset RSI of plane RDI's assist page, and writes eight
 * there; the results are RBX and RDX. No rule is broken by that.
 */
#include "careless.h"

static __always_inline int break_rule(struct kvm_plane_ctx *ctx)
{
	__u32 offset = bpf_kvm_plane_read_reg(ctx, KVM_PLANE_REG_RSI);
	__u32 plane = bpf_kvm_plane_read_reg(ctx, KVM_PLANE_REG_RDI);
	__u64 data = 0;
	int read, written;

	read = bpf_kvm_plane_read_assist(ctx, plane, offset, &data, sizeof(data));
	data = 0x6e656c616e61ULL;
	written = bpf_kvm_plane_write_assist(ctx, plane, offset, &data, sizeof(data));

	bpf_kvm_plane_skip_insn(ctx);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RBX, read);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RDX, written);
	return KVM_PLANE_RESUME;
}

CARELESS_POLICY(assist_page);
