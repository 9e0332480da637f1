// SPDX-License-Identifier: GPL-2.0
/*
 * Write-notify and io_uring: events by multishot read and poll, and rings as
 * writers: inline, by workers, by a polling thread, and with fixed buffers,
 * which are pins.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#ifndef IORING_OP_READ_MULTISHOT
#define IORING_OP_READ_MULTISHOT 49	/* liburing 2.3 does not know it */
#endif

#define PAGES		64
#define TIMEOUT		120
#define BUFS		4
#define GROUP		7
#define GIVEN		99
#define BUF_SIZE	(2 * sizeof(struct ptshare_event))
#define BY_FILE		(PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_SYSCALL)

FIXTURE(ring)
{
	struct pts_rig rig;
	struct io_uring ring;
	int nfd, src;
	char *win;
	char *bufs;
};

FIXTURE_SETUP(ring)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	if (io_uring_queue_init(64, &self->ring, 0) < 0)
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
	self->win = self->rig.win;
	self->nfd = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->nfd, 0);
	self->src = pts_memfd_stamped(PG(4), 4);
	ASSERT_GE(self->src, 0);
	self->bufs = calloc(BUFS, BUF_SIZE);
}

FIXTURE_TEARDOWN(ring)
{
	io_uring_queue_exit(&self->ring);
}

static int arm(struct _test_data_ring *self, __u64 page, __u64 nr, __u32 mode,
	       __u32 on_kernel)
{
	return pts_arm(self->nfd, PG(page), PG(nr), mode, on_kernel);
}

/* The next completion in time: its result, with user_data and flags. */
static int completion(struct _test_data_ring *self, __u64 *data, __u32 *flags)
{
	struct __kernel_timespec ts = { .tv_sec = PTS_SOON_MS / 1000 };
	struct io_uring_cqe *cqe;
	int ret;

	ret = io_uring_wait_cqe_timeout(&self->ring, &cqe, &ts);
	if (ret < 0)
		return ret;
	*data = cqe->user_data;
	*flags = cqe->flags;
	ret = cqe->res;
	io_uring_cqe_seen(&self->ring, cqe);
	return ret;
}

static int submit(struct _test_data_ring *self, struct io_uring_sqe *sqe,
		  __u64 data)
{
	io_uring_sqe_set_data64(sqe, data);
	return io_uring_submit(&self->ring) == 1 ? 0 : -EIO;
}

/* One request to its end. */
static int run_one(struct _test_data_ring *self, struct io_uring_sqe *sqe)
{
	__u32 flags;
	__u64 data;

	return submit(self, sqe, 1) ?: completion(self, &data, &flags);
}

static struct io_uring_sqe *get_sqe(struct _test_data_ring *self)
{
	return io_uring_get_sqe(&self->ring);
}

/* --- events ------------------------------------------------------------------- */

/* Buffers from @first on, for multishot reads; it completes as GIVEN. */
static int give_buffers(struct _test_data_ring *self, int first, int nr)
{
	struct io_uring_sqe *sqe = get_sqe(self);

	io_uring_prep_provide_buffers(sqe, self->bufs + first * BUF_SIZE,
				      BUF_SIZE, nr, GROUP, first);
	return submit(self, sqe, GIVEN);
}

static int read_multishot(struct _test_data_ring *self)
{
	struct io_uring_sqe *sqe = get_sqe(self);

	io_uring_prep_rw(IORING_OP_READ_MULTISHOT, sqe, self->nfd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	return submit(self, sqe, 2);
}

/* Counts the pages of @len bytes of records; how many records there are. */
static int count_records(struct _test_data_ring *self, __u32 flags, int len,
			 unsigned int *seen, int *overflows)
{
	struct ptshare_event *ev = (void *)(self->bufs + BUF_SIZE *
			(flags >> IORING_CQE_BUFFER_SHIFT));
	int i, nr = len / (int)sizeof(*ev);

	for (i = 0; i < nr; i++) {
		if (ev[i].type == PTSHARE_EVENT_OVERFLOW)
			++*overflows;
		else
			seen[ev[i].offset / pts_psz]++;
	}
	return nr;
}

/*
 * Takes what multishot reads bring, in buffers that are given back one by one,
 * until there is nothing for a while; the read is begun again when it ends.
 */
static int drain_multishot(struct _test_data_ring *self, unsigned int *seen,
			   int *overflows, int *restarts)
{
	struct __kernel_timespec ts = { .tv_nsec = 300000000 };
	struct io_uring_cqe *cqe;
	bool given;
	int res, nr = 0;
	__u32 flags;

	while (!io_uring_wait_cqe_timeout(&self->ring, &cqe, &ts)) {
		given = cqe->user_data == GIVEN;
		res = cqe->res;
		flags = cqe->flags;
		io_uring_cqe_seen(&self->ring, cqe);
		if (given && res >= 0)
			continue;
		if (res > 0) {
			nr += count_records(self, flags, res, seen, overflows);
			if (give_buffers(self, flags >> IORING_CQE_BUFFER_SHIFT,
					 1))
				return -EIO;
		} else if (res != -ENOBUFS) {
			return res;
		}
		if (flags & IORING_CQE_F_MORE)
			continue;
		++*restarts;
		if (read_multishot(self))
			return -EIO;
	}
	return nr;
}

static int store_some(int sock, void *arg)
{
	struct _test_data_ring *self = arg;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fork() < 0)
		return 1;
	for (i = 0; i < PAGES; i++)
		pts_store(self->win + PG((i * 7) % PAGES), i);
	wait(NULL);
	return 0;
}

/* Point 1: many writers, and each page is told once. */
TEST_F_TIMEOUT(ring, multishot_read, TIMEOUT)
{
	unsigned int seen[PAGES] = {};
	int overflows = 0, restarts = 0, i;
	struct pts_child c[4];

	ASSERT_EQ(0, arm(self, 0, PAGES, PTSHARE_ASYNC, 0));
	ASSERT_EQ(0, give_buffers(self, 0, BUFS));
	ASSERT_EQ(0, read_multishot(self));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pts_fork(&c[i], store_some, self));
	for (i = 3; i >= 0; i--)
		EXPECT_EQ(0, pts_join(&c[i]));
	EXPECT_EQ(PAGES, drain_multishot(self, seen, &overflows, &restarts));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(1, seen[i]);
	EXPECT_EQ(0, overflows);
	/* There were fewer buffers than records: it has run out of them. */
	EXPECT_LT(0, restarts);
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* Point 2: what the queue has dropped is found by a scan. */
TEST_F_TIMEOUT(ring, overflow_then_scan, TIMEOUT)
{
	struct ptshare_scan_region r[PAGES];
	unsigned int seen[PAGES] = {};
	int overflows = 0, restarts = 0, nr, i;

	close(self->nfd);
	self->nfd = pts_notify(self->rig.ctl, 1);
	ASSERT_EQ(0, arm(self, 0, PAGES, PTSHARE_ASYNC, 0));
	for (i = 0; i < PAGES; i += 3)
		EXPECT_TRUE(pts_writes(self->win + PG(i), 1));
	ASSERT_EQ(0, give_buffers(self, 0, 1));
	ASSERT_EQ(0, read_multishot(self));
	EXPECT_EQ(2, drain_multishot(self, seen, &overflows, &restarts));
	EXPECT_EQ(1, overflows);
	EXPECT_EQ(1, seen[0]);
	nr = pts_scan(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES), 0, r, PAGES);
	ASSERT_EQ((PAGES + 2) / 3, nr);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(PG(3 * i), r[i].start);
	/* The read goes on where it was. */
	EXPECT_TRUE(pts_writes(self->win + PG(6), 1));
	EXPECT_EQ(1, drain_multishot(self, seen, &overflows, &restarts));
	EXPECT_EQ(1, seen[6]);
}

static int store_one(int sock, void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pts_write8(arg, 1).sig;
}

/* Point 3: who is told by poll lets all of them go. */
TEST_F_TIMEOUT(ring, multishot_poll_and_resolve, TIMEOUT)
{
	struct io_uring_sqe *sqe = get_sqe(self);
	struct pts_child c[5];
	int i, round, woken;
	__u32 flags;
	__u64 data;

	io_uring_prep_poll_multishot(sqe, self->nfd, POLLIN);
	ASSERT_EQ(0, submit(self, sqe, 3));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, arm(self, 9, 1, PTSHARE_BLOCK, 0));
		for (i = 0; i < 5; i++)
			ASSERT_EQ(0, pts_fork(&c[i], store_one,
					      self->win + PG(9)));
		EXPECT_TRUE(completion(self, &data, &flags) & POLLIN);
		EXPECT_TRUE(flags & IORING_CQE_F_MORE);
		EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(9),
				     0));
		woken = pts_resolve(self->nfd, PG(9), PG(1), PTSHARE_ALLOW);
		EXPECT_LE(1, woken);
		for (i = 4; i >= 0; i--)
			EXPECT_EQ(0, pts_join(&c[i]));
		EXPECT_TRUE(pts_no_event(self->nfd));
	}
}

/* Point 12: a bad buffer keeps the record, also by a ring. */
TEST_F_TIMEOUT(ring, bad_buffer, TIMEOUT)
{
	struct io_uring_sqe *sqe = get_sqe(self);

	ASSERT_EQ(0, arm(self, 0, PAGES, PTSHARE_ASYNC, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(5), 1));
	io_uring_prep_read(sqe, self->nfd, (void *)-pts_psz, 64, 0);
	EXPECT_EQ(-EFAULT, run_one(self, sqe));
	sqe = get_sqe(self);
	io_uring_prep_read(sqe, self->nfd, self->bufs, 63, 0);
	EXPECT_EQ(-EINVAL, run_one(self, sqe));
	sqe = get_sqe(self);
	io_uring_prep_read(sqe, self->nfd, self->bufs, 64, 0);
	EXPECT_EQ(64, run_one(self, sqe));
	EXPECT_TRUE(pts_event_is((void *)self->bufs, PTSHARE_EVENT_WRITE, 0,
				 PG(5), pts_psz));
}

/* Point 7: a ring that reads goes with its process, and takes nothing along. */
static int read_and_die(int sock, void *arg)
{
	struct _test_data_ring *self = arg;
	__u64 go;

	if (io_uring_queue_init(8, &self->ring, 0) ||
	    give_buffers(self, 0, 1) || read_multishot(self))
		return 1;
	pts_send(sock, 1);
	return pts_recv(sock, &go);
}

TEST_F_TIMEOUT(ring, exit_with_a_multishot, TIMEOUT)
{
	struct pts_child c;
	__u64 up;

	ASSERT_EQ(0, arm(self, 0, PAGES, PTSHARE_ASYNC, 0));
	ASSERT_EQ(0, pts_fork(&c, read_and_die, self));
	ASSERT_EQ(0, pts_recv(c.sock, &up));
	ASSERT_EQ(0, kill(c.pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
	/* The ring's end is somebody else's work, some time later. */
	usleep(500000);
	EXPECT_TRUE(pts_writes(self->win + PG(5), 1));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(5), getpid()));
}

/* --- rings that write ------------------------------------------------------------ */

/* Point 4: a polling thread of the kernel reads into an armed page. */
static int read_by_sqpoll(int sock, void *arg)
{
	struct _test_data_ring *self = arg;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (io_uring_queue_init(8, &self->ring, IORING_SETUP_SQPOLL))
		return 1;
	io_uring_prep_read(get_sqe(self), self->src, self->win + PG(5), 8, 0);
	if (io_uring_submit(&self->ring) != 1)
		return 2;
	ret = completion(self, &(__u64){ 0 }, &(__u32){ 0 });
	return ret == 8 ? 0 : -ret;
}

TEST_F_TIMEOUT(ring, sqpoll, TIMEOUT)
{
	const __u16 asleep = PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_BLOCKED;
	struct ptshare_event ev;
	struct pts_child c;
	int asked;

	ASSERT_EQ(0, arm(self, 5, 1, PTSHARE_BLOCK, PTSHARE_KERNEL_ALLOW));
	ASSERT_EQ(0, pts_fork(&c, read_by_sqpoll, self));
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(5), c.pid));
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_EQ(0, arm(self, 5, 1, PTSHARE_BLOCK, PTSHARE_KERNEL_FAIL));
	ASSERT_EQ(0, pts_fork(&c, read_by_sqpoll, self));
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(5), c.pid));
	EXPECT_EQ(EFAULT, pts_join(&c));
	ASSERT_EQ(0, arm(self, 5, 1, PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK));
	ASSERT_EQ(0, pts_fork(&c, read_by_sqpoll, self));
	EXPECT_TRUE(pts_told(self->nfd, asleep, PG(5), c.pid));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(5), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
	/* A copy that was refused tries once more, byte by byte. */
	ASSERT_EQ(0, arm(self, 5, 1, PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK));
	ASSERT_EQ(0, pts_fork(&c, read_by_sqpoll, self));
	for (asked = 0; !pts_read_event(self->nfd, &ev, asked ? 2000 :
					PTS_SOON_MS); asked++) {
		EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_WRITE, asleep,
					 PG(5), pts_psz));
		EXPECT_EQ(1, pts_resolve(self->nfd, PG(5), PG(1),
					 PTSHARE_FAIL));
	}
	EXPECT_TRUE(asked == 1 || asked == 2);
	EXPECT_EQ(EFAULT, pts_join(&c));
}

/*
 * Point 5. Two writes to two files sleep at once: the ring needs a second
 * worker, and to be told so is no reason for the first one to give up.
 */
TEST_F_TIMEOUT(ring, two_writes_sleep, TIMEOUT)
{
	const __u16 asleep = BY_FILE | PTSHARE_EVENT_F_BLOCKED;
	int other = pts_memfd_stamped(PG(4), 9), i;
	struct io_uring_sqe *sqe;
	__u32 flags;
	__u64 data;

	ASSERT_EQ(0, pts_map(self->rig.ctl, other, PTS_RW, PG(PAGES), PG(4),
			     0));
	ASSERT_EQ(0, arm(self, PAGES - 1, 2, 0, PTSHARE_KERNEL_BLOCK));
	sqe = get_sqe(self);
	io_uring_prep_write(sqe, self->rig.mem, "one", 4, PG(PAGES - 1));
	io_uring_sqe_set_data64(sqe, 1);
	sqe = get_sqe(self);
	io_uring_prep_write(sqe, other, "two", 4, 0);
	io_uring_sqe_set_data64(sqe, 2);
	ASSERT_EQ(2, io_uring_submit(&self->ring));
	EXPECT_TRUE(pts_told(self->nfd, asleep, PG(PAGES - 1), getpid()));
	EXPECT_TRUE(pts_told(self->nfd, asleep, PG(PAGES), getpid()));
	usleep(300000);
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(2, pts_resolve(self->nfd, PG(PAGES - 1), PG(2),
				 PTSHARE_ALLOW));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(4, completion(self, &data, &flags));
}

/* --- point 6: fixed buffers are pins ------------------------------------------------ */

static int register_page(struct _test_data_ring *self, __u64 page)
{
	struct iovec iov = { self->win + PG(page), pts_psz };

	return io_uring_register_buffers(&self->ring, &iov, 1);
}

static int read_fixed(struct _test_data_ring *self, __u64 page)
{
	struct io_uring_sqe *sqe = get_sqe(self);

	io_uring_prep_read_fixed(sqe, self->src, self->win + PG(page), 8, 0, 0);
	return run_one(self, sqe);
}

/* Pinned before: told by ARM, or a reason not to arm. */
TEST_F_TIMEOUT(ring, pinned_before, TIMEOUT)
{
	struct ptshare_arm a = { .offset = PG(3), .length = PG(4) };
	struct iovec iov = { self->win + PG(4), pts_psz };
	struct ptshare_scan_region r[4];
	struct io_uring other;
	int round;

	ASSERT_EQ(0, register_page(self, 5));
	EXPECT_EQ(-EBUSY, arm(self, 3, 4, PTSHARE_BLOCK, 0));
	EXPECT_EQ(-EBUSY, arm(self, 3, 4, PTSHARE_SIGNAL, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(3), 1));
	EXPECT_EQ(0, arm(self, 3, 2, PTSHARE_BLOCK, 0));
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(3), PG(2), PTSHARE_DISARM));
	ASSERT_EQ(0, pts_arm_with(self->nfd, &a));
	EXPECT_EQ(PG(4), a.armed_bytes);
	EXPECT_EQ(PG(1), a.pinned);
	ASSERT_EQ(1, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PINNED, r,
			      4));
	EXPECT_EQ(PG(5), r[0].start);
	EXPECT_EQ(PG(6), r[0].end);
	EXPECT_TRUE(r[0].categories & PTSHARE_PAGE_PINNED);
	/* What it writes is not seen. That is what pinned means. */
	EXPECT_EQ(8, read_fixed(self, 5));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_TRUE(pts_reads(self->win + PG(5), pts_stamp(4, 0)));
	/* So each scan says that it may have been, whatever is asked for. */
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(1, pts_scan(self->nfd, PTSHARE_SCAN_CLEAR, 0,
				      PG(PAGES), 0, r, 4));
		EXPECT_EQ(PG(5), r[0].start);
		EXPECT_EQ(PG(6), r[0].end);
		EXPECT_EQ(PTS_WRITTEN | PTS_ARMED | PTSHARE_PAGE_PINNED,
			  r[0].categories);
		EXPECT_EQ(8, read_fixed(self, 5));
	}
	/* Another one, that is pinned since and was told: it is not armed. */
	ASSERT_EQ(0, io_uring_queue_init(4, &other, 0));
	ASSERT_EQ(0, io_uring_register_buffers(&other, &iov, 1));
	ASSERT_EQ(2, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PINNED, r,
			      4));
	EXPECT_EQ(PG(4), r[0].start);
	EXPECT_EQ(PTS_WRITTEN | PTSHARE_PAGE_PINNED, r[0].categories);
	EXPECT_EQ(PTS_WRITTEN | PTS_ARMED | PTSHARE_PAGE_PINNED,
		  r[1].categories);
	EXPECT_EQ(0, io_uring_unregister_buffers(&other));
	io_uring_queue_exit(&other);
	EXPECT_EQ(1, pts_drain(self->nfd));
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(4), PG(1), PTSHARE_DISARM));
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_EQ(0, pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PINNED, r,
			      4));
	/* Of the time before that, and then no more. */
	EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, PG(PAGES)));
	EXPECT_EQ(0, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, PG(PAGES)));
	EXPECT_EQ(0, arm(self, 3, 4, PTSHARE_BLOCK, 0));
}

struct pinner {
	char *page;
	atomic_uint *stop;
};

/* Whether the page can be pinned or not depends on who arms it meanwhile. */
static int pin_and_unpin(int sock, void *arg)
{
	struct pinner *p = arg;
	struct iovec iov = { p->page, pts_psz };
	struct io_uring ring;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (io_uring_queue_init(4, &ring, 0) < 0)
		return 1;
	while (!*p->stop) {
		if (!io_uring_register_buffers(&ring, &iov, 1))
			io_uring_unregister_buffers(&ring);
	}
	io_uring_queue_exit(&ring);
	return 0;
}

/* Page 3 armed and page 4 written, by an ARM that others may replace. */
static void arm_two(struct __test_metadata *_metadata,
		    struct _test_data_ring *self)
{
	ASSERT_EQ(0, arm(self, 3, 2, PTSHARE_ASYNC, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(4), 1));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(4), getpid()));
}

static void two_are_armed(struct __test_metadata *_metadata,
			  struct _test_data_ring *self, int other)
{
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(2)));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(3)));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(4)));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(5)));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(6)));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 2));
	EXPECT_TRUE(pts_writes(self->win + PG(5), 2));
	EXPECT_TRUE(pts_no_event(self->nfd));
	/* Nor does it keep the others from somebody else. */
	EXPECT_EQ(0, pts_arm(other, PG(5), PG(1), 0, 0));
	EXPECT_EQ(0, pts_resolve(other, PG(5), PG(1), PTSHARE_DISARM));
}

/*
 * Pinned while ARM of @nr pages is under way: what was armed is undone, and
 * what was there before is there again.
 */
static void arm_against_pins(struct __test_metadata *_metadata,
			     struct _test_data_ring *self, unsigned int nr)
{
	struct pinner p = { .page = self->win + PG(6) };
	unsigned int armed = 0, busy = 0;
	struct pts_child c;
	int err, other;

	other = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(other, 0);
	p.stop = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, pts_fork(&c, pin_and_unpin, &p));
	arm_two(_metadata, self);
	while (armed < 100 || busy < 100) {
		err = arm(self, 2, nr, PTSHARE_SIGNAL, PTSHARE_KERNEL_FAIL);
		if (!err) {
			armed++;
			EXPECT_EQ(0, pts_resolve(self->nfd, PG(2), PG(nr),
						 PTSHARE_DISARM));
			/* Of pins that were refused. */
			pts_drain(self->nfd);
			arm_two(_metadata, self);
		} else {
			busy++;
			ASSERT_EQ(-EBUSY, err);
			pts_drain(self->nfd);
			two_are_armed(_metadata, self, other);
		}
	}
	TH_LOG("%u armed, %u busy", armed, busy);
	*p.stop = 1;
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_TRUE(pts_writes(self->win + PG(3), 3));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(3), getpid()));
}

TEST_F_TIMEOUT(ring, pinned_meanwhile, TIMEOUT)
{
	arm_against_pins(_metadata, self, 5);
}

/* The range shows some pages of the file twice, so one claim cuts another. */
TEST_F_TIMEOUT(ring, pinned_meanwhile_there_twice, TIMEOUT)
{
	ASSERT_EQ(0, pts_map(self->rig.ctl, self->rig.mem, PTS_RW, PG(PAGES),
			     PG(2), PG(4)));
	arm_against_pins(_metadata, self, PAGES);
}

/* Pinned after: one write, and then the page stays written. */
TEST_F_TIMEOUT(ring, pinned_after, TIMEOUT)
{
	int round;

	ASSERT_EQ(0, arm(self, 3, 4, PTSHARE_ASYNC, 0));
	ASSERT_EQ(0, register_page(self, 5));
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(5),
			     getpid()));
	EXPECT_TRUE(pts_no_event(self->nfd));
	for (round = 0; round < 3; round++) {
		EXPECT_EQ(8, read_fixed(self, 5));
		EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0,
					 PG(PAGES)));
	}
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	/* Once more it is told, as it may have been written meanwhile. */
	EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES)));
	EXPECT_EQ(0, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES)));
	pts_drain(self->nfd);
	EXPECT_TRUE(pts_writes(self->win + PG(5), 1));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(5), getpid()));
}

/* It is refused each time, whatever entry there is: no fast path gets by. */
TEST_F_TIMEOUT(ring, registration_refused, TIMEOUT)
{
	__u64 val;
	int i;

	ASSERT_EQ(0, arm(self, 5, 1, PTSHARE_ASYNC, PTSHARE_KERNEL_FAIL));
	for (i = 0; i < 1000; i++) {
		if (i & 1)
			pts_read8(self->win + PG(5), &val);
		ASSERT_EQ(-EFAULT, register_page(self, 5));
	}
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(5),
			     getpid()));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(0, arm(self, 5, 1, PTSHARE_BLOCK, 0));
}

TEST_HARNESS_MAIN
