// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the serial mode. One operation at a time, each compared. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

#define PATIENCE	90	/* seconds for an operation */
#define SLEEPS_MS	30000	/* until who is to sleep does */
#define NONCE		0x5e7

static struct fz_model model;
static struct fz_want want;

static int complain(const char *what, long long val)
{
	fz_say("# MISMATCH: %s (%lld)\n", what, val);
	return -1;
}

static void where(const char *what, const struct fz_op *op)
{
	fz_say("# %s: ", what);
	if (!fz_quiet)
		fz_print_op(stdout, op);
}

static void clear_bytes(void)
{
	__u32 i, page;

	for (i = 0; i < FZ_FILES; i++) {
		size_t len = fz_file_pages[i] * FZ_PAGE;

		if (!model.bytes[i])
			model.bytes[i] = mmap(NULL, len, PTS_RW, MAP_PRIVATE |
					      MAP_ANONYMOUS, -1, 0);
		for (page = 0; page < fz_file_pages[i]; page++)
			if (model.dirty[i][page])
				memset(model.bytes[i] + page * FZ_PAGE, 0,
				       FZ_PAGE);
	}
}

/* --- who sleeps --------------------------------------------------------- */

/* Who is about to sleep is told of: there is one event more. */
static int await_sleep(unsigned int w, int nfd, long long before)
{
	struct fz_box *box = &board->box[w];
	__u64 end = pts_now_ms() + SLEEPS_MS;

	while (pts_now_ms() < end) {
		if (pts_fdinfo(nfd, "ptshare-notify-seq") > before)
			return 0;
		if (__atomic_load_n(&box->done, __ATOMIC_ACQUIRE) == box->cmd)
			return complain("a writer did not sleep", box->res.ret);
		usleep(2000);
	}
	return complain("a writer neither sleeps nor goes on", w);
}

static int finish(unsigned int w, const struct fz_op *op)
{
	struct fz_box *box = &board->box[w];
	int err = fz_await(w, PATIENCE);

	if (err == -ECHILD && op->kind == OP_EXIT) {
		err = fz_spawn(w);
		model.pid[w] = box->pid;
		return err;
	}
	if (err)
		return complain(err == -ECHILD ? "a worker died" :
				"a worker hangs", w);
	if (!fz_judge(&model, op, &want, &box->res))
		return -1;
	fz_model_after(&model, op, box->step, box->res.ret);
	return 0;
}

/* Whoever was woken by the last operation ends his own, or sleeps once more. */
static int end_sleeps(void)
{
	struct fz_sleeper *s;
	struct fz_op op;
	unsigned int w;
	int err = 0;

	for (w = 0; !err && w < FZ_WORKERS; w++) {
		s = &model.sleeper[w];
		if (!s->asleep || !s->woken)
			continue;
		op = s->op;
		fz_model_woken(&model, w, &want);
		if (want.sleeps)
			continue;
		want.any |= want.skip;
		err = finish(w, &op);
		if (err)
			where("of the operation that slept", &op);
	}
	return err;
}

/* --- steps -------------------------------------------------------------- */

static int nfd_of(const struct fz_sleeper *s)
{
	return board->nfd[model.page[s->file][s->page].owner];
}

static int perform(const struct fz_op *op, __u32 step, bool *fresh)
{
	unsigned int w = V(op, W);
	struct fz_box *box = &board->box[w];
	long long before = 0;
	int err;

	box->op = *op;
	box->step = step;
	if (want.sleeps)
		before = pts_fdinfo(nfd_of(&model.sleeper[w]),
				    "ptshare-notify-seq");
	fz_post(w, CMD_OP);
	fz_stats.ops++;
	if (want.sleeps) {
		fz_stats.slept++;
		return await_sleep(w, nfd_of(&model.sleeper[w]), before);
	}
	err = finish(w, op);
	*fresh |= box->res.fresh;
	return err ?: end_sleeps();
}

static int step(struct fz_gen *gen, struct fz_prog *prog, __u32 *at,
		bool *fresh)
{
	struct fz_op op;
	int err;

	if (gen ? !fz_gen_next(gen, &model, prog->nr, &op) : *at == prog->nr)
		return 1;
	if (!gen)
		op = prog->op[*at];
	fz_model_do(&model, &op, *at, &want);
	if (fz_verbose) {
		printf("# %s", want.skip ? "(not now) " : "");
		fz_print_op(stdout, &op);
		fflush(stdout);
	}
	/* What can't be done is not worth a line of a program. */
	if (want.skip) {
		fz_stats.skipped++;
		*at += !gen;
		return 0;
	}
	if (gen)
		prog->op[prog->nr++] = op;
	err = perform(&op, (*at)++, fresh);
	if (err) {
		where("at the operation", &op);
		return err;
	}
	/* From here on the model can't know. */
	return model.vague;
}

/* Who sleeps still goes on when nobody listens any more. */
static int close_notify(void)
{
	__u32 n;
	int err = 0;

	for (n = 0; !err && n < FZ_NFDS; n++) {
		if (!model.queue[n].open)
			continue;
		fz_notify_close(&model, n);
		close(board->nfd[n]);
		board->nfd[n] = -1;
		err = end_sleeps();
	}
	return err;
}

static int reset_workers(void)
{
	unsigned int w;

	for (w = 0; w < FZ_WORKERS; w++)
		fz_post(w, CMD_RESET);
	for (w = 0; w < FZ_WORKERS; w++)
		if (fz_await(w, PATIENCE))
			return complain("a worker can't give up its windows",
					w);
	return 0;
}

/* The first steps may be more than what a generator makes worth it. */
static int run(struct fz_gen *gen, struct fz_prog *prog, bool *fresh)
{
	__u32 at = 0, tries;
	int err = 0;

	for (tries = 0; !err && tries < 4 * FZ_OPS; tries++)
		err = step(gen, prog, &at, fresh);
	if (err < 0)
		return err;
	err = close_notify();
	if (!err && !fz_judge_world(&model))
		err = -1;
	return err ?: reset_workers();
}

int fz_serial(struct fz_gen *gen, struct fz_prog *prog, unsigned int share,
	      bool *fresh)
{
	unsigned int w;
	int err;

	clear_bytes();
	fz_model_begin(&model, prog);
	for (w = 0; w < FZ_WORKERS; w++)
		model.pid[w] = board->box[w].pid;
	err = fz_world(prog, share, NONCE, false);
	if (err)
		return complain("no world", err);
	*fresh = false;
	err = run(gen, prog, fresh);
	fz_stats.execs++;
	if (err)
		fz_restart();
	else
		fz_unworld();
	return err;
}
