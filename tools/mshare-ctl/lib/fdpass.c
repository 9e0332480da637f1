// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handing a container over exec, in the form of systemd's socket activation,
 * so that sd_listen_fds_with_names() of any language finds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ptshare.h>

static int set_env_number(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return setenv(name, text, 1) ? -errno : 0;
}

static int place_fd(int fd)
{
	int flags;

	/* dup2() to itself would leave the close-on-exec flag set. */
	if (fd != PTSHARE_LISTEN_FD)
		return dup2(fd, PTSHARE_LISTEN_FD) < 0 ? -errno : 0;
	flags = fcntl(fd, F_GETFD);
	if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC))
		return -errno;
	return 0;
}

int ptshare_listen_export(int fd, const char *name)
{
	int ret;

	if (!name)
		name = PTSHARE_LISTEN_NAME;
	ret = place_fd(fd);
	if (!ret)
		ret = set_env_number("LISTEN_FDS", 1);
	if (!ret)
		ret = set_env_number("LISTEN_PID", getpid());
	if (!ret && setenv("LISTEN_FDNAMES", name, 1))
		ret = -errno;
	return ret ? ret : PTSHARE_LISTEN_FD;
}

static int get_env_number(const char *name, long *value)
{
	const char *text = getenv(name);
	char *end;

	if (!text || !*text)
		return -ENOENT;
	errno = 0;
	*value = strtol(text, &end, 10);
	return errno || *end || *value < 0 ? -ENOENT : 0;
}

/* Index of @name in the list "name:name:...", or -1. */
static int name_index(const char *list, const char *name)
{
	size_t len = strlen(name);
	int i;

	for (i = 0; list; i++) {
		const char *colon = strchrnul(list, ':');

		if ((size_t)(colon - list) == len && !memcmp(list, name, len))
			return i;
		list = *colon ? colon + 1 : NULL;
	}
	return -1;
}

int ptshare_listen_import(const char *name)
{
	long pid, nr;
	int i, fd;

	if (get_env_number("LISTEN_PID", &pid) || pid != getpid() ||
	    get_env_number("LISTEN_FDS", &nr) ||
	    nr > INT_MAX - PTSHARE_LISTEN_FD)
		return -ENOENT;
	i = name_index(getenv("LISTEN_FDNAMES"),
		       name ? name : PTSHARE_LISTEN_NAME);
	if (i < 0 || i >= nr)
		return -ENOENT;
	fd = PTSHARE_LISTEN_FD + i;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) ? -ENOENT : fd;
}
