// SPDX-License-Identifier: GPL-2.0
/* What the kernel says in /proc and /sys of processes, fds and choices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ptshare_util.h"

__u64 pts_pfn(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)addr / pts_psz *
		  sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

int pts_maps_line(const void *addr, char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int ret = -ENOENT;

	if (!f)
		return -errno;
	while (ret && fgets(line, sizeof(line), f)) {
		if (strtoull(line, NULL, 16) != (uintptr_t)addr)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buf, size, "%s", line);
		ret = 0;
	}
	fclose(f);
	return ret;
}

long long pts_smaps(const void *addr, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	size_t len = strlen(key);
	unsigned long start, end;
	long long val = -ENOENT;
	bool mine = false;
	char line[512], c;

	if (!f)
		return -errno;
	while (val < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %c", &start, &end, &c) == 3)
			mine = start == (uintptr_t)addr;
		else if (mine && !strncmp(line, key, len) && line[len] == ':')
			val = strtoll(line + len + 1, NULL, 0);
	}
	fclose(f);
	return val;
}

/* Finds "key:" at the start of a line and parses the number behind it. */
static long long keyed_value(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	long long val = -ENOENT;
	size_t len = strlen(key);
	char line[512];

	if (!f)
		return -errno;
	while (val < 0 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, len) && line[len] == ':')
			val = strtoll(line + len + 1, NULL, 0);
	}
	fclose(f);
	return val;
}

long long pts_fdinfo(int fd, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return keyed_value(path, key);
}

long pts_minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

long long pts_meminfo(const char *key)
{
	/* Folds the counts that CPUs still keep to themselves; root only. */
	pts_spit("/proc/sys/vm/stat_refresh", "1");
	return keyed_value("/proc/meminfo", key);
}

long long pts_status(pid_t pid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return keyed_value(path, key);
}

ssize_t pts_slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += n;
	}
	buf[len] = '\0';
	close(fd);
	return len;
}

int pts_chosen(const char *path, char *mode, size_t size)
{
	char line[128], word[16];
	char *open;

	if (pts_slurp(path, line, sizeof(line)) < 0)
		return -ENODEV;
	open = strchr(line, '[');
	if (!open || sscanf(open, "[%15[a-z_]]", word) != 1)
		return -ENODEV;
	snprintf(mode, size, "%s", word);
	return 0;
}

int pts_spit(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	return n < 0 ? -err : 0;
}

int pts_no_syscall(void)
{
	int saved = errno, none;

	syscall(-1);
	none = errno;
	errno = saved;
	return none;
}

__u64 pts_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}
