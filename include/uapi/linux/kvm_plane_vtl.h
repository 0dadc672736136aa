/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What a VMM tells the policy "vtl", in the policy's map "vtl_vps": an entry for each
 * vCPU that is not as all are by default, with every VTL that the vCPU has enabled and
 * no notification of interrupts for lower VTLs (VINA).
 *
 * planectl pins the map at maps/vtl_vps in the directory of the policies' pins, for
 * whom the policy is. A VMM gets an fd by BPF_OBJ_GET, and writes with
 * BPF_MAP_UPDATE_ELEM. What it writes holds for a vCPU from its next KVM_RUN on: a
 * vCPU that runs meanwhile has to be interrupted. That, VinaAsserted in guest memory and
 * kvm_run_planes is all that the policy knows, and so all that is to migrate. The entries
 * of a VM go when it opts out or is destroyed.
 *
 * The permissions are those of the whole map: who may write it can do so for any VM.
 */
#ifndef _UAPI_LINUX_KVM_PLANE_VTL_H
#define _UAPI_LINUX_KVM_PLANE_VTL_H

#include <linux/types.h>

/**
 * struct kvm_plane_vtl_key - a vCPU
 * @vm_id: KVM_CHECK_EXTENSION of KVM_CAP_PLANE_SWITCH on the VM
 * @vcpu_id: the argument of KVM_CREATE_VCPU
 */
struct kvm_plane_vtl_key {
	__u32 vm_id;
	__u32 vcpu_id;
};

/* The VINA register, HvRegisterVsmVina; the other bits are ignored. */
#define KVM_PLANE_VTL_VINA_VECTOR	0x00ff
#define KVM_PLANE_VTL_VINA_ENABLED	0x0100
#define KVM_PLANE_VTL_VINA_AUTO_RESET	0x0200

/**
 * struct kvm_plane_vtl_vp - how its VTLs are set up
 * @enabled: the VTLs that are enabled, a bit each; VTL 0 always is
 * @vina: the VINA register of VTLs 1 to 3
 */
struct kvm_plane_vtl_vp {
	__u16 enabled;
	__u16 vina[3];
};

#endif /* _UAPI_LINUX_KVM_PLANE_VTL_H */
