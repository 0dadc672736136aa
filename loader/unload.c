// SPDX-License-Identifier: GPL-2.0
/*
 * planectl unload: remove the pins of a policy, see that it goes, and if it does
 * not, say who holds it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

/* The kernel lets go of a removed pin after a grace period of RCU, and from a worker. */
#define GONE_TRIES	200
#define GONE_WAIT_US	10000

static bool fdinfo_has_link(const char *path, __u32 link_id)
{
	bool found = false;
	char line[128];
	__u32 id;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "link_id: %u", &id) == 1 && id == link_id;
	fclose(f);
	return found;
}

static bool process_holds(const char *pid, __u32 link_id)
{
	char path[PATH_MAX];
	bool found = false;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, d->d_name);
		found = fdinfo_has_link(path, link_id);
	}
	closedir(dir);
	return found;
}

static void print_process(const char *pid)
{
	char path[PATH_MAX], comm[32] = "?";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (f) {
		if (fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
	}
	fprintf(stderr, "          held by process %s (%s)\n", pid, comm);
}

static void print_holders(__u32 link_id)
{
	struct dirent *d;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && process_holds(d->d_name, link_id))
			print_process(d->d_name);
	closedir(dir);
}

static bool is_called(const struct policy *p, const char *name)
{
	size_t i;

	if (!strcmp(p->name, name) || !strcmp(p->map_name, name))
		return true;
	for (i = 0; i < p->nr_pins; i++)
		if (!strcmp(strrchr(p->pins[i], '/') + 1, name))
			return true;
	return false;
}

static const struct policy *find_by_name(const struct policies *all, const char *name)
{
	const struct policy *found = NULL;
	size_t i;

	for (i = 0; i < all->nr; i++) {
		const struct policy *p = &all->policy[i];

		if (!is_called(p, name))
			continue;
		if (found) {
			error("several policies are called %s; name a pin (planectl list)", name);
			return NULL;
		}
		found = p;
	}
	if (!found && !check_support())
		error("no policy %s is loaded", name);
	return found;
}

static const struct policy *find_by_pin(const struct policies *all, const char *pin)
{
	int id = pinned_link_id(pin);
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (id > 0 && all->policy[i].link_id == (__u32)id)
			return &all->policy[i];

	if (id < 0 && errno == ENOENT)
		error("%s: %s", pin, strerror(errno));
	else
		error("%s: not the pin of a policy", pin);
	return NULL;
}

static int remove_pin(const char *pin)
{
	if (unlink(pin))
		return error("%s: %s", pin, strerror(errno));
	printf("removed %s\n", pin);
	return 0;
}

static int remove_pins(const struct policy *p, const char *pin_dir)
{
	size_t i;
	int err = 0;

	if (!p->nr_pins) {
		error("%s has no pin in %s", p->name, pin_dir);
		print_holders(p->link_id);
		return -1;
	}
	for (i = 0; !err && i < p->nr_pins; i++)
		err = remove_pin(p->pins[i]);
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
	if (!link_exists(p->link_id)) {
		printf("%s: unloaded\n", p->name);
		return 0;
	}
	error("%s: remains loaded as long as someone holds link %u (a pin elsewhere, or an fd)",
	      p->name, p->link_id);
	print_holders(p->link_id);
	return -1;
}

int cmd_unload(const struct options *opts, const char *policy)
{
	bool is_pin = strchr(policy, '/');
	const struct policy *p = NULL;
	struct policies all;
	int err;

	err = policies_read(&all, opts->pin_dir);
	if (!err) {
		p = is_pin ? find_by_pin(&all, policy) : find_by_name(&all, policy);
		err = !p;
	}
	if (!err)
		err = is_pin ? remove_pin(policy) : remove_pins(p, opts->pin_dir);
	if (!err)
		err = wait_gone(p);
	policies_free(&all);
	return err;
}
