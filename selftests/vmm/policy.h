/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies in tests: loaded from this program, and what became of them in a VM.
 */
#ifndef POLICY_H
#define POLICY_H

#include <linux/kvm_plane_bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include "vmm.h"

struct policy_object {
	const __u8 *start;
	const __u8 *end;
};

/* Have the object @file, of the build, in this program, as policy_@name. */
#define POLICY(name, file)						\
	extern const __u8 name##_start[], name##_end[];			\
	asm(".pushsection .rodata\n"					\
	    ".balign 16\n"						\
	    #name "_start: .incbin \"" file "\"\n"			\
	    #name "_end:\n"						\
	    ".popsection\n");						\
	static const struct policy_object policy_##name = { name##_start, name##_end }

/**
 * struct policy - a policy that this program loaded
 * @link: what keeps it in force
 * @token: what a VM opts in with: the fd of its struct_ops map
 */
struct policy {
	struct bpf_object *object;
	struct bpf_link *link;
	int token;
};

/* Returns 0 or -errno, of the first step that failed. */
int policy_load(struct policy *policy, const struct policy_object *object);

/* Replace the policy behind the link by @object, of the same name. Returns 0 or -errno. */
int policy_replace(struct policy *policy, const struct policy_object *object);

/* Pin the link, so that the policy stays in force, or the token, for VMMs. Returns 0 or -errno. */
int policy_pin_link(struct policy *policy, const char *path);
int policy_pin_token(struct policy *policy, const char *path);
void policy_unload(struct policy *policy);

/* What the kernel says of a VM's policy, in debugfs. */
struct policy_status {
	char policy[64];
	char eject_message[128];
	long long switches;
	long long eject_kind;
	long long eject_code;
};

/* False where there is no debugfs. */
bool policy_read_status(struct vm *vm, struct policy_status *status);

/* The VM has the policy @name, which switched and was not ejected; else this fails. */
void policy_check_switched(struct vm *vm, const char *name);

#endif /* POLICY_H */
