// SPDX-License-Identifier: GPL-2.0-or-later
/* Walking /proc. Processes come and go: what can't be read is passed over. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/sysmacros.h>
#include "ctl.h"

static void each_number(const char *path, void (*fn)(int number, void *arg),
			void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			fn(atoi(entry->d_name), arg);
	closedir(dir);
}

void proc_each_pid(void (*fn)(pid_t pid, void *arg), void *arg)
{
	each_number("/proc", fn, arg);
}

struct each_fd {
	pid_t pid;
	void (*fn)(pid_t pid, int fd, void *arg);
	void *arg;
};

static void one_fd(int fd, void *arg)
{
	struct each_fd *each = arg;

	each->fn(each->pid, fd, each->arg);
}

void proc_each_fd(pid_t pid, void (*fn)(pid_t pid, int fd, void *arg),
		  void *arg)
{
	struct each_fd each = { .pid = pid, .fn = fn, .arg = arg };
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	each_number(path, one_fd, &each);
}

/* A line of maps: "start-end perms offset major:minor inode  name". */
static bool parse_map(char *line, struct proc_map *map)
{
	unsigned int major, minor;
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64 " %n",
		   &map->start, &map->end, &major, &minor,
		   &map->ino, &name) != 5)
		return false;
	line[strcspn(line, "\n")] = 0;
	map->dev = makedev(major, minor);
	map->name = name ? line + name : "";
	return true;
}

void proc_each_map(pid_t pid, void (*fn)(pid_t pid, const struct proc_map *map,
					 void *arg), void *arg)
{
	struct proc_map map;
	char *line = NULL;
	size_t room = 0;
	char path[40];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (getline(&line, &room, file) > 0)
		if (parse_map(line, &map))
			fn(pid, &map, arg);
	free(line);
	fclose(file);
}

/* Where /proc/PID/fd/FD points at, or NULL. */
char *proc_fd_link(pid_t pid, int fd, char *buf, size_t size)
{
	char path[48];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	len = readlink(path, buf, size - 1);
	if (len < 0)
		return NULL;
	buf[len] = 0;
	return buf;
}
