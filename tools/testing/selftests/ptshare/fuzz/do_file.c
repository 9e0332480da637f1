// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: files, their plain mappings, and what is around all processes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fuzz.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

static __u8 buf[FZ_DATA];

static __s64 result(__s64 ret)
{
	return ret < 0 ? -errno : ret;
}

/* --- the file ----------------------------------------------------------- */

static __s64 do_pwrite(struct fz_job *job, int fd, __u64 pos)
{
	__u32 len = V(job->op, BYTES) ?: 1;

	if (board->racing) {
		pos &= ~7ULL;
		len = (len + 7) & ~7U;
	}
	if (pos + len > fz_file_pages[V(job->op, FILE)] * FZ_PAGE)
		return -ENXIO;
	fz_fill(job, buf, len);
	return result(pwrite(fd, buf, len, pos));
}

static __s64 do_punch(const struct fz_op *op, int fd, __u64 pos)
{
	__u64 max = fz_file_pages[V(op, FILE)] * FZ_PAGE;
	__u64 len = V(op, LEN) * FZ_PAGE;

	if (board->racing)
		pos &= ~7ULL;
	if (pos >= max || !len)
		return -ENXIO;
	if (len > max - pos)
		len = max - pos;
	return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, pos, len));
}

static __s64 do_trunc(const struct fz_op *op, int fd, __u64 pos)
{
	if (board->racing)
		pos &= ~7ULL;
	if (pos > fz_file_pages[V(op, FILE)] * FZ_PAGE)
		return -ENXIO;
	return result(ftruncate(fd, pos));
}

/* --- a plain mapping of all of it --------------------------------------- */

static __s64 do_pmap(struct fz_job *job)
{
	struct fz_win *plain = &job->box->plain;
	__u64 len = fz_file_pages[V(job->op, FILE)] * FZ_PAGE;
	char *at;

	if (plain->addr)
		return -EBUSY;
	at = mmap(NULL, len, PTS_RW, MAP_SHARED,
		  board->file[V(job->op, FILE)], 0);
	if (at == MAP_FAILED)
		return -errno;
	*plain = (struct fz_win) {
		.addr = at, .c = V(job->op, FILE), .len = len,
	};
	return 0;
}

static __s64 do_punmap(struct fz_win *plain)
{
	__s64 ret = result(munmap(plain->addr, plain->len));

	memset(plain, 0, sizeof(*plain));
	return ret;
}

static __s64 do_padvise(const struct fz_op *op, const struct fz_win *plain)
{
	static const int advice[PADVS] = {
		MADV_PAGEOUT, MADV_COLD, MADV_DONTNEED, MADV_REMOVE,
		MADV_COLLAPSE, MADV_SOFT_OFFLINE,
	};
	__u64 pos = V(op, POS) * FZ_PAGE, len = V(op, LEN) * FZ_PAGE;

	if (pos >= plain->len)
		return -ENXIO;
	if (len > plain->len - pos)
		len = plain->len - pos;
	if (V(op, KIND) == PADV_COLLAPSE) {
		pos &= ~((2ULL << 20) - 1);
		len = plain->len - pos;
	}
	/* Each leaves a page behind for good. */
	if (V(op, KIND) == PADV_SOFT_OFFLINE)
		len = FZ_PAGE;
	return result(madvise(plain->addr + pos, len, advice[V(op, KIND)]));
}

static __s64 uffd_copy(struct fz_job *job, int fd, char *at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (uintptr_t)at, FZ_PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy c = {
		.dst = (uintptr_t)at, .src = (uintptr_t)buf, .len = FZ_PAGE,
	};

	fz_fill(job, buf, FZ_PAGE);
	return result(ioctl(fd, UFFDIO_API, &api)) ?:
	       result(ioctl(fd, UFFDIO_REGISTER, &r)) ?:
	       result(ioctl(fd, UFFDIO_COPY, &c));
}

/* Through a mapping of its own, which nobody else touches. */
static __s64 do_uffd(struct fz_job *job, const struct fz_win *plain)
{
	int err, fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	__u64 pos = V(job->op, POS) * FZ_PAGE;
	__s64 ret = -errno;
	char *at;

	if (fd < 0)
		return ret;
	at = mmap(NULL, FZ_PAGE, PTS_RW, MAP_SHARED, board->file[plain->c],
		  pos);
	err = errno;
	ret = at == MAP_FAILED ? -err : uffd_copy(job, fd, at);
	if (at != MAP_FAILED)
		munmap(at, FZ_PAGE);
	close(fd);
	return ret;
}

static __s64 in_plain(struct fz_job *job)
{
	struct fz_win *plain = &job->box->plain;

	if (!plain->addr)
		return -ENXIO;
	switch (job->op->kind) {
	case OP_PUNMAP:
		return do_punmap(plain);
	case OP_PADVISE:
		return do_padvise(job->op, plain);
	case OP_UFFD:
		return V(job->op, POS) * FZ_PAGE < plain->len ?
			do_uffd(job, plain) : -ENXIO;
	default:
		fz_touch_all(job, plain, V(job->op, POS) * FZ_PAGE);
		return 0;
	}
}

__s64 fz_do_file(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	int fd = board->file[V(op, FILE)];
	__u64 pos = V(op, POS) * FZ_PAGE + V(op, BYTE);

	switch (op->kind) {
	case OP_PWRITE:
		return do_pwrite(job, fd, pos);
	case OP_PREAD:
		return result(pread(fd, job->res->data, V(op, BYTES), pos));
	case OP_TRUNC:
		return do_trunc(op, fd, pos);
	case OP_PUNCH:
		return do_punch(op, fd, pos);
	case OP_FSEAL:
		return result(fcntl(fd, F_ADD_SEALS, fz_fseals(op)));
	case OP_PMAP:
		return do_pmap(job);
	default:
		return in_plain(job);
	}
}

/* --- the system --------------------------------------------------------- */

static __s64 do_memmax(const struct fz_op *op)
{
	static const char * const max[] = { "max", "12M", "24M" };

	return cg_write(&fz_cg, "memory.max", max[V(op, KIND) % 3]);
}

static __s64 do_exec(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return status;
}

__s64 fz_do_system(struct fz_job *job)
{
	const struct fz_op *op = job->op;

	switch (op->kind) {
	case OP_RECLAIM:
		return cg_write_bytes(&fz_cg, "memory.reclaim",
				      V(op, LEN) % 2048 * FZ_PAGE);
	case OP_MEMMAX:
		return do_memmax(op);
	case OP_CGMOVE:
		return cg_enter(V(op, KIND) ? &fz_cg : NULL);
	case OP_EXEC:
		return do_exec();
	default:
		if (V(op, KIND))
			kill(getpid(), SIGKILL);
		_exit(0);
	}
}
