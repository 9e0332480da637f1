// SPDX-License-Identifier: GPL-2.0
/* What it costs to catch writes: by containers, userfaultfd and mprotect. */
#define _GNU_SOURCE

#include "../ptshare_util.h"
#include "notify.h"

#define REPEAT	3
#define SPARSE	64		/* one page in so many */

static const struct way ways[] = {
	{ "async", M_PUD, H_ASYNC },
	{ "async-none", M_NONE, H_ASYNC },
	{ "block", M_PUD, H_BLOCK },
	{ "signal", M_PUD, H_SIGNAL },
	{ "uffd-async", M_PLAIN, H_UFFD_ASYNC },
	{ "uffd-sync", M_PLAIN, H_UFFD_SYNC },
	{ "mprotect", M_PLAIN, H_MPROTECT },
};

static const unsigned int many[] = { 1, 100, 500 };

static int how_many(void)
{
	return opt.quick ? 1 : COUNT_OF(many);
}

/* --- first writes ----------------------------------------------------------- */

/* Those pages that no other process writes here. */
static void job_own(struct worker *w, unsigned long nr)
{
	size_t off;

	for (off = w->id * PAGE; off < w->peer->len; off += nr * PAGE)
		poke(w->win + off, 'o');
}

struct first {
	double own;		/* per page, each written by one process */
	double all;		/* everybody writes everything */
	long long faults;	/* of that */
};

/* Less the same when nothing is caught. */
static double caught(struct rig *r, job_fn fn, unsigned long arg,
		     long long *faults)
{
	/* Who writes everything is preempted: no sum can tell that apart. */
	const bool whole = fn == job_write;
	double took;

	rig_arm(r);
	took = rig_run(r, fn, arg, whole);
	*faults = crew_sum_faults(&r->crew);
	rig_settle(r, r->peer.len / PAGE);
	return took - rig_run(r, fn, arg, whole);
}

static void first_one(const struct way *way, unsigned int nr, struct first *x)
{
	const size_t len = 4 * MIB;
	double own[REPEAT];
	struct rig r;
	int i;

	*x = (struct first) {};
	if (!rig_open(&r, way, len, nr))
		return;
	/* The first arming of a file is told by notify-arm. */
	caught(&r, job_own, nr, &x->faults);
	for (i = 0; i < REPEAT; i++)
		own[i] = caught(&r, job_own, nr, &x->faults) / (len / PAGE);
	x->own = stats_of(own, REPEAT).median;
	x->all = caught(&r, job_write, 0, &x->faults);
	rig_close(&r);
	row_begin_cost("notify");
	row_str("mode", way->name);
	row_int("N", nr);
	row_cost("first_write", x->own);
	row_cost("all_write_all", x->all);
	row_int("faults", x->faults);
	row_end();
}

static void judge_first(unsigned int nr, const struct first *of)
{
	char what[96];

	if (of[0].own && of[4].own) {
		snprintf(what, sizeof(what),
			 "first write, async / uffd-wp async; N=%u", nr);
		at_most("A7", what, of[0].own / of[4].own, 1.5);
	}
	if (of[2].own && of[5].own) {
		snprintf(what, sizeof(what),
			 "round trip, block / uffd-wp sync; N=%u", nr);
		at_most("A7", what, of[2].own / of[5].own, 1);
	}
}

void bench_notify(void)
{
	struct first of[COUNT_OF(ways)];
	int n, i;

	for (n = 0; n < how_many(); n++) {
		for (i = 0; i < COUNT_OF(ways); i++)
			first_one(&ways[i], many[n], &of[i]);
		if (opt.counted)
			judge_first(many[n], of);
	}
}

/* --- arming ------------------------------------------------------------------- */

static const struct way arm_ways[] = {
	{ "async", M_PUD, H_ASYNC },
	{ "async-none", M_NONE, H_ASYNC },
	{ "uffd-async", M_PLAIN, H_UFFD_ASYNC },
	{ "mprotect", M_PLAIN, H_MPROTECT },
};

struct arming {
	double first, again;
};

static void arm_one(const struct way *way, unsigned int nr, struct arming *x)
{
	const size_t len = (opt.quick ? 4 : 16) * MIB;
	double again[REPEAT];
	struct rig r;
	int i;

	*x = (struct arming) {};
	if (!rig_open(&r, way, len, nr))
		return;
	x->first = rig_arm(&r);
	for (i = 0; i < REPEAT; i++) {
		crew_run(&r.crew, job_write, 0);
		rig_settle(&r, len / PAGE);
		again[i] = rig_arm(&r);
	}
	x->again = stats_of(again, REPEAT).median;
	rig_close(&r);
	row_begin_cost("notify_arm");
	row_str("mode", way->name);
	row_int("MiB", len / MIB);
	row_int("N", nr);
	row_cost("first", x->first);
	row_cost("again", x->again);
	row_num(opt.counted ? "per_page_instr" : "per_page_ns",
		x->again / (len / PAGE));
	row_end();
}

static void judge_arm(const struct arming *ours, const struct arming *uffd)
{
	if (!ours->again || !uffd->again)
		return;
	at_most("A7", "ARM / 500 x UFFDIO_WRITEPROTECT, first time; 16 MiB N=500",
		ours->first / uffd->first, 0.01);
	at_most("A7", "ARM / 500 x UFFDIO_WRITEPROTECT, again; 16 MiB N=500",
		ours->again / uffd->again, 0.01);
}

void bench_notify_arm(void)
{
	struct arming of[COUNT_OF(arm_ways)];
	int n, i;

	for (n = 0; n < how_many(); n++) {
		for (i = 0; i < COUNT_OF(arm_ways); i++)
			arm_one(&arm_ways[i], many[n], &of[i]);
		if (opt.counted && many[n] == 500)
			judge_arm(&of[0], &of[2]);
	}
}

/* --- learning what was written ------------------------------------------------ */

static void scan_one(const struct way *way, unsigned int nr, unsigned int step)
{
	const size_t len = (opt.quick ? 4 : 16) * MIB;
	double took[REPEAT];
	long long pages;
	struct rig r;
	int i;

	if (!rig_open(&r, way, len, nr))
		return;
	rig_arm(&r);
	for (i = 0; i < REPEAT; i++) {
		crew_run(&r.crew, job_write, step * PAGE);
		took[i] = rig_collect(&r, &pages);
	}
	rig_close(&r);
	row_begin_cost("notify_scan");
	row_str("mode", way->name);
	row_int("MiB", len / MIB);
	row_int("N", nr);
	row_int("written_of", step);
	row_int("found", pages);
	row_cost("scan", stats_of(took, REPEAT).median);
	row_num(opt.counted ? "per_page_instr" : "per_page_ns",
		stats_of(took, REPEAT).median / (len / PAGE));
	row_end();
}

void bench_notify_scan(void)
{
	int n;

	for (n = 0; n < how_many(); n++) {
		scan_one(&arm_ways[0], many[n], 1);
		scan_one(&arm_ways[2], many[n], 1);
		scan_one(&arm_ways[0], many[n], SPARSE);
		scan_one(&arm_ways[2], many[n], SPARSE);
	}
}
