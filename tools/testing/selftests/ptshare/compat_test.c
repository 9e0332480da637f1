// SPDX-License-Identifier: GPL-2.0
/*
 * 32-bit callers: the layout is the same, so that a call through the 32-bit
 * entry with the very same structure has the same effect. int $0x80 reaches
 * that entry from a 64-bit program; pointers have to lie below 4 GiB.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define NR_IOCTL_32	54

static int ioctl32(int fd, unsigned long cmd, void *arg)
{
#ifdef __x86_64__
	int ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (NR_IOCTL_32), "b" (fd), "c" ((unsigned int)cmd),
		       "d" ((unsigned int)(uintptr_t)arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

static bool have_compat(void)
{
	int status;
	pid_t pid = fork();

	/* A kernel without the entry kills the caller. */
	if (!pid)
		_exit(ioctl32(-1, 0, NULL) != -EBADF);
	return waitpid(pid, &status, 0) == pid && !status;
}

FIXTURE(compat)
{
	char *low;		/* two pages below 4 GiB, the second empty */
	int dev, mem;
};

FIXTURE_SETUP(compat)
{
	if (!have_compat())
		SKIP(return, "no 32-bit system calls in this kernel");
	self->low = mmap(NULL, 2 * pts_psz, PTS_RW,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	ASSERT_EQ(0, munmap(self->low + pts_psz, pts_psz));
	self->dev = pts_open_dev();
	ASSERT_GE(self->dev, 0);
	self->mem = pts_memfd_stamped(PG(8), 1);
	ASSERT_GE(self->mem, 0);
}

FIXTURE_TEARDOWN(compat)
{
}

static void *low_copy(struct _test_data_compat *self, const void *arg,
		      size_t size)
{
	return memcpy(self->low, arg, size);
}

#define CALL32(fd, cmd, arg) \
	ioctl32(fd, cmd, low_copy(self, &(arg), sizeof(arg)))

static int create32(struct _test_data_compat *self)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = PG(8), .max_prot = PTS_RW,
	};

	return CALL32(self->dev, PTSHARE_IOC_CREATE, c);
}

TEST_F(compat, assemble)
{
	struct ptshare_map m = {
		.size = sizeof(m), .fd = self->mem, .prot = PTS_RW,
		.offset = PG(1), .length = PG(4), .fd_offset = PG(2),
	};
	struct ptshare_unmap u = {
		.size = sizeof(u), .offset = PG(4), .length = PG(1),
	};
	struct ptshare_range_prot r = { PG(2), PG(1), PTS_RO };
	struct ptshare_protect p = { .size = sizeof(p), .nr = 1 };
	struct ptshare_seal s = {
		.size = sizeof(s), .seals = PTSHARE_SEAL_LAYOUT,
	};
	int ctl = create32(self);

	ASSERT_GE(ctl, 0);
	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_MAP, m));
	EXPECT_TRUE(pts_region_is(ctl, 0, PG(1), PG(4), PG(2), PTS_RW));
	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_UNMAP, u));
	EXPECT_TRUE(pts_region_is(ctl, 0, PG(1), PG(3), PG(2), PTS_RW));

	memcpy(self->low + 512, &r, sizeof(r));
	p.ranges = (uintptr_t)self->low + 512;
	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_PROTECT, p));
	EXPECT_TRUE(pts_region_is(ctl, 1, PG(2), PG(1), PG(3), PTS_RO));

	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_SEAL, s));
	EXPECT_EQ(-EPERM, CALL32(ctl, PTSHARE_IOC_UNMAP, u));
}

TEST_F(compat, info_and_query)
{
	struct ptshare_info i64, i32 = { .size = sizeof(i32) };
	struct ptshare_query q = { .size = sizeof(q), .nr = 8 };
	struct ptshare_region *r = (void *)(self->low + 512);
	int ctl = create32(self);

	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_map(ctl, self->mem, PTS_RO, PG(3), PG(2), PG(5)));
	ASSERT_EQ(0, pts_info(ctl, &i64));
	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_INFO, i32));
	EXPECT_EQ(0, memcmp(&i64, self->low, sizeof(i64)));

	memset(r, 0, 8 * sizeof(*r));
	q.buf = (uintptr_t)r;
	EXPECT_EQ(0, CALL32(ctl, PTSHARE_IOC_QUERY, q));
	memcpy(&q, self->low, sizeof(q));
	EXPECT_EQ(1, q.nr);
	EXPECT_EQ(PG(8), q.next);
	EXPECT_EQ(PG(3), r->offset);
	EXPECT_EQ(PG(2), r->length);
	EXPECT_EQ(PG(5), r->fd_offset);
	EXPECT_EQ(PTS_RO, r->prot);
}

TEST_F(compat, attach_fd)
{
	struct ptshare_attach_fd a = { .size = sizeof(a) };
	struct ptshare_info info;
	int ctl = create32(self);
	int att;

	ASSERT_GE(ctl, 0);
	att = CALL32(ctl, PTSHARE_IOC_ATTACH_FD, a);
	ASSERT_GE(att, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(att, F_GETFD));
	EXPECT_EQ(0, pts_info(att, &info));
	EXPECT_EQ(PG(8), info.length);
	EXPECT_EQ(-EPERM, CALL32(att, PTSHARE_IOC_ATTACH_FD, a));
}

TEST_F(compat, watch)
{
	struct ptshare_notify n = { .size = sizeof(n), .queue_len = 16 };
	struct ptshare_arm a = {
		.size = sizeof(a), .mode = PTSHARE_SIGNAL, .offset = PG(1),
		.length = PG(2),
	};
	struct ptshare_scan s = {
		.size = sizeof(s), .end = PG(8), .vec_len = 8,
		.categories = PTSHARE_PAGE_ARMED,
	};
	struct ptshare_resolve r = {
		.size = sizeof(r), .offset = PG(1), .length = PG(1),
		.action = PTSHARE_DISARM,
	};
	struct ptshare_scan_region *vec = (void *)(self->low + 512);
	int ctl = create32(self), nfd;

	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_map(ctl, self->mem, PTS_RW, 0, PG(8), 0));
	nfd = CALL32(ctl, PTSHARE_IOC_NOTIFY, n);
	ASSERT_GE(nfd, 0);
	EXPECT_EQ(0, CALL32(nfd, PTSHARE_IOC_ARM, a));
	EXPECT_EQ(0, CALL32(nfd, PTSHARE_IOC_RESOLVE, r));
	s.vec = (uintptr_t)vec;
	EXPECT_EQ(0, CALL32(nfd, PTSHARE_IOC_SCAN, s));
	memcpy(&s, self->low, sizeof(s));
	EXPECT_EQ(1, s.nr);
	EXPECT_EQ(PG(8), s.walk_end);
	EXPECT_EQ(PG(2), vec->start);
	EXPECT_EQ(PG(3), vec->end);
}

/* The failures are those of 64-bit callers, and as harmless. */
TEST_F(compat, errnos)
{
	struct ptshare_create c = {
		.size = sizeof(c) - 1, .length = PG(1), .max_prot = PTS_RW,
	};
	struct ptshare_range_prot hole = { PG(1), PG(1), PTS_RO };
	struct ptshare_protect p = { .size = sizeof(p), .nr = 1, .failed = 9 };
	int ctl = create32(self);

	ASSERT_GE(ctl, 0);
	EXPECT_EQ(-EINVAL, CALL32(self->dev, PTSHARE_IOC_CREATE, c));
	c.size = pts_psz + 1;
	EXPECT_EQ(-E2BIG, CALL32(self->dev, PTSHARE_IOC_CREATE, c));
	c.size = sizeof(c);
	c.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, CALL32(self->dev, PTSHARE_IOC_CREATE, c));
	EXPECT_EQ(-EPERM, CALL32(ctl, PTSHARE_IOC_CREATE, c));
	EXPECT_EQ(-EFAULT, ioctl32(self->dev, PTSHARE_IOC_CREATE,
				   self->low + pts_psz));
	EXPECT_EQ(-ENOTTY, CALL32(ctl, 0xaa7f, c));

	memcpy(self->low + 512, &hole, sizeof(hole));
	p.ranges = (uintptr_t)self->low + 512;
	EXPECT_EQ(-ENOENT, CALL32(ctl, PTSHARE_IOC_PROTECT, p));
	EXPECT_EQ(0, ((struct ptshare_protect *)self->low)->failed);
}

TEST_HARNESS_MAIN
