// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: windows: made, used by loads and stores, and what they refuse. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fuzz.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

/* Where windows go; nothing else does. */
#define WIN_BASE	0x200000000000ULL
#define WIN_ROOM	(16 * FZ_GIB)

static __s64 result(__s64 ret)
{
	return ret < 0 ? -errno : ret;
}

/* --- accesses that may fault -------------------------------------------- */

/* Bytes would tear the values that are looked at while all race. */
static __u32 how_to(const struct fz_op *op)
{
	return board->racing ? V(op, KIND) & 1 : V(op, KIND);
}

void fz_touch_all(struct fz_job *job, const struct fz_win *win, __u64 off)
{
	const struct fz_op *op = job->op;
	__u32 how = how_to(op), i;
	__u64 page = off / FZ_PAGE;

	off += how >= TOUCH_LOAD1 ? V(op, BYTE) : V(op, BYTE) & ~7;
	for (i = 0; i <= V(op, NR) && off < win->off + win->len;
	     i++, off += FZ_PAGE)
		touch(job->res->seen + i, win->addr,
		      win->addr + (off - win->off), how,
		      fz_stamp(job->step, job->w, page + i, i));
}

static __s64 touch_by_child(struct fz_job *job, const struct fz_win *win)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		fz_touch_all(job, win, V(job->op, OFF) * FZ_PAGE);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -ECHILD : 0;
}

/* --- made and unmade ---------------------------------------------------- */

static char *place_of(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	__u64 addr = WIN_BASE;

	if (V(op, AT) == AT_ANY)
		return NULL;
	addr += ((job->w * FZ_WINS + V(op, WIN)) * ATS + V(op, AT)) * WIN_ROOM;
	addr += FZ_GIB + V(op, OFF) * FZ_PAGE % FZ_GIB;
	if (V(op, AT) != AT_GIB)
		addr += 3 * (2ULL << 20);
	if (V(op, AT) == AT_ODD)
		addr += 5 * FZ_PAGE;
	return (char *)addr;
}

static int window_fd(const struct fz_op *op)
{
	switch (V(op, VIA)) {
	case VIA_ATTACH:
		return board->att[V(op, C)];
	case VIA_NOTIFY:
		return board->nfd[0];
	case VIA_DEVICE:
		return board->dev;
	case VIA_CLOSED:
		return -1;
	default:
		return board->ctl[V(op, C)];
	}
}

static __s64 do_wmap(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_win *win = &job->box->win[V(op, WIN)];
	char *at = place_of(job), *got;
	int flags = MAP_SHARED;

	if (at)
		flags |= MAP_FIXED_NOREPLACE;
	if (V(op, FLAGS) & 1)
		flags |= MAP_POPULATE;
	if (V(op, FLAGS) & 2)
		flags |= MAP_LOCKED;
	got = mmap(at, V(op, LEN) * FZ_PAGE, PTS_RW, flags, window_fd(op),
		   V(op, OFF) * FZ_PAGE);
	if (got == MAP_FAILED)
		return -errno;
	*win = (struct fz_win) {
		.addr = got, .c = V(op, C), .off = V(op, OFF) * FZ_PAGE,
		.len = V(op, LEN) * FZ_PAGE,
	};
	return at && got != at ? -EPROTO : 0;
}

/* What was seen through the window must not be seen in what comes after it. */
static __s64 reuse(struct fz_job *job, struct fz_win *win)
{
	struct fz_win old = *win;
	struct touch_seen *seen = job->res->seen;
	__u64 off = V(job->op, OFF) * FZ_PAGE;
	char *at = old.addr, *got;

	if (off >= old.off && off < old.off + old.len)
		at += off - old.off;
	touch(seen, old.addr, at, TOUCH_LOAD8, 0);
	memset(seen, 0, sizeof(*seen));
	if (munmap(old.addr, old.len))
		return -errno;
	memset(win, 0, sizeof(*win));
	got = mmap(old.addr, old.len, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
	if (got != old.addr)
		return -errno;
	touch(seen, old.addr, at, TOUCH_LOAD8, 0);
	return result(munmap(old.addr, old.len));
}

static __s64 do_wunmap(struct fz_job *job, struct fz_win *win)
{
	const struct fz_op *op = job->op;
	__u64 half = win->len / FZ_PAGE / 2 * FZ_PAGE;
	__s64 ret;

	if (V(op, KIND) >= 3)
		return reuse(job, win);
	if (V(op, KIND) == 1 && half)
		return result(munmap(win->addr, half));
	if (V(op, KIND) == 2 && half)
		return result(munmap(win->addr + half, win->len - half));
	ret = result(munmap(win->addr, win->len));
	if (!ret)
		memset(win, 0, sizeof(*win));
	return ret;
}

void fz_do_reset(struct fz_box *box)
{
	__u32 i;

	for (i = 0; i < FZ_WINS; i++)
		if (box->win[i].addr)
			munmap(box->win[i].addr, box->win[i].len);
	if (box->plain.addr)
		munmap(box->plain.addr, box->plain.len);
	memset(box->win, 0, sizeof(box->win));
	memset(&box->plain, 0, sizeof(box->plain));
}

/* --- refused ------------------------------------------------------------ */

static __s64 moved(void *got, void *same)
{
	return got == MAP_FAILED ? -errno : got == same ? 0 : -EPROTO;
}

static __s64 do_wremap(const struct fz_op *op, const struct fz_win *win)
{
	char *at = win->addr, *to = (char *)WIN_BASE - WIN_ROOM;
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	size_t len = win->len;

	switch (V(op, KIND)) {
	case 0:
		return moved(mremap(at, len, len, MREMAP_MAYMOVE), at);
	case 1:
		return moved(mremap(at, len, len + FZ_PAGE, 0), at);
	case 2:
		return moved(mremap(at, len, len + FZ_PAGE, MREMAP_MAYMOVE),
			     at);
	case 3:
		return moved(mremap(at, len, len - FZ_PAGE, 0), at);
	case 4:
		return moved(mremap(at, len, len, fixed, to), to);
	case 5:
		return moved(mremap(at, FZ_PAGE, FZ_PAGE, fixed, to), to);
	case 6:
		return moved(mremap(at, 0, len, MREMAP_MAYMOVE), at);
	default:
		return moved(mremap(at, len, len, MREMAP_MAYMOVE |
				    MREMAP_DONTUNMAP), at);
	}
}

static __s64 do_wprot(const struct fz_op *op, const struct fz_win *win)
{
	size_t len = V(op, KIND) ? FZ_PAGE : win->len;

	if (V(op, KIND) == 2)
		return result(syscall(SYS_pkey_mprotect, win->addr, len,
				      V(op, PROT), -1));
	return result(mprotect(win->addr, len, V(op, PROT)));
}

/* On a part or, the last three, on all of it. */
static __s64 do_wadvise(const struct fz_op *op, const struct fz_win *win)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_MERGEABLE,
	};
	char *at = win->addr + (V(op, OFF) * FZ_PAGE - win->off);
	size_t left = win->addr + win->len - at, len = V(op, LEN) * FZ_PAGE;

	if (V(op, KIND) < COUNT(advice)) {
		len = len && len < left ? len : left;
		return result(madvise(at, len, advice[V(op, KIND)]));
	}
	if (V(op, KIND) == 13)
		return result(madvise(win->addr, win->len, MADV_DONTDUMP));
	if (V(op, KIND) == 15)
		return result(madvise(at, FZ_PAGE, MADV_SOFT_OFFLINE));
	/* And back, or children would have no window. */
	return result(madvise(win->addr, win->len, MADV_DONTFORK)) ?:
	       result(madvise(win->addr, win->len, MADV_DOFORK));
}

static __s64 do_wlock(const struct fz_op *op, const struct fz_win *win)
{
	switch (V(op, KIND)) {
	case 0:
		return result(mlock(win->addr, win->len));
	case 1:
		return result(mlock2(win->addr, FZ_PAGE, MLOCK_ONFAULT));
	case 2:
		return result(munlock(win->addr, FZ_PAGE));
	default:
		return result(munlock(win->addr, win->len));
	}
}

static __s64 do_uffd(const struct fz_win *win)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (uintptr_t)win->addr, win->len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	__s64 ret;

	if (fd < 0)
		return -EINVAL;
	ret = result(ioctl(fd, UFFDIO_API, &api)) ?:
	      result(ioctl(fd, UFFDIO_REGISTER, &r));
	close(fd);
	return ret;
}

/* A mapping that must not come to be. */
static __s64 no_map(const struct fz_op *op, char *at, __u64 len, int prot,
		    int flags, __u64 off)
{
	int fd = flags & MAP_ANONYMOUS ? -1 : board->ctl[V(op, C)];
	char *got = mmap(at, len, prot, flags, fd, off);

	if (got == MAP_FAILED)
		return -errno;
	munmap(got, len);
	return 0;
}

static __s64 do_wmisc(const struct fz_op *op, const struct fz_win *win)
{
	unsigned char vec;

	switch (V(op, KIND)) {
	case MISC_MSYNC:
		return result(msync(win->addr, win->len, MS_SYNC));
	case MISC_MINCORE:
		return result(mincore(win->addr, FZ_PAGE, &vec));
	case MISC_MBIND:
		return result(syscall(SYS_mbind, win->addr, win->len, 0, NULL,
				      0, 0));
	case MISC_UFFD:
		return do_uffd(win);
	case MISC_FIXED_PART:
		return no_map(op, win->addr, FZ_PAGE, PTS_RW, MAP_PRIVATE |
			      MAP_ANONYMOUS | MAP_FIXED, 0);
	case MISC_PRIVATE:
		return no_map(op, NULL, FZ_PAGE, PTS_RW, MAP_PRIVATE, 0);
	case MISC_WEAK_PROT:
		return no_map(op, NULL, FZ_PAGE, PROT_NONE, MAP_SHARED, 0);
	case MISC_EXEC:
		return no_map(op, NULL, FZ_PAGE, PTS_RW | PROT_EXEC,
			      MAP_SHARED, 0);
	default:
		return no_map(op, NULL, 2 * FZ_PAGE, PTS_RW, MAP_SHARED,
			      (FZ_PAGES - 1) * FZ_PAGE);
	}
}

static __s64 do_populate(const struct fz_op *op, const struct fz_win *win)
{
	char *at = win->addr + (V(op, OFF) * FZ_PAGE - win->off);
	size_t left = win->addr + win->len - at, len = V(op, LEN) * FZ_PAGE;

	if (len > left)
		len = left;
	return result(madvise(at, len, V(op, KIND) ? MADV_POPULATE_WRITE :
						     MADV_POPULATE_READ));
}

static bool shows(const struct fz_op *op, const struct fz_win *win)
{
	__u64 off = V(op, OFF) * FZ_PAGE;

	return win->addr && off >= win->off && off < win->off + win->len;
}

__s64 fz_do_window(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_win *win = &job->box->win[V(op, WIN)];
	bool at = op->kind == OP_TOUCH || op->kind == OP_POPULATE ||
		  op->kind == OP_WADVISE;

	if (op->kind == OP_WMAP)
		return win->addr ? -EBUSY : do_wmap(job);
	if (op->kind == OP_WMISC && V(op, KIND) >= MISC_PRIVATE)
		return do_wmisc(op, win);
	/* While all race it need not be there. */
	if (!win->addr || (at && !shows(op, win)))
		return -ENXIO;
	switch (op->kind) {
	case OP_WUNMAP:
		return do_wunmap(job, win);
	case OP_WREMAP:
		return do_wremap(op, win);
	case OP_WPROT:
		return do_wprot(op, win);
	case OP_WADVISE:
		return do_wadvise(op, win);
	case OP_WLOCK:
		return do_wlock(op, win);
	case OP_WMISC:
		return do_wmisc(op, win);
	case OP_POPULATE:
		return do_populate(op, win);
	}
	if (V(op, BY) == BY_CHILD)
		return touch_by_child(job, win);
	fz_touch_all(job, win, V(op, OFF) * FZ_PAGE);
	return 0;
}
