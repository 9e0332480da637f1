// SPDX-License-Identifier: GPL-2.0
/*
 * ptfuzz: operations drawn by lot, with an eye on the model so that most of
 * them meet something, and programs made from others.
 */
#include <string.h>

#include "model.h"

static __u64 draw(struct fz_gen *g)
{
	__u64 z;

	g->rng += 0x9e3779b97f4a7c15ULL;
	z = g->rng;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

__u32 fz_below(struct fz_gen *g, __u32 n)
{
	return (draw(g) >> 32) % n;
}

static bool one_in(struct fz_gen *g, __u32 n)
{
	return !fz_below(g, n);
}

/* Values that F_KIND can have. */
static __u32 kinds(__u32 kind)
{
	switch (kind) {
	case OP_SEAL:		return 9;
	case OP_WUNMAP:		return 5;
	case OP_WREMAP:		return 8;
	case OP_WPROT:		return 3;
	case OP_WADVISE:	return 16;
	case OP_WLOCK:		return 4;
	case OP_WMISC:		return MISCS;
	case OP_TOUCH:
	case OP_PTOUCH:		return TOUCHES;
	case OP_POPULATE:	return 2;
	case OP_IO:		return IOS;
	case OP_PEER:		return PEERS;
	case OP_FSEAL:		return 16;
	case OP_PADVISE:	return PADVS;
	case OP_MEMMAX:		return 3;
	default:		return 2;
	}
}

static __u32 draw_kind(struct fz_gen *g)
{
	__u32 kind, left, sum = 0;

	for (kind = 0; kind < OP_KINDS; kind++)
		sum += fz_ops[kind].weight;
	left = fz_below(g, sum);
	for (kind = 0; left >= fz_ops[kind].weight; kind++)
		left -= fz_ops[kind].weight;
	return kind;
}

/* --- pages -------------------------------------------------------------- */

static __u32 around(struct fz_gen *g, __s64 page, __u32 span)
{
	page += (__s64)fz_below(g, 2 * span + 1) - span;
	if (page < 0)
		page = -page;
	return page % FZ_PAGES;
}

/* At the begin, about edges of 2 MiB and of 1 GiB, at the end. */
static __u32 hot_page(struct fz_gen *g)
{
	static const __u32 hot[] = {
		0, 0, 512, FZ_GIB_PAGES / 2, FZ_GIB_PAGES - 512, FZ_GIB_PAGES,
		FZ_GIB_PAGES, 2 * FZ_GIB_PAGES, FZ_PAGES - 24,
	};
	__u32 page = hot[fz_below(g, COUNT(hot))];

	return one_in(g, 3) ? page : around(g, page, 16);
}

static const struct fz_region *draw_region(struct fz_gen *g,
					   const struct fz_cont *c)
{
	return c->nr ? c->reg + fz_below(g, c->nr) : NULL;
}

/* A page in or at a region. */
static __u32 region_page(struct fz_gen *g, const struct fz_cont *c)
{
	const struct fz_region *r = draw_region(g, c);

	if (!r || one_in(g, 16))
		return hot_page(g);
	switch (fz_below(g, 6)) {
	case 0:
		return r->start;
	case 1:
		return r->start + r->nr - 1;
	case 2:
		return around(g, r->start, 4);
	default:
		return r->start + fz_below(g, r->nr < 8 ? r->nr : 8);
	}
}

static __u32 draw_len(struct fz_gen *g)
{
	switch (fz_below(g, 16)) {
	case 0:
		return 512 + fz_below(g, 2) * fz_below(g, 600);
	case 1:
		return 1 + fz_below(g, FZ_PAGES);
	case 2:
	case 3:
	case 4:
	case 5:
		return 1 + fz_below(g, 32);
	default:
		return 1 + fz_below(g, 8);
	}
}

static void draw_range(struct fz_gen *g, const struct fz_cont *c,
		       struct fz_op *op)
{
	const struct fz_region *r = draw_region(g, c);
	__u32 left;

	V(op, OFF) = region_page(g, c);
	V(op, LEN) = draw_len(g);
	if (!r || one_in(g, 8))
		return;
	/* all of a region, or a part of it */
	V(op, OFF) = r->start + (one_in(g, 2) ? 0 : fz_below(g, r->nr));
	left = r->start + r->nr - V(op, OFF);
	if (one_in(g, 3) || V(op, LEN) > left)
		V(op, LEN) = left;
}

static __u32 draw_fpage(struct fz_gen *g, const struct fz_model *m, __u32 file)
{
	__u32 max = fz_file_pages[file % FZ_FILES], end;

	end = file < FZ_FILES ? m->size[file] / FZ_PAGE : max;
	switch (fz_below(g, 5)) {
	case 0:
		return 0;
	case 1:
		return end + 2 - fz_below(g, end < 4 ? end + 1 : 4);
	default:
		return fz_below(g, one_in(g, 2) ? 16 : max);
	}
}

static __u32 draw_field(struct fz_gen *g, const struct fz_model *m,
			const struct fz_op *op, __u32 i)
{
	const struct fz_field_desc *f = fz_fields + i;

	switch (f->type) {
	case T_PAGE:
		return hot_page(g);
	case T_PAGES:
		return draw_len(g);
	case T_FPAGE:
		return draw_fpage(g, m, V(op, FILE));
	case T_BYTE:
		return one_in(g, 3) ? 0 : one_in(g, 3) ? fz_below(g, FZ_PAGE) :
		       8 * fz_below(g, FZ_PAGE / 8);
	case T_BYTES:
		return 1 + fz_below(g, one_in(g, 3) ? FZ_DATA :
				       one_in(g, 2) ? FZ_PAGE : 64);
	case T_MASK:
		return one_in(g, 3) ? fz_below(g, f->max + 1) : 0;
	default:
		if (i == F_KIND)
			return fz_below(g, kinds(op->kind));
		return f->rare && !one_in(g, f->rare) ? 0 :
		       fz_below(g, f->max + 1);
	}
}

/* --- what an operation needs -------------------------------------------- */

static void awake(struct fz_gen *g, const struct fz_model *m, struct fz_op *op)
{
	__u32 i;

	for (i = 0; i < FZ_WORKERS && m->sleeper[V(op, W)].asleep; i++)
		V(op, W) = (V(op, W) + 1) % FZ_WORKERS;
}

static const struct fz_mwin *draw_win(struct fz_gen *g,
				      const struct fz_model *m,
				      struct fz_op *op, __u32 *who)
{
	__u32 i;

	for (i = 0; i < 2 * FZ_WORKERS; i++) {
		if (m->win[*who][V(op, WIN)].there)
			return &m->win[*who][V(op, WIN)];
		V(op, WIN) = (V(op, WIN) + 1) % FZ_WINS;
		if (i & 1)
			*who = (*who + 1) % FZ_WORKERS;
	}
	return NULL;
}

/* A page of a file that somebody has armed; NULL if none was found. */
static const struct fz_page *draw_armed(struct fz_gen *g,
					const struct fz_model *m, __u32 file,
					__u32 *fpage)
{
	__u32 i, nr = fz_file_pages[file], first = fz_below(g, nr);

	for (i = 0; i < nr; i++) {
		*fpage = (first + i) % nr;
		if (m->page[file][*fpage].armed)
			return &m->page[file][*fpage];
	}
	return NULL;
}

/* A page that the window shows, and that may be one that is armed. */
static void draw_seen(struct fz_gen *g, const struct fz_model *m,
		      const struct fz_mwin *win, struct fz_op *op)
{
	__u32 i, at, file = fz_below(g, FZ_FILES);
	bool any = one_in(g, 2);
	const struct fz_page *p = NULL;

	for (i = 0; any && !p && i < FZ_FILES; i++)
		p = draw_armed(g, m, (file + i) % FZ_FILES, &at);
	if (p && p->coff - win->start < win->nr) {
		V(op, OFF) = p->coff;
		/* Only one store at a time can be waited for. */
		if (op->kind == OP_TOUCH)
			V(op, KIND) |= 1;
		if (p->mode == PTSHARE_BLOCK)
			V(op, NR) = 0;
		return;
	}
	for (i = 0; i < 6; i++) {
		V(op, OFF) = region_page(g, &m->cont[win->c]);
		if (V(op, OFF) - win->start < win->nr)
			return;
	}
	V(op, OFF) = win->start + fz_below(g, win->nr);
}

static void make_wmap(struct fz_gen *g, struct fz_op *op)
{
	__u32 w = V(op, W), win = V(op, WIN);

	memset(op, 0, sizeof(*op));
	op->kind = OP_WMAP;
	V(op, W) = w;
	V(op, WIN) = win;
	V(op, C) = one_in(g, 5);
	V(op, AT) = one_in(g, 2) ? AT_GIB : fz_below(g, ATS);
	V(op, VIA) = one_in(g, 3) ? VIA_ATTACH : VIA_RIGHT;
	V(op, FLAGS) = one_in(g, 6) ? fz_below(g, 4) : 0;
	V(op, LEN) = FZ_PAGES;
	if (one_in(g, 3))
		return;
	V(op, OFF) = one_in(g, 2) ? FZ_GIB_PAGES * fz_below(g, 3) : hot_page(g);
	V(op, LEN) = one_in(g, 2) ? FZ_GIB_PAGES : draw_len(g) + 64;
	if (V(op, LEN) > FZ_PAGES - V(op, OFF))
		V(op, LEN) = FZ_PAGES - V(op, OFF);
}

static void make_access(struct fz_gen *g, const struct fz_model *m,
			struct fz_op *op)
{
	__u32 who = op->kind == OP_PEER ? V(op, PEER) : V(op, W);
	const struct fz_mwin *win = draw_win(g, m, op, &who);

	if (!win) {
		make_wmap(g, op);
		return;
	}
	if (op->kind == OP_PEER)
		V(op, PEER) = who;
	else
		V(op, W) = who;
	draw_seen(g, m, win, op);
}

static void make_file(struct fz_gen *g, const struct fz_model *m,
		      struct fz_op *op)
{
	__u32 fpage;

	if (op->kind == OP_TRUNC && one_in(g, 3))
		V(op, POS) = fz_file_pages[V(op, FILE) % FZ_FILES];
	else if (one_in(g, 3) &&
		 draw_armed(g, m, V(op, FILE) % FZ_FILES, &fpage))
		V(op, POS) = fpage;
	if (op->kind == OP_TRUNC && one_in(g, 2))
		V(op, BYTE) = 0;
}

/* Through a plain mapping, if anybody has one. */
static void make_plain(struct fz_gen *g, const struct fz_model *m,
		       struct fz_op *op)
{
	__u32 i, file = fz_below(g, FZ_FILES);

	for (i = 0; i < FZ_WORKERS && !m->plain[V(op, W)].there; i++)
		V(op, W) = (V(op, W) + 1) % FZ_WORKERS;
	if (!m->plain[V(op, W)].there) {
		op->kind = OP_PMAP;
		V(op, FILE) = file;
		return;
	}
	V(op, FILE) = m->plain[V(op, W)].c;
	if (V(op, POS) >= fz_file_pages[V(op, FILE)])
		V(op, POS) = draw_fpage(g, m, V(op, FILE));
	make_file(g, m, op);
}

static void make_map(struct fz_gen *g, const struct fz_model *m,
		     struct fz_op *op)
{
	static const __u32 prots[] = { 3, 3, 3, 3, 1, 1, 0 };
	__u32 max, file;

	if (!one_in(g, 20))
		V(op, PROT) = prots[fz_below(g, 7)];
	V(op, FILE) = one_in(g, 12) ? fz_below(g, FZ_FILE_KINDS) :
				      fz_below(g, FZ_FILES);
	file = V(op, FILE) % FZ_FILES;
	max = fz_file_pages[file];
	V(op, FLAGS) = one_in(g, 2);
	if (one_in(g, 3))
		V(op, OFF) = region_page(g, &m->cont[V(op, C)]);
	/* Whole blocks of 2 MiB, where huge pages fit. */
	if (file < 2 && one_in(g, 5)) {
		V(op, OFF) = FZ_GIB_PAGES - 512 * fz_below(g, 2);
		V(op, LEN) = 512;
		V(op, POS) = 0;
		return;
	}
	if (V(op, LEN) > max && !one_in(g, 16))
		V(op, LEN) = 1 + fz_below(g, max);
	if (V(op, POS) + V(op, LEN) > max && !one_in(g, 4))
		V(op, POS) = V(op, LEN) < max ? max - V(op, LEN) : 0;
}

static void make_protect(struct fz_gen *g, const struct fz_model *m,
			 struct fz_op *op)
{
	static const __u32 prots[] = { 3, 3, 3, 1, 1, 1, 0 };

	draw_range(g, &m->cont[V(op, C)], op);
	if (!one_in(g, 20))
		V(op, PROT) = prots[fz_below(g, 7)];
	V(op, NR) = one_in(g, 4) ? fz_below(g, FZ_RANGES) : 0;
	V(op, FLAGS) = one_in(g, 16) ? fz_below(g, 4) : 0;
}

static void resolve_sleeper(struct fz_gen *g, const struct fz_model *m,
			    struct fz_op *op)
{
	__u32 w;

	for (w = 0; w < FZ_WORKERS; w++) {
		const struct fz_sleeper *s = &m->sleeper[w];

		if (!s->asleep || one_in(g, 4))
			continue;
		V(op, N) = m->page[s->file][s->page].owner % FZ_NFDS;
		V(op, OFF) = m->page[s->file][s->page].coff;
		if (!one_in(g, 3))
			V(op, LEN) = 1;
		return;
	}
}

static void make_notify(struct fz_gen *g, const struct fz_model *m,
			struct fz_op *op)
{
	__u32 i;

	for (i = 0; i < FZ_NFDS && !m->queue[V(op, N)].open; i++)
		V(op, N) = (V(op, N) + 1) % FZ_NFDS;
	if (!m->queue[V(op, N)].open) {
		op->kind = OP_NOTIFY;
		V(op, C) = one_in(g, 8);
		V(op, MAX) = one_in(g, 3) ? fz_below(g, 6) : 0;
		return;
	}
	if (op->kind == OP_NREAD)
		return;
	draw_range(g, &m->cont[m->queue[V(op, N)].c], op);
	if (op->kind == OP_ARM && V(op, LEN) > 64 && !one_in(g, 4))
		V(op, LEN) = 1 + fz_below(g, 64);
	if (op->kind == OP_ARM && !one_in(g, 30)) {
		V(op, MODE) %= 3;
		V(op, KERN) %= 3;
		V(op, CLOSE) %= 2;
	}
	if (op->kind == OP_RESOLVE)
		resolve_sleeper(g, m, op);
}

static void make_fit(struct fz_gen *g, const struct fz_model *m,
		     struct fz_op *op)
{
	switch (op->kind) {
	case OP_MAP:
		return make_map(g, m, op);
	case OP_UNMAP:
		return draw_range(g, &m->cont[V(op, C)], op);
	case OP_PROTECT:
		return make_protect(g, m, op);
	case OP_NREAD:
	case OP_ARM:
	case OP_RESOLVE:
	case OP_SCAN:
		return make_notify(g, m, op);
	case OP_WMAP:
		return make_wmap(g, op);
	case OP_TOUCH:
	case OP_POPULATE:
	case OP_IO:
	case OP_PEER:
	case OP_WADVISE:
	case OP_WUNMAP:
		return make_access(g, m, op);
	case OP_PUNMAP:
	case OP_PTOUCH:
	case OP_PADVISE:
	case OP_UFFD:
		return make_plain(g, m, op);
	case OP_PWRITE:
	case OP_TRUNC:
	case OP_PUNCH:
		return make_file(g, m, op);
	}
}

static void make(struct fz_gen *g, const struct fz_model *m, struct fz_op *op)
{
	__u32 i;

	memset(op, 0, sizeof(*op));
	op->kind = draw_kind(g);
	if (!m->cont[0].nr && !m->cont[1].nr && one_in(g, 2))
		op->kind = OP_MAP;
	for (i = 0; i < F_FIELDS; i++)
		op->v[i] = draw_field(g, m, op, i);
	fz_sane(op);
	awake(g, m, op);
	make_fit(g, m, op);
	fz_sane(op);
}

/* --- programs ----------------------------------------------------------- */

void fz_gen_begin(struct fz_gen *g, const struct fz_prog *parent,
		  const struct fz_prog *mate, struct fz_prog *prog)
{
	g->parent = parent;
	g->mate = mate;
	g->at = 0;
	g->spliced = false;
	memset(prog, 0, sizeof(*prog));
	prog->huge = one_in(g, 6);
	prog->ro = one_in(g, 3);
	prog->one = one_in(g, 2);
	prog->few = one_in(g, 6);
	if (parent && !one_in(g, 8)) {
		prog->huge = parent->huge;
		prog->ro = parent->ro;
		prog->few = parent->few;
	}
}

static void change(struct fz_gen *g, const struct fz_model *m, struct fz_op *op)
{
	__u32 i, field, nr = 0;

	while (fz_ops[op->kind].field[nr] >= 0)
		nr++;
	for (i = 1 + one_in(g, 3); i; i--) {
		field = fz_ops[op->kind].field[fz_below(g, nr)];
		op->v[field] = draw_field(g, m, op, field);
	}
	if (one_in(g, 4))
		make_fit(g, m, op);
	fz_sane(op);
}

static bool from_parent(struct fz_gen *g, const struct fz_model *m,
			struct fz_op *op)
{
	__u32 lot = fz_below(g, 20);

	if (lot == 0 && g->mate && !g->spliced) {
		g->parent = g->mate;
		g->spliced = true;
		g->at = fz_below(g, g->parent->nr + 1);
	} else if (lot == 1) {
		g->at++;
	}
	if (g->at >= g->parent->nr)
		return false;
	if (lot == 2 || lot == 3) {
		make(g, m, op);
		return true;
	}
	*op = g->parent->op[g->at];
	if (lot == 4 || lot == 5)
		change(g, m, op);
	/* lot 6: and once more */
	g->at += lot != 6;
	return true;
}

bool fz_gen_next(struct fz_gen *g, const struct fz_model *m, __u32 nr,
		 struct fz_op *op)
{
	if (nr == FZ_OPS)
		return false;
	if (g->parent && from_parent(g, m, op))
		return true;
	/* Behind what was there before a few more. */
	if (nr >= 8 && one_in(g, g->parent ? 8 : 40))
		return false;
	make(g, m, op);
	return true;
}
