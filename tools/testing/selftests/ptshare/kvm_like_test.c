// SPDX-License-Identifier: GPL-2.0
/*
 * A process with a secondary MMU: a device that looks pages of its windows up
 * by GUP, keeps no reference, and forgets them when its mmu_notifier is called
 * (mm/ptshare_test.c). The processor never touches these windows unless the
 * variant says so; in a warm one GUP does not even fault (F8). What the device
 * still maps after a call has returned that should have taken it away is a
 * stale translation.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "../../../../lib/test_hmm_uapi.h"
#include "cg.h"
#include "ptshare_util.h"
#include "secmmu.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define PAGES		64
#define TIMEOUT		120

enum when { BEFORE_MMAP, AFTER_MMAP, AFTER_TOUCH };

FIXTURE(secmmu)
{
	int ctl, fd, dev;
	int mem[2];
	size_t len, odd;	/* odd: of the region in the container */
	char *win;		/* shows the region's first page */
	struct cg cg;		/* of the creator */
};

FIXTURE_VARIANT(secmmu)
{
	enum pts_via via;
	enum when when;
	unsigned int odd;	/* pages before the region, and off alignment */
	bool warm;		/* somebody else has touched all of it */
};

FIXTURE_VARIANT_ADD(secmmu, control_after) {
	PTS_VIA_CONTROL, AFTER_MMAP, 5, false
};

FIXTURE_VARIANT_ADD(secmmu, control_touched) {
	PTS_VIA_CONTROL, AFTER_TOUCH, 0, false
};

FIXTURE_VARIANT_ADD(secmmu, attach_before) {
	PTS_VIA_ATTACH, BEFORE_MMAP, 5, true
};

FIXTURE_VARIANT_ADD(secmmu, attach_after) {
	PTS_VIA_ATTACH, AFTER_MMAP, 0, true
};

static char *page(struct _test_data_secmmu *self, unsigned int i)
{
	return self->win + i * pts_psz;
}

/* Of the window and of the container: the region, and holes around it. */
static size_t total(struct _test_data_secmmu *self)
{
	return self->len + 2 * self->odd + pts_psz;
}

/* Who makes the container and its memory is the creator who pays. */
static void create(struct __test_metadata *_metadata,
		   struct _test_data_secmmu *self)
{
	if (cg_available()) {
		ASSERT_EQ(0, cg_make(&self->cg, "secmmu"));
		ASSERT_EQ(0, cg_enter(&self->cg));
	}
	self->mem[0] = pts_memfd_stamped(self->len, 1);
	self->mem[1] = pts_memfd_stamped(self->len, 2);
	ASSERT_GE(self->mem[1], 0);
	self->ctl = pts_create(total(self), PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem[0], PTS_RW, self->odd,
			     self->len, 0));
	if (self->cg.path[0])
		ASSERT_EQ(0, cg_enter(NULL));
}

/*
 * Another process writes to every page and leaves. What GUP looks for is there
 * then: no fault, and so no entry in the tables of the window that is tested.
 */
static void warm_up(struct __test_metadata *_metadata,
		    struct _test_data_secmmu *self)
{
	int i, status;
	pid_t pid;
	char *win;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		win = pts_window(self->ctl, self->len, self->odd);
		for (i = 0; win != MAP_FAILED && i < PAGES; i++)
			if (pts_write8(win + i * pts_psz + 16, 1).sig)
				break;
		_exit(i != PAGES);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
}

FIXTURE_SETUP(secmmu)
{
	char *area;
	__u64 val;

	if (!secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	self->dev = -1;
	self->len = PAGES * pts_psz;
	self->odd = variant->odd * pts_psz;
	create(_metadata, self);
	if (variant->warm)
		warm_up(_metadata, self);
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	/* The window has the holes around the region, too. */
	area = pts_reserve(total(self) + 3 * self->odd, 1 << 21);
	ASSERT_NE(MAP_FAILED, (void *)area);
	area += 3 * self->odd;
	self->win = area + self->odd;
	if (variant->when == BEFORE_MMAP) {
		self->dev = secmmu_open(area, total(self));
		ASSERT_GE(self->dev, 0);
	}
	ASSERT_EQ(area, mmap(area, total(self), PTS_RW, MAP_SHARED | MAP_FIXED,
			     self->fd, 0));
	if (variant->when == AFTER_TOUCH)
		for (int i = 0; i < PAGES; i++)
			ASSERT_EQ(0, pts_read8(page(self, i), &val).sig);
	if (variant->when != BEFORE_MMAP) {
		self->dev = secmmu_open(area, total(self));
		ASSERT_GE(self->dev, 0);
	}
}

FIXTURE_TEARDOWN(secmmu)
{
	close(self->dev);
	cg_destroy(&self->cg);
}

/* The device maps every page for writing and sees its stamp. */
static void map_all(struct __test_metadata *_metadata,
		    struct _test_data_secmmu *self)
{
	__u64 val = 0;
	int i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, secmmu_write(self->dev, page(self, i) + 8, i, 0));
		ASSERT_EQ(0, secmmu_read(self->dev, page(self, i), &val,
					 PTSHARE_TEST_NOFAULT));
		ASSERT_EQ(pts_stamp(1, i * pts_psz), val);
	}
}

static int count_mapped(struct _test_data_secmmu *self, bool write)
{
	int i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += secmmu_maps(self->dev, page(self, i), write);
	return nr;
}

/* Nothing is mapped, and a look-up finds nothing either. */
static void all_gone(struct __test_metadata *_metadata,
		     struct _test_data_secmmu *self)
{
	__u64 val;
	int i;

	EXPECT_EQ(0, count_mapped(self, false));
	for (i = 0; i < PAGES; i += 7) {
		EXPECT_EQ(-EFAULT, secmmu_read(self->dev, page(self, i), &val,
					       0));
		EXPECT_EQ(-EFAULT, secmmu_write(self->dev, page(self, i), 0,
						0));
	}
}

static __u64 in_file(int fd, off_t off)
{
	__u64 val = 0;

	return pread(fd, &val, sizeof(val), off) == sizeof(val) ? val :
								  UINT64_MAX;
}

TEST_F_TIMEOUT(secmmu, writes_reach_file_and_window, TIMEOUT)
{
	struct ptshare_test_info info;
	struct ptshare_info pt;
	int i;

	map_all(_metadata, self);
	ASSERT_EQ(0, pts_info(self->ctl, &pt));
	if (variant->warm)
		EXPECT_EQ(0, pt.nr_mirrors);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(i, in_file(self->mem[0], i * pts_psz + 8));
	EXPECT_TRUE(pts_writes(page(self, 3) + 16, 77));
	EXPECT_EQ(77, in_file(self->mem[0], 3 * pts_psz + 16));
	ASSERT_EQ(0, secmmu_info(self->dev, &info));
	EXPECT_EQ(info.starts, info.ends);
	EXPECT_EQ(PAGES, info.mapped);
}

TEST_F_TIMEOUT(secmmu, protect_ro, TIMEOUT)
{
	__u64 val = 0;
	int i;

	map_all(_metadata, self);
	ASSERT_EQ(0, pts_protect(self->ctl, self->odd, self->len, PROT_READ));
	EXPECT_EQ(0, count_mapped(self, true));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(-EFAULT, secmmu_write(self->dev, page(self, i) + 8,
						99, 0));
		EXPECT_EQ(0, secmmu_read(self->dev, page(self, i), &val, 0));
		EXPECT_EQ(pts_stamp(1, i * pts_psz), val);
		EXPECT_EQ(i, in_file(self->mem[0], i * pts_psz + 8));
	}
	/* Reading has not made them writable. */
	EXPECT_EQ(-EFAULT, secmmu_write(self->dev, page(self, 1) + 8, 99, 0));
	ASSERT_EQ(0, pts_protect(self->ctl, self->odd, self->len, PTS_RW));
	EXPECT_EQ(0, secmmu_write(self->dev, page(self, 1) + 8, 99, 0));
	EXPECT_EQ(99, in_file(self->mem[0], pts_psz + 8));
}

TEST_F_TIMEOUT(secmmu, protect_part, TIMEOUT)
{
	int i;

	map_all(_metadata, self);
	ASSERT_EQ(0, pts_protect(self->ctl, self->odd + 9 * pts_psz,
				 11 * pts_psz, PROT_READ));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(i >= 9 && i < 20 ? -EFAULT : 0,
			  secmmu_write(self->dev, page(self, i) + 8, 5, 0));
}

TEST_F_TIMEOUT(secmmu, protect_none, TIMEOUT)
{
	map_all(_metadata, self);
	ASSERT_EQ(0, pts_protect(self->ctl, self->odd, self->len, PROT_NONE));
	all_gone(_metadata, self);
}

TEST_F_TIMEOUT(secmmu, unmap, TIMEOUT)
{
	map_all(_metadata, self);
	ASSERT_EQ(0, pts_unmap(self->ctl, self->odd, self->len));
	all_gone(_metadata, self);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem[0], PTS_RW, self->odd,
			     self->len, 0));
	map_all(_metadata, self);
}

TEST_F_TIMEOUT(secmmu, replace, TIMEOUT)
{
	__u64 val = 0;
	int i;

	map_all(_metadata, self);
	ASSERT_EQ(0, pts_replace(self->ctl, self->mem[1], PTS_RW, self->odd,
				 self->len, 0));
	EXPECT_EQ(0, count_mapped(self, false));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(0, secmmu_read(self->dev, page(self, i), &val, 0));
		EXPECT_EQ(pts_stamp(2, i * pts_psz), val);
	}
	EXPECT_EQ(0, secmmu_write(self->dev, page(self, 2) + 24, 3, 0));
	EXPECT_EQ(3, in_file(self->mem[1], 2 * pts_psz + 24));
	EXPECT_EQ(0, in_file(self->mem[0], 2 * pts_psz + 24));
}

TEST_F_TIMEOUT(secmmu, truncate, TIMEOUT)
{
	map_all(_metadata, self);
	ASSERT_EQ(0, ftruncate(self->mem[0], 0));
	all_gone(_metadata, self);
}

TEST_F_TIMEOUT(secmmu, punch, TIMEOUT)
{
	__u64 val = 1;
	int i;

	map_all(_metadata, self);
	ASSERT_EQ(0, fallocate(self->mem[0], FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 10 * pts_psz,
			       20 * pts_psz));
	for (i = 10; i < 30; i++) {
		EXPECT_FALSE(secmmu_maps(self->dev, page(self, i), false));
		EXPECT_EQ(0, secmmu_read(self->dev, page(self, i), &val, 0));
		EXPECT_EQ(0, val);
	}
}

/* What the device wrote comes back from swap. */
TEST_F_TIMEOUT(secmmu, reclaim, TIMEOUT)
{
	__u64 val;
	int i, tries;

	if (!self->cg.path[0] || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	map_all(_metadata, self);
	for (tries = 0; tries < 50 && count_mapped(self, false) > PAGES / 2;
	     tries++)
		cg_write_bytes(&self->cg, "memory.reclaim", self->len);
	EXPECT_LE(count_mapped(self, false), PAGES / 2);
	EXPECT_GT(cg_read(&self->cg, "memory.swap.current"), 0);
	for (i = 0; i < PAGES; i++) {
		val = 0;
		EXPECT_EQ(0, secmmu_read(self->dev, page(self, i) + 8, &val,
					 0));
		EXPECT_EQ(i, val);
	}
}

/* A page that moves is forgotten; soft offlining moves the page it is told. */
TEST_F_TIMEOUT(secmmu, migrate, TIMEOUT)
{
	char *plain;
	__u64 val = 0;
	int i;

	if (access("/proc/sys/vm/memory_failure_recovery", F_OK))
		SKIP(return, "no MEMORY_FAILURE");
	plain = mmap(NULL, self->len, PTS_RW, MAP_SHARED, self->mem[0], 0);
	ASSERT_NE(MAP_FAILED, (void *)plain);
	map_all(_metadata, self);
	for (i = 4; i < 8; i++) {
		ASSERT_EQ(0, madvise(plain + i * pts_psz, pts_psz,
				     MADV_SOFT_OFFLINE));
		EXPECT_FALSE(secmmu_maps(self->dev, page(self, i), false));
		EXPECT_EQ(0, secmmu_write(self->dev, page(self, i) + 8, i + 1,
					  0));
		EXPECT_TRUE(pts_reads(plain + i * pts_psz + 8, i + 1));
		EXPECT_EQ(0, secmmu_read(self->dev, page(self, i), &val, 0));
		EXPECT_EQ(pts_stamp(1, i * pts_psz), val);
	}
}

TEST_F_TIMEOUT(secmmu, munmap, TIMEOUT)
{
	map_all(_metadata, self);
	ASSERT_EQ(0, munmap(self->win - self->odd, total(self)));
	all_gone(_metadata, self);
}

/* A child has the window and no device; the parent's device is not disturbed. */
TEST_F_TIMEOUT(secmmu, fork, TIMEOUT)
{
	int status;
	pid_t pid;

	map_all(_metadata, self);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(!pts_writes(page(self, 1) + 8, 1234));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1234, in_file(self->mem[0], pts_psz + 8));
	ASSERT_EQ(0, pts_unmap(self->ctl, self->odd, self->len));
	all_gone(_metadata, self);
}

/* A hole of the container, and its end, are no memory for a device either. */
TEST_F_TIMEOUT(secmmu, holes, TIMEOUT)
{
	__u64 val;

	if (self->odd)
		EXPECT_EQ(-EFAULT, secmmu_read(self->dev, self->win - pts_psz,
					       &val, 0));
	EXPECT_EQ(-EFAULT, secmmu_read(self->dev, self->win + self->len, &val,
				       0));
}

static int open_hmm(void)
{
	char devices[8192], *line;
	unsigned int major;
	char name[64];
	int fd;

	if (pts_slurp("/proc/devices", devices, sizeof(devices)) < 0)
		return -1;
	line = strstr(devices, " HMM_DMIRROR");
	while (line && line > devices && line[-1] != '\n')
		line--;
	if (!line)
		return -1;
	major = atoi(line);
	snprintf(name, sizeof(name), "/tmp/ptshare-hmm-%d", getpid());
	if (mknod(name, S_IFCHR | 0600, makedev(major, 0)))
		return -1;
	fd = open(name, O_RDWR);
	unlink(name);
	return fd;
}

/* HMM may be refused; what it may not do is show something else. */
TEST_F_TIMEOUT(secmmu, hmm_is_refused_or_right, TIMEOUT)
{
	static __u64 buf[512];
	struct hmm_dmirror_cmd cmd = {
		.addr = (uintptr_t)page(self, 2), .ptr = (uintptr_t)buf,
		.npages = 1,
	};
	int fd = open_hmm();
	int ret;

	if (fd < 0)
		SKIP(return, "no TEST_HMM");
	ret = ioctl(fd, HMM_DMIRROR_READ, &cmd);
	EXPECT_TRUE(ret ? errno == EFAULT : buf[0] == pts_stamp(1, 2 * pts_psz));
	close(fd);
	/* And the window works as before. */
	EXPECT_TRUE(pts_reads(page(self, 2), pts_stamp(1, 2 * pts_psz)));
}

TEST_HARNESS_MAIN
