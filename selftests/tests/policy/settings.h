/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy with a map that somebody may write to. It decides nothing.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <linux/bpf.h>
#include "kvm_planes.bpf.h"

#ifndef SETTINGS_POLICY
#define SETTINGS_POLICY		settings
#define SETTINGS_NAME		"settings"
#endif

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SETTINGS);
	__type(key, __u32);
	__type(value, __u32);
} kept_settings_of_vms SEC(".maps");

SEC("struct_ops/hypercall")
int BPF_PROG(hypercall, struct kvm_plane_ctx *pctx)
{
	__u32 key = 0;

	bpf_map_lookup_elem(&kept_settings_of_vms, &key);
	return KVM_PLANE_PASS;
}

SEC(".struct_ops.link")
struct kvm_plane_ops SETTINGS_POLICY = {
	.hypercall = (void *)hypercall,
	.abi = KVM_PLANE_ABI,
	.name = SETTINGS_NAME,
};

#endif /* SETTINGS_H */
