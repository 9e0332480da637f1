// SPDX-License-Identifier: GPL-2.0-or-later
/* version: of the tool, of the library, and what the kernel offers. */
#include <stdio.h>
#include <unistd.h>
#include <sys/utsname.h>
#include "ctl.h"

enum { TOOL, LIBRARY, KERNEL, FEATURES };

static const struct out_column columns[] = {
	[TOOL] = { "VERSION", "of mshare-ctl", OUT_TEXT },
	[LIBRARY] = { "LIBRARY", "version of libptshare", OUT_TEXT },
	[KERNEL] = { "KERNEL", "release of the running kernel", OUT_TEXT },
	[FEATURES] = { "FEATURES", "what its ptshare can do", OUT_LIST },
};

static int print(const struct out_options *opts)
{
	struct ptshare_info info = { 0 };
	struct utsname uts;
	struct out *out;
	int dev;

	out = out_new(opts, "version");
	if (!out)
		return CTL_USAGE;
	dev = ptshare_open();
	if (dev >= 0) {
		ptshare_info(dev, &info);
		close(dev);
	}
	uname(&uts);
	out_row(out);
	out_text(out, TOOL, PTSHARE_VERSION);
	out_text(out, LIBRARY, ptshare_version());
	out_text(out, KERNEL, uts.release);
	out_text(out, FEATURES, ctl_features(info.features));
	return out_finish(out);
}

static int run(int argc, char **argv)
{
	struct out_options opts = { 0 };
	int ret;

	if (!out_parse(&opts, argc, argv, 0, &ret))
		return ret;
	if (out_machine(&opts) || opts.columns)
		return print(&opts);
	printf("mshare-ctl %s\n", PTSHARE_VERSION);
	return CTL_OK;
}

const struct command cmd_version = {
	.name = "version",
	.synopsis = "version [options]",
	.summary = "Print the version; with -J, what the kernel offers too",
	.options = "",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.run = run,
};
