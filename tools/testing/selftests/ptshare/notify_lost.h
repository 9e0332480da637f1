/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nothing is lost: a shadow of a file is kept by copying only the pages that
 * SCAN reports, each cycle after it has armed them again, while many processes
 * write by different ways, the queue has room for one event, and memory is
 * swapped, moved, collapsed and forked. From time to time the writers are held,
 * and then the shadow has to equal the file.
 *
 * Brings the test of the programs that include it, which say how much of it:
 * LOST_PROCS, LOST_MIB, LOST_WRITES and LOST_CYCLES for each seed, LOST_SEEDS.
 * The environment has the last word: PTSHARE_LOST_PROCS and so on, PTSHARE_SEED.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "notify_util.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define HUGE		0x200000UL
#define TIMEOUT		14000
#define AUDIT_EVERY	4	/* cycles */
#define COMPACT_EVERY	12	/* rounds of the mover */

/* Any faster, and nothing is done but swapping in. */
#define RECLAIM_US	500000
#define MOVE_US		400000
#define PAUSE_US	30000	/* of a writer */

/* One process in so many has mapped the file itself, beside its window. */
#define PLAIN_EVERY	10

/* One page in so many is nobody's to write: it must never be reported. */
#define QUIET_STEP	16

struct board {
	atomic_uint hold, held, stop, ready, failed;
	atomic_ulong writes, goal;
	atomic_uint storms;
};

FIXTURE(lost)
{
	struct cg cg;
	int ctl, mem, nfd;
	size_t len;
	unsigned int procs;
	char *plain, *shadow;
	struct board *board;
	struct ptshare_scan_region *vec;
	pid_t *pids;
	unsigned int nr_pids;
	unsigned long cycles, copied, phantoms;
};

FIXTURE_VARIANT(lost)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(lost, small) { false };
FIXTURE_VARIANT_ADD(lost, huge) { true };

static unsigned long setting(const char *name, unsigned long val)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : val;
}

FIXTURE_SETUP(lost)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	if (cg_available()) {
		ASSERT_EQ(0, cg_make(&self->cg, "lost"));
		ASSERT_EQ(0, cg_enter(&self->cg));
	}
	self->procs = setting("PTSHARE_LOST_PROCS", LOST_PROCS);
	self->len = setting("PTSHARE_LOST_MIB", LOST_MIB) << 20;
	self->mem = pts_memfd_pages(self->len, variant->huge);
	if (self->mem == -ENODEV)
		SKIP(return, "no huge pages in shmem");
	ASSERT_GE(self->mem, 0);
	self->ctl = pts_create(self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, self->len, 0));
	self->nfd = pts_notify(self->ctl, 1);
	ASSERT_GE(self->nfd, 0);
	self->plain = pts_window_aligned(self->mem, self->len, HUGE, 0);
	self->shadow = calloc(1, self->len);
	self->vec = calloc(self->len / pts_psz, sizeof(*self->vec));
	self->pids = calloc(self->procs + 3, sizeof(pid_t));
	self->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	ASSERT_TRUE(self->plain != MAP_FAILED && self->shadow && self->vec &&
		    self->pids && self->board != MAP_FAILED);
}

FIXTURE_TEARDOWN(lost)
{
	cg_enter(NULL);
	cg_destroy(&self->cg);
}

/* --- writers -------------------------------------------------------------------- */

static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Between two writes: nobody is half way when the shadow is compared. */
static void hold_if_asked(struct board *board)
{
	if (!board->hold)
		return;
	board->held++;
	while (board->hold && !board->stop)
		syscall(SYS_futex, &board->hold, FUTEX_WAIT, 1, NULL, NULL, 0);
	board->held--;
}

static void let_go(struct board *board)
{
	board->hold = 0;
	syscall(SYS_futex, &board->hold, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static bool write_slot(struct _test_data_lost *self, char *win, __u64 at,
		       __u64 val, unsigned int how)
{
	switch (how % 4) {
	case 0:
		return pwrite(self->mem, &val, sizeof(val), at) == sizeof(val);
	case 1:
		pts_store((self->plain ?: win) + at, val);
		return true;
	default:
		pts_store(win + at, val);
		return true;
	}
}

static int writer(struct _test_data_lost *self, unsigned int id, __u64 seed)
{
	struct board *board = self->board;
	__u64 state = (seed + 1) * 0x9e3779b97f4a7c15ULL + id * 0x10001, page;
	char *win = pts_window(self->ctl, self->len, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (win == MAP_FAILED)
		return 1;
	if (id % PLAIN_EVERY) {
		munmap(self->plain, self->len);
		self->plain = NULL;
	}
	board->ready++;
	while (!board->stop) {
		hold_if_asked(board);
		page = next_random(&state) % (self->len / pts_psz);
		if (page % QUIET_STEP == 0)
			continue;
		if (!write_slot(self, win, PG(page) + id % 500 * 8, state,
				state >> 40))
			board->failed++;
		board->writes++;
		/* Not so fast that a cycle finds every page written. */
		usleep(PAUSE_US);
	}
	return 0;
}

/* --- what makes it hard ------------------------------------------------------------ */

static int reclaimer(struct _test_data_lost *self, unsigned int id, __u64 seed)
{
	while (!self->board->stop) {
		cg_write_bytes(&self->cg, "memory.reclaim", self->len / 8);
		self->board->storms++;
		usleep(RECLAIM_US);
	}
	return 0;
}

static int mover(struct _test_data_lost *self, unsigned int id, __u64 seed)
{
	unsigned int round = 0;
	size_t at = 0;

	while (!self->board->stop) {
		/* All of memory: long, where much of it is page cache. */
		if (round++ % COMPACT_EVERY == 0)
			pts_spit("/proc/sys/vm/compact_memory", "1");
		madvise(self->plain + at, HUGE, MADV_COLLAPSE);
		at = (at + HUGE) % self->len;
		self->board->storms++;
		usleep(MOVE_US);
	}
	return 0;
}

static int forker(struct _test_data_lost *self, unsigned int id, __u64 seed)
{
	__u64 page = 0;
	pid_t pid;

	while (!self->board->stop) {
		pid = fork();
		page = (page + 97) % (self->len / pts_psz);
		if (!pid) {
			pts_load(self->plain + PG(page));
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		self->board->storms++;
		usleep(20000);
	}
	return 0;
}

static void start(struct __test_metadata *_metadata,
		  struct _test_data_lost *self,
		  int (*fn)(struct _test_data_lost *self, unsigned int id,
			    __u64 seed),
		  unsigned int id, __u64 seed)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(fn(self, id, seed));
	self->pids[self->nr_pids++] = pid;
}

/* --- the checkpointer ---------------------------------------------------------------- */

/* Copies what was reported; the page was armed again before it is read. */
static void copy_region(struct _test_data_lost *self,
			const struct ptshare_scan_region *r)
{
	__u64 at;

	for (at = r->start; at < r->end; at += pts_psz) {
		self->phantoms += at / pts_psz % QUIET_STEP == 0;
		memcpy(self->shadow + at, self->plain + at, pts_psz);
		self->copied++;
	}
}

static void cycle(struct __test_metadata *_metadata,
		  struct _test_data_lost *self)
{
	struct ptshare_scan s = {
		.size = sizeof(s), .flags = PTSHARE_SCAN_REARM,
		.vec = (uintptr_t)self->vec, .end = self->len,
		.vec_len = self->len / pts_psz,
	};
	__u64 i;

	/* In uneven pieces, so that cycles end within a chunk too. */
	s.max_pages = self->cycles % 3 ? 0 : 100 + self->cycles % 777;
	for (; s.start < s.end; s.start = s.walk_end) {
		ASSERT_EQ(0, pts_ioctl(self->nfd, PTSHARE_IOC_SCAN, &s));
		ASSERT_GT(s.walk_end, s.start);
		for (i = 0; i < s.nr; i++)
			copy_region(self, &self->vec[i]);
	}
	self->cycles++;
}

static void audit(struct __test_metadata *_metadata,
		  struct _test_data_lost *self)
{
	__u64 at, lost = 0;

	self->board->hold = 1;
	ASSERT_TRUE(pts_wait_for(&self->board->held, self->procs, 300000));
	cycle(_metadata, self);
	for (at = 0; at < self->len; at += pts_psz) {
		if (!memcmp(self->shadow + at, self->plain + at, pts_psz))
			continue;
		if (!lost++)
			TH_LOG("page %llu has changed and was not reported, cycle %lu, state %#llx",
			       at / pts_psz, self->cycles,
			       pts_page_state(self->nfd, at));
		memcpy(self->shadow + at, self->plain + at, pts_psz);
	}
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, pts_written(self->nfd, 0, 0, self->len));
	TH_LOG("cycle %lu: %lu writes, %lu pages copied", self->cycles,
	       self->board->writes, self->copied);
	let_go(self->board);
}

static void run_seed(struct __test_metadata *_metadata,
		     struct _test_data_lost *self, __u64 seed)
{
	const unsigned long start_cycle = self->cycles;
	struct board *board = self->board;
	unsigned long step;
	unsigned int i;
	int status;

	*board = (struct board) {
		.goal = setting("PTSHARE_LOST_WRITES", LOST_WRITES),
	};
	step = board->goal / LOST_CYCLES;
	self->nr_pids = 0;
	fflush(NULL);
	for (i = 0; i < self->procs; i++)
		start(_metadata, self, writer, i, seed);
	if (self->cg.path[0])
		start(_metadata, self, reclaimer, 0, 0);
	start(_metadata, self, mover, 0, 0);
	start(_metadata, self, forker, 0, 0);
	ASSERT_TRUE(pts_wait_for(&board->ready, self->procs, 600000));
	/* A hundred writers would leave it a hundredth of the time. */
	setpriority(PRIO_PROCESS, 0, -20);
	/* Written before the first cycle, unknown to it: part of the shadow. */
	do {
		cycle(_metadata, self);
		if (self->cycles % AUDIT_EVERY == 0)
			audit(_metadata, self);
		/* Or a cycle would find a handful of pages. */
		while (board->writes < board->goal &&
		       board->writes / step < self->cycles - start_cycle)
			usleep(10000);
	} while (board->writes < board->goal ||
		 self->cycles - start_cycle < LOST_CYCLES);
	audit(_metadata, self);
	setpriority(PRIO_PROCESS, 0, 0);
	board->stop = 1;
	for (i = 0; i < self->nr_pids; i++) {
		ASSERT_EQ(self->pids[i], waitpid(self->pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, board->failed);
	EXPECT_LT(0, board->storms);
	TH_LOG("seed %llu: %lu writes, %lu cycles, %lu pages copied", seed,
	       board->writes, self->cycles, self->copied);
}

TEST_F_TIMEOUT(lost, nothing_is, TIMEOUT)
{
	const __u64 first = setting("PTSHARE_SEED", 1);
	__u64 seed;

	ASSERT_EQ(0, pts_arm(self->nfd, 0, self->len, PTSHARE_ASYNC, 0));
	for (seed = first;
	     seed < first + setting("PTSHARE_LOST_SEEDS", LOST_SEEDS); seed++)
		run_seed(_metadata, self, seed);
	EXPECT_EQ(0, self->phantoms);
	EXPECT_LT(0, self->copied);
	EXPECT_LT(0, pts_fdinfo(self->nfd, "ptshare-notify-overflows"));
}
