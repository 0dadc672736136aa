// SPDX-License-Identifier: GPL-2.0
/*
 * Policies, loaded by libbpf. See policy.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"

static int print_if_asked(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_DEBUG || !getenv("VERBOSE"))
		return 0;
	return vfprintf(stderr, fmt, args);
}

static struct bpf_object *open_and_load(const struct policy_object *object, int *err)
{
	struct bpf_object *obj;

	libbpf_set_print(print_if_asked);
	obj = bpf_object__open_mem(object->start, object->end - object->start, NULL);
	if (!obj) {
		*err = -errno;
		return NULL;
	}
	*err = bpf_object__load(obj);
	if (*err) {
		bpf_object__close(obj);
		return NULL;
	}
	return obj;
}

static struct bpf_map *struct_ops_map(const struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			return map;
	return NULL;
}

int policy_load(struct policy *policy, const struct policy_object *object)
{
	int err;

	*policy = (struct policy) { .token = -1 };
	policy->object = open_and_load(object, &err);
	if (!policy->object)
		return err;

	policy->link = bpf_map__attach_struct_ops(struct_ops_map(policy->object));
	if (!policy->link) {
		err = -errno;
		policy_unload(policy);
		return err;
	}
	policy->token = bpf_map__fd(struct_ops_map(policy->object));
	return 0;
}

int policy_replace(struct policy *policy, const struct policy_object *object)
{
	struct bpf_object *obj;
	int err;

	obj = open_and_load(object, &err);
	if (!obj)
		return err;

	err = bpf_link__update_map(policy->link, struct_ops_map(obj));
	if (err) {
		bpf_object__close(obj);
		return err;
	}
	bpf_object__close(policy->object);
	policy->object = obj;
	policy->token = bpf_map__fd(struct_ops_map(obj));
	return 0;
}

void policy_unload(struct policy *policy)
{
	bpf_link__destroy(policy->link);
	bpf_object__close(policy->object);
	*policy = (struct policy) { .token = -1 };
}

int policy_pin_link(struct policy *policy, const char *path)
{
	return bpf_link__pin(policy->link, path);
}

int policy_pin_token(struct policy *policy, const char *path)
{
	return bpf_obj_pin(policy->token, path) ? -errno : 0;
}

/* One of the lines of plane_policy in debugfs */
static void read_field(const char *line, struct policy_status *status)
{
	const char *value = strstr(line, ": ");

	if (!value)
		return;
	value += 2;
	if (!strncmp(line, "policy:", 7))
		snprintf(status->policy, sizeof(status->policy), "%s", value);
	else if (!strncmp(line, "switches:", 9))
		status->switches = atoll(value);
	else if (!strncmp(line, "eject_kind:", 11))
		status->eject_kind = atoll(value);
	else if (!strncmp(line, "eject_code:", 11))
		status->eject_code = atoll(value);
	else if (!strncmp(line, "eject_message:", 14))
		snprintf(status->eject_message, sizeof(status->eject_message), "%s", value);
}

bool policy_read_status(struct vm *vm, struct policy_status *status)
{
	char path[128], line[256];
	FILE *file;

	memset(status, 0, sizeof(*status));
	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/plane_policy", getpid(), vm->fd);
	file = fopen(path, "re");
	if (!file)
		return false;

	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		read_field(line, status);
	}
	fclose(file);
	return true;
}

void policy_check_switched(struct vm *vm, const char *name)
{
	struct policy_status status;

	if (!policy_read_status(vm, &status))
		return;
	if (status.eject_kind)
		fail("the policy was ejected: kind %lld, code %lld, %s",
		     status.eject_kind, status.eject_code, status.eject_message);
	if (strcmp(status.policy, name))
		fail("the policy is %s, not %s", status.policy, name);
	if (!status.switches)
		fail("the policy did not switch");
}
