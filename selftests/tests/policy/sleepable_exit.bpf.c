// SPDX-License-Identifier: GPL-2.0
/* Refused: exit may not sleep, as it may be called in the run loop. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops.s/exit")
void BPF_PROG(policy_exit, struct kvm_plane_vm_ctx *vctx)
{
}

SEC(".struct_ops.link")
struct kvm_plane_ops policy = {
	.exit = (void *)policy_exit,
	.abi = KVM_PLANE_ABI,
	.name = "sleepable_exit",
};
