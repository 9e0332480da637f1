// SPDX-License-Identifier: GPL-2.0
/* The device and the fds: names, modes, lifetime, fdinfo, poll. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)

TEST(device_mode)
{
	struct stat st;

	ASSERT_EQ(0, stat(PTS_DEV, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(10, major(st.st_rdev));	/* misc */
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

static int as_nobody(int sock, void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	return pts_open_dev() == -EACCES ? 0 : 2;
}

/* Access to the device is the right to create: others have none. */
TEST(device_needs_access)
{
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, as_nobody, NULL));
	EXPECT_EQ(0, pts_join(&c));
}

/* An fd opened by root may be used by anybody who is given it. */
static int nobody_creates(int sock, void *arg)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = PG(1), .max_prot = PTS_RW,
	};

	if (setgid(65534) || setuid(65534))
		return 1;
	return pts_ioctl(*(int *)arg, PTSHARE_IOC_CREATE, &c) >= 0 ? 0 : 2;
}

TEST(device_fd_can_be_handed_on)
{
	int dev = pts_open_dev();
	struct pts_child c;

	ASSERT_GE(dev, 0);
	ASSERT_EQ(0, pts_fork(&c, nobody_creates, &dev));
	EXPECT_EQ(0, pts_join(&c));
}

/* In a child, because the limit would outlast the test. */
static int without_fds(int sock, void *arg)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = PG(1), .max_prot = PTS_RW,
	};
	struct ptshare_notify n = { .size = sizeof(n) };
	int dev = pts_open_dev(), ctl = *(int *)arg, fd = dup(dev);
	struct rlimit none = { fd, fd };
	struct pts_snap before, after;

	close(fd);
	if (pts_snap_take(ctl, &before) || setrlimit(RLIMIT_NOFILE, &none))
		return 1;
	if (pts_ioctl(dev, PTSHARE_IOC_CREATE, &c) != -EMFILE ||
	    pts_attach(ctl) != -EMFILE ||
	    pts_ioctl(ctl, PTSHARE_IOC_NOTIFY, &n) != -EMFILE)
		return 2;
	if (pts_snap_take(ctl, &after) || !pts_snap_equal(&before, &after))
		return 3;
	/* What needs no fd goes on. */
	return pts_unmap(ctl, 0, PG(1)) ? 4 : 0;
}

TEST(no_fd_left)
{
	struct pts_child c;
	struct pts_rig rig;

	ASSERT_EQ(0, pts_rig_make(&rig, PTS_VIA_CONTROL, 2));
	ASSERT_EQ(0, pts_fork(&c, without_fds, &rig.ctl));
	EXPECT_EQ(0, pts_join(&c));
	pts_rig_free(&rig);
}

/* Even through a device fd without O_CLOEXEC. */
TEST(fds_close_on_exec)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = PG(1), .max_prot = PTS_RW,
	};
	int dev = open(PTS_DEV, O_RDWR);
	int ctl, att;

	ASSERT_GE(dev, 0);
	ctl = pts_ioctl(dev, PTSHARE_IOC_CREATE, &c);
	ASSERT_GE(ctl, 0);
	att = pts_attach(ctl);
	ASSERT_GE(att, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ctl, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(att, F_GETFD));
}

FIXTURE(fd)
{
	struct pts_rig rig;
};

FIXTURE_VARIANT(fd)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(fd, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(fd, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(fd)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, 8));
}

FIXTURE_TEARDOWN(fd)
{
	pts_rig_free(&self->rig);
}

TEST_F(fd, name)
{
	char path[64], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->rig.fd);
	ASSERT_LT(0, readlink(path, name, sizeof(name) - 1));
	EXPECT_STREQ("anon_inode:[ptshare]", name);
}

/* The window names its container by inode number, with all fds closed. */
TEST_F(fd, maps_line)
{
	struct ptshare_info info;
	char line[512], perms[8], path[128];
	unsigned long off, ino;
	struct stat st;
	int n;

	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	ASSERT_EQ(0, fstat(self->rig.fd, &st));
	EXPECT_EQ(info.id, st.st_ino);
	close(self->rig.ctl);
	close(self->rig.fd);
	self->rig.ctl = -1;
	self->rig.fd = -1;
	ASSERT_EQ(0, pts_maps_line(self->rig.win, line, sizeof(line)));
	n = sscanf(line, "%*x-%*x %7s %lx %*s %lu %127s", perms, &off, &ino,
		   path);
	ASSERT_EQ(4, n);
	EXPECT_STREQ("rw-s", perms);
	EXPECT_EQ(0, off);
	EXPECT_EQ(info.id, ino);
	EXPECT_STREQ("anon_inode:[ptshare]", path);
}

TEST_F(fd, own_inode)
{
	int other = pts_create(PG(1), PTS_RW);
	struct ptshare_info a, b;

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, pts_info(self->rig.fd, &a));
	ASSERT_EQ(0, pts_info(other, &b));
	EXPECT_NE(0, a.id);
	EXPECT_NE(a.id, b.id);
	close(other);
}

TEST_F(fd, fdinfo_keys)
{
	static const char * const keys[] = {
		"ptshare-id", "ptshare-length", "ptshare-max-prot",
		"ptshare-regions", "ptshare-windows", "ptshare-rss-kB",
		"ptshare-pgtables-kB", "ptshare-saved-kB", "ptshare-links",
		"ptshare-mirrors",
	};
	struct ptshare_info info;
	char path[64], text[4096], want[64];
	size_t i;

	ASSERT_TRUE(pts_writes(self->rig.win, 1));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->rig.fd);
	ASSERT_LT(0, pts_slurp(path, text, sizeof(text)));
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(want, sizeof(want), "\n%s:\t", keys[i]);
		EXPECT_NE(NULL, strstr(text, want)) {
			TH_LOG("no key %s", keys[i]);
		}
	}
	EXPECT_EQ(info.id, pts_fdinfo(self->rig.fd, "ptshare-id"));
	EXPECT_EQ(info.length, pts_fdinfo(self->rig.fd, "ptshare-length"));
	EXPECT_EQ(1, pts_fdinfo(self->rig.fd, "ptshare-regions"));
	EXPECT_EQ(1, pts_fdinfo(self->rig.fd, "ptshare-windows"));
	EXPECT_EQ(info.rss_bytes / 1024,
		  pts_fdinfo(self->rig.fd, "ptshare-rss-kB"));
	EXPECT_LT(0, pts_fdinfo(self->rig.fd, "ptshare-rss-kB"));
	EXPECT_LT(0, pts_fdinfo(self->rig.fd, "ptshare-pgtables-kB"));
}

TEST_F(fd, info_values)
{
	struct ptshare_info info;

	ASSERT_TRUE(pts_writes(self->rig.win, 1));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(2 * self->rig.half, info.length);
	EXPECT_EQ(PTS_RW, info.max_prot);
	EXPECT_EQ(0, info.seals);
	EXPECT_EQ(1, info.nr_regions);
	EXPECT_EQ(1, info.nr_windows);
	EXPECT_LE(pts_psz, info.rss_bytes);
	EXPECT_GE(self->rig.half, info.rss_bytes);
	EXPECT_LE(pts_psz, info.pgtable_bytes);
	/* A window that shows a page shows it in one of the two ways. */
	EXPECT_LT(0, info.nr_links + info.nr_mirrors);
	EXPECT_EQ(PTSHARE_FEATURE_SHMEM, info.features & PTSHARE_FEATURE_SHMEM);
	EXPECT_LT(0, info.max_regions);
	EXPECT_EQ(65536, info.max_ranges);
	EXPECT_LE(pts_psz, info.granule);
	EXPECT_EQ(0, info.granule & (info.granule - 1));
}

/* Results are results, whatever the caller left in their place. */
TEST_F(fd, info_overwrites_results)
{
	struct ptshare_info clean, dirty;

	ASSERT_EQ(0, pts_info(self->rig.fd, &clean));
	memset(&dirty, 0xff, sizeof(dirty));
	dirty.size = sizeof(dirty);
	dirty.flags = 0;
	ASSERT_EQ(0, pts_ioctl(self->rig.fd, PTSHARE_IOC_INFO, &dirty));
	EXPECT_EQ(clean.saved_bytes, dirty.saved_bytes);
	EXPECT_EQ(clean.nr_links, dirty.nr_links);
	EXPECT_EQ(clean.nr_mirrors, dirty.nr_mirrors);
	EXPECT_EQ(0, memcmp(&clean, &dirty, sizeof(clean)));
}

/* On the device: what this kernel can do, and nothing of any container. */
TEST(info_of_device)
{
	struct ptshare_info dev_info, info;
	int dev = pts_open_dev();
	int ctl = pts_create(PG(4), PTS_RW);

	ASSERT_GE(dev, 0);
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_info(dev, &dev_info));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(info.features, dev_info.features);
	EXPECT_EQ(info.granule, dev_info.granule);
	EXPECT_EQ(info.max_regions, dev_info.max_regions);
	EXPECT_EQ(info.max_ranges, dev_info.max_ranges);
	EXPECT_EQ(0, dev_info.id);
	EXPECT_EQ(0, dev_info.length);
	EXPECT_EQ(0, dev_info.max_prot);
	EXPECT_EQ(0, dev_info.seals);
	EXPECT_EQ(0, dev_info.nr_regions);
	EXPECT_EQ(0, dev_info.nr_windows);
	EXPECT_EQ(0, dev_info.rss_bytes);
	EXPECT_EQ(0, dev_info.pgtable_bytes);
}

/* An fd store drops fds with POLLERR or POLLHUP: there must be none. */
TEST_F(fd, poll_is_quiet)
{
	struct pollfd p = { .fd = self->rig.fd, .events = POLLIN | POLLOUT };
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int i;

	for (i = 0; i < 2; i++) {
		p.revents = 0;
		EXPECT_LE(0, poll(&p, 1, 0));
		EXPECT_EQ(0, p.revents & (POLLERR | POLLHUP | POLLNVAL));
		/* The other fds of the container being gone is no hang-up. */
		close(self->rig.ctl);
		self->rig.ctl = -1;
	}
	/* A file without poll can't be added to an epoll set at all. */
	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->rig.fd, &ev) &&
		  errno != EPERM);
	if (epoll_wait(ep, &got, 1, 0) > 0)
		EXPECT_EQ(0, got.events & (EPOLLERR | EPOLLHUP));
}

/* Makes a container with data, hands its fd over, and dies. */
static int short_lived_creator(int sock, void *arg)
{
	enum pts_via via = *(enum pts_via *)arg;
	int mem = pts_memfd_stamped(PG(4), 5);
	int ctl = pts_create(PG(4), PTS_RW);

	if (pts_map(ctl, mem, PTS_RW, 0, PG(4), 0))
		return 1;
	return pts_send_fd(sock, pts_client_fd(ctl, via)) ? 2 : 0;
}

TEST(outlives_creator)
{
	enum pts_via via;

	for (via = PTS_VIA_CONTROL; via <= PTS_VIA_ATTACH; via++) {
		struct pts_child c;
		char *win;
		int fd;

		ASSERT_EQ(0, pts_fork(&c, short_lived_creator, &via));
		fd = pts_recv_fd(c.sock);
		EXPECT_EQ(0, pts_join(&c));
		ASSERT_GE(fd, 0);
		/* Neither creator, memfd nor another fd is left. */
		win = pts_window(fd, PG(4), 0);
		ASSERT_NE(MAP_FAILED, win);
		EXPECT_TRUE(pts_reads(win + PG(3), pts_stamp(5, PG(3))));
		EXPECT_TRUE(pts_writes(win + PG(2), 99));
		close(fd);
		EXPECT_TRUE(pts_reads(win + PG(1), pts_stamp(5, PG(1))));
		EXPECT_TRUE(pts_reads(win + PG(2), 99));
		munmap(win, PG(4));
	}
}

/* The right to assemble outlives the creator as well. */
TEST(control_works_after_creator)
{
	enum pts_via via = PTS_VIA_CONTROL;
	struct pts_child c;
	int mem = pts_memfd_stamped(PG(4), 6);
	char *win;
	int fd;

	ASSERT_EQ(0, pts_fork(&c, short_lived_creator, &via));
	fd = pts_recv_fd(c.sock);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, pts_unmap(fd, PG(2), PG(2)));
	EXPECT_EQ(0, pts_map(fd, mem, PTS_RW, PG(2), PG(2), 0));
	EXPECT_EQ(0, pts_protect(fd, 0, PG(1), PTS_RO));
	win = pts_window(fd, PG(4), 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(2), pts_stamp(6, 0)));
	EXPECT_TRUE(pts_fault_is(pts_write8(win, 1), SIGSEGV, SEGV_ACCERR,
				 win));
}

/* The window alone keeps the container: data reachable, fd reached no more. */
TEST_F(fd, window_keeps_container)
{
	close(self->rig.ctl);
	close(self->rig.fd);
	close(self->rig.mem);
	self->rig.ctl = -1;
	self->rig.fd = -1;
	self->rig.mem = -1;
	EXPECT_TRUE(pts_reads(self->rig.win + PG(7), pts_stamp(1, PG(7))));
	EXPECT_TRUE(pts_writes(self->rig.win + PG(6), 6));
}

TEST(length_is_cheap)
{
	__u64 length = 1ULL << 40;
	struct ptshare_info info;
	int mem = pts_memfd_stamped(PG(1), 1);
	int ctl = pts_create(length, PTS_RW);
	char *win;

	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(length, info.length);
	EXPECT_GE(64 * 1024, info.pgtable_bytes);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, length - PG(1), PG(1), 0));
	win = pts_window(ctl, length, 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + length - PG(1), pts_stamp(1, 0)));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_GE(64 * 1024, info.pgtable_bytes);
}

TEST(length_is_fixed)
{
	int ctl = pts_create(PG(4), PTS_RW);
	struct ptshare_info info;

	ASSERT_GE(ctl, 0);
	EXPECT_EQ(-1, ftruncate(ctl, PG(8)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(PG(4), info.length);
}

TEST_HARNESS_MAIN
