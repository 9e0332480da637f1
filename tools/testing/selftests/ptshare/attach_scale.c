// SPDX-License-Identifier: GPL-2.0
/*
 * Many processes attach one container, touch all of it, and leave by three
 * ways: unmapping, exiting, being killed. Nothing of them is left behind.
 * PTSHARE_FLAVOR=debug makes it smaller.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define TIMEOUT		900

struct board {
	atomic_uint touched, wrong, go, left;
	int expect;		/* signal of a load after @go */
};

FIXTURE(scale)
{
	int ctl, mem;
	unsigned int nr;
	size_t len;
	struct board *board;
	pid_t *pids;
	long long tables;
};

static bool small(void)
{
	const char *flavor = getenv("PTSHARE_FLAVOR");

	return flavor && !strcmp(flavor, "debug");
}

FIXTURE_SETUP(scale)
{
	self->nr = small() ? 300 : 1500;
	self->len = small() ? 16 << 20 : 64 << 20;
	self->mem = pts_memfd_stamped(self->len, 1);
	ASSERT_GE(self->mem, 0);
	self->ctl = pts_create(self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, self->len, 0));
	self->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->board);
	self->pids = calloc(self->nr, sizeof(pid_t));
	ASSERT_NE(NULL, self->pids);
}

FIXTURE_TEARDOWN(scale)
{
}

/* Every other one through an attach fd, every third at an odd address. */
static void client(struct _test_data_scale *self, unsigned int id)
{
	struct board *board = self->board;
	int fd = id & 1 ? pts_attach(self->ctl) : self->ctl;
	char *win;
	size_t off;
	__u64 val;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	win = pts_window_aligned(fd, self->len, 1 << 21,
				 id % 3 ? 0 : 5 * pts_psz);
	if (win == MAP_FAILED)
		_exit(1);
	for (off = 0; off < self->len; off += pts_psz)
		if (__atomic_load_n((__u64 *)(win + off), __ATOMIC_RELAXED) !=
		    pts_stamp(1, off))
			board->wrong++;
	board->touched++;
	while (!board->go)
		usleep(200000);
	if (pts_read8(win + id % 100 * pts_psz, &val).sig != board->expect)
		board->wrong++;
	if (id % 4 == 2)
		pause();
	if (id % 4 == 1 && munmap(win, self->len))
		board->wrong++;
	board->left++;
	_exit(0);
}

static void all_attach(struct __test_metadata *_metadata,
		       struct _test_data_scale *self)
{
	unsigned int i;

	fflush(NULL);
	for (i = 0; i < self->nr; i++) {
		self->pids[i] = fork();
		ASSERT_GE(self->pids[i], 0);
		if (!self->pids[i])
			client(self, i);
	}
	ASSERT_TRUE(pts_wait_for(&self->board->touched, self->nr,
				 TIMEOUT * 900));
	EXPECT_EQ(0, self->board->wrong);
}

static void all_leave(struct __test_metadata *_metadata,
		      struct _test_data_scale *self)
{
	unsigned int i, killed = 0;
	int status;

	self->board->go = 1;
	for (i = 0; i < self->nr; i++)
		killed += i % 4 == 2;
	ASSERT_TRUE(pts_wait_for(&self->board->left, self->nr - killed,
				 TIMEOUT * 900));
	for (i = 0; i < self->nr; i++) {
		if (i % 4 == 2)
			kill(self->pids[i], SIGKILL);
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(i % 4 == 2 ? SIGKILL : 0, status);
	}
	EXPECT_EQ(0, self->board->wrong);
}

/* The counters are those of a container that nobody has mapped. */
static void nothing_is_left(struct __test_metadata *_metadata,
			    struct _test_data_scale *self)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_windows);
	EXPECT_EQ(0, info.nr_mirrors);
	EXPECT_EQ(0, info.nr_links);
	EXPECT_EQ(0, info.saved_bytes);
	EXPECT_EQ(self->len, info.rss_bytes);
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-windows"));
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-mirrors"));
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-links"));
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-saved-kB"));
}

TEST_F_TIMEOUT(scale, attach_touch_leave, TIMEOUT)
{
	const long long tables = pts_meminfo("PageTables");
	struct ptshare_info info;
	__u64 start = pts_now_ms();

	all_attach(_metadata, self);
	TH_LOG("%u processes touched %zu MiB in %llu ms, page tables %lld kB",
	       self->nr, self->len >> 20, pts_now_ms() - start,
	       pts_meminfo("PageTables") - tables);
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(self->nr, info.nr_windows);
	EXPECT_GT(info.nr_mirrors + info.nr_links, self->nr);
	EXPECT_EQ(self->nr, pts_fdinfo(self->ctl, "ptshare-windows"));
	/* The memory is there once. */
	EXPECT_EQ(self->len, info.rss_bytes);
	start = pts_now_ms();
	all_leave(_metadata, self);
	TH_LOG("they left in %llu ms", pts_now_ms() - start);
	nothing_is_left(_metadata, self);
}

/* One PROTECT reaches them all, while they are all there. */
TEST_F_TIMEOUT(scale, protect_for_all, TIMEOUT)
{
	__u64 start;

	self->nr /= 5;
	all_attach(_metadata, self);
	start = pts_now_ms();
	ASSERT_EQ(0, pts_protect(self->ctl, 0, self->len, PROT_NONE));
	TH_LOG("PROTECT for %u processes: %llu ms", self->nr,
	       pts_now_ms() - start);
	self->board->expect = SIGSEGV;
	all_leave(_metadata, self);
	nothing_is_left(_metadata, self);
}

TEST_HARNESS_MAIN
