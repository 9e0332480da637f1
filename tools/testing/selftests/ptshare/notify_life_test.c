// SPDX-License-Identifier: GPL-2.0
/*
 * How long what was armed stays armed: arming again, giving up a part, losing a
 * region or a part of the file, and the end of the notify fd.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define PAGES		16
#define COOKIE		0x123456789abcdef0ULL
#define BY_FILE		(PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_SYSCALL)

FIXTURE(life)
{
	struct pts_rig rig;
	int nfd, other;
	char *win, *plain;
	bool can_fork;
};

FIXTURE_VARIANT(life)
{
	__u32 mode;
};

FIXTURE_VARIANT_ADD(life, async) { PTSHARE_ASYNC };
FIXTURE_VARIANT_ADD(life, block) { PTSHARE_BLOCK };

static int arm(struct _test_data_life *self, __u32 mode, __u64 first, __u64 nr,
	       __u64 cookie, __u32 on_close)
{
	struct ptshare_arm a = {
		.offset = PG(first), .length = PG(nr), .cookie = cookie,
		.mode = mode, .on_close = on_close,
	};

	return pts_arm_with(self->nfd, &a);
}

FIXTURE_SETUP(life)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
	self->win = self->rig.win;
	self->plain = pts_window(self->rig.mem, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, (void *)self->plain);
	self->nfd = pts_notify(self->rig.ctl, 0);
	self->other = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->other, 0);
	ASSERT_EQ(0, arm(self, variant->mode, 0, 8, COOKIE,
			 PTSHARE_CLOSE_ALLOW));
}

FIXTURE_TEARDOWN(life)
{
}

struct store {
	char *at;
};

static int store(int sock, void *arg)
{
	struct store *s = arg;
	struct pts_fault f;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	f = pts_write8(s->at, 7);
	return f.sig ? 100 : 0;
}

/*
 * A store to a page that is armed in the fixture's mode, by a child; its event,
 * and its way on if it sleeps.
 */
static void expect_caught(struct __test_metadata *_metadata,
			  struct _test_data_life *self, __u32 mode, char *map,
			  __u64 page, __u64 cookie)
{
	struct store s = { map + PG(page) };
	struct ptshare_event ev;
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, store, &s));
	ASSERT_EQ(0, pts_read_event(self->nfd, &ev, PTS_SOON_MS)) {
		TH_LOG("page %llu", page);
	}
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_WRITE,
				 mode == PTSHARE_BLOCK ?
				 PTSHARE_EVENT_F_BLOCKED : 0, PG(page),
				 pts_psz));
	EXPECT_EQ(cookie, ev.cookie);
	EXPECT_EQ((uintptr_t)s.at, ev.addr);
	if (mode == PTSHARE_BLOCK)
		EXPECT_EQ(1, pts_resolve(self->nfd, PG(page), PG(1),
					 PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
}

#define caught(map, page, cookie) \
	expect_caught(_metadata, self, variant->mode, map, page, cookie)

/* Nobody is told, and nobody waits. */
static void expect_free(struct __test_metadata *_metadata,
			struct _test_data_life *self, __u64 page)
{
	EXPECT_TRUE(pts_writes(self->win + PG(page), 9));
	EXPECT_TRUE(pts_writes(self->plain + PG(page), 10));
	EXPECT_EQ(1, pwrite(self->rig.mem, "x", 1, PG(page)));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* --- arming again ------------------------------------------------------------ */

TEST_F(life, arm_again_with_another_cookie)
{
	ASSERT_EQ(0, arm(self, variant->mode, 2, 2, 2, 0));
	ASSERT_EQ(0, arm(self, variant->mode, 3, 1, 3, 0));
	caught(self->win, 1, COOKIE);
	caught(self->win, 2, 2);
	caught(self->plain, 3, 3);
	caught(self->plain, 4, COOKIE);
	/* Over all of them, whether written or not. */
	ASSERT_EQ(0, arm(self, variant->mode, 0, 8, 4, 0));
	caught(self->win, 0, 4);
	caught(self->win, 2, 4);
	caught(self->plain, 3, 4);
	caught(self->win, 7, 4);
}

TEST_F(life, arm_again_in_another_mode)
{
	const __u32 other = variant->mode == PTSHARE_BLOCK ? PTSHARE_ASYNC :
			    PTSHARE_BLOCK;

	ASSERT_EQ(0, arm(self, other, 2, 1, 5, 0));
	caught(self->win, 1, COOKIE);
	expect_caught(_metadata, self, other, self->win, 2, 5);
	ASSERT_EQ(0, arm(self, PTSHARE_SIGNAL, 2, 1, 6, 0));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win + PG(2), 1), SIGBUS,
				 BUS_ADRERR, self->win + PG(2)));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(2), getpid()));
	/* A refusal that was told is told again. */
	ASSERT_EQ(0, arm(self, PTSHARE_SIGNAL, 2, 1, 7, 0));
	EXPECT_EQ(SIGBUS, pts_write8(self->win + PG(2), 1).sig);
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(2), getpid()));
}

TEST_F(life, arm_does_not_forget)
{
	caught(self->win, 2, COOKIE);
	ASSERT_EQ(0, arm(self, variant->mode, 0, 8, COOKIE, 0));
	EXPECT_EQ(PTS_WRITTEN | PTS_ARMED, pts_page_state(self->nfd, PG(2)));
	EXPECT_EQ(1, pts_written(self->nfd, 0, 0, PG(PAGES)));
}

/* --- giving up -------------------------------------------------------------------- */

TEST_F(life, disarm_in_the_middle)
{
	ASSERT_EQ(0, pts_resolve(self->nfd, PG(2), PG(3), PTSHARE_DISARM));
	expect_free(_metadata, self, 2);
	expect_free(_metadata, self, 4);
	caught(self->win, 1, COOKIE);
	caught(self->win, 5, COOKIE);
	caught(self->plain, 7, COOKIE);
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, PG(1), PG(2),
				       PTSHARE_DISARM));
	/* Somebody else may have what was given up, and no more. */
	EXPECT_EQ(-EBUSY, pts_arm(self->other, PG(2), PG(4), 0, 0));
	EXPECT_EQ(0, pts_arm(self->other, PG(2), PG(3), 0, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(3), 1));
	EXPECT_TRUE(pts_told(self->other, 0, PG(3), getpid()));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

TEST_F(life, disarm_at_the_ends)
{
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(1), PTSHARE_DISARM));
	ASSERT_EQ(0, pts_resolve(self->nfd, PG(7), PG(1), PTSHARE_DISARM));
	expect_free(_metadata, self, 0);
	expect_free(_metadata, self, 7);
	caught(self->win, 1, COOKIE);
	caught(self->win, 6, COOKIE);
	EXPECT_EQ(24, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
}

TEST_F(life, disarm_wakes)
{
	struct store s = { self->win + PG(3) };
	struct pts_child c;

	ASSERT_EQ(0, arm(self, PTSHARE_BLOCK, 0, 8, COOKIE, 0));
	ASSERT_EQ(0, pts_fork(&c, store, &s));
	ASSERT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(3), c.pid));
	EXPECT_EQ(1, pts_resolve(self->nfd, 0, PG(8), PTSHARE_DISARM));
	EXPECT_EQ(0, pts_join(&c));
	expect_free(_metadata, self, 3);
}

/* --- losing the region ------------------------------------------------------------- */

static bool disarmed(struct _test_data_life *self, __u64 first, __u64 nr)
{
	struct ptshare_event ev;

	return !pts_read_event(self->nfd, &ev, PTS_SOON_MS) &&
	       pts_event_is(&ev, PTSHARE_EVENT_DISARMED, 0, PG(first),
			    PG(nr)) && ev.cookie == COOKIE && !ev.addr;
}

TEST_F(life, unmap)
{
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, PG(2), PG(3)));
	EXPECT_TRUE(disarmed(self, 2, 3));
	EXPECT_TRUE(pts_no_event(self->nfd));
	/* The file's pages are free, the others are not. */
	EXPECT_TRUE(pts_writes(self->plain + PG(3), 1));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(3)));
	caught(self->plain, 1, COOKIE);
	caught(self->plain, 5, COOKIE);
	/* What comes there next is not watched. */
	ASSERT_EQ(0, pts_map(self->rig.ctl, self->rig.mem, PTS_RW, PG(2), PG(3),
			     PG(2)));
	expect_free(_metadata, self, 3);
	EXPECT_EQ(20, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
}

TEST_F(life, unmap_of_two_pieces)
{
	ASSERT_EQ(0, pts_resolve(self->nfd, PG(3), PG(2), PTSHARE_DISARM));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, PG(PAGES)));
	EXPECT_TRUE(disarmed(self, 0, 3));
	EXPECT_TRUE(disarmed(self, 5, 3));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(0, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
}

TEST_F(life, replace)
{
	int mem = pts_memfd_stamped(PG(4), 2);

	ASSERT_EQ(0, pts_replace(self->rig.ctl, mem, PTS_RW, PG(2), PG(3), 0));
	EXPECT_TRUE(disarmed(self, 2, 3));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 1));
	EXPECT_TRUE(pts_writes(self->plain + PG(2), 1));
	EXPECT_TRUE(pts_no_event(self->nfd));
	caught(self->win, 1, COOKIE);
	/* A page that was armed stays with its file: it is not the new one. */
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, PG(2), PG(1),
				       PTSHARE_ALLOW));
}

/* Who sleeps meets what is there now. */
static void region_goes(struct __test_metadata *_metadata,
			struct _test_data_life *self, int mem, int status)
{
	struct store s = { self->win + PG(3) };
	struct pts_child c;

	ASSERT_EQ(0, arm(self, PTSHARE_BLOCK, 0, 8, COOKIE, 0));
	ASSERT_EQ(0, pts_fork(&c, store, &s));
	ASSERT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(3), c.pid));
	ASSERT_EQ(0, mem < 0 ? pts_unmap(self->rig.ctl, PG(2), PG(3)) :
		     pts_replace(self->rig.ctl, mem, PTS_RW, PG(2), PG(3), 0));
	EXPECT_EQ(status, pts_join(&c));
	EXPECT_TRUE(disarmed(self, 2, 3));
}

TEST_F(life, unmap_wakes)
{
	region_goes(_metadata, self, -1, 100);
}

TEST_F(life, replace_wakes)
{
	int mem = pts_memfd_stamped(PG(4), 2);

	region_goes(_metadata, self, mem, 0);
	EXPECT_TRUE(pts_reads(self->win + PG(3), 7));
	EXPECT_TRUE(pts_reads(self->plain + PG(3), pts_stamp(1, PG(3))));
}

/* --- losing the end of the file --------------------------------------------------------- */

TEST_F(life, truncate)
{
	struct ptshare_event ev = {};
	unsigned int seen = 0;
	__u64 at;

	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(3) + 100));
	/* First the pages that change, the partial one included. */
	while (!pts_read_event(self->nfd, &ev, 0) &&
	       ev.type == PTSHARE_EVENT_WRITE) {
		EXPECT_EQ(BY_FILE, ev.flags);
		EXPECT_EQ(0, ev.addr);
		EXPECT_EQ(0, ev.length % pts_psz);
		for (at = ev.offset; at < ev.offset + ev.length; at += pts_psz)
			seen += 1 << 4 * (at / pts_psz - 3);
	}
	EXPECT_EQ(0x11111, seen);
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_DISARMED, 0, PG(4), PG(4)));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(2)));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(3)));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(7)));
	/* They are still this fd's. */
	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(PAGES)));
	expect_free(_metadata, self, 5);
	EXPECT_EQ(-EBUSY, pts_arm(self->other, PG(5), PG(1), 0, 0));
	EXPECT_EQ(5, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES)));
	caught(self->win, 5, COOKIE);
}

TEST_F(life, truncate_at_a_page)
{
	struct ptshare_event ev = {};
	__u64 pages = 0;

	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(6)));
	while (!pts_read_event(self->nfd, &ev, 0) &&
	       ev.type == PTSHARE_EVENT_WRITE)
		pages += ev.length / pts_psz;
	EXPECT_EQ(2, pages);
	EXPECT_TRUE(pts_event_is(&ev, PTSHARE_EVENT_DISARMED, 0, PG(6), PG(2)));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(5)));
	caught(self->win, 5, COOKIE);
}

/* Growing is no write. */
TEST_F(life, extend)
{
	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(4 * PAGES)));
	EXPECT_EQ(0, fallocate(self->rig.mem, 0, 0, PG(4 * PAGES)));
	EXPECT_TRUE(pts_no_event(self->nfd));
	caught(self->win, 7, COOKIE);
}

/* --- one call, many pages ------------------------------------------------------------- */

/* Pages 0 to 7 are armed: each is told once, in as few events as one likes. */
TEST_F(life, one_write_over_many_pages)
{
	char *buf = calloc(PAGES, pts_psz);
	struct ptshare_event ev = {};
	unsigned int seen = 0;
	__u64 at;

	ASSERT_EQ(PG(10), pwrite(self->rig.mem, buf, PG(10), PG(2)));
	while (!pts_read_event(self->nfd, &ev, 0)) {
		EXPECT_EQ(PTSHARE_EVENT_WRITE, ev.type);
		EXPECT_EQ(BY_FILE, ev.flags);
		EXPECT_EQ(COOKIE, ev.cookie);
		for (at = ev.offset; at < ev.offset + ev.length; at += pts_psz)
			seen += 1 << 4 * (at / pts_psz - 2);
	}
	EXPECT_EQ(0x111111, seen);
	EXPECT_EQ(6, pts_written(self->nfd, 0, 0, PG(PAGES)));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(1)));
}

/* A hole over armed and other pages is refused whole or not at all. */
TEST_F(life, refused_in_the_middle)
{
	struct ptshare_arm a = {
		.offset = PG(4), .length = PG(2),
		.on_kernel = PTSHARE_KERNEL_FAIL,
	};
	char *buf = calloc(PAGES, pts_psz);
	char *win = self->win;

	ASSERT_EQ(0, pts_arm_with(self->nfd, &a));
	/* What was written before it counts. */
	EXPECT_EQ(PG(2), pwrite(self->rig.mem, buf, PG(6), PG(2)));
	EXPECT_EQ(-1, pwrite(self->rig.mem, buf, PG(1), PG(5)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(pts_reads(win + PG(3), 0));
	EXPECT_TRUE(pts_reads(win + PG(4), pts_stamp(1, PG(4))));
	EXPECT_TRUE(pts_reads(win + PG(6), pts_stamp(1, PG(6))));
	EXPECT_EQ(-1, fallocate(self->rig.mem, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, PG(4), PG(8)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, ftruncate(self->rig.mem, PG(5)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(pts_reads(win + PG(6), pts_stamp(1, PG(6))));
	EXPECT_TRUE(pts_reads(win + PG(PAGES - 1), pts_stamp(1, PG(PAGES - 1))));
}

/* --- the end of the fd ------------------------------------------------------------------ */

/* Runs while a child sleeps, where it can: @nfd is closed, and it goes on. */
static void close_and_go(struct __test_metadata *_metadata,
			 struct _test_data_life *self, __u32 mode)
{
	struct store s = { self->win + PG(3) };
	struct pts_child c;

	if (mode == PTSHARE_BLOCK) {
		ASSERT_EQ(0, pts_fork(&c, store, &s));
		ASSERT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(3),
				     c.pid));
		/* The child has it too. */
		EXPECT_TRUE(pts_child_sleeps(&c));
	}
	close(self->nfd);
	if (mode != PTSHARE_BLOCK)
		return;
	/* It was not the last one. */
	EXPECT_TRUE(pts_child_sleeps(&c));
	kill(c.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
}

TEST_F(life, last_close_frees)
{
	close_and_go(_metadata, self, variant->mode);
	EXPECT_TRUE(pts_writes(self->win + PG(3), 9));
	EXPECT_TRUE(pts_writes(self->plain + PG(4), 9));
	EXPECT_EQ(1, pwrite(self->rig.mem, "x", 1, PG(5)));
	EXPECT_EQ(0, pts_arm(self->other, 0, PG(8), 0, 0));
}

TEST_F(life, dup_keeps_it)
{
	int dup = fcntl(self->nfd, F_DUPFD_CLOEXEC, 0);

	ASSERT_GE(dup, 0);
	close(self->nfd);
	self->nfd = dup;
	EXPECT_EQ(-EBUSY, pts_arm(self->other, 0, PG(1), 0, 0));
	caught(self->win, 3, COOKIE);
}

static int wait_for_go(int sock, void *arg)
{
	__u64 go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pts_send(sock, 1);
	return pts_recv(sock, &go);
}

/* A child that has inherited it keeps it, until it execs. */
static int exec_true(int sock, void *arg)
{
	__u64 go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pts_send(sock, 1);
	if (pts_recv(sock, &go))
		return 1;
	execl("/bin/sleep", "sleep", "1000", NULL);
	return 2;
}

TEST_F(life, child_keeps_it)
{
	struct pts_child c;
	__u64 up;

	ASSERT_EQ(0, pts_fork(&c, wait_for_go, NULL));
	ASSERT_EQ(0, pts_recv(c.sock, &up));
	close(self->nfd);
	EXPECT_EQ(-EBUSY, pts_arm(self->other, 0, PG(1), 0, 0));
	pts_send(c.sock, 1);
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(0, pts_arm(self->other, 0, PG(1), 0, 0));
}

TEST_F(life, exec_gives_it_up)
{
	struct pts_child c;
	__u64 up;
	int i;

	ASSERT_EQ(0, pts_fork(&c, exec_true, NULL));
	ASSERT_EQ(0, pts_recv(c.sock, &up));
	close(self->nfd);
	EXPECT_EQ(-EBUSY, pts_arm(self->other, 0, PG(1), 0, 0));
	pts_send(c.sock, 1);
	for (i = 0; i < 1000; i++) {
		if (!pts_arm(self->other, 0, PG(1), 0, 0))
			break;
		usleep(10000);
	}
	EXPECT_LT(i, 1000);
	kill(c.pid, SIGKILL);
	pts_join(&c);
}

/* The container's other fds may go: the notify fd needs none of them. */
TEST_F(life, outlives_the_control_fd)
{
	close(self->rig.ctl);
	close(self->rig.fd);
	close(self->other);
	caught(self->win, 3, COOKIE);
	munmap(self->win, 2 * self->rig.half);
	caught(self->plain, 4, COOKIE);
	EXPECT_EQ(2, pts_written(self->nfd, 0, 0, PG(PAGES)));
}

/* Who has forked is watched as its parent is, and the other way round. */
static int parent_and_child(int sock, void *arg)
{
	struct _test_data_life *self = arg;
	int status = -1;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pid = fork();
	if (!pid)
		_exit(pts_write8(self->win + PG(2), 1).sig);
	waitpid(pid, &status, 0);
	return status || pts_write8(self->win + PG(2), 2).sig ||
	       pts_write8(self->win + PG(3), 2).sig;
}

TEST_F(life, fork)
{
	struct pts_child c;
	const __u16 flags = variant->mode == PTSHARE_BLOCK ?
			    PTSHARE_EVENT_F_BLOCKED : 0;
	__u64 page;

	ASSERT_EQ(0, pts_fork(&c, parent_and_child, self));
	for (page = 2; page < 4; page++) {
		ASSERT_TRUE(pts_told(self->nfd, flags, PG(page), 0));
		if (flags)
			EXPECT_EQ(1, pts_resolve(self->nfd, PG(page), PG(1),
						 PTSHARE_ALLOW));
	}
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* --- CLOSE_SIGNAL ------------------------------------------------------------------------ */

static int close_signal(struct _test_data_life *self, __u32 on_kernel)
{
	struct ptshare_arm a = {
		.length = PG(8), .on_kernel = on_kernel,
		.on_close = PTSHARE_CLOSE_SIGNAL,
	};
	int err = pts_arm_with(self->nfd, &a);

	close(self->nfd);
	return err;
}

/* Nobody watches any more, and nobody writes. */
TEST_F(life, close_signal)
{
	ASSERT_EQ(0, close_signal(self, PTSHARE_KERNEL_ALLOW));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win + PG(2), 1), SIGBUS,
				 BUS_ADRERR, self->win + PG(2)));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->plain + PG(2), 1), SIGBUS,
				 BUS_ADRERR, self->plain + PG(2)));
	EXPECT_TRUE(pts_reads(self->win + PG(2), pts_stamp(1, PG(2))));
	EXPECT_TRUE(pts_writes(self->win + PG(8), 1));
	/* The kernel's own writes were allowed, and are. */
	EXPECT_EQ(1, pwrite(self->rig.mem, "x", 1, PG(3)));
	/* Somebody may take it over. */
	self->nfd = self->other;
	ASSERT_EQ(0, arm(self, variant->mode, 0, 8, 11, 0));
	caught(self->win, 2, 11);
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(8), PTSHARE_DISARM));
	EXPECT_TRUE(pts_writes(self->win + PG(4), 1));
}

/* What would have slept is refused: nobody could wake it. */
TEST_F(life, close_signal_of_kernel_block)
{
	ASSERT_EQ(0, close_signal(self, PTSHARE_KERNEL_BLOCK));
	EXPECT_EQ(-1, pwrite(self->rig.mem, "x", 1, PG(3)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, pread(self->rig.mem, self->win + PG(3), 8, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ftruncate(self->rig.mem, 0));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(life, close_signal_of_kernel_fail)
{
	ASSERT_EQ(0, close_signal(self, PTSHARE_KERNEL_FAIL));
	EXPECT_EQ(-1, pwrite(self->rig.mem, "x", 1, PG(3)));
	EXPECT_EQ(EPERM, errno);
}

/* It is of the file's pages: a region that goes does not free them. */
TEST_F(life, close_signal_outlives_the_region)
{
	ASSERT_EQ(0, close_signal(self, PTSHARE_KERNEL_FAIL));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, PG(PAGES)));
	close(self->rig.ctl);
	EXPECT_EQ(SIGBUS, pts_write8(self->plain + PG(2), 1).sig);
	EXPECT_TRUE(pts_writes(self->plain + PG(9), 1));
}

TEST_HARNESS_MAIN
