// SPDX-License-Identifier: GPL-2.0
/* Two policies in one object, the second by the name of another one. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops two_first = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "two_first",
};

SEC(".struct_ops.link")
struct kvm_plane_ops two_second = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "template",
};
