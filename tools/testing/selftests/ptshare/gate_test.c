// SPDX-License-Identifier: GPL-2.0
/*
 * What is shown anew while an invalidation is under way must not outlive it.
 * The window under test is visited first and many others after it, so that there
 * is time: it was told to forget what the container is still about to change.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <linux/falloc.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"
#include "secmmu.h"

#define OTHERS		200
#define PAGES		1024	/* two blocks that are invalidated apart */
#define ROUNDS		20
#define RUN		16	/* pages that one fault shows */
#define TIMEOUT		180

FIXTURE(gate)
{
	int ctl, fd, dev;
	int mem[2];
	size_t len;
	char *win;		/* the first */
	char *page;		/* of it, in the second block */
	pthread_t thread;
	atomic_int stop;
	atomic_ulong looks;
};

FIXTURE_VARIANT(gate)
{
	enum pts_via via;
	bool device;		/* looks by GUP, not by the processor */
};

FIXTURE_VARIANT_ADD(gate, control) { PTS_VIA_CONTROL, false };
FIXTURE_VARIANT_ADD(gate, attach) { PTS_VIA_ATTACH, false };
FIXTURE_VARIANT_ADD(gate, control_device) { PTS_VIA_CONTROL, true };
FIXTURE_VARIANT_ADD(gate, attach_device) { PTS_VIA_ATTACH, true };

FIXTURE_SETUP(gate)
{
	unsigned int i;
	char *win;

	if (variant->device && !secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	self->len = PAGES * pts_psz;
	self->mem[0] = pts_memfd_stamped(self->len, 1);
	self->mem[1] = pts_memfd_stamped(self->len, 2);
	ASSERT_GE(self->mem[1], 0);
	self->ctl = pts_create(self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem[0], PTS_RW, 0, self->len, 0));
	self->fd = pts_client_fd(self->ctl, variant->via);
	self->win = pts_window_mirrored(self->fd, self->len);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	self->page = self->win + (PAGES - 100) * pts_psz;
	self->dev = -1;
	if (variant->device) {
		self->dev = secmmu_open(self->win, self->len);
		ASSERT_GE(self->dev, 0);
	}
	for (i = 0; i < OTHERS; i++) {
		win = pts_window_mirrored(self->fd, self->len);
		ASSERT_NE(MAP_FAILED, (void *)win);
		/* Tables in both blocks, for the visit to walk. */
		ASSERT_TRUE(pts_reads(win, pts_stamp(1, 0)));
		ASSERT_TRUE(pts_reads(win + self->len - pts_psz,
				      pts_stamp(1, self->len - pts_psz)));
	}
}

FIXTURE_TEARDOWN(gate)
{
}

static __u64 look_at(struct _test_data_gate *self, const char *page)
{
	__u64 val = 0;

	if (self->dev < 0)
		return pts_load(page);
	secmmu_read(self->dev, page, &val, 0);
	return val;
}

static __u64 look(struct _test_data_gate *self)
{
	return look_at(self, self->page);
}

static void *look_loop(void *arg)
{
	struct _test_data_gate *self = arg;

	while (!atomic_load(&self->stop)) {
		look(self);
		atomic_fetch_add(&self->looks, 1);
	}
	return NULL;
}

/* After each REPLACE the page is the new one, however often it was looked at. */
TEST_F_TIMEOUT(gate, nothing_old_is_shown_again, TIMEOUT)
{
	size_t at = self->page - self->win;
	unsigned int i, stale = 0;
	unsigned long looks;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, look_loop, self));
	for (i = 1; i <= ROUNDS; i++) {
		looks = atomic_load(&self->looks);
		while (atomic_load(&self->looks) < looks + 3)
			sched_yield();
		ASSERT_EQ(0, pts_replace(self->ctl, self->mem[i % 2], PTS_RW, 0,
					 self->len, 0));
		stale += look(self) != pts_stamp(1 + i % 2, at);
	}
	atomic_store(&self->stop, 1);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(0, stale);
}

/*
 * The same with holes in the file. Nobody holds the container's lock meanwhile,
 * so that get_user_pages() is kept back by the gate and by nothing else.
 */
TEST_F_TIMEOUT(gate, nothing_punched_is_shown_again, TIMEOUT)
{
	off_t at = self->page - self->win;
	unsigned int i, stale = 0;
	unsigned long looks;
	__u64 val;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, look_loop, self));
	for (i = 1; i <= ROUNDS; i++) {
		val = pts_stamp(2 + i, at);
		ASSERT_EQ(8, pwrite(self->mem[0], &val, 8, at));
		looks = atomic_load(&self->looks);
		while (atomic_load(&self->looks) < looks + 3)
			sched_yield();
		ASSERT_EQ(val, look(self));
		ASSERT_EQ(0, fallocate(self->mem[0], FALLOC_FL_PUNCH_HOLE |
				       FALLOC_FL_KEEP_SIZE, 0, self->len));
		stale += look(self) != 0;
	}
	atomic_store(&self->stop, 1);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(0, stale);
}

static void *roam_loop(void *arg)
{
	struct _test_data_gate *self = arg;
	unsigned int i;

	for (i = 0; !atomic_load(&self->stop); i = (i + RUN) % PAGES) {
		look_at(self, self->win + i * pts_psz);
		atomic_fetch_add(&self->looks, 1);
	}
	return NULL;
}

/*
 * Somebody faults all the time: what he read of the container before a REPLACE
 * must not be set after it. The first of two drops all that is shown.
 */
TEST_F_TIMEOUT(gate, nothing_old_is_set_late, TIMEOUT)
{
	unsigned int i, j, stale = 0;
	unsigned long looks;
	size_t at;

	ASSERT_EQ(0, pthread_create(&self->thread, NULL, roam_loop, self));
	for (i = 1; i <= 2 * ROUNDS; i++) {
		looks = atomic_load(&self->looks);
		while (atomic_load(&self->looks) < looks + 3)
			sched_yield();
		ASSERT_EQ(0, pts_replace(self->ctl, self->mem[i % 2], PTS_RW, 0,
					 self->len, 0));
		for (j = 0; i % 2 == 0 && j < PAGES; j += RUN) {
			at = j * pts_psz;
			stale += look_at(self, self->win + at) !=
				 pts_stamp(1, at);
		}
	}
	atomic_store(&self->stop, 1);
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	EXPECT_EQ(0, stale);
}

TEST_HARNESS_MAIN
