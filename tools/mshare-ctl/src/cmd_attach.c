// SPDX-License-Identifier: GPL-2.0-or-later
/* attach: become a command that gets the container of a holder. */
#include "ctl.h"
#include "holder.h"

static int usage_status(int ret)
{
	return ret ? CTL_RUN_FAILED : CTL_OK;
}

static int attach(const char *name, bool control, char **command)
{
	int fd;

	if (!name)
		return usage_status(ctl_usage("the NAME is missing"));
	if (!holder_is_name(name))
		return usage_status(ctl_usage("'%s' is no name of a holder",
					      name));
	if (!*command)
		return usage_status(ctl_usage("the command is missing"));
	if (holder_get(name, control, &fd))
		return CTL_RUN_FAILED;
	return ctl_become(fd, command);
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "control", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *name = NULL;
	bool control = false;
	int c;

	/* "+": what follows the command is the command's. */
	for (;;) {
		c = getopt_long(argc, argv, "+ch", longopts, NULL);
		if (c == 'c') {
			control = true;
			continue;
		}
		if (c >= 0)
			return usage_status(ctl_bad_option(c));
		if (name || !argv[optind])
			return attach(name, control, argv + optind);
		name = argv[optind++];
	}
}

const struct command cmd_attach = {
	.name = "attach",
	.synopsis = "attach NAME [options] -- COMMAND [ARGUMENT...]",
	.summary = "Start a command that gets the container of a holder as fd 3",
	.options =
"  -c, --control       hand over the control fd, if we may have it\n",
	.more =
"NAME is that of a 'mshare-ctl hold'. The command finds the fd by LISTEN_FDS,\n"
"LISTEN_PID and LISTEN_FDNAMES=ptshare.\n"
"Exit status: the command's own; 125 if it was not started because of an error\n"
"here, 126 if it can't be executed, 127 if it is not found.\n",
	.run = run,
};
