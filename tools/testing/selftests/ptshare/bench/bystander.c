// SPDX-License-Identifier: GPL-2.0
/*
 * What processes pay that do not use ptshare. Runs on a kernel without it too;
 * the comparison is made of the rows of two kernels.
 */
#define _GNU_SOURCE
#include <unistd.h>
#include <sys/wait.h>

#include "../ptshare_util.h"
#include "bench.h"

#define FORKS	50
#define MOST	11	/* rounds that count */

static size_t anon_size(void)
{
	return opt.quick ? 16 * MIB : 256 * MIB;
}

static char *anon(void)
{
	const size_t len = anon_size();
	char *p = mmap(NULL, len, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("anonymous memory");
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/* Per fault. */
static double anon_fault(void)
{
	const size_t len = anon_size();
	char *p = anon();
	__u64 start = now();

	touch_write(p, len, PAGE);
	start = now() - start;
	munmap(p, len);
	return (double)start / (len / PAGE);
}

static double anon_munmap(void)
{
	const size_t len = anon_size();
	char *p = anon();
	__u64 start;

	touch_write(p, len, PAGE);
	start = now();
	munmap(p, len);
	return now() - start;
}

static struct peer *filled(void)
{
	static struct peer p;

	if (!p.len)
		peer_open(&p, M_PLAIN, 64 * MIB);
	return &p;
}

/* Per fault, each of which maps the pages around it. */
static double file_fault(void)
{
	const struct peer *p = filled();
	char *win = peer_map(p, P_NULL);
	long long faults = pts_minor_faults();
	__u64 start = now();

	touch_read(win, p->len, PAGE);
	start = now() - start;
	faults = pts_minor_faults() - faults;
	peer_unmap(p, win);
	return (double)start / faults;
}

/* Per write(2) of a page that is there. */
static double file_write(void)
{
	const struct peer *p = filled();
	char buf[PAGE] = "w";
	__u64 start = now();
	size_t off;

	for (off = 0; off < p->len; off += PAGE)
		if (pwrite(p->mem, buf, PAGE, off) != PAGE)
			die("pwrite");
	return (double)(now() - start) / (p->len / PAGE);
}

/* Per fault, each of which maps one page. */
static double shared_fault(bool write)
{
	const struct peer *p = filled();
	char *win = peer_map(p, P_NULL);
	__u64 start = now();

	if (write)
		touch_write(win, p->len, PAGE);
	else
		touch_read(win, p->len, PAGE);
	start = now() - start;
	peer_unmap(p, win);
	return (double)start / (p->len / PAGE);
}

static void fault_around(const char *bytes)
{
	if (pts_spit("/sys/kernel/debug/fault_around_bytes", bytes))
		die("fault_around_bytes");
}

static double shared_read(void)
{
	double cost;

	fault_around("4096");
	cost = shared_fault(false);
	fault_around("65536");
	return cost;
}

static double shared_write(void)
{
	return shared_fault(true);
}

/* Per child. */
static double fork_exit(void)
{
	__u64 start = now();
	pid_t pid;
	int i;

	for (i = 0; i < FORKS; i++) {
		pid = fork();
		if (!pid)
			_exit(0);
		if (waitpid(pid, NULL, 0) != pid)
			die("fork");
	}
	return (double)(now() - start) / FORKS;
}

static const struct {
	const char *name;
	double (*fn)(void);
} costs[] = {
	{ "anon_fault", anon_fault },
	{ "file_fault", file_fault },
	{ "file_write", file_write },
	{ "shared_read", shared_read },
	{ "shared_write", shared_write },
	{ "fork_exit", fork_exit },
	{ "munmap", anon_munmap },
};

void bench_bystander(void)
{
	const int rounds = opt.quick ? 3 : MOST;
	double v[MOST];
	struct stats s;
	int i, n;

	for (i = 0; i < COUNT_OF(costs); i++) {
		costs[i].fn();
		for (n = 0; n < rounds; n++)
			v[n] = costs[i].fn();
		s = stats_of(v, rounds);
		row_begin("bystander");
		row_str("cost", costs[i].name);
		row_num(opt.counted ? "instructions" : "ns", s.median);
		row_num("min", s.min);
		row_num("max", s.max);
		row_num("spread_pct", spread(&s));
		row_end();
	}
}
