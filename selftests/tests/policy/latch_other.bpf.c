// SPDX-License-Identifier: GPL-2.0
/* To replace the puppet by, which has other latches */
#include "latches.h"

LATCHES(puppet, PUPPET_LATCH, PUPPET_LATCH_MORE, PUPPET_LATCH_PRIVATE);
