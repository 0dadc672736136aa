// SPDX-License-Identifier: GPL-2.0
/*
 * planectl unload: remove the pins of a policy's link and tokens, and wait until the policy is
 * gone. If it stays, say which processes hold it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

/* The kernel releases a removed pin after a grace period of RCU, in a worker. */
#define GONE_TRIES	200
#define GONE_WAIT_US	10000

static int remove_pin(const struct options *opts, const char *pin)
{
	if (unlink(pin))
		return error("%s: %s", pin, strerror(errno));
	if (!opts->json)
		printf("removed %s\n", pin);
	return 0;
}

/*
 * The link goes first. If planectl fails after that, a token is left that nobody can use and that
 * can be removed later. The other way round, a policy would be left that no new VM can use.
 */
static int remove_pins(const struct options *opts, const struct policy *p, const char *pin_dir)
{
	size_t i, nr_maps;
	char **maps;
	int err;

	if (!p->nr_link_pins && !p->nr_pins) {
		error("%s has no pin in %s", p->name, pin_dir);
		print_holders("link", p->link_id);
		return -1;
	}
	err = maps_find(p, pin_dir, &maps, &nr_maps);
	for (i = 0; !err && i < p->nr_link_pins; i++)
		err = remove_pin(opts, p->link_pins[i]);
	for (i = 0; !err && i < p->nr_pins; i++)
		err = remove_pin(opts, p->pins[i]);
	for (i = 0; !err && i < nr_maps; i++)
		unlink(maps[i]);
	free_paths(maps, nr_maps);
	return err;
}

/* Remove a directory if it is empty. */
static void remove_subdir(const char *pin_dir, const char *name)
{
	char *dir = pin_path(pin_dir, name);

	if (dir)
		rmdir(dir);
	free(dir);
}

/* The policy is gone, but the map that it was loaded from is not. */
static void explain_kept(const struct policy *p)
{
	error("note: %s stays in memory while someone holds map %u (a pin elsewhere, or an fd)",
	      p->name, p->map_id);
	print_holders("map", p->map_id);
}

/* The map goes last, after KVM has released the policy. Then its name is free again. */
static int wait_gone(const struct policy *p)
{
	bool link = false, map = false;
	int i;

	for (i = 0; i < GONE_TRIES; i++) {
		link = p->link_id && link_exists(p->link_id);
		map = p->map_id && map_exists(p->map_id);
		if (!link && !map)
			return 0;
		usleep(GONE_WAIT_US);
	}
	if (!link) {
		explain_kept(p);
		return 0;
	}
	error("%s: remains loaded as long as someone holds link %u (a pin elsewhere, or an fd)",
	      p->name, p->link_id);
	print_holders("link", p->link_id);
	fprintf(stderr, "          (bpftool link detach id %u takes it from KVM now)\n",
		p->link_id);
	return -1;
}

static void report(const struct options *opts, const struct policy *p)
{
	if (!opts->json) {
		printf("%s: unloaded\n", p->name);
		return;
	}
	json_begin(NULL, '[');
	json_begin(NULL, '{');
	json_string("name", p->name);
	json_uint("link_id", p->link_id);
	json_end('}');
	json_end(']');
}

static int unload(const struct options *opts, const char *what, const char *pin_dir)
{
	const struct policy *p;
	struct policies all;
	int err;

	err = policies_read(&all, pin_dir);
	p = err ? NULL : policies_find(&all, what);
	err = !p || remove_pins(opts, p, pin_dir) || wait_gone(p) ? -1 : 0;
	if (!err)
		report(opts, p);
	policies_free(&all);
	return err;
}

int cmd_unload(const struct options *opts, char **args)
{
	char *dir = strchr(args[0], '/') ? pin_dir_of(args[0]) : strdup(opts->pin_dir);
	int err = -1;

	pins_lock();
	if (dir)
		err = unload(opts, args[0], dir);
	if (!err) {
		remove_subdir(dir, "links");
		remove_subdir(dir, "maps");
	}
	free(dir);
	return err;
}
