/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a policy includes when it is compiled into a module: kvm.ko's own types, which the build has
 * from its BTF, the kfuncs as ordinary functions, and none of BPF.
 */
#ifndef KVM_PLANES_BPF_H
#define KVM_PLANES_BPF_H

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/kvm_plane.h>
#include <linux/types.h>

struct kvm_plane_ctx;
struct kvm_plane_vm_ctx;
#include "kvm_plane_types.h"

#define SEC(...)
#define __ksym
#define BPF_PROG(name, args...) name(args)
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

#include "kvm_plane_kfuncs.h"

/* Maps, as <bpf/bpf_helpers.h> defines them, with nothing in them: no VM here has settings. */
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

static inline void *bpf_map_lookup_elem(void *map, const void *key)
{
	return NULL;
}

static inline long bpf_map_update_elem(void *map, const void *key, const void *value, u64 flags)
{
	return 0;
}

static inline long bpf_map_delete_elem(void *map, const void *key)
{
	return 0;
}

static inline long bpf_for_each_map_elem(void *map, void *fn, void *ctx, u64 flags)
{
	return 0;
}

#endif /* KVM_PLANES_BPF_H */
