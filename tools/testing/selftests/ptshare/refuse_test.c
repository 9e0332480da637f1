// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on a window that are refused, or succeed without effect. After
 * each of them the window is the same: same line in /proc/self/maps, same data.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		16

#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		0x8000
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA	0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef __NR_mseal
#define __NR_mseal	462
#endif

FIXTURE(refuse)
{
	struct pts_rig rig;
	char *win;
	size_t len;		/* of the whole window */
	char line[512];
	struct pts_snap snap;
};

FIXTURE_VARIANT(refuse)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(refuse, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(refuse, attach) { PTS_VIA_ATTACH };

/* Even pages have been touched before the refused operation, odd ones not. */
FIXTURE_SETUP(refuse)
{
	int i;

	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	self->win = self->rig.win;
	self->len = 2 * self->rig.half;
	for (i = 0; i < PAGES; i += 2)
		ASSERT_TRUE(pts_writes(self->win + PG(i) + 8, i));
	ASSERT_EQ(0, pts_maps_line(self->win, self->line, sizeof(self->line)));
	ASSERT_EQ(0, pts_snap_take(self->rig.ctl, &self->snap));
}

static void expect_untouched(struct __test_metadata *_metadata,
			     struct _test_data_refuse *self)
{
	char line[512] = "";
	struct pts_snap now;
	__u64 val;
	int i;

	EXPECT_EQ(0, pts_maps_line(self->win, line, sizeof(line)));
	EXPECT_STREQ(self->line, line);
	for (i = 0; i < PAGES; i++) {
		EXPECT_TRUE(pts_reads(self->win + PG(i), pts_stamp(1, PG(i))));
		EXPECT_TRUE(pts_reads(self->win + PG(i) + 8, i & 1 ? 0 : i));
		EXPECT_TRUE(pts_writes(self->win + PG(i) + 16, i));
	}
	EXPECT_TRUE(pts_fault_is(pts_read8(self->win + PG(PAGES), &val), SIGBUS,
				 BUS_ADRERR, self->win + PG(PAGES)));
	EXPECT_EQ(0, pts_snap_take(self->rig.ctl, &now));
	EXPECT_TRUE(pts_snap_equal(&self->snap, &now));
}

/* Every test ends with the window untouched. */
FIXTURE_TEARDOWN(refuse)
{
	expect_untouched(_metadata, self);
}

#define EXPECT_ERR(err, call) do {					\
	errno = 0;							\
	EXPECT_EQ(-1, (long)(call));					\
	EXPECT_EQ(err, errno);						\
} while (0)

TEST_F(refuse, munmap_part)
{
	EXPECT_ERR(EINVAL, munmap(self->win, PG(1)));
	EXPECT_ERR(EINVAL, munmap(self->win + PG(3), PG(1)));
	EXPECT_ERR(EINVAL, munmap(self->win + self->len - PG(1), PG(1)));
	EXPECT_ERR(EINVAL, munmap(self->win, self->len - PG(1)));
	EXPECT_ERR(EINVAL, munmap(self->win + self->rig.half, self->rig.half));
}

TEST_F(refuse, map_fixed_over_part)
{
	int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	EXPECT_ERR(EINVAL, mmap(self->win, PG(1), PTS_RW, flags, -1, 0));
	EXPECT_ERR(EINVAL, mmap(self->win + PG(2), PG(2), PTS_RW, flags, -1,
				0));
	EXPECT_ERR(EINVAL, mmap(self->win + PG(2), self->len - PG(2), PTS_RW,
				flags, -1, 0));
	/* A window of the container itself is no exception. */
	EXPECT_ERR(EINVAL, mmap(self->win + PG(2), PG(2), PTS_RW,
				MAP_FIXED | MAP_SHARED, self->rig.fd, 0));
}

TEST_F(refuse, mremap_move)
{
	char *to = pts_reserve(self->len, 1 << 21);
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

	ASSERT_NE(MAP_FAILED, to);
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len, fixed, to));
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len,
				  MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	EXPECT_ERR(EINVAL, mremap(self->win, PG(2), PG(2), fixed, to));
	EXPECT_ERR(EINVAL, mremap(self->win + PG(2), PG(2), PG(2), fixed, to));
}

TEST_F(refuse, mremap_grow)
{
	char *to = pts_reserve(2 * self->len, 1 << 21);

	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len + PG(1), 0));
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len + PG(1),
				  MREMAP_MAYMOVE));
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len + PG(1),
				  MREMAP_MAYMOVE | MREMAP_FIXED, to));
	/* Old length 0 asks for a second mapping of the same pages. */
	EXPECT_ERR(EINVAL, mremap(self->win, 0, self->len, MREMAP_MAYMOVE));
	EXPECT_ERR(EINVAL, mremap(self->win, 0, PG(1),
				  MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

TEST_F(refuse, mremap_shrink)
{
	char *to = pts_reserve(self->len, 1 << 21);

	EXPECT_ERR(EINVAL, mremap(self->win, self->len, PG(1), 0));
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len - PG(1),
				  MREMAP_MAYMOVE));
	EXPECT_ERR(EINVAL, mremap(self->win, self->len, self->len - PG(1),
				  MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

TEST_F(refuse, mremap_nothing_is_fine)
{
	EXPECT_EQ(self->win, mremap(self->win, self->len, self->len, 0));
	EXPECT_EQ(self->win, mremap(self->win, self->len, self->len,
				    MREMAP_MAYMOVE));
}

TEST_F(refuse, mprotect)
{
	int prots[] = {
		PROT_NONE, PTS_RO, PROT_WRITE, PTS_RW | PROT_EXEC,
		PROT_EXEC, PTS_RO | PROT_EXEC,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		EXPECT_ERR(EACCES, mprotect(self->win, self->len, prots[i]));
		EXPECT_ERR(EACCES, mprotect(self->win, PG(1), prots[i]));
		EXPECT_ERR(EACCES, mprotect(self->win + PG(3), PG(2),
					    prots[i]));
	}
}

TEST_F(refuse, mprotect_to_same_is_fine)
{
	EXPECT_EQ(0, mprotect(self->win, self->len, PTS_RW));
	EXPECT_EQ(0, mprotect(self->win + PG(3), PG(2), PTS_RW));
}

TEST_F(refuse, pkey_mprotect)
{
	int key = syscall(__NR_pkey_alloc, 0, 0);

	EXPECT_ERR(EACCES, syscall(__NR_pkey_mprotect, self->win, self->len,
				   PTS_RO, -1));
	if (key < 0)
		SKIP(return, "no protection keys here: %m");
	EXPECT_ERR(EACCES, syscall(__NR_pkey_mprotect, self->win, self->len,
				   PTS_RW, key));
	EXPECT_ERR(EACCES, syscall(__NR_pkey_mprotect, self->win + PG(2),
				   PG(2), PTS_RW, key));
}

TEST_F(refuse, userfaultfd)
{
	__u64 modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	/* Asynchronous write protection is taken for most mappings. */
	__u64 features[] = {
		0, UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
		UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC,
	};
	size_t i, j;

	for (j = 0; j < ARRAY_SIZE(features); j++) {
		struct uffdio_api api = {
			.api = UFFD_API, .features = features[j],
		};
		int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

		if (uffd < 0)
			SKIP(return, "no userfaultfd: %m");
		if (ioctl(uffd, UFFDIO_API, &api))
			continue;
		for (i = 0; i < ARRAY_SIZE(modes); i++) {
			struct uffdio_register r = {
				.range = { (uintptr_t)self->win, self->len },
				.mode = modes[i],
			};

			EXPECT_ERR(EINVAL, ioctl(uffd, UFFDIO_REGISTER, &r));
			r.range.start += PG(2);
			r.range.len = PG(2);
			EXPECT_ERR(EINVAL, ioctl(uffd, UFFDIO_REGISTER, &r));
		}
		close(uffd);
	}
}

static long set_policy(void *addr, size_t len, int mode, unsigned int flags)
{
	unsigned long node0 = 1;
	/* MPOL_PREFERRED, MPOL_BIND and MPOL_INTERLEAVE want a node. */
	bool nodes = mode >= 1 && mode <= 3;

	return syscall(__NR_mbind, addr, len, mode, nodes ? &node0 : NULL,
		       nodes ? 64 : 0, flags);
}

static bool have_numa(void)
{
	return !syscall(__NR_get_mempolicy, NULL, NULL, 0, NULL, 0) ||
	       errno != pts_no_syscall();
}

TEST_F(refuse, mbind)
{
	int mode;

	if (!have_numa())
		SKIP(return, "no NUMA in this kernel");
	for (mode = 1; mode <= 4; mode++) {
		EXPECT_ERR(EINVAL, set_policy(self->win, self->len, mode, 0));
		EXPECT_ERR(EINVAL, set_policy(self->win + PG(2), PG(2), mode,
					      0));
	}
}

/* The default is what there is already, but a window has no policy to set. */
TEST_F(refuse, mbind_to_default)
{
	if (!have_numa())
		SKIP(return, "no NUMA in this kernel");
	EXPECT_ERR(EINVAL, set_policy(self->win, self->len, 0, 0));
	EXPECT_ERR(EINVAL, set_policy(self->win + PG(2), PG(2), 0, 0));
}

TEST_F(refuse, remap_file_pages_part)
{
	EXPECT_ERR(EINVAL, syscall(__NR_remap_file_pages, self->win + PG(2),
				   PG(2), 0, 8, 0));
	EXPECT_ERR(EINVAL, syscall(__NR_remap_file_pages, self->win, PG(1), 0,
				   4, 0));
}

TEST_F(refuse, anon_name)
{
	EXPECT_ERR(EBADF, prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, self->win,
				self->len, "name"));
}

/* Nothing is locked, nobody is told: mlockall() has to work. */
TEST_F(refuse, mlock_locks_nothing)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	long long before;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &unlimited));
	before = pts_status(getpid(), "VmLck");
	EXPECT_EQ(0, mlock(self->win, self->len));
	EXPECT_EQ(0, mlock(self->win + PG(2), PG(2)));
	EXPECT_EQ(0, mlock2(self->win, self->len, MLOCK_ONFAULT));
	EXPECT_EQ(before, pts_status(getpid(), "VmLck"));
	EXPECT_EQ(0, munlock(self->win + PG(2), PG(2)));
	EXPECT_EQ(0, munlock(self->win, self->len));
}

TEST_F(refuse, mlockall_and_map_locked)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char *win;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &unlimited));
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_EQ(0, pts_smaps(self->win, "Locked"));
	/* MCL_FUTURE and MAP_LOCKED: the mapping succeeds all the same. */
	win = mmap(NULL, PG(4), PTS_RW, MAP_SHARED | MAP_LOCKED, self->rig.fd,
		   0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(1), pts_stamp(1, PG(1))));
	EXPECT_EQ(0, pts_smaps(win, "Locked"));
	ASSERT_EQ(0, munmap(win, PG(4)));
	EXPECT_EQ(0, munlockall());
}

/*
 * Locking nothing means reading nothing in, too: a container may be as large as
 * the machine.
 */
TEST_F(refuse, mlockall_populates_nothing)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct ptshare_info before, after;
	int mem = pts_memfd_stamped(PG(512), 2);
	int ctl = pts_create(PG(512), PTS_RW);
	char *win;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &unlimited));
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, PG(512), 0));
	win = pts_window(ctl, PG(512), 0);
	ASSERT_NE(MAP_FAILED, win);
	ASSERT_EQ(0, pts_info(ctl, &before));
	EXPECT_EQ(0, before.rss_bytes);
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	ASSERT_EQ(0, pts_info(ctl, &after));
	EXPECT_EQ(0, after.rss_bytes);
	/* MCL_FUTURE and MAP_LOCKED are no MAP_POPULATE either. */
	EXPECT_NE(MAP_FAILED, pts_window(ctl, PG(512), 0));
	EXPECT_EQ(0, munlockall());
	EXPECT_NE(MAP_FAILED, mmap(NULL, PG(512), PTS_RW, MAP_SHARED |
				   MAP_LOCKED, ctl, 0));
	ASSERT_EQ(0, pts_info(ctl, &after));
	EXPECT_EQ(0, after.rss_bytes);
}

static int seal_mapping(int sock, void *arg)
{
	struct _test_data_refuse *self = arg;

	if (syscall(__NR_mseal, self->win, self->len, 0))
		return errno == pts_no_syscall() ? 100 : 1;
	if (!munmap(self->win, self->len) || errno != EPERM)
		return 2;
	return pts_writes(self->win, pts_stamp(1, 0)) ? 0 : 3;
}

/* In a child: a sealed mapping stays until its process ends. */
TEST_F(refuse, mseal_is_allowed)
{
	struct pts_child c;
	int ret;

	ASSERT_EQ(0, pts_fork(&c, seal_mapping, self));
	ret = pts_join(&c);
	if (ret == 100)
		SKIP(return, "no mseal in this kernel");
	EXPECT_EQ(0, ret);
}

TEST_F(refuse, msync_is_allowed)
{
	EXPECT_EQ(0, msync(self->win, self->len, MS_SYNC));
	EXPECT_EQ(0, msync(self->win, self->len, MS_ASYNC));
	EXPECT_EQ(0, msync(self->win + PG(1), PG(1), MS_SYNC | MS_INVALIDATE));
}

TEST_F(refuse, mincore_tells_nothing)
{
	unsigned char vec[2 * PAGES];
	int i;

	memset(vec, 0xff, sizeof(vec));
	ASSERT_EQ(0, mincore(self->win, self->len, vec));
	for (i = 0; i < 2 * PAGES; i++)
		EXPECT_EQ(0, vec[i] & 1);
}

TEST_F(refuse, move_pages)
{
	void *pages[] = { self->win, self->win + PG(1), self->win + PG(PAGES) };
	int nodes[] = { 0, 0, 0 }, status[] = { 99, 99, 99 };
	size_t i;

	if (syscall(__NR_move_pages, 0, 3, pages, nodes, status, 2)) {
		ASSERT_EQ(pts_no_syscall(), errno);
		SKIP(return, "no move_pages in this kernel");
	}
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(status[i] == -EFAULT || status[i] == -ENOENT) {
			TH_LOG("page %zu: %d", i, status[i]);
		}
	}
}

/* The fd is for mmap and ioctl; the container's memory is not behind it. */
TEST_F(refuse, fd_operations)
{
	char buf[8] = "";
	int fd = self->rig.fd;

	EXPECT_ERR(EINVAL, read(fd, buf, sizeof(buf)));
	EXPECT_ERR(EINVAL, write(fd, buf, sizeof(buf)));
	EXPECT_ERR(EINVAL, ftruncate(fd, 0));
	EXPECT_ERR(EINVAL, ftruncate(fd, self->len * 2));
	EXPECT_ERR(ENODEV, fallocate(fd, 0, 0, PG(1)));
	EXPECT_ERR(ENODEV, fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				     FALLOC_FL_KEEP_SIZE, 0, PG(1)));
	EXPECT_EQ(-ENXIO, pts_reopen(fd, O_RDWR));
	EXPECT_EQ(-ENXIO, pts_reopen(fd, O_RDONLY));
}

TEST_HARNESS_MAIN
