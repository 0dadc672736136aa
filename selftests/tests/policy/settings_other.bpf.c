// SPDX-License-Identifier: GPL-2.0
/* A policy of another name, with a map of the same name as settings_one.bpf.c. */
#define SETTINGS		1
#define SETTINGS_POLICY		other
#define SETTINGS_NAME		"other"
#include "settings.h"
