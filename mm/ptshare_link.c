// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare links: entries of a window's tables that point at tables of cmm.
 *
 * Owns every such entry, and the count of them by slot. Without this file the
 * container works as before: what is not linked is mirrored.
 *
 * A PUD link needs no gate: cmm frees no PMD table while windows exist, and
 * what stands in one is cmm's own. A PMD link is set like a mirror, by the
 * protocol of the gates, since khugepaged and ptshare_trim.c may take a PTE
 * table away; they call ptshare_unlink_block() first. How entries are judged is
 * I7 and I8 in ptshare.h.
 *
 * When a shared entry is cleared and its TLB entries are gone:
 *
 *   leaf or PMD of cmm	under cmm's PTE or PMD lock, by core mm; its flush of
 *			cmm is passed on to all linked windows (ptshare_tlb.c)
 *			before pages or the PTE table are freed
 *   link, munmap, exit	under the window's lock of that table; flushed by the
 *			caller's gather before ->close; nothing is freed
 *   link, notifier	the same with all VMA locks for write; flushed at once
 *   PMD link, collapse,
 *   trim		under the window's PMD lock and container's i_mmap_rwsem;
 *			flushed before the latter is let go, and once more with
 *			cmm's entry; the PTE table goes by RCU
 *
 * Locks: the order is in ptshare.h.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgalloc.h>
#include <linux/pgtable.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <asm/tlb.h>
#include <uapi/linux/ptshare.h>

#include "internal.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

/* Neighbours that are linked too if that is free: as many table entries. */
#define LINK_AROUND	16

void ptshare_links_init(struct ptshare *pt)
{
	xa_init(&pt->slots);
}

void ptshare_links_destroy(struct ptshare *pt)
{
	struct ptshare_slot *slot;
	unsigned long index;

	xa_for_each(&pt->slots, index, slot) {
		VM_WARN_ON_ONCE(atomic_read(&slot->links));
		kfree(slot->blocks);
		kfree(slot);
	}
	xa_destroy(&pt->slots);
}

static struct ptshare_slot *slot_of(struct ptshare *pt, unsigned long haddr)
{
	return xa_load(&pt->slots, haddr >> PUD_SHIFT);
}

static struct ptshare_slot *slot_make(struct ptshare *pt, unsigned long haddr)
{
	struct ptshare_slot *slot, *old;

	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return NULL;
	slot->index = haddr >> PUD_SHIFT;
	slot->table = ptshare_walk_pmd(pt->cmm, haddr & PUD_MASK);
	old = xa_cmpxchg(&pt->slots, haddr >> PUD_SHIFT, NULL, slot,
			 GFP_KERNEL_ACCOUNT);
	if (!old)
		return slot;
	kfree(slot);
	return xa_is_err(old) ? NULL : old;
}

static bool slot_make_blocks(struct ptshare_slot *slot)
{
	atomic_t *blocks, *old = NULL;

	if (READ_ONCE(slot->blocks))
		return true;
	blocks = kcalloc(PTRS_PER_PMD, sizeof(*blocks), GFP_KERNEL_ACCOUNT);
	if (!blocks)
		return false;
	if (!try_cmpxchg(&slot->blocks, &old, blocks))
		kfree(blocks);
	return true;
}

/* Made once and charged to the creator. NULL means: do without links here. */
static struct ptshare_slot *slot_get(struct ptshare *pt, unsigned long haddr,
				     bool blocks)
{
	struct ptshare_slot *slot = slot_of(pt, haddr);
	struct mem_cgroup *old;

	if (slot && (!blocks || READ_ONCE(slot->blocks)))
		return slot;
	old = ptshare_charge_begin(pt);
	if (!slot)
		slot = slot_make(pt, haddr);
	if (slot && blocks && !slot_make_blocks(slot))
		slot = NULL;
	ptshare_charge_end(old);
	return slot;
}

/* NULL if nothing in the slot of @haddr was ever linked by a PMD entry. */
static atomic_t *block_of(struct ptshare *pt, unsigned long haddr)
{
	struct ptshare_slot *slot = slot_of(pt, haddr);
	atomic_t *blocks = slot ? READ_ONCE(slot->blocks) : NULL;

	return blocks ? &blocks[pmd_index(haddr)] : NULL;
}

/* Could one entry of @size bytes at @addr show this window and nothing else? */
static bool link_fits(const struct vm_area_struct *vma, unsigned long addr,
		      unsigned long size)
{
	unsigned long start = ALIGN_DOWN(addr, size);

	return start >= vma->vm_start && start + size <= vma->vm_end &&
	       !((ptshare_host_addr(vma, addr) ^ addr) & (size - 1));
}

/* cmm's PMD table for @haddr, if it has one; from then on it has it for good. */
static bool host_pud(struct ptshare *pt, unsigned long haddr, pud_t *host)
{
	pud_t *hostp = ptshare_walk_pud(pt->cmm, haddr);

	if (!hostp)
		return false;
	*host = READ_ONCE(*hostp);
	return !pud_none(*host) && !pud_leaf(*host);
}

/* 1: @host is a PTE table of cmm; 0: it is a leaf; -ENOENT: there is none yet. */
static int host_pmd(struct ptshare *pt, unsigned long haddr, pmd_t *host)
{
	pmd_t *hostp = ptshare_walk_pmd(pt->cmm, haddr);

	if (!hostp)
		return -ENOENT;
	*host = pmdp_get_lockless(hostp);
	if (pmd_none(*host) || !pmd_present(*host))
		return -ENOENT;
	return !pmd_leaf(*host);
}

/*
 * Does a PUD entry of a window point at the table of cmm? Exact without a
 * lock: cmm's entry does not change any more once it is set.
 */
bool ptshare_pud_is_link(struct vm_area_struct *vma, unsigned long addr,
			 pud_t pud)
{
	struct ptshare *pt = vma_ptshare(vma);
	pud_t host;

	return pt->share >= PTSHARE_SHARE_PUD && !pud_none(pud) &&
	       link_fits(vma, addr, PUD_SIZE) &&
	       host_pud(pt, ptshare_host_addr(vma, addr), &host) &&
	       pud_pgtable(pud) == pud_pgtable(host);
}

/*
 * Under the PMD lock of the window: who takes a PTE table from cmm unlinks all
 * windows, each under that lock, before it changes cmm's entry.
 */
static bool pmd_is_link_locked(struct vm_area_struct *vma, unsigned long addr,
			       pmd_t pmd)
{
	pmd_t host;

	return !pmd_none(pmd) &&
	       host_pmd(vma_ptshare(vma), ptshare_host_addr(vma, addr),
			&host) > 0 &&
	       pmd_pgtable(pmd) == pmd_pgtable(host);
}

static bool pmd_link_possible(struct vm_area_struct *vma, unsigned long addr)
{
	return vma_ptshare(vma)->share >= PTSHARE_SHARE_PMD &&
	       link_fits(vma, addr, PMD_SIZE);
}

/**
 * ptshare_pmd_is_private - is a PMD entry of a window private for good?
 * @vma: the window
 * @addr: in the window
 * @pmdp: in a private PMD table of the window
 *
 * If not it is a link, or empty: a link may just have been taken away.
 */
bool ptshare_pmd_is_private(struct vm_area_struct *vma, unsigned long addr,
			    pmd_t *pmdp)
{
	spinlock_t *ptl;	/* of the window's PMD table */
	bool private;

	if (pmd_none(pmdp_get_lockless(pmdp)))
		return false;
	if (!pmd_link_possible(vma, addr))
		return true;
	ptl = pmd_lock(vma->vm_mm, pmdp);
	private = !pmd_none(*pmdp) && !pmd_is_link_locked(vma, addr, *pmdp);
	spin_unlock(ptl);
	return private;
}

/* --- PUD links ---------------------------------------------------------- */

/* The window is in the list of those to flush before the entry is there. */
static bool pud_set(struct vm_area_struct *vma, struct ptshare_window *window,
		    unsigned long addr, pud_t *pudp, pud_t host,
		    struct ptshare_slot *slot)
{
	struct mm_struct *mm = vma->vm_mm;
	spinlock_t *ptl;	/* of the window's PUD table */
	bool linked;

	VM_WARN_ON_ONCE(!window->joined || mm_has_notifiers(mm));
	ptl = pud_lock(mm, pudp);
	if (pud_none(*pudp)) {
		/* Who sees the entry sees what cmm's table was filled with. */
		smp_wmb();
		pud_populate(mm, pudp, pud_pgtable(host));
		atomic_inc(&slot->links);
		atomic_long_inc(&window->nr_links);
		trace_ptshare_link(vma, addr & PUD_MASK, PUD_SIZE);
	}
	linked = pud_pgtable(*pudp) == pud_pgtable(host);
	spin_unlock(ptl);
	return linked;
}

/* The neighbours in the same table, where somebody else has linked before. */
static void link_pud_around(struct vm_area_struct *vma,
			    struct ptshare_window *window, unsigned long addr,
			    pud_t *pudp)
{
	unsigned int i, before = pud_index(addr) % LINK_AROUND;
	struct ptshare *pt = vma_ptshare(vma);
	struct ptshare_slot *slot;
	pud_t host;

	addr = (addr & PUD_MASK) - before * PUD_SIZE;
	pudp -= before;
	for (i = 0; i < LINK_AROUND; i++, pudp++, addr += PUD_SIZE) {
		if (!pud_none(READ_ONCE(*pudp)) ||
		    !link_fits(vma, addr, PUD_SIZE))
			continue;
		slot = slot_of(pt, ptshare_host_addr(vma, addr));
		if (slot && host_pud(pt, ptshare_host_addr(vma, addr), &host))
			pud_set(vma, window, addr, pudp, host, slot);
	}
}

/* What is not empty stays as it is; remember a link for the next fault. */
static int link_pud_there(struct vm_area_struct *vma,
			  struct ptshare_window *window, pud_t pud, pud_t host,
			  unsigned long haddr)
{
	if (pud_pgtable(pud) != pud_pgtable(host))
		return 0;
	/* What stands in it is seen by who finds it: address dependency. */
	smp_store_release(&window->slot, slot_of(vma_ptshare(vma), haddr));
	return 1;
}

static int link_pud(struct vm_area_struct *vma, struct ptshare_window *window,
		    unsigned long addr)
{
	unsigned long haddr = ptshare_host_addr(vma, addr);
	struct ptshare *pt = vma_ptshare(vma);
	struct ptshare_slot *slot;
	pud_t host, *pudp;

	if (!host_pud(pt, haddr, &host))
		return -ENOENT;
	pudp = ptshare_walk_pud(vma->vm_mm, addr);
	if (pudp && !pud_none(READ_ONCE(*pudp)))
		return link_pud_there(vma, window, *pudp, host, haddr);

	pudp = ptshare_alloc_pud(vma->vm_mm, addr);
	if (!pudp)
		return -ENOMEM;
	slot = slot_get(pt, haddr, false);
	if (!slot || !ptshare_tlb_join(pt, window))
		return 0;
	if (!pud_set(vma, window, addr, pudp, host, slot))
		return 0;
	link_pud_around(vma, window, addr, pudp);
	return link_pud_there(vma, window, host, host, haddr);
}

static void pud_unlink(struct vm_area_struct *vma, unsigned long addr,
		       pud_t *pudp)
{
	struct ptshare_window *window = vma->vm_private_data;
	struct ptshare *pt = vma_ptshare(vma);
	struct mm_struct *mm = vma->vm_mm;
	struct ptshare_slot *slot;
	spinlock_t *ptl;	/* of the window's PUD table */

	/* Nobody may set it again; in exit nobody is left who could. */
	VM_WARN_ON_ONCE(atomic_read(&mm->mm_users) &&
			!rwsem_is_locked(&mm->mmap_lock));
	slot = slot_of(pt, ptshare_host_addr(vma, addr));
	ptl = pud_lock(mm, pudp);
	VM_WARN_ON_ONCE(!ptshare_pud_is_link(vma, addr, *pudp));
	pud_clear(pudp);
	WRITE_ONCE(window->slot, NULL);
	atomic_dec(&slot->links);
	atomic_long_dec(&window->nr_links);
	ptshare_tlb_note(window);
	spin_unlock(ptl);
	trace_ptshare_unlink(vma, addr & PUD_MASK, PUD_SIZE);
}

/* --- PMD links ---------------------------------------------------------- */

/* The window's PMD entry for @addr, if its table is there. */
static pmd_t *window_pmd(struct mm_struct *mm, unsigned long addr)
{
	pud_t *pudp = ptshare_walk_pud(mm, addr);

	/* What one PUD entry could show is never shown by PMD links. */
	if (!pudp || pud_none(READ_ONCE(*pudp)))
		return NULL;
	return pmd_offset(pudp, addr);
}

static pmd_t *window_pmd_alloc(struct mm_struct *mm, unsigned long addr)
{
	pud_t *pud = ptshare_alloc_pud(mm, addr);

	return pud ? pmd_alloc(mm, pud, addr) : NULL;
}

/* As ptshare_mirror() sets: -EAGAIN if @host may have changed since @seq. */
static int pmd_set(struct vm_area_struct *vma, struct ptshare_window *window,
		   unsigned long addr, pmd_t *pmdp, pmd_t host, unsigned int seq)
{
	unsigned long haddr = ptshare_host_addr(vma, addr);
	struct ptshare *pt = vma_ptshare(vma);
	struct ptshare_gate *gate = ptshare_gate_of(pt, haddr);
	struct mm_struct *mm = vma->vm_mm;
	spinlock_t *ptl;	/* of the window's PMD table */
	int ret = -EAGAIN;

	VM_WARN_ON_ONCE(!window->joined || mm_has_notifiers(mm));
	ptl = pmd_lock(mm, pmdp);
	spin_lock(&gate->lock);
	if (!pmd_none(*pmdp)) {
		ret = pmd_pgtable(*pmdp) == pmd_pgtable(host);
	} else if (ptshare_gate_valid(gate, seq)) {
		/* Who sees the entry sees what cmm's table was filled with. */
		smp_wmb();
		pmd_populate(mm, pmdp, pmd_pgtable(host));
		atomic_inc(block_of(pt, haddr));
		atomic_long_inc(&window->nr_links);
		trace_ptshare_link(vma, addr & PMD_MASK, PMD_SIZE);
		ret = 1;
	}
	spin_unlock(&gate->lock);
	spin_unlock(ptl);
	return ret;
}

/* As link_pud_around(); what is not easy waits for its own fault. */
static void link_pmd_around(struct vm_area_struct *vma,
			    struct ptshare_window *window, unsigned long addr,
			    pmd_t *pmdp)
{
	unsigned int i, before = pmd_index(addr) % LINK_AROUND, seq;
	struct ptshare *pt = vma_ptshare(vma);
	unsigned long haddr;
	pmd_t host;

	addr = (addr & PMD_MASK) - before * PMD_SIZE;
	pmdp -= before;
	for (i = 0; i < LINK_AROUND; i++, pmdp++, addr += PMD_SIZE) {
		if (!pmd_none(pmdp_get_lockless(pmdp)) ||
		    !link_fits(vma, addr, PMD_SIZE))
			continue;
		haddr = ptshare_host_addr(vma, addr);
		if (block_of(pt, haddr) && ptshare_gate_begin(pt, haddr, &seq) &&
		    host_pmd(pt, haddr, &host) > 0)
			pmd_set(vma, window, addr, pmdp, host, seq);
	}
}

/* What a new link needs: tables, the count, and to be flushed. */
static pmd_t *link_pmd_prepare(struct vm_area_struct *vma,
			       struct ptshare_window *window,
			       unsigned long addr)
{
	struct ptshare *pt = vma_ptshare(vma);
	pmd_t *pmdp;

	pmdp = window_pmd_alloc(vma->vm_mm, addr);
	if (!pmdp)
		return ERR_PTR(-ENOMEM);
	if (!slot_get(pt, ptshare_host_addr(vma, addr), true) ||
	    !ptshare_tlb_join(pt, window))
		return NULL;
	return pmdp;
}

static int link_pmd_new(struct vm_area_struct *vma,
			struct ptshare_window *window, unsigned long addr)
{
	unsigned long haddr = ptshare_host_addr(vma, addr);
	struct ptshare *pt = vma_ptshare(vma);
	unsigned int seq;
	pmd_t host, *pmdp;
	int ret;

	pmdp = link_pmd_prepare(vma, window, addr);
	if (IS_ERR_OR_NULL(pmdp))
		return PTR_ERR_OR_ZERO(pmdp);
	do {
		cond_resched();
		if (!ptshare_gate_begin(pt, haddr, &seq))
			return -EAGAIN;
		ret = host_pmd(pt, haddr, &host);
		if (ret > 0)
			ret = pmd_set(vma, window, addr, pmdp, host, seq);
	} while (ret == -EAGAIN);
	if (ret > 0)
		link_pmd_around(vma, window, addr, pmdp);
	return ret;
}

static int link_pmd(struct vm_area_struct *vma, struct ptshare_window *window,
		    unsigned long addr)
{
	pmd_t host, *pmdp, pmd;
	int ret;

	ret = host_pmd(vma_ptshare(vma), ptshare_host_addr(vma, addr), &host);
	if (ret <= 0)
		return ret;
	pmdp = window_pmd(vma->vm_mm, addr);
	if (pmdp) {
		/* If it is changing, the access comes back. */
		pmd = pmdp_get_lockless(pmdp);
		if (!pmd_none(pmd))
			return pmd_pgtable(pmd) == pmd_pgtable(host);
	}
	return link_pmd_new(vma, window, addr);
}

/* True if @addr is not private: it was a link, or it is empty by now. */
static bool pmd_unlink(struct vm_area_struct *vma, unsigned long addr,
		       pmd_t *pmdp)
{
	struct ptshare_window *window = vma->vm_private_data;
	struct ptshare *pt = vma_ptshare(vma);
	struct mm_struct *mm = vma->vm_mm;
	spinlock_t *ptl;	/* of the window's PMD table */
	bool linked, empty;

	ptl = pmd_lock(mm, pmdp);
	empty = pmd_none(*pmdp);
	linked = pmd_is_link_locked(vma, addr, *pmdp);
	if (linked) {
		pmd_clear(pmdp);
		atomic_dec(block_of(pt, ptshare_host_addr(vma, addr)));
		atomic_long_dec(&window->nr_links);
		ptshare_tlb_note(window);
		trace_ptshare_unlink(vma, addr & PMD_MASK, PMD_SIZE);
	}
	spin_unlock(ptl);
	return linked || empty;
}

/* --- all of them -------------------------------------------------------- */

/**
 * ptshare_link - show an address of a window by a table of cmm
 * @vma: the window
 * @window: belongs to it
 * @address: in the window
 *
 * Takes no lock that processes share, except once to put the window in the list
 * of those to flush.
 *
 * Context: mmap_lock or VMA lock of the window. May sleep.
 * Return: 1 if there is a link; 0 if the address is to be mirrored; -ENOENT if
 * cmm has no table there yet; -EAGAIN if cmm's entry is being invalidated, wait
 * for the gate; -ENOMEM.
 */
int ptshare_link(struct vm_area_struct *vma, struct ptshare_window *window,
		 unsigned long address)
{
	int share = vma_ptshare(vma)->share;

	if (mm_has_notifiers(vma->vm_mm))
		return 0;
	if (share >= PTSHARE_SHARE_PUD && link_fits(vma, address, PUD_SIZE))
		return link_pud(vma, window, address);
	if (pmd_link_possible(vma, address))
		return link_pmd(vma, window, address);
	return 0;
}

/*
 * The gather is to flush every page below, not one entry for the table: its
 * stride is the smallest that was noted. With tables freed it reaches the
 * paging-structure caches of lazy CPUs too.
 */
static void gather_unlinked(struct mmu_gather *tlb, unsigned long addr,
			    unsigned long size)
{
	tlb_flush_pte_range(tlb, addr & ~(size - 1), size);
	tlb->freed_tables = 1;
	VM_WARN_ON_ONCE(tlb_get_unmap_shift(tlb) != PAGE_SHIFT);
	VM_WARN_ON_ONCE(!tlb->fullmm && tlb->end - tlb->start < size);
}

/**
 * ptshare_zap_pud - unlink for munmap(), exec and exit
 * @tlb: gather of the caller
 * @vma: the window
 * @pudp: its entry for @addr, which was not empty
 * @addr: in the window
 * @unmap: the window goes away; if not, what lies below is not its own to zap
 *
 * Context: mmap_lock of @vma's mm for write, or exit.
 * Return: false if the entry is private and the caller is to go on below it.
 */
bool ptshare_zap_pud(struct mmu_gather *tlb, struct vm_area_struct *vma,
		     pud_t *pudp, unsigned long addr, bool unmap)
{
	if (!ptshare_pud_is_link(vma, addr, READ_ONCE(*pudp)))
		return false;
	VM_WARN_ON_ONCE(!unmap);
	if (unmap) {
		pud_unlink(vma, addr, pudp);
		gather_unlinked(tlb, addr, PUD_SIZE);
	}
	return true;
}

/* As ptshare_zap_pud(), at PMD level. */
bool ptshare_zap_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma,
		     pmd_t *pmdp, unsigned long addr, bool unmap)
{
	if (!pmd_link_possible(vma, addr))
		return false;
	VM_WARN_ON_ONCE(!unmap);
	if (!unmap)
		return !ptshare_pmd_is_private(vma, addr, pmdp);
	if (!pmd_unlink(vma, addr, pmdp))
		return false;
	gather_unlinked(tlb, addr, PMD_SIZE);
	return true;
}

static void window_unlink_pmds(struct vm_area_struct *vma, pud_t pud,
			       unsigned long addr, unsigned long end)
{
	pmd_t *pmdp;

	for (; addr < end; addr = pmd_addr_end(addr, end)) {
		pmdp = pmd_offset(&pud, addr);
		if (!pmd_none(pmdp_get_lockless(pmdp)) &&
		    pmd_link_possible(vma, addr))
			pmd_unlink(vma, addr, pmdp);
	}
}

static void window_unlink(struct vm_area_struct *vma)
{
	unsigned long addr, next;
	pud_t *pudp, pud;

	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		next = pud_addr_end(addr, vma->vm_end);
		pudp = ptshare_walk_pud(vma->vm_mm, addr);
		if (!pudp)
			continue;
		pud = READ_ONCE(*pudp);
		if (ptshare_pud_is_link(vma, addr, pud))
			pud_unlink(vma, addr, pudp);
		else if (!pud_none(pud))
			window_unlink_pmds(vma, pud, addr, next);
	}
}

/**
 * ptshare_notifier_added - an mm has got its first mmu_notifier
 * @mm: of any process
 *
 * cmm's changes reach its notifiers through mirrors only, so its windows are
 * mirrored from now on. They need no flush of their own any more, and leave
 * their places in the list to others.
 *
 * Context: under mm_take_all_locks(), after mm_has_notifiers() became true.
 */
void ptshare_notifier_added(struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct ptshare_window *window;
	struct vm_area_struct *vma;
	bool joined = false;

	mmap_assert_write_locked(mm);
	for_each_vma(vmi, vma) {
		if (!vma_is_ptshare(vma) || !vma->vm_private_data)
			continue;
		window = vma->vm_private_data;
		ptshare_window_slow(vma_ptshare(vma), window);
		joined |= window->joined;
		if (!atomic_long_read(&window->nr_links))
			continue;
		window_unlink(vma);
		VM_WARN_ON_ONCE(atomic_long_read(&window->nr_links));
	}
	if (!joined)
		return;
	flush_tlb_mm(mm);
	vma_iter_set(&vmi, 0);
	for_each_vma(vmi, vma) {
		if (vma_is_ptshare(vma) && vma->vm_private_data)
			ptshare_tlb_leave(vma_ptshare(vma),
					  vma->vm_private_data);
	}
}

static void window_collapse(struct vm_area_struct *vma, unsigned long addr)
{
	struct ptshare_window *window = READ_ONCE(vma->vm_private_data);
	pud_t *pudp, pud;

	if (!window || !atomic_long_read(&window->nr_links) ||
	    !pmd_link_possible(vma, addr))
		return;
	pudp = ptshare_walk_pud(vma->vm_mm, addr);
	if (!pudp)
		return;
	pud = READ_ONCE(*pudp);
	if (!pud_none(pud) && !ptshare_pud_is_link(vma, addr, pud))
		pmd_unlink(vma, addr, pmd_offset(&pud, addr));
}

/* Links to tables of these blocks; exact once the gates are closed. */
static bool blocks_linked(struct ptshare *pt, unsigned long start,
			  unsigned long end)
{
	atomic_t *nr;

	for (; start < end; start += PMD_SIZE) {
		/* Counted under the gate lock, before the gate was closed. */
		nr = block_of(pt, start);
		if (nr && atomic_read(nr))
			return true;
	}
	return false;
}

/* What a window shows of a range of blocks. */
static void window_unlink_range(struct vm_area_struct *vma, pgoff_t first,
				pgoff_t last)
{
	pgoff_t from = max(first, vma->vm_pgoff);
	pgoff_t to = min(last + 1, vma->vm_pgoff + vma_pages(vma));
	unsigned long addr = vma_address(vma, from, 1);
	unsigned long end = addr + ((to - from) << PAGE_SHIFT);

	for (; addr < end; addr = pmd_addr_end(addr, end))
		window_collapse(vma, addr);
}

/**
 * ptshare_unlink_blocks - clear the PMD links to some blocks, in all windows
 * @pt: container
 * @start: first address in cmm, aligned to 2 MiB
 * @end: end, likewise
 *
 * Context: the gates of the blocks are closed, if there are windows; sleeps.
 */
void ptshare_unlink_blocks(struct ptshare *pt, unsigned long start,
			   unsigned long end)
{
	pgoff_t first = (start - PTSHARE_BASE) >> PAGE_SHIFT;
	pgoff_t last = (end - 1 - PTSHARE_BASE) >> PAGE_SHIFT;
	struct vm_area_struct *vma;

	/* Without windows, khugepaged may come when nobody closes gates any more. */
	VM_WARN_ON_ONCE(atomic_read(&pt->nr_windows) &&
			!ptshare_gate_closed(pt, start));
	if (!blocks_linked(pt, start, end))
		return;
	i_mmap_lock_read(&pt->mapping);
	vma_interval_tree_foreach(vma, &pt->mapping.i_mmap, first, last) {
		window_unlink_range(vma, first, last);
		cond_resched();
	}
	/* A munmap that is under way has cleared its own, or we have. */
	VM_WARN_ON_ONCE(blocks_linked(pt, start, end));
	/*
	 * A munmap that finds the entry empty has nothing to flush. It can't
	 * take its window off the list before we are out of i_mmap.
	 */
	ptshare_tlb_flush(pt);
	i_mmap_unlock_read(&pt->mapping);
}

/**
 * ptshare_unlink_block - khugepaged is about to take a PTE table from cmm
 * @cmm: a container's mm
 * @haddr: address of the 2 MiB block
 *
 * Context: between start and end of the invalidation; sleeps.
 */
void ptshare_unlink_block(struct mm_struct *cmm, unsigned long haddr)
{
	struct ptshare *pt = ptshare_pin(cmm);

	if (!pt)
		return;
	ptshare_unlink_blocks(pt, haddr, haddr + PMD_SIZE);
	ptshare_unpin(pt);
}

/* --- what INFO tells ---------------------------------------------------- */

static unsigned long tables_below(struct mm_struct *cmm, unsigned long haddr)
{
	pmd_t *pmdp = ptshare_walk_pmd(cmm, haddr), pmd;
	unsigned long nr = 1;
	unsigned int i;

	if (!pmdp)
		return 0;
	for (i = 0; i < PTRS_PER_PMD; i++) {
		pmd = pmdp_get_lockless(pmdp + i);
		nr += pmd_present(pmd) && !pmd_leaf(pmd);
	}
	return nr;
}

static unsigned int count_links(unsigned int nr, unsigned long tables,
				struct ptshare_info *info)
{
	if (nr > 1)
		info->saved_bytes += (nr - 1) * (tables << PAGE_SHIFT);
	return nr;
}

/**
 * ptshare_links_info - the part of INFO that is about links
 * @pt: container
 * @info: nr_links and saved_bytes are filled in
 *
 * What each linked process but one would need tables of its own for.
 *
 * Context: sleeps.
 */
void ptshare_links_info(struct ptshare *pt, struct ptshare_info *info)
{
	struct ptshare_slot *slot;
	unsigned long index;
	atomic_t *blocks;
	unsigned int i;

	xa_for_each(&pt->slots, index, slot) {
		info->nr_links += count_links(atomic_read(&slot->links),
					      tables_below(pt->cmm,
							   index << PUD_SHIFT),
					      info);
		blocks = READ_ONCE(slot->blocks);
		for (i = 0; blocks && i < PTRS_PER_PMD; i++)
			info->nr_links += count_links(atomic_read(&blocks[i]),
						      1, info);
		cond_resched();
	}
}
