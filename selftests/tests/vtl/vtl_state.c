// SPDX-License-Identifier: GPL-2.0
/*
 * What VTLs share, and what each has of its own (TLFS, chapter "Virtual Secure
 * Mode", "Shared state" and "Private state").
 *
 * Both VTLs do the same: give all of it new random values, switch, and find the
 * shared values that the other VTL gave, and the private ones that they had
 * themselves. At each end of a switch the VMM compares with what KVM_GET_* say.
 */
#include "guest_state.h"
#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ROUNDS		60

static struct guest_user_state shared;		/* as the VTL that left it gave it */
static __u64 private_state[2][NR_STATE];
static __u64 assist_msr[2];			/* private, too */
static struct guest_regs private_regs[2];	/* RFLAGS, CS, SS */

static void take_turns(__u64 control, __u64 input)
{
	int vtl = guest_plane();
	__u64 *private = private_state[vtl];
	struct guest_regs *in = &private_regs[vtl];
	struct guest_regs out;

	guest_state_start(private);
	*in = vtl_hypercall_regs(control, input);
	for (;;) {
		guest_state_choose(private);
		guest_state_choose_regs(in);
		guest_state_write(private);
		guest_state_check(private);
		assist_msr[vtl] = guest_state_random(1) ?
			(unsigned long)vtl_assist_pages[vtl] | HV_MSR_ENABLE : 0;
		wrmsr(HV_MSR_VP_ASSIST_PAGE, assist_msr[vtl]);
		guest_state_give_user(&shared, in, 1U << RAX | 1U << RCX);
		guest_sync(0);

		guest_run(in, &out);

		guest_state_check_user(&shared, &out);
		guest_state_check(private);
		GUEST_ASSERT_EQ(rdmsr(HV_MSR_VP_ASSIST_PAGE), assist_msr[vtl]);
		GUEST_ASSERT_EQ(out.gpr[RSP], guest_faults[vtl].resume_rsp);
		GUEST_ASSERT_EQ(out.rflags, in->rflags);
		GUEST_ASSERT_EQ(out.cs, in->cs);
		GUEST_ASSERT_EQ(out.ss, in->ss);
		guest_sync(1);
	}
}

static void vtl0(void)
{
	vtl_enable();
	vtl_call();
	take_turns(HV_VTL_CALL, 0);
}

static void vtl1(void)
{
	vtl_enable();
	vtl_return(HV_VTL_RETURN_FAST);
	take_turns(HV_VTL_RETURN, HV_VTL_RETURN_FAST);
}

/* The VMM's view. */

static void compare_private(struct vm *vm, int vtl)
{
	vm_compare_state(vm, vtl, private_state[vtl]);
	vm_compare(vtl, "VP_ASSIST_PAGE", vm_get_msr(vm, vtl, HV_MSR_VP_ASSIST_PAGE),
		   assist_msr[vtl]);
}

/* The VTL that waits is where it left off. */
static void compare_waiting(struct vm *vm, int vtl)
{
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[vtl], KVM_GET_REGS, &regs);
	vm_compare(vtl, "RIP", regs.rip, (unsigned long)guest_hypercall_insn + 3);
	vm_compare(vtl, "RSP", regs.rsp, guest_faults[vtl].resume_rsp - 8);
	vm_compare(vtl, "RFLAGS", regs.rflags, private_regs[vtl].rflags);
}

/* Both vCPU fds get and set the one FPU. */
static void compare_fpu(struct vm *vm)
{
	static struct kvm_xsave xsave[2];

	vm_ioctl(vm->vcpu[0], KVM_GET_XSAVE, &xsave[0]);
	vm_ioctl(vm->vcpu[1], KVM_GET_XSAVE, &xsave[1]);
	if (memcmp(&xsave[0], &xsave[1], XSAVE_SIZE))
		fail("KVM_GET_XSAVE says that the VTLs' FPUs differ");
}

static void state(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct vtl_test t;
	int i;

	vtl_test_start(&t, how, 2, entry);
	if (!guest_state_init(t.vm, test_seed()))
		skip("no XSAVE");

	/* The first sync is before any switch with VTL 1 as it will be. */
	vtl_test_run(&t);
	if (guest_state_keeps_wp())
		note("CR0.WP stays clear, as this CPU does not intercept reads of CR3 otherwise");
	for (i = 1; i < 2 * ROUNDS; i++) {
		const struct guest_call *call = vtl_test_run(&t);

		compare_private(t.vm, call->plane);
		vm_compare_user_state(t.vm, call->plane, &shared);
		compare_fpu(t.vm);
		if (i > 2) {
			compare_private(t.vm, !call->plane);
			compare_waiting(t.vm, !call->plane);
		}
	}
	vtl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("what VTLs share arrives in the other VTL, what is private to one stays", state),
	{ }
};
