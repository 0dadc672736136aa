// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: the directories they are in, and who may open them.
 *
 * DIR/NAME is the token of a policy, its struct_ops map, which a VMM opens to opt in. The mode and
 * the group of this pin say which VMMs may do so. DIR/links/NAME is the link, which keeps the
 * policy in force; a process that can open it can remove the policy, so it is for root alone.
 * DIR/maps/NAME is a map that the policy uses.
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
 * pins_lock - make processes that load, replace and unload take turns
 *
 * Otherwise unload might remove the pin of a policy that was loaded in the meantime. The lock is
 * held until the process ends. A process that may not take the lock goes on without it: the kernel
 * refuses what it may not do, and keeps each step whole.
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

/* Everybody may look into the file system: the mode of each pin says who may use it. */
static int mount_bpffs(void)
{
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return error("no BPF file system is mounted, and mounting one at " BPFFS
			     " failed: %s (mount -t bpf none " BPFFS ")", strerror(errno));
	fputs("planectl: mounted a BPF file system at " BPFFS "\n", stderr);
	return 0;
}

static int make_in(const char *parent, const char *dir, mode_t mode)
{
	if (!strcmp(parent, BPFFS) && !is_bpffs(parent) && mount_bpffs())
		return -1;
	if (access(parent, F_OK))
		return error("%s: %s", parent, strerror(errno));
	if (!is_bpffs(access(dir, F_OK) ? parent : dir))
		return error("%s is not in a BPF file system (mount -t bpf none " BPFFS ")", dir);
	if (mkdir(dir, mode) && errno != EEXIST)
		return error("%s: %s", dir, strerror(errno));
	return 0;
}

/* Make the directory, and mount the file system that it is in if it is missing. */
int pin_dir_make(const char *dir, mode_t mode)
{
	char *copy = strdup(dir);
	int err;

	if (!copy)
		return error("%s", strerror(errno));
	err = make_in(dirname(copy), dir, mode);
	free(copy);
	return err;
}

/* Returns a path to be freed; NULL, with a message, if there is no memory. */
char *pin_path(const char *dir, const char *name)
{
	char *pin;

	if (asprintf(&pin, "%s/%s", dir, name) >= 0)
		return pin;
	error("%s", strerror(errno));
	return NULL;
}

/* The directory of the tokens, from the pin of a token or of a link. Returns as pin_path() does. */
char *pin_dir_of(const char *pin)
{
	char *dir = strdup(pin), *slash;

	if (!dir) {
		error("%s", strerror(errno));
		return NULL;
	}
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
	slash = strrchr(dir, '/');
	if (slash && slash != dir && !strcmp(slash, "/links"))
		*slash = '\0';
	return dir;
}

/* Parse an octal mode such as "660". */
int pin_parse_mode(const char *arg, int *mode)
{
	char *end;
	long l = strtol(arg, &end, 8);

	if (!*arg || *end || l < 0 || l > 0777)
		return error("--mode %s: not a mode such as 660", arg);
	*mode = l;
	return 0;
}

/* Parse the name or the number of a group. */
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

static int set_access(const char *pin, int mode, uid_t uid, gid_t gid)
{
	/* The group goes first: the mode is not meant for the group that the pin has now. */
	if ((uid != (uid_t)-1 || gid != NO_GROUP) && chown(pin, uid, gid))
		return error("%s: cannot set the group: %s", pin, strerror(errno));
	if (mode >= 0 && chmod(pin, mode))
		return error("%s: cannot set the mode: %s", pin, strerror(errno));
	return 0;
}

/**
 * pin_fd - pin a link or a map
 * @fd: an fd of the link or the map
 * @pin: the path of the pin
 * @mode: the mode of the pin; -1: only the owner may open it
 * @gid: the group of the pin; NO_GROUP: the group of this process
 *
 * On failure nothing is pinned. Returns 1, without a message, if the path exists already.
 */
int pin_fd(int fd, const char *pin, int mode, gid_t gid)
{
	if (bpf_obj_pin(fd, pin))
		return errno == EEXIST ? 1 : error("%s: cannot pin: %s", pin, strerror(errno));
	if (!set_access(pin, mode, -1, gid))
		return 0;
	unlink(pin);
	return -1;
}

/**
 * pin_prepare - pin a map beside another pin, to take its place
 * @fd: an fd of the map
 * @pin: the path of the other pin
 * @like: the mode and owners of the new pin
 *
 * Returns the path of the new pin, to be renamed to @pin and freed; NULL on failure.
 */
char *pin_prepare(int fd, const char *pin, const struct stat *like)
{
	char *path;

	/* Names in a BPF file system cannot have a dot. */
	if (asprintf(&path, "%s~", pin) < 0) {
		error("%s", strerror(errno));
		return NULL;
	}
	/* A process that was killed may have left one. */
	unlink(path);
	if (bpf_obj_pin(fd, path)) {
		error("%s: cannot pin: %s", path, strerror(errno));
		free(path);
		return NULL;
	}
	if (!set_access(path, like->st_mode & 0777, like->st_uid, like->st_gid))
		return path;
	unlink(path);
	free(path);
	return NULL;
}

static bool can_search(const struct stat *dir, const struct stat *pin)
{
	if (pin->st_mode & 0007)
		return dir->st_mode & 0001;
	return dir->st_mode & (dir->st_gid == pin->st_gid ? 0010 : 0001);
}

/* systemd mounts /sys/fs/bpf in such a way that only root can reach the pins in it. */
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
