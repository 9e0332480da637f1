// SPDX-License-Identifier: GPL-2.0
/* Everything at once, for a short time. */
#define _GNU_SOURCE
#define STRESS_PROCS	20
#define STRESS_SECS	15
#include "stress.h"

TEST_HARNESS_MAIN
