// SPDX-License-Identifier: GPL-2.0
/* Which fds MAP takes, and what it honours of their modes, flags and seals. */
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <linux/fuse.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#ifndef __NR_memfd_secret
#define __NR_memfd_secret 447
#endif

#define PG(n)		((n) * (__u64)pts_psz)

FIXTURE(backing)
{
	int ctl;
	char dir[32];		/* a place of our own for mounts */
};

FIXTURE_SETUP(backing)
{
	self->ctl = pts_create(PG(1024), PTS_RW);
	ASSERT_GE(self->ctl, 0);
	/* Mounts vanish with the test. */
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(self->dir, sizeof(self->dir), "/tmp/ptshare-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
}

FIXTURE_TEARDOWN(backing)
{
	umount2(self->dir, MNT_DETACH);
	rmdir(self->dir);
}

/* A file of 16 pages on a fresh tmpfs at self->dir. */
static int tmpfs_file(struct _test_data_backing *self, unsigned long flags,
		      const char *opts)
{
	char path[128];
	int fd;

	if (mount("tmpfs", self->dir, "tmpfs", flags, opts))
		return -errno;
	snprintf(path, sizeof(path), "%s/file", self->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, PG(16)))
		return -errno;
	return fd < 0 ? -errno : fd;
}

/* Neither permission gets it in, and nothing stays behind. */
static void expect_no_backing(struct __test_metadata *_metadata, int ctl,
			      int fd, const char *what)
{
	ASSERT_GE(fd, 0) {
		TH_LOG("can't open %s", what);
	}
	EXPECT_EQ(-EOPNOTSUPP, pts_map(ctl, fd, PTS_RO, 0, PG(1), 0)) {
		TH_LOG("%s, read-only", what);
	}
	EXPECT_EQ(-EOPNOTSUPP, pts_replace(ctl, fd, PTS_RO, 0, PG(1), 0)) {
		TH_LOG("%s, replace", what);
	}
	EXPECT_EQ(0, pts_nr_regions(ctl));
}

static void expect_no_file(struct __test_metadata *_metadata, int ctl,
			   const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	expect_no_backing(_metadata, ctl, fd, path);
	close(fd);
}

TEST_F(backing, memfd)
{
	int fd = pts_memfd_stamped(PG(4), 1);
	char *win = pts_window(self->ctl, PG(4), 0);

	EXPECT_EQ(0, pts_map(self->ctl, fd, PTS_RW, 0, PG(4), 0));
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, 0)));
}

TEST_F(backing, tmpfs)
{
	int fd = tmpfs_file(self, 0, NULL);
	char *win = pts_window(self->ctl, PG(4), 0);
	__u64 val = 55;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(8, pwrite(fd, &val, 8, PG(1)));
	EXPECT_EQ(0, pts_map(self->ctl, fd, PTS_RW, 0, PG(4), 0));
	EXPECT_TRUE(pts_reads(win + PG(1), 55));
	EXPECT_TRUE(pts_writes(win + PG(2), 56));
	ASSERT_EQ(8, pread(fd, &val, 8, PG(2)));
	EXPECT_EQ(56, val);
}

/* Huge pages below, 4 KiB steps above: same bytes whatever the cut. */
TEST_F(backing, tmpfs_thp)
{
	size_t huge = 2 << 20;
	__u64 val = 77;
	char *win;
	int fd;

	fd = tmpfs_file(self, 0, "huge=always");
	if (fd == -EINVAL)
		SKIP(return, "no huge pages on tmpfs in this kernel");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, 2 * huge));
	ASSERT_EQ(0, pts_map(self->ctl, fd, PTS_RW, PG(1), huge, PG(0)));
	win = pts_window(self->ctl, PG(1024), 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_writes(win + PG(1), 1));
	EXPECT_TRUE(pts_writes(win + huge, 2));
	ASSERT_EQ(8, pwrite(fd, &val, 8, PG(100)));
	EXPECT_TRUE(pts_reads(win + PG(101), 77));
	/* A cut through the huge page. */
	EXPECT_EQ(0, pts_protect(self->ctl, PG(101), PG(1), PTS_RO));
	EXPECT_TRUE(pts_reads(win + PG(101), 77));
	EXPECT_TRUE(pts_fault_is(pts_write8(win + PG(101), 1), SIGSEGV,
				 SEGV_ACCERR, win + PG(101)));
	EXPECT_TRUE(pts_writes(win + PG(102), 3));
	EXPECT_EQ(0, pts_unmap(self->ctl, PG(200), PG(1)));
	EXPECT_TRUE(pts_fault_is(pts_read8(win + PG(200), &val), SIGBUS,
				 BUS_ADRERR, win + PG(200)));
	EXPECT_TRUE(pts_reads(win + huge, 2));
}

TEST_F(backing, refuses_pipe)
{
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	expect_no_backing(_metadata, self->ctl, p[0], "pipe");
}

TEST_F(backing, refuses_directory)
{
	expect_no_file(_metadata, self->ctl, "/", O_RDONLY);
	expect_no_file(_metadata, self->ctl, "/dev/shm", O_RDONLY);
}

TEST_F(backing, refuses_socket_and_anon_inodes)
{
	expect_no_backing(_metadata, self->ctl,
			  socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	expect_no_backing(_metadata, self->ctl, eventfd(0, 0), "eventfd");
	expect_no_backing(_metadata, self->ctl, epoll_create1(0), "epoll");
}

/* Shared mappings of /dev/zero are shmem inside, but a device outside. */
TEST_F(backing, refuses_devices)
{
	int fd = open("/dev/mem", O_RDWR);

	expect_no_file(_metadata, self->ctl, "/dev/zero", O_RDWR);
	expect_no_file(_metadata, self->ctl, "/dev/null", O_RDWR);
	expect_no_file(_metadata, self->ctl, PTS_DEV, O_RDWR);
	if (fd >= 0)
		expect_no_backing(_metadata, self->ctl, fd, "/dev/mem");
}

TEST_F(backing, refuses_block_device)
{
	int fd = pts_loop_direct(pts_memfd(1 << 20, 0));

	if (fd < 0)
		SKIP(return, "no loop device: %s", strerror(-fd));
	expect_no_backing(_metadata, self->ctl, fd, "block device");
}

TEST_F(backing, refuses_containers)
{
	int other = pts_create(PG(4), PTS_RW);

	expect_no_backing(_metadata, self->ctl, other, "another container");
	expect_no_backing(_metadata, self->ctl, pts_attach(other),
			  "another attach fd");
	expect_no_backing(_metadata, self->ctl, self->ctl, "itself");
	expect_no_backing(_metadata, self->ctl, pts_attach(self->ctl),
			  "an attach fd of itself");
}

TEST_F(backing, refuses_hugetlb)
{
	int fd = memfd_create("huge", MFD_HUGETLB | MFD_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no hugetlbfs: %m");
	ASSERT_EQ(0, ftruncate(fd, 4 << 20));
	expect_no_backing(_metadata, self->ctl, fd, "hugetlb memfd");
}

TEST_F(backing, refuses_secretmem)
{
	int fd = syscall(__NR_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no secretmem: %m");
	ASSERT_EQ(0, ftruncate(fd, PG(1)));
	expect_no_backing(_metadata, self->ctl, fd, "secretmem");
}

TEST_F(backing, refuses_proc_and_sysfs)
{
	expect_no_file(_metadata, self->ctl, "/proc/self/status", O_RDONLY);
	expect_no_file(_metadata, self->ctl, "/proc/self/maps", O_RDONLY);
	expect_no_file(_metadata, self->ctl, "/sys/kernel/mm/transparent_hugepage/enabled",
		       O_RDWR);
}

/* The program itself: from whatever file system the machine runs on. */
TEST_F(backing, refuses_other_file_systems)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	if (info.features & ~PTSHARE_FEATURE_SHMEM)
		SKIP(return, "this kernel serves more than shmem");
	expect_no_file(_metadata, self->ctl, "/proc/self/exe", O_RDONLY);
}

/* Makes an ext4 file system on a loop device and opens a file on it. */
static int ext4_file(struct _test_data_backing *self)
{
	int mem = pts_memfd(16 << 20, 0);
	int loop = pts_loop_direct(mem);
	char dev[64] = "", path[128], cmd[256];
	int fd, ro;

	if (loop < 0)
		return loop;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", loop);
	if (readlink(path, dev, sizeof(dev) - 1) < 0)
		return -errno;
	snprintf(cmd, sizeof(cmd), "PATH=$PATH:/sbin mkfs.ext4 -q %s", dev);
	if (system(cmd))
		return -ENOPKG;
	/* The device must stay bound, and nobody may have it open to write. */
	ro = pts_reopen(loop, O_RDONLY);
	close(loop);
	if (mount(dev, self->dir, "ext4", 0, NULL))
		return -errno;
	close(ro);
	snprintf(path, sizeof(path), "%s/file", self->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

TEST_F(backing, refuses_ext4)
{
	struct ptshare_info info;
	int fd = ext4_file(self);

	if (fd < 0)
		SKIP(return, "can't make an ext4 file: %s", strerror(-fd));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	if (info.features & ~PTSHARE_FEATURE_SHMEM)
		SKIP(return, "this kernel serves more than shmem");
	ASSERT_EQ(0, ftruncate(fd, PG(4)));
	expect_no_backing(_metadata, self->ctl, fd, "ext4 file");
}

/* In use for swapping: ETXTBSY, or the file system is refused before that. */
TEST_F(backing, refuses_swap_file)
{
	int fd = ext4_file(self);
	char cmd[256];
	int ret;

	if (fd < 0)
		SKIP(return, "can't make an ext4 file: %s", strerror(-fd));
	ASSERT_EQ(0, posix_fallocate(fd, 0, 1 << 20));
	fsync(fd);
	snprintf(cmd, sizeof(cmd),
		 "f=%s/file; PATH=$PATH:/sbin; chmod 600 $f; mkswap -q $f && swapon $f",
		 self->dir);
	if (system(cmd))
		SKIP(return, "can't swap on an ext4 file");
	ret = pts_map(self->ctl, fd, PTS_RW, 0, PG(1), 0);
	EXPECT_TRUE(ret == -ETXTBSY || ret == -EOPNOTSUPP) {
		TH_LOG("swap file: %d", ret);
	}
	EXPECT_EQ(0, pts_nr_regions(self->ctl));
	snprintf(cmd, sizeof(cmd), "%s/file", self->dir);
	EXPECT_EQ(0, swapoff(cmd));
}

/* Answers what mount and open(2) of a file system that is one file ask. */
static int fuse_daemon(int sock, void *arg)
{
	static __u64 buf[(1 << 17) / sizeof(__u64)];
	struct fuse_in_header *in = (void *)buf;
	int dev = *(int *)arg;

	while (read(dev, buf, sizeof(buf)) > 0) {
		struct {
			struct fuse_out_header h;
			union {
				struct fuse_init_out init;
				struct fuse_attr_out attr;
				struct fuse_open_out open;
			};
		} out = { .h.unique = in->unique };
		size_t size = 0;

		switch (in->opcode) {
		case FUSE_INIT:
			out.init.major = FUSE_KERNEL_VERSION;
			out.init.minor = 31;
			out.init.max_write = 4096;
			size = sizeof(out.init);
			break;
		case FUSE_GETATTR:
			out.attr.attr.ino = 1;
			out.attr.attr.size = PG(4);
			out.attr.attr.mode = S_IFREG | 0600;
			out.attr.attr.nlink = 1;
			size = sizeof(out.attr);
			break;
		case FUSE_OPEN:
			size = sizeof(out.open);
			break;
		default:
			out.h.error = -EOPNOTSUPP;
		}
		out.h.len = sizeof(out.h) + size;
		if (write(dev, &out, out.h.len) < 0)
			return 1;
	}
	return 0;
}

/* Whoever serves the file could stall every user of the container. */
TEST_F(backing, refuses_fuse)
{
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char opts[128], path[80];
	struct pts_child c;
	int fd;

	if (dev < 0)
		SKIP(return, "no /dev/fuse: %m");
	snprintf(path, sizeof(path), "%s.fuse", self->dir);
	snprintf(opts, sizeof(opts),
		 "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0);
	close(fd);
	/* rootmode: the root of this file system is a regular file. */
	if (mount("ptshare", path, "fuse.ptshare", 0, opts))
		SKIP(return, "can't mount fuse: %m");
	ASSERT_EQ(0, pts_fork(&c, fuse_daemon, &dev));
	fd = open(path, O_RDWR | O_CLOEXEC);
	expect_no_backing(_metadata, self->ctl, fd, "fuse file");
	close(fd);
	umount2(path, MNT_FORCE | MNT_DETACH);
	kill(c.pid, SIGKILL);
	pts_join(&c);
	unlink(path);
}

TEST_F(backing, rights_of_fd)
{
	int rw = pts_memfd_stamped(PG(4), 1);
	int ro = pts_reopen(rw, O_RDONLY);
	int wo = pts_reopen(rw, O_WRONLY);
	char *win = pts_window(self->ctl, PG(4), 0);

	EXPECT_EQ(-EACCES, pts_map(self->ctl, ro, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, wo, PTS_RO, 0, PG(1), 0));
	EXPECT_EQ(0, pts_map(self->ctl, ro, PTS_RO, 0, PG(1), 0));
	/* What the fd did not allow no later PROTECT gives. */
	EXPECT_EQ(-EACCES, pts_protect(self->ctl, 0, PG(1), PTS_RW));
	EXPECT_EQ(0, pts_protect(self->ctl, 0, PG(1), PROT_NONE));
	EXPECT_EQ(-EACCES, pts_protect(self->ctl, 0, PG(1), PTS_RW));
	EXPECT_EQ(0, pts_protect(self->ctl, 0, PG(1), PTS_RO));
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, 0)));
	EXPECT_TRUE(pts_fault_is(pts_write8(win, 1), SIGSEGV, SEGV_ACCERR,
				 win));
	/* Read-only by wish from a writable fd may become writable. */
	EXPECT_EQ(0, pts_map(self->ctl, rw, PTS_RO, PG(1), PG(1), PG(1)));
	EXPECT_EQ(0, pts_protect(self->ctl, PG(1), PG(1), PTS_RW));
	EXPECT_TRUE(pts_writes(win + PG(1), 2));
}

/* A window that was writable before must not survive a read-only REPLACE. */
TEST_F(backing, replace_by_read_only_fd)
{
	int rw = pts_memfd_stamped(PG(4), 1);
	int ro = pts_reopen(rw, O_RDONLY);
	char *win = pts_window(self->ctl, PG(4), 0);

	ASSERT_EQ(0, pts_map(self->ctl, rw, PTS_RW, 0, PG(2), 0));
	EXPECT_TRUE(pts_writes(win, 7));
	ASSERT_EQ(0, pts_replace(self->ctl, ro, PTS_RO, 0, PG(2), 0));
	EXPECT_TRUE(pts_reads(win, 7));
	EXPECT_TRUE(pts_fault_is(pts_write8(win, 1), SIGSEGV, SEGV_ACCERR,
				 win));
	EXPECT_EQ(-EACCES, pts_protect(self->ctl, 0, PG(1), PTS_RW));
}

/* Seals mean what they mean for mmap(2) of the memfd. */
static void check_seal(struct __test_metadata *_metadata, int ctl, int seal)
{
	int fd = pts_memfd_stamped(PG(4), 1);
	char *win = pts_window(ctl, PG(4), 0);
	void *plain;

	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, seal));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG(1), PTS_RW, MAP_SHARED, fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-EPERM, pts_map(ctl, fd, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(0, pts_nr_regions(ctl));

	plain = mmap(NULL, PG(1), PTS_RO, MAP_SHARED, fd, 0);
	if (plain == MAP_FAILED) {
		EXPECT_EQ(-EPERM, pts_map(ctl, fd, PTS_RO, 0, PG(1), 0));
		return;
	}
	EXPECT_EQ(0, pts_map(ctl, fd, PTS_RO, 0, PG(1), 0));
	EXPECT_TRUE(pts_reads(win, pts_stamp(1, 0)));
	EXPECT_EQ(-EACCES, pts_protect(ctl, 0, PG(1), PTS_RW));
	EXPECT_TRUE(pts_fault_is(pts_write8(win, 1), SIGSEGV, SEGV_ACCERR,
				 win));
}

TEST_F(backing, seal_write)
{
	check_seal(_metadata, self->ctl, F_SEAL_WRITE);
}

TEST_F(backing, seal_future_write)
{
	check_seal(_metadata, self->ctl, F_SEAL_FUTURE_WRITE);
}

/* A region that may be written holds off the seal, as a mapping does. */
TEST_F(backing, writable_region_holds_off_seal)
{
	int fd = pts_memfd_stamped(PG(4), 1);

	ASSERT_EQ(0, pts_map(self->ctl, fd, PTS_RW, 0, PG(2), 0));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	/* Half of it is as bad. */
	ASSERT_EQ(0, pts_unmap(self->ctl, 0, PG(1)));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(0, pts_unmap(self->ctl, PG(1), PG(1)));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

/* So does the end of the container, and a REPLACE. */
TEST_F(backing, seal_after_container_is_gone)
{
	int fd = pts_memfd_stamped(PG(4), 1);
	int other = pts_memfd(PG(4), 0);
	int ctl = pts_create(PG(4), PTS_RW);

	ASSERT_EQ(0, pts_map(ctl, fd, PTS_RW, 0, PG(2), 0));
	ASSERT_EQ(0, pts_map(ctl, fd, PTS_RW, PG(2), PG(2), 0));
	ASSERT_EQ(0, pts_replace(ctl, other, PTS_RW, 0, PG(2), 0));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(ctl);
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

/* Shrinking and growing seals do not concern a mapping. */
TEST_F(backing, size_seals_do_not_matter)
{
	int fd = pts_memfd_stamped(PG(4), 1);

	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
			   F_SEAL_SEAL));
	EXPECT_EQ(0, pts_map(self->ctl, fd, PTS_RW, 0, PG(4), 0));
}

/* mmap(2) refuses a shared mapping of an append-only file open for writing. */
TEST_F(backing, append_only)
{
	int fd = tmpfs_file(self, 0, NULL);
	int flags = 0, ro;

	ASSERT_GE(fd, 0);
	ro = pts_reopen(fd, O_RDONLY);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		SKIP(return, "tmpfs without file attributes: %m");
	flags |= FS_APPEND_FL;
	ASSERT_EQ(0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, fd, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(-EACCES, pts_map(self->ctl, fd, PTS_RO, 0, PG(1), 0));
	EXPECT_EQ(0, pts_nr_regions(self->ctl));
	EXPECT_EQ(0, pts_map(self->ctl, ro, PTS_RO, 0, PG(1), 0));
	EXPECT_EQ(-EACCES, pts_protect(self->ctl, 0, PG(1), PTS_RW));
	flags &= ~FS_APPEND_FL;
	ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* noexec bars what is barred anyway, and nothing else. */
TEST_F(backing, noexec_mount)
{
	int fd = tmpfs_file(self, MS_NOEXEC, NULL);
	int ret;

	ASSERT_GE(fd, 0);
	ret = pts_map(self->ctl, fd, PTS_RO | PROT_EXEC, 0, PG(1), 0);
	EXPECT_TRUE(ret == -EACCES || ret == -EPERM);
	EXPECT_EQ(0, pts_nr_regions(self->ctl));
	EXPECT_EQ(0, pts_map(self->ctl, fd, PTS_RW, 0, PG(1), 0));
}

/* Read-only mount: the file can't be opened for writing, so it is no news. */
TEST_F(backing, read_only_mount)
{
	int fd = tmpfs_file(self, 0, NULL);
	char path[128];

	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, mount(NULL, self->dir, NULL, MS_REMOUNT | MS_RDONLY,
			   NULL));
	snprintf(path, sizeof(path), "%s/file", self->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EACCES, pts_map(self->ctl, fd, PTS_RW, 0, PG(1), 0));
	EXPECT_EQ(0, pts_map(self->ctl, fd, PTS_RO, 0, PG(1), 0));
}

TEST_HARNESS_MAIN
