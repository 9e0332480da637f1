// SPDX-License-Identifier: GPL-2.0
/*
 * Who only reads an armed page, or does something else that changes no byte, is
 * not held up and not told of; and the page is armed as before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"
#include "notify_ways.h"
#include "secmmu.h"

#define LEN		0x200000UL
#define PAGE		5
#define TIMEOUT		120
#define NOT_HERE	UINT64_MAX

typedef int (*reader_fn)(struct way_world *w, char *at);

FIXTURE(reads)
{
	int ctl, mem, nfd;
	char *base;
	reader_fn read;
	const struct way *needs;
};

FIXTURE_VARIANT(reads)
{
	__u32 mode, on_kernel;
	bool huge;
};

FIXTURE_VARIANT_ADD(reads, async) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_ALLOW, false
};

FIXTURE_VARIANT_ADD(reads, block) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK, false
};

FIXTURE_VARIANT_ADD(reads, signal) {
	PTSHARE_SIGNAL, PTSHARE_KERNEL_FAIL, false
};

FIXTURE_VARIANT_ADD(reads, async_huge) {
	PTSHARE_ASYNC, PTSHARE_KERNEL_ALLOW, true
};

FIXTURE_VARIANT_ADD(reads, block_huge) {
	PTSHARE_BLOCK, PTSHARE_KERNEL_BLOCK, true
};

FIXTURE_SETUP(reads)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	self->base = way_reserve(LEN);
	ASSERT_NE(MAP_FAILED, (void *)self->base);
	self->mem = pts_memfd_pages(LEN, variant->huge);
	if (self->mem == -ENODEV)
		SKIP(return, "no huge pages in shmem");
	ASSERT_GE(self->mem, 0);
	self->ctl = pts_create(LEN, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, LEN, 0));
	self->nfd = pts_notify(self->ctl, 0);
	ASSERT_GE(self->nfd, 0);
}

FIXTURE_TEARDOWN(reads)
{
}

static int reader(int sock, void *arg)
{
	struct _test_data_reads *self = arg;
	struct way_world w = {
		.ctl = self->ctl, .mem = self->mem, .len = LEN,
		.base = self->base,
	};
	__u64 go;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = way_open(&w, self->needs, PAGE);
	pts_send(sock, ret > 0 ? NOT_HERE : -ret);
	if (pts_recv(sock, &go))
		return 1;
	ret = self->read(&w, way_at(&w, WAY_WIN, PAGE));
	if (w.victim > 0)
		kill(w.victim, SIGKILL);
	pts_send(sock, -ret);
	return 0;
}

/* @needs is what makes ready: a way to write that is not used. */
static void begin(struct __test_metadata *_metadata,
		  struct _test_data_reads *self,
		  const struct _fixture_variant_reads *variant,
		  struct pts_child *c, reader_fn fn, const struct way *needs)
{
	__u64 ret;

	self->read = fn;
	self->needs = needs;
	ASSERT_EQ(0, pts_fork(c, reader, self));
	ASSERT_EQ(0, pts_recv(c->sock, &ret));
	if (ret == NOT_HERE)
		SKIP(_exit(KSFT_SKIP), "not here");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, pts_arm(self->nfd, 0, LEN, variant->mode,
			     variant->on_kernel));
}

static void run_read(struct __test_metadata *_metadata,
		     struct _test_data_reads *self,
		     const struct _fixture_variant_reads *variant,
		     reader_fn fn, const struct way *needs)
{
	struct pts_child c;

	begin(_metadata, self, variant, &c, fn, needs);
	EXPECT_EQ(0, pts_ask(c.sock, 1));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(0, pts_written(self->nfd, 0, 0, LEN));
	EXPECT_EQ(WAY_OLD, way_word(self->mem, PAGE));
	EXPECT_EQ(0, pts_join(&c));
}

#define run(fn, way)	run_read(_metadata, self, variant, fn, &way_##way)

static int found(__u32 word)
{
	return word == WAY_OLD ? 0 : -EBADMSG;
}

/* @word is looked at after the call that fills it. */
static int done(ssize_t n, const __u32 *word)
{
	return n < 0 ? -errno : n != sizeof(*word) ? -EIO : found(*word);
}

/* --- loads ------------------------------------------------------------------ */

static int load(char *at)
{
	__u64 word = 0;

	return pts_read8(at + WAY_AT, &word).sig ? -WAY_SIGBUS : found(word);
}

static int by_load(struct way_world *w, char *at)
{
	return load(at) ?: load(way_at(w, WAY_PLAIN, PAGE));
}

TEST_F_TIMEOUT(reads, load, TIMEOUT)
{
	run(by_load, write);
}

static int by_fresh_load(struct way_world *w, char *at)
{
	char *win = pts_window(w->ctl, LEN, 0), *plain;

	plain = pts_window(w->mem, LEN, 0);
	if (win == MAP_FAILED || plain == MAP_FAILED)
		return -errno;
	return load(win + PG(PAGE)) ?: load(plain + PG(PAGE));
}

TEST_F_TIMEOUT(reads, load_from_new_mappings, TIMEOUT)
{
	run(by_fresh_load, write);
}

static int by_populate(struct way_world *w, char *at)
{
	char *win = mmap(NULL, LEN, PTS_RW, MAP_SHARED | MAP_POPULATE, w->ctl,
			 0);
	char *plain = mmap(NULL, LEN, PTS_RW, MAP_SHARED | MAP_POPULATE, w->mem,
			   0);

	if (win == MAP_FAILED || plain == MAP_FAILED ||
	    madvise(win, LEN, MADV_POPULATE_READ) ||
	    madvise(plain, LEN, MADV_POPULATE_READ) || mlock(plain, LEN))
		return -errno;
	return load(win + PG(PAGE)) ?: load(plain + PG(PAGE));
}

TEST_F_TIMEOUT(reads, populate, TIMEOUT)
{
	run(by_populate, write);
}

/* Its child has the mappings too. */
static int by_fork(struct way_world *w, char *at)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-by_load(w, at));
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -ECHILD : by_load(w, at);
}

TEST_F_TIMEOUT(reads, fork, TIMEOUT)
{
	run(by_fork, write);
}

/* What changes a mapping changes no page. */
static int by_remapping(struct way_world *w, char *at)
{
	char *plain = way_at(w, WAY_PLAIN, 0), *moved;

	if (mprotect(plain, LEN, PROT_NONE) || mprotect(plain, LEN, PTS_RO) ||
	    mprotect(plain, LEN, PTS_RW) || msync(plain, LEN, MS_SYNC))
		return -errno;
	moved = mremap(plain, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
		       way_at(w, WAY_FRESH, 0));
	if (moved == MAP_FAILED)
		return -errno;
	return load(moved + PG(PAGE)) ?: munmap(moved, LEN);
}

TEST_F_TIMEOUT(reads, remapping, TIMEOUT)
{
	run(by_remapping, write);
}

static int by_device(struct way_world *w, char *at)
{
	__u64 word = 0;

	return secmmu_read(w->fd, at + WAY_AT, &word, 0) ?: found(word);
}

TEST_F_TIMEOUT(reads, device, TIMEOUT)
{
	run(by_device, device);
}

/* --- the kernel reads memory --------------------------------------------------- */

static int by_write_from(struct way_world *w, char *at)
{
	__u32 word = 0;

	if (pwrite(w->src, at + WAY_AT, sizeof(word), 0) != sizeof(word))
		return -errno;
	return done(pread(w->src, &word, sizeof(word), 0), &word);
}

TEST_F_TIMEOUT(reads, write_from_it, TIMEOUT)
{
	run(by_write_from, write);
}

static int by_direct_write(struct way_world *w, char *at)
{
	__u32 *buf = aligned_alloc(512, 512);
	ssize_t n = pwrite(w->direct, at, 512, 512);

	if (n != 512 || pread(w->direct, buf, n, 512) != n)
		return -errno;
	return found(buf[WAY_AT / sizeof(*buf)]);
}

TEST_F_TIMEOUT(reads, direct_write_from_it, TIMEOUT)
{
	run(by_direct_write, direct_read);
}

static int by_vmsplice(struct way_world *w, char *at)
{
	struct iovec iov = { at + WAY_AT, sizeof(__u32) };
	__u32 word = 0;

	if (vmsplice(w->pipe[1], &iov, 1, 0) != sizeof(word))
		return -errno;
	return done(read(w->pipe[0], &word, sizeof(word)), &word);
}

TEST_F_TIMEOUT(reads, vmsplice_to_pipe, TIMEOUT)
{
	run(by_vmsplice, write);
}

static int by_uring_write(struct way_world *w, char *at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	struct io_uring_cqe *cqe;
	__u32 word = 0;

	io_uring_prep_write(sqe, w->src, at + WAY_AT, sizeof(word), 0);
	if (io_uring_submit(&w->ring) != 1 ||
	    io_uring_wait_cqe(&w->ring, &cqe))
		return -EIO;
	if (cqe->res != sizeof(word))
		return -EIO;
	return done(pread(w->src, &word, sizeof(word), 0), &word);
}

TEST_F_TIMEOUT(reads, uring_write_from_it, TIMEOUT)
{
	run(by_uring_write, uring_read);
}

/*
 * Linux asks for permission to write a word that is waited for, and is content
 * without, so this one is told: an event says that permission was given.
 */
static int by_futex(struct way_world *w, char *at)
{
	struct timespec soon = { .tv_nsec = 1000000 };

	if (syscall(SYS_futex, at + WAY_AT, FUTEX_WAIT, WAY_OLD, &soon) != -1)
		return -EBUSY;
	return errno == ETIMEDOUT ? 0 : -errno;
}

TEST_F_TIMEOUT(reads, futex_wait_is_told, TIMEOUT)
{
	const bool allowed = variant->on_kernel == PTSHARE_KERNEL_ALLOW;
	struct ptshare_event ev;
	struct pts_child c;
	int told = 0;

	begin(_metadata, self, variant, &c, by_futex, &way_write);
	ASSERT_EQ(0, pts_send(c.sock, 1));
	/* Refused, it may ask once more. */
	while (pts_child_sleeps(&c)) {
		if (pts_read_event(self->nfd, &ev, 0))
			continue;
		EXPECT_TRUE(ev.flags & PTSHARE_EVENT_F_KERNEL);
		EXPECT_FALSE(ev.flags & PTSHARE_EVENT_F_TIMEOUT);
		EXPECT_EQ(PG(PAGE), ev.offset);
		if (ev.flags & PTSHARE_EVENT_F_BLOCKED)
			EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1),
						 PTSHARE_FAIL));
		told++;
	}
	EXPECT_LT(0, told + pts_drain(self->nfd));
	EXPECT_EQ(allowed ? PTS_WRITTEN : PTS_ARMED,
		  pts_page_state(self->nfd, PG(PAGE)) & ~PTSHARE_PAGE_PENDING);
	EXPECT_EQ(WAY_OLD, way_word(self->mem, PAGE));
	EXPECT_EQ(0, pts_join(&c));
}

/* --- from another process -------------------------------------------------------- */

static int by_process_vm(struct way_world *w, char *at)
{
	__u32 word = 0;
	struct iovec l = { &word, sizeof(word) };
	struct iovec r = { at + WAY_AT, sizeof(word) };

	return done(process_vm_readv(w->victim, &l, 1, &r, 1, 0), &word);
}

TEST_F_TIMEOUT(reads, process_vm, TIMEOUT)
{
	run(by_process_vm, process_vm);
}

static int by_proc_mem(struct way_world *w, char *at)
{
	__u32 word = 0;

	return done(pread(w->fd, &word, sizeof(word),
			  (uintptr_t)at + WAY_AT), &word);
}

TEST_F_TIMEOUT(reads, proc_mem, TIMEOUT)
{
	run(by_proc_mem, proc_mem);
}

static int by_ptrace(struct way_world *w, char *at)
{
	return found(ptrace(PTRACE_PEEKDATA, w->victim, at + WAY_AT, NULL));
}

TEST_F_TIMEOUT(reads, ptrace, TIMEOUT)
{
	run(by_ptrace, ptrace);
}

/* --- the file ---------------------------------------------------------------------- */

static int by_pread(struct way_world *w, char *at)
{
	__u32 word = 0;

	return done(pread(w->mem, &word, sizeof(word), PG(PAGE) + WAY_AT),
		    &word);
}

TEST_F_TIMEOUT(reads, read, TIMEOUT)
{
	run(by_pread, write);
}

static int by_splice(struct way_world *w, char *at)
{
	loff_t pos = PG(PAGE) + WAY_AT;
	__u32 word = 0;

	if (splice(w->mem, &pos, w->pipe[1], NULL, sizeof(word), 0) !=
	    sizeof(word))
		return -errno;
	return done(read(w->pipe[0], &word, sizeof(word)), &word);
}

TEST_F_TIMEOUT(reads, splice, TIMEOUT)
{
	run(by_splice, write);
}

static int by_sendfile(struct way_world *w, char *at)
{
	off_t pos = PG(PAGE) + WAY_AT;
	__u32 word = 0;

	if (lseek(w->src, 0, SEEK_SET) ||
	    sendfile(w->src, w->mem, &pos, sizeof(word)) != sizeof(word))
		return -errno;
	return done(pread(w->src, &word, sizeof(word), 0), &word);
}

TEST_F_TIMEOUT(reads, sendfile, TIMEOUT)
{
	run(by_sendfile, write);
}

static int by_copy_range(struct way_world *w, char *at)
{
	loff_t from = PG(PAGE) + WAY_AT, to = 0;
	__u32 word = 0;

	if (copy_file_range(w->mem, &from, w->src, &to, sizeof(word), 0) !=
	    sizeof(word))
		return -errno;
	return done(pread(w->src, &word, sizeof(word), 0), &word);
}

TEST_F_TIMEOUT(reads, copy_file_range, TIMEOUT)
{
	run(by_copy_range, write);
}

/* Other calls that leave the bytes alone. */
static int by_other_calls(struct way_world *w, char *at)
{
	struct stat st;

	if (fstat(w->mem, &st) || fsync(w->mem) || fchmod(w->mem, 0600) ||
	    fallocate(w->mem, FALLOC_FL_KEEP_SIZE, 0, LEN) ||
	    ftruncate(w->mem, LEN) || ftruncate(w->mem, 2 * LEN) ||
	    posix_fadvise(w->mem, 0, LEN, POSIX_FADV_DONTNEED) ||
	    lseek(w->mem, 0, SEEK_DATA) < 0 || lseek(w->mem, 0, SEEK_HOLE) < 0)
		return -errno;
	return by_load(w, at);
}

TEST_F_TIMEOUT(reads, other_calls_on_the_file, TIMEOUT)
{
	run(by_other_calls, write);
}

TEST_HARNESS_MAIN
