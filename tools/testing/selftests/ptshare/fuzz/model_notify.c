// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the model of write-notify: who watches what, and what is told. */
#include <errno.h>
#include <string.h>

#include "model.h"

/* --- events ------------------------------------------------------------- */

static void tell(struct fz_model *m, const struct fz_page *p, __u16 type,
		 __u16 flags, __u32 page, pid_t pid)
{
	struct fz_queue *q;

	if (p->owner < 0)
		return;
	q = &m->queue[p->owner];
	if (q->nr >= q->len || q->nr == FZ_EVENTS)
		q->vague = true;
	if (q->vague)
		return;
	q->ev[(q->head + q->nr++) % FZ_EVENTS] = (struct fz_ev) {
		.type = type, .flags = flags, .page = page,
		.cookie = p->cookie, .pid = pid,
	};
}

/* --- who sleeps --------------------------------------------------------- */

struct fz_sleeper *fz_sleeper_of(struct fz_model *m, __u32 file, __u32 page)
{
	__u32 w;

	for (w = 0; w < FZ_WORKERS; w++)
		if (m->sleeper[w].asleep && m->sleeper[w].file == file &&
		    m->sleeper[w].page == page)
			return &m->sleeper[w];
	return NULL;
}

static __u32 wake(struct fz_model *m, __u32 file, __u32 page, bool failed)
{
	struct fz_sleeper *s = fz_sleeper_of(m, file, page);

	if (!s || s->woken)
		return 0;
	s->woken = true;
	s->failed = failed;
	return 1;
}

/* --- writes ------------------------------------------------------------- */

static enum fz_verdict judge(const struct fz_page *p,
			     const struct fz_writer *by)
{
	enum fz_verdict verdict = FZ_GO;

	if (by->flags & PTSHARE_EVENT_F_KERNEL) {
		if (p->kern == PTSHARE_KERNEL_FAIL)
			verdict = FZ_FAIL;
		else if (p->kern == PTSHARE_KERNEL_BLOCK)
			verdict = p->owner < 0 ? FZ_FAIL : FZ_WAIT;
	} else if (p->owner < 0 || p->mode == PTSHARE_SIGNAL) {
		verdict = FZ_FAIL;
	} else if (p->mode == PTSHARE_BLOCK) {
		verdict = FZ_WAIT;
	}
	return verdict == FZ_WAIT && by->nosleep ? FZ_FAIL : verdict;
}

static void grant(struct fz_page *p)
{
	p->written = 1;
	p->armed = 0;
	p->told = 0;
}

enum fz_verdict fz_ask(struct fz_model *m, __u32 file, __u32 page,
		       const struct fz_writer *by)
{
	struct fz_page *p = &m->page[file][page];
	enum fz_verdict verdict;

	if (!p->armed)
		return FZ_GO;
	verdict = judge(p, by);
	if (by->dry)
		return verdict == FZ_WAIT && p->soon ? FZ_GO : verdict;
	switch (verdict) {
	case FZ_FAIL:
		if (!p->told)
			tell(m, p, PTSHARE_EVENT_WRITE, by->flags, p->coff,
			     by->pid);
		p->told = 1;
		return FZ_FAIL;
	case FZ_WAIT:
		tell(m, p, PTSHARE_EVENT_WRITE,
		     by->flags | PTSHARE_EVENT_F_BLOCKED, p->coff, by->pid);
		if (!p->soon)
			return FZ_WAIT;
		tell(m, p, PTSHARE_EVENT_WRITE,
		     by->flags | PTSHARE_EVENT_F_TIMEOUT, p->coff, by->pid);
		break;
	default:
		tell(m, p, PTSHARE_EVENT_WRITE, by->flags, p->coff, by->pid);
	}
	grant(p);
	if (wake(m, file, page, false)) {
		m->vague = true;
		m->torn = true;
	}
	return FZ_GO;
}

/* --- what is given up --------------------------------------------------- */

static __u32 drop(struct fz_model *m, __u32 file, __u32 page)
{
	__u32 woken = wake(m, file, page, false);

	m->page[file][page] = (struct fz_page) { .owner = OWNER_NONE };
	return woken;
}

void fz_unmapped(struct fz_model *m, __u32 c, __u32 start, __u32 nr)
{
	struct fz_page *p;
	__u32 f, i;

	for (f = 0; f < FZ_FILES; f++) {
		for (i = 0; i < fz_file_pages[f]; i++) {
			p = &m->page[f][i];
			if (p->owner < 0 || m->queue[p->owner].c != c ||
			    p->coff - start >= nr)
				continue;
			tell(m, p, PTSHARE_EVENT_DISARMED, 0, p->coff, -1);
			drop(m, f, i);
		}
	}
}

/* Of a file from byte @from to @to: its pages are gone. */
void fz_truncated(struct fz_model *m, __u32 file, __u64 from, __u64 to)
{
	__u32 i, end = (to + FZ_PAGE - 1) / FZ_PAGE;

	for (i = (from + FZ_PAGE - 1) / FZ_PAGE; i < end; i++)
		tell(m, &m->page[file][i], PTSHARE_EVENT_DISARMED, 0,
		     m->page[file][i].coff, -1);
}

void fz_notify_close(struct fz_model *m, __u32 n)
{
	struct fz_page *p;
	__u32 f, i;

	for (f = 0; f < FZ_FILES; f++) {
		for (i = 0; i < fz_file_pages[f]; i++) {
			p = &m->page[f][i];
			if (p->owner != (__s8)n)
				continue;
			if (p->close == PTSHARE_CLOSE_SIGNAL) {
				p->owner = OWNER_GONE;
				wake(m, f, i, true);
			} else {
				drop(m, f, i);
			}
		}
	}
	m->queue[n].open = false;
}

/* --- ARM ---------------------------------------------------------------- */

/* The page of a file that a page of the container shows; NULL in a hole. */
static struct fz_page *page_at(struct fz_model *m, __u32 c, __u32 page,
			       __u32 *file, __u32 *fpage)
{
	const struct fz_region *r = fz_region_at(&m->cont[c], page);

	if (!r)
		return NULL;
	*file = r->file;
	*fpage = r->pgoff + page - r->start;
	/* Beyond all that the file can ever be. */
	if (*fpage >= fz_file_pages[*file])
		return NULL;
	return &m->page[*file][*fpage];
}

static bool range_bad(const struct fz_op *op, struct fz_want *want)
{
	struct fz_range r = fz_range_of(op);
	__u64 length = FZ_PAGES * FZ_PAGE;

	if (r.len && !((r.off | r.len) % FZ_PAGE) && r.off <= length &&
	    r.len <= length - r.off)
		return false;
	fz_may(want, EINVAL);
	return true;
}

/* Does the model know of all pages of the range, or is there none? */
static bool range_known(const struct fz_model *m, __u32 c,
			const struct fz_op *op)
{
	const struct fz_region *r;
	__u32 i, page;

	for (i = 0; i < m->cont[c].nr; i++) {
		r = &m->cont[c].reg[i];
		if (r->start >= V(op, OFF) + V(op, LEN) ||
		    r->start + r->nr <= V(op, OFF))
			continue;
		page = r->pgoff + r->nr;
		if (page > fz_file_pages[r->file])
			return false;
	}
	return true;
}

static bool has_hole(const struct fz_model *m, __u32 c, const struct fz_op *op)
{
	__u32 page = V(op, OFF), end = page + V(op, LEN);
	const struct fz_region *r;

	for (; page < end; page = r->start + r->nr) {
		r = fz_region_at(&m->cont[c], page);
		if (!r)
			return true;
	}
	return false;
}

static void arm_errors(struct fz_model *m, const struct fz_op *op, __u32 c,
		       struct fz_want *want)
{
	__u32 page, file = 0, fpage = 0;
	struct fz_page *p;

	if (range_bad(op, want))
		return;
	if (has_hole(m, c, op)) {
		fz_may(want, ENOENT);
		return;
	}
	for (page = V(op, OFF); page < V(op, OFF) + V(op, LEN); page++) {
		p = page_at(m, c, page, &file, &fpage);
		if (!fz_region_at(&m->cont[c], page)->writer)
			fz_may(want, EACCES);
		if (p->owner >= 0 && p->owner != (__s8)V(op, N))
			fz_may(want, EBUSY);
		if (fz_sleeper_of(m, file, fpage))
			want->skip = true;
	}
}

static void do_arm(struct fz_model *m, const struct fz_op *op,
		   struct fz_want *want)
{
	__u32 c = m->queue[V(op, N)].c, page, file, fpage;
	struct fz_page *p;

	if (V(op, MODE) > PTSHARE_SIGNAL ||
	    V(op, KERN) > PTSHARE_KERNEL_BLOCK ||
	    V(op, CLOSE) > PTSHARE_CLOSE_SIGNAL)
		fz_may(want, EINVAL);
	arm_errors(m, op, c, want);
	if (want->nr_err || want->skip)
		return;
	for (page = V(op, OFF); page < V(op, OFF) + V(op, LEN); page++) {
		p = page_at(m, c, page, &file, &fpage);
		*p = (struct fz_page) {
			.owner = V(op, N), .armed = 1, .mode = V(op, MODE),
			.written = p->owner != OWNER_NONE && p->written,
			.kern = V(op, KERN), .close = V(op, CLOSE),
			.soon = V(op, TIME) == 1, .coff = page,
			.cookie = fz_cookie(op),
		};
	}
	want->cmp |= CMP_ARM;
	want->res.armed = V(op, LEN) * FZ_PAGE;
}

/* --- RESOLVE ------------------------------------------------------------ */

static void resolve_errors(struct fz_model *m, const struct fz_op *op, __u32 c,
			   struct fz_want *want)
{
	bool owned = true, armed = false;
	__u32 page, file, fpage;
	struct fz_page *p;

	if (V(op, ACT) > PTSHARE_DISARM)
		fz_may(want, EINVAL);
	if (range_bad(op, want))
		return;
	if (has_hole(m, c, op)) {
		fz_may(want, ENOENT);
		return;
	}
	for (page = V(op, OFF); page < V(op, OFF) + V(op, LEN); page++) {
		p = page_at(m, c, page, &file, &fpage);
		owned &= p->owner == (__s8)V(op, N);
		armed |= p->armed;
	}
	if (!owned || (!armed && V(op, ACT) != PTSHARE_DISARM))
		fz_may(want, ENOENT);
}

static __u32 resolve_page(struct fz_model *m, __u32 act, __u32 file, __u32 page)
{
	struct fz_page *p = &m->page[file][page];

	switch (act) {
	case PTSHARE_ALLOW:
		if (!p->armed)
			return 0;
		grant(p);
		return wake(m, file, page, false);
	case PTSHARE_FAIL:
		p->told = 0;
		return wake(m, file, page, true);
	default:
		return drop(m, file, page);
	}
}

static void do_resolve(struct fz_model *m, const struct fz_op *op,
		       struct fz_want *want)
{
	__u32 c = m->queue[V(op, N)].c, page, file = 0, fpage = 0;

	resolve_errors(m, op, c, want);
	if (want->nr_err)
		return;
	for (page = V(op, OFF); page < V(op, OFF) + V(op, LEN); page++) {
		page_at(m, c, page, &file, &fpage);
		want->res.woken += resolve_page(m, V(op, ACT), file, fpage);
	}
	want->cmp |= CMP_WOKEN;
}

/* --- SCAN --------------------------------------------------------------- */

static __u64 categories_of(struct fz_model *m, __u32 file, __u32 page)
{
	const struct fz_page *p = &m->page[file][page];
	bool pending = p->told || (p->armed && fz_sleeper_of(m, file, page));

	return (p->written ? PTSHARE_PAGE_WRITTEN : 0) |
	       (p->armed ? PTSHARE_PAGE_ARMED : 0) |
	       (pending ? PTSHARE_PAGE_PENDING : 0);
}

static bool add_told(struct fz_res *res, __u32 room, __u64 off, __u64 cats)
{
	struct ptshare_scan_region *last = res->told + res->nr - 1;

	if (!res->nr || last->end != off || last->categories != cats) {
		if (res->nr == room)
			return false;
		last = res->told + res->nr++;
		last->start = off;
		last->categories = cats;
	}
	last->end = off + FZ_PAGE;
	return true;
}

/* @page, or the first one behind it that is in a region. */
static __u32 next_page(const struct fz_cont *c, __u32 page, __u32 end)
{
	__u32 i;

	if (fz_region_at(c, page))
		return page;
	for (i = 0; i < c->nr; i++)
		if (c->reg[i].start > page)
			return c->reg[i].start;
	return end;
}

/* @next is where the first page is that was not told. */
static void scan_pages(struct fz_model *m, const struct fz_op *op,
		       struct fz_res *res)
{
	__u64 cats, asked = V(op, CATS) ?: PTSHARE_PAGE_WRITTEN;
	__u32 c = m->queue[V(op, N)].c, page, file, fpage, told = 0;
	__u32 end = V(op, OFF) + V(op, LEN);
	struct fz_page *p;

	for (page = V(op, OFF); page < end; page++) {
		page = next_page(&m->cont[c], page, end);
		if (page >= end)
			break;
		p = page_at(m, c, page, &file, &fpage);
		if (!p || p->owner != (__s8)V(op, N))
			continue;
		cats = categories_of(m, file, fpage);
		if (!(cats & asked))
			continue;
		if (V(op, MAX) && told == V(op, MAX))
			break;
		if (!add_told(res, V(op, ROOM), page * FZ_PAGE, cats))
			break;
		told++;
		if (V(op, FLAGS))
			p->written = 0;
		if (V(op, FLAGS) & PTSHARE_SCAN_REARM)
			p->armed = 1;
	}
	res->next = (page < end ? page : end) * FZ_PAGE;
}

static bool finds_some(struct fz_model *m, const struct fz_op *op)
{
	struct fz_op look = *op;
	struct fz_res res = {};

	V(&look, FLAGS) = 0;
	V(&look, MAX) = 1;
	V(&look, ROOM) = 1;
	scan_pages(m, &look, &res);
	return res.nr;
}

static void do_scan(struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want)
{
	if (!V(op, ROOM) || V(op, CATS) > 15)
		fz_may(want, EINVAL);
	if (range_bad(op, want))
		return;
	if (V(op, BAD) == BAD_POINTER && V(op, ROOM) && finds_some(m, op))
		fz_may(want, EFAULT);
	if (want->nr_err)
		return;
	scan_pages(m, op, &want->res);
	want->cmp |= CMP_SCAN;
}

/* --- the fd ------------------------------------------------------------- */

static void do_notify(struct fz_model *m, const struct fz_op *op,
		      struct fz_want *want)
{
	struct fz_queue *q = &m->queue[V(op, N)];

	fz_call_errors(m, op, want);
	/* It is the slot that is to be filled, by an fd of another kind. */
	if (q->open) {
		want->skip = true;
		return;
	}
	want->fd = true;
	if (want->nr_err)
		return;
	memset(q, 0, offsetof(struct fz_queue, ev));
	q->open = true;
	q->c = V(op, C);
	q->len = V(op, MAX) ?: FZ_EVENTS;
}

static void do_nread(struct fz_model *m, const struct fz_op *op,
		     struct fz_want *want)
{
	struct fz_queue *q = &m->queue[V(op, N)];

	if (!q->open) {
		want->skip = true;
		return;
	}
	if (!V(op, ROOM))
		fz_may(want, EINVAL);
	else if (!q->nr || q->vague)
		fz_may(want, EAGAIN);
	if (V(op, ROOM) && V(op, BAD) == BAD_NULL && (q->nr || q->vague))
		fz_may(want, EFAULT);
	want->or_ok = V(op, ROOM) && q->vague && V(op, BAD) != BAD_NULL;
	want->cmp |= CMP_EVENTS;
}

void fz_notify_op(struct fz_model *m, const struct fz_op *op,
		  struct fz_want *want)
{
	bool ranged = op->kind == OP_ARM || op->kind == OP_RESOLVE ||
		      op->kind == OP_SCAN;

	if (ranged) {
		fz_call_errors(m, op, want);
		/* Nothing is known of pages beyond all that a file can be. */
		if (m->queue[V(op, N)].open &&
		    !range_known(m, m->queue[V(op, N)].c, op))
			want->skip = true;
		if (want->skip || !m->queue[V(op, N)].open)
			return;
	}
	switch (op->kind) {
	case OP_NOTIFY:
		return do_notify(m, op, want);
	case OP_NCLOSE:
		if (!m->queue[V(op, N)].open)
			want->skip = true;
		else
			fz_notify_close(m, V(op, N));
		return;
	case OP_NREAD:
		return do_nread(m, op, want);
	case OP_ARM:
		return do_arm(m, op, want);
	case OP_RESOLVE:
		return do_resolve(m, op, want);
	case OP_SCAN:
		return do_scan(m, op, want);
	}
}
