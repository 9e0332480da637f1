// SPDX-License-Identifier: GPL-2.0
/* Rings and other processes that write to an armed page are caught. */
#define _GNU_SOURCE
#include "notify_catch.h"

TEST_F_TIMEOUT(catch, uring_read, TIMEOUT)
{
	run(uring_read);
}

TEST_F_TIMEOUT(catch, uring_read_wq, TIMEOUT)
{
	run(uring_read_wq);
}

TEST_F_TIMEOUT(catch, uring_fixed, TIMEOUT)
{
	run(uring_fixed);
}

TEST_F_TIMEOUT(catch, uring_write, TIMEOUT)
{
	run(uring_write);
}

TEST_F_TIMEOUT(catch, process_vm, TIMEOUT)
{
	run(process_vm);
}

TEST_F_TIMEOUT(catch, proc_mem, TIMEOUT)
{
	run(proc_mem);
}

TEST_F_TIMEOUT(catch, ptrace, TIMEOUT)
{
	run(ptrace);
}

TEST_HARNESS_MAIN
