// SPDX-License-Identifier: GPL-2.0
/*
 * The VMs that use planes, as KVM shows them in debugfs. The directory kvm/<pid>-<fd>/ is a VM. Its
 * file plane_policy says who switches its planes, and its other files plane_* are counters.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "planectl.h"

#define DEBUGFS		"/sys/kernel/debug"
#define KVM_DIR		DEBUGFS "/kvm"

static FILE *open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !f)
		close(fd);
	return f;
}

/* Read a line of plane_policy, "key: value". Unknown keys are ignored. */
static void read_line(struct vm *vm, const char *line)
{
	const char *value = strchr(line, ':');

	if (!value)
		return;
	value += 1 + (value[1] == ' ');
	if (!strncmp(line, "policy:", 7) && strcmp(value, "none"))
		snprintf(vm->policy, sizeof(vm->policy), "%s", value);
	else if (!strncmp(line, "switches:", 9))
		vm->switches = strtoull(value, NULL, 10);
	else if (!strncmp(line, "eject_kind:", 11))
		vm->eject_kind = strtoul(value, NULL, 10);
	else if (!strncmp(line, "eject_code:", 11))
		vm->eject_code = strtoll(value, NULL, 10);
	else if (!strncmp(line, "eject_message:", 14))
		snprintf(vm->eject_message, sizeof(vm->eject_message), "%s", value);
}

/* Returns an errno: ENOENT if the VM has not used planes. */
static int read_policy(struct vm *vm, int dir)
{
	char line[256];
	FILE *f;

	f = open_file(dir, "plane_policy");
	if (!f)
		return errno;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		read_line(vm, line);
	}
	fclose(f);
	return 0;
}

/* Returns an errno. A file called plane_* need not be a number; then it is ignored. */
static int read_counter(struct vm *vm, int dir, const char *name)
{
	unsigned long long value;
	struct counter *more;
	FILE *f;
	int n;

	f = open_file(dir, name);
	if (!f)
		return errno;
	n = fscanf(f, "%llu", &value);
	fclose(f);
	if (n != 1)
		return 0;

	more = append(vm->counter, &vm->nr_counters, sizeof(*more));
	if (!more)
		return errno;
	vm->counter = more;
	more += vm->nr_counters - 1;
	snprintf(more->name, sizeof(more->name), "%.*s", (int)sizeof(more->name) - 1, name);
	more->value = value;
	return 0;
}

static int compare_counters(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

/* Closes @fd. */
static int read_counters(struct vm *vm, int fd)
{
	struct dirent *d;
	int err = 0;
	DIR *dir;

	dir = fdopendir(fd);
	if (!dir) {
		err = errno;
		close(fd);
		return err;
	}
	while (!err && (d = readdir(dir)))
		if (!strncmp(d->d_name, "plane_", strlen("plane_")))
			err = read_counter(vm, dirfd(dir), d->d_name);
	closedir(dir);
	if (vm->nr_counters)
		qsort(vm->counter, vm->nr_counters, sizeof(*vm->counter), compare_counters);
	return err;
}

static bool is_wanted(const struct vm *vm, const char *which)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", vm->pid);
	return !which || !strcmp(which, vm->id) || !strcmp(which, pid);
}

static int explain_read(const struct vm *vm, int err)
{
	if (err == EPERM)
		return error(KVM_DIR "/%s: the kernel is locked down (Secure Boot?)", vm->id);
	return error(KVM_DIR "/%s: %s", vm->id, strerror(err));
}

/* A VM may go away at any time, so that its files cannot be opened. That is not an error. */
static int add_vm(struct vms *all, int kvm_dir, const struct vm *found, bool counters)
{
	struct vm vm = *found, *more;
	char pid[16];
	int dir, err;

	dir = openat(kvm_dir, vm.id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? errno : read_policy(&vm, dir);
	if (!err && counters)
		err = read_counters(&vm, dir);
	else if (dir >= 0)
		close(dir);

	more = err ? NULL : append(all->vm, &all->nr, sizeof(*more));
	if (!more) {
		if (!err)
			err = errno;
		free(vm.counter);
		return err == ENOENT || err == EIO ? 0 : explain_read(&vm, err);
	}

	snprintf(pid, sizeof(pid), "%d", vm.pid);
	process_command(pid, vm.command);
	all->vm = more;
	more[all->nr - 1] = vm;
	return 0;
}

static int compare_vms(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;

	return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) : x->fd - y->fd;
}

static int read_dir(struct vms *all, DIR *dir, const char *which, bool counters)
{
	struct dirent *d;
	int err = 0;

	while (!err && (d = readdir(dir))) {
		struct vm vm = { };
		char rest;

		if (sscanf(d->d_name, "%d-%d%c", &vm.pid, &vm.fd, &rest) != 2)
			continue;
		snprintf(vm.id, sizeof(vm.id), "%d-%d", vm.pid, vm.fd);
		if (!is_wanted(&vm, which))
			continue;
		all->seen++;
		err = add_vm(all, dirfd(dir), &vm, counters);
	}
	if (all->nr)
		qsort(all->vm, all->nr, sizeof(*all->vm), compare_vms);
	return err;
}

static bool is_debugfs(void)
{
	struct statfs fs;

	return !statfs(DEBUGFS, &fs) && fs.f_type == DEBUGFS_MAGIC;
}

/* False if the kernel has no debugfs, or does not allow to mount it. */
static bool can_mount_debugfs(void)
{
	FILE *f = fopen("/proc/filesystems", "re");
	bool found = false;
	char line[64];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "\tdebugfs\n");
	if (f)
		fclose(f);
	return found;
}

static int explain_dir(int err)
{
	if (!is_debugfs() && !can_mount_debugfs())
		return error("this kernel has no debugfs, where VMs are shown (debugfs=off?)");
	if (!is_debugfs())
		return error("debugfs is not mounted (mount -t debugfs none " DEBUGFS ")");
	if (err == EACCES)
		return error(KVM_DIR ": permission denied: root is needed");
	return check_support() ? -1 : error(KVM_DIR ": %s", strerror(err));
}

/* Whether this process can see VMs */
bool vms_visible(void)
{
	return is_debugfs() && !access(KVM_DIR, R_OK | X_OK);
}

/**
 * vms_read - find the VMs that use planes
 * @all: filled in, in order; the caller calls vms_free(), also on failure
 * @which: PID or PID-FD to read only these VMs, or NULL
 * @counters: whether to read counters, which a kernel that is locked down does not allow
 */
int vms_read(struct vms *all, const char *which, bool counters)
{
	DIR *dir;
	int err;

	memset(all, 0, sizeof(*all));
	dir = opendir(KVM_DIR);
	if (!dir)
		return explain_dir(errno);
	err = read_dir(all, dir, which, counters);
	closedir(dir);
	return err;
}

void vms_free(struct vms *all)
{
	size_t i;

	for (i = 0; i < all->nr; i++)
		free(all->vm[i].counter);
	free(all->vm);
}

/* Say why vms_read() found no VM. Returns 0 if that is not an error. */
int explain_no_vm(const struct vms *all, const char *which)
{
	if (check_support())
		return -1;
	if (!which)
		return 0;
	if (all->seen)
		return error("VM %s does not use planes", which);
	return error("no VM %s (planectl status shows those that use planes)", which);
}

/* Print the members of a JSON object that identify a VM. */
void vm_json(const struct vm *vm)
{
	json_string("vm", vm->id);
	json_int("pid", vm->pid);
	json_int("fd", vm->fd);
	json_string("command", vm->command);
	json_string("policy", *vm->policy ? vm->policy : NULL);
}
