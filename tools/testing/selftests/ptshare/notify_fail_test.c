// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of write-notify with their first, second, third ... allocation (or
 * user copy) failing, until they run through. After each failure the same pages
 * are armed, written and pending, in the same mode, and no event was lost.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "inject.h"
#include "notify_util.h"

#define PAGES		64
#define MOST_STEPS	500

/*
 * At the start of each step: 0-31 of the container is one file, 32-63 another;
 * 8-15 are armed, of these 10 is written and 12 was refused.
 */
struct nth {
	int ctl, nfd, mem[2];
	char *win;
	int out;			/* fd made by the call */
	struct ptshare_event got;	/* read by the call */
	int (*call)(struct nth *n);
};

/* --- the calls: 0 or -errno --------------------------------------------- */

static int call_notify(struct nth *n)
{
	n->out = pts_notify(n->ctl, 4096);
	return n->out < 0 ? n->out : 0;
}

/* Both files, and what was armed too. */
static int call_arm(struct nth *n)
{
	return pts_arm(n->nfd, 0, PG(PAGES), PTSHARE_ASYNC,
		       PTSHARE_KERNEL_ALLOW);
}

/* It has to be cut at both ends. */
static int call_arm_middle(struct nth *n)
{
	return pts_arm(n->nfd, PG(9), PG(2), PTSHARE_ASYNC,
		       PTSHARE_KERNEL_FAIL);
}

static int call_allow(struct nth *n)
{
	int ret = pts_resolve(n->nfd, PG(12), PG(1), PTSHARE_ALLOW);

	return ret < 0 ? ret : 0;
}

static int call_disarm_middle(struct nth *n)
{
	int ret = pts_resolve(n->nfd, PG(11), PG(2), PTSHARE_DISARM);

	return ret < 0 ? ret : 0;
}

static int scan(struct nth *n, __u32 flags)
{
	struct ptshare_scan_region vec[8];
	int nr = pts_scan(n->nfd, flags, 0, PG(PAGES), 0, vec, 8);

	return nr < 0 ? nr : nr == 1 ? 0 : -EPROTO;
}

static int call_scan(struct nth *n)
{
	return scan(n, PTSHARE_SCAN_CLEAR);
}

static int call_scan_rearm(struct nth *n)
{
	return scan(n, PTSHARE_SCAN_REARM);
}

static int call_read(struct nth *n)
{
	ssize_t len = read(n->nfd, &n->got, sizeof(n->got));

	return len < 0 ? -errno : 0;
}

static int run_call(void *arg)
{
	struct nth *n = arg;

	return n->call(n);
}

/* --- one step --------------------------------------------------------------- */

FIXTURE(fail)
{
	struct nth n;
	int proc;
};

FIXTURE_VARIANT(fail)
{
	int (*call)(struct nth *n);
};

FIXTURE_VARIANT_ADD(fail, notify) { call_notify };
FIXTURE_VARIANT_ADD(fail, arm) { call_arm };
FIXTURE_VARIANT_ADD(fail, arm_middle) { call_arm_middle };
FIXTURE_VARIANT_ADD(fail, allow) { call_allow };
FIXTURE_VARIANT_ADD(fail, disarm_middle) { call_disarm_middle };
FIXTURE_VARIANT_ADD(fail, scan_clear) { call_scan };
FIXTURE_VARIANT_ADD(fail, scan_rearm) { call_scan_rearm };
FIXTURE_VARIANT_ADD(fail, read) { call_read };

FIXTURE_SETUP(fail)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	if (!pts_can_inject())
		SKIP(return, "the kernel can't inject failures");
	self->proc = pts_inject_open();
	ASSERT_GE(self->proc, 0);
	self->n.call = variant->call;
}

FIXTURE_TEARDOWN(fail)
{
}

static void begin_step(struct __test_metadata *_metadata, struct nth *n)
{
	n->out = -1;
	n->mem[0] = pts_memfd(PG(PAGES), 0);
	n->mem[1] = pts_memfd(PG(PAGES), 0);
	n->ctl = pts_create(PG(PAGES), PTS_RW);
	ASSERT_GE(n->ctl, 0);
	ASSERT_EQ(0, pts_map(n->ctl, n->mem[0], PTS_RW, 0, PG(32), 0));
	ASSERT_EQ(0, pts_map(n->ctl, n->mem[1], PTS_RW, PG(32), PG(32), 0));
	n->win = pts_window(n->ctl, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, (void *)n->win);
	n->nfd = pts_notify(n->ctl, 16);
	ASSERT_GE(n->nfd, 0);
	ASSERT_EQ(0, pts_arm(n->nfd, PG(8), PG(8), PTSHARE_SIGNAL,
			     PTSHARE_KERNEL_ALLOW));
	ASSERT_EQ(4, pwrite(n->mem[0], "page", 4, PG(10)));
	ASSERT_EQ(SIGBUS, pts_write8(n->win + PG(12), 1).sig);
}

static void end_step(struct nth *n)
{
	if (n->out >= 0)
		close(n->out);
	close(n->nfd);
	munmap(n->win, PG(PAGES));
	close(n->ctl);
	close(n->mem[0]);
	close(n->mem[1]);
}

static __u64 expected_state(unsigned int page)
{
	if (page == 10)
		return PTS_WRITTEN;
	if (page == 12)
		return PTS_WAITING;
	return page >= 8 && page < 16 ? PTS_ARMED : 0;
}

/* After a call that has failed. */
static void expect_same(struct __test_metadata *_metadata, struct nth *n,
			unsigned int nth)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		ASSERT_EQ(expected_state(page),
			  pts_page_state(n->nfd, PG(page))) {
			TH_LOG("step %u: page %u", nth, page);
		}
	EXPECT_TRUE(pts_told(n->nfd, PTSHARE_EVENT_F_KERNEL |
			     PTSHARE_EVENT_F_SYSCALL, PG(10), 0));
	EXPECT_TRUE(pts_told(n->nfd, 0, PG(12), 0));
	/* In the old mode still. */
	EXPECT_EQ(SIGBUS, pts_write8(n->win + PG(9), 1).sig);
	EXPECT_EQ(0, pts_write8(n->win + PG(40), 1).sig);
	EXPECT_EQ(4, pwrite(n->mem[0], "page", 4, PG(14)));
	EXPECT_TRUE(pts_told(n->nfd, 0, PG(9), 0));
	EXPECT_TRUE(pts_told(n->nfd, PTSHARE_EVENT_F_KERNEL |
			     PTSHARE_EVENT_F_SYSCALL, PG(14), 0));
	EXPECT_TRUE(pts_no_event(n->nfd));
}

TEST_F_TIMEOUT(fail, sweep, 120)
{
	unsigned int nth, failed = 0;
	struct nth *n = &self->n;
	bool hit = true;
	int ret = 0;

	for (nth = 1; hit; nth++) {
		ASSERT_LT(nth, MOST_STEPS);
		begin_step(_metadata, n);
		ret = pts_run_failing(self->proc, nth, run_call, n, &hit);
		if (ret) {
			failed++;
			ASSERT_TRUE(hit && pts_fair_failure(ret)) {
				TH_LOG("step %u: %d hit %d", nth, ret, hit);
			}
			expect_same(_metadata, n, nth);
		}
		end_step(n);
	}
	/* The last one ran undisturbed. */
	EXPECT_EQ(0, ret);
	TH_LOG("%u steps, %u failures", nth - 1, failed);
	EXPECT_GT(nth, 2);
}

TEST_HARNESS_MAIN
