// SPDX-License-Identifier: GPL-2.0
/* Refused: implements an op that KVM has not. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

struct kvm_plane_ops___later {
	int (*teleport)(struct kvm_plane_ctx *ctx);
	__u32 abi;
	char name[KVM_PLANE_NAME_LEN];
};

SEC("struct_ops/teleport")
int BPF_PROG(teleport, struct kvm_plane_ctx *pctx)
{
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops___later needs_op = {
	.teleport = (void *)teleport,
	.abi = KVM_PLANE_ABI,
	.name = "needs_op",
};
