// SPDX-License-Identifier: GPL-2.0-or-later
/* protect: many ranges in one call, seen by all processes when it returns. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

struct ranges {
	struct ptshare_range_prot *array;
	uint32_t nr;
};

static const char *why_invalid(const struct target *target,
			       const struct ptshare_range_prot *range)
{
	uint64_t length = target->info.length;

	if (range->offset >= length || range->length > length - range->offset)
		return "leaves the container";
	return "overlaps another range";
}

static const char *why_denied(const struct target *target,
			      const struct ptshare_range_prot *range)
{
	if (range->prot & ~target->info.max_prot)
		return "exceeds max_prot";
	return "exceeds the mode that the backing was opened with";
}

/* What the kernel's answer about one range means. */
static const char *range_reason(const struct target *target,
				const struct ptshare_range_prot *range, int ret)
{
	switch (-ret) {
	case EINVAL:
		return why_invalid(target, range);
	case EACCES:
		return why_denied(target, range);
	case ENOENT:
		return "meets a hole";
	default:
		return strerrordesc_np(-ret);
	}
}

static void print_range(const struct target *target,
			const struct ptshare_range_prot *range, int ret)
{
	char name[CTL_RANGE_NAME];

	ctl_error("%s: %s %s: %s (%s)", target->name,
		  ctl_range_name(range->offset, range->length, name),
		  ptshare_prot_format(range->prot),
		  range_reason(target, range, ret), strerrorname_np(-ret));
	if (ret == -ENOENT)
		ctl_hint("'mshare-ctl table %s' shows the regions",
			 target->name);
}

static int protect(const struct target *target, const struct ranges *ranges)
{
	uint32_t failed;
	int ret;

	if (ranges->nr > target->info.max_ranges) {
		ctl_error("%s: %u ranges, but one call takes at most %u",
			  target->name, ranges->nr, target->info.max_ranges);
		return CTL_FAILED;
	}
	ret = ptshare_protect(target->fd, ranges->array, ranges->nr, &failed);
	if (!ret)
		return CTL_OK;
	/* A single range can't leave doubt about which one it was. */
	if (failed == ~0U && ranges->nr == 1 &&
	    (ret == -EINVAL || ret == -EACCES || ret == -ENOENT))
		failed = 0;
	if (failed < ranges->nr)
		print_range(target, &ranges->array[failed], ret);
	else
		ctl_error("%s: %s (%s)", target->name, ret == -EPERM ?
			  ctl_denied(target, PTSHARE_SEAL_PROT) :
			  strerrordesc_np(-ret), strerrorname_np(-ret));
	return CTL_FAILED;
}

/* @file is NULL for a text made of arguments. */
static int parse(const char *file, const char *text, size_t len,
		 struct ranges *ranges)
{
	struct ptshare_error err;

	if (ptshare_ranges_parse(text, len, &ranges->array, &ranges->nr,
				 &err)) {
		ctl_text_error(file, &err);
		return file ? CTL_FAILED : CTL_USAGE;
	}
	if (ranges->nr)
		return CTL_OK;
	ctl_error("%s: no ranges", file);
	return CTL_FAILED;
}

static int get_ranges(const char *file, char **words, int nr,
		      struct ranges *ranges)
{
	size_t len = 0;
	char *text;
	int ret;

	if (file ? nr > 0 : !nr || nr % 3)
		return ctl_usage(file ? "either -f or ranges as arguments" :
				 "expected OFFSET LENGTH PROT, once or more");
	text = file ? ctl_read_text(file, &len) : ctl_join(words, nr, 3);
	if (!text)
		return CTL_FAILED;
	ret = parse(file, text, file ? len : strlen(text), ranges);
	free(text);
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct ranges ranges = { 0 };
	const char *file = NULL, *name;
	struct target target;
	int c, ret;

	while ((c = getopt_long(argc, argv, "f:h", longopts, NULL)) >= 0) {
		if (c != 'f')
			return ctl_bad_option(c);
		file = optarg;
	}
	name = argv[optind];
	if (!name)
		return ctl_usage("which container? NAME, PID:FD or FD is missing");
	ret = get_ranges(file, argv + optind + 1, argc - optind - 1, &ranges);
	if (!ret)
		ret = target_open(&target, name);
	if (!ret)
		ret = protect(&target, &ranges);
	free(ranges.array);
	return ret;
}

const struct command cmd_protect = {
	.name = "protect",
	.synopsis = "protect TARGET {OFFSET LENGTH PROT... | -f FILE}",
	.summary = "Change permissions of many ranges at once, for all processes",
	.options =
"  -f, --file FILE     lines OFFSET LENGTH PROT; - is standard input\n",
	.more =
"PROT is r, rw or -. Either all ranges are changed or none.\n",
	.control = true,
	.run = run,
};
