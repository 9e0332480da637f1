// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare peeks: what the entries of cmm say, read without any lock.
 *
 * Owns nothing. A PMD table of cmm stays while there are files; a PTE table
 * may be on its way out, and goes by RCU.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "internal.h"
#include "ptshare.h"

static bool peek_pte(pte_t pte, bool write)
{
	return pte_present(pte) && pte_access_permitted(pte, write) &&
	       pte_young(pte) && (!write || pte_dirty(pte));
}

/*
 * Would the entry of cmm below @pmdp allow an access? RCU keeps a PTE table
 * that is being taken from cmm; what it says then is of a moment ago.
 */
static bool peek_pmd(pmd_t *pmdp, unsigned long haddr, bool write)
{
	bool permitted = false;
	pmd_t pmd;

	rcu_read_lock();
	pmd = pmdp_get_lockless(pmdp);
	if (pmd_none(pmd) || !pmd_present(pmd))
		goto out;
	if (pmd_leaf(pmd))
		permitted = pmd_access_permitted(pmd, write) &&
			    pmd_young(pmd) && (!write || pmd_dirty(pmd));
	else
		permitted = peek_pte(READ_ONCE(*pte_offset_kernel(&pmd, haddr)),
				     write);
out:
	rcu_read_unlock();
	return permitted;
}

/**
 * ptshare_peek - would cmm's own entry allow an access?
 * @cmm: of the container
 * @haddr: address there
 * @write: whether it is written
 *
 * Keeps a fault in a warm container away from every lock that processes share.
 * Accessed and dirty must be set: who does not have hardware that sets them
 * would come back for ever.
 */
bool ptshare_peek(struct mm_struct *cmm, unsigned long haddr, bool write)
{
	pmd_t *pmdp = ptshare_walk_pmd(cmm, haddr);

	return pmdp && peek_pmd(pmdp, haddr, write);
}

/**
 * ptshare_peek_slot - the same for the GiB that a window has linked last
 * @window: of the caller
 * @haddr: address in cmm
 * @write: whether it is written
 * @linked: result: whether it is that GiB; if not, nothing is known
 *
 * Saves walking down two sets of tables for each page that cmm does not have.
 */
bool ptshare_peek_slot(struct ptshare_window *window, unsigned long haddr,
		       bool write, bool *linked)
{
	pmd_t *pmdp = ptshare_slot_pmd(window, haddr);

	*linked = pmdp;
	return pmdp && peek_pmd(pmdp, haddr, write);
}
