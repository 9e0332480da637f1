// SPDX-License-Identifier: GPL-2.0
/*
 * madvise on a window: the few values that act do, every other is refused, on
 * the whole window and on a part, and leaves it as it was.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		16

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#define MADV_GUARD_INSTALL_	102
#define MADV_GUARD_REMOVE_	103

#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif

FIXTURE(madvise)
{
	struct pts_rig rig;
	char *win;
	size_t len;
};

FIXTURE_VARIANT(madvise)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(madvise, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(madvise, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(madvise)
{
	int i;

	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	self->win = self->rig.win;
	self->len = 2 * self->rig.half;
	/* Half of the pages are there, half are not. */
	for (i = 0; i < PAGES; i += 2)
		ASSERT_TRUE(pts_writes(self->win + PG(i) + 8, i));
}

FIXTURE_TEARDOWN(madvise)
{
	pts_rig_free(&self->rig);
}

static void expect_same_data(struct __test_metadata *_metadata,
			     struct _test_data_madvise *self)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		EXPECT_TRUE(pts_reads(self->win + PG(i), pts_stamp(1, PG(i))));
		EXPECT_TRUE(pts_reads(self->win + PG(i) + 8, i & 1 ? 0 : i));
		EXPECT_TRUE(pts_writes(self->win + PG(i) + 16, i));
	}
}

/* @advice is EINVAL on the whole, the region, a page, and the hole. */
static void expect_refused(struct __test_metadata *_metadata,
			   struct _test_data_madvise *self, int advice)
{
	struct {
		__u64 start, len;
	} t[] = {
		{ 0, self->len },
		{ 0, self->rig.half },
		{ PG(3), PG(2) },
		{ 0, PG(1) },
		{ self->rig.half, self->rig.half },
		{ self->len - PG(1), PG(1) },
	};
	char before[512], after[512];
	size_t i;

	ASSERT_EQ(0, pts_maps_line(self->win, before, sizeof(before)));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		errno = 0;
		EXPECT_EQ(-1, madvise(self->win + t[i].start, t[i].len,
				      advice)) {
			TH_LOG("advice %d on %#llx+%#llx", advice, t[i].start,
			       t[i].len);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	ASSERT_EQ(0, pts_maps_line(self->win, after, sizeof(after)));
	EXPECT_STREQ(before, after);
	expect_same_data(_metadata, self);
}

TEST_F(madvise, normal)
{
	expect_refused(_metadata, self, MADV_NORMAL);
}

TEST_F(madvise, random)
{
	expect_refused(_metadata, self, MADV_RANDOM);
}

TEST_F(madvise, sequential)
{
	expect_refused(_metadata, self, MADV_SEQUENTIAL);
}

TEST_F(madvise, willneed)
{
	expect_refused(_metadata, self, MADV_WILLNEED);
}

TEST_F(madvise, dontneed)
{
	expect_refused(_metadata, self, MADV_DONTNEED);
}

TEST_F(madvise, dontneed_locked)
{
	expect_refused(_metadata, self, MADV_DONTNEED_LOCKED);
}

TEST_F(madvise, free)
{
	expect_refused(_metadata, self, MADV_FREE);
}

TEST_F(madvise, remove)
{
	expect_refused(_metadata, self, MADV_REMOVE);
}

TEST_F(madvise, cold)
{
	expect_refused(_metadata, self, MADV_COLD);
}

TEST_F(madvise, pageout)
{
	expect_refused(_metadata, self, MADV_PAGEOUT);
}

TEST_F(madvise, hugepage)
{
	expect_refused(_metadata, self, MADV_HUGEPAGE);
}

TEST_F(madvise, nohugepage)
{
	expect_refused(_metadata, self, MADV_NOHUGEPAGE);
}

TEST_F(madvise, collapse)
{
	expect_refused(_metadata, self, MADV_COLLAPSE);
}

TEST_F(madvise, mergeable)
{
	expect_refused(_metadata, self, MADV_MERGEABLE);
}

TEST_F(madvise, unmergeable)
{
	expect_refused(_metadata, self, MADV_UNMERGEABLE);
}

TEST_F(madvise, wipeonfork)
{
	expect_refused(_metadata, self, MADV_WIPEONFORK);
}

TEST_F(madvise, keeponfork)
{
	expect_refused(_metadata, self, MADV_KEEPONFORK);
}

TEST_F(madvise, dodump)
{
	expect_refused(_metadata, self, MADV_DODUMP);
}

TEST_F(madvise, guard_install)
{
	expect_refused(_metadata, self, MADV_GUARD_INSTALL_);
}

TEST_F(madvise, guard_remove)
{
	expect_refused(_metadata, self, MADV_GUARD_REMOVE_);
}

/* Nothing that a later kernel may add is taken unseen. */
TEST_F(madvise, unknown)
{
	int advice;

	for (advice = 26; advice < 64; advice++)
		EXPECT_EQ(-1, madvise(self->win, self->len, advice));
	expect_refused(_metadata, self, 9999);
	expect_refused(_metadata, self, -1);
}

/* A range that begins before the window: refused, and the window the same. */
TEST_F(madvise, range_across_windows)
{
	char *space = pts_reserve(PG(64), pts_psz);
	char *win = space + PG(16);

	ASSERT_EQ(0, mprotect(space, PG(16), PTS_RW));
	ASSERT_EQ(win, mmap(win, PG(PAGES), PTS_RW, MAP_SHARED | MAP_FIXED,
			    self->rig.fd, 0));
	EXPECT_TRUE(pts_writes(win + PG(1), pts_stamp(1, PG(1))));
	EXPECT_EQ(-1, madvise(space, PG(20), MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(pts_reads(win + PG(1), pts_stamp(1, PG(1))));
	expect_same_data(_metadata, self);
}

static int child_reads(int sock, void *arg)
{
	__u64 val;
	struct pts_fault f = pts_read8(arg, &val);

	return f.sig == SIGSEGV && f.code == SEGV_MAPERR ? 77 : f.sig;
}

/* What a child of ours meets at @addr: 0, a signal, or 77 for no mapping. */
static int in_child(char *addr)
{
	struct pts_child c;

	return pts_fork(&c, child_reads, addr) ? -1 : pts_join(&c);
}

TEST_F(madvise, dontfork_and_dofork)
{
	EXPECT_EQ(0, in_child(self->win));
	ASSERT_EQ(0, madvise(self->win, self->len, MADV_DONTFORK));
	EXPECT_EQ(77, in_child(self->win));
	expect_same_data(_metadata, self);
	ASSERT_EQ(0, madvise(self->win, self->len, MADV_DOFORK));
	EXPECT_EQ(0, in_child(self->win));
}

/* On a part it would cut the window: refused, and without effect. */
TEST_F(madvise, dontfork_part)
{
	char line[512], now[512];

	ASSERT_EQ(0, pts_maps_line(self->win, line, sizeof(line)));
	EXPECT_EQ(-1, madvise(self->win + PG(2), PG(2), MADV_DONTFORK));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, pts_maps_line(self->win, now, sizeof(now)));
	EXPECT_STREQ(line, now);
	EXPECT_EQ(0, in_child(self->win + PG(2)));
	expect_same_data(_metadata, self);
}

TEST_F(madvise, dontdump)
{
	EXPECT_EQ(0, madvise(self->win, self->len, MADV_DONTDUMP));
	EXPECT_EQ(0, madvise(self->win + PG(1), PG(1), MADV_DONTDUMP));
	expect_same_data(_metadata, self);
}

TEST_F(madvise, populate)
{
	char *region = self->win;
	struct ptshare_info before, after;

	munmap(self->win, self->len);
	ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW, MAP_SHARED |
				  MAP_FIXED, self->rig.fd, 0));
	EXPECT_EQ(0, madvise(region, self->rig.half, MADV_POPULATE_READ));
	EXPECT_EQ(0, madvise(region, self->rig.half, MADV_POPULATE_WRITE));
	EXPECT_EQ(0, madvise(region + PG(1), PG(1), MADV_POPULATE_WRITE));
	ASSERT_EQ(0, pts_info(self->rig.fd, &before));
	EXPECT_EQ(self->rig.half, before.rss_bytes);
	expect_same_data(_metadata, self);
	ASSERT_EQ(0, pts_info(self->rig.fd, &after));
	EXPECT_EQ(before.rss_bytes, after.rss_bytes);
	/* A hole and a read-only region can't be populated. */
	EXPECT_EQ(-1, madvise(self->win, self->len, MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(self->win + self->rig.half, PG(1),
			      MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(2), PTS_RO));
	EXPECT_EQ(-1, madvise(self->win, PG(2), MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, madvise(self->win, PG(2), MADV_POPULATE_READ));
}

static bool memory_failure_works(void)
{
	char *p = mmap(NULL, PG(1), PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works;

	*p = 1;
	works = !madvise(p, PG(1), MADV_SOFT_OFFLINE);
	munmap(p, PG(1));
	return works;
}

/* The page moves, the data stay. */
TEST_F(madvise, soft_offline)
{
	if (!memory_failure_works())
		SKIP(return, "no soft offlining in this kernel");
	EXPECT_EQ(0, madvise(self->win + PG(2), PG(1), MADV_SOFT_OFFLINE));
	EXPECT_EQ(0, madvise(self->win + PG(3), PG(1), MADV_SOFT_OFFLINE));
	expect_same_data(_metadata, self);
}

/* The caller of it may be told of the page's end by a signal of its own. */
static int poison(int sock, void *arg)
{
	signal(SIGBUS, SIG_DFL);
	return madvise(arg, pts_psz, MADV_HWPOISON) ? 1 : 0;
}

TEST_F(madvise, hwpoison)
{
	char *plain = pts_window(self->rig.mem, self->rig.half, 0);
	struct pts_child c;
	__u64 val;
	int ret;

	if (!memory_failure_works())
		SKIP(return, "no memory failure injection in this kernel");
	ASSERT_EQ(0, pts_fork(&c, poison, self->win + PG(4)));
	ret = pts_join(&c);
	EXPECT_TRUE(ret == 0 || ret == 256 + SIGBUS);
	EXPECT_EQ(SIGBUS, pts_read8(self->win + PG(4), &val).sig);
	EXPECT_EQ(SIGBUS, pts_read8(plain + PG(4), &val).sig);
	EXPECT_TRUE(pts_reads(self->win + PG(3), pts_stamp(1, PG(3))));
	EXPECT_TRUE(pts_reads(self->win + PG(5), pts_stamp(1, PG(5))));
}

/* From outside it is the same answer. */
TEST_F(madvise, process_madvise)
{
	int advices[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE,
	};
	struct iovec iov = { self->win, self->rig.half };
	int pidfd = syscall(__NR_pidfd_open, getpid(), 0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		EXPECT_EQ(-1, syscall(__NR_process_madvise, pidfd, &iov, 1,
				      advices[i], 0));
		EXPECT_EQ(EINVAL, errno);
	}
	expect_same_data(_metadata, self);
}

TEST_HARNESS_MAIN
