// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare permissions: PROTECT, many ranges in one call.
 *
 * Owns the permission bits of the region VMAs. mprotect_fixup() is of no use
 * here: it may fail between two ranges, when the first is visible already.
 *
 * Locks: all of it under cmm's mmap_lock for write; the order is in ptshare.h.
 */
#include <linux/mman.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <asm/tlb.h>
#include <uapi/linux/ptshare.h>

#include "internal.h"
#include "vma.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

#define PROT_FLAGS	(VM_READ | VM_WRITE)

/**
 * struct prot_range - a range of cmm and what it shall allow
 * @start: address
 * @end: address
 * @flags: of PROT_FLAGS
 */
struct prot_range {
	unsigned long start;
	unsigned long end;
	vm_flags_t flags;
};

static int prot_range_cmp(const void *a, const void *b)
{
	const struct prot_range *l = a, *r = b;

	return l->start < r->start ? -1 : l->start > r->start;
}

static void prot_ranges_fill(struct prot_range *sorted,
			     const struct ptshare_range_prot *ranges,
			     unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sorted[i].start = PTSHARE_BASE + ranges[i].offset;
		sorted[i].end = sorted[i].start + ranges[i].length;
		sorted[i].flags = ptshare_prot_flags(ranges[i].prot);
	}
	sort(sorted, nr, sizeof(*sorted), prot_range_cmp, NULL);
	cond_resched();
}

/* Fills @sorted with the first @nr ranges; do any two of them overlap? */
static bool prot_ranges_overlap(struct prot_range *sorted,
				const struct ptshare_range_prot *ranges,
				unsigned int nr)
{
	unsigned int i;

	prot_ranges_fill(sorted, ranges, nr);
	for (i = 1; i < nr; i++)
		if (sorted[i].start < sorted[i - 1].end)
			return true;
	return false;
}

/* The first range that overlaps one before it. Only called if there is one. */
static unsigned int prot_first_overlap(struct prot_range *sorted,
				       const struct ptshare_range_prot *ranges,
				       unsigned int nr)
{
	unsigned int good = 1, bad = nr;

	while (bad - good > 1) {
		unsigned int mid = good + (bad - good) / 2;

		if (prot_ranges_overlap(sorted, ranges, mid))
			bad = mid;
		else
			good = mid;
	}
	return bad - 1;
}

/* Neighbours with the same permission are one: 65536 pages in a row, no cut. */
static unsigned int prot_ranges_join(struct prot_range *sorted, unsigned int nr)
{
	unsigned int i, last = 0;

	for (i = 1; i < nr; i++) {
		if (sorted[i].start == sorted[last].end &&
		    sorted[i].flags == sorted[last].flags)
			sorted[last].end = sorted[i].end;
		else
			sorted[++last] = sorted[i];
	}
	return last + 1;
}

/*
 * The checks each look at the ranges before the first one that was refused so
 * far, *@nr of them, and lower it: what is told in the end is the first range
 * with anything wrong.
 */
static int prot_check_args(struct ptshare *pt,
			   const struct ptshare_range_prot *ranges,
			   unsigned int *nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < *nr; i++) {
		err = ranges[i].__reserved ? -EINVAL : 0;
		if (!err)
			err = ptshare_check_range(pt, ranges[i].offset,
						  ranges[i].length);
		if (!err)
			err = ptshare_check_prot(pt, ranges[i].prot);
		if (err) {
			*nr = i;
			return err;
		}
	}
	return 0;
}

static int prot_check_overlap(struct prot_range *sorted,
			      const struct ptshare_range_prot *ranges,
			      unsigned int *nr)
{
	if (!prot_ranges_overlap(sorted, ranges, *nr))
		return 0;
	*nr = prot_first_overlap(sorted, ranges, *nr);
	return -EINVAL;
}

static int prot_check_range(struct ptshare *pt,
			    const struct ptshare_range_prot *range)
{
	unsigned long addr = PTSHARE_BASE + range->offset;
	unsigned long end = addr + range->length;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int err;

	vma_iter_init(&vmi, pt->cmm, addr);
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > addr)
			return -ENOENT;
		if ((range->prot & PROT_WRITE) && !(vma->vm_flags & VM_MAYWRITE))
			return -EACCES;
		err = security_file_mprotect(vma, range->prot, range->prot);
		if (err)
			return err;
		addr = vma->vm_end;
	}
	return addr < end ? -ENOENT : 0;
}

static int prot_check_regions(struct ptshare *pt,
			      const struct ptshare_range_prot *ranges,
			      unsigned int *nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < *nr; i++) {
		err = prot_check_range(pt, &ranges[i]);
		if (err) {
			*nr = i;
			return err;
		}
		cond_resched();
	}
	return 0;
}

/* Stands for the permission that is there. */
#define PROT_AS_IS	(~(vm_flags_t)0)

/* Is there to be a cut at @addr, given what is wanted on either side of it? */
static bool prot_needs_cut(struct ptshare *pt, unsigned long addr,
			   vm_flags_t left, vm_flags_t right)
{
	struct vm_area_struct *vma = vma_lookup(pt->cmm, addr);
	vm_flags_t now;

	if (!vma || vma->vm_start == addr)
		return false;
	now = vma->vm_flags & PROT_FLAGS;
	if (left == PROT_AS_IS)
		left = now;
	if (right == PROT_AS_IS)
		right = now;
	return left != right;
}

/* Counts a cut, or makes it where nothing is to be counted. */
static int prot_cut(struct ptshare *pt, unsigned long addr, unsigned int *cuts)
{
	if (!cuts)
		return ptshare_split_at(pt, addr);
	(*cuts)++;
	return 0;
}

/* Finds each address where a VMA must be cut, each of them once. */
static int prot_cut_all(struct ptshare *pt, const struct prot_range *ranges,
			unsigned int nr, unsigned int *cuts)
{
	const struct prot_range *r;
	vm_flags_t left;
	int err = 0;

	for (r = ranges; r < ranges + nr && !err; r++) {
		left = PROT_AS_IS;
		if (r > ranges && r[-1].end == r->start)
			left = r[-1].flags;
		if (prot_needs_cut(pt, r->start, left, r->flags))
			err = prot_cut(pt, r->start, cuts);
		if (err)
			break;
		if (r + 1 < ranges + nr && r[1].start == r->end)
			continue;
		if (prot_needs_cut(pt, r->end, r->flags, PROT_AS_IS))
			err = prot_cut(pt, r->end, cuts);
		cond_resched();
	}
	return err;
}

/* First half: cut. What a failure leaves behind is the same permissions. */
static int prot_prepare(struct ptshare *pt, const struct prot_range *ranges,
			unsigned int nr)
{
	unsigned int cuts = 0;

	mmap_assert_write_locked(pt->cmm);
	prot_cut_all(pt, ranges, nr, &cuts);
	if (pt->cmm->map_count + cuts > sysctl_max_map_count)
		return -ENOSPC;
	return prot_cut_all(pt, ranges, nr, NULL);
}

static void prot_lock_vmas(struct ptshare *pt, const struct prot_range *range)
{
	VMA_ITERATOR(vmi, pt->cmm, range->start);
	struct vm_area_struct *vma;

	for_each_vma_range(vmi, vma, range->end)
		if ((vma->vm_flags & PROT_FLAGS) != range->flags)
			vma_start_write(vma);
}

/*
 * change_protection() puts its bracket around all it is given: a GiB at a time,
 * or every gate of a large container stays closed until the end.
 */
static void prot_change_vma(struct mmu_gather *tlb, struct vm_area_struct *vma,
			    vm_flags_t flags)
{
	unsigned long addr, next, cp_flags = 0;

	vm_flags_reset(vma, (vma->vm_flags & ~PROT_FLAGS) | flags);
	if (vma_wants_manual_pte_write_upgrade(vma))
		cp_flags |= MM_CP_TRY_CHANGE_WRITABLE;
	vma_set_page_prot(vma);

	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		next = pud_addr_end(addr, vma->vm_end);
		change_protection(tlb, vma, addr, next, cp_flags);
		cond_resched();
	}
}

static void prot_change_range(struct mmu_gather *tlb, struct ptshare *pt,
			      const struct prot_range *range)
{
	VMA_ITERATOR(vmi, pt->cmm, range->start);
	struct vm_area_struct *vma;

	for_each_vma_range(vmi, vma, range->end)
		if ((vma->vm_flags & PROT_FLAGS) != range->flags)
			prot_change_vma(tlb, vma, range->flags);
}

/*
 * Second half, cannot fail. After the cuts a VMA whose permission differs lies
 * wholly in its range. All VMA locks are taken before the first bracket,
 * because a fault waits for a gate with a VMA lock held.
 */
static void prot_commit(struct ptshare *pt, const struct prot_range *ranges,
			unsigned int nr)
{
	struct mmu_gather tlb;
	unsigned int i;

	for (i = 0; i < nr; i++)
		prot_lock_vmas(pt, &ranges[i]);

	tlb_gather_mmu(&tlb, pt->cmm);
	for (i = 0; i < nr; i++)
		prot_change_range(&tlb, pt, &ranges[i]);
	tlb_finish_mmu(&tlb);
}

/* Both halves. Nothing is changed unless all of @ranges were accepted. */
static int prot_change(struct ptshare *pt, struct prot_range *sorted,
		       unsigned int nr)
{
	int err;

	nr = prot_ranges_join(sorted, nr);
	err = prot_prepare(pt, sorted, nr);
	if (!err)
		prot_commit(pt, sorted, nr);
	ptshare_merge(pt, sorted[0].start, sorted[nr - 1].end);
	return err;
}

/**
 * ptshare_protect - change the permission of ranges for everybody
 * @pt: container
 * @ranges: in any order
 * @nr: at least 1
 * @failed: index of the first refused range, on -EINVAL, -EACCES and -ENOENT
 *
 * Context: sleeps; takes cmm's mmap_lock for write.
 * Return: 0 or an errno of the contract in the uapi header. When it returns no
 * CPU can use an older translation.
 */
int ptshare_protect(struct ptshare *pt, const struct ptshare_range_prot *ranges,
		    unsigned int nr, u32 *failed)
{
	struct prot_range *sorted;
	struct mem_cgroup *old;
	int err, later;

	sorted = kvmalloc_array(nr, sizeof(*sorted), GFP_KERNEL_ACCOUNT);
	if (!sorted)
		return -ENOMEM;
	*failed = nr;
	err = prot_check_args(pt, ranges, failed);
	later = prot_check_overlap(sorted, ranges, failed);
	err = later ?: err;

	later = ptshare_lock(pt, PTSHARE_SEAL_PROT);
	if (later) {
		err = later;
		goto out_free;
	}
	old = ptshare_charge_begin(pt);
	later = prot_check_regions(pt, ranges, failed);
	err = later ?: err;
	if (!err)
		err = prot_change(pt, sorted, nr);
	trace_ptshare_protect(pt, nr, err);
	mmap_write_unlock(pt->cmm);
	ptshare_charge_end(old);

out_free:
	kvfree(sorted);
	return err;
}
