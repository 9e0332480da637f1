// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the model of windows, and of what is done through them. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "model.h"

/* --- one page ----------------------------------------------------------- */

enum access { ACC_OK, ACC_HOLE, ACC_PROT, ACC_EOF };

static bool beyond_end(const struct fz_model *m, __u32 file, __u32 fpage)
{
	return fpage * FZ_PAGE >= m->size[file];
}

static enum access access_page(const struct fz_model *m, __u32 c, __u32 page,
			       bool write, __u32 *file, __u32 *fpage)
{
	const struct fz_region *r = fz_region_at(&m->cont[c], page);

	if (!r)
		return ACC_HOLE;
	if (!(r->prot & (write ? PROT_WRITE : PROT_READ)))
		return ACC_PROT;
	*file = r->file;
	*fpage = r->pgoff + page - r->start;
	return beyond_end(m, *file, *fpage) ? ACC_EOF : ACC_OK;
}

/*
 * The same with the question that a write asks. Whether that comes before it
 * is known that there is no such page is not said anywhere.
 */
static enum access write_page(struct fz_model *m, __u32 c, __u32 page,
			      const struct fz_writer *by, __u32 *file,
			      __u32 *fpage, enum fz_verdict *verdict)
{
	enum access acc = access_page(m, c, page, true, file, fpage);

	*verdict = FZ_GO;
	if (acc == ACC_EOF && *fpage < fz_file_pages[*file] &&
	    m->page[*file][*fpage].armed)
		m->vague = true;
	if (acc == ACC_OK)
		*verdict = fz_ask(m, *file, *fpage, by);
	return acc;
}

/* --- a run of bytes ----------------------------------------------------- */

struct run {
	__u32 c;
	__u64 off, len;		/* in the container */
	bool write;
	struct fz_writer by;
};

/* How much of it, from the begin on, can be accessed: and asks. */
static __u64 run_prefix(struct fz_model *m, const struct run *run)
{
	__u64 pos = run->off, end = pos + run->len;
	enum fz_verdict verdict = FZ_GO;
	__u32 file, fpage;
	enum access acc;

	for (; pos < end; pos = (pos / FZ_PAGE + 1) * FZ_PAGE) {
		if (run->write)
			acc = write_page(m, run->c, pos / FZ_PAGE, &run->by,
					 &file, &fpage, &verdict);
		else
			acc = access_page(m, run->c, pos / FZ_PAGE, false,
					  &file, &fpage);
		if (acc != ACC_OK || verdict != FZ_GO)
			break;
	}
	return (pos < end ? pos : end) - run->off;
}

static __u8 *byte_at(struct fz_model *m, __u32 c, __u64 off, bool write)
{
	const struct fz_region *r = fz_region_at(&m->cont[c], off / FZ_PAGE);
	__u64 pos = off - (r->start - (__u64)r->pgoff) * FZ_PAGE;

	return write ? fz_write_at(m, r->file, pos) : m->bytes[r->file] + pos;
}

static void run_copy(struct fz_model *m, const struct run *run, __u8 *buf,
		     __u64 len)
{
	__u64 done, n;

	for (done = 0; done < len; done += n) {
		__u64 at = run->off + done;
		__u8 *bytes = byte_at(m, run->c, at, run->write);

		n = FZ_PAGE - at % FZ_PAGE;
		if (n > len - done)
			n = len - done;
		if (run->write)
			memcpy(bytes, buf + done, n);
		else
			memcpy(buf + done, bytes, n);
	}
}

/* Does a page of the run make its writer sleep? 2: and that can't be had. */
static int run_waits(struct fz_model *m, const struct run *run)
{
	__u64 pos = run->off, end = pos + run->len;
	struct run dry = *run;
	enum fz_verdict verdict;
	__u32 file, fpage;
	enum access acc;
	int waits = 0;

	if (!run->write)
		return 0;
	dry.by.dry = true;
	for (; pos < end; pos = (pos / FZ_PAGE + 1) * FZ_PAGE) {
		acc = access_page(m, run->c, pos / FZ_PAGE, true, &file,
				  &fpage);
		if (acc != ACC_OK &&
		    (acc != ACC_EOF || fpage >= fz_file_pages[file]))
			break;
		verdict = fz_ask(m, file, fpage, &dry.by);
		/* It may be asked for a page that is not there, see above. */
		if (acc == ACC_EOF && verdict == FZ_WAIT)
			return 2;
		if (acc == ACC_EOF || verdict == FZ_FAIL)
			break;
		if (verdict != FZ_WAIT)
			continue;
		waits = fz_sleeper_of(m, file, fpage) ? 2 : 1;
		break;
	}
	return waits && (run->off ^ (end - 1)) / FZ_PAGE ? 2 : waits;
}

/* true if the operation ends here: it sleeps, or is left out. */
static bool settle(struct fz_model *m, const struct fz_op *op, __u32 step,
		   const struct run *run, bool may_sleep, struct fz_want *want)
{
	struct fz_sleeper *s = &m->sleeper[V(op, W)];
	int waits = run_waits(m, run);

	if (!waits)
		return false;
	if (waits == 2 || !may_sleep) {
		want->skip = true;
		return true;
	}
	access_page(m, run->c, run->off / FZ_PAGE, true, &s->file, &s->page);
	fz_ask(m, s->file, s->page, &run->by);
	s->asleep = true;
	s->woken = false;
	s->op = *op;
	s->step = step;
	want->sleeps = true;
	return true;
}

/* --- stores and loads --------------------------------------------------- */

static void seen_signal(struct touch_seen *seen, int sig, int code, __u64 addr)
{
	seen->sig = sig;
	seen->code = code;
	seen->addr = addr;
}

static void touch_bytes(struct touch_seen *seen, __u8 *at, __u32 how, __u64 stamp)
{
	__u32 len = how >= TOUCH_LOAD1 ? 1 : 8;

	if (how & 1)
		memcpy(at, &stamp, len);
	memcpy(&seen->val, at, len);
}

static struct fz_writer user(const struct fz_model *m, const struct fz_op *op)
{
	return (struct fz_writer) {
		.pid = V(op, BY) == BY_SELF ? m->pid[V(op, W)] : -1,
	};
}

static void touch_one(struct fz_model *m, const struct fz_op *op,
		      const struct run *run, __u32 start, __u64 stamp,
		      struct touch_seen *seen)
{
	__u64 addr = run->off - start * FZ_PAGE;
	enum fz_verdict verdict = FZ_GO;
	__u32 file, fpage;
	enum access acc;

	if (run->write)
		acc = write_page(m, run->c, run->off / FZ_PAGE, &run->by,
				 &file, &fpage, &verdict);
	else
		acc = access_page(m, run->c, run->off / FZ_PAGE, false, &file,
				  &fpage);
	if (acc == ACC_PROT)
		seen_signal(seen, SIGSEGV, SEGV_ACCERR, addr);
	else if (acc != ACC_OK || verdict != FZ_GO)
		seen_signal(seen, SIGBUS, BUS_ADRERR, addr);
	else
		touch_bytes(seen, byte_at(m, run->c, run->off, run->write),
			    V(op, KIND), stamp);
}

static void do_touch(struct fz_model *m, const struct fz_op *op, __u32 step,
		     const struct fz_mwin *win, struct fz_want *want)
{
	struct run run = {
		.c = win->c, .write = V(op, KIND) & 1, .by = user(m, op),
		.len = V(op, KIND) >= TOUCH_LOAD1 ? 1 : 8,
	};
	__u32 i, byte, nr = V(op, NR) + 1;

	byte = V(op, KIND) >= TOUCH_LOAD1 ? V(op, BYTE) : V(op, BYTE) & ~7;
	if (nr > win->start + win->nr - V(op, OFF))
		nr = win->start + win->nr - V(op, OFF);
	for (i = 0; i < nr; i++) {
		run.off = (V(op, OFF) + i) * FZ_PAGE + byte;
		if (run_waits(m, &run) && (nr > 1 || V(op, BY))) {
			want->skip = true;
			return;
		}
	}
	run.off = V(op, OFF) * FZ_PAGE + byte;
	if (settle(m, op, step, &run, true, want))
		return;
	for (i = 0; i < nr; i++, run.off += FZ_PAGE)
		touch_one(m, op, &run, win->start,
			  fz_stamp(step, V(op, W), V(op, OFF) + i, i),
			  &want->res.seen[i]);
	want->nr_seen = nr;
	want->cmp |= CMP_SEEN;
}

/* --- system calls ------------------------------------------------------- */

/* What is copied in parts of a page is told in whole parts. */
static __s64 whole_parts(__u64 prefix, __u64 len)
{
	if (prefix == len)
		return len;
	return prefix / FZ_PAGE ? (__s64)(prefix / FZ_PAGE * FZ_PAGE) : -EFAULT;
}

static __s64 or_fault(__u64 prefix)
{
	return prefix ? (__s64)prefix : -EFAULT;
}

static bool shows_file(const struct fz_model *m, const struct run *run,
		       __u32 file)
{
	__u64 pos = run->off / FZ_PAGE, end = run->off + run->len - 1;
	const struct fz_region *r;

	for (; pos <= end / FZ_PAGE; pos++) {
		r = fz_region_at(&m->cont[run->c], pos);
		if (r && r->file == file)
			return true;
	}
	return false;
}

/* What comes into the window: @buf has it; how much there is. */
static __u64 io_source(const struct fz_model *m, const struct fz_op *op,
		       __u32 step, __u64 len, __u8 *buf)
{
	__u64 pos = V(op, POS) * FZ_PAGE, left;

	switch (V(op, KIND)) {
	case IO_FILE_IN:
		left = m->size[V(op, FILE)];
		left = pos < left ? left - pos : 0;
		if (len > left)
			len = left;
		memcpy(buf, m->bytes[V(op, FILE)] + pos, len);
		break;
	case IO_DIRECT_IN:
	case IO_FIXED_IN:
		memcpy(buf, m->disk + fz_disk_pos(op), len);
		break;
	default:
		fz_fill_as(step, V(op, W), buf, len);
	}
	return len;
}

static void do_io_in(struct fz_model *m, const struct fz_op *op, __u32 step,
		     struct run *run, struct fz_want *want)
{
	__u32 kind = V(op, KIND);
	struct run asked;
	__u64 prefix;

	run->len = io_source(m, op, step, run->len, want->res.data);
	asked = *run;
	/* It is for whole pages that a buffer is registered. */
	if (kind == IO_FIXED_IN) {
		asked.off &= ~(FZ_PAGE - 1);
		asked.len = (run->off + run->len + FZ_PAGE - 1) / FZ_PAGE *
			    FZ_PAGE - asked.off;
	}
	if (settle(m, op, step, &asked, kind == IO_PIPE_IN ||
		   kind == IO_FILE_IN || kind == IO_DIRECT_IN, want))
		return;
	prefix = run_prefix(m, &asked);
	if (kind == IO_FIXED_IN)
		prefix = prefix == asked.len ? run->len : 0;
	run_copy(m, run, want->res.data, prefix);
	if (!run->len)
		want->res.ret = 0;
	else if (kind == IO_PIPE_IN || kind == IO_VMSPLICE_IN)
		want->res.ret = whole_parts(prefix, run->len);
	else
		want->res.ret = or_fault(prefix);
}

static void do_io_out(struct fz_model *m, const struct fz_op *op, __u32 step,
		      struct run *run, struct fz_want *want)
{
	__u64 prefix = run_prefix(m, run);

	run_copy(m, run, want->res.data, prefix);
	switch (V(op, KIND)) {
	case IO_FILE_OUT:
		fz_model_write(m, op, step, V(op, POS) * FZ_PAGE, prefix, want);
		return;
	case IO_DIRECT_OUT:
		memcpy(m->disk + fz_disk_pos(op), want->res.data, prefix);
		want->res.ret = or_fault(prefix);
		return;
	case IO_PIPE_OUT:
	case IO_URING_OUT:
		want->res.ret = whole_parts(prefix, run->len);
		break;
	default:
		want->res.ret = or_fault(prefix);
	}
	want->cmp |= CMP_DATA;
}

static void do_io(struct fz_model *m, const struct fz_op *op, __u32 step,
		  const struct fz_mwin *win, struct fz_want *want)
{
	struct fz_range span = fz_span_of(op, win->start * FZ_PAGE,
					  win->nr * FZ_PAGE);
	struct run run = {
		.c = win->c, .off = span.off, .len = span.len,
		.write = !(V(op, KIND) & 1),
		.by = {
			.pid = m->pid[V(op, W)],
			.flags = PTSHARE_EVENT_F_KERNEL,
		},
	};
	bool direct = V(op, KIND) == IO_DIRECT_IN ||
		      V(op, KIND) == IO_DIRECT_OUT;
	bool file = V(op, KIND) == IO_FILE_IN || V(op, KIND) == IO_FILE_OUT;

	/* A copy onto itself depends on how it is cut. */
	if ((direct && board->direct < 0) || !span.len ||
	    (file && (shows_file(m, &run, V(op, FILE)) ||
		      V(op, POS) + 4 > fz_file_pages[V(op, FILE)]))) {
		want->skip = true;
		return;
	}
	if (run.write)
		do_io_in(m, op, step, &run, want);
	else
		do_io_out(m, op, step, &run, want);
}

static bool none_in(const struct fz_model *m, const struct run *run)
{
	__u64 pos = run->off / FZ_PAGE, end = run->off + run->len - 1;
	const struct fz_region *r;

	for (; pos <= end / FZ_PAGE; pos++) {
		r = fz_region_at(&m->cont[run->c], pos);
		if (r && !r->prot)
			return true;
	}
	return false;
}

static void do_peer(struct fz_model *m, const struct fz_op *op, __u32 step,
		    struct fz_want *want)
{
	const struct fz_mwin *win = &m->win[V(op, PEER)][V(op, WIN)];
	struct fz_range span = fz_span_of(op, win->start * FZ_PAGE,
					  win->nr * FZ_PAGE);
	bool mem = V(op, KIND) >= PEER_MEM_READ;
	struct run run = {
		.c = win->c, .off = span.off, .len = span.len,
		.write = V(op, KIND) & 1,
		.by = {
			.pid = m->pid[V(op, W)], .nosleep = mem,
			.flags = PTSHARE_EVENT_F_KERNEL |
				 PTSHARE_EVENT_F_REMOTE,
		},
	};
	__u64 prefix;

	/* What a debugger may do where nobody else may is not said. */
	if (!win->there || V(op, OFF) - win->start >= win->nr ||
	    V(op, PEER) == V(op, W) || (mem && none_in(m, &run))) {
		want->skip = true;
		return;
	}
	if (settle(m, op, step, &run, true, want))
		return;
	prefix = run_prefix(m, &run);
	if (run.write)
		fz_fill_as(step, V(op, W), want->res.data, run.len);
	run_copy(m, &run, want->res.data, prefix);
	want->res.ret = prefix ? (__s64)prefix : mem ? -EIO : -EFAULT;
	want->cmp |= run.write ? 0 : CMP_DATA;
}

static void do_populate(struct fz_model *m, const struct fz_op *op, __u32 step,
			const struct fz_mwin *win, struct fz_want *want)
{
	struct run run = {
		.c = win->c, .off = V(op, OFF) * FZ_PAGE,
		.len = V(op, LEN) * FZ_PAGE, .write = V(op, KIND),
		.by = {
			.pid = m->pid[V(op, W)],
			.flags = PTSHARE_EVENT_F_KERNEL,
		},
	};
	__u64 left = (win->start + win->nr) * FZ_PAGE - run.off;

	if (run.len > left)
		run.len = left;
	if (!run.len || settle(m, op, step, &run, true, want))
		return;
	want->res.ret = run_prefix(m, &run) == run.len ? 0 : -EFAULT;
}

/* --- windows ------------------------------------------------------------ */

static void do_wmap(struct fz_model *m, const struct fz_op *op,
		    struct fz_mwin *win, struct fz_want *want)
{
	if (win->there || V(op, VIA) == VIA_FILE) {
		want->skip = true;
		return;
	}
	if (V(op, VIA) == VIA_CLOSED ||
	    (V(op, VIA) == VIA_NOTIFY && !m->queue[0].open))
		fz_may(want, EBADF);
	else if (V(op, VIA) == VIA_NOTIFY || V(op, VIA) == VIA_DEVICE)
		fz_may(want, ENODEV);
	if (!V(op, LEN) || V(op, OFF) + V(op, LEN) > FZ_PAGES)
		fz_may(want, EINVAL);
	if (want->nr_err)
		return;
	*win = (struct fz_mwin) {
		.there = true, .c = V(op, C), .start = V(op, OFF),
		.nr = V(op, LEN),
	};
}

static void do_wunmap(const struct fz_op *op, struct fz_mwin *win,
		      struct fz_want *want)
{
	bool part = V(op, KIND) == 1 || V(op, KIND) == 2;

	if (part && win->nr > 1) {
		fz_may(want, EINVAL);
		return;
	}
	win->there = false;
	if (V(op, KIND) < 3)
		return;
	/* What comes after it is empty. */
	want->nr_seen = 1;
	want->cmp |= CMP_SEEN;
}

static void do_wmisc(const struct fz_op *op, const struct fz_mwin *win,
		     struct fz_want *want)
{
	if (V(op, KIND) < MISC_PRIVATE && !win->there) {
		want->skip = true;
		return;
	}
	switch (V(op, KIND)) {
	case MISC_MSYNC:
	case MISC_MINCORE:
		return;
	case MISC_WEAK_PROT:
	case MISC_EXEC:
		fz_may(want, EACCES);
		return;
	case MISC_FIXED_PART:
		want->skip = win->nr < 2;
		fz_may(want, EINVAL);
		return;
	default:
		fz_may(want, EINVAL);
	}
}

static void do_wprot(const struct fz_op *op, struct fz_want *want)
{
	/* Bits that mprotect() does not know have an errno of their own. */
	if (V(op, PROT) & 8)
		want->skip = true;
	else if (V(op, PROT) != PTS_RW)
		fz_may(want, EACCES);
}

/* Operations that need a window. */
static void in_window(struct fz_model *m, const struct fz_op *op, __u32 step,
		      struct fz_mwin *win, struct fz_want *want)
{
	bool at = op->kind == OP_TOUCH || op->kind == OP_IO ||
		  op->kind == OP_POPULATE || op->kind == OP_WADVISE;

	if (!win->there || (at && V(op, OFF) - win->start >= win->nr)) {
		want->skip = true;
		return;
	}
	switch (op->kind) {
	case OP_WUNMAP:
		return do_wunmap(op, win, want);
	case OP_WREMAP:
		if (V(op, KIND))
			fz_may(want, EINVAL);
		return;
	case OP_WPROT:
		return do_wprot(op, want);
	case OP_WADVISE:
		want->any = V(op, KIND) == 15;
		if (V(op, KIND) < 13)
			fz_may(want, EINVAL);
		return;
	case OP_TOUCH:
		return do_touch(m, op, step, win, want);
	case OP_POPULATE:
		return do_populate(m, op, step, win, want);
	case OP_IO:
		return do_io(m, op, step, win, want);
	}
}

void fz_mem_op(struct fz_model *m, const struct fz_op *op, __u32 step,
	       struct fz_want *want)
{
	struct fz_mwin *win = &m->win[V(op, W)][V(op, WIN)];

	switch (op->kind) {
	case OP_WMAP:
		return do_wmap(m, op, win, want);
	case OP_WMISC:
		return do_wmisc(op, win, want);
	case OP_PEER:
		return do_peer(m, op, step, want);
	default:
		return in_window(m, op, step, win, want);
	}
}
