// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: system calls that read and write windows. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>

#include "fuzz.h"

static __u8 buf[2 * FZ_DATA];

static __s64 result(__s64 ret)
{
	return ret < 0 ? -errno : ret;
}

static void drain(struct fz_job *job)
{
	while (read(job->box->pipe[0], buf, sizeof(buf)) > 0)
		;
}

/* The pipe holds @len bytes of the operation's stamps. */
static bool fill_pipe(struct fz_job *job, size_t len)
{
	drain(job);
	fz_fill(job, buf, len);
	return write(job->box->pipe[1], buf, len) == (ssize_t)len;
}

/* What a call has put into the pipe goes to where it is compared. */
static __s64 told(struct fz_job *job, __s64 ret)
{
	ssize_t n = read(job->box->pipe[0], job->res->data, FZ_DATA);

	return ret >= 0 && n != ret ? -EPROTO : ret;
}

/* --- io_uring ----------------------------------------------------------- */

static struct io_uring ring;
static bool have_ring;

static bool ring_ready(struct fz_job *job)
{
	if (!have_ring && !io_uring_queue_init(4, &ring, 0)) {
		have_ring = true;
		job->box->ring = ring.ring_fd;
	}
	return have_ring;
}

static __s64 ring_result(void)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit(&ring);

	if (ret < 0)
		return ret;
	do {
		ret = io_uring_wait_cqe(&ring, &cqe);
	} while (ret == -EINTR);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static __s64 uring_pipe(struct fz_job *job, char *at, size_t len, bool in)
{
	struct io_uring_sqe *sqe;

	if (!ring_ready(job))
		return -EOPNOTSUPP;
	sqe = io_uring_get_sqe(&ring);
	if (in)
		io_uring_prep_read(sqe, job->box->pipe[0], at, len, -1);
	else
		io_uring_prep_write(sqe, job->box->pipe[1], at, len, -1);
	return ring_result();
}

/* A buffer is registered by whole pages. */
static __s64 uring_fixed(struct fz_job *job, char *at, size_t len)
{
	char *start = (char *)((uintptr_t)at & ~(FZ_PAGE - 1));
	size_t size = (at + len - start + FZ_PAGE - 1) & ~(FZ_PAGE - 1);
	struct iovec iov = { start, size };
	__s64 ret;

	if (!ring_ready(job))
		return -EOPNOTSUPP;
	ret = io_uring_register_buffers(&ring, &iov, 1);
	if (ret)
		return ret;
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), board->disk, at, len,
				 fz_disk_pos(job->op), 0);
	ret = ring_result();
	io_uring_unregister_buffers(&ring);
	return ret;
}

/* --- into and out of the window ----------------------------------------- */

static __s64 io_in(struct fz_job *job, char *at, size_t len)
{
	const struct fz_op *op = job->op;
	struct iovec iov = { at, len };
	int *pipe = job->box->pipe;

	switch (V(op, KIND)) {
	case IO_FILE_IN:
		return result(pread(board->file[V(op, FILE)], at, len,
				    V(op, POS) * FZ_PAGE));
	case IO_DIRECT_IN:
		return result(pread(board->direct, at, len, fz_disk_pos(op)));
	case IO_FIXED_IN:
		return uring_fixed(job, at, len);
	}
	if (!fill_pipe(job, len))
		return -EPIPE;
	switch (V(op, KIND)) {
	case IO_PIPE_IN:
		return result(read(pipe[0], at, len));
	case IO_VMSPLICE_IN:
		return result(vmsplice(pipe[0], &iov, 1, 0));
	default:
		return uring_pipe(job, at, len, true);
	}
}

static __s64 io_out(struct fz_job *job, char *at, size_t len)
{
	const struct fz_op *op = job->op;
	struct iovec iov = { at, len };
	int *pipe = job->box->pipe;

	switch (V(op, KIND)) {
	case IO_FILE_OUT:
		return result(pwrite(board->file[V(op, FILE)], at, len,
				     V(op, POS) * FZ_PAGE));
	case IO_DIRECT_OUT:
		return result(pwrite(board->direct, at, len, fz_disk_pos(op)));
	}
	drain(job);
	switch (V(op, KIND)) {
	case IO_PIPE_OUT:
		return told(job, result(write(pipe[1], at, len)));
	case IO_VMSPLICE_OUT:
		return told(job, result(vmsplice(pipe[1], &iov, 1, 0)));
	default:
		return told(job, uring_pipe(job, at, len, false));
	}
}

static __s64 do_io(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	const struct fz_win *win = &job->box->win[V(op, WIN)];
	struct fz_range r;
	char *at;

	if (!win->addr || V(op, OFF) * FZ_PAGE < win->off ||
	    V(op, OFF) * FZ_PAGE >= win->off + win->len)
		return -ENXIO;
	r = fz_span_of(op, win->off, win->len);
	at = win->addr + (r.off - win->off);
	return V(op, KIND) & 1 ? io_out(job, at, r.len) :
				 io_in(job, at, r.len);
}

/* --- other processes' windows ------------------------------------------- */

static int open_mem(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

static __s64 by_mem(struct fz_job *job, pid_t pid, char *at, size_t len)
{
	__u8 *data = job->res->data;
	int fd = open_mem(pid);
	__s64 ret;

	if (fd < 0)
		return -ESRCH;
	if (V(job->op, KIND) == PEER_MEM_READ)
		ret = result(pread(fd, data, len, (uintptr_t)at));
	else
		ret = result(pwrite(fd, buf, len, (uintptr_t)at));
	close(fd);
	return ret;
}

static __s64 do_peer(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_box *peer = &board->box[V(op, PEER)];
	struct fz_win win = peer->win[V(op, WIN)];
	struct fz_range r;
	char *at;

	/* While all race it may go any time: an address of nothing. */
	if (!win.addr || V(op, OFF) * FZ_PAGE < win.off ||
	    V(op, OFF) * FZ_PAGE >= win.off + win.len)
		return -ENXIO;
	r = fz_span_of(op, win.off, win.len);
	at = win.addr + (r.off - win.off);
	fz_fill(job, buf, r.len);
	if (V(op, KIND) >= PEER_MEM_READ)
		return by_mem(job, peer->pid, at, r.len);
	if (V(op, KIND) == PEER_WRITE)
		return result(process_vm_writev(peer->pid,
				&(struct iovec) { buf, r.len }, 1,
				&(struct iovec) { at, r.len }, 1, 0));
	return result(process_vm_readv(peer->pid,
			&(struct iovec) { job->res->data, r.len }, 1,
			&(struct iovec) { at, r.len }, 1, 0));
}

__s64 fz_do_io(struct fz_job *job)
{
	return job->op->kind == OP_PEER ? do_peer(job) : do_io(job);
}
