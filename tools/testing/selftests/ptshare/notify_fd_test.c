// SPDX-License-Identifier: GPL-2.0
/*
 * The notify fd: its records by read(2), poll and epoll, what happens when
 * nobody reads them, and what its end means.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define PAGES		16
#define QUEUE		3

FIXTURE(nfd)
{
	struct pts_rig rig;
	int nfd;
	char *win;
	char *bad;		/* a page, and one that can't be accessed */
};

FIXTURE_SETUP(nfd)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
	self->win = self->rig.win;
	self->nfd = pts_notify(self->rig.ctl, QUEUE);
	ASSERT_GE(self->nfd, 0);
	self->bad = mmap(NULL, 2 * pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->bad);
	ASSERT_EQ(0, munmap(self->bad + pts_psz, pts_psz));
	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(PAGES), PTSHARE_ASYNC,
			     PTSHARE_KERNEL_ALLOW));
}

FIXTURE_TEARDOWN(nfd)
{
}

static void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* --- records --------------------------------------------------------------- */

TEST_F(nfd, whole_records_only)
{
	struct ptshare_event ev[4];

	EXPECT_TRUE(pts_writes(self->win + PG(1), 1));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 1));
	EXPECT_EQ(-1, read(self->nfd, ev, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->nfd, ev, sizeof(ev[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(sizeof(ev[0]), read(self->nfd, ev, 2 * sizeof(ev[0]) - 1));
	EXPECT_TRUE(pts_event_is(ev, PTSHARE_EVENT_WRITE, 0, PG(1), pts_psz));
	EXPECT_EQ(sizeof(ev[0]), read(self->nfd, ev, sizeof(ev)));
	EXPECT_TRUE(pts_event_is(ev, PTSHARE_EVENT_WRITE, 0, PG(2), pts_psz));
}

TEST_F(nfd, several_records)
{
	struct ptshare_event ev[4];
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_TRUE(pts_writes(self->win + PG(5 - i), 1));
	ASSERT_EQ(3 * sizeof(ev[0]), read(self->nfd, ev, sizeof(ev)));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(pts_event_is(ev + i, PTSHARE_EVENT_WRITE, 0,
					 PG(5 - i), pts_psz));
}

TEST_F(nfd, what_a_record_says)
{
	struct ptshare_event ev[2];
	struct timespec ts;
	__u64 before, after;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	before = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	memset(ev, 0xa5, sizeof(ev));
	EXPECT_TRUE(pts_writes(self->win + PG(3) + 264, 1));
	EXPECT_TRUE(pts_writes(self->win + PG(4), 1));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	after = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	ASSERT_EQ(sizeof(ev), read(self->nfd, ev, sizeof(ev)));
	EXPECT_EQ((uintptr_t)self->win + PG(3) + 264, ev[0].addr);
	EXPECT_EQ(ev[0].seq + 1, ev[1].seq);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(sizeof(ev[0]), ev[i].size);
		EXPECT_EQ(0, ev[i].cookie);
		EXPECT_EQ(getpid(), ev[i].pid);
		EXPECT_EQ(gettid(), ev[i].tid);
		EXPECT_LE(before, ev[i].time_ns);
		EXPECT_GE(after, ev[i].time_ns);
	}
}

/* A copy that fails keeps the record: it comes whole the next time. */
TEST_F(nfd, bad_buffer_keeps_record)
{
	struct ptshare_event ev;
	char *cut = self->bad + pts_psz - sizeof(ev) / 2;

	EXPECT_TRUE(pts_writes(self->win + PG(1), 1));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 1));
	EXPECT_EQ(-1, read(self->nfd, cut, sizeof(ev)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->nfd, self->bad + pts_psz, 4 * sizeof(ev)));
	EXPECT_EQ(EFAULT, errno);
	/* One fits, the second one does not. */
	cut = self->bad + pts_psz - sizeof(ev);
	ASSERT_EQ(sizeof(ev), read(self->nfd, cut, 2 * sizeof(ev)));
	memcpy(&ev, cut, sizeof(ev));
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_WRITE, 0, PG(1), pts_psz));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(2), getpid()));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

TEST_F(nfd, nonblocking)
{
	struct ptshare_event ev;

	nonblock(self->nfd);
	EXPECT_EQ(-1, read(self->nfd, &ev, sizeof(ev)));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(pts_writes(self->win, 1));
	EXPECT_EQ(sizeof(ev), read(self->nfd, &ev, sizeof(ev)));
	EXPECT_EQ(-1, read(self->nfd, &ev, sizeof(ev)));
	EXPECT_EQ(EAGAIN, errno);
	/* A buffer that is too small is wrong whether there is something or not. */
	EXPECT_EQ(-1, read(self->nfd, &ev, sizeof(ev) - 8));
	EXPECT_EQ(EINVAL, errno);
}

static void *read_one(void *arg)
{
	struct _test_data_nfd *self = arg;
	static struct ptshare_event ev;

	return read(self->nfd, &ev, sizeof(ev)) == sizeof(ev) ? &ev : NULL;
}

TEST_F(nfd, blocking)
{
	struct ptshare_event *ev;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, read_one, self));
	usleep(PTS_NEVER_MS * 1000);
	EXPECT_TRUE(pts_writes(self->win + PG(7), 1));
	ASSERT_EQ(0, pthread_join(thread, (void **)&ev));
	ASSERT_NE(NULL, ev);
	EXPECT_EQ(PG(7), ev->offset);
}

static void nothing(int sig)
{
}

TEST_F(nfd, signal_ends_a_read)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct ptshare_event ev;

	sigaction(SIGALRM, &sa, NULL);
	ualarm(100000, 100000);
	EXPECT_EQ(-1, read(self->nfd, &ev, sizeof(ev)));
	EXPECT_EQ(EINTR, errno);
	ualarm(0, 0);
}

/* It is a stream: it has no position, and takes nothing. */
TEST_F(nfd, is_a_stream)
{
	struct ptshare_event ev;

	EXPECT_EQ(-1, lseek(self->nfd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(self->nfd, &ev, sizeof(ev), 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, write(self->nfd, &ev, sizeof(ev)));
	EXPECT_TRUE(errno == EINVAL || errno == EBADF);
}

/* --- poll ------------------------------------------------------------------- */

static int polled(int fd)
{
	struct pollfd p = {
		.fd = fd, .events = POLLIN | POLLRDNORM | POLLOUT | POLLPRI,
	};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

TEST_F(nfd, poll)
{
	EXPECT_EQ(0, polled(self->nfd));
	EXPECT_TRUE(pts_writes(self->win, 1));
	EXPECT_EQ(POLLIN | POLLRDNORM, polled(self->nfd));
	EXPECT_EQ(1, pts_drain(self->nfd));
	EXPECT_EQ(0, polled(self->nfd));
	/* Blocking or not makes no difference. */
	nonblock(self->nfd);
	EXPECT_EQ(0, polled(self->nfd));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 1));
	EXPECT_EQ(POLLIN | POLLRDNORM, polled(self->nfd));
}

static int write_later(int sock, void *arg)
{
	char *page = arg;

	usleep(PTS_NEVER_MS * 1000);
	return !pts_writes(page, 1);
}

TEST_F(nfd, poll_is_woken)
{
	struct pollfd p = { .fd = self->nfd, .events = POLLIN };
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, write_later, self->win + PG(9)));
	EXPECT_EQ(1, poll(&p, 1, PTS_SOON_MS));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(9), c.pid));
	EXPECT_EQ(0, pts_join(&c));
}

/* Level: as long as something is there. Edge: when something has come. */
TEST_F(nfd, epoll)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int level = epoll_create1(EPOLL_CLOEXEC);
	int edge = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(level, EPOLL_CTL_ADD, self->nfd, &ev));
	ev.events = EPOLLIN | EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_ADD, self->nfd, &ev));
	EXPECT_EQ(0, epoll_wait(level, &got, 1, 0));
	EXPECT_EQ(0, epoll_wait(edge, &got, 1, 0));
	EXPECT_TRUE(pts_writes(self->win, 1));
	EXPECT_EQ(1, epoll_wait(level, &got, 1, PTS_SOON_MS));
	EXPECT_EQ(1, epoll_wait(level, &got, 1, 0));
	EXPECT_EQ(EPOLLIN, got.events);
	EXPECT_EQ(1, epoll_wait(edge, &got, 1, PTS_SOON_MS));
	EXPECT_EQ(0, epoll_wait(edge, &got, 1, 0));
	EXPECT_EQ(1, pts_drain(self->nfd));
	EXPECT_EQ(0, epoll_wait(level, &got, 1, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(1), 1));
	EXPECT_EQ(1, epoll_wait(edge, &got, 1, PTS_SOON_MS));
}

/* --- too many ------------------------------------------------------------------ */

/*
 * Records in their order, then one that says that others were dropped, in its
 * place; seq goes on counting those, so it tells how many.
 */
TEST_F(nfd, overflow)
{
	struct ptshare_event ev;
	__u64 seq = 0, gap;
	int i;

	for (i = 0; i < QUEUE + 4; i++)
		EXPECT_TRUE(pts_writes(self->win + PG(i), 1));
	for (i = 0; i < QUEUE; i++) {
		ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
		EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_WRITE, 0, PG(i),
					 pts_psz));
		EXPECT_TRUE(!i || ev.seq == seq + 1);
		seq = ev.seq;
	}
	/* There is room: what is new comes behind. */
	EXPECT_TRUE(pts_writes(self->win + PG(12), 1));
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_OVERFLOW, 0, 0, 0));
	EXPECT_EQ(0, ev.cookie);
	EXPECT_EQ(0, ev.addr);
	EXPECT_EQ(0, ev.pid);
	EXPECT_EQ(0, ev.tid);
	EXPECT_NE(0, ev.time_ns);
	EXPECT_LT(seq, ev.seq);
	gap = ev.seq;
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_WRITE, 0, PG(12),
				 pts_psz));
	EXPECT_LT(gap, ev.seq);
	EXPECT_LE(seq + 4 + 1, ev.seq);
	EXPECT_GE(seq + 4 + 2, ev.seq);
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(1, pts_fdinfo(self->nfd, "ptshare-notify-overflows"));
	/* The truth is elsewhere. */
	EXPECT_EQ(QUEUE + 4 + 1, pts_written(self->nfd, 0, 0, PG(PAGES)));
}

/* Full, and again full: each time is told once. */
TEST_F(nfd, overflow_again)
{
	struct ptshare_event ev;
	int i, round, overflows;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < PAGES; i++)
			EXPECT_TRUE(pts_writes(self->win + PG(i), 1));
		overflows = 0;
		for (i = 0; !pts_read_event(self->nfd, &ev, 0); i++)
			overflows += ev.type == PTSHARE_EVENT_OVERFLOW;
		EXPECT_EQ(QUEUE + 1, i);
		EXPECT_EQ(1, overflows);
		EXPECT_EQ(PTSHARE_EVENT_OVERFLOW, ev.type);
		EXPECT_EQ(PAGES, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0,
					     PG(PAGES)));
	}
}

/* A writer whose record was dropped sleeps all the same, and SCAN finds it. */
TEST_F(nfd, overflow_of_sleepers)
{
	struct ptshare_scan_region r = {};
	struct pts_child c;
	int i;

	for (i = 0; i < QUEUE + 1; i++)
		EXPECT_TRUE(pts_writes(self->win + PG(i), 1));
	ASSERT_EQ(0, pts_arm(self->nfd, PG(9), PG(1), PTSHARE_BLOCK, 0));
	ASSERT_EQ(0, pts_fork(&c, write_later, self->win + PG(9)));
	for (i = 0; i < PTS_SOON_MS / 10; i++) {
		if (pts_scan(self->nfd, 0, 0, PG(PAGES), PTSHARE_PAGE_PENDING,
			     &r, 1))
			break;
		usleep(10000);
	}
	EXPECT_EQ(PG(9), r.start);
	EXPECT_EQ(PG(10), r.end);
	EXPECT_EQ(PTS_WAITING, r.categories);
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(9), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(QUEUE + 1, pts_drain(self->nfd));
}

/* --- names and numbers ------------------------------------------------------------ */

TEST_F(nfd, name)
{
	char path[64], name[64] = {};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->nfd);
	ASSERT_LT(0, readlink(path, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[ptshare-notify]", name);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->nfd, F_GETFD));
}

TEST_F(nfd, fdinfo)
{
	struct ptshare_info info;
	int i;

	ASSERT_EQ(0, pts_info(self->rig.ctl, &info));
	EXPECT_EQ(info.id, pts_fdinfo(self->nfd, "ptshare-id"));
	EXPECT_EQ(QUEUE, pts_fdinfo(self->nfd, "ptshare-notify-queue-len"));
	EXPECT_EQ(0, pts_fdinfo(self->nfd, "ptshare-pending"));
	EXPECT_EQ(0, pts_fdinfo(self->nfd, "ptshare-notify-overflows"));
	EXPECT_EQ(PG(PAGES) / 1024,
		  pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_writes(self->win + PG(i), 1));
	EXPECT_EQ(2, pts_fdinfo(self->nfd, "ptshare-pending"));
	EXPECT_EQ(2, pts_fdinfo(self->nfd, "ptshare-notify-seq"));
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(4), PTSHARE_DISARM));
	EXPECT_EQ(PG(PAGES - 4) / 1024,
		  pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
	EXPECT_EQ(2, pts_drain(self->nfd));
	EXPECT_EQ(0, pts_fdinfo(self->nfd, "ptshare-pending"));
	EXPECT_EQ(2, pts_fdinfo(self->nfd, "ptshare-notify-seq"));
}

TEST_F(nfd, info_features)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_info(self->rig.ctl, &info));
	EXPECT_TRUE(info.features & PTSHARE_FEATURE_NOTIFY);
}

/* --- who writes ------------------------------------------------------------------- */

static void *store_in_thread(void *arg)
{
	static pid_t tid;

	tid = gettid();
	return pts_write8(arg, 1).sig ? NULL : &tid;
}

TEST_F(nfd, tid_of_a_thread)
{
	struct ptshare_event ev;
	pthread_t thread;
	pid_t *tid;

	ASSERT_EQ(0, pthread_create(&thread, NULL, store_in_thread,
				    self->win + PG(2)));
	ASSERT_EQ(0, pthread_join(thread, (void **)&tid));
	ASSERT_NE(NULL, tid);
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, 0));
	EXPECT_EQ(getpid(), ev.pid);
	EXPECT_EQ(*tid, ev.tid);
	EXPECT_NE(ev.pid, ev.tid);
}

/* In a pid namespace of its own, where it has number 1. */
static int inside(int sock, void *arg)
{
	struct _test_data_nfd *self = arg;
	struct ptshare_event ev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getpid() != 1 || !pts_writes(self->win + PG(1), 1))
		return 1;
	/* Read here, its own has a number, and the one from outside has none. */
	if (pts_ask(sock, 1) != 2 || !pts_writes(self->win + PG(3), 1) ||
	    pts_ask(sock, 2) != 2 || pts_read_event(self->nfd, &ev, 0))
		return 2;
	if (ev.offset != PG(3) || ev.pid != 1 || ev.tid != 1)
		return 3;
	if (pts_read_event(self->nfd, &ev, 0))
		return 4;
	return ev.offset != PG(4) || ev.pid || ev.tid ? 5 : 0;
}

static int own_namespace(int sock, void *arg)
{
	struct _test_data_nfd *self = arg;
	struct pts_child c;
	__u64 go;

	if (unshare(CLONE_NEWPID) || pts_fork(&c, inside, self))
		return 10;
	/* It has stored; the test reads that, and lets it store again. */
	if (pts_recv(c.sock, &go) || pts_ask(sock, c.pid) != 1)
		return 11;
	if (pts_ask(c.sock, 2) != 2 || !pts_writes(self->win + PG(4), 1) ||
	    pts_send(c.sock, 2))
		return 12;
	return pts_join(&c);
}

/* A monitor that is not the writer's user and has no capability. */
static int monitor_of_strangers(int sock, void *arg)
{
	struct _test_data_nfd *self = arg;
	struct ptshare_event ev;
	int nfd;

	if (pts_become(65534, 0))
		return 1;
	nfd = pts_notify(self->rig.ctl, QUEUE);
	if (nfd < 0 || pts_arm(nfd, PG(2), PG(3), PTSHARE_ASYNC,
			       PTSHARE_KERNEL_ALLOW))
		return 2;
	if (pts_ask(sock, 1) != 1 || pts_read_event(nfd, &ev, PTS_SOON_MS))
		return 3;
	if (ev.offset != PG(2) || ev.addr)
		return 4;
	/* Its own store; but not as one that ptrace would not show it. */
	prctl(PR_SET_DUMPABLE, 1);
	if (!pts_writes(self->win + PG(3), 1) || pts_read_event(nfd, &ev, 0))
		return 5;
	if (ev.addr != (uintptr_t)self->win + PG(3))
		return 6;
	prctl(PR_SET_DUMPABLE, 0);
	if (!pts_writes(self->win + PG(4), 1) || pts_read_event(nfd, &ev, 0))
		return 7;
	return ev.offset != PG(4) || ev.addr ? 8 : 0;
}

/* Where somebody else's process has its memory is not for everybody. */
TEST_F(nfd, address_of_a_stranger)
{
	struct pts_child c;
	__u64 go;

	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(PAGES), PTSHARE_DISARM));
	ASSERT_EQ(0, pts_fork(&c, monitor_of_strangers, self));
	ASSERT_EQ(0, pts_recv(c.sock, &go));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 1));
	ASSERT_EQ(0, pts_send(c.sock, go));
	EXPECT_EQ(0, pts_join(&c));
}

/* Numbers are those of the namespace of whoever reads. */
TEST_F(nfd, pid_namespace)
{
	struct pts_child c;
	__u64 pid;

	ASSERT_EQ(0, pts_fork(&c, own_namespace, self));
	ASSERT_EQ(0, pts_recv(c.sock, &pid));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(1), pid));
	ASSERT_EQ(0, pts_send(c.sock, 1));
	EXPECT_EQ(0, pts_join(&c));
}

TEST_HARNESS_MAIN
