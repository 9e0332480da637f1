// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the tests of holders can't do from a shell: clients that say nothing or
 * nonsense, many clients in little time, and what systemd does for a service.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ptshare.h>
#include "holder.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define MAX_FDS		8

static int die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- clients -------------------------------------------------------------- */

static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), HOLDER_DIR "/%s",
		 name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die(name);
	return fd;
}

/* The packet's length; the fds that came with it in @fds and @nr. */
static ssize_t receive(int sock, void *buf, size_t size, int *fds, size_t *nr)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;

	*nr = 0;
	cmsg = len < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	for (; cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		*nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), *nr * sizeof(int));
	}
	return len;
}

static void print_answer(int sock)
{
	struct holder_answer answer;
	int fds[MAX_FDS];
	size_t nr;
	ssize_t len = receive(sock, &answer, sizeof(answer), fds, &nr);

	if (len != sizeof(answer)) {
		printf("%s\n", len ? strerrorname_np(errno) : "closed");
		return;
	}
	printf("%x %u %s, %zu fds: %s\n", answer.magic, answer.version,
	       answer.error ? strerrorname_np(answer.error) : "ok", nr,
	       answer.text);
}

static size_t from_hex(const char *hex, unsigned char *bytes, size_t size)
{
	unsigned int byte;
	size_t len = 0;

	while (len < size && sscanf(hex + 2 * len, "%2x", &byte) == 1)
		bytes[len++] = byte;
	return len;
}

/*
 * packet NAME HEX...: send these packets, print the first answer. With "-"
 * it waits for a line on standard input there.
 */
static int packet(char **arg)
{
	int sock = connect_to(arg[0]);
	unsigned char bytes[4096];
	size_t len;

	for (arg++; *arg; arg++) {
		if (!strcmp(*arg, "-")) {
			puts("ready");
			fflush(stdout);
			getchar();
			continue;
		}
		len = from_hex(*arg, bytes, sizeof(bytes));
		if (send(sock, bytes, len, MSG_NOSIGNAL) < 0)
			die("send");
	}
	print_answer(sock);
	return 0;
}

/* silent NAME COUNT: connect so often and say nothing, until killed */
static int silent(char **arg)
{
	int i;

	for (i = 0; i < atoi(arg[1]); i++)
		connect_to(arg[0]);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

static int get_fd(const char *name, uint16_t want)
{
	const struct holder_request request = {
		.magic = HOLDER_MAGIC,
		.version = HOLDER_VERSION,
		.want = want,
	};
	struct holder_answer answer;
	int fds[MAX_FDS], sock = connect_to(name);
	size_t nr;

	if (send(sock, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		die("send");
	if (receive(sock, &answer, sizeof(answer), fds, &nr) !=
	    sizeof(answer) || nr != 1) {
		fputs("no fd\n", stderr);
		exit(1);
	}
	close(sock);
	return fds[0];
}

/* cycle NAME COUNT: get an fd and close it again */
static int cycle(char **arg)
{
	struct ptshare_info info;
	int i, fd;

	for (i = 0; i < atoi(arg[1]); i++) {
		fd = get_fd(arg[0], i % 8 ? HOLDER_ATTACH : HOLDER_CONTROL);
		if (ptshare_info(fd, &info))
			return 1;
		close(fd);
	}
	printf("%d cycles\n", i);
	return 0;
}

/* A window of an fd that a holder gives: one page of it is read and written. */
static int visit(const char *name, struct ptshare_window *window)
{
	int fd = get_fd(name, HOLDER_ATTACH);
	int ret = ptshare_window_open(window, fd, 0, 0);

	close(fd);
	if (!ret)
		++*(volatile int *)window->addr;
	return ret;
}

static int visit_in_child(const char *name)
{
	struct ptshare_window window;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(visit(name, &window) != 0);
	return waitpid(pid, &status, 0) != pid || status;
}

/*
 * attach NAME COUNT: be a client so often, and leave by closing the window, or
 * every tenth time by the exit of a child that has it.
 */
static int attach(char **arg)
{
	struct ptshare_window window;
	int i, ret;

	for (i = 0; i < atoi(arg[1]); i++) {
		if (i % 10) {
			ret = visit(arg[0], &window);
			if (!ret)
				ptshare_window_close(&window);
		} else {
			ret = visit_in_child(arg[0]);
		}
		if (ret)
			return 1;
	}
	printf("%d times\n", i);
	return 0;
}

/* --- systemd -------------------------------------------------------------- */

struct service {
	char **command;
	int listener;		/* -1: none */
	int stored;		/* -1: none */
	char name[64];		/* of @stored */
	int notify;
	pid_t pid;
};

static void open_notify(struct service *service)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	int len;

	len = snprintf(name, sizeof(name), "@hold-probe.%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, len - 1);
	service->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(service->notify, (struct sockaddr *)&address,
		 offsetof(struct sockaddr_un, sun_path) + len))
		die("notify socket");
	setenv("NOTIFY_SOCKET", name, 1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    chmod(path, 0660) || listen(fd, 16))
		die(path);
	return fd;
}

static void set_number(const char *name, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	setenv(name, text, 1);
}

/* The fds are high enough not to be in the way of each other. */
static void become_service(const struct service *service)
{
	const char *const names[] = { "socket", service->name };
	const int fds[] = { service->listener, service->stored };
	char list[128] = "";
	int nr = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		dup2(fds[i], 3 + nr);
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
			 "%s%s", nr++ ? ":" : "", names[i]);
	}
	if (nr) {
		set_number("LISTEN_FDS", nr);
		set_number("LISTEN_PID", getpid());
		setenv("LISTEN_FDNAMES", list, 1);
	}
	execvp(service->command[0], service->command);
	_exit(127);
}

static void start(struct service *service)
{
	service->pid = fork();
	if (!service->pid)
		become_service(service);
	printf("pid %d\n", (int)service->pid);
	fflush(stdout);
}

static void keep(struct service *service, char *message, int fd)
{
	char *name = strstr(message, "FDNAME=");

	if (!strstr(message, "FDSTORE=1") || !name) {
		close(fd);
		return;
	}
	snprintf(service->name, sizeof(service->name), "%.*s",
		 (int)strcspn(name + 7, "\n"), name + 7);
	service->stored = dup2(fd, 101);
	close(fd);
}

static void take_message(struct service *service)
{
	char message[1024], *p;
	int fds[MAX_FDS];
	size_t nr;
	ssize_t len;

	len = receive(service->notify, message, sizeof(message) - 1, fds, &nr);
	if (len < 0)
		return;
	message[len] = 0;
	while (nr)
		keep(service, message, fds[--nr]);
	for (p = message; *p; p++)
		if (*p == '\n')
			*p = '|';
	printf("%s\n", message);
	fflush(stdout);
}

/*
 * service PATH COMMAND...: run it as systemd would, print what it says, and
 * start it again when it is killed. PATH is a socket that it gets, or "-".
 */
static int run_service(char **arg)
{
	struct service service = {
		.command = arg + 1,
		.listener = -1,
		.stored = -1,
	};
	struct pollfd poll_fd = { .events = POLLIN };
	int status;

	if (strcmp(arg[0], "-"))
		service.listener = dup2(listen_at(arg[0]), 100);
	open_notify(&service);
	poll_fd.fd = service.notify;
	start(&service);
	for (;;) {
		pid_t ended = waitpid(service.pid, &status, WNOHANG);

		/* What it said before its end is read first. */
		while (poll(&poll_fd, 1, ended ? 0 : 50) > 0)
			take_message(&service);
		if (!ended)
			continue;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		start(&service);
	}
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "packet", 1, packet }, { "silent", 2, silent }, { "cycle", 2, cycle },
	{ "attach", 2, attach }, { "service", 2, run_service },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].args)
			return commands[i].run(argv + 2);
	fputs("usage: see hold-probe.c\n", stderr);
	return 2;
}
