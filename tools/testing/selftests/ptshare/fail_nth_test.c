// SPDX-License-Identifier: GPL-2.0
/*
 * Every call with its first, second, third ... allocation (or user copy)
 * failing, until it runs through. After each failure the container is what it
 * was: the same regions, the same memory behind them. Splats and leaks are for
 * the kernel's log and kmemleak to tell.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "inject.h"
#include "ptshare_util.h"
#include "secmmu.h"

#define PAGES		64
#define MOST_STEPS	1000

/*
 * Layout at the start of each step, in pages:
 *   0-15 file 1, rw	16-23 file 1, ro	24-27 file 3 (sparse), rw
 *   28-31 hole		32-47 file 2, rw	48-63 file 1, rw
 */
struct nth {
	int dev, ctl, mem[3];
	char *win;		/* mapped through an attach fd, untouched */
	size_t len;
	int sink, zero;
	int out;		/* fd made by the call */
	void *made;		/* mapping made by the call */
	const struct nth_call *call;
};

struct nth_call {
	int (*run)(struct nth *n);
	bool touch_first;	/* so that there is something to zap */
};

static size_t at(unsigned int page)
{
	return page * pts_psz;
}

/* --- the calls: 0 or -errno --------------------------------------------- */

static int call_open(struct nth *n)
{
	n->out = pts_open_dev();
	return n->out < 0 ? n->out : 0;
}

static int call_create(struct nth *n)
{
	struct ptshare_create c = {
		.size = sizeof(c), .length = at(PAGES), .max_prot = PTS_RW,
	};

	n->out = pts_ioctl(n->dev, PTSHARE_IOC_CREATE, &c);
	return n->out < 0 ? n->out : 0;
}

static int call_info(struct nth *n)
{
	struct ptshare_info info;

	return pts_info(n->ctl, &info);
}

static int call_map(struct nth *n)
{
	return pts_map(n->ctl, n->mem[1], PTS_RW, at(28), at(4), at(28));
}

static int call_replace(struct nth *n)
{
	return pts_replace(n->ctl, n->mem[1], PTS_RW, at(8), at(48), at(8));
}

static int call_unmap(struct nth *n)
{
	return pts_unmap(n->ctl, at(8), at(48));
}

static int call_unmap_middle(struct nth *n)
{
	return pts_unmap(n->ctl, at(36), at(4));
}

/* The second range cuts its region at both ends. */
static int call_protect(struct nth *n)
{
	const struct ptshare_range_prot r[3] = {
		{ .offset = at(0), .length = at(16), .prot = PROT_READ },
		{ .offset = at(36), .length = at(4), .prot = PROT_NONE },
		{ .offset = at(50), .length = at(10), .prot = PROT_READ },
	};

	return pts_protect_vec(n->ctl, r, 3, NULL);
}

static int call_query(struct nth *n)
{
	struct ptshare_region room[8];
	struct ptshare_query q = {
		.size = sizeof(q), .buf = (uintptr_t)room, .nr = 8,
	};

	return pts_ioctl(n->ctl, PTSHARE_IOC_QUERY, &q);
}

static int call_attach_fd(struct nth *n)
{
	n->out = pts_attach(n->ctl);
	return n->out < 0 ? n->out : 0;
}

static int call_seal(struct nth *n)
{
	return pts_seal(n->ctl, PTSHARE_SEAL_LAYOUT | PTSHARE_SEAL_PROT);
}

static int call_mmap(struct nth *n)
{
	n->made = mmap(NULL, at(40), PTS_RW, MAP_SHARED, n->ctl, at(3));
	return n->made == MAP_FAILED ? -errno : 0;
}

static int call_mmap_populate(struct nth *n)
{
	n->made = mmap(NULL, at(20), PTS_RW, MAP_SHARED | MAP_POPULATE, n->ctl,
		       at(3));
	return n->made == MAP_FAILED ? -errno : 0;
}

static int call_munmap(struct nth *n)
{
	if (munmap(n->win, n->len))
		return -errno;
	n->win = MAP_FAILED;
	return 0;
}

static int call_fork(struct nth *n)
{
	pid_t pid = fork();
	int status;

	(void)n;
	if (!pid)
		_exit(0);
	if (pid < 0)
		return -errno;
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -ECHILD;
}

/*
 * Faults are made inside a system call. They take the same way through the
 * fault handler; but a user's fault that fails for lack of memory is repeated
 * by the kernel after a message that the harness counts as a complaint, since
 * without injection it must never be seen.
 */
static int call_read_fault(struct nth *n)
{
	return pwrite(n->sink, n->win + at(26), 8, 0) == 8 ? 0 : -errno;
}

static int call_write_fault(struct nth *n)
{
	ssize_t len = read(n->zero, n->win + at(27), 8);

	return len == 8 ? 0 : len < 0 ? -errno : -EFAULT;
}

static int populate(struct nth *n, int advice)
{
	if (madvise(n->win, at(16), advice))
		return -errno;
	return madvise(n->win + at(24), at(4), advice) ? -errno : 0;
}

static int call_populate_read(struct nth *n)
{
	return populate(n, MADV_POPULATE_READ);
}

static int call_populate_write(struct nth *n)
{
	return populate(n, MADV_POPULATE_WRITE);
}

static int call_vm_readv(struct nth *n)
{
	char here[64];
	struct iovec to = { here, sizeof(here) };
	struct iovec from = { n->win + at(25), sizeof(here) };
	ssize_t len = process_vm_readv(getpid(), &to, 1, &from, 1, 0);

	return len == sizeof(here) ? 0 : len < 0 ? -errno : -EFAULT;
}

/* A secondary MMU comes to a process that has mirrors, and uses the window. */
static int call_register(struct nth *n)
{
	__u64 val;

	n->out = secmmu_open(n->win, n->len);
	if (n->out < 0)
		return n->out;
	return secmmu_read(n->out, n->win + at(5), &val, 0);
}

static int run_call(void *arg)
{
	struct nth *n = arg;

	return n->call->run(n);
}

/* --- one step --------------------------------------------------------------- */

FIXTURE(fail_nth)
{
	struct nth n;
	int proc;
};

FIXTURE_VARIANT(fail_nth)
{
	struct nth_call call;
};

FIXTURE_VARIANT_ADD(fail_nth, open)
{
	{ call_open },
};

FIXTURE_VARIANT_ADD(fail_nth, create)
{
	{ call_create },
};

FIXTURE_VARIANT_ADD(fail_nth, info)
{
	{ call_info },
};

FIXTURE_VARIANT_ADD(fail_nth, map)
{
	{ call_map },
};

FIXTURE_VARIANT_ADD(fail_nth, replace)
{
	{ call_replace, true },
};

FIXTURE_VARIANT_ADD(fail_nth, unmap)
{
	{ call_unmap, true },
};

FIXTURE_VARIANT_ADD(fail_nth, unmap_middle)
{
	{ call_unmap_middle },
};

FIXTURE_VARIANT_ADD(fail_nth, protect)
{
	{ call_protect, true },
};

FIXTURE_VARIANT_ADD(fail_nth, query)
{
	{ call_query },
};

FIXTURE_VARIANT_ADD(fail_nth, attach_fd)
{
	{ call_attach_fd },
};

FIXTURE_VARIANT_ADD(fail_nth, seal)
{
	{ call_seal },
};

FIXTURE_VARIANT_ADD(fail_nth, mmap)
{
	{ call_mmap },
};

FIXTURE_VARIANT_ADD(fail_nth, mmap_populate)
{
	{ call_mmap_populate },
};

FIXTURE_VARIANT_ADD(fail_nth, munmap)
{
	{ call_munmap, true },
};

FIXTURE_VARIANT_ADD(fail_nth, fork)
{
	{ call_fork, true },
};

FIXTURE_VARIANT_ADD(fail_nth, read_fault)
{
	{ call_read_fault },
};

FIXTURE_VARIANT_ADD(fail_nth, write_fault)
{
	{ call_write_fault },
};

FIXTURE_VARIANT_ADD(fail_nth, populate_read)
{
	{ call_populate_read },
};

FIXTURE_VARIANT_ADD(fail_nth, populate_write)
{
	{ call_populate_write },
};

FIXTURE_VARIANT_ADD(fail_nth, vm_readv)
{
	{ call_vm_readv },
};

FIXTURE_VARIANT_ADD(fail_nth, register)
{
	{ call_register, true },
};

static bool lay_out(struct nth *n)
{
	return !pts_map(n->ctl, n->mem[0], PTS_RW, 0, at(16), 0) &&
	       !pts_map(n->ctl, n->mem[0], PROT_READ, at(16), at(8), at(16)) &&
	       !pts_map(n->ctl, n->mem[2], PTS_RW, at(24), at(4), 0) &&
	       !pts_map(n->ctl, n->mem[1], PTS_RW, at(32), at(16), at(32)) &&
	       !pts_map(n->ctl, n->mem[0], PTS_RW, at(48), at(16), at(48));
}

/* What the window shows when nothing has changed. */
static bool shows_all(struct nth *n)
{
	static const struct { unsigned int page, tag; } want[] = {
		{ 0, 1 }, { 15, 1 }, { 16, 1 }, { 23, 1 }, { 32, 2 },
		{ 38, 2 }, { 47, 2 }, { 48, 1 }, { 63, 1 },
	};
	struct pts_fault f;
	unsigned int i;
	__u64 val;

	for (i = 0; i < ARRAY_SIZE(want); i++)
		if (!pts_reads(n->win + at(want[i].page),
			       pts_stamp(want[i].tag, at(want[i].page))))
			return false;
	f = pts_read8(n->win + at(30), &val);
	if (!pts_fault_is(f, SIGBUS, BUS_ADRERR, n->win + at(30)))
		return false;
	f = pts_write8(n->win + at(20) + 8, 1);
	if (!pts_fault_is(f, SIGSEGV, SEGV_ACCERR, n->win + at(20) + 8))
		return false;
	return pts_writes(n->win + at(40) + 8, 40) &&
	       pts_writes(n->win + at(24) + 8, 24);
}

static void begin_step(struct __test_metadata *_metadata, struct nth *n)
{
	int att;

	n->out = -1;
	n->made = MAP_FAILED;
	n->len = at(PAGES);
	n->mem[2] = pts_memfd(at(4), 0);
	n->ctl = pts_create(n->len, PTS_RW);
	ASSERT_GE(n->ctl, 0);
	ASSERT_TRUE(lay_out(n));
	att = pts_attach(n->ctl);
	ASSERT_GE(att, 0);
	n->win = pts_window(att, n->len, 0);
	ASSERT_NE(MAP_FAILED, (void *)n->win);
	close(att);
}

static void end_step(struct nth *n)
{
	if (n->made != MAP_FAILED)
		munmap(n->made, at(40));
	if (n->out >= 0)
		close(n->out);
	if (n->win != MAP_FAILED)
		munmap(n->win, n->len);
	close(n->ctl);
	close(n->mem[2]);
}

FIXTURE_SETUP(fail_nth)
{
	struct nth *n = &self->n;

	if (!pts_can_inject())
		SKIP(return, "the kernel can't inject failures");
	if (variant->call.run == call_register && !secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	self->proc = pts_inject_open();
	ASSERT_GE(self->proc, 0);
	n->dev = pts_open_dev();
	ASSERT_GE(n->dev, 0);
	n->mem[0] = pts_memfd_stamped(at(PAGES), 1);
	n->mem[1] = pts_memfd_stamped(at(PAGES), 2);
	ASSERT_GE(n->mem[1], 0);
	n->sink = pts_memfd_stamped(pts_psz, 3);
	n->zero = open("/dev/zero", O_RDONLY);
	ASSERT_GE(n->zero, 0);
}

FIXTURE_TEARDOWN(fail_nth)
{
}

TEST_F_TIMEOUT(fail_nth, sweep, 120)
{
	const struct nth_call *call = &variant->call;
	struct nth *n = &self->n;
	struct pts_snap before, after;
	unsigned int nth, failed = 0;
	bool hit = true;
	int ret = 0;

	n->call = call;
	for (nth = 1; hit; nth++) {
		ASSERT_LT(nth, MOST_STEPS);
		begin_step(_metadata, n);
		if (call->touch_first)
			ASSERT_TRUE(shows_all(n));
		ASSERT_EQ(0, pts_snap_take(n->ctl, &before));
		ret = pts_run_failing(self->proc, nth, run_call, n, &hit);
		if (ret) {
			failed++;
			ASSERT_TRUE(hit && pts_fair_failure(ret)) {
				TH_LOG("step %u: %d hit %d", nth, ret, hit);
			}
			ASSERT_EQ(0, pts_snap_take(n->ctl, &after));
			ASSERT_TRUE(pts_snap_equal(&before, &after)) {
				TH_LOG("step %u: %d", nth, ret);
			}
			ASSERT_TRUE(shows_all(n)) {
				TH_LOG("step %u: %d", nth, ret);
			}
			pts_snap_free(&after);
		}
		pts_snap_free(&before);
		end_step(n);
	}
	/* The last one ran undisturbed. */
	EXPECT_EQ(0, ret);
	TH_LOG("%u steps, %u failures", nth - 1, failed);
	EXPECT_GT(nth, 2);
}

TEST_HARNESS_MAIN
