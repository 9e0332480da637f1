// SPDX-License-Identifier: GPL-2.0
/* Minor faults of each process, and what touching costs all of them. */
#define _GNU_SOURCE

#include "../ptshare_util.h"
#include "bench.h"

/* Read and write faults of the processes from @first to before @last. */
static long long both_faults(struct crew *c, unsigned int first,
			     unsigned int last)
{
	long long reads;

	crew_some(c, first, last, job_read, 0);
	reads = crew_max_faults(c, first, last);
	crew_some(c, first, last, job_write, 0);
	return reads + crew_max_faults(c, first, last);
}

static void judge_faults(enum peer_mode mode, size_t len, long long later)
{
	char what[64];

	snprintf(what, sizeof(what), "faults of a later process; %s %zu MiB",
		 mode_name(mode), len / MIB);
	if (mode == M_PUD)
		at_most("A3", what, later, 4);
	else if (mode == M_PMD)
		at_most("A3", what, later, len / HUGE_SIZE);
}

static void count_faults(enum peer_mode mode, size_t len, unsigned int nr)
{
	long long first, second, later;
	struct peer p;
	struct crew c;

	if (!peer_open(&p, mode, len))
		return;
	crew_start(&c, &p, nr);
	crew_measure(&c, true);
	crew_run(&c, job_map, P_NULL);
	first = both_faults(&c, 0, 1);
	second = both_faults(&c, 1, 2);
	later = both_faults(&c, 2, nr);
	crew_end(&c);
	peer_close(&p);
	row_begin("faults");
	row_str("mode", mode_name(mode));
	row_int("MiB", len / MIB);
	row_int("N", nr);
	row_int("first", first);
	row_int("second", second);
	row_int("later_max", later);
	row_end();
	judge_faults(mode, len, second > later ? second : later);
}

void bench_faults(void)
{
	static const size_t sizes[] = { 64 * MIB, 256 * MIB };
	enum peer_mode mode;
	int s;

	for (s = 0; s < COUNT_OF(sizes); s++)
		for (mode = 0; mode < M_PEERS; mode++)
			count_faults(mode, sizes[s], opt.quick ? 4 : 100);
}

/* --- the touch phase ---------------------------------------------------- */

static void judge_touch(enum peer_mode mode, unsigned int nr, double plain,
			double total)
{
	if (mode != M_PUD)
		return;
	if (nr == 1) {
		at_most("A3", "touch phase over plain in %; pud 64 MiB N=1",
			100 * (total / plain - 1), 5);
		at_most("A3 goal", "touch phase over plain in %; pud 64 MiB N=1",
			100 * (total / plain - 1), 3);
	}
	if (nr == 1000)
		at_least("A3", "touch phase of plain / ours; pud 64 MiB N=1000",
			 plain / total, 24);
}

/* mshare's shape: all read every page, barrier, all write, barrier. */
static void touch_phase(enum peer_mode mode, unsigned int nr, double *plain)
{
	struct peer p;
	struct crew c;
	__u64 reading, writing;

	if (!peer_open(&p, mode, 64 * MIB))
		return;
	crew_start(&c, &p, nr);
	crew_run(&c, job_map, P_NULL);
	reading = crew_run(&c, job_read, 0);
	writing = crew_run(&c, job_write, 0);
	crew_end(&c);
	peer_close(&p);
	if (mode == M_PLAIN)
		*plain = reading + writing;
	row_begin_cost("touch");
	row_str("mode", mode_name(mode));
	row_int("N", nr);
	row_cost("read", reading);
	row_cost("write", writing);
	row_cost("total", reading + writing);
	row_num("plain_ratio", *plain / (reading + writing));
	row_end();
	if (opt.counted)
		judge_touch(mode, nr, *plain, reading + writing);
}

void bench_touch(void)
{
	static const unsigned int many[] = { 1, 10, 100, 1000 };
	enum peer_mode mode;
	double plain = 0;
	int n;

	for (n = 0; n < (opt.quick ? 2 : COUNT_OF(many)); n++)
		for (mode = 0; mode < M_PEERS; mode++)
			touch_phase(mode, many[n], &plain);
}
