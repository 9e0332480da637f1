// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket of a holder, and who may have its name.
 *
 * A lock on HOLDER_DIR/.NAME.lock is kept as long as the holder lives: with it
 * in hand, a socket that nobody listens at is a dead holder's. A socket passed
 * to us is its maker's, who keeps its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "hold.h"

static int failed(const struct hold *hold, const char *path)
{
	ctl_error("%s: %s: %m (%s)", hold->name, path, strerrorname_np(errno));
	return CTL_FAILED;
}

static int make_dir(const struct hold *hold)
{
	mode_t mask = umask(022);
	int ret = mkdir(HOLDER_DIR, 0755);

	umask(mask);
	if (!ret || errno == EEXIST)
		return CTL_OK;
	failed(hold, HOLDER_DIR);
	ctl_hint("be root, or have root make a " HOLDER_DIR " that you may write to");
	return CTL_FAILED;
}

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !lstat(path, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static void lock_path(const struct hold *hold, char *path, size_t size)
{
	snprintf(path, size, HOLDER_DIR "/.%s.lock", hold->name);
}

static int in_use(const struct hold *hold)
{
	ctl_error("%s: another holder has this name", hold->name);
	ctl_hint("'mshare-ctl info %s' shows its container", hold->name);
	return CTL_FAILED;
}

/* A lock file that its holder has removed meanwhile is no lock: try again. */
static int take_lock(struct hold *hold)
{
	char path[sizeof(HOLDER_DIR) + HOLDER_MAX_NAME + 8];

	lock_path(hold, path, sizeof(path));
	for (;;) {
		hold->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC |
				  O_NOFOLLOW, 0600);
		if (hold->lock < 0)
			return failed(hold, path);
		if (flock(hold->lock, LOCK_EX | LOCK_NB)) {
			close(hold->lock);
			hold->lock = -1;
			return in_use(hold);
		}
		if (same_file(hold->lock, path))
			return CTL_OK;
		close(hold->lock);
	}
}

/* systemd may listen at a name whose holder does not run. */
static bool answered(const struct hold *hold)
{
	struct sockaddr_un address;
	socklen_t len = holder_address(hold->name, &address);
	bool ret;
	int fd;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	ret = !connect(fd, (struct sockaddr *)&address, len) ||
	      errno == EAGAIN;
	close(fd);
	return ret;
}

static void drop_lock(struct hold *hold)
{
	char path[sizeof(HOLDER_DIR) + HOLDER_MAX_NAME + 8];

	lock_path(hold, path, sizeof(path));
	unlink(path);
	close(hold->lock);
	hold->lock = -1;
}

/* Makes sure that the name is ours, before anything is assembled. */
int hold_claim(struct hold *hold)
{
	int ret = make_dir(hold);

	if (!ret)
		ret = take_lock(hold);
	if (ret)
		return ret;
	if (!answered(hold))
		return CTL_OK;
	drop_lock(hold);
	return in_use(hold);
}

static int open_node(struct hold *hold, const char *path)
{
	hold->node = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return hold->node < 0 ? failed(hold, path) : CTL_OK;
}

/* Nobody may connect before owner and mode are right: it begins with mode 0. */
static int bind_socket(struct hold *hold, const struct sockaddr_un *address,
		       socklen_t len)
{
	const char *path = address->sun_path;
	mode_t mask;
	int ret;

	if (unlink(path) && errno != ENOENT)
		return failed(hold, path);
	mask = umask(0777);
	ret = bind(hold->listener, (const struct sockaddr *)address, len);
	umask(mask);
	return ret ? failed(hold, path) : open_node(hold, path);
}

int hold_listen(struct hold *hold)
{
	struct sockaddr_un address;
	socklen_t len = holder_address(hold->name, &address);
	const char *path = address.sun_path;
	int ret;

	hold->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
				SOCK_NONBLOCK, 0);
	if (hold->listener < 0)
		return failed(hold, "socket");
	ret = bind_socket(hold, &address, len);
	if (ret)
		return ret;
	if (chown(path, hold->owner, hold->group) || chmod(path, hold->mode) ||
	    listen(hold->listener, SOMAXCONN))
		return failed(hold, path);
	return CTL_OK;
}

/* For a listening socket that we were started with. */
int hold_adopt(struct hold *hold)
{
	struct sockaddr_un address = { 0 };
	socklen_t len = sizeof(address) - 1;

	fcntl(hold->listener, F_SETFL,
	      fcntl(hold->listener, F_GETFL) | O_NONBLOCK);
	if (getsockname(hold->listener, (struct sockaddr *)&address, &len))
		return failed(hold, "the socket passed to us");
	if (*address.sun_path)
		return open_node(hold, address.sun_path);
	ctl_error("%s: the socket passed to us has no path", hold->name);
	return CTL_FAILED;
}

/*
 * What can't be removed after --user is replaced by the next holder: nobody
 * listens there, and nobody has the lock.
 */
void hold_release(struct hold *hold)
{
	struct sockaddr_un address;

	if (hold->lock < 0)
		return;
	holder_address(hold->name, &address);
	if (hold->node >= 0 && same_file(hold->node, address.sun_path))
		unlink(address.sun_path);
	drop_lock(hold);
}
