// SPDX-License-Identifier: GPL-2.0
/* The oracle's world without a container; oracle.h tells how it is made. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "oracle.h"

/* Maps @nr pages from @index on, which show what follows each other. */
static int map_run(struct oracle_job *job, const struct oracle_win *win,
		   unsigned int index, unsigned int nr)
{
	const struct oracle_page *p = job->o->board->model.page + index;
	char *addr = win->addr + (oracle_offset(index) - win->off);
	int flags = MAP_SHARED | MAP_FIXED;
	void *got;

	/* MAP and REPLACE do not populate, and come without the flag. */
	if (job->op->kind == OP_WIN_MAP && job->op->populate)
		flags |= MAP_POPULATE;
	/* A new window begins as one hole. */
	if (!p->present && job->op->kind == OP_WIN_MAP)
		return 0;
	if (p->present)
		got = mmap(addr, nr * OR_PAGE, p->prot, flags,
			   job->w->mem[p->file], p->pgoff * OR_PAGE);
	else
		got = mmap(addr, nr * OR_PAGE, PTS_RW, flags, job->w->empty, 0);
	return got == addr ? 0 : -errno;
}

/* Makes a range of a window what the model says. */
static int map_range(struct oracle_job *job, const struct oracle_win *win,
		     __u64 off, __u64 len)
{
	const struct oracle_model *m = &job->o->board->model;
	__u64 end = off + len, win_end = win->off + win->len;
	unsigned int i, hi, nr;
	int ret = 0;

	if (off < win->off)
		off = win->off;
	if (end > win_end)
		end = win_end;
	if (off >= end)
		return 0;
	for (oracle_indices(off, end - off, &i, &hi); !ret && i < hi; i += nr) {
		for (nr = 1; i + nr < hi; nr++)
			if (!oracle_continues(m, i + nr - 1))
				break;
		ret = map_run(job, win, i, nr);
	}
	return ret;
}

int oracle_plain_map(struct oracle_job *job, struct oracle_win *win)
{
	int flags = MAP_SHARED | (win->addr ? MAP_FIXED_NOREPLACE : 0);
	void *got;

	got = mmap(win->addr, win->len, PTS_RW, flags, job->w->empty, 0);
	if (got == MAP_FAILED)
		return -errno;
	win->addr = got;
	return map_range(job, win, win->off, win->len);
}

static int protect_range(const struct oracle_win *win,
			 const struct ptshare_range_prot *r)
{
	__u64 off = r->offset, end = off + r->length;

	if (off < win->off)
		off = win->off;
	if (end > win->off + win->len)
		end = win->off + win->len;
	if (off >= end)
		return 0;
	if (mprotect(win->addr + (off - win->off), end - off, r->prot))
		return -errno;
	return 0;
}

static int layout_window(struct oracle_job *job, const struct oracle_win *win)
{
	const struct oracle_op *op = job->op;
	unsigned int i;
	int ret = 0;

	if (op->kind != OP_PROTECT)
		return map_range(job, win, op->off, op->len);
	for (i = 0; !ret && i < op->nr; i++)
		ret = protect_range(win, op->ranges + i);
	return ret;
}

__s64 oracle_plain_layout(struct oracle_job *job)
{
	struct oracle_board *b = job->o->board;
	unsigned int i;
	int ret = 0;

	job->res->failed = b->expect_failed;
	if (b->expect)
		return b->expect;
	for (i = 0; !ret && i < OR_WINS; i++)
		if (job->box->win[i].addr)
			ret = layout_window(job, job->box->win + i);
	return ret;
}

__s64 oracle_plain_populate(__s64 ret)
{
	return ret == -EINVAL ? -EFAULT : ret;
}
