// SPDX-License-Identifier: GPL-2.0
/*
 * planectl status: who switches the planes of each VM, and why a policy was ejected.
 */
#include <stdio.h>
#include <string.h>

#include "planectl.h"

#define KIND_LEN	16

/* There is no default: the compiler warns if a kind is missing here. */
static const char *known_kind(enum kvm_plane_eject_kind kind)
{
	switch (kind) {
	case KVM_PLANE_EJECT_NONE:
		return "none";
	case KVM_PLANE_EJECT_VERDICT:
		return "verdict";
	case KVM_PLANE_EJECT_TARGET:
		return "target";
	case KVM_PLANE_EJECT_STATE:
		return "state";
	case KVM_PLANE_EJECT_REG:
		return "register";
	case KVM_PLANE_EJECT_EXCEPTION:
		return "exception";
	case KVM_PLANE_EJECT_SUSPEND:
		return "suspend";
	case KVM_PLANE_EJECT_INSN:
		return "instruction";
	case KVM_PLANE_EJECT_IRQ:
		return "interrupt";
	case KVM_PLANE_EJECT_LOOP:
		return "loop";
	case KVM_PLANE_EJECT_MSR:
		return "msr";
	case KVM_PLANE_EJECT_TAKE:
		return "take";
	case KVM_PLANE_EJECT_BUDGET:
		return "budget";
	case KVM_PLANE_EJECT_REMOVED:
		return "removed";
	}
	return NULL;
}

static const char *kind_word(__u32 kind, char buf[KIND_LEN])
{
	const char *word = known_kind(kind);

	if (!word) {
		snprintf(buf, KIND_LEN, "kind %u", kind);
		word = buf;
	}
	return word;
}

static void print_table(const struct vms *all)
{
	char buf[KIND_LEN];
	size_t i;

	printf("%-14s %-15s  %-15s %12s  %s\n", "VM", "COMMAND", "POLICY", "SWITCHES", "EJECTED");
	for (i = 0; i < all->nr; i++) {
		const struct vm *vm = &all->vm[i];

		printf("%-14s %-15s  %-15s %12llu  ", vm->id, vm->command,
		       *vm->policy ? vm->policy : "-", vm->switches);
		if (vm->eject_kind)
			printf("%s: %s (%lld)\n", kind_word(vm->eject_kind, buf),
			       vm->eject_message, vm->eject_code);
		else
			puts("-");
	}
}

static void print_json(const struct vms *all)
{
	char buf[KIND_LEN];
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < all->nr; i++) {
		const struct vm *vm = &all->vm[i];

		json_begin(NULL, '{');
		vm_json(vm);
		json_uint("switches", vm->switches);
		if (vm->eject_kind) {
			json_begin("ejected", '{');
			json_string("kind", kind_word(vm->eject_kind, buf));
			json_int("code", vm->eject_code);
			json_string("message", vm->eject_message);
			json_end('}');
		} else {
			json_null("ejected");
		}
		json_end('}');
	}
	json_end(']');
}

int cmd_status(const struct options *opts, char **args)
{
	struct vms all;
	int err;

	(void)args;
	err = vms_read(&all, opts->vm, false);
	if (!err && !all.nr)
		err = explain_no_vm(&all, opts->vm);
	if (!err && opts->json)
		print_json(&all);
	else if (!err && all.nr)
		print_table(&all);
	else if (!err)
		puts("no VM uses planes");
	vms_free(&all);
	return err;
}
