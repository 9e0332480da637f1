// SPDX-License-Identifier: GPL-2.0-or-later
/* run: assemble a container and become the command that gets it. */
#include <string.h>
#include "ctl.h"

static int usage_status(int ret)
{
	return ret ? CTL_RUN_FAILED : CTL_OK;
}

static int start(const struct build *build, bool attach, char **command)
{
	int fd, ret;

	if (build_container(build, &fd))
		return CTL_RUN_FAILED;
	if (!attach)
		return ctl_become(fd, command);
	ret = ptshare_attach_fd(fd);
	if (ret >= 0)
		return ctl_become(ret, command);
	ctl_error("attach fd: %s", strerrordesc_np(-ret));
	return CTL_RUN_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "length", required_argument, NULL, 'l' },
		{ "max-prot", required_argument, NULL, 'm' },
		{ "attach", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct build build = { .max_prot = PROT_READ | PROT_WRITE };
	bool attach = false;
	int c;

	/* "+": what follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+f:l:m:ah", longopts,
				NULL)) >= 0) {
		if (c == 'f')
			build.file = optarg;
		else if (c == 'a')
			attach = true;
		else if (c != 'l' && c != 'm')
			return usage_status(ctl_bad_option(c));
		else if (!build_option(&build, c, optarg))
			return CTL_RUN_FAILED;
	}
	if (!build.file)
		return usage_status(ctl_usage("-f LAYOUT is missing"));
	if (optind == argc)
		return usage_status(ctl_usage("the command is missing"));
	return start(&build, attach, argv + optind);
}

const struct command cmd_run = {
	.name = "run",
	.synopsis = "run -f LAYOUT [options] -- COMMAND [ARGUMENT...]",
	.summary = "Assemble a container and start a command that gets it as fd 3",
	.options =
"  -f, --file LAYOUT   what to assemble; - is standard input\n"
"  -l, --length SIZE   of the container; default: the end of the last region\n"
"                      rounded up to 1G\n"
"  -m, --max-prot r|rw what regions may ever allow; default rw\n"
"  -a, --attach        hand over an attach fd, that can map and query only\n",
	.more =
"Layout lines: OFFSET LENGTH PROT SOURCE [SOURCE-OFFSET], # starts a comment,\n"
"\\ooo is a byte in octal. PROT is r, rw or -. SOURCE is a path, memfd:NAME,\n"
"hugetlb:SIZE:NAME or fd:N.\n"
"The command finds the fd by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES=ptshare.\n"
"Exit status: the command's own; 125 if it was not started because of an error\n"
"here, 126 if it can't be executed, 127 if it is not found.\n",
	.run = run,
};
