// SPDX-License-Identifier: GPL-2.0
/* Attach fds: mapped, queried and passed on, and nothing else. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		8

#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438
#endif

FIXTURE(attach)
{
	struct pts_rig rig;
};

FIXTURE_SETUP(attach)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_ATTACH, PAGES));
}

FIXTURE_TEARDOWN(attach)
{
	pts_rig_free(&self->rig);
}

TEST_F(attach, can_map_and_query)
{
	struct ptshare_info ctl_info, att_info;

	EXPECT_TRUE(pts_reads(self->rig.win + PG(3), pts_stamp(1, PG(3))));
	EXPECT_TRUE(pts_writes(self->rig.win + PG(3), 3));
	EXPECT_EQ(1, pts_nr_regions(self->rig.fd));
	ASSERT_EQ(0, pts_info(self->rig.ctl, &ctl_info));
	ASSERT_EQ(0, pts_info(self->rig.fd, &att_info));
	EXPECT_EQ(ctl_info.id, att_info.id);
	EXPECT_EQ(ctl_info.length, att_info.length);
}

/* Each call that would change what others see, in a form that would work. */
TEST_F(attach, can_not_change_anything)
{
	int att = self->rig.fd;
	struct pts_snap before, after;

	ASSERT_EQ(0, pts_snap_take(att, &before));
	EXPECT_EQ(-EPERM, pts_map(att, self->rig.mem, PTS_RW, PG(PAGES), PG(1),
				  0));
	EXPECT_EQ(-EPERM, pts_replace(att, self->rig.mem, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(-EPERM, pts_unmap(att, 0, PG(1)));
	EXPECT_EQ(-EPERM, pts_protect(att, 0, PG(1), PTS_RO));
	EXPECT_EQ(-EPERM, pts_seal(att, PTSHARE_SEAL_LAYOUT));
	EXPECT_EQ(-EPERM, pts_seal(att, 0));
	EXPECT_EQ(-EPERM, pts_attach(att));
	ASSERT_EQ(0, pts_snap_take(att, &after));
	EXPECT_TRUE(pts_snap_equal(&before, &after));
	EXPECT_TRUE(pts_writes(self->rig.win, 1));
}

/* Nor by another name of the same file. */
TEST_F(attach, can_not_be_widened)
{
	int dup_fd = fcntl(self->rig.fd, F_DUPFD_CLOEXEC, 0);
	int flags = fcntl(self->rig.fd, F_GETFL);

	EXPECT_EQ(-EPERM, pts_unmap(dup_fd, 0, PG(1)));
	fcntl(self->rig.fd, F_SETFL, flags | O_APPEND | O_NONBLOCK);
	EXPECT_EQ(-EPERM, pts_unmap(self->rig.fd, 0, PG(1)));
	EXPECT_EQ(-ENXIO, pts_reopen(self->rig.fd, O_RDWR));
	EXPECT_EQ(-ENXIO, pts_reopen(self->rig.fd, O_RDONLY));
}

static int foreign_client(int sock, void *arg)
{
	int fd = pts_recv_fd(sock);
	char *win;

	if (fd < 0)
		return 1;
	/* A process that has no other way in. */
	if (setgid(65534) || setuid(65534))
		return 2;
	win = pts_window(fd, PG(PAGES), 0);
	if (win == MAP_FAILED)
		return 3;
	if (!pts_reads(win + PG(1), pts_stamp(1, PG(1))) ||
	    !pts_writes(win + PG(2), 222))
		return 4;
	if (pts_unmap(fd, 0, PG(1)) != -EPERM ||
	    pts_protect(fd, 0, PG(1), PTS_RO) != -EPERM)
		return 5;
	if (pts_nr_regions(fd) != 1)
		return 6;
	return pts_send_fd(sock, fd) ? 7 : 0;
}

/* Over a Unix socket to another user, and back again. */
TEST_F(attach, passed_by_scm_rights)
{
	struct ptshare_info a, b;
	struct pts_child c;
	int fd;

	ASSERT_EQ(0, pts_fork(&c, foreign_client, NULL));
	ASSERT_EQ(0, pts_send_fd(c.sock, self->rig.fd));
	fd = pts_recv_fd(c.sock);
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_TRUE(pts_reads(self->rig.win + PG(2), 222));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, pts_info(fd, &a));
	ASSERT_EQ(0, pts_info(self->rig.ctl, &b));
	EXPECT_EQ(b.id, a.id);
	EXPECT_EQ(-EPERM, pts_unmap(fd, 0, PG(1)));
}

TEST_F(attach, taken_by_pidfd_getfd)
{
	int pidfd = syscall(__NR_pidfd_open, getpid(), 0);
	int fd = syscall(__NR_pidfd_getfd, pidfd, self->rig.fd, 0);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(1, pts_nr_regions(fd));
	EXPECT_EQ(-EPERM, pts_unmap(fd, 0, PG(1)));
}

/* Windows of both kinds of fd are reached by every change. */
TEST_F(attach, windows_of_both_kinds_change)
{
	char *ctl_win = pts_window(self->rig.ctl, PG(PAGES), 0);
	char * const wins[] = { ctl_win, self->rig.win };
	int other = pts_memfd_stamped(PG(PAGES), 2);
	struct ptshare_info info;
	size_t i;
	__u64 val;

	ASSERT_NE(MAP_FAILED, ctl_win);
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(2, info.nr_windows);
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_writes(wins[i], 10 + i));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(1), PTS_RO));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_fault_is(pts_write8(wins[i], 1), SIGSEGV,
					 SEGV_ACCERR, wins[i]));
	ASSERT_EQ(0, pts_replace(self->rig.ctl, other, PTS_RW, 0, PG(1), 0));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_reads(wins[i], pts_stamp(2, 0)));
	ASSERT_EQ(0, ftruncate(other, 0));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_fault_is(pts_read8(wins[i], &val), SIGBUS,
					 BUS_ADRERR, wins[i]));
	ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, PG(PAGES)));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(pts_fault_is(pts_read8(wins[i] + PG(2), &val),
					 SIGBUS, BUS_ADRERR, wins[i] + PG(2)));
}

/* An attach fd keeps the container when the control fd is closed. */
TEST_F(attach, keeps_container)
{
	int mem = self->rig.mem;

	munmap(self->rig.win, 2 * self->rig.half);
	close(self->rig.ctl);
	close(mem);
	self->rig.ctl = -1;
	self->rig.mem = -1;
	self->rig.win = pts_window(self->rig.fd, 2 * self->rig.half, 0);
	ASSERT_NE(MAP_FAILED, self->rig.win);
	EXPECT_TRUE(pts_reads(self->rig.win + PG(5), pts_stamp(1, PG(5))));
}

/* A reader that must not write: a second container of the same file. */
TEST_F(attach, read_only_twin)
{
	int ro = pts_reopen(self->rig.mem, O_RDONLY);
	int twin = pts_create(PG(PAGES), PTS_RO);
	int att = pts_attach(twin);
	char *win;

	ASSERT_GE(att, 0);
	ASSERT_EQ(0, pts_map(twin, ro, PTS_RO, 0, PG(PAGES), 0));
	win = mmap(NULL, PG(PAGES), PTS_RO, MAP_SHARED, att, 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_writes(self->rig.win + PG(1), 88));
	EXPECT_TRUE(pts_reads(win + PG(1), 88));
	EXPECT_TRUE(pts_fault_is(pts_write8(win + PG(1), 1), SIGSEGV,
				 SEGV_ACCERR, win + PG(1)));
	/* A writable window of it is no way round either. */
	win = mmap(NULL, PG(PAGES), PTS_RW, MAP_SHARED, att, 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(1), 88));
	EXPECT_TRUE(pts_fault_is(pts_write8(win + PG(1), 1), SIGSEGV,
				 SEGV_ACCERR, win + PG(1)));
	EXPECT_TRUE(pts_fault_is(pts_write8(win + PG(2), 1), SIGSEGV,
				 SEGV_ACCERR, win + PG(2)));
}

TEST_HARNESS_MAIN
