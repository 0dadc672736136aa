/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What a VMM and the policy "vtl" agree on: MSRs by which the VMM says how the VTLs of a vCPU are
 * set up. They are there once the VM has opted in, they hold for this VM only, and they are 0
 * until the VMM writes to them. The guest cannot access them.
 *
 * A VMM reads and writes them with KVM_GET_MSRS and KVM_SET_MSRS on the vCPU fd of a plane, where
 * VTL n is plane n. KVM_RUN of this vCPU takes their values from there each time it is called.
 * They, VinaAsserted in guest memory and kvm_run_planes are all that the policy knows of a vCPU,
 * and so all that has to migrate.
 */
#ifndef _UAPI_LINUX_KVM_PLANE_VTL_H
#define _UAPI_LINUX_KVM_PLANE_VTL_H

#include <linux/kvm_plane_bpf.h>

/*
 * The VINA register (HvRegisterVsmVina) of the VTL whose vCPU fd it is. The policy tells VTLs 1
 * to 3; the MSR of VTL 0, which has no lower VTL, means nothing. Other bits are ignored, the one
 * for AutoEoi among them.
 */
#define KVM_PLANE_VTL_MSR_VINA		(KVM_PLANE_PRIVATE_MSR + 1)
#define KVM_PLANE_VTL_VINA_VECTOR	0x00ff
#define KVM_PLANE_VTL_VINA_ENABLED	0x0100
#define KVM_PLANE_VTL_VINA_AUTO_RESET	0x0200

/*
 * On the vCPU fd of plane 0, the VTLs of the vCPU that are enabled, a bit each (EnabledVtlSet of
 * HvRegisterVsmVpStatus). VTL 0 always is, so 1 means no other one. 0 means all that the vCPU
 * has. Bits of planes that there cannot be are ignored, and so is the MSR of other planes.
 */
#define KVM_PLANE_VTL_MSR_ENABLED	(KVM_PLANE_PRIVATE_MSR + 2)

#endif /* _UAPI_LINUX_KVM_PLANE_VTL_H */
