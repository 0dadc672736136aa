// SPDX-License-Identifier: GPL-2.0
/*
 * planectl list: the policies that are loaded, for people and for programs.
 */
#include <stdio.h>
#include <string.h>

#include "planectl.h"

#define TIME_LEN	32

static const char *format_time(time_t t, const char *format, char *buf)
{
	struct tm tm;

	if (!t || !localtime_r(&t, &tm) || !strftime(buf, TIME_LEN, format, &tm))
		return "-";
	return buf;
}

static void print_names(const char *const *names, size_t nr, const char *none)
{
	size_t i;

	if (!nr)
		fputs(none, stdout);
	for (i = 0; i < nr; i++)
		printf("%s%s", i ? "," : "", names[i]);
}

/* The pin that VMMs open, or if there is none, the pin of the link, which keeps it loaded */
static const char *first_pin(const struct policy *p)
{
	if (p->nr_pins)
		return p->pins[0];
	return p->nr_link_pins ? p->link_pins[0] : "-";
}

static int pin_width(const struct policies *all)
{
	size_t width = strlen("PIN");
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (strlen(first_pin(&all->policy[i])) > width)
			width = strlen(first_pin(&all->policy[i]));
	return width;
}

static unsigned int count_users(const struct policy *p, const struct vms *vms)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < vms->nr; i++)
		n += !strcmp(vms->vm[i].policy, p->name);
	return n;
}

/* @vms: NULL if this process cannot see VMs */
static void print_table(const struct policies *all, const struct vms *vms)
{
	int width = pin_width(all);
	char when[TIME_LEN], users[16];
	size_t i;

	printf("%-16s %5s %5s %4s %5s %4s  %-19s  %-*s  %s\n", "NAME", "MAP", "LINK", "ABI", "UID",
	       "VMS", "LOADED", width, "PIN", "OPS");
	for (i = 0; i < all->nr; i++) {
		const struct policy *p = &all->policy[i];
		size_t j;

		if (!p->map_id) {
			printf("%-16s %5s %5u %4s %5s %4s  %-19s  %-*s  %s\n", p->name, "-",
			       p->link_id, "-", "-", "-", "-", width, first_pin(p),
			       p->link_id ? "(detached)" : "(removed)");
			continue;
		}
		snprintf(users, sizeof(users), "-");
		if (vms)
			snprintf(users, sizeof(users), "%u", count_users(p, vms));
		printf("%-16s %5u %5u %4u %5u %4s  %-19s  %-*s  ", p->name, p->map_id, p->link_id,
		       p->abi, p->uid, users,
		       format_time(p->loaded, "%F %T", when), width, first_pin(p));
		print_names(p->ops, p->nr_ops, "-");
		puts(p->stale ? " (stale pin: planectl replace)" : "");
		for (j = 1; j < p->nr_pins; j++)
			printf("%66s %s\n", "", p->pins[j]);
	}
}

static void print_json_strings(const char *key, const char *const *s, size_t nr)
{
	size_t i;

	json_begin(key, '[');
	for (i = 0; i < nr; i++)
		json_string(NULL, s[i]);
	json_end(']');
}

static void print_json(const struct policies *all, const struct vms *vms)
{
	char when[TIME_LEN];
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < all->nr; i++) {
		const struct policy *p = &all->policy[i];

		json_begin(NULL, '{');
		json_string("name", p->name);
		json_string("map", p->map_name);
		json_bool("detached", !p->map_id);
		json_bool("stale", p->stale);
		json_uint("map_id", p->map_id);
		json_uint("link_id", p->link_id);
		json_uint("abi", p->abi);
		json_uint("uid", p->uid);
		if (vms)
			json_uint("vms", count_users(p, vms));
		else
			json_null("vms");
		json_string("loaded", format_time(p->loaded, "%FT%T%z", when));
		print_json_strings("ops", p->ops, p->nr_ops);
		print_json_strings("pins", (const char *const *)p->pins, p->nr_pins);
		print_json_strings("link_pins", (const char *const *)p->link_pins,
				   p->nr_link_pins);
		json_end('}');
	}
	json_end(']');
}

static void print(const struct policies *all, const struct vms *vms, bool json)
{
	if (json)
		print_json(all, vms);
	else if (all->nr)
		print_table(all, vms);
	else
		puts("no policy is loaded");
}

int cmd_list(const struct options *opts, char **args)
{
	struct policies all;
	bool visible;
	struct vms vms = { };
	int err;

	(void)args;
	err = policies_read(&all, opts->pin_dir);
	if (!err && !all.nr)
		err = check_support();
	/* Show the policies even if VMs cannot be read; vms_read() has said why. */
	visible = !err && vms_visible() && !vms_read(&vms, NULL, false);
	if (!err)
		print(&all, visible ? &vms : NULL, opts->json);
	vms_free(&vms);
	policies_free(&all);
	return err;
}
