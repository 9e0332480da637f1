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
#define MOST	5	/* rounds */

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
	unsigned int nr, busy, repeat;
	long long got;			/* bytes taken */
	double took;
	struct flushes f;
	/* For each MiB taken, medians of the rounds. */
	double received_per, cal_per;
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

static bool measure_once(struct cell *x)
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
	row_of(x);
	return true;
}

/* Readers bring pages back while others are taken: no round is like another. */
static bool measure(struct cell *x)
{
	double received[MOST], cal[MOST];
	const struct cell base = *x;
	unsigned int i;

	for (i = 0; i < base.repeat; i++) {
		*x = base;
		if (!measure_once(x))
			return false;
		received[i] = (double)x->f.received * MIB / (x->got ?: 1);
		cal[i] = (double)x->f.cal * MIB / (x->got ?: 1);
	}
	x->received_per = stats_of(received, base.repeat).median;
	x->cal_per = stats_of(cal, base.repeat).median;
	return true;
}

/* hugetlbfs can't be reclaimed. */
static void all_peers(struct cell base,
		      void (*judge)(const struct cell *x, const struct cell *plain))
{
	struct cell plain = {}, x;
	enum peer_mode mode;

	skip("hugetlb", "reclaim: its pages are never reclaimed");
	for (mode = 0; mode < M_PEERS; mode++) {
		x = base;
		x.mode = mode;
		if (mode == M_HUGETLB || !measure(&x))
			continue;
		if (mode == M_PLAIN)
			plain = x;
		if (mode == M_PUD)
			judge(&x, &plain);
	}
}

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
	struct cell base = { .len = 32 * MIB, .want = 16 * MIB, .nr = 100,
			     .repeat = 1 };

	if (opt.quick)
		base = (struct cell) { .len = 4 * MIB, .want = 2 * MIB,
				       .nr = 5, .repeat = 1 };
	all_peers(base, judge_idle);
}

static void judge_running(const struct cell *x, const struct cell *plain)
{
	at_most("A5", "flushes received per MiB, 2 readers, as many as plain's; pud",
		x->received_per, plain->received_per);
	at_most("A5", "CAL interrupts per MiB, 2 readers, as many as plain's; pud",
		x->cal_per, plain->cal_per);
}

void bench_reclaim_running(void)
{
	struct cell base = { .len = 16 * MIB, .want = 4 * MIB, .nr = 20,
			     .busy = 2, .repeat = MOST };

	if (opt.quick)
		base.want = MIB;
	all_peers(base, judge_running);
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
