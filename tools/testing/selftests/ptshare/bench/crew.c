// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that do the same at a time; described in bench.h.
 *
 * They sleep on one futex between jobs and the last one to finish wakes the
 * parent: with two processors for 1500 processes nobody may spin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdnoreturn.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/futex.h>

#include "../ptshare_util.h"
#include "bench.h"

struct order {
	job_fn fn;		/* NULL: leave */
	unsigned long arg;
	unsigned int first, last, busy;
	bool measure;
};

struct board {
	atomic_uint round;	/* odd while the order is written */
	atomic_uint done;
	struct order order;
	struct slot slot[];
};

static void futex_wait(atomic_uint *word, unsigned int val)
{
	const struct timespec limit = { .tv_sec = 2 };

	syscall(SYS_futex, word, FUTEX_WAIT, val, &limit, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* --- in the processes --------------------------------------------------- */

/*
 * At the lowest priority: what is measured is what running readers do to the
 * call, not how long the caller waits for its turn.
 */
static void read_until(struct worker *w, struct board *b, unsigned int seen)
{
	size_t off = 0;

	setpriority(PRIO_PROCESS, 0, 19);
	while (atomic_load(&b->round) == seen) {
		peek(w->win + off);
		off += PAGE;
		if (off == w->peer->len)
			off = 0;
	}
	setpriority(PRIO_PROCESS, 0, 0);
}

/* Takes a copy: one that is not addressed may still look when the next comes. */
static unsigned int next_order(struct worker *w, struct board *b,
			       unsigned int seen, bool busy, struct order *o)
{
	unsigned int round;

	for (;;) {
		round = atomic_load(&b->round);
		if (round == seen && busy && w->win) {
			read_until(w, b, seen);
		} else if (round == seen || round & 1) {
			futex_wait(&b->round, round);
		} else {
			*o = b->order;
			if (atomic_load(&b->round) == round)
				return round;
		}
	}
}

static void obey(struct worker *w, const struct order *o)
{
	long long faults;
	__u64 start;

	if (!o->measure) {
		o->fn(w, o->arg);
		return;
	}
	faults = pts_minor_faults();
	start = now();
	o->fn(w, o->arg);
	w->slot->cost = now() - start;
	w->slot->faults = pts_minor_faults() - faults;
}

/* Code and data of the jobs shall not be among the faults they count. */
static void warm_up(struct worker *w, unsigned int seen)
{
	static char data[2 * PAGE];
	struct order o = { .fn = job_read, .measure = true };
	struct peer self = { .len = sizeof(data) };
	const struct peer *peer = w->peer;

	w->peer = &self;
	w->win = data;
	obey(w, &o);
	o.fn = job_write;
	obey(w, &o);
	w->peer = peer;
	w->win = NULL;
	*w->slot = (struct slot) { .pid = getpid() };
}

static noreturn void work(struct worker *w, struct board *b)
{
	struct order o = {};
	unsigned int round = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	warm_up(w, round);
	for (;;) {
		round = next_order(w, b, round, w->id < o.busy, &o);
		if (w->id < o.first || w->id >= o.last)
			continue;
		if (!o.fn)
			_exit(0);
		obey(w, &o);
		if (atomic_fetch_add(&b->done, 1) + 1 == o.last - o.first)
			futex_wake(&b->done);
	}
}

void job_nothing(struct worker *w, unsigned long unused)
{
}

void job_map(struct worker *w, unsigned long place)
{
	w->win = peer_map(w->peer, place);
}

void job_unmap(struct worker *w, unsigned long unused)
{
	char *win = w->win;

	w->win = NULL;
	peer_unmap(w->peer, win);
}

void job_read(struct worker *w, unsigned long step)
{
	touch_read(w->win, w->peer->len, step ?: PAGE);
}

void job_write(struct worker *w, unsigned long step)
{
	touch_write(w->win, w->peer->len, step ?: PAGE);
}

/* --- in the parent ------------------------------------------------------ */

void crew_start(struct crew *c, const struct peer *peer, unsigned int nr)
{
	struct worker w = { .peer = peer };
	pid_t pid;

	c->nr = nr;
	c->size = sizeof(struct board) + nr * sizeof(struct slot);
	c->board = mmap(NULL, c->size, PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (c->board == MAP_FAILED)
		die("no memory for %u slots", nr);
	c->slot = c->board->slot;
	fflush(NULL);
	for (w.id = 0; w.id < nr; w.id++) {
		w.slot = c->slot + w.id;
		pid = fork();
		if (pid < 0)
			die("fork of process %u", w.id);
		if (!pid)
			work(&w, c->board);
	}
	crew_run(c, job_nothing, 0);
}

static void post(struct crew *c, const struct order *o)
{
	struct board *b = c->board;

	atomic_store(&b->done, 0);
	atomic_fetch_add(&b->round, 1);
	b->order = *o;
	atomic_fetch_add(&b->round, 1);
	futex_wake(&b->round);
}

__u64 crew_some(struct crew *c, unsigned int first, unsigned int last,
		job_fn fn, unsigned long arg)
{
	struct order o = c->board->order;
	const __u64 start = now();
	unsigned int done;

	o.fn = fn;
	o.arg = arg;
	o.first = first;
	o.last = last;
	post(c, &o);
	while ((done = atomic_load(&c->board->done)) < last - first) {
		futex_wait(&c->board->done, done);
		if (waitpid(-1, NULL, WNOHANG) > 0)
			die("one of %u processes died", c->nr);
	}
	return now() - start;
}

__u64 crew_run(struct crew *c, job_fn fn, unsigned long arg)
{
	return crew_some(c, 0, c->nr, fn, arg);
}

void crew_start_touched(struct crew *c, const struct peer *peer,
			unsigned int nr, unsigned long step)
{
	crew_start(c, peer, nr);
	crew_run(c, job_map, P_NULL);
	crew_run(c, job_read, step);
	crew_run(c, job_write, step);
}

/* An order's flags hold for those that follow it. */
void crew_measure(struct crew *c, bool on)
{
	c->board->order.measure = on;
}

void crew_busy(struct crew *c, unsigned int nr)
{
	c->board->order.busy = nr;
	crew_run(c, job_nothing, 0);
}

void crew_end(struct crew *c)
{
	struct order o = { .last = c->nr };
	unsigned int i;
	int status;

	post(c, &o);
	for (i = 0; i < c->nr; i++)
		if (waitpid(c->slot[i].pid, &status, 0) < 0 || status)
			die("process %u ended with %#x", i, status);
	munmap(c->board, c->size);
}

long long crew_sum_faults(const struct crew *c)
{
	long long sum = 0;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		sum += c->slot[i].faults;
	return sum;
}

long long crew_max_faults(const struct crew *c, unsigned int first,
			  unsigned int last)
{
	long long max = 0;

	for (; first < last; first++)
		if (c->slot[first].faults > max)
			max = c->slot[first].faults;
	return max;
}

long long crew_vmpte(const struct crew *c)
{
	long long sum = 0;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		sum += pts_status(c->slot[i].pid, "VmPTE");
	return sum;
}
