// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare windows: what mmap makes of a container, and what a window refuses.
 *
 * Owns struct ptshare_window. It is made when the window is first used, since
 * fork cannot fail there, and lives until ->close: core mm has by then taken
 * the VMA out of the container's i_mmap and flushed its TLB entries, so that
 * who finds a window by i_mmap, or by the list of those to flush, finds it whole.
 *
 * Locks: the order is in ptshare.h.
 */
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "internal.h"
#include "ptshare.h"

static struct ptshare_window *window_make(struct vm_area_struct *vma)
{
	struct ptshare_window *window;
	void *old = NULL;

	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		return NULL;
	INIT_LIST_HEAD(&window->node);
	window->mm = vma->vm_mm;
	window->unlink_gen = U64_MAX;
	/* Faults of the same window may run at the same time. */
	if (try_cmpxchg(&vma->vm_private_data, &old, (void *)window))
		return window;
	kfree(window);
	return old;
}

/**
 * ptshare_window_slow - have invalidations visit a window
 * @pt: its container
 * @window: the window
 *
 * To be called before the gate is looked at: whoever closes it later counts
 * this window then. The count goes first, so that who finds the mark set may
 * rely on it.
 */
void ptshare_window_slow(struct ptshare *pt, struct ptshare_window *window)
{
	/* Pairs with xchg(): it is counted by then. */
	if (smp_load_acquire(&window->slow))
		return;
	atomic_inc(&pt->nr_slow);
	if (xchg(&window->slow, true))
		atomic_dec(&pt->nr_slow);
}

/**
 * ptshare_window_get - what belongs to a window
 * @vma: the window
 *
 * Context: mmap_lock or VMA lock of the window. May sleep.
 * Return: NULL without memory.
 */
struct ptshare_window *ptshare_window_get(struct vm_area_struct *vma)
{
	struct ptshare_window *window = READ_ONCE(vma->vm_private_data);

	if (!window)
		window = window_make(vma);
	if (window && mm_has_notifiers(vma->vm_mm))
		ptshare_window_slow(vma_ptshare(vma), window);
	return window;
}

/* fork: the parent's tables were not copied, so there is nothing to take over */
static void ptshare_vm_open(struct vm_area_struct *vma)
{
	vma->vm_private_data = NULL;
	atomic_inc(&vma_ptshare(vma)->nr_windows);
}

static void ptshare_vm_close(struct vm_area_struct *vma)
{
	struct ptshare_window *window = vma->vm_private_data;
	struct ptshare *pt = vma_ptshare(vma);

	if (window) {
		ptshare_tlb_leave(pt, window);
		if (window->slow)
			atomic_dec(&pt->nr_slow);
		kfree(window);
	}
	atomic_dec(&pt->nr_windows);
}

static int ptshare_vm_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

/* Permissions are the container's: a window has the superset and keeps it. */
static int ptshare_vm_mprotect(struct vm_area_struct *vma, unsigned long start,
			       unsigned long end, unsigned long newflags)
{
	return newflags == vma->vm_flags ? 0 : -EACCES;
}

/* One object for every window: vma_is_ptshare() compares its address. */
const struct vm_operations_struct ptshare_vm_ops = {
	.open		= ptshare_vm_open,
	.close		= ptshare_vm_close,
	.may_split	= ptshare_vm_may_split,
	.mprotect	= ptshare_vm_mprotect,
};

/**
 * ptshare_advice_ok - may madvise(2) act on a window?
 * @advice: MADV_*
 *
 * What would be ignored is refused, so that nobody believes it did something.
 */
bool ptshare_advice_ok(int advice)
{
	switch (advice) {
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_DONTDUMP:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_HWPOISON:
	case MADV_SOFT_OFFLINE:
		return true;
	}
	return false;
}

/**
 * ptshare_mmap - make a new VMA a window
 * @pt: container
 * @vma: not visible to anybody yet
 *
 * VM_PFNMAP keeps away what would look for struct pages in the window's own
 * tables: reclaim, NUMA balancing, KSM, DAMON, soft-dirty, the OOM reaper. It
 * also makes tlb_end_vma() flush before ->close and before the tables go.
 *
 * Context: mmap_lock of the caller's mm for write.
 * Return: 0, -EINVAL or -EACCES.
 */
int ptshare_mmap(struct ptshare *pt, struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;

	VM_WARN_ON_ONCE(vma->vm_file->f_mapping != &pt->mapping);

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff > pt->length >> PAGE_SHIFT ||
	    size > pt->length - (vma->vm_pgoff << PAGE_SHIFT))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (pt->max_flags & ~vma->vm_flags)
		return -EACCES;

	vm_flags_mod(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_ops = &ptshare_vm_ops;
	ptshare_vm_open(vma);
	return 0;
}
