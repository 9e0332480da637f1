// SPDX-License-Identifier: GPL-2.0
/* SEAL: rights of the container that are given up for good. */
#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PG(n)		((n) * (__u64)pts_psz)
#define PAGES		8

FIXTURE(seal)
{
	struct pts_rig rig;
};

FIXTURE_SETUP(seal)
{
	ASSERT_EQ(0, pts_rig_make(&self->rig, PTS_VIA_CONTROL, PAGES));
}

FIXTURE_TEARDOWN(seal)
{
	pts_rig_free(&self->rig);
}

static __u32 seals_of(int fd)
{
	struct ptshare_info info;

	return pts_info(fd, &info) ? UINT32_MAX : info.seals;
}

TEST_F(seal, layout)
{
	int ctl = self->rig.ctl;
	struct pts_snap before, after;

	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_LAYOUT));
	EXPECT_EQ(PTSHARE_SEAL_LAYOUT, seals_of(ctl));
	ASSERT_EQ(0, pts_snap_take(ctl, &before));
	EXPECT_EQ(-EPERM, pts_map(ctl, self->rig.mem, PTS_RW, PG(PAGES), PG(1),
				  0));
	EXPECT_EQ(-EPERM, pts_replace(ctl, self->rig.mem, PTS_RW, 0, PG(1),
				      0));
	EXPECT_EQ(-EPERM, pts_unmap(ctl, 0, PG(1)));
	ASSERT_EQ(0, pts_snap_take(ctl, &after));
	EXPECT_TRUE(pts_snap_equal(&before, &after));
	/* Permissions still change, windows still work. */
	EXPECT_EQ(0, pts_protect(ctl, 0, PG(1), PTS_RO));
	EXPECT_EQ(SIGSEGV, pts_write8(self->rig.win, 1).sig);
	EXPECT_EQ(0, pts_protect(ctl, 0, PG(1), PTS_RW));
	EXPECT_TRUE(pts_writes(self->rig.win, 1));
}

TEST_F(seal, prot)
{
	int ctl = self->rig.ctl;

	ASSERT_EQ(0, pts_protect(ctl, 0, PG(1), PTS_RO));
	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_PROT));
	EXPECT_EQ(PTSHARE_SEAL_PROT, seals_of(ctl));
	EXPECT_EQ(-EPERM, pts_protect(ctl, 0, PG(1), PTS_RW));
	EXPECT_EQ(-EPERM, pts_protect(ctl, PG(1), PG(1), PTS_RO));
	EXPECT_EQ(-EPERM, pts_protect(ctl, PG(1), PG(1), PTS_RW));
	EXPECT_EQ(SIGSEGV, pts_write8(self->rig.win, 1).sig);
	EXPECT_TRUE(pts_writes(self->rig.win + PG(1), 1));
	/* The layout is another matter. */
	EXPECT_EQ(0, pts_unmap(ctl, PG(1), PG(1)));
	EXPECT_EQ(0, pts_map(ctl, self->rig.mem, PTS_RO, PG(1), PG(1), 0));
}

TEST_F(seal, seal)
{
	int ctl = self->rig.ctl;

	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_SEAL));
	EXPECT_EQ(-EPERM, pts_seal(ctl, PTSHARE_SEAL_LAYOUT));
	EXPECT_EQ(-EPERM, pts_seal(ctl, PTSHARE_SEAL_PROT));
	EXPECT_EQ(-EPERM, pts_seal(ctl, PTSHARE_SEAL_SEAL));
	EXPECT_EQ(PTSHARE_SEAL_SEAL, seals_of(ctl));
	EXPECT_EQ(0, pts_unmap(ctl, PG(1), PG(1)));
	EXPECT_EQ(0, pts_protect(ctl, 0, PG(1), PTS_RO));
}

/* Seals add up and none comes off; setting one again is harmless. */
TEST_F(seal, one_way)
{
	int ctl = self->rig.ctl;

	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_PROT));
	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_LAYOUT));
	EXPECT_EQ(PTSHARE_SEAL_PROT | PTSHARE_SEAL_LAYOUT, seals_of(ctl));
	EXPECT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_PROT));
	EXPECT_EQ(PTSHARE_SEAL_PROT | PTSHARE_SEAL_LAYOUT, seals_of(ctl));
	EXPECT_EQ(0, pts_seal(ctl, 0));
	EXPECT_EQ(PTSHARE_SEAL_PROT | PTSHARE_SEAL_LAYOUT, seals_of(ctl));
	EXPECT_EQ(-EPERM, pts_unmap(ctl, 0, PG(1)));
	EXPECT_EQ(-EPERM, pts_protect(ctl, 0, PG(1), PTS_RO));
}

/* A refused call sets none of the bits it came with. */
TEST_F(seal, refused_call_sets_nothing)
{
	EXPECT_EQ(-EINVAL, pts_seal(self->rig.ctl, PTSHARE_SEAL_PROT | 0x100));
	EXPECT_EQ(0, seals_of(self->rig.ctl));
}

/* It is the container that is sealed, not the fd. */
TEST_F(seal, seen_by_all_fds)
{
	int again = dup(self->rig.ctl);
	int att = pts_attach(self->rig.ctl);

	ASSERT_EQ(0, pts_seal(self->rig.ctl, PTSHARE_SEAL_LAYOUT));
	EXPECT_EQ(-EPERM, pts_unmap(again, 0, PG(1)));
	EXPECT_EQ(PTSHARE_SEAL_LAYOUT, seals_of(again));
	EXPECT_EQ(PTSHARE_SEAL_LAYOUT, seals_of(att));
}

/* A sealed container still takes and gives everything else. */
TEST_F(seal, all_seals_leave_use)
{
	int ctl = self->rig.ctl;
	char *win;
	int att;

	ASSERT_EQ(0, pts_seal(ctl, PTSHARE_SEAL_LAYOUT | PTSHARE_SEAL_PROT |
			      PTSHARE_SEAL_SEAL));
	EXPECT_EQ(1, pts_nr_regions(ctl));
	att = pts_attach(ctl);
	ASSERT_GE(att, 0);
	win = pts_window(att, PG(PAGES), 0);
	ASSERT_NE(MAP_FAILED, win);
	EXPECT_TRUE(pts_reads(win + PG(2), pts_stamp(1, PG(2))));
	EXPECT_TRUE(pts_writes(win + PG(2), 3));
}

TEST_HARNESS_MAIN
