// SPDX-License-Identifier: GPL-2.0
/* A policy with the small budget. See budget.h. */
#include "kvm_planes.bpf.h"
#include "budget.h"

SEC(".struct_ops.link")
struct kvm_plane_ops budget = {
	.hypercall = (void *)budget_hypercall,
	.exit = (void *)budget_exit,
	.abi = KVM_PLANE_ABI,
	.name = "budget",
};
