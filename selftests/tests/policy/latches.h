/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy that decides nothing, and has latches.
 */
#ifndef LATCHES_H
#define LATCHES_H

#include "kvm_planes.bpf.h"
#include "puppet.h"

char _license[] SEC("license") = "GPL";

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	return KVM_PLANE_PASS;
}

#define LATCHES(policy, ...)						\
SEC(".struct_ops.link")							\
struct kvm_plane_ops policy = {						\
	.hypercall = (void *)hypercall,					\
	.latches = { __VA_ARGS__ },					\
	.abi = KVM_PLANE_ABI,						\
	.name = #policy,						\
}

#endif /* LATCHES_H */
