// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle with many seeds: PTSHARE_ORACLE_SEEDS of them from PTSHARE_SEED
 * on, with PTSHARE_ORACLE_STEPS each. The odd ones have huge pages.
 */
#include <errno.h>

#include "../kselftest_harness.h"
#include "oracle.h"

#define SEED	1
#define SEEDS	20
#define STEPS	20000
#define TIMEOUT	7200

FIXTURE(oracle)
{
};

FIXTURE_SETUP(oracle)
{
}

FIXTURE_TEARDOWN(oracle)
{
}

/* One that fails does not keep the others from telling more. */
TEST_F_TIMEOUT(oracle, agrees, TIMEOUT)
{
	__u64 first = oracle_env("PTSHARE_SEED", SEED);
	__u64 seeds = oracle_env("PTSHARE_ORACLE_SEEDS", SEEDS);
	struct oracle o = {
		.steps = oracle_env("PTSHARE_ORACLE_STEPS", STEPS),
	};
	__u64 i;
	int ret;

	for (i = 0; i < seeds; i++) {
		o.seed = first + i;
		o.huge = o.seed & 1;
		ret = oracle_run(&o);
		if (ret == -ENODEV) {
			o.huge = false;
			ret = oracle_run(&o);
		}
		EXPECT_EQ(0, ret);
	}
}

TEST_HARNESS_MAIN
