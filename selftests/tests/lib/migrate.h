/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Saving a VM with planes by what KVM_GET_* and kvm_run say, and going on as another VM.
 *
 * Both have the image of this program for memory, so that memory is there without being copied;
 * the old VM is gone before the new one runs.
 */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "vmm.h"

/* Find out which MSRs @vm, and any like it, has; before the first vm_migrate(). */
void migrate_init(struct vm *vm);

/*
 * Returns what @vm has become, made by @create: all that KVM has without a policy is as it was,
 * or the test fails.
 */
struct vm *vm_migrate(struct vm *vm, struct vm *(*create)(int nr_planes));

#endif /* MIGRATE_H */
