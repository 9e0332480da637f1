// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare upgrades: what most first writes to watched pages come to.
 *
 * cmm has the page, read-only because it was armed, and by now may be written.
 * The entry is made writable here, as do_wp_page() would, without a second walk
 * down all tables and a folio lock. It is changed under its page table lock;
 * that the region is shared and may be written holds as long as the caller's
 * lock of its VMA. Nothing is to be flushed: who still has the old translation
 * faults, and finds the new one.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/vmstat.h>
#include <linux/write_notify.h>

#include "internal.h"
#include "ptshare.h"

/* Under the lock of the table. ARM has set its bit, or finds what we set (W2). */
static bool upgrade_pte(struct vm_area_struct *host, unsigned long haddr,
			pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);
	struct folio *folio;

	if (!pte_present(pte) || pte_write(pte) || pte_protnone(pte) ||
	    pte_uffd_wp(pte))
		return false;
	folio = vm_normal_folio(host, haddr, pte);
	if (!folio || folio_test_anon(folio) ||
	    write_notify_armed(host, haddr, 1))
		return false;
	/* The entry keeps it in the file until the lock is dropped. */
	folio_mark_dirty(folio);
	pte = pte_mkwrite(pte_mkdirty(pte_mkyoung(pte)), host);
	if (ptep_set_access_flags(host, haddr, ptep, pte, 1))
		update_mmu_cache(host, haddr, ptep);
	count_vm_event(PGREUSE);
	return true;
}

/**
 * ptshare_upgrade - make a page of a watched file writable in cmm
 * @host: region, of a file that is or was watched, which allows writing
 * @window: of the caller, or NULL
 * @haddr: address of the page
 *
 * Context: under a lock of @host; may sleep.
 * Return: false if core mm has to handle the fault.
 */
bool ptshare_upgrade(struct vm_area_struct *host,
		     struct ptshare_window *window, unsigned long haddr)
{
	pmd_t *pmdp = window ? ptshare_slot_pmd(window, haddr) : NULL;
	spinlock_t *ptl;	/* of the PTE table */
	pte_t *ptep;
	bool done;

	if (!pmdp)
		pmdp = ptshare_walk_pmd(host->vm_mm, haddr);
	if (!pmdp)
		return false;
	ptep = pte_offset_map_lock(host->vm_mm, pmdp, haddr, &ptl);
	if (!ptep)
		return false;
	/* Annotation: taken inside, where sparse does not look. */
	__acquire(RCU);
	done = upgrade_pte(host, haddr, ptep);
	pte_unmap_unlock(ptep, ptl);
	if (done)
		file_update_time(host->vm_file);
	return done;
}
