/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc tells of containers, as list and stat want it. */
#ifndef MSHARE_SCAN_H
#define MSHARE_SCAN_H

#include "ctl.h"

enum scan_value {
	SCAN_LENGTH, SCAN_REGIONS, SCAN_WINDOWS, SCAN_RSS, SCAN_PGTABLES,
	SCAN_SAVED, SCAN_LINKS, SCAN_MIRRORS, SCAN_FLUSHES, SCAN_VALUES,
};

/* One container. With windows only, no more than their number is known. */
struct scan_box {
	uint64_t id;
	bool has_id;
	bool known;		/* from an fd that tells of the container */
	char prot[8];
	uint64_t value[SCAN_VALUES];
	pid_t last_pid;		/* already among the holders */
	char *holders;
	size_t holders_len;
	const char *name;	/* in the list of names; NULL: none */
	struct scan_box *next;
};

struct scan_name;

struct scan {
	struct scan_box *first;
	struct scan_box **last;
	struct scan_name *names;
};

void scan_all(struct scan *scan);
void scan_free(struct scan *scan);
bool scan_fd(pid_t pid, int fd, struct scan_box *found);

#endif /* MSHARE_SCAN_H */
