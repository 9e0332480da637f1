// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare watches: what is behind a notify fd.
 *
 * Owns struct ptshare_watch, and the way from offsets of a container to pages
 * of its backings. What is armed is a property of the backing's pages, see
 * write_notify.h; the container is where they are named.
 *
 * Locks: notify_mutex of the container for all that changes or relies on who
 * watches what, layout changes included. Never taken under an mmap_lock.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "internal.h"
#include "ptshare.h"
#include "ptshare_notify.h"

#define DEFAULT_TIMEOUT_NS	(10ULL * NSEC_PER_SEC)
/* Whoever may not stop others for ever may not for longer than this. */
#define MAX_TIMEOUT_NS		(3600ULL * NSEC_PER_SEC)
#define SEGMENTS_AT_FIRST	16
/* Ranges to look at before the layout is asked which one it is. */
#define RESOLVE_TRIES		8

struct ptshare_watch *ptshare_watch_create(struct ptshare *pt,
					   unsigned int queue_len)
{
	struct ptshare_watch *watch;

	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return ERR_PTR(-ENOMEM);
	watch->queue = wn_queue_alloc(queue_len);
	if (!watch->queue) {
		kfree(watch);
		return ERR_PTR(-ENOMEM);
	}
	ptshare_get(pt);
	watch->pt = pt;
	mutex_lock(&pt->notify_mutex);
	list_add_tail(&watch->node, &pt->watches);
	mutex_unlock(&pt->notify_mutex);
	return watch;
}

/* The last close: whoever waits goes on, or fails, at once. */
void ptshare_watch_close(struct ptshare_watch *watch)
{
	struct list_head *ranges = wn_queue_ranges(watch->queue);
	struct ptshare *pt = watch->pt;
	struct wn_range *range, *next;
	LIST_HEAD(none);

	mutex_lock(&pt->notify_mutex);
	list_for_each_entry_safe(range, next, ranges, node) {
		if (range->params.on_close == PTSHARE_CLOSE_SIGNAL)
			wn_orphan(range);
		else
			wn_drop(range, 0, ULONG_MAX, false, &none);
	}
	list_del(&watch->node);
	mutex_unlock(&pt->notify_mutex);
	wn_queue_free(watch->queue);
	kfree(watch);
	ptshare_put(pt);
}

ssize_t ptshare_watch_read(struct ptshare_watch *watch, struct iov_iter *to,
			   bool nowait)
{
	return wn_queue_read(watch->queue, to, nowait);
}

__poll_t ptshare_watch_poll(struct ptshare_watch *watch, struct file *file,
			    struct poll_table_struct *wait)
{
	return wn_queue_poll(watch->queue, file, wait);
}

void ptshare_watch_stat(struct ptshare_watch *watch,
			struct ptshare_watch_stat *stat)
{
	struct wn_range *range;

	*stat = (struct ptshare_watch_stat) { .pt = watch->pt };
	wn_queue_stat(watch->queue, stat);
	mutex_lock(&watch->pt->notify_mutex);
	list_for_each_entry(range, wn_queue_ranges(watch->queue), node)
		stat->bytes += (u64)(range->it.last - range->it.start + 1) <<
			       PAGE_SHIFT;
	mutex_unlock(&watch->pt->notify_mutex);
}

/* --- segments -------------------------------------------------------------- */

void ptshare_segments_put(struct ptshare_segments *segs)
{
	unsigned int i;

	for (i = 0; i < segs->nr; i++) {
		fput(segs->seg[i].file);
		wn_free_ranges(&segs->seg[i].replaced);
		kvfree(segs->seg[i].armed);
	}
	kvfree(segs->seg);
	*segs = (struct ptshare_segments) {};
}

static bool segment_extend(struct ptshare_segments *segs,
			   const struct wn_segment *more)
{
	struct wn_segment *seg = segs->seg + segs->nr - 1;

	if (!segs->nr || seg->file != more->file ||
	    seg->last + 1 != more->first ||
	    seg->offset + ((u64)(seg->last - seg->first + 1) << PAGE_SHIFT) !=
	    more->offset)
		return false;
	seg->last = more->last;
	return true;
}

static struct wn_segment vma_segment(struct vm_area_struct *vma,
				     unsigned long start, unsigned long end)
{
	unsigned long from = max(start, vma->vm_start);
	unsigned long to = min(end, vma->vm_end);

	return (struct wn_segment) {
		.file	= vma->vm_file,
		.wn	= wn_find(vma->vm_file->f_mapping),
		.first	= linear_page_index(vma, from),
		.last	= linear_page_index(vma, to - PAGE_SIZE),
		.offset	= from - PTSHARE_BASE,
	};
}

/* -ENOSPC: there are more than @room. */
static int segments_fill(struct ptshare *pt, struct ptshare_segments *segs,
			 u64 offset, u64 length, unsigned int room)
{
	unsigned long start = PTSHARE_BASE + offset, end = start + length;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	struct wn_segment seg;

	mmap_assert_locked(pt->cmm);
	vma_iter_init(&vmi, pt->cmm, start);
	for_each_vma_range(vmi, vma, end) {
		seg = vma_segment(vma, start, end);
		if (segment_extend(segs, &seg))
			continue;
		if (segs->nr == room)
			return -ENOSPC;
		get_file(seg.file);
		segs->seg[segs->nr] = seg;
		INIT_LIST_HEAD(&segs->seg[segs->nr++].replaced);
	}
	return 0;
}

static u64 segments_bytes(const struct ptshare_segments *segs)
{
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < segs->nr; i++)
		pages += segs->seg[i].last - segs->seg[i].first + 1;
	return pages << PAGE_SHIFT;
}

/**
 * ptshare_segments_get - which pages of which files are in a range?
 * @pt: container
 * @segs: result, for ptshare_segments_put()
 * @offset: bytes
 * @length: bytes
 * @whole: -ENOENT if there is a hole
 *
 * Context: takes cmm's mmap_lock for read.
 */
int ptshare_segments_get(struct ptshare *pt, struct ptshare_segments *segs,
			 u64 offset, u64 length, bool whole)
{
	unsigned int room = SEGMENTS_AT_FIRST;
	int err;

	do {
		*segs = (struct ptshare_segments) {};
		segs->seg = kvmalloc_array(room, sizeof(*segs->seg),
					   GFP_KERNEL_ACCOUNT);
		if (!segs->seg)
			return -ENOMEM;
		err = -EINTR;
		if (!mmap_read_lock_killable(pt->cmm)) {
			err = segments_fill(pt, segs, offset, length, room);
			mmap_read_unlock(pt->cmm);
		}
		if (!err && whole && segments_bytes(segs) != length)
			err = -ENOENT;
		if (err)
			ptshare_segments_put(segs);
		room *= 4;
	} while (err == -ENOSPC);
	return err;
}

/* --- ARM -------------------------------------------------------------------- */

static int arm_check_args(struct ptshare *pt, const struct ptshare_arm *arm)
{
	int err = ptshare_check_range(pt, arm->offset, arm->length);

	if (err)
		return err;
	if (arm->mode > PTSHARE_SIGNAL ||
	    arm->on_kernel > PTSHARE_KERNEL_BLOCK ||
	    arm->on_close > PTSHARE_CLOSE_SIGNAL || arm->__reserved)
		return -EINVAL;
	if ((arm->on_kernel == PTSHARE_KERNEL_BLOCK ||
	     arm->timeout_ns > MAX_TIMEOUT_NS) && !capable(CAP_SYS_PTRACE))
		return -EPERM;
	return 0;
}

/* May the caller hold up whoever writes this file? As with F_SETLEASE. */
static bool may_stall(struct file *file)
{
	vfsuid_t owner = i_uid_into_vfsuid(file_mnt_idmap(file),
					   file_inode(file));

	return vfsuid_eq_kuid(owner, current_fsuid()) || capable(CAP_LEASE);
}

static int arm_check_file(struct file *file, const struct ptshare_arm *arm)
{
	if (!shmem_mapping(file->f_mapping))
		return -EOPNOTSUPP;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if ((arm->mode || arm->on_kernel || arm->on_close) && !may_stall(file))
		return -EPERM;
	return 0;
}

/* What takes other processes' mmap_locks, before notify_mutex is taken. */
static int arm_prepare(struct ptshare_segments *segs,
		       const struct ptshare_arm *arm)
{
	struct wn_segment *seg;
	int err = 0;

	for (seg = segs->seg; seg < segs->seg + segs->nr && !err; seg++)
		err = arm_check_file(seg->file, arm);
	for (seg = segs->seg; seg < segs->seg + segs->nr && !err; seg++) {
		seg->wn = wn_get(seg->file->f_mapping);
		err = seg->wn ? wn_enable(seg->wn) : -ENOMEM;
	}
	return err;
}

/* Are the segments what they were? */
static bool segments_same(const struct ptshare_segments *a,
			  const struct ptshare_segments *b)
{
	unsigned int i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (a->seg[i].file != b->seg[i].file ||
		    a->seg[i].first != b->seg[i].first ||
		    a->seg[i].last != b->seg[i].last ||
		    a->seg[i].offset != b->seg[i].offset)
			return false;
	return true;
}

/*
 * Finds the segments and makes their files ready; returns with notify_mutex
 * held. From then on who takes a region away drops what is armed of it.
 */
static int arm_lock(struct ptshare *pt, struct ptshare_segments *segs,
		    const struct ptshare_arm *arm)
{
	struct ptshare_segments now;
	bool same;
	int err;

	for (;;) {
		err = ptshare_segments_get(pt, segs, arm->offset, arm->length,
					   true);
		if (err)
			return err;
		err = arm_prepare(segs, arm);
		if (!err && mutex_lock_killable(&pt->notify_mutex))
			err = -EINTR;
		if (err)
			break;
		err = ptshare_segments_get(pt, &now, arm->offset, arm->length,
					   true);
		if (!err) {
			same = segments_same(segs, &now);
			ptshare_segments_put(&now);
			if (same)
				return 0;
		}
		mutex_unlock(&pt->notify_mutex);
		if (err)
			break;
		ptshare_segments_put(segs);
	}
	ptshare_segments_put(segs);
	return err;
}

/* Takes permission away, and counts what can't be taken. */
static unsigned long arm_protect(const struct ptshare_segments *segs, bool mark)
{
	const struct wn_segment *seg;
	unsigned long pinned = 0;

	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++) {
		wn_protect(seg->wn, seg->first, seg->last);
		pinned += wn_settle(seg->wn, seg->first, seg->last, mark, NULL);
	}
	return pinned;
}

static void claim_segment(struct ptshare_watch *watch, struct wn_segment *seg,
			  const struct ptshare_arm *arm,
			  struct list_head *spares)
{
	struct wn_range *range;

	range = list_first_entry(spares, struct wn_range, node);
	list_del(&range->node);
	range->it.start = seg->first;
	range->it.last = seg->last;
	range->wn = seg->wn;
	range->file = get_file(seg->file);
	range->queue = watch->queue;
	range->offset = seg->offset;
	range->params = (struct wn_params) {
		.cookie		= arm->cookie,
		.timeout_ns	= arm->timeout_ns ?: DEFAULT_TIMEOUT_NS,
		.mode		= arm->mode,
		.on_kernel	= arm->on_kernel,
		.on_close	= arm->on_close,
	};
	wn_claim(range, spares, &seg->replaced);
	seg->claimed = true;
}

/* Chunks are there before the claim, and stay because of @claiming. */
static int claim_begin(const struct ptshare_segments *segs)
{
	const struct wn_segment *seg;
	int err = 0;

	mutex_lock(&wn_claim_mutex);
	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		seg->wn->claiming++;
	mutex_unlock(&wn_claim_mutex);
	for (seg = segs->seg; seg < segs->seg + segs->nr && !err; seg++)
		err = wn_alloc_chunks(seg->wn, seg->first, seg->last);
	return err;
}

static int claim_check(struct ptshare_watch *watch,
		       const struct ptshare_segments *segs)
{
	const struct wn_segment *seg;
	int err = 0;

	lockdep_assert_held(&wn_claim_mutex);
	for (seg = segs->seg; seg < segs->seg + segs->nr && !err; seg++)
		err = wn_may_claim(seg->wn, seg->first, seg->last,
				   watch->queue, may_stall(seg->file));
	return err;
}

/* After claim_begin(): what no range has taken goes again. */
static void claim_end(const struct ptshare_segments *segs)
{
	const struct wn_segment *seg;

	mutex_lock(&wn_claim_mutex);
	/* All of them first: a file may be there twice. */
	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		seg->wn->claiming--;
	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		if (!seg->claimed)
			wn_free_chunks(seg->wn, seg->first, seg->last);
	mutex_unlock(&wn_claim_mutex);
}

/* All segments or none. */
static int arm_claim(struct ptshare_watch *watch,
		     const struct ptshare_segments *segs,
		     const struct ptshare_arm *arm)
{
	LIST_HEAD(spares);
	unsigned int i;
	int err;

	err = wn_alloc_spares(&spares, (1 + WN_CLAIM_SPARES) * segs->nr);
	if (err)
		goto out_free;
	err = claim_begin(segs);
	if (err)
		goto out_end;
	mutex_lock(&wn_claim_mutex);
	err = claim_check(watch, segs);
	for (i = 0; i < segs->nr && !err; i++)
		claim_segment(watch, &segs->seg[i], arm, &spares);
	mutex_unlock(&wn_claim_mutex);
out_end:
	claim_end(segs);
out_free:
	wn_free_ranges(&spares);
	return err;
}

/*
 * Memory to take the arming back with, for modes that refuse pinned pages: one
 * may be pinned between the look before the bits are set and the one after.
 */
static int arm_alloc_undo(struct ptshare_segments *segs)
{
	struct wn_segment *seg;

	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++) {
		seg->armed = kvcalloc(BITS_TO_LONGS(seg->last - seg->first + 1),
				      sizeof(long),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!seg->armed)
			return -ENOMEM;
	}
	return 0;
}

static void arm_undo(const struct ptshare_segments *segs)
{
	struct wn_segment *seg = segs->seg + segs->nr;

	/* The last first: a file, or a page of it, may be there twice. */
	while (seg-- > segs->seg)
		wn_unclaim(seg->wn, seg->first, seg->last, &seg->replaced,
			   seg->armed);
}

static int arm_locked(struct ptshare_watch *watch,
		      struct ptshare_segments *segs, struct ptshare_arm *arm)
{
	bool strict = arm->mode != PTSHARE_ASYNC;
	const struct wn_segment *seg;
	unsigned long pinned;
	int err;

	err = strict ? arm_alloc_undo(segs) : 0;
	/* Before anything is changed: who loses an entry by this gets it back. */
	if (!err && strict && arm_protect(segs, false))
		err = -EBUSY;
	if (!err)
		err = arm_claim(watch, segs, arm);
	if (err)
		return err;
	watch->arms++;
	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		wn_arm(seg->wn, seg->first, seg->last, seg->armed);
	pinned = arm_protect(segs, !strict);
	if (pinned && strict) {
		arm_undo(segs);
		return -EBUSY;
	}
	arm->armed_bytes = arm->length;
	arm->pinned = (u64)pinned << PAGE_SHIFT;
	return 0;
}

/**
 * ptshare_watch_arm - PTSHARE_IOC_ARM
 * @watch: of the notify fd
 * @arm: see the uapi header
 *
 * Context: sleeps; the first time for a file it takes the mmap_lock of every
 * process that maps it.
 * Return: 0 or an errno of the contract in the uapi header. When it returns no
 * CPU can use an older translation.
 */
int ptshare_watch_arm(struct ptshare_watch *watch, struct ptshare_arm *arm)
{
	struct ptshare *pt = watch->pt;
	struct ptshare_segments segs;
	int err;

	err = arm_check_args(pt, arm);
	if (err)
		return err;
	err = arm_lock(pt, &segs, arm);
	if (err)
		return err;
	err = arm_locked(watch, &segs, arm);
	mutex_unlock(&pt->notify_mutex);
	ptshare_segments_put(&segs);
	return err;
}

/* --- RESOLVE ---------------------------------------------------------------- */

/* Does the queue have all pages? */
static bool resolve_check(const struct wn_segment *seg,
			  const struct wn_queue *queue)
{
	struct write_notify *wn = seg->wn;
	pgoff_t index = seg->first, to;
	struct wn_range *range;

	while (wn) {
		spin_lock(&wn->lock);
		range = wn_first_range(wn, index, index);
		if (!range || range->queue != queue) {
			spin_unlock(&wn->lock);
			break;
		}
		to = range->it.last;
		spin_unlock(&wn->lock);
		if (to >= seg->last)
			return true;
		index = to + 1;
		cond_resched();
	}
	return false;
}

static u64 disarm_segment(const struct wn_segment *seg,
			  const struct wn_queue *queue,
			  struct list_head *spares)
{
	pgoff_t index = seg->first;
	struct wn_range *range;
	u64 woken = 0;
	bool own;

	do {
		spin_lock(&seg->wn->lock);
		range = wn_first_range(seg->wn, index, seg->last);
		/* What we have given up just now may be another's already. */
		own = range && range->queue == queue;
		if (range)
			index = range->it.last + 1;
		spin_unlock(&seg->wn->lock);
		if (own)
			woken += wn_drop(range, seg->first, seg->last, false,
					 spares);
	} while (range && index <= seg->last);
	return woken;
}

static int disarm_segments(const struct ptshare_segments *segs,
			   const struct wn_queue *queue,
			   struct ptshare_resolve *resolve)
{
	LIST_HEAD(spares);
	unsigned int i;
	int err;

	err = wn_alloc_spares(&spares, WN_CLAIM_SPARES * segs->nr);
	for (i = 0; i < segs->nr && !err; i++)
		resolve->woken += disarm_segment(&segs->seg[i], queue, &spares);
	wn_free_ranges(&spares);
	return err;
}

static int resolve_segments(struct ptshare_watch *watch,
			    const struct ptshare_segments *segs,
			    struct ptshare_resolve *resolve)
{
	const struct wn_segment *seg;
	bool armed = false;

	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		if (!resolve_check(seg, watch->queue))
			return -ENOENT;
	if (resolve->action == PTSHARE_DISARM)
		return disarm_segments(segs, watch->queue, resolve);
	for (seg = segs->seg; seg < segs->seg + segs->nr; seg++)
		resolve->woken += wn_resolve(seg->wn, seg->first, seg->last,
					     resolve->action == PTSHARE_ALLOW,
					     &armed);
	return armed ? 0 : -ENOENT;
}

/* The range that has all of it, and goes to the head of the list. */
static struct wn_range *resolve_range(struct ptshare_watch *watch,
				      const struct ptshare_resolve *resolve)
{
	struct list_head *ranges = wn_queue_ranges(watch->queue);
	u64 end = resolve->offset + resolve->length;
	struct wn_range *range;
	unsigned int tries = 0;

	list_for_each_entry(range, ranges, node) {
		if (range->offset <= resolve->offset &&
		    end <= wn_range_offset(range, range->it.last + 1)) {
			list_move(&range->node, ranges);
			return range;
		}
		if (++tries == RESOLVE_TRIES)
			break;
	}
	return NULL;
}

/*
 * Somebody waits for most of these calls: what is within one range needs no look
 * at the layout. A range is dropped by who changes that, under notify_mutex.
 */
static int resolve_locked(struct ptshare_watch *watch,
			  struct ptshare_resolve *resolve)
{
	struct wn_range *range = NULL;
	struct ptshare_segments segs;
	bool armed = false;
	pgoff_t first;
	int err;

	if (resolve->action != PTSHARE_DISARM)
		range = resolve_range(watch, resolve);
	if (range) {
		first = range->it.start +
			((resolve->offset - range->offset) >> PAGE_SHIFT);
		resolve->woken = wn_resolve(range->wn, first, first - 1 +
					    (resolve->length >> PAGE_SHIFT),
					    resolve->action == PTSHARE_ALLOW,
					    &armed);
		return armed ? 0 : -ENOENT;
	}
	err = ptshare_segments_get(watch->pt, &segs, resolve->offset,
				   resolve->length, true);
	if (err)
		return err;
	err = resolve_segments(watch, &segs, resolve);
	ptshare_segments_put(&segs);
	return err;
}

/**
 * ptshare_watch_resolve - PTSHARE_IOC_RESOLVE
 * @watch: of the notify fd
 * @resolve: see the uapi header
 *
 * Context: sleeps.
 * Return: 0 or an errno of the contract in the uapi header.
 */
int ptshare_watch_resolve(struct ptshare_watch *watch,
			  struct ptshare_resolve *resolve)
{
	struct ptshare *pt = watch->pt;
	int err;

	err = ptshare_check_range(pt, resolve->offset, resolve->length);
	if (err)
		return err;
	if (resolve->action > PTSHARE_DISARM || resolve->__reserved)
		return -EINVAL;
	resolve->woken = 0;
	if (mutex_lock_killable(&pt->notify_mutex))
		return -EINTR;
	err = resolve_locked(watch, resolve);
	mutex_unlock(&pt->notify_mutex);
	return err;
}

/* --- the layout changes ------------------------------------------------------ */

static void watch_unmapped(struct ptshare_watch *watch, u64 start, u64 end,
			   struct list_head *spares)
{
	struct list_head *ranges = wn_queue_ranges(watch->queue);
	struct wn_range *range, *next;
	u64 from, to;

	list_for_each_entry_safe(range, next, ranges, node) {
		from = max(start, range->offset);
		to = min(end, wn_range_offset(range, range->it.last + 1));
		if (from >= to)
			continue;
		from = (from - range->offset) >> PAGE_SHIFT;
		to = (to - range->offset) >> PAGE_SHIFT;
		wn_drop(range, range->it.start + from, range->it.start + to - 1,
			true, spares);
	}
}

/**
 * ptshare_watch_lock - before a layout change
 * @pt: container
 * @spares: empty; gets memory for ptshare_watch_unmapped()
 *
 * Nothing is armed between the change and the call that drops what was armed.
 *
 * Return: 0 with notify_mutex held, -ENOMEM or -EINTR.
 */
int ptshare_watch_lock(struct ptshare *pt, struct list_head *spares)
{
	int err;

	/* An offset is in one range: two have an end each, or one has both. */
	err = wn_alloc_spares(spares, WN_CLAIM_SPARES);
	if (!err && mutex_lock_killable(&pt->notify_mutex))
		err = -EINTR;
	if (err)
		wn_free_ranges(spares);
	return err;
}

void ptshare_watch_unlock(struct ptshare *pt, struct list_head *spares)
{
	mutex_unlock(&pt->notify_mutex);
	wn_free_ranges(spares);
}

/**
 * ptshare_watch_unmapped - a range of the container shows something else now
 * @pt: container
 * @offset: bytes
 * @length: bytes
 * @spares: of ptshare_watch_lock()
 *
 * What was armed there is dropped, and told; who waited retries.
 *
 * Context: under notify_mutex, cmm's mmap_lock was dropped.
 */
void ptshare_watch_unmapped(struct ptshare *pt, u64 offset, u64 length,
			    struct list_head *spares)
{
	struct ptshare_watch *watch;

	lockdep_assert_held(&pt->notify_mutex);
	list_for_each_entry(watch, &pt->watches, node)
		watch_unmapped(watch, offset, offset + length, spares);
}
