/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers of the write-notify tests. As in ptshare_util.h: 0, an fd or a count,
 * and -errno on failure.
 */
#ifndef PTSHARE_NOTIFY_UTIL_H
#define PTSHARE_NOTIFY_UTIL_H

#include <stdbool.h>
#include <sys/types.h>

#include <linux/ptshare.h>

#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)

/* All that SCAN tells without looking for pins. */
#define PTS_STATES	(PTSHARE_PAGE_WRITTEN | PTSHARE_PAGE_ARMED | \
			 PTSHARE_PAGE_PENDING)
/* What a write that was let through, and one that was not, leave behind. */
#define PTS_WRITTEN	PTSHARE_PAGE_WRITTEN
#define PTS_ARMED	PTSHARE_PAGE_ARMED
#define PTS_WAITING	(PTSHARE_PAGE_ARMED | PTSHARE_PAGE_PENDING)

/* Time for what must come, and for what must not. */
#define PTS_SOON_MS	20000
#define PTS_NEVER_MS	60

/* Does the kernel know write-notify? */
bool pts_notify_available(void);
/* A notify fd; @queue_len 0 for the default. */
int pts_notify(int ctl, __u32 queue_len);
int pts_arm(int nfd, __u64 offset, __u64 length, __u32 mode, __u32 on_kernel);
/* The same with all parameters; @arm->size is filled in. */
int pts_arm_with(int nfd, struct ptshare_arm *arm);
/* How many writers were woken. */
int pts_resolve(int nfd, __u64 offset, __u64 length, __u32 action);
/*
 * Pages that have one of @categories (0: written), at most @room regions of
 * them; @flags are PTSHARE_SCAN_*. The number of regions.
 */
int pts_scan(int nfd, __u32 flags, __u64 start, __u64 end, __u64 categories,
	     struct ptshare_scan_region *vec, __u64 room);
/* Categories of one page, 0 if this fd has nothing to say about it. */
__u64 pts_page_state(int nfd, __u64 offset);
/* Pages of the range that are written, with @flags as for pts_scan(). */
int pts_written(int nfd, __u32 flags, __u64 start, __u64 end);

/* The next event: -ETIMEDOUT if there is none in time. */
int pts_read_event(int nfd, struct ptshare_event *ev, int timeout_ms);
/* Is there nothing to read now? Prints the event if there is one. */
bool pts_no_event(int nfd);
/* Takes all events that are there: how many. */
int pts_drain(int nfd);
/* Prints what is different. */
bool pts_event_is(const struct ptshare_event *ev, __u16 type, __u16 flags,
		  __u64 offset, __u64 length);
/* The next event is the write of one page, by @pid if that is not 0. */
bool pts_told(int nfd, __u16 flags, __u64 offset, pid_t pid);

/* Does the child stay silent for PTS_NEVER_MS? */
bool pts_child_sleeps(const struct pts_child *c);

/*
 * A file for a container, of which huge pages are made where asked for: 0, or
 * -ENODEV if the kernel makes none.
 */
int pts_memfd_pages(size_t size, bool huge);
/* Is the page at @addr of this process mapped by a huge entry? */
bool pts_maps_huge(const void *addr);

/* Give up root: user and group @id, keeping the capabilities in @caps (bits). */
int pts_become(unsigned int id, __u64 caps);

#endif /* PTSHARE_NOTIFY_UTIL_H */
