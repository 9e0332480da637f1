// SPDX-License-Identifier: GPL-2.0
/* Who writes to an armed page is caught, where it is part of a huge one. */
#define _GNU_SOURCE
#define CATCH_HUGE	true
#include "notify_catch.h"

TEST_HARNESS_MAIN
