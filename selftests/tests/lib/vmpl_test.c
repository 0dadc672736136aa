// SPDX-License-Identifier: GPL-2.0
/*
 * A VM with VMPLs for a test. See vmpl_test.h.
 */
#include "vmpl_guest.h"
#include "vmpl_test.h"

POLICY(vmpl, "bpf/vmpl.bpf.o");

int vmpl_policy_try_load(struct policy *policy)
{
	return policy_load(policy, &policy_vmpl);
}

void vmpl_policy_load(struct policy *policy)
{
	int err = vmpl_policy_try_load(policy);

	if (err)
		fail("the VMPL policy does not load: %s (VERBOSE=1 says more)", strerror(-err));
}

void vmpl_policy_replace(struct policy *policy)
{
	int err = policy_replace(policy, &policy_vmpl);

	if (err)
		fail("the VMPL policy cannot be replaced: %s", strerror(-err));
}

void vmpl_test_start(struct vmpl_test *t, enum test_how how, int nr_vmpls,
		     const guest_code_t *entry)
{
	int i;

	*t = (struct vmpl_test) { .how = how, .vm = vmpl_create_vm(nr_vmpls) };
	vmpl_init(&t->vmpl, t->vm);
	for (i = 0; i < nr_vmpls; i++)
		vm_start(t->vm, i, entry[i] ? entry[i] : vmpl_run_0_forever);

	if (how == BY_POLICY) {
		vmpl_policy_load(&t->policy);
		if (vmpl_use_policy(&t->vmpl, t->policy.token))
			fail("opting in to the VMPL policy: %s", strerror(errno));
	}
}

struct guest_call *vmpl_test_run(struct vmpl_test *t)
{
	struct guest_call *call;

	for (;;) {
		vm_run(t->vm);
		if (vmpl_handle_exit(&t->vmpl))
			continue;
		call = vm_guest_call(t->vm);
		if (call)
			return call;
		fail("%s, plane %u", vm_exit_name(t->vm->run->exit_reason),
		     kvm_run_planes(t->vm->run)->plane);
	}
}

void vmpl_test_end(struct vmpl_test *t)
{
	if (t->how == BY_USERSPACE) {
		ASSERT(t->vmpl.switches > 0);
	} else {
		policy_check_switched(t->vm, "vmpl");
		/* Userspace does what needs memory that is not there yet, and nothing else. */
		ASSERT(t->vmpl.switches <= 4);
	}
	vm_free(t->vm);
	policy_unload(&t->policy);
}

void vmpl_test_run_to_end(struct vmpl_test *t)
{
	while (vmpl_test_run(t)->cmd != GUEST_DONE)
		;
	vmpl_test_end(t);
}
