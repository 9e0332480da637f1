// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors, texts and the spelling of ranges. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"

static void vprint(const char *prefix, const char *fmt, va_list ap)
{
	fputs("mshare-ctl: ", stderr);
	if (ctl_current)
		fprintf(stderr, "%s: ", ctl_current->name);
	fputs(prefix, stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void ctl_print(const char *prefix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(prefix, fmt, ap);
	va_end(ap);
}

int ctl_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint("", fmt, ap);
	va_end(ap);
	ctl_hint("see 'mshare-ctl help%s%s'", ctl_current ? " " : "",
		 ctl_current ? ctl_current->name : "");
	return CTL_USAGE;
}

/* @file is NULL for what came from the command line. */
void ctl_text_error(const char *file, const struct ptshare_error *err)
{
	if (file && err->line)
		ctl_error("%s:%u: %s", strcmp(file, "-") ? file : "stdin",
			  err->line, err->text);
	else
		ctl_error("%s", err->text);
	if (*err->hint)
		ctl_hint("%s", err->hint);
}

/* The default case of every switch over getopt_long(). */
int ctl_bad_option(int c)
{
	if (c == 'h') {
		ctl_print_help(ctl_current);
		return CTL_OK;
	}
	/* getopt_long() has printed the cause. */
	ctl_hint("see 'mshare-ctl help %s'", ctl_current->name);
	return CTL_USAGE;
}

static bool listed_in_misc(void)
{
	FILE *file = fopen("/proc/misc", "re");
	char name[64];
	bool found = false;

	if (!file)
		return false;
	while (!found && fscanf(file, "%*d %63s", name) == 1)
		found = !strcmp(name, "ptshare");
	fclose(file);
	return found;
}

bool ctl_kernel_has(void)
{
	return !access(PTSHARE_DEVICE, F_OK) || listed_in_misc();
}

int ctl_no_kernel(void)
{
	if (listed_in_misc()) {
		ctl_error("%s is missing, though the kernel has it",
			  PTSHARE_DEVICE);
		ctl_hint("mount devtmpfs, or bind %s into this container",
			 PTSHARE_DEVICE);
	} else {
		ctl_error("this kernel has no ptshare: %s is missing",
			  PTSHARE_DEVICE);
		ctl_hint("boot a kernel with CONFIG_PTSHARE=y");
	}
	return CTL_NO_KERNEL;
}

static char *read_all(int fd, size_t *len)
{
	size_t room = 0;
	char *text = NULL;
	ssize_t got;

	*len = 0;
	do {
		if (*len == room) {
			char *bigger;

			room = room ? room * 2 : 4096;
			bigger = realloc(text, room);
			if (!bigger)
				goto fail;
			text = bigger;
		}
		got = read(fd, text + *len, room - *len);
		if (got > 0)
			*len += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (!got)
		return text;
fail:
	free(text);
	return NULL;
}

/* "-" is standard input; NULL after an error that has been printed. */
char *ctl_read_text(const char *file, size_t *len)
{
	bool input = !strcmp(file, "-");
	int fd = input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	if (fd >= 0)
		text = read_all(fd, len);
	if (!text)
		ctl_error("%s: %m", input ? "stdin" : file);
	if (fd >= 0 && !input)
		close(fd);
	return text;
}

const char *ctl_range_name(uint64_t offset, uint64_t length, char *buf)
{
	char size[24];

	snprintf(buf, CTL_RANGE_NAME, "0x%" PRIx64 "+%s", offset,
		 ptshare_size_format(length, size));
	return buf;
}

/* An argument that is a multiple of the page size; CTL_OK or a usage error. */
int ctl_parse_aligned(const char *what, const char *text, uint64_t *value)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	int ret;

	if (ptshare_size_parse(text, value))
		return ctl_usage("%s '%s' is no size", what, text);
	if (!(*value % page))
		return CTL_OK;
	ret = ctl_usage("%s %s is no multiple of the page size", what, text);
	ctl_hint("next aligned value: 0x%" PRIx64, (*value / page + 1) * page);
	return ret;
}

/*
 * Arguments as a text for the parsers of libptshare, @per_line words a line.
 * Each byte is escaped, so that no argument can become two words.
 */
char *ctl_join(char *const *words, int nr, int per_line)
{
	size_t room = 1;
	char *text, *to;
	int i;

	for (i = 0; i < nr; i++)
		room += 4 * strlen(words[i]) + 1;
	text = malloc(room);
	if (!text)
		return NULL;
	to = text;
	for (i = 0; i < nr; i++) {
		const unsigned char *p = (const void *)words[i];

		for (; *p; p++)
			to += sprintf(to, "\\%03o", *p);
		*to++ = (i + 1) % per_line ? ' ' : '\n';
	}
	*to = 0;
	return text;
}

/* Why a call on @target that @seal would forbid got EPERM. */
const char *ctl_denied(const struct target *target, uint32_t seal)
{
	struct ptshare_info info;

	if (!ptshare_info(target->fd, &info) && info.seals & seal)
		return "the container is sealed";
	return "this is no control fd";
}

/* Names of feature bits, one a line. */
const char *ctl_features(uint64_t features)
{
	static const char *const names[] = {
		"", "shmem", "notify", "shmem\nnotify",
	};

	return names[!!(features & PTSHARE_FEATURE_SHMEM) +
		     2 * !!(features & PTSHARE_FEATURE_NOTIFY)];
}
