/* SPDX-License-Identifier: GPL-2.0 */
/* A container of one file, and processes that write to it in one of the ways. */
#ifndef PTSHARE_NOTIFY_RIG_H
#define PTSHARE_NOTIFY_RIG_H

#include "notify_util.h"
#include "notify_ways.h"

#define RIG_LEN	0x200000UL	/* a huge page */

/* What writers count, in memory that all of them share. */
struct way_board {
	atomic_uint begun;	/* writes, just before they are made */
	atomic_uint signals;	/* handlers of SIGUSR1 that have run */
};

struct way_rig {
	struct way_board *board;
	int ctl, mem;
	char *base;		/* of the writers' mappings */
	const struct way *way;
	__u64 page;
	struct pts_child c;	/* the first writer */
};

/*
 * Makes all of it, and a writer that has touched @page. 1: can't be done here.
 */
int way_rig_make(struct way_rig *rig, const struct way *way, bool huge,
		 __u64 page);
/* One more writer. */
int way_rig_writer(struct way_rig *rig, struct pts_child *c);
/* Ends the first writer. */
int way_rig_free(struct way_rig *rig);
/* Result of a write that does not sleep: 0 or the errno of the way. */
int way_rig_write(struct way_rig *rig, __u64 page);
/* Begins a write, and its result, which is -ETIMEDOUT if it takes a minute. */
int way_rig_begin(const struct pts_child *c, __u64 page);
int way_rig_end(const struct pts_child *c);
int way_rig_reset(struct way_rig *rig, __u64 page);
/* Flags that its events have. */
__u16 way_event_flags(const struct way *way);

#endif /* PTSHARE_NOTIFY_RIG_H */
