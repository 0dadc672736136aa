// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that takes its time for an event, and then causes the next one: an interrupt in plane 1
 * is seen while plane 0 runs, another one is raised in plane 1, and plane 0 is to run on.
 */
#include "kvm_planes.bpf.h"

#define VECTOR		0x60
#define MS		1000000ULL
#define LOOPS		(1U << 20)

char _license[] SEC("license") = "GPL";

static long wait_until(__u32 i, __u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

SEC("struct_ops/raises_event")
int BPF_PROG(raises_event, struct kvm_plane_ctx *pctx)
{
	__u64 end = bpf_ktime_get_ns() + 3 * MS;

	bpf_loop(LOOPS, wait_until, &end, 0);
	bpf_kvm_plane_raise_irq(pctx, 1, VECTOR);
	return KVM_PLANE_RESUME;
}

SEC(".struct_ops.link")
struct kvm_plane_ops raises = {
	.event = (void *)raises_event,
	.abi = KVM_PLANE_ABI,
	.name = "raises",
};
