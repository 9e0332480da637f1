// SPDX-License-Identifier: LGPL-2.1-or-later
/* Notify fds: the ioctls, one function each, and the records of read(2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

/* Room for 256 records of today; one of a later kernel fits too. */
#define EVENTS_ROOM	16384

struct ptshare_events {
	int fd;
	size_t len;
	size_t pos;
	struct ptshare_event event;
	char buf[EVENTS_ROOM];
};

int ptshare_notify(int fd, uint32_t queue_len)
{
	struct ptshare_notify arg = {
		.size = sizeof(arg),
		.queue_len = queue_len,
	};

	return pts_ioctl(fd, PTSHARE_IOC_NOTIFY, &arg);
}

int ptshare_arm(int fd, struct ptshare_arm *arm)
{
	return pts_ioctl(fd, PTSHARE_IOC_ARM, arm);
}

int ptshare_resolve(int fd, uint64_t offset, uint64_t length, uint32_t action,
		    uint64_t *woken)
{
	struct ptshare_resolve arg = {
		.size = sizeof(arg),
		.offset = offset,
		.length = length,
		.action = action,
	};
	int ret;

	ret = pts_ioctl(fd, PTSHARE_IOC_RESOLVE, &arg);
	if (woken)
		*woken = ret ? 0 : arg.woken;
	return ret;
}

int ptshare_scan(int fd, struct ptshare_scan *scan)
{
	return pts_ioctl(fd, PTSHARE_IOC_SCAN, scan);
}

int ptshare_events_new(int fd, struct ptshare_events **events)
{
	struct ptshare_events *ev = calloc(1, sizeof(*ev));

	if (!ev)
		return -ENOMEM;
	ev->fd = fd;
	*events = ev;
	return 0;
}

/* 1 with records in the buffer, 0 if there are none now, or -errno. */
static int fill(struct ptshare_events *events)
{
	ssize_t got = read(events->fd, events->buf, sizeof(events->buf));

	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	events->pos = 0;
	events->len = got;
	return got > 0;
}

int ptshare_events_next(struct ptshare_events *events,
			const struct ptshare_event **event)
{
	size_t left;
	uint32_t size;
	int ret;

	if (events->pos == events->len) {
		ret = fill(events);
		if (ret <= 0)
			return ret;
	}
	left = events->len - events->pos;
	if (left < sizeof(size))
		return -EBADMSG;
	memcpy(&size, events->buf + events->pos, sizeof(size));
	if (size < sizeof(size) || size > left)
		return -EBADMSG;
	memset(&events->event, 0, sizeof(events->event));
	memcpy(&events->event, events->buf + events->pos,
	       size < sizeof(events->event) ? size : sizeof(events->event));
	events->pos += size;
	*event = &events->event;
	return 1;
}

void ptshare_events_free(struct ptshare_events *events)
{
	free(events);
}
