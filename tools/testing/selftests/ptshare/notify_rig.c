// SPDX-License-Identifier: GPL-2.0
/* Processes that write in one way; described in notify_rig.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>

#include "notify_rig.h"
#include "share.h"

#define NOT_HERE	UINT64_MAX

static struct way_board *board;

static void count_signal(int sig)
{
	board->signals++;
}

/* Writes the pages it is told, and answers with the errno. */
static int writer(int sock, void *arg)
{
	struct way_rig *rig = arg;
	struct way_world w = {
		.ctl = rig->ctl, .mem = rig->mem, .len = RIG_LEN,
		.base = rig->base,
	};
	struct sigaction sa = {
		.sa_handler = count_signal, .sa_flags = SA_RESTART,
	};
	__u64 page;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	board = rig->board;
	sigaction(SIGUSR1, &sa, NULL);
	ret = way_open(&w, rig->way, rig->page);
	pts_send(sock, ret > 0 ? NOT_HERE : -ret);
	while (!pts_recv(sock, &page)) {
		board->begun++;
		pts_send(sock, -rig->way->write(&w, page));
	}
	if (w.victim > 0)
		kill(w.victim, SIGKILL);
	return 0;
}

int way_rig_writer(struct way_rig *rig, struct pts_child *c)
{
	int err = pts_fork(c, writer, rig);
	__u64 ret;

	if (err || pts_recv(c->sock, &ret))
		return err ?: -EPIPE;
	return ret == NOT_HERE ? 1 : -(int)ret;
}

int way_rig_make(struct way_rig *rig, const struct way *way, bool huge,
		 __u64 page)
{
	int err;

	*rig = (struct way_rig) { .way = way, .page = page };
	rig->base = way_reserve(RIG_LEN);
	rig->board = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
	if (rig->base == MAP_FAILED || rig->board == MAP_FAILED)
		return -ENOMEM;
	rig->mem = pts_memfd_pages(RIG_LEN, huge);
	if (rig->mem == -ENODEV)
		return 1;
	if (rig->mem < 0)
		return rig->mem;
	rig->ctl = way->share ? share_create(way->share, RIG_LEN, PTS_RW) :
				pts_create(RIG_LEN, PTS_RW);
	if (rig->ctl < 0)
		return rig->ctl;
	err = pts_map(rig->ctl, rig->mem, PTS_RW, 0, RIG_LEN, 0);
	return err ?: way_rig_writer(rig, &rig->c);
}

int way_rig_free(struct way_rig *rig)
{
	return rig->c.pid > 0 ? pts_join(&rig->c) : 0;
}

int way_rig_begin(const struct pts_child *c, __u64 page)
{
	return pts_send(c->sock, page);
}

int way_rig_end(const struct pts_child *c)
{
	__u64 ret;

	return pts_recv(c->sock, &ret) ?: -(int)ret;
}

int way_rig_write(struct way_rig *rig, __u64 page)
{
	return way_rig_begin(&rig->c, page) ?: way_rig_end(&rig->c);
}

int way_rig_reset(struct way_rig *rig, __u64 page)
{
	return way_reset(rig->way, rig->mem, RIG_LEN, page);
}

__u16 way_event_flags(const struct way *way)
{
	if (way->kind == WAY_USER)
		return 0;
	if (way->kind == WAY_FILE)
		return PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_SYSCALL;
	return PTSHARE_EVENT_F_KERNEL |
	       (way->flags & WAY_F_REMOTE ? PTSHARE_EVENT_F_REMOTE : 0);
}
