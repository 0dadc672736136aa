// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest useful policy, to copy: planes take turns.
 *
 * A hypercall with RAX = HC_YIELD runs the next plane of this vCPU, and carries the general
 * registers there. The policy leaves all other exits to KVM.
 *
 * docs/policy.md is the reference for policies.
 */
#include "kvm_planes.bpf.h"

#define HC_YIELD	0x706c616e65ULL		/* "plane" */

char _license[] SEC("license") = "GPL";

SEC("struct_ops/template_hypercall")
int BPF_PROG(template_hypercall, struct kvm_plane_ctx *pctx)
{
	__u32 next;

	if (pctx->cpl || bpf_kvm_plane_read_reg(pctx, KVM_PLANE_REG_RAX) != HC_YIELD)
		return KVM_PLANE_PASS;

	for (next = 1; next < KVM_MAX_PLANES; next++) {
		__u32 plane = (pctx->plane + next) % KVM_MAX_PLANES;

		if (pctx->runnable & (1U << plane)) {
			bpf_kvm_plane_skip_insn(pctx);
			bpf_kvm_plane_switch(pctx, plane, KVM_PLANE_STATE_GPRS);
			return KVM_PLANE_SWITCH;
		}
	}

	bpf_kvm_plane_skip_insn(pctx);
	return KVM_PLANE_RESUME;
}

SEC(".struct_ops.link")
struct kvm_plane_ops template = {
	.hypercall = (void *)template_hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "template",
};
