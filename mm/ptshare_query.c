// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare inside view: QUERY and INFO.
 *
 * Owns nothing. Reads cmm under its mmap_lock and the windows under the
 * container's i_mmap_rwsem; the order is in ptshare.h.
 */
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <uapi/linux/ptshare.h>

#include "internal.h"
#include "ptshare.h"

/*
 * A region of the user may be several VMAs: a call that failed may have cut
 * one, and a file may have been mapped in pieces.
 */
static bool region_continues(struct vm_area_struct *prev,
			     struct vm_area_struct *vma)
{
	return prev->vm_end == vma->vm_start &&
	       file_inode(prev->vm_file) == file_inode(vma->vm_file) &&
	       prev->vm_pgoff + vma_pages(prev) == vma->vm_pgoff &&
	       ptshare_flags_prot(prev->vm_flags) ==
	       ptshare_flags_prot(vma->vm_flags);
}

static void region_fill(struct ptshare_region *region,
			struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(vma->vm_file);

	*region = (struct ptshare_region) {
		.offset		= vma->vm_start - PTSHARE_BASE,
		.length		= vma->vm_end - vma->vm_start,
		.fd_offset	= (u64)vma->vm_pgoff << PAGE_SHIFT,
		.ino		= inode->i_ino,
		.dev		= new_encode_dev(inode->i_sb->s_dev),
		.prot		= ptshare_flags_prot(vma->vm_flags),
	};
}

/* The first VMA of the region that holds @addr or follows it. */
static struct vm_area_struct *region_first(struct vma_iterator *vmi)
{
	struct vm_area_struct *vma = vma_next(vmi), *prev;

	while (vma) {
		prev = vma_prev(vmi);
		if (!prev || !region_continues(prev, vma)) {
			/* back to where @vma is the current one */
			vma_iter_set(vmi, vma->vm_start);
			return vma_next(vmi);
		}
		vma = prev;
	}
	return NULL;
}

/**
 * ptshare_query_bound - how many regions can ptshare_query() tell at most?
 * @pt: container
 *
 * Read without a lock: a bound for a buffer, not a promise.
 */
unsigned int ptshare_query_bound(struct ptshare *pt)
{
	return max(READ_ONCE(pt->cmm->map_count), 1);
}

/**
 * ptshare_query - list regions
 * @pt: container
 * @start: bytes; a region that holds it is told whole
 * @regions: kernel buffer
 * @room: entries in @regions, at least 1
 * @filled: entries filled
 * @next: where to go on, the container's length if there is no more
 *
 * Context: sleeps; takes cmm's mmap_lock for read.
 * Return: 0, -EINVAL or -EINTR.
 */
int ptshare_query(struct ptshare *pt, u64 start, struct ptshare_region *regions,
		  unsigned int room, unsigned int *filled, u64 *next)
{
	VMA_ITERATOR(vmi, pt->cmm, PTSHARE_BASE + start);
	struct vm_area_struct *vma, *prev = NULL;
	unsigned int nr = 0;

	if (!PAGE_ALIGNED(start) || start > pt->length)
		return -EINVAL;
	if (mmap_read_lock_killable(pt->cmm))
		return -EINTR;

	for (vma = region_first(&vmi); vma; vma = vma_next(&vmi)) {
		bool more = prev && region_continues(prev, vma);

		if (!more && nr == room)
			break;
		if (more)
			regions[nr - 1].length += vma->vm_end - vma->vm_start;
		else
			region_fill(&regions[nr++], vma);
		prev = vma;
		cond_resched();
	}
	mmap_read_unlock(pt->cmm);

	*next = vma ? regions[nr - 1].offset + regions[nr - 1].length :
		      pt->length;
	*filled = nr;
	return 0;
}

static unsigned int ptshare_count_regions(struct ptshare *pt)
{
	VMA_ITERATOR(vmi, pt->cmm, 0);
	struct vm_area_struct *vma, *prev = NULL;
	unsigned int nr = 0;

	mmap_assert_locked(pt->cmm);
	for_each_vma(vmi, vma) {
		nr += !prev || !region_continues(prev, vma);
		prev = vma;
		cond_resched();
	}
	return nr;
}

/* Exact: the approximate counters may be off by a batch on each CPU. */
static u64 ptshare_rss(struct mm_struct *cmm)
{
	return percpu_counter_sum_positive(&cmm->rss_stat[MM_FILEPAGES]) +
	       percpu_counter_sum_positive(&cmm->rss_stat[MM_SHMEMPAGES]);
}

/**
 * ptshare_info - what INFO and fdinfo tell
 * @pt: container
 * @info: zeroed; the results are filled in
 *
 * Context: sleeps; takes cmm's mmap_lock for read and then, by itself, the
 * container's i_mmap_rwsem.
 * Return: 0 or -EINTR.
 */
int ptshare_info(struct ptshare *pt, struct ptshare_info *info)
{
	if (mmap_read_lock_killable(pt->cmm))
		return -EINTR;
	info->seals = pt->seals;
	info->nr_regions = ptshare_count_regions(pt);
	mmap_read_unlock(pt->cmm);

	info->id = pt->ino;
	info->length = pt->length;
	info->max_prot = ptshare_flags_prot(pt->max_flags);
	info->nr_windows = atomic_read(&pt->nr_windows);
	info->rss_bytes = ptshare_rss(pt->cmm) << PAGE_SHIFT;
	info->pgtable_bytes = mm_pgtables_bytes(pt->cmm);
	info->nr_mirrors = ptshare_count_mirrors(pt);
	ptshare_limits(info);
	info->granule = ptshare_granule(pt->share);
	ptshare_links_info(pt, info);
	return 0;
}
