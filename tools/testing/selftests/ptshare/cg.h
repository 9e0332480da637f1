/* SPDX-License-Identifier: GPL-2.0 */
/* A cgroup v2 below /sys/fs/cgroup for one test, with the memory controller. */
#ifndef PTSHARE_CG_H
#define PTSHARE_CG_H

#include <stdbool.h>

struct cg {
	char path[128];
};

/* Is there a hierarchy with the memory controller, and may we change it? */
bool cg_available(void);
/* Makes an empty group; @name needs to be unique in this program only. */
int cg_make(struct cg *cg, const char *name);
/* Moves what is left in it to the root and removes it. */
void cg_destroy(struct cg *cg);

/* Moves the calling process; a NULL group is the root. */
int cg_enter(const struct cg *cg);
int cg_write(const struct cg *cg, const char *file, const char *text);
int cg_write_bytes(const struct cg *cg, const char *file, long long bytes);
/* The first number in a file, -1 for "max", or -errno below that. */
long long cg_read(const struct cg *cg, const char *file);
/* The value of "key value" in a file, or -errno. */
long long cg_stat(const struct cg *cg, const char *file, const char *key);
/*
 * A value of memory.stat. The kernel sums it up every two seconds only, unless
 * much has changed: waits up to 4.5 seconds for at least @at_least bytes, and
 * a little in any case, so that what was read next is not too old.
 */
long long cg_memory_stat(const struct cg *cg, const char *key,
			 long long at_least);

/* The value of "key value" in /proc/vmstat, or -errno. */
long long vm_counter(const char *key);
/* Is there a swap area? */
bool swap_available(void);

#endif /* PTSHARE_CG_H */
