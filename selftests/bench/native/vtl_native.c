// SPDX-License-Identifier: GPL-2.0
/*
 * bpf/vtl.bpf.c as functions of a module, which stand in for the programs of the policy "vtl" while
 * the module is loaded. It tells the benchmark what BPF itself costs.
 */
#include <linux/module.h>

#include "native_policy.h"
#include "vtl.bpf.c"

static int __init vtl_native_init(void)
{
	return kvm_plane_native_set(vtl.name, &vtl);
}

static void __exit vtl_native_exit(void)
{
	kvm_plane_native_set(vtl.name, NULL);
}

module_init(vtl_native_init);
module_exit(vtl_native_exit);
MODULE_DESCRIPTION("The VTL policy without BPF, to measure what that costs");
MODULE_LICENSE("GPL");
