// SPDX-License-Identifier: GPL-2.0
/* Ways to catch writes of many processes; described in notify.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../ptshare_util.h"
#include "notify.h"

#define BATCH	64		/* records in one read(2) */
#define REGIONS	2048		/* in one scan */

/* What the jobs of a process know; forked after the first was set. */
static const struct rig *rig;
static struct worker *self;
static int uffd = -1;
static int pagemap = -1;

static bool is_uffd(const struct way *way)
{
	return way->how == H_UFFD_ASYNC || way->how == H_UFFD_SYNC;
}

/* --- userfaultfd ---------------------------------------------------------- */

static int uffd_open(const struct way *way)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (way->how == H_UFFD_ASYNC)
		api.features |= UFFD_FEATURE_WP_ASYNC;
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int uffd_protect(int fd, __u64 start, __u64 len, __u64 mode)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = start, .len = len }, .mode = mode,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
}

static void job_register(struct worker *w, unsigned long unused)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)w->win, .len = w->peer->len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	uffd = uffd_open(rig->way);
	if (uffd < 0 || ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		die("pagemap");
	w->slot->val = uffd;
}

/* Sets slot.val to the number of pages that this process wrote. */
static void job_pagemap_scan(struct worker *w, unsigned long unused)
{
	static struct page_region vec[REGIONS];
	const __u64 end = (uintptr_t)w->win + w->peer->len;
	struct pm_scan_arg arg = { .walk_end = (uintptr_t)w->win };
	long long pages = 0;
	int i, nr;

	while (arg.walk_end < end) {
		arg = (struct pm_scan_arg) {
			.size = sizeof(arg),
			.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
			.start = arg.walk_end, .end = end,
			.vec = (uintptr_t)vec, .vec_len = REGIONS,
			.category_mask = PAGE_IS_WRITTEN,
			.return_mask = PAGE_IS_WRITTEN,
		};
		nr = ioctl(pagemap, PAGEMAP_SCAN, &arg);
		if (nr < 0)
			die("PAGEMAP_SCAN");
		for (i = 0; i < nr; i++)
			pages += (vec[i].end - vec[i].start) / PAGE;
	}
	w->slot->val = pages;
}

/* --- in the writing processes ---------------------------------------------- */

/* ENOENT: somebody else was faster, and the page can be written. */
static int allow(int notify, __u64 offset, __u64 length)
{
	struct ptshare_resolve arg = {
		.size = sizeof(arg), .offset = offset, .length = length,
		.action = PTSHARE_ALLOW,
	};

	if (ioctl(notify, PTSHARE_IOC_RESOLVE, &arg) && errno != ENOENT)
		return -1;
	return 0;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	const uintptr_t addr = (uintptr_t)info->si_addr & ~(PAGE - 1);

	if (sig == SIGBUS ? allow(rig->notify, addr - (uintptr_t)self->win,
				  PAGE) :
			    mprotect((void *)addr, PAGE, PTS_RW))
		_exit(3);
}

static void job_handler(struct worker *w, unsigned long sig)
{
	struct sigaction action = {
		.sa_sigaction = handle, .sa_flags = SA_SIGINFO,
	};

	self = w;
	if (sigaction(sig, &action, NULL))
		die("sigaction");
}

static void job_protect(struct worker *w, unsigned long unused)
{
	int ret;

	if (is_uffd(rig->way))
		ret = uffd_protect(uffd, (uintptr_t)w->win, w->peer->len,
				   UFFDIO_WRITEPROTECT_MODE_WP);
	else
		ret = mprotect(w->win, w->peer->len, PTS_RO);
	if (ret)
		die("protection by %s", rig->way->name);
}

/* --- the monitor ------------------------------------------------------------ */

static void answer_uffd(int fd)
{
	struct uffd_msg msg[BATCH];
	ssize_t got;
	int i;

	got = read(fd, msg, sizeof(msg));
	for (i = 0; i < got / (ssize_t)sizeof(*msg); i++)
		if (uffd_protect(fd, msg[i].arg.pagefault.address &
				     ~(__u64)(PAGE - 1), PAGE, 0))
			die("UFFDIO_WRITEPROTECT");
}

static void answer_notify(int fd)
{
	struct ptshare_event event[BATCH];
	ssize_t got;
	int i;

	got = read(fd, event, sizeof(event));
	for (i = 0; i < got / (ssize_t)sizeof(*event); i++)
		if (allow(fd, event[i].offset, event[i].length))
			die("RESOLVE");
}

static void add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll");
}

static int fd_of(const struct slot *slot)
{
	int pidfd = syscall(SYS_pidfd_open, slot->pid, 0);
	int fd = syscall(SYS_pidfd_getfd, pidfd, (int)slot->val, 0);

	close(pidfd);
	return fd;
}

static noreturn void monitor(const struct rig *r)
{
	struct epoll_event event[BATCH];
	int i, nr, epoll = epoll_create1(EPOLL_CLOEXEC);
	const bool ours = is_container(r->way->mode);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ours)
		add(epoll, r->notify);
	for (i = 0; !ours && i < r->crew.nr; i++)
		add(epoll, fd_of(&r->crew.slot[i]));
	for (;;) {
		nr = epoll_wait(epoll, event, BATCH, -1);
		for (i = 0; i < nr; i++)
			(ours ? answer_notify : answer_uffd)(event[i].data.fd);
	}
}

static void start_monitor(struct rig *r)
{
	r->monitor = 0;
	if (r->way->how != H_BLOCK && r->way->how != H_UFFD_SYNC)
		return;
	fflush(NULL);
	r->monitor = fork();
	if (r->monitor < 0)
		die("fork of the monitor");
	if (!r->monitor)
		monitor(r);
}

/* --- in the parent ------------------------------------------------------------ */

static bool can(const struct way *way)
{
	struct ptshare_info info;
	int fd;

	if (is_uffd(way)) {
		fd = uffd_open(way);
		if (fd < 0)
			skip(way->name, "no such userfaultfd in this kernel");
		else
			close(fd);
		return fd >= 0;
	}
	if (!is_container(way->mode))
		return true;
	fd = pts_open_dev();
	if (fd < 0 || pts_info(fd, &info))
		info.features = 0;
	if (fd >= 0)
		close(fd);
	if (!(info.features & PTSHARE_FEATURE_NOTIFY))
		skip(way->name, "no write notification in this kernel");
	return info.features & PTSHARE_FEATURE_NOTIFY;
}

/* The monitor has an fd of each process. */
static void many_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("setrlimit");
}

static int open_notify(const struct peer *p)
{
	struct ptshare_notify arg = {
		.size = sizeof(arg), .queue_len = p->len / PAGE,
	};
	int fd = ioctl(p->fd, PTSHARE_IOC_NOTIFY, &arg);

	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
		die("NOTIFY");
	return fd;
}

bool rig_open(struct rig *r, const struct way *way, size_t len, unsigned int nr)
{
	struct crew *c = &r->crew;

	if (!can(way) || !peer_open(&r->peer, way->mode, len))
		return false;
	many_fds();
	r->way = way;
	r->notify = is_container(way->mode) ? open_notify(&r->peer) : -1;
	rig = r;
	crew_start_touched(c, &r->peer, nr, 0);
	if (is_uffd(way))
		crew_run(c, job_register, 0);
	if (way->how == H_SIGNAL)
		crew_run(c, job_handler, SIGBUS);
	if (way->how == H_MPROTECT)
		crew_run(c, job_handler, SIGSEGV);
	start_monitor(r);
	return true;
}

void rig_close(struct rig *r)
{
	if (r->monitor) {
		kill(r->monitor, SIGKILL);
		waitpid(r->monitor, NULL, 0);
	}
	crew_end(&r->crew);
	if (r->notify >= 0)
		close(r->notify);
	peer_close(&r->peer);
}

double rig_run(struct rig *r, job_fn fn, unsigned long arg, bool whole)
{
	double sum = 0, took;
	int i;

	crew_measure(&r->crew, true);
	took = crew_run(&r->crew, fn, arg);
	crew_measure(&r->crew, false);
	for (i = 0; i < r->crew.nr; i++)
		sum += r->crew.slot[i].cost;
	return whole || r->monitor ? took : sum;
}

double rig_arm(struct rig *r)
{
	static const __u32 modes[] = {
		[H_ASYNC] = PTSHARE_ASYNC, [H_BLOCK] = PTSHARE_BLOCK,
		[H_SIGNAL] = PTSHARE_SIGNAL,
	};
	struct ptshare_arm arg = {
		.size = sizeof(arg), .length = r->peer.len,
		/* As with a userfaultfd: nobody goes on by himself. */
		.timeout_ns = ~0ULL,
	};
	__u64 start;

	if (!is_container(r->way->mode))
		return rig_run(r, job_protect, 0, false);
	arg.mode = modes[r->way->how];
	start = now();
	if (ioctl(r->notify, PTSHARE_IOC_ARM, &arg))
		die("ARM");
	return now() - start;
}

static long long scan(struct rig *r, __u32 flags)
{
	static struct ptshare_scan_region vec[REGIONS];
	struct ptshare_scan arg = {};
	long long pages = 0;
	__u64 i;

	while (arg.walk_end < r->peer.len) {
		arg = (struct ptshare_scan) {
			.size = sizeof(arg), .flags = flags,
			.start = arg.walk_end, .end = r->peer.len,
			.vec = (uintptr_t)vec, .vec_len = REGIONS,
		};
		if (ioctl(r->notify, PTSHARE_IOC_SCAN, &arg))
			die("SCAN");
		for (i = 0; i < arg.nr; i++)
			pages += (vec[i].end - vec[i].start) / PAGE;
	}
	return pages;
}

double rig_collect(struct rig *r, long long *pages)
{
	double took;
	__u64 start;
	int i;

	*pages = 0;
	if (is_container(r->way->mode)) {
		start = now();
		*pages = scan(r, PTSHARE_SCAN_REARM);
		return now() - start;
	}
	took = rig_run(r, job_pagemap_scan, 0, false);
	for (i = 0; i < r->crew.nr; i++)
		*pages += r->crew.slot[i].val;
	return took;
}

void rig_settle(struct rig *r, long long pages)
{
	static struct ptshare_event event[BATCH];
	long long found;

	if (!is_container(r->way->mode))
		return;
	while (read(r->notify, event, sizeof(event)) > 0)
		;
	if (errno != EAGAIN)
		die("events");
	found = scan(r, PTSHARE_SCAN_CLEAR);
	if (found != pages) {
		errno = 0;
		die("%s: %lld of %lld pages are known as written",
		    r->way->name, found, pages);
	}
}
