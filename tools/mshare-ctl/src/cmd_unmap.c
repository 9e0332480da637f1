// SPDX-License-Identifier: GPL-2.0-or-later
/* unmap: take a range out of a live container. */
#include <errno.h>
#include <string.h>
#include "ctl.h"

static const char *reason(const struct target *target, int ret)
{
	switch (-ret) {
	case ENOENT:
		return "there is no region";
	case EINVAL:
		return "leaves the container, or is empty";
	case EPERM:
		return ctl_denied(target, PTSHARE_SEAL_LAYOUT);
	default:
		return strerrordesc_np(-ret);
	}
}

static int unmap(const char *name, uint64_t offset, uint64_t length)
{
	char range[CTL_RANGE_NAME];
	struct target target;
	int ret;

	ret = target_open(&target, name);
	if (ret)
		return ret;
	ret = ptshare_unmap(target.fd, offset, length);
	if (!ret)
		return CTL_OK;
	ctl_error("%s: %s: %s (%s)", name,
		  ctl_range_name(offset, length, range), reason(&target, ret),
		  strerrorname_np(-ret));
	return CTL_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t offset, length;
	int c, ret;

	c = getopt_long(argc, argv, "h", longopts, NULL);
	if (c >= 0)
		return ctl_bad_option(c);
	if (argc - optind != 3)
		return ctl_usage("expected TARGET OFFSET LENGTH");
	ret = ctl_parse_aligned("offset", argv[optind + 1], &offset);
	if (!ret)
		ret = ctl_parse_aligned("length", argv[optind + 2], &length);
	return ret ? ret : unmap(argv[optind], offset, length);
}

const struct command cmd_unmap = {
	.name = "unmap",
	.synopsis = "unmap TARGET OFFSET LENGTH",
	.summary = "Take a range out of a container; it may cut regions and span holes",
	.options = "",
	.control = true,
	.run = run,
};
