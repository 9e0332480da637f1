// SPDX-License-Identifier: GPL-2.0
/* PROTECT: by offset, for all processes at once, all ranges or none. */
#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		64

FIXTURE(protect)
{
	struct pts_rig rig;
};

FIXTURE_VARIANT(protect)
{
	enum pts_via via;
};

FIXTURE_VARIANT_ADD(protect, control) { PTS_VIA_CONTROL };
FIXTURE_VARIANT_ADD(protect, attach) { PTS_VIA_ATTACH };

FIXTURE_SETUP(protect)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, variant->via, PAGES));
}

FIXTURE_TEARDOWN(protect)
{
	pts_rig_free(&self->rig);
}

static char *page(struct _test_data_protect *self, unsigned int nr)
{
	return self->rig.win + PG(nr);
}

static void expect_read_only(struct __test_metadata *_metadata,
			     struct _test_data_protect *self, unsigned int nr)
{
	char *at = page(self, nr);

	EXPECT_TRUE(pts_reads(at, pts_stamp(1, PG(nr))));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGSEGV, SEGV_ACCERR, at));
}

static void expect_read_write(struct __test_metadata *_metadata,
			      struct _test_data_protect *self, unsigned int nr)
{
	EXPECT_TRUE(pts_writes(page(self, nr), pts_stamp(1, PG(nr))));
}

#define EXPECT_READ_ONLY(nr)	expect_read_only(_metadata, self, nr)
#define EXPECT_READ_WRITE(nr)	expect_read_write(_metadata, self, nr)

/* Pages that were writable, readable and untouched before. */
TEST_F(protect, to_read_only)
{
	EXPECT_READ_WRITE(4);
	EXPECT_TRUE(pts_reads(page(self, 5), pts_stamp(1, PG(5))));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(4), PG(4), PTS_RO));
	EXPECT_READ_ONLY(4);
	EXPECT_READ_ONLY(5);
	EXPECT_READ_ONLY(6);
	EXPECT_READ_WRITE(3);
	EXPECT_READ_WRITE(8);
}

/* The address is that of the access, not of its page. */
TEST_F(protect, si_addr_is_exact)
{
	char *at = page(self, 2) + 1234;

	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(2), PG(1), PTS_RO));
	EXPECT_TRUE(pts_fault_is(pts_write1(at, 1), SIGSEGV, SEGV_ACCERR, at));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(2), PG(1), PROT_NONE));
	EXPECT_TRUE(pts_fault_is(pts_write1(at, 1), SIGSEGV, SEGV_ACCERR, at));
}

TEST_F(protect, back_to_read_write)
{
	EXPECT_TRUE(pts_writes(page(self, 1), 41));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(PAGES), PTS_RO));
	EXPECT_TRUE(pts_reads(page(self, 1), 41));
	EXPECT_READ_ONLY(2);
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(PAGES), PTS_RW));
	EXPECT_TRUE(pts_reads(page(self, 1), 41));
	EXPECT_TRUE(pts_writes(page(self, 1), 42));
	EXPECT_READ_WRITE(2);
	EXPECT_READ_WRITE(PAGES - 1);
}

TEST_F(protect, none_and_back)
{
	char *at = page(self, 3);
	__u64 val;

	EXPECT_TRUE(pts_writes(at, 33));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(3), PG(1), PROT_NONE));
	EXPECT_TRUE(pts_region_is(self->rig.fd, 1, PG(3), PG(1), PG(3),
				  PROT_NONE));
	EXPECT_TRUE(pts_fault_is(pts_read8(at, &val), SIGSEGV, SEGV_ACCERR,
				 at));
	EXPECT_TRUE(pts_fault_is(pts_write8(at, 1), SIGSEGV, SEGV_ACCERR, at));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(3), PG(1), PTS_RO));
	EXPECT_TRUE(pts_reads(at, 33));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(3), PG(1), PTS_RW));
	EXPECT_TRUE(pts_writes(at, 34));
}

TEST_F(protect, splits_and_merges)
{
	int fd = self->rig.fd;

	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(10), PG(5), PTS_RO));
	EXPECT_EQ(3, pts_nr_regions(fd));
	EXPECT_TRUE(pts_region_is(fd, 0, 0, PG(10), 0, PTS_RW));
	EXPECT_TRUE(pts_region_is(fd, 1, PG(10), PG(5), PG(10), PTS_RO));
	EXPECT_TRUE(pts_region_is(fd, 2, PG(15), PG(PAGES - 15), PG(15),
				  PTS_RW));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(12), PG(8), PTS_RW));
	EXPECT_EQ(3, pts_nr_regions(fd));
	EXPECT_TRUE(pts_region_is(fd, 1, PG(10), PG(2), PG(10), PTS_RO));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(8), PG(8), PTS_RW));
	EXPECT_EQ(1, pts_nr_regions(fd));
	EXPECT_TRUE(pts_region_is(fd, 0, 0, PG(PAGES), 0, PTS_RW));
}

/* A range may cover several regions of several files. */
TEST_F(protect, across_regions)
{
	int other = pts_memfd_stamped(PG(4), 9);

	ASSERT_EQ(0, pts_replace(self->rig.ctl, other, PTS_RW, PG(4), PG(4),
				 0));
	ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(2), PG(8), PTS_RO));
	EXPECT_READ_ONLY(2);
	EXPECT_READ_ONLY(9);
	EXPECT_TRUE(pts_reads(page(self, 5), pts_stamp(9, PG(1))));
	EXPECT_EQ(SIGSEGV, pts_write8(page(self, 5), 1).sig);
	EXPECT_READ_WRITE(1);
	EXPECT_READ_WRITE(10);
}

TEST_F(protect, vector)
{
	struct ptshare_range_prot r[] = {
		{ PG(2), PG(1), PTS_RO },
		{ PG(4), PG(2), PROT_NONE },
		{ PG(8), PG(1), PTS_RO },
	};
	__u64 val;

	ASSERT_EQ(0, pts_protect_vec(self->rig.ctl, r, 3, NULL));
	EXPECT_READ_WRITE(1);
	EXPECT_READ_ONLY(2);
	EXPECT_READ_WRITE(3);
	EXPECT_EQ(SIGSEGV, pts_read8(page(self, 5), &val).sig);
	EXPECT_READ_WRITE(6);
	EXPECT_READ_ONLY(8);
	EXPECT_EQ(7, pts_nr_regions(self->rig.fd));
}

TEST_F(protect, vector_in_any_order)
{
	struct ptshare_range_prot r[] = {
		{ PG(30), PG(1), PTS_RO },
		{ PG(2), PG(1), PTS_RO },
		{ PG(20), PG(3), PTS_RO },
		/* touching is not overlapping */
		{ PG(23), PG(1), PROT_NONE },
		{ PG(19), PG(1), PTS_RO },
	};

	ASSERT_EQ(0, pts_protect_vec(self->rig.ctl, r, 5, NULL));
	EXPECT_READ_ONLY(2);
	EXPECT_READ_ONLY(19);
	EXPECT_READ_ONLY(20);
	EXPECT_READ_ONLY(22);
	EXPECT_EQ(SIGSEGV, pts_write8(page(self, 23), 1).sig);
	EXPECT_READ_WRITE(24);
	EXPECT_READ_ONLY(30);
	EXPECT_TRUE(pts_region_is(self->rig.fd, 3, PG(19), PG(4), PG(19),
				  PTS_RO));
}

/* The refused range @failed is told, and no range was changed. */
static void expect_none_changed(struct __test_metadata *_metadata,
				struct pts_rig *rig,
				const struct ptshare_range_prot *r, __u32 nr,
				int err, __u32 index)
{
	struct pts_snap before, after;
	__u32 failed = UINT32_MAX;

	ASSERT_EQ(0, pts_snap_take(rig->ctl, &before));
	EXPECT_EQ(err, pts_protect_vec(rig->ctl, r, nr, &failed));
	EXPECT_EQ(index, failed);
	ASSERT_EQ(0, pts_snap_take(rig->ctl, &after));
	EXPECT_TRUE(pts_snap_equal(&before, &after));
	pts_snap_free(&before);
	pts_snap_free(&after);
}

TEST_F(protect, all_or_none)
{
	struct ptshare_range_prot hole[] = {
		{ PG(2), PG(1), PTS_RO },
		{ PG(6), PG(1), PTS_RO },
		{ PG(PAGES), PG(1), PTS_RO },
		{ PG(8), PG(1), PTS_RO },
	};
	struct ptshare_range_prot denied[] = {
		{ PG(2), PG(1), PTS_RO },
		{ PG(4), PG(1), PTS_RO | PROT_EXEC },
		{ PG(PAGES), PG(1), PTS_RO },
	};
	struct ptshare_range_prot invalid[] = {
		{ PG(2), PG(1), PTS_RO },
		{ PG(4), PG(1), PTS_RO },
		{ PG(6), PG(1), PROT_WRITE },
		{ PG(8), PG(1), PTS_RO | PROT_EXEC },
	};

	EXPECT_READ_WRITE(2);
	expect_none_changed(_metadata, &self->rig, hole, 4, -ENOENT, 2);
	expect_none_changed(_metadata, &self->rig, denied, 3, -EACCES, 1);
	expect_none_changed(_metadata, &self->rig, invalid, 4, -EINVAL, 2);
	EXPECT_READ_WRITE(2);
	EXPECT_READ_WRITE(4);
	EXPECT_READ_WRITE(8);
}

/* The first in the order of the array is told, whatever its errno. */
TEST_F(protect, first_refused_is_told)
{
	struct ptshare_range_prot r[] = {
		{ PG(2), PG(1), PTS_RO },
		{ PG(PAGES), PG(1), PTS_RO },		/* ENOENT */
		{ PG(4), PG(1), PROT_WRITE },		/* EINVAL */
		{ PG(6), PG(1), PROT_EXEC },		/* EACCES */
	};

	/* Of two ranges that overlap it is the later one that is refused. */
	struct ptshare_range_prot o[] = {
		{ PG(2), PG(4), PTS_RO },
		{ PG(3), PG(1), PTS_RO },		/* EINVAL */
		{ PG(PAGES), PG(1), PTS_RO },		/* ENOENT */
		{ PG(4), PG(1), PROT_WRITE },		/* EINVAL */
	};
	struct ptshare_range_prot late[] = {
		{ PG(2), PG(4), PTS_RO },
		{ PG(PAGES), PG(1), PTS_RO },		/* ENOENT */
		{ PG(3), PG(1), PTS_RO },		/* EINVAL */
	};

	expect_none_changed(_metadata, &self->rig, r, 4, -ENOENT, 1);
	expect_none_changed(_metadata, &self->rig, r + 2, 2, -EINVAL, 0);
	expect_none_changed(_metadata, &self->rig, r + 3, 1, -EACCES, 0);
	expect_none_changed(_metadata, &self->rig, o, 4, -EINVAL, 1);
	expect_none_changed(_metadata, &self->rig, late, 3, -ENOENT, 1);
}

TEST_F(protect, overlap)
{
	struct ptshare_range_prot same[] = {
		{ PG(2), PG(1), PTS_RO }, { PG(2), PG(1), PTS_RO },
	};
	struct ptshare_range_prot partial[] = {
		{ PG(20), PG(1), PTS_RO },
		{ PG(5), PG(4), PTS_RO },
		{ PG(2), PG(4), PTS_RO },
	};
	struct ptshare_range_prot nested[] = {
		{ PG(10), PG(10), PTS_RO },
		{ PG(30), PG(1), PTS_RO },
		{ PG(12), PG(1), PTS_RW },
	};

	expect_none_changed(_metadata, &self->rig, same, 2, -EINVAL, 1);
	expect_none_changed(_metadata, &self->rig, partial, 3, -EINVAL, 2);
	expect_none_changed(_metadata, &self->rig, nested, 3, -EINVAL, 2);
}

TEST_F(protect, count_limits)
{
	struct ptshare_range_prot *r = calloc(65537, sizeof(*r));
	__u32 i;

	for (i = 0; i < 65537; i++)
		r[i] = (struct ptshare_range_prot) { PG(i), PG(1), PTS_RO };
	EXPECT_EQ(-EINVAL, pts_protect_vec(self->rig.ctl, r, 0, NULL));
	EXPECT_EQ(-EINVAL, pts_protect_vec(self->rig.ctl, r, 65537, NULL));
	EXPECT_EQ(-EINVAL, pts_protect_vec(self->rig.ctl, r, UINT32_MAX,
					   NULL));
	EXPECT_EQ(1, pts_nr_regions(self->rig.ctl));
	free(r);
}

/* The largest vector, in an order that is none. */
TEST(ranges_65536)
{
	const __u32 nr = 65536;
	struct ptshare_range_prot *r = calloc(nr, sizeof(*r));
	int mem = pts_memfd(PG(nr), 0);
	int ctl = pts_create(PG(nr), PTS_RW);
	__u32 failed = 0;
	char *win;
	__u32 i;

	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, PG(nr), 0));
	win = pts_window(ctl, PG(nr), 0);
	EXPECT_TRUE(pts_writes(win + PG(12345), 5));
	/* 40503 is odd: every page once. */
	for (i = 0; i < nr; i++)
		r[i] = (struct ptshare_range_prot) {
			PG(i * 40503 % nr), PG(1), PTS_RO
		};
	ASSERT_EQ(0, pts_protect_vec(ctl, r, nr, &failed));
	EXPECT_TRUE(pts_region_is(ctl, 0, 0, PG(nr), 0, PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_write8(win + PG(12345), 6).sig);

	/* And one of them bad. */
	for (i = 0; i < nr; i++)
		r[i].prot = PTS_RW;
	r[60000].prot = PTS_RW | PROT_EXEC;
	EXPECT_EQ(-EACCES, pts_protect_vec(ctl, r, nr, &failed));
	EXPECT_EQ(60000, failed);
	EXPECT_TRUE(pts_region_is(ctl, 0, 0, PG(nr), 0, PTS_RO));
	free(r);
}

/* Every second page: as many regions as there are pages. */
TEST(many_regions)
{
	const __u32 nr = 512;
	struct ptshare_range_prot *r = calloc(nr, sizeof(*r));
	int mem = pts_memfd(PG(2 * nr), 0);
	int ctl = pts_create(PG(2 * nr), PTS_RW);
	char *win;
	__u32 i;

	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, PG(2 * nr), 0));
	win = pts_window(ctl, PG(2 * nr), 0);
	for (i = 0; i < nr; i++)
		r[i] = (struct ptshare_range_prot) {
			PG(2 * i), PG(1), PTS_RO
		};
	ASSERT_EQ(0, pts_protect_vec(ctl, r, nr, NULL));
	EXPECT_EQ(2 * nr, pts_nr_regions(ctl));
	EXPECT_EQ(SIGSEGV, pts_write8(win + PG(600), 1).sig);
	EXPECT_EQ(0, pts_write8(win + PG(601), 1).sig);
	for (i = 0; i < nr; i++)
		r[i].prot = PTS_RW;
	ASSERT_EQ(0, pts_protect_vec(ctl, r, nr, NULL));
	EXPECT_EQ(1, pts_nr_regions(ctl));
	EXPECT_EQ(0, pts_write8(win + PG(600), 1).sig);
	free(r);
}

/* More regions than a container can have: refused before the first change. */
TEST(region_limit)
{
	const __u32 nr = 65536;
	struct ptshare_range_prot *r = calloc(nr, sizeof(*r));
	int mem = pts_memfd(PG(2 * nr), 0);
	int ctl = pts_create(PG(2 * nr), PTS_RW);
	struct ptshare_info info;
	__u32 i;

	ASSERT_EQ(0, pts_map(ctl, mem, PTS_RW, 0, PG(2 * nr), 0));
	ASSERT_EQ(0, pts_info(ctl, &info));
	ASSERT_GT(2 * nr, info.max_regions);
	for (i = 0; i < nr; i++)
		r[i] = (struct ptshare_range_prot) {
			PG(2 * i), PG(1), PTS_RO
		};
	EXPECT_EQ(-ENOSPC, pts_protect_vec(ctl, r, nr, NULL));
	EXPECT_TRUE(pts_region_is(ctl, 0, 0, PG(2 * nr), 0, PTS_RW));
	EXPECT_EQ(1, pts_nr_regions(ctl));
	free(r);
}

/* Result codes of the workers below. */
enum { CMD_WRITE = 1, CMD_READ, CMD_QUIT };

/* Answers with the signal that an access to page arg met. */
static int touch_on_command(int sock, void *arg)
{
	char *at = arg;
	__u64 cmd, val;

	while (!pts_recv(sock, &cmd) && cmd != CMD_QUIT) {
		struct pts_fault f;

		if (cmd == CMD_WRITE)
			f = pts_write8(at, 4);
		else
			f = pts_read8(at, &val);
		if (f.sig && (f.code != SEGV_ACCERR || f.addr != at))
			return 1;
		pts_send(sock, f.sig);
	}
	return 0;
}

/* When the call returns, every process is bound by it. */
TEST_F(protect, binds_all_processes)
{
	struct pts_child c[8];
	int i, round;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, pts_fork(&c[i], touch_on_command, page(self, 7)));
		ASSERT_EQ(0, pts_ask(c[i].sock, CMD_WRITE));
	}
	for (round = 0; round < 4; round++) {
		ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(7), PG(1), PTS_RO));
		for (i = 0; i < 8; i++) {
			EXPECT_EQ(SIGSEGV, pts_ask(c[i].sock, CMD_WRITE));
			EXPECT_EQ(0, pts_ask(c[i].sock, CMD_READ));
		}
		ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(7), PG(1),
					 PROT_NONE));
		for (i = 0; i < 8; i++)
			EXPECT_EQ(SIGSEGV, pts_ask(c[i].sock, CMD_READ));
		ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(7), PG(1), PTS_RW));
		for (i = 0; i < 8; i++)
			EXPECT_EQ(0, pts_ask(c[i].sock, CMD_WRITE));
	}
	for (i = 0; i < 8; i++) {
		pts_send(c[i].sock, CMD_QUIT);
		EXPECT_EQ(0, pts_join(&c[i]));
	}
}

/* Repeats itself: counts up in its page until it may not any more. */
static int count_until_fault(int sock, void *arg)
{
	__u64 n = 0;

	pts_send(sock, 0);
	while (!pts_write8(arg, ++n).sig)
		;
	pts_send(sock, n - 1);
	return 0;
}

/*
 * A writer that is running on another CPU: what it managed to store before it
 * was stopped is in the page when the call returns, and nothing comes later.
 */
TEST_F(protect, running_writer_is_stopped)
{
	struct pts_child c;
	__u64 at_return, said;
	int round;

	for (round = 0; round < 8; round++) {
		/* It may be stopped before its first store. */
		ASSERT_TRUE(pts_writes(page(self, 9), 0));
		ASSERT_EQ(0, pts_fork(&c, count_until_fault, page(self, 9)));
		ASSERT_EQ(0, pts_recv(c.sock, &said));
		usleep(2000);
		ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(9), PG(1), PTS_RO));
		ASSERT_EQ(0, pts_read8(page(self, 9), &at_return).sig);
		ASSERT_EQ(0, pts_recv(c.sock, &said));
		EXPECT_EQ(said, at_return);
		EXPECT_TRUE(pts_reads(page(self, 9), at_return));
		EXPECT_EQ(0, pts_join(&c));
		ASSERT_EQ(0, pts_protect(self->rig.ctl, PG(9), PG(1), PTS_RW));
	}
}

/* A plain mapping of the file is nobody's business. */
TEST_F(protect, plain_mapping_is_free)
{
	char *plain = pts_window(self->rig.mem, self->rig.half, 0);

	ASSERT_NE(MAP_FAILED, plain);
	ASSERT_EQ(0, pts_protect(self->rig.ctl, 0, PG(PAGES), PTS_RO));
	EXPECT_TRUE(pts_writes(plain + PG(3), 17));
	EXPECT_TRUE(pts_reads(page(self, 3), 17));
	EXPECT_EQ(SIGSEGV, pts_write8(page(self, 3), 1).sig);
}

TEST_HARNESS_MAIN
