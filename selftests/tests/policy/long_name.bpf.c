// SPDX-License-Identifier: GPL-2.0
/* Refused: its name has no end. */
#include "careless.h"

REFUSED_POLICY(long_name, "struct_ops/hypercall", KVM_PLANE_ABI, "sixteen_letters_");
