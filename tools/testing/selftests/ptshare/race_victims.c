// SPDX-License-Identifier: GPL-2.0
/* Races: the victims, who look and judge. race.h says how it works. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ptshare_util.h"
#include "race.h"
#include "secmmu.h"

#define OFF(page)	((page) * pts_psz)
#define AREA		OFF(2 * RACE_TOTAL)
#define ALIGN		OFF(RACE_GIB)
#define WINDOWS		6

/* One victim and its way to get at the memory. */
struct look {
	struct race *r;
	unsigned int id;
	char *win;		/* address of page 0 of the region */
	unsigned int lo, hi;	/* pages that the window shows */
	unsigned int at;	/* place of own words in a page, 0: none */
	__u64 rng, count;
	__u64 own[RACE_MANY];
	/* A result of race.h; @off is from page 0 of the region. */
	int (*load)(struct look *l, size_t off, __u64 *val);
	int (*store)(struct look *l, size_t off, __u64 val);
	pid_t target;		/* who is looked at from outside */
	int fd;
	char *sector;		/* aligned for O_DIRECT */
};

static unsigned int random_page(struct look *l)
{
	l->rng ^= l->rng << 13;
	l->rng ^= l->rng >> 7;
	l->rng ^= l->rng << 17;
	return l->lo + (l->rng >> 20) % (l->hi - l->lo + 1);
}

/* --- windows --------------------------------------------------------------- */

/*
 * What a window shows: first page, number, and pages that its address is off the
 * one congruent with that modulo 1 GiB. In this order: the tables of a GiB can be
 * shared; the same behind a head for which they can not; none can, inside the
 * region; those of 2 MiB can; the region and no more, at a place where its tables
 * can be shared if it is as large as one; holes before and after at an odd place.
 */
struct geometry {
	unsigned int first, nr, skew;
};

static struct geometry geometry(struct race *r, unsigned int id)
{
	const struct geometry all[WINDOWS] = {
		{ 0, RACE_TOTAL, 0 },
		{ RACE_GIB - 43, 2 * RACE_GIB, 0 },
		{ r->first + 5, r->pages * 3 / 4, 7 },
		{ 0, RACE_TOTAL, 512 },
		{ r->first, r->pages, 0 },
		{ r->first - 3, r->pages + 8, 7 },
	};

	return all[id % WINDOWS];
}

char *race_window(struct race *r, unsigned int id, unsigned int *lo,
		  unsigned int *hi)
{
	struct geometry g = geometry(r, id);
	static char *area;
	char *start;
	off_t off;
	int fd;

	*lo = g.first > r->first ? g.first - r->first : 0;
	*hi = g.first + g.nr - r->first - 1;
	if (*hi > r->pages - 2)
		*hi = r->pages - 2;
	if (!area)
		area = pts_reserve(AREA, ALIGN);
	fd = (id + id / WINDOWS) & 1 ? r->att : r->ctl;
	off = OFF((off_t)g.first);
	if (race_plain()) {
		fd = r->mem[0];
		off = OFF(*lo);
		g.first = r->first + *lo;
		g.nr = *hi - *lo + 1;
	}
	start = area + OFF(g.first % RACE_GIB + g.skew);
	start = mmap(start, OFF(g.nr), PTS_RW, MAP_SHARED | MAP_FIXED, fd, off);
	if (start == MAP_FAILED) {
		race_fail(r, "mmap of a window: %s", strerror(errno));
		return NULL;
	}
	return start - OFF(g.first) + OFF(r->first);
}

void race_unwindow(struct race *r, char *page0, unsigned int id)
{
	struct geometry g = geometry(r, id);

	if (race_plain())
		return;
	munmap(page0 + OFF(g.first) - OFF(r->first), OFF(g.nr));
}

/* --- loads and stores by the processor --------------------------------------- */

static sigjmp_buf jump;
static atomic_int armed;

static void caught(int sig)
{
	if (armed)
		siglongjmp(jump, sig);
	signal(sig, SIG_DFL);
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_handler = caught, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

static int cpu_load(struct look *l, size_t off, __u64 *val)
{
	int sig = sigsetjmp(jump, 0);

	if (!sig) {
		armed = 1;
		*val = atomic_load((atomic_ullong *)(l->win + off));
	}
	armed = 0;
	return sig;
}

static int cpu_store(struct look *l, size_t off, __u64 val)
{
	int sig = sigsetjmp(jump, 0);

	if (!sig) {
		armed = 1;
		atomic_store((atomic_ullong *)(l->win + off), val);
	}
	armed = 0;
	return sig;
}

/* --- judgement ---------------------------------------------------------------- */

static const char * const kind_name[] = {
	"TRANSIT", "OPEN", "RO", "NONE", "GONE", "ZERO",
};

static bool fits(struct look *l, enum race_kind kind, bool store, int ret)
{
	switch (kind) {
	case RACE_OPEN:
	case RACE_ZERO:
		return !ret;
	case RACE_RO:
		if (!store)
			return !ret;
		return ret == SIGSEGV || ret == RACE_EFAULT;
	case RACE_NONE:
		return ret == SIGSEGV || ret == RACE_EFAULT;
	case RACE_GONE:
		return ret == SIGBUS || ret == RACE_EFAULT;
	case RACE_TRANSIT:
		return ret <= 0 || l->r->agg->may_get & 1U << ret;
	}
	return false;
}

static bool stamp_fits(struct look *l, enum race_kind kind, unsigned int page,
		       __u64 val, __u32 floor, __u32 ceil)
{
	__u32 gen = val;

	if (kind == RACE_ZERO)
		return !val;
	if (!val)
		return kind == RACE_TRANSIT && l->r->agg->may_be_zero;
	return val == race_stamp(page, gen) && gen >= floor && gen <= ceil;
}

static enum race_kind kind_of(__u64 before, __u64 after)
{
	return before == after ? before & 0xff : RACE_TRANSIT;
}

static bool look_at(struct look *l, unsigned int page)
{
	struct race_shared *sh = l->r->sh;
	__u64 before = sh->state;
	__u32 floor = sh->floor;
	__u64 val = 0;
	int ret = l->load(l, OFF(page), &val);
	__u32 ceil = sh->ceil;
	enum race_kind kind = kind_of(before, sh->state);

	l->count++;
	if (!fits(l, kind, false, ret))
		return race_fail(l->r, "load of page %u by %u: %d in state %s",
				 page, l->id, ret, kind_name[kind]);
	if (ret) {
		sh->refused++;
		return true;
	}
	if (stamp_fits(l, kind, page, val, floor, ceil))
		return true;
	if (l->r->victim->pins && sh->floor != floor &&
	    val == race_stamp(page, RACE_ABOVE_ALL))
		return true;
	return race_fail(l->r,
			 "page %u by %u: %#llx in state %s, generations %u to %u",
			 page, l->id, val, kind_name[kind],
			 floor, ceil);
}

static bool store_to(struct look *l, unsigned int page)
{
	struct race_shared *sh = l->r->sh;
	__u64 val = (__u64)(l->id + 1) << 56 | ++l->count;
	__u64 before = sh->state;
	int ret = l->store(l, OFF(page) + l->at, val);
	enum race_kind kind = kind_of(before, sh->state);

	if (!fits(l, kind, true, ret))
		return race_fail(l->r, "store to page %u by %u: %d in state %s",
				 page, l->id, ret, kind_name[kind]);
	if (ret)
		sh->refused++;
	else
		l->own[page] = val;
	return true;
}

/* What was stored is there: dirty pages survive all of this. */
static bool own_is_there(struct look *l, unsigned int page)
{
	__u64 val = 0;

	if (!l->at || !l->r->agg->keeps_data)
		return true;
	if (l->load(l, OFF(page) + l->at, &val) || val == l->own[page])
		return true;
	return race_fail(l->r, "page %u by %u: store %#llx lost, is %#llx",
			 page, l->id, l->own[page],
			 val);
}

/* The file and the window show the same as long as nothing happens. */
static bool file_agrees(struct look *l, unsigned int page)
{
	struct race_shared *sh = l->r->sh;
	__u64 before = sh->state, win = 0, file = 0;
	enum race_kind kind;
	ssize_t len;
	int ret;

	if (l->r->agg->replaces)
		return true;
	ret = l->load(l, OFF(page), &win);
	len = pread(l->r->mem[0], &file, sizeof(file), OFF(page));
	kind = kind_of(before, sh->state);
	if (ret || kind == RACE_TRANSIT || (len == sizeof(file) && win == file))
		return true;
	return race_fail(l->r, "page %u: window %#llx, file %#llx", page,
			 win, file);
}

static bool one_round(struct look *l)
{
	unsigned int page = random_page(l);
	unsigned int turn = l->rng >> 50 & 63;

	if (!look_at(l, page))
		return false;
	if (l->at && !(turn & 3) && !store_to(l, page))
		return false;
	if (!(turn & 7) && !own_is_there(l, page))
		return false;
	if (turn == 63 && !file_agrees(l, page))
		return false;
	if (turn < 4)
		sched_yield();
	return true;
}

static bool begin(struct look *l, struct race *r, unsigned int id)
{
	memset(l, 0, sizeof(*l));
	l->r = r;
	l->id = id;
	l->rng = 0x9e3779b97f4a7c15ULL * (id + 1);
	l->at = id < RACE_SLOTS ? RACE_SLOT(id) : 0;
	l->load = cpu_load;
	l->store = cpu_store;
	catch_faults();
	l->win = race_window(r, id, &l->lo, &l->hi);
	return l->win;
}

static void ready(struct look *l)
{
	l->count = 0;
	l->r->sh->ready++;
	while (!l->r->sh->go && !race_stopped(l->r))
		usleep(10000);
}

static int finish(struct look *l)
{
	l->r->sh->accesses += l->count;
	if (l->target > 0) {
		kill(l->target, SIGKILL);
		waitpid(l->target, NULL, 0);
	}
	return 0;
}

static int rounds(struct look *l)
{
	ready(l);
	while (!race_stopped(l->r) && one_round(l))
		;
	return finish(l);
}

/* --- touch ------------------------------------------------------------------- */

static int touch(struct race *r, unsigned int id)
{
	static struct look l;

	return begin(&l, r, id) ? rounds(&l) : 1;
}

const struct race_victim race_touch = {
	.name = "touch", .nr = 64, .run = touch, .cpu_stores = true,
};

static int touch_only(struct race *r, unsigned int id)
{
	static struct look l;

	if (!begin(&l, r, id))
		return 1;
	l.at = 0;
	return rounds(&l);
}

const struct race_victim race_touch200 = {
	.name = "touch200", .nr = 200, .run = touch_only,
};

/* Windows come and go; each is looked at a few times. */
static int remap(struct race *r, unsigned int id)
{
	static struct look l;
	int i;

	if (!begin(&l, r, id))
		return 1;
	ready(&l);
	while (!race_stopped(r)) {
		for (i = 0; i < 6; i++)
			if (!one_round(&l))
				return finish(&l);
		race_unwindow(r, l.win, id);
		l.win = race_window(r, id, &l.lo, &l.hi);
		if (!l.win)
			return 1;
	}
	return finish(&l);
}

const struct race_victim race_remap = {
	.name = "remap", .nr = 16, .run = remap, .cpu_stores = true,
};

/* --- fork and exit -------------------------------------------------------------- */

static int fork_child(struct look *l)
{
	int i;

	for (i = 0; i < 4; i++)
		if (!look_at(l, random_page(l)) || !store_to(l, random_page(l)))
			return 1;
	return 0;
}

static int fork_storm(struct race *r, unsigned int id)
{
	static struct look l;
	int status;
	pid_t pid;

	if (!begin(&l, r, id))
		return 1;
	ready(&l);
	while (!race_stopped(r) && look_at(&l, random_page(&l))) {
		pid = fork();
		if (!pid) {
			l.rng += getpid();
			_exit(fork_child(&l));
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
			race_fail(r, "fork by %u: pid %d status %#x", id, pid,
				  status);
			return 1;
		}
	}
	return finish(&l);
}

const struct race_victim race_fork = {
	.name = "fork", .nr = 8, .run = fork_storm, .cpu_stores = true,
};

/* --- GUP: O_DIRECT ----------------------------------------------------------------- */

#define SECTOR		512
#define DISK_STEP	0x100000

/* The window is written to the disk; what arrived there is what GUP saw. */
static int direct_load(struct look *l, size_t off, __u64 *val)
{
	const off_t disk = (off_t)l->id * DISK_STEP;
	const size_t start = off & ~(size_t)(SECTOR - 1);

	if (pwrite(l->fd, l->win + start, SECTOR, disk) != SECTOR)
		return errno == EFAULT ? RACE_EFAULT : -errno - 1000;
	if (pread(l->fd, l->sector, SECTOR, disk) != SECTOR)
		return -errno - 1000;
	memcpy(val, l->sector + (off - start), sizeof(*val));
	return 0;
}

static int direct_store(struct look *l, size_t off, __u64 val)
{
	const off_t disk = (off_t)l->id * DISK_STEP + SECTOR;

	memset(l->sector, 0, SECTOR);
	memcpy(l->sector, &val, sizeof(val));
	if (pwrite(l->fd, l->sector, SECTOR, disk) != SECTOR)
		return -errno - 1000;
	if (pread(l->fd, l->win + off, SECTOR, disk) != SECTOR)
		return errno == EFAULT ? RACE_EFAULT : -errno - 1000;
	return 0;
}

static int odirect(struct race *r, unsigned int id)
{
	const char *disk = getenv("PTSHARE_SCRATCH");
	static struct look l;

	if (!begin(&l, r, id))
		return 1;
	l.at = RACE_SECTOR(id);
	l.load = direct_load;
	l.store = direct_store;
	l.sector = aligned_alloc(pts_psz, pts_psz);
	l.fd = disk ? open(disk, O_RDWR | O_DIRECT) : -1;
	if (l.fd < 0 || !l.sector) {
		race_fail(r, "O_DIRECT file in PTSHARE_SCRATCH (%s): %s", disk,
			  strerror(errno));
		return 1;
	}
	return rounds(&l);
}

const struct race_victim race_odirect = {
	.name = "odirect", .nr = 4, .run = odirect, .pins = true,
};

/* --- GUP: from outside -------------------------------------------------------------- */

/* Somebody who has the window and never touches it. */
static bool make_target(struct look *l)
{
	l->target = fork();
	if (l->target)
		return l->target > 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static int gup_result(struct look *l, ssize_t len)
{
	if (len == sizeof(__u64))
		return 0;
	if (len < 0 && (errno == EFAULT || errno == EIO))
		return RACE_EFAULT;
	race_fail(l->r, "access from outside: %zd, %s", len, strerror(errno));
	return RACE_EFAULT;
}

static int readv_load(struct look *l, size_t off, __u64 *val)
{
	struct iovec here = { val, sizeof(*val) };
	struct iovec there = { l->win + off, sizeof(*val) };

	return gup_result(l, process_vm_readv(l->target, &here, 1, &there, 1,
					      0));
}

static int writev_store(struct look *l, size_t off, __u64 val)
{
	struct iovec here = { &val, sizeof(val) };
	struct iovec there = { l->win + off, sizeof(val) };

	return gup_result(l, process_vm_writev(l->target, &here, 1, &there, 1,
					       0));
}

static int vm_readv(struct race *r, unsigned int id)
{
	static struct look l;

	if (!begin(&l, r, id) || !make_target(&l))
		return 1;
	l.load = readv_load;
	l.store = writev_store;
	return rounds(&l);
}

const struct race_victim race_readv = {
	.name = "readv", .nr = 8, .run = vm_readv, .pins = true,
};

/* By turns PEEKDATA and /proc/PID/mem; both force their way where they can. */
static int ptrace_load(struct look *l, size_t off, __u64 *val)
{
	if (l->count & 1)
		return gup_result(l, pread(l->fd, val, sizeof(*val),
					   (off_t)(l->win + off)));
	errno = 0;
	*val = ptrace(PTRACE_PEEKDATA, l->target, l->win + off, NULL);
	return errno ? gup_result(l, -1) : 0;
}

static int ptrace_store(struct look *l, size_t off, __u64 val)
{
	if (l->count & 1)
		return gup_result(l, pwrite(l->fd, &val, sizeof(val),
					    (off_t)(l->win + off)));
	if (ptrace(PTRACE_POKEDATA, l->target, l->win + off, val) < 0)
		return gup_result(l, -1);
	return 0;
}

static int tracer(struct race *r, unsigned int id)
{
	static struct look l;
	char path[64];
	int status;

	if (!begin(&l, r, id) || !make_target(&l))
		return 1;
	snprintf(path, sizeof(path), "/proc/%d/mem", l.target);
	l.fd = open(path, O_RDWR);
	if (l.fd < 0 || ptrace(PTRACE_SEIZE, l.target, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, l.target, NULL, NULL) ||
	    waitpid(l.target, &status, 0) != l.target || !WIFSTOPPED(status)) {
		race_fail(r, "ptrace: %s", strerror(errno));
		return 1;
	}
	l.load = ptrace_load;
	l.store = ptrace_store;
	return rounds(&l);
}

const struct race_victim race_ptrace = {
	.name = "ptrace", .nr = 4, .run = tracer, .pins = true,
};

/* --- a secondary MMU --------------------------------------------------------------- */

static int device_result(struct look *l, int ret)
{
	if (!ret || ret == -EFAULT)
		return ret ? RACE_EFAULT : 0;
	race_fail(l->r, "access by the device: %s", strerror(-ret));
	return RACE_EFAULT;
}

static int device_load(struct look *l, size_t off, __u64 *val)
{
	__u64 word = 0;
	int ret = secmmu_read(l->fd, l->win + off, &word, 0);

	*val = word;
	return device_result(l, ret);
}

static int device_store(struct look *l, size_t off, __u64 val)
{
	return device_result(l, secmmu_write(l->fd, l->win + off, val, 0));
}

/* The processor never touches these windows; every other is an attach fd's. */
static int device(struct race *r, unsigned int id)
{
	static struct look l;

	if (!begin(&l, r, id))
		return 1;
	l.load = device_load;
	l.store = device_store;
	l.fd = secmmu_open(l.win + OFF(l.lo), OFF(l.hi - l.lo + 1));
	if (l.fd < 0) {
		race_fail(r, "/dev/ptshare_test: %s", strerror(-l.fd));
		return 1;
	}
	return rounds(&l);
}

const struct race_victim race_device = {
	.name = "device", .nr = 8, .run = device, .cpu_stores = true,
};

/* --- futex ------------------------------------------------------------------------------ */

static long futex(void *addr, int op, __u32 val, const struct timespec *to)
{
	return syscall(SYS_futex, addr, op, val, to, NULL, 0);
}

/*
 * Even ids change the word through the file and wake through the window or
 * the file; odd ones wait in the window. The key is the file's page, whatever
 * happens to the page meanwhile.
 */
static bool futex_wake(struct look *l, size_t off)
{
	char *plain = l->r->plain[0] + off;
	bool by_file = l->count++ & 1;
	enum race_kind kind;
	__u64 before;
	long ret;

	/* The file may be short of this page just now. */
	if (!l->r->agg->may_be_zero && !l->r->agg->replaces)
		atomic_fetch_add((atomic_uint *)plain, 1);
	before = l->r->sh->state;
	ret = futex(by_file ? plain : l->win + off, FUTEX_WAKE, INT_MAX, NULL);
	kind = kind_of(before, l->r->sh->state);
	if (ret > 0)
		l->r->sh->wakes += ret;
	usleep(500);
	if (ret >= 0 || errno == EFAULT)
		return by_file || fits(l, kind, false, ret < 0 ? RACE_EFAULT : 0) ||
		       race_fail(l->r, "FUTEX_WAKE: %ld in state %s", ret,
				 kind_name[kind]);
	return race_fail(l->r, "FUTEX_WAKE: %s", strerror(errno));
}

static bool futex_wait(struct look *l, size_t off)
{
	const struct timespec to = { .tv_nsec = 3000000 };
	__u64 before = l->r->sh->state, val = 0;
	enum race_kind kind;
	long ret;
	int err;

	l->count++;
	if (l->load(l, off, &val)) {
		usleep(100);
		return true;
	}
	ret = futex(l->win + off, FUTEX_WAIT, (__u32)val, &to);
	err = ret < 0 ? errno : 0;
	kind = kind_of(before, l->r->sh->state);
	if (err == EFAULT)
		return fits(l, kind, false, RACE_EFAULT) ||
		       race_fail(l->r, "FUTEX_WAIT: EFAULT in state %s",
				 kind_name[kind]);
	if (!err || err == EAGAIN || err == ETIMEDOUT || err == EINTR)
		return fits(l, kind, false, 0) ||
		       race_fail(l->r, "FUTEX_WAIT: %d in state %s", err,
				 kind_name[kind]);
	return race_fail(l->r, "FUTEX_WAIT: %s", strerror(err));
}

static int futexes(struct race *r, unsigned int id)
{
	static struct look l;
	size_t off;

	if (!begin(&l, r, id))
		return 1;
	off = OFF(10 + id / 2 * 31) + RACE_FUTEX;
	ready(&l);
	while (!race_stopped(r))
		if (!(id & 1 ? futex_wait(&l, off) : futex_wake(&l, off)))
			break;
	return finish(&l);
}

const struct race_victim race_futex = {
	.name = "futex", .nr = 8, .run = futexes,
};
