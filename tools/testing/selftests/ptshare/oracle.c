// SPDX-License-Identifier: GPL-2.0
/* The oracle: runs a trace on all worlds and compares; described in oracle.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "oracle.h"

#define PATIENCE	120	/* seconds for one operation */
#define FILES_EVERY	4	/* how many checks for one of the files */
#define ENOUGH		1000	/* steps in which all must have happened */

__u64 oracle_env(const char *name, __u64 otherwise)
{
	const char *val = getenv(name);

	return val && *val ? strtoull(val, NULL, 0) : otherwise;
}

static bool is_layout(const struct oracle_op *op)
{
	return op->kind == OP_MAP || op->kind == OP_REPLACE ||
	       op->kind == OP_UNMAP || op->kind == OP_PROTECT;
}

/* Does the process of @slot take part? */
static bool takes_part(const struct oracle *o, unsigned int world,
		       unsigned int slot)
{
	const struct oracle_op *op = &o->board->op;

	if (!o->world[world].used || !o->alive[slot])
		return false;
	return slot == op->slot || op->kind == OP_CHECK ||
	       (world == OR_PLAIN && is_layout(op));
}

static int complain(const struct oracle *o, unsigned int world,
		    unsigned int slot, const char *what, long long val)
{
	fprintf(stderr, "# oracle: seed %llu: %s, process %u: %s (%lld)\n",
		o->seed, oracle_world_names[world], slot, what, val);
	oracle_print_op(&o->board->op);
	return -1;
}

/* --- commands --------------------------------------------------------------- */

static void post(struct oracle_box *box)
{
	memset(&box->res, 0, sizeof(box->res));
	oracle_wake(&box->cmd, box->cmd + 1);
}

static int await(struct oracle *o, unsigned int world, unsigned int slot)
{
	struct oracle_box *box = &o->board->box[world][slot];
	unsigned int secs = 0;
	int status;
	__u32 done;

	for (;;) {
		done = __atomic_load_n(&box->done, __ATOMIC_ACQUIRE);
		if (done == box->cmd)
			return 0;
		oracle_wait(&box->done, done);
		if (__atomic_load_n(&box->done, __ATOMIC_ACQUIRE) != done)
			continue;
		if (waitpid(box->pid, &status, WNOHANG) == box->pid) {
			box->pid = 0;
			return complain(o, world, slot, "died", status);
		}
		if (++secs == PATIENCE)
			return complain(o, world, slot, "hangs", secs);
	}
}

static int command(struct oracle *o)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; i < OR_WORLDS; i++)
		for (j = 0; j < OR_SLOTS; j++)
			if (takes_part(o, i, j))
				post(&o->board->box[i][j]);
	for (i = 0; i < OR_WORLDS; i++)
		for (j = 0; j < OR_SLOTS; j++)
			if (!ret && takes_part(o, i, j))
				ret = await(o, i, j);
	return ret;
}

static int attach(struct oracle *o)
{
	unsigned int i, slot = o->board->op.slot;
	pid_t pid;

	fflush(NULL);
	for (i = 0; i < OR_WORLDS; i++) {
		if (!o->world[i].used)
			continue;
		pid = fork();
		if (!pid)
			oracle_work(o, i, slot);
		if (pid < 0)
			return complain(o, i, slot, "no process", errno);
		o->board->box[i][slot].pid = pid;
	}
	o->alive[slot] = true;
	return 0;
}

static int reap(struct oracle *o, unsigned int world, unsigned int slot)
{
	struct oracle_box *box = &o->board->box[world][slot];
	bool killed = o->board->op.how == OR_KILLED;
	int status;

	if (waitpid(box->pid, &status, 0) != box->pid)
		return complain(o, world, slot, "not waited for", errno);
	box->pid = 0;
	memset(box->win, 0, sizeof(box->win));
	/* Its last command was never done. */
	box->done = box->cmd;
	if (status != (killed ? SIGKILL : 0))
		return complain(o, world, slot, "ended otherwise", status);
	return 0;
}

static int end(struct oracle *o)
{
	unsigned int i, slot = o->board->op.slot;
	bool killed = o->board->op.how == OR_KILLED;
	int ret = 0;

	for (i = 0; i < OR_WORLDS; i++) {
		struct oracle_box *box = &o->board->box[i][slot];

		if (!o->world[i].used)
			continue;
		if (killed)
			kill(box->pid, SIGKILL);
		else
			post(box);
	}
	for (i = 0; i < OR_WORLDS; i++)
		if (!ret && o->world[i].used)
			ret = reap(o, i, slot);
	o->alive[slot] = false;
	return ret;
}

/* --- comparisons -------------------------------------------------------------- */

static bool same_results(struct oracle *o)
{
	struct oracle_board *b = o->board;
	unsigned int i, j;

	for (i = 0; i < OR_PLAIN; i++)
		for (j = 0; j < OR_SLOTS; j++) {
			if (!takes_part(o, i, j))
				continue;
			if (!oracle_same(o, &b->op, &b->box[i][j].res, i,
					 &b->box[OR_PLAIN][j].res))
				return false;
		}
	return true;
}

static unsigned int nr_windows(const struct oracle *o)
{
	unsigned int i, j, nr = 0;

	for (i = 0; i < OR_SLOTS; i++)
		for (j = 0; j < OR_WINS; j++)
			nr += !!o->board->box[OR_PLAIN][i].win[j].addr;
	return nr;
}

/* Who reads /proc or swaps may hold on to the mm of a process that ended. */
static void info_of(struct oracle *o, unsigned int world, unsigned int windows,
		    struct ptshare_info *info)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		if (tries)
			usleep(20000);
		if (pts_info(o->world[world].ctl, info))
			info->nr_windows = ~0;
		if (info->nr_windows == windows)
			break;
	}
}

static int same_info(struct oracle *o)
{
	unsigned int regions = oracle_nr_regions(&o->board->model);
	unsigned int i, windows = nr_windows(o);
	struct ptshare_info info;

	for (i = 0; i < OR_PLAIN; i++) {
		if (!o->world[i].used)
			continue;
		info_of(o, i, windows, &info);
		if (info.nr_windows != windows || info.nr_regions != regions) {
			fprintf(stderr, "# INFO: %u windows, %u regions; there are %u and %u\n",
				info.nr_windows, info.nr_regions, windows,
				regions);
			return complain(o, i, o->board->op.slot, "INFO", 0);
		}
		if (o->stats.links[i] < info.nr_links)
			o->stats.links[i] = info.nr_links;
	}
	return 0;
}

static __u64 file_hash(int fd, __u64 size)
{
	static __u64 buf[OR_BUF / sizeof(__u64)];
	__u64 hash = 0, pos;
	ssize_t n;

	for (pos = 0; pos <= size; pos += n) {
		n = pread(fd, buf, sizeof(buf), pos);
		if (n <= 0)
			break;
		hash = oracle_hash(hash, buf, n);
	}
	return hash + pos;
}

static int same_files(struct oracle *o)
{
	unsigned int i, j;
	__u64 want;

	for (j = 0; j < OR_FILES; j++) {
		__u64 size = o->board->model.size[j];

		want = file_hash(o->world[OR_PLAIN].mem[j], size);
		for (i = 0; i < OR_PLAIN; i++)
			if (o->world[i].used &&
			    file_hash(o->world[i].mem[j], size) != want)
				return complain(o, i, 0, "differs in file", j);
	}
	return 0;
}

/* --- steps ---------------------------------------------------------------------- */

static void update_sizes(struct oracle *o)
{
	struct stat st;
	unsigned int i;

	for (i = 0; i < OR_FILES; i++)
		if (!fstat(o->world[OR_PLAIN].mem[i], &st))
			o->board->model.size[i] = st.st_size;
}

static void note_huge(struct oracle_stats *s)
{
	long long kb = pts_meminfo("ShmemPmdMapped");

	if (kb > s->huge_kb)
		s->huge_kb = kb;
}

static void count(struct oracle *o)
{
	const struct oracle_op *op = &o->board->op;
	const struct oracle_result *res;
	struct oracle_stats *s = &o->stats;
	unsigned int i;

	res = &o->board->box[OR_PLAIN][op->slot].res;
	s->ops[op->kind]++;
	s->efault += res->ret == -EFAULT;
	if (op->kind == OP_ACCESS) {
		for (i = 0; i < op->nr; i++) {
			s->ok += !res->seen[i].sig;
			s->segv += res->seen[i].sig == SIGSEGV;
			s->bus += res->seen[i].sig == SIGBUS;
		}
	}
	if (o->huge && op->kind >= OP_POPULATE_READ)
		note_huge(s);
}

static int perform(struct oracle *o)
{
	struct oracle_board *b = o->board;

	switch (b->op.kind) {
	case OP_ATTACH:
		return attach(o);
	case OP_EXIT:
		return end(o);
	case OP_FORK:
		if (command(o))
			return -1;
		o->alive[b->op.peer] = true;
		break;
	default:
		b->expect = oracle_model_do(&b->model, &b->op,
					    &b->expect_failed);
		if (command(o))
			return -1;
	}
	return same_results(o) ? 0 : -1;
}

static int step(struct oracle *o)
{
	const struct oracle_op *op = &o->board->op;

	if (perform(o))
		return -1;
	count(o);
	if (op->kind == OP_TRUNCATE || op->kind == OP_PWRITE ||
	    op->kind == OP_FILE_OUT)
		update_sizes(o);
	if (op->kind == OP_CHECK && o->stats.ops[OP_CHECK] % FILES_EVERY == 1)
		return same_files(o);
	if (is_layout(op) || op->kind >= OP_WIN_MAP)
		return same_info(o);
	return 0;
}

static int end_all(struct oracle *o)
{
	struct oracle_op *op = &o->board->op;
	int ret = 0;

	op->kind = OP_EXIT;
	op->how = OR_RETURN;
	for (op->slot = 0; !ret && op->slot < OR_SLOTS; op->slot++)
		if (o->alive[op->slot])
			ret = perform(o);
	return ret;
}

/* A world that never did what it is named after proves nothing. */
static int was_linked(const struct oracle *o)
{
	unsigned int i;

	for (i = OR_NONE + 1; i < OR_PLAIN; i++)
		if (o->world[i].used && o->steps >= ENOUGH &&
		    !o->stats.links[i])
			return complain(o, i, 0, "never a link", 0);
	return 0;
}

/* Compares everything once more, and leaves no window and no region. */
static int finish(struct oracle *o)
{
	unsigned int i;

	o->board->op.kind = OP_CHECK;
	if (perform(o) || same_files(o) || end_all(o))
		return -1;
	for (i = 0; i < OR_PLAIN; i++)
		if (o->world[i].used)
			pts_unmap(o->world[i].ctl, 0, OR_LENGTH);
	memset(o->board->model.page, 0, sizeof(o->board->model.page));
	return same_info(o) ? -1 : was_linked(o);
}

static int run_steps(struct oracle *o)
{
	bool trace = oracle_env("PTSHARE_ORACLE_TRACE", 0);
	unsigned int i;

	update_sizes(o);
	for (i = 0; i < o->steps; i++) {
		oracle_next(o, &o->board->op);
		if (trace)
			oracle_print_op(&o->board->op);
		if (step(o))
			return -1;
	}
	return finish(o);
}

int oracle_run(struct oracle *o)
{
	__u64 start = pts_now_ms();
	int ret = oracle_make(o);

	if (ret && ret != -ENODEV)
		fprintf(stderr, "# oracle: no worlds: %d\n", ret);
	if (!ret)
		ret = run_steps(o);
	if (!ret)
		oracle_print_stats(o, pts_now_ms() - start);
	oracle_unmake(o);
	return ret;
}
