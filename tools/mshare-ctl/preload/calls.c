// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a program calls instead of the C library's functions. A call that has
 * nothing to do with a window is passed on as it is.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include "shim.h"

#define EXPORT		__attribute__((visibility("default")))
#define SAME_AS(name)	__attribute__((alias(#name)))
#define PROT_RW		(PROT_READ | PROT_WRITE)

/* Flags that a window can keep. MAP_NORESERVE is what a memfd does anyway. */
#define KEPT_FLAGS	(MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | \
			 MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_32BIT)
#define MUST_FLAGS	(MAP_SHARED | MAP_ANONYMOUS)

static bool is_candidate(size_t length, int prot, int flags, int fd,
			 off_t offset)
{
	if ((flags & MUST_FLAGS) != MUST_FLAGS || (flags & ~KEPT_FLAGS) ||
	    prot != PROT_RW || fd != -1 || offset)
		return false;
	shim_setup();
	return shim_wants(length);
}

/*
 * A memfd reserves nothing. Who asks for more than the system would promise
 * shall hear of it now, as without the shim.
 */
static bool would_succeed(size_t length, int flags)
{
	void *trial = next_mmap(NULL, length, PROT_RW, flags & ~MAP_POPULATE,
				-1, 0);

	return trial != MAP_FAILED && !next_munmap(trial, length);
}

static void *map_window(void *hint, size_t length, int flags)
{
	void *addr;
	int ret;

	if (!would_succeed(length, flags))
		return NULL;
	ret = shim_permitted();
	if (!ret)
		ret = table_map(hint, length, flags & MAP_32BIT, &addr);
	if (ret) {
		shim_failed(length, ret);
		return NULL;
	}
	/* As mmap(2), which ignores what can't be populated. */
	if ((flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		next_madvise(addr, length, MADV_POPULATE_WRITE);
	return addr;
}

EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd,
		  off_t offset)
{
	int saved = errno;

	if (is_candidate(length, prot, flags, fd, offset)) {
		void *window = map_window(addr, length, flags);

		errno = saved;
		if (window)
			return window;
	} else if ((flags & MAP_FIXED) && table_hit(addr, length)) {
		table_demote(addr, length);
		errno = saved;
	}
	return next_mmap(addr, length, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
		    off_t offset) SAME_AS(mmap);

EXPORT int munmap(void *addr, size_t length)
{
	int saved = errno, ret;

	if (!table_hit(addr, length))
		return next_munmap(addr, length);
	ret = table_unmap(addr, length);
	if (!ret)
		errno = saved;
	return ret;
}

/* Permissions of a container are everybody's; the caller means its own. */
EXPORT int mprotect(void *addr, size_t length, int prot)
{
	int saved = errno, ret;

	ret = next_mprotect(addr, length, prot);
	if (!ret || errno != EACCES || !table_hit(addr, length))
		return ret;
	table_demote(addr, length);
	errno = saved;
	return next_mprotect(addr, length, prot);
}

EXPORT int madvise(void *addr, size_t length, int advice)
{
	int saved = errno, ret;

	if (!table_hit(addr, length))
		return next_madvise(addr, length, advice);
	/* The table of a child shall not name what the child does not have. */
	if (advice == MADV_DONTFORK) {
		table_demote(addr, length);
		errno = saved;
	}
	ret = next_madvise(addr, length, advice);
	if (!ret || errno != EINVAL)
		return ret;
	ret = table_advise(addr, length, advice);
	errno = saved;
	if (ret == -EAGAIN)
		return next_madvise(addr, length, advice);
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

EXPORT void *mremap(void *addr, size_t length, size_t new_length, int flags,
		    ...)
{
	bool moves = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	size_t span = length ? length : 1;
	int saved = errno;
	void *new_addr;
	va_list ap;

	/* Without the flags it is whatever the register has, and not used. */
	va_start(ap, flags);
	new_addr = va_arg(ap, void *);
	va_end(ap);
	if ((flags & MREMAP_FIXED) && table_hit(new_addr, new_length))
		table_demote(new_addr, new_length);
	if ((moves || new_length != length) && table_hit(addr, span))
		table_demote(addr, span);
	errno = saved;
	return next_mremap(addr, length, new_length, flags, new_addr);
}
