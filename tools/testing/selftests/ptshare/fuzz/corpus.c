// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the programs that are kept, in memory and as files. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "fuzz.h"

#define ROOM	4096

static struct fz_prog *progs;
static unsigned int nr_progs, nr_saved;
static char save_dir[512];

unsigned int fz_corpus_nr(void)
{
	return nr_progs;
}

const struct fz_prog *fz_corpus_at(unsigned int i)
{
	return progs + i;
}

static bool append(const struct fz_prog *prog)
{
	if (!progs)
		progs = calloc(ROOM, sizeof(*progs));
	if (!progs || nr_progs == ROOM)
		return false;
	progs[nr_progs++] = *prog;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int fz_corpus_load(const char *dir)
{
	struct dirent **names;
	int i, nr = scandir(dir, &names, no_dots, by_name), err = 0;
	struct fz_prog prog;
	char path[1024];

	if (nr < 0 && errno == ENOENT)
		nr = mkdir(dir, 0777) ? -1 : 0;
	if (nr < 0) {
		fprintf(stderr, "ptfuzz: %s: %s\n", dir, strerror(errno));
		return -EINVAL;
	}
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (!err)
			err = fz_parse(path, &prog);
		if (!err)
			append(&prog);
		free(names[i]);
	}
	if (nr > 0)
		free(names);
	if (!access(dir, W_OK))
		snprintf(save_dir, sizeof(save_dir), "%s", dir);
	return err;
}

const char *fz_save(const char *dir, const char *stem,
		    const struct fz_prog *prog)
{
	static char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s-%d-%u", dir, stem, getpid(),
		 nr_saved++);
	f = fopen(path, "we");
	if (!f)
		return NULL;
	fz_print(f, prog);
	return fclose(f) ? NULL : path;
}

void fz_corpus_add(const struct fz_prog *prog, bool keep)
{
	if (append(prog) && keep && save_dir[0])
		fz_save(save_dir, "p", prog);
}

/* The younger half is taken more often. */
const struct fz_prog *fz_corpus_pick(struct fz_gen *g)
{
	__u32 nr = nr_progs;

	if (!nr)
		return NULL;
	if (nr > 8 && fz_below(g, 2))
		return progs + nr - 1 - fz_below(g, nr / 2);
	return progs + fz_below(g, nr);
}
