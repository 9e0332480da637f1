/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of watch. */
#ifndef MSHARE_WATCH_H
#define MSHARE_WATCH_H

#include "ctl.h"

/* watch_line.c */
struct watch_line {
	const char *type;
	uint64_t time_ns;	/* CLOCK_MONOTONIC */
	uint64_t offset;
	uint64_t length;	/* 0: of no range */
	uint64_t addr;
	uint64_t flags;
	const char *const *flag_names;	/* one for each bit */
	const struct ptshare_event *event;	/* NULL: not an event */
	char command[32];
};

struct watch_style {
	bool json;
	bool noheadings;
	bool bytes;
	uint64_t start_ns;	/* the time 0 of the lines */
};

void watch_headings(const struct watch_style *style);
void watch_print(const struct watch_style *style, const struct watch_line *line);
void watch_event(struct watch_line *line, const struct ptshare_event *event);
void watch_region(struct watch_line *line,
		  const struct ptshare_scan_region *region);

/* watch.c */
struct watch_range {
	uint64_t offset;
	uint64_t length;
};

struct watch_request {
	struct watch_style style;
	const struct watch_range *ranges;
	size_t nr;			/* 0: all regions */
	uint32_t mode;
	uint32_t on_kernel;
	uint32_t on_close;
	uint32_t answer;
	uint64_t count;			/* CTL_NEVER: any number */
	uint64_t timeout_ns;		/* CTL_NEVER: none */
	uint64_t rearm_ns;		/* CTL_NEVER: told once */
	uint64_t writer_timeout_ns;	/* 0: the kernel's default */
};

int watch_run(const struct watch_request *req, const struct target *target);

#endif /* MSHARE_WATCH_H */
