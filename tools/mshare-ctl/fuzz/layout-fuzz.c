// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz target for the texts that libptshare reads. Any text may be refused, but
 * a layout that is accepted and printed as mshare-ctl table prints regions must
 * read back as the same layout.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../src/ctl.h"
#include "target.h"

/* What the sanitizers don't see: a wrong answer. */
static void must(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "layout-fuzz: %s\n", what);
	abort();
}

/* The source as its line had it, before it was escaped. */
static char *source_of(const struct ptshare_layout_region *r)
{
	char size[24], *text;
	int ret;

	switch (r->kind) {
	case PTSHARE_SOURCE_FD:
		ret = asprintf(&text, "fd:%d", r->fd);
		break;
	case PTSHARE_SOURCE_MEMFD:
		ret = asprintf(&text, "memfd:%s", r->source);
		break;
	case PTSHARE_SOURCE_HUGETLB:
		ret = asprintf(&text, "hugetlb:%s:%s",
			       ptshare_size_format(r->page_size, size),
			       r->source);
		break;
	default:
		ret = asprintf(&text, "%s", r->source);
	}
	must(ret >= 0, "out of memory");
	return text;
}

static void print_region(FILE *file, const struct ptshare_layout_region *r)
{
	char *source = source_of(r), *word = ctl_escape(source);
	char size[24];

	must(word, "out of memory");
	fprintf(file, "0x%" PRIx64 " %s %s %s 0x%" PRIx64 "\n", r->offset,
		ptshare_size_format(r->length, size),
		ptshare_prot_format(r->prot), word, r->source_offset);
	free(word);
	free(source);
}

static char *print_layout(const struct ptshare_layout *layout, size_t *len)
{
	char *text;
	FILE *file = open_memstream(&text, len);
	size_t i;

	must(file, "out of memory");
	for (i = 0; i < ptshare_layout_count(layout); i++)
		print_region(file, ptshare_layout_region(layout, i));
	must(!fclose(file), "out of memory");
	return text;
}

static bool same_region(const struct ptshare_layout_region *a,
			const struct ptshare_layout_region *b)
{
	return a->offset == b->offset && a->length == b->length &&
	       a->source_offset == b->source_offset &&
	       a->page_size == b->page_size && a->prot == b->prot &&
	       a->kind == b->kind && a->fd == b->fd &&
	       (a->kind == PTSHARE_SOURCE_FD || !strcmp(a->source, b->source));
}

static void compare(const struct ptshare_layout *a,
		    const struct ptshare_layout *b)
{
	size_t i, nr = ptshare_layout_count(a);

	must(ptshare_layout_count(b) == nr, "another number of regions");
	must(ptshare_layout_length(b) == ptshare_layout_length(a) &&
	     ptshare_layout_prot(b) == ptshare_layout_prot(a),
	     "another length or permission");
	for (i = 0; i < nr; i++)
		must(same_region(ptshare_layout_region(a, i),
				 ptshare_layout_region(b, i)),
		     "another region");
	must(!ptshare_layout_region(b, nr), "a region beyond the last");
}

static void check_error(int ret, const struct ptshare_error *err)
{
	must(ret < 0 && *err->text, "refused without a cause");
	must(strlen(err->text) < sizeof(err->text) &&
	     strlen(err->hint) < sizeof(err->hint), "an endless message");
}

static void try_layout(const char *text, size_t len)
{
	struct ptshare_layout *layout, *again;
	struct ptshare_error err = { 0 };
	size_t printed;
	char *copy;
	int ret;

	ret = ptshare_layout_parse(text, len, &layout, &err);
	if (ret) {
		check_error(ret, &err);
		must(ptshare_layout_parse(text, len, &layout, NULL) == ret,
		     "another answer to who asks for no cause");
		return;
	}
	copy = print_layout(layout, &printed);
	ret = ptshare_layout_parse(copy, printed, &again, &err);
	if (ret)
		fprintf(stderr, "line %u: %s\n%s", err.line, err.text, copy);
	must(!ret, "what was printed can't be read");
	compare(layout, again);
	ptshare_layout_free(again);
	ptshare_layout_free(layout);
	free(copy);
}

static void try_ranges(const char *text, size_t len)
{
	struct ptshare_range_prot *ranges;
	struct ptshare_error err = { 0 };
	uint32_t i, nr;
	int ret;

	ret = ptshare_ranges_parse(text, len, &ranges, &nr, &err);
	if (ret) {
		check_error(ret, &err);
		return;
	}
	for (i = 0; i < nr; i++)
		must(ranges[i].length &&
		     ranges[i].offset + ranges[i].length > ranges[i].offset,
		     "a range that overflows");
	free(ranges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_layout((const char *)data, size);
	try_ranges((const char *)data, size);
	return 0;
}
