// SPDX-License-Identifier: GPL-2.0
/*
 * The maps of policies, by which VMMs choose things: pinned by their names in maps/ of
 * the directory that the policies are pinned in, for whom these are.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "planectl.h"

#define MAX_MAPS	64	/* as many as a program can use (MAX_USED_MAPS) */

/* Those of the object that are not its policies, nor its variables. */
static bool is_for_vmms(const struct bpf_map *map)
{
	return bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS && !bpf_map__is_internal(map) &&
	       bpf_map__fd(map) >= 0;
}

static char *maps_dir(const char *pin_dir)
{
	char *dir;

	return asprintf(&dir, "%s/maps", pin_dir) < 0 ? NULL : dir;
}

static char *map_pin(const char *dir, const char *name)
{
	char *pin;

	return asprintf(&pin, "%s/%s", dir, name) < 0 ? NULL : pin;
}

/* 0 if there is none */
static __u32 map_id(int fd)
{
	struct bpf_map_info info = { };
	__u32 len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static __u32 pinned_map_id(const char *pin)
{
	int fd = bpf_obj_get(pin);
	__u32 id = map_id(fd);

	if (fd >= 0)
		close(fd);
	return id;
}

/* What is there is of a policy that is gone, or of one that is replaced, for the same users. */
static int pin_in_place_of(int fd, const char *pin, const struct options *opts)
{
	struct options as_it_was = *opts;
	struct stat st;

	if (opts->mode < 0 && !stat(pin, &st)) {
		as_it_was.mode = st.st_mode & 0777;
		as_it_was.gid = st.st_gid;
	}
	unlink(pin);
	return pin_fd(fd, pin, &as_it_was);
}

static int pin_one(const struct bpf_map *map, const char *dir, const struct options *opts)
{
	char *pin = map_pin(dir, bpf_map__name(map));
	int fd = bpf_map__fd(map), err = 0;

	if (!pin)
		return error("%s", strerror(errno));
	if (pinned_map_id(pin) != map_id(fd))
		err = pin_in_place_of(fd, pin, opts);
	free(pin);
	return err;
}

/**
 * maps_pin - let VMMs get at the maps of a policy
 * @obj: the policy's object, loaded
 * @opts: where, and for whom
 */
int maps_pin(const struct bpf_object *obj, const struct options *opts)
{
	char *dir = maps_dir(opts->pin_dir);
	struct bpf_map *map;
	int err = 0;

	if (!dir)
		return error("%s", strerror(errno));
	bpf_object__for_each_map(map, obj)
		if (!err && is_for_vmms(map))
			err = pin_dir_make(dir) || pin_one(map, dir, opts) ? -1 : 0;
	free(dir);
	return err;
}

/* After maps_pin(), if the policy is not loaded after all. */
void maps_unpin_all(const struct bpf_object *obj, const struct options *opts)
{
	char *dir = maps_dir(opts->pin_dir), *pin;
	struct bpf_map *map;

	if (!dir)
		return;
	bpf_object__for_each_map(map, obj) {
		pin = is_for_vmms(map) ? map_pin(dir, bpf_map__name(map)) : NULL;
		if (pin)
			unlink(pin);
		free(pin);
	}
	rmdir(dir);	/* if it is empty */
	free(dir);
}

static bool prog_uses_map(__u32 prog, __u32 map)
{
	__u32 ids[MAX_MAPS] = { };
	struct bpf_prog_info info = { .map_ids = (unsigned long)ids, .nr_map_ids = MAX_MAPS };
	__u32 len = sizeof(info), i;
	int fd, err;

	fd = bpf_prog_get_fd_by_id(prog);
	if (fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	for (i = 0; !err && i < info.nr_map_ids && i < MAX_MAPS; i++)
		if (ids[i] == map)
			return true;
	return false;
}

static bool pin_is_of(const char *pin, const struct policy *p)
{
	__u32 map = pinned_map_id(pin);
	size_t i;

	for (i = 0; map && i < p->nr_ops; i++)
		if (prog_uses_map(p->progs[i], map))
			return true;
	return false;
}

/**
 * maps_unpin - remove the pins of the maps of a policy
 * @p: the policy, still loaded
 * @pin_dir: where they are
 */
void maps_unpin(const struct policy *p, const char *pin_dir)
{
	char *dir = maps_dir(pin_dir);
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *pin = e->d_type == DT_DIR ? NULL : map_pin(dir, e->d_name);

		if (pin && pin_is_of(pin, p))
			unlink(pin);
		free(pin);
	}
	if (d) {
		closedir(d);
		rmdir(dir);	/* if it is empty */
	}
	free(dir);
}
