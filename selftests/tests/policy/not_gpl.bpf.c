// SPDX-License-Identifier: GPL-2.0
/* Refused: its license is not the GPL. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "Proprietary";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return bpf_kvm_plane_skip_insn(pctx);
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "not_gpl",
};
