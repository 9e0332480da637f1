// SPDX-License-Identifier: GPL-2.0
/* Races: pages go away and come back, the data stays. */
#include "race_pairs.h"

FIXTURE_VARIANT_ADD(pair, swap)
{
	.agg = &race_swap,
};

FIXTURE_VARIANT_ADD(pair, migrate)
{
	.agg = &race_migrate,
};

FIXTURE_VARIANT_ADD(pair, khugepaged)
{
	.agg = &race_khugepaged,
};

TEST_HARNESS_MAIN
