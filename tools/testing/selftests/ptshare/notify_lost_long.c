// SPDX-License-Identifier: GPL-2.0
/* Nothing is lost: many processes, many writes, many seeds. */
#define _GNU_SOURCE
#define LOST_PROCS	100
#define LOST_MIB	64
#define LOST_WRITES	100000
#define LOST_CYCLES	40
#define LOST_SEEDS	10
#include "notify_lost.h"

TEST_HARNESS_MAIN
