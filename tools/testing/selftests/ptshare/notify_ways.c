// SPDX-License-Identifier: GPL-2.0
/* Ways to write to a page; described in notify_ways.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "notify_ways.h"
#include "secmmu.h"

#define SECTOR		512
#define SRC_SIZE	0x100000

/* Bytes of the word as a system call reports them: 0 or -errno. */
static int word_done(ssize_t n)
{
	return n == sizeof(__u32) ? 0 : n < 0 ? -errno : -EIO;
}

static loff_t file_pos(__u64 page)
{
	return PG(page) + WAY_AT;
}

/* --- common ground -------------------------------------------------------- */

char *way_reserve(size_t len)
{
	return pts_reserve((WAY_PLACES - WAY_WIN) * len, len);
}

static int map_place(struct way_world *w, enum way_place place, int fd)
{
	char *at = way_at(w, place, 0);

	return mmap(at, w->len, PTS_RW, MAP_SHARED | MAP_FIXED, fd, 0) == at ?
		0 : -errno;
}

/* A file with the new word where a page is read from it. */
static int make_source(void)
{
	const __u64 word = WAY_NEW;
	int fd = pts_memfd(SRC_SIZE, 0);

	if (fd >= 0 && pwrite(fd, &word, sizeof(word), WAY_AT) != sizeof(word))
		return -EIO;
	return fd;
}

int way_open(struct way_world *w, const struct way *way, __u64 page)
{
	int err;

	w->direct = -1;
	w->fd = -1;
	w->src = make_source();
	if (w->src < 0)
		return w->src;
	if (pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	err = map_place(w, WAY_WIN, w->ctl) ?: map_place(w, WAY_PLAIN, w->mem);
	if (err)
		return err;
	pts_store(way_at(w, WAY_WIN, page) + WAY_AT, WAY_OLD);
	pts_store(way_at(w, WAY_PLAIN, page) + WAY_AT, WAY_OLD);
	return way->prepare ? way->prepare(w) : 0;
}

__u32 way_word(int mem, __u64 page)
{
	__u32 word = 0;

	if (pread(mem, &word, sizeof(word), file_pos(page)) < 0)
		return ~0;
	return word;
}

__u32 way_old(const struct way *way)
{
	return way->flags & WAY_F_HOLE ? 0 : WAY_OLD;
}

__u32 way_new(const struct way *way)
{
	if (way->flags & WAY_F_QUIET)
		return way_old(way);
	return way->flags & WAY_F_ZERO ? 0 : WAY_NEW;
}

int way_reset(const struct way *way, int mem, size_t len, __u64 page)
{
	const __u32 word = WAY_OLD;

	if (way->flags & WAY_F_HOLE)
		return fallocate(mem, FALLOC_FL_PUNCH_HOLE |
				 FALLOC_FL_KEEP_SIZE, PG(page), pts_psz) ?
			-errno : 0;
	/* Some ways make it shorter. */
	if (ftruncate(mem, len))
		return -errno;
	return word_done(pwrite(mem, &word, sizeof(word), file_pos(page)));
}

/* --- stores ----------------------------------------------------------------- */

static int store_at(char *page)
{
	struct pts_fault f = pts_write8(page + WAY_AT, WAY_NEW);

	if (!f.sig)
		return 0;
	return pts_fault_is(f, SIGBUS, BUS_ADRERR, page + WAY_AT) ?
		-WAY_SIGBUS : -WAY_ODD_SIGNAL;
}

static int store_window(struct way_world *w, __u64 page)
{
	return store_at(way_at(w, WAY_WIN, page));
}

const struct way way_store_window = {
	.name = "store through a window", .kind = WAY_USER, .place = WAY_WIN,
	.err = -WAY_SIGBUS, .write = store_window,
};

const struct way way_store_share_none = {
	.name = "store through a window with tables of its own",
	.kind = WAY_USER, .place = WAY_WIN, .err = -WAY_SIGBUS,
	.share = "none", .write = store_window,
};

/* A process with an mmu_notifier does not share tables. */
static int prepare_notifier(struct way_world *w)
{
	char *win = way_at(w, WAY_WIN, 0);

	if (!secmmu_available())
		return 1;
	w->fd = secmmu_open(win, w->len);
	return w->fd < 0 ? w->fd : 0;
}

const struct way way_store_notifier = {
	.name = "store of a process with an mmu_notifier",
	.kind = WAY_USER, .place = WAY_WIN, .err = -WAY_SIGBUS,
	.prepare = prepare_notifier, .write = store_window,
};

/* The mapping is younger than the arming, and the page was read first. */
static int store_fresh(struct way_world *w, __u64 page, int fd)
{
	char *at = way_at(w, WAY_FRESH, page);
	int err = map_place(w, WAY_FRESH, fd);

	if (err)
		return err;
	pts_load(at);
	return store_at(at);
}

static int store_fresh_window(struct way_world *w, __u64 page)
{
	return store_fresh(w, page, w->ctl);
}

const struct way way_store_fresh_window = {
	.name = "store through a new window", .kind = WAY_USER,
	.place = WAY_FRESH, .err = -WAY_SIGBUS, .write = store_fresh_window,
};

static int store_fresh_foreign(struct way_world *w, __u64 page)
{
	return store_fresh(w, page, w->mem);
}

const struct way way_store_fresh_foreign = {
	.name = "store through a new mapping of the file", .kind = WAY_USER,
	.place = WAY_FRESH, .err = -WAY_SIGBUS, .write = store_fresh_foreign,
};

static int store_foreign(struct way_world *w, __u64 page)
{
	return store_at(way_at(w, WAY_PLAIN, page));
}

const struct way way_store_foreign = {
	.name = "store through a mapping of the file", .kind = WAY_USER,
	.place = WAY_PLAIN, .err = -WAY_SIGBUS, .write = store_foreign,
};

/* --- userfaultfd ------------------------------------------------------------ */

static int open_uffd(struct way_world *w, __u64 mode)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)way_at(w, WAY_PLAIN, 0), w->len },
		.mode = mode,
	};

	w->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (w->fd < 0 || ioctl(w->fd, UFFDIO_API, &api))
		return 1;
	return ioctl(w->fd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static int prepare_minor(struct way_world *w)
{
	return open_uffd(w, UFFDIO_REGISTER_MODE_MINOR);
}

/* CONTINUE makes an entry; it must not allow more than it may. */
static int uffd_continue(struct way_world *w, __u64 page)
{
	char *at = way_at(w, WAY_PLAIN, page);
	struct uffdio_continue c = { .range = { (uintptr_t)at, pts_psz } };

	if (madvise(at, pts_psz, MADV_DONTNEED) ||
	    ioctl(w->fd, UFFDIO_CONTINUE, &c))
		return -errno;
	return store_at(at);
}

const struct way way_uffd_continue = {
	.name = "store after UFFDIO_CONTINUE", .kind = WAY_USER,
	.place = WAY_PLAIN, .err = -WAY_SIGBUS,
	.prepare = prepare_minor, .write = uffd_continue,
};

static int prepare_missing(struct way_world *w)
{
	return open_uffd(w, UFFDIO_REGISTER_MODE_MISSING);
}

static int uffd_copy(struct way_world *w, __u64 page)
{
	char *src = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED, w->src, 0);
	struct uffdio_copy c = {
		.dst = (uintptr_t)way_at(w, WAY_PLAIN, page),
		.src = (uintptr_t)src, .len = pts_psz,
	};
	int err;

	if (src == MAP_FAILED)
		return -errno;
	/* Else it copies without the lock, which is a path of its own. */
	pts_load(src);
	err = ioctl(w->fd, UFFDIO_COPY, &c) ? -errno : 0;
	munmap(src, pts_psz);
	return err;
}

const struct way way_uffd_copy = {
	.name = "UFFDIO_COPY", .kind = WAY_FILE,
	.flags = WAY_F_HOLE | WAY_F_ATOMIC, .err = -EFAULT,
	.prepare = prepare_missing, .write = uffd_copy,
};

/* --- the kernel writes to memory --------------------------------------------- */

static int read_into(struct way_world *w, __u64 page)
{
	return word_done(pread(w->src, way_at(w, WAY_WIN, page) + WAY_AT,
			       sizeof(__u32), WAY_AT));
}

const struct way way_read = {
	.name = "read(2) into it", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .write = read_into,
};

static int prepare_direct(struct way_world *w)
{
	w->direct = pts_loop_direct(w->src);
	return w->direct < 0 ? 1 : 0;
}

static int direct_read(struct way_world *w, __u64 page)
{
	ssize_t n = pread(w->direct, way_at(w, WAY_WIN, page), SECTOR, 0);

	return n == SECTOR ? 0 : n < 0 ? -errno : -EIO;
}

const struct way way_direct_read = {
	.name = "O_DIRECT read into it", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .prepare = prepare_direct, .write = direct_read,
};

static int prepare_ring(struct way_world *w)
{
	return io_uring_queue_init(8, &w->ring, 0) ? 1 : 0;
}

/* Sends the one request there is, and waits for its end. */
static int ring_result(struct way_world *w)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit(&w->ring);

	if (ret < 0)
		return ret;
	do {
		ret = io_uring_wait_cqe(&w->ring, &cqe);
	} while (ret == -EINTR);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&w->ring, cqe);
	return ret == sizeof(__u32) ? 0 : ret < 0 ? ret : -EIO;
}

/* The pipe holds the word and nothing else. */
static int refill(struct way_world *w)
{
	const __u32 word = WAY_NEW;
	char drop[64];

	while (read(w->pipe[0], drop, sizeof(drop)) > 0)
		;
	return word_done(write(w->pipe[1], &word, sizeof(word)));
}

/* From a pipe that has data it is done at once, by this very thread. */
static int uring_read(struct way_world *w, __u64 page)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	int err = refill(w);

	if (err)
		return err;
	io_uring_prep_read(sqe, w->pipe[0], way_at(w, WAY_WIN, page) + WAY_AT,
			   sizeof(__u32), -1);
	return ring_result(w);
}

const struct way way_uring_read = {
	.name = "io_uring READ", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .prepare = prepare_ring, .write = uring_read,
};

static int uring_read_wq(struct way_world *w, __u64 page)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);

	io_uring_prep_read(sqe, w->src, way_at(w, WAY_WIN, page) + WAY_AT,
			   sizeof(__u32), WAY_AT);
	io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	return ring_result(w);
}

const struct way way_uring_read_wq = {
	.name = "io_uring READ by a worker", .kind = WAY_KERNEL,
	.place = WAY_WIN, .err = -EFAULT, .prepare = prepare_ring,
	.write = uring_read_wq,
};

/* It is the registration that asks; the read can't be refused any more. */
static int uring_fixed(struct way_world *w, __u64 page)
{
	char *at = way_at(w, WAY_WIN, page);
	struct iovec iov = { at, pts_psz };
	int ret = io_uring_register_buffers(&w->ring, &iov, 1);

	if (ret)
		return ret;
	io_uring_prep_read_fixed(io_uring_get_sqe(&w->ring), w->src,
				 at + WAY_AT, sizeof(__u32), WAY_AT, 0);
	ret = ring_result(w);
	io_uring_unregister_buffers(&w->ring);
	return ret;
}

const struct way way_uring_fixed = {
	.name = "io_uring READ_FIXED", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .prepare = prepare_ring, .write = uring_fixed,
};

static int vmsplice_into(struct way_world *w, __u64 page)
{
	struct iovec iov = { way_at(w, WAY_WIN, page) + WAY_AT, sizeof(__u32) };

	return refill(w) ?: word_done(vmsplice(w->pipe[0], &iov, 1, 0));
}

const struct way way_vmsplice = {
	.name = "vmsplice from a pipe", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .write = vmsplice_into,
};

static int futex_op(struct way_world *w, __u64 page)
{
	const __u32 op = FUTEX_OP(FUTEX_OP_SET, WAY_NEW, FUTEX_OP_CMP_EQ, 0);
	__u32 other = 0;

	return syscall(SYS_futex, &other, FUTEX_WAKE_OP, 1, 1,
		       way_at(w, WAY_WIN, page) + WAY_AT, op) < 0 ? -errno : 0;
}

const struct way way_futex = {
	.name = "FUTEX_WAKE_OP", .kind = WAY_KERNEL, .place = WAY_WIN,
	.err = -EFAULT, .write = futex_op,
};

static int populate(struct way_world *w, __u64 page)
{
	return madvise(way_at(w, WAY_WIN, page), pts_psz,
		       MADV_POPULATE_WRITE) ? -errno : 0;
}

const struct way way_populate = {
	.name = "MADV_POPULATE_WRITE", .kind = WAY_KERNEL, .place = WAY_WIN,
	.flags = WAY_F_QUIET, .err = -EFAULT, .write = populate,
};

/* The device had the page mapped for writing when it was armed. */
static int device_write(struct way_world *w, __u64 page)
{
	return secmmu_write(w->fd, way_at(w, WAY_WIN, page) + WAY_AT, WAY_NEW,
			    0);
}

const struct way way_device = {
	.name = "write by a device with an mmu_notifier", .kind = WAY_KERNEL,
	.place = WAY_WIN, .err = -EFAULT, .prepare = prepare_notifier,
	.write = device_write,
};

/* --- into another process ------------------------------------------------------ */

static int prepare_victim(struct way_world *w)
{
	w->victim = fork();
	if (w->victim)
		return w->victim < 0 ? -errno : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static int process_vm(struct way_world *w, __u64 page)
{
	__u32 word = WAY_NEW;
	struct iovec l = { &word, sizeof(word) };
	struct iovec r = { way_at(w, WAY_WIN, page) + WAY_AT, sizeof(word) };

	return word_done(process_vm_writev(w->victim, &l, 1, &r, 1, 0));
}

const struct way way_process_vm = {
	.name = "process_vm_writev", .kind = WAY_KERNEL, .place = WAY_WIN,
	.flags = WAY_F_REMOTE, .err = -EFAULT, .prepare = prepare_victim,
	.write = process_vm,
};

static int prepare_proc_mem(struct way_world *w)
{
	char path[64];
	int err = prepare_victim(w);

	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/mem", w->victim);
	w->fd = open(path, O_RDWR | O_CLOEXEC);
	return w->fd < 0 ? -errno : 0;
}

static int proc_mem(struct way_world *w, __u64 page)
{
	const __u32 word = WAY_NEW;
	char *at = way_at(w, WAY_WIN, page) + WAY_AT;

	return word_done(pwrite(w->fd, &word, sizeof(word), (uintptr_t)at));
}

const struct way way_proc_mem = {
	.name = "/proc/PID/mem", .kind = WAY_KERNEL, .place = WAY_WIN,
	.flags = WAY_F_REMOTE | WAY_F_ATOMIC, .err = -EIO,
	.prepare = prepare_proc_mem, .write = proc_mem,
};

static int prepare_tracee(struct way_world *w)
{
	int err = prepare_victim(w);

	if (err)
		return err;
	if (ptrace(PTRACE_ATTACH, w->victim, NULL, NULL))
		return -errno;
	return waitpid(w->victim, NULL, 0) == w->victim ? 0 : -errno;
}

static int poke(struct way_world *w, __u64 page)
{
	return ptrace(PTRACE_POKEDATA, w->victim,
		      way_at(w, WAY_WIN, page) + WAY_AT, WAY_NEW) ? -errno : 0;
}

const struct way way_ptrace = {
	.name = "PTRACE_POKEDATA", .kind = WAY_KERNEL, .place = WAY_WIN,
	.flags = WAY_F_REMOTE | WAY_F_ATOMIC, .err = -EIO,
	.prepare = prepare_tracee, .write = poke,
};

/* --- system calls on the file --------------------------------------------------- */

static int plain_write(struct way_world *w, __u64 page)
{
	const __u32 word = WAY_NEW;

	if (lseek(w->mem, file_pos(page), SEEK_SET) < 0)
		return -errno;
	return word_done(write(w->mem, &word, sizeof(word)));
}

const struct way way_write = {
	.name = "write", .kind = WAY_FILE, .err = -EPERM, .write = plain_write,
};

static int plain_pwrite(struct way_world *w, __u64 page)
{
	const __u32 word = WAY_NEW;

	return word_done(pwrite(w->mem, &word, sizeof(word), file_pos(page)));
}

const struct way way_pwrite = {
	.name = "pwrite", .kind = WAY_FILE, .err = -EPERM,
	.write = plain_pwrite,
};

static int plain_writev(struct way_world *w, __u64 page)
{
	__u16 halves[2] = { WAY_NEW & 0xffff, WAY_NEW >> 16 };
	struct iovec iov[2] = { { halves, 2 }, { halves + 1, 2 } };

	return word_done(pwritev(w->mem, iov, 2, file_pos(page)));
}

const struct way way_writev = {
	.name = "writev", .kind = WAY_FILE, .err = -EPERM,
	.write = plain_writev,
};

static int splice_to(struct way_world *w, __u64 page)
{
	loff_t pos = file_pos(page);

	return refill(w) ?: word_done(splice(w->pipe[0], NULL, w->mem, &pos,
					     sizeof(__u32), 0));
}

const struct way way_splice = {
	.name = "splice", .kind = WAY_FILE, .err = -EPERM, .write = splice_to,
};

static int sendfile_to(struct way_world *w, __u64 page)
{
	off_t from = WAY_AT;

	if (lseek(w->mem, file_pos(page), SEEK_SET) < 0)
		return -errno;
	return word_done(sendfile(w->mem, w->src, &from, sizeof(__u32)));
}

const struct way way_sendfile = {
	.name = "sendfile", .kind = WAY_FILE, .err = -EPERM,
	.write = sendfile_to,
};

static int copy_range(struct way_world *w, __u64 page)
{
	loff_t from = WAY_AT, to = file_pos(page);

	return word_done(copy_file_range(w->src, &from, w->mem, &to,
					 sizeof(__u32), 0));
}

const struct way way_copy_file_range = {
	.name = "copy_file_range", .kind = WAY_FILE, .err = -EPERM,
	.write = copy_range,
};

static int uring_write(struct way_world *w, __u64 page)
{
	const __u32 word = WAY_NEW;

	io_uring_prep_write(io_uring_get_sqe(&w->ring), w->mem, &word,
			    sizeof(word), file_pos(page));
	return ring_result(w);
}

const struct way way_uring_write = {
	.name = "io_uring WRITE", .kind = WAY_FILE, .err = -EPERM,
	.prepare = prepare_ring, .write = uring_write,
};

static int punch(struct way_world *w, __u64 page)
{
	return fallocate(w->mem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 PG(page), pts_psz) ? -errno : 0;
}

const struct way way_punch = {
	.name = "FALLOC_FL_PUNCH_HOLE", .kind = WAY_FILE, .flags = WAY_F_ZERO,
	.err = -EPERM, .write = punch,
};

static int madv_remove(struct way_world *w, __u64 page)
{
	return madvise(way_at(w, WAY_PLAIN, page), pts_psz, MADV_REMOVE) ?
		-errno : 0;
}

const struct way way_madv_remove = {
	.name = "MADV_REMOVE", .kind = WAY_FILE, .flags = WAY_F_ZERO,
	.err = -EPERM, .write = madv_remove,
};

/* The page stays, but for what is behind its first bytes. */
static int truncate_to(struct way_world *w, __u64 page)
{
	return ftruncate(w->mem, PG(page) + 16) ? -errno : 0;
}

const struct way way_truncate = {
	.name = "ftruncate", .kind = WAY_FILE, .flags = WAY_F_ZERO,
	.err = -EPERM, .write = truncate_to,
};

static int prepare_udmabuf(struct way_world *w)
{
	w->fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return 1;
	return fcntl(w->mem, F_ADD_SEALS, F_SEAL_SHRINK) ? -errno : 0;
}

/* A device gets hold of the page, for as long as the buffer lives. */
static int udmabuf(struct way_world *w, __u64 page)
{
	struct udmabuf_create c = {
		.memfd = w->mem, .offset = PG(page), .size = pts_psz,
	};
	int buf = ioctl(w->fd, UDMABUF_CREATE, &c);

	if (buf < 0)
		return -errno;
	close(buf);
	return 0;
}

const struct way way_udmabuf = {
	.name = "UDMABUF_CREATE", .kind = WAY_FILE, .flags = WAY_F_QUIET,
	.err = -EPERM, .prepare = prepare_udmabuf, .write = udmabuf,
};
