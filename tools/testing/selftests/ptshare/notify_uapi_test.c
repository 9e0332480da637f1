// SPDX-License-Identifier: GPL-2.0
/*
 * Write-notify, ioctl by ioctl: each refused value, its errno, and the state as
 * it was; who may do what; and that a call is done whole or not at all. What is
 * the same for all ioctls is in abi_test.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

#define LENGTH		PG(16)
#define FOR_EVER	(~0ULL)
#define HOUR_NS		3600000000000ULL

/*
 * Pages of the container: 0-3 read-write, 4-5 hole, 6-7 from an fd that can
 * only be read, 8-9 read-write, 10-15 hole. The first fd watches pages 0-1, the
 * second one page 8.
 */
FIXTURE(uapi)
{
	int ctl, mem, mem_ro, nfd, other;
	char *win;
};

FIXTURE_SETUP(uapi)
{
	if (!pts_notify_available())
		SKIP(return, "no write-notify");
	self->mem = pts_memfd_stamped(LENGTH, 1);
	ASSERT_GE(self->mem, 0);
	self->mem_ro = pts_reopen(self->mem, O_RDONLY);
	ASSERT_GE(self->mem_ro, 0);
	self->ctl = pts_create(LENGTH, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, PG(4), 0));
	ASSERT_EQ(0, pts_map(self->ctl, self->mem_ro, PTS_RO, PG(6), PG(2),
			     PG(6)));
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, PG(8), PG(2),
			     PG(8)));
	self->win = pts_window(self->ctl, LENGTH, 0);
	ASSERT_NE(MAP_FAILED, self->win);
	self->nfd = pts_notify(self->ctl, 0);
	ASSERT_GE(self->nfd, 0);
	self->other = pts_notify(self->ctl, 0);
	ASSERT_GE(self->other, 0);
	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(2), PTSHARE_ASYNC,
			     PTSHARE_KERNEL_ALLOW));
	ASSERT_EQ(0, pts_arm(self->other, PG(8), PG(1), PTSHARE_ASYNC,
			     PTSHARE_KERNEL_ALLOW));
}

FIXTURE_TEARDOWN(uapi)
{
}

/* Pages 0, 1 and 8 are armed and no others, and nobody was told of anything. */
static bool unchanged(struct _test_data_uapi *self)
{
	struct ptshare_scan_region r[2] = {};
	int nr = pts_scan(self->nfd, 0, 0, LENGTH, PTS_STATES, r, 2);

	if (nr != 1 || r[0].start || r[0].end != PG(2) ||
	    r[0].categories != PTS_ARMED)
		return false;
	nr = pts_scan(self->other, 0, 0, LENGTH, PTS_STATES, r, 2);
	return nr == 1 && r[0].start == PG(8) && r[0].end == PG(9) &&
	       r[0].categories == PTS_ARMED && pts_no_event(self->nfd) &&
	       pts_no_event(self->other);
}

/* --- NOTIFY --------------------------------------------------------------- */

TEST_F(uapi, notify_queue_len)
{
	struct {
		__u32 queue_len;
		int err;
	} t[] = {
		{ 1, 0 }, { 1048576, 0 },
		{ 1048577, -EINVAL }, { UINT32_MAX, -EINVAL },
	};
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		ret = pts_notify(self->ctl, t[i].queue_len);
		EXPECT_EQ(t[i].err, ret < 0 ? ret : 0) {
			TH_LOG("queue_len %u", t[i].queue_len);
		}
		close(ret);
	}
}

TEST_F(uapi, notify_event_size)
{
	struct ptshare_notify n = { .size = sizeof(n), .event_size = 7 };

	EXPECT_LE(0, pts_ioctl(self->ctl, PTSHARE_IOC_NOTIFY, &n));
	EXPECT_EQ(64, n.event_size);
	EXPECT_EQ(64, sizeof(struct ptshare_event));
	EXPECT_EQ(0, n.queue_len);
}

/* --- ARM ------------------------------------------------------------------- */

TEST_F(uapi, arm_refused)
{
	struct {
		__u64 offset, length;
		__u32 mode, on_kernel, on_close;
		int err;
	} t[] = {
		{ PG(2), 0, 0, 0, 0, -EINVAL },
		{ PG(2) + 1, PG(1), 0, 0, 0, -EINVAL },
		{ PG(2), PG(1) + 1, 0, 0, 0, -EINVAL },
		{ PG(2), 1, 0, 0, 0, -EINVAL },
		{ PG(2) + 512, PG(1), 0, 0, 0, -EINVAL },
		{ LENGTH, PG(1), 0, 0, 0, -EINVAL },
		{ PG(8), PG(9), 0, 0, 0, -EINVAL },
		{ -PG(1), PG(1), 0, 0, 0, -EINVAL },
		{ -PG(1), PG(3), 0, 0, 0, -EINVAL },
		{ PG(2), -PG(1), 0, 0, 0, -EINVAL },
		/* what is not known */
		{ PG(2), PG(1), 3, 0, 0, -EINVAL },
		{ PG(2), PG(1), UINT32_MAX, 0, 0, -EINVAL },
		{ PG(2), PG(1), 0, 3, 0, -EINVAL },
		{ PG(2), PG(1), 0, 0x80000000, 0, -EINVAL },
		{ PG(2), PG(1), 0, 0, 2, -EINVAL },
		{ PG(2), PG(1), 0, 0, 0x100, -EINVAL },
		/* holes */
		{ PG(4), PG(1), 0, 0, 0, -ENOENT },
		{ PG(3), PG(2), 0, 0, 0, -ENOENT },
		{ PG(2), PG(8), 0, 0, 0, -ENOENT },
		{ PG(9), PG(2), 0, 0, 0, -ENOENT },
		{ PG(15), PG(1), 0, 0, 0, -ENOENT },
		/* the backing's fd could only be read */
		{ PG(6), PG(1), 0, 0, 0, -EACCES },
		{ PG(6), PG(3), 0, 0, 0, -EACCES },
		{ PG(7), PG(2), 0, 0, 0, -EACCES },
		/* somebody else's */
		{ PG(8), PG(1), 0, 0, 0, -EBUSY },
		{ PG(8), PG(2), 0, 0, 0, -EBUSY },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct ptshare_arm a = {
			.offset = t[i].offset, .length = t[i].length,
			.mode = t[i].mode, .on_kernel = t[i].on_kernel,
			.on_close = t[i].on_close,
		};

		EXPECT_EQ(t[i].err, pts_arm_with(self->nfd, &a)) {
			TH_LOG("row %zu: %#llx+%#llx", i, a.offset, a.length);
		}
		EXPECT_TRUE(unchanged(self)) {
			TH_LOG("row %zu has changed something", i);
		}
	}
}

/* Parts of a refused range can be written as before, with nobody told. */
TEST_F(uapi, arm_all_or_nothing)
{
	EXPECT_EQ(-ENOENT, pts_arm(self->nfd, PG(2), PG(3), PTSHARE_SIGNAL, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 1));
	EXPECT_TRUE(pts_writes(self->win + PG(3), 1));
	EXPECT_EQ(-EBUSY, pts_arm(self->other, PG(1), PG(2), PTSHARE_SIGNAL,
				  0));
	EXPECT_TRUE(pts_writes(self->win + PG(2), 2));
	EXPECT_TRUE(unchanged(self));
	EXPECT_EQ(8, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
	EXPECT_EQ(4, pts_fdinfo(self->other, "ptshare-armed") / 1024);
}

TEST_F(uapi, arm_results)
{
	struct ptshare_arm a = {
		.offset = PG(2), .length = PG(2), .cookie = 9, .mode = 0,
		.armed_bytes = 7, .pinned = 7,
	};

	EXPECT_EQ(0, pts_arm_with(self->nfd, &a));
	EXPECT_EQ(PG(2), a.armed_bytes);
	EXPECT_EQ(0, a.pinned);
	EXPECT_EQ(9, a.cookie);
	/* Over what is armed already, and more. */
	a.offset = PG(1);
	a.length = PG(3);
	EXPECT_EQ(0, pts_arm_with(self->nfd, &a));
	EXPECT_EQ(PG(3), a.armed_bytes);
	EXPECT_EQ(16, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
}

/* It is the file's pages that are watched, whatever container shows them. */
TEST_F(uapi, arm_busy_in_another_container)
{
	int ctl = pts_create(LENGTH, PTS_RW), nfd;

	ASSERT_GE(ctl, 0);
	/* Page 0 of it is page 1 of the file, and so on. */
	ASSERT_EQ(0, pts_map(ctl, self->mem, PTS_RW, 0, PG(10), PG(1)));
	nfd = pts_notify(ctl, 0);
	ASSERT_GE(nfd, 0);
	EXPECT_EQ(-EBUSY, pts_arm(nfd, 0, PG(1), 0, 0));
	EXPECT_EQ(-EBUSY, pts_arm(nfd, 0, PG(3), 0, 0));
	EXPECT_EQ(-EBUSY, pts_arm(nfd, PG(7), PG(1), 0, 0));
	EXPECT_TRUE(unchanged(self));
	EXPECT_EQ(0, pts_arm(nfd, PG(1), PG(2), 0, 0));
	/* And a store through one is told to the other, in its own terms. */
	EXPECT_TRUE(pts_writes(self->win + PG(2), 5));
	EXPECT_TRUE(pts_told(nfd, 0, PG(1), getpid()));
	EXPECT_TRUE(unchanged(self));
	/* What is given up may be taken. */
	ASSERT_EQ(0, pts_resolve(self->nfd, PG(1), PG(1), PTSHARE_DISARM));
	EXPECT_EQ(0, pts_arm(nfd, 0, PG(1), 0, 0));
}

/* A range with several files behind it is armed in all of them. */
TEST_F(uapi, arm_several_files)
{
	int mem = pts_memfd_stamped(PG(4), 2);

	ASSERT_EQ(0, pts_map(self->ctl, mem, PTS_RW, PG(4), PG(2), PG(1)));
	ASSERT_EQ(0, pts_arm(self->nfd, PG(3), PG(3), 0, 0));
	EXPECT_TRUE(pts_writes(self->win + PG(3), 1));
	EXPECT_TRUE(pts_told(self->nfd, 0, PG(3), getpid()));
	EXPECT_EQ(1, pwrite(mem, "x", 1, PG(2)));
	EXPECT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_KERNEL |
			     PTSHARE_EVENT_F_SYSCALL, PG(5), getpid()));
	EXPECT_EQ(1, pwrite(mem, "x", 1, PG(3)));
	EXPECT_TRUE(pts_no_event(self->nfd));
}

/* --- RESOLVE ----------------------------------------------------------------- */

TEST_F(uapi, resolve_refused)
{
	struct {
		__u64 offset, length;
		__u32 action;
		int err;
	} t[] = {
		{ 0, 0, PTSHARE_ALLOW, -EINVAL },
		{ 1, PG(1), PTSHARE_ALLOW, -EINVAL },
		{ 0, PG(1) + 1, PTSHARE_ALLOW, -EINVAL },
		{ LENGTH, PG(1), PTSHARE_ALLOW, -EINVAL },
		{ 0, PG(17), PTSHARE_ALLOW, -EINVAL },
		{ -PG(1), PG(2), PTSHARE_ALLOW, -EINVAL },
		{ PG(1), -PG(1), PTSHARE_ALLOW, -EINVAL },
		{ 0, PG(1), 3, -EINVAL },
		{ 0, PG(1), UINT32_MAX, -EINVAL },
		/* not armed, a hole, another's */
		{ PG(2), PG(1), PTSHARE_ALLOW, -ENOENT },
		{ PG(1), PG(2), PTSHARE_ALLOW, -ENOENT },
		{ PG(1), PG(2), PTSHARE_FAIL, -ENOENT },
		{ PG(1), PG(2), PTSHARE_DISARM, -ENOENT },
		{ PG(4), PG(1), PTSHARE_DISARM, -ENOENT },
		{ PG(8), PG(1), PTSHARE_ALLOW, -ENOENT },
		{ PG(8), PG(1), PTSHARE_FAIL, -ENOENT },
		{ PG(8), PG(1), PTSHARE_DISARM, -ENOENT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, pts_resolve(self->nfd, t[i].offset,
						t[i].length, t[i].action)) {
			TH_LOG("row %zu", i);
		}
		EXPECT_TRUE(unchanged(self)) {
			TH_LOG("row %zu has changed something", i);
		}
	}
}

/* Held, but all of it written: there is nothing to allow or to refuse. */
TEST_F(uapi, resolve_needs_one_armed)
{
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(PTS_WRITTEN, pts_page_state(self->nfd, 0));
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, 0, PG(1), PTSHARE_ALLOW));
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, 0, PG(1), PTSHARE_FAIL));
	EXPECT_EQ(0, pts_resolve(self->nfd, 0, PG(2), PTSHARE_FAIL));
	EXPECT_EQ(0, pts_resolve(self->nfd, 0, PG(2), PTSHARE_ALLOW));
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, 0, PG(2), PTSHARE_ALLOW));
	EXPECT_EQ(0, pts_resolve(self->nfd, 0, PG(2), PTSHARE_DISARM));
	EXPECT_EQ(-ENOENT, pts_resolve(self->nfd, 0, PG(2), PTSHARE_DISARM));
}

/* The holder's own DISARM is no event; the range is as if never armed. */
TEST_F(uapi, resolve_disarm)
{
	struct ptshare_scan_region r;

	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(2), PTSHARE_DISARM));
	EXPECT_TRUE(pts_writes(self->win, 1));
	EXPECT_TRUE(pts_no_event(self->nfd));
	EXPECT_EQ(0, pts_scan(self->nfd, 0, 0, LENGTH, PTS_STATES, &r, 1));
	EXPECT_EQ(0, pts_fdinfo(self->nfd, "ptshare-armed") / 1024);
	EXPECT_EQ(0, pts_arm(self->other, 0, PG(2), 0, 0));
}

#define TURNS_MS	3000
#define BETWEEN		16384

struct turns {
	int nfd;
	__u64 length;
};

/* Arms a page whenever it is free; what is armed then stays so. */
static int take_turns(int sock, void *arg)
{
	__u64 until = pts_now_ms() + TURNS_MS;
	const struct turns *t = arg;
	unsigned int turns = 0;
	int err;

	while (pts_now_ms() < until) {
		err = pts_arm(t->nfd, 0, t->length, 0, 0);
		if (err == -EBUSY)
			continue;
		if (err)
			return 1;
		if (pts_page_state(t->nfd, 0) != PTS_ARMED)
			return 2;
		if (pts_resolve(t->nfd, 0, t->length, PTSHARE_DISARM))
			return 3;
		turns++;
	}
	return turns < 10 ? 4 : 0;
}

/*
 * Who gives up a page has no business with who gets it. One of two containers
 * shows it twice, with much of another file between, so that there is time.
 */
TEST_F(uapi, disarmed_for_another_container)
{
	const __u64 length = PG(BETWEEN + 2);
	struct turns once = { .length = PG(1) }, twice = { .length = length };
	int big, ctl[2];
	struct pts_child c;

	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(2), PTSHARE_DISARM));
	big = pts_memfd(PG(BETWEEN), 0);
	ctl[0] = pts_create(length, PTS_RW);
	ctl[1] = pts_create(length, PTS_RW);
	ASSERT_EQ(0, pts_map(ctl[0], self->mem, PTS_RW, 0, PG(1), 0));
	ASSERT_EQ(0, pts_map(ctl[1], self->mem, PTS_RW, 0, PG(1), 0));
	ASSERT_EQ(0, pts_map(ctl[1], big, PTS_RW, PG(1), PG(BETWEEN), 0));
	ASSERT_EQ(0, pts_map(ctl[1], self->mem, PTS_RW, PG(BETWEEN + 1), PG(1),
			     0));
	once.nfd = pts_notify(ctl[0], 0);
	twice.nfd = pts_notify(ctl[1], 0);
	ASSERT_EQ(0, pts_fork(&c, take_turns, &once));
	EXPECT_EQ(0, take_turns(-1, &twice));
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(0, pts_arm(self->nfd, 0, PG(1), 0, 0));
}

/* --- wrong fds --------------------------------------------------------------- */

/* A notify fd is armed, resolved and scanned, and nothing else. */
TEST_F(uapi, notify_fd_does_nothing_else)
{
	struct ptshare_info info;

	EXPECT_EQ(-EPERM, pts_info(self->nfd, &info));
	EXPECT_EQ(-EPERM, pts_notify(self->nfd, 0));
	EXPECT_EQ(-EPERM, pts_attach(self->nfd));
	EXPECT_EQ(-EPERM, pts_seal(self->nfd, PTSHARE_SEAL_PROT));
	EXPECT_EQ(-EPERM, pts_unmap(self->nfd, 0, PG(1)));
	EXPECT_EQ(-EPERM, pts_protect(self->nfd, 0, PG(1), PTS_RO));
	EXPECT_EQ(-ENOTTY, pts_ioctl(self->nfd, _IO(PTSHARE_IOC_TYPE, 0x53),
				     &info));
	EXPECT_EQ(MAP_FAILED, pts_window(self->nfd, PG(1), 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENOTTY, pts_arm(self->mem, 0, PG(1), 0, 0));
}

/* Another container's notify fd sees nothing of this one. */
TEST_F(uapi, each_fd_its_own)
{
	struct ptshare_scan_region r;

	EXPECT_EQ(0, pts_scan(self->other, 0, 0, PG(8), PTS_STATES, &r, 1));
	EXPECT_TRUE(pts_writes(self->win, 1));
	EXPECT_TRUE(pts_no_event(self->other));
	EXPECT_EQ(0, pts_written(self->other, 0, 0, LENGTH));
	EXPECT_EQ(1, pts_written(self->nfd, 0, 0, LENGTH));
	EXPECT_EQ(1, pts_drain(self->nfd));
}

/* A sealed layout or protection does not forbid to watch. */
TEST_F(uapi, sealed_container)
{
	ASSERT_EQ(0, pts_seal(self->ctl, PTSHARE_SEAL_LAYOUT |
			      PTSHARE_SEAL_PROT | PTSHARE_SEAL_SEAL));
	EXPECT_EQ(0, pts_arm(self->nfd, PG(2), PG(1), 0, 0));
	EXPECT_LE(0, pts_notify(self->ctl, 0));
}

/* --- rights ------------------------------------------------------------------- */

#define NOBODY		65534

struct right {
	const char *what;
	struct ptshare_arm arm;
	int of_stranger, of_owner, of_lease, of_ptrace;
};

/* A way for each parameter to ask for more than to be told. */
static const struct right rights[] = {
	{ "async", {}, 0, 0, 0, 0 },
	{ "block", { .mode = PTSHARE_BLOCK }, -EPERM, 0, 0, -EPERM },
	{ "signal", { .mode = PTSHARE_SIGNAL }, -EPERM, 0, 0, -EPERM },
	{ "fail", { .on_kernel = PTSHARE_KERNEL_FAIL }, -EPERM, 0, 0, -EPERM },
	{ "close", { .on_close = PTSHARE_CLOSE_SIGNAL }, -EPERM, 0, 0, -EPERM },
	{ "kernel", { .on_kernel = PTSHARE_KERNEL_BLOCK },
	  -EPERM, -EPERM, -EPERM, -EPERM },
	{ "ever", { .mode = PTSHARE_BLOCK, .timeout_ns = FOR_EVER },
	  -EPERM, -EPERM, -EPERM, -EPERM },
	{ "an hour", { .mode = PTSHARE_BLOCK, .timeout_ns = HOUR_NS },
	  -EPERM, 0, 0, -EPERM },
	{ "more", { .mode = PTSHARE_BLOCK, .timeout_ns = HOUR_NS + 1 },
	  -EPERM, -EPERM, -EPERM, -EPERM },
};

struct rights_of {
	int nfd;
	__u64 caps;
	size_t column;		/* offset in struct right */
};

/* The number of rows that were not as they should be. */
static int try_rights(int sock, void *arg)
{
	const struct rights_of *who = arg;
	int wrong = 0, ret, want;
	struct ptshare_arm a;
	size_t i;

	if (pts_become(NOBODY, who->caps))
		return 100;
	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		a = rights[i].arm;
		a.offset = PG(2);
		a.length = PG(1);
		want = *(const int *)((const char *)&rights[i] + who->column);
		ret = pts_arm_with(who->nfd, &a);
		if (!ret)
			ret = pts_resolve(who->nfd, PG(2), PG(1),
					  PTSHARE_DISARM);
		if (ret == want)
			continue;
		printf("# %s: %d wanted %d\n", rights[i].what, ret, want);
		wrong++;
	}
	return wrong;
}

static int rights_wrong(struct _test_data_uapi *self, __u64 caps, size_t column)
{
	struct rights_of who = { self->nfd, caps, column };
	struct pts_child c;

	return pts_fork(&c, try_rights, &who) ?: pts_join(&c);
}

TEST_F(uapi, rights_of_a_stranger)
{
	EXPECT_EQ(0, rights_wrong(self, 0, offsetof(struct right,
						    of_stranger)));
	EXPECT_TRUE(unchanged(self));
}

TEST_F(uapi, rights_of_the_owner)
{
	ASSERT_EQ(0, fchown(self->mem, NOBODY, NOBODY));
	EXPECT_EQ(0, rights_wrong(self, 0, offsetof(struct right, of_owner)));
}

TEST_F(uapi, rights_by_cap_lease)
{
	EXPECT_EQ(0, rights_wrong(self, 1ULL << CAP_LEASE,
				  offsetof(struct right, of_lease)));
}

/* To stop others one needs both: this one is no substitute. */
TEST_F(uapi, rights_by_cap_sys_ptrace)
{
	EXPECT_EQ(0, rights_wrong(self, 1ULL << CAP_SYS_PTRACE,
				  offsetof(struct right, of_ptrace)));
}

static int owner_with_ptrace(int sock, void *arg)
{
	struct _test_data_uapi *self = arg;
	struct ptshare_arm a = {
		.offset = PG(2), .length = PG(1), .mode = PTSHARE_BLOCK,
		.on_kernel = PTSHARE_KERNEL_BLOCK, .timeout_ns = FOR_EVER,
	};

	return pts_become(NOBODY, 1ULL << CAP_SYS_PTRACE) ?:
	       -pts_arm_with(self->nfd, &a);
}

TEST_F(uapi, rights_of_the_owner_with_ptrace)
{
	struct pts_child c;

	ASSERT_EQ(0, fchown(self->mem, NOBODY, NOBODY));
	ASSERT_EQ(0, pts_fork(&c, owner_with_ptrace, self));
	EXPECT_EQ(0, pts_join(&c));
}

/* A range of which one file is a stranger's is not stopped at all. */
static int half_owner(int sock, void *arg)
{
	struct _test_data_uapi *self = arg;

	return pts_become(NOBODY, 0) ?:
	       pts_arm(self->nfd, PG(3), PG(2), PTSHARE_BLOCK, 0) == -EPERM ?
	       pts_arm(self->nfd, PG(4), PG(1), PTSHARE_BLOCK, 0) : 1;
}

TEST_F(uapi, rights_in_all_files)
{
	int mem = pts_memfd_stamped(PG(1), 2);
	struct pts_child c;

	ASSERT_EQ(0, fchown(mem, NOBODY, NOBODY));
	ASSERT_EQ(0, pts_map(self->ctl, mem, PTS_RW, PG(4), PG(1), 0));
	ASSERT_EQ(0, pts_fork(&c, half_owner, self));
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(0, pts_page_state(self->nfd, PG(3)));
}

TEST_HARNESS_MAIN
