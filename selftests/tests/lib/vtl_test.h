/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM with VTLs for a test, switched by whom the test says.
 */
#ifndef VTL_TEST_H
#define VTL_TEST_H

#include <linux/kvm_plane_vtl.h>

#include "policy.h"
#include "test.h"
#include "vtl_switch.h"

struct vtl_test {
	struct vm *vm;
	struct vtl vtl;
	struct policy policy;
	enum test_how how;
};

/* A VM with @nr_vtls whose VTL n starts at @entry[n]; NULL is vtl_return_forever(). */
void vtl_test_start(struct vtl_test *t, enum test_how how, int nr_vtls, const guest_code_t *entry);

/* Run until the guest says something; VTL calls and returns on the way are handled. */
struct guest_call *vtl_test_run(struct vtl_test *t);

/* Run until the guest is done; it was switched as @how said. */
void vtl_test_run_to_end(struct vtl_test *t);
void vtl_test_end(struct vtl_test *t);

/* The VTL policy, loaded; the first returns 0 or -errno, the second must not fail. */
int vtl_policy_try_load(struct policy *policy);
void vtl_policy_load(struct policy *policy);

/* What the VMM chooses for the policy, once the VM has opted in; 0 is the default of both. */
void vtl_set_enabled(struct vm *vm, __u64 vtls);
void vtl_set_vina(struct vm *vm, int vtl, __u64 vina);

/* Another load of the same in place of the one behind the link. */
void vtl_policy_replace(struct policy *policy);

#endif /* VTL_TEST_H */
