// SPDX-License-Identifier: GPL-2.0
/* Refused: built for another version of the interface. */
#include "careless.h"

REFUSED_POLICY(wrong_abi, "struct_ops/hypercall", KVM_PLANE_ABI + 1, "wrong_abi");
