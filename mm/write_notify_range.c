// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: who watches which pages of a file.
 *
 * Owns struct wn_range: ranges of a file are disjoint; they are claimed, cut
 * and dropped here. Memory for the cuts is allocated before: dropping is part
 * of calls that must not fail half way. Lock order in write_notify.h.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "write_notify.h"

/*
 * Between the question whether ranges of several files are free and the claim
 * of them all. Nothing sleeps for long under it.
 */
DEFINE_MUTEX(wn_claim_mutex);

/*
 * May a queue have the pages? Those are free that nobody watches, or itself;
 * what a notify fd has left behind is for who may stall the file's writers.
 */
int wn_may_claim(struct write_notify *wn, pgoff_t first, pgoff_t last,
		 const struct wn_queue *queue, bool entitled)
{
	struct interval_tree_node *it;
	struct wn_range *range;
	int err = 0;

	lockdep_assert_held(&wn_claim_mutex);
	spin_lock(&wn->lock);
	for (it = interval_tree_iter_first(&wn->ranges, first, last);
	     it && !err; it = interval_tree_iter_next(it, first, last)) {
		range = container_of(it, struct wn_range, it);
		if (range->queue && range->queue != queue)
			err = -EBUSY;
		else if (!range->queue && !entitled)
			err = -EPERM;
	}
	spin_unlock(&wn->lock);
	return err;
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

/* Under wn->lock the tree, under notify_mutex the list of the queue. */
static void range_insert(struct wn_range *range)
{
	lockdep_assert_held(&range->wn->lock);
	interval_tree_insert(&range->it, &range->wn->ranges);
	if (range->queue)
		list_add_tail(&range->node, wn_queue_ranges(range->queue));
}

static void range_remove(struct wn_range *range)
{
	lockdep_assert_held(&range->wn->lock);
	interval_tree_remove(&range->it, &range->wn->ranges);
	if (range->queue)
		list_del(&range->node);
}

/* A spare becomes another part of @range; neither is in the tree. */
static struct wn_range *range_part(const struct wn_range *range, pgoff_t start,
				   pgoff_t last, struct list_head *spares)
{
	struct wn_range *part;

	part = list_first_entry(spares, struct wn_range, node);
	list_del(&part->node);
	part->wn = range->wn;
	part->file = range->file ? get_file(range->file) : NULL;
	part->queue = range->queue;
	part->params = range->params;
	part->offset = wn_range_offset(range, start);
	part->it.start = start;
	part->it.last = last;
	return part;
}

/*
 * Takes the pages from @first to @last out of @range, which goes back into the
 * tree with what is left of it. Returns what was taken, in no tree and no list.
 * Takes up to two spares.
 */
static struct wn_range *range_cut(struct wn_range *range, pgoff_t first,
				  pgoff_t last, struct list_head *spares)
{
	struct wn_range *taken, *rest = NULL;

	first = max(first, range->it.start);
	last = min(last, range->it.last);
	range_remove(range);
	if (range->it.start == first && range->it.last == last)
		return range;
	taken = range_part(range, first, last, spares);
	if (range->it.start == first) {
		range->offset = wn_range_offset(range, last + 1);
		range->it.start = last + 1;
	} else {
		if (range->it.last > last)
			rest = range_part(range, last + 1, range->it.last,
					  spares);
		range->it.last = first - 1;
	}
	range_insert(range);
	if (rest)
		range_insert(rest);
	return taken;
}

static void range_free(struct wn_range *range)
{
	if (range->file)
		fput(range->file);
	kfree(range);
}

/* Ranges that are in no tree, linked by @node. */
void wn_free_ranges(struct list_head *ranges)
{
	struct wn_range *range, *next;

	list_for_each_entry_safe(range, next, ranges, node)
		range_free(range);
	INIT_LIST_HEAD(ranges);
}

/**
 * wn_claim - make a range the owner of its pages
 * @range: filled in; wn_may_claim() was 0
 * @spares: WN_CLAIM_SPARES at least
 * @replaced: gets what had the pages before, for wn_unclaim() or
 *	wn_free_ranges()
 *
 * Ranges of the same queue and those without one give way, and keep their bits.
 * At no moment has an armed page no range.
 *
 * Context: under notify_mutex and wn_claim_mutex, since wn_may_claim().
 */
void wn_claim(struct wn_range *range, struct list_head *spares,
	      struct list_head *replaced)
{
	pgoff_t first = range->it.start, last = range->it.last;
	struct write_notify *wn = range->wn;
	struct wn_range *old;

	lockdep_assert_held(&wn_claim_mutex);
	spin_lock(&wn->lock);
	while ((old = wn_first_range(wn, first, last))) {
		old = range_cut(old, first, last, spares);
		list_add_tail(&old->node, replaced);
	}
	range_insert(range);
	spin_unlock(&wn->lock);
}

/* Within a chunk, under wn->lock: what was not armed before is not now. */
static void unarm_chunk(struct write_notify *wn, pgoff_t first, pgoff_t last,
			const unsigned long *armed, pgoff_t base, bool owned)
{
	struct wn_chunk *chunk = wn_chunk_at(wn, first);
	unsigned long bit;
	pgoff_t index;

	lockdep_assert_held(&wn->lock);
	for (index = first; index <= last; index++) {
		bit = index % WN_CHUNK_PAGES;
		if (!test_bit(index - base, armed))
			clear_bit(bit, chunk->armed);
		if (owned)
			continue;
		__clear_bit(bit, chunk->written);
		__clear_bit(bit, chunk->told);
	}
	wn_wake(wn, first, last, WN_GO);
}

static void unarm(struct write_notify *wn, pgoff_t first, pgoff_t last,
		  const unsigned long *armed, pgoff_t base, bool owned)
{
	pgoff_t end;

	for (; first <= last; first = end + 1) {
		end = min(last, first | (WN_CHUNK_PAGES - 1));
		spin_lock(&wn->lock);
		unarm_chunk(wn, first, end, armed, base, owned);
		spin_unlock(&wn->lock);
		cond_resched();
	}
}

/**
 * wn_unclaim - undo wn_claim() and wn_arm()
 * @wn: the file
 * @first: first page of the range that was claimed
 * @last: last page
 * @replaced: of wn_claim(), of this range; empty afterwards
 * @armed: of wn_arm(), from @first on
 *
 * What has the pages now is freed: that range, or what is left of it if a later
 * claim of the same call, which is undone by now, has cut it.
 *
 * Context: under notify_mutex.
 */
void wn_unclaim(struct write_notify *wn, pgoff_t first, pgoff_t last,
		struct list_head *replaced, const unsigned long *armed)
{
	struct wn_range *range, *old, *n;
	pgoff_t next = first;
	LIST_HEAD(removed);

	/* While they have a range still: an armed page has one. */
	list_for_each_entry(old, replaced, node) {
		if (old->it.start > next)
			unarm(wn, next, old->it.start - 1, armed, first, false);
		unarm(wn, old->it.start, old->it.last, armed, first, true);
		next = old->it.last + 1;
	}
	if (next <= last)
		unarm(wn, next, last, armed, first, false);

	mutex_lock(&wn_claim_mutex);
	spin_lock(&wn->lock);
	while ((range = wn_first_range(wn, first, last))) {
		range_remove(range);
		list_add(&range->node, &removed);
	}
	list_for_each_entry_safe(old, n, replaced, node) {
		list_del(&old->node);
		range_insert(old);
	}
	/* Who has come back since was told of the wrong range. */
	wn_wake(wn, first, last, WN_GO);
	spin_unlock(&wn->lock);
	wn_free_chunks(wn, first, last);
	mutex_unlock(&wn_claim_mutex);
	wn_free_ranges(&removed);
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
 * @spares: two at least, unless it is all of @range
 *
 * Writers go on, and nothing is recorded. The range may be gone afterwards.
 *
 * Context: under notify_mutex.
 * Return: writers that waited.
 */
unsigned long wn_drop(struct wn_range *range, pgoff_t first, pgoff_t last,
		      bool tell, struct list_head *spares)
{
	struct file *file = get_file(range->file);
	struct write_notify *wn = range->wn;
	unsigned long woken;

	first = max(first, range->it.start);
	last = min(last, range->it.last);
	woken = disarm(range, first, last);
	mutex_lock(&wn_claim_mutex);
	spin_lock(&wn->lock);
	if (tell)
		wn_queue_add(range, PTSHARE_EVENT_DISARMED, 0, first,
			     last - first + 1, 0);
	range = range_cut(range, first, last, spares);
	spin_unlock(&wn->lock);
	range_free(range);
	wn_free_chunks(wn, first, last);
	mutex_unlock(&wn_claim_mutex);
	fput(file);
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
	struct file *file = range->file;

	mutex_lock(&wn_claim_mutex);
	spin_lock(&wn->lock);
	list_del(&range->node);
	range->queue = NULL;
	range->file = NULL;
	wn_wake(wn, range->it.start, range->it.last, WN_FAIL);
	spin_unlock(&wn->lock);
	mutex_unlock(&wn_claim_mutex);
	fput(file);
}

/* --- bits ------------------------------------------------------------------ */

/**
 * wn_arm - the next write to each page is to be caught
 * @wn: the file
 * @first: first page
 * @last: last page; all of them are in ranges
 * @before: which of them, from @first on, were armed; or NULL
 *
 * Whoever waits asks again: it may be another mode by now. Followed by
 * wn_protect().
 *
 * Context: under notify_mutex of who has the ranges.
 */
void wn_arm(struct write_notify *wn, pgoff_t first, pgoff_t last,
	    unsigned long *before)
{
	struct wn_chunk *chunk;
	unsigned long bit, i;
	pgoff_t index, end;

	for (index = first; index <= last; index = end + 1) {
		end = min(last, index | (WN_CHUNK_PAGES - 1));
		bit = index % WN_CHUNK_PAGES;
		spin_lock(&wn->lock);
		chunk = wn_chunk_at(wn, index);
		bitmap_clear(chunk->told, bit, end - index + 1);
		for (i = 0; i <= end - index; i++)
			if (test_and_set_bit(bit + i, chunk->armed) && before)
				__set_bit(index - first + i, before);
		wn_wake(wn, index, end, WN_GO);
		spin_unlock(&wn->lock);
		cond_resched();
	}
}

/* Of ranges: SCAN is to tell these pages, whoever has or has not written. */
void wn_mark_written(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	struct wn_chunk *chunk;
	pgoff_t end;

	for (; first <= last; first = end + 1) {
		end = min(last, first | (WN_CHUNK_PAGES - 1));
		spin_lock(&wn->lock);
		chunk = wn_chunk_at(wn, first);
		if (chunk)
			bitmap_set(chunk->written, first % WN_CHUNK_PAGES,
				   end - first + 1);
		spin_unlock(&wn->lock);
	}
}

/* Of one chunk, under wn->lock; false if no page is armed. */
static bool resolve_chunk(struct write_notify *wn, pgoff_t first,
			  unsigned long nr, bool go, unsigned long *woken)
{
	unsigned long bit = first % WN_CHUNK_PAGES, end = bit + nr;
	struct wn_chunk *chunk = wn_chunk_at(wn, first);
	unsigned long sum = 0;
	pgoff_t base = first - bit;

	lockdep_assert_held(&wn->lock);
	bit = find_next_bit(chunk->armed, end, bit);
	if (bit == end)
		return false;
	if (go) {
		for_each_set_bit_from(bit, chunk->armed, end)
			sum += wn_grant(wn, chunk, base + bit, 1);
	} else {
		bitmap_clear(chunk->told, first - base, nr);
		sum = wn_wake(wn, first, first + nr - 1, WN_FAIL);
	}
	*woken += sum;
	return true;
}

/**
 * wn_resolve - decide for the writers to pages that are armed
 * @wn: the file
 * @first: first page
 * @last: last page; all of them are in ranges
 * @go: they write, and so does everybody until it is armed again; else those
 *	that wait fail, and it stays armed
 * @armed: set if a page was armed; if none is nothing changes
 *
 * Context: under notify_mutex of who has the ranges.
 * Return: writers that waited.
 */
unsigned long wn_resolve(struct write_notify *wn, pgoff_t first, pgoff_t last,
			 bool go, bool *armed)
{
	unsigned long nr, woken = 0;

	for (; first <= last; first += nr) {
		nr = min(last - first + 1,
			 WN_CHUNK_PAGES - first % WN_CHUNK_PAGES);
		spin_lock(&wn->lock);
		if (resolve_chunk(wn, first, nr, go, &woken))
			*armed = true;
		spin_unlock(&wn->lock);
		cond_resched();
	}
	return woken;
}
