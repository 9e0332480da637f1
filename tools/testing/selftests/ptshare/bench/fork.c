// SPDX-License-Identifier: GPL-2.0
/* fork(2) of a process that has a window. */
#define _GNU_SOURCE
#include <unistd.h>
#include <sys/wait.h>

#include "../ptshare_util.h"
#include "bench.h"

/* What a child leaves for its parent. */
struct report {
	long long faults, vmpte, vmpte_read;
	double cost;
};

static struct report *report;

static void make_report(void)
{
	if (report)
		return;
	report = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (report == MAP_FAILED)
		die("no memory for the report");
	report->faults = 0;
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0)
		die("fork");
	if (waitpid(pid, &status, 0) < 0 || status)
		die("the child ended with %#x", status);
}

static double fork_exit(char *win, size_t len)
{
	const __u64 start = now();
	pid_t pid = fork();

	if (!pid) {
		if (win)
			touch_write(win, len, PAGE);
		_exit(0);
	}
	reap(pid);
	return now() - start;
}

static struct stats fork_rounds(char *win, size_t len)
{
	double v[ROUNDS - 1];
	int i;

	fork_exit(win, len);
	for (i = 0; i < COUNT_OF(v); i++)
		v[i] = fork_exit(win, len);
	return stats_of(v, COUNT_OF(v));
}

/* A8; @bare is fork and exit with nothing mapped. */
static void judge_cost(double idle, double touching, double bare)
{
	at_most("A8", "fork+exit over the same with nothing mapped in %; pud 64 MiB",
		100 * (idle / bare - 1), 10);
	at_most("A8", "fork + child touches 64 MiB + exit, above nothing, in k instructions; pud",
		(touching - bare) / 1000, 80);
}

static void fork_cost(enum peer_mode mode, double *bare)
{
	struct stats idle, touching = {};
	struct peer p;
	char *win;

	if (!peer_open(&p, mode, 64 * MIB))
		return;
	win = peer_map(&p, P_NULL);
	if (win)
		touch_write(win, p.len, PAGE);
	idle = fork_rounds(NULL, 0);
	if (win)
		touching = fork_rounds(win, p.len);
	peer_unmap(&p, win);
	peer_close(&p);
	if (mode == M_NOTHING)
		*bare = idle.median;
	row_begin_cost("forkcost");
	row_str("mode", mode_name(mode));
	row_cost("fork_exit", idle.median);
	row_num("spread_pct", spread(&idle));
	row_cost("fork_touch_exit", touching.median);
	row_num("touch_spread_pct", spread(&touching));
	row_end();
	if (mode == M_PUD && opt.counted)
		judge_cost(idle.median, touching.median, *bare);
}

void bench_forkcost(void)
{
	enum peer_mode mode;
	double bare = 0;

	fork_cost(M_NOTHING, &bare);
	fork_cost(M_ANON, &bare);
	for (mode = 0; mode < M_PEERS; mode++)
		fork_cost(mode, &bare);
}

/* --- page tables and faults of the child -------------------------------- */

static void child_reads(char *win, size_t len)
{
	long long start;

	report->vmpte = pts_status(getpid(), "VmPTE");
	/* The code that touches and counts shall not be among the faults. */
	touch_read((char *)&start, 1, PAGE);
	pts_minor_faults();
	start = pts_minor_faults();
	touch_read(win, len, PAGE);
	report->faults = pts_minor_faults() - start;
	report->vmpte_read = pts_status(getpid(), "VmPTE");
	_exit(0);
}

static void fork_tables(enum peer_mode mode, size_t len)
{
	long long before, parent;
	struct peer p;
	pid_t pid;
	char *win;

	if (!peer_open(&p, mode, len))
		return;
	before = pts_status(getpid(), "VmPTE");
	win = peer_map(&p, P_NULL);
	touch_write(win, len, PAGE);
	parent = pts_status(getpid(), "VmPTE");
	pid = fork();
	if (!pid)
		child_reads(win, len);
	reap(pid);
	peer_unmap(&p, win);
	peer_close(&p);
	row_begin("forktables");
	row_str("mode", mode_name(mode));
	row_int("MiB", len / MIB);
	row_int("parent_before_kB", before);
	row_int("parent_VmPTE_kB", parent);
	row_int("child_VmPTE_kB", report->vmpte);
	row_int("child_read_VmPTE_kB", report->vmpte_read);
	row_int("child_faults", report->faults);
	row_end();
	if (mode != M_PUD)
		return;
	at_most("A8", "child's VmPTE in kB over a parent's with nothing mapped; pud, all read",
		report->vmpte_read - before, 8);
	at_most("A8", "child's faults, all read; pud", report->faults, 4);
}

void bench_forktables(void)
{
	const size_t len = opt.quick ? 64 * MIB : GIB;
	enum peer_mode mode;

	make_report();
	fork_tables(M_ANON, len);
	for (mode = 0; mode < M_PEERS; mode++)
		fork_tables(mode, len);
}

/* --- latency: the tables of "Introduce Copy-On-Write to Page Table" ------ */

#define REPEAT		10
#define RANDOM_WRITES	1000000

static double fork_call(void)
{
	const __u64 start = now();
	pid_t pid = fork();
	const __u64 end = now();

	if (!pid)
		_exit(0);
	reap(pid);
	return end - start;
}

static void latency(enum peer_mode mode, size_t len)
{
	double v[REPEAT];
	struct stats s;
	struct peer p;
	char *win;
	int i;

	if (!peer_open(&p, mode, len))
		return;
	win = peer_map(&p, P_NULL);
	if (win)
		touch_write(win, len, PAGE);
	fork_call();
	for (i = 0; i < REPEAT; i++)
		v[i] = fork_call();
	s = stats_of(v, REPEAT);
	peer_unmap(&p, win);
	peer_close(&p);
	row_begin("latency");
	row_str("mode", mode_name(mode));
	row_int("MiB", len / MIB);
	row_cost("mean", s.mean);
	row_cost("median", s.median);
	row_cost("std", s.std);
	row_end();
}

static void write_random(char *win, size_t len, unsigned int nr)
{
	__u32 x = 12345;

	while (nr--) {
		/* Numerical Recipes' generator: the high bits are good. */
		x = x * 1664525 + 1013904223;
		poke(win + (x >> 8) % (len / PAGE) * PAGE, 'r');
	}
}

/* The time of one access of the child, after fork. */
static double child_access(char *win, size_t len, bool random)
{
	const unsigned int nr = random ? RANDOM_WRITES : len / PAGE;
	pid_t pid = fork();
	__u64 start;

	if (!pid) {
		start = now();
		if (random)
			write_random(win, len, nr);
		else
			touch_write(win, len, PAGE);
		report->cost = (double)(now() - start) / nr;
		_exit(0);
	}
	reap(pid);
	return report->cost;
}

static void access_row(enum peer_mode mode, char *win, size_t len, bool random)
{
	double v[REPEAT];
	struct stats s;
	int i;

	for (i = 0; i < REPEAT; i++)
		v[i] = child_access(win, len, random);
	s = stats_of(v, REPEAT);
	row_begin("access");
	row_str("mode", mode_name(mode));
	row_int("MiB", len / MIB);
	row_str("pattern", random ? "random" : "entire");
	/* Nanoseconds are readable here. */
	row_num(opt.counted ? "mean_instr" : "mean_ns", s.mean);
	row_num(opt.counted ? "median_instr" : "median_ns", s.median);
	row_num(opt.counted ? "std_instr" : "std_ns", s.std);
	row_end();
}

static void access_after_fork(enum peer_mode mode, size_t len)
{
	struct peer p;
	char *win;

	if (!peer_open(&p, mode, len))
		return;
	win = peer_map(&p, P_NULL);
	touch_write(win, len, PAGE);
	access_row(mode, win, len, false);
	access_row(mode, win, len, true);
	peer_unmap(&p, win);
	peer_close(&p);
}

void bench_forklatency(void)
{
	const size_t most = opt.quick ? 64 * MIB : 512 * MIB;
	enum peer_mode mode;
	size_t len;

	make_report();
	latency(M_NOTHING, 0);
	for (mode = 0; mode <= M_ANON; mode++)
		for (len = 64 * MIB; len <= most; len += 64 * MIB)
			latency(mode, len);
	for (mode = 0; mode <= M_ANON; mode++)
		access_after_fork(mode, most);
}
