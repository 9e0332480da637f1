/* SPDX-License-Identifier: GPL-2.0 */
/* Ways to catch writes of many processes, for the benchmarks of notify.c. */
#ifndef PTSHARE_BENCH_NOTIFY_H
#define PTSHARE_BENCH_NOTIFY_H

#include "bench.h"

enum how {
	H_ASYNC,		/* containers, by the mode of ARM */
	H_BLOCK,
	H_SIGNAL,
	H_UFFD_ASYNC,		/* each process has a userfaultfd of its own */
	H_UFFD_SYNC,
	H_MPROTECT,		/* and a handler of SIGSEGV */
};

struct way {
	const char *name;
	enum peer_mode mode;	/* what the processes map */
	enum how how;
};

struct rig {
	const struct way *way;
	struct peer peer;
	struct crew crew;
	int notify;
	pid_t monitor;		/* answers for all processes; 0: not needed */
};

/*
 * @nr processes that have read and written all of @len bytes, and whoever has to
 * be there to catch their writes. Nothing is armed. False: left out.
 */
bool rig_open(struct rig *r, const struct way *way, size_t len,
	      unsigned int nr);
void rig_close(struct rig *r);
/*
 * What @fn takes: until the last process has done it, if @whole or if they wait
 * for a monitor; else the sum of all of them, which leaves out how they are woken.
 */
double rig_run(struct rig *r, job_fn fn, unsigned long arg, bool whole);
/* What it takes until the next write of any process to any page is caught. */
double rig_arm(struct rig *r);
/* What it takes to learn what all of them wrote, and to arm that again. */
double rig_collect(struct rig *r, long long *pages);
/* Takes the events out, and dies unless @pages pages are known as written. */
void rig_settle(struct rig *r, long long pages);

#endif /* PTSHARE_BENCH_NOTIFY_H */
