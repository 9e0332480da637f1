// SPDX-License-Identifier: GPL-2.0
/* Getting a window, and giving it up. */
#define _GNU_SOURCE
#include <string.h>

#include "../ptshare_util.h"
#include "bench.h"

/* --- from mmap(2) to the first byte ------------------------------------- */

static double first_byte(const struct peer *p)
{
	const __u64 start = now();
	char *win = peer_map(p, P_NULL);
	__u64 end;

	touch_read(win, 1, PAGE);
	end = now();
	peer_unmap(p, win);
	return end - start;
}

static void attach_one(enum peer_mode mode)
{
	double v[ROUNDS - 1], first;
	struct stats s;
	struct peer p;
	char *win;
	int i;

	if (!peer_open(&p, mode, 64 * MIB))
		return;
	/* Nobody has seen the data through a window yet. */
	first = first_byte(&p);
	win = peer_map(&p, P_NULL);
	touch_read(win, p.len, PAGE);
	for (i = 0; i < COUNT_OF(v); i++)
		v[i] = first_byte(&p);
	s = stats_of(v, COUNT_OF(v));
	peer_unmap(&p, win);
	peer_close(&p);
	row_begin_cost("attach");
	row_str("mode", mode_name(mode));
	row_cost("first", first);
	row_cost("median", s.median);
	row_cost("min", s.min);
	row_cost("max", s.max);
	row_end();
}

void bench_attach(void)
{
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++)
		attach_one(mode);
}

/* --- munmap(2) of one touched window ------------------------------------ */

static double one_munmap(const struct peer *p)
{
	char *win = peer_map(p, P_NULL);
	__u64 start;

	touch_read(win, p->len, PAGE);
	touch_write(win, p->len, PAGE);
	start = now();
	peer_unmap(p, win);
	return now() - start;
}

static void detach_one(enum peer_mode mode)
{
	double v[ROUNDS - 1];
	struct stats s;
	struct peer p;
	int i;

	if (!peer_open(&p, mode, 64 * MIB))
		return;
	one_munmap(&p);
	for (i = 0; i < COUNT_OF(v); i++)
		v[i] = one_munmap(&p);
	s = stats_of(v, COUNT_OF(v));
	peer_close(&p);
	row_begin_cost("detach");
	row_str("mode", mode_name(mode));
	row_cost("munmap", s.median);
	row_cost("min", s.min);
	row_cost("max", s.max);
	row_num("spread_pct", spread(&s));
	row_end();
	if (mode == M_PUD && opt.counted)
		at_most("A4", "munmap of 64 MiB in k instructions; pud",
			s.median / 1000, 15);
}

void bench_detach(void)
{
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++)
		detach_one(mode);
}

/* --- many leave at once -------------------------------------------------- */

struct leaving {
	double wall;
	double floor;		/* the same for a job that does nothing */
	double calls;		/* spent in all the munmap calls together */
};

static void job_leave(struct worker *w, unsigned long unused)
{
	const __u64 start = cpu_now();

	job_unmap(w, 0);
	w->slot->val = cpu_now() - start;
}

/*
 * To wake 1000 processes and to switch to each takes longer than what they do
 * where munmap has no entries to clear, and is none of its business.
 */
static double job_floor(struct crew *c)
{
	double v[3];
	int i;

	for (i = 0; i < COUNT_OF(v); i++)
		v[i] = crew_run(c, job_nothing, 0);
	return stats_of(v, COUNT_OF(v)).median;
}

static bool leave_one(struct leaving *x, enum peer_mode mode, unsigned int nr)
{
	struct peer p;
	struct crew c;
	unsigned int i;

	if (!peer_open(&p, mode, 64 * MIB))
		return false;
	crew_start_touched(&c, &p, nr, 0);
	x->floor = job_floor(&c);
	x->wall = crew_run(&c, job_leave, 0);
	for (i = 0; i < nr; i++)
		x->calls += c.slot[i].val;
	crew_end(&c);
	peer_close(&p);
	return true;
}

void bench_leave(void)
{
	const unsigned int nr = opt.quick ? 10 : 1000;
	struct leaving plain = {}, x;
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++) {
		x = (struct leaving) {};
		if (!leave_one(&x, mode, nr))
			continue;
		if (mode == M_PLAIN)
			plain = x;
		row_begin("leave");
		row_str("mode", mode_name(mode));
		row_int("N", nr);
		row_cost("munmap", x.wall);
		row_num("plain_ratio", plain.wall / x.wall);
		row_cost("floor", x.floor);
		row_num("in_munmap_us", x.calls / 1000);
		row_num("plain_ratio_in_munmap", plain.calls / x.calls);
		row_end();
		if (mode == M_PUD && !opt.quick)
			at_least("A4", "in munmap by 1000 processes, plain / ours; pud 64 MiB",
				 plain.calls / x.calls, 50);
	}
}

/* --- nothing of the old memory is left at the address --------------------- */

struct stale {
	long long reads, writes;
};

/* The old translations may sit in a TLB: no system call before the accesses. */
static void stale_at(struct stale *st, char *win, size_t len)
{
	size_t off;
	char *priv;

	priv = mmap(win, len, PTS_RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (priv != win)
		die("private memory at %p", win);
	for (off = 0; off < len; off += PAGE) {
		st->reads += peek(priv + off) != 0;
		poke(priv + off, 'p');
	}
	munmap(priv, len);
}

static void strayed(struct stale *st, const struct peer *p)
{
	char *win = peer_map(p, P_NULL);
	size_t off;

	for (off = 0; off < p->len; off += PAGE)
		st->writes += peek(win + off) != 'w';
	peer_unmap(p, win);
}

/* Few enough pages for all of them to stay in the TLB of any machine. */
static void stale_one(enum peer_mode mode, size_t used)
{
	struct stale st = {};
	char what[64];
	struct peer p;
	char *win;
	int i;

	if (!peer_open(&p, mode, 64 * MIB))
		return;
	for (i = 0; i < ROUNDS; i++) {
		win = peer_map(&p, P_NULL);
		touch_write(win, p.len, PAGE);
		touch_write(win, used, PAGE);
		peer_unmap(&p, win);
		stale_at(&st, win, used);
		strayed(&st, &p);
	}
	peer_close(&p);
	row_begin("stale");
	row_str("mode", mode_name(mode));
	row_int("pages", used / PAGE * ROUNDS);
	row_int("stale_reads", st.reads);
	row_int("stray_writes", st.writes);
	row_end();
	if (!is_container(mode))
		return;
	snprintf(what, sizeof(what), "stale accesses to %lu pages after munmap; %s",
		 used / PAGE, mode_name(mode));
	at_most("A4", what, st.reads + st.writes, 0);
}

void bench_stale(void)
{
	enum peer_mode mode;

	for (mode = 0; mode < M_PEERS; mode++) {
		stale_one(mode, 64 * PAGE);
		stale_one(mode, 64 * MIB);
	}
}
