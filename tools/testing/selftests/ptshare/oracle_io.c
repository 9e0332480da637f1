// SPDX-License-Identifier: GPL-2.0
/* The oracle's system calls on files, and those that access a window. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/uio.h>

#include "oracle.h"

static __u64 buf[OR_BUF / sizeof(__u64)];

static void fill(const struct oracle_op *op)
{
	unsigned int i;

	for (i = 0; i < (op->len + 7) / 8; i++)
		buf[i] = op->stamp + ((__u64)i << 48);
}

static __s64 result(__s64 ret)
{
	return ret < 0 ? -errno : ret;
}

/* What a call that returned @ret has put into buf. */
static __s64 hashed(struct oracle_job *job, __s64 ret)
{
	ret = result(ret);
	if (ret > 0)
		job->res->hash = oracle_hash(0, buf, ret);
	return ret;
}

static char *window_at(const struct oracle_box *box, const struct oracle_op *op)
{
	const struct oracle_win *win = box->win + op->win;

	return win->addr + (op->off - win->off);
}

static __s64 do_vm(struct oracle_job *job)
{
	const struct oracle_op *op = job->op;
	struct oracle_box *peer = &job->o->board->box[job->world][op->peer];
	struct iovec local = { .iov_base = buf, .iov_len = op->len };
	struct iovec remote = {
		.iov_base = window_at(peer, op), .iov_len = op->len,
	};

	if (op->kind == OP_VM_READ)
		return hashed(job, process_vm_readv(peer->pid, &local, 1,
						    &remote, 1, 0));
	fill(op);
	return result(process_vm_writev(peer->pid, &local, 1, &remote, 1, 0));
}

static __s64 pipe_in(struct oracle_job *job, char *addr)
{
	const struct oracle_op *op = job->op;
	int *fd = job->w->pipe;
	__s64 ret;

	fill(op);
	if (write(fd[1], buf, op->len) != op->len)
		return -EPIPE;
	ret = result(read(fd[0], addr, op->len));
	/* What did not fit is not for the next one. */
	while (read(fd[0], buf, sizeof(buf)) > 0)
		;
	return ret;
}

static __s64 pipe_out(struct oracle_job *job, char *addr)
{
	__s64 ret = result(write(job->w->pipe[1], addr, job->op->len));

	hashed(job, read(job->w->pipe[0], buf, sizeof(buf)));
	return ret;
}

static __s64 do_file(struct oracle_job *job)
{
	const struct oracle_op *op = job->op;
	int fd = job->w->mem[op->file];

	switch (op->kind) {
	case OP_TRUNCATE:
		return result(ftruncate(fd, op->pos));
	case OP_PUNCH:
		return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE, op->pos,
					op->len));
	case OP_PWRITE:
		fill(op);
		return result(pwrite(fd, buf, op->len, op->pos));
	default:
		return hashed(job, pread(fd, buf, op->len, op->pos));
	}
}

static __s64 populate(struct oracle_job *job, char *addr)
{
	const struct oracle_op *op = job->op;
	int advice = op->kind == OP_POPULATE_READ ? MADV_POPULATE_READ :
						    MADV_POPULATE_WRITE;
	__s64 ret = result(madvise(addr, op->len, advice));

	return job->world == OR_PLAIN ? oracle_plain_populate(ret) : ret;
}

/* Calls that are given memory of the window. */
static __s64 do_window(struct oracle_job *job)
{
	const struct oracle_op *op = job->op;
	char *addr = window_at(job->box, op);
	int mem = job->w->mem[op->file];

	switch (op->kind) {
	case OP_PIPE_IN:
		return pipe_in(job, addr);
	case OP_PIPE_OUT:
		return pipe_out(job, addr);
	case OP_FILE_IN:
		return result(pread(mem, addr, op->len, op->pos));
	case OP_FILE_OUT:
		return result(pwrite(mem, addr, op->len, op->pos));
	case OP_DIRECT_IN:
		return result(pread(job->w->direct, addr, op->len, op->pos));
	case OP_DIRECT_OUT:
		return result(pwrite(job->w->direct, addr, op->len, op->pos));
	default:
		return populate(job, addr);
	}
}

__s64 oracle_io(struct oracle_job *job)
{
	switch (job->op->kind) {
	case OP_TRUNCATE:
	case OP_PUNCH:
	case OP_PWRITE:
	case OP_PREAD:
		return do_file(job);
	case OP_VM_READ:
	case OP_VM_WRITE:
		return do_vm(job);
	default:
		return do_window(job);
	}
}
