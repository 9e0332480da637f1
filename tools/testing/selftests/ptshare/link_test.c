// SPDX-License-Identifier: GPL-2.0
/*
 * Windows that share the container's page tables: where they do, what it saves,
 * and that nobody can tell from the data. What is read after a change is read
 * at once, by processes that have the old entry in their TLB.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"
#include "secmmu.h"
#include "share.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define GIB	0x40000000UL
#define MIB	0x100000UL
#define HUGE	0x200000UL
#define MEM	(8 * MIB)
#define TAG	1
#define TIMEOUT	180	/* for what waits for others */

FIXTURE(link)
{
	int ctl, fd, mem;
	char *win;
	size_t len;		/* of the container and of the window */
	__u64 links;		/* a process has when it has touched all */
};

FIXTURE_VARIANT(link)
{
	const char *share;
	enum pts_via via;
	size_t len;
	size_t shift;		/* of the window, from a congruent address */
};

FIXTURE_VARIANT_ADD(link, pud) { "pud", PTS_VIA_CONTROL, GIB, 0 };
FIXTURE_VARIANT_ADD(link, pud_attach) { "pud", PTS_VIA_ATTACH, GIB, 0 };
FIXTURE_VARIANT_ADD(link, pud_short) { "pud", PTS_VIA_CONTROL, MEM, 0 };
FIXTURE_VARIANT_ADD(link, pud_by_huge) { "pud", PTS_VIA_CONTROL, GIB, HUGE };
FIXTURE_VARIANT_ADD(link, pmd) { "pmd", PTS_VIA_CONTROL, GIB, 0 };
FIXTURE_VARIANT_ADD(link, pmd_attach) { "pmd", PTS_VIA_ATTACH, MEM, 0 };
FIXTURE_VARIANT_ADD(link, odd) { "pud", PTS_VIA_CONTROL, GIB, 0x1000 };
FIXTURE_VARIANT_ADD(link, none) { "none", PTS_VIA_CONTROL, GIB, 0 };

static __u64 links_expected(const char *share, size_t len, size_t shift)
{
	if (!strcmp(share, "none") || shift % HUGE)
		return 0;
	if (!strcmp(share, "pud") && !shift && len >= GIB)
		return 1;
	return MEM / HUGE;
}

FIXTURE_SETUP(link)
{
	if (!share_available())
		SKIP(return, "no parameter share");
	self->len = variant->len;
	self->ctl = share_stamped(variant->share, self->len, MEM, TAG,
				  &self->mem);
	ASSERT_GE(self->ctl, 0);
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->win = pts_window_aligned(self->fd, self->len, GIB,
				       variant->shift);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	self->links = links_expected(variant->share, self->len, variant->shift);
}

FIXTURE_TEARDOWN(link)
{
	struct ptshare_info info;

	munmap(self->win, self->len);
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_links);
	EXPECT_EQ(0, info.nr_mirrors);
	EXPECT_EQ(0, info.nr_windows);
}

/* Reads the stamp of every page; the number of pages that have another. */
static unsigned long touch_all(const char *win, size_t len)
{
	return pts_wrong_stamps(win, len, TAG);
}

/* All of a process's entries are links, or none is. */
TEST_F(link, shows_by_links_or_mirrors)
{
	struct ptshare_info info;

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_links);
	ASSERT_EQ(0, touch_all(self->win, MEM));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(self->links, info.nr_links);
	EXPECT_EQ(self->links ? 0 : MEM / pts_psz, info.nr_mirrors);
	EXPECT_EQ(0, info.saved_bytes);
	EXPECT_EQ((long long)info.nr_links, pts_fdinfo(self->fd, "ptshare-links"));
}

struct other {
	int fd;
	size_t len;
	size_t shift;
	char *win;
};

/* Answers with its faults, then with its tables, while it is attached. */
static int other_touch(int sock, void *arg)
{
	struct other *other = arg;
	long before;
	__u64 val;

	other->win = pts_window_aligned(other->fd, other->len, GIB,
					other->shift);
	if (other->win == MAP_FAILED)
		return 1;
	/* The first of all faults of a process is not of the window. */
	touch_all(other->win, pts_psz);
	before = pts_minor_faults();
	if (touch_all(other->win, MEM))
		return 2;
	pts_send(sock, pts_minor_faults() - before);
	while (!pts_recv(sock, &val) && val)
		pts_send(sock, pts_status(getpid(), "VmPTE"));
	return 0;
}

/* The second process pays no tables and next to no faults for what is there. */
TEST_F(link, second_process)
{
	struct other other = { self->fd, self->len, variant->shift };
	struct ptshare_info one, two;
	struct pts_child c;
	__u64 nr, saved;

	ASSERT_EQ(0, touch_all(self->win, MEM));
	ASSERT_EQ(0, pts_info(self->ctl, &one));
	ASSERT_EQ(0, pts_fork(&c, other_touch, &other));
	ASSERT_EQ(0, pts_recv(c.sock, &nr));
	EXPECT_TRUE(self->links ? nr <= self->links + 3 :
				  nr >= MEM / pts_psz / 32);
	ASSERT_EQ(0, pts_info(self->ctl, &two));
	EXPECT_EQ(one.pgtable_bytes, two.pgtable_bytes);
	EXPECT_EQ(2 * self->links, two.nr_links);
	/* The PTE tables, and their PMD table if that is shared as well. */
	saved = self->links ? MEM / HUGE + (self->links == 1) : 0;
	EXPECT_EQ(saved * pts_psz, two.saved_bytes);
	pts_send(c.sock, 0);
	EXPECT_EQ(0, pts_join(&c));
	ASSERT_EQ(0, pts_info(self->ctl, &two));
	EXPECT_EQ(self->links, two.nr_links);
	EXPECT_EQ(0, two.saved_bytes);
}

/* The child of a process that has touched all starts with empty tables. */
TEST_F(link, fork_child)
{
	long long before, after;
	int status;
	pid_t pid;

	ASSERT_EQ(0, touch_all(self->win, MEM));
	before = pts_status(getpid(), "VmPTE");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		long nr;

		after = pts_status(getpid(), "VmPTE");
		nr = pts_minor_faults();
		if (touch_all(self->win, MEM))
			_exit(1);
		nr = pts_minor_faults() - nr;
		if (self->links && nr > (long)self->links + 3)
			_exit(2);
		if (after > before + 8)
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* smaps walks no table of the container. */
TEST_F(link, smaps_is_empty)
{
	ASSERT_EQ(0, touch_all(self->win, MEM));
	EXPECT_EQ(0, pts_smaps(self->win, "Rss"));
	EXPECT_EQ(0, pts_smaps(self->win, "Pss"));
}

/*
 * After munmap() nothing of the container is reachable at the address: what is
 * mapped there next is seen from the first access, by every thread.
 */
struct reader {
	pthread_t thread;
	char *at;
	atomic_int go;		/* 1: read, 2: check, 3: done */
	atomic_ulong rounds, stale;
};

static void *reader_fn(void *arg)
{
	struct reader *r = arg;
	size_t at;

	while (atomic_load(&r->go) == 1) {
		for (at = 0; at < MEM; at += 16 * pts_psz)
			pts_load(r->at + at);
		atomic_fetch_add(&r->rounds, 1);
	}
	while (atomic_load(&r->go) == 2) {
		for (at = 0; at < MEM; at += 16 * pts_psz)
			if (pts_load(r->at + at))
				atomic_fetch_add(&r->stale, 1);
		atomic_fetch_add(&r->rounds, 1);
	}
	return NULL;
}

static bool rounds_pass(atomic_ulong *rounds, unsigned long nr)
{
	unsigned long end = atomic_load(rounds) + nr;
	__u64 limit = pts_now_ms() + 20000;

	while (atomic_load(rounds) < end && pts_now_ms() < limit)
		sched_yield();
	return atomic_load(rounds) >= end;
}

TEST_F(link, nothing_stale_after_munmap)
{
	unsigned long stale = 0;
	size_t at;

	ASSERT_EQ(0, touch_all(self->win, MEM));
	ASSERT_EQ(0, munmap(self->win, self->len));
	ASSERT_EQ(self->win, mmap(self->win, MEM, PTS_RW, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* From the end: what was touched last is in the TLB still. */
	for (at = MEM; at; ) {
		at -= pts_psz;
		stale += pts_load(self->win + at) != 0;
		*(__u64 *)(self->win + at) = 42;
	}
	EXPECT_EQ(0, stale);
	self->win = pts_window_aligned(self->fd, self->len, GIB,
				       variant->shift);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	EXPECT_EQ(0, touch_all(self->win, MEM));
}

/* The same by MAP_FIXED, while another thread reads: it sees one or the other. */
TEST_F_TIMEOUT(link, nothing_stale_in_threads, TIMEOUT)
{
	struct reader r = { .at = self->win };

	ASSERT_EQ(0, touch_all(self->win, MEM));
	atomic_store(&r.go, 1);
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, reader_fn, &r));
	EXPECT_TRUE(rounds_pass(&r.rounds, 2));
	ASSERT_EQ(self->win, mmap(self->win, self->len, PTS_RW, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
				  0));
	atomic_store(&r.go, 2);
	EXPECT_TRUE(rounds_pass(&r.rounds, 3));
	atomic_store(&r.go, 3);
	pthread_join(r.thread, NULL);
	EXPECT_EQ(0, atomic_load(&r.stale));
}

/*
 * A change of the container and other processes that have its entries in their
 * TLB and never stop to read. What counts as stale is agreed in shared memory.
 */
struct watch {
	atomic_int phase;	/* 0: before, 1: the call has returned, 2: end */
	atomic_ulong rounds, stale;
};

struct watcher {
	struct other other;
	struct watch *watch;
	bool write;		/* stores, not loads */
};

static int watch_fn(int sock, void *arg)
{
	struct watcher *w = arg;
	struct pts_fault f;
	char *at;
	int phase;
	__u64 val;

	w->other.win = pts_window_aligned(w->other.fd, w->other.len, GIB,
					  w->other.shift);
	if (w->other.win == MAP_FAILED)
		return 1;
	at = w->other.win + 3 * pts_psz;
	if (pts_read8(at, &val).sig || (w->write && pts_write8(at, val).sig))
		return 2;
	pts_send(sock, 1);
	while ((phase = atomic_load(&w->watch->phase)) < 2) {
		f = w->write ? pts_write8(at, pts_stamp(TAG, 3 * pts_psz)) :
			       pts_read8(at, &val);
		if (phase == 1 && (w->write ? !f.sig :
				   val == pts_stamp(TAG, 3 * pts_psz) && !f.sig))
			atomic_fetch_add(&w->watch->stale, 1);
		atomic_fetch_add(&w->watch->rounds, 1);
	}
	return 0;
}

static struct watch *watch_new(void)
{
	return mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* What is not allowed after @change has returned is done by nobody. */
static void seen_at_once(struct __test_metadata *_metadata,
			 struct _test_data_link *self, size_t shift, bool write,
			 int (*change)(struct _test_data_link *self))
{
	struct watcher w = {
		{ self->fd, self->len, shift }, watch_new(), write
	};
	struct pts_child c;
	__u64 val;

	ASSERT_EQ(0, pts_fork(&c, watch_fn, &w));
	ASSERT_EQ(0, pts_recv(c.sock, &val));
	EXPECT_TRUE(rounds_pass(&w.watch->rounds, 50));
	ASSERT_EQ(0, change(self));
	atomic_store(&w.watch->phase, 1);
	EXPECT_TRUE(rounds_pass(&w.watch->rounds, 50));
	atomic_store(&w.watch->phase, 2);
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(0, atomic_load(&w.watch->stale));
}

static int make_read_only(struct _test_data_link *self)
{
	return pts_protect(self->ctl, 0, MEM, PTS_RO);
}

/* After PROTECT returned no store of another process gets through. */
TEST_F_TIMEOUT(link, protect_is_seen_at_once, TIMEOUT)
{
	seen_at_once(_metadata, self, variant->shift, true, make_read_only);
}

static int punch_all(struct _test_data_link *self)
{
	return fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
			 FALLOC_FL_KEEP_SIZE, 0, MEM);
}

/* After a hole was punched nobody reads what was there. */
TEST_F_TIMEOUT(link, punch_is_seen_at_once, TIMEOUT)
{
	seen_at_once(_metadata, self, variant->shift, false, punch_all);
}

static int unmap_all(struct _test_data_link *self)
{
	return pts_unmap(self->ctl, 0, MEM);
}

/* Nor after UNMAP, which leaves a hole. */
TEST_F_TIMEOUT(link, unmap_is_seen_at_once, TIMEOUT)
{
	seen_at_once(_metadata, self, variant->shift, false, unmap_all);
}

/* Entries that are there but forbidden do not count as populated. */
TEST_F(link, populate_asks_the_region)
{
	ASSERT_EQ(0, touch_all(self->win, MEM));
	ASSERT_EQ(0, pts_protect(self->ctl, 0, MEM, PROT_NONE));
	EXPECT_EQ(-1, madvise(self->win, MEM, MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, pts_protect(self->ctl, 0, MEM, PTS_RO));
	EXPECT_EQ(0, madvise(self->win, MEM, MADV_POPULATE_READ));
	EXPECT_EQ(-1, madvise(self->win, MEM, MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, touch_all(self->win, MEM));
}

/* A process that gets a secondary MMU keeps its data and loses its links. */
TEST_F(link, notifier_unlinks)
{
	struct ptshare_info info;
	__u64 val;
	int dev;

	if (!secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	ASSERT_EQ(0, touch_all(self->win, MEM));
	dev = secmmu_open(self->win, MEM);
	ASSERT_GE(dev, 0);
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_links);
	ASSERT_EQ(0, touch_all(self->win, MEM));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_links);
	EXPECT_EQ(MEM / pts_psz, info.nr_mirrors);
	ASSERT_EQ(0, secmmu_read(dev, self->win + pts_psz, &val, 0));
	EXPECT_EQ(pts_stamp(TAG, pts_psz), val);
	ASSERT_EQ(0, pts_unmap(self->ctl, 0, MEM));
	EXPECT_FALSE(secmmu_maps(dev, self->win + pts_psz, false));
	EXPECT_TRUE(pts_fault_is(pts_read8(self->win + pts_psz, &val), SIGBUS,
				 BUS_ADRERR, self->win + pts_psz));
	close(dev);
}

/* exec drops the window like any mapping. */
TEST_F(link, exec_unlinks)
{
	struct ptshare_info info;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		touch_all(self->win, MEM);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(0, info.nr_links);
	EXPECT_EQ(1, info.nr_windows);
}

/* khugepaged takes PTE tables from the container, and from who has linked them. */
TEST_F_TIMEOUT(link, collapse, TIMEOUT)
{
	struct ptshare_info info;
	char *plain;
	int err;

	ASSERT_EQ(0, touch_all(self->win, MEM));
	plain = pts_window_aligned(self->mem, MEM, HUGE, 0);
	ASSERT_NE(MAP_FAILED, (void *)plain);
	ASSERT_EQ(0, touch_all(plain, MEM));
	err = madvise(plain, MEM, MADV_COLLAPSE) ? -errno : 0;
	if (err)
		SKIP(return, "MADV_COLLAPSE: %s", strerror(-err));
	ASSERT_EQ(0, pts_info(self->ctl, &info));
	/* A PUD link shows the huge entry as it shows all others. */
	EXPECT_EQ(self->links == 1, info.nr_links);
	EXPECT_EQ(0, touch_all(self->win, MEM));
	EXPECT_TRUE(pts_writes(self->win + HUGE, 5));
	EXPECT_EQ(5, *(__u64 *)(plain + HUGE));
}

/*
 * Swapped out and back under a process that counts in the page: an entry left in
 * its TLB would have it count in a page that is no longer the container's, and
 * find an older count later.
 */
static int count_fn(int sock, void *arg)
{
	struct watcher *w = arg;
	__u64 last = 1;
	char *at;

	w->other.win = pts_window_aligned(w->other.fd, w->other.len, GIB,
					  w->other.shift);
	if (w->other.win == MAP_FAILED)
		return 1;
	at = w->other.win + 3 * pts_psz + 8;
	pts_store(at, last);
	pts_send(sock, 1);
	while (atomic_load(&w->watch->phase) < 2) {
		if (pts_load(at) != last)
			atomic_fetch_add(&w->watch->stale, 1);
		pts_store(at, ++last);
		atomic_fetch_add(&w->watch->rounds, 1);
	}
	return 0;
}

TEST_F_TIMEOUT(link, reclaim_while_written, TIMEOUT)
{
	struct watcher w = {
		{ -1, self->len, variant->shift }, watch_new(), true
	};
	struct pts_child c;
	struct cg cg;
	__u64 val;
	int i;

	if (!cg_available() || !swap_available())
		SKIP(return, "no memory cgroup or no swap");
	ASSERT_EQ(0, cg_make(&cg, variant->share));
	ASSERT_EQ(0, cg_enter(&cg));
	w.other.fd = share_create(variant->share, self->len, PTS_RW);
	ASSERT_GE(w.other.fd, 0);
	self->mem = pts_memfd_stamped(MEM, TAG);
	ASSERT_EQ(0, pts_map(w.other.fd, self->mem, PTS_RW, 0, MEM, 0));
	ASSERT_EQ(0, pts_fork(&c, count_fn, &w));
	ASSERT_EQ(0, pts_recv(c.sock, &val));
	for (i = 0; i < 5; i++) {
		EXPECT_TRUE(rounds_pass(&w.watch->rounds, 20));
		cg_write_bytes(&cg, "memory.reclaim", MEM);
	}
	EXPECT_GT(cg_read(&cg, "memory.swap.current"), 0);
	EXPECT_TRUE(rounds_pass(&w.watch->rounds, 20));
	atomic_store(&w.watch->phase, 2);
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(0, atomic_load(&w.watch->stale));
	close(w.other.fd);
	EXPECT_EQ(0, cg_enter(NULL));
	cg_destroy(&cg);
}

/* The parameter: what it says, what it takes, and when it is looked at. */
TEST(share_parameter)
{
	struct ptshare_info info;
	int ctl;

	if (!share_available())
		SKIP(return, "no parameter share");
	EXPECT_EQ(-EINVAL, share_set("p4d"));
	EXPECT_EQ(-EINVAL, share_set(""));
	ctl = share_create("pmd", GIB, PTS_RW);
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(HUGE, info.granule);
	close(ctl);
	ctl = share_create("none", GIB, PTS_RW);
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(pts_psz, info.granule);
	close(ctl);
	ctl = share_create("pud", GIB, PTS_RW);
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(GIB, info.granule);
	close(ctl);
}

/* mmap without a hint picks an address where links fit. */
TEST(no_hint_gets_links)
{
	struct ptshare_info info;
	int ctl, mem;
	char *win;

	if (!share_available())
		SKIP(return, "no parameter share");
	ctl = share_stamped("pud", 2 * GIB, MEM, TAG, &mem);
	ASSERT_GE(ctl, 0);
	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, GIB + HUGE, MEM, 0));
	win = pts_window(ctl, 2 * GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)win);
	EXPECT_EQ(0, touch_all(win, MEM));
	EXPECT_EQ(0, touch_all(win + GIB + HUGE, MEM));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(2, info.nr_links);
	EXPECT_EQ(0, info.nr_mirrors);
	ASSERT_EQ(0, munmap(win, 2 * GIB));
	win = pts_window(ctl, MEM, GIB + HUGE);
	ASSERT_NE(MAP_FAILED, (void *)win);
	EXPECT_EQ(0, touch_all(win, MEM));
	ASSERT_EQ(0, pts_info(ctl, &info));
	EXPECT_EQ(MEM / HUGE, info.nr_links);
	EXPECT_EQ(0, info.nr_mirrors);
}

/* --- too many to flush in one piece ---------------------------------------- */

#define MAX_LINKED	"/proc/sys/vm/ptshare_max_linked"

FIXTURE(limit)
{
	char before[32];
	int ctl, mem;
	char *win[4];
};

FIXTURE_VARIANT(limit)
{
	const char *share;
	__u64 links;		/* of a window that has them */
};

FIXTURE_VARIANT_ADD(limit, pud) { "pud", 1 };
FIXTURE_VARIANT_ADD(limit, pmd) { "pmd", MEM / HUGE };

FIXTURE_SETUP(limit)
{
	if (!share_available())
		SKIP(return, "no parameter share");
	ASSERT_LT(0, pts_slurp(MAX_LINKED, self->before,
			       sizeof(self->before)));
	self->ctl = share_stamped(variant->share, GIB, MEM, TAG,
				  &self->mem);
	ASSERT_GE(self->ctl, 0);
}

FIXTURE_TEARDOWN(limit)
{
	EXPECT_EQ(0, pts_spit(MAX_LINKED, self->before));
}

/* Touches all of a new window: by how much nr_links and nr_mirrors grew. */
static void limit_window(struct __test_metadata *_metadata,
			 struct _test_data_limit *self, unsigned int i,
			 __u64 links, __u64 mirrors)
{
	struct ptshare_info before, after;

	ASSERT_EQ(0, pts_info(self->ctl, &before));
	self->win[i] = pts_window_aligned(self->ctl, GIB, GIB, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->win[i]);
	EXPECT_EQ(0, touch_all(self->win[i], MEM));
	ASSERT_EQ(0, pts_info(self->ctl, &after));
	EXPECT_EQ(links, after.nr_links - before.nr_links);
	EXPECT_EQ(mirrors, after.nr_mirrors - before.nr_mirrors);
}

/* Who comes too late has mirrors, sees the same, and hears of every change. */
TEST_F(limit, late_windows_have_mirrors)
{
	const __u64 pages = MEM / pts_psz;
	unsigned int i;

	ASSERT_EQ(0, pts_spit(MAX_LINKED, "2"));
	limit_window(_metadata, self, 0, variant->links, 0);
	limit_window(_metadata, self, 1, variant->links, 0);
	limit_window(_metadata, self, 2, 0, pages);
	ASSERT_EQ(0, munmap(self->win[0], GIB));
	limit_window(_metadata, self, 0, variant->links, 0);
	limit_window(_metadata, self, 3, 0, pages);

	ASSERT_EQ(0, fallocate(self->mem, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 0, MEM));
	for (i = 0; i < ARRAY_SIZE(self->win); i++)
		EXPECT_EQ(pages, touch_all(self->win[i], MEM));
	for (i = 0; i < ARRAY_SIZE(self->win); i++)
		EXPECT_EQ(0, munmap(self->win[i], GIB));
}

static int with_notifier(int sock, void *arg)
{
	struct _test_data_limit *self = arg;
	char *win = pts_window_aligned(self->ctl, GIB, GIB, 0);
	__u64 go;
	int dev;

	if (win == MAP_FAILED || touch_all(win, MEM))
		return 1;
	if (pts_send(sock, 1) || pts_recv(sock, &go))
		return 2;
	dev = secmmu_open(win, MEM);
	if (dev < 0 || touch_all(win, MEM))
		return 3;
	if (pts_send(sock, 1) || pts_recv(sock, &go))
		return 4;
	return munmap(win, GIB) ? 5 : 0;
}

/* Who can have no links any more takes nobody's place. */
TEST_F(limit, notifier_leaves_its_place)
{
	struct pts_child c;
	__u64 ready;

	if (!secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	ASSERT_EQ(0, pts_spit(MAX_LINKED, "1"));
	ASSERT_EQ(0, pts_fork(&c, with_notifier, self));
	ASSERT_EQ(0, pts_recv(c.sock, &ready));
	limit_window(_metadata, self, 0, 0, MEM / pts_psz);
	ASSERT_EQ(1, pts_ask(c.sock, 1));
	limit_window(_metadata, self, 1, variant->links, 0);
	limit_window(_metadata, self, 2, 0, MEM / pts_psz);
	ASSERT_EQ(0, pts_send(c.sock, 1));
	EXPECT_EQ(0, pts_join(&c));
}

/* What is linked stays so; a limit of 0 links nobody any more. */
TEST_F(limit, binds_who_comes)
{
	limit_window(_metadata, self, 0, variant->links, 0);
	ASSERT_EQ(0, pts_spit(MAX_LINKED, "0"));
	limit_window(_metadata, self, 1, 0, MEM / pts_psz);
	EXPECT_EQ(0, touch_all(self->win[0], MEM));
	EXPECT_EQ(-EINVAL, pts_spit(MAX_LINKED, "-1"));
}

TEST_HARNESS_MAIN
