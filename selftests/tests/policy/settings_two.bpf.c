// SPDX-License-Identifier: GPL-2.0
/* Policy "settings" with two. */
#define SETTINGS	2
#include "settings.h"
