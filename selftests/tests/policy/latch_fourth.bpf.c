// SPDX-License-Identifier: GPL-2.0
/* A policy with a latch of the puppet's, twice, and one that the puppet does not have */
#include "latches.h"

LATCHES(fourth, PUPPET_LATCH, PUPPET_LATCH_MORE, PUPPET_LATCH);
