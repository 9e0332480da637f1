// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: compares what was with what the model says. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

#define FAIL(fmt, ...) ({						\
	fz_say("# MISMATCH: " fmt "\n", ##__VA_ARGS__);			\
	false;								\
})

static bool same_ret(const struct fz_want *want, const struct fz_res *res)
{
	__u32 i;

	if (want->any)
		return true;
	for (i = 0; i < want->nr_err; i++)
		if (res->ret == -want->err[i])
			return true;
	if (want->nr_err && !want->or_ok)
		return FAIL("returned %lld, must fail with errno %d%s",
			    res->ret, want->err[0],
			    want->nr_err > 1 ? " or others" : "");
	if (want->fd ? res->ret >= 0 : res->ret == want->res.ret)
		return true;
	return FAIL("returned %lld, not %lld", res->ret,
		    want->res.ret);
}

static bool same_seen(const struct fz_want *want, const struct fz_res *res)
{
	const struct touch_seen *a, *b;
	__u32 i;

	for (i = 0; i < want->nr_seen; i++) {
		a = &res->seen[i];
		b = &want->res.seen[i];
		if (a->sig == b->sig && a->code == b->code &&
		    a->addr == b->addr && a->val == b->val)
			continue;
		fz_say("# access %u: signal %d code %d at %#llx value %#llx\n",
		       i, a->sig, a->code, a->addr, a->val);
		return FAIL("it is signal %d code %d at %#llx value %#llx",
			    b->sig, b->code, b->addr, b->val);
	}
	return true;
}

static bool same_data(const struct fz_want *want, const struct fz_res *res)
{
	__s64 i;

	for (i = 0; i < res->ret; i++)
		if (res->data[i] != want->res.data[i])
			return FAIL("byte %lld of %lld is %#x, not %#x", i,
				    res->ret, res->data[i], want->res.data[i]);
	return true;
}

/* Who reads /proc or swaps may hold on to the mm of a process that ended. */
static bool settles(const struct fz_op *op, __u32 windows)
{
	struct ptshare_info info;
	__u32 tries;

	for (tries = 0; tries < 100; tries++) {
		if (!pts_info(board->ctl[V(op, C)], &info) &&
		    info.nr_windows == windows)
			return true;
		usleep(20000);
	}
	return false;
}

static bool same_info(const struct fz_op *op, const struct fz_want *want,
		      const struct fz_res *res)
{
	const struct ptshare_info *a = &res->info, *b = &want->res.info;

	if (a->length != b->length || a->max_prot != b->max_prot ||
	    a->seals != b->seals || a->nr_regions != b->nr_regions)
		return FAIL("INFO: %#llx bytes, prot %u seals %u regions %u, not %#llx %u %u %u",
			    a->length, a->max_prot, a->seals, a->nr_regions,
			    b->length, b->max_prot, b->seals, b->nr_regions);
	if (a->nr_windows != b->nr_windows && !settles(op, b->nr_windows))
		return FAIL("INFO: %u windows, not %u", a->nr_windows,
			    b->nr_windows);
	if (!a->features || !a->max_regions || !a->max_ranges)
		return FAIL("INFO: features %#llx, limits %u and %u",
			    a->features, a->max_regions, a->max_ranges);
	return true;
}

static bool same_region(const struct ptshare_region *a,
			const struct fz_region *b)
{
	if (a->offset == b->start * FZ_PAGE && a->length == b->nr * FZ_PAGE &&
	    a->fd_offset == b->pgoff * FZ_PAGE && a->prot == b->prot &&
	    a->ino == board->ino[b->file] && !a->flags)
		return true;
	fz_say("# QUERY: %#llx+%#llx at %#llx of inode %llu prot %u\n",
	       a->offset, a->length, a->fd_offset, a->ino, a->prot);
	return FAIL("it is page %u+%u at %u of file %u prot %u", b->start,
		    b->nr, b->pgoff, b->file, b->prot);
}

static bool same_query(const struct fz_model *m, const struct fz_op *op,
		       const struct fz_res *res)
{
	const struct fz_cont *c = &m->cont[V(op, C)];
	__u64 next = FZ_PAGES * FZ_PAGE;
	__u32 page = fz_range_of(op).off / FZ_PAGE, nr = 0;
	struct fz_region reg;

	while (fz_region_whole(c, page, &reg)) {
		if (nr == V(op, ROOM)) {
			next = page * FZ_PAGE;
			break;
		}
		if (nr >= res->nr)
			return FAIL("QUERY: no more than %u", res->nr);
		if (!same_region(&res->region[nr++], &reg))
			return false;
		page = reg.start + reg.nr;
	}
	if (res->nr != nr || res->next != next)
		return FAIL("QUERY: %u and %#llx next, not %u and %#llx",
			    res->nr, res->next, nr, next);
	return true;
}

static bool same_scan(const struct fz_model *m, const struct fz_op *op,
		      const struct fz_want *want, const struct fz_res *res)
{
	const struct ptshare_scan_region *a, *b;
	__u64 told, next = want->res.next, end;
	__u32 i;

	end = (V(op, OFF) + (__u64)V(op, LEN)) * FZ_PAGE;
	for (i = 0; i < res->nr && i < want->res.nr; i++) {
		a = &res->told[i];
		b = &want->res.told[i];
		if (a->start != b->start || a->end != b->end ||
		    a->categories != b->categories)
			return FAIL("SCAN: %#llx to %#llx is %#llx, not %#llx to %#llx %#llx",
				    a->start, a->end, a->categories,
				    b->start, b->end, b->categories);
	}
	if (res->nr != want->res.nr)
		return FAIL("SCAN: %u regions, not %u", res->nr, want->res.nr);
	told = i ? res->told[i - 1].end : V(op, OFF) * FZ_PAGE;
	/* With no limit met it has looked at all. */
	if (next == end && i < V(op, ROOM) && !V(op, MAX))
		told = end;
	if (res->next < told || res->next > next)
		return FAIL("SCAN: stopped at %#llx, not between %#llx and %#llx",
			    res->next, told, next);
	return true;
}

/* --- events ------------------------------------------------------------- */

static struct fz_ev *ev_at(struct fz_queue *q, __u32 i)
{
	return &q->ev[(q->head + i) % FZ_EVENTS];
}

/* Pages that were given up at once come in any order. */
static bool take_disarmed(struct fz_queue *q, __u32 page, __u64 cookie)
{
	__u32 i;

	for (i = 0; i < q->nr && ev_at(q, i)->type == PTSHARE_EVENT_DISARMED;
	     i++) {
		if (ev_at(q, i)->page != page || ev_at(q, i)->cookie != cookie)
			continue;
		*ev_at(q, i) = *ev_at(q, 0);
		q->head++;
		q->nr--;
		return true;
	}
	return FAIL("nobody gave up page %u", page);
}

static bool take_write(struct fz_queue *q, const struct ptshare_event *ev,
		       __u32 page)
{
	const struct fz_ev *want = ev_at(q, 0);

	if (!q->nr)
		return FAIL("an event for page %u too many: type %u flags %#x",
			    page, ev->type, ev->flags);
	if (want->type != ev->type || want->flags != ev->flags ||
	    want->page != page || want->cookie != ev->cookie ||
	    (want->pid > 0 && want->pid != ev->pid)) {
		fz_say("# event: type %u flags %#x page %u cookie %llu pid %d\n",
		       ev->type, ev->flags, page, ev->cookie, ev->pid);
		return FAIL("it is type %u flags %#x page %u cookie %llu pid %d",
			    want->type, want->flags, want->page, want->cookie,
			    want->pid);
	}
	q->head++;
	q->nr--;
	return true;
}

static bool same_event(struct fz_queue *q, const struct ptshare_event *ev)
{
	__u32 page = ev->offset / FZ_PAGE, end = page + ev->length / FZ_PAGE;
	bool same = true;

	if (ev->size != sizeof(*ev) || !ev->time_ns || ev->offset % FZ_PAGE ||
	    ev->length % FZ_PAGE || page == end)
		return FAIL("an event of %u bytes for %#llx+%#llx", ev->size,
			    ev->offset, ev->length);
	for (; same && page < end; page++)
		same = ev->type == PTSHARE_EVENT_DISARMED ?
		       take_disarmed(q, page, ev->cookie) :
		       take_write(q, ev, page);
	return same;
}

static bool same_events(struct fz_model *m, const struct fz_op *op,
			const struct fz_res *res)
{
	struct fz_queue *q = &m->queue[V(op, N)];
	bool drained = res->ret == -EAGAIN ||
		       (!res->ret && res->nr < V(op, ROOM));
	__u32 i;

	fz_stats.events += res->nr;
	for (i = 1; i < res->nr; i++)
		if (res->ev[i].seq <= res->ev[i - 1].seq)
			return FAIL("event %llu after %llu", res->ev[i].seq,
				    res->ev[i - 1].seq);
	if (q->vague || m->vague) {
		if (drained && !m->vague) {
			q->vague = false;
			q->nr = 0;
		}
		return true;
	}
	if (res->ret < 0)
		return true;
	for (i = 0; i < res->nr; i++)
		if (!same_event(q, &res->ev[i]))
			return false;
	if (drained && q->nr)
		return FAIL("%u events are missing, the first for page %u",
			    q->nr, ev_at(q, 0)->page);
	return true;
}

/* --- an operation ------------------------------------------------------- */

static bool is_notify(const struct fz_op *op)
{
	return op->kind == OP_SCAN || op->kind == OP_RESOLVE ||
	       op->kind == OP_NREAD;
}

bool fz_judge(struct fz_model *m, const struct fz_op *op,
	      const struct fz_want *want, const struct fz_res *res)
{
	bool same = m->vague && is_notify(op) ? true : same_ret(want, res);

	if (res->ret < 0 || res->seen[0].sig)
		fz_stats.refused++;
	else
		fz_stats.ok++;
	if (same && want->cmp & CMP_SEEN)
		same = same_seen(want, res);
	if (same && want->cmp & CMP_FAILED && res->failed != want->res.failed)
		same = FAIL("PROTECT: range %u is refused, not %u", res->failed,
			    want->res.failed);
	if (same && want->cmp & CMP_EVENTS)
		same = same_events(m, op, res);
	if (!same || res->ret < 0 || want->nr_err)
		return same;
	if (want->cmp & CMP_DATA)
		same = same_data(want, res);
	if (same && want->cmp & CMP_INFO && V(op, VIA) != VIA_DEVICE)
		same = same_info(op, want, res);
	if (same && want->cmp & CMP_QUERY)
		same = same_query(m, op, res);
	if (same && want->cmp & CMP_SCAN && !m->vague)
		same = same_scan(m, op, want, res);
	if (same && want->cmp & CMP_ARM &&
	    (res->armed != want->res.armed || res->pinned))
		same = FAIL("ARM: %#llx bytes, %#llx pinned, not %#llx",
			    res->armed, res->pinned, want->res.armed);
	if (same && want->cmp & CMP_WOKEN && res->woken != want->res.woken &&
	    !m->vague)
		same = FAIL("RESOLVE: %llu woken, not %llu", res->woken,
			    want->res.woken);
	return same;
}

/* --- the world ---------------------------------------------------------- */

static bool same_page(const struct fz_model *m, __u32 file, __u32 page)
{
	static __u8 buf[4096];
	__u64 pos = page * FZ_PAGE;
	ssize_t i, n = pread(board->file[file], buf, sizeof(buf), pos);

	if (n > 0 && !memcmp(buf, m->bytes[file] + pos, n))
		return true;
	for (i = 0; i < n; i++)
		if (buf[i] != m->bytes[file][pos + i])
			return FAIL("file %u: byte %#llx is %#x, not %#x", file,
				    pos + i, buf[i], m->bytes[file][pos + i]);
	return true;
}

/* What was written to and what is there; all else is a hole in both. */
static bool same_file(const struct fz_model *m, __u32 file)
{
	off_t data = 0, hole;
	int fd = board->file[file];
	__u64 size = lseek(fd, 0, SEEK_END);
	__u32 page;

	if (size != m->size[file])
		return FAIL("file %u has %#llx bytes, not %#llx", file, size,
			    m->size[file]);
	for (page = 0; page * FZ_PAGE < size; page++)
		if (m->dirty[file][page] && !same_page(m, file, page))
			return false;
	while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		page = data / FZ_PAGE;
		for (; page * FZ_PAGE < (__u64)hole; page++)
			if (!m->dirty[file][page] && !same_page(m, file, page))
				return false;
		data = hole;
	}
	return true;
}

bool fz_judge_world(struct fz_model *m)
{
	struct fz_op op = { .kind = OP_INFO };
	struct fz_want want;
	struct fz_res res;
	__u32 i;

	for (i = 0; i < FZ_FILES; i++)
		if (!m->torn && !same_file(m, i))
			return false;
	for (i = 0; i < FZ_CONTS; i++) {
		V(&op, C) = i;
		fz_model_do(m, &op, 0, &want);
		if (pts_info(board->ctl[i], &res.info) ||
		    !same_info(&op, &want, &res))
			return false;
	}
	return true;
}
