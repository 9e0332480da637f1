// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The functions that the shim's stand before: those of the C library, or of
 * whoever else is preloaded. Until they are looked up, system calls.
 *
 * dlsym() may call malloc(), which may call mmap(). So nothing looks them up
 * for a call that the shim only passes on.
 */
#include <dlfcn.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "shim.h"

static struct {
	void *(*mmap)(void *addr, size_t length, int prot, int flags, int fd,
		      off_t offset);
	int (*munmap)(void *addr, size_t length);
	int (*mprotect)(void *addr, size_t length, int prot);
	void *(*mremap)(void *addr, size_t length, size_t new_length, int flags,
			...);
	int (*madvise)(void *addr, size_t length, int advice);
} next;

#define FIND(name) \
	__atomic_store_n(&next.name, dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE)
#define FOUND(name) __atomic_load_n(&next.name, __ATOMIC_ACQUIRE)

void shim_find_next(void)
{
	FIND(mmap);
	FIND(munmap);
	FIND(mprotect);
	FIND(mremap);
	FIND(madvise);
}

void *next_mmap(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset)
{
	if (FOUND(mmap))
		return FOUND(mmap)(addr, length, prot, flags, fd, offset);
	return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}

int next_munmap(void *addr, size_t length)
{
	if (FOUND(munmap))
		return FOUND(munmap)(addr, length);
	return syscall(SYS_munmap, addr, length);
}

int next_mprotect(void *addr, size_t length, int prot)
{
	if (FOUND(mprotect))
		return FOUND(mprotect)(addr, length, prot);
	return syscall(SYS_mprotect, addr, length, prot);
}

void *next_mremap(void *addr, size_t length, size_t new_length, int flags,
		  void *new_addr)
{
	if (FOUND(mremap))
		return FOUND(mremap)(addr, length, new_length, flags, new_addr);
	return (void *)syscall(SYS_mremap, addr, length, new_length, flags,
			       new_addr);
}

int next_madvise(void *addr, size_t length, int advice)
{
	if (FOUND(madvise))
		return FOUND(madvise)(addr, length, advice);
	return syscall(SYS_madvise, addr, length, advice);
}
