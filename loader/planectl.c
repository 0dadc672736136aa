// SPDX-License-Identifier: GPL-2.0
/*
 * planectl - load, list, watch, replace and unload plane-switch policies.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planectl.h"

#define EXIT_USAGE	2

/* @options: the options that the command takes, besides -v */
static const struct command {
	const char *name;
	int nr_args;
	const char *args;
	const char *options;
	bool privileged;
	int (*run)(const struct options *opts, char **args);
} commands[] = {
	{ "load",	1, "one policy",	"pmgj",	true,	cmd_load },
	{ "list",	0, "no argument",	"pj",	true,	cmd_list },
	{ "status",	0, "no argument",	"Mj",	false,	cmd_status },
	{ "stats",	0, "no argument",	"Mwj",	false,	cmd_stats },
	{ "replace",	2, "a policy and what to replace it by", "pj", true, cmd_replace },
	{ "unload",	1, "one policy",	"pj",	true,	cmd_unload },
	{ }
};

static const struct option longopts[] = {
	{ "pin",	required_argument,	NULL, 'p' },
	{ "mode",	required_argument,	NULL, 'm' },
	{ "group",	required_argument,	NULL, 'g' },
	{ "vm",		required_argument,	NULL, 'M' },
	{ "watch",	optional_argument,	NULL, 'w' },
	{ "json",	no_argument,		NULL, 'j' },
	{ "verbose",	no_argument,		NULL, 'v' },
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, 'V' },
	{ }
};

static const char usage[] =
	"Usage: planectl load POLICY | FILE.bpf.o [--mode MODE] [--group GROUP]\n"
	"       planectl list\n"
	"       planectl status [--vm PID[-FD]]\n"
	"       planectl stats [--vm PID[-FD]] [--watch [SECONDS]]\n"
	"       planectl replace NAME | PIN POLICY | FILE.bpf.o\n"
	"       planectl unload NAME | PIN\n"
	"\n"
	"Policies decide in the kernel which plane of a virtual machine runs. They are BPF\n"
	"programs (struct_ops kvm_plane_ops) that KVM calls on exits that can mean \"switch\".\n"
	"\n"
	"  load     loads a policy and pins its link, for root, and its token, which a VMM opens\n"
	"           to opt in. planectl looks for POLICY.bpf.o in $PLANECTL_PATH (directories,\n"
	"           separated by colons), then in ../bpf and ../lib/planeswitch of its own\n"
	"           directory.\n"
	"  list     shows the policies that are loaded, by planectl or by others.\n"
	"  status   shows the VMs that use planes, their policies, and why a policy was ejected.\n"
	"  stats    shows KVM's counters for these VMs.\n"
	"  replace  puts another policy of the same name in place of one that is loaded. VMs that\n"
	"           use it go on with the new one.\n"
	"  unload   removes the pins of a policy in DIR, or in the directory of PIN. The policy\n"
	"           is gone when no process and no other pin holds its link.\n"
	"\n"
	"  -p, --pin DIR          the directory of pins (default: " PIN_DIR ")\n"
	"  -m, --mode MODE        the mode of the token's pin (default: 600; with --group, 660)\n"
	"  -g, --group GROUP      the group of the token's pin\n"
	"      --vm PID[-FD]      show only the VMs of this process, or the one with this fd there\n"
	"  -w, --watch [SECONDS]  print again every SECONDS (1), with the changes per second\n"
	"  -j, --json             print JSON\n"
	"  -v, --verbose          show the messages of libbpf, and the whole log of the verifier;\n"
	"                         given twice, show more\n"
	"  -h, --help             show this\n"
	"  -V, --version          show versions\n"
	"\n"
	"Exit status: 0 on success, 1 on failure, 2 on wrong usage.\n";

static int misused(const char *fmt, const char *a, const char *b)
{
	error(fmt, a, b);
	fputs("Try planectl --help.\n", stderr);
	return EXIT_USAGE;
}

static int version(void)
{
	printf("planectl 0.1 (policy ABI %d, libbpf %s)\n", KVM_PLANE_ABI, libbpf_version_string());
	return EXIT_SUCCESS;
}

static int help(void)
{
	fputs(usage, stdout);
	return EXIT_SUCCESS;
}

static const char *option_name(int letter)
{
	const struct option *o = longopts;

	while (o->name && o->val != letter)
		o++;
	return o->name;
}

/* @given: the letters of the options on the command line */
static int run(const struct options *opts, const char *given, int argc, char **argv)
{
	const struct command *cmd = commands;

	while (cmd->name && strcmp(argv[0], cmd->name))
		cmd++;
	if (!cmd->name)
		return misused("no command \"%s\"%s", argv[0], "");

	given += strspn(given, cmd->options);
	if (*given)
		return misused("%s takes no --%s", cmd->name, option_name(*given));
	if (argc - 1 != cmd->nr_args)
		return misused("%s takes %s", cmd->name, cmd->args);
	if (cmd->privileged && check_privileges(cmd->name))
		return EXIT_FAILURE;

	return cmd->run(opts, argv + 1) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int parse_seconds(const char *arg, double *seconds)
{
	char *end;

	*seconds = strtod(arg, &end);
	if (end == arg || *end || !(*seconds >= 0.1 && *seconds <= 86400))
		return error("--watch %s: not a number of seconds from 0.1 to 86400", arg);
	return 0;
}

/* The argument of --watch may be left out. The next word is the argument only if it is a number. */
static const char *watch_arg(int argc, char **argv)
{
	if (optarg)
		return optarg;
	if (optind < argc && isdigit((unsigned char)*argv[optind]))
		return argv[optind++];
	return "1";
}

static int parse_option(struct options *opts, int opt, int argc, char **argv)
{
	switch (opt) {
	case 'p':
		opts->pin_dir = optarg;
		return 0;
	case 'm':
		return pin_parse_mode(optarg, &opts->mode);
	case 'g':
		return pin_parse_group(optarg, &opts->gid);
	case 'M':
		opts->vm = optarg;
		return 0;
	case 'w':
		return parse_seconds(watch_arg(argc, argv), &opts->watch);
	case 'j':
		opts->json = true;
		return 0;
	default:
		fputs("Try planectl --help.\n", stderr);
		return -1;
	}
}

int main(int argc, char **argv)
{
	struct options opts = { .pin_dir = PIN_DIR, .mode = -1, .gid = NO_GROUP };
	char given[16] = "";
	int verbose = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "p:m:g:w::jvhV", longopts, NULL)) != -1) {
		if (opt == 'h')
			return help();
		if (opt == 'V')
			return version();
		if (opt == 'v') {
			verbose++;
			continue;
		}
		if (parse_option(&opts, opt, argc, argv))
			return EXIT_USAGE;
		if (!strchr(given, opt))
			given[strlen(given)] = opt;
	}
	/* A pin is given to a group so that the group can use it. */
	if (opts.gid != NO_GROUP && opts.mode < 0)
		opts.mode = 0660;

	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[optind], "help"))
		return help();

	libbpf_listen(verbose);
	return run(&opts, given, argc - optind, argv + optind);
}
