// SPDX-License-Identifier: GPL-2.0
/* Refused: calls a kfunc that KVM has not. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

int bpf_kvm_plane_teleport(struct kvm_plane_ctx *ctx) __ksym;

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return bpf_kvm_plane_teleport(pctx);
}

SEC(".struct_ops.link")
struct kvm_plane_ops needs_kfunc = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "needs_kfunc",
};
