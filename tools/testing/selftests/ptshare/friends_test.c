// SPDX-License-Identifier: GPL-2.0
/*
 * Others that look at all memory, or at a process's: KSM, idle page tracking,
 * both kinds of reclaim, DAMON, process_mrelease(), perf and uprobes. None may
 * change what a window shows, and what they tell of it is true.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"
#include "share.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

#define GIB	0x40000000UL
#define MEM	0x800000UL
#define PAGES	(MEM / 4096)
#define TAG	3
#define TIMEOUT	240

FIXTURE(friends)
{
	struct cg cg;
	int ctl, mem;
	char *win;
};

FIXTURE_VARIANT(friends)
{
	const char *share;
};

FIXTURE_VARIANT_ADD(friends, none) { "none" };
FIXTURE_VARIANT_ADD(friends, pmd) { "pmd" };
FIXTURE_VARIANT_ADD(friends, pud) { "pud" };

FIXTURE_SETUP(friends)
{
	if (!share_available())
		SKIP(return, "no parameter share");
	if (!cg_available())
		SKIP(return, "no memory controller");
	ASSERT_EQ(0, cg_make(&self->cg, "friends"));
	ASSERT_EQ(0, cg_enter(&self->cg));
	self->ctl = share_stamped(variant->share, GIB, MEM, TAG,
				  &self->mem);
	ASSERT_GE(self->ctl, 0);
	self->win = pts_window(self->ctl, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
}

FIXTURE_TEARDOWN(friends)
{
	munmap(self->win, GIB);
	cg_enter(NULL);
	cg_destroy(&self->cg);
}

/* Pages that do not have their stamp. */
static unsigned int wrong_pages(const char *win)
{
	return pts_wrong_stamps(win, MEM, TAG);
}

/* The number in a file, or -1. */
static long long number_in(const char *path)
{
	char buf[64];

	return pts_slurp(path, buf, sizeof(buf)) > 0 ? atoll(buf) : -1;
}

/* --- KSM -------------------------------------------------------------------- */

#define KSM	"/sys/kernel/mm/ksm/"
#define SAME	64	/* pages that may be merged */

static bool ksm_scans(unsigned int more)
{
	const long long end = number_in(KSM "full_scans") + more;
	const __u64 limit = pts_now_ms() + TIMEOUT * 900;

	while (number_in(KSM "full_scans") < end) {
		if (pts_now_ms() > limit)
			return false;
		usleep(100000);
	}
	return true;
}

/* Equal pages of a process that wants it are merged, but none of a window. */
TEST_F_TIMEOUT(friends, ksm, TIMEOUT)
{
	long long merged;
	char *anon;

	if (access(KSM "run", W_OK))
		SKIP(return, "no KSM");
	memset(self->win, 0x5a, MEM);
	anon = mmap(NULL, SAME * pts_psz, PTS_RW,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)anon);
	ASSERT_EQ(0, prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	memset(anon, 0x5a, SAME * pts_psz);
	EXPECT_EQ(0, pts_spit(KSM "pages_to_scan", "10000"));
	EXPECT_EQ(0, pts_spit(KSM "run", "1"));
	EXPECT_TRUE(ksm_scans(4));
	merged = number_in("/proc/self/ksm_merging_pages");
	EXPECT_LE(SAME / 2, merged);
	EXPECT_GT(PAGES / 2, merged);
	pts_store(self->win, 1);
	EXPECT_EQ(1, pts_load(self->win));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, pts_load(self->win + pts_psz));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, pts_load(anon));
	EXPECT_EQ(0, pts_spit(KSM "run", "2"));
}

/* --- idle page tracking ------------------------------------------------------ */

#define IDLE	"/sys/kernel/mm/page_idle/bitmap"

static bool idle_set(int fd, __u64 pfn)
{
	__u64 bits = 1ULL << pfn % 64;

	return pwrite(fd, &bits, 8, pfn / 64 * 8) == 8;
}

static bool idle_is(int fd, __u64 pfn)
{
	__u64 bits = 0;

	return pread(fd, &bits, 8, pfn / 64 * 8) == 8 && bits >> pfn % 64 & 1;
}

/* An access by a table that is shared is seen; no access is not. */
TEST_F(friends, idle_tracking)
{
	int fd = open(IDLE, O_RDWR);
	__u64 pfn[2];
	char *plain;
	int i;

	if (fd < 0)
		SKIP(return, "no idle page tracking");
	plain = mmap(NULL, MEM, PTS_RW, MAP_SHARED, self->mem, 0);
	ASSERT_NE(MAP_FAILED, (void *)plain);
	EXPECT_EQ(0, wrong_pages(self->win));
	/* It looks at what is on an LRU list only. */
	ASSERT_EQ(0, pts_spit("/proc/sys/vm/drop_caches", "1"));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(pts_stamp(TAG, i * pts_psz),
			  pts_load(plain + i * pts_psz));
		pfn[i] = pts_pfn(plain + i * pts_psz);
		ASSERT_LT(0, pfn[i]);
	}
	ASSERT_EQ(0, munmap(plain, MEM));
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(idle_set(fd, pfn[i]));
	/* Nobody flushes for it. */
	usleep(100000);
	EXPECT_EQ(pts_stamp(TAG, 0), pts_load(self->win));
	if (strcmp(variant->share, "none"))
		EXPECT_FALSE(idle_is(fd, pfn[0]));
	EXPECT_TRUE(idle_is(fd, pfn[1]));
	EXPECT_EQ(0, wrong_pages(self->win));
	close(fd);
}

/* --- reclaim ----------------------------------------------------------------- */

#define LRU_GEN	"/sys/kernel/mm/lru_gen/enabled"

static void reclaim_and_look(struct __test_metadata *_metadata,
			     struct _test_data_friends *self)
{
	const long long before = vm_counter("pswpout");
	unsigned int i;

	EXPECT_EQ(0, wrong_pages(self->win));
	for (i = 0; i < 3; i++) {
		cg_write_bytes(&self->cg, "memory.reclaim", MEM);
		EXPECT_EQ(0, wrong_pages(self->win));
		/* Dirty anew, or the second time writes nothing. */
		pts_store(self->win + PAGES / 2 * pts_psz,
			  pts_stamp(TAG, PAGES / 2 * pts_psz));
	}
	EXPECT_LT(before, vm_counter("pswpout"));
}

/* Nothing is lost by either kind of LRU, nor by changing from one to the other. */
TEST_F_TIMEOUT(friends, multi_gen_lru, TIMEOUT)
{
	char before[32];

	if (!swap_available() || access(LRU_GEN, W_OK))
		SKIP(return, "no swap or no multi-gen LRU");
	ASSERT_LT(0, pts_slurp(LRU_GEN, before, sizeof(before)));
	EXPECT_EQ(0, pts_spit(LRU_GEN, "0"));
	reclaim_and_look(_metadata, self);
	EXPECT_EQ(0, pts_spit(LRU_GEN, "7"));
	reclaim_and_look(_metadata, self);
	EXPECT_EQ(0, pts_spit(LRU_GEN, before));
}

/* --- DAMON -------------------------------------------------------------------- */

#define DAMON	"/sys/kernel/mm/damon/admin/kdamonds/"

/* Writes a text to a file below kdamonds/. */
static int damon(const char *text, const char *fmt, ...)
{
	char path[256] = DAMON;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + strlen(DAMON), sizeof(path) - strlen(DAMON), fmt, ap);
	va_end(ap);
	return pts_spit(path, text);
}

static void damon_target(struct __test_metadata *_metadata, const char *ops)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_EQ(0, damon("1", "0/contexts/0/targets/nr_targets"));
	if (!strcmp(ops, "vaddr")) {
		ASSERT_EQ(0, damon(pid, "0/contexts/0/targets/0/pid_target"));
		return;
	}
	ASSERT_EQ(0, damon("1", "0/contexts/0/targets/0/regions/nr_regions"));
	ASSERT_EQ(0, damon("1048576", "0/contexts/0/targets/0/regions/0/start"));
	ASSERT_EQ(0, damon("4294967296", "0/contexts/0/targets/0/regions/0/end"));
}

/* Pages everything out that was not accessed for a while, over and over. */
static void damon_scheme(struct __test_metadata *_metadata)
{
	static const char * const what[] = { "sz", "nr_accesses", "age" };
	unsigned int i;

	ASSERT_EQ(0, damon("1", "0/contexts/0/schemes/nr_schemes"));
	ASSERT_EQ(0, damon("pageout", "0/contexts/0/schemes/0/action"));
	for (i = 0; i < ARRAY_SIZE(what); i++)
		ASSERT_EQ(0, damon("4294967295",
				   "0/contexts/0/schemes/0/access_pattern/%s/max",
				   what[i]));
}

static void damon_run(struct __test_metadata *_metadata,
		      struct _test_data_friends *self, const char *ops)
{
	const __u64 end = pts_now_ms() + 3000;

	ASSERT_EQ(0, damon("1", "nr_kdamonds"));
	ASSERT_EQ(0, damon("1", "0/contexts/nr_contexts"));
	ASSERT_EQ(0, damon(ops, "0/contexts/0/operations"));
	damon_target(_metadata, ops);
	damon_scheme(_metadata);
	ASSERT_EQ(0, damon("on", "0/state"));
	while (pts_now_ms() < end) {
		EXPECT_EQ(0, wrong_pages(self->win));
		pts_store(self->win, pts_stamp(TAG, 0));
		usleep(20000);
	}
	EXPECT_EQ(0, damon("update_schemes_stats", "0/state"));
	EXPECT_LT(0, number_in(DAMON "0/contexts/0/schemes/0/stats/nr_tried"));
	EXPECT_EQ(0, damon("off", "0/state"));
	ASSERT_EQ(0, damon("0", "nr_kdamonds"));
}

/* It looks for accesses, by process and by page, and pages out. */
TEST_F_TIMEOUT(friends, damon, TIMEOUT)
{
	if (access(DAMON "nr_kdamonds", W_OK))
		SKIP(return, "no DAMON");
	damon_run(_metadata, self, "vaddr");
	damon_run(_metadata, self, "paddr");
	EXPECT_EQ(0, wrong_pages(self->win));
}

/* --- process_mrelease() -------------------------------------------------------- */

#define OWN	0x2000000UL	/* so that its exit takes a while */

static void client(struct _test_data_friends *self, int ready)
{
	char *own = mmap(NULL, OWN, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(own, 1, OWN);
	if (wrong_pages(self->win) || write(ready, "", 1) != 1)
		_exit(1);
	pause();
}

/* True if it was reaped while it died, and not after. */
static bool kill_and_release(struct __test_metadata *_metadata,
			     struct _test_data_friends *self)
{
	int ready[2], pidfd, status;
	char byte;
	pid_t pid;
	long ret;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		client(self, ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ret = syscall(SYS_process_mrelease, pidfd, 0);
	if (ret)
		EXPECT_EQ(ESRCH, errno);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	close(pidfd);
	close(ready[0]);
	close(ready[1]);
	return !ret;
}

/* The memory of a dying process is taken early; a container's is not its own. */
TEST_F_TIMEOUT(friends, process_mrelease, TIMEOUT)
{
	struct ptshare_info before, after;
	unsigned int i, early = 0;

	EXPECT_EQ(0, wrong_pages(self->win));
	ASSERT_EQ(0, pts_info(self->ctl, &before));
	for (i = 0; i < 30 && early < 3; i++) {
		early += kill_and_release(_metadata, self);
		EXPECT_EQ(0, wrong_pages(self->win));
	}
	EXPECT_LT(0, early);
	ASSERT_EQ(0, pts_info(self->ctl, &after));
	EXPECT_EQ(before.nr_windows, after.nr_windows);
	EXPECT_EQ(before.nr_links, after.nr_links);
	EXPECT_EQ(before.nr_mirrors, after.nr_mirrors);
	EXPECT_EQ(before.rss_bytes, after.rss_bytes);
}

/* --- perf ---------------------------------------------------------------------- */

#define RING	64	/* pages */

struct fault_sample {
	struct perf_event_header header;
	__u64 addr, page_size;
};

static int perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}

/* Samples in a window; each says how large the page is that it is about. */
static unsigned int samples_of(struct __test_metadata *_metadata,
			       const struct perf_event_mmap_page *ring,
			       const char *win)
{
	const char *data = (const char *)ring + pts_psz;
	const struct fault_sample *s;
	unsigned int nr = 0;
	__u64 at;

	for (at = ring->data_tail; at < ring->data_head; at += s->header.size) {
		s = (const struct fault_sample *)(data + at);
		if (s->header.type != PERF_RECORD_SAMPLE ||
		    s->addr < (uintptr_t)win || s->addr >= (uintptr_t)win + MEM)
			continue;
		EXPECT_EQ(pts_psz, s->page_size);
		nr++;
	}
	return nr;
}

/* perf looks the size up in the tables, without a lock. */
TEST_F(friends, perf_data_page_size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_PAGE_SIZE,
		.exclude_kernel = 1,
	};
	struct perf_event_mmap_page *ring;
	int fd = perf_open(&attr);

	if (fd < 0)
		SKIP(return, "no perf events");
	ring = mmap(NULL, (RING + 1) * pts_psz, PTS_RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)ring);
	EXPECT_EQ(0, wrong_pages(self->win));
	EXPECT_LT(0, samples_of(_metadata, ring, self->win));
	munmap(ring, (RING + 1) * pts_psz);
	close(fd);
}

/* --- uprobes ------------------------------------------------------------------- */

/* A breakpoint is for what is executed, and nothing of a container is. */
TEST_F(friends, uprobe_in_backing)
{
	struct perf_event_attr attr = { .sample_period = 1 };
	char path[64];
	int fd;

	attr.type = number_in("/sys/bus/event_source/devices/uprobe/type");
	if ((int)attr.type < 0)
		SKIP(return, "no uprobes");
	EXPECT_EQ(pts_stamp(TAG, 0), pts_load(self->win));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), self->mem);
	attr.config1 = (uintptr_t)path;
	fd = perf_open(&attr);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(0, wrong_pages(self->win));
	/* A page that is mapped after it was set. */
	ASSERT_EQ(0, fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 0, pts_psz));
	EXPECT_EQ(0, pts_load(self->win));
	close(fd);
	EXPECT_EQ(0, pts_load(self->win));
	EXPECT_EQ(1, wrong_pages(self->win));
}

TEST_HARNESS_MAIN
