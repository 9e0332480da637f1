// SPDX-License-Identifier: GPL-2.0
/* Who drops, fills or lends an armed page of the file is caught. */
#define _GNU_SOURCE
#include "notify_catch.h"

TEST_F_TIMEOUT(catch, punch, TIMEOUT)
{
	run(punch);
}

TEST_F_TIMEOUT(catch, madv_remove, TIMEOUT)
{
	run(madv_remove);
}

TEST_F_TIMEOUT(catch, truncate, TIMEOUT)
{
	run(truncate);
}

TEST_F_TIMEOUT(catch, uffd_copy, TIMEOUT)
{
	run(uffd_copy);
}

TEST_F_TIMEOUT(catch, udmabuf, TIMEOUT)
{
	run(udmabuf);
}

TEST_HARNESS_MAIN
