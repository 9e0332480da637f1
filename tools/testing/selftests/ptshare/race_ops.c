// SPDX-License-Identifier: GPL-2.0
/* Races: the driver and the aggressors. race.h says how it works. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ptshare_util.h"
#include "race.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

/* Long enough for accesses that lie wholly inside one state. */
#define DWELL_US		4000
#define STOP_MS			90000
#define MOVE_ALL		0x4	/* MPOL_MF_MOVE_ALL of linux/mempolicy.h */
#define OFF(page)		((page) * pts_psz)
#define REGION_OFF	OFF(r->first)
#define REGION_LEN		OFF(r->pages)
#define LAST_PAGE		(r->pages - 1)

bool race_plain(void)
{
	return getenv("PTSHARE_RACE_PLAIN");
}

bool race_stopped(struct race *r)
{
	return r->sh->stop || r->sh->failed;
}

bool race_fail(struct race *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!atomic_fetch_add(&r->sh->failed, 1))
		vsnprintf(r->sh->what, sizeof(r->sh->what), fmt, ap);
	va_end(ap);
	return false;
}

/* For aggressors: what went wrong, as their result. */
static int complain(struct race *r, const char *what, int ret)
{
	snprintf(r->msg, sizeof(r->msg), "%s: %s", what,
		 ret < 0 ? strerror(-ret) : "wrong");
	return -EBADE;
}

static int oops(struct race *r, const char *what)
{
	return complain(r, what, -errno);
}

static void set_state(struct race *r, enum race_kind kind)
{
	r->sh->state = ((r->sh->state >> 8) + 1) << 8 | kind;
}

static void dwell(struct race *r)
{
	usleep(DWELL_US);
}

static atomic_ullong *word(struct race *r, unsigned int file,
			   unsigned int page, unsigned int at)
{
	return (atomic_ullong *)(r->plain[file] + OFF(page) + at);
}

static void write_stamps(struct race *r, unsigned int file, __u32 gen)
{
	unsigned int page;

	for (page = 0; page < LAST_PAGE; page++)
		atomic_store_explicit(word(r, file, page, 0),
				      race_stamp(page, gen),
				      memory_order_release);
}

static int map_region(struct race *r, unsigned int page, unsigned int nr)
{
	return pts_map(r->ctl, r->mem[0], PTS_RW, REGION_OFF + OFF(page),
		       OFF(nr), OFF(page));
}

/* --- truncate and punch ------------------------------------------------- */

static int truncate_step(struct race *r)
{
	set_state(r, RACE_TRANSIT);
	if (ftruncate(r->mem[0], 0))
		return oops(r, "ftruncate to 0");
	r->sh->floor = ++r->gen;
	set_state(r, RACE_GONE);
	dwell(r);
	set_state(r, RACE_TRANSIT);
	if (ftruncate(r->mem[0], REGION_LEN))
		return oops(r, "ftruncate up");
	set_state(r, RACE_ZERO);
	dwell(r);
	set_state(r, RACE_TRANSIT);
	r->sh->ceil = r->gen;
	write_stamps(r, 0, r->gen);
	set_state(r, RACE_OPEN);
	dwell(r);
	return 0;
}

const struct race_aggressor race_truncate = {
	.name = "truncate", .step = truncate_step,
	.may_get = 1U << SIGBUS, .may_be_zero = true,
};

static int punch(struct race *r, unsigned int page, unsigned int nr)
{
	return fallocate(r->mem[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 OFF(page), OFF(nr));
}

static int punch_step(struct race *r)
{
	set_state(r, RACE_TRANSIT);
	/* One large hole, or three that meet at odd places. */
	if (r->steps & 1) {
		if (punch(r, 0, r->pages))
			return oops(r, "punch");
	} else if (punch(r, 40, 57) || punch(r, 0, 40) ||
		   punch(r, 97, r->pages - 97)) {
		return oops(r, "punch in parts");
	}
	r->sh->floor = ++r->gen;
	set_state(r, RACE_ZERO);
	dwell(r);
	set_state(r, RACE_TRANSIT);
	r->sh->ceil = r->gen;
	write_stamps(r, 0, r->gen);
	set_state(r, RACE_OPEN);
	dwell(r);
	return 0;
}

const struct race_aggressor race_punch = {
	.name = "punch", .step = punch_step, .may_be_zero = true,
};

/* --- PROTECT ------------------------------------------------------------ */

/* Three ranges in one call, in any order, with odd edges. */
static int protect_all(struct race *r, __u32 prot)
{
	const unsigned int cut[4] = { 0, 31, 104, r->pages };
	struct ptshare_range_prot ranges[3] = {};
	unsigned int i, j;
	int ret;

	for (i = 0; i < 3; i++) {
		j = (i + r->steps) % 3;
		ranges[i].offset = REGION_OFF + OFF(cut[j]);
		ranges[i].length = OFF(cut[j + 1] - cut[j]);
		ranges[i].prot = prot;
	}
	set_state(r, RACE_TRANSIT);
	ret = pts_protect_vec(r->ctl, ranges, 3, NULL);
	return ret < 0 ? complain(r, "PROTECT", ret) : 0;
}

static void copy_slots(struct race *r, __u64 *copy)
{
	unsigned int page, id;

	for (page = 0; page < LAST_PAGE; page++)
		for (id = 0; id < RACE_SLOTS; id++)
			*copy++ = *word(r, 0, page, RACE_SLOT(id));
}

/*
 * After PROTECT(RO) has returned the memory stands still. Stores by GUP are
 * another matter: who pinned a page before may write it afterwards.
 */
static int must_stand_still(struct race *r)
{
	static __u64 first[RACE_MANY * RACE_SLOTS];
	static __u64 second[RACE_MANY * RACE_SLOTS];

	copy_slots(r, first);
	dwell(r);
	copy_slots(r, second);
	if (!r->victim->cpu_stores || !memcmp(first, second, sizeof(first)))
		return 0;
	return complain(r, "memory changed after PROTECT(PROT_READ)", 0);
}

static int protect_step(struct race *r)
{
	int ret = protect_all(r, PROT_READ);

	if (ret)
		return ret;
	set_state(r, RACE_RO);
	ret = must_stand_still(r);
	if (ret)
		return ret;
	if (r->steps & 1) {
		ret = protect_all(r, PROT_NONE);
		if (ret)
			return ret;
		set_state(r, RACE_NONE);
		dwell(r);
	}
	ret = protect_all(r, PTS_RW);
	if (ret)
		return ret;
	set_state(r, RACE_OPEN);
	dwell(r);
	return 0;
}

const struct race_aggressor race_protect = {
	.name = "protect", .step = protect_step,
	.keeps_data = true, .may_get = 1U << SIGSEGV,
};

/* --- UNMAP, REPLACE ------------------------------------------------------ */

static int unmap_step(struct race *r)
{
	int ret;

	set_state(r, RACE_TRANSIT);
	/* From the middle outwards now and then: cuts both edges. */
	ret = r->steps & 1 ? pts_unmap(r->ctl, REGION_OFF + OFF(59), OFF(55)) :
			     0;
	if (!ret)
		ret = pts_unmap(r->ctl, REGION_OFF, REGION_LEN);
	if (ret)
		return complain(r, "UNMAP", ret);
	set_state(r, RACE_GONE);
	dwell(r);
	set_state(r, RACE_TRANSIT);
	ret = map_region(r, 71, r->pages - 71);
	if (!ret)
		ret = map_region(r, 0, 71);
	if (ret)
		return complain(r, "MAP", ret);
	set_state(r, RACE_OPEN);
	dwell(r);
	return 0;
}

const struct race_aggressor race_unmap = {
	.name = "unmap", .step = unmap_step,
	.keeps_data = true, .may_get = 1U << SIGBUS,
};

/* The state stays OPEN: whoever looks must find a page, always. */
static int replace_step(struct race *r)
{
	const unsigned int other = !r->cur;
	int ret;

	r->sh->ceil = ++r->gen;
	write_stamps(r, other, r->gen);
	ret = pts_replace(r->ctl, r->mem[other], PTS_RW, REGION_OFF, REGION_LEN,
			  other ? OFF(RACE_SHIFT) : 0);
	if (ret)
		return complain(r, "MAP with REPLACE", ret);
	r->sh->floor = r->gen;
	write_stamps(r, r->cur, RACE_ABOVE_ALL);
	r->cur = other;
	dwell(r);
	return 0;
}

const struct race_aggressor race_replace = {
	.name = "replace", .step = replace_step, .replaces = true,
};

/* --- swap ---------------------------------------------------------------- */

static int swap_prepare(struct race *r)
{
	if (!cg_available() || !swap_available()) {
		snprintf(r->msg, sizeof(r->msg), "no memory cgroup or no swap");
		return 1;
	}
	if (cg_make(&r->cg, r->victim->name) || cg_enter(&r->cg))
		return complain(r, "cgroup", -EIO);
	r->stat = vm_counter("pswpout");
	return 0;
}

static int swap_step(struct race *r)
{
	int ret;

	/* EAGAIN: it reclaimed less than was asked for. */
	ret = cg_write_bytes(&r->cg, "memory.reclaim", REGION_LEN / 2);
	if (ret && ret != -EAGAIN && ret != -EINTR)
		return complain(r, "memory.reclaim", ret);
	if (r->steps % 4 == 3) {
		cg_write_bytes(&r->cg, "memory.max", REGION_LEN * 3 / 4);
		dwell(r);
		cg_write(&r->cg, "memory.max", "max");
	}
	dwell(r);
	return 0;
}

static bool swap_effective(struct race *r)
{
	return vm_counter("pswpout") > r->stat;
}

const struct race_aggressor race_swap = {
	.name = "swap", .prepare = swap_prepare, .step = swap_step,
	.effective = swap_effective, .keeps_data = true, .many = true,
};

/* --- migration, khugepaged ------------------------------------------------ */

static int migrate_prepare(struct race *r)
{
	r->stat = vm_counter("pgmigrate_success");
	if (r->stat >= 0 && !access("/proc/sys/vm/compact_memory", W_OK))
		return 0;
	snprintf(r->msg, sizeof(r->msg), "no compaction");
	return 1;
}

/* Moves some pages of the plain mapping to the other node, if there is one. */
static unsigned int move_some(struct race *r)
{
	unsigned int i, page = r->steps * 64 % LAST_PAGE, moved = 0;
	int nodes[64], status[64];
	void *pages[64];

	for (i = 0; i < 64; i++) {
		pages[i] = r->plain[0] + OFF((page + i) % LAST_PAGE);
		nodes[i] = r->steps / 8 & 1;
	}
	if (syscall(SYS_move_pages, 0, 64, pages, nodes, status,
		    MOVE_ALL) < 0)
		return 0;
	for (i = 0; i < 64; i++)
		moved += status[i] == nodes[i];
	return moved;
}

/*
 * Soft offlining moves the one page that it is told to, through the reverse
 * mapping, as compaction does with pages of its own choice. Each leaves 4 kB
 * behind for good, so it is rationed.
 */
static int migrate_step(struct race *r)
{
	unsigned int page = r->steps * 37 % LAST_PAGE;

	if (!(r->steps % 16))
		pts_spit("/proc/sys/vm/compact_memory", "1");
	r->done += move_some(r);
	if (!(r->steps % 4) &&
	    !madvise(r->plain[0] + OFF(page), pts_psz, MADV_SOFT_OFFLINE))
		r->done++;
	dwell(r);
	return 0;
}

static bool migrate_effective(struct race *r)
{
	return r->done && vm_counter("pgmigrate_success") > r->stat;
}

const struct race_aggressor race_migrate = {
	.name = "migrate", .prepare = migrate_prepare, .step = migrate_step,
	.effective = migrate_effective, .keeps_data = true, .many = true,
};

static int khugepaged_prepare(struct race *r)
{
	r->stat = vm_counter("thp_collapse_alloc");
	if (r->stat >= 0)
		return 0;
	snprintf(r->msg, sizeof(r->msg), "no huge pages");
	return 1;
}

/* The last page, which nobody looks at, is punched out to split the block. */
static int khugepaged_step(struct race *r)
{
	if (punch(r, LAST_PAGE, 1))
		return oops(r, "punch");
	*word(r, 0, LAST_PAGE, 0) = 1;
	dwell(r);
	if (!madvise(r->plain[0], REGION_LEN, MADV_COLLAPSE))
		r->done++;
	else if (errno != EAGAIN && errno != EBUSY && errno != ENOMEM)
		return oops(r, "MADV_COLLAPSE");
	dwell(r);
	return 0;
}

static bool khugepaged_effective(struct race *r)
{
	return r->done && vm_counter("thp_collapse_alloc") > r->stat;
}

const struct race_aggressor race_khugepaged = {
	.name = "khugepaged", .prepare = khugepaged_prepare,
	.step = khugepaged_step, .effective = khugepaged_effective,
	.keeps_data = true, .many = true, .aligned = true,
};

/* --- the driver ----------------------------------------------------------- */

static int make_file(struct race *r, unsigned int i)
{
	const unsigned int shift = i ? RACE_SHIFT : 0;
	char *area;

	r->mem[i] = pts_memfd(OFF(r->pages + shift), 0);
	if (r->mem[i] < 0)
		return complain(r, "memfd", r->mem[i]);
	area = pts_reserve(REGION_LEN, OFF(RACE_MANY));
	if (area == MAP_FAILED)
		return oops(r, "mmap");
	r->plain[i] = mmap(area, REGION_LEN, PTS_RW, MAP_SHARED | MAP_FIXED,
			   r->mem[i], OFF(shift));
	if (r->plain[i] == MAP_FAILED)
		return oops(r, "mmap of the file");
	write_stamps(r, i, i ? RACE_ABOVE_ALL : r->gen);
	return 0;
}

static int make_container(struct race *r)
{
	int ret;

	r->ctl = pts_create(OFF((__u64)RACE_TOTAL), PTS_RW);
	if (r->ctl < 0)
		return complain(r, "CREATE", r->ctl);
	r->att = pts_attach(r->ctl);
	if (r->att < 0)
		return complain(r, "ATTACH_FD", r->att);
	ret = map_region(r, 0, r->pages);
	return ret ? complain(r, "MAP", ret) : 0;
}

static int make(struct race *r)
{
	int ret;

	r->sh = mmap(NULL, sizeof(*r->sh), PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	r->pids = calloc(r->victim->nr, sizeof(*r->pids));
	if (r->sh == MAP_FAILED || !r->pids)
		return complain(r, "memory", -ENOMEM);
	r->gen = 1;
	r->sh->floor = 1;
	r->sh->ceil = 1;
	set_state(r, RACE_OPEN);
	ret = r->agg->prepare ? r->agg->prepare(r) : 0;
	if (!ret)
		ret = make_file(r, 0);
	if (!ret)
		ret = make_file(r, 1);
	if (!ret && !race_plain())
		ret = make_container(r);
	/* Only the creator is in the group. */
	if (r->cg.path[0])
		cg_enter(NULL);
	return ret;
}

static int start(struct race *r)
{
	const __u64 end = pts_now_ms() + STOP_MS;
	unsigned int i;

	fflush(NULL);
	for (i = 0; i < r->victim->nr; i++) {
		r->pids[i] = fork();
		if (r->pids[i] < 0)
			return oops(r, "fork");
		if (r->pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpriority(PRIO_PROCESS, 0, 0);
		_exit(r->victim->run(r, i));
	}
	while (r->sh->ready < r->victim->nr && !r->sh->failed) {
		if (pts_now_ms() > end)
			return complain(r, "victims are not ready", 0);
		usleep(5000);
	}
	r->sh->go = 1;
	return 0;
}

static int drive(struct race *r)
{
	const char *secs = getenv("PTSHARE_TEST_SECS");
	const __u64 end = pts_now_ms() + 1000 * (secs ? atoi(secs) : 2);
	int ret = 0;

	while (!ret && !r->sh->failed && (pts_now_ms() < end || r->steps < 2)) {
		ret = r->agg->step(r);
		r->steps++;
	}
	return ret;
}

static bool reap_one(struct race *r, unsigned int i, int flags)
{
	int status;
	pid_t pid;

	if (r->pids[i] <= 0)
		return true;
	pid = waitpid(r->pids[i], &status, flags);
	if (!pid)
		return false;
	r->pids[i] = 0;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		race_fail(r, "victim %u ended with status %#x", i, status);
	return true;
}

static void stop(struct race *r)
{
	const __u64 end = pts_now_ms() + STOP_MS;
	unsigned int i, left;

	r->sh->stop = 1;
	do {
		for (left = 0, i = 0; i < r->victim->nr; i++)
			left += !reap_one(r, i, WNOHANG);
		if (left)
			usleep(5000);
	} while (left && pts_now_ms() < end);
	if (left)
		race_fail(r, "%u victims hang", left);
	for (i = 0; i < r->victim->nr; i++) {
		if (r->pids[i] <= 0)
			continue;
		kill(r->pids[i], SIGKILL);
		reap_one(r, i, 0);
	}
}

/* After all is over the counters of the container must be at rest, too. */
static int settled(struct race *r)
{
	struct ptshare_info info;
	int ret;

	if (race_plain())
		return 0;
	ret = pts_info(r->ctl, &info);
	if (ret)
		return complain(r, "INFO", ret);
	if (info.nr_windows || info.nr_mirrors || info.nr_links) {
		snprintf(r->msg, sizeof(r->msg),
			 "%u windows, %llu mirrors and %llu links left behind",
			 info.nr_windows, info.nr_mirrors, info.nr_links);
		return -EBADE;
	}
	return 0;
}

static int verdict(struct race *r, int ret)
{
	if (!ret && !r->sh->failed)
		ret = settled(r);
	if (r->sh->failed) {
		snprintf(r->msg, sizeof(r->msg), "%s (%u victims)", r->sh->what,
			 r->sh->failed);
		return -1;
	}
	if (ret)
		return -1;
	if (r->sh->accesses < r->victim->nr) {
		complain(r, "victims saw next to nothing", 0);
		return -1;
	}
	if (r->agg->effective && !r->agg->effective(r)) {
		complain(r, "the aggressor did nothing", 0);
		return -1;
	}
	return 0;
}

static void clean(struct race *r)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (r->plain[i] && r->plain[i] != MAP_FAILED)
			munmap(r->plain[i], REGION_LEN);
		if (r->mem[i] > 0)
			close(r->mem[i]);
	}
	if (r->att > 0)
		close(r->att);
	if (r->ctl > 0)
		close(r->ctl);
	cg_destroy(&r->cg);
	free(r->pids);
	munmap(r->sh, sizeof(*r->sh));
}

int race_run(struct race *r, const struct race_aggressor *agg,
	     const struct race_victim *victim)
{
	int ret;

	memset(r, 0, sizeof(*r));
	r->agg = agg;
	r->victim = victim;
	r->first = agg->aligned ? RACE_ALIGNED : RACE_ODD;
	r->pages = agg->many ? RACE_MANY : RACE_FEW;
	ret = make(r);
	if (!ret) {
		/* The driver must get the processor when it wants it. */
		setpriority(PRIO_PROCESS, 0, -20);
		ret = start(r);
		if (!ret)
			ret = drive(r);
		setpriority(PRIO_PROCESS, 0, 0);
		stop(r);
		r->wakes = r->sh->wakes;
		ret = verdict(r, ret);
		printf("# %s/%s: %lu rounds, %llu accesses, %llu refused, %llu wakes\n",
		       agg->name, victim->name, r->steps,
		       r->sh->accesses,
		       r->sh->refused,
		       r->wakes);
	}
	clean(r);
	return ret;
}
