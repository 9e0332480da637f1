// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bar as wide as the terminal, one character for each part of the container,
 * below it where regions begin, and a legend. No line is wider than asked for.
 */
#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include "draw.h"

#define DEFAULT_WIDTH	80
#define MAX_WIDTH	4096	/* no container is shorter, in bytes */

enum { SEEN_RW = 1, SEEN_R = 2, SEEN_NONE = 4 };

struct cell {
	unsigned char seen;
	unsigned char begins;	/* regions, 2 for more */
};

enum glyph { RW, R, NONE, HOLE, MIXED, BEGIN, BEGINS, NR_GLYPHS };

static const struct {
	const char *ascii;
	const char *utf8;
	const char *text;
} glyphs[NR_GLYPHS] = {
	[RW] = { "#", "\u2588", "rw" },
	[R] = { "=", "\u2593", "r" },
	[NONE] = { "-", "\u2591", "no access" },
	[HOLE] = { ".", "\u00b7", "hole" },
	[MIXED] = { "%", "\u259a", "mixed" },
	[BEGIN] = { "'", "\u2575", "a region begins" },
	[BEGINS] = { "\"", "\u2579", "several begin" },
};

/* As ls(1) and others find it: the user's word first. */
unsigned int draw_width(void)
{
	const char *columns = getenv("COLUMNS");
	unsigned long width = 0;
	struct winsize size;
	char *end;

	if (columns) {
		width = strtoul(columns, &end, 10);
		if (*end || *columns < '0' || *columns > '9')
			width = 0;
	}
	if (!width && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		width = size.ws_col;
	if (!width)
		width = DEFAULT_WIDTH;
	return width < MAX_WIDTH ? width : MAX_WIDTH;
}

bool draw_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static const char *glyph(const struct drawing *d, enum glyph which)
{
	return d->utf8 ? glyphs[which].utf8 : glyphs[which].ascii;
}

/* The cell that has this byte: cell i begins at length * i / width. */
static unsigned int cell_of(const struct drawing *d, uint64_t offset)
{
	return (((__uint128_t)offset + 1) * d->width - 1) / d->length;
}

static int seen_as(const struct ptshare_region *region)
{
	if (region->prot & PROT_WRITE)
		return SEEN_RW;
	return region->prot & PROT_READ ? SEEN_R : SEEN_NONE;
}

/* However small a region is, it is seen. */
static void fill(const struct drawing *d, struct cell *cells)
{
	size_t i;

	for (i = 0; i < d->nr; i++) {
		const struct ptshare_region *region = &d->regions[i];
		unsigned int first = cell_of(d, region->offset), cell;
		unsigned int last = cell_of(d, region->offset +
					    region->length - 1);

		for (cell = first; cell <= last; cell++)
			cells[cell].seen |= seen_as(region);
		if (cells[first].begins < 2)
			cells[first].begins++;
	}
}

static enum glyph bar_glyph(const struct cell *cell)
{
	switch (cell->seen) {
	case 0:
		return HOLE;
	case SEEN_RW:
		return RW;
	case SEEN_R:
		return R;
	case SEEN_NONE:
		return NONE;
	default:
		return MIXED;
	}
}

static void print_bar(const struct drawing *d, const struct cell *cells,
		      bool *used)
{
	unsigned int i;

	for (i = 0; i < d->width; i++) {
		enum glyph which = bar_glyph(&cells[i]);

		used[which] = true;
		fputs(glyph(d, which), stdout);
	}
	putchar('\n');
}

static void print_begins(const struct drawing *d, const struct cell *cells,
			 bool *used)
{
	unsigned int i, end = 0;

	for (i = 0; i < d->width; i++)
		if (cells[i].begins)
			end = i + 1;
	for (i = 0; i < end; i++) {
		enum glyph which = cells[i].begins > 1 ? BEGINS : BEGIN;

		if (!cells[i].begins) {
			putchar(' ');
			continue;
		}
		used[which] = true;
		fputs(glyph(d, which), stdout);
	}
	if (end)
		putchar('\n');
}

/* 0 on the left and the length on the right, where there is room for both. */
static void print_scale(const struct drawing *d)
{
	char size[24];
	int len = strlen(ptshare_size_format(d->length, size));

	if (d->width >= (unsigned int)len + 2)
		printf("0%*s\n", d->width - 1, size);
	else
		printf("%.*s\n", d->width, size);
}

struct legend {
	unsigned int width;
	unsigned int column;
};

/* @sign is one column wide, whatever its bytes. */
static void legend_item(struct legend *legend, const char *sign,
			const char *text)
{
	unsigned int len = 2 + strlen(text);

	if (len > legend->width)
		len = legend->width;
	if (legend->column && legend->column + 2 + len > legend->width) {
		putchar('\n');
		legend->column = 0;
	}
	if (legend->column)
		legend->column += printf("  ");
	fputs(sign, stdout);
	if (len > 1)
		printf(" %.*s", len - 2, text);
	legend->column += len;
}

/* Two digits at least: "51M" for what is no whole number. */
static void round_size(uint64_t bytes, char *buf)
{
	static const char units[] = "\0KMGTPE";
	const char *unit = units;

	for (; bytes >= 10240 && unit[1]; unit++)
		bytes = (bytes + 512) / 1024;
	sprintf(buf, "column is about %u%.1s", (unsigned int)bytes, unit);
}

static void print_legend(const struct drawing *d, const bool *used)
{
	struct legend legend = { .width = d->width };
	char text[48];
	int i;

	for (i = 0; i < NR_GLYPHS; i++)
		if (used[i])
			legend_item(&legend, glyph(d, i), glyphs[i].text);
	round_size(d->length / d->width, text);
	legend_item(&legend, "1", text);
	putchar('\n');
}

/* 0 or -ENOMEM */
int draw(const struct drawing *drawing)
{
	struct cell *cells = calloc(drawing->width, sizeof(*cells));
	bool used[NR_GLYPHS] = { false };

	if (!cells)
		return -ENOMEM;
	fill(drawing, cells);
	print_scale(drawing);
	print_bar(drawing, cells, used);
	print_begins(drawing, cells, used);
	print_legend(drawing, used);
	free(cells);
	return 0;
}
