// SPDX-License-Identifier: GPL-2.0
/* Taking pages away from everybody: by reclaim, and by hole punch. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../cg.h"
#include "../ptshare_util.h"
#include "bench.h"

#define BATCH	32	/* SWAP_CLUSTER_MAX */
#define ROUNDS_RUNNING	45

struct flushes {
	long long sent, received;	/* /proc/vmstat */
	long long cal, tlb;		/* /proc/interrupts */
};

static struct flushes flushes_now(void)
{
	refresh_stats();
	return (struct flushes) {
		.sent = vm_counter("nr_tlb_remote_flush"),
		.received = vm_counter("nr_tlb_remote_flush_received"),
		.cal = nr_interrupts("CAL"),
		.tlb = nr_interrupts("TLB"),
	};
}

struct cell {
	enum peer_mode mode;
	size_t len, want;
	unsigned int nr, busy;
	long long got;			/* bytes taken */
	double took;
	struct flushes f;
};

/* EAGAIN: less than asked for was taken. Readers may bring it back at once. */
static void take_pages(struct cell *x, const struct cg *cg)
{
	const long long before = cg_stat(cg, "memory.stat", "pgsteal");
	const struct flushes old = flushes_now();
	const __u64 start = now();
	struct flushes new;
	int i;

	for (i = 0; i < 5 && x->got < (long long)x->want; i++) {
		cg_write_bytes(cg, "memory.reclaim", x->want - x->got);
		x->got = cg_stat(cg, "memory.stat", "pgsteal") - before;
		x->got *= pts_psz;
	}
	x->took = now() - start;
	new = flushes_now();
	x->f.sent = new.sent - old.sent;
	x->f.received = new.received - old.received;
	x->f.cal = new.cal - old.cal;
	x->f.tlb = new.tlb - old.tlb;
}

static void row_of(const struct cell *x)
{
	row_begin("reclaim");
	row_str("mode", mode_name(x->mode));
	row_int("cpus", sysconf(_SC_NPROCESSORS_ONLN));
	row_int("MiB", x->len / MIB);
	row_int("N", x->nr);
	row_int("running", x->busy);
	row_int("wanted_kB", x->want / KIB);
	row_int("taken_kB", x->got / (long long)KIB);
	row_int("remote_flush", x->f.sent);
	row_int("received", x->f.received);
	row_int("CAL", x->f.cal);
	row_int("TLB", x->f.tlb);
	row_cost("took", x->took);
	row_end();
}

/* The memory belongs to a group of its own, the processes do not. */
static bool open_in(struct peer *p, const struct cell *x, struct cg *cg)
{
	bool ok;

	if (!cg_available() || !swap_available() || cg_make(cg, "bench"))
		die("reclaim needs the memory controller and swap");
	if (cg_enter(cg))
		die("cgroup");
	ok = peer_open(p, x->mode, x->len);
	cg_enter(NULL);
	if (!ok)
		cg_destroy(cg);
	return ok;
}

static bool measure(struct cell *x)
{
	struct peer p;
	struct crew c;
	struct cg cg;

	if (!open_in(&p, x, &cg))
		return false;
	crew_start_touched(&c, &p, x->nr, 0);
	crew_busy(&c, x->busy);
	take_pages(x, &cg);
	crew_busy(&c, 0);
	crew_end(&c);
	peer_close(&p);
	cg_destroy(&cg);
	return true;
}

static void skip_hugetlb(void)
{
	skip("hugetlb", "reclaim: its pages are never reclaimed");
}

/* --- nobody runs ---------------------------------------------------------- */

static void judge_idle(const struct cell *x, const struct cell *plain)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const double batches = (double)x->got / pts_psz / BATCH;

	at_most("A5", "flushes received, processes idle; pud",
		x->f.received, cpus * batches);
	at_most("A5", "CAL interrupts above plain's, processes idle; pud",
		x->f.cal - plain->f.cal, cpus * batches);
	at_most("A5 goal", "flushes received, processes idle; pud",
		x->f.received, 0);
}

void bench_reclaim_idle(void)
{
	struct cell base = { .len = 32 * MIB, .want = 16 * MIB, .nr = 100 };
	struct cell plain = {}, x;
	enum peer_mode mode;

	if (opt.quick)
		base = (struct cell) { .len = 4 * MIB, .want = 2 * MIB,
				       .nr = 5 };
	skip_hugetlb();
	for (mode = 0; mode < M_PEERS; mode++) {
		x = base;
		x.mode = mode;
		if (mode == M_HUGETLB || !measure(&x))
			continue;
		row_of(&x);
		if (mode == M_PLAIN)
			plain = x;
		if (mode == M_PUD)
			judge_idle(&x, &plain);
	}
}

/* --- readers run ----------------------------------------------------------- */

/* What is compared of one mode: medians of the rounds. */
struct middle {
	double got, sent, received, cal, took;
	struct stats received_per, cal_per;	/* for each MiB taken */
};

static double per_mib(const struct cell *x, long long count)
{
	return (double)count * MIB / (x->got ?: 1);
}

static struct middle middle_of(const struct cell *x, int nr)
{
	double v[7][ROUNDS_RUNNING];
	int i;

	for (i = 0; i < nr; i++) {
		v[0][i] = x[i].got;
		v[1][i] = x[i].f.sent;
		v[2][i] = x[i].f.received;
		v[3][i] = x[i].f.cal;
		v[4][i] = x[i].took;
		v[5][i] = per_mib(x + i, x[i].f.received);
		v[6][i] = per_mib(x + i, x[i].f.cal);
	}
	return (struct middle) {
		.got = stats_of(v[0], nr).median,
		.sent = stats_of(v[1], nr).median,
		.received = stats_of(v[2], nr).median,
		.cal = stats_of(v[3], nr).median,
		.took = stats_of(v[4], nr).median,
		.received_per = stats_of(v[5], nr),
		.cal_per = stats_of(v[6], nr),
	};
}

static void row_of_middle(const struct cell *x, const struct middle *m, int nr)
{
	row_begin("running");
	row_str("mode", mode_name(x->mode));
	row_int("cpus", sysconf(_SC_NPROCESSORS_ONLN));
	row_int("N", x->nr);
	row_int("running", x->busy);
	row_int("rounds", nr);
	row_int("wanted_kB", x->want / KIB);
	row_int("taken_kB", m->got / KIB);
	row_int("remote_flush", m->sent);
	row_int("received", m->received);
	row_int("CAL", m->cal);
	row_num("received_per_MiB", m->received_per.median);
	row_num("least", m->received_per.min);
	row_num("most", m->received_per.max);
	row_num("CAL_per_MiB", m->cal_per.median);
	row_cost("took", m->took);
	row_end();
}

static void judge_running(const struct middle *x, const struct middle *plain)
{
	at_most("A5", "flushes received per MiB, 2 readers, as many as plain's; pud",
		x->received_per.median, plain->received_per.median);
	at_most("A5", "CAL interrupts per MiB, 2 readers, as many as plain's; pud",
		x->cal_per.median, plain->cal_per.median);
}

/*
 * Readers bring pages back while others are taken, so no round is like another:
 * the modes take turns, that what changes with time meets all of them.
 */
void bench_reclaim_running(void)
{
	static struct cell x[M_PEERS][ROUNDS_RUNNING];
	struct cell base = { .len = 16 * MIB, .want = 4 * MIB, .nr = 20,
			     .busy = 2 };
	const int nr = opt.quick ? 3 : ROUNDS_RUNNING;
	struct middle m, plain = {};
	enum peer_mode mode;
	int i;

	if (opt.quick)
		base.want = MIB;
	skip_hugetlb();
	for (i = 0; i < nr; i++)
		for (mode = 0; mode < M_PEERS; mode++) {
			x[mode][i] = base;
			x[mode][i].mode = mode;
			if (mode != M_HUGETLB && !measure(&x[mode][i]))
				x[mode][i].nr = 0;
		}
	for (mode = 0; mode < M_PEERS; mode++) {
		if (mode == M_HUGETLB || !x[mode][0].nr)
			continue;
		m = middle_of(x[mode], nr);
		row_of_middle(x[mode], &m, nr);
		if (mode == M_PLAIN)
			plain = m;
		if (mode == M_PUD)
			judge_running(&m, &plain);
	}
}

/* --- hole punch ---------------------------------------------------------- */

static double punch_hole(const struct peer *p, size_t offset, size_t len)
{
	const __u64 start = now();

	if (fallocate(p->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      offset, len))
		die("hole punch in %s", mode_name(p->mode));
	return now() - start;
}

static double punch_one(enum peer_mode mode, unsigned int nr, double plain)
{
	const size_t hole = 16 * MIB;
	struct flushes old, new;
	double v[3], took;
	struct peer p;
	struct crew c;
	int i;

	if (!peer_open(&p, mode, 64 * MIB))
		return 0;
	crew_start_touched(&c, &p, nr, 0);
	old = flushes_now();
	for (i = 0; i < COUNT_OF(v); i++)
		v[i] = punch_hole(&p, i * hole, hole);
	new = flushes_now();
	took = stats_of(v, COUNT_OF(v)).median;
	crew_end(&c);
	peer_close(&p);
	row_begin("punch");
	row_str("mode", mode_name(mode));
	row_int("N", nr);
	row_int("MiB", hole / MIB);
	row_cost("took", took);
	row_num("plain_ratio", (plain ?: took) / took);
	row_int("remote_flush", new.sent - old.sent);
	row_int("received", new.received - old.received);
	row_end();
	return took;
}

void bench_punch(void)
{
	const unsigned int nr = opt.quick ? 10 : 1000;
	double plain = 0, took;
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++) {
		took = punch_one(mode, nr, plain);
		if (mode == M_PLAIN)
			plain = took;
		if (mode == M_PUD && took && !opt.quick)
			at_least("A6", "hole punch of 16 MiB, N=1000 idle, plain / ours; pud",
				 plain / took, 30);
	}
}
