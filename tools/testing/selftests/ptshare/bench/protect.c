// SPDX-License-Identifier: GPL-2.0
/* Changing the protection of memory that many processes map. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>

#include "../ptshare_util.h"
#include "bench.h"

#define REPEAT	3

static void job_mprotect(struct worker *w, unsigned long prot)
{
	const __u64 start = now();

	if (mprotect(w->win, w->peer->maplen, prot))
		die("mprotect");
	w->slot->val += now() - start;
}

/* A store is refused, or not, on the first page and on the last. */
static void job_check(struct worker *w, unsigned long prot)
{
	const int want = prot & PROT_WRITE ? 0 : SIGSEGV;

	if (pts_write1(w->win, 'c').sig != want ||
	    pts_write1(w->win + w->peer->len - 1, 'c').sig != want)
		die("process %u does not see protection %lu", w->id, prot);
}

/*
 * Until the last process sees it: PROTECT returns when no processor can use an
 * older translation, so for containers the call is all of it.
 */
static double change(struct crew *c, const struct peer *p, int prot)
{
	__u64 start;
	int ret;

	if (!is_container(p->mode))
		return crew_run(c, job_mprotect, prot);
	start = now();
	ret = pts_protect(p->fd, 0, p->len, prot);
	if (ret)
		die("PROTECT: %d", ret);
	return now() - start;
}

struct cell {
	enum peer_mode mode;
	size_t len;
	unsigned int nr, busy;
	size_t step;		/* one store in each; 0: in every page */
	bool huge;
	double ro, rw;
	double calls;		/* spent in all the mprotect calls together */
	long long faults, faults_max;
};

static void row_of(const char *table, const struct cell *x)
{
	row_begin(table);
	row_str("mode", mode_name(x->mode));
	row_int("MiB", x->len / MIB);
	row_int("N", x->nr);
	row_int("running", x->busy);
	row_cost("RO", x->ro);
	row_cost("RW", x->rw);
	row_cost("there_and_back", x->ro + x->rw);
	row_cost("in_mprotect", x->calls);
	row_int("later_faults", x->faults);
	row_int("later_faults_max", x->faults_max);
	row_end();
}

static void time_changes(struct cell *x, struct crew *c, const struct peer *p)
{
	double ro[REPEAT], rw[REPEAT];
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		c->slot[i].val = 0;
	for (i = 0; i < REPEAT; i++) {
		ro[i] = change(c, p, PTS_RO);
		rw[i] = change(c, p, PTS_RW);
	}
	x->ro = stats_of(ro, REPEAT).median;
	x->rw = stats_of(rw, REPEAT).median;
	for (i = 0; i < c->nr; i++)
		x->calls += c->slot[i].val / (double)REPEAT;
}

/* Faults of stores to what is writable again. */
static void later_faults(struct cell *x, struct crew *c)
{
	crew_measure(c, true);
	crew_run(c, job_write, x->step);
	x->faults = crew_sum_faults(c);
	x->faults_max = crew_max_faults(c, 0, c->nr);
	crew_measure(c, false);
}

static bool measure(struct cell *x, const char *table)
{
	struct peer p;
	struct crew c;

	if (!peer_open_huge(&p, x->mode, x->len, x->huge))
		return false;
	crew_start_touched(&c, &p, x->nr, x->step);
	if (x->busy)
		crew_busy(&c, x->busy);
	time_changes(x, &c, &p);
	later_faults(x, &c);
	if (x->busy)
		crew_busy(&c, 0);
	change(&c, &p, PTS_RO);
	crew_run(&c, job_check, PTS_RO);
	change(&c, &p, PTS_RW);
	crew_run(&c, job_check, PTS_RW);
	crew_end(&c);
	peer_close(&p);
	row_of(table, x);
	return true;
}

static double both(const struct cell *x)
{
	return x->ro + x->rw;
}

/* A7, where @x is a cell of PUD links. */
static void judge(const struct cell *x, const struct cell *plain,
		  const char *note)
{
	char what[96];

	if (x->nr == 500 && !x->busy) {
		snprintf(what, sizeof(what), "mprotects / PROTECT, RO and back; %s%zu MiB N=500",
			 note, x->len / MIB);
		at_least("A7", what, both(plain) / both(x), 50);
	}
	snprintf(what, sizeof(what), "later faults of a process; pud %s%zu MiB N=%u, %u run",
		 note, x->len / MIB, x->nr, x->busy);
	at_most("A7", what, x->faults_max, x->busy ? x->len / PAGE : 0);
}

static void judge_scale(size_t len, const struct cell *few,
			const struct cell *many)
{
	char what[96];

	snprintf(what, sizeof(what), "RO and back, N=%u / N=%u sleeping; pud %zu MiB",
		 many->nr, few->nr, len / MIB);
	at_most("A7", what, both(many) / both(few), 3);
}

static bool all_peers(size_t len, unsigned int nr, unsigned int busy,
		      struct cell *pud)
{
	struct cell plain = {}, x;
	enum peer_mode mode;
	bool found = false;

	for (mode = 0; mode < M_PEERS; mode++) {
		x = (struct cell) { .mode = mode, .len = len, .nr = nr,
				    .busy = busy };
		if (!measure(&x, "protect"))
			continue;
		if (mode == M_PLAIN)
			plain = x;
		if (mode != M_PUD)
			continue;
		judge(&x, &plain, "");
		*pud = x;
		found = true;
	}
	return found;
}

static void one_size(size_t len)
{
	static const unsigned int many[] = { 10, 100, 500, 1000, 1500 };
	const int nr = opt.quick ? 1 : COUNT_OF(many);
	struct cell first, last;
	bool found = false;
	int n;

	for (n = 0; n < nr; n++)
		found = all_peers(len, many[n], 0, n ? &last : &first);
	if (found && nr > 1)
		judge_scale(len, &first, &last);
	/* More than run at once on the machine. */
	all_peers(len, opt.quick ? 10 : 100, 4, &last);
}

void bench_protect(void)
{
	one_size(64 * MIB);
	if (!opt.quick)
		one_size(256 * MIB);
}

/* --- many ranges at a time ---------------------------------------------- */

#define PAGES_APART	6	/* 10,000 ranges in 65,536 pages */
#define SCATTERED	10000

static size_t scattered_at(unsigned int i)
{
	return i * PAGES_APART * pts_psz;
}

static void job_scattered(struct worker *w, unsigned long prot)
{
	unsigned int i;

	for (i = 0; i < SCATTERED; i++)
		if (mprotect(w->win + scattered_at(i), pts_psz, prot))
			die("mprotect %u", i);
}

static double change_scattered(struct crew *c, const struct peer *p, int prot)
{
	static struct ptshare_range_prot ranges[SCATTERED];
	unsigned int i;
	__u64 start;
	int ret;

	if (!is_container(p->mode))
		return crew_run(c, job_scattered, prot);
	for (i = 0; i < SCATTERED; i++)
		ranges[i] = (struct ptshare_range_prot) {
			.offset = scattered_at(i), .length = pts_psz,
			.prot = prot,
		};
	start = now();
	ret = pts_protect_vec(p->fd, ranges, SCATTERED, NULL);
	if (ret)
		die("PROTECT of %d ranges: %d", SCATTERED, ret);
	return now() - start;
}

static void scattered_one(enum peer_mode mode, unsigned int nr)
{
	double ro, rw;
	struct peer p;
	struct crew c;

	if (!peer_open(&p, mode, 256 * MIB))
		return;
	crew_start(&c, &p, nr);
	crew_run(&c, job_map, P_NULL);
	crew_run(&c, job_read, 0);
	ro = change_scattered(&c, &p, PTS_RO);
	rw = change_scattered(&c, &p, PTS_RW);
	crew_end(&c);
	peer_close(&p);
	row_begin("scattered");
	row_str("mode", mode_name(mode));
	row_int("N", nr);
	row_int("ranges", SCATTERED);
	row_cost("RO", ro);
	row_cost("RW", rw);
	row_end();
}

/* Huge pages would be split or can't be: no peers here. */
void bench_scattered(void)
{
	static const enum peer_mode modes[] = { M_PLAIN, M_NONE, M_PMD, M_PUD };
	int i;

	for (i = 0; i < COUNT_OF(modes); i++) {
		scattered_one(modes[i], 10);
		/* That would be two million calls of mprotect. */
		if (modes[i] != M_PLAIN && !opt.quick)
			scattered_one(modes[i], 1000);
	}
}

/* --- folios of 2 MiB ----------------------------------------------------- */

/* With many processes one access in each folio: 500 million take minutes. */
static void folios_at(size_t len, unsigned int nr)
{
	static const enum peer_mode modes[] = { M_THP, M_NONE, M_PMD, M_PUD };
	struct cell plain = {}, x;
	int i;

	for (i = 0; i < COUNT_OF(modes); i++) {
		/* Their tables take 8 MiB in each process: too much for 500. */
		if (nr > 100 && (modes[i] == M_NONE || modes[i] == M_PMD))
			continue;
		x = (struct cell) { .mode = modes[i], .len = len, .nr = nr,
				    .step = nr > 10 ? HUGE_SIZE : 0,
				    .huge = true };
		if (!measure(&x, "folios"))
			continue;
		if (modes[i] == M_THP)
			plain = x;
		if (modes[i] == M_PUD)
			judge(&x, &plain, "huge folios, ");
	}
}

void bench_folios(void)
{
	if (opt.quick) {
		folios_at(64 * MIB, 10);
		return;
	}
	folios_at(4 * GIB, 10);
	folios_at(4 * GIB, 100);
	folios_at(4 * GIB, 500);
}
