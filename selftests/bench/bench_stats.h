/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How bench and bench-off measure and report.
 *
 * In batches, timed by the guest with RDTSC, which counts instructions under QEMU's icount; an
 * empty loop of the same shape is taken off. It is to be quiet meanwhile: a console that drains
 * costs thousands, so nothing is printed before all is measured, a while after boot.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <linux/types.h>

/* So short that the tick, every 4 ms, falls into less than a quarter of the longest batches. */
#define BENCH_BATCH		30
#define BENCH_BATCHES		200
#define BENCH_WARMUP		20

/* Until what boot started has ended */
#define BENCH_SETTLE_SECONDS	5

/**
 * bench_report - print a line "name p25 median p75 p99 n"
 * @ticks: what each batch took; will be sorted
 * @empty: what each batch of the empty loop took; will be sorted
 *
 * Each figure is of one round of a batch.
 */
void bench_report(const char *name, __u64 *ticks, __u64 *empty);

#endif /* BENCH_STATS_H */
