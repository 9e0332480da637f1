// SPDX-License-Identifier: GPL-2.0-or-later
/* info: all that the kernel tells of one container. */
#include <stdio.h>
#include "ctl.h"

enum {
	ID, LENGTH, PROT, SEALS, REGIONS, WINDOWS, RSS, PGTABLES, SAVED, LINKS,
	MIRRORS, GRANULE, FEATURES, MAXREGIONS, MAXRANGES,
};

static const struct out_column columns[] = {
	[ID] = { "ID", "inode number, as in /proc/PID/maps", OUT_NUMBER },
	[LENGTH] = { "LENGTH", "of the container", OUT_SIZE },
	[PROT] = { "PROT", "most that a region may allow", OUT_TEXT },
	[SEALS] = { "SEALS", "rights given up: layout, prot, seal", OUT_LIST },
	[REGIONS] = { "REGIONS", "number of regions", OUT_NUMBER },
	[WINDOWS] = { "WINDOWS", "mappings in all processes", OUT_NUMBER },
	[RSS] = { "RSS", "memory that the container maps", OUT_SIZE },
	[PGTABLES] = { "PGTABLES", "the container's own page tables", OUT_SIZE },
	[SAVED] = { "SAVED", "page tables saved by links", OUT_SIZE },
	[LINKS] = { "LINKS", "entries that share a page table", OUT_NUMBER },
	[MIRRORS] = { "MIRRORS", "entries copied to private ones", OUT_NUMBER },
	[GRANULE] = { "GRANULE", "largest useful alignment", OUT_SIZE },
	[FEATURES] = { "FEATURES", "what this kernel can do", OUT_LIST },
	[MAXREGIONS] = { "MAXREGIONS", "limit of regions", OUT_NUMBER },
	[MAXRANGES] = { "MAXRANGES", "limit of ranges in a protect", OUT_NUMBER },
};

static const char *seal_names(uint32_t seals)
{
	static const char *const names[] = {
		"", "layout", "prot", "layout\nprot",
		"seal", "layout\nseal", "prot\nseal", "layout\nprot\nseal",
	};

	return names[!!(seals & PTSHARE_SEAL_LAYOUT) +
		     2 * !!(seals & PTSHARE_SEAL_PROT) +
		     4 * !!(seals & PTSHARE_SEAL_SEAL)];
}

static void fill(struct out *out, const struct ptshare_info *info)
{
	out_row(out);
	out_number(out, ID, info->id);
	out_number(out, LENGTH, info->length);
	out_text(out, PROT, ptshare_prot_format(info->max_prot));
	out_text(out, SEALS, seal_names(info->seals));
	out_number(out, REGIONS, info->nr_regions);
	out_number(out, WINDOWS, info->nr_windows);
	out_number(out, RSS, info->rss_bytes);
	out_number(out, PGTABLES, info->pgtable_bytes);
	out_number(out, SAVED, info->saved_bytes);
	out_number(out, LINKS, info->nr_links);
	out_number(out, MIRRORS, info->nr_mirrors);
	out_number(out, GRANULE, info->granule);
	out_text(out, FEATURES, ctl_features(info->features));
	out_number(out, MAXREGIONS, info->max_regions);
	out_number(out, MAXRANGES, info->max_ranges);
}

static int print(const struct out_options *opts, const char *name)
{
	struct target target;
	struct out *out;
	int ret;

	out = out_new(opts, "info");
	if (!out)
		return CTL_USAGE;
	ret = target_open(&target, name);
	if (ret)
		return ret;
	fill(out, &target.info);
	return out_finish_keys(out);
}

static int run(int argc, char **argv)
{
	struct out_options opts = { 0 };
	int ret;

	if (!out_parse(&opts, argc, argv, 1, &ret))
		return ret;
	return print(&opts, argv[optind]);
}

const struct command cmd_info = {
	.name = "info",
	.synopsis = "info TARGET [options]",
	.summary = "Tell all about one container",
	.options = "",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.run = run,
};
