// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare mirrors: entries of a window's own page tables that repeat cmm's.
 *
 * Owns every present entry in a window's private tables. They are set and
 * zapped by the protocol of the gates (ptshare_gate.c).
 *
 * A table that a window shares with cmm is none of its private ones, and must
 * not be entered here: what is not private is judged on one value, read after it
 * was seen not to be empty.
 *
 * Locks: the order is in ptshare.h.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
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
	struct ptshare_window *window;
	unsigned long start;
	unsigned long haddr;
	unsigned int nr;
	unsigned int target;
	bool write;
	struct mirror_leaf leaves[MIRROR_AROUND];
};

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
	pmd_t *pmdp = ptshare_walk_pmd(cmm, run->haddr), pmd;
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

/*
 * The window's own tables, charged to whoever faults: NULL without memory,
 * ERR_PTR(-ESTALE) if another thread has linked one of cmm's in their place, be
 * it that it was taken away again with its table.
 */
static pmd_t *window_pmd(struct mirror_run *run)
{
	struct mm_struct *mm = run->vma->vm_mm;
	pud_t *pud = ptshare_alloc_pud(mm, run->start);
	pmd_t *pmd;

	if (!pud)
		return NULL;
	pmd = pmd_alloc(mm, pud, run->start);
	if (!pmd)
		return NULL;
	if (ptshare_pud_is_link(run->vma, run->start, READ_ONCE(*pud)))
		return ERR_PTR(-ESTALE);
	if (pte_alloc(mm, pmd))
		return NULL;
	if (!ptshare_pmd_is_private(run->vma, run->start, pmd))
		return ERR_PTR(-ESTALE);
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
	atomic_long_add(added, &run->window->nr_mirrors);
	trace_ptshare_mirror(vma, run->start, run->nr, added);
}

/* Sets what was read, if it still holds. */
static bool run_set_checked(struct mirror_run *run, pmd_t *pmd,
			    unsigned int seq)
{
	struct ptshare *pt = vma_ptshare(run->vma);
	struct ptshare_gate *gate = ptshare_gate_of(pt, run->haddr);
	spinlock_t *ptl;	/* of the window's PTE table */
	pte_t *ptep;
	bool valid;

	/* A private table is there to stay. */
	ptep = pte_offset_map_lock(run->vma->vm_mm, pmd, run->start, &ptl);
	if (WARN_ON_ONCE(!ptep))
		return true;
	/* Annotation: taken inside, where sparse does not look. */
	__acquire(RCU);
	spin_lock(&gate->lock);
	valid = ptshare_gate_valid(gate, seq);
	if (valid)
		run_set(run, ptep);
	spin_unlock(&gate->lock);
	pte_unmap_unlock(ptep, ptl);
	return valid;
}

/**
 * ptshare_mirror - show cmm's entry in a window by one of its own
 * @vma: the window
 * @window: belongs to it
 * @address: that faulted
 * @write: whether it is to be written
 *
 * Sets neighbours too, as far as cmm has them. Needs no lock of cmm: what is
 * set is what cmm's tables allow at that moment.
 *
 * Context: mmap_lock or VMA lock of the window.
 * Return: 0; -ENOENT if cmm's entry does not allow the access, or not yet;
 * -EAGAIN if it is being invalidated, wait for the gate; -ESTALE if there is a
 * link by now; -ENOMEM.
 */
int ptshare_mirror(struct vm_area_struct *vma, struct ptshare_window *window,
		   unsigned long address, bool write)
{
	struct ptshare *pt = vma_ptshare(vma);
	struct mirror_run run;
	unsigned int seq;
	pmd_t *pmd = NULL;

	run_init(&run, vma, address, write);
	run.window = window;
	ptshare_window_slow(pt, window);
	for (;;) {
		cond_resched();
		if (!ptshare_gate_begin(pt, run.haddr, &seq))
			return -EAGAIN;
		if (!run_read(&run, pt->cmm))
			return -ENOENT;
		if (pmd) {
			if (run_set_checked(&run, pmd, seq))
				return 0;
			continue;
		}
		/* May sleep: the entry is to be read once more. */
		pmd = window_pmd(&run);
		if (!pmd)
			return -ENOMEM;
		if (IS_ERR(pmd))
			return PTR_ERR(pmd);
	}
}

/* The next private PTE table of a window at or after *@addr, or NULL. */
static pmd_t *window_next_table(struct vm_area_struct *vma, unsigned long *addr,
				unsigned long end)
{
	unsigned long next;
	pud_t *pudp, pud;
	pmd_t *pmd;

	for (; *addr < end; *addr = next) {
		cond_resched();
		next = pud_addr_end(*addr, end);
		pudp = ptshare_walk_pud(vma->vm_mm, *addr);
		if (!pudp)
			continue;
		pud = READ_ONCE(*pudp);
		if (pud_none(pud) || ptshare_pud_is_link(vma, *addr, pud))
			continue;
		pmd = pmd_offset(&pud, *addr);
		next = pmd_addr_end(*addr, end);
		if (ptshare_pmd_is_private(vma, *addr, pmd))
			return pmd;
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
static void window_zap(struct vm_area_struct *vma,
		       struct ptshare_window *window, unsigned long start,
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
	while ((pmd = window_next_table(vma, &addr, end))) {
		next = pmd_addr_end(addr, end);
		zapped += window_zap_table(&tlb, mm, pmd, addr, next);
		addr = next;
		cond_resched();
	}
	tlb_end_vma(&tlb, vma);
	tlb_finish_mmu(&tlb);
	mmu_notifier_invalidate_range_end(&range);

	atomic_long_sub(zapped, &window->nr_mirrors);
	trace_ptshare_zap(vma, start, end, zapped);
}

/* Zaps what the windows show of a range of cmm. */
static void windows_zap(struct ptshare *pt, unsigned long start,
			unsigned long end)
{
	pgoff_t first = (start - PTSHARE_BASE) >> PAGE_SHIFT;
	pgoff_t last = (end - 1 - PTSHARE_BASE) >> PAGE_SHIFT;
	struct ptshare_window *window;
	struct vm_area_struct *vma;

	/* See ptshare_window_slow(): counted before its gate was looked at. */
	if (!atomic_read(&pt->nr_slow))
		return;
	i_mmap_lock_read(&pt->mapping);
	vma_interval_tree_foreach(vma, &pt->mapping.i_mmap, first, last) {
		pgoff_t from = max(first, vma->vm_pgoff);
		pgoff_t to = min(last + 1, vma->vm_pgoff + vma_pages(vma));
		unsigned long addr = vma_address(vma, from, 1);

		cond_resched();
		window = READ_ONCE(vma->vm_private_data);
		if (!window || !READ_ONCE(window->slow))
			continue;
		window_zap(vma, window, addr,
			   addr + ((to - from) << PAGE_SHIFT));
	}
	i_mmap_unlock_read(&pt->mapping);
}

static int ptshare_invalidate_start(struct mmu_notifier *notifier,
				    const struct mmu_notifier_range *range)
{
	struct ptshare *pt = container_of(notifier, struct ptshare, notifier);

	/* Only the OOM reaper must not sleep, and no task has cmm. */
	VM_WARN_ON_ONCE(!mmu_notifier_range_blockable(range));
	ptshare_gates_close(pt, range->start, range->end);
	windows_zap(pt, range->start, range->end);
	return 0;
}

static void ptshare_invalidate_end(struct mmu_notifier *notifier,
				   const struct mmu_notifier_range *range)
{
	struct ptshare *pt = container_of(notifier, struct ptshare, notifier);

	ptshare_gates_open(pt, range->start, range->end);
	ptshare_trim_note(pt, range);
}

const struct mmu_notifier_ops ptshare_notifier_ops = {
	.invalidate_range_start	= ptshare_invalidate_start,
	.invalidate_range_end	= ptshare_invalidate_end,
};

/* Entries that munmap() or exit clears are counted until the window is gone. */
unsigned long ptshare_count_mirrors(struct ptshare *pt)
{
	struct ptshare_window *window;
	struct vm_area_struct *vma;
	long nr = 0;

	i_mmap_lock_read(&pt->mapping);
	vma_interval_tree_foreach(vma, &pt->mapping.i_mmap, 0, ULONG_MAX) {
		window = READ_ONCE(vma->vm_private_data);
		if (window)
			nr += atomic_long_read(&window->nr_mirrors);
		cond_resched();
	}
	i_mmap_unlock_read(&pt->mapping);
	return nr;
}
