// SPDX-License-Identifier: GPL-2.0
/* Refused: it has no name. */
#include "careless.h"

REFUSED_POLICY(empty_name, "struct_ops/hypercall", KVM_PLANE_ABI, "");
