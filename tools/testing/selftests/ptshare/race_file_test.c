// SPDX-License-Identifier: GPL-2.0
/* Races: the file loses pages while it is looked at. */
#include "race_pairs.h"

FIXTURE_VARIANT_ADD(pair, truncate)
{
	.agg = &race_truncate,
};

FIXTURE_VARIANT_ADD(pair, punch)
{
	.agg = &race_punch,
};

TEST_HARNESS_MAIN
