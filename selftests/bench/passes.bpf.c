// SPDX-License-Identifier: GPL-2.0
/* A policy that looks at each hypercall, and passes it on. */
#include "kvm_planes.bpf.h"

#define NOBODYS_HYPERCALL	0x706173736573ULL	/* "passes" */

char _license[] SEC("license") = "GPL";

SEC("struct_ops/passes_hypercall")
int BPF_PROG(passes_hypercall, struct kvm_plane_ctx *pctx)
{
	if (bpf_kvm_plane_read_reg(pctx, KVM_PLANE_REG_RAX) == NOBODYS_HYPERCALL)
		return KVM_PLANE_USER;
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops passes = {
	.hypercall = (void *)passes_hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "passes",
};
