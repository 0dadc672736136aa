// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: the directory they are in, and who may open them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "planectl.h"

#define BPFFS		"/sys/fs/bpf"
#define LOCK		"/run/planectl.lock"

/**
 * pins_lock - let those who load, replace and unload take turns
 *
 * Else unload might remove the pin of a policy that was loaded meanwhile. The lock is
 * held until the process ends. Who may not have it is left to the kernel, which
 * keeps each step whole, and to refuse what this process may not do.
 */
void pins_lock(void)
{
	int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0)
		while (flock(fd, LOCK_EX) && errno == EINTR)
			;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Others may look into it: each pin says who may use it. */
static int mount_bpffs(void)
{
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return error("no BPF file system is mounted, and mounting one at " BPFFS
			     " failed: %s (mount -t bpf none " BPFFS ")", strerror(errno));
	fputs("planectl: mounted a BPF file system at " BPFFS "\n", stderr);
	return 0;
}

static int make_in(const char *parent, const char *dir)
{
	if (!strcmp(parent, BPFFS) && !is_bpffs(parent) && mount_bpffs())
		return -1;
	if (access(parent, F_OK))
		return error("%s: %s", parent, strerror(errno));
	if (!is_bpffs(access(dir, F_OK) ? parent : dir))
		return error("%s is not in a BPF file system (mount -t bpf none " BPFFS ")", dir);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return error("%s: %s", dir, strerror(errno));
	return 0;
}

/* Have the directory, and the file system that it is in. */
int pin_dir_make(const char *dir)
{
	char *copy = strdup(dir);
	int err;

	if (!copy)
		return error("%s", strerror(errno));
	err = make_in(dirname(copy), dir);
	free(copy);
	return err;
}

/* "660" */
int pin_parse_mode(const char *arg, int *mode)
{
	char *end;
	long l = strtol(arg, &end, 8);

	if (!*arg || *end || l < 0 || l > 0777)
		return error("--mode %s: not a mode such as 660", arg);
	*mode = l;
	return 0;
}

/* A name, or a number */
int pin_parse_group(const char *arg, gid_t *gid)
{
	struct group *group = getgrnam(arg);
	char *end;
	long l;

	if (group) {
		*gid = group->gr_gid;
		return 0;
	}
	l = strtol(arg, &end, 10);
	if (!*arg || *end || l < 0 || l >= UINT_MAX)
		return error("--group %s: no such group", arg);
	*gid = l;
	return 0;
}

static int set_access(const char *pin, const struct options *opts)
{
	/* The group first: it may not have what was meant for another one. */
	if (opts->gid != NO_GROUP && chown(pin, -1, opts->gid))
		return error("%s: cannot set the group: %s", pin, strerror(errno));
	if (opts->mode >= 0 && chmod(pin, opts->mode))
		return error("%s: cannot set the mode: %s", pin, strerror(errno));
	return 0;
}

/**
 * pin_link - pin a link, with mode and group as asked for
 *
 * On failure it is not pinned. Returns 1 if something is there already, of which nothing
 * has been said.
 */
int pin_link(struct bpf_link *link, const char *pin, const struct options *opts)
{
	int err = bpf_link__pin(link, pin);

	if (err == -EEXIST)
		return 1;
	if (err)
		return error("%s: cannot pin: %s", pin, strerror(-err));
	if (!set_access(pin, opts))
		return 0;
	unlink(pin);
	return -1;
}

/* The same of anything else that can be pinned, and nothing is there. */
int pin_fd(int fd, const char *pin, const struct options *opts)
{
	if (bpf_obj_pin(fd, pin))
		return error("%s: cannot pin: %s", pin, strerror(errno));
	if (!set_access(pin, opts))
		return 0;
	unlink(pin);
	return -1;
}

static bool can_search(const struct stat *dir, const struct stat *pin)
{
	if (pin->st_mode & 0007)
		return dir->st_mode & 0001;
	return dir->st_mode & (dir->st_gid == pin->st_gid ? 0010 : 0001);
}

/* systemd mounts /sys/fs/bpf such that only root gets to what is in it. */
void pin_warn_unreachable(const char *pin)
{
	struct stat of_pin, of_dir;
	char path[PATH_MAX], *dir = path;

	if (stat(pin, &of_pin) || !(of_pin.st_mode & 0077))
		return;
	snprintf(path, sizeof(path), "%s", pin);
	do {
		dir = dirname(dir);
		if (!stat(dir, &of_dir) && !can_search(&of_dir, &of_pin))
			error("warning: not all who may open %s get there: %s has mode %03o",
			      pin, dir, of_dir.st_mode & 0777);
	} while (strcmp(dir, "/") && strcmp(dir, "."));
}
