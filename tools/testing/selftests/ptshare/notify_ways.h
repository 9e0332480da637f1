/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ways to write to a page of a container's file, each as what one process
 * does: stores, system calls on the file, and writes of the kernel to memory.
 */
#ifndef PTSHARE_NOTIFY_WAYS_H
#define PTSHARE_NOTIFY_WAYS_H

#include <liburing.h>
#include <stdbool.h>
#include <sys/types.h>

#include "notify_util.h"

/*
 * Every way writes to this one word of a page, and to little else of the page;
 * the value fits the operand of a futex operation.
 */
#define WAY_AT		64
#define WAY_OLD		0x11dU
#define WAY_NEW		0x5a5U

/* "Errno" of a store that got SIGBUS with the right code and address. */
#define WAY_SIGBUS	1000
#define WAY_ODD_SIGNAL	1001

/* Who asks for the permission, which decides what policy counts. */
enum way_kind {
	WAY_USER,		/* a store: arm.mode */
	WAY_KERNEL,		/* the kernel at an address: arm.on_kernel */
	WAY_FILE,		/* a system call on the file: arm.on_kernel */
};

/* Which mapping the address is in. */
enum way_place {
	WAY_NOWHERE,		/* no address */
	WAY_WIN,		/* a window of the writer */
	WAY_PLAIN,		/* its mapping of the file */
	WAY_FRESH,		/* a mapping that it makes for this one write */
	WAY_PLACES,
};

/* What a writer holds on to; way_open() makes it. */
struct way_world {
	int ctl, mem;
	size_t len;		/* of the file, of the region, of a mapping */
	char *base;		/* reserved for WAY_PLACES mappings of @len */
	int src;		/* memfd: each page begins as if written */
	int direct;		/* the same with O_DIRECT */
	int pipe[2];
	int fd;			/* what this way needs besides */
	pid_t victim;		/* a process with the same mappings */
	struct io_uring ring;
};

struct way {
	const char *name;
	enum way_kind kind;
	enum way_place place;
	unsigned int flags;	/* WAY_F_* */
	int err;		/* of a refusal */
	const char *share;	/* how the container has to be made, or NULL */
	int (*prepare)(struct way_world *w);
	int (*write)(struct way_world *w, __u64 page);
};

#define WAY_F_REMOTE	1	/* into another process's memory */
#define WAY_F_ATOMIC	2	/* can't wait: where it would, it is refused */
#define WAY_F_QUIET	4	/* gets permission and changes no byte */
#define WAY_F_HOLE	8	/* fills a hole of the file */
#define WAY_F_ZERO	16	/* leaves zeroes behind */

extern const struct way way_store_window, way_store_fresh_window,
	way_store_share_none, way_store_notifier, way_store_foreign,
	way_store_fresh_foreign, way_uffd_continue;
extern const struct way way_read, way_direct_read, way_uring_read,
	way_uring_read_wq, way_uring_fixed, way_vmsplice, way_futex,
	way_populate, way_device, way_process_vm, way_proc_mem, way_ptrace;
extern const struct way way_write, way_pwrite, way_writev, way_splice,
	way_sendfile, way_copy_file_range, way_uring_write, way_punch,
	way_madv_remove, way_truncate, way_uffd_copy, way_udmabuf;

static inline char *way_at(const struct way_world *w, enum way_place place,
			   __u64 page)
{
	return w->base + (place - WAY_WIN) * w->len + PG(page);
}

/* Address space for the mappings of a writer. */
char *way_reserve(size_t len);
/*
 * In the writer: its mappings, and what the way needs. @page is touched through
 * all of them, so that there are entries that allow writing. 1: can't be done
 * here.
 */
int way_open(struct way_world *w, const struct way *way, __u64 page);
/* What the word holds, as read(2) finds it: 0 beyond the end. */
__u32 way_word(int mem, __u64 page);
/* What it holds before and after. */
__u32 way_old(const struct way *way);
__u32 way_new(const struct way *way);
/* Puts the page back to where a write changes it; itself a write. */
int way_reset(const struct way *way, int mem, size_t len, __u64 page);

#endif /* PTSHARE_NOTIFY_WAYS_H */
