// SPDX-License-Identifier: GPL-2.0
/*
 * Orders of locks and of events that a hostile reading of the design named.
 * Some need two processes at once; what is looked for is a splat or a hang, so
 * each test also shows that both sides really did something.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"
#include "secmmu.h"

#define PAGES		64
#define PAIR_TIMEOUT	120
#define GIB		0x40000000UL

static __u64 race_ms(void)
{
	const char *secs = getenv("PTSHARE_TEST_SECS");

	return 1000 * (secs ? atoi(secs) : 2);
}

/*
 * F4: registering a notifier takes i_mmap locks of all mappings of the process
 * in order of address; truncation takes the memfd's and then the container's.
 * A process with the window below its own mapping of the memfd makes the two
 * orders meet.
 */
FIXTURE(register_truncate)
{
	int ctl, fd, mem;
	char *area, *win, *plain;
	size_t len;
	pid_t pid;
	int *rounds;		/* shared: registrations made */
};

FIXTURE_VARIANT(register_truncate)
{
	enum pts_via via;
	bool window_below;
};

FIXTURE_VARIANT_ADD(register_truncate, control_below) {
	PTS_VIA_CONTROL, true
};

FIXTURE_VARIANT_ADD(register_truncate, control_above) {
	PTS_VIA_CONTROL, false
};

FIXTURE_VARIANT_ADD(register_truncate, attach_below) {
	PTS_VIA_ATTACH, true
};

FIXTURE_VARIANT_ADD(register_truncate, attach_above) {
	PTS_VIA_ATTACH, false
};

FIXTURE_SETUP(register_truncate)
{
	char *low, *high;

	if (!secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	self->len = PAGES * pts_psz;
	self->mem = pts_memfd_stamped(self->len, 1);
	ASSERT_GE(self->mem, 0);
	self->ctl = pts_create(self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, self->len, 0));
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->area = pts_reserve(3 * self->len, 1 << 21);
	ASSERT_NE(MAP_FAILED, (void *)self->area);
	low = self->area;
	high = self->area + 2 * self->len;
	self->win = variant->window_below ? low : high;
	self->plain = variant->window_below ? high : low;
	ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW,
				  MAP_SHARED | MAP_FIXED, self->fd, 0));
	ASSERT_EQ(self->plain, mmap(self->plain, self->len, PTS_RW,
				    MAP_SHARED | MAP_FIXED, self->mem, 0));
	self->rounds = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->rounds);
}

FIXTURE_TEARDOWN(register_truncate)
{
}

/* Registers and closes for ever; looks through the window in between. */
static void register_loop(struct _test_data_register_truncate *self)
{
	char *page;
	__u64 val;
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;; ++*self->rounds) {
		dev = secmmu_open(self->win, self->len);
		if (dev < 0)
			_exit(1);
		page = self->win + (*self->rounds % PAGES) * pts_psz;
		pts_read8(page, &val);
		secmmu_read(dev, page, &val, 0);
		close(dev);
	}
}

TEST_F_TIMEOUT(register_truncate, loop, PAIR_TIMEOUT)
{
	const __u64 end = pts_now_ms() + race_ms();
	int truncations = 0, status;

	self->pid = fork();
	ASSERT_GE(self->pid, 0);
	if (!self->pid)
		register_loop(self);
	while (pts_now_ms() < end || !*self->rounds) {
		ASSERT_EQ(0, ftruncate(self->mem, 0));
		ASSERT_EQ(0, ftruncate(self->mem, self->len));
		ASSERT_EQ(0, fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
				       FALLOC_FL_KEEP_SIZE, pts_psz,
				       20 * pts_psz));
		truncations++;
		ASSERT_EQ(0, waitpid(self->pid, &status, WNOHANG));
		ASSERT_GT(end + 60000, pts_now_ms());
	}
	kill(self->pid, SIGKILL);
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	TH_LOG("%d registrations, %d truncations", *self->rounds, truncations);
	EXPECT_GT(truncations, 0);
	EXPECT_GT(*self->rounds, 0);
}

/*
 * F1: a window with an odd head and a whole aligned gigabyte behind it, made
 * new and touched first again and again while the file is truncated. What can
 * be linked and what can't lie in one window here.
 */
#define HEAD	3
#define SPAN	(GIB + HEAD * pts_psz)

FIXTURE(odd_head)
{
	int ctl, fd, mem;
	char *area;
	atomic_int *sh;	/* 0: windows made, 1: stop, 2: wrong data */
};

FIXTURE_VARIANT(odd_head)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(odd_head, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(odd_head, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(odd_head)
{
	self->mem = pts_memfd(2 * GIB, 0);
	ASSERT_GE(self->mem, 0);
	self->ctl = pts_create(2 * GIB, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, 2 * GIB, 0));
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->area = pts_reserve(3 * GIB, GIB);
	ASSERT_NE(MAP_FAILED, (void *)self->area);
	self->sh = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->sh);
}

FIXTURE_TEARDOWN(odd_head)
{
}

/* The head, then the container's second gigabyte at an aligned address. */
static void touch_loop(struct _test_data_odd_head *self)
{
	char *start = self->area + GIB - HEAD * pts_psz;
	static const size_t at[] = { 0, HEAD, 700, 9000, 262144 };
	struct pts_fault f;
	unsigned int i;
	__u64 val;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; !self->sh[1]; self->sh[0]++) {
		if (mmap(start, SPAN, PTS_RW, MAP_SHARED | MAP_FIXED, self->fd,
			 GIB - HEAD * pts_psz) == MAP_FAILED)
			_exit(1);
		for (i = 0; i < ARRAY_SIZE(at); i++) {
			f = pts_read8(start + at[i] * pts_psz, &val);
			/* The driver writes zeroes or 42, or truncates. */
			if (f.sig ? f.sig != SIGBUS : val && val != 42)
				self->sh[2]++;
			f = pts_write8(start + at[i] * pts_psz + 64, 1);
			if (f.sig && f.sig != SIGBUS)
				self->sh[2]++;
		}
		munmap(start, SPAN);
	}
	_exit(0);
}

TEST_F_TIMEOUT(odd_head, truncate, PAIR_TIMEOUT)
{
	const __u64 end = pts_now_ms() + race_ms();
	pid_t pids[4];
	const __u64 mark = 42;
	struct ptshare_info info;
	int i, status;

	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i])
			touch_loop(self);
	}
	while (pts_now_ms() < end || self->sh[0] < 4) {
		ASSERT_EQ(0, ftruncate(self->mem, 0));
		ASSERT_EQ(0, ftruncate(self->mem, 2 * GIB));
		ASSERT_EQ(8, pwrite(self->mem, &mark, 8, GIB));
		ASSERT_GT(end + 60000, pts_now_ms());
	}
	self->sh[1] = 1;
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	TH_LOG("%d windows", self->sh[0]);
	EXPECT_EQ(0, self->sh[2]);
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_windows);
	EXPECT_EQ(0, info.nr_mirrors);
}

/*
 * F7: what a client sees through an attach fd is invalidated as well. One fact
 * at a time, so that this fails before the races do.
 */
TEST(attach_fd_windows_are_found)
{
	const size_t len = PAGES * pts_psz;
	int mem = pts_memfd_stamped(len, 1), other = pts_memfd_stamped(len, 2);
	int ctl = pts_create(len, PTS_RW), att = pts_attach(ctl);
	char *win;

	ASSERT_GE(att, 0);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, len, 0));
	win = pts_window(att, len, 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	ASSERT_TRUE(pts_reads(win, pts_stamp(1, 0)));
	ASSERT_EQ(0, pts_replace(ctl, other, PTS_RW, 0, len, 0));
	EXPECT_TRUE(pts_reads(win, pts_stamp(2, 0)));
	ASSERT_EQ(0, ftruncate(other, pts_psz));
	EXPECT_TRUE(pts_fault_is(pts_read8(win + pts_psz, &(__u64){ 0 }),
				 SIGBUS, BUS_ADRERR, win + pts_psz));
	ASSERT_EQ(0, pts_unmap(ctl, 0, len));
	EXPECT_TRUE(pts_fault_is(pts_read8(win, &(__u64){ 0 }), SIGBUS,
				 BUS_ADRERR, win));
}

/* The control fd is gone, the attach fd too: the window still is found. */
TEST(closed_fds_windows_are_found)
{
	const size_t len = PAGES * pts_psz;
	int mem = pts_memfd_stamped(len, 1);
	int ctl = pts_create(len, PTS_RW), att = pts_attach(ctl);
	char *win;

	ASSERT_GE(att, 0);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, len, 0));
	win = pts_window(att, len, 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	close(ctl);
	close(att);
	ASSERT_TRUE(pts_reads(win, pts_stamp(1, 0)));
	ASSERT_EQ(0, ftruncate(mem, 0));
	EXPECT_TRUE(pts_fault_is(pts_read8(win, &(__u64){ 0 }), SIGBUS,
				 BUS_ADRERR, win));
}

/* Answers how many pages it can still read, which it has not done before. */
static int reads_when_asked(int sock, void *win)
{
	__u64 val, nr = 0;
	int i;

	if (pts_recv(sock, &val))
		return 1;
	for (i = 0; i < PAGES; i++)
		nr += !pts_read8((char *)win + i * pts_psz, &val).sig;
	pts_send(sock, nr);
	return 0;
}

/* fork copies no mirror: what a child has not touched, it does not have. */
TEST(fork_copies_no_mirrors)
{
	const size_t len = PAGES * pts_psz;
	int mem = pts_memfd_stamped(len, 1), ctl = pts_create(len, PTS_RW);
	struct ptshare_info info;
	struct pts_child c;
	__u64 before, val;
	char *win;
	int i;

	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, len, 0));
	win = pts_window(ctl, len, 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(0, pts_read8(win + i * pts_psz, &val).sig);
	ASSERT_EQ(0, pts_info(ctl, &info));
	before = info.nr_mirrors;
	EXPECT_EQ(PAGES, before);
	ASSERT_EQ(0, pts_fork(&c, reads_when_asked, win));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(2, info.nr_windows);
	EXPECT_EQ(before, info.nr_mirrors);
	/* What is taken away was there: the count ends at nothing. */
	ASSERT_EQ(0, pts_unmap(ctl, 0, len));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(0, info.nr_mirrors);
	/* What nobody has counted, nobody takes away. */
	EXPECT_EQ(0, pts_ask(c.sock, 1));
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(1, info.nr_windows);
	EXPECT_EQ(0, info.nr_mirrors);
}

TEST_HARNESS_MAIN
