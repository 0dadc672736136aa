// SPDX-License-Identifier: GPL-2.0
/* Policy "settings" with one of them. */
#define SETTINGS	1
#include "settings.h"
