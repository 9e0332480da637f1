// SPDX-License-Identifier: GPL-2.0
/*
 * SCAN: what it refuses, what it tells, what it forgets and arms, and where it
 * stops. A call that fails has forgotten nothing.
 */
#include <fcntl.h>
#include <sys/prctl.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define PAGES	16

/*
 * The first half of the container is one region. Armed are pages 0 to 13, of
 * which 1, 2, 5 and 9 are written; 14 and 15 are nobody's.
 */
FIXTURE(scan)
{
	struct pts_rig rig;
	int nfd;
	char *win;
	struct ptshare_scan_region r[PAGES];
};

static const unsigned int written[] = { 1, 2, 5, 9 };

FIXTURE_SETUP(scan)
{
	size_t i;

	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
	self->win = self->rig.win;
	self->nfd = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->nfd, 0);
	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(14), PTSHARE_ASYNC,
			     PTSHARE_KERNEL_ALLOW));
	for (i = 0; i < ARRAY_SIZE(written); i++)
		ASSERT_TRUE(pts_writes(self->win + PG(written[i]), 1));
	ASSERT_EQ(ARRAY_SIZE(written), pts_drain(self->nfd));
}

FIXTURE_TEARDOWN(scan)
{
}

static bool region_is(const struct ptshare_scan_region *r, __u64 first,
		      __u64 end, __u64 categories)
{
	if (r->start == PG(first) && r->end == PG(end) &&
	    r->categories == categories)
		return true;
	printf("# %#llx to %#llx categories %#llx\n", r->start, r->end,
	       r->categories);
	return false;
}

/* Only the pages that were written first are, as told by @flags. */
static void as_before(struct __test_metadata *_metadata,
		      struct _test_data_scan *self)
{
	struct ptshare_scan_region *r = self->r;

	ASSERT_EQ(3, pts_scan(self->nfd, 0, 0, PG(PAGES), 0, r, PAGES));
	EXPECT_TRUE(region_is(r, 1, 3, PTS_WRITTEN));
	EXPECT_TRUE(region_is(r + 1, 5, 6, PTS_WRITTEN));
	EXPECT_TRUE(region_is(r + 2, 9, 10, PTS_WRITTEN));
}

TEST_F(scan, refused)
{
	const __u64 all = PG(2 * PAGES);
	struct {
		__u32 flags;
		__u64 start, end, vec_len, categories;
		int err;
	} t[] = {
		{ 0, 0, 0, 1, 0, -EINVAL },
		{ 0, PG(1), PG(1), 1, 0, -EINVAL },
		{ 0, PG(2), PG(1), 1, 0, -EINVAL },
		{ 0, 1, PG(1), 1, 0, -EINVAL },
		{ 0, 0, PG(1) + 1, 1, 0, -EINVAL },
		{ 0, 0, 512, 1, 0, -EINVAL },
		{ 0, 0, all + PG(1), 1, 0, -EINVAL },
		{ 0, all, all + PG(1), 1, 0, -EINVAL },
		{ 0, 0, -PG(1), 1, 0, -EINVAL },
		{ 0, 0, all, 0, 0, -EINVAL },
		{ 0, 0, all, 1, 16, -EINVAL },
		{ 0, 0, all, 1, 1ULL << 63, -EINVAL },
		{ 0, 0, all, 1, PTS_STATES | 32, -EINVAL },
		{ 4, 0, all, 1, 0, -EOPNOTSUPP },
		{ PTSHARE_SCAN_CLEAR | 8, 0, all, 1, 0, -EOPNOTSUPP },
		{ PTSHARE_SCAN_CLEAR, 0, all, 0, 0, -EINVAL },
		{ PTSHARE_SCAN_REARM, 0, all, 1, 16, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, pts_scan(self->nfd, t[i].flags, t[i].start,
					     t[i].end, t[i].categories,
					     self->r, t[i].vec_len)) {
			TH_LOG("row %zu", i);
		}
	}
	as_before(_metadata, self);
}

/* An answer that can't be written is not lost. */
TEST_F(scan, bad_vector)
{
	char *page = mmap(NULL, 2 * pts_psz, PTS_RW,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const __u32 flags[] = {
		0, PTSHARE_SCAN_CLEAR, PTSHARE_SCAN_REARM,
		PTSHARE_SCAN_CLEAR | PTSHARE_SCAN_REARM,
	};
	void *bad[] = { NULL, page + pts_psz, page + pts_psz - 24,
			page + pts_psz - 8, (void *)-pts_psz };
	size_t i, j;

	ASSERT_NE(MAP_FAILED, (void *)page);
	ASSERT_EQ(0, munmap(page + pts_psz, pts_psz));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(-EFAULT, pts_scan(self->nfd, flags[i], 0,
						    PG(PAGES), 0, bad[j],
						    PAGES)) {
				TH_LOG("flags %u vector %zu", flags[i], j);
			}
			as_before(_metadata, self);
		}
	}
}

/* The argument itself may be what can't be written. */
TEST_F(scan, bad_result)
{
	struct ptshare_scan *s = mmap(NULL, pts_psz, PTS_RW,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)s);
	*s = (struct ptshare_scan) {
		.size = sizeof(*s), .flags = PTSHARE_SCAN_REARM,
		.end = PG(PAGES), .vec = (uintptr_t)self->r, .vec_len = PAGES,
	};
	ASSERT_EQ(0, mprotect(s, pts_psz, PROT_READ));
	EXPECT_EQ(-EFAULT, pts_ioctl(self->nfd, PTSHARE_IOC_SCAN, s));
	as_before(_metadata, self);
}

TEST_F(scan, categories)
{
	struct ptshare_scan_region *r = self->r;

	as_before(_metadata, self);
	ASSERT_EQ(3, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_WRITTEN,
			      r, PAGES));
	EXPECT_TRUE(region_is(r, 1, 3, PTS_WRITTEN));
	ASSERT_EQ(4, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_ARMED, r,
			      PAGES));
	EXPECT_TRUE(region_is(r, 0, 1, PTS_ARMED));
	EXPECT_TRUE(region_is(r + 1, 3, 5, PTS_ARMED));
	EXPECT_TRUE(region_is(r + 2, 6, 9, PTS_ARMED));
	EXPECT_TRUE(region_is(r + 3, 10, 14, PTS_ARMED));
	EXPECT_EQ(0, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PENDING,
			      r, PAGES));
	EXPECT_EQ(0, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PINNED,
			      r, PAGES));
	/* With any of them: neighbours that differ are told apart. */
	ASSERT_EQ(7, pts_scan(self->nfd, 0, 0, PG(PAGES), PTS_STATES, r,
			      PAGES));
	EXPECT_TRUE(region_is(r + 1, 1, 3, PTS_WRITTEN));
	EXPECT_TRUE(region_is(r + 6, 10, 14, PTS_ARMED));
	/* A page that is both. */
	ASSERT_EQ(0, pts_arm(self->nfd, PG(5), PG(1), PTSHARE_ASYNC, 0));
	ASSERT_EQ(1, pts_scan(self->nfd, 0, PG(5), PG(6), PTSHARE_PAGE_ARMED, r,
			      PAGES));
	EXPECT_TRUE(region_is(r, 5, 6, PTS_WRITTEN | PTS_ARMED));
}

static int store_until_told(int sock, void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pts_write8(arg, 1);
	return 0;
}

/* Somebody sleeps, or was refused. */
TEST_F(scan, pending)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_arm(self->nfd, PG(3), PG(1), PTSHARE_BLOCK, 0));
	ASSERT_EQ(0, pts_arm(self->nfd, PG(4), PG(1), PTSHARE_SIGNAL, 0));
	ASSERT_EQ(0, pts_fork(&c, store_until_told, self->win + PG(3)));
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(3),
			     c.pid));
	EXPECT_EQ(SIGBUS, pts_write8(self->win + PG(4), 1).sig);
	ASSERT_EQ(1, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PENDING,
			      self->r, PAGES));
	EXPECT_TRUE(region_is(self->r, 3, 5, PTS_WAITING));
	/* To look at it, or to arm it again, wakes nobody. */
	EXPECT_EQ(1, pts_scan(self->nfd, PTSHARE_SCAN_CLEAR, 0, PG(PAGES),
			      PTSHARE_PAGE_PENDING, self->r, PAGES));
	EXPECT_TRUE(pts_child_sleeps(&c));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(3), PG(2), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PENDING,
			      self->r, PAGES));
	EXPECT_EQ(0, pts_join(&c));
}

TEST_F(scan, clear)
{
	ASSERT_EQ(3, pts_scan(self->nfd, PTSHARE_SCAN_CLEAR, 0, PG(PAGES), 0,
			      self->r, PAGES));
	EXPECT_TRUE(region_is(self->r, 1, 3, PTS_WRITTEN));
	EXPECT_EQ(0, pts_written(self->nfd, 0, 0, PG(PAGES)));
	/* It is not armed by that: the next store is not seen. */
	EXPECT_TRUE(pts_writes(self->win + PG(1), 2));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(0, pts_written(self->nfd, 0, 0, PG(PAGES)));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(1)));
	/* But it is still this fd's: it can be armed again. */
	EXPECT_EQ(0, pts_resolve(self->nfd, 0, PG(4), PTSHARE_ALLOW));
	EXPECT_EQ(2, pts_written(self->nfd, 0, 0, PG(PAGES)));
}

TEST_F(scan, rearm)
{
	ASSERT_EQ(3, pts_scan(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES), 0,
			      self->r, PAGES));
	EXPECT_TRUE(region_is(self->r, 1, 3, PTS_WRITTEN));
	EXPECT_EQ(0, pts_written(self->nfd, 0, 0, PG(PAGES)));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(1)));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 2));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(1), getpid()));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 3));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(1, pts_written(self->nfd, 0, 0, PG(PAGES)));
	/* Nobody's pages stay nobody's. */
	EXPECT_TRUE(pts_writes(self->win + PG(14), 2));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* Arming again is with the parameters of the range. */
TEST_F(scan, rearm_keeps_parameters)
{
	struct ptshare_arm a = {
		.offset = PG(2), .length = PG(1), .cookie = 77,
		.mode = PTSHARE_SIGNAL,
	};
	struct ptshare_event ev;

	ASSERT_EQ(0, pts_arm_with(self->nfd, &a));
	ASSERT_EQ(0, pts_resolve(self->nfd, PG(2), PG(1), PTSHARE_ALLOW));
	ASSERT_TRUE(pts_writes(self->win + PG(2), 3));
	ASSERT_LT(0, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES)));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win + PG(2), 4), SIGBUS,
				 BUS_ADRERR, self->win + PG(2)));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 4));
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
	EXPECT_EQ(77, ev.cookie);
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
	EXPECT_EQ(0, ev.cookie);
}

/* Pages that are not told, for their category or place, are not touched. */
TEST_F(scan, clears_only_what_is_told)
{
	EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, PG(2), PG(5)));
	EXPECT_EQ(3, pts_written(self->nfd, 0, 0, PG(PAGES)));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(1)));
	EXPECT_EQ(4, pts_scan(self->nfd, PTSHARE_SCAN_CLEAR, 0, PG(PAGES),
			      PTSHARE_PAGE_ARMED, self->r, PAGES));
	EXPECT_EQ(3, pts_written(self->nfd, 0, 0, PG(PAGES)));
	EXPECT_EQ(0, pts_scan(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES),
			      PTSHARE_PAGE_PENDING, self->r, PAGES));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(9)));
}

/* Where the room or the number of pages ends, it stops, and says where. */
static __u64 scan_some(struct _test_data_scan *self, __u64 start, __u64 room,
		       __u64 max_pages, __u32 flags, __u64 *nr)
{
	struct ptshare_scan s = {
		.size = sizeof(s), .flags = flags, .start = start,
		.end = PG(PAGES), .vec = (uintptr_t)self->r, .vec_len = room,
		.max_pages = max_pages, .walk_end = 99, .nr = 99,
	};

	if (pts_ioctl(self->nfd, PTSHARE_IOC_SCAN, &s))
		return 0;
	*nr = s.nr;
	return s.walk_end;
}

TEST_F(scan, stops_when_full)
{
	__u64 nr, end;

	end = scan_some(self, 0, 1, 0, PTSHARE_SCAN_CLEAR, &nr);
	EXPECT_EQ(1, nr);
	EXPECT_TRUE(region_is(self->r, 1, 3, PTS_WRITTEN));
	EXPECT_GE(end, PG(3));
	EXPECT_LE(end, PG(5));
	/* Behind it nothing was forgotten. */
	EXPECT_EQ(2, pts_written(self->nfd, 0, 0, PG(PAGES)));
	end = scan_some(self, end, 1, 0, PTSHARE_SCAN_CLEAR, &nr);
	EXPECT_EQ(1, nr);
	EXPECT_TRUE(region_is(self->r, 5, 6, PTS_WRITTEN));
	end = scan_some(self, end, 2, 0, PTSHARE_SCAN_CLEAR, &nr);
	EXPECT_EQ(1, nr);
	EXPECT_TRUE(region_is(self->r, 9, 10, PTS_WRITTEN));
	EXPECT_EQ(PG(PAGES), end);
	end = scan_some(self, 0, 1, 0, 0, &nr);
	EXPECT_EQ(0, nr);
	EXPECT_EQ(PG(PAGES), end);
}

TEST_F(scan, max_pages)
{
	__u64 nr, end;

	end = scan_some(self, 0, PAGES, 1, PTSHARE_SCAN_REARM, &nr);
	EXPECT_EQ(1, nr);
	EXPECT_TRUE(region_is(self->r, 1, 2, PTS_WRITTEN));
	EXPECT_EQ(PG(2), end);
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(1)));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(2)));
	end = scan_some(self, end, PAGES, 2, PTSHARE_SCAN_REARM, &nr);
	EXPECT_EQ(2, nr);
	EXPECT_TRUE(region_is(self->r, 2, 3, PTS_WRITTEN));
	EXPECT_TRUE(region_is(self->r + 1, 5, 6, PTS_WRITTEN));
	EXPECT_LE(PG(6), end);
	EXPECT_GE(PG(9), end);
	end = scan_some(self, end, PAGES, 2, 0, &nr);
	EXPECT_EQ(1, nr);
	EXPECT_EQ(PG(PAGES), end);
}

/* The container's holes and pages of other fds are passed over. */
TEST_F(scan, over_holes_and_others)
{
	int other = pts_notify(self->rig.ctl, 0);

	ASSERT_EQ(0, pts_resolve(self->nfd, PG(5), PG(2), PTSHARE_DISARM));
	ASSERT_EQ(0, pts_arm(other, PG(5), PG(2), PTSHARE_ASYNC, 0));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, PG(2), PG(1)));
	EXPECT_TRUE(pts_writes(self->win + PG(5), 2));
	ASSERT_EQ(2, pts_scan(self->nfd, 0, 0, PG(2 * PAGES), 0, self->r,
			      PAGES));
	EXPECT_TRUE(region_is(self->r, 1, 2, PTS_WRITTEN));
	EXPECT_TRUE(region_is(self->r + 1, 9, 10, PTS_WRITTEN));
	ASSERT_EQ(1, pts_scan(other, 0, 0, PG(2 * PAGES), 0, self->r, PAGES));
	EXPECT_TRUE(region_is(self->r, 5, 6, PTS_WRITTEN));
}

/* The order in the container counts, whatever it is in the file. */
TEST_F(scan, in_order_of_the_container)
{
	int ctl = pts_create(PG(4), PTS_RW), nfd, i;
	char *win;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pts_map(ctl, self->rig.mem, PTS_RW, PG(i), PG(1),
				     PG(PAGES - 1 - i)));
	nfd = pts_notify(ctl, 0);
	win = pts_window(ctl, PG(4), 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	ASSERT_EQ(0, pts_arm(nfd, 0, PG(2), PTSHARE_ASYNC, 0));
	for (i = 1; i >= 0; i--) {
		EXPECT_TRUE(pts_writes(win + PG(i), 1));
		EXPECT_TRUE(pts_told(nfd, 0, PG(i), getpid()));
	}
	ASSERT_EQ(1, pts_scan(nfd, 0, 0, PG(4), 0, self->r, PAGES));
	EXPECT_TRUE(region_is(self->r, 0, 2, PTS_WRITTEN));
}

TEST_HARNESS_MAIN
