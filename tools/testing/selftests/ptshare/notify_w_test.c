// SPDX-License-Identifier: GPL-2.0
/*
 * What moves, splits, swaps or protects an armed page, or makes entries for it:
 * none of that lets a write through unseen, and none is a write itself. Windows
 * and mappings of the file that were there before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "notify_util.h"
#include "share.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define LEN		0x200000UL
#define PAGE		37
#define TIMEOUT		120
#define HINT_MS		30000
#define NUMAB		"/sys/kernel/debug/sched/numa_balancing/"
#define THP		"/sys/kernel/mm/transparent_hugepage/"

FIXTURE(w)
{
	struct cg cg;
	int ctl, mem, nfd;
	char *win, *plain;
};

FIXTURE_VARIANT(w)
{
	const char *share;
	bool huge;
};

FIXTURE_VARIANT_ADD(w, linked) { "pud", false };
FIXTURE_VARIANT_ADD(w, linked_huge) { "pud", true };
FIXTURE_VARIANT_ADD(w, private) { "none", false };
FIXTURE_VARIANT_ADD(w, private_huge) { "none", true };

static char *map_aligned(int fd)
{
	return pts_window_aligned(fd, LEN, LEN, 0);
}

/* Every page begins with a stamp that was stored through a mapping. */
static void stamp_all(char *map)
{
	size_t at;

	for (at = 0; at < LEN; at += pts_psz)
		pts_store(map + at, pts_stamp(3, at));
}

FIXTURE_SETUP(w)
{
	if (!pts_notify_available() || !share_available())
		SKIP(return, "no write-notify");
	if (cg_available()) {
		ASSERT_EQ(0, cg_make(&self->cg, "w"));
		ASSERT_EQ(0, cg_enter(&self->cg));
	}
	self->mem = pts_memfd_pages(LEN, variant->huge);
	if (self->mem == -ENODEV)
		SKIP(return, "no huge pages in shmem");
	ASSERT_GE(self->mem, 0);
	self->ctl = share_create(variant->share, LEN, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, LEN, 0));
	self->win = map_aligned(self->ctl);
	self->plain = map_aligned(self->mem);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	ASSERT_NE(MAP_FAILED, (void *)self->plain);
	self->nfd = pts_notify(self->ctl, 0);
	ASSERT_GE(self->nfd, 0);
	stamp_all(self->plain);
	stamp_all(self->win);
}

FIXTURE_TEARDOWN(w)
{
	cg_enter(NULL);
	cg_destroy(&self->cg);
}

/* Armed, and not written since. */
static int arm_page(struct _test_data_w *self)
{
	int ret = pts_arm(self->nfd, PG(PAGE), PG(1), PTSHARE_ASYNC, 0);

	if (!ret)
		ret = pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, LEN);
	return ret < 0 ? ret : 0;
}

/* Nothing was told by what went before, and the next store is caught, once. */
static void still_armed(struct __test_metadata *_metadata,
			struct _test_data_w *self, char *first, char *second)
{
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_TRUE(pts_writes(first + PG(PAGE - 1), 11));
	EXPECT_TRUE(pts_writes(first + PG(PAGE + 1), 11));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_TRUE(pts_reads(second + PG(PAGE), pts_stamp(3, PG(PAGE))));
	EXPECT_TRUE(pts_writes(first + PG(PAGE), 12));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(PAGE), getpid()));
	EXPECT_TRUE(pts_writes(second + PG(PAGE), 13));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(PAGE)));
	pts_store(first + PG(PAGE), pts_stamp(3, PG(PAGE)));
}

/* Does @fn, whose value is 0 if it could, to an armed page. */
static void survives(struct __test_metadata *_metadata,
		     struct _test_data_w *self,
		     int (*fn)(struct _test_data_w *self))
{
	ASSERT_EQ(0, arm_page(self));
	ASSERT_EQ(0, fn(self));
	still_armed(_metadata, self, self->plain, self->win);
	ASSERT_EQ(0, arm_page(self));
	ASSERT_EQ(0, fn(self));
	still_armed(_metadata, self, self->win, self->plain);
}

static int nothing(struct _test_data_w *self)
{
	return 0;
}

TEST_F_TIMEOUT(w, one_page_of_a_folio, TIMEOUT)
{
	survives(_metadata, self, nothing);
}

/* --- W1: entries are made anew ------------------------------------------------ */

static int soft_offline(struct _test_data_w *self)
{
	return madvise(self->plain + PG(PAGE), pts_psz, MADV_SOFT_OFFLINE) ?
		-errno : 0;
}

/* The page gets another frame, by way of migration entries. */
TEST_F_TIMEOUT(w, migration, TIMEOUT)
{
	if (access("/proc/sys/vm/memory_failure_recovery", F_OK))
		SKIP(return, "no MEMORY_FAILURE");
	survives(_metadata, self, soft_offline);
}

static int compact(struct _test_data_w *self)
{
	return pts_spit("/proc/sys/vm/compact_memory", "1");
}

TEST_F_TIMEOUT(w, compaction, TIMEOUT)
{
	survives(_metadata, self, compact);
}

/* Where there is more than one node. */
static bool has_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

static int move_page(void *page)
{
	static int node;
	int status = -1;

	node = !node;
	if (syscall(SYS_move_pages, 0, 1UL, &page, &node, &status,
		    MPOL_MF_MOVE_ALL))
		return -errno;
	return status == node ? 0 : status;
}

static int change_node(struct _test_data_w *self)
{
	return move_page(self->plain + PG(PAGE));
}

TEST_F_TIMEOUT(w, move_pages, TIMEOUT)
{
	if (!has_nodes())
		SKIP(return, "one node only: numa=fake=2");
	survives(_metadata, self, change_node);
}

/* Until the entry of the page was taken away by NUMA hinting, and is back. */
static int hint(struct _test_data_w *self)
{
	__u64 end = pts_now_ms() + HINT_MS;
	long faults;

	do {
		faults = pts_minor_faults();
		pts_load(self->plain + PG(PAGE));
		if (pts_minor_faults() > faults)
			return 0;
	} while (pts_now_ms() < end);
	return -ETIMEDOUT;
}

TEST_F_TIMEOUT(w, numa_hint, TIMEOUT)
{
	if (!has_nodes() || pts_spit(NUMAB "scan_delay_ms", "10") ||
	    pts_spit(NUMAB "scan_period_min_ms", "10") ||
	    pts_spit("/proc/sys/kernel/numa_balancing", "1"))
		SKIP(return, "no NUMA_BALANCING, or one node only");
	survives(_metadata, self, hint);
	EXPECT_EQ(0, pts_spit("/proc/sys/kernel/numa_balancing", "0"));
}

static int protect_and_back(struct _test_data_w *self)
{
	return mprotect(self->plain, LEN, PROT_READ) ||
	       mprotect(self->plain, LEN, PTS_RW) ? -errno : 0;
}

TEST_F_TIMEOUT(w, mprotect, TIMEOUT)
{
	survives(_metadata, self, protect_and_back);
	/* Read-only at the time of ARM, which then meets no writable entry. */
	ASSERT_EQ(0, mprotect(self->plain, LEN, PROT_READ));
	ASSERT_EQ(0, arm_page(self));
	ASSERT_EQ(0, mprotect(self->plain, LEN, PTS_RW));
	still_armed(_metadata, self, self->plain, self->win);
}

static int region_protect_and_back(struct _test_data_w *self)
{
	return pts_protect(self->ctl, 0, LEN, PTS_RO) ?:
	       pts_protect(self->ctl, 0, LEN, PTS_RW);
}

TEST_F_TIMEOUT(w, protect, TIMEOUT)
{
	survives(_metadata, self, region_protect_and_back);
}

static int drop_entries(struct _test_data_w *self)
{
	return madvise(self->plain, LEN, MADV_DONTNEED) ? -errno : 0;
}

/* Read back in, with many entries at once: none may be written. */
static int drop_and_read(struct _test_data_w *self)
{
	int err = drop_entries(self);

	pts_load(self->plain + PG(PAGE - 1));
	pts_load(self->win + PG(PAGE - 1));
	return err;
}

TEST_F_TIMEOUT(w, fault_around, TIMEOUT)
{
	survives(_metadata, self, drop_and_read);
}

/* Written back in: the folio is mapped whole, but for the page. */
static int drop_and_write(struct _test_data_w *self)
{
	int err = drop_entries(self);

	pts_store(self->plain + PG(PAGE - 1), 1);
	return err;
}

TEST_F_TIMEOUT(w, fault_of_a_neighbour, TIMEOUT)
{
	survives(_metadata, self, drop_and_write);
}

static int move_mapping(struct _test_data_w *self)
{
	char *to = pts_reserve(LEN, LEN);

	self->plain = mremap(self->plain, LEN, LEN,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return self->plain == MAP_FAILED ? -errno : 0;
}

TEST_F_TIMEOUT(w, mremap, TIMEOUT)
{
	survives(_metadata, self, move_mapping);
}

static int collapse(struct _test_data_w *self)
{
	return madvise(self->plain, LEN, MADV_COLLAPSE) ? -errno : 0;
}

TEST_F_TIMEOUT(w, khugepaged, TIMEOUT)
{
	if (collapse(self))
		SKIP(return, "no MADV_COLLAPSE: %m");
	survives(_metadata, self, collapse);
}

/* --- W3: folios between a page and a huge one --------------------------------------- */

TEST_F_TIMEOUT(w, middle_sized_folios, TIMEOUT)
{
	const char *knob = THP "hugepages-64kB/shmem_enabled";

	if (pts_spit(knob, "always"))
		SKIP(return, "no folios of 64 KiB in shmem");
	close(self->mem);
	self->mem = pts_memfd(LEN, 0);
	ASSERT_EQ(0, munmap(self->plain, LEN));
	self->plain = map_aligned(self->mem);
	ASSERT_EQ(0, pts_replace(self->ctl, self->mem, PTS_RW, 0, LEN, 0));
	stamp_all(self->plain);
	EXPECT_EQ(0, pts_spit(knob, "never"));
	stamp_all(self->win);
	survives(_metadata, self, drop_and_write);
	survives(_metadata, self, drop_and_read);
	survives(_metadata, self, nothing);
}

/* --- swap, and W7: dirtiness is kept ---------------------------------------------- */

static int swap_out(struct _test_data_w *self)
{
	int i;

	for (i = 0; i < 50; i++) {
		if (cg_read(&self->cg, "memory.swap.current") > LEN / 4 * 3)
			return 0;
		cg_write_bytes(&self->cg, "memory.reclaim", LEN);
	}
	return -EBUSY;
}

TEST_F_TIMEOUT(w, swap, TIMEOUT)
{
	if (!self->cg.path[0] || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	survives(_metadata, self, swap_out);
}

/* What was stored before ARM is not lost when the page is reclaimed. */
TEST_F_TIMEOUT(w, dirty_before_armed, TIMEOUT)
{
	size_t at;

	if (!self->cg.path[0] || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	for (at = 0; at < LEN; at += pts_psz)
		pts_store((at & pts_psz ? self->win : self->plain) + at,
			  pts_stamp(5, at));
	ASSERT_EQ(0, pts_arm(self->nfd, 0, LEN, PTSHARE_SIGNAL,
			     PTSHARE_KERNEL_FAIL));
	ASSERT_EQ(0, swap_out(self));
	for (at = 0; at < LEN; at += pts_psz)
		ASSERT_TRUE(pts_reads(self->plain + at, pts_stamp(5, at)));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(SIGBUS, pts_write8(self->plain + PG(PAGE), 1).sig);
	EXPECT_EQ(SIGBUS, pts_write8(self->win + PG(PAGE), 1).sig);
}

/* --- W2, W8: ARM against who makes mappings and entries ------------------------------ */

struct board {
	atomic_uint stop, stores;
};

struct attacker {
	int mem, ctl;
	struct board *board;
	int how;
	size_t at;		/* of the page that is armed */
};

enum how {
	BY_FORK, BY_MREMAP, BY_MPROTECT, BY_MMAP, BY_WINDOW, BY_WRITE, BY_ZAP,
	BY_MOVE, HOWS
};

/* Those that are quick, and whose entry is hard to meet as it is made. */
static bool is_quick(int how)
{
	return how == BY_ZAP || how == BY_MOVE;
}

/* A huge entry that is moved is in neither place for an instant only. */
static int rounds_of(int how)
{
	if (how == BY_MREMAP)
		return 200;
	return is_quick(how) ? 60 : 5;
}

static void try_store(struct attacker *a, char *map)
{
	if (map == MAP_FAILED)
		return;
	if (!pts_write8(map + a->at, a->board->stores + 1).sig)
		a->board->stores++;
}

/* One copy for all of a huge folio; the armed page comes late in it. */
static void try_write(struct attacker *a)
{
	static char buf[LEN];

	pts_store(buf + a->at, a->board->stores + 1);
	if (pwrite(a->mem, buf, LEN, 0) == LEN)
		a->board->stores++;
}

/* One more mapping, or the old one changed, and a store through it. */
static char *attack(struct attacker *a, char *map)
{
	char *more;
	pid_t pid;

	switch (a->how) {
	case BY_FORK:
		pid = fork();
		if (!pid) {
			try_store(a, map);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		break;
	case BY_MREMAP:
		more = mremap(map, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
			      pts_reserve(LEN, LEN));
		map = more;
		break;
	case BY_MPROTECT:
		mprotect(map, LEN, PROT_READ);
		mprotect(map, LEN, PTS_RW);
		break;
	case BY_ZAP:
		madvise(map, LEN, MADV_DONTNEED);
		break;
	case BY_WRITE:
		try_write(a);
		return map;
	case BY_MOVE:
		move_page(map + a->at);
		break;
	default:
		more = map_aligned(a->how == BY_WINDOW ? a->ctl : a->mem);
		try_store(a, more);
		munmap(more, LEN);
	}
	try_store(a, map);
	return map;
}

static int attack_on(int sock, void *arg)
{
	struct attacker *a = arg;
	char *map = map_aligned(a->mem);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!a->board->stop)
		map = attack(a, map);
	return map == MAP_FAILED;
}

/*
 * When ARM has returned, nothing changes the page any more. A new file each
 * time, as it is the first ARM of a file that has most to do.
 */
static void arm_against(struct __test_metadata *_metadata, bool huge,
			int how)
{
	struct attacker a = {
		.how = how, .at = PG(how == BY_WRITE ? 500 : PAGE),
	};
	struct pts_child c;
	unsigned int stores;
	__u64 before;
	char *map;
	int i, nfd, rounds = rounds_of(how);

	a.board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	a.mem = pts_memfd_pages(LEN, huge);
	a.ctl = pts_create(LEN, PTS_RW);
	ASSERT_EQ(0, pts_map(a.ctl, a.mem, PTS_RW, 0, LEN, 0));
	/* To look without the folio's lock, which a copy would hold. */
	map = map_aligned(a.mem);
	ASSERT_NE(MAP_FAILED, (void *)map);
	pts_load(map + a.at);
	ASSERT_EQ(0, pts_fork(&c, attack_on, &a));
	ASSERT_TRUE(pts_wait_for(&a.board->stores, 2, PTS_SOON_MS));
	nfd = pts_notify(a.ctl, 1);
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, pts_arm(nfd, a.at, PG(1), PTSHARE_SIGNAL,
				     PTSHARE_KERNEL_FAIL));
		before = pts_load(map + a.at);
		usleep(100000 / rounds);
		EXPECT_EQ(before, pts_load(map + a.at));
		stores = a.board->stores;
		ASSERT_EQ(0, pts_resolve(nfd, a.at, PG(1), PTSHARE_ALLOW));
		EXPECT_TRUE(pts_wait_for(&a.board->stores, stores + 2,
					 PTS_SOON_MS));
	}
	a.board->stop = 1;
	EXPECT_EQ(0, pts_join(&c));
	close(nfd);
	close(a.ctl);
	close(a.mem);
	munmap(map, LEN);
	munmap(a.board, pts_psz);
}

TEST_F_TIMEOUT(w, arm_against_new_entries, TIMEOUT)
{
	int how;

	for (how = 0; how < HOWS; how++) {
		if (how == BY_MOVE && !has_nodes())
			continue;
		TH_LOG("how %d", how);
		arm_against(_metadata, variant->huge, how);
		/* What is done once for a file gets a second chance. */
		if (!is_quick(how))
			arm_against(_metadata, variant->huge, how);
	}
}

/* --- W2: ARM between the two halves of a move ----------------------------------------- */

#define FILLERS		511	/* with one more they are moved in one go */
#define MEETINGS	8

struct movers {
	int mem;
	atomic_uint *stop;
};

/*
 * Moves the page behind many others: all lose their entries before the first is
 * copied, so that the last one has none for a long time.
 */
static int move_to_and_fro(int sock, void *arg)
{
	struct movers *m = arg;
	char *map = map_aligned(m->mem);
	char *filler = mmap(NULL, PG(FILLERS), PTS_RW,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *pages[FILLERS + 1];
	int nodes[FILLERS + 1], status[FILLERS + 1];
	int i, node = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	madvise(filler, PG(FILLERS), MADV_NOHUGEPAGE);
	for (i = 0; i < FILLERS; i++) {
		pages[i] = filler + PG(i);
		pts_store(pages[i], i);
	}
	pages[FILLERS] = map + PG(PAGE);
	for (; !*m->stop; node = !node) {
		for (i = 0; i <= FILLERS; i++)
			nodes[i] = node;
		pts_load(pages[FILLERS]);
		if (syscall(SYS_move_pages, 0, FILLERS + 1UL, pages, nodes,
			    status, MPOL_MF_MOVE_ALL) < 0)
			return 1;
	}
	return 0;
}

static bool is_moving(int pagemap, const char *page)
{
	__u64 entry = 0;

	pread(pagemap, &entry, 8, (uintptr_t)page / pts_psz * 8);
	return entry >> 62 & 1;
}

/* Writable again, also as a huge page, for the next attempt. */
static int make_writable(struct _test_data_w *self)
{
	int err = pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_DISARM);

	if ((err && err != -ENOENT) || munmap(self->plain, LEN) ||
	    mmap(self->plain, LEN, PTS_RW, MAP_SHARED | MAP_FIXED, self->mem,
		 0) != self->plain)
		return -errno;
	pts_store(self->plain + PG(PAGE), pts_stamp(3, PG(PAGE)));
	pts_store(self->win + PG(PAGE), pts_stamp(3, PG(PAGE)));
	return 0;
}

/*
 * Arms the page while it is moved; false if it was not. ARM takes the entries
 * first, and then waits until the page is there.
 */
static bool arm_moving(struct __test_metadata *_metadata,
		       struct _test_data_w *self, int pagemap)
{
	__u64 end = pts_now_ms() + 5000;

	EXPECT_EQ(0, make_writable(self));
	while (!is_moving(pagemap, self->plain + PG(PAGE))) {
		if (pts_now_ms() > end)
			return false;
	}
	EXPECT_EQ(0, pts_arm(self->nfd, PG(PAGE), PG(1), PTSHARE_ASYNC, 0));
	EXPECT_LE(0, pts_written(self->nfd, PTSHARE_SCAN_CLEAR, 0, LEN));
	still_armed(_metadata, self, self->plain, self->win);
	return true;
}

TEST_F_TIMEOUT(w, arm_while_moved, TIMEOUT)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 end = pts_now_ms() + HINT_MS;
	struct movers m = { .mem = self->mem };
	struct pts_child c;
	int met = 0;

	if (!has_nodes())
		SKIP(return, "one node only: numa=fake=2");
	ASSERT_LE(0, pagemap);
	m.stop = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, pts_fork(&c, move_to_and_fro, &m));
	while (met < MEETINGS && pts_now_ms() < end)
		met += arm_moving(_metadata, self, pagemap);
	EXPECT_EQ(MEETINGS, met);
	*m.stop = 1;
	EXPECT_EQ(0, pts_join(&c));
	close(pagemap);
}

/* --- W6: a writer that is parked with the inode locked ------------------------------- */

static int write_from_uffd(int sock, void *arg)
{
	struct _test_data_w *self = arg;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *buf = mmap(NULL, pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	reg.range.start = (uintptr_t)buf;
	reg.range.len = pts_psz;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return 1;
	pts_send(sock, 1);
	/* Nobody serves that fault. */
	return pwrite(self->mem, buf, 8, PG(PAGE)) != 8;
}

TEST_F_TIMEOUT(w, arm_while_the_file_is_locked, TIMEOUT)
{
	__u64 start, up;
	struct pts_child c;

	ASSERT_EQ(0, pts_fork(&c, write_from_uffd, self));
	if (pts_recv(c.sock, &up))
		SKIP(return, "no userfaultfd");
	EXPECT_TRUE(pts_child_sleeps(&c));
	start = pts_now_ms();
	EXPECT_EQ(0, arm_page(self));
	EXPECT_EQ(0, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, LEN));
	EXPECT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_DISARM));
	EXPECT_GT(5000, pts_now_ms() - start);
	ASSERT_EQ(0, kill(c.pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, pts_join(&c));
}

/* --- W9: who arms again and again starves nobody ------------------------------------------ */

static int write_by_gup(int sock, void *arg)
{
	struct _test_data_w *self = arg;
	__u64 word = 1;
	struct iovec l = { &word, 8 };
	struct iovec r = { self->win + PG(PAGE), 8 };
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < 200; i++) {
		if (process_vm_writev(getpid(), &l, 1, &r, 1, 0) != 8)
			return 1;
	}
	return 0;
}

TEST_F_TIMEOUT(w, rearm_starves_nobody, TIMEOUT)
{
	struct pts_child c;
	int status = -1, scans = 0;

	ASSERT_EQ(0, pts_arm(self->nfd, 0, LEN, PTSHARE_ASYNC, 0));
	ASSERT_EQ(0, pts_fork(&c, write_by_gup, self));
	while (!waitpid(c.pid, &status, WNOHANG)) {
		ASSERT_LE(0, pts_written(self->nfd, PTSHARE_SCAN_REARM, 0,
					 LEN));
		scans++;
	}
	EXPECT_EQ(0, status);
	EXPECT_LT(0, scans);
}

TEST_HARNESS_MAIN
