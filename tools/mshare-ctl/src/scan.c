// SPDX-License-Identifier: GPL-2.0-or-later
/* The containers of all processes that can be looked into. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "holder.h"
#include "scan.h"

#define LISTENS	0x10000		/* flag in /proc/net/unix */

/* A socket that a holder, or systemd for it, listens at. */
struct scan_name {
	uint64_t ino;
	char name[HOLDER_MAX_NAME + 1];
	struct scan_name *next;
};

/* What is found while one process is looked at. */
struct visit {
	struct scan *scan;
	const struct scan_name *socket;
	int nr_sockets;
};

static struct scan_box *get_box(struct scan *scan, uint64_t id)
{
	struct scan_box *box;

	for (box = scan->first; box; box = box->next)
		if (box->id == id)
			return box;
	box = calloc(1, sizeof(*box));
	if (!box)
		return NULL;
	box->id = id;
	*scan->last = box;
	scan->last = &box->next;
	return box;
}

static void add_holder(struct scan_box *box, pid_t pid, int fd)
{
	char name[32], *bigger;
	int len;

	len = fd < 0 ? snprintf(name, sizeof(name), "%d", (int)pid) :
		       snprintf(name, sizeof(name), "%d:%d", (int)pid, fd);
	bigger = realloc(box->holders, box->holders_len + len + 2);
	if (!bigger)
		return;
	box->holders = bigger;
	if (box->holders_len)
		bigger[box->holders_len++] = '\n';
	memcpy(bigger + box->holders_len, name, len + 1);
	box->holders_len += len;
	box->last_pid = pid;
}

/* --- fdinfo --------------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t unit;
} keys[SCAN_VALUES] = {
	[SCAN_LENGTH] = { "ptshare-length", 1 },
	[SCAN_REGIONS] = { "ptshare-regions", 1 },
	[SCAN_WINDOWS] = { "ptshare-windows", 1 },
	[SCAN_RSS] = { "ptshare-rss-kB", 1024 },
	[SCAN_PGTABLES] = { "ptshare-pgtables-kB", 1024 },
	[SCAN_SAVED] = { "ptshare-saved-kB", 1024 },
	[SCAN_LINKS] = { "ptshare-links", 1 },
	[SCAN_MIRRORS] = { "ptshare-mirrors", 1 },
	[SCAN_FLUSHES] = { "ptshare-flushes", 1 },
};

static void take_prot(struct scan_box *box, const char *text)
{
	char *end;
	long number = strtol(text, &end, 0);

	if (end != text && !*end)
		text = ptshare_prot_format(number);
	snprintf(box->prot, sizeof(box->prot), "%s", text);
}

static void take_line(struct scan_box *box, char *line)
{
	char *value = strchr(line, ':');
	size_t i;

	if (!value)
		return;
	*value++ = 0;
	value += strspn(value, " \t");
	value[strcspn(value, "\n")] = 0;
	if (!strcmp(line, "ptshare-max-prot"))
		take_prot(box, value);
	if (!strcmp(line, "ptshare-id")) {
		box->id = strtoull(value, NULL, 0);
		box->has_id = true;
	}
	for (i = 0; i < SCAN_VALUES; i++) {
		if (strcmp(line, keys[i].name))
			continue;
		box->value[i] = strtoull(value, NULL, 0) * keys[i].unit;
		box->known |= i == SCAN_LENGTH;
	}
}

/* Whether the fd is a container's: then @found has its fdinfo. */
bool scan_fd(pid_t pid, int fd, struct scan_box *found)
{
	char path[48], *line = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (getline(&line, &room, file) > 0)
		take_line(found, line);
	free(line);
	fclose(file);
	return found->has_id;
}

/* --- names ---------------------------------------------------------------- */

static void add_name(struct scan *scan, uint64_t ino, const char *path)
{
	const char *base = path + strlen(HOLDER_DIR) + 1;
	struct scan_name *name;

	if (strncmp(path, HOLDER_DIR "/", strlen(HOLDER_DIR) + 1) ||
	    !holder_is_name(base))
		return;
	name = calloc(1, sizeof(*name));
	if (!name)
		return;
	/* A name is never longer than HOLDER_MAX_NAME. */
	name->ino = ino;
	memcpy(name->name, base, strlen(base) + 1);
	name->next = scan->names;
	scan->names = name;
}

/* Nobody is connected to: that would have systemd start holders. */
static void find_names(struct scan *scan)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[256], path[128];
	unsigned int flags;
	uint64_t ino;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %" SCNu64 " %127s",
			   &flags, &ino, path) == 3 && flags & LISTENS)
			add_name(scan, ino, path);
	fclose(file);
}

static void see_socket(struct visit *visit, const char *target)
{
	const struct scan_name *name;
	uint64_t ino;

	if (sscanf(target, "socket:[%" SCNu64, &ino) != 1)
		return;
	for (name = visit->scan->names; name; name = name->next) {
		if (name->ino != ino)
			continue;
		visit->socket = name;
		visit->nr_sockets++;
	}
}

/* A holder listens at one socket and has one container. */
static void take_name(const struct visit *visit, pid_t pid)
{
	struct scan_box *box, *only = NULL;

	if (visit->nr_sockets != 1)
		return;
	for (box = visit->scan->first; box; box = box->next) {
		if (box->last_pid != pid)
			continue;
		if (only)
			return;
		only = box;
	}
	if (only)
		only->name = visit->socket->name;
}

/* --- processes ------------------------------------------------------------ */

static void see_fd(pid_t pid, int fd, void *arg)
{
	struct scan_box found = { 0 }, *box;
	struct visit *visit = arg;
	char target[64];

	/* Cheap to ask, and spares most fds the fdinfo. */
	if (!proc_fd_link(pid, fd, target, sizeof(target)))
		return;
	see_socket(visit, target);
	if (strncmp(target, "anon_inode:", 11) || !scan_fd(pid, fd, &found))
		return;
	box = get_box(visit->scan, found.id);
	if (!box)
		return;
	/* A notify fd keeps the container, but no command can use it. */
	if (!found.known) {
		if (box->last_pid != pid)
			add_holder(box, pid, -1);
		return;
	}
	box->known = true;
	memcpy(box->prot, found.prot, sizeof(box->prot));
	memcpy(box->value, found.value, sizeof(box->value));
	add_holder(box, pid, fd);
}

static void see_map(pid_t pid, const struct proc_map *map, void *arg)
{
	struct visit *visit = arg;
	struct scan_box *box;

	if (strcmp(map->name, "anon_inode:[ptshare]"))
		return;
	box = get_box(visit->scan, map->ino);
	if (!box)
		return;
	/* An fd knows better, and counts those that we may not see. */
	if (!box->known)
		box->value[SCAN_WINDOWS]++;
	if (box->last_pid != pid)
		add_holder(box, pid, -1);
}

static void see_pid(pid_t pid, void *arg)
{
	struct visit visit = { .scan = arg };

	proc_each_fd(pid, see_fd, &visit);
	proc_each_map(pid, see_map, &visit);
	take_name(&visit, pid);
}

void scan_all(struct scan *scan)
{
	*scan = (struct scan) { .last = &scan->first };
	find_names(scan);
	proc_each_pid(see_pid, scan);
}

void scan_free(struct scan *scan)
{
	while (scan->first) {
		struct scan_box *next = scan->first->next;

		free(scan->first->holders);
		free(scan->first);
		scan->first = next;
	}
	while (scan->names) {
		struct scan_name *next = scan->names->next;

		free(scan->names);
		scan->names = next;
	}
}
