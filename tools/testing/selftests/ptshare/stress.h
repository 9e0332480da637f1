/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything at once: many processes map, store, check, fork and die by SIGKILL
 * while the owner protects, punches, truncates, reclaims, maps, unmaps and
 * watches. Each page says which one it is, so that what comes from another page,
 * or from an older one, is seen. In the end all counters are where they began.
 *
 * Brings the test of the programs that include it, which say how much of it:
 * STRESS_PROCS and STRESS_SECS; PTSHARE_STRESS_PROCS and so on overrule them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "notify_util.h"

#define GIB	0x40000000UL
#define MEM	0x4000000UL
#define QUARTER	(MEM / 4)
#define OTHER	(GIB / 2)	/* where a second file comes and goes */
#define OTHER_LEN 0x400000UL
#define RECLAIM	0x40000UL
#define SLACK_KB 4096
#define TIMEOUT	3000

/* What happens to the quarters of the file. */
enum quarter { STEADY, PROTECTED, PUNCHED, TRUNCATED };

struct board {
	atomic_uint stop, failed;
	atomic_ulong checks, faults;
};

FIXTURE(stress)
{
	struct cg cg;
	int ctl, att, mem, other, nfd;
	unsigned int procs, killed, rounds;
	struct board *board;
	pid_t *pids;
	long long tables_kb, shmem_kb;
};

static unsigned long setting(const char *name, unsigned long val)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : val;
}

static long long meminfo_now(const char *key)
{
	pts_spit("/proc/sys/vm/stat_refresh", "1");
	return pts_meminfo(key);
}

/* --- what stands in a page ------------------------------------------------ */

static __u64 content(size_t at, __u32 nr)
{
	return (__u64)(at / pts_psz + 1) << 32 | nr;
}

/* Zero where a page may have been made anew. */
static bool content_right(size_t at, __u64 val)
{
	if (val >> 32 == at / pts_psz + 1)
		return true;
	return !val && at >= 2 * QUARTER;
}

static int wrong(struct _test_data_stress *self, const char *what, size_t at,
		 __u64 val)
{
	self->board->failed++;
	fprintf(stderr, "# %s at %#zx: %#llx\n", what, at, val);
	return 1;
}

/* --- a process that is attached ------------------------------------------- */

struct worker {
	struct _test_data_stress *self;
	char *win;
	unsigned int id;
	__u64 rand;
	__u32 nr;		/* of the last store */
};

static __u64 next_random(struct worker *w)
{
	w->rand ^= w->rand << 13;
	w->rand ^= w->rand >> 7;
	w->rand ^= w->rand << 17;
	return w->rand;
}

/* A fault is right where the owner takes something away. */
static bool fault_right(size_t at, const struct pts_fault *f, bool write)
{
	if (f->sig == SIGBUS)
		return at >= 3 * QUARTER;
	return f->sig == SIGSEGV && write && at / QUARTER == PROTECTED;
}

static int look(struct worker *w, size_t at)
{
	struct pts_fault f;
	__u64 val;

	f = pts_read8(w->win + at, &val);
	w->self->board->checks++;
	if (f.sig) {
		w->self->board->faults++;
		return fault_right(at, &f, false) ? 0 :
		       wrong(w->self, "read fault", at, f.sig);
	}
	return content_right(at, val) ? 0 : wrong(w->self, "read", at, val);
}

/* Nobody else stores to its own pages, which lie all over the file. */
static int store(struct worker *w)
{
	const unsigned long per = MEM / pts_psz / w->self->procs;
	size_t at = (w->id + next_random(w) % per * w->self->procs) * pts_psz;
	struct pts_fault f;
	__u64 val, want = content(at, ++w->nr);

	f = pts_write8(w->win + at, want);
	if (f.sig) {
		w->self->board->faults++;
		return fault_right(at, &f, true) ? 0 :
		       wrong(w->self, "write fault", at, f.sig);
	}
	f = pts_read8(w->win + at, &val);
	w->self->board->checks++;
	if (f.sig)
		return fault_right(at, &f, false) ? 0 :
		       wrong(w->self, "read fault", at, f.sig);
	if (val == want || (!val && at >= 2 * QUARTER))
		return 0;
	return wrong(w->self, "read back", at, val);
}

static int fork_and_look(struct worker *w)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 0;
	if (!pid)
		_exit(look(w, next_random(w) % MEM & ~(pts_psz - 1)));
	waitpid(pid, &status, 0);
	return status;
}

/* Once in three times at an address that lets nothing be shared. */
static char *map_somewhere(struct worker *w)
{
	if (next_random(w) % 3)
		return pts_window(w->self->att, GIB, 0);
	return pts_window_mirrored(w->self->att, GIB);
}

static int attach_once(struct worker *w)
{
	unsigned int i, steps = 20 + next_random(w) % 200;
	int err = 0;

	w->win = map_somewhere(w);
	if (w->win == MAP_FAILED)
		return wrong(w->self, "mmap", 0, errno);
	for (i = 0; i < steps && !err; i++) {
		err = i % 2 ? store(w) :
		      look(w, next_random(w) % MEM & ~(pts_psz - 1));
	}
	if (!err && next_random(w) % 8 == 0)
		err = fork_and_look(w);
	munmap(w->win, GIB);
	return err;
}

static int work(struct _test_data_stress *self, unsigned int id)
{
	struct worker w = {
		.self = self, .id = id,
		.rand = (id + 1) * 0x9e3779b97f4a7c15ULL ^ getpid(),
	};
	int err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Or the owner, who is one of many, would do next to nothing. */
	setpriority(PRIO_PROCESS, 0, 15);
	while (!self->board->stop && !err)
		err = attach_once(&w);
	return err;
}

/* --- the owner -------------------------------------------------------------- */

static int flip(struct _test_data_stress *self, unsigned int round)
{
	return pts_protect(self->ctl, QUARTER, QUARTER,
			   round % 2 ? PTS_RW : PTS_RO);
}

static int punch(struct _test_data_stress *self, unsigned int round)
{
	return fallocate(self->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 2 * QUARTER + round % 4 * (QUARTER / 4),
			 QUARTER / 4) ? -errno : 0;
}

static int cut(struct _test_data_stress *self, unsigned int round)
{
	return ftruncate(self->mem, round % 2 ? MEM : MEM - QUARTER) ?
		-errno : 0;
}

static int take_away(struct _test_data_stress *self, unsigned int round)
{
	/* Each page is taken from everybody: more would fill the time. */
	if (self->cg.path[0])
		cg_write_bytes(&self->cg, "memory.reclaim", RECLAIM);
	return 0;
}

static int come_and_go(struct _test_data_stress *self, unsigned int round)
{
	if (round % 2)
		return pts_unmap(self->ctl, OTHER, OTHER_LEN);
	return pts_map(self->ctl, self->other, PTS_RW, OTHER, OTHER_LEN, 0);
}

static int watch(struct _test_data_stress *self, unsigned int round)
{
	struct ptshare_arm arm = {
		.length = QUARTER, .timeout_ns = 20000000,
		.mode = round % 2 ? PTSHARE_BLOCK : PTSHARE_ASYNC,
	};
	int ret;

	if (self->nfd < 0)
		return 0;
	ret = pts_arm_with(self->nfd, &arm);
	if (!ret)
		ret = pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, QUARTER);
	pts_drain(self->nfd);
	if (ret >= 0)
		ret = pts_resolve(self->nfd, 0, QUARTER, PTSHARE_DISARM);
	return ret < 0 ? ret : 0;
}

static int ask(struct _test_data_stress *self, unsigned int round)
{
	struct ptshare_info info;

	return pts_info(self->ctl, &info) ?:
	       pts_fdinfo(self->att, "ptshare-links") < 0;
}

static int (* const owner_does[])(struct _test_data_stress *self,
				  unsigned int round) = {
	flip, punch, cut, take_away, come_and_go, watch, ask,
};

/* --- life and death ----------------------------------------------------------- */

static void start_worker(struct __test_metadata *_metadata,
			 struct _test_data_stress *self, unsigned int id)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(work(self, id));
	self->pids[id] = pid;
}

/* True if it did what it was to do until it was killed or told to stop. */
static bool end_right(int status)
{
	return !status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kill_one(struct __test_metadata *_metadata,
		     struct _test_data_stress *self)
{
	unsigned int id = random() % self->procs;
	int status;

	kill(self->pids[id], SIGKILL);
	ASSERT_EQ(self->pids[id], waitpid(self->pids[id], &status, 0));
	EXPECT_TRUE(end_right(status));
	self->killed++;
	start_worker(_metadata, self, id);
}

static void end_all(struct __test_metadata *_metadata,
		    struct _test_data_stress *self)
{
	unsigned int id;
	int status;

	self->board->stop = 1;
	for (id = 0; id < self->procs; id++) {
		ASSERT_EQ(self->pids[id], waitpid(self->pids[id], &status, 0));
		EXPECT_TRUE(end_right(status));
	}
}

FIXTURE_SETUP(stress)
{
	size_t at;
	char *map;

	self->tables_kb = meminfo_now("PageTables");
	self->shmem_kb = meminfo_now("Shmem");
	self->procs = setting("PTSHARE_STRESS_PROCS", STRESS_PROCS);
	self->pids = calloc(self->procs, sizeof(pid_t));
	self->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	if (cg_available() && swap_available()) {
		ASSERT_EQ(0, cg_make(&self->cg, "stress"));
		ASSERT_EQ(0, cg_enter(&self->cg));
	}
	self->mem = pts_memfd(MEM, 0);
	self->other = pts_memfd(OTHER_LEN, 0);
	self->ctl = pts_create(GIB, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, MEM, 0));
	self->att = pts_attach(self->ctl);
	ASSERT_GE(self->att, 0);
	self->nfd = pts_notify_available() ? pts_notify(self->ctl, 1) : -1;
	map = pts_window(self->ctl, MEM, 0);
	ASSERT_NE(MAP_FAILED, (void *)map);
	for (at = 0; at < MEM; at += pts_psz)
		pts_store(map + at, content(at, 0));
	munmap(map, MEM);
}

FIXTURE_TEARDOWN(stress)
{
	cg_enter(NULL);
	cg_destroy(&self->cg);
}

/* Until @key is back, but for what others have changed meanwhile. */
static bool comes_back(const char *key, long long kb)
{
	__u64 end = pts_now_ms() + 30000;
	long long now;

	do {
		now = meminfo_now(key);
		if (now <= kb + SLACK_KB)
			return true;
		usleep(200000);
	} while (pts_now_ms() < end);
	printf("# %s: %lld kB, was %lld\n", key, now, kb);
	return false;
}

static void all_back(struct __test_metadata *_metadata,
		     struct _test_data_stress *self)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_windows);
	EXPECT_EQ(0, info.nr_links);
	EXPECT_EQ(0, info.nr_mirrors);
	EXPECT_EQ(0, info.saved_bytes);
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-windows"));
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-links"));
	EXPECT_EQ(0, pts_fdinfo(self->ctl, "ptshare-mirrors"));
	close(self->nfd);
	close(self->att);
	close(self->ctl);
	close(self->mem);
	close(self->other);
	EXPECT_TRUE(comes_back("PageTables", self->tables_kb));
	EXPECT_TRUE(comes_back("Shmem", self->shmem_kb));
}

TEST_F_TIMEOUT(stress, everything, TIMEOUT)
{
	__u64 end = pts_now_ms() +
		    1000 * setting("PTSHARE_STRESS_SECS", STRESS_SECS);
	const unsigned int kinds = ARRAY_SIZE(owner_does);
	unsigned int id, kind;

	fflush(NULL);
	for (id = 0; id < self->procs; id++)
		start_worker(_metadata, self, id);
	for (; pts_now_ms() < end && !self->board->failed; self->rounds++) {
		kind = self->rounds % kinds;
		ASSERT_EQ(0, owner_does[kind](self, self->rounds / kinds)) {
			TH_LOG("what the owner does, number %u", kind);
		}
		kill_one(_metadata, self);
		usleep(5000);
	}
	end_all(_metadata, self);
	EXPECT_EQ(0, self->board->failed);
	EXPECT_LT(0, self->board->faults);
	TH_LOG("%u processes, %u killed, %u rounds, %lu checks, %lu faults",
	       self->procs, self->killed, self->rounds, self->board->checks,
	       self->board->faults);
	all_back(_metadata, self);
}
