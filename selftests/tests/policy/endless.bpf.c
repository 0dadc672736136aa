// SPDX-License-Identifier: GPL-2.0
/* Refused: an op that need not end. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	while (bpf_kvm_plane_read_reg(pctx, KVM_PLANE_REG_RAX))
		;
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "endless",
};
