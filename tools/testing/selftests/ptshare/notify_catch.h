/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The catch matrix: every way to write, in every mode, with every policy for
 * the kernel's own writes, with small and with huge pages. The programs that
 * include it have one test for each way.
 *
 * Two pages are armed and one of them is written; a third one is not armed and
 * is written in the same way. So what is told too much is found as well.
 */
#ifndef PTSHARE_NOTIFY_CATCH_H
#define PTSHARE_NOTIFY_CATCH_H

#include "../kselftest_harness.h"
#include "notify_rig.h"

#define QUIET_PAGE	4	/* armed, never written */
#define PAGE		5	/* armed and written */
#define FREE_PAGE	6	/* written, not armed */
#define TIMEOUT		120

FIXTURE(catch)
{
	struct way_rig rig;
	int nfd;
};

FIXTURE_VARIANT(catch)
{
	__u32 mode, on_kernel;
	bool huge;
};

FIXTURE_VARIANT_ADD(catch, async_allow) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_ALLOW, false
};

FIXTURE_VARIANT_ADD(catch, async_fail) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_FAIL, false
};

FIXTURE_VARIANT_ADD(catch, async_block) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_BLOCK, false
};

FIXTURE_VARIANT_ADD(catch, block_allow) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_ALLOW, false
};

FIXTURE_VARIANT_ADD(catch, block_fail) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_FAIL, false
};

FIXTURE_VARIANT_ADD(catch, block_block) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK, false
};

FIXTURE_VARIANT_ADD(catch, signal_allow) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_ALLOW, false
};

FIXTURE_VARIANT_ADD(catch, signal_fail) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_FAIL, false
};

FIXTURE_VARIANT_ADD(catch, signal_block) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_BLOCK, false
};

FIXTURE_VARIANT_ADD(catch, async_allow_huge) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_ALLOW, true
};

FIXTURE_VARIANT_ADD(catch, async_fail_huge) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_FAIL, true
};

FIXTURE_VARIANT_ADD(catch, async_block_huge) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_BLOCK, true
};

FIXTURE_VARIANT_ADD(catch, block_allow_huge) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_ALLOW, true
};

FIXTURE_VARIANT_ADD(catch, block_fail_huge) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_FAIL, true
};

FIXTURE_VARIANT_ADD(catch, block_block_huge) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK, true
};

FIXTURE_VARIANT_ADD(catch, signal_allow_huge) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_ALLOW, true
};

FIXTURE_VARIANT_ADD(catch, signal_fail_huge) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_FAIL, true
};

FIXTURE_VARIANT_ADD(catch, signal_block_huge) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_BLOCK, true
};

FIXTURE_SETUP(catch)
{
	self->nfd = -1;
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
}

FIXTURE_TEARDOWN(catch)
{
	/* Without a monitor nobody sleeps, nor is anybody refused. */
	close(self->nfd);
	EXPECT_EQ(0, way_rig_free(&self->rig));
}

/* What becomes of a write. */
enum fate {
	GOES,
	IS_REFUSED,
	SLEEPS,
	CAN_NOT_SLEEP,		/* and is refused for that reason */
};

static enum fate fate_of(const struct way *way,
			 const struct _fixture_variant_catch *variant)
{
	static const enum fate of_user[] = {
		[PTSHARE_ASYNC] = GOES,
		[PTSHARE_BLOCK] = SLEEPS,
		[PTSHARE_SIGNAL] = IS_REFUSED,
	};

	if (way->kind == WAY_USER)
		return of_user[variant->mode];
	if (variant->on_kernel == PTSHARE_KERNEL_ALLOW)
		return GOES;
	if (variant->on_kernel == PTSHARE_KERNEL_FAIL)
		return IS_REFUSED;
	return way->flags & WAY_F_ATOMIC ? CAN_NOT_SLEEP : SLEEPS;
}

static int arm(struct _test_data_catch *self,
	       const struct _fixture_variant_catch *variant)
{
	return pts_arm(self->nfd, PG(QUIET_PAGE), PG(2), variant->mode,
		       variant->on_kernel);
}

/* The next event is of the one page that was written. */
static bool told(struct _test_data_catch *self, __u16 flags)
{
	const struct way *way = self->rig.way;
	struct way_world w = { .base = self->rig.base, .len = RIG_LEN };
	struct ptshare_event ev;
	__u64 addr = 0;

	if (pts_read_event(self->nfd, &ev, PTS_SOON_MS) ||
	    !pts_event_is(&ev, PTSHARE_EVENT_WRITE, way_event_flags(way) | flags,
			  PG(PAGE), pts_psz))
		return false;
	if (way->place != WAY_NOWHERE)
		addr = (uintptr_t)way_at(&w, way->place, PAGE);
	if (way->kind == WAY_USER)
		addr += WAY_AT;
	else
		ev.addr &= ~(pts_psz - 1);
	if (ev.addr == addr && ev.pid == self->rig.c.pid &&
	    (way->kind != WAY_USER || ev.tid == self->rig.c.pid))
		return true;
	printf("# addr %#llx wanted %#llx, pid %d tid %d wanted %d\n", ev.addr,
	       addr, ev.pid, ev.tid, self->rig.c.pid);
	return false;
}

/* The pages are as the fate of the write has left them. */
static void pages_are(struct __test_metadata *_metadata,
		      struct _test_data_catch *self, __u64 state, __u32 word)
{
	EXPECT_EQ(state, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(QUIET_PAGE)));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(FREE_PAGE)));
	EXPECT_EQ(word, way_word(self->rig.mem, PAGE));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* Nobody is asked or told any more, until the page is armed again. */
static void is_free(struct __test_metadata *_metadata,
		    struct _test_data_catch *self)
{
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	EXPECT_EQ(0, way_rig_write(&self->rig, PAGE));
	pages_are(_metadata, self, PTS_WRITTEN, way_new(self->rig.way));
}

static void begin(struct __test_metadata *_metadata,
		  struct _test_data_catch *self,
		  const struct _fixture_variant_catch *variant,
		  const struct way *way)
{
	int ret = way_rig_make(&self->rig, way, variant->huge, PAGE);

	if (ret > 0)
		SKIP(_exit(KSFT_SKIP), "%s: not here", way->name);
	ASSERT_EQ(0, ret);
	self->nfd = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->nfd, 0);
	/* Before anything is armed all ways just work. */
	ASSERT_EQ(0, way_rig_reset(&self->rig, FREE_PAGE));
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	ASSERT_EQ(0, way_rig_write(&self->rig, PAGE));
	ASSERT_EQ(way_new(way), way_word(self->rig.mem, PAGE));
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	ASSERT_EQ(0, way_rig_reset(&self->rig, FREE_PAGE));
	ASSERT_EQ(0, arm(self, variant));
	EXPECT_EQ(0, way_rig_write(&self->rig, FREE_PAGE));
	pages_are(_metadata, self, PTS_ARMED, way_old(way));
}

static void goes(struct __test_metadata *_metadata,
		 struct _test_data_catch *self,
		 const struct _fixture_variant_catch *variant)
{
	int round;

	for (round = 0; round < 2; round++) {
		EXPECT_EQ(0, way_rig_write(&self->rig, PAGE));
		EXPECT_TRUE(told(self, 0));
		pages_are(_metadata, self, PTS_WRITTEN, way_new(self->rig.way));
		is_free(_metadata, self);
		ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
		ASSERT_EQ(0, arm(self, variant));
		/* What was written is not forgotten by arming again. */
		EXPECT_EQ(PTS_WRITTEN | PTS_ARMED,
			  pts_page_state(self->nfd, PG(PAGE)));
		EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, RIG_LEN));
	}
}

static void is_refused(struct __test_metadata *_metadata,
		       struct _test_data_catch *self)
{
	int round;

	for (round = 0; round < 2; round++) {
		EXPECT_EQ(self->rig.way->err, way_rig_write(&self->rig, PAGE));
		EXPECT_TRUE(told(self, 0));
		pages_are(_metadata, self, PTS_WAITING, way_old(self->rig.way));
		/* Refused again, but not told again: */
		EXPECT_EQ(self->rig.way->err, way_rig_write(&self->rig, PAGE));
		pages_are(_metadata, self, PTS_WAITING, way_old(self->rig.way));
		EXPECT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1),
					 PTSHARE_FAIL));
	}
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(PAGE)));
	is_free(_metadata, self);
}

/* Whether it is told is not promised; that it does not go through is. */
static void can_not_sleep(struct __test_metadata *_metadata,
			  struct _test_data_catch *self)
{
	EXPECT_EQ(self->rig.way->err, way_rig_write(&self->rig, PAGE));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)) & ~
		  PTSHARE_PAGE_PENDING);
	EXPECT_EQ(way_old(self->rig.way), way_word(self->rig.mem, PAGE));
	pts_drain(self->nfd);
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	is_free(_metadata, self);
}

/* Somebody sleeps; the monitor decides, and the write has this errno. */
static void sleep_once(struct __test_metadata *_metadata,
		       struct _test_data_catch *self, __u32 action, int err)
{
	ASSERT_EQ(0, way_rig_begin(&self->rig.c, PAGE));
	ASSERT_TRUE(told(self, PTSHARE_EVENT_F_BLOCKED));
	EXPECT_TRUE(pts_child_sleeps(&self->rig.c));
	pages_are(_metadata, self, PTS_WAITING, way_old(self->rig.way));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), action));
	EXPECT_EQ(err, way_rig_end(&self->rig.c));
}

static void sleeps(struct __test_metadata *_metadata,
		   struct _test_data_catch *self,
		   const struct _fixture_variant_catch *variant)
{
	sleep_once(_metadata, self, PTSHARE_ALLOW, 0);
	pages_are(_metadata, self, PTS_WRITTEN, way_new(self->rig.way));
	is_free(_metadata, self);
	ASSERT_EQ(0, way_rig_reset(&self->rig, PAGE));
	EXPECT_EQ(1, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, RIG_LEN));
	ASSERT_EQ(0, arm(self, variant));
	sleep_once(_metadata, self, PTSHARE_FAIL, self->rig.way->err);
	EXPECT_EQ(way_old(self->rig.way), way_word(self->rig.mem, PAGE));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)) &
		  ~PTSHARE_PAGE_PENDING);
	/* It is still armed: who comes next is told of and sleeps. */
	sleep_once(_metadata, self, PTSHARE_ALLOW, 0);
	pages_are(_metadata, self, PTS_WRITTEN, way_new(self->rig.way));
}

static void run_way(struct __test_metadata *_metadata,
		    struct _test_data_catch *self,
		    const struct _fixture_variant_catch *variant,
		    const struct way *way)
{
	begin(_metadata, self, variant, way);
	switch (fate_of(way, variant)) {
	case GOES:
		goes(_metadata, self, variant);
		break;
	case IS_REFUSED:
		is_refused(_metadata, self);
		break;
	case SLEEPS:
		sleeps(_metadata, self, variant);
		break;
	case CAN_NOT_SLEEP:
		can_not_sleep(_metadata, self);
		break;
	}
}

#define run(name)	run_way(_metadata, self, variant, &way_##name)

#endif /* PTSHARE_NOTIFY_CATCH_H */
