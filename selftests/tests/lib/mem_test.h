/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of memory attributes share: memory beside the image, and a guest
 * that accesses it in whatever way it is told.
 */
#ifndef MEM_TEST_H
#define MEM_TEST_H

#include "test.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define NR	KVM_MEMORY_ATTRIBUTE_NR
#define NW	KVM_MEMORY_ATTRIBUTE_NW
#define NX	KVM_MEMORY_ATTRIBUTE_NX
#define NONE	(NR | NW | NX)

#define MEM_PAGE	4096UL
#define MEM_HUGE	(2UL << 20)
#define MEM_GPA		0x40000000UL
#define MEM_SIZE	(2 * MEM_HUGE)
#define MEM_SLOT	2

/* The ways to access memory; those with E are emulated by KVM. */
enum mem_op {
	OP_READ, OP_WRITE, OP_EXEC,
	OP_EREAD, OP_EWRITE, OP_ECMPXCHG, OP_EEXEC,
	OP_MOVS,	/* from memory-mapped I/O to here: a write that KVM makes */
	NR_OPS
};

/* What a page has, by default, at these offsets. */
#define MEM_CODE	0	/* what OP_EXEC and OP_EEXEC execute: returns MEM_CODE_VALUE */
#define MEM_DATA	0x100	/* what the others access */
#define MEM_CODE_VALUE	0x1234
#define MEM_MMIO	0x80000000UL

struct mem_vm {
	struct vm *vm;
	__u8 *mem;	/* MEM_SIZE, at a multiple of MEM_HUGE */
};

/* A VM with @nr_planes that all run the guest that accesses memory. */
struct mem_vm mem_start(int nr_planes);
void mem_free(struct mem_vm *m);

/* Put the memory at @gpa, with @flags; of no @size, take it away. */
void mem_slot(struct mem_vm *m, __u64 gpa, __u64 size, __u32 flags);

/* KVM_SET_MEMORY_ATTRIBUTES of a plane; returns what ioctl() does. */
int mem_set(struct mem_vm *m, int plane, __u64 gpa, __u64 size, __u64 attributes);

/* The same, and must not fail. */
void mem_attr(struct mem_vm *m, int plane, __u64 gpa, __u64 size, __u64 attributes);

/* What the guest is to do next with the page at @gpa; writes are of @value. */
void mem_op(enum mem_op op, __u64 gpa, __u64 value);

/* One KVM_RUN of @plane: it ends at the guest's next call. Returns its value. */
__u64 mem_done(struct mem_vm *m, int plane);

/* One KVM_RUN of @plane: it ends with KVM_EXIT_MEMORY_FAULT. */
void mem_fault(struct mem_vm *m, int plane, __u64 gpa, __u64 flags);

/* @plane may, or may not, make an access to the page at @gpa as things are. */
void mem_may(struct mem_vm *m, int plane, enum mem_op op, __u64 gpa);
void mem_may_not(struct mem_vm *m, int plane, enum mem_op op, __u64 gpa);

/* Let @plane make the access that it may make now, and see that it does it right. */
void mem_retry(struct mem_vm *m, int plane, enum mem_op op, __u64 gpa);

/* The attribute that forbids @op, by itself. */
__u64 mem_needs(enum mem_op op);

#endif /* MEM_TEST_H */
