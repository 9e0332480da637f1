/* SPDX-License-Identifier: GPL-2.0 */
/* What is behind a notify fd, between ptshare_notify.c and ptshare_scan.c. */
#ifndef __MM_PTSHARE_NOTIFY_H
#define __MM_PTSHARE_NOTIFY_H

#include "write_notify.h"

/**
 * struct ptshare_watch - what is behind a notify fd
 * @node: in the container's watches, under its notify_mutex
 * @pt: container; a reference is held
 * @queue: of events; it has the ranges that are armed
 * @arms: calls of ARM, under notify_mutex
 */
struct ptshare_watch {
	struct list_head node;
	struct ptshare *pt;
	struct wn_queue *queue;
	unsigned long arms;
};

/**
 * struct ptshare_segments - the backing of a range of a container
 * @nr: of @seg
 * @seg: in the order of their offsets; holds the files
 */
struct ptshare_segments {
	unsigned int nr;
	struct wn_segment *seg;
};

int ptshare_segments_get(struct ptshare *pt, struct ptshare_segments *segs,
			 u64 offset, u64 length, bool whole);
void ptshare_segments_put(struct ptshare_segments *segs);

#endif /* __MM_PTSHARE_NOTIFY_H */
