// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare containers: life and death, and who pays.
 *
 * Owns struct ptshare, its mm (cmm), and the parameter that says how windows
 * may show it. The lock order is in ptshare.h.
 */
#include <linux/memcontrol.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/tlb.h>
#include <uapi/linux/ptshare.h>

#include "internal.h"
#include "ptshare.h"

#define CREATE_TRACE_POINTS
#include <trace/events/ptshare.h>

static const char * const ptshare_share_names[] = {
	[PTSHARE_SHARE_NONE]	= "none",
	[PTSHARE_SHARE_PMD]	= "pmd",
	[PTSHARE_SHARE_PUD]	= "pud",
};

static int ptshare_share = PTSHARE_SHARE_PUD;

static int ptshare_share_set(const char *val, const struct kernel_param *kp)
{
	int share = sysfs_match_string(ptshare_share_names, val);

	if (share < 0)
		return share;
	WRITE_ONCE(ptshare_share, share);
	return 0;
}

static int ptshare_share_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n",
			  ptshare_share_names[READ_ONCE(ptshare_share)]);
}

static const struct kernel_param_ops ptshare_share_ops = {
	.set = ptshare_share_set,
	.get = ptshare_share_get,
};

module_param_cb(share, &ptshare_share_ops, NULL, 0644);
MODULE_PARM_DESC(share, "Largest page table that new containers share: none, pmd or pud");

/* Containers by number, until they have no file left; readers are under RCU. */
DEFINE_XARRAY_ALLOC1(ptshare_ids);
static u32 ptshare_next_id;

static struct lock_class_key ptshare_mmap_lock_key;
static struct lock_class_key ptshare_i_mmap_key;

#ifdef CONFIG_MEMCG
/**
 * ptshare_mm_memcg - the memory cgroup that pays for a container's mm
 * @mm: any mm
 *
 * Context: RCU read lock.
 * Return: NULL if @mm is no container's. The nearest online ancestor stands in
 * for a creator whose group was removed, so that no dead group is charged for
 * ever. The container's reference on the creator's group holds all of them.
 */
struct mem_cgroup *ptshare_mm_memcg(struct mm_struct *mm)
{
	struct ptshare *pt = READ_ONCE(mm->ptshare);

	return IS_ERR_OR_NULL(pt) ? NULL : ptshare_memcg(pt);
}
#endif

int ptshare_check_range(const struct ptshare *pt, u64 offset, u64 length)
{
	if (!length || !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(length))
		return -EINVAL;
	if (offset > pt->length || length > pt->length - offset)
		return -EINVAL;
	return 0;
}

int ptshare_check_prot(const struct ptshare *pt, u32 prot)
{
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	if ((prot & PROT_WRITE) && !(prot & PROT_READ))
		return -EINVAL;
	if (prot & PROT_EXEC)
		return -EACCES;
	if (ptshare_prot_flags(prot) & ~pt->max_flags)
		return -EACCES;
	return 0;
}

/* An mm for no task: nobody's exit is to be followed, nobody's flags count. */
static struct mm_struct *ptshare_mm_alloc(struct ptshare *pt)
{
	struct mm_struct *cmm = mm_alloc();

	if (!cmm)
		return NULL;

	lockdep_set_class(&cmm->mmap_lock, &ptshare_mmap_lock_key);
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(cmm->owner, NULL);
#endif
	cmm->flags = 0;
	cmm->def_flags = 0;
	WRITE_ONCE(cmm->ptshare, pt);
	return cmm;
}

static void ptshare_init(struct ptshare *pt, unsigned long length,
			 unsigned long prot)
{
	kref_init(&pt->refs);
	refcount_set(&pt->pins, 1);
	pt->length = length;
	pt->max_flags = ptshare_prot_flags(prot);
	address_space_init_once(&pt->mapping);
	lockdep_set_class(&pt->mapping.i_mmap_rwsem, &ptshare_i_mmap_key);
	mapping_set_gfp_mask(&pt->mapping, GFP_HIGHUSER);
	pt->mapping.a_ops = &empty_aops;
	pt->notifier.ops = &ptshare_notifier_ops;
	pt->share = READ_ONCE(ptshare_share);
	ptshare_gates_init(pt);
	ptshare_links_init(pt);
	ptshare_tlb_init(pt);
	ptshare_trim_init(pt);
	mutex_init(&pt->notify_mutex);
	INIT_LIST_HEAD(&pt->watches);
}

/**
 * ptshare_create - make an empty container, charged to the caller's cgroup
 * @length: bytes
 * @prot: PROT_READ or PROT_READ | PROT_WRITE
 *
 * Context: sleeps.
 * Return: the container with one reference, which ptshare_set_file() hands to
 * the first file; -EINVAL, -EOPNOTSUPP for PROT_EXEC, -ENOMEM, -EINTR.
 */
struct ptshare *ptshare_create(unsigned long length, unsigned long prot)
{
	struct ptshare *pt;
	int err;

	if (prot & PROT_EXEC)
		return ERR_PTR(-EOPNOTSUPP);
	if (prot != PROT_READ && prot != (PROT_READ | PROT_WRITE))
		return ERR_PTR(-EINVAL);
	if (!length || !PAGE_ALIGNED(length) ||
	    length > TASK_SIZE_MAX - 2 * PTSHARE_BASE)
		return ERR_PTR(-EINVAL);

	pt = kzalloc(sizeof(*pt), GFP_KERNEL_ACCOUNT);
	if (!pt)
		return ERR_PTR(-ENOMEM);
	ptshare_init(pt, length, prot);

	err = -ENOMEM;
	pt->cmm = ptshare_mm_alloc(pt);
	if (!pt->cmm)
		goto err_free;

	err = mmu_notifier_register(&pt->notifier, pt->cmm);
	if (err)
		goto err_mm;
	err = mmu_notifier_register(&pt->tlb_notifier, pt->cmm);
	if (err)
		goto err_notifier;
	err = xa_alloc_cyclic(&ptshare_ids, &pt->id, pt, xa_limit_32b,
			      &ptshare_next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto err_tlb_notifier;

	pt->memcg = get_mem_cgroup_from_mm(current->mm);
	return pt;

err_tlb_notifier:
	mmu_notifier_unregister(&pt->tlb_notifier, pt->cmm);
err_notifier:
	mmu_notifier_unregister(&pt->notifier, pt->cmm);
err_mm:
	WRITE_ONCE(pt->cmm->ptshare, ERR_PTR(-ESRCH));
	mmput(pt->cmm);
err_free:
	kfree_rcu(pt, rcu);
	return ERR_PTR(err);
}

/* The largest alignment that is of use, in bytes. */
unsigned long ptshare_granule(int share)
{
	switch (share) {
	case PTSHARE_SHARE_PUD:
		return PUD_SIZE;
	case PTSHARE_SHARE_PMD:
		return PMD_SIZE;
	default:
		return PAGE_SIZE;
	}
}

/**
 * ptshare_limits - the part of INFO that a container need not exist for
 * @info: filled in
 */
void ptshare_limits(struct ptshare_info *info)
{
	info->granule = ptshare_granule(READ_ONCE(ptshare_share));
	info->features = PTSHARE_FEATURE_SHMEM | PTSHARE_FEATURE_NOTIFY;
	info->max_regions = READ_ONCE(sysctl_max_map_count);
	info->max_ranges = PTSHARE_MAX_RANGES;
}

/*
 * UNMAP leaves page tables behind, and exit_mmap() looks for them below VMAs
 * only. Give back what lies in the holes; what a table shares with a region
 * stays for exit_mmap().
 */
static void ptshare_free_hole_tables(struct ptshare *pt)
{
	VMA_ITERATOR(vmi, pt->cmm, 0);
	unsigned long end = PTSHARE_BASE + pt->length;
	unsigned long hole = PTSHARE_BASE, floor = FIRST_USER_ADDRESS;
	struct mm_struct *cmm = pt->cmm;
	struct vm_area_struct *vma;
	struct mmu_gather tlb;

	mmap_write_lock(cmm);
	tlb_gather_mmu(&tlb, cmm);
	for_each_vma(vmi, vma) {
		if (hole < vma->vm_start)
			free_pgd_range(&tlb, hole, vma->vm_start, floor,
				       vma->vm_start);
		hole = vma->vm_end;
		floor = vma->vm_end;
	}
	if (hole < end)
		free_pgd_range(&tlb, hole, end, floor, USER_PGTABLES_CEILING);
	tlb_finish_mmu(&tlb);
	mmap_write_unlock(cmm);
}

/**
 * ptshare_pin - keep the memory of a container, but not the container
 * @cmm: a container's mm
 *
 * For a walker of core mm, which holds the last file no more than its mm.
 *
 * Return: NULL if it is gone.
 */
struct ptshare *ptshare_pin(struct mm_struct *cmm)
{
	struct ptshare *pt;

	rcu_read_lock();
	pt = READ_ONCE(cmm->ptshare);
	if (IS_ERR_OR_NULL(pt) || !refcount_inc_not_zero(&pt->pins))
		pt = NULL;
	rcu_read_unlock();
	return pt;
}

void ptshare_unpin(struct ptshare *pt)
{
	if (!refcount_dec_and_test(&pt->pins))
		return;
	ptshare_links_destroy(pt);
	kfree_rcu(pt, rcu);
}

/*
 * The last file is gone, and with it every window: nobody but a core mm walker
 * with a reference of its own can look at cmm.
 */
static void ptshare_release(struct kref *refs)
{
	struct ptshare *pt = container_of(refs, struct ptshare, refs);
	struct mm_struct *cmm = pt->cmm;

	VM_WARN_ON_ONCE(atomic_read(&pt->nr_windows));
	VM_WARN_ON_ONCE(mapping_mapped(&pt->mapping));

	xa_erase(&ptshare_ids, pt->id);
	mmu_notifier_unregister(&pt->tlb_notifier, cmm);
	mmu_notifier_unregister(&pt->notifier, cmm);
	ptshare_trim_end(pt);
	ptshare_free_hole_tables(pt);
	/*
	 * Whoever still has a reference on cmm finds it owned by nobody; it
	 * stays a container's for lockdep until it is freed.
	 */
	WRITE_ONCE(cmm->ptshare, ERR_PTR(-ESRCH));
	mmput(cmm);
	mem_cgroup_put(pt->memcg);
	ptshare_unpin(pt);
}

void ptshare_get(struct ptshare *pt)
{
	kref_get(&pt->refs);
}

void ptshare_put(struct ptshare *pt)
{
	kref_put(&pt->refs, ptshare_release);
}

/**
 * ptshare_set_file - tie a container to its first file
 * @pt: container
 * @file: not installed yet
 *
 * The mapping is the container's own, not the inode's: it takes a lock class
 * of its own, which would stay with the inode's memory.
 */
void ptshare_set_file(struct ptshare *pt, struct file *file)
{
	pt->ino = file_inode(file)->i_ino;
	pt->mapping.host = file_inode(file);
	file->f_mapping = &pt->mapping;
	trace_ptshare_create(pt);
}
