// SPDX-License-Identifier: LGPL-2.1-or-later
/* The ioctls, one function each, and what is built from a few of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "internal.h"

/* Regions per QUERY: a page or so, small enough for any heap. */
#define ITER_BATCH	64

struct ptshare_iter {
	int fd;
	uint32_t nr;
	uint32_t pos;
	uint64_t next;
	uint64_t end;
	struct ptshare_region batch[ITER_BATCH];
};

int pts_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

const char *ptshare_version(void)
{
	return PTSHARE_VERSION;
}

int ptshare_open(void)
{
	int fd = open(PTSHARE_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ptshare_create(int dev, uint64_t length, int max_prot)
{
	struct ptshare_create arg = {
		.size = sizeof(arg),
		.length = length,
		.max_prot = max_prot,
	};
	int own, ret;

	if (dev >= 0)
		return pts_ioctl(dev, PTSHARE_IOC_CREATE, &arg);

	own = ptshare_open();
	if (own < 0)
		return own;
	ret = pts_ioctl(own, PTSHARE_IOC_CREATE, &arg);
	close(own);
	return ret;
}

int ptshare_info(int fd, struct ptshare_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return pts_ioctl(fd, PTSHARE_IOC_INFO, info);
}

int ptshare_map(int fd, uint64_t offset, uint64_t length, int prot,
		int backing, uint64_t backing_offset, unsigned int flags)
{
	struct ptshare_map arg = {
		.size = sizeof(arg),
		.flags = flags,
		.fd = backing,
		.prot = prot,
		.offset = offset,
		.length = length,
		.fd_offset = backing_offset,
	};

	return pts_ioctl(fd, PTSHARE_IOC_MAP, &arg);
}

int ptshare_unmap(int fd, uint64_t offset, uint64_t length)
{
	struct ptshare_unmap arg = {
		.size = sizeof(arg),
		.offset = offset,
		.length = length,
	};

	return pts_ioctl(fd, PTSHARE_IOC_UNMAP, &arg);
}

int ptshare_protect(int fd, const struct ptshare_range_prot *ranges,
		    uint32_t nr, uint32_t *failed)
{
	/* The kernel writes failed only when a range was the cause. */
	struct ptshare_protect arg = {
		.size = sizeof(arg),
		.nr = nr,
		.failed = ~0U,
		.ranges = (uintptr_t)ranges,
	};
	int ret;

	ret = pts_ioctl(fd, PTSHARE_IOC_PROTECT, &arg);
	if (failed)
		*failed = ret && arg.failed < nr ? arg.failed : ~0U;
	return ret;
}

int ptshare_query(int fd, uint64_t start, struct ptshare_region *buf,
		  uint32_t *nr, uint64_t *next)
{
	struct ptshare_query arg = {
		.size = sizeof(arg),
		.start = start,
		.buf = (uintptr_t)buf,
		.nr = *nr,
	};
	int ret;

	ret = pts_ioctl(fd, PTSHARE_IOC_QUERY, &arg);
	if (ret)
		return ret;
	*nr = arg.nr;
	*next = arg.next;
	return 0;
}

int ptshare_iter_new(int fd, uint64_t start, struct ptshare_iter **iter)
{
	struct ptshare_info info;
	struct ptshare_iter *it;
	int ret;

	ret = ptshare_info(fd, &info);
	if (ret)
		return ret;
	it = calloc(1, sizeof(*it));
	if (!it)
		return -ENOMEM;
	it->fd = fd;
	it->next = start;
	it->end = info.length;
	*iter = it;
	return 0;
}

int ptshare_iter_next(struct ptshare_iter *iter, struct ptshare_region *region)
{
	int ret;

	while (iter->pos == iter->nr) {
		if (iter->next >= iter->end)
			return 0;
		iter->pos = 0;
		iter->nr = ITER_BATCH;
		ret = ptshare_query(iter->fd, iter->next, iter->batch,
				    &iter->nr, &iter->next);
		if (ret) {
			iter->nr = 0;
			return ret;
		}
	}
	*region = iter->batch[iter->pos++];
	return 1;
}

void ptshare_iter_free(struct ptshare_iter *iter)
{
	free(iter);
}

int ptshare_attach_fd(int fd)
{
	struct ptshare_attach_fd arg = { .size = sizeof(arg) };

	return pts_ioctl(fd, PTSHARE_IOC_ATTACH_FD, &arg);
}

int ptshare_seal(int fd, uint32_t seals)
{
	struct ptshare_seal arg = { .size = sizeof(arg), .seals = seals };

	return pts_ioctl(fd, PTSHARE_IOC_SEAL, &arg);
}

int ptshare_window_open(struct ptshare_window *window, int fd,
			uint64_t offset, uint64_t length)
{
	uint64_t mask = sysconf(_SC_PAGESIZE) - 1;
	struct ptshare_info info;
	void *addr;
	int ret;

	ret = ptshare_info(fd, &info);
	if (ret)
		return ret;
	if (offset >= info.length || length > info.length - offset)
		return -EINVAL;
	if (!length)
		length = info.length - offset;
	length = (length + (offset & mask) + mask) & ~mask;
	offset &= ~mask;
	addr = mmap(NULL, length, info.max_prot, MAP_SHARED, fd, offset);
	if (addr == MAP_FAILED)
		return -errno;
	window->addr = addr;
	window->length = length;
	return 0;
}

void ptshare_window_close(struct ptshare_window *window)
{
	munmap(window->addr, window->length);
	window->addr = NULL;
	window->length = 0;
}
