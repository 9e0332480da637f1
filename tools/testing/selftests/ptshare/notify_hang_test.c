// SPDX-License-Identifier: GPL-2.0
/*
 * A writer that sleeps holds up nobody but itself: not the other threads of its
 * process, not its end, not the monitor, and not who exits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define PAGES		16
#define PAGE		5
#define TIMEOUT		120
#define FOR_EVER	(~0ULL)
#define AT_ONCE_MS	5000

FIXTURE(hang)
{
	struct pts_rig rig;
	int nfd, zero;
	char *win, *plain;
	char *at;		/* where the variant's writer writes */
};

FIXTURE_VARIANT(hang)
{
	bool by_kernel;		/* else it stores */
	bool foreign;		/* through a mapping of the file */
};

FIXTURE_VARIANT_ADD(hang, store) { false, false };
FIXTURE_VARIANT_ADD(hang, store_foreign) { false, true };
FIXTURE_VARIANT_ADD(hang, kernel) { true, false };
FIXTURE_VARIANT_ADD(hang, kernel_foreign) { true, true };

static int arm(struct _test_data_hang *self, __u64 page, __u64 timeout_ns)
{
	struct ptshare_arm a = {
		.offset = PG(page), .length = PG(1), .mode = PTSHARE_BLOCK,
		.on_kernel = PTSHARE_KERNEL_BLOCK, .timeout_ns = timeout_ns,
	};

	return pts_arm_with(self->nfd, &a);
}

FIXTURE_SETUP(hang)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
	self->win = self->rig.win;
	self->plain = pts_window(self->rig.mem, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, (void *)self->plain);
	self->at = (variant->foreign ? self->plain : self->win) + PG(PAGE);
	self->zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	self->nfd = pts_notify(self->rig.ctl, 0);
	ASSERT_GE(self->nfd, 0);
	ASSERT_EQ(0, arm(self, PAGE, FOR_EVER));
}

FIXTURE_TEARDOWN(hang)
{
}

/* What a process is made of: one thread that writes, another that does @fn. */
struct pair {
	struct _test_data_hang *self;
	bool by_kernel;
	int (*fn)(struct _test_data_hang *self);
	int sock;
};

/* 0, or what has refused the write. */
static void *write_it(void *arg)
{
	struct pair *p = arg;
	struct pts_fault f = {};
	ssize_t n = 8;

	if (p->by_kernel)
		n = read(p->self->zero, p->self->at, 8);
	else
		f = pts_write8(p->self->at, 0);
	return (void *)(uintptr_t)(f.sig ?: n < 0 ? errno : 0);
}

/* Answers with what @fn returned, then ends with the result of the write. */
static int pair_main(int sock, void *arg)
{
	struct pair *p = arg;
	pthread_t thread;
	void *result;
	__u64 go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	p->sock = sock;
	if (pthread_create(&thread, NULL, write_it, p) || pts_recv(sock, &go))
		return 200;
	pts_send(sock, p->fn(p->self));
	pthread_join(thread, &result);
	return (uintptr_t)result;
}

static void start_pair(struct __test_metadata *_metadata,
		       struct _test_data_hang *self,
		       const struct _fixture_variant_hang *variant,
		       struct pts_child *c,
		       int (*fn)(struct _test_data_hang *self))
{
	static struct pair pair;
	const __u16 flags = PTSHARE_EVENT_F_BLOCKED |
		(variant->by_kernel ? PTSHARE_EVENT_F_KERNEL : 0);

	pair = (struct pair) { self, variant->by_kernel, fn };
	ASSERT_EQ(0, pts_fork(c, pair_main, &pair));
	ASSERT_TRUE(pts_told(self->nfd, flags, PG(PAGE), c->pid));
	ASSERT_EQ(0, pts_send(c->sock, 1));
}

/* An answer in time. */
static bool answers(struct pts_child *c, __u64 want)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	__u64 val;

	return poll(&p, 1, AT_ONCE_MS) == 1 && !pts_recv(c->sock, &val) &&
	       val == want;
}

static bool dies(struct pts_child *c, int status)
{
	const __u64 start = pts_now_ms();
	const int got = pts_join(c);

	if (got == status && pts_now_ms() - start < AT_ONCE_MS)
		return true;
	printf("# status %d wanted %d, after %llu ms\n", got, status,
	       pts_now_ms() - start);
	return false;
}

/* --- the other threads of its process ------------------------------------------ */

static int change_mappings(struct _test_data_hang *self)
{
	char *p = mmap(NULL, 64 * pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	char buf[4096];

	if (p == MAP_FAILED || mprotect(p, pts_psz, PROT_READ) ||
	    munmap(p, 64 * pts_psz))
		return errno;
	return pts_slurp("/proc/self/maps", buf, sizeof(buf)) > 0 &&
	       pts_slurp("/proc/self/smaps", buf, sizeof(buf)) > 0 ? 0 : EIO;
}

TEST_F_TIMEOUT(hang, mappings_change, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, change_mappings);
	EXPECT_TRUE(answers(&c, 0));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
}

static int fork_one(struct _test_data_hang *self)
{
	int status = -1;
	pid_t pid = fork();
	__u64 val;

	if (!pid)
		_exit(pts_read8(self->at, &val).sig);
	return waitpid(pid, &status, 0) == pid ? status : errno;
}

TEST_F_TIMEOUT(hang, fork, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, fork_one);
	EXPECT_TRUE(answers(&c, 0));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
}

/* The very mapping goes: who is woken finds none. */
static int unmap_it(struct _test_data_hang *self)
{
	return munmap(self->win, 2 * self->rig.half) ||
	       munmap(self->plain, PG(PAGES)) ? errno : 0;
}

TEST_F_TIMEOUT(hang, its_mapping_goes, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, unmap_it);
	EXPECT_TRUE(answers(&c, 0));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(variant->by_kernel ? EFAULT : SIGSEGV, pts_join(&c));
}

static int leave(struct _test_data_hang *self)
{
	_exit(42);
}

TEST_F_TIMEOUT(hang, exit_group, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, leave);
	EXPECT_TRUE(dies(&c, 42));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
}

static int exec_true(struct _test_data_hang *self)
{
	execl("/bin/true", "true", NULL);
	return errno;
}

TEST_F_TIMEOUT(hang, exec, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, exec_true);
	EXPECT_TRUE(dies(&c, 0));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
}

/* The dump waits for all threads, and reads the page. */
static int dump_core(struct _test_data_hang *self)
{
	struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_CORE, &no_limit) || chdir("/tmp") ||
	    prctl(PR_SET_DUMPABLE, 1))
		return errno;
	signal(SIGABRT, SIG_DFL);
	abort();
}

TEST_F_TIMEOUT(hang, core_dump, TIMEOUT)
{
	struct pts_child c;

	start_pair(_metadata, self, variant, &c, dump_core);
	EXPECT_TRUE(dies(&c, 256 + SIGABRT));
	EXPECT_EQ(PTS_ARMED, pts_page_state(self->nfd, PG(PAGE)));
}

/* --- others -------------------------------------------------------------------------- */

/* The monitor, and everybody, may look at the process and at the page. */
TEST_F_TIMEOUT(hang, can_be_looked_at, TIMEOUT)
{
	char path[64], buf[4096];
	struct pts_child c;
	size_t i;
	const char * const files[] = {
		"maps", "smaps", "stat", "status", "pagemap", "environ",
	};

	start_pair(_metadata, self, variant, &c, change_mappings);
	EXPECT_TRUE(answers(&c, 0));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", c.pid, files[i]);
		EXPECT_LE(0, pts_slurp(path, buf, sizeof(buf)));
	}
	EXPECT_TRUE(pts_reads(self->win + PG(PAGE), pts_stamp(1, PG(PAGE))));
	EXPECT_EQ(8, pread(self->rig.mem, buf, 8, PG(PAGE)));
	EXPECT_EQ(1, pwrite(self->rig.mem, "x", 1, PG(PAGE + 1)));
	EXPECT_EQ(0, pts_protect(self->rig.ctl, PG(1), PG(1), PTS_RO));
	EXPECT_EQ(0, ftruncate(self->rig.mem, 2 * PG(PAGES)));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
}

/* A debugger stops a store that sleeps, as it stops everything. */
TEST_F_TIMEOUT(hang, ptrace_attach, TIMEOUT)
{
	struct pts_child c;
	int status;

	if (variant->by_kernel)
		SKIP(return, "in a fault of the kernel nothing stops it");
	start_pair(_metadata, self, variant, &c, change_mappings);
	EXPECT_TRUE(answers(&c, 0));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, c.pid, NULL, NULL));
	ASSERT_EQ(c.pid, waitpid(c.pid, &status, 0));
	EXPECT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, c.pid, NULL, NULL));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&c));
}

static int store_next_page(int sock, void *arg)
{
	struct _test_data_hang *self = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pts_write8(self->at + pts_psz, 1).sig;
}

/* Ten seconds, and no end, are what they are called. */
TEST_F_TIMEOUT(hang, default_timeout_and_none, TIMEOUT)
{
	struct pts_child ever, c;
	__u64 start, took;

	ASSERT_EQ(0, arm(self, PAGE + 1, FOR_EVER));
	ASSERT_EQ(0, pts_fork(&ever, store_next_page, self));
	ASSERT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(PAGE + 1),
			     ever.pid));
	ASSERT_EQ(0, arm(self, PAGE, 0));
	start = pts_now_ms();
	start_pair(_metadata, self, variant, &c, change_mappings);
	EXPECT_EQ(0, pts_join(&c));
	took = pts_now_ms() - start;
	EXPECT_LE(10000, took);
	EXPECT_GT(10000 + AT_ONCE_MS, took);
	usleep(500000);
	EXPECT_TRUE(pts_child_sleeps(&ever));
	EXPECT_EQ(1, pts_resolve(self->nfd, PG(PAGE + 1), PG(1),
				 PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_join(&ever));
}

/* --- who exits ------------------------------------------------------------------------ */

static int leave_at_once(void *arg)
{
	return 0;
}

/* The kernel clears the tid of a thread that ends, and can't come back. */
TEST_F_TIMEOUT(hang, clear_child_tid, TIMEOUT)
{
	const size_t size = 65536;
	char *stack = aligned_alloc(64, size);
	__u64 start = pts_now_ms();
	pid_t pid;

	pid = clone(leave_at_once, stack + size,
		    CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL,
		    self->at);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_GT(AT_ONCE_MS, pts_now_ms() - start);
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(PAGE), pid));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, PG(PAGE)));
	EXPECT_EQ(0, *(__u32 *)self->at);
}

/* It dies with a lock in the page, which the kernel marks. */
static int die_with_lock(int sock, void *arg)
{
	struct _test_data_hang *self = arg;
	static struct robust_list_head head;
	__u64 go;

	/* The list has one lock; its word lies where @at is. */
	head.list.next = &head.list;
	head.list_op_pending = (void *)self->at;
	head.futex_offset = 0;
	if (syscall(SYS_set_robust_list, &head, sizeof(head)))
		return 1;
	pts_send(sock, gettid());
	return pts_recv(sock, &go);
}

TEST_F_TIMEOUT(hang, robust_futex, TIMEOUT)
{
	struct pts_child c;
	__u64 tid;

	ASSERT_EQ(0, pts_resolve(self->nfd, PG(PAGE), PG(1), PTSHARE_ALLOW));
	ASSERT_EQ(0, pts_fork(&c, die_with_lock, self));
	ASSERT_EQ(0, pts_recv(c.sock, &tid));
	pts_store(self->at, tid);
	ASSERT_EQ(0, arm(self, PAGE, FOR_EVER));
	ASSERT_EQ(0, pts_send(c.sock, 1));
	EXPECT_TRUE(dies(&c, 0));
	EXPECT_EQ(FUTEX_OWNER_DIED, *(__u32 *)self->at & FUTEX_OWNER_DIED);
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL, PG(PAGE),
			     c.pid));
}

/* --- the file that the monitor writes ---------------------------------------------------- */

/* An ext4 file of some pages, or -errno. */
static int ext4_file(const char *dir)
{
	int mem = pts_memfd(32 << 20, 0), loop = pts_loop_direct(mem), ro, fd;
	char dev[64] = "", path[128];

	if (loop < 0)
		return loop;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", loop);
	if (readlink(path, dev, sizeof(dev) - 1) < 0)
		return -errno;
	snprintf(path, sizeof(path), "PATH=$PATH:/sbin mkfs.ext4 -q %s", dev);
	if (unshare(CLONE_NEWNS) || system(path))
		return -ENOPKG;
	/* The device must stay bound, and nobody may have it open to write. */
	ro = pts_reopen(loop, O_RDONLY);
	close(loop);
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(dev, dir, "ext4", 0, NULL))
		return -errno;
	close(ro);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || fallocate(fd, 0, 0, PG(4)) ? -errno : fd;
}

struct reader {
	struct _test_data_hang *self;
	int direct;
};

static int read_often(int sock, void *arg)
{
	const __u64 end = pts_now_ms() + 1000;
	struct reader *r = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pts_now_ms() < end) {
		if (pread(r->direct, r->self->at, pts_psz, 0) != pts_psz)
			return errno;
	}
	return 0;
}

/*
 * A direct read holds the lock of the file it reads while it faults in its
 * buffer. By default such a fault is let through, as the monitor may need that
 * very lock, here to log what it was told.
 */
TEST_F_TIMEOUT(hang, direct_read_of_the_monitors_file, TIMEOUT)
{
	struct reader r = { .self = self };
	struct ptshare_event ev;
	struct pts_child c;
	char path[64], buf[64] = "log";
	int log = ext4_file("/mnt");
	int status = 0, seen = 0;

	if (log < 0)
		SKIP(return, "no ext4 file: %s", strerror(-log));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", log);
	r.direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(r.direct, 0);
	ASSERT_EQ(0, pts_arm(self->nfd, PG(PAGE), PG(1), PTSHARE_BLOCK,
			     PTSHARE_KERNEL_ALLOW));
	ASSERT_EQ(0, pts_fork(&c, read_often, &r));
	while (!waitpid(c.pid, &status, WNOHANG)) {
		if (pts_read_event(self->nfd, &ev, 10))
			continue;
		EXPECT_EQ(PTSHARE_EVENT_F_KERNEL, ev.flags);
		EXPECT_EQ(sizeof(buf), pwrite(log, buf, sizeof(buf), PG(2)));
		pts_written(self->nfd, PTSHARE_SCAN_REARM, 0, PG(PAGES));
		seen++;
	}
	EXPECT_EQ(0, status);
	EXPECT_LT(0, seen);
}

TEST_HARNESS_MAIN
