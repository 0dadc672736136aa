/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stands in for kvm_planes.bpf.h, whose guard it defines, where a policy is compiled into a module:
 * kvm.ko's own types, which the build takes from its BTF, and the kfuncs as ordinary functions.
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

#endif /* KVM_PLANES_BPF_H */
