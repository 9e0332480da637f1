/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of libptshare-preload; none of it is exported. */
#ifndef PTSHARE_SHIM_H
#define PTSHARE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* setup.c: the environment, and what is told to the user */
void shim_setup(void);
bool shim_wants(size_t length);
int shim_permitted(void);
void shim_failed(size_t length, int err);

/* next.c: the functions that ours stand before; they set errno as usual */
void shim_find_next(void);
void *next_mmap(void *addr, size_t length, int prot, int flags, int fd,
		off_t offset);
int next_munmap(void *addr, size_t length);
int next_mprotect(void *addr, size_t length, int prot);
void *next_mremap(void *addr, size_t length, size_t new_length, int flags,
		  void *new_addr);
int next_madvise(void *addr, size_t length, int advice);

/* lock.c: over the table of windows, and over the fds while one is made */
void shim_lock_setup(void);
void shim_lock(void);
void shim_unlock(void);

/* window.c: shared anonymous memory that is a window of a container */
struct shim_window {
	uintptr_t addr;		/* 0: a free slot */
	size_t length;		/* what the program asked for, whole pages */
	size_t size;		/* with the rest of the container behind it */
	void *handle;		/* one page of the same memfd, never touched */
};

int window_make(struct shim_window *window, void *hint, size_t length,
		int place);
int window_demote(struct shim_window *window);
int window_punch(const struct shim_window *window, uintptr_t start,
		 size_t length);

/* table.c: the windows of this process */
int table_map(void *hint, size_t length, int place, void **addr);
bool table_hit(const void *addr, size_t length);
int table_unmap(void *addr, size_t length);
void table_demote(const void *addr, size_t length);
int table_advise(void *addr, size_t length, int advice);

#endif /* PTSHARE_SHIM_H */
