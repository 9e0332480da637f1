// SPDX-License-Identifier: GPL-2.0
/* Who writes to an armed page is caught, with small pages. */
#define _GNU_SOURCE
#define CATCH_HUGE	false
#include "notify_catch.h"

TEST_HARNESS_MAIN
