// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: what fields mean to those who do an operation, and to the model. */
#include <string.h>

#include "fuzz.h"

struct fz_range fz_range_of(const struct fz_op *op)
{
	struct fz_range r = {
		.off = V(op, OFF) * FZ_PAGE, .len = V(op, LEN) * FZ_PAGE,
		.pos = V(op, POS) * FZ_PAGE,
	};

	switch (V(op, SKEW)) {
	case SKEW_OFF:
		r.off += 1;
		break;
	case SKEW_LEN:
		r.len += 512;
		break;
	case SKEW_POS:
		r.pos += 8;
		break;
	case SKEW_EMPTY:
		r.len = 0;
		break;
	case SKEW_WRAP:
		r.off = -FZ_PAGE;
		r.len = op->kind == OP_CREATE ? -FZ_PAGE : 2 * FZ_PAGE;
		break;
	case SKEW_BEYOND:
		r.off = FZ_PAGES * FZ_PAGE;
		break;
	}
	return r;
}

/* One behind the other with pages between them; the last may be skewed. */
__u32 fz_protect_ranges(const struct fz_op *op, struct ptshare_range_prot *p)
{
	__u32 i, nr = V(op, FLAGS) & 1 ? 0 : V(op, NR) % FZ_RANGES + 1;
	struct fz_range r = fz_range_of(op);

	memset(p, 0, FZ_RANGES * sizeof(*p));
	for (i = 0; i < nr; i++) {
		p[i].offset = (V(op, OFF) + i * (V(op, LEN) + 1ULL)) * FZ_PAGE;
		p[i].length = V(op, LEN) * FZ_PAGE;
		p[i].prot = V(op, PROT) ^ (i & 1 ? PROT_WRITE : 0);
	}
	if (nr > 1 && V(op, FLAGS) & 2)
		p[1].offset = p[0].offset;
	if (nr && V(op, SKEW)) {
		p[nr - 1].offset = r.off;
		p[nr - 1].length = r.len;
	}
	return nr;
}

__u64 fz_cookie(const struct fz_op *op)
{
	return 0xc00c1e00ULL + V(op, OFF) * 4 + V(op, N);
}

__u64 fz_disk_pos(const struct fz_op *op)
{
	return V(op, POS) % (FZ_DISK_PAGES - 3) * FZ_PAGE;
}

static bool one_page(const struct fz_op *op)
{
	return op->kind == OP_IO &&
	       (V(op, KIND) == IO_URING_IN || V(op, KIND) == IO_URING_OUT);
}

struct fz_range fz_span_of(const struct fz_op *op, __u64 win_off,
			   __u64 win_len)
{
	bool direct = op->kind == OP_IO && (V(op, KIND) == IO_DIRECT_IN ||
					    V(op, KIND) == IO_DIRECT_OUT);
	__u64 align = direct ? 512 : board->racing ? 8 : 1;
	struct fz_range r = {
		.off = (V(op, OFF) * FZ_PAGE + V(op, BYTE)) & ~(align - 1),
		.len = ((V(op, BYTES) ?: 1) + align - 1) & ~(align - 1),
	};
	__u64 left = win_off + win_len - r.off;

	if (one_page(op) && left > FZ_PAGE - r.off % FZ_PAGE)
		left = FZ_PAGE - r.off % FZ_PAGE;
	if (r.len > left)
		r.len = left;
	return r;
}

/* --- values ------------------------------------------------------------- */

#define STAMP_MAGIC	0x5aULL
#define STAMP_FILL	15	/* part of a larger write */

static __u64 check_of(__u64 val)
{
	return ((val >> 12) * 0x9e3779b97f4a7c15ULL) >> 52;
}

/* Bits: 8 of magic, 12 of the program, 2, 6, 4 and 20 of these, 12 to check. */
__u64 fz_stamp(__u32 step, __u32 w, __u64 page, __u32 i)
{
	__u64 val = STAMP_MAGIC << 56 | (board->nonce & 0xfffULL) << 44 |
		    (w & 3ULL) << 42 | (step & 63ULL) << 36 |
		    (i & 15ULL) << 32 | (page & 0xfffff) << 12;

	return val | check_of(val);
}

void fz_fill_as(__u32 step, __u32 w, __u8 *buf, __u32 len)
{
	__u32 i, n;
	__u64 val;

	for (i = 0; i < len; i += 8) {
		val = fz_stamp(step, w, i / 8, STAMP_FILL);
		n = len - i < 8 ? len - i : 8;
		memcpy(buf + i, &val, n);
	}
}

void fz_fill(struct fz_job *job, __u8 *buf, __u32 len)
{
	fz_fill_as(job->step, job->w, buf, len);
}

/* Made of bytes of this program's values? */
static bool torn(__u64 val)
{
	__u8 magic = val >> 56, nonce = val >> 48;

	return (!magic || magic == STAMP_MAGIC) &&
	       (!nonce || nonce == (__u8)(board->nonce >> 4));
}

/* Does an operation of the program store this, at least somewhere? */
bool fz_legal(__u64 val)
{
	__u32 step = val >> 36 & 63, w = val >> 42 & 3, i = val >> 32 & 15;
	__u64 page = val >> 12 & 0xfffff;
	const struct fz_op *op;

	if (!val)
		return true;
	/* Who copies bytes mixes words that others store meanwhile. */
	if (board->bulk)
		return torn(val);
	if (val >> 56 != STAMP_MAGIC || (val & 0xfff) != check_of(val) ||
	    (val >> 44 & 0xfff) != (board->nonce & 0xfff) ||
	    step >= board->prog.nr)
		return false;
	op = &board->prog.op[step];
	if (V(op, W) != w)
		return false;
	if (i == STAMP_FILL)
		return op->kind == OP_IO || op->kind == OP_PEER ||
		       op->kind == OP_PWRITE || op->kind == OP_UFFD;
	if (op->kind == OP_TOUCH)
		return page == V(op, OFF) + i;
	return op->kind == OP_PTOUCH && page == V(op, POS) + i;
}

/* May a page of a file hold it? Only who maps it can have put it there. */
bool fz_legal_at(__u64 val, __u32 file, __u32 fpage)
{
	const struct fz_op *op = &board->prog.op[val >> 36 & 63];
	__u32 page = val >> 12 & 0xfffff, i;

	if (!fz_legal(val))
		return false;
	if (!val || board->bulk)
		return true;
	if (op->kind == OP_PTOUCH)
		return page == fpage;
	for (i = 0; i < board->prog.nr; i++) {
		op = &board->prog.op[i];
		if (op->kind == OP_MAP && V(op, FILE) == file &&
		    page - V(op, OFF) < V(op, LEN) &&
		    page - V(op, OFF) + V(op, POS) == fpage)
			return true;
	}
	return false;
}
