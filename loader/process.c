// SPDX-License-Identifier: GPL-2.0
/*
 * Processes: their names, and the links and maps that they hold.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "planectl.h"

/**
 * process_command - the command of a process or thread, "?" if it is gone
 *
 * A process chooses its own name. Control characters in it must not reach a terminal, so they are
 * replaced.
 */
void process_command(const char *pid, char command[COMMAND_LEN])
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(command, COMMAND_LEN, "?");
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(command, COMMAND_LEN, f))
		command[strcspn(command, "\n")] = '\0';
	fclose(f);

	for (; *command; command++)
		if (!isprint((unsigned char)*command))
			*command = '?';
}

/* @key: "link_id" or "map_id" */
static bool fdinfo_has(const char *path, const char *key, __u32 wanted)
{
	size_t len = strlen(key);
	bool found = false;
	char line[128];
	__u32 id;
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, key, len) && sscanf(line + len, ": %u", &id) == 1 &&
			id == wanted;
	fclose(f);
	return found;
}

static bool process_holds(const char *pid, const char *key, __u32 id)
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
		found = fdinfo_has(path, key, id);
	}
	closedir(dir);
	return found;
}

/* Print the processes that have an fd of a "link" or a "map". A link counts as its map, too. */
void print_holders(const char *kind, __u32 id)
{
	char command[COMMAND_LEN], key[16];
	struct dirent *d;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return;
	snprintf(key, sizeof(key), "%s_id", kind);
	while ((d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !process_holds(d->d_name, key, id))
			continue;
		process_command(d->d_name, command);
		fprintf(stderr, "          held by process %s (%s)\n", d->d_name, command);
	}
	closedir(dir);
}
