// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: the state of a file, and the question asked of it before
 * a page becomes writable or is written by the kernel.
 *
 * Owns struct write_notify and its chunks. Rules and lock order stand in
 * write_notify.h.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "internal.h"
#include "write_notify.h"

/*
 * Counts the files that have a state. Whoever makes and drops such files again
 * and again makes the kernel patch itself twice a second at most.
 */
DEFINE_STATIC_KEY_DEFERRED_FALSE(write_notify_used, HZ);

static struct write_notify *wn_alloc(struct address_space *mapping)
{
	struct write_notify *wn = kzalloc(sizeof(*wn), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!wn)
		return NULL;
	static_branch_deferred_inc(&write_notify_used);
	wn->mapping = mapping;
	spin_lock_init(&wn->lock);
	wn->ranges = RB_ROOT_CACHED;
	xa_init_flags(&wn->chunks, XA_FLAGS_ACCOUNT);
	xa_init_flags(&wn->deadlines, XA_FLAGS_ACCOUNT);
	for (i = 0; i < WN_BUCKETS; i++)
		INIT_LIST_HEAD(&wn->waiters[i]);
	return wn;
}

static void wn_put(struct write_notify *wn)
{
	kfree(wn);
	static_branch_slow_dec_deferred(&write_notify_used);
}

/**
 * wn_get - the state of a file, made if it is not there
 * @mapping: of a shmem file, of which the caller holds a reference
 *
 * It lives as long as the inode does.
 *
 * Return: the state; NULL without memory.
 */
struct write_notify *wn_get(struct address_space *mapping)
{
	struct write_notify *wn = wn_find(mapping), *old;

	if (wn)
		return wn;
	wn = wn_alloc(mapping);
	if (!wn)
		return NULL;
	/* Pairs with the acquire in wn_find(). */
	old = cmpxchg(&SHMEM_I(mapping->host)->write_notify, NULL, wn);
	if (old)
		wn_put(wn);
	return old ?: wn;
}

/**
 * write_notify_free - the inode goes
 * @wn: its state or NULL
 *
 * Ranges that are left have outlived their notify fd. A range that has one
 * holds the inode.
 */
void write_notify_free(struct write_notify *wn)
{
	struct interval_tree_node *it;
	struct wn_chunk *chunk;
	unsigned long index;

	if (!wn)
		return;
	while ((it = interval_tree_iter_first(&wn->ranges, 0, ULONG_MAX))) {
		interval_tree_remove(it, &wn->ranges);
		kfree(container_of(it, struct wn_range, it));
	}
	xa_for_each(&wn->chunks, index, chunk)
		kfree(chunk);
	xa_destroy(&wn->chunks);
	xa_destroy(&wn->deadlines);
	wn_put(wn);
}

/* --- chunks ------------------------------------------------------------- */

struct wn_chunk *wn_chunk_at(struct write_notify *wn, pgoff_t index)
{
	return xa_load(&wn->chunks, index / WN_CHUNK_PAGES);
}

static int alloc_chunk(struct write_notify *wn, unsigned long nr)
{
	struct wn_chunk *chunk;
	int err;

	if (xa_load(&wn->chunks, nr))
		return 0;
	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	err = xa_insert(&wn->chunks, nr, chunk, GFP_KERNEL_ACCOUNT);
	if (err)
		kfree(chunk);
	/* Another notify fd was faster. */
	return err == -EBUSY ? 0 : err;
}

/* Memory for the bits of a range: a fault never allocates. */
int wn_alloc_chunks(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	unsigned long nr;
	int err;

	for (nr = first / WN_CHUNK_PAGES; nr <= last / WN_CHUNK_PAGES; nr++) {
		err = alloc_chunk(wn, nr);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Takes back those of a range that nobody needs any more. */
void wn_free_chunks(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	struct wn_chunk *chunk;
	unsigned long nr;

	lockdep_assert_held(&wn_claim_mutex);
	xa_for_each_range(&wn->chunks, nr, chunk, first / WN_CHUNK_PAGES,
			  last / WN_CHUNK_PAGES) {
		spin_lock(&wn->lock);
		if (wn->claiming ||
		    wn_first_range(wn, nr * WN_CHUNK_PAGES,
				   (nr + 1) * WN_CHUNK_PAGES - 1))
			chunk = NULL;
		else
			xa_erase(&wn->chunks, nr);
		spin_unlock(&wn->lock);
		if (chunk)
			kfree_rcu(chunk, rcu);
		cond_resched();
	}
}

/* --- the question -------------------------------------------------------- */

static enum wn_verdict judge_kernel(const struct wn_range *range)
{
	switch (range->params.on_kernel) {
	case PTSHARE_KERNEL_FAIL:
		return WN_FAIL;
	case PTSHARE_KERNEL_BLOCK:
		return range->queue ? WN_WAIT : WN_FAIL;
	default:
		return WN_GO;
	}
}

static enum wn_verdict judge_user(const struct wn_range *range)
{
	if (!range->queue)
		return WN_FAIL;
	switch (range->params.mode) {
	case PTSHARE_SIGNAL:
		return WN_FAIL;
	case PTSHARE_BLOCK:
		return WN_WAIT;
	default:
		return WN_GO;
	}
}

static enum wn_verdict judge(const struct wn_range *range,
			     const struct wn_access *access)
{
	enum wn_verdict verdict;

	/* Whoever exits clears a tid or a robust futex: it can't come back. */
	if (access->done || (current->flags & (PF_EXITING | PF_DUMPCORE)))
		return WN_GO;
	if (access->flags & PTSHARE_EVENT_F_KERNEL)
		verdict = judge_kernel(range);
	else
		verdict = judge_user(range);
	if (verdict == WN_WAIT && access->nosleep)
		return WN_FAIL;
	return verdict == WN_WAIT && access->late ? WN_GO : verdict;
}

/**
 * wn_grant - let pages be written
 * @wn: the file
 * @chunk: that has them all
 * @index: first page
 * @nr: pages, all armed
 *
 * Context: under wn->lock.
 * Return: writers that waited.
 */
unsigned long wn_grant(struct write_notify *wn, struct wn_chunk *chunk,
		       pgoff_t index, unsigned long nr)
{
	unsigned int first = index % WN_CHUNK_PAGES, bit;

	lockdep_assert_held(&wn->lock);
	for (bit = first; bit < first + nr; bit++) {
		__set_bit(bit, chunk->written);
		__clear_bit(bit, chunk->told);
		clear_bit(bit, chunk->armed);
	}
	if (!wn->nr_waiters && xa_empty(&wn->deadlines))
		return 0;
	return wn_wake(wn, index, index + nr - 1, WN_GO);
}

/* A refusal is told once. */
static void refuse(struct wn_range *range, struct wn_chunk *chunk,
		   pgoff_t index, const struct wn_access *access)
{
	if (__test_and_set_bit(index % WN_CHUNK_PAGES, chunk->told))
		return;
	wn_queue_add(range, PTSHARE_EVENT_WRITE, access->flags, index, 1,
		     access->addr);
}

/* Pages from @index on that are armed, and of @range, and in its chunk. */
static unsigned long armed_run(const struct wn_range *range,
			       const struct wn_chunk *chunk, pgoff_t index,
			       pgoff_t last)
{
	unsigned int first = index % WN_CHUNK_PAGES, end;

	last = min3(last, range->it.last, index | (WN_CHUNK_PAGES - 1));
	end = find_next_zero_bit(chunk->armed, WN_CHUNK_PAGES, first);
	return min_t(unsigned long, end - first, last - index + 1);
}

/* Armed pages of one range and chunk: all of them are granted, or none. */
static enum wn_verdict ask_run(struct write_notify *wn, struct wn_range *range,
			       struct wn_chunk *chunk, pgoff_t index,
			       unsigned long nr, const struct wn_access *access)
{
	enum wn_verdict verdict = judge(range, access);
	u16 late = access->late ? PTSHARE_EVENT_F_TIMEOUT : 0;

	if (verdict == WN_FAIL)
		refuse(range, chunk, index, access);
	if (verdict == WN_GO) {
		wn_queue_add(range, PTSHARE_EVENT_WRITE, access->flags | late,
			     index, nr, access->addr);
		wn_grant(wn, chunk, index, nr);
	}
	return verdict;
}

/* As wn_ask(), of one chunk: @index goes to the first page not asked about. */
static enum wn_verdict ask_chunk(struct write_notify *wn, pgoff_t *index,
				 pgoff_t last, const struct wn_access *access)
{
	struct wn_chunk *chunk = wn_chunk_at(wn, *index);
	pgoff_t base = *index & ~(WN_CHUNK_PAGES - 1);
	pgoff_t end = min(last, base + WN_CHUNK_PAGES - 1);
	enum wn_verdict verdict;
	struct wn_range *range;
	unsigned long nr, bit;

	lockdep_assert_held(&wn->lock);
	for (; chunk; *index += nr) {
		bit = find_next_bit(chunk->armed, end - base + 1,
				    *index - base);
		if (base + bit > end)
			break;
		*index = base + bit;
		range = wn_first_range(wn, *index, *index);
		nr = armed_run(range, chunk, *index, end);
		verdict = ask_run(wn, range, chunk, *index, nr, access);
		if (verdict != WN_GO)
			return verdict;
	}
	*index = end + 1;
	return WN_GO;
}

static bool chunk_armed(const struct wn_chunk *chunk, pgoff_t index)
{
	return chunk && test_bit(index % WN_CHUNK_PAGES, chunk->armed);
}

/* Of one page. */
enum wn_verdict wn_ask_locked(struct write_notify *wn, pgoff_t index,
			      const struct wn_access *access)
{
	struct wn_chunk *chunk = wn_chunk_at(wn, index);

	lockdep_assert_held(&wn->lock);
	if (!chunk_armed(chunk, index))
		return WN_GO;
	return ask_run(wn, wn_first_range(wn, index, index), chunk, index, 1,
		       access);
}

/**
 * wn_ask_page - may a page be written?
 * @wn: the file
 * @index: the page
 * @access: who writes, and how
 *
 * Most faults find that it is not armed, and take no lock that others need. Who
 * relies on the answer has a lock that ARM takes after it has set the bit; that
 * of a page table may be new, see write_notify_armed().
 *
 * Context: does not sleep.
 */
enum wn_verdict wn_ask_page(struct write_notify *wn, pgoff_t index,
			    const struct wn_access *access)
{
	enum wn_verdict verdict = WN_GO;
	struct wn_chunk *chunk;

	smp_mb(); /* pairs with wn_protect() */
	rcu_read_lock();
	chunk = wn_chunk_at(wn, index);
	if (chunk_armed(chunk, index)) {
		spin_lock(&wn->lock);
		/* No bit of a chunk that was taken away meanwhile is set. */
		if (chunk_armed(chunk, index))
			verdict = ask_run(wn, wn_first_range(wn, index, index),
					  chunk, index, 1, access);
		spin_unlock(&wn->lock);
	}
	rcu_read_unlock();
	return verdict;
}

/* Is there somebody to decide about a page? Records nothing. */
static bool wn_must_wait(struct write_notify *wn, pgoff_t index,
			 const struct wn_access *access)
{
	bool wait;

	spin_lock(&wn->lock);
	wait = chunk_armed(wn_chunk_at(wn, index), index) &&
	       judge(wn_first_range(wn, index, index), access) == WN_WAIT;
	spin_unlock(&wn->lock);
	return wait;
}

/**
 * wn_ask - may pages be written?
 * @wn: the file
 * @index: first page; result: the first one that may not, or beyond @last
 * @last: last page
 * @access: who writes, and how
 *
 * What may be written is recorded, up to there.
 *
 * Context: sleeps only if there is more than one chunk.
 */
enum wn_verdict wn_ask(struct write_notify *wn, pgoff_t *index, pgoff_t last,
		       const struct wn_access *access)
{
	enum wn_verdict verdict;
	struct wn_range *range;

	if (*index == last) {
		verdict = wn_ask_page(wn, last, access);
		*index += verdict == WN_GO;
		return verdict;
	}
	do {
		spin_lock(&wn->lock);
		range = wn_first_range(wn, *index, last);
		if (!range) {
			spin_unlock(&wn->lock);
			*index = last + 1;
			return WN_GO;
		}
		*index = max(*index, range->it.start);
		verdict = ask_chunk(wn, index, last, access);
		spin_unlock(&wn->lock);
		if (verdict != WN_GO || *index > last)
			break;
		cond_resched();
	} while (1);
	return verdict;
}

/* Under RCU. */
static bool any_armed(struct write_notify *wn, pgoff_t index, pgoff_t last)
{
	struct wn_chunk *chunk;
	unsigned long bit, nr;

	for (; index <= last; index += nr) {
		chunk = wn_chunk_at(wn, index);
		bit = index % WN_CHUNK_PAGES;
		nr = min(last - index + 1, WN_CHUNK_PAGES - bit);
		if (chunk && find_next_bit(chunk->armed, bit + nr, bit) <
			     bit + nr)
			return true;
	}
	return false;
}

/**
 * write_notify_armed - must some of these pages not become writable?
 * @vma: a shared mapping of a file that is or was watched
 * @addr: of the first page
 * @nr_pages: pages
 *
 * Context: under the page table lock under which the answer is used (W2).
 */
bool write_notify_armed(struct vm_area_struct *vma, unsigned long addr,
			unsigned int nr_pages)
{
	struct write_notify *wn = wn_find(vma->vm_file->f_mapping);
	pgoff_t index = linear_page_index(vma, addr);
	bool armed;

	if (!wn)
		return false;
	/*
	 * The table under whose lock this is may be new: who arms has set the
	 * bit before it looked whether there is one. Pairs with wn_protect().
	 */
	smp_mb();
	rcu_read_lock();
	if (nr_pages == 1)
		armed = chunk_armed(wn_chunk_at(wn, index), index);
	else
		armed = any_armed(wn, index, index + nr_pages - 1);
	rcu_read_unlock();
	return armed;
}

/* --- writes to the file -------------------------------------------------- */

static const struct wn_access by_syscall = {
	.flags = PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_SYSCALL,
};

/**
 * write_notify_begin - the kernel is about to copy into a folio
 * @folio: of a file that is or was watched
 * @pos: in the file, in bytes
 * @len: bytes; what is beyond the folio comes later
 *
 * Context: the folio is locked (W3).
 * Return: 0, -EPERM, or -EWRITENOTIFY if write_notify_resume() has to wait first,
 * without locks.
 */
int write_notify_begin(struct folio *folio, loff_t pos, size_t len)
{
	struct write_notify *wn = wn_find(folio->mapping);
	pgoff_t index = pos >> PAGE_SHIFT;
	pgoff_t last = (pos + len - 1) >> PAGE_SHIFT;

	if (!wn)
		return 0;
	last = min(last, folio_next_index(folio) - 1);
	switch (wn_ask(wn, &index, last, &by_syscall)) {
	case WN_FAIL:
		return -EPERM;
	case WN_WAIT:
		return -EWRITENOTIFY;
	default:
		return 0;
	}
}

/**
 * write_notify_fill - a folio with content of its own was added to a file
 * @mapping: of a file that is or was watched
 * @index: of the folio, a small one
 *
 * Context: the folio is locked (W3), and so is an mmap_lock: who would have to
 * wait is refused.
 * Return: 0 or -EFAULT.
 */
int write_notify_fill(struct address_space *mapping, pgoff_t index)
{
	struct write_notify *wn = wn_find(mapping);
	struct wn_access access = by_syscall;

	access.nosleep = true;
	if (!wn || wn_ask(wn, &index, index, &access) == WN_GO)
		return 0;
	return -EFAULT;
}

/*
 * Waits for each page that is not decided. Whoever was made to wait too long
 * once waits no more.
 */
static int sleep_for(struct write_notify *wn, pgoff_t index, pgoff_t last,
		     struct wn_access *access)
{
	enum wn_verdict verdict;

	do {
		verdict = wn_ask(wn, &index, last, access);
		if (verdict == WN_WAIT)
			verdict = wn_wait(wn, index, access,
					  TASK_INTERRUPTIBLE);
		if (verdict == WN_FAIL)
			return -EPERM;
		if (verdict == WN_WAIT || fatal_signal_pending(current))
			return -ERESTARTSYS;
	} while (index <= last);
	return 0;
}

/* Was the copy stopped for a decision? A short one may have other reasons. */
static bool stopped(struct write_notify *wn, pgoff_t index, ssize_t ret,
		    struct wn_access *access)
{
	return ret == -EWRITENOTIFY ||
	       (ret > 0 && wn_must_wait(wn, index, access));
}

/**
 * write_notify_resume - the rest of a write(2) that was left unfinished
 * @iocb: of the write
 * @from: what is left of it, more than nothing
 * @ret: what the write came to
 * @write: goes on with it
 *
 * Where a page has to be decided the copy has stopped, at its begin or in the
 * middle. Waits for the decision and has the copy go on, until it stops for
 * another reason.
 *
 * Context: sleeps until the monitor decides; the inode is not locked.
 * Return: what the write is to return.
 */
ssize_t write_notify_resume(struct kiocb *iocb, struct iov_iter *from,
			    ssize_t ret,
			    ssize_t (*write)(struct kiocb *iocb,
					     struct iov_iter *from))
{
	struct write_notify *wn = wn_find(iocb->ki_filp->f_mapping);
	struct wn_access access = by_syscall;
	ssize_t done = max(ret, 0);
	pgoff_t index;
	int err;

	if (!wn)
		return ret;
	while (iov_iter_count(from)) {
		index = iocb->ki_pos >> PAGE_SHIFT;
		if (!stopped(wn, index, ret, &access))
			break;
		err = sleep_for(wn, index, index, &access);
		if (err) {
			ret = err;
			break;
		}
		ret = write(iocb, from);
		done += max(ret, 0);
	}
	return done ?: ret;
}

/**
 * write_notify_change - the kernel is about to zero or drop bytes of a file
 * @mapping: of a file that is or was watched
 * @pos: in the file, in bytes
 * @len: bytes
 *
 * For what takes no folio lock that ARM could wait for: it is followed by
 * write_notify_changed().
 *
 * Context: sleeps until the monitor decides; truncation has the inode locked.
 * Return: 0, -EPERM, -ERESTARTSYS.
 */
int write_notify_change(struct address_space *mapping, loff_t pos, loff_t len)
{
	struct write_notify *wn = wn_find(mapping);
	struct wn_access access = by_syscall;

	if (!wn || len <= 0)
		return 0;
	return sleep_for(wn, pos >> PAGE_SHIFT, (pos + len - 1) >> PAGE_SHIFT,
			 &access);
}

/**
 * write_notify_changed - bytes of a file were zeroed or dropped
 * @mapping: of the file
 * @pos: in the file, in bytes
 * @len: bytes
 *
 * Records it for what was armed in the meantime.
 */
void write_notify_changed(struct address_space *mapping, loff_t pos, loff_t len)
{
	struct wn_access access = by_syscall;
	struct write_notify *wn;
	pgoff_t index = pos >> PAGE_SHIFT;

	if (!mapping_write_notify(mapping) || len <= 0)
		return;
	wn = wn_find(mapping);
	access.done = true;
	if (wn)
		wn_ask(wn, &index, (pos + len - 1) >> PAGE_SHIFT, &access);
}

/**
 * write_notify_poked - the kernel has written to a page through another mapping
 * @page: a reference is held
 * @addr: of the access, in another process
 *
 * For whoever took the page some time before he wrote to it, without pinning it:
 * it may have been armed since.
 *
 * Context: locks the folio, so that the file does not go.
 */
void write_notify_poked(struct page *page, unsigned long addr)
{
	struct folio *folio = page_folio(page);
	struct wn_access access = {
		.addr	= addr,
		.flags	= PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_REMOTE,
		.done	= true,
	};
	struct write_notify *wn = NULL;
	pgoff_t index;

	if (folio_test_anon(folio))
		return;
	folio_lock(folio);
	if (folio->mapping && mapping_write_notify(folio->mapping))
		wn = wn_find(folio->mapping);
	if (wn) {
		index = folio->index + folio_page_idx(folio, page);
		wn_ask(wn, &index, index, &access);
	}
	folio_unlock(folio);
}

/**
 * write_notify_truncated - a file has become shorter
 * @mapping: of the file
 * @newsize: in bytes
 * @oldsize: in bytes
 *
 * Pages that are gone stay with whoever watches them, but are not armed.
 */
void write_notify_truncated(struct address_space *mapping, loff_t newsize,
			    loff_t oldsize)
{
	pgoff_t first = DIV_ROUND_UP(newsize, PAGE_SIZE), from, to;
	pgoff_t last = (oldsize - 1) >> PAGE_SHIFT;
	struct write_notify *wn;
	struct wn_range *range;

	if (!mapping_write_notify(mapping) || newsize >= oldsize)
		return;
	write_notify_changed(mapping, newsize, oldsize - newsize);
	wn = wn_find(mapping);
	if (!wn)
		return;
	while (first <= last) {
		spin_lock(&wn->lock);
		range = wn_first_range(wn, first, last);
		if (range) {
			from = max(first, range->it.start);
			to = min(last, range->it.last);
			wn_queue_add(range, PTSHARE_EVENT_DISARMED, 0, from,
				     to - from + 1, 0);
		}
		spin_unlock(&wn->lock);
		if (!range)
			break;
		first = to + 1;
	}
}
