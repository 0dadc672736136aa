// SPDX-License-Identifier: GPL-2.0
/*
 * planectl load: load an object and attach its policies. The links are pinned for root, and the
 * tokens for VMMs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

static int name_pins(struct object *o, const char *pin_dir, const char *link_dir)
{
	char name[BPF_OBJ_NAME_LEN];
	size_t i;

	for (i = 0; i < o->nr; i++) {
		struct loadable *p = &o->policy[i];

		/* The kernel, and therefore bpftool, knows only so much of the name. */
		snprintf(name, sizeof(name), "%s", bpf_map__name(p->map));
		p->token_pin = pin_path(pin_dir, name);
		p->link_pin = pin_path(link_dir, name);
		if (!p->token_pin || !p->link_pin)
			return -1;
	}
	return 0;
}

static int explain_pinned(const struct object *o, const char *path)
{
	struct pin pin;

	if (pin_read(path, &pin))
		return error("%s: %s exists, and is not the pin of a policy", o->path, path);
	if (!pin.map_id)
		return error("%s: %s of a detached policy is in the way (planectl unload)", o->path,
			     path);
	if (!pin.link_id)
		return error("%s: %s of a policy that was removed is in the way (planectl unload)",
			     o->path, path);
	return error("%s: already loaded: %s exists (planectl list; planectl replace)", o->path,
		     path);
}

static int check_pins(const struct object *o)
{
	size_t i;

	for (i = 0; i < o->nr; i++) {
		const struct loadable *p = &o->policy[i];

		if (!access(p->token_pin, F_OK))
			return explain_pinned(o, p->token_pin);
		if (!access(p->link_pin, F_OK))
			return explain_pinned(o, p->link_pin);
	}
	return 0;
}

/* The link is root's. The token is pinned last: a VMM that finds it can opt in. */
static int attach(struct object *o, struct loadable *p, const struct options *opts)
{
	int err;

	p->link = bpf_map__attach_struct_ops(p->map);
	if (!p->link)
		return explain_attach(o->path, p, errno);

	/* A process that does not take the lock may have made the pin since check_pins(). */
	err = pin_fd(bpf_link__fd(p->link), p->link_pin, 0600, NO_GROUP);
	if (err)
		return err > 0 ? explain_pinned(o, p->link_pin) : err;
	err = pin_fd(bpf_map__fd(p->map), p->token_pin, opts->mode, opts->gid);
	if (!err)
		return 0;
	unlink(p->link_pin);
	return err > 0 ? explain_pinned(o, p->token_pin) : err;
}

/*
 * Attach all policies or none: if the second one is refused, or if planectl is interrupted, nothing
 * is left behind.
 */
static int attach_all(struct object *o, const struct options *opts)
{
	sigset_t all, old;
	size_t i;
	int err = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	for (i = 0; !err && i < o->nr; i++)
		err = attach(o, &o->policy[i], opts);
	/* attach() has undone the pins of the policy that failed. */
	for (i = err ? i - 1 : 0; i; i--) {
		unlink(o->policy[i - 1].token_pin);
		unlink(o->policy[i - 1].link_pin);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return err;
}

static int load(struct object *o, const struct options *opts, const char *link_dir)
{
	if (name_pins(o, opts->pin_dir, link_dir) || pin_dir_make(opts->pin_dir, 0755) ||
	    pin_dir_make(link_dir, 0700) || check_pins(o))
		return -1;
	if (maps_check(o->obj, opts->pin_dir) || object_load(o))
		return -1;
	/* A process that finds the policy must find its maps. */
	if (!maps_pin(o->obj, opts->pin_dir, false) && !attach_all(o, opts))
		return 0;
	maps_unpin_all(o->obj, opts->pin_dir);
	return -1;
}

static void report(const struct object *o)
{
	size_t i;

	for (i = 0; i < o->nr; i++)
		printf("%s: loaded (ABI %u) from %s, pinned at %s\n", o->policy[i].name,
		       o->policy[i].abi, o->path, o->policy[i].token_pin);
}

static void report_json(const struct object *o)
{
	struct pin pin;
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < o->nr; i++) {
		json_begin(NULL, '{');
		json_string("name", o->policy[i].name);
		json_uint("abi", o->policy[i].abi);
		json_string("file", o->path);
		json_string("pin", o->policy[i].token_pin);
		json_string("link_pin", o->policy[i].link_pin);
		json_uint("link_id", pin_read(o->policy[i].link_pin, &pin) ? 0 : pin.link_id);
		json_end('}');
	}
	json_end(']');
}

int cmd_load(const struct options *opts, char **args)
{
	char *link_dir = pin_path(opts->pin_dir, "links");
	struct object o;
	size_t i;
	int err;

	if (!link_dir)
		return -1;
	pins_lock();
	err = object_open(&o, args[0]) || load(&o, opts, link_dir) ? -1 : 0;
	if (!err && opts->json)
		report_json(&o);
	else if (!err)
		report(&o);
	if (err)
		rmdir(link_dir);	/* fails unless it is empty */

	for (i = 0; i < o.nr; i++) {
		if (!err)
			pin_warn_unreachable(o.policy[i].token_pin);
		bpf_link__destroy(o.policy[i].link);
		free(o.policy[i].token_pin);
		free(o.policy[i].link_pin);
	}
	object_close(&o);
	free(link_dir);
	return err;
}
