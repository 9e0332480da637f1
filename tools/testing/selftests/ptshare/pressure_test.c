// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that gets scarce, goes to swap, breaks, or loses its creator: who
 * pays, who is refused, and that what was written is still there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define MIB		0x100000UL
#define LIMIT		(2 * MIB + MIB / 2)
#define TIMEOUT		180
/* An access to memory that can't be had is refused in this time. */
#define PATIENCE_MS	60000

/*
 * A container of 4 MiB that was made by somebody in a group of its own; the
 * test itself is in the root group. The file is empty at first, so that every
 * page is asked for through a window.
 */
FIXTURE(pressure)
{
	struct cg parent, cg;
	struct pts_child creator;
	int ctl, fd, mem;
	size_t len;
	char *win;
};

FIXTURE_VARIANT(pressure)
{
	enum pts_via via;
	bool mirrored;		/* else linked, if tables are shared */
};

FIXTURE_VARIANT_ADD(pressure, control) { PTS_VIA_CONTROL, false };
FIXTURE_VARIANT_ADD(pressure, attach) { PTS_VIA_ATTACH, false };
FIXTURE_VARIANT_ADD(pressure, mirrored) { PTS_VIA_ATTACH, true };

/* Makes the container, hands it over, and stays until it is told to go. */
static int creator(int sock, void *arg)
{
	struct _test_data_pressure *self = arg;
	int mem, ctl;
	__u64 go;

	if (cg_enter(&self->cg))
		return 1;
	mem = pts_memfd(self->len, 0);
	ctl = pts_create(self->len, PTS_RW);
	if (mem < 0 || ctl < 0 || pts_map(ctl, mem, PTS_RW, 0, self->len, 0))
		return 2;
	if (pts_send_fd(sock, ctl) || pts_send_fd(sock, mem))
		return 3;
	close(ctl);
	close(mem);
	pts_recv(sock, &go);
	return 0;
}

FIXTURE_SETUP(pressure)
{
	if (!cg_available() || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	self->len = 4 * MIB;
	ASSERT_EQ(0, cg_make(&self->parent, "p"));
	ASSERT_EQ(0, cg_write(&self->parent, "cgroup.subtree_control",
			      "+memory"));
	snprintf(self->cg.path, sizeof(self->cg.path), "%.100s/creator",
		 self->parent.path);
	ASSERT_EQ(0, mkdir(self->cg.path, 0755));
	ASSERT_EQ(0, pts_fork(&self->creator, creator, self));
	self->ctl = pts_recv_fd(self->creator.sock);
	self->mem = pts_recv_fd(self->creator.sock);
	ASSERT_GE(self->ctl, 0);
	ASSERT_GE(self->mem, 0);
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->win = variant->mirrored ? pts_window_mirrored(self->fd, self->len) :
					pts_window(self->fd, self->len, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
}

FIXTURE_TEARDOWN(pressure)
{
	if (!self->len)
		return;
	munmap(self->win, self->len);
	close(self->fd);
	close(self->ctl);
	close(self->mem);
	if (self->creator.pid > 0) {
		kill(self->creator.pid, SIGKILL);
		waitpid(self->creator.pid, NULL, 0);
	}
	cg_destroy(&self->cg);
	cg_destroy(&self->parent);
}

/* The creator ends and leaves its group empty. */
static void creator_leaves(struct __test_metadata *_metadata,
			   struct _test_data_pressure *self)
{
	ASSERT_EQ(0, pts_send(self->creator.sock, 1));
	ASSERT_EQ(0, pts_join(&self->creator));
	self->creator.pid = 0;
}

/* Stamps pages of the window until one is refused; returns how many went. */
static unsigned int fill(struct _test_data_pressure *self, struct pts_fault *f)
{
	unsigned int i;

	for (i = 0; i < self->len / pts_psz; i++) {
		*f = pts_write8(self->win + i * pts_psz, pts_stamp(9, i));
		if (f->sig)
			break;
	}
	return i;
}

static unsigned int count_right(struct _test_data_pressure *self, unsigned int nr)
{
	unsigned int i, right = 0;
	__u64 val;

	for (i = 0; i < nr; i++) {
		if (!pts_read8(self->win + i * pts_psz, &val).sig)
			right += val == pts_stamp(9, i);
	}
	return right;
}

/* Swaps most of it out. */
static void swap_out(struct _test_data_pressure *self)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (cg_read(&self->cg, "memory.swap.current") >
		    self->len / 4 * 3)
			break;
		cg_write_bytes(&self->cg, "memory.reclaim", self->len / 2);
	}
}

/* The memory is the creator's, whoever touches it first. */
TEST_F_TIMEOUT(pressure, creator_pays, TIMEOUT)
{
	const long long tables = self->len / (512 * pts_psz) * pts_psz;
	const unsigned int nr = self->len / pts_psz;
	struct pts_fault f;

	/*
	 * Each processor has up to 64 pages set aside that count already and
	 * are used first: the increase may be less than what was touched.
	 */
	EXPECT_LT(cg_read(&self->cg, "memory.current"), self->len / 2);
	ASSERT_EQ(nr, fill(self, &f));
	EXPECT_GE(cg_read(&self->cg, "memory.current"), self->len);
	EXPECT_GE(cg_memory_stat(&self->cg, "shmem", self->len), self->len);
	EXPECT_GE(cg_memory_stat(&self->cg, "pagetables", tables), tables);
}

/* A6: a limit holds although others do the touching; swap takes the rest. */
TEST_F_TIMEOUT(pressure, limit_holds_and_swap_keeps_data, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	struct pts_fault f;

	ASSERT_EQ(0, cg_write_bytes(&self->cg, "memory.max", LIMIT));
	ASSERT_EQ(nr, fill(self, &f));
	EXPECT_LE(cg_read(&self->cg, "memory.current"), LIMIT);
	EXPECT_LE(cg_read(&self->cg, "memory.peak"), LIMIT + MIB / 4);
	EXPECT_GE(cg_read(&self->cg, "memory.swap.current"), MIB);
	EXPECT_EQ(nr, count_right(self, nr));
	EXPECT_EQ(nr, count_right(self, nr));
	EXPECT_LE(cg_read(&self->cg, "memory.peak"), LIMIT + MIB / 4);
}

/* M1: nobody is there to be killed. Refused, soon, and not for good. */
TEST_F_TIMEOUT(pressure, empty_and_full, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	int zero = open("/dev/zero", O_RDONLY);
	struct pts_fault f;
	unsigned int got, i;
	__u64 start;

	creator_leaves(_metadata, self);
	ASSERT_EQ(0, cg_write(&self->cg, "memory.swap.max", "0"));
	ASSERT_EQ(0, cg_write_bytes(&self->cg, "memory.max", LIMIT));
	start = pts_now_ms();
	got = fill(self, &f);
	ASSERT_LT(got, nr);
	EXPECT_TRUE(pts_fault_is(f, SIGBUS, BUS_ADRERR,
				 self->win + got * pts_psz));
	EXPECT_GT(got, nr / 4);
	EXPECT_GT(PATIENCE_MS, pts_now_ms() - start);
	/*
	 * From the kernel it is EFAULT, as soon. A few pages may still be had:
	 * each refusal gives back what processors had set aside.
	 */
	for (i = got; i < nr && read(zero, self->win + i * pts_psz, 8) == 8; i++)
		;
	ASSERT_LT(i, nr);
	EXPECT_EQ(-1, read(zero, self->win + i * pts_psz, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(self->win, self->len, MADV_POPULATE_WRITE));
	EXPECT_GT(2 * PATIENCE_MS, pts_now_ms() - start);
	/* What is there still works, and more memory helps. */
	EXPECT_EQ(got, count_right(self, got));
	ASSERT_EQ(0, cg_write(&self->cg, "memory.max", "max"));
	EXPECT_EQ(nr, fill(self, &f));
	EXPECT_EQ(nr, count_right(self, nr));
}

/* M1 with somebody to kill: it may be the creator's process, never a client. */
TEST_F_TIMEOUT(pressure, alive_and_full, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	struct pts_fault f;
	unsigned int got;
	__u64 start;

	ASSERT_EQ(0, cg_write(&self->cg, "memory.swap.max", "0"));
	ASSERT_EQ(0, cg_write_bytes(&self->cg, "memory.max", LIMIT));
	start = pts_now_ms();
	got = fill(self, &f);
	ASSERT_LT(got, nr);
	EXPECT_TRUE(pts_fault_is(f, SIGBUS, BUS_ADRERR,
				 self->win + got * pts_psz));
	EXPECT_GT(PATIENCE_MS, pts_now_ms() - start);
	EXPECT_EQ(got, count_right(self, got));
}

/* A killed creator takes nothing with it. */
TEST_F_TIMEOUT(pressure, creator_killed, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	struct pts_fault f;
	int status;

	ASSERT_EQ(0, kill(self->creator.pid, SIGKILL));
	ASSERT_EQ(self->creator.pid, waitpid(self->creator.pid, &status, 0));
	self->creator.pid = 0;
	EXPECT_EQ(nr, fill(self, &f));
	EXPECT_EQ(nr, count_right(self, nr));
	EXPECT_EQ(0, pts_protect(self->ctl, 0, self->len, PROT_READ));
	EXPECT_EQ(SIGSEGV, pts_write8(self->win, 1).sig);
	EXPECT_GE(cg_read(&self->cg, "memory.current"), self->len);
}

/* M3: the creator's group is removed; its parent pays for what comes. */
TEST_F_TIMEOUT(pressure, offlined_group, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	long long before;
	struct pts_fault f;
	unsigned int i;

	for (i = 0; i < nr / 2; i++)
		ASSERT_EQ(0, pts_write8(self->win + i * pts_psz,
					pts_stamp(9, i)).sig);
	creator_leaves(_metadata, self);
	for (i = 0; i < 50 && rmdir(self->cg.path); i++)
		usleep(20000);
	ASSERT_NE(0, access(self->cg.path, F_OK));
	self->cg.path[0] = '\0';
	before = cg_read(&self->parent, "memory.current");
	EXPECT_EQ(nr, fill(self, &f));
	EXPECT_EQ(nr, count_right(self, nr));
	EXPECT_GE(cg_read(&self->parent, "memory.current") - before,
		  self->len / 2 - MIB / 2);
	/* The limit of the parent is felt. */
	ASSERT_EQ(0, cg_write_bytes(&self->parent, "memory.max", LIMIT));
	EXPECT_LE(cg_read(&self->parent, "memory.current"), LIMIT + MIB / 2);
	EXPECT_EQ(nr, count_right(self, nr));
	EXPECT_EQ(0, pts_unmap(self->ctl, 0, self->len));
}

/* Reclaim of the creator's group finds pages that only windows show. */
TEST_F_TIMEOUT(pressure, reclaim_and_return, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	struct ptshare_info info;
	struct pts_fault f;
	int round;

	for (round = 0; round < 3; round++) {
		ASSERT_EQ(nr, fill(self, &f));
		swap_out(self);
		EXPECT_GT(cg_read(&self->cg, "memory.swap.current"),
			  self->len / 2);
		ASSERT_EQ(0, pts_info(self->ctl, &info));
		EXPECT_LT(info.rss_bytes, self->len / 2);
		EXPECT_EQ(nr, count_right(self, nr));
	}
}

/*
 * A page that was read first is clean in the container's tables. A store that
 * came through a window later makes it dirty there: it survives.
 */
TEST_F_TIMEOUT(pressure, read_then_written, TIMEOUT)
{
	const unsigned int nr = self->len / pts_psz;
	struct pts_fault f;
	unsigned int i;
	__u64 val;

	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, pts_read8(self->win + i * pts_psz, &val).sig);
	ASSERT_EQ(nr, fill(self, &f));
	swap_out(self);
	EXPECT_GT(cg_read(&self->cg, "memory.swap.current"), self->len / 2);
	EXPECT_EQ(nr, count_right(self, nr));
}

/* --- memory that breaks --------------------------------------------------- */

static bool can_poison(void)
{
	return !access("/proc/sys/vm/memory_failure_recovery", F_OK);
}

/* Another client touches what this one has poisoned. */
static int poisoned_client(int sock, void *arg)
{
	struct _test_data_pressure *self = arg;
	char *win = pts_window(self->fd, self->len, 0);
	char *bad = win + 3 * pts_psz;
	__u64 val;

	if (win == MAP_FAILED || !pts_reads(bad, pts_stamp(9, 3)))
		return 1;
	pts_send(sock, 1);
	if (pts_recv(sock, &val))
		return 2;
	if (!pts_fault_is(pts_read8(bad, &val), SIGBUS, BUS_MCEERR_AR, bad))
		return 3;
	return !pts_reads(win + 4 * pts_psz, pts_stamp(9, 4));
}

TEST_F_TIMEOUT(pressure, hwpoison, TIMEOUT)
{
	struct pts_child client;
	struct pts_fault f;
	__u64 val;
	char *bad;

	if (!can_poison())
		SKIP(return, "no MEMORY_FAILURE");
	ASSERT_EQ(self->len / pts_psz, fill(self, &f));
	bad = self->win + 3 * pts_psz;
	ASSERT_EQ(0, pts_fork(&client, poisoned_client, self));
	ASSERT_EQ(0, pts_recv(client.sock, &val));
	/* A kill of this process would be an action-optional one; stay. */
	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0,
			   0));
	ASSERT_EQ(0, madvise(bad, pts_psz, MADV_HWPOISON));
	ASSERT_EQ(0, pts_send(client.sock, 1));
	EXPECT_EQ(0, pts_join(&client));
	EXPECT_TRUE(pts_fault_is(pts_read8(bad, &val), SIGBUS, BUS_MCEERR_AR,
				 bad));
	EXPECT_TRUE(pts_fault_is(pts_write8(bad, 1), SIGBUS, BUS_MCEERR_AR,
				 bad));
	EXPECT_TRUE(pts_reads(bad + pts_psz, pts_stamp(9, 4)));
}

TEST_F_TIMEOUT(pressure, soft_offline, TIMEOUT)
{
	struct pts_fault f;
	unsigned int i;

	if (!can_poison())
		SKIP(return, "no MEMORY_FAILURE");
	ASSERT_EQ(self->len / pts_psz, fill(self, &f));
	for (i = 10; i < 15; i++)
		ASSERT_EQ(0, madvise(self->win + i * pts_psz, pts_psz,
				     MADV_SOFT_OFFLINE));
	EXPECT_EQ(20, count_right(self, 20));
	EXPECT_TRUE(pts_writes(self->win + 11 * pts_psz, 1));
}

TEST_HARNESS_MAIN
