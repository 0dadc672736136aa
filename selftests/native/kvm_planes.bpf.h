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

#endif /* KVM_PLANES_BPF_H */
