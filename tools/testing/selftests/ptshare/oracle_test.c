// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle, once for small and once for huge pages: a trace of random
 * operations has the same results with page tables shared in any way, and with
 * plain mappings.
 *
 * PTSHARE_SEED and PTSHARE_ORACLE_STEPS repeat a run that failed, with
 * PTSHARE_ORACLE_TRACE=1 printing each step.
 */
#include <errno.h>

#include "../kselftest_harness.h"
#include "oracle.h"
#include "share.h"

#define SEED	20240229
#define STEPS	1000
#define TIMEOUT	300

FIXTURE(share)
{
	char old[16];
};

FIXTURE_VARIANT(share)
{
	const char *mode;
};

FIXTURE_VARIANT_ADD(share, none) { "none" };
FIXTURE_VARIANT_ADD(share, pmd) { "pmd" };
FIXTURE_VARIANT_ADD(share, pud) { "pud" };

FIXTURE_SETUP(share)
{
	share_get(self->old, sizeof(self->old));
}

FIXTURE_TEARDOWN(share)
{
	if (self->old[0])
		share_set(self->old);
}

/* The modes that the oracle is to compare are there. */
TEST_F(share, can_be_chosen)
{
	char now[16];
	int ctl;

	if (!self->old[0])
		SKIP(return, "no share parameter");
	ASSERT_EQ(0, share_set(variant->mode));
	share_get(now, sizeof(now));
	EXPECT_STREQ(variant->mode, now);
	ctl = pts_create(OR_LENGTH, PTS_RW);
	EXPECT_GE(ctl, 0);
	close(ctl);
}

FIXTURE(oracle)
{
};

FIXTURE_VARIANT(oracle)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(oracle, small) { false };
FIXTURE_VARIANT_ADD(oracle, huge) { true };

FIXTURE_SETUP(oracle)
{
}

FIXTURE_TEARDOWN(oracle)
{
}

TEST_F_TIMEOUT(oracle, agrees, TIMEOUT)
{
	struct oracle o = {
		.seed = oracle_env("PTSHARE_SEED", SEED),
		.steps = oracle_env("PTSHARE_ORACLE_STEPS", STEPS),
		.huge = variant->huge,
	};
	int ret = oracle_run(&o);

	if (ret == -ENODEV)
		SKIP(return, "no huge pages in tmpfs");
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
