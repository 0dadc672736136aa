// SPDX-License-Identifier: GPL-2.0
/*
 * What the VMMs of the demo share. See demo.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

static __u64 ticks[DEMO_MAX_BATCHES];
static __u64 nr_batches;

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

void demo_batch_done(__u64 start)
{
	__u64 now = read_tsc();

	if (nr_batches < DEMO_MAX_BATCHES)
		ticks[nr_batches++] = now - start;
}

__u64 demo_parse_calls(const char *text)
{
	char *end;
	__u64 calls = strtoull(text, &end, 0);

	if (*end || !calls || calls > DEMO_MAX_CALLS)
		fail("--calls: 1 to %d", DEMO_MAX_CALLS);
	return calls;
}

static int compare_ticks(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

void demo_print_ticks(__u64 calls)
{
	__u64 full = calls / DEMO_BATCH < nr_batches ? calls / DEMO_BATCH : nr_batches;
	__u64 median10;

	if (!full)
		return;
	qsort(ticks, full, sizeof(ticks[0]), compare_ticks);
	median10 = ticks[full / 2] * 10 / DEMO_BATCH;
	printf("ticks_per_round_trip: %llu.%llu\n", median10 / 10, median10 % 10);
	printf("ticks_min: %llu\n", ticks[0] / DEMO_BATCH);
	printf("ticks_max: %llu\n", ticks[full - 1] / DEMO_BATCH);
}

const char *demo_policy_pin(const char *how, const char *default_pin)
{
	if (!strcmp(how, "policy"))
		return default_pin;
	return strncmp(how, "policy=", 7) ? NULL : how + 7;
}

int demo_open_policy(const char *pin, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	int token = bpf_obj_get_opts(pin, &opts);

	if (token < 0)
		fail("%s: %s\nIs the policy loaded? \"planectl load %s\" does it.", pin,
		     strerror(errno), name);
	return token;
}
