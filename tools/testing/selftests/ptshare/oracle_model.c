// SPDX-License-Identifier: GPL-2.0
/* The oracle's model of a container: which page shows what. */
#include <errno.h>
#include <string.h>

#include "oracle.h"

/*
 * At the start, at an odd place, around the border of two 1 GiB slots (with a
 * whole block of 2 MiB before it, and some pages more), across a border of
 * 2 MiB, and at the end.
 */
const struct oracle_zone oracle_zones[OR_ZONES] = {
	{ 0,		64,	0 },
	{ 131077,	48,	64 },
	{ 261616,	688,	112 },
	{ 393720,	24,	800 },
	{ OR_LENGTH / OR_PAGE - 96, 96, 824 },
};

/* Two with room for huge pages. */
const __u64 oracle_file_max[OR_FILES] = {
	4 * OR_MIB, 2 * OR_MIB, OR_MIB / 2, OR_MIB / 2,
};

static const struct oracle_zone *zone_of(unsigned int index)
{
	const struct oracle_zone *z = oracle_zones;

	while (index >= z->base + z->nr)
		z++;
	return z;
}

__u64 oracle_offset(unsigned int index)
{
	const struct oracle_zone *z = zone_of(index);

	return (z->first + index - z->base) * OR_PAGE;
}

/* The first page of the model at or behind a page of the container. */
static unsigned int index_at(__u64 page)
{
	unsigned int i;

	for (i = 0; i < OR_ZONES; i++) {
		const struct oracle_zone *z = oracle_zones + i;

		if (page < z->first)
			return z->base;
		if (page < z->first + z->nr)
			return z->base + page - z->first;
	}
	return OR_PAGES;
}

void oracle_indices(__u64 off, __u64 len, unsigned int *lo, unsigned int *hi)
{
	*lo = index_at(off / OR_PAGE);
	*hi = index_at((off + len) / OR_PAGE);
}

bool oracle_continues(const struct oracle_model *m, unsigned int index)
{
	const struct oracle_page *p = m->page + index, *q = p + 1;

	if (index + 1 == OR_PAGES || zone_of(index) != zone_of(index + 1) ||
	    p->present != q->present)
		return false;
	return !p->present || (p->file == q->file && p->prot == q->prot &&
			       p->pgoff + 1 == q->pgoff);
}

bool oracle_readable(const struct oracle_model *m, unsigned int index)
{
	const struct oracle_page *p = m->page + index;

	return p->present && (p->prot & PROT_READ) &&
	       p->pgoff * OR_PAGE < m->size[oracle_inode(p->file)];
}

/* INFO goes by the inode: how the file was opened makes no difference. */
unsigned int oracle_nr_regions(const struct oracle_model *m)
{
	unsigned int i, nr = 0;

	for (i = 0; i < OR_PAGES; i++) {
		const struct oracle_page *p = m->page + i, *q = p - 1;

		if (!p->present)
			continue;
		nr += !i || zone_of(i) != zone_of(i - 1) || !q->present ||
		      oracle_inode(p->file) != oracle_inode(q->file) ||
		      p->prot != q->prot || q->pgoff + 1 != p->pgoff;
	}
	return nr;
}

static bool any_present(const struct oracle_model *m, __u64 off, __u64 len)
{
	unsigned int lo, hi;

	for (oracle_indices(off, len, &lo, &hi); lo < hi; lo++)
		if (m->page[lo].present)
			return true;
	return false;
}

static __s64 do_map(struct oracle_model *m, const struct oracle_op *op)
{
	__u32 pgoff = op->pos / OR_PAGE;
	unsigned int lo, hi;

	if (op->file == OR_RDONLY && (op->prot & PROT_WRITE))
		return -EACCES;
	if (op->kind == OP_MAP && any_present(m, op->off, op->len))
		return -EEXIST;
	for (oracle_indices(op->off, op->len, &lo, &hi); lo < hi; lo++)
		m->page[lo] = (struct oracle_page) {
			.present = 1, .file = op->file, .prot = op->prot,
			.pgoff = pgoff++,
		};
	return 0;
}

static __s64 do_unmap(struct oracle_model *m, const struct oracle_op *op)
{
	unsigned int lo, hi;

	if (!any_present(m, op->off, op->len))
		return -ENOENT;
	oracle_indices(op->off, op->len, &lo, &hi);
	memset(m->page + lo, 0, (hi - lo) * sizeof(m->page[0]));
	return 0;
}

/* What is wrong with range @i; an earlier one may have been wrong as well. */
static __s64 check_range(const struct oracle_model *m,
			 const struct ptshare_range_prot *ranges,
			 unsigned int i)
{
	const struct ptshare_range_prot *r = ranges + i;
	unsigned int j, lo, hi;

	for (j = 0; j < i; j++)
		if (ranges[j].offset < r->offset + r->length &&
		    r->offset < ranges[j].offset + ranges[j].length)
			return -EINVAL;
	for (oracle_indices(r->offset, r->length, &lo, &hi); lo < hi; lo++) {
		if (!m->page[lo].present)
			return -ENOENT;
		if ((r->prot & PROT_WRITE) && m->page[lo].file == OR_RDONLY)
			return -EACCES;
	}
	return 0;
}

static __s64 do_protect(struct oracle_model *m, const struct oracle_op *op,
			__u64 *failed)
{
	unsigned int i, lo, hi;
	__s64 ret;

	for (i = 0; i < op->nr; i++) {
		ret = check_range(m, op->ranges, i);
		if (ret) {
			*failed = i;
			return ret;
		}
	}
	for (i = 0; i < op->nr; i++) {
		const struct ptshare_range_prot *r = op->ranges + i;

		for (oracle_indices(r->offset, r->length, &lo, &hi); lo < hi;
		     lo++)
			m->page[lo].prot = r->prot;
	}
	return 0;
}

__s64 oracle_model_do(struct oracle_model *m, const struct oracle_op *op,
		      __u64 *failed)
{
	*failed = 0;
	switch (op->kind) {
	case OP_MAP:
	case OP_REPLACE:
		return do_map(m, op);
	case OP_UNMAP:
		return do_unmap(m, op);
	case OP_PROTECT:
		return do_protect(m, op, failed);
	}
	return 0;
}
