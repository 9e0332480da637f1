// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the ioctls, with structures that are right, and that are not. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define UNKNOWN		_IO(PTSHARE_IOC_TYPE, 0x4f)
#define BAD_ADDRESS	8UL
#define NEVER_NS	(3600ULL * 1000000000)	/* the most without privilege */
#define SOON_NS		(20ULL * 1000000)

/* A page, one that can't be touched, and one that can't be written. */
static char *area;

static char *scratch(void)
{
	if (area)
		return area;
	area = mmap(NULL, 3 * FZ_PAGE, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (area == MAP_FAILED)
		_exit(1);
	mprotect(area + FZ_PAGE, FZ_PAGE, PROT_NONE);
	return area;
}

static int fd_of(const struct fz_op *op)
{
	switch (V(op, VIA)) {
	case VIA_ATTACH:
		return board->att[V(op, C)];
	case VIA_CONTROL:
		return board->ctl[V(op, C)];
	case VIA_NOTIFY:
		return board->nfd[V(op, N)];
	case VIA_DEVICE:
		return board->dev;
	case VIA_FILE:
		return board->file[0];
	case VIA_CLOSED:
		return -1;
	}
	switch (op->kind) {
	case OP_CREATE:
		return board->dev;
	case OP_ARM:
	case OP_RESOLVE:
	case OP_SCAN:
		return board->nfd[V(op, N)];
	default:
		return board->ctl[V(op, C)];
	}
}

static __u32 size_of(const struct fz_op *op, __u32 size)
{
	switch (V(op, BAD)) {
	case BAD_SMALL:
		return size - 1;
	case BAD_ZERO:
		return 0;
	case BAD_LARGE:
	case BAD_TAIL:
		return size + 16;
	case BAD_HUGE:
		return FZ_PAGE + 1;
	default:
		return size;
	}
}

/* Places @size bytes of @arg where the call is to find them. */
static void *place(const struct fz_op *op, void *arg, __u32 size)
{
	char *at = scratch();

	switch (V(op, BAD)) {
	case BAD_NULL:
		return NULL;
	case BAD_CUT:
		at += FZ_PAGE - 8;
		memcpy(at, arg, 8);
		return at;
	case BAD_READONLY:
		at += 2 * FZ_PAGE;
		mprotect(at, FZ_PAGE, PTS_RW);
		memcpy(at, arg, size);
		mprotect(at, FZ_PAGE, PTS_RO);
		return at;
	}
	memset(at, 0, FZ_PAGE);
	memcpy(at, arg, size);
	if (V(op, BAD) == BAD_TAIL)
		at[size + 8] = 1;
	return at;
}

/* The call; @arg has what it told. */
static __s64 call(const struct fz_op *op, unsigned long nr, void *arg,
		  __u32 size)
{
	__u32 *head = arg, *at;
	int ret;

	head[0] = size_of(op, size);
	if (V(op, BAD) == BAD_FLAG)
		head[1] |= 1U << 31;
	at = place(op, arg, size);
	ret = pts_ioctl(fd_of(op), V(op, BAD) == BAD_NUMBER ? UNKNOWN : nr, at);
	if (at && V(op, BAD) != BAD_CUT)
		memcpy(arg, at, size);
	return ret;
}

static __u64 inner(const struct fz_op *op, const void *ptr)
{
	return V(op, BAD) == BAD_POINTER ? BAD_ADDRESS : (uintptr_t)ptr;
}

static __u32 reserved(const struct fz_op *op)
{
	return V(op, BAD) == BAD_RESERVED;
}

static __s64 do_create(const struct fz_op *op)
{
	struct ptshare_create c = {
		.length = fz_range_of(op).len, .max_prot = V(op, PROT),
		.__reserved = reserved(op),
	};
	__s64 fd = call(op, PTSHARE_IOC_CREATE, &c, sizeof(c));

	if (fd >= 0)
		close(fd);
	return fd;
}

static __s64 do_info(struct fz_job *job)
{
	return call(job->op, PTSHARE_IOC_INFO, &job->res->info,
		    sizeof(job->res->info));
}

static __s64 do_map(const struct fz_op *op)
{
	struct fz_range r = fz_range_of(op);
	struct ptshare_map map = {
		.flags = V(op, FLAGS), .fd = board->file[V(op, FILE)],
		.prot = V(op, PROT), .offset = r.off, .length = r.len,
		.fd_offset = r.pos,
	};

	if (V(op, FILE) == FZ_CONTAINER)
		map.fd = board->ctl[!V(op, C)];
	return call(op, PTSHARE_IOC_MAP, &map, sizeof(map));
}

static __s64 do_unmap(const struct fz_op *op)
{
	struct fz_range r = fz_range_of(op);
	struct ptshare_unmap unmap = { .offset = r.off, .length = r.len };

	return call(op, PTSHARE_IOC_UNMAP, &unmap, sizeof(unmap));
}

static __s64 do_protect(struct fz_job *job)
{
	struct ptshare_range_prot ranges[FZ_RANGES];
	struct ptshare_protect p = {
		.nr = fz_protect_ranges(job->op, ranges),
		.ranges = inner(job->op, ranges), .failed = ~0,
	};
	__s64 ret;

	if (p.nr)
		ranges[p.nr - 1].__reserved = reserved(job->op);
	ret = call(job->op, PTSHARE_IOC_PROTECT, &p, sizeof(p));
	job->res->failed = p.failed;
	return ret;
}

static __s64 do_query(struct fz_job *job)
{
	struct ptshare_query q = {
		.start = fz_range_of(job->op).off, .nr = V(job->op, ROOM),
		.buf = inner(job->op, job->res->region),
		.__reserved = reserved(job->op),
	};
	__s64 ret = call(job->op, PTSHARE_IOC_QUERY, &q, sizeof(q));

	job->res->nr = ret ? 0 : q.nr;
	job->res->next = q.next;
	return ret;
}

static __s64 do_attach(const struct fz_op *op)
{
	struct ptshare_attach_fd a = {};
	__s64 fd = call(op, PTSHARE_IOC_ATTACH_FD, &a, sizeof(a));

	if (fd >= 0)
		close(fd);
	return fd;
}

static __s64 do_seal(const struct fz_op *op)
{
	struct ptshare_seal s = {
		.seals = V(op, KIND), .__reserved = reserved(op),
	};

	return call(op, PTSHARE_IOC_SEAL, &s, sizeof(s));
}

/* --- notify fds --------------------------------------------------------- */

static void put_nfd(__u32 n, int fd)
{
	int old = __atomic_exchange_n(&board->nfd[n], fd, __ATOMIC_SEQ_CST);

	if (old >= 0)
		close(old);
}

static __s64 do_notify(const struct fz_op *op)
{
	struct ptshare_notify n = { .queue_len = V(op, MAX) };
	__s64 fd = call(op, PTSHARE_IOC_NOTIFY, &n, sizeof(n));

	if (fd < 0)
		return fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	put_nfd(V(op, N), fd);
	return n.event_size == sizeof(struct ptshare_event) ? fd : -EPROTO;
}

static __s64 do_nread(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	size_t size = V(op, ROOM) * sizeof(struct ptshare_event);
	void *buf = V(op, BAD) == BAD_NULL ? NULL : job->res->ev;
	ssize_t n = read(board->nfd[V(op, N)], buf, size ?: 32);

	if (n < 0)
		return -errno;
	job->res->nr = n / sizeof(struct ptshare_event);
	return n % sizeof(struct ptshare_event) ? -EPROTO : 0;
}

static __s64 do_arm(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_range r = fz_range_of(op);
	struct ptshare_arm arm = {
		.offset = r.off, .length = r.len, .cookie = fz_cookie(op),
		.mode = V(op, MODE), .on_kernel = V(op, KERN),
		.on_close = V(op, CLOSE), .__reserved = reserved(op),
		.timeout_ns = V(op, TIME) == 1 || board->racing ? SOON_NS :
			      V(op, TIME) ? ~0ULL : NEVER_NS,
	};
	__s64 ret = call(op, PTSHARE_IOC_ARM, &arm, sizeof(arm));

	job->res->armed = arm.armed_bytes;
	job->res->pinned = arm.pinned;
	return ret;
}

static __s64 do_resolve(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_range r = fz_range_of(op);
	struct ptshare_resolve res = {
		.offset = r.off, .length = r.len, .action = V(op, ACT),
		.__reserved = reserved(op),
	};
	__s64 ret = call(op, PTSHARE_IOC_RESOLVE, &res, sizeof(res));

	job->res->woken = res.woken;
	return ret;
}

static __s64 do_scan(struct fz_job *job)
{
	const struct fz_op *op = job->op;
	struct fz_range r = fz_range_of(op);
	struct ptshare_scan s = {
		.flags = V(op, FLAGS), .start = r.off, .end = r.off + r.len,
		.vec = inner(op, job->res->told), .vec_len = V(op, ROOM),
		.max_pages = V(op, MAX), .categories = V(op, CATS),
	};
	__s64 ret = call(op, PTSHARE_IOC_SCAN, &s, sizeof(s));

	job->res->nr = ret ? 0 : s.nr;
	job->res->next = s.walk_end;
	return ret;
}

__s64 fz_do_ioctl(struct fz_job *job)
{
	switch (job->op->kind) {
	case OP_CREATE:
		return do_create(job->op);
	case OP_INFO:
		return do_info(job);
	case OP_MAP:
		return do_map(job->op);
	case OP_UNMAP:
		return do_unmap(job->op);
	case OP_PROTECT:
		return do_protect(job);
	case OP_QUERY:
		return do_query(job);
	case OP_ATTACH:
		return do_attach(job->op);
	case OP_SEAL:
		return do_seal(job->op);
	case OP_NOTIFY:
		return do_notify(job->op);
	case OP_NCLOSE:
		put_nfd(V(job->op, N), -1);
		return 0;
	case OP_NREAD:
		return do_nread(job);
	case OP_ARM:
		return do_arm(job);
	case OP_RESOLVE:
		return do_resolve(job);
	default:
		return do_scan(job);
	}
}
