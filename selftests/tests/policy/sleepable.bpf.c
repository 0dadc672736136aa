// SPDX-License-Identifier: GPL-2.0
/* Refused: an op that may sleep. */
#include "careless.h"

REFUSED_POLICY(sleepable, "struct_ops.s/hypercall", KVM_PLANE_ABI, "sleepable");
