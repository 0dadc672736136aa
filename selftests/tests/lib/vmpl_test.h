/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM with VMPLs for a test, switched by whom the test says.
 */
#ifndef VMPL_TEST_H
#define VMPL_TEST_H

#include "policy.h"
#include "test.h"
#include "vmpl_switch.h"

struct vmpl_test {
	struct vm *vm;
	struct vmpl vmpl;
	struct policy policy;
	enum test_how how;
};

/* A VM with @nr_vmpls of which VMPL n starts at @entry[n]; NULL is vmpl_run_0_forever(). */
void vmpl_test_start(struct vmpl_test *t, enum test_how how, int nr_vmpls,
		     const guest_code_t *entry);

/* Run until the guest says something; what is about VMPLs on the way is handled. */
struct guest_call *vmpl_test_run(struct vmpl_test *t);

/* Run until the guest is done; it was switched as @how said. */
void vmpl_test_run_to_end(struct vmpl_test *t);
void vmpl_test_end(struct vmpl_test *t);

/* The VMPL policy, loaded; the first returns 0 or -errno, the second must not fail. */
int vmpl_policy_try_load(struct policy *policy);
void vmpl_policy_load(struct policy *policy);

/* Another load of the same in place of the one behind the link. */
void vmpl_policy_replace(struct policy *policy);

#endif /* VMPL_TEST_H */
