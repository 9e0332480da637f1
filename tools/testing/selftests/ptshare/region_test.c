// SPDX-License-Identifier: GPL-2.0
/* MAP, REPLACE, UNMAP and QUERY: what they do to regions and to their data. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		32

/* Two stamped memfds (tags 1 and 2), an empty container, a window of it. */
FIXTURE(region)
{
	int ctl, fd, m1, m2;
	char *win;
};

FIXTURE_VARIANT(region)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(region, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(region, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(region)
{
	self->m1 = pts_memfd_stamped(PG(PAGES), 1);
	self->m2 = pts_memfd_stamped(PG(PAGES), 2);
	self->ctl = pts_create(PG(PAGES), PTS_RW);
	ASSERT_GE(self->ctl, 0);
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->win = pts_window(self->fd, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, self->win);
}

FIXTURE_TEARDOWN(region)
{
}

#define EXPECT_HOLE(page) do {						\
	char *_at = self->win + PG(page);				\
	__u64 _val;							\
	EXPECT_TRUE(pts_fault_is(pts_read8(_at, &_val), SIGBUS,		\
				 BUS_ADRERR, _at));			\
} while (0)

#define EXPECT_SHOWS(page, tag, file_page)				\
	EXPECT_TRUE(pts_reads(self->win + PG(page),			\
			      pts_stamp(tag, PG(file_page))))

TEST_F(region, map_shows_file)
{
	EXPECT_HOLE(3);
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(3), PG(4),
			     PG(10)));
	EXPECT_HOLE(2);
	EXPECT_SHOWS(3, 1, 10);
	EXPECT_SHOWS(6, 1, 13);
	EXPECT_HOLE(7);
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(3), PG(4), PG(10), PTS_RW));
	EXPECT_EQ(1, pts_nr_regions(self->fd));
}

/* The fd may be closed; the file may be shown many times. */
TEST_F(region, map_keeps_file)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(1), PG(5)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(8), PG(1), PG(5)));
	close(self->m1);
	EXPECT_SHOWS(0, 1, 5);
	EXPECT_TRUE(pts_writes(self->win, 123));
	EXPECT_TRUE(pts_reads(self->win + PG(8), 123));
}

TEST_F(region, map_whole_container)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(PAGES), 0));
	EXPECT_SHOWS(0, 1, 0);
	EXPECT_SHOWS(PAGES - 1, 1, PAGES - 1);
	EXPECT_TRUE(pts_region_is(self->fd, 0, 0, PG(PAGES), 0, PTS_RW));
}

/* The write side of the same bytes: store here, pread there, and back. */
TEST_F(region, same_bytes_as_file)
{
	__u64 val = 0;

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(4), 0));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 4711));
	EXPECT_EQ(8, pread(self->m1, &val, 8, PG(1)));
	EXPECT_EQ(4711, val);
	val = 4712;
	EXPECT_EQ(8, pwrite(self->m1, &val, 8, PG(1)));
	EXPECT_TRUE(pts_reads(self->win + PG(1), 4712));
}

TEST_F(region, prot_none)
{
	char *at = self->win + PG(1);
	__u64 val;

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PROT_NONE, PG(1), PG(1), 0));
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(1), PG(1), 0, PROT_NONE));
	EXPECT_TRUE(pts_fault_is(pts_read8(at, &val), SIGSEGV, SEGV_ACCERR,
				 at));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGSEGV, SEGV_ACCERR, at));
}

/* As mmap(2): a region may begin or end beyond the file. */
TEST_F(region, beyond_end_of_file)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(4),
			     PG(PAGES - 2)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(8), PG(1),
			     PG(PAGES + 100)));
	EXPECT_SHOWS(1, 1, PAGES - 1);
	EXPECT_HOLE(2);
	EXPECT_HOLE(8);
	/* It becomes readable when the file grows. */
	ASSERT_EQ(0, ftruncate(self->m1, PG(PAGES + 1)));
	EXPECT_TRUE(pts_reads(self->win + PG(2), 0));
	EXPECT_HOLE(3);
	/* And goes when the file shrinks. */
	ASSERT_EQ(0, ftruncate(self->m1, PG(PAGES - 1)));
	EXPECT_SHOWS(0, 1, PAGES - 2);
	EXPECT_HOLE(1);
}

TEST_F(region, punched_hole_reads_zero)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(4), 0));
	EXPECT_SHOWS(2, 1, 2);
	ASSERT_EQ(0, fallocate(self->m1, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, PG(2), PG(1)));
	EXPECT_TRUE(pts_reads(self->win + PG(2), 0));
	EXPECT_SHOWS(1, 1, 1);
	EXPECT_SHOWS(3, 1, 3);
}

TEST_F(region, unmap_whole)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(4), 0));
	EXPECT_SHOWS(4, 1, 0);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(4), PG(4)));
	EXPECT_HOLE(4);
	EXPECT_HOLE(7);
	EXPECT_EQ(0, pts_nr_regions(self->fd));
	/* The place can be used again. */
	ASSERT_EQ(0, pts_map(self->ctl, self->m2, PTS_RW, PG(5), PG(1), 0));
	EXPECT_SHOWS(5, 2, 0);
}

TEST_F(region, unmap_cuts_head)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(4), 0));
	EXPECT_SHOWS(5, 1, 1);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(2), PG(3)));
	EXPECT_HOLE(4);
	EXPECT_SHOWS(5, 1, 1);
	EXPECT_EQ(1, pts_nr_regions(self->fd));
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(5), PG(3), PG(1), PTS_RW));
}

TEST_F(region, unmap_cuts_tail)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(4), 0));
	EXPECT_SHOWS(7, 1, 3);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(6), PG(8)));
	EXPECT_SHOWS(5, 1, 1);
	EXPECT_HOLE(6);
	EXPECT_HOLE(7);
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(4), PG(2), 0, PTS_RW));
}

TEST_F(region, unmap_cuts_middle)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(8), 0));
	EXPECT_SHOWS(7, 1, 3);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(7), PG(2)));
	EXPECT_SHOWS(6, 1, 2);
	EXPECT_HOLE(7);
	EXPECT_HOLE(8);
	EXPECT_SHOWS(9, 1, 5);
	EXPECT_EQ(2, pts_nr_regions(self->fd));
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(4), PG(3), 0, PTS_RW));
	EXPECT_TRUE(pts_region_is(self->fd, 1, PG(9), PG(3), PG(5), PTS_RW));
}

TEST_F(region, unmap_over_holes)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(1), PG(2), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->m2, PTS_RO, PG(6), PG(2), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(9), PG(2), 0));
	EXPECT_SHOWS(6, 2, 0);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(2), PG(8)));
	EXPECT_SHOWS(1, 1, 0);
	EXPECT_HOLE(2);
	EXPECT_HOLE(6);
	EXPECT_HOLE(9);
	EXPECT_SHOWS(10, 1, 1);
	EXPECT_EQ(2, pts_nr_regions(self->fd));
}

TEST_F(region, replace_in_the_middle)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(8), 0));
	EXPECT_SHOWS(3, 1, 3);
	ASSERT_EQ(0, pts_replace(self->ctl, self->m2, PTS_RO, PG(3), PG(2),
				 PG(20)));
	EXPECT_SHOWS(2, 1, 2);
	EXPECT_SHOWS(3, 2, 20);
	EXPECT_SHOWS(4, 2, 21);
	EXPECT_SHOWS(5, 1, 5);
	EXPECT_EQ(3, pts_nr_regions(self->fd));
	EXPECT_TRUE(pts_region_is(self->fd, 0, 0, PG(3), 0, PTS_RW));
	EXPECT_TRUE(pts_region_is(self->fd, 1, PG(3), PG(2), PG(20), PTS_RO));
	EXPECT_TRUE(pts_region_is(self->fd, 2, PG(5), PG(3), PG(5), PTS_RW));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win + PG(3), 1), SIGSEGV,
				 SEGV_ACCERR, self->win + PG(3)));
	EXPECT_TRUE(pts_writes(self->win + PG(5), 1));
}

/* Several regions, holes between them, and both ends cut. */
TEST_F(region, replace_spans)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(3), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RO, PG(5), PG(1), PG(5)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(8), PG(4), PG(8)));
	EXPECT_SHOWS(2, 1, 2);
	EXPECT_SHOWS(8, 1, 8);
	ASSERT_EQ(0, pts_replace(self->ctl, self->m2, PTS_RW, PG(2), PG(8), 0));
	EXPECT_SHOWS(1, 1, 1);
	EXPECT_SHOWS(2, 2, 0);
	EXPECT_SHOWS(4, 2, 2);
	EXPECT_SHOWS(9, 2, 7);
	EXPECT_SHOWS(10, 1, 10);
	EXPECT_EQ(3, pts_nr_regions(self->fd));
}

/* Like MAP_FIXED, REPLACE does not insist on something being there. */
TEST_F(region, replace_hole)
{
	ASSERT_EQ(0, pts_replace(self->ctl, self->m2, PTS_RW, PG(2), PG(2),
				 PG(1)));
	EXPECT_SHOWS(2, 2, 1);
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(2), PG(2), PG(1), PTS_RW));
}

static int read_all_the_time(int sock, void *arg)
{
	char *win = arg;
	__u64 reads = 0, val, cmd;

	pts_send(sock, 0);
	/* Until the parent says stop, both pages always show one of two. */
	while (recv(sock, &cmd, sizeof(cmd), MSG_DONTWAIT) < 0) {
		int i;

		for (i = 0; i < 200; i++, reads++) {
			char *at = win + PG(i & 3);

			if (pts_read8(at, &val).sig)
				return 1;
			if (val != pts_stamp(1, PG(i & 3)) &&
			    val != pts_stamp(2, PG(i & 3)))
				return 2;
		}
	}
	pts_send(sock, reads);
	return 0;
}

/* No reader ever meets a hole while regions are being replaced. */
TEST_F(region, replace_shows_no_hole)
{
	struct pts_child c[4];
	__u64 reads, until;
	int i;

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(4), 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pts_fork(&c[i], read_all_the_time, self->win));
		ASSERT_EQ(0, pts_recv(c[i].sock, &reads));
	}
	until = pts_now_ms() + 1500;
	for (i = 0; pts_now_ms() < until; i++) {
		ASSERT_EQ(0, pts_replace(self->ctl, i & 1 ? self->m1 : self->m2,
					 PTS_RW, 0, PG(4), 0));
	}
	for (i = 0; i < 4; i++) {
		EXPECT_LT(0, pts_ask(c[i].sock, 0));
		EXPECT_EQ(0, pts_join(&c[i]));
	}
}

TEST_F(region, query_values)
{
	struct ptshare_region r[4];
	struct ptshare_query q = {
		.size = sizeof(q), .buf = (uintptr_t)r, .nr = 4,
	};
	struct stat st;

	memset(r, 0xff, sizeof(r));
	ASSERT_EQ(0, fstat(self->m2, &st));
	ASSERT_EQ(0, pts_map(self->ctl, self->m2, PTS_RO, PG(7), PG(3), PG(9)));
	ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
	EXPECT_EQ(1, q.nr);
	EXPECT_EQ(PG(PAGES), q.next);
	EXPECT_EQ(0, q.start);
	EXPECT_EQ(PG(7), r[0].offset);
	EXPECT_EQ(PG(3), r[0].length);
	EXPECT_EQ(PG(9), r[0].fd_offset);
	EXPECT_EQ(st.st_ino, r[0].ino);
	EXPECT_EQ(st.st_dev, r[0].dev);
	EXPECT_EQ(PTS_RO, r[0].prot);
	EXPECT_EQ(0, r[0].flags);
	/* Entries behind the last one are left alone. */
	EXPECT_EQ(UINT64_MAX, r[1].offset);
}

TEST_F(region, query_empty)
{
	struct ptshare_region r;
	struct ptshare_query q = {
		.size = sizeof(q), .buf = (uintptr_t)&r, .nr = 1,
	};

	ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
	EXPECT_EQ(0, q.nr);
	EXPECT_EQ(PG(PAGES), q.next);
}

/* With room for one at a time, every region is told once and in order. */
TEST_F(region, query_one_by_one)
{
	struct ptshare_region r;
	struct ptshare_query q;
	__u64 start = 0;
	int i, nr = 0;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(3 * i),
				     PG(2), PG(i)));
	while (start < PG(PAGES)) {
		q = (struct ptshare_query) {
			.size = sizeof(q), .buf = (uintptr_t)&r, .nr = 1,
			.start = start,
		};
		ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
		ASSERT_LT(start, q.next);
		start = q.next;
		if (!q.nr)
			continue;
		EXPECT_EQ(1, q.nr);
		EXPECT_EQ(PG(3 * nr), r.offset);
		EXPECT_EQ(PG(nr), r.fd_offset);
		nr++;
	}
	EXPECT_EQ(8, nr);
	EXPECT_EQ(PG(PAGES), start);
}

/* Room for more than there can be costs nothing. */
TEST_F(region, query_huge_room)
{
	struct ptshare_region r[2] = {};
	struct ptshare_query q = {
		.size = sizeof(q), .buf = (uintptr_t)r, .nr = UINT32_MAX,
	};

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(2), 0));
	ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
	EXPECT_EQ(1, q.nr);
	EXPECT_EQ(PG(4), r[0].offset);
	EXPECT_EQ(0, r[1].length);
}

/* A start inside a region tells it whole. */
TEST_F(region, query_from_inside)
{
	struct ptshare_region r[2] = {};
	struct ptshare_query q = {
		.size = sizeof(q), .buf = (uintptr_t)r, .nr = 2,
		.start = PG(5),
	};

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(1), PG(2), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RO, PG(4), PG(4), PG(8)));
	ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
	EXPECT_EQ(1, q.nr);
	EXPECT_EQ(PG(4), r[0].offset);
	EXPECT_EQ(PG(4), r[0].length);
	EXPECT_EQ(PG(8), r[0].fd_offset);
	/* A start at the end of a region does not. */
	q.start = PG(3);
	q.nr = 2;
	ASSERT_EQ(0, pts_ioctl(self->fd, PTSHARE_IOC_QUERY, &q));
	EXPECT_EQ(1, q.nr);
	EXPECT_EQ(PG(4), r[0].offset);
}

/* Neighbours that continue each other are one region, however they came. */
TEST_F(region, neighbours_coalesce)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(2), PG(2), PG(2)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(6), PG(2), PG(6)));
	EXPECT_EQ(2, pts_nr_regions(self->fd));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, PG(4), PG(2), PG(4)));
	EXPECT_EQ(1, pts_nr_regions(self->fd));
	EXPECT_TRUE(pts_region_is(self->fd, 0, PG(2), PG(6), PG(2), PTS_RW));
	/* INFO counts what QUERY lists. */
	ASSERT_EQ(0, pts_info(self->fd, &info));
	EXPECT_EQ(1, info.nr_regions);

	/* Other permission, other place in the file, other file: another. */
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RO, PG(8), PG(1), PG(8)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RO, PG(9), PG(1),
			     PG(10)));
	ASSERT_EQ(0, pts_map(self->ctl, self->m2, PTS_RO, PG(10), PG(1),
			     PG(11)));
	EXPECT_EQ(4, pts_nr_regions(self->fd));
}

/* REPLACE by the very same thing changes nothing that can be seen. */
TEST_F(region, replace_by_same_coalesces)
{
	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(8), 0));
	ASSERT_EQ(0, pts_replace(self->ctl, self->m1, PTS_RW, PG(2), PG(2),
				 PG(2)));
	EXPECT_EQ(1, pts_nr_regions(self->fd));
	EXPECT_SHOWS(2, 1, 2);
}

/* A refused REPLACE leaves what was there, data included. */
TEST_F(region, refused_replace_keeps_data)
{
	int ro = pts_reopen(self->m2, O_RDONLY);

	ASSERT_EQ(0, pts_map(self->ctl, self->m1, PTS_RW, 0, PG(8), 0));
	EXPECT_SHOWS(3, 1, 3);
	EXPECT_EQ(-EACCES, pts_replace(self->ctl, ro, PTS_RW, PG(2), PG(4), 0));
	EXPECT_SHOWS(3, 1, 3);
	EXPECT_TRUE(pts_writes(self->win + PG(3), 1));
	EXPECT_EQ(1, pts_nr_regions(self->fd));
}

TEST_HARNESS_MAIN
