// SPDX-License-Identifier: GPL-2.0
/* Helpers of the write-notify tests; described in notify_util.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "notify_util.h"

#define SHMEM_HUGE	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGE_SIZE	0x200000UL

bool pts_notify_available(void)
{
	int dev = pts_open_dev();
	struct ptshare_info info;
	int err;

	if (dev < 0)
		return false;
	err = pts_info(dev, &info);
	close(dev);
	return !err && (info.features & PTSHARE_FEATURE_NOTIFY);
}

int pts_notify(int ctl, __u32 queue_len)
{
	struct ptshare_notify n = { .size = sizeof(n), .queue_len = queue_len };

	return pts_ioctl(ctl, PTSHARE_IOC_NOTIFY, &n);
}

int pts_arm_with(int nfd, struct ptshare_arm *arm)
{
	arm->size = sizeof(*arm);
	return pts_ioctl(nfd, PTSHARE_IOC_ARM, arm);
}

int pts_arm(int nfd, __u64 offset, __u64 length, __u32 mode, __u32 on_kernel)
{
	struct ptshare_arm arm = {
		.offset = offset, .length = length, .mode = mode,
		.on_kernel = on_kernel,
	};

	return pts_arm_with(nfd, &arm);
}

int pts_resolve(int nfd, __u64 offset, __u64 length, __u32 action)
{
	struct ptshare_resolve r = {
		.size = sizeof(r), .offset = offset, .length = length,
		.action = action,
	};
	int ret = pts_ioctl(nfd, PTSHARE_IOC_RESOLVE, &r);

	return ret ?: (int)r.woken;
}

int pts_scan(int nfd, __u32 flags, __u64 start, __u64 end, __u64 categories,
	     struct ptshare_scan_region *vec, __u64 room)
{
	struct ptshare_scan s = {
		.size = sizeof(s), .flags = flags, .start = start, .end = end,
		.vec = (uintptr_t)vec, .vec_len = room,
		.categories = categories,
	};
	int ret = pts_ioctl(nfd, PTSHARE_IOC_SCAN, &s);

	return ret ?: (int)s.nr;
}

__u64 pts_page_state(int nfd, __u64 offset)
{
	struct ptshare_scan_region r = {};
	int nr = pts_scan(nfd, 0, offset, offset + pts_psz, PTS_STATES, &r, 1);

	if (nr < 0)
		fprintf(stderr, "# SCAN of %#llx: %d\n", offset, nr);
	return nr == 1 ? r.categories : 0;
}

int pts_written(int nfd, __u32 flags, __u64 start, __u64 end)
{
	struct ptshare_scan_region vec[16];
	struct ptshare_scan s = { .size = sizeof(s), .flags = flags };
	int err, pages = 0;
	__u64 i;

	while (start < end) {
		s.start = start;
		s.end = end;
		s.vec = (uintptr_t)vec;
		s.vec_len = 16;
		err = pts_ioctl(nfd, PTSHARE_IOC_SCAN, &s);
		if (err)
			return err;
		for (i = 0; i < s.nr; i++)
			pages += (vec[i].end - vec[i].start) / pts_psz;
		if (s.walk_end <= start)
			return -EPROTO;
		start = s.walk_end;
	}
	return pages;
}

/* --- events -------------------------------------------------------------- */

int pts_read_event(int nfd, struct ptshare_event *ev, int timeout_ms)
{
	struct pollfd p = { .fd = nfd, .events = POLLIN };
	ssize_t n;

	n = poll(&p, 1, timeout_ms);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	n = read(nfd, ev, sizeof(*ev));
	if (n < 0)
		return -errno;
	return n == sizeof(*ev) && ev->size == sizeof(*ev) ? 0 : -EPROTO;
}

static void print_event(const char *what, const struct ptshare_event *ev)
{
	fprintf(stderr, "# %s: type %u flags %#x %#llx+%#llx addr %#llx\n",
		what, ev->type, ev->flags, ev->offset, ev->length, ev->addr);
	fprintf(stderr, "# cookie %llu seq %llu pid %d tid %d\n", ev->cookie,
		ev->seq, ev->pid, ev->tid);
}

bool pts_no_event(int nfd)
{
	struct ptshare_event ev;
	int err = pts_read_event(nfd, &ev, 0);

	if (err == -ETIMEDOUT)
		return true;
	if (err)
		fprintf(stderr, "# reading an event: %d\n", err);
	else
		print_event("not expected", &ev);
	return false;
}

int pts_drain(int nfd)
{
	struct ptshare_event ev;
	int nr = 0;

	while (!pts_read_event(nfd, &ev, 0))
		nr++;
	return nr;
}

bool pts_event_is(const struct ptshare_event *ev, __u16 type, __u16 flags,
		  __u64 offset, __u64 length)
{
	if (ev->type == type && ev->flags == flags && ev->offset == offset &&
	    ev->length == length)
		return true;
	print_event("event", ev);
	fprintf(stderr, "# wanted: type %u flags %#x %#llx+%#llx\n", type, flags,
		offset, length);
	return false;
}

bool pts_told(int nfd, __u16 flags, __u64 offset, pid_t pid)
{
	struct ptshare_event ev;
	int err = pts_read_event(nfd, &ev, PTS_SOON_MS);

	if (err) {
		fprintf(stderr, "# no event of %#llx: %d\n", offset, err);
		return false;
	}
	if (!pts_event_is(&ev, PTSHARE_EVENT_WRITE, flags, offset, pts_psz))
		return false;
	if (!pid || ev.pid == pid)
		return true;
	fprintf(stderr, "# pid %d wanted %d\n", ev.pid, pid);
	return false;
}

bool pts_child_sleeps(const struct pts_child *c)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };

	return !poll(&p, 1, PTS_NEVER_MS);
}

/* --- files ---------------------------------------------------------------- */

int pts_memfd_pages(size_t size, bool huge)
{
	char mode[16], *map;
	int fd, err = 0;

	if (huge && (pts_chosen(SHMEM_HUGE, mode, sizeof(mode)) ||
		     pts_spit(SHMEM_HUGE, "always")))
		return -ENODEV;
	fd = pts_memfd(size, MFD_ALLOW_SEALING);
	map = huge && fd >= 0 ? pts_window(fd, size, 0) : MAP_FAILED;
	if (map != MAP_FAILED) {
		err = madvise(map, size, MADV_POPULATE_WRITE) ? -ENODEV : 0;
		munmap(map, size);
	}
	if (huge)
		pts_spit(SHMEM_HUGE, mode);
	if (!err)
		return fd;
	close(fd);
	return err;
}

bool pts_maps_huge(const void *addr)
{
	return pts_smaps(addr, "ShmemPmdMapped") >= (long long)HUGE_SIZE / 1024;
}

/* --- rights ---------------------------------------------------------------- */

int pts_become(unsigned int id, __u64 caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = (__u32)caps, .permitted = (__u32)caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(id, id, id) || setresuid(id, id, id))
		return -errno;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}
