// SPDX-License-Identifier: GPL-2.0
/* Clocks, counters and statistics of ptbench; described in bench.h. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "../ptshare_util.h"
#include "bench.h"

/*
 * Under "-icount shift=0" the time stamp counter goes on by one with each
 * instruction; clock_gettime() would add the error of its calibration.
 */
__u64 now(void)
{
	struct timespec ts;

	if (opt.counted)
		return __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void now_check(void)
{
	unsigned long n = 1000000;
	__u64 start;
	double per;

	if (!opt.counted)
		return;
	start = now();
	asm volatile("1: dec %0; jnz 1b" : "+r" (n) : : "cc");
	per = (now() - start) / 1000000.0;
	/* Two, and some more for the timer interrupts in between. */
	if (per < 2 || per > 2.1)
		die("%.3f ticks for 2 instructions: boot with ICOUNT=1", per);
}

void refresh_stats(void)
{
	if (pts_spit("/proc/sys/vm/stat_refresh", "1"))
		die("vm.stat_refresh");
}

long long nr_interrupts(const char *key)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024], *p, *end;
	long long sum = 0;

	if (!f)
		die("/proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		p = line + strspn(line, " ");
		if (strncmp(p, key, strlen(key)) || p[strlen(key)] != ':')
			continue;
		p += strlen(key) + 1;
		for (sum += strtoll(p, &end, 10); end != p;
		     sum += strtoll(p, &end, 10))
			p = end;
	}
	fclose(f);
	return sum;
}

void touch_read(const char *p, size_t len, size_t step)
{
	const char *end = p + len;

	for (; p < end; p += step)
		peek(p);
}

void touch_write(char *p, size_t len, size_t step)
{
	char *end = p + len;

	for (; p < end; p += step)
		poke(p, 'w');
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct stats stats_of(double *v, int nr)
{
	struct stats s = {};
	int i;

	qsort(v, nr, sizeof(*v), by_value);
	s.min = v[0];
	s.max = v[nr - 1];
	s.median = nr & 1 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
	for (i = 0; i < nr; i++)
		s.mean += v[i] / nr;
	for (i = 0; i < nr; i++)
		s.std += (v[i] - s.mean) * (v[i] - s.mean) / nr;
	s.std = sqrt(s.std);
	return s;
}

double spread(const struct stats *s)
{
	return s->median ? 100 * (s->max - s->min) / s->median : 0;
}
