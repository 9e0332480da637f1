// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: writers that wait for a decision, and page faults.
 *
 * Owns struct wn_waiter, which lies on the stack of the writer and in a list of
 * the file, under wn->lock. A writer that was woken takes that lock before it
 * leaves, so that whoever wakes it may use it until then. Lock order in
 * write_notify.h.
 *
 * Sleeping in a fault means: give up the lock that the fault came with, sleep,
 * and have the fault repeated. A store that is refused after that gets its
 * signal here, as there is no way to return an error without the lock; the
 * kernel's accesses come with the mmap_lock, which is taken again.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/ptshare.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "internal.h"
#include "write_notify.h"

/**
 * struct wn_waiter - a writer that sleeps
 * @node: in wn->waiters
 * @task: that sleeps
 * @index: page it is to write
 * @deadline: in jiffies; 0 if it waits for ever
 * @verdict: WN_WAIT until it is woken, and out of the list by then
 */
struct wn_waiter {
	struct list_head node;
	struct task_struct *task;
	pgoff_t index;
	unsigned long deadline;
	enum wn_verdict verdict;
};

static struct list_head *bucket(struct write_notify *wn, pgoff_t index)
{
	return &wn->waiters[hash_long(index, ilog2(WN_BUCKETS))];
}

/* Does somebody wait for this page? */
bool wn_has_waiter(struct write_notify *wn, pgoff_t index)
{
	struct wn_waiter *waiter;

	lockdep_assert_held(&wn->lock);
	if (!wn->nr_waiters)
		return false;
	list_for_each_entry(waiter, bucket(wn, index), node)
		if (waiter->index == index)
			return true;
	return false;
}

static void waiter_del(struct write_notify *wn, struct wn_waiter *waiter)
{
	list_del(&waiter->node);
	wn->nr_waiters--;
}

static unsigned long wake_bucket(struct write_notify *wn,
				 struct list_head *list, pgoff_t first,
				 pgoff_t last, enum wn_verdict verdict)
{
	struct wn_waiter *waiter, *next;
	unsigned long nr = 0;

	list_for_each_entry_safe(waiter, next, list, node) {
		if (waiter->index < first || waiter->index > last)
			continue;
		waiter_del(wn, waiter);
		WRITE_ONCE(waiter->verdict, verdict);
		wake_up_process(waiter->task);
		nr++;
	}
	return nr;
}

/**
 * wn_wake - tell writers that wait
 * @wn: the file
 * @first: first page
 * @last: last page
 * @verdict: WN_GO or WN_FAIL
 *
 * Context: under wn->lock.
 * Return: how many there were.
 */
unsigned long wn_wake(struct write_notify *wn, pgoff_t first, pgoff_t last,
		      enum wn_verdict verdict)
{
	unsigned long nr = 0, index;
	void *deadline;
	unsigned int i;

	lockdep_assert_held(&wn->lock);
	if (!xa_empty(&wn->deadlines))
		xa_for_each_range(&wn->deadlines, index, deadline, first, last)
			xa_erase(&wn->deadlines, index);
	if (!wn->nr_waiters)
		return 0;
	if (first == last)
		return wake_bucket(wn, bucket(wn, first), first, last, verdict);
	for (i = 0; i < WN_BUCKETS; i++)
		nr += wake_bucket(wn, &wn->waiters[i], first, last, verdict);
	return nr;
}

/* What one of those who wait for a page has, or 0. */
static unsigned long waiters_deadline(struct write_notify *wn, pgoff_t index)
{
	struct wn_waiter *waiter;

	lockdep_assert_held(&wn->lock);
	list_for_each_entry(waiter, bucket(wn, index), node)
		if (waiter->index == index && waiter->deadline)
			return waiter->deadline;
	return 0;
}

/*
 * When the page has waited enough: since the first who waited for it, so that
 * signals, after which a writer comes back, give nobody more time. Who does not
 * come back for as long again is forgotten.
 */
static unsigned long page_deadline(struct write_notify *wn, pgoff_t index,
				   u64 timeout)
{
	unsigned long delay = min_t(u64, nsecs_to_jiffies64(timeout) + 1,
				    MAX_SCHEDULE_TIMEOUT / 2);
	unsigned long deadline = waiters_deadline(wn, index);
	void *kept = NULL;

	if (deadline)
		return deadline;
	if (!xa_empty(&wn->deadlines))
		kept = xa_load(&wn->deadlines, index);
	if (kept && time_before(jiffies, xa_to_value(kept) + delay))
		return xa_to_value(kept);
	return jiffies + delay;
}

/* Joins those who wait; the first one for a page is told. */
static long waiter_add(struct write_notify *wn, struct wn_waiter *waiter,
		       const struct wn_access *access)
{
	struct wn_range *range = wn_first_range(wn, waiter->index,
						waiter->index);
	u64 timeout = range->params.timeout_ns;

	if (!wn_has_waiter(wn, waiter->index))
		wn_queue_add(range, PTSHARE_EVENT_WRITE,
			     access->flags | PTSHARE_EVENT_F_BLOCKED,
			     waiter->index, 1, access->addr);
	if (timeout != U64_MAX)
		waiter->deadline = page_deadline(wn, waiter->index, timeout);
	list_add_tail(&waiter->node, bucket(wn, waiter->index));
	wn->nr_waiters++;
	if (!waiter->deadline)
		return MAX_SCHEDULE_TIMEOUT;
	return max_t(long, waiter->deadline - jiffies, 0);
}

/*
 * Nobody has decided: out of patience, or a signal. The last one who leaves for
 * a signal has the deadline kept; without memory for it the next writer starts
 * anew.
 */
static enum wn_verdict waiter_leave(struct write_notify *wn,
				    struct wn_waiter *waiter,
				    struct wn_access *access, long left)
{
	waiter_del(wn, waiter);
	if (!left) {
		access->late = true;
		return wn_ask_locked(wn, waiter->index, access);
	}
	if (waiter->deadline && !waiters_deadline(wn, waiter->index))
		xa_store(&wn->deadlines, waiter->index,
			 xa_mk_value(waiter->deadline), GFP_NOWAIT);
	return WN_WAIT;
}

static long waiter_sleep(struct wn_waiter *waiter, unsigned int state,
			 long left)
{
	for (;;) {
		set_current_state(state);
		if (READ_ONCE(waiter->verdict) != WN_WAIT || !left ||
		    signal_pending_state(state, current))
			break;
		left = schedule_timeout(left);
	}
	__set_current_state(TASK_RUNNING);
	return left;
}

/**
 * wn_wait - sleep until a page may be written
 * @wn: the file, of which the caller holds a reference
 * @index: the page
 * @access: who writes, and how; it is late if nobody has decided in time
 * @state: TASK_INTERRUPTIBLE or TASK_KILLABLE
 *
 * Context: no locks.
 * Return: WN_GO, WN_FAIL, or WN_WAIT if a signal came first.
 */
enum wn_verdict wn_wait(struct write_notify *wn, pgoff_t index,
			struct wn_access *access, unsigned int state)
{
	struct wn_waiter waiter = {
		.task = current, .index = index, .verdict = WN_WAIT,
	};
	enum wn_verdict verdict;
	long left;

	might_sleep();
	/* Who is to be killed and tries once more is not worth an event. */
	if (signal_pending_state(state, current))
		return WN_WAIT;
	spin_lock(&wn->lock);
	verdict = wn_ask_locked(wn, index, access);
	if (verdict != WN_WAIT) {
		spin_unlock(&wn->lock);
		return verdict;
	}
	left = waiter_add(wn, &waiter, access);
	spin_unlock(&wn->lock);

	left = waiter_sleep(&waiter, state, left);

	spin_lock(&wn->lock);
	verdict = waiter.verdict;
	if (verdict == WN_WAIT)
		verdict = waiter_leave(wn, &waiter, access, left);
	spin_unlock(&wn->lock);
	return verdict;
}

/* --- page faults ---------------------------------------------------------- */

static struct wn_access fault_access(unsigned long addr, unsigned int flags)
{
	struct wn_access access = { .addr = addr };

	if (!(flags & FAULT_FLAG_USER))
		access.flags |= PTSHARE_EVENT_F_KERNEL;
	if (flags & FAULT_FLAG_REMOTE)
		access.flags |= PTSHARE_EVENT_F_REMOTE;
	return access;
}

/**
 * wn_fault_ask - may a write fault go on?
 * @wn: the file
 * @index: the page
 * @addr: of the access
 * @flags: FAULT_FLAG_*
 *
 * Context: any in which faults are handled; does not sleep.
 * Return: 0; VM_FAULT_SIGBUS; VM_FAULT_RETRY if wn_fault_sleep() is to be
 * called without locks, or, with FAULT_FLAG_RETRY_NOWAIT, if the fault is to be
 * repeated by somebody who may sleep.
 */
vm_fault_t wn_fault_ask(struct write_notify *wn, pgoff_t index,
			unsigned long addr, unsigned int flags)
{
	struct wn_access access = fault_access(addr, flags);

	access.nosleep = !(flags & FAULT_FLAG_ALLOW_RETRY);
	switch (wn_ask_page(wn, index, &access)) {
	case WN_GO:
		return 0;
	case WN_WAIT:
		return VM_FAULT_RETRY;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/**
 * wn_fault_sleep - wait for what wn_fault_ask() could not tell
 * @wn: the file, of which the caller holds a reference
 * @index: the page
 * @addr: of the access
 * @flags: FAULT_FLAG_*
 * @mm: whose lock the fault came with
 *
 * Signals end the sleep of a store; it comes again after them. An access of the
 * kernel ends for fatal ones only: it would be repeated at once.
 *
 * Context: the lock of the fault was given up.
 * Return: 0 if a store was let through; VM_FAULT_RETRY, which is right for that
 * too; or VM_FAULT_SIGBUS with the mmap_lock of @mm held.
 */
vm_fault_t wn_fault_sleep(struct write_notify *wn, pgoff_t index,
			  unsigned long addr, unsigned int flags,
			  struct mm_struct *mm)
{
	struct wn_access access = fault_access(addr, flags);
	bool user = flags & FAULT_FLAG_USER;

	/* The kernel comes again with the mmap_lock, which can be retaken. */
	if (!user && (flags & FAULT_FLAG_VMA_LOCK))
		return VM_FAULT_RETRY;
	switch (wn_wait(wn, index, &access,
			user ? TASK_INTERRUPTIBLE : TASK_KILLABLE)) {
	case WN_GO:
		return user ? 0 : VM_FAULT_RETRY;
	case WN_WAIT:
		return VM_FAULT_RETRY;
	case WN_FAIL:
		break;
	}
	if (user) {
		force_sig_fault(SIGBUS, BUS_ADRERR, (void __user *)addr);
		return VM_FAULT_RETRY;
	}
	mmap_read_lock(mm);
	return VM_FAULT_SIGBUS;
}

static vm_fault_t fault_ask(struct vm_fault *vmf)
{
	struct write_notify *wn;

	wn = wn_find(vmf->vma->vm_file->f_mapping);
	if (!wn)
		return 0;
	return wn_fault_ask(wn, vmf->pgoff, vmf->real_address, vmf->flags);
}

/* Gives up the fault's lock, and sleeps. */
static vm_fault_t fault_sleep(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);
	unsigned long addr = vmf->real_address;
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned int flags = vmf->flags;
	pgoff_t index = vmf->pgoff;
	vm_fault_t ret;

	release_fault_lock(vmf);
	ret = wn_fault_sleep(wn_find(file->f_mapping), index, addr, flags,
			     mm);
	fput(file);
	return ret ?: VM_FAULT_RETRY;
}

/**
 * write_notify_refused - the end of a fault that may not go on
 * @vmf: the fault
 * @ret: of write_notify_wp(), whose lock was dropped; 0 stays 0
 *
 * Context: as ->fault(): VM_FAULT_RETRY means that the lock was dropped.
 * Return: what the fault is to return.
 */
vm_fault_t write_notify_refused(struct vm_fault *vmf, vm_fault_t ret)
{
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return fault_sleep(vmf);
	return ret;
}

/**
 * write_notify_fault - ask before a page is mapped to be written
 * @vmf: a write fault in a shared mapping of a file that is or was watched
 *
 * For a container's own mm ptshare_fault() has asked, who knows the window.
 *
 * Context: as ->fault(): VM_FAULT_RETRY means that the lock was dropped.
 * Return: 0 if the fault may go on, or what it is to return.
 */
vm_fault_t write_notify_fault(struct vm_fault *vmf)
{
	if (mm_is_ptshare(vmf->vma->vm_mm))
		return 0;
	return write_notify_refused(vmf, fault_ask(vmf));
}

/**
 * write_notify_wp - ask before an entry is made writable
 * @vmf: a write fault in a shared mapping of a file that is or was watched
 *
 * Context: under the page table lock.
 * Return: 0 if it may, else what to give write_notify_refused() without the lock.
 */
vm_fault_t write_notify_wp(struct vm_fault *vmf)
{
	if (!mm_is_ptshare(vmf->vma->vm_mm))
		return fault_ask(vmf);
	/* Armed again since ptshare_fault() asked: the access comes again. */
	return write_notify_armed(vmf->vma, vmf->address, 1) ?
		VM_FAULT_NOPAGE : 0;
}
