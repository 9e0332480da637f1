// SPDX-License-Identifier: GPL-2.0-or-later
/* list: the containers of all processes that can be looked into. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

enum {
	ID, LENGTH, PROT, REGIONS, WINDOWS, RSS, PGTABLES, SAVED, LINKS,
	MIRRORS, HOLDERS,
};

static const struct out_column columns[] = {
	[ID] = { "ID", "inode number, as in /proc/PID/maps", OUT_NUMBER },
	[LENGTH] = { "LENGTH", "of the container", OUT_SIZE },
	[PROT] = { "PROT", "most that a region may allow", OUT_TEXT },
	[REGIONS] = { "REGIONS", "number of regions", OUT_NUMBER },
	[WINDOWS] = { "WINDOWS", "mappings in all processes", OUT_NUMBER },
	[RSS] = { "RSS", "memory that the container maps", OUT_SIZE },
	[PGTABLES] = { "PGTABLES", "the container's own page tables", OUT_SIZE },
	[SAVED] = { "SAVED", "page tables saved by links", OUT_SIZE },
	[LINKS] = { "LINKS", "entries that share a page table", OUT_NUMBER },
	[MIRRORS] = { "MIRRORS", "entries copied to private ones", OUT_NUMBER },
	[HOLDERS] = { "HOLDERS", "PID:FD, or PID without such an fd", OUT_LIST },
};

static const char defaults[] =
	"ID,LENGTH,PROT,REGIONS,WINDOWS,RSS,PGTABLES,SAVED,HOLDERS";

/* One container. With windows only, no more than their number is known. */
struct box {
	uint64_t id;
	bool has_id;
	bool known;		/* from an fd that tells of the container */
	char prot[8];
	uint64_t value[HOLDERS];
	uint64_t windows_seen;
	pid_t last_pid;		/* already among the holders */
	char *holders;
	size_t holders_len;
	struct box *next;
};

struct scan {
	struct box *first;
	struct box **last;
};

static struct box *get_box(struct scan *scan, uint64_t id)
{
	struct box *box;

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

static void add_holder(struct box *box, pid_t pid, int fd)
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

struct key {
	const char *name;
	int column;
	uint64_t unit;
};

static const struct key keys[] = {
	{ "ptshare-id", ID, 1 },
	{ "ptshare-length", LENGTH, 1 },
	{ "ptshare-regions", REGIONS, 1 },
	{ "ptshare-windows", WINDOWS, 1 },
	{ "ptshare-rss-kB", RSS, 1024 },
	{ "ptshare-pgtables-kB", PGTABLES, 1024 },
	{ "ptshare-saved-kB", SAVED, 1024 },
	{ "ptshare-links", LINKS, 1 },
	{ "ptshare-mirrors", MIRRORS, 1 },
};

static void take_prot(struct box *box, const char *text)
{
	char *end;
	long number = strtol(text, &end, 0);

	if (end != text && !*end)
		text = ptshare_prot_format(number);
	snprintf(box->prot, sizeof(box->prot), "%s", text);
}

static void take_line(struct box *box, char *line)
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
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(line, keys[i].name))
			continue;
		box->value[keys[i].column] =
			strtoull(value, NULL, 0) * keys[i].unit;
		box->has_id |= keys[i].column == ID;
		box->known |= keys[i].column == LENGTH;
	}
}

/* Whether the fd is a container's: then @found has its fdinfo. */
static bool read_fdinfo(pid_t pid, int fd, struct box *found)
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

static void see_fd(pid_t pid, int fd, void *arg)
{
	struct box found = { 0 }, *box;
	char target[64];

	/* Cheap to ask, and spares most fds the fdinfo. */
	if (!proc_fd_link(pid, fd, target, sizeof(target)) ||
	    strncmp(target, "anon_inode:", 11) ||
	    !read_fdinfo(pid, fd, &found))
		return;
	box = get_box(arg, found.value[ID]);
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
	struct box *box;

	if (strcmp(map->name, "anon_inode:[ptshare]"))
		return;
	box = get_box(arg, map->ino);
	if (!box)
		return;
	box->windows_seen++;
	if (box->last_pid != pid)
		add_holder(box, pid, -1);
}

static void see_pid(pid_t pid, void *arg)
{
	proc_each_fd(pid, see_fd, arg);
	proc_each_map(pid, see_map, arg);
}

static void add_row(struct out *out, const struct box *box)
{
	int column;

	out_row(out);
	out_number(out, ID, box->id);
	out_text(out, HOLDERS, box->holders);
	if (!box->known) {
		out_number(out, WINDOWS, box->windows_seen);
		return;
	}
	out_text(out, PROT, box->prot);
	for (column = LENGTH; column < HOLDERS; column++)
		if (column != PROT)
			out_number(out, column, box->value[column]);
}

static int print(const struct out_options *opts)
{
	struct scan scan = { .last = &scan.first };
	struct box *box, *next;
	struct out *out;
	bool empty;
	int ret;

	out = out_new(opts, "containers");
	if (!out)
		return CTL_USAGE;
	proc_each_pid(see_pid, &scan);
	empty = !scan.first;
	for (box = scan.first; box; box = next) {
		next = box->next;
		add_row(out, box);
		free(box->holders);
		free(box);
	}
	ret = out_finish(out);
	return !ret && empty && !ctl_kernel_has() ? ctl_no_kernel() : ret;
}

static int run(int argc, char **argv)
{
	struct out_options opts = { 0 };
	int ret;

	if (!out_parse(&opts, argc, argv, 0, &ret))
		return ret;
	return print(&opts);
}

const struct command cmd_list = {
	.name = "list",
	.synopsis = "list [options]",
	.summary = "List the containers of all processes, and who holds them",
	.options = "",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.defaults = defaults,
	.run = run,
};
