// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How a window is made, and how it is turned back into an ordinary mapping.
 *
 * Memory that the program asks for is a memfd, shown by a container that is
 * long enough for its page tables to be shared. Both live as long as the window,
 * so no fd stays open: a program may close or count all fds that it has.
 *
 * What a window refuses (other permissions for one process, unmapping or moving
 * a part) works on an ordinary mapping of the memfd. The handle is there for
 * that: a page of the memfd that mremap() makes any mapping of.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ptshare.h>
#include "shim.h"

#define PROT_RW		(PROT_READ | PROT_WRITE)

/* What fits at any hint and in the low GiBs, and is still worth it. */
#define SMALL_ALIGN	(2UL << 20)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif

struct parts {
	int memory;
	int box;
	size_t align;
	int flags;		/* of mmap() */
};

static size_t round_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static int make_memory(size_t length)
{
	struct rlimit limit;
	int fd, err;

	/* ftruncate() would answer with a signal. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && length > limit.rlim_cur)
		return -EFBIG;
	fd = memfd_create("ptshare-shim", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, length))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int make_box(struct parts *parts, struct shim_window *window)
{
	struct ptshare_info info;
	int dev, ret;

	dev = ptshare_open();
	if (dev < 0)
		return dev;
	ret = ptshare_info(dev, &info);
	if (!ret) {
		if (info.granule < parts->align)
			parts->align = info.granule;
		window->size = round_up(window->length, parts->align);
		ret = ptshare_create(dev, window->size, PROT_RW);
	}
	close(dev);
	if (ret < 0)
		return ret;
	parts->box = ret;
	ret = ptshare_map(parts->box, 0, window->length, PROT_RW, parts->memory,
			  0, 0);
	if (ret)
		close(parts->box);
	return ret;
}

static int map_box(const struct parts *parts, struct shim_window *window,
		   void *hint)
{
	void *want = (void *)round_up((uintptr_t)hint, parts->align);
	void *addr;

	addr = next_mmap(want, window->size, PROT_RW, parts->flags, parts->box,
			 0);
	/* Not there: then where the kernel says that tables can be shared. */
	if (want && addr != MAP_FAILED && addr != want) {
		next_munmap(addr, window->size);
		addr = next_mmap(NULL, window->size, PROT_RW, parts->flags,
				 parts->box, 0);
	}
	if (addr == MAP_FAILED)
		return -errno;
	window->addr = (uintptr_t)addr;
	return 0;
}

static int map_handle(const struct parts *parts, struct shim_window *window)
{
	window->handle = next_mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE,
				   MAP_SHARED, parts->memory, 0);
	return window->handle == MAP_FAILED ? -errno : 0;
}

/*
 * 0, or -errno with nothing left behind. @place: MAP_32BIT, or 0; there is room
 * for one GiB there, which others want too.
 */
int window_make(struct shim_window *window, void *hint, size_t length,
		int place)
{
	struct parts parts = {
		.align = hint || place ? SMALL_ALIGN : SIZE_MAX,
		.flags = MAP_SHARED | place,
	};
	int ret;

	window->length = length;
	parts.memory = make_memory(length);
	if (parts.memory < 0)
		return parts.memory;
	ret = make_box(&parts, window);
	if (ret)
		goto out_memory;
	ret = map_handle(&parts, window);
	if (ret)
		goto out_box;
	ret = map_box(&parts, window, hint);
	if (ret)
		next_munmap(window->handle, sysconf(_SC_PAGESIZE));
out_box:
	close(parts.box);
out_memory:
	close(parts.memory);
	return ret;
}

/* An ordinary mapping of the first @length bytes, with the handle's PROT_NONE */
static void *copy_mapping(const struct shim_window *window, size_t length)
{
	return next_mremap(window->handle, 0, length, MREMAP_MAYMOVE, NULL);
}

/*
 * Puts an ordinary mapping of the same memory in the place of the window, for
 * this process; no thread of it meets a hole meanwhile.
 */
int window_demote(struct shim_window *window)
{
	char *addr = (char *)window->addr;
	void *copy = copy_mapping(window, window->size);

	if (copy == MAP_FAILED)
		return -errno;
	if (next_mprotect(copy, window->size, PROT_RW) ||
	    next_mremap(copy, window->size, window->size,
			MREMAP_MAYMOVE | MREMAP_FIXED, addr) == MAP_FAILED) {
		int err = -errno;

		next_munmap(copy, window->size);
		return err;
	}
	if (window->size > window->length)
		next_munmap(addr + window->length,
			    window->size - window->length);
	next_munmap(window->handle, sysconf(_SC_PAGESIZE));
	return 0;
}

/* MADV_REMOVE: what is taken out of the memfd is out of the window. */
int window_punch(const struct shim_window *window, uintptr_t start,
		 size_t length)
{
	size_t offset = start - window->addr;
	char *copy = copy_mapping(window, offset + length);
	int ret;

	if (copy == MAP_FAILED)
		return -errno;
	ret = next_madvise(copy + offset, length, MADV_REMOVE) ? -errno : 0;
	next_munmap(copy, offset + length);
	return ret;
}
