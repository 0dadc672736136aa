// SPDX-License-Identifier: GPL-2.0
/* Refused: it passes what it is told of a VM as if that were an exit. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/attach")
int BPF_PROG(attach, struct kvm_plane_vm_ctx *vctx)
{
	bpf_kvm_plane_skip_insn((void *)vctx);
	return 0;
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.attach = (void *)attach,
	.abi = KVM_PLANE_ABI,
	.name = "wrong_ctx",
};
