// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare TLB flushes: what is flushed of cmm is flushed of linked windows.
 *
 * No CPU runs cmm, so a flush of it reaches nobody. It is passed on: the TLB
 * generation of every mm in the list goes up, so that who does not run now
 * flushes when it runs next, and the CPUs that run one of them get one IPI. A
 * flush costs one atomic operation per window and one IPI per CPU concerned,
 * whatever its range and whatever other processes there are. It takes the whole
 * list in one piece, with preemption off: the sysctl ptshare_max_linked says how
 * long the list may get, and who comes later is mirrored.
 *
 * Reclaim and migration gather many pages before they flush: for them the
 * container is noted in the task, and passed on once per batch.
 *
 * Who changes an entry of cmm does that first and takes the list second; who
 * links a window puts it in the list first and sets the entry second. So either
 * the flush covers the window, or the window's CPUs read the changed entry.
 *
 * Owns struct ptshare.linked under link_lock; the order is in ptshare.h.
 */
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/mmu_notifier.h>
#include <linux/sysctl.h>
#include <linux/xarray.h>
#include <asm/tlbflush.h>

#include "internal.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

/* Some milliseconds for one flush, were each mm's generation far away. */
#define MAX_LINKED_DEFAULT	16384

static unsigned int max_linked = MAX_LINKED_DEFAULT;	/* by container */

/* Too large for the stack of who reclaims; used with preemption off. */
static DEFINE_PER_CPU(struct cpumask, ptshare_cpus);

#ifdef CONFIG_X86
/* Was there a flush since the last unlink? */
static bool unlink_flushed(const struct ptshare_window *window)
{
	return window->unlink_gen !=
	       atomic64_read(&window->mm->context.tlb_gen);
}

static void tlb_flush_window(struct mm_struct *mm, struct cpumask *cpus)
{
	inc_mm_tlb_gen(mm);
	cpumask_or(cpus, cpus, mm_cpumask(mm));
}
#else
/* Flushes are broadcast by hardware: no CPU is behind, none gets an IPI. */
static bool unlink_flushed(const struct ptshare_window *window)
{
	return true;
}

static void tlb_flush_window(struct mm_struct *mm, struct cpumask *cpus)
{
	flush_tlb_mm(mm);
}

void ptshare_flush_cpus(const struct cpumask *cpus)
{
}
#endif

static bool join_locked(struct ptshare *pt, struct ptshare_window *window)
{
	lockdep_assert_held_write(&pt->link_lock);
	if (window->joined)
		return true;
	if (pt->nr_linked >= READ_ONCE(max_linked))
		return false;
	WRITE_ONCE(pt->nr_linked, pt->nr_linked + 1);
	list_add_tail(&window->node, &pt->linked);
	/* It is in the list before anybody finds the mark. */
	smp_store_release(&window->joined, true);
	return true;
}

/**
 * ptshare_tlb_join - have a window flushed from now on
 * @pt: container
 * @window: of the container
 *
 * Context: mmap_lock or VMA lock of the window.
 * Return: false if there are too many: the window is not to be linked.
 */
bool ptshare_tlb_join(struct ptshare *pt, struct ptshare_window *window)
{
	bool joined;

	/* Another thread's, then it is in the list. */
	if (smp_load_acquire(&window->joined)) /* with the release above */
		return true;
	/* Each fault of a late window asks, and must not keep a flush waiting. */
	if (READ_ONCE(pt->nr_linked) >= READ_ONCE(max_linked))
		return false;
	write_lock(&pt->link_lock);
	joined = join_locked(pt, window);
	write_unlock(&pt->link_lock);
	/* Pairs with the one in tlb_collect(). */
	smp_mb();
	return joined;
}

/*
 * After the flush that followed the last unlink. With mmap_lock or exit keeping
 * faults out: they look at the mark.
 */
void ptshare_tlb_leave(struct ptshare *pt, struct ptshare_window *window)
{
	VM_WARN_ON_ONCE(atomic_long_read(&window->nr_links));
	if (!window->joined)
		return;
	VM_WARN_ON_ONCE(!unlink_flushed(window));
	write_lock(&pt->link_lock);
	list_del(&window->node);
	WRITE_ONCE(pt->nr_linked, pt->nr_linked - 1);
	write_unlock(&pt->link_lock);
	window->joined = false;
}

/* Adds the CPUs that may have entries; who runs later flushes by itself. */
static unsigned int tlb_collect(struct ptshare *pt, struct cpumask *cpus)
{
	struct ptshare_window *window;
	unsigned int nr = 0;

	/* cmm's entry was changed before; pairs with ptshare_tlb_join(). */
	smp_mb();
	if (list_empty(&pt->linked))
		return 0;
	read_lock(&pt->link_lock);
	list_for_each_entry(window, &pt->linked, node) {
		tlb_flush_window(window->mm, cpus);
		nr++;
	}
	read_unlock(&pt->link_lock);
	atomic_long_inc(&pt->nr_flushes);
	trace_ptshare_flush(pt, nr, cpumask_weight(cpus));
	return nr;
}

/**
 * ptshare_tlb_flush - flush every window that is or was linked
 * @pt: container
 *
 * Context: any but with interrupts off.
 */
void ptshare_tlb_flush(struct ptshare *pt)
{
	struct cpumask *cpus = &get_cpu_var(ptshare_cpus);

	cpumask_clear(cpus);
	if (tlb_collect(pt, cpus))
		ptshare_flush_cpus(cpus);
	put_cpu_var(ptshare_cpus);
}

/* Called for every flush of cmm, under its PTE or PMD lock perhaps. */
static void ptshare_pass_on(struct mmu_notifier *notifier,
			    struct mm_struct *cmm, unsigned long start,
			    unsigned long end)
{
	ptshare_tlb_flush(container_of(notifier, struct ptshare, tlb_notifier));
}

static const struct mmu_notifier_ops ptshare_tlb_ops = {
	.arch_invalidate_secondary_tlbs	= ptshare_pass_on,
};

/* TLB flushes passed on to linked windows since CREATE, for fdinfo. */
unsigned long ptshare_nr_flushes(struct ptshare *pt)
{
	return atomic_long_read(&pt->nr_flushes);
}

void ptshare_tlb_init(struct ptshare *pt)
{
	rwlock_init(&pt->link_lock);
	INIT_LIST_HEAD(&pt->linked);
	pt->tlb_notifier.ops = &ptshare_tlb_ops;
}

static void batch_pass_on(struct ptshare *pt,
			  struct tlbflush_unmap_batch *batch)
{
#ifdef CONFIG_X86
	tlb_collect(pt, &batch->arch.cpumask);
#else
	ptshare_tlb_flush(pt);
#endif
}

/**
 * ptshare_batch_flush - pass on what a batch of unmapped pages noted
 * @batch: of the current task
 *
 * To be called before the batch is flushed: it adds CPUs to it. Which ones is
 * asked only now, after every entry of the batch was changed. A container that
 * is gone by now has no window left.
 *
 * Context: any in which a batch may be flushed or added to.
 */
void ptshare_batch_flush(struct tlbflush_unmap_batch *batch)
{
	struct ptshare *pt;

	if (!batch->ptshare_id)
		return;
	rcu_read_lock();
	pt = xa_load(&ptshare_ids, batch->ptshare_id);
	if (pt)
		batch_pass_on(pt, batch);
	rcu_read_unlock();
	batch->ptshare_id = 0;
}

/**
 * ptshare_batch_add - note that a batch has unmapped a page of a container
 * @batch: of the current task
 * @cmm: mm of the container
 *
 * By number, not by reference: a batch that is left open is copied at fork and
 * forgotten at exit.
 *
 * Context: under the page table lock of the page.
 */
void ptshare_batch_add(struct tlbflush_unmap_batch *batch,
		       struct mm_struct *cmm)
{
	struct ptshare *pt;
	u32 id;

	rcu_read_lock();
	pt = READ_ONCE(cmm->ptshare);
	id = IS_ERR_OR_NULL(pt) ? 0 : pt->id;
	rcu_read_unlock();
	if (!id || batch->ptshare_id == id)
		return;
	ptshare_batch_flush(batch);
	batch->ptshare_id = id;
}

static struct ctl_table ptshare_sysctls[] = {
	{
		.procname	= "ptshare_max_linked",
		.data		= &max_linked,
		.maxlen		= sizeof(max_linked),
		.mode		= 0644,
		.proc_handler	= proc_douintvec,
	},
};

static int __init ptshare_sysctl_init(void)
{
	register_sysctl_init("vm", ptshare_sysctls);
	return 0;
}
subsys_initcall(ptshare_sysctl_init);
