// SPDX-License-Identifier: GPL-2.0
/* The oracle's operations, drawn by lot. */
#include <string.h>

#include "oracle.h"

#define SHAPES		8
#define BLOCK		(2 * OR_MIB)	/* a huge page */
#define CHECK_EVERY	200

static const unsigned int weights[OP_NR] = {
	[OP_ACCESS]		= 400,
	[OP_MAP]		= 50,
	[OP_REPLACE]		= 50,
	[OP_UNMAP]		= 25,
	[OP_PROTECT]		= 90,
	[OP_TRUNCATE]		= 30,
	[OP_PUNCH]		= 40,
	[OP_PWRITE]		= 40,
	[OP_PREAD]		= 15,
	[OP_POPULATE_READ]	= 20,
	[OP_POPULATE_WRITE]	= 20,
	[OP_VM_READ]		= 25,
	[OP_VM_WRITE]		= 25,
	[OP_PIPE_IN]		= 25,
	[OP_PIPE_OUT]		= 20,
	[OP_FILE_IN]		= 20,
	[OP_FILE_OUT]		= 20,
	[OP_DIRECT_IN]		= 10,
	[OP_DIRECT_OUT]		= 10,
	[OP_WIN_MAP]		= 14,
	[OP_WIN_UNMAP]		= 7,
	[OP_WIN_REUSE]		= 5,
	[OP_FORK]		= 8,
	[OP_ATTACH]		= 3,
	[OP_EXIT]		= 8,
};

/* Windows: pages from, pages. The first is all of the container. */
static const struct { __u32 first, nr; } shapes[SHAPES] = {
	{ 0,		OR_LENGTH / OR_PAGE },
	{ 0,		262144 },
	{ 262144,	262144 },
	{ 262144,	OR_LENGTH / OR_PAGE - 262144 },
	{ 261632,	1024 },
	{ 261619,	1000 },
	{ 131084,	20 },
	{ OR_LENGTH / OR_PAGE - 103, 103 },
};

static __u64 draw(struct oracle *o)
{
	__u64 z;

	o->rng += 0x9e3779b97f4a7c15ULL;
	z = o->rng;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned int below(struct oracle *o, unsigned int n)
{
	return (draw(o) >> 32) % n;
}

static bool one_in(struct oracle *o, unsigned int n)
{
	return !below(o, n);
}

static unsigned int draw_kind(struct oracle *o)
{
	unsigned int kind, left, sum = 0;

	for (kind = 0; kind < OP_NR; kind++)
		sum += weights[kind];
	left = below(o, sum);
	for (kind = 0; left >= weights[kind]; kind++)
		left -= weights[kind];
	return kind;
}

/* --- processes and windows ------------------------------------------------ */

static unsigned int nr_slots(const struct oracle *o, bool alive)
{
	unsigned int i, nr = 0;

	for (i = 0; i < OR_SLOTS; i++)
		nr += o->alive[i] == alive;
	return nr;
}

/* One that is alive, or one that is not. There is one. */
static unsigned int draw_slot(struct oracle *o, bool alive)
{
	unsigned int i, left = below(o, nr_slots(o, alive));

	for (i = 0; o->alive[i] != alive || left--; i++)
		;
	return i;
}

/* All worlds have the same windows. */
static const struct oracle_win *win_of(const struct oracle *o,
				       unsigned int slot, unsigned int win)
{
	return &o->board->box[OR_PLAIN][slot].win[win];
}

static bool draw_win(struct oracle *o, unsigned int slot, unsigned int *win)
{
	unsigned int i;

	*win = below(o, OR_WINS);
	for (i = 0; i < OR_WINS; i++, *win = (*win + 1) % OR_WINS)
		if (win_of(o, slot, *win)->addr)
			return true;
	return false;
}

static void make_win_map(struct oracle *o, struct oracle_op *op)
{
	unsigned int shape = one_in(o, 2) ? 0 : below(o, SHAPES);
	unsigned int i;

	op->kind = OP_WIN_MAP;
	for (i = 0; i < OR_WINS; i++)
		if (!win_of(o, op->slot, i)->addr)
			break;
	if (i == OR_WINS) {
		op->win = below(o, OR_WINS);
		op->kind = OP_WIN_UNMAP;
		return;
	}
	op->win = i;
	op->off = shapes[shape].first * OR_PAGE;
	op->len = shapes[shape].nr * OR_PAGE;
	op->how = one_in(o, 2) ? OR_AT_GIB : below(o, OR_ATS);
	op->populate = one_in(o, 8);
	op->attach = one_in(o, 2);
}

/* --- pages ------------------------------------------------------------------ */

static bool in_file(const struct oracle *o, unsigned int index)
{
	const struct oracle_model *m = &o->board->model;
	const struct oracle_page *p = m->page + index;

	return p->present &&
	       p->pgoff * OR_PAGE < m->size[oracle_inode(p->file)];
}

/* A page that the window shows, most often one that is there. */
static unsigned int draw_page(struct oracle *o, const struct oracle_win *win)
{
	unsigned int lo, hi, index = 0, i;

	oracle_indices(win->off, win->len, &lo, &hi);
	for (i = 0; i < 4; i++) {
		index = lo + below(o, hi - lo);
		if (in_file(o, index))
			break;
	}
	return index;
}

static __u32 draw_touch(struct oracle *o)
{
	return below(o, 8) ? below(o, 2) : TOUCH_LOAD1 + below(o, 2);
}

/* Here and there, or a run of neighbours. */
static void make_access(struct oracle *o, struct oracle_op *op,
			const struct oracle_win *win)
{
	unsigned int i, index = draw_page(o, win), lo, hi;
	bool run = one_in(o, 3);
	__u32 how = draw_touch(o);

	oracle_indices(win->off, win->len, &lo, &hi);
	op->nr = 1 + below(o, OR_ACCS);
	for (i = 0; i < op->nr; i++) {
		op->touch[i].off = oracle_offset(index);
		op->touch[i].off += how >= TOUCH_LOAD1 ? below(o, OR_PAGE) :
						      8 * below(o, OR_PAGE / 8);
		op->touch[i].how = how;
		index = run ? index + 1 : draw_page(o, win);
		if (index == hi)
			index = lo;
		if (!run)
			how = draw_touch(o);
	}
}

/* Bytes that a system call reads or writes through the window. */
static void draw_bytes(struct oracle *o, struct oracle_op *op,
		       const struct oracle_win *win, unsigned int align)
{
	__u64 left;

	op->off = oracle_offset(draw_page(o, win));
	op->off += below(o, OR_PAGE) & ~(align - 1);
	op->len = 1 + below(o, one_in(o, 4) ? OR_BUF : 3 * OR_PAGE);
	op->len = (op->len + align - 1) & ~(__u64)(align - 1);
	left = win->off + win->len - op->off;
	if (op->len > left)
		op->len = left;
}

/* --- layout ------------------------------------------------------------------- */

static __u32 draw_prot(struct oracle *o)
{
	static const __u32 prots[6] = {
		PTS_RW, PTS_RW, PTS_RW, PTS_RO, PTS_RO, PROT_NONE,
	};

	return prots[below(o, 6)];
}

/* Half of all that happens does so around the border of two slots. */
static void draw_range(struct oracle *o, __u64 *off, __u64 *len)
{
	static const __u8 zones[] = { 0, 1, 2, 2, 2, 2, 3, 4 };
	const struct oracle_zone *z = oracle_zones + zones[below(o, 8)];
	unsigned int kind = below(o, 10), nr;

	nr = 1 + below(o, kind < 4 ? 8 : kind < 8 ? 64 : z->nr);
	if (nr > z->nr || kind == 9)
		nr = z->nr;
	*len = nr * OR_PAGE;
	*off = (z->first + below(o, z->nr - nr + 1)) * OR_PAGE;
}

/* Shortens a range so that all of its pages are there, or none of them. */
static void clip(const struct oracle *o, __u64 off, __u64 *len)
{
	const struct oracle_model *m = &o->board->model;
	unsigned int lo, hi, i;

	oracle_indices(off, *len, &lo, &hi);
	for (i = lo; i < hi; i++)
		if (m->page[i].present != m->page[lo].present)
			break;
	*len = (i - lo) * OR_PAGE;
}

static void draw_backing(struct oracle *o, struct oracle_op *op)
{
	__u32 max, nr;

	op->prot = draw_prot(o);
	op->file = below(o, OR_FILES);
	if (one_in(o, 12))
		op->file = OR_RDONLY;
	if (op->file == OR_RDONLY && !one_in(o, 8))
		op->prot &= ~PROT_WRITE;
	/* Large ranges show large files; few of them reach beyond the end. */
	if (op->len > oracle_file_max[op->file % OR_FILES])
		op->file = 0;
	max = oracle_file_max[op->file % OR_FILES] / OR_PAGE;
	nr = op->len / OR_PAGE;
	if (!one_in(o, 4) && nr < max)
		max -= nr;
	op->pos = below(o, max) * OR_PAGE;
}

/* A whole block of 2 MiB that shows a whole block of its file. */
static void draw_block(struct oracle *o, struct oracle_op *op)
{
	op->off = OR_GIB - BLOCK;
	op->len = BLOCK;
	op->file = below(o, 2);
	op->pos = op->file ? 0 : below(o, 2) * BLOCK;
	op->prot = PTS_RW;
}

static void make_map(struct oracle *o, struct oracle_op *op)
{
	draw_range(o, &op->off, &op->len);
	draw_backing(o, op);
	if (op->kind == OP_MAP) {
		if (!one_in(o, 4))
			clip(o, op->off, &op->len);
	} else if (one_in(o, o->huge ? 4 : 16)) {
		draw_block(o, op);
	}
}

static void make_unmap(struct oracle *o, struct oracle_op *op)
{
	draw_range(o, &op->off, &op->len);
	if (one_in(o, 50)) {
		/* all that lies between two places, most of it a hole */
		op->off = oracle_offset(below(o, OR_PAGES));
		op->len = OR_LENGTH - op->off;
	} else if (op->len > 32 * OR_PAGE) {
		op->len = 32 * OR_PAGE;
	}
}

static void make_protect(struct oracle *o, struct oracle_op *op)
{
	unsigned int i;

	op->nr = one_in(o, 4) ? 1 + below(o, OR_RANGES) : 1;
	for (i = 0; i < op->nr; i++) {
		struct ptshare_range_prot *r = op->ranges + i;

		draw_range(o, &r->offset, &r->length);
		if (!one_in(o, 32))
			clip(o, r->offset, &r->length);
		r->prot = draw_prot(o);
	}
}

/* --- files ---------------------------------------------------------------------- */

/* Most huge pages go whole; others take their place when they are touched. */
static void make_blocks(struct oracle *o, struct oracle_op *op, __u64 max)
{
	if (op->kind == OP_TRUNCATE)
		op->pos = one_in(o, 4) ? 0 : max;
	if (op->kind != OP_PUNCH)
		return;
	op->pos &= ~(BLOCK - 1);
	op->len = BLOCK;
}

static void make_file(struct oracle *o, struct oracle_op *op)
{
	__u64 max;

	op->file = below(o, OR_FILES);
	max = oracle_file_max[op->file];
	op->pos = below(o, max);
	op->len = 1 + below(o, one_in(o, 2) ? 2 * OR_PAGE : OR_BUF);
	if (op->len > max - op->pos)
		op->len = max - op->pos;
	if (op->kind == OP_PUNCH && one_in(o, 4))
		op->len = max - op->pos;
	if (op->kind == OP_TRUNCATE && !one_in(o, 4))
		op->pos = max - below(o, max / 4);
	if (op->kind == OP_TRUNCATE && one_in(o, 3))
		op->pos &= ~(OR_PAGE - 1);
	if (o->huge && max >= BLOCK && !one_in(o, 4))
		make_blocks(o, op, max);
}

static bool shows(const struct oracle *o, const struct oracle_op *op,
		  unsigned int file)
{
	const struct oracle_model *m = &o->board->model;
	__u64 end = op->off + op->len + OR_PAGE - 1;
	unsigned int lo, hi;

	for (oracle_indices(op->off, end - op->off, &lo, &hi); lo < hi; lo++)
		if (m->page[lo].present &&
		    oracle_inode(m->page[lo].file) == file)
			return true;
	return false;
}

/* A copy onto itself depends on how it is cut: no file that is shown there. */
static void draw_other_file(struct oracle *o, struct oracle_op *op)
{
	__u64 max;
	unsigned int i;

	op->file = below(o, OR_FILES);
	for (i = 0; i < OR_FILES && shows(o, op, op->file); i++)
		op->file = (op->file + 1) % OR_FILES;
	if (i == OR_FILES)
		op->kind = op->kind == OP_FILE_IN ? OP_PIPE_IN : OP_PIPE_OUT;
	max = oracle_file_max[op->file];
	op->pos = below(o, max - op->len);
}

static void make_direct(struct oracle *o, struct oracle_op *op,
			const struct oracle_win *win)
{
	draw_bytes(o, op, win, 512);
	op->pos = below(o, OR_DISK - op->len + 1) & ~511U;
	if (!o->direct)
		op->kind = op->kind == OP_DIRECT_IN ? OP_PIPE_IN : OP_PIPE_OUT;
}

/* --- one operation ---------------------------------------------------------------- */

static void make_populate(struct oracle *o, struct oracle_op *op,
			  const struct oracle_win *win)
{
	draw_bytes(o, op, win, OR_PAGE);
	op->off &= ~(OR_PAGE - 1);
}

/* The window is the peer's. */
static void make_vm(struct oracle *o, struct oracle_op *op)
{
	op->peer = draw_slot(o, true);
	if (!draw_win(o, op->peer, &op->win))
		op->peer = op->slot;
	if (!draw_win(o, op->peer, &op->win))
		make_win_map(o, op);
	else
		draw_bytes(o, op, win_of(o, op->peer, op->win), 1);
}

static void make_window_op(struct oracle *o, struct oracle_op *op)
{
	const struct oracle_win *win;

	if (!draw_win(o, op->slot, &op->win)) {
		make_win_map(o, op);
		return;
	}
	win = win_of(o, op->slot, op->win);
	switch (op->kind) {
	case OP_ACCESS:
	case OP_WIN_REUSE:
		make_access(o, op, win);
		break;
	case OP_POPULATE_READ:
	case OP_POPULATE_WRITE:
		make_populate(o, op, win);
		break;
	case OP_DIRECT_IN:
	case OP_DIRECT_OUT:
		make_direct(o, op, win);
		break;
	case OP_WIN_UNMAP:
		break;
	default:
		draw_bytes(o, op, win, 1);
		if (op->kind == OP_FILE_IN || op->kind == OP_FILE_OUT)
			draw_other_file(o, op);
	}
}

/* Fork and attach when there is room; the last process never leaves. */
static void make_process(struct oracle *o, struct oracle_op *op)
{
	if (op->kind == OP_EXIT) {
		op->how = one_in(o, 16) ? OR_EXEC : below(o, OR_EXEC);
		if (nr_slots(o, true) > 1)
			return;
		op->kind = OP_FORK;
	}
	if (!nr_slots(o, false)) {
		op->kind = OP_EXIT;
		op->how = below(o, OR_EXEC);
	} else if (op->kind == OP_FORK) {
		op->peer = draw_slot(o, false);
	} else {
		op->slot = draw_slot(o, false);
	}
}

static void make(struct oracle *o, struct oracle_op *op)
{
	switch (op->kind) {
	case OP_MAP:
	case OP_REPLACE:
		return make_map(o, op);
	case OP_UNMAP:
		return make_unmap(o, op);
	case OP_PROTECT:
		return make_protect(o, op);
	case OP_TRUNCATE:
	case OP_PUNCH:
	case OP_PWRITE:
	case OP_PREAD:
		return make_file(o, op);
	case OP_VM_READ:
	case OP_VM_WRITE:
		return make_vm(o, op);
	case OP_WIN_MAP:
		return make_win_map(o, op);
	case OP_FORK:
	case OP_ATTACH:
	case OP_EXIT:
		return make_process(o, op);
	default:
		return make_window_op(o, op);
	}
}

void oracle_next(struct oracle *o, struct oracle_op *op)
{
	__u32 step = op->step + 1;

	memset(op, 0, sizeof(*op));
	op->step = step;
	op->stamp = draw(o);
	if (!nr_slots(o, true)) {
		op->kind = OP_ATTACH;
		return;
	}
	op->slot = draw_slot(o, true);
	op->kind = step % CHECK_EVERY ? draw_kind(o) : OP_CHECK;
	if (op->kind != OP_CHECK)
		make(o, op);
}
