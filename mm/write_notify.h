/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Write notification, private to mm/.
 *
 * The state of a file is a set of disjoint ranges, each of which belongs to one
 * queue of events, and three bits per page, allocated when a range is claimed:
 *
 * armed	the next write is to be caught: no entry of any page table may
 *		allow writing
 * written	write permission was given since the bit was last cleared
 * told		a write was refused, and there is an event that says so
 *
 * Rules
 *
 * W1. The file has AS_WRITE_NOTIFY, for good, from before its first bit is set,
 *     and write_notify_used is on from before the first file has the flag.
 *     Since then vm_page_prot of its shared mappings has no write bit, so an
 *     entry becomes writable only where somebody adds the bit; each of these
 *     places asks write_notify_armed() under the page table lock.
 * W2. ARM sets the bits first, and takes the write permission of existing
 *     entries second, under the page table locks. So an entry is either made
 *     before, and found, or its maker sees the bit.
 * W3. Who copies into a page of the file asks with the folio locked, and ARM
 *     locks and unlocks every folio after it has set the bits: what was let
 *     through before has ended when ARM returns.
 * W4. A bit is cleared, and "written" set, before the permission is given.
 * W5. Nobody sleeps with a lock that others need: neither under the page table
 *     lock, nor in a fault of a container's own mm, nor with a VMA lock or
 *     mmap_lock held.
 *
 * Lock order, outer first
 *
 *   container's notify_mutex -> cmm's mmap_lock
 *   notify_mutex -> wn_claim_mutex
 *   notify_mutex -> backing's i_mmap_rwsem -> page table lock -> wn->lock
 *   folio lock -> wn->lock
 *   wn->lock -> queue's lock -> lock of its wait queue
 *
 * Ranges are added, cut and removed under notify_mutex of their container and
 * wn->lock; those that outlived their queue under wn_claim_mutex and wn->lock.
 */
#ifndef __MM_WRITE_NOTIFY_H
#define __MM_WRITE_NOTIFY_H

#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/ptshare.h>
#include <linux/shmem_fs.h>
#include <linux/spinlock.h>
#include <linux/write_notify.h>
#include <linux/xarray.h>
#include <uapi/linux/ptshare.h>

struct iov_iter;
struct poll_table_struct;
struct wn_queue;

#define WN_CHUNK_PAGES	512UL
#define WN_BUCKETS	64

/* What becomes of a write. */
enum wn_verdict {
	WN_GO,		/* it was recorded, if there was anything to record */
	WN_FAIL,	/* it is refused */
	WN_WAIT,	/* somebody has to decide */
};

/**
 * struct wn_chunk - the pages from a multiple of WN_CHUNK_PAGES on
 * @armed: set and cleared under wn->lock, read under page table locks, or
 *	without one by who asks again under such a lock
 * @written: under wn->lock
 * @told: under wn->lock
 * @rcu: readers of @armed are under RCU
 */
struct wn_chunk {
	DECLARE_BITMAP(armed, WN_CHUNK_PAGES);
	DECLARE_BITMAP(written, WN_CHUNK_PAGES);
	DECLARE_BITMAP(told, WN_CHUNK_PAGES);
	struct rcu_head rcu;
};

/* What PTSHARE_IOC_ARM was given for a range. */
struct wn_params {
	u64 cookie;
	u64 timeout_ns;
	u32 mode;
	u32 on_kernel;
	u32 on_close;
};

/**
 * struct wn_range - pages that one queue watches
 * @it: in wn->ranges, page offsets in the file
 * @node: in queue->ranges, under notify_mutex
 * @wn: of the file
 * @file: holds the inode while there is a queue; else NULL
 * @queue: hears of writes; NULL when it was closed with PTSHARE_CLOSE_SIGNAL
 * @offset: of the first page in the container, in bytes
 * @params: of the arming
 */
struct wn_range {
	struct interval_tree_node it;
	struct list_head node;
	struct write_notify *wn;
	struct file *file;
	struct wn_queue *queue;
	u64 offset;
	struct wn_params params;
};

/**
 * struct write_notify - what is watched of a file
 * @mapping: of the file, which owns this
 * @lock: guards all below but @enabled
 * @enabled: no mapping has the write bit in its vm_page_prot any more
 * @claiming: calls that have chunks and no range yet, under wn_claim_mutex
 * @ranges: struct wn_range by page offset
 * @chunks: struct wn_chunk by page offset / WN_CHUNK_PAGES; read under RCU
 * @deadlines: by page offset, when it has waited enough of which all waiters have
 *	left for a signal
 * @nr_waiters: in all of @waiters
 * @waiters: struct wn_waiter, by hash of the page offset
 */
struct write_notify {
	struct address_space *mapping;
	spinlock_t lock;	/* see the lock order above */
	bool enabled;
	unsigned int claiming;
	struct rb_root_cached ranges;
	struct xarray chunks;
	struct xarray deadlines;
	unsigned long nr_waiters;
	struct list_head waiters[WN_BUCKETS];
};

/* A write: @flags are PTSHARE_EVENT_F_*; @addr is 0 for write(2). */
struct wn_access {
	unsigned long addr;
	u16 flags;
	bool done;	/* it has happened: nothing to refuse */
	bool nosleep;	/* who would have to wait is refused */
	bool late;	/* who would have to wait has waited enough */
};

/* Pages of one file that are neighbours in a container too. */
struct wn_segment {
	struct file *file;
	struct write_notify *wn;
	pgoff_t first, last;
	u64 offset;
	/* While it is being armed: is it, what had it before, and which bits. */
	bool claimed;
	struct list_head replaced;
	unsigned long *armed;
};

static inline u64 wn_range_offset(const struct wn_range *range, pgoff_t index)
{
	return range->offset + ((u64)(index - range->it.start) << PAGE_SHIFT);
}

/* The first range that has a page from @first to @last. */
static inline struct wn_range *wn_first_range(struct write_notify *wn,
					      pgoff_t first, pgoff_t last)
{
	struct interval_tree_node *it;

	lockdep_assert_held(&wn->lock);
	it = interval_tree_iter_first(&wn->ranges, first, last);
	return it ? container_of(it, struct wn_range, it) : NULL;
}

/* The state of a shmem file, or NULL: it lives as long as the inode does. */
static inline struct write_notify *wn_find(struct address_space *mapping)
{
	/* Pairs with the cmpxchg in wn_get(). */
	return smp_load_acquire(&SHMEM_I(mapping->host)->write_notify);
}

/* write_notify.c */
struct write_notify *wn_get(struct address_space *mapping);
int wn_alloc_chunks(struct write_notify *wn, pgoff_t first, pgoff_t last);
void wn_free_chunks(struct write_notify *wn, pgoff_t first, pgoff_t last);
enum wn_verdict wn_ask(struct write_notify *wn, pgoff_t *index, pgoff_t last,
		       const struct wn_access *access);
enum wn_verdict wn_ask_page(struct write_notify *wn, pgoff_t index,
			    const struct wn_access *access);
enum wn_verdict wn_ask_locked(struct write_notify *wn, pgoff_t index,
			      const struct wn_access *access);
unsigned long wn_grant(struct write_notify *wn, struct wn_chunk *chunk,
		       pgoff_t index, unsigned long nr);
struct wn_chunk *wn_chunk_at(struct write_notify *wn, pgoff_t index);

/* write_notify_range.c */
extern struct mutex wn_claim_mutex;
/* Ranges that wn_claim() may need beside its own. */
#define WN_CLAIM_SPARES	2
int wn_may_claim(struct write_notify *wn, pgoff_t first, pgoff_t last,
		 const struct wn_queue *queue, bool entitled);
void wn_claim(struct wn_range *range, struct list_head *spares,
	      struct list_head *replaced);
void wn_unclaim(struct write_notify *wn, pgoff_t first, pgoff_t last,
		struct list_head *replaced, const unsigned long *armed);
unsigned long wn_drop(struct wn_range *range, pgoff_t first, pgoff_t last,
		      bool tell, struct list_head *spares);
void wn_orphan(struct wn_range *range);
void wn_arm(struct write_notify *wn, pgoff_t first, pgoff_t last,
	    unsigned long *before);
void wn_mark_written(struct write_notify *wn, pgoff_t first, pgoff_t last);
unsigned long wn_resolve(struct write_notify *wn, pgoff_t first, pgoff_t last,
			 bool go, bool *armed);
void wn_free_ranges(struct list_head *ranges);
int wn_alloc_spares(struct list_head *spares, unsigned int nr);

/* write_notify_wait.c */
enum wn_verdict wn_wait(struct write_notify *wn, pgoff_t index,
			struct wn_access *access, unsigned int state);
unsigned long wn_wake(struct write_notify *wn, pgoff_t first, pgoff_t last,
		      enum wn_verdict verdict);
bool wn_has_waiter(struct write_notify *wn, pgoff_t index);
vm_fault_t wn_fault_ask(struct write_notify *wn, pgoff_t index,
			unsigned long addr, unsigned int flags);
vm_fault_t wn_fault_sleep(struct write_notify *wn, pgoff_t index,
			  unsigned long addr, unsigned int flags,
			  struct mm_struct *mm);

/* write_notify_arm.c */
int wn_enable(struct write_notify *wn);
void wn_protect(struct write_notify *wn, pgoff_t first, pgoff_t last);
unsigned long wn_settle(struct write_notify *wn, pgoff_t first, pgoff_t last,
			bool mark, unsigned long *pinned);

/* write_notify_queue.c */
struct wn_queue *wn_queue_alloc(unsigned int len);
void wn_queue_free(struct wn_queue *queue);
void wn_queue_add(struct wn_range *range, u16 type, u16 flags, pgoff_t index,
		  unsigned long nr, unsigned long addr);
struct list_head *wn_queue_ranges(struct wn_queue *queue);
ssize_t wn_queue_read(struct wn_queue *queue, struct iov_iter *to, bool nowait);
__poll_t wn_queue_poll(struct wn_queue *queue, struct file *file,
		       struct poll_table_struct *wait);
void wn_queue_stat(struct wn_queue *queue, struct ptshare_watch_stat *stat);

#endif /* __MM_WRITE_NOTIFY_H */
