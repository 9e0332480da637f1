// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hold: keep a container for clients that come by name. In the foreground, and
 * as systemd likes it; what it is asked is in hold_serve.c.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include "hold.h"

/* --- what systemd has passed to us ---------------------------------------- */

static void take_passed(struct hold *hold, int fd, const char *name)
{
	int *place = NULL;

	if (!strcmp(name, PTSHARE_LISTEN_NAME))
		place = &hold->control;
	else if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0)
		place = &hold->listener;
	if (place && *place < 0) {
		*place = fd;
		return;
	}
	ctl_error("%s: the fd %d passed as '%s' is of no use here", hold->name,
		  fd, name);
	close(fd);
}

static int take_all_passed(struct hold *hold)
{
	char **names = NULL;
	int i, nr;

	nr = sd_listen_fds_with_names(1, &names);
	if (nr < 0) {
		ctl_error("%s: LISTEN_FDS: %s", hold->name,
			  strerrordesc_np(-nr));
		return CTL_FAILED;
	}
	for (i = 0; i < nr; i++) {
		take_passed(hold, SD_LISTEN_FDS_START + i, names[i]);
		free(names[i]);
	}
	free(names);
	hold->stored = hold->control >= 0;
	return CTL_OK;
}

/* Ours of an earlier life, or nobody's: it must be what would be made anew. */
static int check_stored(const struct hold *hold,
			const struct ptshare_layout *layout)
{
	uint64_t length = build_length(&hold->build, layout);
	struct ptshare_info info = { 0 };
	int ret, fd;

	if (!length)
		return CTL_FAILED;
	ret = ptshare_info(hold->control, &info);
	if (ret || !info.length) {
		ctl_error("%s: the fd from the fd store is no container",
			  hold->name);
		return CTL_FAILED;
	}
	fd = ptshare_attach_fd(hold->control);
	if (fd < 0) {
		ctl_error("%s: the fd from the fd store is no control fd (%s)",
			  hold->name, strerrorname_np(-fd));
		return CTL_FAILED;
	}
	close(fd);
	if (info.length == length)
		return CTL_OK;
	ctl_error("%s: the stored container has %#" PRIx64 " bytes, the layout wants %#" PRIx64,
		  hold->name, (uint64_t)info.length, length);
	ctl_hint("a container's length is for life: stop the service, then start it");
	return CTL_FAILED;
}

static int get_container(struct hold *hold,
			 const struct ptshare_layout *layout)
{
	if (hold->stored)
		return check_stored(hold, layout);
	return build_assemble(&hold->build, layout, &hold->control);
}

static void tell_ready(const struct hold *hold)
{
	struct ptshare_info info = { 0 };
	char size[24];

	if (!hold->stored)
		sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" PTSHARE_LISTEN_NAME,
				       &hold->control, 1);
	ptshare_info(hold->control, &info);
	sd_notifyf(0, "READY=1\nSTATUS=%s container %" PRIu64 " of %s, %u regions",
		   hold->stored ? "Keeping" : "Holding", (uint64_t)info.id,
		   ptshare_size_format(info.length, size), info.nr_regions);
}

/* --- from start to end ---------------------------------------------------- */

static int block_signals(struct hold *hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	hold->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (hold->signals >= 0)
		return CTL_OK;
	ctl_error("%s: signalfd: %m", hold->name);
	return CTL_FAILED;
}

static int serve(struct hold *hold)
{
	int ret = hold_drop(hold);

	if (ret)
		return ret;
	tell_ready(hold);
	ret = hold_serve(hold);
	sd_notify(0, "STOPPING=1");
	return ret;
}

static int hold_layout(struct hold *hold, const struct ptshare_layout *layout)
{
	bool passed = hold->listener >= 0;
	int ret = block_signals(hold);

	if (!ret && !passed)
		ret = hold_claim(hold);
	if (ret)
		return ret;
	ret = get_container(hold, layout);
	if (!ret)
		ret = passed ? hold_adopt(hold) : hold_listen(hold);
	if (!ret)
		ret = serve(hold);
	hold_release(hold);
	return ret;
}

static int hold_name(struct hold *hold)
{
	struct ptshare_layout *layout;
	int ret;

	ret = take_all_passed(hold);
	if (ret)
		return ret;
	layout = build_read(&hold->build);
	if (!layout)
		return CTL_FAILED;
	/* Not even the name is taken where nothing can come of it. */
	ret = ctl_kernel_has() ? hold_layout(hold, layout) : ctl_no_kernel();
	ptshare_layout_free(layout);
	return ret;
}

/* --- options -------------------------------------------------------------- */

static bool parse_id(const char *text, uint32_t *id)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	*id = number;
	return isdigit((unsigned char)*text) && !*end && !errno &&
	       number < UINT32_MAX;
}

static bool set_owner(struct hold *hold, const char *text)
{
	const struct passwd *user = getpwnam(text);

	if (user)
		hold->owner = user->pw_uid;
	if (user || parse_id(text, &hold->owner))
		return true;
	ctl_error("no such user: %s", text);
	return false;
}

static bool set_group(struct hold *hold, const char *text)
{
	const struct group *group = getgrnam(text);

	if (group)
		hold->group = group->gr_gid;
	if (group || parse_id(text, &hold->group))
		return true;
	ctl_error("no such group: %s", text);
	return false;
}

static bool set_user(struct hold *hold, const char *text)
{
	const struct passwd *user = getpwnam(text);

	if (!user) {
		ctl_error("no such user: %s", text);
		return false;
	}
	hold->user = text;
	hold->uid = user->pw_uid;
	hold->gid = user->pw_gid;
	return true;
}

static bool set_mode(struct hold *hold, const char *text)
{
	unsigned long mode;
	char *end;

	mode = strtoul(text, &end, 8);
	hold->mode = mode;
	if (isdigit((unsigned char)*text) && !*end && mode <= 0777)
		return true;
	ctl_usage("mode '%s' is no octal number up to 0777", text);
	return false;
}

static bool set_option(struct hold *hold, int c, const char *arg)
{
	switch (c) {
	case 'f':
		hold->build.file = arg;
		return true;
	case 'M':
		return set_mode(hold, arg);
	case 'O':
		return set_owner(hold, arg);
	case 'G':
		return set_group(hold, arg);
	case 'u':
		return set_user(hold, arg);
	default:
		return build_option(&hold->build, c, arg);
	}
}

static int check_arguments(struct hold *hold, char **words, int nr)
{
	if (nr != 1)
		return ctl_usage(nr ? "one NAME at a time" :
				 "the NAME is missing");
	if (!hold->build.file)
		return ctl_usage("-f LAYOUT is missing");
	hold->name = words[0];
	if (holder_is_name(hold->name))
		return CTL_OK;
	return ctl_usage("'%s' is no name: a letter, then up to 63 letters, digits or _.-",
			 hold->name);
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "length", required_argument, NULL, 'l' },
		{ "max-prot", required_argument, NULL, 'm' },
		{ "mode", required_argument, NULL, 'M' },
		{ "owner", required_argument, NULL, 'O' },
		{ "group", required_argument, NULL, 'G' },
		{ "user", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hold hold = {
		.build.max_prot = PROT_READ | PROT_WRITE,
		.mode = 0660,
		.owner = -1,
		.group = -1,
		.control = -1,
		.listener = -1,
		.node = -1,
		.lock = -1,
	};
	int c, ret;

	while ((c = getopt_long(argc, argv, "f:l:m:M:O:G:u:h", longopts,
				NULL)) >= 0) {
		if (c == 'h' || c == '?')
			return ctl_bad_option(c);
		if (!set_option(&hold, c, optarg))
			return CTL_USAGE;
	}
	ret = check_arguments(&hold, argv + optind, argc - optind);
	return ret ? ret : hold_name(&hold);
}

const struct command cmd_hold = {
	.name = "hold",
	.synopsis = "hold NAME -f LAYOUT [options]",
	.summary = "Keep a container, and give it to clients that come by its name",
	.options =
"  -f, --file LAYOUT   what to assemble, as for run; - is standard input\n"
"  -l, --length SIZE   of the container; default: the end of the last region\n"
"                      rounded up to 1G\n"
"  -m, --max-prot r|rw what regions may ever allow; default rw\n"
"  -M, --mode MODE     of the socket, octal: who may write to it may have an\n"
"                      attach fd; default 0660\n"
"  -O, --owner USER    of the socket: may have the control fd too, as root may\n"
"  -G, --group GROUP   of the socket\n"
"  -u, --user USER     become that user when all is open\n",
	.more =
"The socket is " HOLDER_DIR "/NAME. hold stays in the foreground until SIGTERM or\n"
"SIGINT. It tells systemd when it is ready, takes a socket from it, and leaves\n"
"the container in its fd store, so that a restarted hold goes on with it.\n",
	.run = run,
};
