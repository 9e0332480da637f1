// SPDX-License-Identifier: GPL-2.0
/* Who stores to an armed page is caught, through whatever mapping. */
#define _GNU_SOURCE
#include "notify_catch.h"

TEST_F_TIMEOUT(catch, store_window, TIMEOUT)
{
	run(store_window);
}

TEST_F_TIMEOUT(catch, store_fresh_window, TIMEOUT)
{
	run(store_fresh_window);
}

TEST_F_TIMEOUT(catch, store_share_none, TIMEOUT)
{
	run(store_share_none);
}

TEST_F_TIMEOUT(catch, store_notifier, TIMEOUT)
{
	run(store_notifier);
}

TEST_F_TIMEOUT(catch, store_foreign, TIMEOUT)
{
	run(store_foreign);
}

TEST_F_TIMEOUT(catch, store_fresh_foreign, TIMEOUT)
{
	run(store_fresh_foreign);
}

TEST_F_TIMEOUT(catch, uffd_continue, TIMEOUT)
{
	run(uffd_continue);
}

TEST_HARNESS_MAIN
