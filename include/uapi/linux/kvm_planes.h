/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * KVM planes: the privilege levels of a virtual machine, as userspace sees them.
 *
 * For a VMM, beside the stock <linux/kvm.h>. Every number here is unused in
 * mainline, so that a kernel which one day has planes of its own cannot be
 * mistaken for this one.
 */
#ifndef _UAPI_LINUX_KVM_PLANES_H
#define _UAPI_LINUX_KVM_PLANES_H

#include <linux/kvm.h>
#include <linux/types.h>

/* Planes are 0 to 3, each with a bit in the masks below. */
#define KVM_MAX_PLANES		4

/**
 * KVM_CAP_PLANE - the VM can have planes (system, vm)
 *
 * KVM_CHECK_EXTENSION returns the highest plane id, 0 where there are no planes.
 *
 * KVM_ENABLE_CAP (vm) chooses which hypercalls of a VM with planes exit to
 * userspace, with KVM_EXIT_PLANE_EVENT, before KVM looks at them: args[0] is
 * KVM_PLANE_EXIT_HYPERCALL or 0 for none; args[1] and args[2] are the first and
 * the last number, both included. The number is bits 15:0 of the control word
 * when the guest uses the Hyper-V interface, else all of RAX. With
 * KVM_PLANE_EXIT_VMGEXIT in args[0] so does VMGEXIT, which is VMMCALL with a REP
 * prefix and has no number.
 *
 * KVM_PLANE_DROP_INIT in args[0] has INIT and SIPI ignored by every plane of a vCPU but
 * its highest-numbered one, as Hyper-V does with VTLs: a guest starts a virtual processor
 * with two VTLs by a hypercall. Without it they reach the plane that they are sent in.
 * EINVAL: unknown bits, flags, or a range that is empty.
 */
#define KVM_CAP_PLANE		0x504c0000
#define KVM_PLANE_EXIT_HYPERCALL	(1ULL << 0)
#define KVM_PLANE_EXIT_VMGEXIT		(1ULL << 1)
#define KVM_PLANE_DROP_INIT		(1ULL << 2)

/**
 * KVM_CAP_PLANE_FPU - each plane has an FPU of its own (system, vm)
 *
 * KVM_CHECK_EXTENSION returns 1 on /dev/kvm if a VM can choose so, and on a VM if
 * it did. Otherwise the planes of a vCPU have one FPU, and KVM_SET_FPU,
 * KVM_SET_XSAVE and the like set it for all of them. PKRU is never shared.
 *
 * KVM_ENABLE_CAP (vm): args[0] is 1 to choose so, 0 to undo it.
 * EINVAL: flags or other arguments. EBUSY: the VM has a second plane, or a
 * policy.
 */
#define KVM_CAP_PLANE_FPU	0x504c0001

/**
 * KVM_CAP_PLANE_SWITCH - planes are switched in the kernel, by a policy (system, vm)
 *
 * KVM_CHECK_EXTENSION returns, on /dev/kvm, the version of policies that this kernel
 * takes (KVM_PLANE_ABI of <linux/kvm_plane_bpf.h>), or 0 if none can be loaded. On a VM
 * it returns the number that policies know the VM by, the key to what a policy may count of
 * it in a map; or 0, too.
 *
 * KVM_ENABLE_CAP (vm) opts the VM in: args[0] is the token of a policy, or -1 to opt out.
 * The token is an fd of the struct_ops map (kvm_plane_ops) that the policy was loaded from,
 * as BPF_OBJ_GET of its pin gives it; one that was opened with BPF_F_RDONLY will do. Whoever
 * may open the pin may use the policy for VMs of his own, and can do no more to it: to load,
 * replace and remove a policy takes its BPF link, which is root's. The fd may be closed
 * afterwards. It does not keep the policy in force; while it is open it keeps the programs in
 * memory, and kvm.ko from being unloaded. When a policy is removed, or ejected because it broke
 * a rule, userspace switches planes again.
 *
 * What a VMM has to tell a policy of its VM, it writes to MSRs that each plane has because of
 * the policy: KVM_SET_MSRS on the vCPU fds of the planes, once the VM has opted in. They are
 * the VM's alone, and migrate with it (<linux/kvm_plane_vtl.h>, <linux/kvm_plane_vmpl.h>).
 *
 * EBADF: not an fd. EINVAL: an fd of something else, of the policy's link for one; the token
 * of a policy that was removed or replaced since it was opened, so that the pin has to be
 * opened again; flags or other arguments that are not 0. EBUSY: the VM has a policy. ENOENT:
 * opting out of nothing. ENOSPC: it would have too many MSRs because of this policy and those that
 * it had before. EOPNOTSUPP: no policies in this kernel, or for this VM; the policies here
 * return it, too, for a VM that has the FPU shared or split as it should not be. Others: the
 * policy itself refused.
 */
#define KVM_CAP_PLANE_SWITCH	0x504c0002

/**
 * KVM_CREATE_PLANE - create a plane (vm ioctl; argument: plane id)
 *
 * Returns a plane fd, which takes KVM_CHECK_EXTENSION, KVM_CREATE_VCPU_PLANE,
 * KVM_SIGNAL_MSI and KVM_SET_MEMORY_ATTRIBUTES. From the first one on, the
 * performance counters of the VM do not count, and no branches are recorded; a VMM
 * had better not offer them (KVM_CAP_PMU_CAPABILITY).
 * EINVAL: the id is above KVM_CAP_PLANE. EEXIST: plane 0, or created before.
 */
#define KVM_CREATE_PLANE	_IO(KVMIO, 0xf8)

/**
 * KVM_CREATE_VCPU_PLANE - add a vCPU to a plane (plane ioctl; argument: vCPU fd)
 *
 * The argument is the fd of plane 0's vCPU, whose id, CPUID and TSC the new
 * vCPU has. Returns a vCPU fd for the ioctls that get and set registers; KVM_RUN
 * is for plane 0's fd, and may be in progress. CPUID cannot be changed afterwards.
 *
 * The other registers are those of a reset. The local APIC is, too: it is in xAPIC mode,
 * all local interrupts are masked, and it is disabled by software, so that it takes no
 * interrupt before the guest (or the VMM, with KVM_SET_LAPIC) has set bit 8 of its
 * spurious-interrupt vector register. An INIT resets the plane that it is sent in and no
 * other; of the plane's local APIC, too, it leaves the base address and the mode alone.
 *
 * The frequency of the TSC is that of all planes of a vCPU: KVM_SET_TSC_KHZ on any of
 * their fds sets it. The value of the TSC is a plane's own once the plane has been given
 * one, by KVM_VCPU_TSC_OFFSET (KVM_SET_DEVICE_ATTR), by MSR_IA32_TSC or by its guest; or
 * once the guest has written plane 0's. Until then it is plane 0's, and is set with that.
 * So a VMM may restore the planes in any order. What it writes to MSR_IA32_TSC is not exact:
 * a plane that is no more than a second from plane 0 gets plane 0's value.
 *
 * Hyper-V's MSRs are private to a plane (TLFS, "Private state"), among them the guest OS id,
 * without which its hypercalls are not Hyper-V's, the hypercall page and the reference TSC.
 * Those that a virtual processor has are shared: VP index, VP runtime, TSC frequency and
 * reference time, and the debug device options, which are the VM's. A VMM that saves the MSRs
 * of each plane saves both; when a guest has crashed, run->plane tells in which plane it wrote
 * the crash MSRs. Xen's state is plane 0's: Xen hypercalls of other planes exit to userspace.
 *
 * What KVM_GET_MP_STATE says is part of a plane's state, a HLT for one; each has
 * its own, which is "runnable" at first. KVM_ENABLE_CAP is for that plane, too, as
 * is each capability of a vCPU; of those that restrict what a guest is offered
 * (KVM_CAP_HYPERV_ENFORCE_CPUID and KVM_CAP_ENFORCE_PV_FEATURE_CPUID) it begins with
 * what plane 0 has then.
 *
 * KVM_PRE_FAULT_MEMORY fails with EAGAIN where a memory slot is being deleted or moved.
 *
 * Where userspace has the local APICs, KVM_INTERRUPT and KVM_NMI interrupt the plane;
 * where KVM has them, KVM_SIGNAL_MSI does.
 * EBADF: not an fd. EINVAL: not a vCPU of plane 0 of this VM. EEXIST: the plane
 * has this vCPU.
 */
#define KVM_CREATE_VCPU_PLANE	_IO(KVMIO, 0xf9)

/**
 * KVM_MEMORY_ATTRIBUTE_NR - a plane may not read this memory
 * KVM_MEMORY_ATTRIBUTE_NW - a plane may not write it
 * KVM_MEMORY_ATTRIBUTE_NX - a plane may not execute it
 *
 * For KVM_SET_MEMORY_ATTRIBUTES on a plane fd; on the VM fd for plane 0, where
 * the stock attributes, which are the VM's, are set at the same time. On either,
 * KVM_CHECK_EXTENSION of KVM_CAP_MEMORY_ATTRIBUTES returns the attributes that
 * there are, which is why they are below bit 31.
 *
 * EINVAL, besides what is invalid in stock KVM: nested page tables cannot
 * express the combination. NR needs NW; it needs NX as well unless the CPU has
 * memory that can be executed only, as EPT may.
 *
 * When the ioctl returns, no access that it forbids is going on any more. They
 * hold for what a plane's instructions do: data, instruction fetches, and page
 * tables, which are always accessed for writing if they have accessed bits, as
 * they are through nested page tables.
 *
 * They also hold for what KVM reads and writes where a guest wants it: parameters of
 * hypercalls, clocks, assist pages, messages, a nested hypervisor's VMCBs and permission
 * maps. A plane that makes a hypercall with parameters that it may not access, or that tells
 * KVM in an MSR to write where it may not, exits as if it made the access itself, and has
 * not executed the instruction; so it is, too, if KVM_CAP_X86_USER_SPACE_MSR asks for MSRs
 * that fail. Otherwise KVM does as if there were no memory. If a plane may not write its state
 * at SMBASE when an SMI arrives, KVM_RUN fails with EIO from then on.
 *
 * Userspace is not bound: KVM_SET_MSRS, KVM_SET_SREGS and KVM_SET_NESTED_STATE succeed, and
 * what an MSR has KVM write at once is written. Later, KVM writes only as long as the plane
 * may. KVM_TRANSLATE finds what the plane would find.
 *
 * KVM_SET_MEMORY_ATTRIBUTES that fails has changed nothing, on either fd.
 */
#define KVM_MEMORY_ATTRIBUTE_NR		(1ULL << 24)
#define KVM_MEMORY_ATTRIBUTE_NW		(1ULL << 25)
#define KVM_MEMORY_ATTRIBUTE_NX		(1ULL << 26)

/**
 * KVM_MEMORY_EXIT_FLAG_READ - KVM_EXIT_MEMORY_FAULT: the plane may not read there
 * KVM_MEMORY_EXIT_FLAG_WRITE - it may not write there
 * KVM_MEMORY_EXIT_FLAG_EXEC - it may not execute that
 *
 * One of them is in kvm_run.memory_fault.flags, and the page in gpa and size. Of
 * an instruction that reads and writes it may be either, if both are forbidden.
 * KVM_RUN returns EFAULT, as always with this exit. Nothing has changed: the
 * next KVM_RUN tries again. What the CPU said of the instruction is in struct
 * kvm_plane_insn.
 */
#define KVM_MEMORY_EXIT_FLAG_READ	KVM_MEMORY_ATTRIBUTE_NR
#define KVM_MEMORY_EXIT_FLAG_WRITE	KVM_MEMORY_ATTRIBUTE_NW
#define KVM_MEMORY_EXIT_FLAG_EXEC	KVM_MEMORY_ATTRIBUTE_NX

/**
 * struct kvm_run_planes - the first eight bytes of struct kvm_run
 * @plane: in/out: the plane to run; on return, the plane that ran last
 * @suspended_planes: in/out: planes suspended to run a more privileged one
 * @req_exit_planes: in: planes whose pending interrupts exit to userspace
 *
 * Ignored until the VM has a second plane. KVM_RUN fails with EINVAL if @plane
 * is above KVM_CAP_PLANE and with ENOENT if this vCPU does not have the plane;
 * neither changes anything.
 *
 * What else KVM_RUN takes from struct kvm_run (cr8, kvm_dirty_regs) is for the
 * plane that it asks for.
 *
 * An exit that userspace completes by the next KVM_RUN (port and memory-mapped
 * I/O, MSRs) is completed for the plane that it came from, whichever plane that
 * KVM_RUN asks for. If there is another exit before it is complete, @plane is the
 * plane that it came from, and @suspended_planes what userspace has set.
 *
 * KVM_SET_GUEST_DEBUG is for plane 0. A step over an instruction by which a policy
 * switches planes ends in the plane that was switched to: @plane is that one, and
 * kvm_run.debug.arch.pc the address at which it goes on.
 */
struct kvm_run_planes {
	__u8 request_interrupt_window;
	__u8 immediate_exit;
	__u8 plane;
	__u8 padding;
	__u16 suspended_planes;
	__u16 req_exit_planes;
};

/**
 * KVM_EXIT_PLANE_EVENT - something that may mean "switch planes"
 *
 * KVM_PLANE_EVENT_INTERRUPT: planes in req_exit_planes, other than the one that
 * runs, have a pending interrupt, NMI or SMI that their own APIC priority lets
 * through; RFLAGS.IF does not matter. @target is the lowest-numbered one. A policy
 * may leave any plane's event to userspace, which is told in the same way: if none
 * of the planes that have one is in req_exit_planes, @target is the lowest-numbered
 * of those that are not. KVM looks for that before the guest is entered, and while
 * it runs or is halted; a HLT is not over by it.
 *
 * KVM_PLANE_EVENT_HYPERCALL: the running plane made a hypercall, at CPL 0 in
 * protected mode, which KVM_CAP_PLANE or the policy sent here. RIP is past the
 * instruction already; @extra is the address of the instruction. If
 * the next KVM_RUN asks for the same plane, @flags is the answer: 0, done;
 * KVM_PLANE_HYPERCALL_PASS, KVM handles it as if it had not exited;
 * KVM_PLANE_HYPERCALL_UD, raise #UD at the instruction.
 *
 * KVM_PLANE_EVENT_MSR: the running plane accessed an MSR (@extra) that a policy claims
 * and leaves to userspace; KVM_PLANE_MSR_WRITE in @flags if it writes. The instruction
 * has not been executed: userspace sets the registers, RIP among them, to what they
 * are after it.
 *
 * KVM_PLANE_EVENT_HALT: the running plane is halted, which a policy leaves to
 * userspace. The next KVM_RUN of that plane asks the policy again.
 *
 * KVM_PLANE_EVENT_VMGEXIT: as KVM_PLANE_EVENT_HYPERCALL, of a VMGEXIT in whatever mode, once
 * KVM_CAP_PLANE has asked for VMGEXITs; a VMM that opts in to a policy for these does so, too.
 *
 * KVM_PLANE_EVENT_INJECT: the running plane has a pending interrupt or NMI, which a policy
 * leaves to userspace: most likely it has found a page not in memory. The next KVM_RUN of
 * that plane asks the policy again.
 */
#define KVM_EXIT_PLANE_EVENT	0x504c
#define KVM_PLANE_EVENT_INTERRUPT	0
#define KVM_PLANE_EVENT_HYPERCALL	1
#define KVM_PLANE_EVENT_MSR		2
#define KVM_PLANE_EVENT_HALT		3
#define KVM_PLANE_EVENT_VMGEXIT		4
#define KVM_PLANE_EVENT_INJECT		5
#define KVM_PLANE_HYPERCALL_PASS	(1U << 0)
#define KVM_PLANE_HYPERCALL_UD		(1U << 1)
#define KVM_PLANE_MSR_WRITE		(1U << 0)

/**
 * struct kvm_plane_event - what KVM_EXIT_PLANE_EVENT puts into struct kvm_run
 * @pending_event_planes: planes, other than the one that runs, that have one
 * @cause: KVM_PLANE_EVENT_*
 * @target: a plane, depends on @cause
 * @flags: out: 0; in: an answer, depends on @cause
 * @extra: depends on @cause
 */
struct kvm_plane_event {
	__u16 pending_event_planes;
	__u8 cause;
	__u8 target;
	__u32 flags;
	__u64 extra;
};

/**
 * struct kvm_plane_insn - the instruction that a plane was at, beside kvm_run.memory_fault
 * @length: its length, 0 if the CPU did not say
 * @fetched: how many of @bytes there are, 0 for none; they may go on behind the instruction
 * @bytes: the instruction, as the CPU fetched it
 *
 * Valid with KVM_EXIT_MEMORY_FAULT if kvm_run.memory_fault.flags has one of
 * KVM_MEMORY_EXIT_FLAG_READ, WRITE and EXEC. There is no more in it than what the CPU
 * reported with the exit: the bytes, if the access was the guest's own and to data, and the
 * CPU is AMD's with decode assists; the length, if KVM emulates an instruction which always
 * exits or for which it asked (a hypercall, WRMSR), and the CPU is AMD's with
 * next-RIP save or Intel's. There is nothing for a nested guest. A VMM that finds neither
 * reads the instruction at RIP from guest memory and decodes it.
 */
struct kvm_plane_insn {
	__u8 length;
	__u8 fetched;
	__u8 bytes[15];
	__u8 padding[7];
};

/* Where struct kvm_plane_insn is in kvm_run.padding, well behind memory_fault */
#define KVM_PLANE_INSN_OFFSET	64

static inline struct kvm_plane_insn *kvm_run_plane_insn(struct kvm_run *run)
{
	return (struct kvm_plane_insn *)(run->padding + KVM_PLANE_INSN_OFFSET);
}

static inline struct kvm_run_planes *kvm_run_planes(struct kvm_run *run)
{
	return (struct kvm_run_planes *)run;
}

static inline struct kvm_plane_event *kvm_run_plane_event(struct kvm_run *run)
{
	return (struct kvm_plane_event *)run->padding;
}

#endif /* _UAPI_LINUX_KVM_PLANES_H */
