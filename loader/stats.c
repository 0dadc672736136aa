// SPDX-License-Identifier: GPL-2.0
/*
 * planectl stats: show KVM's counters for each VM, once or repeatedly.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "planectl.h"

/* The counters of all VMs at one point in time */
struct sample {
	struct vms vms;
	double seconds;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int take(struct sample *s, const char *which)
{
	int err = vms_read(&s->vms, which, true);

	s->seconds = now();
	return err;
}

static const struct vm *find_vm(const struct vms *all, const char *id)
{
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (!strcmp(all->vm[i].id, id))
			return &all->vm[i];
	return NULL;
}

static __u64 value_in(const struct vm *vm, const char *name)
{
	size_t i;

	for (i = 0; i < vm->nr_counters; i++)
		if (!strcmp(vm->counter[i].name, name))
			return vm->counter[i].value;
	return 0;
}

/* A counter that is less than before was reset, or belongs to another VM of the same name. */
static double per_second(const struct counter *c, const struct vm *before, double seconds)
{
	__u64 old = value_in(before, c->name);

	return c->value < old || seconds <= 0 ? 0 : (c->value - old) / seconds;
}

static void print_vm(const struct vm *vm, const struct vm *before, double seconds)
{
	size_t i;

	printf("VM %s (%s), policy %s\n", vm->id, vm->command, *vm->policy ? vm->policy : "-");
	if (!vm->nr_counters)
		puts("  this kernel has no counters of planes");
	for (i = 0; i < vm->nr_counters; i++) {
		const struct counter *c = &vm->counter[i];

		printf("  %-32s %16llu", c->name, c->value);
		if (before)
			printf(" %14.1f/s", per_second(c, before, seconds));
		putchar('\n');
	}
}

static void print_vm_json(const struct vm *vm, const struct vm *before, double seconds)
{
	size_t i;

	json_begin(NULL, '{');
	vm_json(vm);
	json_begin("counters", '{');
	for (i = 0; i < vm->nr_counters; i++)
		json_uint(vm->counter[i].name, vm->counter[i].value);
	json_end('}');
	if (before) {
		json_begin("per_second", '{');
		for (i = 0; i < vm->nr_counters; i++)
			json_tenths(vm->counter[i].name,
				    per_second(&vm->counter[i], before, seconds));
		json_end('}');
	}
	json_end('}');
}

/* @before: the sample before this one, or NULL. It does not have VMs that are new. */
static void print(const struct sample *s, const struct sample *before, bool json)
{
	double seconds = before ? s->seconds - before->seconds : 0;
	size_t i;

	if (json)
		json_begin(NULL, '[');
	else if (!s->vms.nr)
		puts("no VM uses planes");
	for (i = 0; i < s->vms.nr; i++) {
		const struct vm *vm = &s->vms.vm[i];
		const struct vm *old = before ? find_vm(&before->vms, vm->id) : NULL;

		if (json)
			print_vm_json(vm, old, seconds);
		else
			print_vm(vm, old, seconds);
	}
	if (json)
		json_end(']');
	else if (before)
		putchar('\n');
	fflush(stdout);
}

/* The signals that end the wait are blocked, so none is missed. Returns false if one came. */
static bool wait_until(double when, const sigset_t *signals)
{
	struct timespec t;
	double left;

	while ((left = when - now()) > 0) {
		t.tv_sec = left;
		t.tv_nsec = (left - t.tv_sec) * 1e9;
		if (sigtimedwait(signals, NULL, &t) > 0)
			return false;
	}
	return true;
}

/* Print samples until a signal comes, or until the VM that was asked for is gone. */
static int watch(const struct options *opts, struct sample *before)
{
	struct sample s;
	sigset_t signals;
	int err;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	while (wait_until(before->seconds + opts->watch, &signals)) {
		err = take(&s, opts->vm);
		if (!err && (s.vms.nr || !opts->vm))
			print(&s, before, opts->json);
		vms_free(&before->vms);
		*before = s;
		if (err || (opts->vm && !s.vms.nr))
			return err;
	}
	return 0;
}

int cmd_stats(const struct options *opts, char **args)
{
	struct sample s;
	int err;

	(void)args;
	err = take(&s, opts->vm);
	if (!err && !s.vms.nr)
		err = explain_no_vm(&s.vms, opts->vm);
	if (!err && opts->watch)
		err = watch(opts, &s);
	else if (!err)
		print(&s, NULL, opts->json);
	vms_free(&s.vms);
	return err;
}
