// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs and memory that go away and come back under a container in use: no store
 * gets through that PROTECT has forbidden, and no page loses what it has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"
#include "share.h"

#define GIB	0x40000000UL
#define MEM	0x400000UL
#define TAG	5
#define TIMES	6
#define WRITERS	2
#define TIMEOUT	240
#define BLOCKS	255	/* where to begin to look for one */

#define CPU1	"/sys/devices/system/cpu/cpu1/online"
#define MEMORY	"/sys/devices/system/memory/"

struct board {
	atomic_uint stop, ready, failed;
	atomic_ulong stores[WRITERS];
};

FIXTURE(hotplug)
{
	__u64 block;		/* of memory that can go; 0: none */
	int ctl, mem;
	char *win;
	struct board *board;
	pid_t pids[WRITERS];
};

FIXTURE_VARIANT(hotplug)
{
	const char *share;
};

FIXTURE_VARIANT_ADD(hotplug, none) { "none" };
FIXTURE_VARIANT_ADD(hotplug, pud) { "pud" };

/* Page 0 is stored to all the time, unless it may not; the others are read. */
static int writer(struct _test_data_hotplug *self, unsigned int id)
{
	struct board *board = self->board;
	char *win = pts_window(self->ctl, GIB, 0);
	size_t at = pts_psz;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (win == MAP_FAILED)
		return 1;
	board->ready++;
	while (!board->stop) {
		board->stores[id] += !pts_write8(win + 8 * id,
						 board->stores[id]).sig;
		if (pts_load(win + at) != pts_stamp(TAG, at))
			board->failed++;
		at = at + pts_psz < MEM ? at + pts_psz : pts_psz;
		if (at == pts_psz)
			usleep(1000);
	}
	return 0;
}

static int block_state(__u64 block, const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), MEMORY "memory%llu/state", block);
	return pts_spit(path, state);
}

/* A page that somebody holds for a moment keeps its block. */
static int block_goes(__u64 block)
{
	unsigned int i;
	int err;

	for (i = 0; i < 10; i++) {
		err = block_state(block, "offline");
		if (err != -EBUSY)
			break;
		usleep(200000);
	}
	return err;
}

static __u64 block_size(void)
{
	char text[32] = "";

	if (pts_slurp(MEMORY "block_size_bytes", text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 16);
}

/*
 * A block that nobody uses becomes one that the kernel allocates nothing from
 * for itself, and files first: it can be taken away again with what is in it.
 */
static __u64 block_for_files(void)
{
	__u64 block;

	for (block = block_size() ? BLOCKS : 0; block; block--)
		if (!block_state(block, "offline"))
			break;
	return block && !block_state(block, "online_movable") ? block : 0;
}

/* Files of this process go to the node of the block, if there are nodes. */
static void prefer_node_of(__u64 block)
{
	unsigned long nodes;
	char path[96];
	int node;

	for (node = 0; node < 8; node++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/memory%llu", node,
			 block);
		nodes = 1UL << node;
		if (!access(path, F_OK))
			syscall(SYS_set_mempolicy, MPOL_PREFERRED, &nodes, 64);
	}
}

FIXTURE_SETUP(hotplug)
{
	unsigned int i;

	if (!share_available())
		SKIP(return, "no parameter share");
	self->block = block_for_files();
	prefer_node_of(self->block);
	self->ctl = share_stamped(variant->share, GIB, MEM, TAG,
				  &self->mem);
	ASSERT_GE(self->ctl, 0);
	self->win = pts_window(self->ctl, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	self->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->board);
	fflush(NULL);
	for (i = 0; i < WRITERS; i++) {
		self->pids[i] = fork();
		ASSERT_GE(self->pids[i], 0);
		if (!self->pids[i])
			_exit(writer(self, i));
	}
	ASSERT_TRUE(pts_wait_for(&self->board->ready, WRITERS, TIMEOUT * 300));
}

FIXTURE_TEARDOWN(hotplug)
{
	unsigned int i;
	int status;

	self->board->stop = 1;
	for (i = 0; i < WRITERS; i++) {
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, self->board->failed);
	if (self->block) {
		munmap(self->win, GIB);
		close(self->ctl);
		close(self->mem);
		EXPECT_EQ(0, block_goes(self->block));
		EXPECT_EQ(0, block_state(self->block, "online_kernel"));
	}
}

/* What stands there after PROTECT stands there as long as it holds. */
static void protect_holds(struct __test_metadata *_metadata,
			  struct _test_data_hotplug *self)
{
	__u64 seen[WRITERS];
	unsigned int i;

	ASSERT_EQ(0, pts_protect(self->ctl, 0, pts_psz, PTS_RO));
	for (i = 0; i < WRITERS; i++)
		seen[i] = pts_load(self->win + 8 * i);
	usleep(50000);
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(seen[i], pts_load(self->win + 8 * i));
	ASSERT_EQ(0, pts_protect(self->ctl, 0, pts_psz, PTS_RW));
}

TEST_F_TIMEOUT(hotplug, cpu, TIMEOUT)
{
	unsigned long before;
	unsigned int i;

	if (access(CPU1, W_OK))
		SKIP(return, "no CPU that can go");
	for (i = 0; i < TIMES; i++) {
		protect_holds(_metadata, self);
		EXPECT_EQ(0, pts_spit(CPU1, "0"));
		before = self->board->stores[0] + self->board->stores[1];
		protect_holds(_metadata, self);
		EXPECT_EQ(0, pts_spit(CPU1, "1"));
		protect_holds(_metadata, self);
		EXPECT_LT(before,
			  self->board->stores[0] + self->board->stores[1]);
	}
}

/* --- memory --------------------------------------------------------------------- */

static __u64 pfn_at(struct _test_data_hotplug *self, size_t at)
{
	char *plain = mmap(NULL, MEM, PROT_READ, MAP_SHARED, self->mem, 0);
	__u64 pfn;

	pts_load(plain + at);
	pfn = pts_pfn(plain + at);
	munmap(plain, MEM);
	return pfn;
}

/* Its pages find another home while they are read and stored to. */
TEST_F_TIMEOUT(hotplug, memory, TIMEOUT)
{
	const __u64 pages = block_size() / pts_psz;
	unsigned int i;

	if (!self->block)
		SKIP(return, "no memory that can go");
	for (i = 0; i < TIMES; i++) {
		EXPECT_EQ(i == 0, pfn_at(self, pts_psz) / pages == self->block);
		EXPECT_EQ(0, block_goes(self->block));
		protect_holds(_metadata, self);
		EXPECT_NE(self->block, pfn_at(self, pts_psz) / pages);
		EXPECT_EQ(0, block_state(self->block, "online_movable"));
	}
}

TEST_HARNESS_MAIN
