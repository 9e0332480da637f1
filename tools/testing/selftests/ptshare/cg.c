// SPDX-License-Identifier: GPL-2.0
/* cgroup v2 and vmstat helpers; described in cg.h. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "cg.h"
#include "ptshare_util.h"

#define CG_ROOT	"/sys/fs/cgroup"
#define CG_FILE	16384

bool cg_available(void)
{
	char buf[256];

	if (pts_slurp(CG_ROOT "/cgroup.controllers", buf, sizeof(buf)) < 0 ||
	    !strstr(buf, "memory"))
		return false;
	return !pts_spit(CG_ROOT "/cgroup.subtree_control", "+memory");
}

int cg_make(struct cg *cg, const char *name)
{
	snprintf(cg->path, sizeof(cg->path), CG_ROOT "/ptshare-%d-%s",
		 getpid(), name);
	return mkdir(cg->path, 0755) < 0 ? -errno : 0;
}

static void file_path(char *path, const struct cg *cg, const char *file)
{
	snprintf(path, PATH_MAX, "%s/%s", cg ? cg->path : CG_ROOT, file);
}

int cg_write(const struct cg *cg, const char *file, const char *text)
{
	char path[PATH_MAX];

	file_path(path, cg, file);
	return pts_spit(path, text);
}

int cg_write_bytes(const struct cg *cg, const char *file, long long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", bytes);
	return cg_write(cg, file, text);
}

int cg_enter(const struct cg *cg)
{
	return cg_write(cg, "cgroup.procs", "0");
}

void cg_destroy(struct cg *cg)
{
	char path[PATH_MAX], pids[CG_FILE], *pid;
	int i;

	if (!cg->path[0])
		return;
	file_path(path, cg, "cgroup.procs");
	if (pts_slurp(path, pids, sizeof(pids)) > 0)
		for (pid = strtok(pids, "\n"); pid; pid = strtok(NULL, "\n"))
			cg_write(NULL, "cgroup.procs", pid);
	/* A killed process may take a moment to leave. */
	for (i = 0; i < 100 && rmdir(cg->path) < 0 && errno == EBUSY; i++)
		usleep(20000);
	cg->path[0] = '\0';
}

long long cg_read(const struct cg *cg, const char *file)
{
	char path[PATH_MAX], text[64];
	ssize_t len;

	file_path(path, cg, file);
	len = pts_slurp(path, text, sizeof(text));
	if (len < 0)
		return len;
	return strncmp(text, "max", 3) ? atoll(text) : -1;
}

static long long keyed(const char *path, const char *key)
{
	char text[CG_FILE], *line;
	size_t len = strlen(key);
	ssize_t ret = pts_slurp(path, text, sizeof(text));

	if (ret < 0)
		return ret;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return atoll(line + len);
	return -ENOENT;
}

long long cg_stat(const struct cg *cg, const char *file, const char *key)
{
	char path[PATH_MAX];

	file_path(path, cg, file);
	return keyed(path, key);
}

long long cg_memory_stat(const struct cg *cg, const char *key,
			 long long at_least)
{
	__u64 until = pts_now_ms() + 4500;
	long long val;

	do {
		usleep(100000);
		val = cg_stat(cg, "memory.stat", key);
	} while (val < at_least && pts_now_ms() < until);
	return val;
}

long long vm_counter(const char *key)
{
	return keyed("/proc/vmstat", key);
}

bool swap_available(void)
{
	char text[1024];
	char *nl;

	if (pts_slurp("/proc/swaps", text, sizeof(text)) <= 0)
		return false;
	nl = strchr(text, '\n');
	return nl && nl[1];
}
