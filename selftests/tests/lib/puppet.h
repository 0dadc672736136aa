/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy that does what a test tells it, and a guest that does the same.
 *
 * policies/puppet.bpf.c has every op. What an op is to ask for and to return, and what it saw, is
 * in memory that it shares with the test: struct puppet. Its layout is all that the policy
 * takes from here.
 */
#ifndef PUPPET_H
#define PUPPET_H

#include <linux/types.h>

/* The MSRs that it claims: one that no KVM has, one that KVM has (IA32_PAT) */
#define PUPPET_MSR		0x4b504c00
#define PUPPET_MSR_PAT		0x277

/* Its latches: one that no KVM has, PUPPET_MSR_PAT, and one that the guest does not have */
#define PUPPET_LATCH		0x4b504c10
#define PUPPET_LATCH_PRIVATE	0x504c0042

/* A latch of other policies */
#define PUPPET_LATCH_MORE	0x4b504c20

#define PUPPET_DATA_SIZE	32
#define PUPPET_NR_SEEN		64

/* The ops of an exit, in the order of struct kvm_plane_ops */
enum puppet_op_nr {
	PUPPET_HYPERCALL,
	PUPPET_WRMSR,
	PUPPET_RDMSR,
	PUPPET_MEMORY_FAULT,
	PUPPET_EVENT,
	PUPPET_HALT,
	PUPPET_INJECTION,
	PUPPET_NR_OPS,
};

/* What an op may be told to ask for, a bit each; done in this order */
#define PUPPET_COUNT		(1U << 0)
#define PUPPET_READ_MEM		(1U << 1)
#define PUPPET_WRITE_MEM	(1U << 2)
#define PUPPET_PENDING		(1U << 3)
#define PUPPET_WRITE_REGS	(1U << 4)
#define PUPPET_SKIP		(1U << 5)
#define PUPPET_SUSPEND		(1U << 6)
#define PUPPET_RAISE_IRQ	(1U << 7)
#define PUPPET_INJECT		(1U << 8)
#define PUPPET_SWITCH		(1U << 9)
#define PUPPET_TAKE		(1U << 10)
#define PUPPET_READ_LATCH	(1U << 11)
#define PUPPET_WRITE_LATCH	(1U << 12)

/* Ask for nothing and return KVM_PLANE_RESUME; do as told; return KVM_PLANE_PASS; and so on */
#define PUPPET_BY_TURNS		(1U << 13)

/* puppet_op.target: not a plane, but the lowest one with an event, or the other one of two */
#define PUPPET_TO_PENDING	64
#define PUPPET_TO_OTHER		65

/* What is in the context */
struct puppet_seen {
	__u8 plane;
	__u8 cpl;
	__u8 mode;
	__u8 abi;
	__u16 planes;
	__u16 runnable;
	__u16 suspended;
	__u16 pending;
	__u8 vmgexit;
	__u8 injection;
	__u8 vector;
	__u32 vcpu_id;
	__u32 msr;
	__u64 vm_id;
	__u64 access;
	__u64 value;
	__u64 gpa;
	__u64 regs[4];
};

/**
 * struct puppet_op - what an op is to do, and what it did
 * @verdict: what to return
 * @asks: PUPPET_*
 * @times: only for so many calls, then KVM_PLANE_PASS; 0 is no limit
 * @target: of PUPPET_SWITCH: a plane, PUPPET_TO_PENDING or PUPPET_TO_OTHER
 * @state: ditto
 * @suspend: the mask
 * @irq_plane: of PUPPET_RAISE_IRQ
 * @vector: of PUPPET_RAISE_IRQ
 * @exception: of PUPPET_INJECT
 * @counter: of PUPPET_COUNT
 * @rax: of PUPPET_WRITE_REGS, with @rdx
 * @rdx: ditto
 * @latch: of PUPPET_READ_LATCH and PUPPET_WRITE_LATCH: the MSR
 * @latch_plane: of PUPPET_READ_LATCH
 * @latch_value: what is to be written, before that is read
 * @mem_plane: of PUPPET_READ_MEM and PUPPET_WRITE_MEM, with @gpa and @size
 * @gpa: ditto
 * @size: at most PUPPET_DATA_SIZE
 * @data: what was read; what is to be written
 * @calls: how often it was called
 * @result: what the kfunc returned that was called last
 * @latch_read: of PUPPET_READ_LATCH
 * @seen: the context of the last call
 */
struct puppet_op {
	__s32 verdict;
	__u32 asks;
	__u32 times;
	__u32 target;
	__u32 state;
	__u32 suspend;
	__u32 irq_plane;
	__u32 vector;
	__u32 exception;
	__u32 counter;
	__u64 rax;
	__u64 rdx;
	__u32 latch;
	__u32 latch_plane;
	__u64 latch_value;
	__u32 mem_plane;
	__u32 size;
	__u64 gpa;
	__u8 data[PUPPET_DATA_SIZE];

	__u32 calls;
	__s32 result;
	__u64 latch_read;
	struct puppet_seen seen;
};

/* A call of attach, detach or exit */
struct puppet_vm {
	__u64 vm_id;
	__s64 code;
	__u32 kind;
	__u32 split_fpu;
	__u32 calls;
};

/**
 * struct puppet - all that the policy shares with the test
 * @op: by enum puppet_op_nr
 * @attach_result: what attach is to return
 * @attach_from: where in the VMM's memory it is to read from, if anywhere; that sleeps
 * @attach_data: what it read
 * @attach: what it saw
 * @detach: what detach saw
 * @exit: what exit saw
 */
struct puppet {
	struct puppet_op op[PUPPET_NR_OPS];
	__s32 attach_result;
	__u64 attach_from;
	__u8 attach_data[PUPPET_DATA_SIZE];
	struct puppet_vm attach;
	struct puppet_vm detach;
	struct puppet_vm exit;
};

#endif /* PUPPET_H */
