// SPDX-License-Identifier: GPL-2.0
/* Refused: it writes to its context. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return pctx->plane = 0;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "writes_ctx",
};
