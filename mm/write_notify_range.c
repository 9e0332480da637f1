// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: who watches which pages of a file.
 *
 * Owns struct wn_range: ranges of a file are disjoint; they are claimed, cut
 * and dropped here. Memory for the cuts is allocated before: dropping is part
 * of calls that must not fail half way. Lock order in write_notify.h.
 */
#include <linux/fs.h>
#include <linux/slab.h>

#include "write_notify.h"

/*
 * Between the question whether ranges of several files are free and the claim
 * of them all. Nothing sleeps for long under it.
 */
DEFINE_MUTEX(wn_claim_mutex);

/* Are the pages free, this queue's own, or left behind by a notify fd? */
bool wn_may_claim(struct write_notify *wn, pgoff_t first, pgoff_t last,
		  const struct wn_queue *queue)
{
	struct interval_tree_node *it;
	struct wn_range *range;
	bool free = true;

	lockdep_assert_held(&wn_claim_mutex);
	spin_lock(&wn->lock);
	for (it = interval_tree_iter_first(&wn->ranges, first, last); it;
	     it = interval_tree_iter_next(it, first, last)) {
		range = container_of(it, struct wn_range, it);
		if (range->queue && range->queue != queue) {
			free = false;
			break;
		}
	}
	spin_unlock(&wn->lock);
	return free;
}

int wn_alloc_spares(struct list_head *spares, unsigned int nr)
{
	struct wn_range *range;

	while (nr--) {
		range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
		if (!range)
			return -ENOMEM;
		list_add(&range->node, spares);
	}
	return 0;
}

void wn_free_spares(struct list_head *spares)
{
	struct wn_range *range, *next;

	list_for_each_entry_safe(range, next, spares, node)
		kfree(range);
	INIT_LIST_HEAD(spares);
}

/* Under wn->lock the tree, under notify_mutex the list of the queue. */
static void range_insert(struct wn_range *range)
{
	interval_tree_insert(&range->it, &range->wn->ranges);
	if (range->queue) {
		ihold(range->wn->mapping->host);
		list_add_tail(&range->node, wn_queue_ranges(range->queue));
	}
}

/* Where it is not in the tree: its bounds may be changed. */
static void range_set_start(struct wn_range *range, pgoff_t start)
{
	range->offset = wn_range_offset(range, start);
	range->it.start = start;
}

/*
 * Takes the pages from @first to @last out of @range. What is left of it stays,
 * for which a spare may be needed. Returns whether nothing is left.
 */
static bool range_cut(struct wn_range *range, pgoff_t first, pgoff_t last,
		      struct list_head *spares)
{
	struct write_notify *wn = range->wn;
	struct wn_range *rest;

	lockdep_assert_held(&wn->lock);
	interval_tree_remove(&range->it, &wn->ranges);
	if (range->it.start < first && range->it.last > last) {
		rest = list_first_entry(spares, struct wn_range, node);
		list_del(&rest->node);
		rest->wn = wn;
		rest->queue = range->queue;
		rest->params = range->params;
		rest->it.last = range->it.last;
		rest->it.start = range->it.start;
		rest->offset = range->offset;
		range_set_start(rest, last + 1);
		range_insert(rest);
		range->it.last = first - 1;
	} else if (range->it.start < first) {
		range->it.last = first - 1;
	} else if (range->it.last > last) {
		range_set_start(range, last + 1);
	} else {
		return true;
	}
	interval_tree_insert(&range->it, &wn->ranges);
	return false;
}

/* Not under wn->lock: it may be the last reference on the inode. */
static void range_free(struct wn_range *range)
{
	if (range->queue) {
		list_del(&range->node);
		iput(range->wn->mapping->host);
	}
	kfree(range);
}

/**
 * wn_claim - make a range the owner of its pages
 * @range: filled in; wn_may_claim() was true
 * @spares: at least one
 *
 * Ranges of the same queue and those without one give way, and keep their bits.
 *
 * Context: under notify_mutex and wn_claim_mutex, since wn_may_claim().
 */
void wn_claim(struct wn_range *range, struct list_head *spares)
{
	pgoff_t first = range->it.start, last = range->it.last;
	struct write_notify *wn = range->wn;
	struct wn_range *old;

	lockdep_assert_held(&wn_claim_mutex);
	do {
		spin_lock(&wn->lock);
		old = wn_first_range(wn, first, last);
		if (!old) {
			range_insert(range);
		} else if (!range_cut(old, first, last, spares)) {
			spin_unlock(&wn->lock);
			continue;
		}
		spin_unlock(&wn->lock);
		if (old)
			range_free(old);
	} while (old);
}

/* Lets everybody write from @first to @last, which the range has. */
static unsigned long disarm(struct wn_range *range, pgoff_t first,
			    pgoff_t last)
{
	struct write_notify *wn = range->wn;
	struct wn_chunk *chunk;
	unsigned long bit, nr, i, woken = 0;

	for (; first <= last; first += nr) {
		bit = first % WN_CHUNK_PAGES;
		nr = min(last - first + 1, WN_CHUNK_PAGES - bit);
		spin_lock(&wn->lock);
		chunk = wn_chunk_at(wn, first);
		bitmap_clear(chunk->written, bit, nr);
		bitmap_clear(chunk->told, bit, nr);
		for (i = 0; i < nr; i++)
			clear_bit(bit + i, chunk->armed);
		woken += wn_wake(wn, first, first + nr - 1, WN_GO);
		spin_unlock(&wn->lock);
		cond_resched();
	}
	return woken;
}

/**
 * wn_drop - give up pages
 * @range: that has some of them
 * @first: first page
 * @last: last page
 * @tell: PTSHARE_EVENT_DISARMED to its queue
 * @spares: at least one if @range has pages on both sides
 *
 * Writers go on, and nothing is recorded. The range may be gone afterwards.
 *
 * Context: under notify_mutex.
 * Return: writers that waited.
 */
unsigned long wn_drop(struct wn_range *range, pgoff_t first, pgoff_t last,
		      bool tell, struct list_head *spares)
{
	struct write_notify *wn = range->wn;
	struct inode *inode = wn->mapping->host;
	unsigned long woken;
	bool gone;

	first = max(first, range->it.start);
	last = min(last, range->it.last);
	ihold(inode);
	mutex_lock(&wn_claim_mutex);
	woken = disarm(range, first, last);
	spin_lock(&wn->lock);
	if (tell)
		wn_queue_add(range, PTSHARE_EVENT_DISARMED, 0, first,
			     last - first + 1, 0);
	gone = range_cut(range, first, last, spares);
	spin_unlock(&wn->lock);
	if (gone)
		range_free(range);
	wn_free_chunks(wn, first, last);
	mutex_unlock(&wn_claim_mutex);
	iput(inode);
	return woken;
}

/**
 * wn_orphan - the notify fd is closed and wants nobody to write
 * @range: stays armed, until the file goes or somebody arms it anew
 *
 * Context: under notify_mutex.
 */
void wn_orphan(struct wn_range *range)
{
	struct write_notify *wn = range->wn;
	struct inode *inode = wn->mapping->host;

	mutex_lock(&wn_claim_mutex);
	spin_lock(&wn->lock);
	list_del(&range->node);
	range->queue = NULL;
	wn_wake(wn, range->it.start, range->it.last, WN_FAIL);
	spin_unlock(&wn->lock);
	mutex_unlock(&wn_claim_mutex);
	iput(inode);
}

/* --- bits ------------------------------------------------------------------ */

/* Within one chunk, under wn->lock: is the next write to a page caught? */
bool wn_any_armed(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	struct wn_chunk *chunk = wn_chunk_at(wn, first);
	unsigned long bit = first % WN_CHUNK_PAGES;
	unsigned long end = bit + (last - first) + 1;

	lockdep_assert_held(&wn->lock);
	return find_next_bit(chunk->armed, end, bit) < end;
}

/**
 * wn_arm - the next write to each page is to be caught
 * @wn: the file
 * @first: first page
 * @last: last page; all of them are in ranges
 *
 * Whoever waits asks again: it may be another mode by now. Followed by
 * wn_protect().
 *
 * Context: under notify_mutex of who has the ranges.
 */
void wn_arm(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	struct wn_chunk *chunk;
	unsigned long bit, nr, i;

	for (; first <= last; first += nr) {
		bit = first % WN_CHUNK_PAGES;
		nr = min(last - first + 1, WN_CHUNK_PAGES - bit);
		spin_lock(&wn->lock);
		chunk = wn_chunk_at(wn, first);
		bitmap_clear(chunk->told, bit, nr);
		for (i = 0; i < nr; i++)
			set_bit(bit + i, chunk->armed);
		wn_wake(wn, first, first + nr - 1, WN_GO);
		spin_unlock(&wn->lock);
		cond_resched();
	}
}

/* Under wn->lock, in one chunk: everybody may write what is armed. */
static unsigned long allow(struct write_notify *wn, struct wn_chunk *chunk,
			   pgoff_t base, unsigned long bit, unsigned long end)
{
	unsigned long woken = 0;
	struct wn_range *range;

	for_each_set_bit_from(bit, chunk->armed, end) {
		range = wn_first_range(wn, base + bit, base + bit);
		woken += wn_grant(wn, range, base + bit, 1, NULL);
	}
	return woken;
}

/**
 * wn_resolve - decide for the writers to pages that are armed
 * @wn: the file
 * @first: first page
 * @last: last page; all of them are in ranges
 * @go: they write, and so does everybody until it is armed again; else those
 *	that wait fail, and it stays armed
 *
 * Context: under notify_mutex of who has the ranges.
 * Return: writers that waited.
 */
unsigned long wn_resolve(struct write_notify *wn, pgoff_t first, pgoff_t last,
			 bool go)
{
	unsigned long bit, nr, woken = 0;
	struct wn_chunk *chunk;

	for (; first <= last; first += nr) {
		bit = first % WN_CHUNK_PAGES;
		nr = min(last - first + 1, WN_CHUNK_PAGES - bit);
		spin_lock(&wn->lock);
		chunk = wn_chunk_at(wn, first);
		if (go) {
			woken += allow(wn, chunk, first - bit, bit, bit + nr);
		} else {
			bitmap_clear(chunk->told, bit, nr);
			woken += wn_wake(wn, first, first + nr - 1, WN_FAIL);
		}
		spin_unlock(&wn->lock);
		cond_resched();
	}
	return woken;
}
