// SPDX-License-Identifier: GPL-2.0-or-later
/* What watch does: arm, tell of events, answer, arm again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include "watch.h"

#define SCAN_BATCH	512
/* After so many events the deadline and the signals get their turn. */
#define EVENT_BATCH	256
/* More needs CAP_SYS_PTRACE. */
#define MAX_WRITER_TIMEOUT	(3600 * CTL_SECOND)

struct watch {
	const struct watch_request *req;
	const struct target *target;
	struct watch_style style;
	struct watch_range *ranges;	/* that are armed */
	size_t nr;
	int fd;				/* notify */
	int signals;
	struct ptshare_events *events;
	uint64_t told;			/* lines about writes */
	uint64_t deadline;
	uint64_t next_rearm;
	/*
	 * What the last re-arming forgot. If the events of just these writes
	 * were dropped, only this list has them.
	 */
	struct ptshare_scan_region *forgotten;
	size_t nr_forgotten;
};

/* --- arming --------------------------------------------------------------- */

static const char *arm_reason(const struct watch_request *req, int ret)
{
	switch (-ret) {
	case ENOENT:
		return "meets a hole";
	case EINVAL:
		return "leaves the container, or is empty";
	case EACCES:
		return "the backing was not opened for writing";
	case EPERM:
		if (req->on_kernel == PTSHARE_KERNEL_BLOCK ||
		    req->writer_timeout_ns > MAX_WRITER_TIMEOUT)
			return "this needs CAP_SYS_PTRACE";
		return "this mode is for the owner of the file";
	case EBUSY:
		return req->mode == PTSHARE_ASYNC ?
		       "somebody else watches it" :
		       "somebody else watches it, or pages are pinned";
	case EOPNOTSUPP:
		return "this kernel can't watch the backing";
	default:
		return strerrordesc_np(-ret);
	}
}

static void arm_hint(const struct watch *w, int ret)
{
	if (ret == -ENOENT)
		ctl_hint("'mshare-ctl table %s' shows the regions",
			 w->target->name);
	else if (ret == -EBUSY && w->req->mode != PTSHARE_ASYNC)
		ctl_hint("--mode async also watches what is pinned");
	else if (ret == -EPERM)
		ctl_hint("be root, or leave modes and policies at their defaults");
}

static void arm_error(const struct watch *w, const struct watch_range *range,
		      int ret)
{
	char name[CTL_RANGE_NAME];

	ctl_error("%s: %s: %s (%s)", w->target->name,
		  ctl_range_name(range->offset, range->length, name),
		  arm_reason(w->req, ret), strerrorname_np(-ret));
}

static int add_range(struct watch *w, const struct watch_range *range)
{
	struct watch_range *bigger;

	bigger = reallocarray(w->ranges, w->nr + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	w->ranges = bigger;
	w->ranges[w->nr++] = *range;
	return 0;
}

/* Not among the lines: there is one for each write, and programs count them. */
static void tell_armed(const struct ptshare_arm *arg)
{
	char name[CTL_RANGE_NAME], size[24];

	ctl_range_name(arg->offset, arg->length, name);
	if (arg->pinned)
		ctl_note("%s: armed, %s pinned, which can be written unseen",
			 name, ptshare_size_format(arg->pinned, size));
	else
		ctl_note("%s: armed", name);
}

static int arm(struct watch *w, const struct watch_range *range)
{
	struct ptshare_arm arg = {
		.size = sizeof(arg),
		.offset = range->offset,
		.length = range->length,
		.mode = w->req->mode,
		.on_kernel = w->req->on_kernel,
		.on_close = w->req->on_close,
		.timeout_ns = w->req->writer_timeout_ns,
	};
	int ret;

	ret = ptshare_arm(w->fd, &arg);
	if (ret)
		return ret;
	tell_armed(&arg);
	return add_range(w, range);
}

static int arm_given(struct watch *w)
{
	const struct watch_range *range = w->req->ranges;
	const struct watch_range *end = range + w->req->nr;
	int ret;

	for (; range < end; range++) {
		ret = arm(w, range);
		if (ret) {
			arm_error(w, range, ret);
			arm_hint(w, ret);
			return CTL_FAILED;
		}
	}
	return CTL_OK;
}

/*
 * One that can't be written through the container, and so can't be watched, is
 * no reason not to watch the others.
 */
static int arm_region(struct watch *w, const struct ptshare_region *region)
{
	const struct watch_range range = { region->offset, region->length };
	int ret = arm(w, &range);

	if (!ret)
		return CTL_OK;
	arm_error(w, &range, ret);
	if (ret == -EACCES) {
		ctl_hint("the other regions are watched");
		return CTL_OK;
	}
	arm_hint(w, ret);
	return CTL_FAILED;
}

static int arm_all(struct watch *w)
{
	struct ptshare_region region;
	struct ptshare_iter *iter;
	int ret, status = CTL_OK;

	ret = ptshare_iter_new(w->target->fd, 0, &iter);
	if (!ret) {
		while (!status && (ret = ptshare_iter_next(iter, &region)) > 0)
			status = arm_region(w, &region);
		ptshare_iter_free(iter);
	}
	if (ret < 0) {
		ctl_error("%s: %s", w->target->name, strerrordesc_np(-ret));
		return CTL_FAILED;
	}
	if (!status && !w->nr) {
		ctl_error("%s: there is nothing to watch", w->target->name);
		return CTL_FAILED;
	}
	return status;
}

/* --- telling -------------------------------------------------------------- */

static bool enough(const struct watch *w)
{
	return w->told >= w->req->count;
}

/* ENOENT: the writer has gone on or is dead, so there is nothing to answer. */
static void answer(const struct watch *w, uint64_t offset, uint64_t length)
{
	ptshare_resolve(w->fd, offset, length, w->req->answer, NULL);
}

static void tell_region(struct watch *w,
			const struct ptshare_scan_region *region)
{
	struct watch_line line;

	if (enough(w))
		return;
	watch_region(&line, region);
	watch_print(&w->style, &line);
	w->told++;
}

static int scan_error(const struct watch *w, int ret)
{
	ctl_error("%s: SCAN: %s (%s)", w->target->name, strerrordesc_np(-ret),
		  strerrorname_np(-ret));
	return CTL_FAILED;
}

/* @fn gets each region of all ranges that has one of @categories. */
static int scan(struct watch *w, uint32_t flags, uint64_t categories,
		int (*fn)(struct watch *w,
			  const struct ptshare_scan_region *region))
{
	struct ptshare_scan_region vec[SCAN_BATCH];
	struct ptshare_scan arg;
	uint64_t n, end;
	size_t i;
	int ret;

	for (i = 0; i < w->nr; i++) {
		end = w->ranges[i].offset + w->ranges[i].length;
		arg.walk_end = w->ranges[i].offset;
		while (arg.walk_end < end) {
			arg = (struct ptshare_scan) {
				.size = sizeof(arg), .flags = flags,
				.start = arg.walk_end, .end = end,
				.vec = (uintptr_t)vec, .vec_len = SCAN_BATCH,
				.categories = categories,
			};
			ret = ptshare_scan(w->fd, &arg);
			if (ret)
				return scan_error(w, ret);
			for (n = 0; n < arg.nr; n++)
				if (fn(w, &vec[n]))
					return CTL_FAILED;
		}
	}
	return CTL_OK;
}

static bool writers_sleep(const struct watch *w)
{
	return w->req->mode == PTSHARE_BLOCK ||
	       w->req->on_kernel == PTSHARE_KERNEL_BLOCK;
}

static int found_lost(struct watch *w, const struct ptshare_scan_region *region)
{
	if (region->categories & PTSHARE_PAGE_PENDING && writers_sleep(w))
		answer(w, region->start, region->end - region->start);
	tell_region(w, region);
	return 0;
}

/* Events were dropped: the pages themselves know who was written. */
static int tell_lost(struct watch *w)
{
	size_t i;

	for (i = 0; i < w->nr_forgotten; i++)
		tell_region(w, &w->forgotten[i]);
	w->nr_forgotten = 0;
	return scan(w, PTSHARE_SCAN_CLEAR,
		    PTSHARE_PAGE_WRITTEN | PTSHARE_PAGE_PENDING, found_lost);
}

static int tell_event(struct watch *w, const struct ptshare_event *event)
{
	struct watch_line line;

	watch_event(&line, event);
	/* First the writer, then the reader of our output, who may be slow. */
	if (event->flags & PTSHARE_EVENT_F_BLOCKED)
		answer(w, event->offset, event->length);
	watch_print(&w->style, &line);
	if (event->type == PTSHARE_EVENT_WRITE)
		w->told++;
	return event->type == PTSHARE_EVENT_OVERFLOW ? tell_lost(w) : CTL_OK;
}

/* --- arming again --------------------------------------------------------- */

static int remember(struct watch *w, const struct ptshare_scan_region *region)
{
	struct ptshare_scan_region *bigger;

	bigger = reallocarray(w->forgotten, w->nr_forgotten + 1,
			      sizeof(*bigger));
	if (!bigger) {
		ctl_error("out of memory");
		return CTL_FAILED;
	}
	w->forgotten = bigger;
	w->forgotten[w->nr_forgotten++] = *region;
	return CTL_OK;
}

/* What was refused is told once as well; but a sleeper is not told twice. */
static int rearm(struct watch *w)
{
	uint64_t categories = PTSHARE_PAGE_WRITTEN;

	if (!writers_sleep(w))
		categories |= PTSHARE_PAGE_PENDING;
	w->nr_forgotten = 0;
	w->next_rearm = ctl_now() + w->req->rearm_ns;
	return scan(w, PTSHARE_SCAN_CLEAR | PTSHARE_SCAN_REARM, categories,
		    remember);
}

/* --- the loop ------------------------------------------------------------- */

/* @empty: all events have been read. */
static int tell_events(struct watch *w, bool *empty)
{
	const struct ptshare_event *event;
	int i, ret, status = CTL_OK;

	*empty = false;
	for (i = 0; i < EVENT_BATCH && !status && !enough(w); i++) {
		ret = ptshare_events_next(w->events, &event);
		if (ret < 0) {
			ctl_error("%s: reading events: %s", w->target->name,
				  strerrordesc_np(-ret));
			return CTL_FAILED;
		}
		if (!ret) {
			*empty = true;
			break;
		}
		status = tell_event(w, event);
	}
	return status;
}

static int flush(void)
{
	if (!fflush(stdout))
		return CTL_OK;
	ctl_error("output: %m");
	return CTL_FAILED;
}

static int wait_ms(const struct watch *w)
{
	uint64_t until = w->deadline, now = ctl_now();

	if (w->next_rearm < until)
		until = w->next_rearm;
	if (until == CTL_NEVER)
		return -1;
	if (until <= now)
		return 0;
	until = (until - now + 999999) / 1000000;
	return until > 3600000 ? 3600000 : until;
}

/* Whether to go on; false also when nobody reads our output any more. */
static bool wait_more(const struct watch *w, bool empty)
{
	struct pollfd fds[] = {
		{ .fd = w->fd, .events = POLLIN },
		{ .fd = w->signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	while (poll(fds, ARRAY_SIZE(fds), empty ? wait_ms(w) : 0) < 0)
		if (errno != EINTR)
			return false;
	return !fds[1].revents && !(fds[2].revents & (POLLERR | POLLHUP)) &&
	       ctl_now() < w->deadline;
}

static int ended(const struct watch *w)
{
	if (w->req->count == CTL_NEVER || enough(w) || ctl_now() < w->deadline)
		return CTL_OK;
	ctl_error("%s: %llu of %llu writes came in time", w->target->name,
		  (unsigned long long)w->told,
		  (unsigned long long)w->req->count);
	return CTL_FAILED;
}

static int loop(struct watch *w)
{
	bool empty;
	int ret;

	do {
		ret = tell_events(w, &empty);
		if (!ret && empty && ctl_now() >= w->next_rearm)
			ret = rearm(w);
		if (!ret)
			ret = flush();
		if (ret)
			return ret;
	} while (!enough(w) && wait_more(w, empty));
	return ended(w);
}

/* --- all of it ------------------------------------------------------------ */

static int open_fds(struct watch *w)
{
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (w->signals < 0) {
		ctl_error("signalfd: %m");
		return CTL_FAILED;
	}
	w->fd = ptshare_notify(w->target->fd, 0);
	if (w->fd < 0) {
		ctl_error("%s: %s (%s)", w->target->name, w->fd == -EPERM ?
			  ctl_denied(w->target, 0) : strerrordesc_np(-w->fd),
			  strerrorname_np(-w->fd));
		return CTL_FAILED;
	}
	ret = ptshare_events_new(w->fd, &w->events);
	if (!ret && fcntl(w->fd, F_SETFL, O_NONBLOCK) < 0)
		ret = -errno;
	if (!ret)
		return CTL_OK;
	ctl_error("notify fd: %s", strerrordesc_np(-ret));
	return CTL_FAILED;
}

static int start(struct watch *w)
{
	const struct watch_request *req = w->req;
	int ret;

	ret = open_fds(w);
	if (ret)
		return ret;
	w->style.start_ns = ctl_now();
	watch_headings(&w->style);
	ret = req->nr ? arm_given(w) : arm_all(w);
	if (ret)
		return ret;
	w->deadline = req->timeout_ns == CTL_NEVER ? CTL_NEVER :
		      ctl_now() + req->timeout_ns;
	w->next_rearm = req->rearm_ns == CTL_NEVER ? CTL_NEVER :
			ctl_now() + req->rearm_ns;
	return loop(w);
}

/* The fds end with the process, and with them what is armed. */
int watch_run(const struct watch_request *req, const struct target *target)
{
	struct watch w = { .req = req, .target = target, .style = req->style };
	int ret;

	if (!(target->info.features & PTSHARE_FEATURE_NOTIFY)) {
		ctl_error("this kernel's containers can't tell of writes");
		ctl_hint("'mshare-ctl check' shows its features");
		return CTL_NO_KERNEL;
	}
	ret = start(&w);
	ptshare_events_free(w.events);
	free(w.forgotten);
	free(w.ranges);
	return ret;
}
