// SPDX-License-Identifier: GPL-2.0
/*
 * A VTL call or return to a VTL that waits for a SIPI is userspace's to see to: the policy has
 * changed nothing when it finds out.
 */
#include <sys/ioctl.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define UNTOUCHED	0x77

static void vtl0(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	for (;;) {
		guest_sync(0);
		vtl_call();
	}
}

static void vtl1(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	vtl_return(HV_VTL_RETURN_FAST);
	for (;;) {
		guest_sync(1);
		vtl_return(0);
	}
}

static const guest_code_t entry[] = { vtl0, vtl1 };

static void set_mp_state(struct vm *vm, int plane, __u32 mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	vm_ioctl(vm->vcpu[plane], KVM_SET_MP_STATE, &state);
}

/* The hypercall of @plane exits, to a VTL that is not there yet. */
static void expect_left_to_user(struct vm *vm, int plane)
{
	set_mp_state(vm, !plane, KVM_MP_STATE_INIT_RECEIVED);
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(kvm_run_plane_event(vm->run)->cause, KVM_PLANE_EVENT_HYPERCALL);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	set_mp_state(vm, !plane, KVM_MP_STATE_RUNNABLE);
}

static void start(struct vtl_test *t, __u32 vina)
{
	vtl_test_start(t, BY_POLICY, 2, entry);
	vtl_set_enabled(t->vm, 3);
	vtl_set_vina(t->vm, 1, vina);
	vtl_test_run(t);
}

static void called(enum test_how how)
{
	struct vtl_test t;

	start(&t, 0);
	vtl_assist_pages[1][HV_ASSIST_ENTRY_REASON] = UNTOUCHED;
	expect_left_to_user(t.vm, 0);
	ASSERT_EQ(vtl_assist_pages[1][HV_ASSIST_ENTRY_REASON], UNTOUCHED);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

static void returned(enum test_how how)
{
	struct vtl_test t;

	start(&t, KVM_PLANE_VTL_VINA_ENABLED | KVM_PLANE_VTL_VINA_AUTO_RESET | 0x40);
	vtl_test_run(&t);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 1);
	vtl_assist_pages[1][HV_ASSIST_VINA_STATUS] = UNTOUCHED;
	expect_left_to_user(t.vm, 1);
	ASSERT_EQ(vtl_assist_pages[1][HV_ASSIST_VINA_STATUS], UNTOUCHED);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

const struct test tests[] = {
	TEST("a call of a VTL that cannot run is left to userspace, without an entry reason",
	     called),
	TEST("a return to a VTL that cannot run is, without a reset of VinaAsserted", returned),
	{ }
};
