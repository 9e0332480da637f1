// SPDX-License-Identifier: GPL-2.0-or-later
/* run: assemble a container and become the command that gets it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"

struct request {
	const char *file;
	uint64_t length;	/* 0: as the layout needs */
	int max_prot;
	bool attach;
};

static int create(const struct request *req, const struct ptshare_layout *layout)
{
	uint64_t length = req->length;
	char size[24];
	int fd;

	if (!length)
		length = ptshare_layout_length(layout);
	if (!length) {
		ctl_error("%s: the layout is empty", req->file);
		ctl_hint("--length makes a container without regions");
		return -EINVAL;
	}
	fd = ptshare_create(-1, length, req->max_prot);
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT)
		ctl_no_kernel();
	else if (fd == -EACCES)
		ctl_error("%s: %s", PTSHARE_DEVICE, strerrordesc_np(EACCES));
	else
		ctl_error("a container of %s: %s (%s)",
			  ptshare_size_format(length, size),
			  strerrordesc_np(-fd), strerrorname_np(-fd));
	return fd;
}

static int assemble(const struct request *req,
		    const struct ptshare_layout *layout)
{
	struct ptshare_error err;
	int fd, ret;

	fd = create(req, layout);
	if (fd < 0)
		return fd;
	ret = ptshare_layout_apply(layout, fd, 0, &err);
	if (ret) {
		ctl_text_error(req->file, &err);
		return ret;
	}
	if (!req->attach)
		return fd;
	ret = ptshare_attach_fd(fd);
	if (ret < 0)
		ctl_error("attach fd: %s", strerrordesc_np(-ret));
	return ret;
}

static int build(const struct request *req)
{
	struct ptshare_layout *layout;
	struct ptshare_error err;
	size_t len;
	char *text;
	int ret;

	text = ctl_read_text(req->file, &len);
	if (!text)
		return -EIO;
	ret = ptshare_layout_parse(text, len, &layout, &err);
	free(text);
	if (ret) {
		ctl_text_error(req->file, &err);
		return ret;
	}
	ret = assemble(req, layout);
	ptshare_layout_free(layout);
	return ret;
}

static int become(int fd, char **command)
{
	int ret = ptshare_listen_export(fd, NULL);

	if (ret < 0) {
		ctl_error("handing over the fd: %s", strerrordesc_np(-ret));
		return CTL_RUN_FAILED;
	}
	execvp(command[0], command);
	ret = errno == ENOENT ? CTL_RUN_NOTFOUND : CTL_RUN_NOEXEC;
	ctl_error("%s: %m", command[0]);
	return ret;
}

static int usage_status(int ret)
{
	return ret ? CTL_RUN_FAILED : CTL_OK;
}

static bool set_length(struct request *req, const char *text)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (ptshare_size_parse(text, &req->length) || !req->length) {
		ctl_usage("length '%s' is no size", text);
		return false;
	}
	if (!(req->length % page))
		return true;
	ctl_error("length %s is no multiple of the page size", text);
	ctl_hint("next aligned value: %#llx",
		 (req->length / page + 1) * (unsigned long long)page);
	return false;
}

static bool set_max_prot(struct request *req, const char *text)
{
	if (!ptshare_prot_parse(text, &req->max_prot) && req->max_prot)
		return true;
	ctl_usage("max-prot '%s' is neither r nor rw", text);
	return false;
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
	struct request req = { .max_prot = PROT_READ | PROT_WRITE };
	int c, fd;

	/* "+": what follows the command is the command's. */
	while ((c = getopt_long(argc, argv, "+f:l:m:ah", longopts,
				NULL)) >= 0) {
		if (c == 'f')
			req.file = optarg;
		else if (c == 'a')
			req.attach = true;
		else if (c != 'l' && c != 'm')
			return usage_status(ctl_bad_option(c));
		else if (!(c == 'l' ? set_length : set_max_prot)(&req, optarg))
			return CTL_RUN_FAILED;
	}
	if (!req.file)
		return usage_status(ctl_usage("-f LAYOUT is missing"));
	if (optind == argc)
		return usage_status(ctl_usage("the command is missing"));
	fd = build(&req);
	return fd < 0 ? CTL_RUN_FAILED : become(fd, argv + optind);
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
