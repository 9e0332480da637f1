// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The windows of this process. fork() hands the table on with the windows.
 *
 * Most calls have nothing to do with a window. They see that by the bounds of
 * all windows so far, without the lock: a window that another thread is just
 * making has no address yet that this one could know.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/mman.h>
#include "shim.h"

#define MAX_WINDOWS	256

static struct shim_window windows[MAX_WINDOWS];
static unsigned int nr_windows;
static uintptr_t lowest = UINTPTR_MAX, highest;

static uintptr_t page_up(uintptr_t value)
{
	uintptr_t mask = sysconf(_SC_PAGESIZE) - 1;

	return (value + mask) & ~mask;
}

/* The next window after @window, or the first, that [start, end) meets. */
static struct shim_window *overlap(struct shim_window *window, uintptr_t start,
				   uintptr_t end)
{
	window = window ? window + 1 : windows;
	for (; window < windows + MAX_WINDOWS; window++)
		if (window->addr && start < window->addr + window->size &&
		    window->addr < end)
			return window;
	return NULL;
}

static struct shim_window *free_slot(void)
{
	unsigned int i;

	for (i = 0; i < MAX_WINDOWS; i++)
		if (!windows[i].addr)
			return &windows[i];
	return NULL;
}

static void publish(struct shim_window *slot, const struct shim_window *window)
{
	*slot = *window;
	if (window->addr < lowest)
		__atomic_store_n(&lowest, window->addr, __ATOMIC_RELAXED);
	if (window->addr + window->size > highest)
		__atomic_store_n(&highest, window->addr + window->size,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&nr_windows, nr_windows + 1, __ATOMIC_RELEASE);
}

static void forget(struct shim_window *slot)
{
	slot->addr = 0;
	__atomic_store_n(&nr_windows, nr_windows - 1, __ATOMIC_RELEASE);
}

/* 0 and the address of a new window, or -errno. */
int table_map(void *hint, size_t length, int place, void **addr)
{
	struct shim_window window = { 0 }, *slot;
	int ret = -ENOSPC;

	length = page_up(length);
	if (!length)
		return -ENOMEM;
	shim_lock();
	slot = free_slot();
	if (slot)
		ret = window_make(&window, hint, length, place);
	if (!ret) {
		publish(slot, &window);
		*addr = (void *)window.addr;
	}
	shim_unlock();
	return ret;
}

/* May a call on this range be about a window? */
bool table_hit(const void *addr, size_t length)
{
	uintptr_t start = (uintptr_t)addr;

	return __atomic_load_n(&nr_windows, __ATOMIC_ACQUIRE) &&
	       start < __atomic_load_n(&highest, __ATOMIC_RELAXED) &&
	       start + length > __atomic_load_n(&lowest, __ATOMIC_RELAXED);
}

static void demote(struct shim_window *window)
{
	if (!window_demote(window))
		forget(window);
}

void table_demote(const void *addr, size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	struct shim_window *window = NULL;

	shim_lock();
	while ((window = overlap(window, start, start + length)))
		demote(window);
	shim_unlock();
}

/* With the lock, so that nothing of others can lie there when it is done. */
static int unmap_locked(uintptr_t start, uintptr_t end)
{
	struct shim_window *window = NULL;
	int ret;

	while ((window = overlap(window, start, end))) {
		if (start > window->addr ||
		    end < window->addr + window->length)
			demote(window);
		else if (end < window->addr + window->size)
			end = window->addr + window->size;
	}
	ret = next_munmap((void *)start, end - start);
	if (ret)
		return ret;
	while ((window = overlap(window, start, end))) {
		next_munmap(window->handle, sysconf(_SC_PAGESIZE));
		forget(window);
	}
	return 0;
}

int table_unmap(void *addr, size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	int ret, err;

	shim_lock();
	ret = unmap_locked(start, page_up(start + length));
	err = errno;
	shim_unlock();
	errno = err;
	return ret;
}

/* Advice that changes nothing that a program could rely on. */
static bool is_hint(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:	/* shared memory keeps its contents */
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_KEEPONFORK:
		return true;
	}
	return false;
}

/*
 * Advice that a window refuses. 0: done; -EAGAIN: no window is in the way now;
 * else the errno of the advice.
 */
int table_advise(void *addr, size_t length, int advice)
{
	uintptr_t start = (uintptr_t)addr, end = page_up(start + length);
	struct shim_window *window;
	int ret = -EINVAL;

	shim_lock();
	window = overlap(NULL, start, end);
	if (!window || start < window->addr ||
	    end > window->addr + window->length)
		goto out;
	if (is_hint(advice)) {
		ret = 0;
	} else if (advice == MADV_REMOVE) {
		ret = window_punch(window, start, end - start);
	} else if (advice == MADV_DODUMP) {
		demote(window);
		ret = -EAGAIN;
	}
out:
	shim_unlock();
	return ret;
}
