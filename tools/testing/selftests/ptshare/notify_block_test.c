// SPDX-License-Identifier: GPL-2.0
/*
 * Writers that sleep: until the monitor decides, until it is too late, until a
 * signal comes, until the monitor is gone. By each kind of way to write, as
 * each sleeps in a place of its own.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "notify_rig.h"

#define PAGE		5
#define TIMEOUT		120
#define FOR_EVER	(~0ULL)
#define MS		1000000ULL
/* To be woken, or to die, takes no longer. */
#define AT_ONCE_MS	5000

FIXTURE(block)
{
	struct way_rig rig;
	int nfd;
};

FIXTURE_VARIANT(block)
{
	const struct way *way;
};

FIXTURE_VARIANT_ADD(block, window) { &way_store_window };
FIXTURE_VARIANT_ADD(block, own_tables) { &way_store_share_none };
FIXTURE_VARIANT_ADD(block, foreign) { &way_store_foreign };
FIXTURE_VARIANT_ADD(block, read) { &way_read };
FIXTURE_VARIANT_ADD(block, direct_read) { &way_direct_read };
FIXTURE_VARIANT_ADD(block, uring_worker) { &way_uring_read_wq };
FIXTURE_VARIANT_ADD(block, process_vm) { &way_process_vm };
FIXTURE_VARIANT_ADD(block, pwrite) { &way_pwrite };
FIXTURE_VARIANT_ADD(block, punch) { &way_punch };
FIXTURE_VARIANT_ADD(block, truncate) { &way_truncate };

static int arm(struct _test_data_block *self, __u64 timeout_ns, __u32 on_close)
{
	struct ptshare_arm a = {
		.offset = PG(PAGE), .length = PG(1), .mode = PTSHARE_BLOCK,
		.on_kernel = PTSHARE_KERNEL_BLOCK, .on_close = on_close,
		.timeout_ns = timeout_ns,
	};

	return pts_arm_with(self->nfd, &a);
}

FIXTURE_SETUP(block)
{
	int ret;

	self->nfd = -1;
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ret = way_rig_make(&self->rig, variant->way, false, PAGE);
	if (ret > 0)
		SKIP(return, "%s: not here", variant->way->name);
	ASSERT_EQ(0, ret);
	self->nfd = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->nfd, 0);
}

FIXTURE_TEARDOWN(block)
{
	close(self->nfd);
	if (self->rig.c.pid > 0)
		way_rig_free(&self->rig);
}

static bool told(struct _test_data_block *self, __u16 flags)
{
	return pts_told(self->nfd, way_event_flags(self->rig.way) | flags,
			PG(PAGE), 0);
}

/* The writer sleeps, and nobody is to wake it by accident. */
static void put_to_sleep(struct __test_metadata *_metadata,
			 struct _test_data_block *self, __u64 timeout_ns,
			 __u32 on_close)
{
	ASSERT_EQ(0, arm(self, timeout_ns, on_close));
	ASSERT_EQ(0, way_rig_begin(&self->rig.c, PAGE));
	ASSERT_TRUE(told(self, PTSHARE_EVENT_F_BLOCKED));
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
}

/* Milliseconds until the child is dead; it counts as 0 if that is not so. */
static __u64 wait_dead(struct pts_child *c, int sig)
{
	__u64 start = pts_now_ms();
	int status = pts_join(c);

	c->pid = 0;
	return status == 256 + sig ? pts_now_ms() - start : AT_ONCE_MS;
}

/* --- time -------------------------------------------------------------------- */

TEST_F_TIMEOUT(block, timeout, TIMEOUT)
{
	__u64 start = pts_now_ms(), took;

	ASSERT_EQ(0, arm(self, 300 * MS, 0));
	EXPECT_EQ(0, way_rig_write(&self->rig, PAGE));
	took = pts_now_ms() - start;
	EXPECT_LE(300, took);
	EXPECT_GT(AT_ONCE_MS, took);
	EXPECT_TRUE(told(self, PTSHARE_EVENT_F_BLOCKED));
	EXPECT_TRUE(told(self, PTSHARE_EVENT_F_TIMEOUT));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(way_new(variant->way), way_word(self->rig.mem, PAGE));
	/* The page is free for everybody. */
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	EXPECT_EQ(0, way_rig_write(&self->rig, PAGE));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* An hour or a century: nothing overflows. */
TEST_F_TIMEOUT(block, long_timeouts, TIMEOUT)
{
	const __u64 longs[] = { 3600000 * MS, 1ULL << 61, FOR_EVER - 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(longs); i++) {
		ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
		put_to_sleep(_metadata, self, longs[i], 0);
		EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1),
					 PTSHARE_ALLOW));
		EXPECT_EQ(0, way_rig_end(&self->rig.c));
	}
}

/* --- signals -------------------------------------------------------------------- */

TEST_F_TIMEOUT(block, sigkill, TIMEOUT)
{
	put_to_sleep(_metadata, self, FOR_EVER, 0);
	ASSERT_EQ(0, kill(self->rig.c.pid, SIGKILL));
	EXPECT_GT(AT_ONCE_MS, wait_dead(&self->rig.c, SIGKILL));
	/* Nobody waits any more, and the page is as it was. */
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(WAY_OLD, way_word(self->rig.mem, PAGE));
}

static __u64 cpu_ms(pid_t pid)
{
	struct timespec ts = {};
	clockid_t clock;

	clock_getcpuclockid(pid, &clock);
	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * The writer ignores no signal, and its handler does nothing. A store and a
 * system call on the file leave for it; a fault of the kernel can't, and must
 * not try again and again.
 */
TEST_F_TIMEOUT(block, signal_costs_nothing, TIMEOUT)
{
	__u64 before;

	put_to_sleep(_metadata, self, FOR_EVER, 0);
	before = cpu_ms(self->rig.c.pid);
	ASSERT_EQ(0, kill(self->rig.c.pid, SIGUSR1));
	sleep(3);
	EXPECT_GT(30, cpu_ms(self->rig.c.pid) - before);
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
	pts_drain(self->nfd);
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	EXPECT_EQ(way_new(variant->way), way_word(self->rig.mem, PAGE));
	EXPECT_EQ(1, self->rig.board->signals);
}

/* Who leaves for a signal and comes back has what is left of the time. */
TEST_F_TIMEOUT(block, signals_give_no_more_time, TIMEOUT)
{
	int i;

	put_to_sleep(_metadata, self, 1500 * MS, 0);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, kill(self->rig.c.pid, SIGUSR1));
		usleep(100000);
	}
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	pts_drain(self->nfd);
}

/* It may be stopped, looked at and continued, and sleeps on. */
TEST_F_TIMEOUT(block, stop_and_continue, TIMEOUT)
{
	put_to_sleep(_metadata, self, FOR_EVER, 0);
	ASSERT_EQ(0, kill(self->rig.c.pid, SIGSTOP));
	usleep(100000);
	ASSERT_EQ(0, kill(self->rig.c.pid, SIGCONT));
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
	pts_drain(self->nfd);
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
}

/* --- the monitor ------------------------------------------------------------------- */

TEST_F_TIMEOUT(block, close_allow, TIMEOUT)
{
	put_to_sleep(_metadata, self, FOR_EVER, PTSHARE_CLOSE_ALLOW);
	close(self->nfd);
	self->nfd = -1;
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	EXPECT_EQ(way_new(variant->way), way_word(self->rig.mem, PAGE));
}

TEST_F_TIMEOUT(block, close_signal, TIMEOUT)
{
	put_to_sleep(_metadata, self, FOR_EVER, PTSHARE_CLOSE_SIGNAL);
	close(self->nfd);
	self->nfd = -1;
	EXPECT_EQ(variant->way->err, way_rig_end(&self->rig.c));
	EXPECT_EQ(WAY_OLD, way_word(self->rig.mem, PAGE));
	EXPECT_EQ(variant->way->err, way_rig_write(&self->rig, PAGE));
}

/* A monitor in a process of its own, which has the only notify fd. */
static int monitor(int sock, void *arg)
{
	struct _test_data_block *self = arg;
	struct ptshare_event ev;
	__u64 timeout;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pts_recv(sock, &timeout))
		return 1;
	self->nfd = pts_notify(self->rig.ctl, 0);
	if (self->nfd < 0 || arm(self, timeout, 0))
		return 2;
	pts_send(sock, 1);
	if (pts_read_event(self->nfd, &ev, PTS_SOON_MS))
		return 3;
	pts_send(sock, ev.flags);
	for (;;)
		pause();
}

static void start_monitor(struct __test_metadata *_metadata,
			  struct _test_data_block *self, struct pts_child *c,
			  __u64 timeout)
{
	__u64 flags;

	close(self->nfd);
	self->nfd = -1;
	ASSERT_EQ(0, pts_fork(c, monitor, self));
	ASSERT_EQ(1, pts_ask(c->sock, timeout));
	ASSERT_EQ(0, way_rig_begin(&self->rig.c, PAGE));
	ASSERT_EQ(0, pts_recv(c->sock, &flags));
	EXPECT_TRUE(flags & PTSHARE_EVENT_F_BLOCKED);
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
}

TEST_F_TIMEOUT(block, monitor_killed, TIMEOUT)
{
	__u64 start = pts_now_ms();
	struct pts_child c;

	start_monitor(_metadata, self, &c, FOR_EVER);
	ASSERT_EQ(0, kill(c.pid, SIGKILL));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	EXPECT_GT(2 * AT_ONCE_MS, pts_now_ms() - start);
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
}

TEST_F_TIMEOUT(block, monitor_stopped, TIMEOUT)
{
	__u64 start = pts_now_ms();
	struct pts_child c;

	start_monitor(_metadata, self, &c, 1000 * MS);
	ASSERT_EQ(0, kill(c.pid, SIGSTOP));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	EXPECT_LE(1000, pts_now_ms() - start);
	EXPECT_GT(2 * AT_ONCE_MS, pts_now_ms() - start);
	ASSERT_EQ(0, kill(c.pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
}

/* The record of a sleeper is no more lost than another. */
TEST_F_TIMEOUT(block, monitor_reads_badly, TIMEOUT)
{
	ASSERT_EQ(0, arm(self, FOR_EVER, 0));
	ASSERT_EQ(0, way_rig_begin(&self->rig.c, PAGE));
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
	EXPECT_EQ(-1, read(self->nfd, (void *)-pts_psz, 64));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(told(self, PTSHARE_EVENT_F_BLOCKED));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
}

/* --- many writers ------------------------------------------------------------------- */

#define CROWD	6

/* In a system call that does not end, or in a fault: state S or D. */
static bool falls_asleep(pid_t pid)
{
	char path[64], line[512], *state;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (i = 0; i < PTS_SOON_MS / 10; i++) {
		if (pts_slurp(path, line, sizeof(line)) < 0)
			return false;
		state = strrchr(line, ')');
		if (state && strchr("SD", state[2]))
			return true;
		usleep(10000);
	}
	return false;
}

static void crowd(struct __test_metadata *_metadata,
		  struct _test_data_block *self, struct pts_child *c)
{
	const unsigned int begun = self->rig.board->begun;
	int i;

	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, way_rig_writer(&self->rig, &c[i]));
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	put_to_sleep(_metadata, self, FOR_EVER, 0);
	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, way_rig_begin(&c[i], PAGE));
	EXPECT_TRUE(pts_wait_for(&self->rig.board->begun, begun + CROWD + 1,
				 PTS_SOON_MS));
	for (i = 0; i < CROWD; i++)
		EXPECT_TRUE(pts_child_sleeps(&c[i]) && falls_asleep(c[i].pid));
	/* One record, whoever sleeps. */
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* The last one first: it holds on to the sockets of those before it. */
static void crowd_leaves(struct pts_child *c)
{
	int i;

	for (i = CROWD - 1; i >= 0; i--)
		pts_join(&c[i]);
}

/* How many hold the file's lock while one sleeps is not counted as sleepers. */
static int woken_of_crowd(const struct way *way)
{
	return way == &way_truncate ? 1 : CROWD + 1;
}

TEST_F_TIMEOUT(block, many_are_allowed, TIMEOUT)
{
	struct pts_child c[CROWD];
	int i;

	crowd(_metadata, self, c);
	EXPECT_EQ(woken_of_crowd(variant->way),
		  pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, way_rig_end(&c[i]));
	EXPECT_EQ(0, way_rig_end(&self->rig.c));
	EXPECT_TRUE(pts_no_event(self->nfd));
	crowd_leaves(c);
}

/* Who was killed is not waited for, and the others are not forgotten. */
TEST_F_TIMEOUT(block, first_of_many_dies, TIMEOUT)
{
	struct pts_child c[CROWD];
	int i, err = 0;

	crowd(_metadata, self, c);
	ASSERT_EQ(0, kill(self->rig.c.pid, SIGKILL));
	EXPECT_GT(AT_ONCE_MS, wait_dead(&self->rig.c, SIGKILL));
	EXPECT_TRUE(pts_child_sleeps(&c[0]));
	EXPECT_EQ(PTS_WAITING, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_LT(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	for (i = 0; i < CROWD; i++)
		err |= way_rig_end(&c[i]);
	EXPECT_EQ(0, err);
	crowd_leaves(c);
}

/*
 * The writer writes again and again, and is asked each time: no wake-up is lost
 * between the answer and the next question.
 */
TEST_F_TIMEOUT(block, ping_pong, TIMEOUT)
{
	int i;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
		ASSERT_EQ(0, arm(self, 0, 0));
		ASSERT_EQ(0, way_rig_begin(&self->rig.c, PAGE));
		ASSERT_TRUE(told(self, PTSHARE_EVENT_F_BLOCKED));
		ASSERT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1),
					 i % 3 ? PTSHARE_ALLOW : PTSHARE_FAIL));
		ASSERT_EQ(i % 3 ? 0 : variant->way->err,
			  way_rig_end(&self->rig.c));
		if (i % 3 == 0)
			ASSERT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1),
						 PTSHARE_ALLOW));
		ASSERT_TRUE(pts_no_event(self->nfd));
	}
}

TEST_HARNESS_MAIN
