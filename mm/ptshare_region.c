// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare regions: MAP, UNMAP, PROTECT and SEAL on a container.
 *
 * Owns the VMAs of cmm. They are linked and unlinked by hand: do_munmap() and
 * its kin account to current->mm, and free page tables that windows' readers
 * walk without a lock.
 *
 * Every change has two halves. The first checks and allocates, and may cut a
 * VMA in two with the same permissions, which no user can see. The second
 * cannot fail.
 *
 * Locks: all of it under cmm's mmap_lock for write; the order is in ptshare.h.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/khugepaged.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/security.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <asm/tlb.h>
#include <uapi/linux/ptshare.h>

#include "internal.h"
#include "vma.h"
#include "ptshare.h"

#include <trace/events/ptshare.h>

/**
 * struct region_change - the regions of a range, on their way out
 * @pt: container
 * @start: address in cmm
 * @end: address in cmm
 * @vmi: has the nodes preallocated to store over the whole range
 * @old: the VMAs that lie in the range
 * @nr: number of @old
 */
struct region_change {
	struct ptshare *pt;
	unsigned long start;
	unsigned long end;
	struct vma_iterator vmi;
	struct vm_area_struct **old;
	unsigned int nr;
};

int ptshare_lock(struct ptshare *pt, u32 seal)
{
	if (mmap_write_lock_killable(pt->cmm))
		return -EINTR;
	if (pt->seals & seal) {
		mmap_write_unlock(pt->cmm);
		return -EPERM;
	}
	return 0;
}

/*
 * Join what cuts have left apart, or the number of VMAs would only grow. It is
 * no loss if there is no memory for it: QUERY tells neighbours as one.
 */
void ptshare_merge(struct ptshare *pt, unsigned long start, unsigned long end)
{
	VMA_ITERATOR(vmi, pt->cmm, start - 1);
	struct vm_area_struct *vma, *prev = NULL;

	mmap_assert_write_locked(pt->cmm);
	for_each_vma_range(vmi, vma, end + 1) {
		prev = vma_modify_flags(&vmi, prev, vma, vma->vm_start,
					vma->vm_end, vma->vm_flags);
		if (IS_ERR(prev))
			return;
	}
}

/* How many VMAs more would a cut at @addr make? */
static unsigned int region_cuts(struct ptshare *pt, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_assert_write_locked(pt->cmm);
	vma = vma_lookup(pt->cmm, addr);
	return vma && vma->vm_start < addr;
}

int ptshare_split_at(struct ptshare *pt, unsigned long addr)
{
	VMA_ITERATOR(vmi, pt->cmm, addr);
	struct vm_area_struct *vma;

	mmap_assert_write_locked(pt->cmm);
	vma = vma_iter_load(&vmi);
	if (!vma || vma->vm_start == addr)
		return 0;
	return split_vma(&vmi, vma, addr, 1);
}

/* First half of clearing a range: cut, count, allocate. */
static int region_change_prepare(struct region_change *change,
				 struct vm_area_struct *new)
{
	VMA_ITERATOR(vmi, change->pt->cmm, change->start);
	struct ptshare *pt = change->pt;
	struct vm_area_struct *vma;
	unsigned int peak, nr = 0;
	int err;

	for_each_vma_range(vmi, vma, change->end)
		nr++;
	peak = pt->cmm->map_count + region_cuts(pt, change->start) +
	       region_cuts(pt, change->end);
	if (peak > sysctl_max_map_count ||
	    peak + !!new - nr > sysctl_max_map_count)
		return -ENOSPC;

	err = ptshare_split_at(pt, change->start);
	if (err)
		return err;
	err = ptshare_split_at(pt, change->end);
	if (err)
		return err;

	change->old = kvmalloc_array(nr, sizeof(*change->old), GFP_KERNEL);
	if (!change->old)
		return -ENOMEM;
	vma_iter_init(&vmi, pt->cmm, change->start);
	for_each_vma_range(vmi, vma, change->end)
		change->old[change->nr++] = vma;

	vma_iter_init(&change->vmi, pt->cmm, change->start);
	vma_iter_config(&change->vmi, change->start, change->end);
	if (vma_iter_prealloc(&change->vmi, new)) {
		kvfree(change->old);
		return -ENOMEM;
	}
	return 0;
}

/*
 * One bracket for each GiB: the gates of a whole container would else stay
 * closed as long as the zap takes. Nobody can refill behind us, the VMA is
 * locked.
 */
static void region_zap(struct vm_area_struct *vma)
{
	unsigned long addr, next;

	vma_assert_write_locked(vma);
	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		next = pud_addr_end(addr, vma->vm_end);
		zap_page_range_single(vma, addr, next - addr, NULL);
		cond_resched();
	}
}

/*
 * Second half. A fault that finds the range between the zap and the store
 * sleeps on cmm's mmap_lock: "no region" is never said without it.
 *
 * All VMA locks are taken before the first bracket, because a fault waits for
 * a gate with a VMA lock held. The old VMAs stay in their files' i_mmap until
 * they are empty, or truncation would miss a page.
 */
static void region_change_commit(struct region_change *change,
				 struct vm_area_struct *new)
{
	struct mm_struct *cmm = change->pt->cmm;
	unsigned int i;

	for (i = 0; i < change->nr; i++) {
		vma_start_write(change->old[i]);
		vma_mark_detached(change->old[i], true);
	}
	for (i = 0; i < change->nr; i++)
		region_zap(change->old[i]);

	if (new) {
		vma_start_write(new);
		vma_iter_store(&change->vmi, new);
		vma_link_file(new);
		/* Its file may be watched since: who looks finds it now. */
		vma_set_page_prot(new);
	} else {
		vma_iter_clear(&change->vmi);
	}
	cmm->map_count += !!new - change->nr;

	for (i = 0; i < change->nr; i++) {
		unlink_file_vma(change->old[i]);
		remove_vma(change->old[i], false);
	}
	kvfree(change->old);
}

/* What mmap(2) would ask of the backing's fd. */
static int region_check_backing(const struct ptshare *pt, struct file *file,
				const struct ptshare_map *map)
{
	struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode) || !shmem_mapping(file->f_mapping))
		return -EOPNOTSUPP;
	if (map->fd_offset > MAX_LFS_FILESIZE ||
	    map->length > MAX_LFS_FILESIZE - map->fd_offset)
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if ((map->prot & PROT_WRITE) && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if ((map->prot & PROT_WRITE) && IS_SWAPFILE(inode))
		return -ETXTBSY;
	if (IS_APPEND(inode) && (file->f_mode & FMODE_WRITE))
		return -EACCES;
	return 0;
}

/*
 * A region that can never be written counts as a reader of its file: it does
 * not stand in the way of a write seal. VM_SOFTDIRTY, or vm_page_prot would
 * come without the write bit.
 */
static int region_flags(const struct ptshare *pt, struct file *file, u32 prot,
			vm_flags_t *flags)
{
	*flags = ptshare_prot_flags(prot) | VM_MAYREAD | VM_MAYSHARE |
		 VM_SOFTDIRTY;
	if ((file->f_mode & FMODE_WRITE) && (pt->max_flags & VM_WRITE))
		*flags |= VM_MAYWRITE | VM_SHARED;
	if (!arch_validate_flags(*flags))
		return -EINVAL;
	return memfd_check_seals_mmap(file, flags);
}

/* A VMA that shows the backing but is in no tree and no i_mmap yet. */
static struct vm_area_struct *region_alloc(struct ptshare *pt,
					   struct file *file,
					   const struct ptshare_map *map,
					   vm_flags_t flags)
{
	unsigned long start = PTSHARE_BASE + map->offset;
	struct vm_area_struct *vma;
	int err;

	vma = vm_area_alloc(pt->cmm);
	if (!vma)
		return ERR_PTR(-ENOMEM);
	vma_set_range(vma, start, start + map->length,
		      map->fd_offset >> PAGE_SHIFT);
	vm_flags_init(vma, flags);
	vma->vm_page_prot = vm_get_page_prot(flags);
	vma->vm_file = get_file(file);

	err = mmap_file(file, vma);
	if (err)
		goto err_vma;
	/* Mirrors are built for plain write-back memory with struct pages. */
	err = -EOPNOTSUPP;
	if (!vma_is_shmem(vma) || vma->vm_flags & (VM_SPECIAL | VM_HUGETLB))
		goto err_vma;
	vma_set_page_prot(vma);
	return vma;

err_vma:
	remove_vma(vma, false);
	return ERR_PTR(err);
}

static int region_map_locked(struct ptshare *pt, struct file *file,
			     const struct ptshare_map *map, vm_flags_t flags)
{
	struct region_change change = {
		.pt	= pt,
		.start	= PTSHARE_BASE + map->offset,
		.end	= PTSHARE_BASE + map->offset + map->length,
	};
	struct vm_area_struct *new;
	int err;

	mmap_assert_write_locked(pt->cmm);
	if (!(map->flags & PTSHARE_MAP_REPLACE) &&
	    find_vma_intersection(pt->cmm, change.start, change.end))
		return -EEXIST;

	new = region_alloc(pt, file, map, flags);
	if (IS_ERR(new))
		return PTR_ERR(new);
	err = region_change_prepare(&change, new);
	if (err) {
		remove_vma(new, false);
		return err;
	}
	region_change_commit(&change, new);
	khugepaged_enter_vma(new, new->vm_flags);
	return 0;
}

/**
 * ptshare_map - show a range of a file in a range of the container
 * @pt: container
 * @file: the backing
 * @map: the user's arguments
 *
 * Context: sleeps; takes cmm's mmap_lock for write.
 * Return: 0 or an errno of the contract in the uapi header.
 */
int ptshare_map(struct ptshare *pt, struct file *file,
		const struct ptshare_map *map)
{
	struct mem_cgroup *old;
	LIST_HEAD(spares);
	vm_flags_t flags;
	int err;

	err = ptshare_check_range(pt, map->offset, map->length);
	if (err)
		return err;
	if (!PAGE_ALIGNED(map->fd_offset))
		return -EINVAL;
	err = ptshare_check_prot(pt, map->prot);
	if (err)
		return err;
	err = region_check_backing(pt, file, map);
	if (err)
		return err;
	err = region_flags(pt, file, map->prot, &flags);
	if (err)
		return err;
	err = security_mmap_file(file, map->prot, MAP_SHARED);
	if (err)
		return err;

	/* No write seal may come between here and the link to i_mmap. */
	if (is_shared_maywrite(flags)) {
		err = mapping_map_writable(file->f_mapping);
		if (err)
			return err;
	}
	err = ptshare_watch_lock(pt, &spares);
	if (err)
		goto out_writable;
	err = ptshare_lock(pt, PTSHARE_SEAL_LAYOUT);
	if (err)
		goto out_watch;
	old = ptshare_charge_begin(pt);
	err = region_map_locked(pt, file, map, flags);
	trace_ptshare_map(pt, map, err);
	ptshare_merge(pt, PTSHARE_BASE + map->offset,
		      PTSHARE_BASE + map->offset + map->length);
	mmap_write_unlock(pt->cmm);
	ptshare_charge_end(old);
	if (!err && (map->flags & PTSHARE_MAP_REPLACE))
		ptshare_watch_unmapped(pt, map->offset, map->length, &spares);

out_watch:
	ptshare_watch_unlock(pt, &spares);
out_writable:
	if (is_shared_maywrite(flags))
		mapping_unmap_writable(file->f_mapping);
	return err;
}

/**
 * ptshare_unmap - leave a hole where regions were
 * @pt: container
 * @offset: bytes
 * @length: bytes
 *
 * The page tables stay; the pages go before the call returns.
 *
 * Context: sleeps; takes cmm's mmap_lock for write.
 * Return: 0, -EINVAL, -ENOENT if there is nothing, -EPERM, -EINTR, -ENOSPC or
 * -ENOMEM.
 */
int ptshare_unmap(struct ptshare *pt, u64 offset, u64 length)
{
	struct region_change change = {
		.pt	= pt,
		.start	= PTSHARE_BASE + offset,
		.end	= PTSHARE_BASE + offset + length,
	};
	struct mem_cgroup *old;
	LIST_HEAD(spares);
	int err;

	err = ptshare_check_range(pt, offset, length);
	if (err)
		return err;
	err = ptshare_watch_lock(pt, &spares);
	if (err)
		return err;
	err = ptshare_lock(pt, PTSHARE_SEAL_LAYOUT);
	if (err)
		goto out_watch;

	old = ptshare_charge_begin(pt);
	err = -ENOENT;
	if (find_vma_intersection(pt->cmm, change.start, change.end))
		err = region_change_prepare(&change, NULL);
	if (!err)
		region_change_commit(&change, NULL);
	trace_ptshare_unmap(pt, offset, length, err);
	ptshare_merge(pt, change.start, change.end);
	mmap_write_unlock(pt->cmm);
	ptshare_charge_end(old);
	if (!err)
		ptshare_watch_unmapped(pt, offset, length, &spares);
out_watch:
	ptshare_watch_unlock(pt, &spares);
	return err;
}

/**
 * ptshare_seal - give up rights on a container, one way
 * @pt: container
 * @seals: PTSHARE_SEAL_*
 *
 * Context: sleeps; takes cmm's mmap_lock for write, so that no call that began
 * before is still at work when it returns.
 * Return: 0, -EINVAL for unknown seals, -EPERM or -EINTR.
 */
int ptshare_seal(struct ptshare *pt, u32 seals)
{
	int err;

	if (seals & ~(PTSHARE_SEAL_SEAL | PTSHARE_SEAL_LAYOUT |
		      PTSHARE_SEAL_PROT))
		return -EINVAL;
	err = ptshare_lock(pt, PTSHARE_SEAL_SEAL);
	if (err)
		return err;
	pt->seals |= seals;
	mmap_write_unlock(pt->cmm);
	return 0;
}
