// SPDX-License-Identifier: LGPL-2.1-or-later
/* From a layout to regions: open or make each backing once, map each line. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include "internal.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT	26
#endif

/* One backing: all lines with the same source and the same need of writing. */
struct backing {
	const struct ptshare_layout_region *first;
	uint64_t end;		/* of what the lines use */
	int fd;
	bool write;
	bool own;		/* fd was opened here */
};

struct assembly {
	const struct ptshare_layout *layout;
	struct backing *backings;	/* as many as lines, at most */
	size_t nr_backings;
	struct backing **of_line;
	void *tree;		/* tsearch() of backings, to find twins */
	struct ptshare_error *err;
};

static bool by_path(const struct backing *b)
{
	return b->first->kind == PTSHARE_SOURCE_PATH;
}

static int compare(const void *a, const void *b)
{
	const struct backing *x = a, *y = b;

	if (x->first->kind != y->first->kind)
		return x->first->kind < y->first->kind ? -1 : 1;
	if (x->first->fd != y->first->fd)
		return x->first->fd < y->first->fd ? -1 : 1;
	if (x->first->page_size != y->first->page_size)
		return x->first->page_size < y->first->page_size ? -1 : 1;
	/* New memory is writable whoever asks; only paths differ by mode. */
	if (by_path(x) && x->write != y->write)
		return x->write ? 1 : -1;
	if (x->first->kind == PTSHARE_SOURCE_FD)
		return 0;
	return strcmp(x->first->source, y->first->source);
}

static int add_line(struct assembly *as, size_t i)
{
	const struct ptshare_layout_region *region = &as->layout->regions[i];
	uint64_t end = region->source_offset + region->length;
	struct backing *new = &as->backings[as->nr_backings];
	struct backing **found;

	new->first = region;
	new->write = region->prot & PROT_WRITE;
	new->fd = -1;
	found = tsearch(new, &as->tree, compare);
	if (!found)
		return pts_fail(as->err, -ENOMEM, 0, "out of memory");
	if (*found == new)
		as->nr_backings++;
	if ((*found)->end < end)
		(*found)->end = end;
	as->of_line[i] = *found;
	return 0;
}

static int source_error(struct assembly *as, const struct backing *b, int ret)
{
	const struct ptshare_layout_region *r = b->first;

	if (r->kind == PTSHARE_SOURCE_FD)
		return pts_fail(as->err, ret, r->line, "fd:%d: %s", r->fd,
				strerrordesc_np(-ret));
	return pts_fail(as->err, ret, r->line, "%.160s: %s", r->source,
			strerrordesc_np(-ret));
}

static int make_memfd(struct backing *b)
{
	uint64_t page_size = b->first->page_size;
	uint64_t size = b->end;
	unsigned int flags = MFD_CLOEXEC;

	if (page_size) {
		flags |= MFD_HUGETLB |
			 (unsigned int)__builtin_ctzll(page_size) <<
			 MFD_HUGE_SHIFT;
		size = (size + page_size - 1) & ~(page_size - 1);
	}
	b->fd = memfd_create(b->first->source, flags);
	if (b->fd < 0)
		return -errno;
	b->own = true;
	return ftruncate(b->fd, size) ? -errno : 0;
}

static int open_backing(struct assembly *as, struct backing *b)
{
	int mode = b->write ? O_RDWR : O_RDONLY;
	int ret = 0;

	switch (b->first->kind) {
	case PTSHARE_SOURCE_FD:
		b->fd = b->first->fd;
		if (fcntl(b->fd, F_GETFD) < 0)
			ret = -errno;
		break;
	case PTSHARE_SOURCE_PATH:
		/* O_NONBLOCK: a fifo or a device must not hang the caller. */
		b->fd = open(b->first->source,
			     mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (b->fd < 0)
			ret = -errno;
		b->own = !ret;
		break;
	default:
		ret = make_memfd(b);
	}
	return ret ? source_error(as, b, ret) : 0;
}

/* What the kernel's answer to MAP means, as far as it can be known here. */
static const char *map_reason(int ret, const struct backing *b)
{
	switch (-ret) {
	case EOPNOTSUPP:
		if (b->first->kind == PTSHARE_SOURCE_HUGETLB)
			return "this kernel can't show huge pages in a container";
		return "this kernel can't show this kind of file";
	case EEXIST:
		return "the range already has a region";
	case EACCES:
		return "exceeds max_prot or the mode of the file";
	case EPERM:
		return "not a control fd, or container or file is sealed";
	case EINVAL:
		return "leaves the container";
	case ENOSPC:
		return "too many regions";
	default:
		return strerrordesc_np(-ret);
	}
}

static int map_line(struct assembly *as, size_t i, int fd, unsigned int flags)
{
	const struct ptshare_layout_region *r = &as->layout->regions[i];
	const struct backing *b = as->of_line[i];
	char size[24];
	int ret;

	ret = ptshare_map(fd, r->offset, r->length, r->prot, b->fd,
			  r->source_offset, flags);
	if (!ret)
		return 0;
	pts_fail(as->err, ret, r->line, "0x%" PRIx64 "+%s %s: %s (%s)",
		 r->offset, ptshare_size_format(r->length, size),
		 ptshare_prot_format(r->prot), map_reason(ret, b),
		 strerrorname_np(-ret));
	if (ret == -EOPNOTSUPP && b->first->kind != PTSHARE_SOURCE_HUGETLB)
		pts_hint(as->err, "memfd and files on tmpfs work, as in /dev/shm");
	return ret;
}

static int map_all(struct assembly *as, int fd, unsigned int flags)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < as->layout->nr; i++) {
		ret = map_line(as, i, fd, flags);
		if (ret)
			break;
	}
	if (!ret || flags & PTSHARE_MAP_REPLACE)
		return ret;
	/* The ranges were empty before, or the lines would have been refused. */
	while (i--)
		ptshare_unmap(fd, as->layout->regions[i].offset,
			      as->layout->regions[i].length);
	return ret;
}

static int prepare(struct assembly *as)
{
	size_t i;
	int ret = 0;

	as->backings = calloc(as->layout->nr, sizeof(*as->backings));
	as->of_line = calloc(as->layout->nr, sizeof(*as->of_line));
	if (!as->backings || !as->of_line)
		return pts_fail(as->err, -ENOMEM, 0, "out of memory");
	for (i = 0; i < as->layout->nr && !ret; i++)
		ret = add_line(as, i);
	for (i = 0; i < as->nr_backings && !ret; i++)
		ret = open_backing(as, &as->backings[i]);
	return ret;
}

static void no_free(void *node)
{
	/* Nodes are entries of the array. */
	(void)node;
}

int ptshare_layout_apply(const struct ptshare_layout *layout, int fd,
			 unsigned int flags, struct ptshare_error *err)
{
	struct assembly as = { .layout = layout, .err = err };
	size_t i;
	int ret;

	if (!layout->nr)
		return 0;
	ret = prepare(&as);
	if (!ret)
		ret = map_all(&as, fd, flags);
	for (i = 0; i < as.nr_backings; i++)
		if (as.backings[i].own)
			close(as.backings[i].fd);
	tdestroy(as.tree, no_free);
	free(as.of_line);
	free(as.backings);
	return ret;
}
