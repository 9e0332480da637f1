// SPDX-License-Identifier: GPL-2.0-or-later
/* check: can this machine, and this user, make containers? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>
#include "ctl.h"

#define SHARE_PARAMETER	"/sys/module/ptshare/parameters/share"

enum { ITEM, STATUS, DETAIL };

static const struct out_column columns[] = {
	[ITEM] = { "ITEM", "what was looked at", OUT_TEXT },
	[STATUS] = { "STATUS", "ok, missing, denied or unknown", OUT_TEXT },
	[DETAIL] = { "DETAIL", "what was found", OUT_TEXT },
};

struct findings {
	bool kernel;
	int dev;		/* fd, or -errno */
	bool info_known;
	struct ptshare_info info;
};

static void add(struct out *out, const char *item, const char *status,
		const char *detail)
{
	out_row(out);
	out_text(out, ITEM, item);
	out_text(out, STATUS, status);
	out_text(out, DETAIL, detail);
}

static void add_kernel(struct out *out, const struct findings *found)
{
	struct utsname uts;
	char detail[sizeof(uts.release) + 32];

	uname(&uts);
	snprintf(detail, sizeof(detail), "Linux %s, %s ptshare", uts.release,
		 found->kernel ? "with" : "without");
	add(out, "kernel", found->kernel ? "ok" : "missing", detail);
	/* It cannot be a module: who has the device has been built with it. */
	add(out, "config", found->kernel ? "ok" : "missing",
	    found->kernel ? "CONFIG_PTSHARE=y" : "CONFIG_PTSHARE is not set");
}

static void add_device(struct out *out, const struct findings *found)
{
	bool missing = found->dev == -ENOENT || found->dev == -ENXIO ||
		       found->dev == -ENODEV;

	add(out, "device", missing ? "missing" : "ok", PTSHARE_DEVICE);
	if (found->dev >= 0)
		add(out, "permission", "ok", "may create containers");
	else
		add(out, "permission", missing ? "unknown" : "denied",
		    strerrordesc_np(-found->dev));
}

/* How page tables are shared is chosen at boot; absent on older kernels. */
static void add_share(struct out *out)
{
	FILE *file = fopen(SHARE_PARAMETER, "re");
	char text[32];

	if (!file)
		return;
	if (fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = 0;
		add(out, "share", "ok", text);
	}
	fclose(file);
}

static void add_info(struct out *out, const struct findings *found)
{
	const struct ptshare_info *info = &found->info;
	char features[128], limits[128], granule[24];
	char *p;

	if (!found->info_known) {
		add(out, "features", "unknown", "");
		add(out, "limits", "unknown", "");
		return;
	}
	snprintf(features, sizeof(features), "%s",
		 ctl_features(info->features));
	while ((p = strchr(features, '\n')))
		*p = ' ';
	add(out, "features", "ok", features);
	snprintf(limits, sizeof(limits), "%u regions, %u ranges, granule %s",
		 info->max_regions, info->max_ranges,
		 ptshare_size_format(info->granule, granule));
	add(out, "limits", "ok", limits);
}

static int verdict(const struct findings *found)
{
	if (found->dev >= 0 && found->info_known)
		return CTL_OK;
	if (found->dev == -ENOENT || !found->kernel)
		return ctl_no_kernel();
	ctl_error("%s: %s", PTSHARE_DEVICE,
		  strerrordesc_np(found->dev < 0 ? -found->dev : ENOTTY));
	if (found->dev == -EACCES)
		ctl_hint("be root, or a member of the group that owns %s",
			 PTSHARE_DEVICE);
	return CTL_FAILED;
}

static int print(const struct out_options *opts)
{
	struct findings found = { .kernel = ctl_kernel_has() };
	struct out *out;
	int ret;

	out = out_new(opts, "check");
	if (!out)
		return CTL_USAGE;
	found.dev = ptshare_open();
	if (found.dev >= 0) {
		found.info_known = !ptshare_info(found.dev, &found.info);
		close(found.dev);
	}
	add_kernel(out, &found);
	add_device(out, &found);
	add_share(out);
	add_info(out, &found);
	ret = out_finish(out);
	return ret ? ret : verdict(&found);
}

static int run(int argc, char **argv)
{
	struct out_options opts = { .noheadings = true };
	int ret;

	if (!out_parse(&opts, argc, argv, 0, &ret))
		return ret;
	return print(&opts);
}

const struct command cmd_check = {
	.name = "check",
	.synopsis = "check [options]",
	.summary = "Tell whether kernel and permissions allow to make containers",
	.options = "",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.run = run,
};
