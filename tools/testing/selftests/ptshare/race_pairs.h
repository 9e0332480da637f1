/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test for each victim, for a program that adds the aggressors as variants:
 * a test per pair, so that a complaint of the kernel has a name. race.h says
 * how a victim knows what it may see.
 */
#include "../kselftest_harness.h"
#include "ptshare_util.h"
#include "race.h"
#include "secmmu.h"

/* PTSHARE_TEST_SECS for the race, the rest for a slow machine. */
#define PAIR_TIMEOUT	240

FIXTURE(pair)
{
};

FIXTURE_VARIANT(pair)
{
	const struct race_aggressor *agg;
};

FIXTURE_SETUP(pair)
{
}

FIXTURE_TEARDOWN(pair)
{
}

static void run_pair(struct __test_metadata *_metadata,
		     const struct race_aggressor *agg,
		     const struct race_victim *victim)
{
	static struct race r;
	int ret = race_run(&r, agg, victim);

	if (ret > 0)
		SKIP(return, "%s", r.msg);
	ASSERT_EQ(0, ret) {
		TH_LOG("%s against %s: %s", agg->name, victim->name, r.msg);
	}
	/* Waking works across window and file whatever becomes of the page. */
	if (victim == &race_futex && agg->keeps_data)
		EXPECT_GT(r.wakes, 0);
}

TEST_F_TIMEOUT(pair, touch, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_touch);
}

TEST_F_TIMEOUT(pair, odirect, PAIR_TIMEOUT)
{
	if (!getenv("PTSHARE_SCRATCH"))
		SKIP(return, "no disk in PTSHARE_SCRATCH");
	run_pair(_metadata, variant->agg, &race_odirect);
}

TEST_F_TIMEOUT(pair, fork, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_fork);
}

TEST_F_TIMEOUT(pair, readv, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_readv);
}

TEST_F_TIMEOUT(pair, ptrace, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_ptrace);
}

TEST_F_TIMEOUT(pair, futex, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_futex);
}

TEST_F_TIMEOUT(pair, remap, PAIR_TIMEOUT)
{
	run_pair(_metadata, variant->agg, &race_remap);
}

TEST_F_TIMEOUT(pair, device, PAIR_TIMEOUT)
{
	if (!secmmu_available())
		SKIP(return, "no /dev/ptshare_test");
	run_pair(_metadata, variant->agg, &race_device);
}
