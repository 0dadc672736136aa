// SPDX-License-Identifier: GPL-2.0
/* To replace "vtl": leaves every switch to userspace. */
#include "kvm_planes.bpf.h"
#include <linux/kvm_plane_vtl.h>

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops vtl = {
	.hypercall = (void *)hypercall,
	.latches = { KVM_PLANE_VTL_MSR_VINA, KVM_PLANE_VTL_MSR_ENABLED },
	.abi = KVM_PLANE_ABI,
	.name = "vtl",
};
