// SPDX-License-Identifier: GPL-2.0
/*
 * A container's page tables become fewer when what they showed is gone, however
 * it went. What is left is as it was, for processes that are attached all the
 * time, and what is gone can be filled again while the tables are taken.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"
#include "share.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define GIB	0x40000000UL
#define BLOCK	0x200000UL
#define NR	32		/* blocks, each with a table */
#define KEPT	3		/* of these */
#define MEM	(NR * BLOCK)
#define TAG	1
#define TRIM_MS	"/sys/module/ptshare/parameters/trim_ms"
#define SOON_MS	20000
#define TIMEOUT	120

FIXTURE(trim)
{
	struct cg cg;
	char delay[32];
	int ctl, mem;
	size_t len;
	char *win;
	__u64 tables;		/* with all blocks touched */
	__u64 links;
	struct pts_child child;
};

FIXTURE_VARIANT(trim)
{
	const char *share;
	size_t len;
};

FIXTURE_VARIANT_ADD(trim, pud) { "pud", GIB };
FIXTURE_VARIANT_ADD(trim, pmd) { "pmd", MEM };
FIXTURE_VARIANT_ADD(trim, none) { "none", MEM };

static __u64 tables(int ctl)
{
	struct ptshare_info info;

	return pts_info(ctl, &info) ? 0 : info.pgtable_bytes / pts_psz;
}

/* Does it come to this many, and stay there? */
static bool tables_become(int ctl, __u64 nr)
{
	__u64 end = pts_now_ms() + SOON_MS, now;

	do {
		usleep(20000);
		now = tables(ctl);
	} while (now != nr && pts_now_ms() < end);
	usleep(100000);
	if (now == nr && tables(ctl) == nr)
		return true;
	printf("# %llu tables, not %llu\n", tables(ctl), nr);
	return false;
}

/* The first word of each block from @first on; blocks that have another. */
static unsigned int blocks_bad(const char *win, unsigned int first,
			       unsigned int last, bool zero)
{
	unsigned int i, bad = 0;

	for (i = first; i < last; i++)
		bad += pts_load(win + i * BLOCK) !=
		       (zero ? 0 : pts_stamp(TAG, i * BLOCK));
	return bad;
}

/* Is asked: 0 to look at the kept blocks, 1 at the others, 2 whether zero. */
static int attached(int sock, void *arg)
{
	struct _test_data_trim *self = arg;
	char *win = pts_window_aligned(self->ctl, self->len, GIB, 0);
	__u64 what;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pts_recv(sock, &what)) {
		if (what == 3)
			return 0;
		pts_send(sock, what ? blocks_bad(win, KEPT, NR, what == 2) :
				      blocks_bad(win, 0, KEPT, false));
	}
	return 1;
}

static void fill(char *win)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		pts_store(win + i * BLOCK, pts_stamp(TAG, i * BLOCK));
}

FIXTURE_SETUP(trim)
{
	struct ptshare_info info;

	if (!share_available() ||
	    pts_slurp(TRIM_MS, self->delay, sizeof(self->delay)) < 0)
		SKIP(return, "no parameter trim_ms");
	if (cg_available()) {
		ASSERT_EQ(0, cg_make(&self->cg, "trim"));
		ASSERT_EQ(0, cg_enter(&self->cg));
	}
	self->len = variant->len;
	self->mem = pts_memfd(MEM, 0);
	self->ctl = share_create(variant->share, self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, MEM, 0));
	self->win = pts_window_aligned(self->ctl, self->len, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	fill(self->win);
	self->tables = tables(self->ctl);
	ASSERT_LT(NR, self->tables);
	ASSERT_EQ(0, pts_fork(&self->child, attached, self));
	EXPECT_EQ(0, pts_ask(self->child.sock, 0));
	EXPECT_EQ(0, pts_ask(self->child.sock, 1));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	self->links = info.nr_links;
	ASSERT_EQ(0, pts_spit(TRIM_MS, "10"));
}

FIXTURE_TEARDOWN(trim)
{
	pts_send(self->child.sock, 3);
	EXPECT_EQ(0, pts_join(&self->child));
	pts_spit(TRIM_MS, self->delay);
	cg_enter(NULL);
	cg_destroy(&self->cg);
}

/* Links to tables that are gone are gone; those to upper tables are not. */
static __u64 links_left(struct _test_data_trim *self, const char *share)
{
	return strcmp(share, "pmd") ? self->links : self->links / NR * KEPT;
}

/* What is left is right, and the rest, which is @zero, is there for all. */
static void after(struct __test_metadata *_metadata,
		  struct _test_data_trim *self, const char *share, bool zero)
{
	struct ptshare_info info;

	EXPECT_TRUE(tables_become(self->ctl, self->tables - (NR - KEPT)));
	EXPECT_LE(NR - KEPT, pts_fdinfo(self->ctl, "ptshare-trimmed"));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(links_left(self, share), info.nr_links);
	EXPECT_EQ(0, blocks_bad(self->win, 0, KEPT, false));
	EXPECT_EQ(0, pts_ask(self->child.sock, 0));
	EXPECT_EQ(0, pts_ask(self->child.sock, zero ? 2 : 1));
	fill(self->win);
	EXPECT_EQ(0, pts_ask(self->child.sock, 1));
	EXPECT_EQ(self->tables, tables(self->ctl));
}

static int punch(int mem, off_t from, off_t len)
{
	return fallocate(mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
			 len) ? -errno : 0;
}

TEST_F_TIMEOUT(trim, hole_punch, TIMEOUT)
{
	ASSERT_EQ(0, punch(self->mem, KEPT * BLOCK, (NR - KEPT) * BLOCK));
	after(_metadata, self, variant->share, true);
}

TEST_F_TIMEOUT(trim, truncate, TIMEOUT)
{
	ASSERT_EQ(0, ftruncate(self->mem, KEPT * BLOCK));
	ASSERT_EQ(0, ftruncate(self->mem, MEM));
	after(_metadata, self, variant->share, true);
}

TEST_F_TIMEOUT(trim, unmap, TIMEOUT)
{
	__u64 val;

	ASSERT_EQ(0, pts_unmap(self->ctl, KEPT * BLOCK, (NR - KEPT) * BLOCK));
	EXPECT_TRUE(tables_become(self->ctl, self->tables - (NR - KEPT)));
	EXPECT_TRUE(pts_fault_is(pts_read8(self->win + KEPT * BLOCK, &val),
				 SIGBUS, BUS_ADRERR, self->win + KEPT * BLOCK));
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, KEPT * BLOCK,
			     (NR - KEPT) * BLOCK, KEPT * BLOCK));
	after(_metadata, self, variant->share, false);
}

TEST_F_TIMEOUT(trim, reclaim, TIMEOUT)
{
	int i;

	if (!self->cg.path[0] || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	for (i = 0; i < 100 && tables(self->ctl) == self->tables; i++) {
		cg_write_bytes(&self->cg, "memory.reclaim", MEM);
		usleep(50000);
	}
	EXPECT_GT(self->tables, tables(self->ctl));
	EXPECT_EQ(0, blocks_bad(self->win, 0, NR, false));
	EXPECT_EQ(0, pts_ask(self->child.sock, 0));
	EXPECT_EQ(0, pts_ask(self->child.sock, 1));
}

/* The last page that a table shows keeps it. */
TEST_F_TIMEOUT(trim, one_page_left, TIMEOUT)
{
	const size_t at = (KEPT + 1) * BLOCK - pts_psz;

	pts_store(self->win + at, pts_stamp(TAG, at));
	ASSERT_EQ(0, punch(self->mem, KEPT * BLOCK, BLOCK - pts_psz));
	ASSERT_EQ(0, punch(self->mem, (KEPT + 1) * BLOCK,
			   (NR - KEPT - 1) * BLOCK));
	EXPECT_TRUE(tables_become(self->ctl,
				  self->tables - (NR - KEPT - 1)));
	EXPECT_TRUE(pts_reads(self->win + at, pts_stamp(TAG, at)));
	EXPECT_EQ(0, pts_ask(self->child.sock, 0));
}

/* --- while others fill them again ------------------------------------------- */

/* What they see of each other. */
struct fill_board {
	atomic_uint stop, rounds[3];
	atomic_uint punches;	/* odd while one is made */
};

struct filler {
	char *map;
	struct fill_board *board;
	unsigned int id;	/* which word of a page is its own */
};

/* What it stored is there, if no page was punched since. */
static int fill_again(int sock, void *arg)
{
	struct filler *f = arg;
	unsigned int before;
	__u64 stamp, seen;
	char *at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom(f->id);
	while (!f->board->stop) {
		at = f->map + random() % (MEM / pts_psz) * pts_psz + f->id * 8;
		stamp = pts_stamp(2 + f->id, ++f->board->rounds[f->id]);
		before = f->board->punches;
		pts_store(at, stamp);
		seen = pts_load(at);
		if (!seen && (before % 2 || before != f->board->punches))
			continue;
		if (seen != stamp) {
			printf("# %llx where %llx was stored\n", seen, stamp);
			return 1;
		}
	}
	return 0;
}

/* The same by references that take no lock, as vmsplice() does. */
static int look_fast(int sock, void *arg)
{
	struct filler *f = arg;
	struct iovec iov = { .iov_len = 8 };
	__u64 seen;
	int p[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom(f->id);
	if (pipe(p))
		return 1;
	while (!f->board->stop) {
		iov.iov_base = f->map + random() % (MEM / pts_psz) * pts_psz;
		if (vmsplice(p[1], &iov, 1, 0) != 8 || read(p[0], &seen, 8) != 8)
			return 2;
		if (seen && (seen ^ pts_stamp(2, 0)) >> 48) {
			printf("# %llx by vmsplice\n", seen);
			return 3;
		}
		++f->board->rounds[f->id];
	}
	return 0;
}

TEST_F_TIMEOUT(trim, while_filled_again, TIMEOUT)
{
	int (*fn[3])(int, void *) = { fill_again, fill_again, look_fast };
	struct fill_board *board = mmap(NULL, pts_psz, PTS_RW,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *secs = getenv("PTSHARE_TEST_SECS");
	__u64 end = pts_now_ms() + 1000 * (secs ? atoi(secs) : 2);
	struct pts_child c[3];
	struct filler f[3];
	int i;

	ASSERT_EQ(0, punch(self->mem, 0, MEM));
	for (i = 0; i < 3; i++) {
		f[i] = (struct filler){ self->win, board, i };
		ASSERT_EQ(0, pts_fork(&c[i], fn[i], &f[i]));
	}
	ASSERT_EQ(0, pts_spit(TRIM_MS, "0"));
	while (pts_now_ms() < end) {
		board->punches++;
		ASSERT_EQ(0, punch(self->mem, 0, MEM));
		board->punches++;
		usleep(20000);
	}
	board->stop = 1;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, pts_join(&c[i]));
		EXPECT_LT(10, board->rounds[i]);
	}
	EXPECT_LT(0, pts_fdinfo(self->ctl, "ptshare-trimmed"));
	ASSERT_EQ(0, punch(self->mem, 0, MEM));
	fill(self->win);
}

/* khugepaged takes tables off, too, and may meet one that is gone. */
TEST_F_TIMEOUT(trim, against_collapse, TIMEOUT)
{
	const char *secs = getenv("PTSHARE_TEST_SECS");
	__u64 end = pts_now_ms() + 1000 * (secs ? atoi(secs) : 2);
	char *plain = pts_window_aligned(self->mem, BLOCK, BLOCK, 0);
	unsigned int collapsed = 0;

	ASSERT_NE(MAP_FAILED, (void *)plain);
	ASSERT_EQ(0, pts_spit(TRIM_MS, "0"));
	do {
		pts_store(self->win, pts_stamp(TAG, 0));
		if (madvise(plain, BLOCK, MADV_POPULATE_WRITE) ||
		    (madvise(plain, BLOCK, MADV_COLLAPSE) && !collapsed))
			SKIP(break, "no MADV_COLLAPSE: %m");
		collapsed++;
		EXPECT_TRUE(pts_reads(self->win, pts_stamp(TAG, 0)));
		EXPECT_EQ(0, pts_ask(self->child.sock, 0));
		ASSERT_EQ(0, punch(self->mem, 0, BLOCK));
	} while (pts_now_ms() < end);
	pts_store(self->win, pts_stamp(TAG, 0));
	munmap(plain, BLOCK);
}

TEST_HARNESS_MAIN
