// SPDX-License-Identifier: GPL-2.0
/*
 * planectl load: load an object, attach its policies, pin their links.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

static int name_pins(struct object *o, const char *pin_dir)
{
	size_t i;

	for (i = 0; i < o->nr; i++) {
		struct loadable *p = &o->policy[i];

		/* The kernel, and so bpftool, knows no more of the name. */
		if (asprintf(&p->pin, "%s/%.*s", pin_dir, BPF_OBJ_NAME_LEN - 1,
			     bpf_map__name(p->map)) < 0) {
			p->pin = NULL;
			return error("%s", strerror(errno));
		}
	}
	return 0;
}

static int explain_pinned(const struct object *o, const struct loadable *p)
{
	if (pin_is_detached(p->pin))
		return error("%s: %s of a detached policy is in the way (planectl unload)", o->path,
			     p->pin);
	if (pinned_link_id(p->pin) < 0)
		return error("%s: %s exists, and is not the pin of a policy", o->path, p->pin);
	return error("%s: already loaded: %s exists (planectl list; planectl replace)", o->path,
		     p->pin);
}

static int check_pins(const struct object *o)
{
	size_t i;

	for (i = 0; i < o->nr; i++)
		if (!access(o->policy[i].pin, F_OK))
			return explain_pinned(o, &o->policy[i]);
	return 0;
}

static int attach(struct object *o, struct loadable *p, const struct options *opts)
{
	int err;

	p->link = bpf_map__attach_struct_ops(p->map);
	if (!p->link)
		return explain_attach(o->path, p, errno);

	/* Someone who does not take the lock may have been faster than check_pins(). */
	err = pin_link(p->link, p->pin, opts);
	return err > 0 ? explain_pinned(o, p) : err;
}

/*
 * All or none: an object whose second policy is refused leaves nothing behind, nor
 * does one that is interrupted.
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
	/* The last one is not pinned. */
	for (i = err ? i - 1 : 0; i; i--)
		unlink(o->policy[i - 1].pin);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return err;
}

static int load(struct object *o, const struct options *opts)
{
	if (name_pins(o, opts->pin_dir) || pin_dir_make(opts->pin_dir) || check_pins(o))
		return -1;
	if (object_load(o))
		return -1;
	/* Whoever finds the policy is to find its maps. */
	if (!maps_pin(o->obj, opts) && !attach_all(o, opts))
		return 0;
	maps_unpin_all(o->obj, opts);
	return -1;
}

static void report(const struct object *o)
{
	size_t i;

	for (i = 0; i < o->nr; i++)
		printf("%s: loaded (ABI %u) from %s, pinned at %s\n", o->policy[i].name,
		       o->policy[i].abi, o->path, o->policy[i].pin);
}

static void report_json(const struct object *o)
{
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < o->nr; i++) {
		json_begin(NULL, '{');
		json_string("name", o->policy[i].name);
		json_uint("abi", o->policy[i].abi);
		json_string("file", o->path);
		json_string("pin", o->policy[i].pin);
		json_int("link_id", pinned_link_id(o->policy[i].pin));
		json_end('}');
	}
	json_end(']');
}

int cmd_load(const struct options *opts, char **args)
{
	struct object o;
	size_t i;
	int err;

	pins_lock();
	err = object_open(&o, args[0]) || load(&o, opts) ? -1 : 0;
	if (!err && opts->json)
		report_json(&o);
	else if (!err)
		report(&o);

	for (i = 0; i < o.nr; i++) {
		if (!err)
			pin_warn_unreachable(o.policy[i].pin);
		bpf_link__destroy(o.policy[i].link);
		free(o.policy[i].pin);
	}
	object_close(&o);
	return err;
}
