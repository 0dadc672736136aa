// SPDX-License-Identifier: GPL-2.0
/*
 * A VM with VTLs for a test. See vtl_test.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>

#include "vtl_guest.h"
#include "vtl_test.h"

POLICY(vtl, "bpf/vtl.bpf.o");

int vtl_policy_try_load(struct policy *policy)
{
	return policy_load(policy, &policy_vtl);
}

void vtl_policy_load(struct policy *policy)
{
	int err = vtl_policy_try_load(policy);

	if (err)
		fail("the VTL policy does not load: %s (VERBOSE=1 says more)", strerror(-err));
}

void vtl_set_enabled(struct vm *vm, __u64 vtls)
{
	ASSERT(vm_set_msr(vm, 0, KVM_PLANE_VTL_MSR_ENABLED, vtls));
}

void vtl_set_vina(struct vm *vm, int vtl, __u64 vina)
{
	ASSERT(vm_set_msr(vm, vtl, KVM_PLANE_VTL_MSR_VINA, vina));
}

void vtl_policy_replace(struct policy *policy)
{
	int err = policy_replace(policy, &policy_vtl);

	if (err)
		fail("the VTL policy cannot be replaced: %s", strerror(-err));
}

void vtl_test_start(struct vtl_test *t, enum test_how how, int nr_vtls, const guest_code_t *entry)
{
	int i;

	*t = (struct vtl_test) { .how = how, .vm = vm_create(nr_vtls) };
	vtl_init(&t->vtl, t->vm);
	for (i = 0; i < nr_vtls; i++)
		vm_start(t->vm, i, entry[i] ? entry[i] : vtl_return_forever);

	if (how == BY_POLICY) {
		vtl_policy_load(&t->policy);
		if (vtl_use_policy(&t->vtl, t->policy.token))
			fail("opting in to the VTL policy: %s", strerror(errno));
	}
}

struct guest_call *vtl_test_run(struct vtl_test *t)
{
	struct guest_call *call;

	for (;;) {
		vm_run(t->vm);
		if (vtl_handle_exit(&t->vtl))
			continue;
		call = vm_guest_call(t->vm);
		if (call)
			return call;
		fail("%s, plane %u, RIP %#llx", vm_exit_name(t->vm->run->exit_reason),
		     kvm_run_planes(t->vm->run)->plane, t->vm->run->s.regs.regs.rip);
	}
}

void vtl_test_end(struct vtl_test *t)
{
	if (t->how == BY_USERSPACE) {
		ASSERT(t->vtl.switches > 0);
	} else {
		policy_check_switched(t->vm, "vtl");
		/* Userspace does what needs memory that is not there yet, and nothing else. */
		ASSERT(t->vtl.switches <= 4);
	}
	vm_free(t->vm);
	policy_unload(&t->policy);
}

void vtl_test_run_to_end(struct vtl_test *t)
{
	while (vtl_test_run(t)->cmd != GUEST_DONE)
		;
	vtl_test_end(t);
}
