// SPDX-License-Identifier: GPL-2.0
/* To replace the puppet by, which has the same latches */
#include "latches.h"

LATCHES(puppet, PUPPET_LATCH, PUPPET_MSR_PAT, PUPPET_LATCH_PRIVATE);
