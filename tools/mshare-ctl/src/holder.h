/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a holder and its clients talk: one packet each way over a SOCK_SEQPACKET
 * socket at HOLDER_DIR/NAME, then the holder closes the connection. Both sides
 * are of one machine, so numbers are in its own byte order.
 */
#ifndef MSHARE_HOLDER_H
#define MSHARE_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HOLDER_DIR	"/run/mshare"
#define HOLDER_MAGIC	0x6873746dU
#define HOLDER_VERSION	1
#define HOLDER_MAX_NAME	64

enum { HOLDER_ATTACH = 1, HOLDER_CONTROL = 2 };

/* @magic and @version stay where they are in every version. */
struct holder_request {
	uint32_t magic;
	uint16_t version;
	uint16_t want;
	uint32_t reserved[2];	/* 0 */
};

/* With error 0 there is one fd, by SCM_RIGHTS; else @text tells the cause. */
struct holder_answer {
	uint32_t magic;
	uint16_t version;
	uint16_t reserved;	/* 0 */
	int32_t error;		/* errno */
	char text[116];		/* ends in a zero byte */
};

/* holder.c */
bool holder_is_name(const char *name);
socklen_t holder_address(const char *name, struct sockaddr_un *address);
int holder_get(const char *name, bool control, int *fd);

#endif /* MSHARE_HOLDER_H */
