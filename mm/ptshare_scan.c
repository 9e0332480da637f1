// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare scans: which pages of a container were written?
 *
 * A scan goes chunk by chunk of the backing's bits: take what is asked for, and
 * with PTSHARE_SCAN_REARM arm it again, take its write permission away and wait
 * for copies that go on, and only then tell it. What can't be told, because
 * there is no room or the memory of the caller is bad, is made written again.
 *
 * Locks: notify_mutex of the container while regions are gathered; the order is
 * in write_notify.h.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "ptshare.h"
#include "ptshare_notify.h"

#define CATEGORIES	(PTSHARE_PAGE_WRITTEN | PTSHARE_PAGE_ARMED | \
			 PTSHARE_PAGE_PENDING | PTSHARE_PAGE_PINNED)

#define SCAN_BATCH	1024U

/**
 * struct scan - a scan under way
 * @watch: of the notify fd
 * @arg: of the ioctl
 * @uarg: the caller's
 * @pages: told so far
 * @pos: where to go on
 * @cut: there is more in the chunk than was asked for
 * @nr: regions in @out
 * @room: of @out
 * @arms: calls of ARM on this fd before
 * @segs: backing of what is left of the range
 * @found: pages of the chunk that are told
 * @written: of these, or of all of them
 * @armed: the same
 * @pending: the same
 * @pinned: the same
 * @out: regions on their way to the caller
 */
struct scan {
	struct ptshare_watch *watch;
	struct ptshare_scan *arg;
	struct ptshare_scan __user *uarg;
	u64 pages;
	u64 pos;
	bool cut;
	unsigned int nr, room;
	unsigned long arms;
	struct ptshare_segments segs;
	DECLARE_BITMAP(found, WN_CHUNK_PAGES);
	DECLARE_BITMAP(written, WN_CHUNK_PAGES);
	DECLARE_BITMAP(armed, WN_CHUNK_PAGES);
	DECLARE_BITMAP(pending, WN_CHUNK_PAGES);
	DECLARE_BITMAP(pinned, WN_CHUNK_PAGES);
	struct ptshare_scan_region out[SCAN_BATCH];
};

/* Pages of a segment that lie in one chunk. */
struct scan_part {
	struct write_notify *wn;
	pgoff_t first, last;
	u64 offset;		/* of @first in the container */
};

/* First page of the chunk: bit 0. */
static pgoff_t part_base(const struct scan_part *part)
{
	return part->first & ~(WN_CHUNK_PAGES - 1);
}

static u64 part_offset(const struct scan_part *part, pgoff_t index)
{
	return part->offset + ((u64)(index - part->first) << PAGE_SHIFT);
}

/* Which pages of the part are this queue's? */
static void part_own(struct scan *scan, const struct scan_part *part)
{
	struct interval_tree_node *it;
	struct wn_range *range;
	pgoff_t from, to;

	it = interval_tree_iter_first(&part->wn->ranges, part->first,
				      part->last);
	for (; it; it = interval_tree_iter_next(it, part->first, part->last)) {
		range = container_of(it, struct wn_range, it);
		from = max(part->first, it->start);
		to = min(part->last, it->last);
		if (range->queue == scan->watch->queue)
			bitmap_set(scan->found, from % WN_CHUNK_PAGES,
				   to - from + 1);
	}
}

static void part_pending(struct scan *scan, const struct scan_part *part,
			 const struct wn_chunk *chunk)
{
	pgoff_t index;

	bitmap_copy(scan->pending, chunk->told, WN_CHUNK_PAGES);
	for (index = part->first; index <= part->last; index++)
		if (test_bit(index % WN_CHUNK_PAGES, chunk->armed) &&
		    wn_has_waiter(part->wn, index))
			__set_bit(index % WN_CHUNK_PAGES, scan->pending);
}

/* Leaves in @found what has one of the categories, and no more than asked. */
static void part_filter(struct scan *scan)
{
	u64 want = scan->arg->categories ?: PTSHARE_PAGE_WRITTEN;
	u64 left = scan->arg->max_pages ?
		scan->arg->max_pages - scan->pages : WN_CHUNK_PAGES;
	DECLARE_BITMAP(any, WN_CHUNK_PAGES) = {};
	unsigned long bit;

	if (want & PTSHARE_PAGE_WRITTEN)
		bitmap_or(any, any, scan->written, WN_CHUNK_PAGES);
	if (want & PTSHARE_PAGE_ARMED)
		bitmap_or(any, any, scan->armed, WN_CHUNK_PAGES);
	if (want & PTSHARE_PAGE_PENDING)
		bitmap_or(any, any, scan->pending, WN_CHUNK_PAGES);
	if (want & PTSHARE_PAGE_PINNED)
		bitmap_or(any, any, scan->pinned, WN_CHUNK_PAGES);
	bitmap_and(scan->found, scan->found, any, WN_CHUNK_PAGES);
	scan->cut = bitmap_weight(scan->found, WN_CHUNK_PAGES) > left;
	for_each_set_bit(bit, scan->found, WN_CHUNK_PAGES) {
		if (left)
			left--;
		else
			__clear_bit(bit, scan->found);
	}
}

/* Under wn->lock: what there is, and takes it if it is to be taken. */
static void part_take(struct scan *scan, const struct scan_part *part)
{
	struct wn_chunk *chunk = wn_chunk_at(part->wn, part->first);
	unsigned long bit;

	bitmap_zero(scan->found, WN_CHUNK_PAGES);
	scan->cut = false;
	if (!chunk)
		return;
	part_own(scan, part);
	bitmap_copy(scan->written, chunk->written, WN_CHUNK_PAGES);
	bitmap_copy(scan->armed, chunk->armed, WN_CHUNK_PAGES);
	part_pending(scan, part, chunk);
	part_filter(scan);

	if (scan->arg->flags & (PTSHARE_SCAN_CLEAR | PTSHARE_SCAN_REARM))
		bitmap_andnot(chunk->written, chunk->written, scan->found,
			      WN_CHUNK_PAGES);
	if (!(scan->arg->flags & PTSHARE_SCAN_REARM))
		return;
	for_each_set_bit(bit, scan->found, WN_CHUNK_PAGES)
		set_bit(bit, chunk->armed);
}

/* Makes pages of @bits written again, if they were. */
static void part_put_back(struct scan *scan, const struct scan_part *part,
			  const unsigned long *bits)
{
	struct wn_chunk *chunk;
	DECLARE_BITMAP(again, WN_CHUNK_PAGES);

	bitmap_and(again, bits, scan->found, WN_CHUNK_PAGES);
	spin_lock(&part->wn->lock);
	chunk = wn_chunk_at(part->wn, part->first);
	if (chunk)
		bitmap_or(chunk->written, chunk->written, again,
			  WN_CHUNK_PAGES);
	spin_unlock(&part->wn->lock);
}

/* Pages of @bits that were not armed before are not armed now. */
static void part_unarm(struct scan *scan, const struct scan_part *part,
		       const unsigned long *bits)
{
	pgoff_t base = part_base(part);
	struct wn_chunk *chunk;
	unsigned long bit;

	spin_lock(&part->wn->lock);
	chunk = wn_chunk_at(part->wn, part->first);
	for_each_set_bit(bit, bits, WN_CHUNK_PAGES) {
		if (!chunk || test_bit(bit, scan->armed))
			continue;
		clear_bit(bit, chunk->armed);
		wn_wake(part->wn, base + bit, base + bit, WN_GO);
	}
	spin_unlock(&part->wn->lock);
}

/* Which pages from bit @first to @last are pinned? false if none is. */
static bool part_pins(const struct scan_part *part, unsigned long first,
		      unsigned long last, unsigned long *pinned)
{
	pgoff_t base = part_base(part);
	DECLARE_BITMAP(bits, WN_CHUNK_PAGES) = {};

	if (!wn_settle(part->wn, base + first, base + last, false, bits))
		return false;
	bitmap_shift_left(pinned, bits, first, WN_CHUNK_PAGES);
	return true;
}

/* Arming is done when no CPU can write unseen; a pin can. */
static void part_rearm(struct scan *scan, const struct scan_part *part)
{
	unsigned long first = find_first_bit(scan->found, WN_CHUNK_PAGES);
	unsigned long last = find_last_bit(scan->found, WN_CHUNK_PAGES);
	pgoff_t base = part_base(part);

	wn_protect(part->wn, base + first, base + last);
	if (part_pins(part, first, last, scan->pinned))
		part_put_back(scan, part, scan->pinned);
}

/*
 * Armed and yet written is what was written or pinned when it was armed. As
 * long as it is pinned it may be written at any time, and stays written.
 */
static void part_keep_pinned(struct scan *scan, const struct scan_part *part)
{
	DECLARE_BITMAP(both, WN_CHUNK_PAGES);
	DECLARE_BITMAP(pinned, WN_CHUNK_PAGES);

	bitmap_and(both, scan->armed, scan->written, WN_CHUNK_PAGES);
	if (!bitmap_and(both, both, scan->found, WN_CHUNK_PAGES))
		return;
	if (!part_pins(part, find_first_bit(both, WN_CHUNK_PAGES),
		       find_last_bit(both, WN_CHUNK_PAGES), pinned))
		return;
	bitmap_and(both, both, pinned, WN_CHUNK_PAGES);
	bitmap_or(scan->pinned, scan->pinned, both, WN_CHUNK_PAGES);
	if (scan->arg->flags & PTSHARE_SCAN_CLEAR)
		part_put_back(scan, part, both);
}

static u64 page_categories(const struct scan *scan, unsigned long bit)
{
	return (test_bit(bit, scan->written) ? PTSHARE_PAGE_WRITTEN : 0) |
	       (test_bit(bit, scan->armed) ? PTSHARE_PAGE_ARMED : 0) |
	       (test_bit(bit, scan->pending) ? PTSHARE_PAGE_PENDING : 0) |
	       (test_bit(bit, scan->pinned) ? PTSHARE_PAGE_PINNED : 0);
}

/* false if there is no room for a region more. */
static bool page_tell(struct scan *scan, u64 offset, u64 categories)
{
	struct ptshare_scan_region *last = scan->out + scan->nr - 1;

	if (!scan->nr || last->end != offset ||
	    last->categories != categories) {
		if (scan->nr == scan->room)
			return false;
		last = scan->out + scan->nr++;
		last->start = offset;
		last->categories = categories;
	}
	last->end = offset + PAGE_SIZE;
	return true;
}

/* Tells the pages of a part; what finds no room is not forgotten. */
static void part_tell(struct scan *scan, const struct scan_part *part)
{
	pgoff_t base = part_base(part);
	unsigned long bit;
	u64 offset;

	for_each_set_bit(bit, scan->found, WN_CHUNK_PAGES) {
		offset = part_offset(part, base + bit);
		if (!page_tell(scan, offset, page_categories(scan, bit)))
			break;
		scan->pages++;
	}
	scan->pos = part_offset(part, part->last + 1);
	if (scan->cut)
		scan->pos = scan->out[scan->nr - 1].end;
	if (bit >= WN_CHUNK_PAGES)
		return;
	scan->pos = offset;
	bitmap_clear(scan->found, 0, bit);
	part_put_back(scan, part, scan->written);
	if (scan->arg->flags & PTSHARE_SCAN_REARM)
		part_unarm(scan, part, scan->found);
}

/* One chunk. */
static void scan_part(struct scan *scan, const struct scan_part *part)
{
	bitmap_zero(scan->pinned, WN_CHUNK_PAGES);
	if (scan->arg->categories & PTSHARE_PAGE_PINNED)
		part_pins(part, part->first % WN_CHUNK_PAGES,
			  part->last % WN_CHUNK_PAGES, scan->pinned);
	spin_lock(&part->wn->lock);
	part_take(scan, part);
	spin_unlock(&part->wn->lock);
	if (!(scan->arg->flags & PTSHARE_SCAN_REARM))
		part_keep_pinned(scan, part);
	else if (!bitmap_empty(scan->found, WN_CHUNK_PAGES))
		part_rearm(scan, part);
	part_tell(scan, part);
}

/* Is there room for more, and may there be more? */
static bool scan_goes_on(const struct scan *scan)
{
	if (scan->arg->max_pages && scan->pages == scan->arg->max_pages)
		return false;
	return scan->pos < scan->arg->end && scan->nr < scan->room &&
	       !fatal_signal_pending(current);
}

/* A page that has a range, from @index on; ULONG_MAX if there is none. */
static pgoff_t next_watched(const struct wn_segment *seg, pgoff_t index)
{
	struct wn_range *range;
	pgoff_t next = ULONG_MAX;

	spin_lock(&seg->wn->lock);
	range = wn_first_range(seg->wn, index, seg->last);
	if (range)
		next = max(index, range->it.start);
	spin_unlock(&seg->wn->lock);
	return next;
}

static void scan_segment(struct scan *scan, const struct wn_segment *seg)
{
	struct scan_part part = { .wn = seg->wn };
	pgoff_t index = seg->first;

	while (index <= seg->last && scan_goes_on(scan)) {
		index = next_watched(seg, index);
		if (index == ULONG_MAX)
			return;
		part.first = index;
		part.last = min(seg->last, index | (WN_CHUNK_PAGES - 1));
		part.offset = seg->offset +
			      ((u64)(index - seg->first) << PAGE_SHIFT);
		scan_part(scan, &part);
		index = part.last + 1;
		cond_resched();
	}
}

/* As much as there is room for between two copies to the caller. */
static int scan_batch(struct scan *scan)
{
	struct ptshare_segments *segs = &scan->segs;
	struct ptshare *pt = scan->watch->pt;
	unsigned int i;
	int err;

	scan->nr = 0;
	scan->room = min_t(u64, SCAN_BATCH,
			   scan->arg->vec_len - scan->arg->nr);
	if (mutex_lock_killable(&pt->notify_mutex))
		return -EINTR;
	scan->arms = scan->watch->arms;
	err = ptshare_segments_get(pt, segs, scan->pos,
				   scan->arg->end - scan->pos, false);
	if (!err) {
		for (i = 0; i < segs->nr && scan_goes_on(scan); i++)
			if (segs->seg[i].wn)
				scan_segment(scan, &segs->seg[i]);
		if (scan_goes_on(scan))
			scan->pos = scan->arg->end;
	}
	mutex_unlock(&pt->notify_mutex);
	return err;
}

static void segment_put_back(struct scan *scan, const struct wn_segment *seg,
			     const struct ptshare_scan_region *region)
{
	u64 end = seg->offset + ((u64)(seg->last - seg->first + 1) << PAGE_SHIFT);
	u64 from = max(seg->offset, region->start), to = min(end, region->end);
	struct scan_part part = { .wn = seg->wn };
	u64 categories = region->categories;
	pgoff_t index, last;

	if (from >= to || !seg->wn)
		return;
	index = seg->first + ((from - seg->offset) >> PAGE_SHIFT);
	last = seg->first + ((to - seg->offset) >> PAGE_SHIFT) - 1;
	for (; index <= last; index = part.last + 1) {
		part.first = index;
		part.last = min(last, index | (WN_CHUNK_PAGES - 1));
		bitmap_zero(scan->found, WN_CHUNK_PAGES);
		spin_lock(&seg->wn->lock);
		part_own(scan, &part);
		spin_unlock(&seg->wn->lock);
		if (categories & PTSHARE_PAGE_WRITTEN)
			part_put_back(scan, &part, scan->found);
		bitmap_zero(scan->armed, WN_CHUNK_PAGES);
		/* But what was armed since by another thread stays so. */
		if (!(categories & PTSHARE_PAGE_ARMED) &&
		    scan->arms == scan->watch->arms &&
		    (scan->arg->flags & PTSHARE_SCAN_REARM))
			part_unarm(scan, &part, scan->found);
	}
}

/* The caller could not be told: makes written what was, and no more armed. */
static void scan_put_back(struct scan *scan)
{
	const struct ptshare_scan_region *region;
	struct ptshare *pt = scan->watch->pt;
	unsigned int i;

	mutex_lock(&pt->notify_mutex);
	for (region = scan->out; region < scan->out + scan->nr; region++)
		for (i = 0; i < scan->segs.nr; i++)
			segment_put_back(scan, &scan->segs.seg[i], region);
	mutex_unlock(&pt->notify_mutex);
}

/*
 * The regions of a batch, and how many there are by now: who does not get one
 * of them has not got the other. Without a lock: the memory of the caller may
 * be watched itself, or wait for anything else.
 */
static int scan_tell(struct scan *scan)
{
	struct ptshare_scan_region __user *vec = u64_to_user_ptr(scan->arg->vec);
	struct ptshare_scan *arg = scan->arg, told = *arg;

	told.nr += scan->nr;
	told.walk_end = scan->pos;
	if (copy_to_user(vec + arg->nr, scan->out,
			 scan->nr * sizeof(*scan->out)) ||
	    copy_to_user(scan->uarg, &told,
			 min_t(size_t, arg->size, sizeof(told)))) {
		scan_put_back(scan);
		return -EFAULT;
	}
	*arg = told;
	return 0;
}

static int scan_all(struct scan *scan)
{
	struct ptshare_scan *arg = scan->arg;
	int err;

	scan->pos = arg->start;
	arg->walk_end = arg->start;
	do {
		err = scan_batch(scan);
		if (!err)
			err = scan_tell(scan);
		ptshare_segments_put(&scan->segs);
		/* What was told before is taken: that much succeeds. */
		if (err)
			return arg->nr ? 0 : err;
	} while (scan->nr == SCAN_BATCH && arg->nr < arg->vec_len);
	return 0;
}

static int scan_check(struct ptshare *pt, const struct ptshare_scan *arg)
{
	if (arg->end <= arg->start || !arg->vec_len)
		return -EINVAL;
	if (arg->categories & ~CATEGORIES)
		return -EINVAL;
	return ptshare_check_range(pt, arg->start, arg->end - arg->start);
}

/**
 * ptshare_watch_scan - PTSHARE_IOC_SCAN
 * @watch: of the notify fd
 * @arg: see the uapi header
 * @uarg: the caller's, with the size that @arg has
 *
 * Context: sleeps; writes to the memory of the caller without locks.
 * Return: 0 or an errno of the contract in the uapi header.
 */
int ptshare_watch_scan(struct ptshare_watch *watch, struct ptshare_scan *arg,
		       struct ptshare_scan __user *uarg)
{
	struct scan *scan;
	int err;

	err = scan_check(watch->pt, arg);
	if (err)
		return err;
	scan = kvzalloc(sizeof(*scan), GFP_KERNEL_ACCOUNT);
	if (!scan)
		return -ENOMEM;
	scan->watch = watch;
	scan->arg = arg;
	scan->uarg = uarg;
	arg->nr = 0;
	err = scan_all(scan);
	kvfree(scan);
	return err;
}
