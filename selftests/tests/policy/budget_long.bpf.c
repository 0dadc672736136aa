// SPDX-License-Identifier: GPL-2.0
/* A policy that says that its ops take long. See budget.h. */
#include "kvm_planes.bpf.h"
#include "budget.h"

SEC(".struct_ops.link")
struct kvm_plane_ops budget_long = {
	.hypercall = (void *)budget_hypercall,
	.exit = (void *)budget_exit,
	.abi = KVM_PLANE_ABI,
	.flags = KVM_PLANE_OPS_LONG,
	.name = "budget_long",
};
