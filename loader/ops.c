// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a struct kvm_plane_ops by the names of its members, so that planectl, the policy and the
 * kernel need not be of the same version.
 */
#include <string.h>

#include "planectl.h"

#define OPS		"kvm_plane_ops"
#define OPS_VALUE	"bpf_struct_ops_" OPS

/* The type @type without typedefs and qualifiers, or NULL */
static const struct btf_type *resolve(const struct btf *btf, __u32 type)
{
	int id = btf__resolve_type(btf, type);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *type,
					    const char *name)
{
	const struct btf_member *m = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++, m++)
		if (!strcmp(btf__name_by_offset(btf, m->name_off), name))
			return m;
	return NULL;
}

/* A policy may call its type kvm_plane_ops___something (CO-RE). */
static bool is_ops(const char *name)
{
	size_t len = strlen(OPS);

	return !strncmp(name, OPS, len) && (!name[len] || !strncmp(name + len, "___", 3));
}

/* The value of member @name, or NULL if it is not @size bytes long */
static const void *member(const struct ops *ops, const char *name, size_t size)
{
	const struct btf_member *m = find_member(ops->btf, ops->type, name);

	if (!m || btf__resolve_size(ops->btf, m->type) != (__s64)size)
		return NULL;
	return ops->data + m->offset / 8;
}

/**
 * ops_from_object - the policy that a map of an object holds
 *
 * Call it before the object is loaded. Returns false if the map holds no policy.
 */
bool ops_from_object(struct ops *ops, const struct bpf_object *obj, const struct bpf_map *map)
{
	size_t size;

	if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
		return false;

	ops->btf = bpf_object__btf(obj);
	ops->type = btf__type_by_id(ops->btf, bpf_map__btf_value_type_id(map));
	ops->data = bpf_map__initial_value(map, &size);
	return ops->type && is_ops(btf__name_by_offset(ops->btf, ops->type->name_off));
}

/**
 * ops_from_value - the policy that a map of the kernel holds
 *
 * Returns false if @value_type is not the type of policies.
 */
bool ops_from_value(struct ops *ops, const struct btf *btf, __u32 value_type, const void *value)
{
	const struct btf_type *t = btf__type_by_id(btf, value_type);
	const struct btf_member *data;

	if (!t || !btf_is_struct(t) || strcmp(btf__name_by_offset(btf, t->name_off), OPS_VALUE))
		return false;
	data = find_member(btf, t, "data");
	if (!data)
		return false;

	ops->btf = btf;
	ops->type = resolve(btf, data->type);
	ops->data = value + data->offset / 8;
	return ops->type && btf_is_struct(ops->type);
}

bool ops_in_kernel(const struct btf *btf)
{
	return btf__find_by_name_kind(btf, OPS_VALUE, BTF_KIND_STRUCT) > 0;
}

__u32 ops_abi(const struct ops *ops)
{
	const __u32 *abi = member(ops, "abi", sizeof(*abi));

	return abi ? *abi : 0;
}

void ops_name(const struct ops *ops, char name[KVM_PLANE_NAME_LEN])
{
	const char *s = member(ops, "name", KVM_PLANE_NAME_LEN);

	memset(name, 0, KVM_PLANE_NAME_LEN);
	if (s)
		memcpy(name, s, KVM_PLANE_NAME_LEN - 1);
}

/**
 * ops_prog - the program of an op, in a map of the kernel
 * @ops: the policy
 * @index: the place of the member, whether it is an op or not
 * @op: set to the name of the member, or to NULL if there are fewer members
 *
 * Returns the id of the program, or 0 if the op is left out.
 */
__u64 ops_prog(const struct ops *ops, unsigned int index, const char **op)
{
	const struct btf_member *m;
	const struct btf_type *t;
	__u64 id;

	*op = NULL;
	if (index >= btf_vlen(ops->type))
		return 0;

	m = btf_members(ops->type) + index;
	*op = btf__name_by_offset(ops->btf, m->name_off);
	t = resolve(ops->btf, m->type);
	if (!t || !btf_is_ptr(t))
		return 0;
	t = resolve(ops->btf, t->type);
	if (!t || !btf_is_func_proto(t))
		return 0;

	memcpy(&id, ops->data + m->offset / 8, sizeof(id));
	return id;
}
