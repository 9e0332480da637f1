/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of libptshare; none of it is exported. */
#ifndef LIBPTSHARE_INTERNAL_H
#define LIBPTSHARE_INTERNAL_H

#include <stdbool.h>
#include <ptshare.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define __printf(a, b)	__attribute__((format(printf, a, b)))

/* One word more than any line may have, so that a surplus is noticed. */
#define PTS_MAX_WORDS	6

struct pts_line {
	unsigned int number;
	unsigned int nr;
	char *word[PTS_MAX_WORDS];
};

struct pts_reader {
	char *text;
	char *next;
	unsigned int number;
	struct ptshare_error *err;
};

struct ptshare_layout {
	struct ptshare_layout_region *regions;
	size_t nr;
	char *text;		/* owns the source strings */
};

int pts_ioctl(int fd, unsigned long request, void *arg);
int pts_fail(struct ptshare_error *err, int code, unsigned int line,
	     const char *fmt, ...) __printf(4, 5);
void pts_hint(struct ptshare_error *err, const char *fmt, ...) __printf(2, 3);

int pts_reader_init(struct pts_reader *reader, const char *text, size_t len,
		    struct ptshare_error *err);
int pts_read_line(struct pts_reader *reader, struct pts_line *line);
int pts_parse_range(const struct pts_line *line, uint64_t *offset,
		    uint64_t *length, int *prot, struct ptshare_error *err);
int pts_parse_aligned(const struct pts_line *line, unsigned int word,
		      const char *what, uint64_t *value,
		      struct ptshare_error *err);

#endif /* LIBPTSHARE_INTERNAL_H */
