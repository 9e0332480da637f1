// SPDX-License-Identifier: GPL-2.0-or-later
/* The client's side of a holder: from its name to an fd of its container. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "ctl.h"
#include "holder.h"

/* A holder that systemd starts for us may have much to assemble. */
#define ANSWER_SECONDS	30

/* More than one fd is a mistake, but none of them may stay open. */
#define MAX_FDS		4

/* A letter first, so that no name looks like PID:FD, and no file is hidden. */
bool holder_is_name(const char *name)
{
	const char *p;

	/* strchr() finds the end of the string too. */
	for (p = name; isascii(*p) && (isalnum(*p) || strchr("_.-", *p)); p++)
		if (!*p)
			return isalpha(*name) && p - name <= HOLDER_MAX_NAME;
	return false;
}

socklen_t holder_address(const char *name, struct sockaddr_un *address)
{
	int len;

	*address = (struct sockaddr_un) { .sun_family = AF_UNIX };
	len = snprintf(address->sun_path, sizeof(address->sun_path),
		       HOLDER_DIR "/%s", name);
	return offsetof(struct sockaddr_un, sun_path) + len + 1;
}

static int no_connection(const char *name, int err)
{
	if (err == ENOENT && !ctl_kernel_has())
		return ctl_no_kernel();
	if (err == ENOENT) {
		ctl_error("%s: no such holder", name);
		ctl_hint("'mshare-ctl hold' starts one, 'mshare-ctl list' shows those that live");
	} else if (err == ECONNREFUSED) {
		ctl_error("%s: its holder has ended", name);
		ctl_hint("'mshare-ctl hold %s -f LAYOUT' starts a new one",
			 name);
	} else {
		ctl_error("%s: %s/%s: %s (%s)", name, HOLDER_DIR, name,
			  strerrordesc_np(err), strerrorname_np(err));
	}
	if (err == EACCES)
		ctl_hint("be its owner, or in its group: 'ls -l %s/%s'",
			 HOLDER_DIR, name);
	return CTL_FAILED;
}

static int connect_to(const char *name, int *sock)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un address;
	socklen_t len = holder_address(name, &address);
	int ret;

	*sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*sock < 0)
		return no_connection(name, errno);
	setsockopt(*sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	setsockopt(*sock, SOL_SOCKET, SO_SNDTIMEO, &patience,
		   sizeof(patience));
	if (!connect(*sock, (struct sockaddr *)&address, len))
		return CTL_OK;
	ret = no_connection(name, errno);
	close(*sock);
	return ret;
}

static size_t take_fds(struct msghdr *msg, int *fds)
{
	struct cmsghdr *cmsg;
	size_t nr = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), nr * sizeof(int));
	}
	return nr;
}

/* The fd, or -1 if the answer has none or several. */
static int only_fd(struct msghdr *msg)
{
	int fds[MAX_FDS];
	size_t nr = take_fds(msg, fds);

	if (nr == 1)
		return fds[0];
	while (nr)
		close(fds[--nr]);
	return -1;
}

static ssize_t receive(int sock, struct holder_answer *answer, int *fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = answer, .iov_len = sizeof(*answer) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len;

	do {
		len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	*fd = len < 0 ? -1 : only_fd(&msg);
	return len;
}

static bool understood(const struct holder_answer *answer, ssize_t len)
{
	return len == sizeof(*answer) && answer->magic == HOLDER_MAGIC &&
	       answer->version == HOLDER_VERSION &&
	       !answer->text[sizeof(answer->text) - 1];
}

/* Whoever answers may be anybody: what it says must stay one line of text. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static int judge(const char *name, struct holder_answer *answer, ssize_t len,
		 int fd)
{
	if (len < 0) {
		ctl_error("%s: no answer from the holder: %m", name);
	} else if (!len) {
		ctl_error("%s: the holder has closed the connection", name);
	} else if (!understood(answer, len)) {
		ctl_error("%s: this holder speaks another protocol", name);
		ctl_hint("is it of another version of mshare-ctl?");
	} else if (answer->error) {
		make_printable(answer->text);
		ctl_error("%s: %s (%s)", name, answer->text,
			  strerrorname_np(answer->error) ?: "?");
	} else if (fd < 0) {
		ctl_error("%s: the holder did not send one fd", name);
	} else {
		return CTL_OK;
	}
	if (fd >= 0)
		close(fd);
	return CTL_FAILED;
}

/* CTL_OK with a new fd, or the exit status after an error line. */
int holder_get(const char *name, bool control, int *fd)
{
	const struct holder_request request = {
		.magic = HOLDER_MAGIC,
		.version = HOLDER_VERSION,
		.want = control ? HOLDER_CONTROL : HOLDER_ATTACH,
	};
	struct holder_answer answer;
	ssize_t len;
	int ret, sock;

	ret = connect_to(name, &sock);
	if (ret)
		return ret;
	/* A holder that has no room for us answers before it is asked. */
	send(sock, &request, sizeof(request), MSG_NOSIGNAL);
	len = receive(sock, &answer, fd);
	ret = judge(name, &answer, len, *fd);
	close(sock);
	return ret;
}
