// SPDX-License-Identifier: GPL-2.0
/* A policy that has nothing but the op inject, and holds an interrupt the first times. */
#include "kvm_planes.bpf.h"

#define TIMES	3

char _license[] SEC("license") = "GPL";

static __u32 calls;

SEC("struct_ops/holds_inject")
int BPF_PROG(holds_inject, struct kvm_plane_ctx *pctx)
{
	return calls++ < TIMES ? KVM_PLANE_RESUME : KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops holds = {
	.inject = (void *)holds_inject,
	.abi = KVM_PLANE_ABI,
	.name = "holds",
};
