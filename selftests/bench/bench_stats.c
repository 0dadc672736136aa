// SPDX-License-Identifier: GPL-2.0
/*
 * How bench and bench-off report. See bench_stats.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_stats.h"

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

static __u64 percentile(const __u64 *sorted, int percent)
{
	return sorted[BENCH_BATCHES * percent / 100];
}

void bench_report(const char *name, __u64 *ticks, __u64 *empty)
{
	const int percents[] = { 25, 50, 75, 99 };
	__u64 loop, net;
	size_t i;

	qsort(ticks, BENCH_BATCHES, sizeof(ticks[0]), compare);
	qsort(empty, BENCH_BATCHES, sizeof(empty[0]), compare);
	loop = percentile(empty, 50);

	printf("%s", name);
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		net = percentile(ticks, percents[i]) - loop;
		printf(" %llu.%02llu", net / BENCH_BATCH, net % BENCH_BATCH * 100 / BENCH_BATCH);
	}
	printf(" %d\n", BENCH_BATCHES);
}
