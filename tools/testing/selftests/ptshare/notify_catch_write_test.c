// SPDX-License-Identifier: GPL-2.0
/* Who writes to an armed page of the file is caught. */
#define _GNU_SOURCE
#include "notify_catch.h"

TEST_F_TIMEOUT(catch, write, TIMEOUT)
{
	run(write);
}

TEST_F_TIMEOUT(catch, pwrite, TIMEOUT)
{
	run(pwrite);
}

TEST_F_TIMEOUT(catch, writev, TIMEOUT)
{
	run(writev);
}

TEST_F_TIMEOUT(catch, splice, TIMEOUT)
{
	run(splice);
}

TEST_F_TIMEOUT(catch, sendfile, TIMEOUT)
{
	run(sendfile);
}

TEST_F_TIMEOUT(catch, copy_file_range, TIMEOUT)
{
	run(copy_file_range);
}

TEST_HARNESS_MAIN
