// SPDX-License-Identifier: GPL-2.0
/*
 * bpf/template.bpf.c: planes take turns, and other hypercalls are KVM's. The
 * guest does not use Hyper-V's interface.
 */
#include "policy.h"
#include "test.h"
#include "vtl_guest.h"

#define HC_YIELD	0x706c616e65ULL
#define HC_UNKNOWN	0x1000
#define KVM_ENOSYS	1000		/* <linux/kvm_para.h>: no such hypercall */
#define TURNS		30

POLICY(template, "bpf/template.bpf.o");

static volatile __u64 turn;
static int nr_planes;

/* Takes its turns, each RBX one more than the last, whoever's that was. */
static void take_turns(void)
{
	struct guest_regs in = vtl_hypercall_regs(0, HC_YIELD), out;
	struct guest_regs unknown = vtl_hypercall_regs(0, HC_UNKNOWN);

	for (;;) {
		GUEST_ASSERT_EQ(turn % nr_planes, guest_plane());
		guest_run(&unknown, &out);
		GUEST_ASSERT_EQ(out.gpr[RAX], -(__u64)KVM_ENOSYS);
		in.gpr[RBX] = ++turn;
		guest_run(&in, &out);
		GUEST_ASSERT_EQ(out.gpr[RAX], HC_YIELD);
		GUEST_ASSERT_EQ(out.gpr[RBX], turn);
		if (turn >= TURNS)
			guest_done();
	}
}

static void run(int planes)
{
	struct policy_status status;
	struct policy policy;
	struct vm *vm;
	int i;

	nr_planes = planes;
	vm = vm_create(planes);
	for (i = 0; i < planes; i++)
		vm_start(vm, i, take_turns);
	ASSERT_EQ(policy_load(&policy, &policy_template), 0);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	vm_run(vm);
	if (!vm_guest_call(vm))
		fail("%s", vm_exit_name(vm->run->exit_reason));
	ASSERT_EQ(vm_guest_call(vm)->cmd, GUEST_DONE);
	ASSERT(policy_read_status(vm, &status));
	ASSERT_EQ(status.eject_kind, 0);
	ASSERT(!strcmp(status.policy, "template"));
	ASSERT_EQ(status.switches, TURNS);
	vm_free(vm);
	policy_unload(&policy);
}

static void two(enum test_how how)
{
	run(2);
}

static void four(enum test_how how)
{
	run(4);
}

/* With a VM that has no second plane, no policy is asked. */
static void alone(enum test_how how)
{
	struct policy policy;
	struct vm *vm = vm_create(1);

	nr_planes = 1;
	turn = TURNS;
	vm_start(vm, 0, take_turns);
	ASSERT_EQ(policy_load(&policy, &policy_template), 0);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_IO);
	/* The guest notices that its HC_YIELD is no hypercall of KVM's. */
	struct guest_call *call = (void *)(unsigned long)
		*(__u32 *)((char *)vm->run + vm->run->io.data_offset);
	ASSERT_EQ(call->cmd, GUEST_ABORT);
	ASSERT_EQ(call->arg[0], -(__u64)KVM_ENOSYS);
	ASSERT_EQ(call->arg[1], HC_YIELD);
	vm_free(vm);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("with the template policy two planes take turns", two),
	TEST("with the template policy four planes take turns", four),
	TEST("a VM without a second plane asks no policy", alone),
	{ }
};
