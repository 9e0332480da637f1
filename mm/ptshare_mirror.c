// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare mirrors: entries of a window's own page tables that repeat cmm's.
 *
 * Owns the gates and every present entry in a window. The protocol is KVM's for
 * its secondary page tables, with gates by range in the place of one hull:
 *
 *   set:		zap and clear:
 *   seq = gate->seq	start: close the gates of the range
 *   read cmm's entry	       zap and flush mirrors of the range
 *   lock PTE, gate	(the entry of cmm is changed)
 *   closed or seq new?	end:   gate->seq++, open the gates, wake
 *   set
 *
 * Whoever sets under the gate lock before start closes is found by the zap,
 * because its tables are visible by then; whoever comes later sees the gate
 * closed, or the new seq.
 *
 * Locks: the order is in ptshare.h.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <asm/tlb.h>

#include "internal.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

/* As many neighbours as fault_around_bytes has by default. */
#define MIRROR_AROUND	16
#define MIRROR_SIZE	(MIRROR_AROUND * PAGE_SIZE)

/* An entry of cmm. @readable is false where it is of no use. */
struct mirror_leaf {
	unsigned long pfn;
	bool readable;
	bool writable;
};

/* A run of window addresses within one page table here and one block there. */
struct mirror_run {
	struct vm_area_struct *vma;
	unsigned long start;
	unsigned long haddr;
	unsigned int nr;
	unsigned int target;
	bool write;
	struct mirror_leaf leaves[MIRROR_AROUND];
};

void ptshare_gates_init(struct ptshare *pt)
{
	unsigned int i;

	init_waitqueue_head(&pt->gate_wait);
	for (i = 0; i < PTSHARE_NR_GATES; i++)
		spin_lock_init(&pt->gates[i].lock);
}

static struct ptshare_gate *gate_of(struct ptshare *pt, unsigned long haddr)
{
	return &pt->gates[(haddr >> PMD_SHIFT) % PTSHARE_NR_GATES];
}

static unsigned int gates_in_range(unsigned long start, unsigned long end)
{
	unsigned long blocks = ((end - 1) >> PMD_SHIFT) -
			       (start >> PMD_SHIFT) + 1;

	return min_t(unsigned long, blocks, PTSHARE_NR_GATES);
}

static void gates_close(struct ptshare *pt, unsigned long start,
			unsigned long end)
{
	unsigned int i, nr = gates_in_range(start, end);
	struct ptshare_gate *gate;

	for (i = 0; i < nr; i++) {
		gate = gate_of(pt, start + i * PMD_SIZE);
		spin_lock(&gate->lock);
		WRITE_ONCE(gate->active, gate->active + 1);
		spin_unlock(&gate->lock);
	}
}

static void gates_open(struct ptshare *pt, unsigned long start,
		       unsigned long end)
{
	unsigned int i, nr = gates_in_range(start, end);
	struct ptshare_gate *gate;

	for (i = 0; i < nr; i++) {
		gate = gate_of(pt, start + i * PMD_SIZE);
		spin_lock(&gate->lock);
		/* Who reads the new count reads cmm's new entry. */
		smp_store_release(&gate->seq, gate->seq + 1);
		WRITE_ONCE(gate->active, gate->active - 1);
		spin_unlock(&gate->lock);
	}
	if (wq_has_sleeper(&pt->gate_wait))
		wake_up_all(&pt->gate_wait);
}

bool ptshare_gate_closed(struct ptshare *pt, unsigned long haddr)
{
	struct ptshare_gate *gate = gate_of(pt, haddr);
	bool closed;

	spin_lock(&gate->lock);
	closed = gate->active;
	spin_unlock(&gate->lock);
	return closed;
}

void ptshare_gate_wait(struct ptshare *pt, unsigned long haddr, bool killable)
{
	struct ptshare_gate *gate = gate_of(pt, haddr);

	if (killable)
		wait_event_killable(pt->gate_wait, !READ_ONCE(gate->active));
	else
		wait_event(pt->gate_wait, !READ_ONCE(gate->active));
}

/*
 * cmm's tables are read without a lock: the upper ones are there as long as
 * windows are, PTE tables are freed by RCU, which pte_offset_map() holds off.
 */
static pmd_t *host_pmd(struct mm_struct *cmm, unsigned long haddr)
{
	pgd_t *pgd = pgd_offset(cmm, haddr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, haddr);
	if (p4d_none(READ_ONCE(*p4d)))
		return NULL;
	pud = pud_offset(p4d, haddr);
	if (pud_none(READ_ONCE(*pud)) || pud_leaf(READ_ONCE(*pud)))
		return NULL;
	return pmd_offset(pud, haddr);
}

static void leaves_of_pmd(struct mirror_run *run, pmd_t pmd)
{
	unsigned long first = (run->haddr & ~PMD_MASK) >> PAGE_SHIFT;
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		run->leaves[i].pfn = pmd_pfn(pmd) + first + i;
		run->leaves[i].readable = pmd_access_permitted(pmd, false);
		run->leaves[i].writable = pmd_access_permitted(pmd, true) &&
					  pmd_dirty(pmd);
	}
}

/* A zapped mirror moves no dirty bit: only what is dirty may be written. */
static void leaves_of_pte(struct mirror_run *run, pte_t *ptep)
{
	unsigned int i;

	for (i = 0; i < run->nr; i++) {
		pte_t pte = ptep_get_lockless(ptep + i);

		if (!pte_present(pte) || pte_special(pte))
			continue;
		run->leaves[i].pfn = pte_pfn(pte);
		run->leaves[i].readable = pte_access_permitted(pte, false);
		run->leaves[i].writable = pte_access_permitted(pte, true) &&
					  pte_dirty(pte);
	}
}

/* Reads what cmm has; is it enough for the access that faulted? */
static bool run_read(struct mirror_run *run, struct mm_struct *cmm)
{
	struct mirror_leaf *target = &run->leaves[run->target];
	pmd_t *pmdp = host_pmd(cmm, run->haddr), pmd;
	pte_t *ptep;

	memset(run->leaves, 0, sizeof(run->leaves));
	if (!pmdp)
		return false;
	pmd = pmdp_get_lockless(pmdp);
	if (pmd_none(pmd) || !pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd)) {
		leaves_of_pmd(run, pmd);
	} else {
		ptep = pte_offset_map(pmdp, run->haddr);
		if (!ptep)
			return false;
		/* Annotation: taken inside, where sparse does not look. */
		__acquire(RCU);
		leaves_of_pte(run, ptep);
		pte_unmap(ptep);
	}
	return target->readable && (!run->write || target->writable);
}

static void run_init(struct mirror_run *run, struct vm_area_struct *vma,
		     unsigned long address, bool write)
{
	unsigned long haddr = ptshare_host_addr(vma, address) & PAGE_MASK;
	unsigned long down, up;

	address &= PAGE_MASK;
	down = min3(address % MIRROR_SIZE, address - vma->vm_start,
		    haddr & ~PMD_MASK);
	up = min3(MIRROR_SIZE - address % MIRROR_SIZE, vma->vm_end - address,
		  PMD_SIZE - (haddr & ~PMD_MASK));

	run->vma = vma;
	run->start = address - down;
	run->haddr = haddr - down;
	run->nr = (down + up) >> PAGE_SHIFT;
	run->target = down >> PAGE_SHIFT;
	run->write = write;
}

/* The window's own tables, charged to whoever faults. */
static pmd_t *window_pmd(struct mirror_run *run)
{
	struct mm_struct *mm = run->vma->vm_mm;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	p4d = p4d_alloc(mm, pgd_offset(mm, run->start), run->start);
	if (!p4d)
		return NULL;
	pud = pud_alloc(mm, p4d, run->start);
	if (!pud)
		return NULL;
	pmd = pmd_alloc(mm, pud, run->start);
	if (!pmd || pte_alloc(mm, pmd))
		return NULL;
	return pmd;
}

/* Write-back memory with a struct page: no cache bits of cmm's to carry over. */
static pte_t mirror_pte(const struct mirror_leaf *leaf)
{
	vm_flags_t flags = VM_SHARED | VM_READ;
	pte_t pte;

	if (leaf->writable)
		flags |= VM_WRITE;
	pte = pfn_pte(leaf->pfn, vm_get_page_prot(flags));
	if (leaf->writable)
		pte = pte_mkdirty(pte);
	return pte_mkyoung(pte_mkspecial(pte));
}

/* Under the PTE lock and the gate lock; the gate is open and seq is ours. */
static void run_set(struct mirror_run *run, pte_t *ptep)
{
	struct vm_area_struct *vma = run->vma;
	unsigned long address = run->start;
	long added = 0;
	unsigned int i;

	for (i = 0; i < run->nr; i++, ptep++, address += PAGE_SIZE) {
		struct mirror_leaf *leaf = &run->leaves[i];
		pte_t old = ptep_get(ptep);

		if (!leaf->readable)
			continue;
		if (pte_none(old)) {
			set_pte_at(vma->vm_mm, address, ptep, mirror_pte(leaf));
			added++;
		} else if (leaf->writable && !pte_write(old)) {
			VM_WARN_ON_ONCE(pte_pfn(old) != leaf->pfn);
			ptep_set_access_flags(vma, address, ptep,
					      mirror_pte(leaf), 1);
		}
	}
	atomic_long_add(added, window_mirrors(vma));
	trace_ptshare_mirror(vma, run->start, run->nr, added);
}

/**
 * ptshare_mirror - show cmm's entry in a window
 * @vma: the window
 * @address: that faulted
 * @write: whether it is to be written
 *
 * Sets neighbours too, as far as cmm has them. Needs no lock of cmm: what is
 * set is what cmm's tables allow at that moment.
 *
 * Context: mmap_lock or VMA lock of the window.
 * Return: 0; -ENOENT if cmm's entry does not allow the access, or not yet;
 * -EAGAIN if it is being invalidated, wait for the gate; -ENOMEM.
 */
int ptshare_mirror(struct vm_area_struct *vma, unsigned long address,
		   bool write)
{
	struct ptshare *pt = vma_ptshare(vma);
	struct mirror_run run;
	struct ptshare_gate *gate;
	spinlock_t *ptl;	/* of the window's PTE table */
	unsigned int seq;
	pmd_t *pmd = NULL;
	pte_t *ptep;
	bool valid;

	run_init(&run, vma, address, write);
	gate = gate_of(pt, run.haddr);
	do {
		/* Pairs with the release in gates_open(). */
		seq = smp_load_acquire(&gate->seq);
		cond_resched();
		if (READ_ONCE(gate->active))
			return -EAGAIN;
		if (!run_read(&run, pt->cmm))
			return -ENOENT;
		if (!pmd) {
			/* May sleep: the entry is to be read once more. */
			pmd = window_pmd(&run);
			if (!pmd)
				return -ENOMEM;
			valid = false;
			continue;
		}
		ptep = pte_offset_map_lock(vma->vm_mm, pmd, run.start, &ptl);
		if (WARN_ON_ONCE(!ptep))
			return -ENOENT;
		__acquire(RCU);
		spin_lock(&gate->lock);
		valid = !gate->active && gate->seq == seq;
		if (valid)
			run_set(&run, ptep);
		spin_unlock(&gate->lock);
		pte_unmap_unlock(ptep, ptl);
	} while (!valid);
	return 0;
}

/* The next PTE table of a window at or after *@addr, or NULL. */
static pmd_t *window_next_table(struct mm_struct *mm, unsigned long *addr,
				unsigned long end)
{
	unsigned long next;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	for (; *addr < end; *addr = next) {
		pgd = pgd_offset(mm, *addr);
		next = pgd_addr_end(*addr, end);
		if (pgd_none(READ_ONCE(*pgd)))
			continue;
		p4d = p4d_offset(pgd, *addr);
		next = p4d_addr_end(*addr, end);
		if (p4d_none(READ_ONCE(*p4d)))
			continue;
		pud = pud_offset(p4d, *addr);
		next = pud_addr_end(*addr, end);
		if (pud_none(READ_ONCE(*pud)))
			continue;
		pmd = pmd_offset(pud, *addr);
		next = pmd_addr_end(*addr, end);
		if (!pmd_none(pmdp_get_lockless(pmd)))
			return pmd;
		cond_resched();
	}
	return NULL;
}

static long window_zap_table(struct mmu_gather *tlb, struct mm_struct *mm,
			     pmd_t *pmd, unsigned long addr, unsigned long end)
{
	pte_t *start, *ptep;
	spinlock_t *ptl;	/* of @pmd's PTE table */
	long zapped = 0;

	start = pte_offset_map_lock(mm, pmd, addr, &ptl);
	if (!start)
		return 0;
	__acquire(RCU);
	for (ptep = start; addr < end; ptep++, addr += PAGE_SIZE) {
		if (!pte_present(ptep_get(ptep)))
			continue;
		ptep_get_and_clear(mm, addr, ptep);
		tlb_remove_tlb_entry(tlb, ptep, addr);
		zapped++;
	}
	pte_unmap_unlock(start, ptl);
	return zapped;
}

/*
 * The gather sees to it that a munmap() which has cleared an entry before us,
 * but has not flushed yet, is not relied on: tlb_finish_mmu() flushes for both.
 *
 * The window's mm tells its own notifiers even where there is no mirror: they
 * may have found the page by get_user_pages().
 */
static void window_zap(struct vm_area_struct *vma, unsigned long start,
		       unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	struct mmu_notifier_range range;
	unsigned long addr = start, next;
	struct mmu_gather tlb;
	long zapped = 0;
	pmd_t *pmd;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, start, end);
	mmu_notifier_invalidate_range_start(&range);
	tlb_gather_mmu(&tlb, mm);
	tlb_start_vma(&tlb, vma);
	while ((pmd = window_next_table(mm, &addr, end))) {
		next = pmd_addr_end(addr, end);
		zapped += window_zap_table(&tlb, mm, pmd, addr, next);
		addr = next;
		cond_resched();
	}
	tlb_end_vma(&tlb, vma);
	tlb_finish_mmu(&tlb);
	mmu_notifier_invalidate_range_end(&range);

	atomic_long_sub(zapped, window_mirrors(vma));
	trace_ptshare_zap(vma, start, end, zapped);
}

/* Zaps what the windows show of a range of cmm. */
static void windows_zap(struct ptshare *pt, unsigned long start,
			unsigned long end)
{
	pgoff_t first = (start - PTSHARE_BASE) >> PAGE_SHIFT;
	pgoff_t last = (end - 1 - PTSHARE_BASE) >> PAGE_SHIFT;
	struct vm_area_struct *vma;

	i_mmap_lock_read(&pt->mapping);
	vma_interval_tree_foreach(vma, &pt->mapping.i_mmap, first, last) {
		pgoff_t from = max(first, vma->vm_pgoff);
		pgoff_t to = min(last + 1, vma->vm_pgoff + vma_pages(vma));
		unsigned long addr = vma->vm_start +
				     ((from - vma->vm_pgoff) << PAGE_SHIFT);

		window_zap(vma, addr, addr + ((to - from) << PAGE_SHIFT));
		cond_resched();
	}
	i_mmap_unlock_read(&pt->mapping);
}

static int ptshare_invalidate_start(struct mmu_notifier *notifier,
				    const struct mmu_notifier_range *range)
{
	struct ptshare *pt = container_of(notifier, struct ptshare, notifier);

	/* Only the OOM reaper must not sleep, and no task has cmm. */
	VM_WARN_ON_ONCE(!mmu_notifier_range_blockable(range));
	gates_close(pt, range->start, range->end);
	windows_zap(pt, range->start, range->end);
	return 0;
}

static void ptshare_invalidate_end(struct mmu_notifier *notifier,
				   const struct mmu_notifier_range *range)
{
	struct ptshare *pt = container_of(notifier, struct ptshare, notifier);

	gates_open(pt, range->start, range->end);
}

const struct mmu_notifier_ops ptshare_notifier_ops = {
	.invalidate_range_start	= ptshare_invalidate_start,
	.invalidate_range_end	= ptshare_invalidate_end,
};

/* Entries that munmap() or exit clears are counted until the window is gone. */
unsigned long ptshare_count_mirrors(struct ptshare *pt)
{
	struct vm_area_struct *vma;
	long nr = 0;

	i_mmap_lock_read(&pt->mapping);
	vma_interval_tree_foreach(vma, &pt->mapping.i_mmap, 0, ULONG_MAX)
		nr += atomic_long_read(window_mirrors(vma));
	i_mmap_unlock_read(&pt->mapping);
	return nr;
}
