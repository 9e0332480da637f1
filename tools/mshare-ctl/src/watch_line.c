// SPDX-License-Identifier: GPL-2.0-or-later
/* The lines of watch: for people in columns, for programs one JSON object each. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "watch.h"

static const char *const event_flags[] = {
	"blocked", "kernel", "remote", "syscall", "timeout", NULL,
};

static const char *const page_flags[] = {
	"written", "armed", "pending", "pinned", NULL,
};

/* Of a thread that may be gone; nothing in it may end a line or a string. */
static void read_command(const struct ptshare_event *event, char *buf,
			 size_t size)
{
	char path[64];
	ssize_t len;
	char *p;
	int fd;

	buf[0] = 0;
	if (!event->pid)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", event->pid,
		 event->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, buf, size - 1);
	close(fd);
	buf[len > 0 ? len : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	for (p = buf; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			*p = '?';
}

/* To be called before the writer is let go: then it is still there. */
void watch_event(struct watch_line *line, const struct ptshare_event *event)
{
	static const char *const types[] = {
		[PTSHARE_EVENT_WRITE] = "write",
		[PTSHARE_EVENT_OVERFLOW] = "overflow",
		[PTSHARE_EVENT_DISARMED] = "disarmed",
	};
	const char *type = NULL;

	if (event->type < ARRAY_SIZE(types))
		type = types[event->type];
	*line = (struct watch_line) {
		.type = type ? type : "unknown",
		.time_ns = event->time_ns,
		.offset = event->offset,
		.length = event->length,
		.addr = event->addr,
		.flags = event->flags,
		.flag_names = event_flags,
		.event = event,
	};
	read_command(event, line->command, sizeof(line->command));
}

void watch_region(struct watch_line *line,
		  const struct ptshare_scan_region *region)
{
	*line = (struct watch_line) {
		.type = "scan",
		.time_ns = ctl_now(),
		.offset = region->start,
		.length = region->end - region->start,
		.flags = region->categories,
		.flag_names = page_flags,
	};
}

void watch_headings(const struct watch_style *style)
{
	if (!style->json && !style->noheadings)
		printf("%12s %-8s %-14s %8s %7s %7s %-14s %-14s %s\n", "TIME",
		       "TYPE", "OFFSET", "LENGTH", "PID", "TID", "ADDR",
		       "FLAGS", "COMMAND");
}

/* The names of the bits, each between @quote, with commas. */
static const char *join_flags(const struct watch_line *line, const char *quote,
			      char *buf, size_t size)
{
	size_t len = 0;
	int i;

	buf[0] = 0;
	for (i = 0; line->flag_names[i] && len < size; i++)
		if (line->flags & UINT64_C(1) << i)
			len += snprintf(buf + len, size - len, "%s%s%s%s",
					len ? "," : "", quote,
					line->flag_names[i], quote);
	return buf;
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void print_columns(const struct watch_style *style,
			  const struct watch_line *line)
{
	const uint64_t since = line->time_ns < style->start_ns ? 0 :
			       (line->time_ns - style->start_ns) / 1000;
	const bool event = line->event && line->event->pid;
	char offset[24] = "-", length[24] = "-", flags[64];
	char pid[16] = "-", tid[16] = "-", addr[24] = "-";

	if (line->length) {
		snprintf(offset, sizeof(offset),
			 style->bytes ? "%" PRIu64 : "0x%" PRIx64,
			 line->offset);
		if (style->bytes)
			snprintf(length, sizeof(length), "%" PRIu64,
				 line->length);
		else
			ptshare_size_format(line->length, length);
	}
	if (event) {
		snprintf(pid, sizeof(pid), "%d", line->event->pid);
		snprintf(tid, sizeof(tid), "%d", line->event->tid);
	}
	if (line->addr)
		snprintf(addr, sizeof(addr), "0x%" PRIx64, line->addr);
	/* Integers: a locale may have another sign for the decimal point. */
	printf("%5" PRIu64 ".%06" PRIu64 " %-8s %-14s %8s %7s %7s %-14s %-14s %s\n",
	       since / 1000000, since % 1000000, line->type, offset, length,
	       pid, tid, addr,
	       or_dash(join_flags(line, "", flags, sizeof(flags))),
	       or_dash(line->command));
}

static void json_number(const char *key, bool known, uint64_t value)
{
	if (known)
		printf(",\"%s\":%" PRIu64, key, value);
	else
		printf(",\"%s\":null", key);
}

/* All objects have the same keys; null where a kind of line has none. */
static void print_json(const struct watch_line *line)
{
	const struct ptshare_event *event = line->event;
	const bool writer = event && event->pid;
	char flags[96];

	printf("{\"type\":\"%s\"", line->type);
	json_number("time_ns", true, line->time_ns);
	json_number("seq", event, event ? event->seq : 0);
	json_number("offset", line->length, line->offset);
	json_number("length", line->length, line->length);
	json_number("pid", writer, writer ? event->pid : 0);
	json_number("tid", writer, writer ? event->tid : 0);
	json_number("addr", line->addr, line->addr);
	printf(",\"flags\":[%s]",
	       join_flags(line, "\"", flags, sizeof(flags)));
	if (*line->command)
		printf(",\"command\":\"%s\"}\n", line->command);
	else
		puts(",\"command\":null}");
}

void watch_print(const struct watch_style *style, const struct watch_line *line)
{
	if (style->json)
		print_json(line);
	else
		print_columns(style, line);
}
