// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TARGET: an fd of our own by its number, another process's as PID:FD, or a
 * holder's container by its name.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include "ctl.h"
#include "holder.h"

static bool parse_number(const char *text, const char **end, int *value)
{
	char *stop;
	long number;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtol(text, &stop, 10);
	if (errno || number > INT_MAX)
		return false;
	*end = stop;
	*value = number;
	return true;
}

static bool parse(struct target *target, const char *text)
{
	int first;

	if (!parse_number(text, &text, &first))
		return false;
	if (!*text) {
		target->number = first;
		return true;
	}
	target->pid = first;
	return *text++ == ':' && first &&
	       parse_number(text, &text, &target->number) && !*text;
}

static int take_from(struct target *target)
{
	int pidfd = syscall(SYS_pidfd_open, target->pid, 0);
	int err;

	if (pidfd < 0) {
		ctl_error("%s: process %d: %m (%s)", target->name,
			  (int)target->pid, strerrorname_np(errno));
		return CTL_FAILED;
	}
	target->fd = syscall(SYS_pidfd_getfd, pidfd, target->number, 0);
	err = errno;
	close(pidfd);
	if (target->fd >= 0)
		return CTL_OK;
	ctl_error("%s: fd %d of process %d: %s (%s)", target->name,
		  target->number, (int)target->pid, strerrordesc_np(err),
		  strerrorname_np(err));
	if (err == EPERM)
		ctl_hint("this needs the right to trace that process, see ptrace(2)");
	return CTL_FAILED;
}

static int probe(struct target *target)
{
	int ret = ptshare_info(target->fd, &target->info);

	if (!ret && target->info.length)
		return CTL_OK;
	if (!ret) {
		ctl_error("%s: this is the device, not a container",
			  target->name);
		return CTL_FAILED;
	}
	if (ret == -ENOTTY && !ctl_kernel_has())
		return ctl_no_kernel();
	if (ret == -ENOTTY)
		ctl_error("%s: not a container (ENOTTY)", target->name);
	else
		ctl_error("%s: %s (%s)", target->name, strerrordesc_np(-ret),
			  strerrorname_np(-ret));
	return CTL_FAILED;
}

/* CTL_OK with an open container, or the exit status after an error line. */
int target_open(struct target *target, const char *name)
{
	int ret;

	memset(target, 0, sizeof(*target));
	if (!name)
		return ctl_usage("which container? NAME, PID:FD or FD is missing");
	target->name = name;
	target->holder = holder_is_name(name);
	if (target->holder) {
		ret = holder_get(name, ctl_current->control, &target->fd);
		return ret ? ret : probe(target);
	}
	if (!parse(target, name)) {
		ctl_error("%s: neither PID:FD nor FD, nor a holder's name",
			  name);
		ctl_hint("'mshare-ctl list' shows the names, and the holders as PID:FD");
		return CTL_USAGE;
	}
	target->fd = target->number;
	if (target->pid) {
		ret = take_from(target);
		if (ret)
			return ret;
	}
	return probe(target);
}
