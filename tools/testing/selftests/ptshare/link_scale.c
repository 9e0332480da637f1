// SPDX-License-Identifier: GPL-2.0
/*
 * What sharing is for, at real scale: the page tables of many processes cost
 * those of one, and what one has touched faults in no other. The limits hold
 * for any number of processes.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"
#include "share.h"

#define NR	500
#define MEM	(64UL << 20)
#define GIB	0x40000000UL
#define HUGE	0x200000UL
#define TIMEOUT	600

struct board {
	atomic_uint ready, go, done, wrong, leave;
	atomic_ulong faults, most;
};

FIXTURE(many)
{
	int ctl, mem;
	struct board *board;
	pid_t pids[NR];
};

FIXTURE_VARIANT(many)
{
	const char *share;
	unsigned long faults;	/* for a process that is not the first */
	unsigned long kb;	/* of tables for each process */
};

/* One fault links the GiB; the others are of the process's own stack. */
FIXTURE_VARIANT_ADD(many, pud) { "pud", 4, 0 };
FIXTURE_VARIANT_ADD(many, pmd) { "pmd", MEM / HUGE, 8 };

FIXTURE_SETUP(many)
{
	if (!share_available())
		SKIP(return, "no parameter share");
	self->ctl = share_stamped(variant->share, GIB, MEM, 1, &self->mem);
	ASSERT_GE(self->ctl, 0);
	self->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->board);
}

FIXTURE_TEARDOWN(many)
{
}

static void wait_go(atomic_uint *what)
{
	while (!atomic_load(what))
		usleep(100000);
}

static void client(int ctl, struct board *board)
{
	unsigned long nr, most, bad = 0;
	char *win = pts_window(ctl, GIB, 0);
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Looks its symbol up: that has tables of its own. */
	nr = pts_minor_faults();
	board->ready++;
	wait_go(&board->go);
	nr = pts_minor_faults();
	for (at = 0; at < MEM; at += pts_psz)
		bad += pts_load(win + at) != pts_stamp(1, at);
	nr = pts_minor_faults() - nr;
	board->wrong += bad;
	board->faults += nr;
	most = board->most;
	while (nr > most &&
	       !atomic_compare_exchange_weak(&board->most, &most, nr))
		;
	board->done++;
	wait_go(&board->leave);
	_exit(0);
}

TEST_F_TIMEOUT(many, tables_and_faults, TIMEOUT)
{
	struct ptshare_info info;
	long long before, grown;
	unsigned int i;
	int status;
	char *win;

	/* The first process has touched all; the others come after it. */
	win = pts_window(self->ctl, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	fflush(NULL);
	for (i = 0; i < NR; i++) {
		self->pids[i] = fork();
		ASSERT_GE(self->pids[i], 0);
		if (!self->pids[i])
			client(self->ctl, self->board);
	}
	ASSERT_TRUE(pts_wait_for(&self->board->ready, NR, TIMEOUT * 900));
	before = pts_meminfo("PageTables");
	for (i = 0; i < MEM / pts_psz; i++)
		EXPECT_EQ(pts_stamp(1, i * pts_psz),
			  pts_load(win + i * pts_psz));
	self->board->go = 1;
	ASSERT_TRUE(pts_wait_for(&self->board->done, NR, TIMEOUT * 900));
	grown = pts_meminfo("PageTables") - before;
	EXPECT_EQ(0, self->board->wrong);
	TH_LOG("%u processes: %lld kB of tables, %lu faults, at most %lu", NR,
	       grown, self->board->faults, self->board->most);
	EXPECT_LE(grown, 150 + variant->kb * NR);
	EXPECT_LE(self->board->most, variant->faults);

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_mirrors);
	/* What plain mappings would cost more: 128 kB each. */
	EXPECT_GE(info.saved_bytes, NR * (MEM / HUGE) * pts_psz);
	EXPECT_EQ(info.saved_bytes >> 10, pts_fdinfo(self->ctl, "ptshare-saved-kB"));
	self->board->leave = 1;
	for (i = 0; i < NR; i++) {
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
