// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From device and inode number back to a name that a layout can open again.
 * The kernel keeps no path, and a memfd has none, so this looks for somebody
 * who has the file open or mapped, and in tmpfs mounts at last.
 */
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "ctl.h"

/* The better name wins, the first of equals stays. */
enum rank { NOWHERE, FROM_MAP, FROM_FD, BY_PATH, BY_NUMBER };

struct source {
	dev_t dev;
	ino_t ino;
	bool write;		/* some region wants to write */
	enum rank rank;
	char *name;
};

struct sources {
	struct source *array;
	size_t nr;
};

static int compare(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return 0;
}

static struct source *find(const struct sources *sources, dev_t dev, ino_t ino)
{
	struct source key = { .dev = dev, .ino = ino };

	return bsearch(&key, sources->array, sources->nr, sizeof(key), compare);
}

static void offer(struct source *source, enum rank rank, const char *name)
{
	char *copy;

	if (rank <= source->rank)
		return;
	copy = strdup(name);
	if (!copy)
		return;
	free(source->name);
	source->name = copy;
	source->rank = rank;
}

static bool leads_to(const char *path, const struct source *source)
{
	struct stat st;

	return *path == '/' && !stat(path, &st) && st.st_dev == source->dev &&
	       st.st_ino == source->ino;
}

/* An fd that we were started with: "fd:N" works for our like again. */
static void try_own_fd(pid_t pid, int fd, void *arg)
{
	struct source *source;
	char name[24];
	struct stat st;
	int flags = fcntl(fd, F_GETFD);

	(void)pid;
	if (fd <= STDERR_FILENO || flags < 0 || flags & FD_CLOEXEC ||
	    fstat(fd, &st))
		return;
	source = find(arg, st.st_dev, st.st_ino);
	if (!source)
		return;
	if (source->write && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return;
	snprintf(name, sizeof(name), "fd:%d", fd);
	offer(source, BY_NUMBER, name);
}

static void try_fd(pid_t pid, int fd, void *arg)
{
	char path[48], target[PATH_MAX];
	struct source *source;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	if (stat(path, &st))
		return;
	source = find(arg, st.st_dev, st.st_ino);
	if (!source)
		return;
	if (proc_fd_link(pid, fd, target, sizeof(target)) &&
	    leads_to(target, source))
		offer(source, BY_PATH, target);
	offer(source, FROM_FD, path);
}

static void try_map(pid_t pid, const struct proc_map *map, void *arg)
{
	struct source *source = find(arg, map->dev, map->ino);
	char path[80];

	if (!source)
		return;
	if (leads_to(map->name, source))
		offer(source, BY_PATH, map->name);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
		 (int)pid, map->start, map->end);
	offer(source, FROM_MAP, path);
}

static bool done(const struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->nr; i++)
		if (sources->array[i].rank < BY_PATH)
			return false;
	return true;
}

static void try_pid(pid_t pid, void *arg)
{
	/* Our own names end with us. */
	if (pid == getpid() || done(arg))
		return;
	proc_each_fd(pid, try_fd, arg);
	proc_each_map(pid, try_map, arg);
}

static void walk_mount(struct sources *sources, char *mountpoint)
{
	char *const paths[] = { mountpoint, NULL };
	struct source *source;
	FTSENT *entry;
	FTS *fts;

	fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	if (!fts)
		return;
	while (!done(sources) && (entry = fts_read(fts))) {
		if (entry->fts_info != FTS_F)
			continue;
		source = find(sources, entry->fts_statp->st_dev,
			      entry->fts_statp->st_ino);
		if (source)
			offer(source, BY_PATH, entry->fts_path);
	}
	fts_close(fts);
}

/* mountinfo spells blanks as "\040". */
static void unescape(char *text)
{
	char *to = text;
	unsigned int byte;

	for (; *text; text++) {
		if (sscanf(text, "\\%3o", &byte) == 1) {
			*to++ = byte;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

static bool wants_mount(const struct sources *sources, dev_t dev)
{
	size_t i;

	for (i = 0; i < sources->nr; i++)
		if (sources->array[i].dev == dev &&
		    sources->array[i].rank < BY_PATH)
			return true;
	return false;
}

/* Only mounts of a wanted device are walked, and only those of tmpfs. */
static void walk_tmpfs(struct sources *sources)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		unsigned int major, minor;
		char *mountpoint;

		if (!strstr(line, " - tmpfs ") ||
		    sscanf(line, "%*d %*d %u:%u %*s %ms", &major, &minor,
			   &mountpoint) != 3)
			continue;
		unescape(mountpoint);
		if (wants_mount(sources, makedev(major, minor)))
			walk_mount(sources, mountpoint);
		free(mountpoint);
	}
	free(line);
	if (file)
		fclose(file);
}

static struct sources *collect(const struct ptshare_region *regions, size_t nr)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	struct source *array;
	size_t i, to = 0;

	if (!sources)
		return NULL;
	array = calloc(nr + 1, sizeof(*array));
	if (!array) {
		free(sources);
		return NULL;
	}
	for (i = 0; i < nr; i++) {
		array[i].dev = regions[i].dev;
		array[i].ino = regions[i].ino;
		array[i].write = regions[i].prot & PROT_WRITE;
	}
	qsort(array, nr, sizeof(*array), compare);
	for (i = 1; i < nr; i++) {
		if (!compare(&array[to], &array[i]))
			array[to].write |= array[i].write;
		else
			array[++to] = array[i];
	}
	sources->array = array;
	sources->nr = nr ? to + 1 : 0;
	return sources;
}

struct sources *sources_find(const struct target *target,
			     const struct ptshare_region *regions, size_t nr)
{
	struct sources *sources = collect(regions, nr);

	if (!sources)
		return NULL;
	if (!target->pid && !target->holder)
		proc_each_fd(getpid(), try_own_fd, sources);
	else if (target->pid)
		try_pid(target->pid, sources);
	proc_each_pid(try_pid, sources);
	if (!done(sources))
		walk_tmpfs(sources);
	return sources;
}

/*
 * To be released by free(); NULL when out of memory. What nobody can open has
 * the name of new memory, one for each file, so that a layout can be made of it:
 * then @lost is set.
 */
char *sources_name(const struct sources *sources,
		   const struct ptshare_region *region, bool *lost)
{
	const struct source *source = find(sources, region->dev, region->ino);
	char *name;

	if (source && source->name)
		return strdup(source->name);
	*lost = true;
	if (asprintf(&name, "memfd:%u:%u:%" PRIu64, major(region->dev),
		     minor(region->dev), (uint64_t)region->ino) < 0)
		return NULL;
	return name;
}

void sources_free(struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->nr; i++)
		free(sources->array[i].name);
	free(sources->array);
	free(sources);
}
