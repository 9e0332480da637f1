// SPDX-License-Identifier: GPL-2.0
/* Nothing is lost, for a short time. */
#define _GNU_SOURCE
#define LOST_PROCS	6
#define LOST_MIB	4
#define LOST_WRITES	2000
#define LOST_CYCLES	8
#define LOST_SEEDS	1
#include "notify_lost.h"

TEST_HARNESS_MAIN
