// SPDX-License-Identifier: GPL-2.0
/* Refused: its name could not be a file's. */
#include "careless.h"

REFUSED_POLICY(wrong_name, "struct_ops/hypercall", KVM_PLANE_ABI, "a/b");
