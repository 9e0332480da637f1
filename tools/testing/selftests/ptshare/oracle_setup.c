// SPDX-License-Identifier: GPL-2.0
/* The oracle's worlds: made, and taken apart. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "oracle.h"
#include "share.h"

#define SHMEM	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

const char * const oracle_share_names[OR_PLAIN] = { "none", "pmd", "pud" };

static int make_files(struct oracle_world *w)
{
	unsigned int i;

	for (i = 0; i < OR_FILES; i++) {
		w->mem[i] = pts_memfd_stamped(oracle_file_max[i], i + 1);
		if (w->mem[i] < 0)
			return w->mem[i];
	}
	w->mem[OR_RDONLY] = pts_reopen(w->mem[0], O_RDONLY);
	w->empty = pts_memfd(0, 0);
	w->disk = pts_memfd_stamped(OR_DISK, OR_FILES + 1);
	if (w->mem[OR_RDONLY] < 0 || w->empty < 0 || w->disk < 0)
		return -EMFILE;
	w->direct = pts_loop_direct(w->disk);
	return pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) ? -errno : 0;
}

/* A kernel without the parameter has one kind of container: it is the first. */
static int make_container(struct oracle_world *w, unsigned int world)
{
	int ret = share_set(oracle_share_names[world]);

	w->used = !ret || !world;
	if (!w->used)
		return 0;
	w->ctl = pts_create(OR_LENGTH, PTS_RW);
	if (w->ctl < 0)
		return w->ctl;
	w->att = pts_attach(w->ctl);
	return w->att < 0 ? w->att : 0;
}

static int make_world(struct oracle *o, unsigned int world)
{
	struct oracle_world *w = o->world + world;
	int ret = 0;

	w->used = true;
	if (world != OR_PLAIN)
		ret = make_container(w, world);
	if (!ret && w->used)
		ret = make_files(w);
	if (w->used && w->direct < 0)
		o->direct = false;
	return ret;
}

static int make_worlds(struct oracle *o)
{
	unsigned int i;
	int ret = 0;

	o->direct = true;
	for (i = 0; i < OR_WORLDS; i++)
		memset(o->world + i, -1, sizeof(o->world[i]));
	for (i = 0; i < OR_WORLDS; i++)
		o->world[i].used = false;
	for (i = 0; !ret && i < OR_WORLDS; i++)
		ret = make_world(o, i);
	return ret;
}

int oracle_make(struct oracle *o)
{
	int ret;

	memset(&o->stats, 0, sizeof(o->stats));
	memset(o->alive, 0, sizeof(o->alive));
	o->rng = o->seed;
	o->board = mmap(NULL, sizeof(*o->board), PTS_RW,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (o->board == MAP_FAILED)
		return -ENOMEM;
	share_get(o->share, sizeof(o->share));
	ret = pts_chosen(SHMEM, o->shmem, sizeof(o->shmem));
	if (!ret)
		ret = pts_spit(SHMEM, o->huge ? "within_size" : "never");
	/* No huge pages is what is wanted in the other case. */
	if (ret && o->huge)
		return -ENODEV;
	return make_worlds(o);
}

static void close_world(struct oracle_world *w)
{
	unsigned int i;

	for (i = 0; i <= OR_FILES; i++)
		close(w->mem[i]);
	close(w->empty);
	close(w->direct);
	close(w->disk);
	close(w->pipe[0]);
	close(w->pipe[1]);
	close(w->att);
	close(w->ctl);
}

static void end_worker(struct oracle_box *box)
{
	if (box->pid <= 0)
		return;
	kill(box->pid, SIGKILL);
	waitpid(box->pid, NULL, 0);
}

void oracle_unmake(struct oracle *o)
{
	unsigned int i, j;

	for (i = 0; i < OR_WORLDS; i++) {
		for (j = 0; j < OR_SLOTS; j++)
			end_worker(&o->board->box[i][j]);
		if (o->world[i].used)
			close_world(o->world + i);
	}
	munmap(o->board, sizeof(*o->board));
	if (o->share[0])
		share_set(o->share);
	if (o->shmem[0])
		pts_spit(SHMEM, o->shmem);
}
