// SPDX-License-Identifier: GPL-2.0
/*
 * What broke in mshare v3 when it was run on this base, row by row: each of
 * them must not happen here. WARNs are for the harness to see: whatever is
 * done below, the kernel's log stays empty.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		64

FIXTURE(rows)
{
	struct pts_rig rig;
	char *win;
	size_t len;
};

FIXTURE_VARIANT(rows)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(rows, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(rows, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(rows)
{
	int i;

	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	self->win = self->rig.win;
	self->len = 2 * self->rig.half;
	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(pts_writes(self->win + PG(i),
				       pts_stamp(1, PG(i))));
}

FIXTURE_TEARDOWN(rows)
{
}

/* Bytes of the file, whoever shows them. */
static __u64 file_word(int mem, unsigned int page)
{
	__u64 val = 0;

	return pread(mem, &val, 8, PG(page)) == 8 ? val : 0;
}

/* munmap, then private memory at the same address: no stale translation. */
TEST_F(rows, munmap_then_private_memory)
{
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		ASSERT_EQ(0, munmap(self->win, self->len));
		ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW,
					  MAP_PRIVATE | MAP_ANONYMOUS |
					  MAP_FIXED, -1, 0));
		for (i = 0; i < PAGES; i++) {
			ASSERT_TRUE(pts_reads(self->win + PG(i), 0));
			ASSERT_TRUE(pts_writes(self->win + PG(i), 0xbad));
			ASSERT_EQ(pts_stamp(1, PG(i)),
				  file_word(self->rig.mem, i));
		}
		ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW,
					  MAP_SHARED | MAP_FIXED, self->rig.fd,
					  0));
		for (i = 0; i < PAGES; i++)
			ASSERT_TRUE(pts_reads(self->win + PG(i),
					      pts_stamp(1, PG(i))));
	}
}

/* munmap, and not another byte is read or written through the address. */
TEST_F(rows, munmap_takes_effect_at_once)
{
	unsigned int i;
	__u64 val;

	ASSERT_EQ(0, munmap(self->win, self->len));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(SIGSEGV, pts_read8(self->win + PG(i), &val).sig);
		EXPECT_EQ(SIGSEGV, pts_write8(self->win + PG(i), 1).sig);
		EXPECT_EQ(pts_stamp(1, PG(i)), file_word(self->rig.mem, i));
	}
}

static void *write_until_segv(void *arg)
{
	char *at = arg;
	__u64 n = 0;

	while (!pts_write8(at, ++n).sig)
		;
	return (void *)(uintptr_t)(n - 1);
}

/* A second thread that is running in the window while it is unmapped. */
TEST_F(rows, munmap_stops_running_thread)
{
	void *last;
	int round;

	for (round = 0; round < 6; round++) {
		pthread_t t;
		__u64 at_return;

		ASSERT_TRUE(pts_writes(self->win + PG(9), 0));
		ASSERT_EQ(0, pthread_create(&t, NULL, write_until_segv,
					    self->win + PG(9)));
		usleep(3000);
		ASSERT_EQ(0, munmap(self->win, self->len));
		at_return = file_word(self->rig.mem, 9);
		ASSERT_EQ(0, pthread_join(t, &last));
		EXPECT_EQ((uintptr_t)last, at_return);
		EXPECT_EQ(at_return, file_word(self->rig.mem, 9));
		ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW,
					  MAP_SHARED | MAP_FIXED, self->rig.fd,
					  0));
	}
}

/* A move of the whole window, aligned as well as anybody could wish. */
TEST_F(rows, mremap_whole_window)
{
	__u64 length = 1ULL << 30;
	int ctl = pts_create(length, PTS_RW);
	int fd = pts_client_fd(ctl, variant->via);
	char *from = pts_reserve(length, length);
	char *to = pts_reserve(length, length);

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(0, pts_map(ctl, self->rig.mem, PTS_RW, 0, PG(PAGES), 0));
	ASSERT_EQ(from, mmap(from, length, PTS_RW, MAP_SHARED | MAP_FIXED, fd,
			     0));
	EXPECT_TRUE(pts_writes(from + PG(3), 3));
	EXPECT_EQ(MAP_FAILED, mremap(from, length, length, MREMAP_MAYMOVE |
				     MREMAP_FIXED, to));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(pts_reads(from + PG(3), 3));
	/* UNMAP still reaches it, and exit finds nothing amiss. */
	ASSERT_EQ(0, pts_unmap(ctl, 0, PG(PAGES)));
	EXPECT_EQ(SIGBUS, pts_write8(from + PG(3), 1).sig);
}

/* Kernel access to absent pages: works, where mshare failed and warned. */
TEST_F(rows, absent_pages_work_from_the_kernel)
{
	char *win = pts_window(self->rig.fd, self->len, 0);
	struct iovec local, remote;
	__u64 val = 0;
	int p[2];

	ASSERT_NE(MAP_FAILED, win);
	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	EXPECT_EQ(8, write(p[1], win + PG(1), 8));
	local = (struct iovec) { &val, 8 };
	remote = (struct iovec) { win + PG(2), 8 };
	EXPECT_EQ(8, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(pts_stamp(1, PG(2)), val);
	EXPECT_EQ(0, madvise(win + PG(4), PG(4), MADV_POPULATE_READ));
	EXPECT_EQ(0, madvise(win + PG(8), PG(4), MADV_POPULATE_WRITE));
	EXPECT_EQ(0, mlock(win + PG(20), PG(4)));
	EXPECT_EQ(0, syscall(__NR_futex, win + PG(30), 1 /* FUTEX_WAKE */, 1,
			     NULL, NULL, 0));
	munmap(win, self->len);
	win = mmap(NULL, self->len, PTS_RW, MAP_SHARED | MAP_POPULATE,
		   self->rig.fd, 0);
	EXPECT_NE(MAP_FAILED, win);
}

static int reader_tries_to_write(int sock, void *arg)
{
	int fd = pts_recv_fd(sock);
	char *win;

	if (fd < 0 || setgid(65534) || setuid(65534))
		return 1;
	win = mmap(NULL, PG(PAGES), PTS_RO, MAP_SHARED, fd, 0);
	if (win == MAP_FAILED)
		return 2;
	if (!pts_reads(win + PG(1), pts_stamp(1, PG(1))))
		return 3;
	/* Present page, absent page, and after asking for more. */
	if (pts_write8(win + PG(1), 1).sig != SIGSEGV ||
	    pts_write8(win + PG(2), 1).sig != SIGSEGV)
		return 4;
	mprotect(win, PG(PAGES), PTS_RW);
	if (pts_write8(win + PG(1), 1).sig != SIGSEGV ||
	    pts_write8(win + PG(3), 1).sig != SIGSEGV)
		return 5;
	win = pts_window(fd, PG(PAGES), 0);
	if (win != MAP_FAILED && pts_write8(win + PG(1), 1).sig != SIGSEGV)
		return 6;
	return 0;
}

/* A holder with read rights can't write, present or absent, by no way. */
TEST_F(rows, read_only_holder_can_not_write)
{
	int ro = pts_reopen(self->rig.mem, O_RDONLY);
	int ctl = pts_create(PG(PAGES), PTS_RO);
	struct pts_child c;
	unsigned int i;

	ASSERT_EQ(0, pts_map(ctl, ro, PTS_RO, 0, PG(PAGES), 0));
	ASSERT_EQ(0, pts_fork(&c, reader_tries_to_write, NULL));
	ASSERT_EQ(0, pts_send_fd(c.sock, pts_attach(ctl)));
	EXPECT_EQ(0, pts_join(&c));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(pts_stamp(1, PG(i)), file_word(self->rig.mem, i));
}

/* PROT_NONE windows that still read and wrote: there are none at all. */
TEST_F(rows, no_window_without_rights)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->len, PROT_NONE, MAP_SHARED,
				   self->rig.fd, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->win, self->len, PROT_NONE));
	EXPECT_EQ(EACCES, errno);
}

/* A holder with few rights took a region away: needs the control fd now. */
TEST_F(rows, holder_can_not_change_regions)
{
	int att = pts_attach(self->rig.ctl);

	EXPECT_EQ(-EPERM, pts_unmap(att, 0, PG(1)));
	EXPECT_EQ(-EPERM, pts_map(att, self->rig.mem, PTS_RW, PG(PAGES), PG(1),
				  0));
	EXPECT_TRUE(pts_reads(self->win, pts_stamp(1, 0)));
}

/* The file offset means something. */
TEST_F(rows, file_offset_is_kept)
{
	char *win = pts_window(self->rig.fd, PG(2), PG(7));

	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, PG(7))));
	EXPECT_EQ(MAP_FAILED, pts_window(self->rig.fd, self->len, PG(1)));
	EXPECT_EQ(EINVAL, errno);
}

/* SIGBUS in a hole, SIGSEGV for a protection: not the same thing. */
TEST_F(rows, hole_and_protection_differ)
{
	__u64 val;

	EXPECT_TRUE(pts_fault_is(pts_read8(self->win + PG(PAGES), &val),
				 SIGBUS, BUS_ADRERR, self->win + PG(PAGES)));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(1), PTS_RO));
	EXPECT_TRUE(pts_fault_is(pts_write8(self->win, 1), SIGSEGV, SEGV_ACCERR,
				 self->win));
}

/* A window costs its own length of address space, not 512 GiB. */
static int with_small_address_space(int sock, void *arg)
{
	struct rlimit r = { 1ULL << 32, 1ULL << 32 };
	int fd = *(int *)arg;

	if (setrlimit(RLIMIT_AS, &r))
		return 1;
	if (pts_window(fd, PG(4), 0) == MAP_FAILED)
		return 2;
	/* And its own length counts. */
	if (pts_window(fd, 6ULL << 30, 0) != MAP_FAILED || errno != ENOMEM)
		return 3;
	return 0;
}

TEST_F(rows, rlimit_as)
{
	int ctl = pts_create(8ULL << 30, PTS_RW);
	int fd = pts_client_fd(ctl, variant->via);
	struct pts_child c;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, pts_fork(&c, with_small_address_space, &fd));
	EXPECT_EQ(0, pts_join(&c));
}

struct made { int fd; enum pts_via via; int mem; };

static void *make_in_thread(void *arg)
{
	struct made *m = arg;
	int ctl = pts_create(PG(PAGES), PTS_RW);

	pts_map(ctl, m->mem, PTS_RW, 0, PG(PAGES), 0);
	m->fd = pts_client_fd(ctl, m->via);
	return NULL;
}

/* The creating thread exits, its process lives. */
TEST_F(rows, creating_thread_exits)
{
	struct made m = { .via = variant->via, .mem = self->rig.mem };
	pthread_t t;
	char *win;

	ASSERT_EQ(0, pthread_create(&t, NULL, make_in_thread, &m));
	ASSERT_EQ(0, pthread_join(t, NULL));
	usleep(20000);
	ASSERT_GE(m.fd, 0);
	win = pts_window(m.fd, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(5), pts_stamp(1, PG(5))));
	if (variant->via == PTS_VIA_CONTROL)
		EXPECT_EQ(0, pts_unmap(m.fd, PG(5), PG(1)));
}

static int make_and_exit(int sock, void *arg)
{
	int mem = pts_memfd_stamped(PG(PAGES), 4);
	int ctl = pts_create(PG(2 * PAGES), PTS_RW);

	if (pts_map(ctl, mem, PTS_RW, 0, PG(PAGES), 0))
		return 1;
	return pts_send_fd(sock, ctl) ? 2 : 0;
}

/*
 * After the creator's exit: the regions are still there, and new ones charge a
 * memory cgroup that lives, not the one of a task that was freed.
 */
TEST_F(rows, map_and_touch_after_creator_exit)
{
	struct pts_child c;
	int mem = pts_memfd(PG(PAGES), 0);
	int ctl, fd, i;
	char *win;

	ASSERT_EQ(0, pts_fork(&c, make_and_exit, NULL));
	ctl = pts_recv_fd(c.sock);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_GE(ctl, 0);
	fd = pts_client_fd(ctl, variant->via);
	win = pts_window(fd, PG(2 * PAGES), 0);
	ASSERT_NE(MAP_FAILED, win);
	for (i = 0; i < PAGES; i++)
		EXPECT_TRUE(pts_reads(win + PG(i), pts_stamp(4, PG(i))));
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, PG(PAGES), PG(PAGES), 0));
	for (i = PAGES; i < 2 * PAGES; i++)
		EXPECT_TRUE(pts_writes(win + PG(i), i));
}

/* Created, never used, gone. */
TEST_F(rows, created_and_dropped)
{
	int i;

	for (i = 0; i < 20; i++) {
		int ctl = pts_create(PG(PAGES), PTS_RW);

		ASSERT_GE(ctl, 0);
		close(ctl);
	}
}

static bool create_use_close(enum pts_via via, int mem)
{
	int ctl = pts_create(PG(8), PTS_RW);
	int fd = pts_client_fd(ctl, via);
	bool ok = !pts_map(ctl, mem, PTS_RW, 0, PG(4), 0);
	char *win = pts_window(fd, PG(8), 0);

	ok = ok && win != MAP_FAILED && !pts_write8(win, 1).sig;
	munmap(win, PG(8));
	close(fd);
	close(ctl);
	return ok;
}

struct leak_arg {
	struct cg *cg;
	enum pts_via via;
};

#define LEAK_ROUNDS	250
#define LEAK_NOISE	(500 * 1024)

/* Frees come late: kfree_rcu() may hold them back for five seconds. */
static long long settled(struct cg *cg, long long at_most)
{
	__u64 until = pts_now_ms() + 20000;
	long long now;

	do {
		usleep(300000);
		now = cg_read(cg, "memory.current");
	} while (now > at_most && pts_now_ms() < until);
	return now;
}

static int create_many(int sock, void *arg)
{
	struct leak_arg *l = arg;
	int mem = pts_memfd(PG(4), 0);
	long long before;
	int i;

	if (cg_enter(l->cg))
		return 1;
	for (i = 0; i < 10; i++)
		if (!create_use_close(l->via, mem))
			return 2;
	before = settled(l->cg, LLONG_MAX);
	for (i = 0; i < LEAK_ROUNDS; i++)
		if (!create_use_close(l->via, mem))
			return 2;
	pts_send(sock, before);
	pts_send(sock, settled(l->cg, before + LEAK_NOISE));
	return 0;
}

/*
 * 6 kB leaked there with each container: 1.5 MB here. A memory cgroup of our
 * own is the measure, because what it counts is given back at once, while a
 * debug kernel keeps freed memory for a while.
 */
TEST_F_TIMEOUT(rows, no_leak, 120)
{
	struct cg cg;
	struct leak_arg l = { &cg, variant->via };
	__u64 before, after;
	struct pts_child c;

	if (!cg_available())
		SKIP(return, "no cgroup v2 with the memory controller");
	ASSERT_EQ(0, cg_make(&cg, "leak"));
	ASSERT_EQ(0, pts_fork(&c, create_many, &l));
	EXPECT_EQ(0, pts_recv(c.sock, &before));
	EXPECT_EQ(0, pts_recv(c.sock, &after));
	EXPECT_EQ(0, pts_join(&c));
	cg_destroy(&cg);
	EXPECT_GE(LEAK_NOISE, (long long)(after - before)) {
		TH_LOG("%llu bytes, then %llu", before, after);
	}
}

static int attach_fork_detach(int sock, void *arg)
{
	__u64 until = pts_now_ms() + 1500, val;
	struct pts_rig *rig = arg;
	int status, n = 0;

	while (pts_now_ms() < until) {
		char *win = pts_window(rig->fd, PG(PAGES), 0);
		struct pts_fault f;
		pid_t pid;

		if (win == MAP_FAILED)
			return 1;
		f = pts_read8(win + PG(n++ % PAGES), &val);
		if (f.sig && f.sig != SIGBUS)
			return 2;
		pid = fork();
		if (!pid)
			_exit(pts_read8(win + PG(1), &val).sig == SIGSEGV);
		waitpid(pid, &status, 0);
		if (status)
			return 3;
		munmap(win, PG(PAGES));
	}
	return 0;
}

/* Attach, fork and detach against an UNMAP and MAP loop. */
TEST_F(rows, attach_detach_against_unmap_map)
{
	__u64 until = pts_now_ms() + 1500;
	struct pts_child c[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pts_fork(&c[i], attach_fork_detach, &self->rig));
	while (pts_now_ms() < until) {
		ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, PG(PAGES)));
		ASSERT_EQ(0, pts_map(self->rig.ctl, self->rig.mem, PTS_RW, 0,
				     PG(PAGES), 0));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pts_join(&c[i]));
}

TEST_HARNESS_MAIN
