// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays: the memory cgroup of the creator, for pages and tables, whoever
 * touches them. When it is full and nothing can be freed, an access that needs
 * memory fails at once and for everybody, and nobody gets round the limit.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "cg.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define MIB		0x100000ULL
#define LIMIT		(4 * MIB)
/* An access that fails shall do so before a user thinks it hangs. */
#define FAULT_MS	15000

enum { CMD_QUIT, CMD_TOUCH, CMD_READ_BACK, CMD_KERNEL_WRITES_NEXT };

struct answer {
	__u64 pages;		/* touched so far, all calls together */
	__u64 sig, code, addr_ok;
	__u64 ms;		/* of the slowest access */
};

FIXTURE(memcg)
{
	struct cg creator, client;
	__u64 size, step;	/* of the container; distance of touches */
	bool creator_stays;
	enum pts_via via;
	struct pts_child owner;
	int fd;
};

FIXTURE_VARIANT(memcg)
{
	enum pts_via via;
	bool creator_stays;
};

FIXTURE_VARIANT_ADD(memcg, control) { PTS_VIA_CONTROL, true };
FIXTURE_VARIANT_ADD(memcg, attach) { PTS_VIA_ATTACH, true };
FIXTURE_VARIANT_ADD(memcg, attach_creator_gone) { PTS_VIA_ATTACH, false };

FIXTURE_SETUP(memcg)
{
	if (!cg_available())
		SKIP(return, "no cgroup v2 with the memory controller");
	ASSERT_EQ(0, cg_make(&self->creator, "creator"));
	ASSERT_EQ(0, cg_make(&self->client, "client"));
	cg_write(&self->creator, "memory.swap.max", "0");
	self->via = variant->via;
	self->creator_stays = variant->creator_stays;
	self->step = pts_psz;
}

FIXTURE_TEARDOWN(memcg)
{
	if (self->fd > 0)
		close(self->fd);
	if (self->owner.pid)
		pts_join(&self->owner);
	cg_destroy(&self->client);
	cg_destroy(&self->creator);
}

static int creator_main(int sock, void *arg)
{
	struct _test_data_memcg *self = arg;
	__u64 cmd;
	int ctl, mem;

	if (cg_enter(&self->creator))
		return 1;
	mem = pts_memfd(self->size, 0);
	ctl = pts_create(self->size, PTS_RW);
	if (pts_map(ctl, mem, PTS_RW, 0, self->size, 0))
		return 2;
	if (pts_send_fd(sock, pts_client_fd(ctl, self->via)))
		return 3;
	if (self->creator_stays)
		pts_recv(sock, &cmd);
	return 0;
}

/* A container of @size that self->creator made; its fd in self->fd. */
static void make_container(struct __test_metadata *_metadata,
			   struct _test_data_memcg *self, __u64 size)
{
	self->size = size;
	ASSERT_EQ(0, pts_fork(&self->owner, creator_main, self));
	self->fd = pts_recv_fd(self->owner.sock);
	ASSERT_GE(self->fd, 0);
	if (self->creator_stays)
		return;
	ASSERT_EQ(0, pts_join(&self->owner));
	self->owner.pid = 0;
}

/* Touches until the end or a fault; goes on from there the next time. */
static void touch(struct _test_data_memcg *self, char *win, struct answer *a)
{
	a->sig = 0;
	a->ms = 0;
	while (a->pages * self->step < self->size) {
		char *at = win + a->pages * self->step;
		__u64 start = pts_now_ms(), ms;
		struct pts_fault f = pts_write8(at, pts_stamp(3, a->pages));

		ms = pts_now_ms() - start;
		if (ms > a->ms)
			a->ms = ms;
		if (f.sig) {
			a->sig = f.sig;
			a->code = f.code;
			a->addr_ok = f.addr == at;
			return;
		}
		a->pages++;
	}
}

/*
 * The kernel writes where memory is wanted, and needs none itself for that. A
 * few pages may have become free since the last access.
 */
static int kernel_writes(char *at)
{
	int i;

	for (i = 0; i < 64; i++)
		if (syscall(__NR_uname, at + PG(i)))
			return errno;
	return 0;
}

static int client_main(int sock, void *arg)
{
	struct _test_data_memcg *self = arg;
	struct answer a = {};
	char *win;
	__u64 cmd, i;

	if (cg_enter(&self->client))
		return 1;
	win = pts_window(self->fd, self->size, 0);
	if (win == MAP_FAILED)
		return 2;
	while (!pts_recv(sock, &cmd) && cmd != CMD_QUIT) {
		if (cmd == CMD_TOUCH) {
			touch(self, win, &a);
			if (send(sock, &a, sizeof(a), 0) != sizeof(a))
				return 3;
			continue;
		}
		if (cmd == CMD_KERNEL_WRITES_NEXT) {
			pts_send(sock, kernel_writes(win +
						     a.pages * self->step));
			continue;
		}
		for (i = 0; i < a.pages; i++)
			if (!pts_reads(win + i * self->step, pts_stamp(3, i)))
				break;
		pts_send(sock, i);
	}
	return 0;
}

static void start_client(struct __test_metadata *_metadata,
			 struct _test_data_memcg *self, struct pts_child *c)
{
	ASSERT_EQ(0, pts_fork(c, client_main, self));
}

static void ask_touch(struct __test_metadata *_metadata, struct pts_child *c,
		      struct answer *a)
{
	ASSERT_EQ(0, pts_send(c->sock, CMD_TOUCH));
	ASSERT_EQ(sizeof(*a), recv(c->sock, a, sizeof(*a), MSG_WAITALL));
}

static void quit(struct __test_metadata *_metadata, struct pts_child *c)
{
	pts_send(c->sock, CMD_QUIT);
	EXPECT_EQ(0, pts_join(c));
}

TEST_F(memcg, creator_pays_for_pages)
{
	struct pts_child c;
	struct answer a;

	make_container(_metadata, self, 6 * MIB);
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_EQ(6 * MIB / pts_psz, a.pages);
	EXPECT_LE(6 * MIB, cg_memory_stat(&self->creator, "shmem", 6 * MIB));
	EXPECT_GE(1 * MIB, cg_stat(&self->client, "memory.stat", "shmem"));
	EXPECT_LE(6 * MIB, cg_read(&self->creator, "memory.current"));
	EXPECT_GE(5 * MIB, cg_read(&self->client, "memory.current"));
	quit(_metadata, &c);
}

/* One page in each of 128 tables. */
TEST_F(memcg, creator_pays_for_tables)
{
	const long long tables = 128 * pts_psz;
	struct pts_child c;
	struct answer a;

	self->step = 2 * MIB;
	make_container(_metadata, self, 256 * MIB);
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_LE(tables,
		  cg_memory_stat(&self->creator, "pagetables", tables));
	/* The client may have as many of its own, but not the container's. */
	EXPECT_GE(tables + tables * 3 / 4,
		  cg_stat(&self->client, "memory.stat", "pagetables"));
	quit(_metadata, &c);
}

/* The client's own limit has nothing to do with it. */
TEST_F(memcg, client_limit_does_not_count)
{
	struct pts_child c;
	struct answer a;

	make_container(_metadata, self, 14 * MIB);
	ASSERT_EQ(0, cg_write_bytes(&self->client, "memory.max", 8 * MIB));
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_EQ(14 * MIB / pts_psz, a.pages);
	quit(_metadata, &c);
	EXPECT_EQ(0, cg_stat(&self->client, "memory.events", "oom_kill"));
}

/* Nobody gets round the creator's limit by letting others touch. */
TEST_F_TIMEOUT(memcg, limit_can_not_be_escaped, 90)
{
	struct pts_child c;
	struct answer a;
	__u64 before;

	make_container(_metadata, self, 8 * MIB);
	ASSERT_EQ(0, cg_write_bytes(&self->creator, "memory.max", LIMIT));
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(SIGBUS, a.sig);
	EXPECT_EQ(BUS_ADRERR, a.code);
	EXPECT_EQ(1, a.addr_ok);
	EXPECT_LT(0, a.pages);
	EXPECT_GE(LIMIT / pts_psz, a.pages);
	EXPECT_GT(FAULT_MS, a.ms);
	EXPECT_GE(LIMIT, cg_read(&self->creator, "memory.current"));
	/* Again, and from the kernel: no memory is no memory. */
	before = a.pages;
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(SIGBUS, a.sig);
	EXPECT_LE(before, a.pages);
	EXPECT_GT(FAULT_MS, a.ms);
	EXPECT_EQ(EFAULT, pts_ask(c.sock, CMD_KERNEL_WRITES_NEXT));
	/* What was there stays readable; the client pays for nothing. */
	EXPECT_EQ(a.pages, pts_ask(c.sock, CMD_READ_BACK));
	EXPECT_GE(1 * MIB, cg_stat(&self->client, "memory.stat", "shmem"));
	EXPECT_EQ(0, cg_stat(&self->client, "memory.events", "oom_kill"));
	/* More room: the same access goes on as if nothing had been. */
	ASSERT_EQ(0, cg_write_bytes(&self->creator, "memory.max", 64 * MIB));
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_EQ(8 * MIB / pts_psz, a.pages);
	EXPECT_EQ(a.pages, pts_ask(c.sock, CMD_READ_BACK));
	quit(_metadata, &c);
}

/* Told in memory: a full group has none for a message either. */
struct member {
	struct _test_data_memcg *self;
	struct answer a;
	int kernel_err;
	int done;
};

static int member_main(int sock, void *arg)
{
	struct member *m = arg;
	__u64 cmd;
	char *win;

	/* What it needs for itself it shall have before the group is full. */
	if (cg_enter(&m->self->creator) || mlockall(MCL_CURRENT))
		return 1;
	win = pts_window(m->self->fd, m->self->size, 0);
	if (win == MAP_FAILED || pts_send(sock, 1) || pts_recv(sock, &cmd))
		return 2;
	touch(m->self, win, &m->a);
	m->kernel_err = kernel_writes(win + m->a.pages * m->self->step);
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	pts_recv(sock, &cmd);
	touch(m->self, win, &m->a);
	return m->a.sig;
}

/* Who belongs to the group and can't be killed does not spin either. */
TEST_F_TIMEOUT(memcg, limit_for_members, 90)
{
	struct member *m = mmap(NULL, pts_psz, PTS_RW, MAP_SHARED |
				MAP_ANONYMOUS, -1, 0);
	struct pts_child c;
	__u64 up, until;

	m->self = self;
	ASSERT_EQ(0, pts_spit("/proc/self/oom_score_adj", "-1000"));
	make_container(_metadata, self, 8 * MIB);
	ASSERT_EQ(0, pts_fork(&c, member_main, m));
	ASSERT_EQ(0, pts_recv(c.sock, &up));
	ASSERT_EQ(0, cg_write_bytes(&self->creator, "memory.max", LIMIT));
	pts_send(c.sock, 1);
	until = pts_now_ms() + 3 * FAULT_MS;
	while (!__atomic_load_n(&m->done, __ATOMIC_ACQUIRE) &&
	       pts_now_ms() < until)
		usleep(20000);
	EXPECT_EQ(1, m->done);
	EXPECT_EQ(SIGBUS, m->a.sig);
	EXPECT_EQ(BUS_ADRERR, m->a.code);
	EXPECT_GT(FAULT_MS, m->a.ms);
	EXPECT_EQ(EFAULT, m->kernel_err);
	ASSERT_EQ(0, cg_write(&self->creator, "memory.max", "max"));
	pts_send(c.sock, 1);
	EXPECT_EQ(0, pts_join(&c));
	EXPECT_EQ(8 * MIB / pts_psz, m->a.pages);
}

/* Many at once do not spin against each other. */
TEST_F_TIMEOUT(memcg, limit_with_many_clients, 90)
{
	struct pts_child c[6];
	struct answer a;
	int i;

	make_container(_metadata, self, 8 * MIB);
	ASSERT_EQ(0, cg_write_bytes(&self->creator, "memory.max", LIMIT));
	for (i = 0; i < 6; i++) {
		start_client(_metadata, self, &c[i]);
		ASSERT_EQ(0, pts_send(c[i].sock, CMD_TOUCH));
	}
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(sizeof(a), recv(c[i].sock, &a, sizeof(a),
					  MSG_WAITALL));
		EXPECT_EQ(SIGBUS, a.sig);
		EXPECT_GT(FAULT_MS, a.ms);
		EXPECT_GE(LIMIT / pts_psz, a.pages);
	}
	EXPECT_GE(LIMIT, cg_read(&self->creator, "memory.current"));
	for (i = 0; i < 6; i++)
		quit(_metadata, &c[i]);
}

/* Where memory can be freed, it is: the data go to swap and come back. */
TEST_F_TIMEOUT(memcg, limit_with_swap, 120)
{
	struct pts_child c;
	struct answer a;

	if (!swap_available())
		SKIP(return, "no swap area");
	make_container(_metadata, self, 5 * MIB);
	ASSERT_EQ(0, cg_write(&self->creator, "memory.swap.max", "max"));
	ASSERT_EQ(0, cg_write_bytes(&self->creator, "memory.max", LIMIT));
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_EQ(5 * MIB / pts_psz, a.pages);
	EXPECT_EQ(a.pages, pts_ask(c.sock, CMD_READ_BACK));
	EXPECT_GE(LIMIT, cg_read(&self->creator, "memory.current"));
	quit(_metadata, &c);
}

/* The group is gone: somebody above pays, and nothing breaks. */
TEST_F(memcg, creator_group_removed)
{
	struct pts_child c;
	struct answer a;

	self->creator_stays = false;
	make_container(_metadata, self, 4 * MIB);
	start_client(_metadata, self, &c);
	cg_destroy(&self->creator);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_EQ(4 * MIB / pts_psz, a.pages);
	EXPECT_EQ(a.pages, pts_ask(c.sock, CMD_READ_BACK));
	EXPECT_GE(1 * MIB, cg_stat(&self->client, "memory.stat", "shmem"));
	quit(_metadata, &c);
}

/* What a container took is given back when it ends. */
TEST_F(memcg, released_with_container)
{
	struct pts_child c;
	struct answer a;
	int i;

	make_container(_metadata, self, 4 * MIB);
	start_client(_metadata, self, &c);
	ask_touch(_metadata, &c, &a);
	EXPECT_EQ(0, a.sig);
	EXPECT_LE(4 * MIB, cg_read(&self->creator, "memory.current"));
	quit(_metadata, &c);
	close(self->fd);
	self->fd = -1;
	if (self->owner.pid)
		EXPECT_EQ(0, pts_join(&self->owner));
	self->owner.pid = 0;
	for (i = 0; i < 50; i++) {
		if (cg_read(&self->creator, "memory.current") < 2 * MIB)
			break;
		usleep(100000);
	}
	EXPECT_GT(2 * MIB, cg_read(&self->creator, "memory.current"));
}

TEST_HARNESS_MAIN
