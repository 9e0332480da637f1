// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: taking write permission away.
 *
 * Owns the walk over all page tables that map a file. It takes the write bit
 * and nothing else: an entry stays dirty, since no one makes it writable again
 * without asking (W1). What it changes, who else can reach that, and when the
 * TLB entries are gone:
 *
 * - PTEs and huge PMDs of shared mappings, under their page table lock, in the
 *   order of the interval tree and with i_mmap_rwsem held for read, so that
 *   neither munmap nor exit frees a table, and mremap, which moves entries from
 *   a mapping that comes first in the tree to one that comes later, is met at
 *   one of them;
 * - migration entries that would come back writable, under the same lock;
 * - between mmu_notifier start and end: mirrors and secondary MMUs drop what
 *   they have; linked windows are flushed with the container's mm.
 *
 * One flush per mapping and stretch, before i_mmap_rwsem is dropped.
 */
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pagevec.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <asm/tlb.h>

#include "internal.h"
#include "ptshare.h"
#include "write_notify.h"

/* Pages between two rests of the walk: munmap and exit wait for it. */
#define STRETCH		(8 * WN_CHUNK_PAGES)

/* --- vm_page_prot of all mappings ----------------------------------------- */

#define MM_BATCH	16

static bool vma_has_write_bit(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_SHARED) &&
	       pte_write(pfn_pte(0, vma->vm_page_prot));
}

/*
 * Processes of which a mapping has the write bit still. Those that have no user
 * left will not fault any more.
 */
static unsigned int find_mms(struct address_space *mapping,
			     struct mm_struct **mms)
{
	struct vm_area_struct *vma;
	unsigned int nr = 0;

	i_mmap_lock_read(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, 0, ULONG_MAX) {
		if (!vma_has_write_bit(vma))
			continue;
		if (nr && mms[nr - 1] == vma->vm_mm)
			continue;
		if (!mmget_not_zero(vma->vm_mm))
			continue;
		mms[nr++] = vma->vm_mm;
		if (nr == MM_BATCH)
			break;
	}
	i_mmap_unlock_read(mapping);
	return nr;
}

/*
 * Takes the write bit out of vm_page_prot; faults in flight end first. -EAGAIN
 * for a process that is going away, which will be found until it is gone.
 */
static int fix_mm(struct mm_struct *mm, struct address_space *mapping)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int err = -EAGAIN;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	/* A fork that failed leaves a tree behind that must not be walked. */
	if (check_stable_address_space(mm))
		goto out_unlock;
	err = 0;
	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma) {
		if (!vma->vm_file || vma->vm_file->f_mapping != mapping ||
		    !vma_has_write_bit(vma))
			continue;
		vma_start_write(vma);
		vma_set_page_prot(vma);
	}
out_unlock:
	mmap_write_unlock(mm);
	return err;
}

/**
 * wn_enable - make every mapping of a file ask before it maps writable
 * @wn: the file
 *
 * Once in the life of an inode. A fork or mmap that has copied the old
 * vm_page_prot holds the mmap_lock of a process that has it until its own
 * mapping is in i_mmap; so when a search finds none, there is none.
 *
 * Context: takes mmap_locks of other processes for write.
 * Return: 0 or -EINTR.
 */
int wn_enable(struct write_notify *wn)
{
	struct mm_struct *mms[MM_BATCH];
	int err = 0, fixed;
	unsigned int nr, i;
	bool again;

	/* Pairs with the release below. */
	if (smp_load_acquire(&wn->enabled))
		return 0;
	set_bit(AS_WRITE_NOTIFY, &wn->mapping->flags);
	/*
	 * Whoever maps the file from now on sees the flag or is found; pairs
	 * with the one in vma_write_notify_prot().
	 */
	smp_mb__after_atomic();
	do {
		nr = find_mms(wn->mapping, mms);
		again = false;
		for (i = 0; i < nr; i++) {
			fixed = err ?: fix_mm(mms[i], wn->mapping);
			mmput(mms[i]);
			if (fixed == -EAGAIN)
				again = true;
			else
				err = fixed;
		}
		/* It may need this processor to get away. */
		if (again)
			schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			err = -EINTR;
	} while (nr && !err);
	if (!err)
		/* No mapping has the bit; pairs with the acquire above. */
		smp_store_release(&wn->enabled, true);
	return err;
}

/* --- entries --------------------------------------------------------------- */

static void protect_pte(struct mmu_gather *tlb, struct vm_area_struct *vma,
			unsigned long addr, pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);
	swp_entry_t entry;

	if (pte_present(pte)) {
		if (!pte_write(pte))
			return;
		pte = ptep_modify_prot_start(vma, addr, ptep);
		ptep_modify_prot_commit(vma, addr, ptep, pte,
					pte_wrprotect(pte));
		tlb_flush_pte_range(tlb, addr, PAGE_SIZE);
		return;
	}
	if (!is_swap_pte(pte))
		return;
	entry = pte_to_swp_entry(pte);
	if (is_writable_migration_entry(entry)) {
		pte_t new;

		entry = make_readable_migration_entry(swp_offset(entry));
		new = swp_entry_to_pte(entry);
		if (pte_swp_soft_dirty(pte))
			new = pte_swp_mksoft_dirty(new);
		if (pte_swp_uffd_wp(pte))
			new = pte_swp_mkuffd_wp(new);
		set_pte_at(vma->vm_mm, addr, ptep, new);
	}
}

/* false if the table has changed its kind meanwhile: look again. */
static bool protect_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
			 pmd_t *pmd, unsigned long addr, unsigned long end)
{
	spinlock_t *ptl;	/* of the PTE table */
	pte_t *start, *ptep;

	start = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!start)
		return false;
	__acquire(RCU);
	flush_tlb_batched_pending(vma->vm_mm);
	arch_enter_lazy_mmu_mode();
	for (ptep = start; addr < end; ptep++, addr += PAGE_SIZE)
		protect_pte(tlb, vma, addr, ptep);
	arch_leave_lazy_mmu_mode();
	pte_unmap_unlock(start, ptl);
	return true;
}

static void protect_migrating_pmd(struct vm_area_struct *vma,
				  unsigned long addr, pmd_t *pmdp, pmd_t pmd)
{
	swp_entry_t entry;
	pmd_t new;

	if (!is_pmd_migration_entry(pmd))
		return;
	entry = pmd_to_swp_entry(pmd);
	if (!is_writable_migration_entry(entry))
		return;
	new = swp_entry_to_pmd(make_readable_migration_entry(swp_offset(entry)));
	if (pmd_swp_soft_dirty(pmd))
		new = pmd_swp_mksoft_dirty(new);
	if (pmd_swp_uffd_wp(pmd))
		new = pmd_swp_mkuffd_wp(new);
	set_pmd_at(vma->vm_mm, addr & HPAGE_PMD_MASK, pmdp, new);
}

/*
 * A huge entry goes read-only whole, also for pages that are not armed: it is
 * split at the first write, by who writes. Returns false if there is a table.
 *
 * mremap() takes a huge entry out of one mapping and puts it into another with
 * the locks of both held: only under the lock is an entry known to be empty.
 */
static bool protect_huge(struct mmu_gather *tlb, struct vm_area_struct *vma,
			 pmd_t *pmdp, unsigned long addr)
{
	unsigned long haddr = addr & HPAGE_PMD_MASK;
	pmd_t pmd = pmdp_get_lockless(pmdp);
	bool table = false;
	spinlock_t *ptl;	/* of @pmdp */

	if (pmd_present(pmd) && !pmd_leaf(pmd))
		return false;
	ptl = pmd_lock(vma->vm_mm, pmdp);
	pmd = *pmdp;
	if (is_swap_pmd(pmd)) {
		protect_migrating_pmd(vma, addr, pmdp, pmd);
	} else if (pmd_trans_huge(pmd)) {
		if (pmd_write(pmd)) {
			pmd = pmdp_invalidate_ad(vma, haddr, pmdp);
			set_pmd_at(vma->vm_mm, haddr, pmdp, pmd_wrprotect(pmd));
			tlb_flush_pmd_range(tlb, haddr, HPAGE_PMD_SIZE);
		}
	} else {
		table = !pmd_none(pmd);
	}
	spin_unlock(ptl);
	return !table;
}

/* From a huge entry to a table or back: a few times at most. */
static void protect_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma,
			pmd_t *pmd, unsigned long addr, unsigned long end)
{
	while (!protect_huge(tlb, vma, pmd, addr) &&
	       !protect_ptes(tlb, vma, pmd, addr, end))
		;
}

static void protect_vma(struct vm_area_struct *vma, unsigned long addr,
			unsigned long end)
{
	struct mmu_notifier_range range;
	struct mmu_gather tlb;
	unsigned long next;
	pmd_t *pmd;

	/* A huge entry is changed whole. */
	mmu_notifier_range_init(&range, MMU_NOTIFY_PROTECTION_PAGE, 0,
				vma->vm_mm,
				max(addr & HPAGE_PMD_MASK, vma->vm_start),
				min(ALIGN(end, HPAGE_PMD_SIZE), vma->vm_end));
	mmu_notifier_invalidate_range_start(&range);
	tlb_gather_mmu(&tlb, vma->vm_mm);
	tlb_start_vma(&tlb, vma);
	for (; addr < end; addr = next) {
		next = pmd_addr_end(addr, end);
		pmd = ptshare_walk_pmd(vma->vm_mm, addr);
		if (pmd)
			protect_pmd(&tlb, vma, pmd, addr, next);
		cond_resched();
	}
	tlb_end_vma(&tlb, vma);
	tlb_finish_mmu(&tlb);
	mmu_notifier_invalidate_range_end(&range);
}

static void protect_stretch(struct address_space *mapping, pgoff_t first,
			    pgoff_t last)
{
	struct vm_area_struct *vma;

	i_mmap_lock_read(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, first, last) {
		pgoff_t from = max(first, vma->vm_pgoff);
		pgoff_t to = min(last + 1, vma->vm_pgoff + vma_pages(vma));

		if (!(vma->vm_flags & VM_SHARED))
			continue;
		protect_vma(vma, vma_address(vma, from, 1),
			    vma_address(vma, from, 1) +
			    ((to - from) << PAGE_SHIFT));
		cond_resched();
	}
	i_mmap_unlock_read(mapping);
}

/**
 * wn_protect - make pages of a file read-only in all page tables
 * @wn: the file, enabled
 * @first: first page
 * @last: last page
 *
 * When it returns no CPU can use an older translation.
 *
 * Context: sleeps; takes i_mmap_rwsem for read.
 */
void wn_protect(struct write_notify *wn, pgoff_t first, pgoff_t last)
{
	pgoff_t end;

	/* Armed bits are set; pairs with write_notify_armed(). */
	smp_mb();
	for (; first <= last; first = end + 1) {
		end = min(last, (first | (STRETCH - 1)));
		protect_stretch(wn->mapping, first, end);
		cond_resched();
		/* The very last page of all. */
		if (end == ULONG_MAX)
			break;
	}
}

/*
 * As folio_maybe_dma_pinned(), which takes a small folio that a thousand
 * processes map for a pinned one.
 */
static bool folio_pinned(struct folio *folio)
{
	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio);
	return folio_ref_count(folio) - folio_mapcount(folio) >=
	       GUP_PIN_COUNTING_BIAS;
}

/* Pages of a folio from @first to @last: is the folio held for long? */
static unsigned long settle_folio(struct write_notify *wn, struct folio *folio,
				  pgoff_t first, pgoff_t last, bool mark,
				  unsigned long *pinned)
{
	unsigned long nr = 0;
	pgoff_t from, to;

	/* Who copies into it has asked before the bits were set, or is done. */
	folio_lock(folio);
	if (folio->mapping && folio_pinned(folio)) {
		from = max(first, folio->index);
		to = min(last, folio_next_index(folio) - 1);
		nr = to - from + 1;
		if (pinned)
			bitmap_set(pinned, from - first, nr);
		if (mark)
			wn_mark_written(wn, from, to);
	}
	folio_unlock(folio);
	return nr;
}

/**
 * wn_settle - wait for copies that go on, and look for pins
 * @wn: the file
 * @first: first page
 * @last: last page
 * @mark: pinned pages count as written, as they may be unseen
 * @pinned: bitmap to add pinned pages to, from @first on; or NULL
 *
 * Context: after wn_protect(): whoever pins a page has had a writable entry
 * before, or asks. Locks folios.
 * Return: pages that are pinned.
 */
unsigned long wn_settle(struct write_notify *wn, pgoff_t first, pgoff_t last,
			bool mark, unsigned long *pinned)
{
	struct folio_batch batch;
	pgoff_t index = first;
	unsigned long nr = 0;
	unsigned int i;

	folio_batch_init(&batch);
	while (filemap_get_folios(wn->mapping, &index, last, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			nr += settle_folio(wn, batch.folios[i], first, last,
					   mark, pinned);
		folio_batch_release(&batch);
		cond_resched();
	}
	return nr;
}
