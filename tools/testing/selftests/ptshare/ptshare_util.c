// SPDX-License-Identifier: GPL-2.0
/* Helpers shared by the ptshare selftests; described in ptshare_util.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/loop.h>

#include "ptshare_util.h"

#define ANSWER_TIMEOUT_MS	60000

size_t pts_psz;

static __attribute__((constructor)) void pts_init(void)
{
	pts_psz = sysconf(_SC_PAGESIZE);
}

static int neg_errno(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* --- ioctls ----------------------------------------------------------- */

int pts_ioctl(int fd, unsigned long cmd, void *arg)
{
	return neg_errno(ioctl(fd, cmd, arg));
}

int pts_open_dev(void)
{
	return neg_errno(open(PTS_DEV, O_RDWR | O_CLOEXEC));
}

int pts_create(__u64 length, __u32 max_prot)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = length, .max_prot = max_prot,
	};
	int dev = pts_open_dev();
	int ret;

	if (dev < 0)
		return dev;
	ret = pts_ioctl(dev, PTSHARE_IOC_CREATE, &c);
	close(dev);
	return ret;
}

int pts_info(int fd, struct ptshare_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return pts_ioctl(fd, PTSHARE_IOC_INFO, info);
}

static int map_flags(int ctl, int backing, __u32 prot, __u64 offset,
		     __u64 length, __u64 fd_offset, __u32 flags)
{
	struct ptshare_map m = {
		.size = sizeof(m), .flags = flags, .fd = backing, .prot = prot,
		.offset = offset, .length = length, .fd_offset = fd_offset,
	};

	return pts_ioctl(ctl, PTSHARE_IOC_MAP, &m);
}

int pts_map(int ctl, int backing, __u32 prot, __u64 offset,
	    __u64 length, __u64 fd_offset)
{
	return map_flags(ctl, backing, prot, offset, length, fd_offset, 0);
}

int pts_replace(int ctl, int backing, __u32 prot, __u64 offset,
		__u64 length, __u64 fd_offset)
{
	return map_flags(ctl, backing, prot, offset, length, fd_offset,
			 PTSHARE_MAP_REPLACE);
}

int pts_unmap(int ctl, __u64 offset, __u64 length)
{
	struct ptshare_unmap u = {
		.size = sizeof(u), .offset = offset, .length = length,
	};

	return pts_ioctl(ctl, PTSHARE_IOC_UNMAP, &u);
}

int pts_protect_vec(int ctl, const struct ptshare_range_prot *ranges,
		    __u32 nr, __u32 *failed)
{
	struct ptshare_protect p = {
		.size = sizeof(p), .nr = nr, .ranges = (uintptr_t)ranges,
		.failed = failed ? *failed : 0,
	};
	int ret = pts_ioctl(ctl, PTSHARE_IOC_PROTECT, &p);

	if (failed)
		*failed = p.failed;
	return ret;
}

int pts_protect(int ctl, __u64 offset, __u64 length, __u32 prot)
{
	struct ptshare_range_prot r = {
		.offset = offset, .length = length, .prot = prot,
	};

	return pts_protect_vec(ctl, &r, 1, NULL);
}

int pts_attach(int ctl)
{
	struct ptshare_attach_fd a = { .size = sizeof(a) };

	return pts_ioctl(ctl, PTSHARE_IOC_ATTACH_FD, &a);
}

int pts_seal(int ctl, __u32 seals)
{
	struct ptshare_seal s = { .size = sizeof(s), .seals = seals };

	return pts_ioctl(ctl, PTSHARE_IOC_SEAL, &s);
}

static int query_all(int fd, __u64 length, struct pts_snap *snap)
{
	struct ptshare_query q;
	__u64 start = 0;
	int ret;

	while (start < length) {
		/* A small step on purpose: the paging is tested by the way. */
		const __u32 room = 64;
		struct ptshare_region *r;

		r = realloc(snap->regions, (snap->nr + room) * sizeof(*r));
		if (!r)
			return -ENOMEM;
		snap->regions = r;
		memset(r + snap->nr, 0, room * sizeof(*r));
		q = (struct ptshare_query) {
			.size = sizeof(q), .start = start, .nr = room,
			.buf = (uintptr_t)(r + snap->nr),
		};
		ret = pts_ioctl(fd, PTSHARE_IOC_QUERY, &q);
		if (ret < 0)
			return ret;
		if (q.nr > room || q.next <= start) {
			fprintf(stderr, "# QUERY: nr %u next %#llx start %#llx\n",
				q.nr, q.next, start);
			return -EPROTO;
		}
		snap->nr += q.nr;
		start = q.next;
	}
	return 0;
}

int pts_snap_take(int fd, struct pts_snap *snap)
{
	struct ptshare_info info;
	int ret = pts_info(fd, &info);

	memset(snap, 0, sizeof(*snap));
	if (ret < 0)
		return ret;
	snap->id = info.id;
	snap->length = info.length;
	snap->max_prot = info.max_prot;
	snap->seals = info.seals;
	snap->nr_regions = info.nr_regions;
	snap->nr_windows = info.nr_windows;
	ret = query_all(fd, info.length, snap);
	if (ret < 0)
		pts_snap_free(snap);
	return ret;
}

static void print_region(const char *who, const struct ptshare_region *r)
{
	fprintf(stderr, "# %s: %#llx+%#llx fd_offset %#llx prot %u\n", who,
		r->offset, r->length, r->fd_offset, r->prot);
}

bool pts_snap_equal(const struct pts_snap *a, const struct pts_snap *b)
{
	__u32 i;

	if (a->id != b->id || a->length != b->length ||
	    a->max_prot != b->max_prot || a->seals != b->seals ||
	    a->nr_regions != b->nr_regions ||
	    a->nr_windows != b->nr_windows || a->nr != b->nr) {
		fprintf(stderr, "# regions %u/%u seals %u/%u windows %u/%u listed %u/%u\n",
			a->nr_regions, b->nr_regions, a->seals, b->seals,
			a->nr_windows, b->nr_windows, a->nr, b->nr);
		return false;
	}
	for (i = 0; i < a->nr; i++) {
		if (!memcmp(a->regions + i, b->regions + i,
			    sizeof(*a->regions)))
			continue;
		print_region("first", a->regions + i);
		print_region("second", b->regions + i);
		return false;
	}
	return true;
}

void pts_snap_free(struct pts_snap *snap)
{
	free(snap->regions);
	snap->regions = NULL;
	snap->nr = 0;
}

bool pts_region_is(int fd, __u32 i, __u64 offset, __u64 length,
		   __u64 fd_offset, __u32 prot)
{
	struct ptshare_region *r;
	struct pts_snap snap;
	bool same = false;
	int ret;

	ret = pts_snap_take(fd, &snap);
	if (ret < 0 || i >= snap.nr) {
		fprintf(stderr, "# region %u: snapshot %d, %u regions\n", i,
			ret, snap.nr);
	} else {
		r = snap.regions + i;
		same = r->offset == offset && r->length == length &&
		       r->fd_offset == fd_offset && r->prot == prot &&
		       !r->flags;
		if (!same)
			print_region("region", r);
	}
	pts_snap_free(&snap);
	return same;
}

int pts_nr_regions(int fd)
{
	struct pts_snap snap;
	int ret = pts_snap_take(fd, &snap);

	if (ret < 0)
		return ret;
	ret = snap.nr;
	pts_snap_free(&snap);
	return ret;
}

/* --- fds -------------------------------------------------------------- */

int pts_client_fd(int ctl, enum pts_via via)
{
	if (via == PTS_VIA_ATTACH)
		return pts_attach(ctl);
	return neg_errno(fcntl(ctl, F_DUPFD_CLOEXEC, 0));
}

int pts_memfd(size_t size, unsigned int flags)
{
	int fd = memfd_create("ptshare-test", flags | MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

int pts_memfd_stamped(size_t size, __u64 tag)
{
	int fd = pts_memfd(size, MFD_ALLOW_SEALING);
	size_t off;

	for (off = 0; fd >= 0 && off < size; off += pts_psz) {
		__u64 stamp = pts_stamp(tag, off);

		if (pwrite(fd, &stamp, sizeof(stamp), off) != sizeof(stamp)) {
			close(fd);
			return -EIO;
		}
	}
	return fd;
}

unsigned long pts_wrong_stamps(const char *win, size_t len, __u64 tag)
{
	unsigned long bad = 0;
	size_t at;

	for (at = 0; at < len; at += pts_psz)
		bad += pts_load(win + at) != pts_stamp(tag, at);
	return bad;
}

int pts_reopen(int fd, int oflags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return neg_errno(open(path, oflags | O_CLOEXEC));
}

static int loop_bind(int backing)
{
	struct loop_config cfg = {
		.fd = backing,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int i, nr, fd = -ENODEV;
	char path[32];

	if (ctl < 0)
		return -errno;
	/* Others look for a free one too. */
	for (i = 0; i < 16; i++) {
		nr = ioctl(ctl, LOOP_CTL_GET_FREE);
		if (nr < 0)
			break;
		snprintf(path, sizeof(path), "/dev/loop%d", nr);
		fd = neg_errno(open(path, O_RDWR | O_CLOEXEC));
		if (fd < 0)
			break;
		if (!ioctl(fd, LOOP_CONFIGURE, &cfg))
			break;
		i = errno == EBUSY ? i : 16;
		close(fd);
		fd = -ENODEV;
	}
	close(ctl);
	return fd;
}

int pts_loop_direct(int backing)
{
	int fd = loop_bind(backing);
	int direct;

	if (fd < 0)
		return fd;
	direct = pts_reopen(fd, O_RDWR | O_DIRECT);
	close(fd);
	return direct;
}

union fd_cmsg {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

int pts_send_fd(int sock, int fd)
{
	union fd_cmsg u = {};
	char byte = 'f';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = u.buf, .msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int pts_recv_fd(int sock)
{
	union fd_cmsg u = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = u.buf, .msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

/* --- windows and faults ------------------------------------------------ */

void *pts_window(int fd, size_t length, off_t offset)
{
	return mmap(NULL, length, PTS_RW, MAP_SHARED, fd, offset);
}

void *pts_reserve(size_t length, size_t align)
{
	uintptr_t p, start;

	p = (uintptr_t)mmap(NULL, length + align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((void *)p == MAP_FAILED)
		return MAP_FAILED;
	start = (p + align - 1) & ~(align - 1);
	if (start > p)
		munmap((void *)p, start - p);
	if (p + align > start)
		munmap((void *)(start + length), p + align - start);
	return (void *)start;
}

void *pts_window_aligned(int fd, size_t length, size_t align, size_t shift)
{
	char *area = pts_reserve(shift + length, align);

	if (area == MAP_FAILED)
		return area;
	if (shift)
		munmap(area, shift);
	return mmap(area + shift, length, PTS_RW, MAP_SHARED | MAP_FIXED, fd,
		    0);
}

void *pts_window_mirrored(int fd, size_t length)
{
	return pts_window_aligned(fd, length, 1UL << 21, pts_psz);
}

int pts_rig_make(struct pts_rig *rig, enum pts_via via, unsigned int pages)
{
	int ret;

	*rig = (struct pts_rig) { .ctl = -1, .fd = -1, .mem = -1 };
	rig->win = MAP_FAILED;
	rig->half = pages * pts_psz;
	rig->mem = pts_memfd_stamped(rig->half, 1);
	if (rig->mem < 0)
		return rig->mem;
	rig->ctl = pts_create(2 * rig->half, PTS_RW);
	if (rig->ctl < 0)
		return rig->ctl;
	ret = pts_map(rig->ctl, rig->mem, PTS_RW, 0, rig->half, 0);
	if (ret < 0)
		return ret;
	rig->fd = pts_client_fd(rig->ctl, via);
	if (rig->fd < 0)
		return rig->fd;
	rig->win = pts_window(rig->fd, 2 * rig->half, 0);
	return rig->win == MAP_FAILED ? -errno : 0;
}

void pts_rig_free(struct pts_rig *rig)
{
	if (rig->win != MAP_FAILED)
		munmap(rig->win, 2 * rig->half);
	close(rig->fd);
	close(rig->mem);
	close(rig->ctl);
}

static __thread sigjmp_buf fault_jmp;
static __thread sig_atomic_t fault_armed;
static __thread struct pts_fault fault_seen;

static void fault_handler(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	if (!fault_armed) {
		/* Not ours: let it happen again and kill the process. */
		signal(sig, SIG_DFL);
		return;
	}
	fault_seen.sig = sig;
	fault_seen.code = si->si_code;
	fault_seen.addr = si->si_addr;
	fault_armed = 0;
	siglongjmp(fault_jmp, 1);
}

static void fault_catch(void)
{
	struct sigaction sa = {
		.sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/*
 * The accesses are atomic because the compiler must neither drop nor move
 * them: the fault is what is looked for.
 */
static struct pts_fault fault_access(void (*fn)(void *addr, void *val),
				     const void *addr, void *val)
{
	fault_catch();
	memset(&fault_seen, 0, sizeof(fault_seen));
	if (!sigsetjmp(fault_jmp, 1)) {
		fault_armed = 1;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		fn((void *)addr, val);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		fault_armed = 0;
	}
	return fault_seen;
}

static void load8(void *addr, void *val)
{
	*(__u64 *)val = __atomic_load_n((__u64 *)addr, __ATOMIC_SEQ_CST);
}

static void store8(void *addr, void *val)
{
	__atomic_store_n((__u64 *)addr, *(__u64 *)val, __ATOMIC_RELEASE);
}

static void load1(void *addr, void *val)
{
	*(__u8 *)val = __atomic_load_n((__u8 *)addr, __ATOMIC_SEQ_CST);
}

static void store1(void *addr, void *val)
{
	__atomic_store_n((__u8 *)addr, *(__u8 *)val, __ATOMIC_RELEASE);
}

struct pts_fault pts_read8(const void *addr, __u64 *val)
{
	return fault_access(load8, addr, val);
}

struct pts_fault pts_write8(void *addr, __u64 val)
{
	return fault_access(store8, addr, &val);
}

struct pts_fault pts_read1(const void *addr, __u8 *val)
{
	return fault_access(load1, addr, val);
}

struct pts_fault pts_write1(void *addr, __u8 val)
{
	return fault_access(store1, addr, &val);
}

bool pts_fault_is(struct pts_fault f, int sig, int code, const void *addr)
{
	if (f.sig == sig && (!sig || (f.code == code && f.addr == addr)))
		return true;
	fprintf(stderr, "# signal %d code %d addr %p, wanted %d %d %p\n",
		f.sig, f.code, f.addr, sig, code, addr);
	return false;
}

bool pts_reads(const void *addr, __u64 want)
{
	__u64 val = 0;
	struct pts_fault f = pts_read8(addr, &val);

	if (!f.sig && val == want)
		return true;
	fprintf(stderr, "# read %p: signal %d code %d value %#llx wanted %#llx\n",
		addr, f.sig, f.code, val,
		want);
	return false;
}

bool pts_writes(void *addr, __u64 val)
{
	struct pts_fault f = pts_write8(addr, val);

	if (!f.sig)
		return pts_reads(addr, val);
	fprintf(stderr, "# write %p: signal %d code %d\n", addr, f.sig, f.code);
	return false;
}

/* --- processes --------------------------------------------------------- */

int pts_fork(struct pts_child *c, int (*fn)(int sock, void *arg), void *arg)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	/* Else both sides print what the buffer holds. */
	fflush(NULL);
	c->pid = fork();
	if (c->pid < 0) {
		close(sv[0]);
		close(sv[1]);
		return -EAGAIN;
	}
	if (!c->pid) {
		close(sv[0]);
		_exit(fn(sv[1], arg));
	}
	close(sv[1]);
	c->sock = sv[0];
	return 0;
}

int pts_send(int sock, __u64 val)
{
	ssize_t n = send(sock, &val, sizeof(val), MSG_NOSIGNAL);

	return n == sizeof(val) ? 0 : -EPIPE;
}

int pts_recv(int sock, __u64 *val)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, ANSWER_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	return recv(sock, val, sizeof(*val), MSG_WAITALL) == sizeof(*val) ?
		0 : -EPIPE;
}

__u64 pts_ask(int sock, __u64 req)
{
	__u64 val;

	if (pts_send(sock, req) < 0 || pts_recv(sock, &val) < 0)
		return UINT64_MAX;
	return val;
}

bool pts_wait_for(const atomic_uint *what, unsigned int nr, __u64 ms)
{
	const __u64 end = pts_now_ms() + ms;

	while (atomic_load(what) < nr) {
		if (pts_now_ms() > end) {
			printf("# %u of %u\n", atomic_load(what), nr);
			return false;
		}
		usleep(50000);
	}
	return true;
}

int pts_join(struct pts_child *c)
{
	int status;

	close(c->sock);
	while (waitpid(c->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}
