// SPDX-License-Identifier: GPL-2.0
/*
 * What went wrong: one line that names the cause, out of an errno, of what
 * libbpf says, and of what the verifier says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

#define NEEDED		"CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN are needed"

#define LOG_BEGIN	"-- BEGIN PROG LOAD LOG --\n"
#define LOG_END		"-- END PROG LOAD LOG --"

static struct {
	int verbose;
	char *last;		/* the last warning that says more than "failed" */
	char *refused;		/* the program that the verifier refused */
	char *log;		/* and its log */
} heard;

int error(const char *fmt, ...)
{
	va_list args;

	fputs("planectl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -1;
}

/* prog 'NAME': -- BEGIN PROG LOAD LOG --\nLOG-- END PROG LOAD LOG --\n */
static void keep_log(const char *msg)
{
	char *begin, *end;

	begin = strstr(msg, LOG_BEGIN);
	free(heard.refused);
	if (sscanf(msg, "libbpf: prog '%m[^']'", &heard.refused) != 1)
		heard.refused = NULL;

	free(heard.log);
	heard.log = strdup(begin + strlen(LOG_BEGIN));
	end = heard.log ? strstr(heard.log, LOG_END) : NULL;
	if (end)
		*end = '\0';
}

static void keep_last(char *msg)
{
	static const char prefix[] = "libbpf: ";

	if (strstr(msg, "failed to load object"))
		return;

	msg[strcspn(msg, "\n")] = '\0';
	if (!strncmp(msg, prefix, strlen(prefix)))
		memmove(msg, msg + strlen(prefix), strlen(msg + strlen(prefix)) + 1);
	free(heard.last);
	heard.last = strdup(msg);
}

static int hear(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *msg;

	if (vasprintf(&msg, fmt, args) < 0)
		return 0;
	if (heard.verbose >= (level == LIBBPF_DEBUG ? 2 : 1))
		fputs(msg, stderr);
	if (level == LIBBPF_WARN) {
		if (strstr(msg, LOG_BEGIN))
			keep_log(msg);
		else
			keep_last(msg);
	}
	free(msg);
	return 0;
}

/**
 * libbpf_listen - keep what libbpf says for the explanation of an error
 * @verbose: show it too: 1, warnings and information; 2, everything
 */
void libbpf_listen(int verbose)
{
	heard.verbose = verbose;
	libbpf_set_print(hear);
}

/* The last line at or before @line that starts with @prefix */
static char *find_line_back(char *log, char *line, const char *prefix)
{
	while (strncmp(line, prefix, strlen(prefix))) {
		if (line == log)
			return NULL;
		for (line--; line > log && line[-1] != '\n'; line--)
			;
	}
	return line;
}

/*
 * The verifier's log ends with why, then with "processed N insns" and other
 * statistics; "; " starts a line of the source.
 */
static int explain_verifier(const char *path)
{
	char *log = heard.log, *end = log + strlen(log);
	char *source, *why;

	end = find_line_back(log, end, "processed ") ?: end;
	while (end > log && end[-1] == '\n')
		end--;
	*end = '\0';
	for (why = end; why > log && why[-1] != '\n'; why--)
		;

	source = find_line_back(log, why, "; ");
	error("%s: the verifier refuses %s: %s", path, heard.refused ?: "a program", why);
	if (source) {
		source += strlen("; ");
		fprintf(stderr, "          %.*s\n", (int)strcspn(source, "\n"), source);
	}
	if (!heard.verbose)
		fputs("          (the whole log: planectl -v)\n", stderr);
	return -1;
}

/**
 * check_support - can this kernel have policies at all?
 */
int check_support(void)
{
	struct btf *vmlinux, *kvm;
	bool supported;

	vmlinux = btf__load_vmlinux_btf();
	if (!vmlinux)
		return error("no kernel support: the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");

	supported = ops_in_kernel(vmlinux);
	if (supported)
		goto out;

	if (access("/sys/module/kvm", F_OK)) {
		error("no kernel support: kvm is not loaded (modprobe kvm-amd or kvm-intel)");
		goto out;
	}

	kvm = btf__load_module_btf("kvm", vmlinux);
	if (!kvm) {
		error("no kernel support: kvm has no BTF (/sys/kernel/btf/kvm)");
		goto out;
	}

	supported = ops_in_kernel(kvm);
	if (!supported)
		error("no kernel support: kvm has no kvm_plane_ops; the stock module is loaded");
	btf__free(kvm);
out:
	btf__free(vmlinux);
	return supported ? 0 : -1;
}

/**
 * explain_open - say why an object file could not be opened
 * @path: the file
 * @err: a positive errno
 */
int explain_open(const char *path, int err)
{
	char text[128];

	libbpf_strerror(err, text, sizeof(text));
	if (err == ENOENT || err == EACCES || err == EISDIR || !heard.last)
		return error("%s: %s", path, text);
	return error("%s: not a BPF object (%s)", path, heard.last);
}

/**
 * explain_load - say why the kernel did not take an object
 * @path: its file
 * @err: a positive errno
 */
int explain_load(const char *path, int err)
{
	if (heard.log)
		return explain_verifier(path);
	if (err == EPERM || err == EACCES)
		return error("%s: permission denied: " NEEDED, path);
	if (check_support())
		return -1;
	return error("%s: the kernel does not take it: %s", path, heard.last ?: strerror(err));
}
