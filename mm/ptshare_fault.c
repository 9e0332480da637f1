// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare windows: faults and get_user_pages(), redirected to the container.
 *
 * A fault in a window first tries to show what cmm has already, by a link or a
 * mirror. If that is not enough it becomes a fault of cmm on the region VMA,
 * under both locks of the same flavour: the two VMA locks, or the two mmap_locks.
 * The order is in ptshare.h.
 *
 * FAULT_FLAG_USER is passed down: nothing below handle_mm_fault() counts by it,
 * and who asks whether a user or the kernel writes shall hear the truth.
 */
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "internal.h"
#include "ptshare.h"
#include "write_notify.h"

#include <trace/events/ptshare.h>

/* What core mm expects of a fault handler that returns VM_FAULT_RETRY. */
static void window_unlock(struct vm_area_struct *vma, unsigned int flags)
{
	if (flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(vma);
	else
		mmap_read_unlock(vma->vm_mm);
}

static void host_unlock(struct mm_struct *cmm, struct vm_area_struct *host,
			unsigned int flags)
{
	if (flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(host);
	else
		mmap_read_unlock(cmm);
}

/* The mmap_lock of cmm, as patiently as the fault allows. */
static vm_fault_t host_mmap_lock(struct mm_struct *cmm,
				 struct vm_area_struct *vma, unsigned int flags)
{
	if (flags & FAULT_FLAG_RETRY_NOWAIT)
		return mmap_read_trylock(cmm) ? 0 : VM_FAULT_RETRY;

	if (!(flags & FAULT_FLAG_KILLABLE)) {
		mmap_read_lock(cmm);
		return 0;
	}
	if (!mmap_read_lock_killable(cmm))
		return 0;
	/* Killed: who retries looks for the signal first. */
	window_unlock(vma, flags);
	return VM_FAULT_RETRY;
}

/*
 * Finds and locks the region VMA, or returns NULL with the answer in @ret.
 * Under a VMA lock cmm's mmap_lock must not be waited for, and "no region" must
 * not be said: it may be a REPLACE that has not stored the new one yet.
 */
static struct vm_area_struct *host_lock(struct vm_area_struct *vma,
					unsigned long haddr, unsigned int flags,
					vm_fault_t *ret)
{
	struct mm_struct *cmm = vma_ptshare(vma)->cmm;
	struct vm_area_struct *host;

	if (flags & FAULT_FLAG_VMA_LOCK) {
		host = lock_vma_under_rcu(cmm, haddr);
		if (!host) {
			window_unlock(vma, flags);
			*ret = VM_FAULT_RETRY;
		}
		return host;
	}

	*ret = host_mmap_lock(cmm, vma, flags);
	if (*ret)
		return NULL;
	host = vma_lookup(cmm, haddr);
	if (!host) {
		mmap_read_unlock(cmm);
		*ret = VM_FAULT_SIGBUS;
	}
	return host;
}

static bool host_permits(const struct vm_area_struct *host, unsigned int flags)
{
	if (flags & FAULT_FLAG_INSTRUCTION)
		return false;
	return host->vm_flags & (flags & FAULT_FLAG_WRITE ? VM_WRITE : VM_READ);
}

/*
 * A store that waited may have been let through. Without any lock of the window,
 * which may be gone: what the container has at that address by now is made
 * writable, if it may be. That spares the store a second fault.
 */
static vm_fault_t host_complete(struct mm_struct *cmm, unsigned long haddr)
{
	struct vm_area_struct *host = lock_vma_under_rcu(cmm, haddr);
	bool done;

	if (!host)
		return VM_FAULT_RETRY;
	done = host_permits(host, FAULT_FLAG_WRITE) && vma_write_notify(host) &&
	       ptshare_upgrade(host, NULL, haddr);
	vma_end_read(host);
	return done ? VM_FAULT_COMPLETED : VM_FAULT_RETRY;
}

/* Gives up both locks, and sleeps until the page is decided. */
static vm_fault_t window_sleep(struct vm_area_struct *vma,
			       struct vm_area_struct *host,
			       unsigned long address, unsigned int flags)
{
	unsigned long haddr = ptshare_host_addr(vma, address) & PAGE_MASK;
	struct mm_struct *mm = vma->vm_mm, *cmm = host->vm_mm;
	struct file *backing = get_file(host->vm_file);
	pgoff_t index = linear_page_index(host, haddr);
	struct file *container = get_file(vma->vm_file);
	vm_fault_t ret;

	host_unlock(cmm, host, flags);
	window_unlock(vma, flags);
	ret = wn_fault_sleep(wn_find(backing->f_mapping), index, address, flags,
			     mm);
	fput(backing);
	if (!ret)
		ret = host_complete(cmm, haddr);
	fput(container);
	return ret;
}

/*
 * May the region's file be written there? Asked here and not below, where the
 * address of the access is not known, and not both locks can be given up.
 */
static vm_fault_t window_ask(struct vm_area_struct *vma,
			     struct vm_area_struct *host, unsigned long address,
			     unsigned int flags)
{
	struct write_notify *wn = wn_find(host->vm_file->f_mapping);
	pgoff_t index = linear_page_index(host, ptshare_host_addr(vma, address));
	vm_fault_t ret;

	if (!wn)
		return 0;
	ret = wn_fault_ask(wn, index, address, flags);
	if (ret == VM_FAULT_RETRY && !(flags & FAULT_FLAG_RETRY_NOWAIT))
		return window_sleep(vma, host, address, flags);
	if (ret)
		host_unlock(host->vm_mm, host, flags);
	return ret;
}

/*
 * Makes cmm have the page. Returns with the window's lock held, unless it
 * returns VM_FAULT_COMPLETED, or VM_FAULT_RETRY to a fault that may be retried
 * later.
 */
static vm_fault_t host_fault(struct vm_area_struct *vma, unsigned long address,
			     unsigned int flags)
{
	unsigned long haddr = ptshare_host_addr(vma, address) & PAGE_MASK;
	struct ptshare *pt = vma_ptshare(vma);
	bool nowait = flags & FAULT_FLAG_RETRY_NOWAIT;
	struct vm_area_struct *host;
	struct mem_cgroup *old;
	vm_fault_t ret;

	host = host_lock(vma, haddr, flags, &ret);
	if (!host)
		return ret;
	if (!host_permits(host, flags)) {
		host_unlock(pt->cmm, host, flags);
		return VM_FAULT_SIGSEGV | VM_FAULT_PTSHARE_ACCERR;
	}
	if ((flags & FAULT_FLAG_WRITE) && vma_write_notify(host)) {
		ret = window_ask(vma, host, address, flags);
		if (ret)
			return ret;
		if (ptshare_upgrade(host, READ_ONCE(vma->vm_private_data),
				    haddr)) {
			host_unlock(pt->cmm, host, flags);
			return 0;
		}
	}

	old = ptshare_charge_begin(pt);
	ret = ptshare_host_fault(host, haddr, flags);
	ptshare_charge_end(old);

	/* RETRY and COMPLETED have dropped cmm's lock; @host may be gone. */
	if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) ||
	    ((ret & VM_FAULT_RETRY) && nowait))
		host_unlock(pt->cmm, host, flags);
	if ((ret & VM_FAULT_RETRY) && !nowait)
		window_unlock(vma, flags);
	/* That was cmm's lock, not the window's. */
	ret &= ~VM_FAULT_COMPLETED;

	/*
	 * There is no memory: the group that pays is full, and killing somebody
	 * of it has not helped. The access would come back for ever. A task
	 * that is to wait for the OOM handling of its own group still does.
	 */
	if ((ret & VM_FAULT_OOM) && !task_in_memcg_oom(current))
		ret = (ret & ~VM_FAULT_OOM) | VM_FAULT_SIGBUS;
	return ret;
}

/* An invalidation is under way where a mirror is to be set. */
static vm_fault_t window_wait(struct vm_area_struct *vma, unsigned long haddr,
			      unsigned int flags)
{
	struct ptshare *pt = vma_ptshare(vma);
	struct file *file;

	if (flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	/*
	 * No lock that we hold is taken between start and end on cmm. Killed
	 * or not, who may not retry comes back at once.
	 */
	if (!(flags & FAULT_FLAG_ALLOW_RETRY)) {
		ptshare_gate_wait(pt, haddr, false);
		return 0;
	}

	file = get_file(vma->vm_file);
	window_unlock(vma, flags);
	ptshare_gate_wait(pt, haddr, true);
	fput(file);
	return VM_FAULT_RETRY;
}

/*
 * Shows what cmm has, by a link or a mirror. @linked: whether there is a link,
 * so that what cmm gets from now on is shown without further ado.
 */
static int window_show(struct vm_area_struct *vma, unsigned long address,
		       bool write, bool *linked)
{
	struct ptshare_window *window = ptshare_window_get(vma);
	unsigned long haddr = ptshare_host_addr(vma, address) & PAGE_MASK;
	int err;

	if (!window)
		return -ENOMEM;
	do {
		err = ptshare_link(vma, window, address);
		*linked = err > 0;
		if (*linked)
			return ptshare_peek(vma_ptshare(vma)->cmm, haddr,
					    write) ? 0 : -ENOENT;
		if (!err)
			err = ptshare_mirror(vma, window, address, write);
	} while (err == -ESTALE);
	return err;
}

/**
 * ptshare_fault - handle a fault in a window
 * @vma: the window
 * @address: in the window
 * @flags: FAULT_FLAG_*; the lock they name is held
 *
 * Context: as handle_mm_fault(): VM_FAULT_RETRY without
 * FAULT_FLAG_RETRY_NOWAIT means that the lock was dropped.
 * Return: VM_FAULT_*; VM_FAULT_SIGBUS for a hole, VM_FAULT_SIGSEGV with
 * VM_FAULT_PTSHARE_ACCERR where the region does not allow the access.
 */
vm_fault_t ptshare_fault(struct vm_area_struct *vma, unsigned long address,
			 unsigned int flags)
{
	struct ptshare_window *window = READ_ONCE(vma->vm_private_data);
	unsigned long haddr = ptshare_host_addr(vma, address) & PAGE_MASK;
	unsigned long ino = vma_ptshare(vma)->ino;
	bool write = flags & FAULT_FLAG_WRITE, linked = false;
	vm_fault_t ret = 0;
	int err = -ENOENT;

	/* Where there is a link there are no notifiers (I10). */
	if (window && ptshare_peek_slot(window, haddr, write, &linked))
		return 0;
	if (!linked)
		err = window_show(vma, address, write, &linked);
	if (err == -ENOENT) {
		ret = host_fault(vma, address, flags);
		trace_ptshare_fault(ino, haddr, flags, ret);
		if (ret & (VM_FAULT_ERROR | VM_FAULT_RETRY | VM_FAULT_COMPLETED))
			return ret;
		if (linked)
			return ret & VM_FAULT_MAJOR;
		err = window_show(vma, address, write, &linked);
	}

	switch (err) {
	case -ENOMEM:
		return VM_FAULT_OOM;
	case -EAGAIN:
		return window_wait(vma, haddr, flags);
	default:
		/* With -ENOENT the page is gone again; so comes the access. */
		return ret & VM_FAULT_MAJOR;
	}
}

/**
 * ptshare_gup_begin - where get_user_pages() finds a window's page
 * @vma: the window
 * @address: in the window
 * @nowait: do not sleep
 * @haddr: result: the address in cmm
 *
 * A window's mm with notifiers of its own gets pages of an open gate only. Its
 * notifiers took their sequence count before: either they were told of the
 * invalidation after that and will drop the page, or it is over and cmm has the
 * new entry. The gate must be looked at before the entry is.
 *
 * Context: the window's mmap_lock is held. Takes cmm's mmap_lock for read.
 * Return: the region VMA, for ptshare_gup_end(); NULL if a fault is to sort it
 * out; ERR_PTR(-ENOMEM); ERR_PTR(-EINTR) if killed; ERR_PTR(-EBUSY) if it would sleep, because a
 * fault might succeed without cmm's lock and come back here for ever.
 */
struct vm_area_struct *ptshare_gup_begin(struct vm_area_struct *vma,
					 unsigned long address, bool nowait,
					 unsigned long *haddr)
{
	struct ptshare *pt = vma_ptshare(vma);
	struct vm_area_struct *host;

	mmap_assert_locked(vma->vm_mm);
	*haddr = ptshare_host_addr(vma, address);
	if (mm_has_notifiers(vma->vm_mm)) {
		/* Invalidations visit it from now on. */
		if (!ptshare_window_get(vma))
			return ERR_PTR(-ENOMEM);
		if (ptshare_gate_closed(pt, *haddr))
			return NULL;
	}

	if (nowait) {
		if (!mmap_read_trylock(pt->cmm))
			return ERR_PTR(-EBUSY);
	} else if (mmap_read_lock_killable(pt->cmm)) {
		return ERR_PTR(-EINTR);
	}
	host = vma_lookup(pt->cmm, *haddr);
	if (!host)
		mmap_read_unlock(pt->cmm);
	return host;
}

void ptshare_gup_end(struct vm_area_struct *host)
{
	mmap_read_unlock(host->vm_mm);
}

/* Cuts a range of a window down to the next region; false if there is none. */
static bool populate_clip(struct vm_area_struct *vma, unsigned long *start,
			  unsigned long *end)
{
	struct mm_struct *cmm = vma_ptshare(vma)->cmm;
	unsigned long shift = ptshare_host_addr(vma, *start) - *start;
	struct vm_area_struct *host;

	mmap_assert_locked(vma->vm_mm);
	if (mmap_read_lock_killable(cmm))
		return false;
	host = find_vma_intersection(cmm, *start + shift, *end + shift);
	if (host) {
		*end = min(*end, host->vm_end - shift);
		*start = max(*start, host->vm_start - shift);
	}
	mmap_read_unlock(cmm);
	return host;
}

/**
 * ptshare_populate - MAP_POPULATE for a window
 * @start: address of a new mapping
 * @len: bytes
 *
 * Does nothing where the mapping is no window. Like MAP_POPULATE elsewhere it
 * tells nobody of errors; a hole does not end it, what follows is as wanted.
 *
 * Context: no lock held. Takes mmap_lock of the caller's mm for read.
 */
void ptshare_populate(unsigned long start, unsigned long len)
{
	unsigned long end = start + len, next;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int locked = 0;
	long done;

	while (start < end && !fatal_signal_pending(current)) {
		if (!locked && mmap_read_lock_killable(mm))
			return;
		locked = 1;
		vma = vma_lookup(mm, start);
		if (!vma || !vma_is_ptshare(vma))
			break;
		next = min(end, vma->vm_end);
		if (!populate_clip(vma, &start, &next))
			break;
		done = populate_vma_page_range(vma, start, next, &locked);
		start = done < 0 ? next : start + done * PAGE_SIZE;
	}
	if (locked)
		mmap_read_unlock(mm);
}
