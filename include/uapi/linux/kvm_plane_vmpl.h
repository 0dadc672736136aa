/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What a VMM and the policy "vmpl" agree on: the MSRs that hold all that the policy knows of a
 * VMPL. A VMM reads and writes them with KVM_GET_MSRS and KVM_SET_MSRS on the vCPU fd of the
 * plane, to save and restore a VM, and where it answers a VMGEXIT itself.
 */
#ifndef _UAPI_LINUX_KVM_PLANE_VMPL_H
#define _UAPI_LINUX_KVM_PLANE_VMPL_H

#include <linux/kvm_plane_bpf.h>

/* The GHCB MSR of the VMPL, which it can write and read. */
#define KVM_PLANE_VMPL_MSR_GHCB		0xc0010130

/*
 * Its #HV doorbell page: the address, or 0 if it has none and gets interrupts as such. The guest
 * has no such MSR; it sets the page by an event of its GHCB.
 */
#define KVM_PLANE_VMPL_MSR_DOORBELL	KVM_PLANE_PRIVATE_MSR

#endif /* _UAPI_LINUX_KVM_PLANE_VMPL_H */
