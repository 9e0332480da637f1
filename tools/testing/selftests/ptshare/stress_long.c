// SPDX-License-Identifier: GPL-2.0
/* Everything at once: 500 processes, ten minutes. */
#define _GNU_SOURCE
#define STRESS_PROCS	500
#define STRESS_SECS	600
#include "stress.h"

TEST_HARNESS_MAIN
