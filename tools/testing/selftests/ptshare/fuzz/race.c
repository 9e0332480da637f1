// SPDX-License-Identifier: GPL-2.0
/*
 * ptfuzz: the racing mode. Each worker runs its operations of the program while
 * the others run theirs; afterwards everything has to be at rest.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "model.h"

#define PATIENCE	180	/* seconds for a program */
#define REST_TRIES	150

static struct fz_model model;
static struct fz_want want;

static int complain(const char *what, long long val)
{
	fz_say("# MISMATCH: racing: %s (%lld)\n", what, val);
	return -1;
}

/* --- a program ---------------------------------------------------------- */

static void clear_bytes(void)
{
	__u32 i;

	for (i = 0; i < FZ_FILES; i++)
		if (!model.bytes[i])
			model.bytes[i] = mmap(NULL, fz_file_pages[i] * FZ_PAGE,
					      PTS_RW, MAP_PRIVATE |
					      MAP_ANONYMOUS, -1, 0);
}

/* The model runs it one by one, so that most of it meets something. */
static void make(struct fz_gen *gen, struct fz_prog *prog)
{
	struct fz_op op;
	__u32 tries;

	clear_bytes();
	fz_model_begin(&model, prog);
	for (tries = 0; tries < 4 * FZ_OPS; tries++) {
		if (!fz_gen_next(gen, &model, prog->nr, &op))
			break;
		fz_model_do(&model, &op, prog->nr, &want);
		memset(model.sleeper, 0, sizeof(model.sleeper));
		if (!want.skip)
			prog->op[prog->nr++] = op;
	}
}

static bool has_kind(const struct fz_prog *prog, __u32 w, __u32 kind)
{
	__u32 i;

	for (i = 0; i < prog->nr; i++)
		if (prog->op[i].kind == kind && V(&prog->op[i], W) == w)
			return true;
	return false;
}

static bool has_bulk(const struct fz_prog *prog)
{
	__u32 i, w;

	for (w = 0; w < FZ_WORKERS; w++)
		for (i = OP_IO; i <= OP_PWRITE; i++)
			if (has_kind(prog, w, i) ||
			    has_kind(prog, w, OP_UFFD))
				return true;
	return false;
}

/* --- together ----------------------------------------------------------- */

static void start(const struct fz_prog *prog)
{
	unsigned int w;

	board->prog = *prog;
	board->bulk = has_bulk(prog);
	board->go = 0;
	board->bad = 0;
	for (w = 0; w < FZ_WORKERS; w++)
		fz_post(w, CMD_RUN);
	__atomic_store_n(&board->go, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &board->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int await_all(const struct fz_prog *prog, bool *fresh)
{
	unsigned int w;
	int err;

	for (w = 0; w < FZ_WORKERS; w++) {
		err = fz_await(w, PATIENCE);
		if (err == -ECHILD && has_kind(prog, w, OP_EXIT))
			err = fz_spawn(w);
		else if (!err)
			*fresh |= board->box[w].res.fresh;
		if (err)
			return complain(err == -ECHILD ?
					"a worker died at operation" :
					"a worker hangs at operation",
					board->box[w].at);
	}
	return 0;
}

/* --- at rest ------------------------------------------------------------ */

static int file_legal(__u32 file)
{
	static __u64 words[16 * 512];
	int fd = board->file[file];
	off_t data, pos = 0;
	ssize_t n, i;

	for (; (data = lseek(fd, pos, SEEK_DATA)) >= 0; pos = data + n) {
		n = pread(fd, words, sizeof(words), data);
		if (n <= 0)
			break;
		for (i = 0; i < n / 8; i++) {
			if (fz_legal_at(words[i], file,
					(data + i * 8) / FZ_PAGE))
				continue;
			fz_say("# file %u at %#llx has %#llx, which nobody stores there\n",
			       file, (__u64)data + i * 8, words[i]);
			return complain("a value out of place", file);
		}
	}
	return 0;
}

static int agrees(int fd, const char *key, __u64 val)
{
	long long told = pts_fdinfo(fd, key);

	if (told == (long long)val)
		return 0;
	fz_say("# fdinfo says %s %lld, INFO %llu\n", key, told, val);
	return complain("fdinfo", told);
}

static int same_fdinfo(int fd, const struct ptshare_info *info)
{
	return agrees(fd, "ptshare-id", info->id) ?:
	       agrees(fd, "ptshare-length", info->length) ?:
	       agrees(fd, "ptshare-regions", info->nr_regions) ?:
	       agrees(fd, "ptshare-windows", info->nr_windows) ?:
	       agrees(fd, "ptshare-links", info->nr_links) ?:
	       agrees(fd, "ptshare-mirrors", info->nr_mirrors);
}

/* Whoever ended may take a moment to leave. */
static int at_rest(int fd, struct ptshare_info *info, bool empty)
{
	__u32 tries;

	for (tries = 0; tries < REST_TRIES; tries++) {
		if (pts_info(fd, info))
			return complain("INFO", fd);
		if (!info->nr_windows && !info->nr_links &&
		    !info->nr_mirrors && (!empty || !info->rss_bytes))
			return 0;
		usleep(20000);
	}
	fz_say("# %u windows, %llu links, %llu mirrors, %llu bytes mapped\n",
	       info->nr_windows, info->nr_links, info->nr_mirrors,
	       info->rss_bytes);
	return complain("not at rest", info->nr_windows);
}

static int in_order(int fd, const struct ptshare_info *info)
{
	struct pts_snap snap;
	__u64 end = 0;
	__u32 i;
	int err;

	if (pts_snap_take(fd, &snap))
		return complain("QUERY", fd);
	err = snap.nr == info->nr_regions ? 0 :
	      complain("QUERY and INFO count otherwise", snap.nr);
	for (i = 0; !err && i < snap.nr; i++) {
		if (snap.regions[i].offset < end)
			err = complain("regions overlap", i);
		end = snap.regions[i].offset + snap.regions[i].length;
	}
	pts_snap_free(&snap);
	return err;
}

static int container_rests(int fd)
{
	struct ptshare_info info;
	int err = at_rest(fd, &info, false);

	if (!err)
		err = same_fdinfo(fd, &info);
	if (!err)
		err = in_order(fd, &info);
	if (err || info.seals & PTSHARE_SEAL_LAYOUT)
		return err;
	err = pts_unmap(fd, 0, info.length);
	if (err && err != -ENOENT)
		return complain("UNMAP of all", err);
	err = at_rest(fd, &info, true);
	if (!err && info.nr_regions)
		err = complain("regions after UNMAP of all", info.nr_regions);
	return err;
}

static int judge(void)
{
	unsigned int w;
	__u32 i;
	int err = 0;

	if (board->bad) {
		fz_say("# %s\n", board->what);
		return complain("values", board->bad);
	}
	for (i = 0; i < FZ_NFDS; i++)
		if (board->nfd[i] >= 0)
			close(board->nfd[i]);
	for (i = 0; i < FZ_NFDS; i++)
		board->nfd[i] = -1;
	for (w = 0; w < FZ_WORKERS; w++)
		fz_post(w, CMD_RESET);
	for (w = 0; !err && w < FZ_WORKERS; w++)
		if (fz_await(w, PATIENCE))
			err = complain("a worker can't give up its windows", w);
	for (i = 0; !err && i < FZ_FILES; i++)
		err = file_legal(i);
	for (i = 0; !err && i < FZ_CONTS; i++)
		err = container_rests(board->ctl[i]);
	return err;
}

int fz_race(struct fz_gen *gen, struct fz_prog *prog, unsigned int share,
	    bool *fresh)
{
	static __u32 nonce;
	int err;

	if (gen)
		make(gen, prog);
	err = fz_world(prog, share, ++nonce, true);
	if (err)
		return complain("no world", err);
	*fresh = false;
	start(prog);
	err = await_all(prog, fresh);
	if (!err)
		err = judge();
	fz_stats.races++;
	fz_stats.ops += prog->nr;
	if (err)
		fz_restart();
	else
		fz_unworld();
	return err;
}
