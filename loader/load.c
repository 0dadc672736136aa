// SPDX-License-Identifier: GPL-2.0
/*
 * planectl load: open an object, load it, attach its policy, pin the link.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "planectl.h"

/* <linux/bpf.h> since 6.4; Debian 12's is older. */
#define MAP_IS_FOR_LINK		0x2000		/* BPF_F_LINK */

#define INSTALLED		"/usr/lib/planeswitch"

/* A map of the object that holds a policy */
struct loadable {
	struct bpf_map *map;
	char name[KVM_PLANE_NAME_LEN];
	__u32 abi;
	char *pin;
	struct bpf_link *link;
};

/* One object has one policy as a rule; more are not wrong. */
#define MAX_LOADABLE		16

struct load {
	const char *path;
	struct bpf_object *obj;
	struct loadable policy[MAX_LOADABLE];
	size_t nr;
};

/* Finding the file */

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

/* $PLANECTL_PATH, ../bpf of where planectl is, and where it would be installed */
static char *search_path(void)
{
	const char *env = getenv("PLANECTL_PATH");
	char exe[PATH_MAX] = "";
	char *path;
	ssize_t len;

	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (len < 0)
		return NULL;
	exe[len] = '\0';
	if (asprintf(&path, "%s%s%s/bpf:" INSTALLED, env ?: "", env && *env ? ":" : "",
		     dirname(dirname(exe))) < 0)
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

/* What is in it */

static int find_policies(struct load *l, const char *pin_dir)
{
	struct bpf_map *map;
	struct ops ops;

	bpf_object__for_each_map(map, l->obj) {
		struct loadable *p = &l->policy[l->nr];

		if (!ops_from_object(&ops, l->obj, map))
			continue;
		if (!(bpf_map__map_flags(map) & MAP_IS_FOR_LINK))
			return error("%s: %s is not in section .struct_ops.link", l->path,
				     bpf_map__name(map));
		if (l->nr == MAX_LOADABLE)
			return error("%s: more than %d policies", l->path, MAX_LOADABLE);

		p->map = map;
		p->abi = ops_abi(&ops);
		ops_name(&ops, p->name);
		/* The kernel, and so bpftool, knows no more of the name. */
		if (asprintf(&p->pin, "%s/%.*s", pin_dir, BPF_OBJ_NAME_LEN - 1,
			     bpf_map__name(map)) < 0) {
			p->pin = NULL;
			return error("%s", strerror(errno));
		}
		l->nr++;
	}
	return l->nr ? 0 : error("%s: no kvm_plane_ops in it: not a policy", l->path);
}

/* Where it is pinned */

static int make_pin_dir(const char *dir)
{
	char *copy, *parent;
	struct statfs fs;
	int err = 0;

	copy = strdup(dir);
	if (!copy)
		return error("%s", strerror(errno));
	parent = dirname(copy);
	if (statfs(dir, &fs) && statfs(parent, &fs))
		err = error("%s: %s", parent, strerror(errno));
	else if (fs.f_type != BPF_FS_MAGIC)
		err = error("%s is not in a BPF file system (mount -t bpf none /sys/fs/bpf)", dir);
	else if (mkdir(dir, 0755) && errno != EEXIST)
		err = error("%s: %s", dir, strerror(errno));
	free(copy);
	return err;
}

static int explain_pinned(const struct load *l, const struct loadable *p)
{
	if (pin_is_detached(p->pin))
		return error("%s: %s of a detached policy is in the way (planectl unload)", l->path,
			     p->pin);
	return error("%s: already loaded: %s exists (planectl list)", l->path, p->pin);
}

static int check_pins(const struct load *l)
{
	size_t i;

	for (i = 0; i < l->nr; i++)
		if (!access(l->policy[i].pin, F_OK))
			return explain_pinned(l, &l->policy[i]);
	return 0;
}

/* Loading it */

static int explain_attach(const struct load *l, const struct loadable *p, int err)
{
	switch (err) {
	case EPROTO:
		return error("%s: ABI version %u is not the kernel's (planectl has %d)", l->path,
			     p->abi, KVM_PLANE_ABI);
	case EEXIST:
		return error("%s: already loaded: there is a policy \"%s\" (planectl list)",
			     l->path, p->name);
	case EPERM:
	case EACCES:
		return error("%s: permission denied: CAP_SYS_ADMIN is needed", l->path);
	case EINVAL:
		return error("%s: the kernel refuses a field, maybe the name \"%s\"", l->path,
			     p->name);
	default:
		return error("%s: the kernel refuses the policy: %s", l->path, strerror(err));
	}
}

static int attach(struct load *l, struct loadable *p)
{
	p->link = bpf_map__attach_struct_ops(p->map);
	if (!p->link)
		return explain_attach(l, p, errno);

	/* Another planectl may have been faster than check_pins(). */
	if (!bpf_link__pin(p->link, p->pin))
		return 0;
	return errno == EEXIST ? explain_pinned(l, p) :
	       error("%s: cannot pin: %s", p->pin, strerror(errno));
}

/* All or none: an object whose second policy is refused leaves nothing behind. */
static int attach_all(struct load *l)
{
	size_t i;

	for (i = 0; i < l->nr; i++)
		if (attach(l, &l->policy[i]))
			break;
	if (i == l->nr)
		return 0;
	while (i--)
		unlink(l->policy[i].pin);
	return -1;
}

static int load_object(struct load *l, const struct options *opts)
{
	int err;

	l->obj = bpf_object__open_file(l->path, NULL);
	if (!l->obj)
		return explain_open(l->path, errno);
	if (find_policies(l, opts->pin_dir) || make_pin_dir(opts->pin_dir) || check_pins(l))
		return -1;

	err = bpf_object__load(l->obj);
	if (err)
		return explain_load(l->path, -err);
	return attach_all(l);
}

static void report_json(const struct load *l)
{
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < l->nr; i++) {
		json_begin(NULL, '{');
		json_string("name", l->policy[i].name);
		json_uint("abi", l->policy[i].abi);
		json_string("file", l->path);
		json_string("pin", l->policy[i].pin);
		json_int("link_id", pinned_link_id(l->policy[i].pin));
		json_end('}');
	}
	json_end(']');
}

static void report(const struct load *l, bool json)
{
	size_t i;

	if (json) {
		report_json(l);
		return;
	}
	for (i = 0; i < l->nr; i++)
		printf("%s: loaded (ABI %u) from %s, pinned at %s\n", l->policy[i].name,
		       l->policy[i].abi, l->path, l->policy[i].pin);
}

int cmd_load(const struct options *opts, char **args)
{
	struct load l = { };
	char *path;
	size_t i;
	int err;

	path = find_file(args[0]);
	if (!path)
		return -1;

	l.path = path;
	err = load_object(&l, opts);
	if (!err)
		report(&l, opts->json);

	for (i = 0; i < l.nr; i++) {
		bpf_link__destroy(l.policy[i].link);
		free(l.policy[i].pin);
	}
	bpf_object__close(l.obj);
	free(path);
	return err;
}
