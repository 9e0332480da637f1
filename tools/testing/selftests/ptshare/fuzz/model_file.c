// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the model of the files, of their plain mappings, and of processes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "model.h"

static __u64 file_max(__u32 file)
{
	return fz_file_pages[file] * FZ_PAGE;
}

static struct fz_writer by_call(const struct fz_model *m,
				const struct fz_op *op)
{
	return (struct fz_writer) {
		.pid = m->pid[V(op, W)],
		.flags = PTSHARE_EVENT_F_KERNEL | PTSHARE_EVENT_F_SYSCALL,
	};
}

/*
 * Asks for all pages of a range of bytes: how many bytes of it may be written.
 * -1: the worker sleeps, or the operation is left out.
 */
static __s64 ask_range(struct fz_model *m, const struct fz_op *op, __u32 step,
		       __u64 pos, __u64 len, struct fz_want *want)
{
	struct fz_writer by = by_call(m, op), dry = by;
	struct fz_sleeper *s = &m->sleeper[V(op, W)];
	__u32 file = V(op, FILE), page = pos / FZ_PAGE, refused = 0;
	__u32 last = (pos + len - 1) / FZ_PAGE;
	bool single = page == last, waits = false;
	enum fz_verdict verdict = FZ_GO;

	dry.dry = true;
	for (; page <= last; page++) {
		const struct fz_page *p = &m->page[file][page];

		verdict = fz_ask(m, file, page, &dry);
		waits |= p->armed && p->kern == PTSHARE_KERNEL_BLOCK &&
			 verdict != FZ_FAIL;
		refused += verdict == FZ_FAIL;
	}
	page = pos / FZ_PAGE;
	/* Who sleeps with the file locked keeps the others from it. */
	if ((waits && (!single || op->kind != OP_PWRITE)) ||
	    (waits && fz_sleeper_of(m, file, page)) ||
	    (m->huge && refused && !single)) {
		want->skip = true;
		return -1;
	}
	for (; page <= last; page++) {
		verdict = fz_ask(m, file, page, &by);
		if (verdict != FZ_GO)
			break;
	}
	if (verdict == FZ_GO)
		return len;
	if (verdict == FZ_FAIL)
		return page * FZ_PAGE > pos ? page * FZ_PAGE - pos : 0;
	*s = (struct fz_sleeper) {
		.asleep = true, .file = file, .page = page, .op = *op,
		.step = step,
	};
	want->sleeps = true;
	return -1;
}

__u8 *fz_write_at(struct fz_model *m, __u32 file, __u64 pos)
{
	m->dirty[file][pos / FZ_PAGE] = true;
	return m->bytes[file] + pos;
}

static void write_bytes(struct fz_model *m, __u32 file, __u64 pos,
			const __u8 *buf, __u64 len)
{
	__u64 done, n;

	for (done = 0; done < len; done += n) {
		n = FZ_PAGE - (pos + done) % FZ_PAGE;
		if (n > len - done)
			n = len - done;
		memcpy(fz_write_at(m, file, pos + done), buf + done, n);
	}
}

void fz_model_write(struct fz_model *m, const struct fz_op *op, __u32 step,
		    __u64 pos, __u64 len, struct fz_want *want)
{
	__u32 file = V(op, FILE), seals = m->fseals[file];
	__s64 done;

	if (!len) {
		want->res.ret = -EFAULT;
		return;
	}
	if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		fz_may(want, EPERM);
		return;
	}
	/* How much of it goes in before depends on how it is cut. */
	if (seals & F_SEAL_GROW && pos + FZ_DATA > m->size[file]) {
		want->skip = true;
		return;
	}
	done = ask_range(m, op, step, pos, len, want);
	if (done < 0)
		return;
	write_bytes(m, file, pos, want->res.data, done);
	if (done && pos + done > m->size[file])
		m->size[file] = pos + done;
	want->res.ret = done ?: -EPERM;
}

/* --- calls -------------------------------------------------------------- */

static void do_pwrite(struct fz_model *m, const struct fz_op *op, __u32 step,
		      struct fz_want *want)
{
	__u64 pos = V(op, POS) * FZ_PAGE + V(op, BYTE), len = V(op, BYTES) ?: 1;

	if (pos + len > file_max(V(op, FILE))) {
		want->skip = true;
		return;
	}
	fz_fill_as(step, V(op, W), want->res.data, len);
	fz_model_write(m, op, step, pos, len, want);
}

static void do_pread(struct fz_model *m, const struct fz_op *op,
		     struct fz_want *want)
{
	__u64 pos = V(op, POS) * FZ_PAGE + V(op, BYTE), len = V(op, BYTES);
	__u64 size = m->size[V(op, FILE)];

	if (pos >= size)
		len = 0;
	else if (len > size - pos)
		len = size - pos;
	memcpy(want->res.data, m->bytes[V(op, FILE)] + pos, len);
	want->res.ret = len;
	want->cmp |= CMP_DATA;
}

/* What nobody wrote to is zero. */
static void zero_bytes(struct fz_model *m, __u32 file, __u64 from, __u64 to)
{
	__u64 next;

	for (; from < to; from = next) {
		next = (from / FZ_PAGE + 1) * FZ_PAGE;
		if (next > to)
			next = to;
		if (m->dirty[file][from / FZ_PAGE])
			memset(m->bytes[file] + from, 0, next - from);
	}
}

static void do_trunc(struct fz_model *m, const struct fz_op *op, __u32 step,
		     struct fz_want *want)
{
	__u32 file = V(op, FILE);
	__u64 to = V(op, POS) * FZ_PAGE + V(op, BYTE), from = m->size[file];
	__s64 done;

	if (to > file_max(file)) {
		want->skip = true;
		return;
	}
	if ((to < from && m->fseals[file] & F_SEAL_SHRINK) ||
	    (to > from && m->fseals[file] & F_SEAL_GROW)) {
		fz_may(want, EPERM);
		return;
	}
	if (to < from) {
		done = ask_range(m, op, step, to, from - to, want);
		if (done < 0)
			return;
		if (done < (__s64)(from - to)) {
			fz_may(want, EPERM);
			return;
		}
	}
	m->size[file] = to;
	if (to <= from)
		zero_bytes(m, file, to, file_max(file));
	if (to < from)
		fz_truncated(m, file, to, from);
}

/* Also MADV_REMOVE. */
static void punch(struct fz_model *m, const struct fz_op *op, __u32 step,
		  __u32 file, __u64 pos, __u64 len, struct fz_want *want)
{
	bool sealed = m->fseals[file] & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	struct fz_op on = *op;
	__s64 done;

	V(&on, FILE) = file;
	done = ask_range(m, &on, step, pos, len, want);
	if (done < 0)
		return;
	if (done < (__s64)len || sealed)
		fz_may(want, EPERM);
	else
		zero_bytes(m, file, pos, pos + len);
}

static void do_punch(struct fz_model *m, const struct fz_op *op, __u32 step,
		     struct fz_want *want)
{
	__u64 pos = V(op, POS) * FZ_PAGE + V(op, BYTE), len = V(op, LEN);
	__u64 max = file_max(V(op, FILE));

	len *= FZ_PAGE;
	if (pos >= max || !len) {
		want->skip = true;
		return;
	}
	punch(m, op, step, V(op, FILE), pos, len < max - pos ? len : max - pos,
	      want);
}

static bool has_writable_mapping(const struct fz_model *m, __u32 file)
{
	const struct fz_region *r;
	__u32 c, i;

	for (c = 0; c < FZ_CONTS; c++) {
		for (i = 0; i < m->cont[c].nr; i++) {
			r = &m->cont[c].reg[i];
			if (r->file == file && r->maywrite)
				return true;
		}
	}
	for (i = 0; i < FZ_WORKERS; i++)
		if (m->plain[i].there && m->plain[i].c == file)
			return true;
	return false;
}

__u32 fz_fseals(const struct fz_op *op)
{
	return V(op, KIND) ?: F_SEAL_FUTURE_WRITE;
}

static void do_fseal(struct fz_model *m, const struct fz_op *op,
		     struct fz_want *want)
{
	__u32 *seals = &m->fseals[V(op, FILE)], add = fz_fseals(op);

	if (*seals & F_SEAL_SEAL)
		fz_may(want, EPERM);
	if (add & ~*seals & F_SEAL_WRITE &&
	    has_writable_mapping(m, V(op, FILE)))
		fz_may(want, EBUSY);
	if (!want->nr_err)
		*seals |= add;
}

/* --- plain mappings ----------------------------------------------------- */

static void do_pmap(struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want)
{
	struct fz_mwin *plain = &m->plain[V(op, W)];

	if (plain->there) {
		want->skip = true;
		return;
	}
	if (m->fseals[V(op, FILE)] & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		fz_may(want, EPERM);
		return;
	}
	plain->there = true;
	plain->c = V(op, FILE);
}

static bool touch_plain(struct fz_model *m, const struct fz_op *op, __u32 step,
			__u32 page, __u64 stamp, struct touch_seen *seen)
{
	struct fz_writer by = { .pid = m->pid[V(op, W)], .dry = true };
	__u32 file = m->plain[V(op, W)].c, how = V(op, KIND);
	__u32 byte = how >= TOUCH_LOAD1 ? V(op, BYTE) : V(op, BYTE) & ~7;
	__u8 *at = m->bytes[file] + page * FZ_PAGE + byte;
	enum fz_verdict verdict = FZ_GO;

	if (how & 1 && m->page[file][page].armed) {
		m->vague |= page * FZ_PAGE >= m->size[file];
		verdict = fz_ask(m, file, page, &by);
		if (verdict == FZ_WAIT)
			return false;
		by.dry = false;
		verdict = fz_ask(m, file, page, &by);
	}
	if (verdict != FZ_GO || page * FZ_PAGE >= m->size[file]) {
		seen->sig = SIGBUS;
		seen->code = BUS_ADRERR;
		seen->addr = page * FZ_PAGE + byte;
		return true;
	}
	if (how & 1)
		memcpy(fz_write_at(m, file, page * FZ_PAGE + byte), &stamp,
		       how >= TOUCH_LOAD1 ? 1 : 8);
	memcpy(&seen->val, at, how >= TOUCH_LOAD1 ? 1 : 8);
	return true;
}

static bool plain_waits(struct fz_model *m, const struct fz_op *op, __u32 page)
{
	struct fz_writer by = { .dry = true };

	return V(op, KIND) & 1 &&
	       fz_ask(m, m->plain[V(op, W)].c, page, &by) == FZ_WAIT;
}

static void do_ptouch(struct fz_model *m, const struct fz_op *op, __u32 step,
		      struct fz_want *want)
{
	__u32 i, nr = V(op, NR) + 1, pages;

	pages = fz_file_pages[m->plain[V(op, W)].c];
	if (V(op, POS) >= pages) {
		want->skip = true;
		return;
	}
	if (nr > pages - V(op, POS))
		nr = pages - V(op, POS);
	for (i = 0; i < nr; i++) {
		if (plain_waits(m, op, V(op, POS) + i)) {
			want->skip = true;
			return;
		}
	}
	for (i = 0; i < nr; i++)
		touch_plain(m, op, step, V(op, POS) + i,
			    fz_stamp(step, V(op, W), V(op, POS) + i, i),
			    &want->res.seen[i]);
	want->nr_seen = nr;
	want->cmp |= CMP_SEEN;
}

/*
 * A huge page that collapse makes of a file that ends inside of it is mapped
 * whole, by all file systems in memory: what is beyond the end can be accessed.
 */
static bool ends_early(const struct fz_model *m, __u32 file)
{
	return m->size[file] < fz_file_pages[file] * FZ_PAGE;
}

static void do_padvise(struct fz_model *m, const struct fz_op *op, __u32 step,
		       struct fz_want *want)
{
	__u32 file = m->plain[V(op, W)].c, len = V(op, LEN);

	if (V(op, POS) >= fz_file_pages[file] || !len ||
	    (V(op, KIND) == PADV_COLLAPSE && ends_early(m, file))) {
		want->skip = true;
		return;
	}
	if (len > fz_file_pages[file] - V(op, POS))
		len = fz_file_pages[file] - V(op, POS);
	if (V(op, KIND) == PADV_REMOVE)
		punch(m, op, step, file, V(op, POS) * FZ_PAGE, len * FZ_PAGE,
		      want);
	else if (V(op, KIND) >= PADV_COLLAPSE)
		want->any = true;
}

/* Whether the page is there the model does not know. */
static void do_uffd(struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want)
{
	__u32 file = m->plain[V(op, W)].c;

	if (V(op, POS) >= fz_file_pages[file] || m->huge ||
	    m->page[file][V(op, POS)].armed) {
		want->skip = true;
		return;
	}
	if (m->fseals[file] & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		fz_may(want, EPERM);
		return;
	}
	if (V(op, POS) * FZ_PAGE >= m->size[file])
		fz_may(want, EFAULT);
	else
		want->or_ok = true;
	fz_may(want, EEXIST);
}

void fz_model_after(struct fz_model *m, const struct fz_op *op, __u32 step,
		    __s64 ret)
{
	if (op->kind == OP_UFFD && !ret)
		fz_fill_as(step, V(op, W),
			   fz_write_at(m, m->plain[V(op, W)].c,
				       V(op, POS) * FZ_PAGE), FZ_PAGE);
}

/* --- processes ---------------------------------------------------------- */

static void do_exit(struct fz_model *m, const struct fz_op *op)
{
	__u32 w = V(op, W);

	memset(m->win[w], 0, sizeof(m->win[w]));
	memset(&m->plain[w], 0, sizeof(m->plain[w]));
}

static void in_plain(struct fz_model *m, const struct fz_op *op, __u32 step,
		     struct fz_want *want)
{
	if (!m->plain[V(op, W)].there) {
		want->skip = true;
		return;
	}
	switch (op->kind) {
	case OP_PUNMAP:
		m->plain[V(op, W)].there = false;
		return;
	case OP_PTOUCH:
		return do_ptouch(m, op, step, want);
	case OP_PADVISE:
		return do_padvise(m, op, step, want);
	case OP_UFFD:
		return do_uffd(m, op, want);
	}
}

void fz_file_op(struct fz_model *m, const struct fz_op *op, __u32 step,
		struct fz_want *want)
{
	switch (op->kind) {
	case OP_PWRITE:
		return do_pwrite(m, op, step, want);
	case OP_PREAD:
		return do_pread(m, op, want);
	case OP_TRUNC:
		return do_trunc(m, op, step, want);
	case OP_PUNCH:
		return do_punch(m, op, step, want);
	case OP_FSEAL:
		return do_fseal(m, op, want);
	case OP_PMAP:
		return do_pmap(m, op, want);
	case OP_EXIT:
		return do_exit(m, op);
	case OP_EXEC:
		return;
	case OP_RECLAIM:
	case OP_MEMMAX:
	case OP_CGMOVE:
		want->any = true;
		return;
	default:
		return in_plain(m, op, step, want);
	}
}

/* --- who slept ---------------------------------------------------------- */

static void refused(const struct fz_op *op, const struct fz_model *m,
		    struct fz_want *want)
{
	const struct fz_mwin *win = &m->win[V(op, W)][V(op, WIN)];
	__u32 byte = V(op, KIND) >= TOUCH_LOAD1 ? V(op, BYTE) :
						  V(op, BYTE) & ~7;

	memset(want, 0, offsetof(struct fz_want, res) +
	       offsetof(struct fz_res, region));
	if (op->kind != OP_TOUCH) {
		want->res.ret = op->kind == OP_PWRITE ? -EPERM : -EFAULT;
		return;
	}
	want->nr_seen = 1;
	want->cmp = CMP_SEEN;
	want->res.seen[0] = (struct touch_seen) {
		.sig = SIGBUS, .code = BUS_ADRERR,
		.addr = (V(op, OFF) - win->start) * FZ_PAGE + byte,
	};
}

void fz_model_woken(struct fz_model *m, unsigned int w, struct fz_want *want)
{
	struct fz_sleeper *s = &m->sleeper[w];
	struct fz_op op = s->op;

	s->asleep = false;
	s->woken = false;
	if (s->failed)
		refused(&op, m, want);
	else
		fz_model_do(m, &op, s->step, want);
}
