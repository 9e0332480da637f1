// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare trim: PTE tables of cmm that became empty are given back.
 *
 * What clears entries of cmm, be it UNMAP, a hole punched into a backing, its
 * truncation or reclaim, leaves the tables: a zap does not know who else is
 * about to use one. The invalidation of cmm tells that something was cleared,
 * and some time later a worker looks through that GiB. Nobody waits for it but
 * who faults while the gate of the block, or of one that shares it, is closed
 * for a table that is being taken.
 *
 * Owns struct ptshare.trim, its workqueue and the parameter trim_ms. No lock of
 * cmm or of a window is needed to look: cmm keeps its upper tables (I4), and the
 * worker ends before cmm does. The queue runs one worker at a time, for all
 * containers, and a container that keeps it busy waits longer the next time.
 *
 * When an empty table goes, and who can still reach it:
 *
 *   windows, PMD link	cleared in each and flushed by ptshare_unlink_blocks(),
 *			while the gate keeps new ones out
 *   windows, PUD link	through cmm's own entry, which is cleared under cmm's
 *			PMD and PTE locks once the table was seen to be empty
 *			there: who fills an entry holds the PTE lock, and looks
 *			at cmm's entry again when it has it
 *   khugepaged		the same locks: it looks at cmm's entry again too
 *   processors		paging-structure caches, until the flush of all linked
 *			windows, one for a batch; an empty table lets nobody
 *			through meanwhile
 *   lockless readers	RCU, and interrupts off for GUP-fast: pte_free_defer()
 *
 * Locks: the order is in ptshare.h.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/moduleparam.h>
#include <linux/pgalloc.h>
#include <linux/pgtable.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

/* What is cleared is often filled again, and reclaim clears page by page. */
static unsigned int trim_ms = 1000;

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"ptshare."
module_param(trim_ms, uint, 0644);
MODULE_PARM_DESC(trim_ms, "Milliseconds from when entries are cleared to the search for empty tables");

/* Blocks that are looked at together: for one flush, behind closed gates. */
#define TRIM_BATCH	64

/* A worker may have the CPU for one part in so many. */
#define TRIM_SHARE	16

static struct workqueue_struct *trim_queue;

static bool table_empty(pte_t *pte)
{
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++) {
		if (!pte_none(ptep_get(pte + i)))
			return false;
	}
	return true;
}

/* Worth the locks? */
static bool looks_empty(pmd_t *pmdp, unsigned long haddr)
{
	pte_t *pte = pte_offset_map(pmdp, haddr);
	bool empty;

	if (!pte)
		return false;
	__acquire(RCU);
	empty = table_empty(pte);
	pte_unmap(pte);
	return empty;
}

/* Takes the table out of cmm if it is empty. */
static pgtable_t take_table(struct mm_struct *cmm, pmd_t *pmdp)
{
	spinlock_t *pml, *ptl;	/* of the PMD table and of the PTE table */
	pgtable_t table = NULL;

	pml = pmd_lock(cmm, pmdp);
	if (pmd_none(*pmdp) || !pmd_present(*pmdp) || pmd_leaf(*pmdp))
		goto out;
	ptl = pte_lockptr(cmm, pmdp);
	spin_lock_nested(ptl, SINGLE_DEPTH_NESTING);
	if (table_empty((pte_t *)pmd_page_vaddr(*pmdp))) {
		/*
		 * Reclaim may have emptied it and not have flushed yet. Who
		 * changes entries looks for that under the lock of a table,
		 * and will find none here.
		 */
		flush_tlb_batched_pending(cmm);
		table = pmd_pgtable(*pmdp);
		pmd_clear(pmdp);
	}
	spin_unlock(ptl);
out:
	spin_unlock(pml);
	return table;
}

/* Blocks from @start to @end seem to be empty. */
static void trim_run(struct ptshare *pt, unsigned long start, unsigned long end)
{
	pgtable_t tables[TRIM_BATCH], table;
	unsigned long haddr;
	unsigned int nr = 0;

	ptshare_gates_close(pt, start, end);
	ptshare_unlink_blocks(pt, start, end);
	for (haddr = start; haddr < end; haddr += PMD_SIZE) {
		table = take_table(pt->cmm, ptshare_walk_pmd(pt->cmm, haddr));
		if (table)
			tables[nr++] = table;
	}
	ptshare_gates_open(pt, start, end);
	if (!nr)
		return;
	/* Before RCU: a processor's walk is no reader that RCU waits for. */
	ptshare_tlb_flush(pt);
	atomic_long_add(nr, &pt->trim.freed);
	trace_ptshare_trim(pt, nr);
	while (nr) {
		mm_dec_nr_ptes(pt->cmm);
		pte_free_defer(pt->cmm, tables[--nr]);
	}
}

/* The end of the run of blocks from @start on that seem to be empty. */
static unsigned long run_end(pmd_t *pmdp, unsigned long start,
			     unsigned long end)
{
	unsigned long haddr = start;

	end = min(end, start + TRIM_BATCH * PMD_SIZE);
	while (haddr < end && looks_empty(pmdp++, haddr))
		haddr += PMD_SIZE;
	return haddr;
}

static void trim_gib(struct ptshare *pt, unsigned long haddr)
{
	unsigned long end = haddr + PUD_SIZE, next;
	pmd_t *pmdp = ptshare_walk_pmd(pt->cmm, haddr);

	if (!pmdp)
		return;
	for (; haddr < end; haddr = next) {
		next = run_end(pmdp + pmd_index(haddr), haddr, end);
		if (next > haddr)
			trim_run(pt, haddr, next);
		else
			next += PMD_SIZE;
		cond_resched();
	}
}

/* All that share a mark, which is one GiB in a container of usual size. */
static void trim_mark(struct ptshare *pt, unsigned int mark)
{
	unsigned long haddr = PTSHARE_BASE + mark * PUD_SIZE;
	unsigned long end = PTSHARE_BASE + pt->length;

	for (; haddr < end; haddr += PTSHARE_TRIM_MARKS * PUD_SIZE) {
		if (READ_ONCE(pt->trim.stop))
			return;
		trim_gib(pt, haddr);
		cond_resched();
	}
}

static void trim_work(struct work_struct *work)
{
	struct ptshare *pt = container_of(to_delayed_work(work), struct ptshare,
					  trim.work);
	unsigned long start = jiffies;
	unsigned int mark;

	for_each_set_bit(mark, pt->trim.marks, PTSHARE_TRIM_MARKS) {
		clear_bit(mark, pt->trim.marks);
		/* Before it is looked at; pairs with set_marks(). */
		smp_mb__after_atomic();
		trim_mark(pt, mark);
	}
	WRITE_ONCE(pt->trim.took, jiffies - start);
}

static unsigned int mark_of(unsigned long gib)
{
	return (gib - PTSHARE_BASE / PUD_SIZE) % PTSHARE_TRIM_MARKS;
}

/* False if all that was cleared waits to be looked at already. */
static bool set_marks(struct ptshare *pt, unsigned long start,
		      unsigned long end)
{
	unsigned long gib = start / PUD_SIZE;
	unsigned long last = min((end - 1) / PUD_SIZE,
				 gib + PTSHARE_TRIM_MARKS - 1);
	bool new = false;

	/* The entries were cleared before; pairs with trim_work(). */
	smp_mb();
	for (; gib <= last; gib++) {
		if (test_bit(mark_of(gib), pt->trim.marks))
			continue;
		set_bit(mark_of(gib), pt->trim.marks);
		new = true;
	}
	return new;
}

/**
 * ptshare_trim_note - entries of cmm were cleared
 * @pt: container
 * @range: the invalidation, which is over
 *
 * Context: any in which invalidations end, reclaim included; does not sleep.
 */
void ptshare_trim_note(struct ptshare *pt,
		       const struct mmu_notifier_range *range)
{
	unsigned long delay;

	if (range->event != MMU_NOTIFY_CLEAR &&
	    range->event != MMU_NOTIFY_UNMAP)
		return;
	if (!set_marks(pt, range->start, range->end))
		return;
	delay = msecs_to_jiffies(READ_ONCE(trim_ms));
	queue_delayed_work(trim_queue, &pt->trim.work,
			   max(delay, TRIM_SHARE * READ_ONCE(pt->trim.took)));
}

/* PTE tables given back since CREATE, for fdinfo. */
unsigned long ptshare_nr_trimmed(struct ptshare *pt)
{
	return atomic_long_read(&pt->trim.freed);
}

void ptshare_trim_init(struct ptshare *pt)
{
	INIT_DELAYED_WORK(&pt->trim.work, trim_work);
}

/* When nothing tells of invalidations any more; cmm is still there. */
void ptshare_trim_end(struct ptshare *pt)
{
	WRITE_ONCE(pt->trim.stop, true);
	cancel_delayed_work_sync(&pt->trim.work);
}

static int __init trim_setup(void)
{
	trim_queue = alloc_workqueue("ptshare_trim", WQ_UNBOUND, 1);
	if (!trim_queue)
		trim_queue = system_unbound_wq;
	return 0;
}
core_initcall(trim_setup);
