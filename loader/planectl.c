// SPDX-License-Identifier: GPL-2.0
/*
 * planectl - load, list and unload plane-switch policies.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planectl.h"

#define EXIT_USAGE	2

static const struct command {
	const char *name;
	const char *arg;
	int (*run)(const struct options *opts, char **args);
} commands[] = {
	{ "load",	"policy",	cmd_load },
	{ "list",	NULL,		cmd_list },
	{ "unload",	"policy",	cmd_unload },
	{ }
};

static const char usage[] =
	"Usage: planectl [options] load POLICY | FILE.bpf.o\n"
	"       planectl [options] list\n"
	"       planectl [options] unload POLICY | PIN\n"
	"\n"
	"Policies decide in the kernel which plane of a virtual machine runs: KVM calls them\n"
	"on the exits that can mean \"switch\". They are BPF programs (struct_ops kvm_plane_ops).\n"
	"\n"
	"  load     loads a policy and pins its link, which a VMM opens to opt in. A POLICY is\n"
	"           looked for as POLICY.bpf.o in $PLANECTL_PATH (directories, with colons in\n"
	"           between), in ../bpf of the directory of planectl, in /usr/lib/planeswitch.\n"
	"  list     shows the policies that are loaded, whoever loaded them.\n"
	"  unload   removes the pins of a policy in DIR, or just PIN. The policy is gone when\n"
	"           no one holds its link any more.\n"
	"\n"
	"  -p, --pin DIR    where pins are (default: " PIN_DIR ")\n"
	"  -j, --json       print JSON\n"
	"  -v, --verbose    show what libbpf says, and the whole log of the verifier;\n"
	"                   twice, show more\n"
	"  -h, --help       show this\n"
	"  -V, --version    show versions\n"
	"\n"
	"Status: 0, or 1 on failure, or 2 on wrong usage.\n";

static int misused(const char *fmt, const char *arg)
{
	error(fmt, arg);
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

static int run(const struct options *opts, int argc, char **argv)
{
	const struct command *cmd = commands;

	while (cmd->name && strcmp(argv[0], cmd->name))
		cmd++;

	if (!cmd->name)
		return misused("no command \"%s\"", argv[0]);
	if (argc != (cmd->arg ? 2 : 1))
		return misused(cmd->arg ? "%s takes one policy" : "%s takes no argument",
			       cmd->name);

	return cmd->run(opts, argv + 1) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "pin",	required_argument,	NULL, 'p' },
		{ "json",	no_argument,		NULL, 'j' },
		{ "verbose",	no_argument,		NULL, 'v' },
		{ "help",	no_argument,		NULL, 'h' },
		{ "version",	no_argument,		NULL, 'V' },
		{ }
	};
	struct options opts = { .pin_dir = PIN_DIR };
	int verbose = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "p:jvhV", longopts, NULL)) != -1) {
		switch (opt) {
		case 'p':
			opts.pin_dir = optarg;
			break;
		case 'j':
			opts.json = true;
			break;
		case 'v':
			verbose++;
			break;
		case 'h':
			return help();
		case 'V':
			return version();
		default:
			fputs("Try planectl --help.\n", stderr);
			return EXIT_USAGE;
		}
	}

	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[optind], "help"))
		return help();

	libbpf_listen(verbose);
	return run(&opts, argc - optind, argv + optind);
}
