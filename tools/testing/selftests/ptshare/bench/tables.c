// SPDX-License-Identifier: GPL-2.0
/* Page tables of many processes that map the same memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "../ptshare_util.h"
#include "bench.h"

struct figures {
	long long pt, sec;	/* PageTables, SecPageTables, in kB */
	long long pte;		/* VmPTE of all processes */
	long long own;		/* the container's own tables */
};

static void look(struct figures *f, const struct crew *c, const struct peer *p)
{
	f->pte = crew_vmpte(c);
	f->own = is_container(p->mode) ?
		 pts_fdinfo(p->fd, "ptshare-pgtables-kB") : 0;
	refresh_stats();
	f->pt = pts_meminfo("PageTables");
	f->sec = pts_meminfo("SecPageTables");
}

/* What a cell of the matrix found, for the comparisons. */
struct cell {
	enum peer_mode mode;
	enum place place;
	size_t len;
	unsigned int nr;
	struct figures start, attached, touched;
	struct ptshare_info info;
	long long faults, saved_kb;
};

static void row_of(const struct cell *x)
{
	row_begin("tables");
	row_str("mode", mode_name(x->mode));
	row_str("place", place_name(x->place));
	row_int("MiB", x->len / MIB);
	row_int("N", x->nr);
	row_int("attached_kB", x->attached.pt - x->start.pt);
	row_int("touched_kB", x->touched.pt - x->attached.pt);
	row_int("SecPageTables_kB", x->touched.sec - x->start.sec);
	row_num("VmPTE_kB", (double)(x->touched.pte - x->attached.pte) / x->nr);
	row_int("faults", x->faults);
	row_int("pgtables_kB", x->touched.own);
	row_int("saved_kB", x->saved_kb);
	row_int("INFO_saved", x->info.saved_bytes);
	row_int("links", x->info.nr_links);
	row_int("mirrors", x->info.nr_mirrors);
	row_end();
}

static bool measure(struct cell *x)
{
	struct peer p;
	struct crew c;

	if (!peer_open(&p, x->mode, x->len))
		return false;
	crew_start(&c, &p, x->nr);
	look(&x->start, &c, &p);
	crew_run(&c, job_map, x->place);
	look(&x->attached, &c, &p);
	crew_measure(&c, true);
	crew_run(&c, job_read, 0);
	x->faults = crew_sum_faults(&c);
	crew_run(&c, job_write, 0);
	x->faults += crew_sum_faults(&c);
	look(&x->touched, &c, &p);
	if (is_container(x->mode)) {
		pts_info(p.fd, &x->info);
		x->saved_kb = pts_fdinfo(p.fd, "ptshare-saved-kB");
	}
	crew_end(&c);
	peer_close(&p);
	row_of(x);
	return true;
}

static long long growth(const struct cell *x)
{
	return x->touched.pt - x->attached.pt;
}

/* A2: the growth itself, and plain's in proportion to it. */
static void judge_growth(const struct cell *x, long long plain)
{
	const int per = x->mode == M_PMD ? 8 : x->place == P_FAR ? 4 : 0;
	const long long flat = x->len == 64 * MIB ? 150 : 540;
	char what[96];

	snprintf(what, sizeof(what), "PageTables growth in kB; %s %s %zu MiB N=%u",
		 mode_name(x->mode), place_name(x->place), x->len / MIB, x->nr);
	at_most("A2", what, growth(x), flat + (long long)per * x->nr);
	if (x->mode != M_PUD || x->nr < 1500 || x->len != 256 * MIB)
		return;
	snprintf(what, sizeof(what), "plain tables / ours; %s %s 256 MiB N=%u",
		 mode_name(x->mode), place_name(x->place), x->nr);
	if (growth(x))
		at_least("A2", what, (double)plain / growth(x),
			 x->place == P_NULL ? 1000 : 110);
}

/* A2: three ways to count the same tables. */
static void judge_counters(const struct cell *x, long long plain)
{
	const long long told = x->touched.pte - x->attached.pte +
			       x->touched.own - x->attached.own;
	const long long diff = plain - growth(x);
	long long off = growth(x) - told;
	char what[96];

	snprintf(what, sizeof(what), "PageTables off fdinfo and VmPTE in kB; %s %s %zu MiB N=%u",
		 mode_name(x->mode), place_name(x->place), x->len / MIB, x->nr);
	at_most("A2", what, off < 0 ? -off : off, 64);
	/* Elsewhere a process has tables of its own above the links. */
	if (x->nr < 10 || x->place != P_NULL)
		return;
	snprintf(what, sizeof(what), "saved_bytes off the difference in %%; %s %s %zu MiB N=%u",
		 mode_name(x->mode), place_name(x->place), x->len / MIB, x->nr);
	off = x->info.saved_bytes / 1024 - diff;
	at_most("A2", what, 100.0 * (off < 0 ? -off : off) / diff, 5);
}

/* @plain is set by the first of the peers. */
static void one(enum peer_mode mode, enum place place, size_t len, unsigned int nr,
		long long *plain)
{
	struct cell x = { .mode = mode, .place = place, .len = len, .nr = nr };

	if (!measure(&x))
		return;
	if (mode == M_PLAIN)
		*plain = growth(&x);
	if (mode != M_PMD && mode != M_PUD)
		return;
	judge_growth(&x, *plain);
	judge_counters(&x, *plain);
}

static void all_peers(size_t len, unsigned int nr)
{
	long long plain = 0;
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++)
		one(mode, P_NULL, len, nr, &plain);
	one(M_PMD, P_FAR, len, nr, &plain);
	one(M_PUD, P_FAR, len, nr, &plain);
	/* Costs what plain does, which need not be waited for each time. */
	if (nr <= 100)
		one(M_NONE, P_ODD, len, nr, &plain);
}

void bench_tables(void)
{
	static const unsigned int many[] = { 1, 10, 100, 500, 1000, 1500 };
	static const size_t sizes[] = { 64 * MIB, 256 * MIB };
	int s, n;

	for (s = 0; s < (opt.quick ? 1 : COUNT_OF(sizes)); s++)
		for (n = 0; n < (opt.quick ? 2 : COUNT_OF(many)); n++)
			all_peers(sizes[s], many[n]);
}

/* --- a large container, little of it used ------------------------------- */

static void job_sparse(struct worker *w, unsigned long unused)
{
	size_t off;

	for (off = 0; off < w->peer->len; off += GIB)
		poke(w->win + off, 's');
}

struct sparse {
	unsigned int nr;
	long long first;	/* PageTables in kB of the first process */
	double tables;		/* of each after it */
	double vmpte;
	long long faults;
};

static void sparse_run(struct sparse *x, const struct peer *p)
{
	struct figures f[3];
	struct crew c;

	crew_start(&c, p, x->nr);
	crew_run(&c, job_map, P_NULL);
	crew_measure(&c, true);
	look(f, &c, p);
	crew_some(&c, 0, 1, job_sparse, 0);
	look(f + 1, &c, p);
	crew_some(&c, 1, x->nr, job_sparse, 0);
	look(f + 2, &c, p);
	x->first = f[1].pt - f[0].pt;
	x->tables = (double)(f[2].pt - f[1].pt) / (x->nr - 1);
	x->vmpte = (double)(f[2].pte - f[1].pte) / (x->nr - 1);
	x->faults = crew_max_faults(&c, 1, x->nr);
	crew_end(&c);
}

/* Two tables of 4 kB for each GiB, if nobody shares any; half of what is free. */
static unsigned int sparse_fit(unsigned int nr, size_t len)
{
	const unsigned int fit = pts_meminfo("MemAvailable") / 2 /
				 (long long)(len / GIB * 8 + 100);

	return fit < nr ? fit : nr;
}

static void sparse_one(enum peer_mode mode, size_t len, unsigned int nr)
{
	struct sparse x = { .nr = nr };
	struct peer p;

	if (mode != M_PUD)
		x.nr = sparse_fit(nr, len);
	if (!peer_open_sparse(&p, mode, len))
		return;
	sparse_run(&x, &p);
	peer_close(&p);
	row_begin("sparse");
	row_str("mode", mode_name(mode));
	row_int("GiB", len / GIB);
	row_int("N", x.nr);
	row_int("first_kB", x.first);
	row_num("each_later_kB", x.tables);
	row_num("each_later_VmPTE_kB", x.vmpte);
	row_int("each_later_faults", x.faults);
	row_end();
	if (mode != M_PUD)
		return;
	at_most("A2", "tables in kB of each later process; pud sparse 300 GiB",
		x.tables, 8);
	at_most("A2", "faults of each later process; pud sparse 300 GiB",
		x.faults, 310);
}

void bench_sparse(void)
{
	const size_t len = 300 * GIB;
	const unsigned int nr = opt.quick ? 5 : 1500;

	sparse_one(M_PLAIN, len, nr);
	sparse_one(M_NONE, len, nr);
	sparse_one(M_PMD, len, nr);
	sparse_one(M_PUD, len, nr);
	skip("thp", "sparse: one page of 4 KiB is used per GiB");
	skip("hugetlb", "sparse: one page of 4 KiB is used per GiB");
}

/* --- what is left of the tables when the memory is gone ------------------- */

/* Tables that the container has, or, without one, all processes. */
static long long tables_of(const struct peer *p)
{
	if (is_container(p->mode))
		return pts_fdinfo(p->fd, "ptshare-pgtables-kB");
	refresh_stats();
	return pts_meminfo("PageTables");
}

/* Until nothing has been given back for a while. */
static long long tables_settled(const struct peer *p)
{
	long long now = tables_of(p), before;

	do {
		before = now;
		sleep(3);
		now = tables_of(p);
	} while (now < before);
	return now;
}

static void punch_most(const struct peer *p)
{
	const size_t at = p->len / 10 & ~(2 * MIB - 1);

	if (fallocate(p->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		      p->len - at))
		die("hole punch in %s", mode_name(p->mode));
}

static void after_punch_one(enum peer_mode mode, size_t len)
{
	long long none, full, left;
	struct peer p;
	struct crew c;
	double pct;

	if (!peer_open(&p, mode, len))
		return;
	none = is_container(mode) ? 0 : tables_of(&p);
	crew_start_touched(&c, &p, 2, 0);
	full = tables_of(&p) - none;
	punch_most(&p);
	left = tables_settled(&p) - none;
	crew_end(&c);
	peer_close(&p);
	pct = full ? 100.0 * left / full : 0;
	row_begin("after-punch");
	row_str("mode", mode_name(mode));
	row_int("MiB", len / MIB);
	row_int("full_kB", full);
	row_int("left_kB", left);
	row_num("left_pct", pct);
	row_end();
	if (is_container(mode) && !opt.quick)
		at_most("A6", "tables after 90 % of 1 GiB are punched, in %",
			pct, 15);
}

void bench_after_punch(void)
{
	const size_t len = opt.quick ? 64 * MIB : GIB;

	after_punch_one(M_PLAIN, len);
	after_punch_one(M_NONE, len);
	after_punch_one(M_PMD, len);
	after_punch_one(M_PUD, len);
}
