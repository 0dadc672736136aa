// SPDX-License-Identifier: GPL-2.0
/* Refused: it keeps a context, and uses it when that is gone. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

static struct kvm_plane_ctx *kept;

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	if (kept)
		bpf_kvm_plane_skip_insn(kept);
	kept = pctx;
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "keeps_ctx",
};
