// SPDX-License-Identifier: GPL-2.0
/*
 * Who is killed, and what is freed by it: the OOM killer takes the creator, who
 * holds the fds, a client or a monitor, and clients multiply until their limit.
 * The others have the container as it was.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "notify_util.h"
#include "share.h"

#define GIB	0x40000000UL
#define MEM	0x400000UL
#define LIMIT	0x1800000UL	/* of a group: the container, and a little */
#define TOO_MUCH (2 * LIMIT)
#define TAG	7
#define BOMB	60		/* processes at most */
#define TIMEOUT	240

FIXTURE(oom)
{
	struct cg cg;		/* of whoever is to be killed */
	struct pts_child victim;
	int ctl, mem, nfd;
	char *win;
};

FIXTURE_VARIANT(oom)
{
	const char *share;
};

FIXTURE_VARIANT_ADD(oom, none) { "none" };
FIXTURE_VARIANT_ADD(oom, pud) { "pud" };

FIXTURE_SETUP(oom)
{
	if (!share_available() || !cg_available())
		SKIP(return, "no parameter share or no memory controller");
	ASSERT_EQ(0, cg_make(&self->cg, "oom"));
	ASSERT_EQ(0, cg_write(&self->cg, "memory.swap.max", "0"));
	ASSERT_EQ(0, cg_write_bytes(&self->cg, "memory.max", LIMIT));
}

FIXTURE_TEARDOWN(oom)
{
	cg_destroy(&self->cg);
}

static unsigned int wrong_pages(const char *win)
{
	return pts_wrong_stamps(win, MEM, TAG);
}

static void stamp(char *win, size_t from, size_t to)
{
	size_t at;

	for (at = from; at < to; at += pts_psz)
		pts_store(win + at, pts_stamp(TAG, at));
}

/* The container with its upper half not touched yet. */
static int make(struct _test_data_oom *self, const char *share)
{
	self->mem = pts_memfd(MEM, 0);
	self->ctl = share_create(share, GIB, PTS_RW);
	if (self->mem < 0 || self->ctl < 0 ||
	    pts_map(self->ctl, self->mem, PTS_RW, 0, MEM, 0))
		return -1;
	self->win = pts_window(self->ctl, GIB, 0);
	if (self->win == MAP_FAILED)
		return -1;
	stamp(self->win, 0, MEM / 2);
	return 0;
}

/* What the others can do after a death: all that they could. */
static void all_is_well(struct __test_metadata *_metadata,
			struct _test_data_oom *self)
{
	stamp(self->win, MEM / 2, MEM);
	EXPECT_EQ(0, wrong_pages(self->win));
	EXPECT_EQ(0, pts_protect(self->ctl, 0, MEM, PTS_RO));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win, 1), SIGSEGV,
				 SEGV_ACCERR, self->win));
	EXPECT_EQ(0, pts_protect(self->ctl, 0, MEM, PTS_RW));
	EXPECT_TRUE(pts_writes(self->win, pts_stamp(TAG, 0)));
}

/* Takes more than its group may have; never comes back. */
static int eat(void)
{
	char *own = mmap(NULL, TOO_MUCH, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (own != MAP_FAILED)
		memset(own, 1, TOO_MUCH);
	return 1;
}

static void dies_of_hunger(struct __test_metadata *_metadata,
			   struct _test_data_oom *self)
{
	ASSERT_EQ(0, pts_send(self->victim.sock, 1));
	EXPECT_EQ(256 + SIGKILL, pts_join(&self->victim));
	EXPECT_EQ(1, cg_stat(&self->cg, "memory.events", "oom_kill"));
}

struct creator_arg {
	struct _test_data_oom *self;
	const char *share;
};

static int creator(int sock, void *data)
{
	const struct creator_arg *arg = data;
	struct _test_data_oom *self = arg->self;
	__u64 go;

	if (cg_enter(&self->cg) || make(self, arg->share) ||
	    pts_send_fd(sock, self->ctl) || pts_send_fd(sock, self->mem))
		return 2;
	return pts_recv(sock, &go) ?: eat();
}

/* Its memory stays charged to its group, which has room again. */
TEST_F_TIMEOUT(oom, creator, TIMEOUT)
{
	struct creator_arg arg = { self, variant->share };

	ASSERT_EQ(0, pts_fork(&self->victim, creator, &arg));
	self->ctl = pts_recv_fd(self->victim.sock);
	self->mem = pts_recv_fd(self->victim.sock);
	ASSERT_GE(self->ctl, 0);
	ASSERT_GE(self->mem, 0);
	self->win = pts_window(self->ctl, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	dies_of_hunger(_metadata, self);
	all_is_well(_metadata, self);
	EXPECT_LE(MEM, cg_read(&self->cg, "memory.current"));
	ASSERT_EQ(0, munmap(self->win, GIB));
	close(self->ctl);
	close(self->mem);
}

static int holder(int sock, void *arg)
{
	struct _test_data_oom *self = arg;
	__u64 go;

	if (cg_enter(&self->cg) || munmap(self->win, GIB))
		return 2;
	return pts_send(sock, 1) ?: pts_recv(sock, &go) ?: eat();
}

/* The last fds are gone; who has a window goes on, with all of the memory. */
TEST_F_TIMEOUT(oom, holder, TIMEOUT)
{
	__u64 ready;

	ASSERT_EQ(0, make(self, variant->share));
	ASSERT_EQ(0, pts_fork(&self->victim, holder, self));
	ASSERT_EQ(0, pts_recv(self->victim.sock, &ready));
	close(self->ctl);
	close(self->mem);
	dies_of_hunger(_metadata, self);
	stamp(self->win, MEM / 2, MEM);
	EXPECT_EQ(0, wrong_pages(self->win));
	ASSERT_EQ(0, munmap(self->win, GIB));
}

static int client(int sock, void *arg)
{
	struct _test_data_oom *self = arg;
	__u64 go;

	if (cg_enter(&self->cg))
		return 2;
	self->win = pts_window(self->ctl, GIB, 0);
	if (self->win == MAP_FAILED)
		return 3;
	if (pts_wrong_stamps(self->win, MEM / 2, TAG))
		return 4;
	return pts_send(sock, 1) ?: pts_recv(sock, &go) ?: eat();
}

/* Nothing of the container is freed, and nothing stays of its window. */
TEST_F_TIMEOUT(oom, client, TIMEOUT)
{
	struct ptshare_info before, after;
	__u64 ready;

	ASSERT_EQ(0, make(self, variant->share));
	ASSERT_EQ(0, pts_info(self->ctl, &before));
	ASSERT_EQ(0, pts_fork(&self->victim, client, self));
	ASSERT_EQ(0, pts_recv(self->victim.sock, &ready));
	dies_of_hunger(_metadata, self);
	ASSERT_EQ(0, pts_info(self->ctl, &after));
	EXPECT_EQ(before.nr_windows, after.nr_windows);
	EXPECT_EQ(before.nr_links, after.nr_links);
	EXPECT_EQ(before.nr_mirrors, after.nr_mirrors);
	EXPECT_EQ(before.rss_bytes, after.rss_bytes);
	all_is_well(_metadata, self);
}

static int monitor(int sock, void *arg)
{
	struct _test_data_oom *self = arg;
	struct ptshare_arm arm = {
		.length = MEM / 2, .mode = PTSHARE_BLOCK, .timeout_ns = ~0ULL,
	};
	__u64 go;

	if (cg_enter(&self->cg))
		return 2;
	self->nfd = pts_notify(self->ctl, 0);
	if (self->nfd < 0 || pts_arm_with(self->nfd, &arm))
		return 3;
	return pts_send(sock, 1) ?: pts_recv(sock, &go) ?: eat();
}

static int writer(int sock, void *arg)
{
	struct _test_data_oom *self = arg;

	if (pts_send(sock, 1))
		return 1;
	pts_store(self->win, pts_stamp(TAG, 0));
	return 0;
}

/* It was to decide for ever; who waits for it goes on. */
TEST_F_TIMEOUT(oom, monitor, TIMEOUT)
{
	struct pts_child c;
	__u64 ready;

	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_EQ(0, make(self, variant->share));
	ASSERT_EQ(0, pts_fork(&self->victim, monitor, self));
	ASSERT_EQ(0, pts_recv(self->victim.sock, &ready));
	ASSERT_EQ(0, pts_fork(&c, writer, self));
	ASSERT_EQ(0, pts_recv(c.sock, &ready));
	EXPECT_TRUE(pts_child_sleeps(&c));
	dies_of_hunger(_metadata, self);
	EXPECT_EQ(0, pts_join(&c));
	all_is_well(_metadata, self);
}

/* --- clients that multiply --------------------------------------------------- */

static int bomb(int sock, void *arg)
{
	struct _test_data_oom *self = arg;
	size_t at = getpid();

	if (cg_enter(&self->cg) || pts_send(sock, 1))
		return 2;
	for (;;) {
		/* As many as may be, each with a window of its own. */
		fork();
		at = (at * 97 + 1) % (MEM / 2 / pts_psz);
		pts_store(self->win + at * pts_psz,
			  pts_stamp(TAG, at * pts_psz));
		usleep(1000);
	}
}

static bool group_is_empty(const struct cg *cg)
{
	const __u64 limit = pts_now_ms() + TIMEOUT * 500;

	while (cg_stat(cg, "cgroup.events", "populated")) {
		if (pts_now_ms() > limit)
			return false;
		usleep(10000);
	}
	return true;
}

/* They slow the others down, and that is all; at once dead they leave nothing. */
TEST_F_TIMEOUT(oom, fork_bomb, TIMEOUT)
{
	struct ptshare_info before, after;
	unsigned int i;
	__u64 ready;

	ASSERT_EQ(0, make(self, variant->share));
	ASSERT_EQ(0, cg_write(&self->cg, "memory.max", "max"));
	if (pts_spit("/sys/fs/cgroup/cgroup.subtree_control", "+pids"))
		SKIP(return, "no pids controller");
	ASSERT_EQ(0, cg_write_bytes(&self->cg, "pids.max", BOMB));
	ASSERT_EQ(0, pts_info(self->ctl, &before));
	ASSERT_EQ(0, pts_fork(&self->victim, bomb, self));
	ASSERT_EQ(0, pts_recv(self->victim.sock, &ready));
	for (i = 0; i < 10 || cg_stat(&self->cg, "pids.events", "max") < 1; i++) {
		EXPECT_EQ(0, pts_protect(self->ctl, MEM / 2, MEM / 2, PTS_RO));
		EXPECT_TRUE(pts_fault_is(pts_write8(self->win + MEM / 2, 1),
					 SIGSEGV, SEGV_ACCERR,
					 self->win + MEM / 2));
		EXPECT_EQ(0, pts_protect(self->ctl, MEM / 2, MEM / 2, PTS_RW));
		usleep(10000);
	}
	ASSERT_EQ(0, pts_info(self->ctl, &after));
	EXPECT_LT(before.nr_windows + BOMB / 4, after.nr_windows);
	ASSERT_EQ(0, cg_write(&self->cg, "cgroup.kill", "1"));
	EXPECT_EQ(256 + SIGKILL, pts_join(&self->victim));
	EXPECT_TRUE(group_is_empty(&self->cg));
	ASSERT_EQ(0, pts_info(self->ctl, &after));
	EXPECT_EQ(before.nr_windows, after.nr_windows);
	EXPECT_EQ(before.nr_links, after.nr_links);
	EXPECT_EQ(before.nr_mirrors, after.nr_mirrors);
	all_is_well(_metadata, self);
}

TEST_HARNESS_MAIN
