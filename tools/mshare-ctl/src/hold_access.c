// SPDX-License-Identifier: GPL-2.0-or-later
/* What a client may have, and giving up what the holder does not need. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "hold.h"

static bool in_groups(int client, gid_t group)
{
	bool found = false;
	socklen_t len = 0, i;
	gid_t *groups;

	/* Too small on purpose: it tells the length. */
	if (!getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) ||
	    errno != ERANGE)
		return false;
	groups = malloc(len);
	if (!groups)
		return false;
	if (!getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		for (i = 0; i < len / sizeof(*groups); i++)
			found |= groups[i] == group;
	free(groups);
	return found;
}

/* As the kernel judges connect(2), but by what owner and mode are now. */
static bool may_write(const struct stat *st, const struct ucred *peer,
		      int client)
{
	if (!peer->uid)
		return true;
	if (peer->uid == st->st_uid)
		return st->st_mode & 0200;
	if (peer->gid == st->st_gid || in_groups(client, st->st_gid))
		return st->st_mode & 0020;
	return st->st_mode & 0002;
}

bool hold_allows(const struct hold *hold, int client, bool control,
		 const char **why)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat st;

	*why = "owner, group and mode of the socket do not allow it";
	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
	    fstat(hold->node, &st) || !may_write(&st, &peer, client))
		return false;
	*why = "only the owner of the socket and root get a control fd";
	return !control || !peer.uid || peer.uid == st.st_uid;
}

int hold_drop(const struct hold *hold)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		ctl_error("%s: no new privileges: %m", hold->name);
		return CTL_FAILED;
	}
	if (!hold->user || (!setgroups(0, NULL) && !setgid(hold->gid) &&
			    !setuid(hold->uid)))
		return CTL_OK;
	ctl_error("%s: becoming %s: %m (%s)", hold->name, hold->user,
		  strerrorname_np(errno));
	if (errno == EPERM)
		ctl_hint("--user is for root");
	return CTL_FAILED;
}
