// SPDX-License-Identifier: GPL-2.0
/*
 * planectl replace: put another policy behind the link of one that is loaded. VMs keep the policy;
 * each of their exits is decided either by the old one or by the new one. The contents of the
 * policy's maps are kept as well.
 *
 * A VM opts in with the map that the link has now. Therefore the new map takes the place of the old
 * one in each pin of a token. It is pinned beside each token before anything has changed, and is
 * renamed afterwards. If a rename fails, the link gets the old map again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

#define MAX_MAPS	64	/* as many as a program can use (MAX_USED_MAPS) */

static struct loadable *find_loadable(struct object *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nr; i++)
		if (!strcmp(o->policy[i].name, name))
			return &o->policy[i];
	error("%s: no policy \"%s\" in it, but \"%s\": the names have to be the same",
	      o->path, name, o->policy[0].name);
	return NULL;
}

static struct bpf_map *find_map(const struct bpf_object *obj, const char *name)
{
	struct bpf_map *map;

	/* The kernel knows only the beginning of the name. */
	bpf_object__for_each_map(map, obj)
		if (!strncmp(bpf_map__name(map), name, BPF_OBJ_NAME_LEN - 1))
			return map;
	return NULL;
}

static bool same_layout(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return bpf_map__type(map) == info->type &&
	       bpf_map__key_size(map) == info->key_size &&
	       bpf_map__value_size(map) == info->value_size &&
	       bpf_map__max_entries(map) == info->max_entries &&
	       bpf_map__map_flags(map) == info->map_flags;
}

/* Let the object use a map of the old policy if it has one of this name. Variables are new. */
static int keep_map(struct bpf_object *obj, int fd)
{
	struct bpf_map_info info = { };
	__u32 len = sizeof(info);
	struct bpf_map *map;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	map = find_map(obj, info.name);
	if (!map || bpf_map__is_internal(map) || bpf_map__fd(map) >= 0)
		return 0;
	if (!same_layout(map, &info)) {
		error("warning: map %s has another layout now, and starts empty",
		      bpf_map__name(map));
		return 0;
	}
	return bpf_map__reuse_fd(map, fd) ? error("map %s: %s", info.name, strerror(errno)) : 0;
}

static int keep_maps_of_prog(struct bpf_object *obj, __u32 prog)
{
	__u32 ids[MAX_MAPS] = { };
	struct bpf_prog_info info = { .map_ids = (unsigned long)ids, .nr_map_ids = MAX_MAPS };
	__u32 len = sizeof(info), i;
	int fd, err;

	fd = bpf_prog_get_fd_by_id(prog);
	if (fd < 0)
		return 0;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	for (i = 0; !err && i < info.nr_map_ids && i < MAX_MAPS; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		err = keep_map(obj, fd);
		close(fd);
	}
	return err;
}

static int keep_maps(struct bpf_object *obj, const struct policy *p)
{
	size_t i;

	for (i = 0; i < p->nr_ops; i++)
		if (keep_maps_of_prog(obj, p->progs[i]))
			return -1;
	return 0;
}

/* Do not load the other policies of the object. */
static void want_only(struct object *o, const struct loadable *wanted)
{
	size_t i;

	for (i = 0; i < o->nr; i++)
		bpf_map__set_autocreate(o->policy[i].map, &o->policy[i] == wanted);
}

/*
 * Store the value that libbpf has prepared in the map. libbpf does that only when it makes a new
 * link, which the kernel then refuses because the name is taken. (bpf_link__update_map() works for
 * links that libbpf made, not for the link of a pin.)
 */
static int fill_map(const struct object *o, const struct loadable *p)
{
	struct bpf_link *link = bpf_map__attach_struct_ops(p->map);

	if (!link)
		return errno == EEXIST ? 0 : explain_attach(o->path, p, errno);
	bpf_link__destroy(link);
	return error("%s: was unloaded in the meantime", p->name);
}

static int explain_update(const struct policy *p, int err)
{
	switch (err) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENOLINK:
		return error("%s: was unloaded in the meantime", p->name);
	case -EINVAL:
		return error("%s: the kernel refuses the new one: are its latches the same?",
			     p->name);
	default:
		return error("%s: the kernel refuses the new one: %s", p->name, strerror(-err));
	}
}

static int update_link(const struct policy *p, int map)
{
	int link = bpf_link_get_fd_by_id(p->link_id);
	int err = link < 0 ? -errno : bpf_link_update(link, map, NULL);

	if (link >= 0)
		close(link);
	return err;
}

/* Pin the new map beside each token. Returns how many pins there are in @paths. */
static size_t prepare_tokens(const struct policy *p, int map, char **paths)
{
	struct stat st;
	size_t i;

	for (i = 0; i < p->nr_pins; i++) {
		if (stat(p->pins[i], &st)) {
			error("%s: %s", p->pins[i], strerror(errno));
			break;
		}
		paths[i] = pin_prepare(map, p->pins[i], &st);
		if (!paths[i])
			break;
	}
	return i;
}

/* Put the new map in the place of the old one. On failure, the caller undoes it. */
static int rename_tokens(const struct policy *p, char **paths)
{
	size_t i;

	for (i = 0; i < p->nr_pins; i++) {
		if (rename(paths[i], p->pins[i]))
			return error("%s: %s; the old policy stays", p->pins[i], strerror(errno));
		free(paths[i]);
		paths[i] = NULL;
	}
	return 0;
}

/* Put the old map back: behind the link, and in the pins that were renamed already. */
static void restore(const struct policy *p, int old, char **paths)
{
	struct stat st;
	size_t i;
	char *path;

	update_link(p, old);
	for (i = 0; i < p->nr_pins && !paths[i]; i++) {
		path = stat(p->pins[i], &st) ? NULL : pin_prepare(old, p->pins[i], &st);
		if (path && rename(path, p->pins[i]))
			unlink(path);
		free(path);
	}
}

/* Replace the map of the link and of all tokens, or nothing, unless planectl is killed. */
static int update(const struct policy *p, const struct loadable *by)
{
	char **paths = calloc(p->nr_pins + 1, sizeof(*paths));
	int old = bpf_map_get_fd_by_id(p->map_id);
	int map = bpf_map__fd(by->map);
	sigset_t all, signals;
	size_t i, nr;
	int err;

	if (!paths)
		return error("%s", strerror(errno));
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &signals);
	nr = prepare_tokens(p, map, paths);
	if (old < 0)
		err = error("%s: was unloaded in the meantime", p->name);
	else
		err = nr < p->nr_pins ? -1 : explain_update(p, update_link(p, map));
	if (!err) {
		err = rename_tokens(p, paths);
		if (err)
			restore(p, old, paths);
	}
	for (i = 0; i < nr; i++) {
		if (paths[i])
			unlink(paths[i]);
		free(paths[i]);
	}
	sigprocmask(SIG_SETMASK, &signals, NULL);
	free(paths);
	if (old >= 0)
		close(old);
	return err;
}

static int replace(const struct policy *p, struct object *o, struct loadable **by,
		   const char *pin_dir)
{
	if (!p->map_id)
		return error("%s was detached and does nothing (planectl unload)", p->name);
	*by = find_loadable(o, p->name);
	if (!*by)
		return -1;
	want_only(o, *by);
	if (keep_maps(o->obj, p) || object_load(o) || fill_map(o, *by))
		return -1;
	return update(p, *by) || maps_pin(o->obj, pin_dir, true) ? -1 : 0;
}

static void report(const struct policy *p, const struct object *o, const struct loadable *by,
		   bool json)
{
	if (!json) {
		printf("%s: replaced (ABI %u) from %s\n", p->name, by->abi, o->path);
		return;
	}
	json_begin(NULL, '[');
	json_begin(NULL, '{');
	json_string("name", p->name);
	json_uint("abi", by->abi);
	json_string("file", o->path);
	json_uint("link_id", p->link_id);
	json_end('}');
	json_end(']');
}

int cmd_replace(const struct options *opts, char **args)
{
	char *dir = strchr(args[0], '/') ? pin_dir_of(args[0]) : strdup(opts->pin_dir);
	const struct policy *p;
	struct policies all;
	struct object o = { };
	struct loadable *by = NULL;
	int err;

	if (!dir)
		return -1;
	pins_lock();
	err = policies_read(&all, dir);
	if (!err) {
		p = policies_find(&all, args[0]);
		err = !p || object_open(&o, args[1]) || replace(p, &o, &by, dir) ? -1 : 0;
	}
	if (!err)
		report(p, &o, by, opts->json);
	object_close(&o);
	policies_free(&all);
	free(dir);
	return err;
}
