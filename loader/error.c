// SPDX-License-Identifier: GPL-2.0
/*
 * Error messages: one line that names the cause, from an errno, the warnings of libbpf and the
 * log of the verifier.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <linux/kvm_planes.h>

#include "planectl.h"

#define LOG_BEGIN	"-- BEGIN PROG LOAD LOG --\n"
#define LOG_END		"-- END PROG LOAD LOG --"

static struct {
	int verbose;
	char *last;		/* the last warning that says more than "failed" */
	char *kfunc;		/* the kfunc that the kernel lacks */
	char *op;		/* the op, or other member, that the kernel's kvm_plane_ops lacks */
	char *refused;		/* the program that the verifier refused */
	char *log;		/* the log of the verifier for this program */
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

/* Keep the name of what the policy needs and the kernel lacks. */
static void keep_missing(const char *msg)
{
	char *name;

	if (sscanf(msg, "libbpf: extern (func ksym) '%m[^']': not found", &name) == 1) {
		free(heard.kfunc);
		heard.kfunc = name;
	}
	if (sscanf(msg, "libbpf: struct_ops init_kern %*[^:]: Cannot find member %ms",
		   &name) == 1) {
		free(heard.op);
		heard.op = name;
	}
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
	if (level == LIBBPF_WARN && strstr(msg, LOG_BEGIN)) {
		keep_log(msg);
	} else if (level == LIBBPF_WARN) {
		keep_missing(msg);
		keep_last(msg);
	}
	free(msg);
	return 0;
}

/**
 * libbpf_listen - keep the messages of libbpf, to explain errors with
 * @verbose: 1 also shows warnings and information, 2 shows everything
 */
void libbpf_listen(int verbose)
{
	heard.verbose = verbose;
	libbpf_set_print(hear);
}

/* Find the last line at or before @line that starts with @prefix. */
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
 * The verifier's log ends with a line that gives the reason, and after it "processed N insns" and
 * other statistics. Lines of the source start with "; ".
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
 * check_support - say so if this kernel cannot have policies
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

/* Whether this process has the capability in its user namespace */
static bool has_sys_admin(void)
{
	unsigned long long caps = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return true;
	while (fgets(line, sizeof(line), f) && sscanf(line, "CapEff: %llx", &caps) != 1)
		;
	fclose(f);
	return caps & 1ULL << CAP_SYS_ADMIN;
}

/**
 * check_privileges - say so if this process lacks the capability that a command needs
 * @what: the command, for the message
 *
 * Loading the programs of a policy takes CAP_BPF and CAP_PERFMON, which CAP_SYS_ADMIN implies.
 * Finding kvm's BTF and the policies that are loaded takes CAP_SYS_ADMIN.
 */
int check_privileges(const char *what)
{
	if (has_sys_admin())
		return 0;
	return error("%s: permission denied: CAP_SYS_ADMIN is needed (be root)", what);
}

/* Explain EPERM or EACCES from the kernel. */
int explain_denied(const char *what)
{
	if (check_privileges(what))
		return -1;
	return error("%s: permission denied to root: a user namespace, lockdown, an LSM?",
		     what);
}

/**
 * explain_load - say why the kernel refused to load an object
 * @path: the file of the object
 * @err: a positive errno
 */
int explain_load(const char *path, int err)
{
	if (heard.log)
		return explain_verifier(path);
	if (err == EPERM || err == EACCES)
		return explain_denied(path);
	if (check_support())
		return -1;
	if (heard.kfunc)
		return error("%s: needs the function %s(), which this kernel's KVM has not", path,
			     heard.kfunc);
	if (heard.op)
		return error("%s: has an op \"%s\", which this kernel's KVM has not", path,
			     heard.op);
	return error("%s: the kernel refuses it: %s", path, heard.last ?: strerror(err));
}

/* The version of KVM's interface, or 0 if it is unknown */
static int kernel_abi(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int abi;

	if (fd < 0)
		return 0;
	abi = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH);
	close(fd);
	return abi > 0 ? abi : 0;
}

static int explain_abi(const char *path, __u32 abi)
{
	int kernel = kernel_abi();

	if (!kernel)
		return error("%s: ABI version %u is not the kernel's (unknown without /dev/kvm)",
			     path, abi);
	return error("%s: ABI version %u, but the kernel's is %d", path, abi, kernel);
}

/**
 * explain_attach - say why the kernel refused to put a loaded policy in force
 * @path: the file of its object
 * @p: the policy
 * @err: a positive errno
 */
int explain_attach(const char *path, const struct loadable *p, int err)
{
	switch (err) {
	case EPROTO:
		return explain_abi(path, p->abi);
	case EEXIST:
		return error("%s: already loaded: there is a policy \"%s\" (planectl list)", path,
			     p->name);
	case EPERM:
	case EACCES:
		return explain_denied(path);
	case EINVAL:
		return error("%s: the kernel refuses a field, maybe the name \"%s\"", path,
			     p->name);
	default:
		return error("%s: the kernel refuses the policy: %s", path, strerror(err));
	}
}
