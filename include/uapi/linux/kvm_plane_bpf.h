/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What KVM and a plane-switch policy (BPF struct_ops kvm_plane_ops) agree on:
 * plain numbers, for the kernel, BPF programs and loaders alike.
 */
#ifndef _UAPI_LINUX_KVM_PLANE_BPF_H
#define _UAPI_LINUX_KVM_PLANE_BPF_H

/* The version of all this; a policy carries the one it was built for. */
#define KVM_PLANE_ABI		1

#define KVM_PLANE_NAME_LEN	16

/* How many MSRs a policy can claim */
#define KVM_PLANE_NR_MSRS	8

/*
 * How many MSRs the planes of a VM can have that KVM does not know; of these, userspace
 * and the policy can access the ones from KVM_PLANE_PRIVATE_MSR on, and the guest cannot.
 */
#define KVM_PLANE_NR_LATCHES	4
#define KVM_PLANE_PRIVATE_MSR		0x504c0000
#define KVM_PLANE_PRIVATE_MSR_LAST	0x504c00ff

/*
 * kvm_plane_ops.flags: the policy's ops may take long. They are called with interrupts on, none in
 * the exit fast path, and have the second of each two budgets below.
 */
#define KVM_PLANE_OPS_LONG	(1U << 0)
#define KVM_PLANE_OPS_FLAGS	KVM_PLANE_OPS_LONG

/*
 * How many kfuncs an op may call, and how many of these may write to guest memory, successful or
 * not. One call more fails, as do all after it, and the policy is ejected.
 */
#define KVM_PLANE_MAX_CALLS		64
#define KVM_PLANE_MAX_CALLS_LONG	4096
#define KVM_PLANE_MAX_WRITES		16
#define KVM_PLANE_MAX_WRITES_LONG	256

#ifndef KVM_MAX_PLANES
#define KVM_MAX_PLANES		4
#endif

/**
 * enum kvm_plane_verdict - what an op returns
 * @KVM_PLANE_PASS: not ours; KVM goes on as if there were no policy, and nothing
 *	that the op asked for is done
 * @KVM_PLANE_RESUME: handled; the same plane runs on, in the op halt without waiting
 * @KVM_PLANE_SWITCH: run the plane that bpf_kvm_plane_switch() chose
 * @KVM_PLANE_USER: exit to userspace with KVM_EXIT_PLANE_EVENT; nothing that the
 *	op asked for is done
 *
 * A verdict is carried out whole or, if a rule is broken, not at all: then the
 * policy is ejected from the VM and the exit is handled as with KVM_PLANE_PASS.
 */
enum kvm_plane_verdict {
	KVM_PLANE_PASS,
	KVM_PLANE_RESUME,
	KVM_PLANE_SWITCH,
	KVM_PLANE_USER,
};

/* The hypercall interface that the running plane's hypercalls use. */
enum kvm_plane_hypercall_abi {
	KVM_PLANE_ABI_KVM,
	KVM_PLANE_ABI_HYPERV,
	KVM_PLANE_ABI_XEN,
};

/* What is pending for the plane that runs, in the op inject. */
enum kvm_plane_injection {
	KVM_PLANE_INJECT_IRQ = 1,	/* an interrupt of its local APIC */
	KVM_PLANE_INJECT_NMI,
	KVM_PLANE_INJECT_EXTINT,	/* an interrupt of the PIC, or of userspace */
};

/* The mode that the running plane is in. */
enum kvm_plane_mode {
	KVM_PLANE_MODE_REAL,		/* real or virtual-8086 */
	KVM_PLANE_MODE_32BIT,		/* protected, 16- or 32-bit code, compatibility mode too */
	KVM_PLANE_MODE_64BIT,
};

/* General registers, by their number in x86 instructions. RSP (4) is private to a plane. */
enum kvm_plane_reg {
	KVM_PLANE_REG_RAX,
	KVM_PLANE_REG_RCX,
	KVM_PLANE_REG_RDX,
	KVM_PLANE_REG_RBX,
	KVM_PLANE_REG_RBP = 5,
	KVM_PLANE_REG_RSI,
	KVM_PLANE_REG_RDI,
	KVM_PLANE_REG_R8,
	KVM_PLANE_REG_R9,
	KVM_PLANE_REG_R10,
	KVM_PLANE_REG_R11,
	KVM_PLANE_REG_R12,
	KVM_PLANE_REG_R13,
	KVM_PLANE_REG_R14,
	KVM_PLANE_REG_R15,
	KVM_PLANE_NR_REGS,
};

/* Groups of state that a switch can carry to the plane it enters. */
#define KVM_PLANE_STATE_GPRS	(1U << 0)	/* general registers but RSP */
#define KVM_PLANE_STATE_CR2	(1U << 1)
#define KVM_PLANE_STATE_DRS	(1U << 2)	/* DR0 to DR3 */
#define KVM_PLANE_STATE_XCR0	(1U << 3)
#define KVM_PLANE_STATE_ALL	(KVM_PLANE_STATE_GPRS | KVM_PLANE_STATE_CR2 | \
				 KVM_PLANE_STATE_DRS | KVM_PLANE_STATE_XCR0)

/**
 * enum kvm_plane_eject_kind - why a VM has no policy any more
 * @KVM_PLANE_EJECT_NONE: it was not ejected
 * @KVM_PLANE_EJECT_VERDICT: an op returned what is no verdict (code: the value)
 * @KVM_PLANE_EJECT_TARGET: a switch to a plane that is not there, cannot run,
 *	or runs already (code: the plane), or to none at all (code: -1)
 * @KVM_PLANE_EJECT_STATE: a group of state that cannot be carried (code: the mask)
 * @KVM_PLANE_EJECT_REG: a register that is private or does not exist (code: its number)
 * @KVM_PLANE_EJECT_EXCEPTION: an exception that cannot be raised (code: its vector)
 * @KVM_PLANE_EJECT_SUSPEND: planes suspended that are not there (code: the mask)
 * @KVM_PLANE_EJECT_INSN: an instruction skipped (code: -1), or an exception raised (code:
 *	its vector), in an op that is not called for an instruction that allows it
 * @KVM_PLANE_EJECT_IRQ: an interrupt for a plane that is not there (code: the plane), or
 *	with an invalid vector (code: the vector)
 * @KVM_PLANE_EJECT_LOOP: verdicts in a row that let the vCPU get nowhere: 17 switches for
 *	events, between planes that do not run in between (code: the last target); 4097 verdicts
 *	for events while no plane is entered, or 4097 after which the planes execute the
 *	instructions again that they had exited at (code: -1). A policy that waits for something
 *	returns KVM_PLANE_USER
 * @KVM_PLANE_EJECT_MSR: an MSR that is none of the policy's latches (code: the MSR)
 * @KVM_PLANE_EJECT_TAKE: an event taken in an op that is not about one, or one that cannot be
 *	taken (code: enum kvm_plane_injection)
 * @KVM_PLANE_EJECT_BUDGET: more kfuncs called in an op, or more written to guest memory, than
 *	KVM_PLANE_MAX_* allows (code: the op's place in struct kvm_plane_ops, from 0)
 * @KVM_PLANE_EJECT_REMOVED: it was not ejected, but removed for all VMs (for the op exit)
 */
enum kvm_plane_eject_kind {
	KVM_PLANE_EJECT_NONE,
	KVM_PLANE_EJECT_VERDICT,
	KVM_PLANE_EJECT_TARGET,
	KVM_PLANE_EJECT_STATE,
	KVM_PLANE_EJECT_REG,
	KVM_PLANE_EJECT_EXCEPTION,
	KVM_PLANE_EJECT_SUSPEND,
	KVM_PLANE_EJECT_INSN,
	KVM_PLANE_EJECT_IRQ,
	KVM_PLANE_EJECT_LOOP,
	KVM_PLANE_EJECT_MSR,
	KVM_PLANE_EJECT_TAKE,
	KVM_PLANE_EJECT_BUDGET,
	KVM_PLANE_EJECT_REMOVED = 64,
};

#endif /* _UAPI_LINUX_KVM_PLANE_BPF_H */
