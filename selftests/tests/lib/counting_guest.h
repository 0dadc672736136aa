/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that notices when a VTL call gets lost or goes wrong: both VTLs count,
 * and VTL 0 compares, and gives every call new random registers.
 */
#ifndef COUNTING_GUEST_H
#define COUNTING_GUEST_H

#include "guest.h"

/* How often VTL 0 calls before it tells the VMM how many calls there were. */
#define COUNTING_GUEST_CALLS	20

extern const guest_code_t counting_guest[2];

#endif /* COUNTING_GUEST_H */
