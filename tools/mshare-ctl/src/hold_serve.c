// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The loop of a holder: accept, read one request, answer, close.
 *
 * Nobody is waited for: a client that says nothing is dropped after a while,
 * and no user can take all places.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include "hold.h"

#define MAX_CLIENTS	64
#define MAX_PER_USER	16
#define PATIENCE_MS	5000

enum { SIGNALS, LISTENER, FIRST_CLIENT };

struct client {
	int fd;
	uid_t uid;
	int64_t deadline;	/* ms, CLOCK_MONOTONIC */
};

/* Clients are in the order of their deadlines. */
struct server {
	const struct hold *hold;
	struct pollfd polls[FIRST_CLIENT + MAX_CLIENTS];
	struct client clients[MAX_CLIENTS];
	int nr;
};

static int64_t now_ms(void)
{
	return ctl_now() / 1000000;
}

static void set_fd(struct msghdr *msg, void *room, size_t size, int fd)
{
	struct cmsghdr *cmsg;

	msg->msg_control = room;
	msg->msg_controllen = size;
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
}

/* With @fd -1, @error and @text tell why. */
static bool answer(int client, int fd, int error, const char *text)
{
	struct holder_answer reply = {
		.magic = HOLDER_MAGIC,
		.version = HOLDER_VERSION,
		.error = error,
	};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = &reply, .iov_len = sizeof(reply) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	snprintf(reply.text, sizeof(reply.text), "%s", text);
	if (fd >= 0)
		set_fd(&msg, &control, sizeof(control), fd);
	return sendmsg(client, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* An fd in flight counts against a limit of ours; the text does not. */
static void give(int client, int fd)
{
	if (!answer(client, fd, 0, "") && errno != EPIPE)
		answer(client, -1, errno, strerrordesc_np(errno));
}

static void give_attach(const struct hold *hold, int client)
{
	int fd = ptshare_attach_fd(hold->control);

	if (fd < 0) {
		answer(client, -1, -fd, strerrordesc_np(-fd));
		return;
	}
	give(client, fd);
	close(fd);
}

/* NULL, or what is wrong with a packet of @len bytes. */
static const char *bad_request(const struct holder_request *request,
			       ssize_t len)
{
	if (len < (ssize_t)sizeof(*request) || request->magic != HOLDER_MAGIC)
		return "that is no request to a holder";
	if (request->version != HOLDER_VERSION)
		return "this holder speaks version 1 of the protocol only";
	if (len != sizeof(*request) || request->reserved[0] ||
	    request->reserved[1] || (request->want != HOLDER_ATTACH &&
				     request->want != HOLDER_CONTROL))
		return "this holder does not know the request";
	return NULL;
}

static void reply(const struct hold *hold, int client,
		  const struct holder_request *request, ssize_t len)
{
	const char *text = bad_request(request, len);
	bool control = !text && request->want == HOLDER_CONTROL;
	const char *why;

	/* Who may have nothing is not told either what a request looks like. */
	if (!hold_allows(hold, client, control, &why))
		answer(client, -1, EACCES, why);
	else if (text)
		answer(client, -1, EPROTO, text);
	else if (control)
		give(client, hold->control);
	else
		give_attach(hold, client);
}

/* Whether the client is done with, one way or the other. */
static bool serve(const struct server *server, const struct client *client)
{
	struct holder_request request;
	ssize_t len;

	len = recv(client->fd, &request, sizeof(request),
		   MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0)
		return errno != EAGAIN && errno != EINTR;
	/* Nothing is an empty packet, or the end. */
	if (len)
		reply(server->hold, client->fd, &request, len);
	return true;
}

static void drop(struct server *server, int i)
{
	close(server->clients[i].fd);
	server->nr--;
	memmove(&server->clients[i], &server->clients[i + 1],
		(server->nr - i) * sizeof(server->clients[0]));
}

/* Makes room at the cost of the same user, who then loses the oldest. */
static void limit_user(struct server *server, uid_t uid)
{
	int i, oldest = -1, nr = 0;

	for (i = server->nr - 1; i >= 0; i--) {
		if (server->clients[i].uid == uid) {
			oldest = i;
			nr++;
		}
	}
	if (nr >= MAX_PER_USER)
		drop(server, oldest);
}

static void admit(struct server *server, int fd)
{
	struct client client = {
		.fd = fd,
		.deadline = now_ms() + PATIENCE_MS,
	};
	struct ucred peer = { .uid = -1 };
	socklen_t len = sizeof(peer);

	/* Most have asked already, and then need no place. */
	if (serve(server, &client)) {
		close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	client.uid = peer.uid;
	limit_user(server, client.uid);
	server->clients[server->nr++] = client;
}

static void take_clients(struct server *server)
{
	while (server->nr < MAX_CLIENTS) {
		int fd = accept4(server->hold->listener, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		/* Without fds or memory the next try would come at once. */
		if (errno != EAGAIN)
			poll(NULL, 0, 100);
		return;
	}
}

static void serve_clients(struct server *server, int polled)
{
	int64_t now = now_ms();
	int i;

	/* From the end: what is dropped moves only those that are done. */
	for (i = polled - 1; i >= 0; i--) {
		const struct client *client = &server->clients[i];

		if ((server->polls[FIRST_CLIENT + i].revents &&
		     serve(server, client)) || client->deadline <= now)
			drop(server, i);
	}
}

static int wait_for(struct server *server)
{
	int64_t left = -1;
	int i;

	server->polls[LISTENER].events =
		server->nr < MAX_CLIENTS ? POLLIN : 0;
	for (i = 0; i < server->nr; i++)
		server->polls[FIRST_CLIENT + i] = (struct pollfd) {
			.fd = server->clients[i].fd,
			.events = POLLIN,
		};
	if (server->nr) {
		left = server->clients[0].deadline - now_ms();
		left = left < 0 ? 0 : left;
	}
	return poll(server->polls, FIRST_CLIENT + server->nr, left);
}

/* Until SIGTERM or SIGINT. */
int hold_serve(const struct hold *hold)
{
	struct server server = { .hold = hold };
	int polled;

	server.polls[SIGNALS].fd = hold->signals;
	server.polls[SIGNALS].events = POLLIN;
	server.polls[LISTENER].fd = hold->listener;
	for (;;) {
		polled = server.nr;
		if (wait_for(&server) < 0) {
			if (errno == EINTR)
				continue;
			ctl_error("%s: poll: %m", hold->name);
			return CTL_FAILED;
		}
		if (server.polls[SIGNALS].revents)
			return CTL_OK;
		serve_clients(&server, polled);
		if (server.polls[LISTENER].revents)
			take_clients(&server);
	}
}
