// SPDX-License-Identifier: GPL-2.0
/* A policy that answers each hypercall itself, with 0, and resumes the plane that made it. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/resumes_hypercall")
int BPF_PROG(resumes_hypercall, struct kvm_plane_ctx *pctx)
{
	bpf_kvm_plane_write_reg(pctx, KVM_PLANE_REG_RAX, 0);
	bpf_kvm_plane_skip_insn(pctx);
	return KVM_PLANE_RESUME;
}

SEC(".struct_ops.link")
struct kvm_plane_ops resumes = {
	.hypercall = (void *)resumes_hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "resumes",
};
