/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM whose policy is the puppet, and whose planes run what a test tells them.
 */
#ifndef PUPPET_TEST_H
#define PUPPET_TEST_H

#include "lapic.h"
#include "policy.h"
#include "puppet.h"
#include "test.h"

struct puppet_test {
	struct vm *vm;
	struct policy policy;
	struct puppet *puppet;
};

/* Instructions for puppet_let(); RBX is an address for those that access memory. */
extern __u8 puppet_wrmsr[], puppet_rdmsr[], puppet_hlt[], puppet_read[], puppet_write[];

/* What a plane is to execute at its next turn, and what came of it. */
extern struct guest_regs puppet_in[KVM_MAX_PLANES], puppet_out[KVM_MAX_PLANES];

/* Load the policy; that must not fail. */
struct puppet *puppet_load(struct policy *policy);

/* The same as puppet_start(), but the VM does not have the policy yet. */
void puppet_create(struct puppet_test *t, int nr_planes);

/* A VM with @nr_planes that has the policy; each has an APIC that takes interrupts. */
void puppet_start(struct puppet_test *t, int nr_planes);

/* Have @plane execute @insn, ended by a RET, with these registers, at its next turn. */
void puppet_let(int plane, const void *insn, __u64 rax, __u64 rcx, __u64 rdx, __u64 rbx);

/* Run until a plane is done with it. Returns the plane. */
int puppet_run(struct puppet_test *t);

/* The same for @plane; any other exit is a failure, as is another plane. */
void puppet_turn(struct puppet_test *t, int plane);

/* KVM_RUN of @plane up to an exit that is none of the harness's own. */
__u32 puppet_exit(struct puppet_test *t, int plane);

/* KVM_EXIT_PLANE_EVENT of @plane, with @cause. */
struct kvm_plane_event *puppet_event(struct puppet_test *t, int plane, __u8 cause);

/* The plane's last turn ended with an exception at the instruction that it was to execute. */
void puppet_expect_fault(int plane, __u64 vector);
void puppet_expect_no_fault(int plane);

/* The VM still has the policy; frees both. */
void puppet_end(struct puppet_test *t);

/* The VM does not have the policy any more, because of this. */
void puppet_expect_ejected(struct puppet_test *t, enum kvm_plane_eject_kind kind, __s64 code);

/* The same as puppet_end(), whether the VM has the policy or not. */
void puppet_free(struct puppet_test *t);

/* An interrupt for @plane, by MSI; and whether it is pending there. */
void puppet_send(struct puppet_test *t, int plane, __u8 vector);
bool puppet_pending(struct puppet_test *t, int plane, __u8 vector);

/* A statistic of the vCPU by its name */
__u64 puppet_stat(struct puppet_test *t, const char *name);

#endif /* PUPPET_TEST_H */
