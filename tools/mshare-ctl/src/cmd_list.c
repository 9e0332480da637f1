// SPDX-License-Identifier: GPL-2.0-or-later
/* list: the containers of all processes that can be looked into. */
#include "scan.h"

enum {
	ID, LENGTH, PROT, REGIONS, WINDOWS, RSS, PGTABLES, SAVED, LINKS,
	MIRRORS, FLUSHES, NAME, HOLDERS,
};

static const struct out_column columns[] = {
	[ID] = { "ID", "inode number, as in /proc/PID/maps", OUT_NUMBER },
	[LENGTH] = { "LENGTH", "of the container", OUT_SIZE },
	[PROT] = { "PROT", "most that a region may allow", OUT_TEXT },
	[REGIONS] = { "REGIONS", "number of regions", OUT_NUMBER },
	[WINDOWS] = { "WINDOWS", "mappings in all processes", OUT_NUMBER },
	[RSS] = { "RSS", "memory that the container maps", OUT_SIZE },
	[PGTABLES] = { "PGTABLES", "the container's own page tables", OUT_SIZE },
	[SAVED] = { "SAVED", "page tables saved by links", OUT_SIZE },
	[LINKS] = { "LINKS", "entries that share a page table", OUT_NUMBER },
	[MIRRORS] = { "MIRRORS", "entries copied to private ones", OUT_NUMBER },
	[FLUSHES] = { "FLUSHES", "TLB flushes so far", OUT_NUMBER },
	[NAME] = { "NAME", "of the 'mshare-ctl hold' that keeps it", OUT_TEXT },
	[HOLDERS] = { "HOLDERS", "PID:FD, or PID without such an fd", OUT_LIST },
};

static const char defaults[] =
	"ID,LENGTH,PROT,REGIONS,WINDOWS,RSS,PGTABLES,SAVED,NAME,HOLDERS";

static void add_row(struct out *out, const struct scan_box *box)
{
	static const int values[] = {
		[SCAN_LENGTH] = LENGTH, [SCAN_REGIONS] = REGIONS,
		[SCAN_WINDOWS] = WINDOWS, [SCAN_RSS] = RSS,
		[SCAN_PGTABLES] = PGTABLES, [SCAN_SAVED] = SAVED,
		[SCAN_LINKS] = LINKS, [SCAN_MIRRORS] = MIRRORS,
		[SCAN_FLUSHES] = FLUSHES,
	};
	size_t i;

	out_row(out);
	out_number(out, ID, box->id);
	out_text(out, HOLDERS, box->holders);
	out_text(out, NAME, box->name);
	if (!box->known) {
		out_number(out, WINDOWS, box->value[SCAN_WINDOWS]);
		return;
	}
	out_text(out, PROT, box->prot);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		out_number(out, values[i], box->value[i]);
}

static int print(const struct out_options *opts)
{
	const struct scan_box *box;
	struct scan scan;
	struct out *out;
	bool empty;
	int ret;

	out = out_new(opts, "containers");
	if (!out)
		return CTL_USAGE;
	scan_all(&scan);
	empty = !scan.first;
	for (box = scan.first; box; box = box->next)
		add_row(out, box);
	scan_free(&scan);
	ret = out_finish(out);
	return !ret && empty && !ctl_kernel_has() ? ctl_no_kernel() : ret;
}

static int run(int argc, char **argv)
{
	struct out_options opts = { 0 };
	int ret;

	if (!out_parse(&opts, argc, argv, 0, &ret))
		return ret;
	return print(&opts);
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "list [options]",
	.summary = "List the containers of all processes, and who holds them",
	.options = "",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.defaults = defaults,
	.run = run,
};
