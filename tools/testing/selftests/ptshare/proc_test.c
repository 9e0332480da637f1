// SPDX-License-Identifier: GPL-2.0
/* What /proc tells of windows and containers, and that counters come back. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/fs.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		256		/* 1 MiB: small, and plain to see */

FIXTURE(proc)
{
	struct pts_rig rig;
	char *win;
	size_t len;
};

FIXTURE_VARIANT(proc)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(proc, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(proc, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(proc)
{
	int i;

	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
	self->win = self->rig.win;
	self->len = 2 * self->rig.half;
	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(pts_writes(self->win + PG(i),
				       pts_stamp(1, PG(i))));
}

FIXTURE_TEARDOWN(proc)
{
	/* Looking did not hurt. */
	EXPECT_TRUE(pts_reads(self->win + PG(7), pts_stamp(1, PG(7))));
	pts_rig_free(&self->rig);
}

/* The container's memory is not the window's: else it would count N times. */
TEST_F(proc, smaps)
{
	EXPECT_EQ(self->len / 1024, pts_smaps(self->win, "Size"));
	EXPECT_EQ(0, pts_smaps(self->win, "Rss"));
	EXPECT_EQ(0, pts_smaps(self->win, "Pss"));
	EXPECT_EQ(0, pts_smaps(self->win, "Shared_Clean"));
	EXPECT_EQ(0, pts_smaps(self->win, "Shared_Dirty"));
	EXPECT_EQ(0, pts_smaps(self->win, "Private_Clean"));
	EXPECT_EQ(0, pts_smaps(self->win, "Private_Dirty"));
	EXPECT_EQ(0, pts_smaps(self->win, "Swap"));
}

TEST_F(proc, smaps_rollup)
{
	char text[4096];
	long long before, after;
	char *at;

	ASSERT_LT(0, pts_slurp("/proc/self/smaps_rollup", text, sizeof(text)));
	at = strstr(text, "Pss_Shmem:");
	ASSERT_NE(NULL, at);
	after = atoll(at + 10);
	munmap(self->win, self->len);
	self->rig.win = MAP_FAILED;
	ASSERT_LT(0, pts_slurp("/proc/self/smaps_rollup", text, sizeof(text)));
	before = atoll(strstr(text, "Pss_Shmem:") + 10);
	EXPECT_GE(512, after - before);
	self->win = pts_window(self->rig.fd, self->len, 0);
	ASSERT_NE(MAP_FAILED, self->win);
}

/* VmRSS and the process's share of shmem do not hold the container either. */
TEST_F(proc, status_rss)
{
	long long before = pts_status(getpid(), "RssShmem");
	char *plain;

	ASSERT_LE(0, before);
	EXPECT_GE(512, before);
	/* A plain mapping of the same file counts: the measure is not blind. */
	plain = mmap(NULL, self->rig.half, PTS_RW, MAP_SHARED | MAP_POPULATE,
		     self->rig.mem, 0);
	ASSERT_NE(MAP_FAILED, plain);
	EXPECT_LE(before + 1024, pts_status(getpid(), "RssShmem"));
}

TEST_F(proc, numa_maps)
{
	static char text[1 << 16];
	char want[64], *line, *end;

	if (pts_slurp("/proc/self/numa_maps", text, sizeof(text)) < 0)
		SKIP(return, "no NUMA in this kernel");
	snprintf(want, sizeof(want), "%lx ", (unsigned long)self->win);
	line = strstr(text, want);
	ASSERT_NE(NULL, line);
	end = strchr(line, '\n');
	*end = '\0';
	EXPECT_EQ(NULL, strstr(line, "dirty="));
	EXPECT_EQ(NULL, strstr(line, "N0="));
}

TEST_F(proc, pagemap)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 e;
	int i;

	ASSERT_GE(fd, 0);
	for (i = 0; i < PAGES; i += 51) {
		off_t at = ((uintptr_t)self->win / pts_psz + i) * 8;

		ASSERT_EQ(8, pread(fd, &e, 8, at));
		EXPECT_EQ(0, e >> 63);
		EXPECT_EQ(0, e & ((1ULL << 55) - 1));
	}
	close(fd);
}

/* 1 to 4: referenced bits, anonymous, mapped, soft-dirty. */
TEST_F(proc, clear_refs)
{
	static const char * const what[] = { "1", "2", "3", "4" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(what); i++) {
		EXPECT_EQ(0, pts_spit("/proc/self/clear_refs", what[i]));
		EXPECT_TRUE(pts_writes(self->win + PG(i), pts_stamp(1, PG(i))));
	}
}

TEST_F(proc, maps_names_id)
{
	struct ptshare_info info;
	char line[512], ino[32];

	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	ASSERT_EQ(0, pts_maps_line(self->win, line, sizeof(line)));
	snprintf(ino, sizeof(ino), " %llu ", info.id);
	EXPECT_NE(NULL, strstr(line, ino));
	EXPECT_NE(NULL, strstr(line, "anon_inode:[ptshare]"));
	EXPECT_NE(NULL, strstr(line, " rw-s "));
}

static int touch_and_wait(int sock, void *arg)
{
	struct pts_rig *rig = arg;
	__u64 val;
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (pts_read8(rig->win + PG(i), &val).sig)
			return 1;
	pts_send(sock, 1);
	pts_recv(sock, &val);
	return 0;
}

/* With clients, without clients, without regions: up, down, nothing. */
TEST_F(proc, counters_come_back)
{
	struct ptshare_info first, with, after;
	struct pts_child c[6];
	__u64 up;
	int i;

	ASSERT_EQ(0, pts_info(self->rig.fd, &first));
	EXPECT_EQ(1, first.nr_windows);
	EXPECT_EQ(self->rig.half, first.rss_bytes);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, pts_fork(&c[i], touch_and_wait, &self->rig));
		ASSERT_EQ(0, pts_recv(c[i].sock, &up));
	}
	ASSERT_EQ(0, pts_info(self->rig.fd, &with));
	EXPECT_EQ(7, with.nr_windows);
	EXPECT_EQ(first.rss_bytes, with.rss_bytes);
	EXPECT_EQ(first.pgtable_bytes, with.pgtable_bytes);
	EXPECT_LT(first.nr_links + first.nr_mirrors,
		  with.nr_links + with.nr_mirrors);
	for (i = 0; i < 6; i++) {
		pts_send(c[i].sock, 0);
		EXPECT_EQ(0, pts_join(&c[i]));
	}
	usleep(100000);
	ASSERT_EQ(0, pts_info(self->rig.fd, &after));
	EXPECT_EQ(1, after.nr_windows);
	EXPECT_EQ(first.nr_links, after.nr_links);
	EXPECT_EQ(first.nr_mirrors, after.nr_mirrors);

	ASSERT_EQ(0, munmap(self->win, self->len));
	ASSERT_EQ(0, pts_info(self->rig.fd, &after));
	EXPECT_EQ(0, after.nr_windows);
	EXPECT_EQ(0, after.nr_links);
	EXPECT_EQ(0, after.nr_mirrors);
	EXPECT_EQ(0, after.saved_bytes);
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-windows"));
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-links"));
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-mirrors"));
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-saved-kB"));

	ASSERT_EQ(0, pts_unmap(self->rig.ctl, 0, self->rig.half));
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-regions"));
	EXPECT_EQ(0, pts_fdinfo(self->rig.fd, "ptshare-rss-kB"));
	ASSERT_EQ(0, pts_map(self->rig.ctl, self->rig.mem, PTS_RW, 0,
			     self->rig.half, 0));
	self->win = pts_window(self->rig.fd, self->len, 0);
	self->rig.win = self->win;
	ASSERT_NE(MAP_FAILED, self->win);
}

/* Memory that a region no longer maps is not counted any more. */
TEST_F(proc, rss_follows_file)
{
	struct ptshare_info info;

	ASSERT_EQ(0, fallocate(self->rig.mem, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, PG(16), PG(16)));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(self->rig.half - PG(16), info.rss_bytes);
	ASSERT_EQ(0, ftruncate(self->rig.mem, PG(8)));
	ASSERT_EQ(0, pts_info(self->rig.fd, &info));
	EXPECT_EQ(PG(8), info.rss_bytes);
}

#define MARK_SIZE	64

/* Bytes that are in no file and in no other memory. */
static void mark(char *at, __u32 seed)
{
	int i;

	for (i = 0; i < MARK_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		at[i] = seed >> 24;
	}
}

static bool file_has_mark(const char *path, __u32 seed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char pattern[MARK_SIZE];
	struct stat st;
	void *all;
	bool has;

	if (fd < 0 || fstat(fd, &st))
		return false;
	all = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (all == MAP_FAILED)
		return false;
	mark(pattern, seed);
	has = memmem(all, st.st_size, pattern, MARK_SIZE);
	munmap(all, st.st_size);
	return has;
}

static int dump_core(int sock, void *arg)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &unlimited);
	/* Everything that a filter can ask for. */
	pts_spit("/proc/self/coredump_filter", "0x1ff");
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	return 1;
}

/* The window is not in the core, private memory is. */
TEST_F(proc, core_dump)
{
	char old[256] = "", path[64];
	struct pts_child c;
	char *anon;

	if (pts_slurp("/proc/sys/kernel/core_pattern", old, sizeof(old)) < 0)
		SKIP(return, "no core dumps in this kernel");
	snprintf(path, sizeof(path), "/tmp/core.ptshare.%d", getpid());
	if (pts_spit("/proc/sys/kernel/core_pattern", path))
		SKIP(return, "can't set the core pattern");
	anon = mmap(NULL, pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, anon);
	mark(anon, 1);
	mark(self->win + PG(3) + 512, 2);
	ASSERT_EQ(0, pts_fork(&c, dump_core, NULL));
	EXPECT_EQ(256 + SIGABRT, pts_join(&c));
	pts_spit("/proc/sys/kernel/core_pattern", old);
	if (access(path, R_OK))
		SKIP(return, "no core file was written: %m");
	EXPECT_TRUE(file_has_mark(path, 1));
	EXPECT_FALSE(file_has_mark(path, 2));
	unlink(path);
}

TEST_HARNESS_MAIN
