// SPDX-License-Identifier: GPL-2.0-or-later
/* shim: become a command whose large shared memory goes to containers. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"
#include "paths.h"

#define LIBRARY		"libptshare-preload.so"

struct request {
	const char *min;
	bool require;
};

static bool readable(char *path, const char *dir, const char *below)
{
	int len = snprintf(path, PATH_MAX, "%s%s/" LIBRARY, dir, below);

	return len < PATH_MAX && !access(path, R_OK);
}

/* Beside the command where it was built, below its prefix once installed. */
static bool find_library(char *path)
{
	char dir[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (len > 0) {
		dir[len] = 0;
		slash = strrchr(dir, '/');
		if (slash)
			*slash = 0;
		if (readable(path, dir, "/preload") ||
		    readable(path, dir, "/../lib/ptshare"))
			return true;
	}
	return readable(path, PRELOAD_DIR, "");
}

static int preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	char path[PATH_MAX], *value;
	int ret;

	if (!find_library(path)) {
		ctl_error(LIBRARY " is not installed in " PRELOAD_DIR);
		return -ENOENT;
	}
	/* The loader takes both for the end of a name. */
	if (strpbrk(path, ": \t\n")) {
		ctl_error("%s: LD_PRELOAD can't have such a path", path);
		ctl_hint("install it where no blank or colon is in the path");
		return -EINVAL;
	}
	ret = asprintf(&value, "%s%s%s", path, others && *others ? ":" : "",
		       others ? others : "");
	if (ret < 0 || setenv("LD_PRELOAD", value, 1)) {
		ctl_error("%s", strerrordesc_np(ENOMEM));
		return -ENOMEM;
	}
	free(value);
	return 0;
}

/* One line for all that is started, where nothing of it could be served. */
static int probe(const struct request *req)
{
	int dev = ptshare_open();

	if (dev >= 0) {
		close(dev);
		return 0;
	}
	if (dev == -ENOENT)
		ctl_no_kernel();
	else
		ctl_error("%s: %s", PTSHARE_DEVICE, strerrordesc_np(-dev));
	if (req->require)
		return dev;
	ctl_hint("the command runs without containers");
	return setenv("PTSHARE_PRELOAD", "off", 1) ? -ENOMEM : 0;
}

static int prepare(struct request *req)
{
	const char *mode = getenv("PTSHARE_PRELOAD");
	int ret = preload();

	if (ret)
		return ret;
	req->require |= mode && !strcmp(mode, "require");
	if ((req->require && setenv("PTSHARE_PRELOAD", "require", 1)) ||
	    (req->min && setenv("PTSHARE_PRELOAD_MIN", req->min, 1))) {
		ctl_error("%s", strerrordesc_np(ENOMEM));
		return -ENOMEM;
	}
	return probe(req);
}

static int usage_status(int ret)
{
	return ret ? CTL_RUN_FAILED : CTL_OK;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "min", required_argument, NULL, 'm' },
		{ "require", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct request req = { 0 };
	uint64_t size;
	int c, ret;

	/* "+": what follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+m:rh", longopts, NULL)) >= 0) {
		if (c == 'm')
			req.min = optarg;
		else if (c == 'r')
			req.require = true;
		else
			return usage_status(ctl_bad_option(c));
	}
	if (req.min && ptshare_size_parse(req.min, &size))
		return usage_status(ctl_usage("min '%s' is no size", req.min));
	if (optind == argc)
		return usage_status(ctl_usage("the command is missing"));
	if (prepare(&req))
		return CTL_RUN_FAILED;
	execvp(argv[optind], argv + optind);
	ret = errno == ENOENT ? CTL_RUN_NOTFOUND : CTL_RUN_NOEXEC;
	ctl_error("%s: %m", argv[optind]);
	return ret;
}

const struct command cmd_shim = {
	.name = "shim",
	.synopsis = "shim [options] -- COMMAND [ARGUMENT...]",
	.summary = "Start a command whose large shared memory goes to containers",
	.options =
"  -m, --min SIZE      mappings of at least this size; default 16M\n"
"  -r, --require       end the command where a mapping can't go to a container\n",
	.more =
"What goes there is memory that the command maps shared, anonymous, readable and\n"
"writable, and hands on by fork. All else stays as it is; so does everything where\n"
"containers are not available. Sets LD_PRELOAD, PTSHARE_PRELOAD and\n"
"PTSHARE_PRELOAD_MIN, see mshare-ctl-shim(8).\n"
"Exit status: the command's own; 125 if it was not started because of an error\n"
"here, or ended because of --require, 126 if it can't be executed, 127 if it is\n"
"not found.\n",
	.run = run,
};
