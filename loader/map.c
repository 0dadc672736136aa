// SPDX-License-Identifier: GPL-2.0
/*
 * The maps that policies use. They are pinned by their names, in the directory maps/ beside the
 * tokens. All VMs share a map: a process that may write the map can do so for any VM, and can fill
 * or freeze the map. Therefore the pin is for root alone, until root gives it to others.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "planectl.h"

#define MAX_MAPS	64	/* as many as a program can use (MAX_USED_MAPS) */

/* Whether a map of the object is neither a policy nor holds variables of the program */
static bool is_to_pin(const struct bpf_map *map)
{
	return bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS && !bpf_map__is_internal(map) &&
	       bpf_map__autocreate(map);
}

/* The id of the map of an fd, 0 if it has none */
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

/* Put a new map in the place of the old policy's, for the same users. */
static int replace_pin(int fd, const char *pin, const struct stat *old)
{
	char *path = pin_prepare(fd, pin, old);
	int err = 0;

	if (!path)
		return -1;
	if (rename(path, pin)) {
		err = error("%s: %s", pin, strerror(errno));
		unlink(path);
	}
	free(path);
	return err;
}

/* @in_place: a pin that exists is of the policy that is replaced; else, of one that is gone. */
static int pin_one(const struct bpf_map *map, const char *dir, bool in_place)
{
	char *pin = pin_path(dir, bpf_map__name(map));
	int fd = bpf_map__fd(map), err;
	struct stat old;

	if (!pin)
		return -1;
	if (pinned_map_id(pin) == map_id(fd)) {
		err = 0;
	} else if (in_place && !stat(pin, &old)) {
		err = replace_pin(fd, pin, &old);
	} else {
		unlink(pin);
		err = pin_fd(fd, pin, 0600, NO_GROUP);
	}
	free(pin);
	return err;
}

/**
 * maps_pin - pin the maps of a policy
 * @obj: the policy's object, loaded
 * @pin_dir: the directory of the tokens
 * @in_place: the policy replaces another one, whose maps are pinned
 */
int maps_pin(const struct bpf_object *obj, const char *pin_dir, bool in_place)
{
	char *dir = pin_path(pin_dir, "maps");
	struct bpf_map *map;
	int err = 0;

	if (!dir)
		return -1;
	bpf_object__for_each_map(map, obj)
		if (!err && is_to_pin(map))
			err = pin_dir_make(dir, 0755) || pin_one(map, dir, in_place) ? -1 : 0;
	free(dir);
	return err;
}

/* Undo maps_pin(), if the policy could not be loaded after all. */
void maps_unpin_all(const struct bpf_object *obj, const char *pin_dir)
{
	char *dir = pin_path(pin_dir, "maps"), *pin;
	struct bpf_map *map;

	if (!dir)
		return;
	bpf_object__for_each_map(map, obj) {
		pin = is_to_pin(map) ? pin_path(dir, bpf_map__name(map)) : NULL;
		if (pin && pinned_map_id(pin) == map_id(bpf_map__fd(map)))
			unlink(pin);
		free(pin);
	}
	rmdir(dir);	/* fails unless it is empty */
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

static int check_map(const struct bpf_map *map, const char *dir, const struct policies *all)
{
	char *pin = pin_path(dir, bpf_map__name(map));
	size_t i;
	int err = 0;

	if (!pin)
		return -1;
	for (i = 0; !err && i < all->nr; i++)
		if (pin_is_of(pin, &all->policy[i]))
			err = error("%s exists, and is of the policy %s, which is loaded", pin,
				    all->policy[i].name);
	free(pin);
	return err;
}

/**
 * maps_check - check that the maps of a policy can be pinned
 * @obj: the policy's object
 * @pin_dir: the directory of the tokens
 *
 * A pin that belongs to no loaded policy is no obstacle: maps_pin() removes it.
 */
int maps_check(const struct bpf_object *obj, const char *pin_dir)
{
	char *dir = pin_path(pin_dir, "maps");
	struct policies all = { };
	struct bpf_map *map;
	int err;

	err = dir ? policies_read(&all, pin_dir) : -1;
	bpf_object__for_each_map(map, obj)
		if (!err && is_to_pin(map))
			err = check_map(map, dir, &all);
	policies_free(&all);
	free(dir);
	return err;
}

/**
 * maps_find - find the pins of the maps of a policy
 * @p: the policy, still loaded
 * @pin_dir: the directory of the tokens
 * @paths: set to the pins; the caller calls free_paths(), also on failure
 * @nr: set to their number
 */
int maps_find(const struct policy *p, const char *pin_dir, char ***paths, size_t *nr)
{
	char *dir = pin_path(pin_dir, "maps"), *pin;
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *e;
	int err = 0;

	*paths = NULL;
	*nr = 0;
	while (d && !err && (e = readdir(d))) {
		if (e->d_type == DT_DIR)
			continue;
		pin = pin_path(dir, e->d_name);
		if (pin && pin_is_of(pin, p))
			err = append_path(paths, nr, pin);
		else
			free(pin);
	}
	if (d)
		closedir(d);
	free(dir);
	return err;
}
