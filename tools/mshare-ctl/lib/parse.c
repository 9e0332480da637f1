// SPDX-License-Identifier: LGPL-2.1-or-later
/* Words, numbers and ranges: what the texts of libptshare are made of. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

#define BLANKS	" \t\r\v\f"

int pts_fail(struct ptshare_error *err, int code, unsigned int line,
	     const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	memset(err, 0, sizeof(*err));
	err->line = line;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

void pts_hint(struct ptshare_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

static int suffix_shift(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *hit;

	if (!*suffix)
		return 0;
	hit = strchr(letters, *suffix & ~0x20);
	if (!hit || !*hit || suffix[1])
		return -1;
	return 10 * (hit - letters + 1);
}

int ptshare_size_parse(const char *text, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	const char *digits = hex ? text + 2 : text;
	unsigned long long number;
	char *end;
	int shift;

	/* strtoull() would also take signs, blanks and a second "0x". */
	if (!strchr(hex ? "0123456789abcdefABCDEF" : "0123456789", *digits) ||
	    !*digits)
		return -EINVAL;
	if (hex && (digits[1] | 0x20) == 'x')
		return -EINVAL;
	errno = 0;
	number = strtoull(digits, &end, hex ? 16 : 10);
	shift = suffix_shift(end);
	if (shift < 0)
		return -EINVAL;
	if (errno || number > UINT64_MAX >> shift)
		return -ERANGE;
	*value = (uint64_t)number << shift;
	return 0;
}

char *ptshare_size_format(uint64_t value, char *buf)
{
	static const char letters[] = "\0KMGT";
	unsigned int i = 0;

	while (i < 4 && value && !(value % 1024)) {
		value /= 1024;
		i++;
	}
	snprintf(buf, 24, "%" PRIu64 "%.1s", value, letters + i);
	return buf;
}

int ptshare_prot_parse(const char *text, int *prot)
{
	static const struct {
		const char *text;
		int prot;
	} table[] = {
		{ "r", PROT_READ }, { "r-", PROT_READ }, { "r--", PROT_READ },
		{ "rw", PROT_READ | PROT_WRITE },
		{ "rw-", PROT_READ | PROT_WRITE },
		{ "-", PROT_NONE }, { "--", PROT_NONE }, { "---", PROT_NONE },
		{ "none", PROT_NONE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (!strcmp(table[i].text, text)) {
			*prot = table[i].prot;
			return 0;
		}
	}
	return -EINVAL;
}

const char *ptshare_prot_format(int prot)
{
	switch (prot) {
	case PROT_NONE:
		return "-";
	case PROT_READ:
		return "r";
	case PROT_READ | PROT_WRITE:
		return "rw";
	default:
		return "?";
	}
}

int pts_reader_init(struct pts_reader *reader, const char *text, size_t len,
		    struct ptshare_error *err)
{
	const char *zero = len ? memchr(text, 0, len) : NULL;

	if (zero)
		return pts_fail(err, -EINVAL, 0, "zero byte at position %zu",
				(size_t)(zero - text));
	reader->text = malloc(len + 1);
	if (!reader->text)
		return pts_fail(err, -ENOMEM, 0, "out of memory");
	if (len)
		memcpy(reader->text, text, len);
	reader->text[len] = 0;
	reader->next = reader->text;
	reader->number = 0;
	reader->err = err;
	return 0;
}

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Turns "\040" into a blank, in place: the result is never longer. */
static int unescape(char *word)
{
	char *to = word;

	for (; *word; word++, to++) {
		int byte;

		*to = *word;
		if (*word != '\\')
			continue;
		if (!octal(word[1]) || !octal(word[2]) || !octal(word[3]))
			return -EINVAL;
		byte = (word[1] - '0') << 6 | (word[2] - '0') << 3 |
		       (word[3] - '0');
		if (!byte || byte > 255)
			return -EINVAL;
		*to = byte;
		word += 3;
	}
	*to = 0;
	return 0;
}

static int split_line(struct pts_reader *reader, struct pts_line *line,
		      char *text)
{
	line->nr = 0;
	for (;;) {
		char *word = text + strspn(text, BLANKS);

		if (!*word || *word == '#')
			return 0;
		if (line->nr == PTS_MAX_WORDS)
			return pts_fail(reader->err, -EINVAL, line->number,
					"too many words");
		text = word + strcspn(word, BLANKS);
		if (*text)
			*text++ = 0;
		if (unescape(word))
			return pts_fail(reader->err, -EINVAL, line->number,
					"'%.100s': a backslash needs three octal digits, \\001 to \\377",
					word);
		line->word[line->nr++] = word;
	}
}

/* The next line that has words; 1, or 0 at the end, or -errno. */
int pts_read_line(struct pts_reader *reader, struct pts_line *line)
{
	while (*reader->next) {
		char *text = reader->next;
		size_t len = strcspn(text, "\n");
		int ret;

		reader->next += len + (text[len] == '\n');
		text[len] = 0;
		line->number = ++reader->number;
		ret = split_line(reader, line, text);
		if (ret || line->nr)
			return ret ? ret : 1;
	}
	return 0;
}

int pts_parse_aligned(const struct pts_line *line, unsigned int word,
		      const char *what, uint64_t *value,
		      struct ptshare_error *err)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	const char *text = line->word[word];
	char size[24];
	int ret;

	ret = ptshare_size_parse(text, value);
	if (ret)
		return pts_fail(err, -EINVAL, line->number,
				"%s '%.100s' is %s", what, text,
				ret == -ERANGE ? "too large" : "no number");
	if (!(*value % page))
		return 0;
	ret = pts_fail(err, -EINVAL, line->number,
		       "%s %.100s is no multiple of the page size %s", what,
		       text, ptshare_size_format(page, size));
	if (*value <= UINT64_MAX - page)
		pts_hint(err, "next aligned value: 0x%" PRIx64,
			 (*value / page + 1) * page);
	return ret;
}

/* The three words that all lines begin with. */
int pts_parse_range(const struct pts_line *line, uint64_t *offset,
		    uint64_t *length, int *prot, struct ptshare_error *err)
{
	int ret;

	ret = pts_parse_aligned(line, 0, "offset", offset, err);
	if (!ret)
		ret = pts_parse_aligned(line, 1, "length", length, err);
	if (ret)
		return ret;
	if (!*length)
		return pts_fail(err, -EINVAL, line->number, "length is 0");
	if (*offset > INT64_MAX || *length > INT64_MAX - *offset)
		return pts_fail(err, -EINVAL, line->number,
				"%s+%s ends beyond 8 EiB", line->word[0],
				line->word[1]);
	if (ptshare_prot_parse(line->word[2], prot))
		return pts_fail(err, -EINVAL, line->number,
				"permission '%.100s' is none of r, rw, -",
				line->word[2]);
	return 0;
}

static int grow(struct ptshare_range_prot **ranges, uint32_t nr,
		uint32_t *room)
{
	struct ptshare_range_prot *bigger;

	if (nr < *room)
		return 0;
	if (nr > UINT32_MAX / 4)
		return -ENOMEM;
	*room = nr ? nr * 2 : 16;
	bigger = reallocarray(*ranges, *room, sizeof(**ranges));
	if (!bigger)
		return -ENOMEM;
	*ranges = bigger;
	return 0;
}

static int parse_one(const struct pts_line *line,
		     struct ptshare_range_prot *range,
		     struct ptshare_error *err)
{
	uint64_t offset, length;
	int prot, ret;

	if (line->nr != 3)
		return pts_fail(err, -EINVAL, line->number,
				"expected 'offset length prot'");
	ret = pts_parse_range(line, &offset, &length, &prot, err);
	if (ret)
		return ret;
	*range = (struct ptshare_range_prot) {
		.offset = offset,
		.length = length,
		.prot = prot,
	};
	return 0;
}

int ptshare_ranges_parse(const char *text, size_t len,
			 struct ptshare_range_prot **ranges, uint32_t *nr,
			 struct ptshare_error *err)
{
	struct ptshare_range_prot *array = NULL;
	struct pts_reader reader;
	struct pts_line line;
	uint32_t count = 0, room = 0;
	int ret;

	ret = pts_reader_init(&reader, text, len, err);
	if (ret)
		return ret;
	while ((ret = pts_read_line(&reader, &line)) > 0) {
		ret = grow(&array, count, &room);
		if (ret) {
			pts_fail(err, ret, 0, "out of memory");
			break;
		}
		ret = parse_one(&line, &array[count++], err);
		if (ret)
			break;
	}
	free(reader.text);
	if (ret) {
		free(array);
		return ret;
	}
	*ranges = array;
	*nr = count;
	return 0;
}
