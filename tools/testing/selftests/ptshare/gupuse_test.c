// SPDX-License-Identifier: GPL-2.0
/*
 * Users of get_user_pages() and other kernel access to a window: each with the
 * page absent and present, each refused by a read-only region and by a hole.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		16
#define RO_PAGE		(PAGES - 1)	/* read-only */
#define HOLE_PAGE	PAGES

FIXTURE(gup)
{
	struct pts_rig rig;
	char *win;
};

FIXTURE_VARIANT(gup)
{
	enum pts_via via;
	bool present;
};

FIXTURE_VARIANT_ADD(gup, control_absent) { PTS_VIA_CONTROL, false };
FIXTURE_VARIANT_ADD(gup, control_present) { PTS_VIA_CONTROL, true };
FIXTURE_VARIANT_ADD(gup, attach_absent) { PTS_VIA_ATTACH, false };
FIXTURE_VARIANT_ADD(gup, attach_present) { PTS_VIA_ATTACH, true };

FIXTURE_SETUP(gup)
{
	int i;

	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(RO_PAGE), PG(1), PTS_RO));
	self->win = self->rig.win;
	for (i = 0; variant->present && i < PAGES; i++) {
		ASSERT_TRUE(pts_reads(self->win + PG(i), pts_stamp(1, PG(i))));
		if (i != RO_PAGE)
			ASSERT_TRUE(pts_writes(self->win + PG(i),
					       pts_stamp(1, PG(i))));
	}
}

FIXTURE_TEARDOWN(gup)
{
	/* Nothing ever wrote through the read-only region. */
	EXPECT_TRUE(pts_reads(self->win + PG(RO_PAGE),
			      pts_stamp(1, PG(RO_PAGE))));
	pts_rig_free(&self->rig);
}

static int futex(void *addr, int op, __u32 val, void *timeout)
{
	return syscall(__NR_futex, addr, op, val, timeout, NULL, 0);
}

static int futex_waiter(int sock, void *arg)
{
	struct timespec limit = { .tv_sec = 20 };
	__u32 *word = arg;

	pts_send(sock, 1);
	while (!__atomic_load_n(word, __ATOMIC_ACQUIRE)) {
		if (futex(word, FUTEX_WAIT, 0, &limit) && errno != EAGAIN &&
		    errno != EINTR)
			return errno;
	}
	return 0;
}

/* Wakes at @wake what waits at @wait in a child: 0 if all went well. */
static int wait_and_wake(__u32 *wait, __u32 *wake)
{
	struct pts_child c;
	__u64 started;
	int i;

	if (pts_fork(&c, futex_waiter, wait) || pts_recv(c.sock, &started))
		return -1;
	/* It shall really sleep: wait until one is woken. */
	for (i = 0; i < 2000; i++) {
		if (futex(wake, FUTEX_WAKE, INT_MAX, NULL) == 1)
			break;
		usleep(5000);
	}
	__atomic_store_n(wake, 1, __ATOMIC_RELEASE);
	futex(wake, FUTEX_WAKE, INT_MAX, NULL);
	return pts_join(&c) ?: i == 2000 ? -2 : 0;
}

TEST_F(gup, futex_between_processes)
{
	__u32 *word = (void *)(self->win + PG(2) + 64);

	EXPECT_EQ(0, wait_and_wake(word, word));
}

/* The key is the file's: a plain mapping of it is the same futex. */
TEST_F(gup, futex_with_plain_mapping)
{
	char *plain = pts_window(self->rig.mem, self->rig.half, 0);
	__u32 *a = (void *)(self->win + PG(3) + 64);
	__u32 *b = (void *)(plain + PG(3) + 64);

	ASSERT_NE(MAP_FAILED, plain);
	EXPECT_EQ(0, wait_and_wake(a, b));
	*b = 0;
	EXPECT_EQ(0, wait_and_wake(b, a));
}

TEST_F(gup, futex_refused)
{
	struct timespec soon = { .tv_nsec = 1000000 };
	__u32 *hole = (void *)(self->win + PG(HOLE_PAGE));
	__u32 *ro = (void *)(self->win + PG(RO_PAGE));

	EXPECT_EQ(-1, futex(hole, FUTEX_WAIT, 0, &soon));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, futex(hole, FUTEX_WAKE, 1, NULL));
	EXPECT_EQ(EFAULT, errno);
	/* Waiting only reads. */
	EXPECT_EQ(-1, futex(ro, FUTEX_WAIT, *ro, &soon));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(0, futex(ro, FUTEX_WAKE, 1, NULL));
	EXPECT_EQ(-1, syscall(__NR_futex, ro, FUTEX_WAKE_OP, 1, 1, ro,
			      FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0)));
	EXPECT_EQ(EFAULT, errno);
}

/* The kernel itself writes the word here, and faults it in for that. */
TEST_F(gup, futex_written_by_kernel)
{
	__u32 *lock = (void *)(self->win + PG(4) + 64);
	__u32 *word = (void *)(self->win + PG(6) + 64);
	__u32 op = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0);

	EXPECT_EQ(0, futex(lock, FUTEX_LOCK_PI, 0, NULL));
	EXPECT_EQ(gettid(), *lock & FUTEX_TID_MASK);
	EXPECT_EQ(0, futex(lock, FUTEX_UNLOCK_PI, 0, NULL));
	EXPECT_EQ(0, *lock);

	EXPECT_EQ(0, syscall(__NR_futex, word, FUTEX_WAKE_OP, 1, 1, word, op));
	EXPECT_EQ(3, *word);

	EXPECT_EQ(-1, futex(self->win + PG(HOLE_PAGE), FUTEX_LOCK_PI, 0, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, futex(self->win + PG(RO_PAGE), FUTEX_LOCK_PI, 0, NULL));
	EXPECT_EQ(EFAULT, errno);
}

/* A file that does I/O straight from and to user pages. */
static int direct_file(struct __test_metadata *_metadata, int *mem)
{
	int fd;

	*mem = pts_memfd_stamped(1 << 20, 8);
	fd = pts_loop_direct(*mem);
	if (fd < 0)
		fd = open("/run/dev/scratch", O_RDWR | O_DIRECT | O_CLOEXEC);
	else
		return fd;
	if (fd >= 0)
		EXPECT_EQ(1 << 20, sendfile(fd, *mem, NULL, 1 << 20));
	return fd;
}

TEST_F(gup, direct_read)
{
	int mem, fd = direct_file(_metadata, &mem);

	if (fd < 0)
		SKIP(return, "no O_DIRECT file: %m");
	EXPECT_EQ(PG(2), pread(fd, self->win + PG(4), PG(2), PG(8)));
	EXPECT_TRUE(pts_reads(self->win + PG(4), pts_stamp(8, PG(8))));
	EXPECT_TRUE(pts_reads(self->win + PG(5), pts_stamp(8, PG(9))));
	/* In the middle of pages, and across them. */
	EXPECT_EQ(PG(1), pread(fd, self->win + PG(8) + 512, PG(1), PG(3)));
	EXPECT_TRUE(pts_reads(self->win + PG(8), pts_stamp(1, PG(8))));
	EXPECT_TRUE(pts_reads(self->win + PG(8) + 512, pts_stamp(8, PG(3))));

	EXPECT_EQ(-1, pread(fd, self->win + PG(RO_PAGE), 512, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(fd, self->win + PG(HOLE_PAGE), 512, 0));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

TEST_F(gup, direct_write)
{
	int mem, fd = direct_file(_metadata, &mem);
	__u64 *buf = aligned_alloc(pts_psz, pts_psz);

	if (fd < 0)
		SKIP(return, "no O_DIRECT file: %m");
	EXPECT_EQ(PG(1), pwrite(fd, self->win + PG(6), PG(1), PG(1)));
	ASSERT_EQ(PG(1), pread(fd, buf, PG(1), PG(1)));
	EXPECT_EQ(pts_stamp(1, PG(6)), buf[0]);
	/* A read-only region may be read. */
	EXPECT_EQ(PG(1), pwrite(fd, self->win + PG(RO_PAGE), PG(1), PG(2)));
	ASSERT_EQ(PG(1), pread(fd, buf, PG(1), PG(2)));
	EXPECT_EQ(pts_stamp(1, PG(RO_PAGE)), buf[0]);

	EXPECT_EQ(-1, pwrite(fd, self->win + PG(HOLE_PAGE), 512, 0));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(7), PG(1), PROT_NONE));
	EXPECT_EQ(-1, pwrite(fd, self->win + PG(7), 512, 0));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

TEST_F(gup, vmsplice)
{
	struct iovec iov = { self->win + PG(5), PG(2) };
	__u64 buf[512];
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(PG(2), vmsplice(p[1], &iov, 1, 0));
	/* The pipe refers to the page itself. */
	EXPECT_TRUE(pts_writes(self->win + PG(5) + 8, 1234));
	ASSERT_EQ(sizeof(buf), read(p[0], buf, sizeof(buf)));
	EXPECT_EQ(pts_stamp(1, PG(5)), buf[0]);
	EXPECT_EQ(1234, buf[1]);
	/* The other way it copies. */
	iov.iov_base = self->win + PG(9);
	iov.iov_len = 8;
	ASSERT_EQ(8, vmsplice(p[0], &iov, 1, 0));
	EXPECT_TRUE(pts_reads(self->win + PG(9), pts_stamp(1, PG(6))));

	iov.iov_base = self->win + PG(HOLE_PAGE);
	EXPECT_EQ(-1, vmsplice(p[1], &iov, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	iov.iov_base = self->win + PG(RO_PAGE);
	EXPECT_EQ(-1, vmsplice(p[0], &iov, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(8, vmsplice(p[1], &iov, 1, 0));
}

static int sit_and_wait(int sock, void *arg)
{
	__u64 cmd;

	pts_send(sock, 1);
	while (!pts_recv(sock, &cmd))
		pts_send(sock, pts_read8((void *)cmd, &cmd).sig ? 0 : cmd);
	return 0;
}

/* A child that shows the same windows and lets itself be looked at. */
static void victim(struct __test_metadata *_metadata, struct pts_child *c)
{
	__u64 up;

	ASSERT_EQ(0, pts_fork(c, sit_and_wait, NULL));
	ASSERT_EQ(0, pts_recv(c->sock, &up));
}

static ssize_t vm_rw(bool write, pid_t pid, void *local, void *remote,
		     size_t len)
{
	struct iovec l = { local, len }, r = { remote, len };

	if (write)
		return process_vm_writev(pid, &l, 1, &r, 1, 0);
	return process_vm_readv(pid, &l, 1, &r, 1, 0);
}

/* The child has touched nothing: in it the page is absent in any case. */
TEST_F(gup, process_vm)
{
	struct pts_child c;
	__u64 val = 0;

	victim(_metadata, &c);
	EXPECT_EQ(8, vm_rw(false, c.pid, &val, self->win + PG(4), 8));
	EXPECT_EQ(pts_stamp(1, PG(4)), val);
	val = 99;
	EXPECT_EQ(8, vm_rw(true, c.pid, &val, self->win + PG(5), 8));
	EXPECT_TRUE(pts_reads(self->win + PG(5), 99));
	EXPECT_EQ(99, pts_ask(c.sock, (uintptr_t)self->win + PG(5)));
	EXPECT_EQ(8, vm_rw(false, c.pid, &val, self->win + PG(RO_PAGE), 8));
	EXPECT_EQ(pts_stamp(1, PG(RO_PAGE)), val);

	EXPECT_EQ(-1, vm_rw(true, c.pid, &val, self->win + PG(RO_PAGE), 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, vm_rw(false, c.pid, &val, self->win + PG(HOLE_PAGE), 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, vm_rw(true, c.pid, &val, self->win + PG(HOLE_PAGE), 8));
	EXPECT_EQ(EFAULT, errno);
	/* The local side is user memory like any other. */
	EXPECT_EQ(8, vm_rw(false, c.pid, self->win + PG(6), &val, 8));
	EXPECT_EQ(0, pts_join(&c));
}

TEST_F(gup, ptrace)
{
	char *win = self->win;
	struct pts_child c;

	victim(_metadata, &c);
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, c.pid, NULL, NULL));
	ASSERT_EQ(c.pid, waitpid(c.pid, NULL, 0));
	errno = 0;
	EXPECT_EQ(pts_stamp(1, PG(4)), ptrace(PTRACE_PEEKDATA, c.pid,
					      win + PG(4), NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, c.pid, win + PG(5), 77));
	EXPECT_TRUE(pts_reads(win + PG(5), 77));
	EXPECT_EQ(pts_stamp(1, PG(RO_PAGE)),
		  ptrace(PTRACE_PEEKDATA, c.pid, win + PG(RO_PAGE), NULL));

	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, c.pid, win + PG(RO_PAGE), 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, c.pid, win + PG(HOLE_PAGE), 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, c.pid, win + PG(HOLE_PAGE), 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, c.pid, NULL, NULL));
	EXPECT_EQ(0, pts_join(&c));
}

TEST_F(gup, proc_mem)
{
	off_t win = (uintptr_t)self->win;
	struct pts_child c;
	char path[64];
	__u64 val = 0;
	int fd;

	victim(_metadata, &c);
	snprintf(path, sizeof(path), "/proc/%d/mem", c.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(8, pread(fd, &val, 8, win + PG(4)));
	EXPECT_EQ(pts_stamp(1, PG(4)), val);
	val = 66;
	EXPECT_EQ(8, pwrite(fd, &val, 8, win + PG(5)));
	EXPECT_TRUE(pts_reads(self->win + PG(5), 66));

	/* It may force its way through a mapping's protection, not through ours. */
	EXPECT_EQ(-1, pwrite(fd, &val, 8, win + PG(RO_PAGE)));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pread(fd, &val, 8, win + PG(HOLE_PAGE)));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, &val, 8, win + PG(HOLE_PAGE)));
	EXPECT_EQ(EIO, errno);
	close(fd);
	EXPECT_EQ(0, pts_join(&c));
}

/* PROT_NONE stops the forced kinds of access as well. */
TEST_F(gup, prot_none_is_not_forced)
{
	struct pts_child c;
	char path[64];
	__u64 val = 0;
	int fd;

	victim(_metadata, &c);
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(4), PG(1), PROT_NONE));
	EXPECT_EQ(-1, vm_rw(false, c.pid, &val, self->win + PG(4), 8));
	EXPECT_EQ(EFAULT, errno);
	snprintf(path, sizeof(path), "/proc/%d/mem", c.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-1, pread(fd, &val, 8, (uintptr_t)self->win + PG(4)));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, &val, 8, (uintptr_t)self->win + PG(4)));
	EXPECT_EQ(EIO, errno);
	close(fd);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(4), PG(1), PTS_RW));
	EXPECT_TRUE(pts_reads(self->win + PG(4), pts_stamp(1, PG(4))));
}

/* All of the region is there before the first access. */
TEST_F(gup, map_populate)
{
	struct ptshare_info info;
	char *win;

	win = mmap(NULL, self->rig.half, PTS_RW, MAP_SHARED | MAP_POPULATE,
		   self->rig.fd, 0);
	ASSERT_NE(MAP_FAILED, win);
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(self->rig.half, info.rss_bytes);
	EXPECT_TRUE(pts_reads(win + PG(3), pts_stamp(1, PG(3))));
	munmap(win, self->rig.half);
	/* Holes don't make it fail, as they don't for other mappings. */
	win = mmap(NULL, 2 * self->rig.half, PTS_RW, MAP_SHARED | MAP_POPULATE,
		   self->rig.fd, 0);
	EXPECT_NE(MAP_FAILED, win);
}

TEST_F(gup, madv_populate)
{
	char *win = self->win;

	EXPECT_EQ(0, madvise(win, PG(RO_PAGE), MADV_POPULATE_WRITE));
	EXPECT_EQ(0, madvise(win, self->rig.half, MADV_POPULATE_READ));
	EXPECT_EQ(-1, madvise(win, self->rig.half, MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(win + PG(HOLE_PAGE), PG(1), MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(win + PG(HOLE_PAGE), PG(1),
			      MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(pts_writes(win + PG(3), 1));
}

/* A pinned page keeps its data; a later PROTECT does not bother the pin. */
TEST_F(gup, pin_then_protect)
{
	int p[2];
	struct iovec iov = { self->win + PG(5), PG(1) };
	__u64 val = 0;

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	ASSERT_EQ(PG(1), vmsplice(p[1], &iov, 1, 0));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(5), PG(1), PROT_NONE));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, PG(5), PG(1)));
	ASSERT_EQ(8, read(p[0], &val, 8));
	EXPECT_EQ(pts_stamp(1, PG(5)), val);
}

TEST_HARNESS_MAIN
