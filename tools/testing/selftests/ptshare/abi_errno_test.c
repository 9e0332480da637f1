// SPDX-License-Identifier: GPL-2.0
/*
 * The errno contract, ioctl by ioctl: each refused value, its errno, and the
 * container as it was. Also ENOTTY, foreign fds and 32-bit callers.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define LENGTH		PG(16)

/*
 * Pages of the container: 0-3 read-write, 4-5 hole, 6-7 from an fd that can
 * only be read, 8-9 read-write, 10-15 hole.
 */
FIXTURE(errnos)
{
	int ctl, mem, mem_ro, dev;
	struct pts_snap before;
};

FIXTURE_SETUP(errnos)
{
	self->mem = pts_memfd_stamped(LENGTH, 1);
	ASSERT_GE(self->mem, 0);
	self->mem_ro = pts_reopen(self->mem, O_RDONLY);
	ASSERT_GE(self->mem_ro, 0);
	self->dev = pts_open_dev();
	ASSERT_GE(self->dev, 0);
	self->ctl = pts_create(LENGTH, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, PG(4), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->mem_ro, PTS_RO, PG(6), PG(2),
			     PG(6)));
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, PG(8), PG(2),
			     PG(8)));
	ASSERT_EQ(0, pts_snap_take(self->ctl, &self->before));
}

FIXTURE_TEARDOWN(errnos)
{
	struct pts_snap now;

	/* Every test of this fixture only makes calls that fail. */
	EXPECT_EQ(0, pts_snap_take(self->ctl, &now));
	EXPECT_TRUE(pts_snap_equal(&self->before, &now));
}

TEST_F(errnos, create)
{
	struct {
		__u64 length;
		__u32 max_prot;
		int err;
	} t[] = {
		{ 0, PTS_RW, -EINVAL },
		{ 1, PTS_RW, -EINVAL },
		{ PG(1) + 1, PTS_RW, -EINVAL },
		{ PG(1) - 1, PTS_RW, -EINVAL },
		{ PG(1) + 512, PTS_RW, -EINVAL },
		{ -PG(1), PTS_RW, -EINVAL },
		{ 1ULL << 63, PTS_RW, -EINVAL },
		{ PG(1), PROT_NONE, -EINVAL },
		{ PG(1), PROT_WRITE, -EINVAL },
		{ PG(1), PROT_EXEC, -EOPNOTSUPP },
		{ PG(1), PROT_READ | PROT_EXEC, -EOPNOTSUPP },
		{ PG(1), PTS_RW | PROT_EXEC, -EOPNOTSUPP },
		{ PG(1), PTS_RW | 0x8, -EINVAL },
		{ PG(1), PTS_RW | 0x10, -EINVAL },
		{ PG(1), PTS_RW | PROT_GROWSDOWN, -EINVAL },
		{ PG(1), PTS_RW | 0x80000000, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct ptshare_create c = {
			.size = sizeof(c), .length = t[i].length,
			.max_prot = t[i].max_prot,
		};

		EXPECT_EQ(t[i].err, pts_ioctl(self->dev, PTSHARE_IOC_CREATE,
					      &c)) {
			TH_LOG("length %#llx max_prot %#x", t[i].length,
			       t[i].max_prot);
		}
	}
}

TEST_F(errnos, map)
{
	struct {
		__u32 prot;
		__u64 offset, length, fd_offset;
		int err;
	} t[] = {
		/* ranges */
		{ PTS_RW, PG(10), 0, 0, -EINVAL },
		{ PTS_RW, PG(10) + 1, PG(1), 0, -EINVAL },
		{ PTS_RW, PG(10), PG(1) + 1, 0, -EINVAL },
		{ PTS_RW, PG(10), 1, 0, -EINVAL },
		{ PTS_RW, PG(10), PG(1), 1, -EINVAL },
		{ PTS_RW, PG(10), PG(1), PG(1) - 1, -EINVAL },
		{ PTS_RW, PG(10), PG(7), 0, -EINVAL },
		{ PTS_RW, PG(16), PG(1), 0, -EINVAL },
		{ PTS_RW, 1ULL << 40, PG(1), 0, -EINVAL },
		{ PTS_RW, -PG(1), PG(1), 0, -EINVAL },
		{ PTS_RW, -PG(1), PG(2), 0, -EINVAL },
		{ PTS_RW, PG(10), -PG(1), 0, -EINVAL },
		{ PTS_RW, PG(10), PG(2), -PG(1), -EINVAL },
		{ PTS_RW, PG(10), PG(1), -PG(1), -EINVAL },
		/* prot */
		{ PROT_WRITE, PG(10), PG(1), 0, -EINVAL },
		{ PTS_RW | 0x8, PG(10), PG(1), 0, -EINVAL },
		{ PTS_RO | 0x10, PG(10), PG(1), 0, -EINVAL },
		{ PTS_RO | PROT_GROWSUP, PG(10), PG(1), 0, -EINVAL },
		{ PTS_RO | 0x80000000, PG(10), PG(1), 0, -EINVAL },
		{ PROT_EXEC, PG(10), PG(1), 0, -EACCES },
		{ PTS_RO | PROT_EXEC, PG(10), PG(1), 0, -EACCES },
		{ PTS_RW | PROT_EXEC, PG(10), PG(1), 0, -EACCES },
		/* what is there already */
		{ PTS_RW, 0, PG(1), 0, -EEXIST },
		{ PTS_RW, PG(3), PG(2), PG(3), -EEXIST },
		{ PTS_RW, PG(4), PG(3), 0, -EEXIST },
		{ PTS_RW, PG(5), PG(6), 0, -EEXIST },
		{ PTS_RW, 0, LENGTH, 0, -EEXIST },
		{ PTS_RO, PG(7), PG(1), PG(7), -EEXIST },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, pts_map(self->ctl, self->mem, t[i].prot,
					    t[i].offset, t[i].length,
					    t[i].fd_offset)) {
			TH_LOG("prot %#x %#llx+%#llx at %#llx", t[i].prot,
			       t[i].offset, t[i].length, t[i].fd_offset);
		}
		/* REPLACE excuses EEXIST and nothing else. */
		if (t[i].err == -EEXIST)
			continue;
		EXPECT_EQ(t[i].err, pts_replace(self->ctl, self->mem, t[i].prot,
						t[i].offset, t[i].length,
						t[i].fd_offset));
	}
}

/* No region may allow more than max_prot. */
TEST(map_beyond_max_prot)
{
	int mem = pts_memfd(PG(2), 0);
	int ctl = pts_create(PG(2), PTS_RO);

	ASSERT_GE(ctl, 0);
	EXPECT_EQ(-EACCES, pts_map(ctl, mem, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(-EACCES, pts_replace(ctl, mem, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(0, pts_nr_regions(ctl));
	EXPECT_EQ(0, pts_map(ctl, mem, PTS_RO, 0, PG(1), 0));
	EXPECT_EQ(-EACCES, pts_protect(ctl, 0, PG(1), PTS_RW));
	EXPECT_TRUE(pts_region_is(ctl, 0, 0, PG(1), 0, PTS_RO));
}

TEST_F(errnos, map_bad_fd)
{
	int path = pts_reopen(self->mem, O_PATH);
	int closed = dup(self->mem);

	close(closed);
	ASSERT_GE(path, 0);
	EXPECT_EQ(-EBADF, pts_map(self->ctl, -1, PTS_RW, PG(10), PG(1), 0));
	EXPECT_EQ(-EBADF, pts_map(self->ctl, closed, PTS_RW, PG(10), PG(1), 0));
	EXPECT_EQ(-EBADF, pts_map(self->ctl, INT32_MAX, PTS_RW, PG(10), PG(1),
				  0));
	EXPECT_EQ(-EBADF, pts_map(self->ctl, INT32_MIN, PTS_RW, PG(10), PG(1),
				  0));
	EXPECT_EQ(-EBADF, pts_map(self->ctl, path, PTS_RO, PG(10), PG(1), 0));
}

TEST_F(errnos, map_fd_mode)
{
	int wo = pts_reopen(self->mem, O_WRONLY);

	ASSERT_GE(wo, 0);
	EXPECT_EQ(-EACCES, pts_map(self->ctl, self->mem_ro, PTS_RW, PG(10),
				   PG(1), 0));
	EXPECT_EQ(-EACCES, pts_replace(self->ctl, self->mem_ro, PTS_RW, 0,
				       PG(1), 0));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, wo, PTS_RO, PG(10), PG(1), 0));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, wo, PTS_RW, PG(10), PG(1), 0));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, wo, PROT_NONE, PG(10), PG(1), 0));
}

TEST_F(errnos, unmap)
{
	struct {
		__u64 offset, length;
		int err;
	} t[] = {
		{ 0, 0, -EINVAL },
		{ 1, PG(1), -EINVAL },
		{ 0, PG(1) - 1, -EINVAL },
		{ 0, PG(17), -EINVAL },
		{ PG(15), PG(2), -EINVAL },
		{ PG(16), PG(1), -EINVAL },
		{ -PG(1), PG(2), -EINVAL },
		{ PG(1), -PG(1), -EINVAL },
		{ PG(4), PG(2), -ENOENT },
		{ PG(10), PG(6), -ENOENT },
		{ PG(15), PG(1), -ENOENT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, pts_unmap(self->ctl, t[i].offset,
					      t[i].length)) {
			TH_LOG("%#llx+%#llx", t[i].offset, t[i].length);
		}
	}
}

TEST_F(errnos, protect)
{
	struct {
		struct ptshare_range_prot r;
		int err;
	} t[] = {
		{ { 0, 0, PTS_RO }, -EINVAL },
		{ { 1, PG(1), PTS_RO }, -EINVAL },
		{ { 0, PG(1) + 8, PTS_RO }, -EINVAL },
		{ { 0, PG(17), PTS_RO }, -EINVAL },
		{ { PG(16), PG(1), PTS_RO }, -EINVAL },
		{ { -PG(1), PG(2), PTS_RO }, -EINVAL },
		{ { PG(1), -PG(1), PTS_RO }, -EINVAL },
		{ { 0, PG(1), PROT_WRITE }, -EINVAL },
		{ { 0, PG(1), PTS_RO | 0x8 }, -EINVAL },
		{ { 0, PG(1), PTS_RO | 0x10 }, -EINVAL },
		{ { 0, PG(1), PTS_RO | PROT_GROWSDOWN }, -EINVAL },
		{ { 0, PG(1), PTS_RO, 1 }, -EINVAL },
		{ { 0, PG(1), PTS_RO, 0x80000000 }, -EINVAL },
		{ { 0, PG(1), PROT_EXEC }, -EACCES },
		{ { 0, PG(1), PTS_RO | PROT_EXEC }, -EACCES },
		{ { 0, PG(1), PTS_RW | PROT_EXEC }, -EACCES },
		/* the backing's fd could only be read */
		{ { PG(6), PG(1), PTS_RW }, -EACCES },
		{ { PG(6), PG(4), PTS_RW }, -EACCES },
		/* holes */
		{ { PG(4), PG(1), PTS_RO }, -ENOENT },
		{ { PG(3), PG(2), PTS_RO }, -ENOENT },
		{ { PG(5), PG(2), PTS_RO }, -ENOENT },
		{ { PG(9), PG(2), PTS_RO }, -ENOENT },
		{ { 0, LENGTH, PTS_RO }, -ENOENT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		__u32 failed = 77;

		EXPECT_EQ(t[i].err, pts_protect_vec(self->ctl, &t[i].r, 1,
						    &failed)) {
			TH_LOG("%#llx+%#llx prot %#x", t[i].r.offset,
			       t[i].r.length, t[i].r.prot);
		}
		EXPECT_EQ(0, failed);
	}
}

TEST_F(errnos, protect_bad_array)
{
	struct ptshare_range_prot *r;
	char *page;

	page = mmap(NULL, 2 * pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + pts_psz, pts_psz));
	/* The first range is readable and good, the second one is neither. */
	r = (void *)(page + pts_psz - sizeof(*r));
	*r = (struct ptshare_range_prot) { 0, PG(1), PTS_RO };
	EXPECT_EQ(-EFAULT, pts_protect_vec(self->ctl, r, 2, NULL));
	EXPECT_EQ(-EFAULT, pts_protect_vec(self->ctl, NULL, 1, NULL));
	EXPECT_EQ(-EFAULT, pts_protect_vec(self->ctl, (void *)-pts_psz, 1,
					   NULL));
}

TEST_F(errnos, query)
{
	struct ptshare_region r[4];
	struct {
		__u64 start;
		void *buf;
		__u32 nr;
		int err;
	} t[] = {
		{ 0, r, 0, -EINVAL },
		{ 1, r, 4, -EINVAL },
		{ LENGTH + PG(1), r, 4, -EINVAL },
		{ -PG(1), r, 4, -EINVAL },
		{ 0, NULL, 4, -EFAULT },
		{ 0, (void *)-pts_psz, 4, -EFAULT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct ptshare_query q = {
			.size = sizeof(q), .start = t[i].start, .nr = t[i].nr,
			.buf = (uintptr_t)t[i].buf,
		};

		EXPECT_EQ(t[i].err, pts_ioctl(self->ctl, PTSHARE_IOC_QUERY,
					      &q)) {
			TH_LOG("start %#llx nr %u", t[i].start, t[i].nr);
		}
	}
}

TEST_F(errnos, seal)
{
	int bit;

	for (bit = 3; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, pts_seal(self->ctl, 1U << bit));
		EXPECT_EQ(-EINVAL, pts_seal(self->ctl, 1U << bit |
					    PTSHARE_SEAL_LAYOUT));
	}
}

TEST_F(errnos, unknown_ioctl)
{
	int att = pts_attach(self->ctl);
	int fds[] = { self->dev, self->ctl, att };
	unsigned long cmds[] = {
		_IO(PTSHARE_IOC_TYPE, 0x3f), _IO(PTSHARE_IOC_TYPE, 0x4f),
		_IO(PTSHARE_IOC_TYPE, 0x7f), _IO(PTSHARE_IOC_TYPE, 0xff),
		_IO(0xAB, 0x41), 0x5401 /* TCGETS */,
	};
	char arg[256] = { 64 };
	size_t i, j;

	ASSERT_GE(att, 0);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		for (j = 0; j < ARRAY_SIZE(cmds); j++) {
			EXPECT_EQ(-ENOTTY, pts_ioctl(fds[i], cmds[j], arg)) {
				TH_LOG("fd kind %zu cmd %#lx", i, cmds[j]);
			}
		}
	}
	close(att);
}

/* Our ioctls on fds of others never reach us. */
TEST_F(errnos, foreign_fd)
{
	struct ptshare_info info = { .size = sizeof(info) };
	int ev = eventfd(0, 0);
	int o_path = open(PTS_DEV, O_PATH);

	EXPECT_EQ(-ENOTTY, pts_ioctl(self->mem, PTSHARE_IOC_INFO, &info));
	EXPECT_EQ(-ENOTTY, pts_ioctl(ev, PTSHARE_IOC_INFO, &info));
	EXPECT_EQ(-EBADF, pts_ioctl(o_path, PTSHARE_IOC_INFO, &info));
	EXPECT_EQ(-EBADF, pts_ioctl(-1, PTSHARE_IOC_INFO, &info));
}

TEST_HARNESS_MAIN
