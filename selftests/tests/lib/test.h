/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests, and how they report (TAP).
 *
 * A test is a sentence and the function that shows that it is true. Each runs in
 * a process of its own, so that one that crashes or hangs is a failure like any
 * other, and static data is new for each.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm.h"

enum test_how { BY_USERSPACE, BY_POLICY };

struct test {
	const char *sentence;
	void (*run)(enum test_how how);
	bool both;
};

/* A test where it does not matter who switches, and one for each of the two who can. */
#define TEST(s, fn)		{ .sentence = s, .run = fn }
#define TEST_BOTH(s, fn)	{ .sentence = s, .run = fn, .both = true }

/* What a test program consists of; the last one has no sentence. */
extern const struct test tests[];

__noreturn void __attribute__((format(printf, 1, 2))) skip(const char *fmt, ...);
void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...);

#define ASSERT(cond)							\
	do {								\
		if (!(cond))						\
			fail("%s:%d: %s", __FILE__, __LINE__, #cond);	\
	} while (0)

#define ASSERT_EQ(a, b)							\
	do {								\
		__u64 a_ = (a), b_ = (b);				\
		if (a_ != b_)						\
			fail("%s:%d: %s == %s (%#llx, %#llx)", __FILE__, __LINE__,	\
			     #a, #b, a_, b_);				\
	} while (0)

/* The expression, a system call, fails with this errno. */
#define ASSERT_ERRNO(expr, error)					\
	do {								\
		errno = 0;						\
		if ((expr) >= 0)					\
			fail("%s:%d: %s succeeds", __FILE__, __LINE__, #expr); \
		if (errno != (error))					\
			fail("%s:%d: %s: %s, not %s", __FILE__, __LINE__, #expr,	\
			     strerror(errno), #error);			\
	} while (0)

#define ASSERT_EXIT(vm, reason)						\
	do {								\
		if ((vm)->run->exit_reason != (reason))			\
			fail("%s:%d: %s, not %s", __FILE__, __LINE__,	\
			     vm_exit_name((vm)->run->exit_reason), #reason);	\
	} while (0)

/* Random, from $SEED, which is printed when it is chosen here. */
__u64 test_seed(void);

#endif /* TEST_H */
