// SPDX-License-Identifier: GPL-2.0
/* Windows across fork, exec and exit. */
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		16
#define CHILDREN	64

FIXTURE(fork)
{
	struct pts_rig rig;
	char *win;
};

FIXTURE_VARIANT(fork)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(fork, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(fork, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(fork)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	self->win = self->rig.win;
	ASSERT_TRUE(pts_writes(self->win + PG(1) + 8, 1));
}

FIXTURE_TEARDOWN(fork)
{
	pts_rig_free(&self->rig);
}

static __u32 windows(int fd)
{
	struct ptshare_info info;

	return pts_info(fd, &info) ? UINT32_MAX : info.nr_windows;
}

/* The last exit may still be on its way when the parent knows of it. */
static bool windows_become(int fd, __u32 want)
{
	__u64 until = pts_now_ms() + 5000;

	while (windows(fd) != want && pts_now_ms() < until)
		usleep(1000);
	return windows(fd) == want;
}

/* Pages that the parent had touched, that it had not, and the hole. */
static int child_uses_window(int sock, void *arg)
{
	char *win = arg;
	__u64 val;

	if (!pts_reads(win + PG(1) + 8, 1) ||
	    !pts_reads(win + PG(2), pts_stamp(1, PG(2))))
		return 1;
	if (!pts_writes(win + PG(1) + 8, 11) || !pts_writes(win + PG(3), 33))
		return 2;
	if (pts_read8(win + PG(PAGES), &val).sig != SIGBUS)
		return 3;
	return 0;
}

TEST_F(fork, child_has_same_window)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, child_uses_window, self->win));
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_TRUE(pts_reads(self->win + PG(1) + 8, 11));
	EXPECT_TRUE(pts_reads(self->win + PG(3), 33));
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
}

static int wait_then_write(int sock, void *arg)
{
	struct pts_fault f;
	__u64 cmd;

	pts_send(sock, 1);
	while (!pts_recv(sock, &cmd) && cmd) {
		f = pts_write8(arg, cmd);
		pts_send(sock, f.sig == SIGSEGV && f.code == SEGV_ACCERR &&
			 f.addr == arg ? SIGSEGV : f.sig);
	}
	return 0;
}

/* What is changed after the fork holds for the child too. */
TEST_F(fork, changes_reach_child)
{
	char *at = self->win + PG(1);
	struct pts_child c;
	__u64 up;

	ASSERT_EQ(0, pts_fork(&c, wait_then_write, at));
	ASSERT_EQ(0, pts_recv(c.sock, &up));
	EXPECT_EQ(2, windows(self->rig.fd));
	EXPECT_EQ(0, pts_ask(c.sock, 5));
	EXPECT_TRUE(pts_reads(at, 5));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(1), PG(1), PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_ask(c.sock, 6));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, PG(1), PG(1)));
	EXPECT_EQ(SIGBUS, pts_ask(c.sock, 6));
	pts_send(c.sock, 0);
	EXPECT_EQ(0, pts_join(&c));
}

/* The child's unmapping is its own affair. */
static int child_unmaps(int sock, void *arg)
{
	struct pts_rig *rig = arg;
	__u64 val;

	if (munmap(rig->win, 2 * rig->half))
		return 1;
	return pts_read8(rig->win, &val).sig == SIGSEGV ? 0 : 2;
}

TEST_F(fork, child_unmaps_its_window)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, child_unmaps, &self->rig));
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
	EXPECT_TRUE(pts_reads(self->win + PG(1) + 8, 1));
}

static int parent_then_exit(int sock, void *arg)
{
	struct pts_child c;
	__u64 pid;

	if (pts_fork(&c, wait_then_write, arg))
		return 1;
	if (pts_recv(c.sock, &pid))
		return 2;
	/* Hands the grandchild's socket on and goes. */
	return pts_send_fd(sock, c.sock) ? 3 : 0;
}

/* A process in the middle of the line exits. */
TEST_F(fork, grandchild)
{
	struct pts_child c;
	int sock;

	ASSERT_EQ(0, pts_fork(&c, parent_then_exit, self->win + PG(2)));
	sock = pts_recv_fd(c.sock);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_GE(sock, 0);
	EXPECT_EQ(0, pts_ask(sock, 22));
	EXPECT_TRUE(pts_reads(self->win + PG(2), 22));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(2), PG(1), PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_ask(sock, 23));
	pts_send(sock, 0);
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
}

/* Makes a container and a window, forks, and exits before its child. */
static int creator(int sock, void *arg)
{
	struct pts_rig rig;

	if (pts_rig_make(&rig, *(enum pts_via *)arg, PAGES))
		return 1;
	if (!pts_writes(rig.win + PG(1), 1))
		return 2;
	return parent_then_exit(sock, rig.win + PG(1));
}

TEST_F(fork, grandchild_after_creator_exit)
{
	enum pts_via via = variant->via;
	struct pts_child c;
	int sock;

	ASSERT_EQ(0, pts_fork(&c, creator, &via));
	sock = pts_recv_fd(c.sock);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_GE(sock, 0);
	EXPECT_EQ(0, pts_ask(sock, 22));
	EXPECT_EQ(0, pts_ask(sock, 23));
	pts_send(sock, 0);
	close(sock);
}

static int child_says_up(int sock, void *arg)
{
	char *win = arg;
	__u64 cmd;
	int i;

	for (i = 0; i < PAGES; i++)
		if (pts_read8(win + PG(i), &cmd).sig)
			return 1;
	pts_send(sock, 1);
	while (!pts_recv(sock, &cmd) && cmd)
		pts_send(sock, pts_write8(win + PG(cmd), cmd).sig);
	return 0;
}

TEST_F_TIMEOUT(fork, many_children, 180)
{
	struct pts_child c[CHILDREN];
	__u64 up;
	int i;

	for (i = 0; i < CHILDREN; i++)
		ASSERT_EQ(0, pts_fork(&c[i], child_says_up, self->win));
	for (i = 0; i < CHILDREN; i++)
		ASSERT_EQ(0, pts_recv(c[i].sock, &up));
	EXPECT_EQ(1 + CHILDREN, windows(self->rig.fd));
	for (i = 0; i < CHILDREN; i++)
		EXPECT_EQ(0, pts_ask(c[i].sock, 1 + i % (PAGES - 1)));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(PAGES), PTS_RO));
	for (i = 0; i < CHILDREN; i++)
		EXPECT_EQ(SIGSEGV, pts_ask(c[i].sock, 1 + i % (PAGES - 1)));
	for (i = 0; i < CHILDREN; i++) {
		pts_send(c[i].sock, 0);
		EXPECT_EQ(0, pts_join(&c[i]));
	}
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
}

/*
 * Each child costs what any child costs: the same with 64 times the memory
 * touched. Page tables of the child tell, time would not under emulation.
 */
static long long child_page_tables(char *win)
{
	struct pts_child c;
	long long kb;
	__u64 up;

	if (pts_fork(&c, wait_then_write, win) || pts_recv(c.sock, &up))
		return -1;
	kb = pts_status(c.pid, "VmPTE");
	pts_send(c.sock, 0);
	return pts_join(&c) ? -1 : kb;
}

TEST_F(fork, costs_nothing_per_page)
{
	__u64 size = 32 << 20;
	int mem = pts_memfd(size, 0);
	long long before, after;
	int ctl = pts_create(size, PTS_RW);
	char *win;

	before = child_page_tables(self->win);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, size, 0));
	win = mmap(NULL, size, PTS_RW, MAP_SHARED | MAP_POPULATE, ctl, 0);
	ASSERT_NE(MAP_FAILED, win);
	after = child_page_tables(self->win);
	ASSERT_LT(0, before);
	/* 16 tables for 32 MiB if it were copied. */
	EXPECT_GE(before + 16, after);
}

TEST_F(fork, vfork_and_shared_mm)
{
	int status;
	pid_t pid = vfork();

	if (!pid)
		_exit(pts_writes(self->win + PG(5), 55) ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(pts_reads(self->win + PG(5), 55));
	EXPECT_EQ(1, windows(self->rig.fd));
}

static int exec_cat_maps(int sock, void *arg)
{
	dup2(sock, 1);
	execl("/bin/cat", "cat", "/proc/self/maps", NULL);
	return 127;
}

/* exec drops the window, and the fds are close-on-exec. */
TEST_F(fork, exec_drops)
{
	char maps[16384] = "";
	struct pts_child c;
	size_t len = 0;
	ssize_t n;

	ASSERT_EQ(0, pts_fork(&c, exec_cat_maps, NULL));
	while ((n = read(c.sock, maps + len, sizeof(maps) - 1 - len)) > 0)
		len += n;
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_NE(NULL, strstr(maps, "/cat"));
	EXPECT_EQ(NULL, strstr(maps, "ptshare"));
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
	EXPECT_TRUE(pts_reads(self->win + PG(1) + 8, 1));
}

static int exec_list_fds(int sock, void *arg)
{
	dup2(sock, 1);
	execl("/bin/ls", "ls", "-l", "/proc/self/fd", NULL);
	return 127;
}

TEST_F(fork, exec_closes_fds)
{
	char list[8192] = "";
	struct pts_child c;
	size_t len = 0;
	ssize_t n;

	ASSERT_EQ(0, pts_fork(&c, exec_list_fds, NULL));
	while ((n = read(c.sock, list + len, sizeof(list) - 1 - len)) > 0)
		len += n;
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_NE(NULL, strstr(list, "socket"));
	EXPECT_EQ(NULL, strstr(list, "ptshare"));
}

static int die_by_kill(int sock, void *arg)
{
	if (pts_write8(arg, 3).sig)
		return 1;
	raise(SIGKILL);
	return 2;
}

TEST_F(fork, killed_child)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, die_by_kill, self->win + PG(3)));
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
	EXPECT_TRUE(pts_reads(self->win + PG(3), 3));
}

static int die_by_store(int sock, void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	*(__u64 *)arg = 1;
	return 0;
}

/* Without a handler the signal ends the process, as any SIGSEGV does. */
TEST_F(fork, child_killed_by_its_store)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(3), PG(1), PTS_RO));
	ASSERT_EQ(0, pts_fork(&c, die_by_store, self->win + PG(3)));
	EXPECT_EQ(256 + SIGSEGV, pts_join(&c));
	EXPECT_TRUE(windows_become(self->rig.fd, 1));
}

TEST_HARNESS_MAIN
