// SPDX-License-Identifier: GPL-2.0-or-later
/* table: the regions, as layout lines that can be read back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "ctl.h"
#include "draw.h"

enum { OFFSET, LENGTH, PROT, SOURCE, SRCOFFSET, DEV, INO };

static const struct out_column columns[] = {
	[OFFSET] = { "OFFSET", "in the container", OUT_OFFSET },
	[LENGTH] = { "LENGTH", "of the region", OUT_SIZE },
	[PROT] = { "PROT", "permission", OUT_TEXT },
	[SOURCE] = { "SOURCE", "the backing, see below", OUT_TEXT },
	[SRCOFFSET] = { "SRCOFFSET", "in the backing", OUT_OFFSET },
	[DEV] = { "DEV", "device of the backing", OUT_TEXT },
	[INO] = { "INO", "inode number of the backing", OUT_NUMBER },
};

static const char defaults[] = "OFFSET,LENGTH,PROT,SOURCE,SRCOFFSET";

struct regions {
	struct ptshare_region *array;
	size_t nr;
};

static int append(struct regions *regions, const struct ptshare_region *region)
{
	struct ptshare_region *bigger;

	/* Room is doubled each time the count reaches a power of two. */
	if (!(regions->nr & (regions->nr - 1))) {
		size_t room = regions->nr ? regions->nr * 2 : 1;

		bigger = reallocarray(regions->array, room, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		regions->array = bigger;
	}
	regions->array[regions->nr++] = *region;
	return 0;
}

static int read_regions(int fd, struct regions *regions)
{
	struct ptshare_region region;
	struct ptshare_iter *iter;
	int ret;

	ret = ptshare_iter_new(fd, 0, &iter);
	if (ret)
		return ret;
	while ((ret = ptshare_iter_next(iter, &region)) > 0) {
		ret = append(regions, &region);
		if (ret)
			break;
	}
	ptshare_iter_free(iter);
	return ret;
}

static void add_row(struct out *out, const struct ptshare_region *region,
		    const char *source)
{
	char dev[32];

	snprintf(dev, sizeof(dev), "%u:%u", major(region->dev),
		 minor(region->dev));
	out_row(out);
	out_number(out, OFFSET, region->offset);
	out_number(out, LENGTH, region->length);
	out_text(out, PROT, ptshare_prot_format(region->prot));
	out_text(out, SOURCE, source);
	out_number(out, SRCOFFSET, region->fd_offset);
	out_text(out, DEV, dev);
	out_number(out, INO, region->ino);
}

static int fill(struct out *out, bool plain, const struct target *target,
		const struct regions *regions, bool *lost)
{
	struct sources *sources;
	size_t i;

	sources = sources_find(target, regions->array, regions->nr);
	if (!sources)
		return -ENOMEM;
	for (i = 0; i < regions->nr; i++) {
		char *name = sources_name(sources, &regions->array[i], lost);
		char *word = name && plain ? ctl_escape(name) : NULL;

		add_row(out, &regions->array[i], word ? word : name);
		free(word);
		free(name);
	}
	sources_free(sources);
	return 0;
}

/* What the lines don't say, in a form that the layout parser passes over. */
static void print_comment(const struct ptshare_info *info, bool lost)
{
	char size[24];

	printf("# ptshare %" PRIu64 ": --length %s --max-prot %s\n",
	       (uint64_t)info->id, ptshare_size_format(info->length, size),
	       ptshare_prot_format(info->max_prot));
	if (lost)
		puts("# memfd:DEV:INO: nothing else has it open; read back, it is new and empty");
}

static int failed(const char *name, int ret)
{
	ctl_error("%s: %s (%s)", name, strerrordesc_np(-ret),
		  strerrorname_np(-ret));
	return CTL_FAILED;
}

static int print(struct out_options *opts, const char *name)
{
	bool plain = !out_machine(opts) && !opts->columns;
	bool comment = plain && !opts->noheadings;
	struct regions regions = { 0 };
	struct target target;
	bool lost = false;
	struct out *out;
	int ret;

	opts->noheadings |= plain;
	out = out_new(opts, "regions");
	if (!out)
		return CTL_USAGE;
	ret = target_open(&target, name);
	if (ret)
		return ret;
	ret = read_regions(target.fd, &regions);
	if (!ret)
		ret = fill(out, plain, &target, &regions, &lost);
	free(regions.array);
	if (ret)
		return failed(name, ret);
	if (comment)
		print_comment(&target.info, lost);
	return out_finish(out);
}

static int print_drawing(const char *name)
{
	struct drawing drawing = {
		.width = draw_width(),
		.utf8 = draw_utf8(),
	};
	struct regions regions = { 0 };
	struct target target;
	int ret;

	ret = target_open(&target, name);
	if (ret)
		return ret;
	ret = read_regions(target.fd, &regions);
	drawing.regions = regions.array;
	drawing.nr = regions.nr;
	drawing.length = target.info.length;
	if (!ret)
		ret = draw(&drawing);
	free(regions.array);
	return ret ? failed(name, ret) : CTL_OK;
}

static int run(int argc, char **argv)
{
	struct out_options opts = { .can_draw = true };
	int ret;

	if (!out_parse(&opts, argc, argv, 1, &ret))
		return ret;
	if (!opts.draw)
		return print(&opts, argv[optind]);
	if (out_machine(&opts) || opts.columns)
		return ctl_usage("--draw is a picture, not a table: no -J, -r, -P, -o");
	return print_drawing(argv[optind]);
}

const struct command cmd_table = {
	.name = "table",
	.synopsis = "table TARGET [options]",
	.summary = "Print the regions of a container as layout lines",
	.options =
"  -d, --draw          a picture instead: a bar as wide as the terminal\n",
	.more =
"The plain form can be given to 'run -f' and 'map -f'. SOURCE is fd:N if the\n"
"container is FD and the backing is open here too; else a path of the backing,\n"
"or of the fd or mapping of a process that has it; else memfd:DEV:INO, which\n"
"gives new and empty memory when it is read back.\n",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.defaults = defaults,
	.run = run,
};
