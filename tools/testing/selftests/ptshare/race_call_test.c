// SPDX-License-Identifier: GPL-2.0
/* Races: the container is changed by its ioctls. */
#include "race_pairs.h"

FIXTURE_VARIANT_ADD(pair, protect)
{
	.agg = &race_protect,
};

FIXTURE_VARIANT_ADD(pair, unmap)
{
	.agg = &race_unmap,
};

FIXTURE_VARIANT_ADD(pair, replace)
{
	.agg = &race_replace,
};

FIXTURE(readers)
{
};

FIXTURE_SETUP(readers)
{
}

FIXTURE_TEARDOWN(readers)
{
}

/* R1: during a REPLACE nobody meets a hole, however many look. */
TEST_F_TIMEOUT(readers, replace_200, PAIR_TIMEOUT)
{
	run_pair(_metadata, &race_replace, &race_touch200);
}

TEST_HARNESS_MAIN
