// SPDX-License-Identifier: GPL-2.0
/*
 * planectl unload: remove the pins of a policy, see that it goes, and if it does
 * not, say who holds it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

/* The kernel lets go of a removed pin after a grace period of RCU, and from a worker. */
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

static int remove_pins(const struct options *opts, const struct policy *p)
{
	size_t i;
	int err = 0;

	maps_unpin(p, opts->pin_dir);
	if (!p->nr_pins) {
		error("%s has no pin in %s", p->name, opts->pin_dir);
		print_holders(p->link_id);
		return -1;
	}
	for (i = 0; !err && i < p->nr_pins; i++)
		err = remove_pin(opts, p->pins[i]);
	return err;
}

/* The map goes last, after the policy was taken from KVM: then its name is free again. */
static int wait_gone(const struct policy *p)
{
	int i;

	for (i = 0; i < GONE_TRIES; i++) {
		if (!link_exists(p->link_id) && !(p->map_id && map_exists(p->map_id)))
			break;
		usleep(GONE_WAIT_US);
	}
	if (!link_exists(p->link_id))
		return 0;
	error("%s: remains loaded as long as someone holds link %u (a pin elsewhere, or an fd)",
	      p->name, p->link_id);
	print_holders(p->link_id);
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

int cmd_unload(const struct options *opts, char **args)
{
	const struct policy *p;
	struct policies all;
	int err;

	pins_lock();
	err = policies_read(&all, opts->pin_dir);
	p = err ? NULL : policies_find(&all, args[0]);
	if (!p)
		err = -1;
	else if (strchr(args[0], '/'))
		err = remove_pin(opts, args[0]);
	else
		err = remove_pins(opts, p);
	if (!err)
		err = wait_gone(p);
	if (!err)
		report(opts, p);
	policies_free(&all);
	return err;
}
