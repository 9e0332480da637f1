/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of hold. */
#ifndef MSHARE_HOLD_H
#define MSHARE_HOLD_H

#include "ctl.h"
#include "holder.h"

struct hold {
	const char *name;
	struct build build;
	mode_t mode;
	uid_t owner;		/* -1: as we are */
	gid_t group;		/* -1: as we are */
	const char *user;	/* NULL: stay who we are */
	uid_t uid;		/* of @user */
	gid_t gid;
	int signals;		/* signalfd: those that end us */
	int control;		/* -1: not assembled yet */
	int listener;		/* -1: none yet */
	int node;		/* O_PATH of the socket's name */
	int lock;		/* -1: somebody else made the socket */
	bool stored;		/* @control comes from an fd store */
};

/* hold_socket.c */
int hold_claim(struct hold *hold);
int hold_listen(struct hold *hold);
int hold_adopt(struct hold *hold);
void hold_release(struct hold *hold);

/* hold_access.c */
bool hold_allows(const struct hold *hold, int client, bool control,
		 const char **why);
int hold_drop(const struct hold *hold);

/* hold_serve.c */
int hold_serve(const struct hold *hold);

#endif /* MSHARE_HOLD_H */
