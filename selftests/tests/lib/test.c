// SPDX-License-Identifier: GPL-2.0
/*
 * The runner of tests. See test.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define SECONDS_PER_TEST	120
#define EXIT_SKIP		4

static __u64 seed;

__u64 test_seed(void)
{
	return seed;
}

static void say(const char *fmt, va_list args)
{
	char text[1024];
	char *line, *rest = text;

	vsnprintf(text, sizeof(text), fmt, args);
	while ((line = strsep(&rest, "\n")))
		printf("# %s\n", line);
	fflush(stdout);
}

void note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	_exit(EXIT_FAILURE);
}

/* Shared by the test's process, which writes it, with its parent. */
static char *skip_reason;
#define REASON_SIZE	4096

void skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(skip_reason, REASON_SIZE, fmt, args);
	va_end(args);
	_exit(EXIT_SKIP);
}

static const char *const by[] = { [BY_USERSPACE] = ", by userspace", [BY_POLICY] = ", by policy" };

static __noreturn void run_here(const struct test *test, enum test_how how)
{
	/* Alone in its process group, to be killed with all that it started. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(SECONDS_PER_TEST);
	test->run(how);
	fflush(stdout);
	_exit(EXIT_SUCCESS);
}

static bool report(const struct test *test, enum test_how how, int nr, int status)
{
	const char *suffix = test->both ? by[how] : "";

	if (WIFSIGNALED(status))
		note("%s", WTERMSIG(status) == SIGALRM ? "it did not end" :
		     strsignal(WTERMSIG(status)));

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		printf("ok %d %s%s # SKIP %s\n", nr, test->sentence, suffix, skip_reason);
		return true;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
		printf("ok %d %s%s\n", nr, test->sentence, suffix);
		return true;
	}
	printf("not ok %d %s%s\n", nr, test->sentence, suffix);
	return false;
}

static bool run_one(const struct test *test, enum test_how how, int nr)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid)
		run_here(test, how);
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	return report(test, how, nr, status);
}

/*
 * With the first VM and the last one the kernel patches code of its own, which QEMU
 * does not always get right while other CPUs execute it (TCG): let it be once.
 */
static void keep_a_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm >= 0)
		ioctl(kvm, KVM_CREATE_VM, 0);
}

int main(void)
{
	const char *given = getenv("SEED");
	const struct test *test;
	bool ok = true;
	int n = 0;

	skip_reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	if (skip_reason == MAP_FAILED)
		fail("no memory");
	seed = given && *given ? strtoull(given, NULL, 0) :
				 (__u64)time(NULL) * 0x9e3779b97f4a7c15ULL;
	keep_a_vm();
	printf("TAP version 13\n# SEED=%#llx\n", seed);
	for (test = tests; test->sentence; test++) {
		ok &= run_one(test, BY_USERSPACE, ++n);
		if (test->both)
			ok &= run_one(test, BY_POLICY, ++n);
	}
	printf("1..%d\n", n);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
