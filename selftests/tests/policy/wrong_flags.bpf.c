// SPDX-License-Identifier: GPL-2.0
/* Refused: a flag that does not exist. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.flags = KVM_PLANE_OPS_FLAGS + 1,
	.name = "wrong_flags",
};
