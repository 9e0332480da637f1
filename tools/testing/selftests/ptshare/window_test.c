// SPDX-License-Identifier: GPL-2.0
/* mmap of a container: where, how, and what an access meets. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		32

FIXTURE(window)
{
	struct pts_rig rig;
};

FIXTURE_VARIANT(window)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(window, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(window, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(window)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
}

FIXTURE_TEARDOWN(window)
{
	pts_rig_free(&self->rig);
}

/* Every way of mapping that must fail, with its errno. */
TEST_F(window, refused_mappings)
{
	struct {
		size_t length;
		int prot, flags;
		off_t offset;
		int err;
	} t[] = {
		{ PG(1), PTS_RW, MAP_PRIVATE, 0, EINVAL },
		{ PG(1), PTS_RO, MAP_PRIVATE, 0, EINVAL },
		{ PG(1), PTS_RO, MAP_SHARED, 0, EACCES },
		{ PG(1), PROT_WRITE, MAP_SHARED, 0, EACCES },
		{ PG(1), PROT_NONE, MAP_SHARED, 0, EACCES },
		{ PG(1), PROT_EXEC, MAP_SHARED, 0, EACCES },
		{ PG(1), PTS_RO, MAP_SHARED_VALIDATE, 0, EACCES },
		{ PG(2 * PAGES + 1), PTS_RW, MAP_SHARED, 0, EINVAL },
		{ PG(2), PTS_RW, MAP_SHARED, PG(2 * PAGES - 1), EINVAL },
		{ PG(1), PTS_RW, MAP_SHARED, PG(2 * PAGES), EINVAL },
		{ PG(1), PTS_RW, MAP_SHARED, 1L << 40, EINVAL },
		{ PG(1), PTS_RW, MAP_SHARED, 12, EINVAL },
		{ 0, PTS_RW, MAP_SHARED, 0, EINVAL },
	};
	struct ptshare_info info;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		void *p = mmap(NULL, t[i].length, t[i].prot, t[i].flags,
			       self->rig.fd, t[i].offset);

		EXPECT_EQ(MAP_FAILED, p);
		EXPECT_EQ(t[i].err, errno) {
			TH_LOG("length %#zx prot %d flags %#x offset %#lx",
			       t[i].length, t[i].prot, t[i].flags,
			       t[i].offset);
		}
	}
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(1, info.nr_windows);
}

/* Not executable, by whatever layer says so first. */
TEST_F(window, no_exec)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG(1), PTS_RW | PROT_EXEC, MAP_SHARED,
				   self->rig.fd, 0));
	EXPECT_TRUE(errno == EACCES || errno == EPERM);
	EXPECT_EQ(-1, mprotect(self->rig.win, 2 * self->rig.half,
			       PTS_RW | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(window, shared_validate)
{
	char *win = mmap(NULL, PG(2), PTS_RW, MAP_SHARED_VALIDATE,
			 self->rig.fd, 0);

	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_writes(win, 5));
	EXPECT_TRUE(pts_reads(self->rig.win, 5));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG(2), PTS_RW, MAP_SHARED_VALIDATE |
				   MAP_SYNC, self->rig.fd, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

/* Any offset and length in pages, at any address that is free. */
TEST_F(window, any_place)
{
	char *space = pts_reserve(PG(256), 1 << 21);
	unsigned int addr, off, len;

	ASSERT_NE(MAP_FAILED, space);
	for (addr = 1; addr < 128; addr += 41) {
		for (off = 0; off < PAGES; off += 7) {
			for (len = 1; len <= PAGES - off; len += 9) {
				char *at = space + PG(addr);
				char *win = mmap(at, PG(len), PTS_RW,
						 MAP_SHARED | MAP_FIXED,
						 self->rig.fd, PG(off));

				ASSERT_EQ(at, win);
				ASSERT_TRUE(pts_reads(at, pts_stamp(1,
								    PG(off))));
				ASSERT_TRUE(pts_reads(at + PG(len - 1),
						      pts_stamp(1, PG(off + len - 1))));
				ASSERT_EQ(0, munmap(at, PG(len)));
			}
		}
	}
}

/* The last page may be asked for in part, as of a file. */
TEST_F(window, length_is_rounded_up)
{
	size_t len = PG(2) + 1;
	char *win = pts_window(self->rig.fd, len, PG(3));

	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(2), pts_stamp(1, PG(5))));
	EXPECT_EQ(0, munmap(win, len));
	EXPECT_NE(MAP_FAILED, pts_window(self->rig.fd, PG(2 * PAGES) - 100,
					 0));
	EXPECT_EQ(MAP_FAILED, pts_window(self->rig.fd, PG(2 * PAGES) + 1, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(window, below_4_gib)
{
	char *win = mmap(NULL, PG(4), PTS_RW, MAP_SHARED | MAP_32BIT,
			 self->rig.fd, PG(1));

	ASSERT_NE(MAP_FAILED, win);
	EXPECT_GT(1UL << 32, (uintptr_t)win);
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, PG(1))));
}

static int jump_there(int sock, void *arg)
{
	void (*fn)(void) = arg;
	static const __u8 ret = 0xc3;

	/* A return instruction, should it ever be executed. */
	memcpy(arg, &ret, 1);
	fn();
	return 0;
}

TEST_F(window, nothing_is_executed)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, jump_there, self->rig.win));
	EXPECT_EQ(256 + SIGSEGV, pts_join(&c));
}

/* A window may show the end of the container only, or cross 2 MiB lines. */
TEST_F(window, large_and_odd)
{
	__u64 length = 3ULL << 30;
	int ctl = pts_create(length, PTS_RW);
	int fd = pts_client_fd(ctl, variant->via);
	char *win;

	ASSERT_EQ(0, pts_map(ctl, self->rig.mem, PTS_RW, (1ULL << 30) - PG(8),
			     PG(16), 0));
	win = mmap(NULL, length - PG(3), PTS_RW, MAP_SHARED, fd, PG(3));
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + (1UL << 30) - PG(11), pts_stamp(1, 0)));
	EXPECT_TRUE(pts_reads(win + (1UL << 30) - PG(3), pts_stamp(1, PG(8))));
	munmap(win, length - PG(3));
	/* The same once more where a table's worth of pages is congruent. */
	win = mmap(NULL, length, PTS_RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + (1UL << 30) - PG(8), pts_stamp(1, 0)));
	EXPECT_TRUE(pts_writes(win + (1UL << 30), 1));
	munmap(win, length);
}

TEST_F(window, hint_is_taken)
{
	char *space = pts_reserve(PG(16), pts_psz);
	char *at = space + PG(3);

	ASSERT_EQ(0, munmap(space, PG(16)));
	EXPECT_EQ(at, mmap(at, PG(2), PTS_RW, MAP_SHARED, self->rig.fd, PG(1)));
	EXPECT_TRUE(pts_reads(at, pts_stamp(1, PG(1))));
	/* Taken: somewhere else then. */
	EXPECT_NE(at, mmap(at, PG(2), PTS_RW, MAP_SHARED, self->rig.fd, PG(1)));
	EXPECT_TRUE(pts_reads(at, pts_stamp(1, PG(1))));
}

TEST_F(window, fixed_noreplace)
{
	char *space = pts_reserve(PG(16), pts_psz);
	char *at = space + PG(3);
	int flags = MAP_SHARED | MAP_FIXED_NOREPLACE;

	EXPECT_EQ(MAP_FAILED, mmap(at, PG(2), PTS_RW, flags, self->rig.fd, 0));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, munmap(space, PG(16)));
	EXPECT_EQ(at, mmap(at, PG(2), PTS_RW, flags, self->rig.fd, 0));
	EXPECT_TRUE(pts_reads(at, pts_stamp(1, 0)));
	EXPECT_EQ(MAP_FAILED, mmap(at, PG(1), PTS_RW, flags, self->rig.fd, 0));
	EXPECT_EQ(EEXIST, errno);
}

/* Without a hint the address is congruent to the offset. */
TEST_F(window, congruent_without_hint)
{
	struct ptshare_info info;
	__u64 i, length;
	int ctl, fd;

	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	/* Where nothing is shared the granule is a page. */
	length = 4 * info.granule + PG(16);
	ctl = pts_create(length, PTS_RW);
	fd = pts_client_fd(ctl, variant->via);
	for (i = 0; i < 3; i++) {
		__u64 off = PG(i * 5);
		char *win = mmap(NULL, length - off, PTS_RW, MAP_SHARED, fd,
				 off);

		ASSERT_NE(MAP_FAILED, win);
		EXPECT_EQ(0, ((uintptr_t)win - off) & (info.granule - 1)) {
			TH_LOG("%p for offset %#llx", win, off);
		}
	}
}

TEST_F(window, read_only_container)
{
	int ctl = pts_create(PG(4), PTS_RO);
	int fd = pts_client_fd(ctl, variant->via);
	char *win;

	ASSERT_EQ(0, pts_map(ctl, self->rig.mem, PTS_RO, 0, PG(4), 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG(4), PROT_NONE, MAP_SHARED, fd, 0));
	EXPECT_EQ(EACCES, errno);
	win = mmap(NULL, PG(4), PTS_RO, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, 0)));
	EXPECT_TRUE(pts_fault_is(pts_write8(win, 1), SIGSEGV, SEGV_ACCERR,
				 win));
	/* More than max_prot may be asked for; it widens nothing. */
	win = pts_window(fd, PG(4), 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_fault_is(pts_write8(win + 8, 1), SIGSEGV, SEGV_ACCERR,
				 win + 8));
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, 0)));
}

TEST_F(window, hole_is_sigbus)
{
	char *at = self->rig.win + self->rig.half;
	__u64 val;
	__u8 byte;

	EXPECT_TRUE(pts_fault_is(pts_read8(at, &val), SIGBUS, BUS_ADRERR, at));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGBUS, BUS_ADRERR, at));
	at += PG(3) + 77;
	EXPECT_TRUE(pts_fault_is(pts_read1(at, &byte), SIGBUS, BUS_ADRERR, at));
	EXPECT_TRUE(pts_fault_is(pts_write1(at, 1), SIGBUS, BUS_ADRERR, at));
	/* The neighbour is well. */
	EXPECT_TRUE(pts_writes(self->rig.win + self->rig.half - 8, 1));
}

TEST_F(window, beyond_end_of_backing)
{
	char *at = self->rig.win + PG(20);
	__u64 val;

	EXPECT_TRUE(pts_writes(at, 1));
	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(20)));
	EXPECT_TRUE(pts_fault_is(pts_read8(at, &val), SIGBUS, BUS_ADRERR, at));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGBUS, BUS_ADRERR, at));
	EXPECT_TRUE(pts_reads(at - PG(1), pts_stamp(1, PG(19))));
	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(PAGES)));
	EXPECT_TRUE(pts_reads(at, 0));
}

/* What the process's own access meets, read(2) and write(2) meet as EFAULT. */
TEST_F(window, kernel_access)
{
	char *win = self->rig.win, *hole = win + self->rig.half;
	__u64 val = 31;
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC | O_NONBLOCK));
	/* An absent page, both directions. */
	EXPECT_EQ(8, write(p[1], win + PG(1), 8));
	EXPECT_EQ(8, read(p[0], &val, 8));
	EXPECT_EQ(pts_stamp(1, PG(1)), val);
	EXPECT_EQ(8, write(p[1], &val, 8));
	EXPECT_EQ(8, read(p[0], win + PG(2), 8));
	EXPECT_TRUE(pts_reads(win + PG(2), val));

	EXPECT_EQ(-1, write(p[1], hole, 8));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(8, write(p[1], &val, 8));
	EXPECT_EQ(-1, read(p[0], hole, 8));
	EXPECT_EQ(EFAULT, errno);

	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(4), PG(1), PTS_RO));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(5), PG(1), PROT_NONE));
	ASSERT_EQ(8, write(p[1], win + PG(4), 8));
	EXPECT_EQ(-1, read(p[0], win + PG(4), 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(p[1], win + PG(5), 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(pts_reads(win + PG(4), pts_stamp(1, PG(4))));
}

TEST_F(window, two_windows_in_one_process)
{
	char *other = pts_window(self->rig.fd, PG(8), PG(5));
	struct ptshare_info info;

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(2, info.nr_windows);
	EXPECT_TRUE(pts_reads(other, pts_stamp(1, PG(5))));
	EXPECT_TRUE(pts_writes(other + PG(1), 61));
	EXPECT_TRUE(pts_reads(self->rig.win + PG(6), 61));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(6), PG(1), PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_write8(other + PG(1), 1).sig);
	EXPECT_EQ(SIGSEGV, pts_write8(self->rig.win + PG(6), 1).sig);
	ASSERT_EQ(0, munmap(other, PG(8)));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(1, info.nr_windows);
	EXPECT_TRUE(pts_reads(self->rig.win + PG(6), 61));
}

/* Mappings of the container and of the file show the same bytes. */
TEST_F(window, plain_mapping_is_coherent)
{
	char *plain = pts_window(self->rig.mem, self->rig.half, 0);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, plain);
	for (i = 0; i < PAGES; i++) {
		EXPECT_TRUE(pts_writes(self->rig.win + PG(i), 1000 + i));
		EXPECT_TRUE(pts_reads(plain + PG(i), 1000 + i));
		EXPECT_TRUE(pts_writes(plain + PG(i) + 8, 2000 + i));
		EXPECT_TRUE(pts_reads(self->rig.win + PG(i) + 8, 2000 + i));
	}
}

/* After munmap the address is as free as it was before. */
TEST_F(window, munmap_frees_the_address)
{
	char *at = self->rig.win;
	__u64 val;

	EXPECT_TRUE(pts_writes(at, 1));
	ASSERT_EQ(0, munmap(at, 2 * self->rig.half));
	self->rig.win = MAP_FAILED;
	EXPECT_TRUE(pts_fault_is(pts_read8(at, &val), SIGSEGV, SEGV_MAPERR,
				 at));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGSEGV, SEGV_MAPERR, at));
}

TEST_F(window, map_fixed_over_whole)
{
	struct ptshare_info info;
	char *at = self->rig.win;

	EXPECT_TRUE(pts_writes(at, 1));
	ASSERT_EQ(at, mmap(at, 2 * self->rig.half, PTS_RW, MAP_FIXED |
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EXPECT_TRUE(pts_reads(at, 0));
	EXPECT_TRUE(pts_writes(at, 2));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(0, info.nr_windows);
	/* And the private data did not reach the container. */
	ASSERT_EQ(at, mmap(at, 2 * self->rig.half, PTS_RW, MAP_FIXED |
			   MAP_SHARED, self->rig.fd, 0));
	EXPECT_TRUE(pts_reads(at, 1));
}

/* A file permission of the window's process is no matter after mmap. */
TEST_F(window, fd_closed_after_mmap)
{
	close(self->rig.fd);
	self->rig.fd = -1;
	EXPECT_TRUE(pts_reads(self->rig.win + PG(9), pts_stamp(1, PG(9))));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(9), PG(1), PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_write8(self->rig.win + PG(9), 1).sig);
}

static void *touch_all(void *arg)
{
	char *win = arg;
	unsigned long i;

	for (i = 0; i < PAGES; i++) {
		if (!pts_reads(win + PG(i), pts_stamp(1, PG(i))) ||
		    !pts_writes(win + PG(i), pts_stamp(1, PG(i))))
			return (void *)(i + 1);
	}
	return NULL;
}

TEST_F(window, threads)
{
	pthread_t t[8];
	void *bad;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, touch_all,
					    self->rig.win));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, pthread_join(t[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
}

TEST_HARNESS_MAIN
