// SPDX-License-Identifier: GPL-2.0
/* Refused: it has more guest memory read than it has room for. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	__u64 data[2] = {};

	bpf_kvm_plane_read_mem(pctx, 0, pctx->regs[KVM_PLANE_REG_RBX], data,
			       sizeof(data) + sizeof(data[0]));
	return data[1] ? KVM_PLANE_USER : KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "big_read",
};
