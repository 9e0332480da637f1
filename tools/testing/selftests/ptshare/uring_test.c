// SPDX-License-Identifier: GPL-2.0
/*
 * Window memory as io_uring's fixed buffers: long-term pins of the pages. A
 * file is read into it and written from it with O_DIRECT.
 */
#include <fcntl.h>
#include <liburing.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		16
#define FILE_SIZE	0x100000

FIXTURE(uring)
{
	struct pts_rig rig;
	struct io_uring ring;
	int mem, file;
};

FIXTURE_VARIANT(uring)
{
	enum pts_via via;
	bool present;
};

FIXTURE_VARIANT_ADD(uring, control_absent) { PTS_VIA_CONTROL, false };
FIXTURE_VARIANT_ADD(uring, control_present) { PTS_VIA_CONTROL, true };
FIXTURE_VARIANT_ADD(uring, attach_absent) { PTS_VIA_ATTACH, false };
FIXTURE_VARIANT_ADD(uring, attach_present) { PTS_VIA_ATTACH, true };

FIXTURE_SETUP(uring)
{
	int ret, i;

	ret = io_uring_queue_init(8, &self->ring, 0);
	if (ret < 0)
		SKIP(return, "no io_uring: %s", strerror(-ret));
	self->mem = pts_memfd_stamped(FILE_SIZE, 8);
	self->file = pts_loop_direct(self->mem);
	if (self->file < 0)
		SKIP(return, "no loop device: %s", strerror(-self->file));
	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	for (i = 0; variant->present && i < PAGES; i++)
		ASSERT_TRUE(pts_writes(self->rig.win + PG(i),
				       pts_stamp(1, PG(i))));
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	close(self->file);
}

/* One request to its end: its result. */
static int do_fixed(struct _test_data_uring *self, bool write, void *buf,
		    unsigned int len, __u64 offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (write)
		io_uring_prep_write_fixed(sqe, self->file, buf, len, offset, 0);
	else
		io_uring_prep_read_fixed(sqe, self->file, buf, len, offset, 0);
	ret = io_uring_submit(&self->ring);
	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(&self->ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&self->ring, cqe);
	return ret;
}

static int register_range(struct _test_data_uring *self, void *buf, size_t len)
{
	struct iovec iov = { buf, len };

	return io_uring_register_buffers(&self->ring, &iov, 1);
}

TEST_F(uring, read_fixed)
{
	char *win = self->rig.win;
	int i;

	ASSERT_EQ(0, register_range(self, win, self->rig.half));
	EXPECT_EQ(PG(4), do_fixed(self, false, win + PG(2), PG(4), PG(20)));
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(pts_reads(win + PG(2 + i),
				      pts_stamp(8, PG(20 + i))));
	EXPECT_TRUE(pts_reads(win + PG(6), pts_stamp(1, PG(6))));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
}

TEST_F(uring, write_fixed)
{
	char *win = self->rig.win;
	__u64 *buf = aligned_alloc(pts_psz, pts_psz);

	ASSERT_EQ(0, register_range(self, win, self->rig.half));
	EXPECT_EQ(PG(1), do_fixed(self, true, win + PG(7), PG(1), PG(3)));
	ASSERT_EQ(PG(1), pread(self->file, buf, PG(1), PG(3)));
	EXPECT_EQ(pts_stamp(1, PG(7)), buf[0]);
}

/* Pins are for writing: a region that may not be written has none. */
TEST_F(uring, refused)
{
	char *win = self->rig.win;

	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(8), PG(1), PTS_RO));
	EXPECT_EQ(-EFAULT, register_range(self, win, self->rig.half));
	EXPECT_EQ(-EFAULT, register_range(self, win + PG(8), PG(1)));
	EXPECT_EQ(-EFAULT, register_range(self, win + self->rig.half, PG(1)));
	EXPECT_EQ(0, register_range(self, win, PG(8)));
}

/* The pinned page and the page that is shown are one, whatever comes. */
TEST_F(uring, pin_is_the_page)
{
	char *win = self->rig.win;

	ASSERT_EQ(0, register_range(self, win, self->rig.half));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, self->rig.half, PTS_RO));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, self->rig.half, PTS_RW));
	EXPECT_TRUE(pts_writes(win + PG(3), 5));
	EXPECT_EQ(PG(1), do_fixed(self, false, win + PG(3), PG(1), PG(9)));
	EXPECT_TRUE(pts_reads(win + PG(3), pts_stamp(8, PG(9))));
	/* After an UNMAP the pin still writes to the file's page. */
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, self->rig.half));
	EXPECT_EQ(PG(1), do_fixed(self, false, win + PG(4), PG(1), PG(10)));
	ASSERT_EQ(0, pts_map(self->rig.ctl, self->rig.mem, PTS_RW, 0,
			     self->rig.half, 0));
	EXPECT_TRUE(pts_reads(win + PG(4), pts_stamp(8, PG(10))));
}

TEST_HARNESS_MAIN
