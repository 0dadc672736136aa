/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the careless policies have in common: they break a rule on VTL calls, with
 * the number in RSI, after they have asked for what must then not be done. And
 * what those have that break one by being there.
 */
#ifndef CARELESS_H
#define CARELESS_H

#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

static __always_inline bool is_vtl_call(struct kvm_plane_ctx *ctx)
{
	return bpf_kvm_plane_read_reg(ctx, KVM_PLANE_REG_RCX) == 0x11;
}

static __always_inline __u64 begin(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_skip_insn(ctx);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RBX, 0xbad);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RDX, 0xbad);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_R15, 0xbad);
	return bpf_kvm_plane_read_reg(ctx, KVM_PLANE_REG_RSI);
}

#define CARELESS_POLICY(policy)						\
SEC("struct_ops/hypercall")						\
int BPF_PROG(policy##_hypercall, struct kvm_plane_ctx *pctx)		\
{									\
	return is_vtl_call(pctx) ? break_rule(pctx) : KVM_PLANE_PASS;	\
}									\
									\
SEC(".struct_ops.link")							\
struct kvm_plane_ops policy = {						\
	.hypercall = (void *)policy##_hypercall,			\
	.abi = KVM_PLANE_ABI,						\
	.name = #policy,						\
}

/* One that would do nothing, but for what is wrong with it: its op's section, or the rest. */
#define REFUSED_POLICY(policy, section, version, its_name)		\
SEC(section)								\
int BPF_PROG(policy##_hypercall, struct kvm_plane_ctx *pctx)		\
{									\
	return KVM_PLANE_PASS;						\
}									\
									\
SEC(".struct_ops.link")							\
struct kvm_plane_ops policy = {						\
	.hypercall = (void *)policy##_hypercall,			\
	.abi = version,							\
	.name = its_name,						\
}

#endif /* CARELESS_H */
