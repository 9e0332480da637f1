// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the model of the containers: layout, seals, and how calls fail. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "model.h"

void fz_may(struct fz_want *want, int err)
{
	__u32 i;

	for (i = 0; i < want->nr_err; i++)
		if (want->err[i] == err)
			return;
	if (want->nr_err < COUNT(want->err))
		want->err[want->nr_err++] = err;
}

static __u32 inode_of(__u32 file)
{
	return file == FZ_RDONLY || file == FZ_WRONLY ? 0 : file;
}

/* --- regions ------------------------------------------------------------ */

const struct fz_region *fz_region_at(const struct fz_cont *c, __u32 page)
{
	__u32 i;

	for (i = 0; i < c->nr; i++)
		if (page - c->reg[i].start < c->reg[i].nr)
			return c->reg + i;
	return NULL;
}

static bool any_region(const struct fz_cont *c, __u32 start, __u32 nr)
{
	__u32 i;

	for (i = 0; i < c->nr; i++)
		if (c->reg[i].start < start + nr &&
		    start < c->reg[i].start + c->reg[i].nr)
			return true;
	return false;
}

static void insert_at(struct fz_cont *c, __u32 i, const struct fz_region *r)
{
	memmove(c->reg + i + 1, c->reg + i, (c->nr - i) * sizeof(*r));
	c->reg[i] = *r;
	c->nr++;
}

/* Makes @page the begin of a region, if it is inside one. */
static void cut_at(struct fz_cont *c, __u32 page)
{
	struct fz_region tail;
	__u32 i, head;

	for (i = 0; i < c->nr; i++) {
		if (page <= c->reg[i].start ||
		    page >= c->reg[i].start + c->reg[i].nr)
			continue;
		head = page - c->reg[i].start;
		tail = c->reg[i];
		tail.start += head;
		tail.pgoff += head;
		tail.nr -= head;
		c->reg[i].nr = head;
		insert_at(c, i + 1, &tail);
		return;
	}
}

static void remove_range(struct fz_cont *c, __u32 start, __u32 nr)
{
	__u32 i, j = 0;

	cut_at(c, start);
	cut_at(c, start + nr);
	for (i = 0; i < c->nr; i++)
		if (c->reg[i].start < start || c->reg[i].start >= start + nr)
			c->reg[j++] = c->reg[i];
	c->nr = j;
}

static void add_region(struct fz_cont *c, const struct fz_region *r)
{
	__u32 i;

	remove_range(c, r->start, r->nr);
	for (i = 0; i < c->nr && c->reg[i].start < r->start; i++)
		;
	insert_at(c, i, r);
}

static bool continues(const struct fz_region *a, const struct fz_region *b)
{
	return a->start + a->nr == b->start && a->pgoff + a->nr == b->pgoff &&
	       a->prot == b->prot && inode_of(a->file) == inode_of(b->file);
}

/* Joins what is the same in all, so that cuts do not use up the room. */
static void merge(struct fz_cont *c)
{
	struct fz_region *last;
	__u32 i, j = 0;

	for (i = 0; i < c->nr; i++) {
		last = c->reg + j - 1;
		if (j && continues(last, c->reg + i) &&
		    last->file == c->reg[i].file &&
		    last->maywrite == c->reg[i].maywrite &&
		    last->writer == c->reg[i].writer)
			last->nr += c->reg[i].nr;
		else
			c->reg[j++] = c->reg[i];
	}
	c->nr = j;
}

__u32 fz_nr_regions(const struct fz_cont *c)
{
	__u32 i, nr = 0;

	for (i = 0; i < c->nr; i++)
		nr += !i || !continues(c->reg + i - 1, c->reg + i);
	return nr;
}

bool fz_region_whole(const struct fz_cont *c, __u32 page,
		     struct fz_region *out)
{
	__u32 i;

	for (i = 0; i < c->nr; i++)
		if (c->reg[i].start + c->reg[i].nr > page)
			break;
	if (i == c->nr)
		return false;
	while (i && continues(c->reg + i - 1, c->reg + i))
		i--;
	*out = c->reg[i];
	for (; i + 1 < c->nr && continues(c->reg + i, c->reg + i + 1); i++)
		out->nr += c->reg[i + 1].nr;
	return true;
}

/* --- how a call fails whatever it does ---------------------------------- */

#define ON_DEVICE	1
#define ON_CONTROL	2
#define ON_ATTACH	4
#define ON_NOTIFY	8

static __u32 allowed_on(__u32 kind)
{
	switch (kind) {
	case OP_CREATE:
		return ON_DEVICE;
	case OP_INFO:
		return ON_DEVICE | ON_CONTROL | ON_ATTACH;
	case OP_QUERY:
		return ON_CONTROL | ON_ATTACH;
	case OP_ARM:
	case OP_RESOLVE:
	case OP_SCAN:
		return ON_NOTIFY;
	default:
		return ON_CONTROL;
	}
}

static void fd_errors(const struct fz_model *m, const struct fz_op *op,
		      struct fz_want *want)
{
	__u32 on, allowed = allowed_on(op->kind);

	switch (V(op, VIA)) {
	case VIA_RIGHT:
		if (allowed == ON_NOTIFY && !m->queue[V(op, N)].open)
			fz_may(want, EBADF);
		return;
	case VIA_CLOSED:
		fz_may(want, EBADF);
		return;
	case VIA_FILE:
		fz_may(want, ENOTTY);
		return;
	case VIA_NOTIFY:
		if (!m->queue[V(op, N)].open) {
			fz_may(want, EBADF);
			return;
		}
		on = ON_NOTIFY;
		break;
	case VIA_DEVICE:
		on = ON_DEVICE;
		break;
	default:
		on = V(op, VIA) == VIA_ATTACH ? ON_ATTACH : ON_CONTROL;
	}
	if (!(on & allowed))
		fz_may(want, EPERM);
}

static bool has_reserved(__u32 kind)
{
	return kind == OP_CREATE || kind == OP_QUERY || kind == OP_SEAL ||
	       kind == OP_ARM || kind == OP_RESOLVE;
}

static bool has_results(__u32 kind)
{
	return kind == OP_INFO || kind == OP_QUERY || kind == OP_NOTIFY ||
	       kind == OP_ARM || kind == OP_RESOLVE || kind == OP_SCAN;
}

bool fz_call_errors(const struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want)
{
	fd_errors(m, op, want);
	switch (V(op, BAD)) {
	case BAD_SMALL:
	case BAD_ZERO:
		fz_may(want, EINVAL);
		break;
	case BAD_TAIL:
	case BAD_HUGE:
		fz_may(want, E2BIG);
		break;
	case BAD_FLAG:
		fz_may(want, EOPNOTSUPP);
		break;
	case BAD_RESERVED:
		if (has_reserved(op->kind))
			fz_may(want, EINVAL);
		break;
	case BAD_NULL:
	case BAD_CUT:
		fz_may(want, EFAULT);
		break;
	case BAD_READONLY:
		if (has_results(op->kind))
			fz_may(want, EFAULT);
		break;
	case BAD_NUMBER:
		fz_may(want, ENOTTY);
		break;
	}
	return want->nr_err;
}

static bool range_ok(struct fz_range r)
{
	__u64 length = FZ_PAGES * FZ_PAGE;

	return r.len && !((r.off | r.len) % FZ_PAGE) && r.off <= length &&
	       r.len <= length - r.off;
}

static void prot_errors(const struct fz_cont *c, __u32 prot,
			struct fz_want *want)
{
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    (prot & (PROT_READ | PROT_WRITE)) == PROT_WRITE)
		fz_may(want, EINVAL);
	if (prot & PROT_EXEC || prot & PTS_RW & ~c->max_prot)
		fz_may(want, EACCES);
}

/* --- calls -------------------------------------------------------------- */

static bool write_sealed(const struct fz_model *m, __u32 file)
{
	return m->fseals[inode_of(file)] & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

static void backing_errors(const struct fz_model *m, const struct fz_op *op,
			   struct fz_want *want)
{
	bool writes = V(op, PROT) & PROT_WRITE;

	switch (V(op, FILE)) {
	case FZ_RDONLY:
		if (writes)
			fz_may(want, EACCES);
		return;
	case FZ_WRONLY:
		fz_may(want, EACCES);
		if (writes && write_sealed(m, 0))
			fz_may(want, EPERM);
		return;
	case FZ_NO_FD:
		fz_may(want, EBADF);
		return;
	case FZ_PIPE:
	case FZ_DISK_FILE:
	case FZ_CONTAINER:
		fz_may(want, EOPNOTSUPP);
		return;
	}
	if (writes && write_sealed(m, V(op, FILE)))
		fz_may(want, EPERM);
}

static void do_map(struct fz_model *m, const struct fz_op *op,
		   struct fz_want *want)
{
	struct fz_cont *c = &m->cont[V(op, C)];
	struct fz_range r = fz_range_of(op);
	bool replace = V(op, FLAGS) & 1;
	struct fz_region new = {
		.start = V(op, OFF), .nr = V(op, LEN), .file = V(op, FILE),
		.pgoff = V(op, POS), .prot = V(op, PROT),
	};

	if (!range_ok(r) || r.pos % FZ_PAGE)
		fz_may(want, EINVAL);
	else if (!replace && any_region(c, new.start, new.nr))
		fz_may(want, EEXIST);
	if (V(op, FLAGS) & 2)
		fz_may(want, EOPNOTSUPP);
	prot_errors(c, V(op, PROT), want);
	backing_errors(m, op, want);
	if (c->seals & PTSHARE_SEAL_LAYOUT)
		fz_may(want, EPERM);
	if (want->nr_err)
		return;
	new.writer = new.file < FZ_FILES;
	new.maywrite = new.writer && c->max_prot & PROT_WRITE &&
		       !write_sealed(m, new.file);
	new.file = inode_of(new.file);
	add_region(c, &new);
	merge(c);
	if (replace)
		fz_unmapped(m, V(op, C), new.start, new.nr);
}

static void do_unmap(struct fz_model *m, const struct fz_op *op,
		     struct fz_want *want)
{
	struct fz_cont *c = &m->cont[V(op, C)];

	if (!range_ok(fz_range_of(op)))
		fz_may(want, EINVAL);
	else if (!any_region(c, V(op, OFF), V(op, LEN)))
		fz_may(want, ENOENT);
	if (c->seals & PTSHARE_SEAL_LAYOUT)
		fz_may(want, EPERM);
	if (want->nr_err)
		return;
	remove_range(c, V(op, OFF), V(op, LEN));
	fz_unmapped(m, V(op, C), V(op, OFF), V(op, LEN));
}

/* Is there no hole in the range, and may all of it become @prot? */
static void region_errors(const struct fz_cont *c, struct fz_range r,
			  __u32 prot, struct fz_want *want)
{
	__u32 page = r.off / FZ_PAGE, end = page + r.len / FZ_PAGE;
	const struct fz_region *reg;

	for (; page < end; page = reg->start + reg->nr) {
		reg = fz_region_at(c, page);
		if (!reg) {
			fz_may(want, ENOENT);
			return;
		}
		if (prot & PROT_WRITE && !reg->maywrite)
			fz_may(want, EACCES);
	}
}

static bool overlap(const struct fz_range *a, const struct fz_range *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* What is wrong with the range @i, in itself or with one before it? */
static void range_errors(const struct fz_cont *c, const struct fz_op *op,
			 __u32 i, struct fz_want *want)
{
	struct ptshare_range_prot p[FZ_RANGES];
	__u32 j, nr = fz_protect_ranges(op, p);
	struct fz_range r = { p[i].offset, p[i].length }, q;

	if (i + 1 == nr && V(op, BAD) == BAD_RESERVED)
		fz_may(want, EINVAL);
	if (!range_ok(r)) {
		fz_may(want, EINVAL);
		prot_errors(c, p[i].prot, want);
		return;
	}
	prot_errors(c, p[i].prot, want);
	region_errors(c, r, p[i].prot, want);
	for (j = 0; j < i; j++) {
		q = (struct fz_range) { p[j].offset, p[j].length };
		if (overlap(&r, &q))
			fz_may(want, EINVAL);
	}
}

static void set_prot(struct fz_cont *c, __u32 start, __u32 nr, __u32 prot)
{
	__u32 i;

	cut_at(c, start);
	cut_at(c, start + nr);
	for (i = 0; i < c->nr; i++)
		if (c->reg[i].start >= start && c->reg[i].start < start + nr)
			c->reg[i].prot = prot;
}

static void do_protect(struct fz_model *m, const struct fz_op *op,
		       struct fz_want *want)
{
	struct ptshare_range_prot p[FZ_RANGES];
	struct fz_cont *c = &m->cont[V(op, C)];
	__u32 i, nr = fz_protect_ranges(op, p);
	bool other = want->nr_err;

	if (!nr)
		fz_may(want, EINVAL);
	if (nr && V(op, BAD) == BAD_POINTER)
		fz_may(want, EFAULT);
	if (c->seals & PTSHARE_SEAL_PROT)
		fz_may(want, EPERM);
	other = other || want->nr_err;
	for (i = 0; i < nr; i++) {
		__u32 before = want->nr_err;

		range_errors(c, op, i, want);
		if (want->nr_err == before)
			continue;
		want->res.failed = i;
		want->cmp |= other || V(op, BAD) == BAD_READONLY ? 0 :
			     CMP_FAILED;
		/* There is no place to say which. */
		if (V(op, BAD) == BAD_READONLY)
			fz_may(want, EFAULT);
		break;
	}
	for (i = 0; i < nr && !want->nr_err; i++)
		set_prot(c, p[i].offset / FZ_PAGE, p[i].length / FZ_PAGE,
			 p[i].prot);
	merge(c);
}

static void do_query(struct fz_model *m, const struct fz_op *op,
		     struct fz_want *want)
{
	const struct fz_cont *c = &m->cont[V(op, C)];
	struct fz_range r = fz_range_of(op);
	struct fz_region reg;

	if (!V(op, ROOM))
		fz_may(want, EINVAL);
	if (r.off % FZ_PAGE || r.off > FZ_PAGES * FZ_PAGE)
		fz_may(want, EINVAL);
	else if (V(op, BAD) == BAD_POINTER &&
		 fz_region_whole(c, r.off / FZ_PAGE, &reg))
		fz_may(want, EFAULT);
	if (!want->nr_err)
		want->cmp |= CMP_QUERY;
}

static void do_seal(struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want)
{
	struct fz_cont *c = &m->cont[V(op, C)];

	if (V(op, KIND) > 7)
		fz_may(want, EINVAL);
	if (c->seals & PTSHARE_SEAL_SEAL)
		fz_may(want, EPERM);
	if (!want->nr_err)
		c->seals |= V(op, KIND);
}

static void do_create(const struct fz_op *op, struct fz_want *want)
{
	struct fz_range r = fz_range_of(op);
	__u32 prot = V(op, PROT);

	if (prot & PROT_EXEC)
		fz_may(want, EOPNOTSUPP);
	if (prot & 8 || (prot & PTS_RW) == PROT_WRITE || !(prot & PTS_RW))
		fz_may(want, EINVAL);
	if (!r.len || r.len % FZ_PAGE || r.len >> 47)
		fz_may(want, EINVAL);
}

static void want_info(const struct fz_model *m, const struct fz_op *op,
		      struct fz_want *want)
{
	const struct fz_cont *c = &m->cont[V(op, C)];
	struct ptshare_info *info = &want->res.info;
	__u32 w, i;

	want->cmp |= want->nr_err ? 0 : CMP_INFO;
	if (V(op, VIA) == VIA_DEVICE)
		return;
	info->length = FZ_PAGES * FZ_PAGE;
	info->max_prot = c->max_prot;
	info->seals = c->seals;
	info->nr_regions = fz_nr_regions(c);
	for (w = 0; w < FZ_WORKERS; w++)
		for (i = 0; i < FZ_WINS; i++)
			info->nr_windows += m->win[w][i].there &&
					    m->win[w][i].c == V(op, C);
}

void fz_layout(struct fz_model *m, const struct fz_op *op,
	       struct fz_want *want)
{
	fz_call_errors(m, op, want);
	switch (op->kind) {
	case OP_CREATE:
		do_create(op, want);
		want->fd = true;
		break;
	case OP_INFO:
		want_info(m, op, want);
		break;
	case OP_MAP:
		/* Each cut makes one more. */
		if (m->cont[V(op, C)].nr > FZ_REGIONS - 4)
			want->skip = true;
		else
			do_map(m, op, want);
		break;
	case OP_UNMAP:
		do_unmap(m, op, want);
		break;
	case OP_PROTECT:
		if (m->cont[V(op, C)].nr > FZ_REGIONS - 8)
			want->skip = true;
		else
			do_protect(m, op, want);
		break;
	case OP_QUERY:
		do_query(m, op, want);
		break;
	case OP_ATTACH:
		want->fd = true;
		break;
	case OP_SEAL:
		do_seal(m, op, want);
		break;
	}
}

/* --- all of it ---------------------------------------------------------- */

void fz_model_begin(struct fz_model *m, const struct fz_prog *prog)
{
	__u8 *bytes[FZ_FILES];
	pid_t pid[FZ_WORKERS];
	__u32 i, j;

	memcpy(bytes, m->bytes, sizeof(bytes));
	memcpy(pid, m->pid, sizeof(pid));
	memset(m, 0, sizeof(*m));
	memcpy(m->pid, pid, sizeof(pid));
	for (i = 0; i < FZ_FILES; i++) {
		m->bytes[i] = bytes[i];
		m->size[i] = fz_file_pages[i] * FZ_PAGE;
		for (j = 0; j < FZ_FILE_PAGES; j++)
			m->page[i][j].owner = OWNER_NONE;
	}
	m->cont[0].max_prot = PTS_RW;
	m->cont[1].max_prot = prog->ro ? PTS_RO : PTS_RW;
	m->huge = prog->huge;
}

void fz_model_do(struct fz_model *m, const struct fz_op *op, __u32 step,
		 struct fz_want *want)
{
	memset(want, 0, offsetof(struct fz_want, res) +
	       offsetof(struct fz_res, region));
	if (m->sleeper[V(op, W)].asleep) {
		want->skip = true;
		return;
	}
	if (op->kind <= OP_SEAL)
		fz_layout(m, op, want);
	else if (op->kind <= OP_NREAD)
		fz_notify_op(m, op, want);
	else if (op->kind <= OP_PEER)
		fz_mem_op(m, op, step, want);
	else
		fz_file_op(m, op, step, want);
}
