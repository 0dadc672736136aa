// SPDX-License-Identifier: GPL-2.0
/* A policy with two latches that the puppet does not have */
#include "latches.h"

LATCHES(fifth, PUPPET_LATCH_MORE, PUPPET_LATCH_MORE + 1);
