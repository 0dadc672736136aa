// SPDX-License-Identifier: GPL-2.0
/*
 * Object files: finding them, and the policies in them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

/* <linux/bpf.h> has it since Linux 6.4; the one of Debian 12 is older. */
#define MAP_IS_FOR_LINK		0x2000		/* BPF_F_LINK */

static char *try_dir(const char *dir, size_t len, const char *name)
{
	char *path;

	if (asprintf(&path, "%.*s/%s.bpf.o", (int)len, dir, name) < 0)
		return NULL;
	if (!access(path, F_OK))
		return path;
	free(path);
	return NULL;
}

/* $PLANECTL_PATH, then the policies that were built with planectl, or installed with it */
static char *search_path(void)
{
	const char *env = getenv("PLANECTL_PATH");
	char exe[PATH_MAX] = "";
	const char *root;
	char *path;
	ssize_t len;

	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (len < 0)
		return NULL;
	exe[len] = '\0';
	root = dirname(dirname(exe));
	if (asprintf(&path, "%s%s%s/bpf:%s/lib/planeswitch", env ?: "", env && *env ? ":" : "",
		     root, root) < 0)
		return NULL;
	return path;
}

static char *find_file(const char *policy)
{
	size_t len = strlen(policy);
	char *dirs, *found = NULL;
	const char *dir;

	if (strchr(policy, '/') || (len > 2 && !strcmp(policy + len - 2, ".o")))
		return strdup(policy);

	dirs = search_path();
	if (!dirs) {
		error("%s", strerror(errno));
		return NULL;
	}
	for (dir = dirs; !found && *dir; dir += len + (dir[len] == ':')) {
		len = strcspn(dir, ":");
		found = try_dir(dir, len, policy);
	}
	if (!found)
		error("no policy %s: no %s.bpf.o in %s", policy, policy, dirs);
	free(dirs);
	return found;
}

static int find_policies(struct object *o)
{
	struct bpf_map *map;
	struct ops ops;

	bpf_object__for_each_map(map, o->obj) {
		struct loadable *p = &o->policy[o->nr];

		if (!ops_from_object(&ops, o->obj, map))
			continue;
		if (!(bpf_map__map_flags(map) & MAP_IS_FOR_LINK))
			return error("%s: %s is not in section .struct_ops.link", o->path,
				     bpf_map__name(map));
		if (o->nr == MAX_LOADABLE)
			return error("%s: more than %d policies", o->path, MAX_LOADABLE);

		p->map = map;
		p->abi = ops_abi(&ops);
		ops_name(&ops, p->name);
		o->nr++;
	}
	return o->nr ? 0 : error("%s: no kvm_plane_ops in it: not a policy", o->path);
}

/**
 * object_open - find the file of a policy and read which policies are in it
 * @o: filled in; the caller calls object_close(), also on failure
 * @policy: a name to look for, or a path
 */
int object_open(struct object *o, const char *policy)
{
	memset(o, 0, sizeof(*o));
	o->path = find_file(policy);
	if (!o->path)
		return -1;
	o->obj = bpf_object__open_file(o->path, NULL);
	if (!o->obj)
		return explain_open(o->path, errno);
	return find_policies(o);
}

/* Let the kernel verify and load the programs. No policy is in force yet. */
int object_load(const struct object *o)
{
	int err = bpf_object__load(o->obj);

	return err ? explain_load(o->path, -err) : 0;
}

void object_close(struct object *o)
{
	bpf_object__close(o->obj);
	free(o->path);
}
