// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading a layout: lines "offset length prot source [source-offset]". */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define ROUND_LENGTH	0x40000000ULL

static int bad_source(const struct pts_line *line, struct ptshare_error *err,
		      const char *why)
{
	return pts_fail(err, -EINVAL, line->number, "source '%.100s': %s",
			line->word[3], why);
}

static int parse_memfd(const struct pts_line *line, const char *name,
		       struct ptshare_layout_region *region,
		       struct ptshare_error *err)
{
	if (!*name)
		return bad_source(line, err, "the name is missing");
	/* memfd_create(2) takes 249 bytes. */
	if (strlen(name) > 249)
		return bad_source(line, err, "the name is too long");
	region->kind = PTSHARE_SOURCE_MEMFD;
	region->source = name;
	return 0;
}

static int parse_hugetlb(const struct pts_line *line, char *text,
			 struct ptshare_layout_region *region,
			 struct ptshare_error *err)
{
	char *colon = strchr(text, ':');
	int ret;

	if (!colon)
		return bad_source(line, err, "expected 'hugetlb:SIZE:NAME'");
	*colon = 0;
	ret = ptshare_size_parse(text, &region->page_size);
	*colon = ':';
	if (ret || !region->page_size ||
	    region->page_size & (region->page_size - 1) ||
	    region->page_size < (uint64_t)sysconf(_SC_PAGESIZE))
		return bad_source(line, err, "the page size must be a power of two, as 2M");
	ret = parse_memfd(line, colon + 1, region, err);
	region->kind = PTSHARE_SOURCE_HUGETLB;
	return ret;
}

static int parse_fd(const struct pts_line *line, const char *text,
		    struct ptshare_layout_region *region,
		    struct ptshare_error *err)
{
	uint64_t number;

	if (ptshare_size_parse(text, &number) || number > INT_MAX ||
	    strspn(text, "0123456789") != strlen(text))
		return bad_source(line, err, "expected 'fd:N'");
	region->kind = PTSHARE_SOURCE_FD;
	region->fd = number;
	return 0;
}

static int parse_source(const struct pts_line *line,
			struct ptshare_layout_region *region,
			struct ptshare_error *err)
{
	char *text = line->word[3];

	region->fd = -1;
	region->source = text;
	if (!strncmp(text, "memfd:", 6))
		return parse_memfd(line, text + 6, region, err);
	if (!strncmp(text, "hugetlb:", 8))
		return parse_hugetlb(line, text + 8, region, err);
	if (!strncmp(text, "fd:", 3))
		return parse_fd(line, text + 3, region, err);
	region->kind = PTSHARE_SOURCE_PATH;
	return 0;
}

static int parse_region(const struct pts_line *line,
			struct ptshare_layout_region *region,
			struct ptshare_error *err)
{
	int ret;

	memset(region, 0, sizeof(*region));
	region->line = line->number;
	if (line->nr < 4 || line->nr > 5)
		return pts_fail(err, -EINVAL, line->number,
				"expected 'offset length prot source [source-offset]'");
	ret = pts_parse_range(line, &region->offset, &region->length,
			      &region->prot, err);
	if (!ret)
		ret = parse_source(line, region, err);
	if (!ret && line->nr == 5)
		ret = pts_parse_aligned(line, 4, "source-offset",
					&region->source_offset, err);
	if (ret)
		return ret;
	if (region->source_offset > INT64_MAX - region->length)
		return pts_fail(err, -EINVAL, line->number,
				"source-offset %s is too large", line->word[4]);
	return 0;
}

static int add_region(struct ptshare_layout *layout,
		      const struct pts_line *line, struct ptshare_error *err)
{
	struct ptshare_layout_region *bigger;

	/* Room is doubled each time the count reaches a power of two. */
	if (!(layout->nr & (layout->nr - 1))) {
		size_t room = layout->nr ? layout->nr * 2 : 1;

		bigger = reallocarray(layout->regions, room, sizeof(*bigger));
		if (!bigger)
			return pts_fail(err, -ENOMEM, 0, "out of memory");
		layout->regions = bigger;
	}
	return parse_region(line, &layout->regions[layout->nr++], err);
}

static int by_offset(const void *a, const void *b)
{
	const struct ptshare_layout_region *x =
		*(const struct ptshare_layout_region *const *)a;
	const struct ptshare_layout_region *y =
		*(const struct ptshare_layout_region *const *)b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->line < y->line ? -1 : 1;
}

static int refuse_overlap(const struct ptshare_layout_region *x,
			  const struct ptshare_layout_region *y,
			  struct ptshare_error *err)
{
	const struct ptshare_layout_region *later = x->line > y->line ? x : y;
	const struct ptshare_layout_region *first = x->line > y->line ? y : x;
	char size[24];

	return pts_fail(err, -EINVAL, later->line,
			"0x%" PRIx64 "+%s overlaps line %u", later->offset,
			ptshare_size_format(later->length, size), first->line);
}

static int check_overlaps(const struct ptshare_layout *layout,
			  struct ptshare_error *err)
{
	const struct ptshare_layout_region **sorted;
	size_t i;
	int ret = 0;

	if (layout->nr < 2)
		return 0;
	sorted = calloc(layout->nr, sizeof(*sorted));
	if (!sorted)
		return pts_fail(err, -ENOMEM, 0, "out of memory");
	for (i = 0; i < layout->nr; i++)
		sorted[i] = &layout->regions[i];
	qsort(sorted, layout->nr, sizeof(*sorted), by_offset);
	for (i = 1; i < layout->nr && !ret; i++) {
		const struct ptshare_layout_region *prev = sorted[i - 1];

		if (sorted[i]->offset - prev->offset < prev->length)
			ret = refuse_overlap(prev, sorted[i], err);
	}
	free(sorted);
	return ret;
}

int ptshare_layout_parse(const char *text, size_t len,
			 struct ptshare_layout **result,
			 struct ptshare_error *err)
{
	struct ptshare_layout *layout;
	struct pts_reader reader;
	struct pts_line line;
	int ret;

	layout = calloc(1, sizeof(*layout));
	if (!layout)
		return pts_fail(err, -ENOMEM, 0, "out of memory");
	ret = pts_reader_init(&reader, text, len, err);
	if (ret) {
		free(layout);
		return ret;
	}
	layout->text = reader.text;
	while ((ret = pts_read_line(&reader, &line)) > 0) {
		ret = add_region(layout, &line, err);
		if (ret)
			break;
	}
	if (!ret)
		ret = check_overlaps(layout, err);
	if (ret) {
		ptshare_layout_free(layout);
		return ret;
	}
	*result = layout;
	return 0;
}

void ptshare_layout_free(struct ptshare_layout *layout)
{
	if (!layout)
		return;
	free(layout->regions);
	free(layout->text);
	free(layout);
}

size_t ptshare_layout_count(const struct ptshare_layout *layout)
{
	return layout->nr;
}

const struct ptshare_layout_region *
ptshare_layout_region(const struct ptshare_layout *layout, size_t index)
{
	return index < layout->nr ? &layout->regions[index] : NULL;
}

uint64_t ptshare_layout_length(const struct ptshare_layout *layout)
{
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < layout->nr; i++) {
		const struct ptshare_layout_region *r = &layout->regions[i];

		if (r->offset + r->length > end)
			end = r->offset + r->length;
	}
	if (end > INT64_MAX - ROUND_LENGTH)
		return end;
	return (end + ROUND_LENGTH - 1) & ~(ROUND_LENGTH - 1);
}

int ptshare_layout_prot(const struct ptshare_layout *layout)
{
	int prot = PROT_READ;
	size_t i;

	for (i = 0; i < layout->nr; i++)
		prot |= layout->regions[i].prot;
	return prot;
}
