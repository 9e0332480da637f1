// SPDX-License-Identifier: GPL-2.0
/* A process of a world of the oracle: it waits for operations and does them. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/futex.h>

#include "oracle.h"

/* Where windows go. Nothing else does, so all worlds have the same places. */
#define WIN_BASE	0x200000000000ULL
#define WIN_ROOM	(16 * OR_GIB)
#define GUARD_STAMP	0x9a4d000000000000ULL

/* --- futex --------------------------------------------------------------- */

void oracle_wait(__u32 *word, __u32 old)
{
	struct timespec second = { .tv_sec = 1 };

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == old)
		syscall(SYS_futex, word, FUTEX_WAIT, old, &second, NULL, 0);
}

void oracle_wake(__u32 *word, __u32 val)
{
	__atomic_store_n(word, val, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static __s64 touch_all(struct oracle_job *job)
{
	const struct oracle_win *win = job->box->win + job->op->win;
	const struct oracle_op *op = job->op;
	unsigned int i;

	for (i = 0; i < op->nr; i++)
		touch(job->res->seen + i, win->addr,
		      win->addr + (op->touch[i].off - win->off),
		      op->touch[i].how, op->stamp + i);
	return 0;
}

/* --- all that can be read --------------------------------------------------- */

__u64 oracle_hash(__u64 hash, const void *buf, size_t len)
{
	const __u64 *word = buf;
	__u64 tail = 0;
	size_t i;

	for (i = 0; i < len / 8; i++)
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ULL;
	memcpy(&tail, word + i, len % 8);
	return (hash ^ tail) * 0x9e3779b97f4a7c15ULL + len;
}

static void hash_guards(struct oracle_job *job, const struct oracle_win *win)
{
	if (!win->guarded)
		return;
	job->res->hash = oracle_hash(job->res->hash, win->addr - OR_PAGE,
				     OR_PAGE);
	job->res->hash = oracle_hash(job->res->hash, win->addr + win->len,
				     OR_PAGE);
}

/* Also counts the pages; a fault ends it and is a difference. */
static void hash_window(struct oracle_job *job, const struct oracle_win *win)
{
	unsigned int i, hi;

	for (oracle_indices(win->off, win->len, &i, &hi); i < hi; i++) {
		if (!oracle_readable(&job->o->board->model, i))
			continue;
		job->res->hash =
			oracle_hash(job->res->hash,
				    win->addr + (oracle_offset(i) - win->off),
				    OR_PAGE);
		job->res->ret++;
	}
	hash_guards(job, win);
}

struct windowful {
	struct oracle_job *job;
	const struct oracle_win *win;
};

static void hash_one(void *arg)
{
	struct windowful *w = arg;

	hash_window(w->job, w->win);
}

static __s64 check(struct oracle_job *job)
{
	struct windowful w = { .job = job };
	unsigned int i;

	for (i = 0; i < OR_WINS; i++) {
		w.win = job->box->win + i;
		if (w.win->addr && !touch_try(job->res->seen + i, w.win->addr,
					      hash_one, &w))
			break;
	}
	return job->res->ret;
}

/* --- windows ---------------------------------------------------------------- */

static char *place_of(const struct oracle_op *op)
{
	__u64 addr = WIN_BASE;

	if (op->how == OR_AT_ANY)
		return NULL;
	addr += ((op->slot * OR_WINS + op->win) * OR_ATS + op->how) * WIN_ROOM;
	addr += OR_GIB + op->off % OR_GIB;
	if (op->how != OR_AT_GIB)
		addr += 6 * OR_MIB;
	if (op->how == OR_AT_ODD)
		addr += 5 * OR_PAGE;
	return (char *)addr;
}

/* Private memory close by keeps the tables there from being only the window. */
static int guard_page(char *addr)
{
	void *got = mmap(addr, OR_PAGE, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_FIXED_NOREPLACE, -1, 0);

	if (got != addr)
		return -errno;
	*(__u64 *)addr = GUARD_STAMP ^ (uintptr_t)addr;
	return 0;
}

static int guard(struct oracle_win *win)
{
	int ret = guard_page(win->addr - OR_PAGE);

	if (!ret)
		ret = guard_page(win->addr + win->len);
	win->guarded = !ret;
	return ret;
}

static int map_container(struct oracle_job *job, struct oracle_win *win)
{
	int fd = job->op->attach ? job->w->att : job->w->ctl;
	int flags = MAP_SHARED;
	void *got;

	if (win->addr)
		flags |= MAP_FIXED_NOREPLACE;
	if (job->op->populate)
		flags |= MAP_POPULATE;
	got = mmap(win->addr, win->len, PTS_RW, flags, fd, win->off);
	if (got == MAP_FAILED)
		return -errno;
	win->addr = got;
	return 0;
}

static __s64 win_map(struct oracle_job *job)
{
	struct oracle_win win = {
		.off = job->op->off, .len = job->op->len,
		.addr = place_of(job->op),
	};
	bool fixed = win.addr;
	int ret;

	if (job->world == OR_PLAIN)
		ret = oracle_plain_map(job, &win);
	else
		ret = map_container(job, &win);
	if (!ret && fixed)
		ret = guard(&win);
	if (!ret)
		job->box->win[job->op->win] = win;
	return ret;
}

static __s64 win_unmap(struct oracle_job *job)
{
	struct oracle_win *win = job->box->win + job->op->win;
	int ret;

	ret = munmap(win->addr, win->len) ? -errno : 0;
	hash_guards(job, win);
	if (win->guarded) {
		munmap(win->addr - OR_PAGE, OR_PAGE);
		munmap(win->addr + win->len, OR_PAGE);
	}
	memset(win, 0, sizeof(*win));
	return ret;
}

/* What was seen through the window must not be seen in what comes after it. */
static __s64 win_reuse(struct oracle_job *job)
{
	struct oracle_win old = job->box->win[job->op->win];
	__s64 ret = win_unmap(job);
	void *got;

	if (ret)
		return ret;
	got = mmap(old.addr, old.len, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS |
		   MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
	if (got != old.addr)
		return -errno;
	job->box->win[job->op->win] = old;
	touch_all(job);
	memset(job->box->win + job->op->win, 0, sizeof(old));
	return munmap(old.addr, old.len) ? -errno : 0;
}

/* --- layout and processes ----------------------------------------------------- */

static __s64 layout_ioctl(struct oracle_job *job)
{
	const struct oracle_op *op = job->op;
	int ctl = job->w->ctl, mem = job->w->mem[op->file];
	__u32 failed = 0;
	int ret;

	switch (op->kind) {
	case OP_MAP:
		return pts_map(ctl, mem, op->prot, op->off, op->len, op->pos);
	case OP_REPLACE:
		return pts_replace(ctl, mem, op->prot, op->off, op->len,
				   op->pos);
	case OP_UNMAP:
		return pts_unmap(ctl, op->off, op->len);
	default:
		ret = pts_protect_vec(ctl, op->ranges, op->nr, &failed);
		job->res->failed = ret ? failed : 0;
		return ret;
	}
}

static __s64 layout(struct oracle_job *job)
{
	if (job->world == OR_PLAIN)
		return oracle_plain_layout(job);
	return layout_ioctl(job);
}

/*
 * The child is a child of the parent's parent, which waits for all of them. It
 * must not look at the operation: that may be the next one by then.
 */
static __s64 fork_worker(struct oracle_job *job)
{
	unsigned int slot = job->op->peer;
	struct oracle_box *child = &job->o->board->box[job->world][slot];
	long pid;

	memcpy(child->win, job->box->win, sizeof(child->win));
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		oracle_work(job->o, job->world, slot);
	if (pid < 0)
		return -errno;
	child->pid = pid;
	return 0;
}

static __s64 leave(struct oracle_job *job)
{
	if (job->op->how == OR_EXEC)
		execl("/bin/true", "true", NULL);
	_exit(job->op->how == OR_RETURN ? 0 : 1);
}

static __s64 do_job(struct oracle_job *job)
{
	switch (job->op->kind) {
	case OP_ACCESS:
		return touch_all(job);
	case OP_MAP:
	case OP_REPLACE:
	case OP_UNMAP:
	case OP_PROTECT:
		return layout(job);
	case OP_WIN_MAP:
		return win_map(job);
	case OP_WIN_UNMAP:
		return win_unmap(job);
	case OP_WIN_REUSE:
		return win_reuse(job);
	case OP_FORK:
		return fork_worker(job);
	case OP_EXIT:
		return leave(job);
	case OP_CHECK:
		return check(job);
	default:
		return oracle_io(job);
	}
}

void oracle_work(struct oracle *o, unsigned int world, unsigned int slot)
{
	struct oracle_box *box = &o->board->box[world][slot];
	struct oracle_job job = {
		.o = o, .world = world, .slot = slot, .w = o->world + world,
		.box = box, .op = &o->board->op, .res = &box->res,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	touch_catch();
	/* Not @cmd: the first command may be there already. */
	for (;;) {
		__u32 done = box->done;

		while (__atomic_load_n(&box->cmd, __ATOMIC_ACQUIRE) == done)
			oracle_wait(&box->cmd, done);
		job.res->ret = do_job(&job);
		oracle_wake(&box->done, done + 1);
	}
}
