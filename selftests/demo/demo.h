/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the VMMs of the demo share.
 */
#ifndef DEMO_H
#define DEMO_H

#include "vmm.h"

#define DEMO_CALLS		10000
#define DEMO_BATCH		50
#define DEMO_MAX_BATCHES	20000
#define DEMO_MAX_CALLS		(DEMO_MAX_BATCHES * DEMO_BATCH)

/* The guest: a batch of calls began when read_tsc() was @start, and is over. */
void demo_batch_done(__u64 start);

/* The number of an option; ends the program if it is none, or not 1 to DEMO_MAX_CALLS. */
__u64 demo_parse_calls(const char *text);

/* What a call took, of those batches, the first of all, that had DEMO_BATCH of them */
void demo_print_ticks(__u64 calls);

/* The pin that "policy" or "policy=PIN" names; NULL if @how is neither. */
const char *demo_policy_pin(const char *how, const char *default_pin);

/* The link that is pinned there; ends the program, with advice, if there is none. */
int demo_open_policy(const char *pin, const char *name);

#endif /* DEMO_H */
