// SPDX-License-Identifier: GPL-2.0
/* Who has the kernel write to an armed page of its memory is caught. */
#define _GNU_SOURCE
#include "notify_catch.h"

TEST_F_TIMEOUT(catch, read, TIMEOUT)
{
	run(read);
}

TEST_F_TIMEOUT(catch, direct_read, TIMEOUT)
{
	run(direct_read);
}

TEST_F_TIMEOUT(catch, vmsplice, TIMEOUT)
{
	run(vmsplice);
}

TEST_F_TIMEOUT(catch, futex, TIMEOUT)
{
	run(futex);
}

TEST_F_TIMEOUT(catch, populate, TIMEOUT)
{
	run(populate);
}

TEST_F_TIMEOUT(catch, device, TIMEOUT)
{
	run(device);
}

TEST_HARNESS_MAIN
