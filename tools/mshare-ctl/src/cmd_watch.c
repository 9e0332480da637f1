// SPDX-License-Identifier: GPL-2.0-or-later
/* watch: tell who writes to a live container; its command line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "watch.h"

static int get_ranges(struct watch_range *ranges, char **words, int nr)
{
	int i, ret;

	for (i = 0; i < nr; i++) {
		ret = ctl_parse_aligned("offset", words[2 * i],
					&ranges[i].offset);
		if (!ret)
			ret = ctl_parse_aligned("length", words[2 * i + 1],
						&ranges[i].length);
		if (ret)
			return ret;
	}
	return CTL_OK;
}

static int watch(struct watch_request *req, char **words, int nr)
{
	struct watch_range *ranges;
	struct target target;
	int ret;

	if (!nr)
		return ctl_usage("which container? PID:FD or FD is missing");
	if (!(nr % 2))
		return ctl_usage("expected OFFSET LENGTH, once or more");
	req->nr = nr / 2;
	ranges = calloc(req->nr + 1, sizeof(*ranges));
	if (!ranges)
		return CTL_FAILED;
	req->ranges = ranges;
	ret = get_ranges(ranges, words + 1, req->nr);
	if (!ret)
		ret = target_open(&target, words[0]);
	if (!ret)
		ret = watch_run(req, &target);
	free(ranges);
	return ret;
}

/* --- options -------------------------------------------------------------- */

static bool set_word(const char *option, const char *text,
		     const char *const *words, uint32_t *value)
{
	uint32_t i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*value = i;
			return true;
		}
	}
	ctl_usage("%s '%s' is unknown", option, text);
	return false;
}

static bool unit_of(const char *text, uint64_t *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "", WATCH_SECOND }, { "s", WATCH_SECOND }, { "us", 1000 },
		{ "ms", 1000000 }, { "m", 60 * WATCH_SECOND }, { "h", 3600 * WATCH_SECOND },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcmp(units[i].name, text)) {
			*unit = units[i].ns;
			return true;
		}
	}
	return false;
}

/* "2", "0.5", "1.5s", "20ms", "us", "m", "h" */
static bool parse_time(const char *text, uint64_t *ns)
{
	uint64_t whole = 0, part = 0, scale = 1, unit;
	const char *p = text;

	for (; isdigit((unsigned char)*p) && whole < 1000000000; p++)
		whole = whole * 10 + *p - '0';
	if (p == text)
		return false;
	if (*p == '.' && isdigit((unsigned char)p[1]))
		for (p++; isdigit((unsigned char)*p) && scale < WATCH_SECOND; p++) {
			part = part * 10 + *p - '0';
			scale *= 10;
		}
	/* Beyond that is not a time but a mistake: 30 years. */
	if (!unit_of(p, &unit) || whole > 1000000000 * (double)WATCH_SECOND / unit)
		return false;
	*ns = whole * unit + part * unit / scale;
	return true;
}

static bool set_time(const char *option, const char *text, uint64_t *ns)
{
	if (parse_time(text, ns))
		return true;
	ctl_usage("%s '%s' is no time", option, text);
	return false;
}

static bool set_writer_timeout(struct watch_request *req, const char *text)
{
	if (!strcmp(text, "never")) {
		req->writer_timeout_ns = WATCH_NEVER;
		return true;
	}
	if (!set_time("writer-timeout", text, &req->writer_timeout_ns))
		return false;
	if (req->writer_timeout_ns)
		return true;
	ctl_usage("writer-timeout is 0");
	return false;
}

static bool set_count(struct watch_request *req, const char *text)
{
	char *end;

	errno = 0;
	req->count = strtoull(text, &end, 10);
	if (isdigit((unsigned char)*text) && !*end && !errno && req->count)
		return true;
	ctl_usage("count '%s' is no number from 1", text);
	return false;
}

static bool set_option(struct watch_request *req, int c, const char *arg)
{
	static const char *const modes[] = { "async", "block", "signal", NULL };
	static const char *const on_kernel[] = { "allow", "fail", "block",
						 NULL };
	static const char *const on_close[] = { "allow", "signal", NULL };
	static const char *const answers[] = { "allow", "fail", NULL };

	switch (c) {
	case 'm':
		return set_word("mode", arg, modes, &req->mode);
	case 'k':
		return set_word("on-kernel", arg, on_kernel, &req->on_kernel);
	case 'x':
		return set_word("on-close", arg, on_close, &req->on_close);
	case 'a':
		return set_word("answer", arg, answers, &req->answer);
	case 'c':
		return set_count(req, arg);
	case 't':
		return set_time("timeout", arg, &req->timeout_ns);
	case 'w':
		return set_writer_timeout(req, arg);
	default:
		return set_time("rearm", arg, &req->rearm_ns);
	}
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "on-kernel", required_argument, NULL, 'k' },
		{ "on-close", required_argument, NULL, 'x' },
		{ "answer", required_argument, NULL, 'a' },
		{ "count", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "writer-timeout", required_argument, NULL, 'w' },
		{ "rearm", required_argument, NULL, 'R' },
		{ "json", no_argument, NULL, 'J' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct watch_request req = {
		.answer = PTSHARE_ALLOW,
		.count = WATCH_NEVER,
		.timeout_ns = WATCH_NEVER,
		.rearm_ns = WATCH_NEVER,
	};
	int c;

	while ((c = getopt_long(argc, argv, "m:k:x:a:c:t:w:R:Jnbh", longopts,
				NULL)) >= 0) {
		if (c == 'J')
			req.style.json = true;
		else if (c == 'n')
			req.style.noheadings = true;
		else if (c == 'b')
			req.style.bytes = true;
		else if (c == 'h' || c == '?')
			return ctl_bad_option(c);
		else if (!set_option(&req, c, optarg))
			return CTL_USAGE;
	}
	return watch(&req, argv + optind, argc - optind);
}

const struct command cmd_watch = {
	.name = "watch",
	.synopsis = "watch PID:FD|FD [OFFSET LENGTH]... [options]",
	.summary = "Tell of writes to a container, whoever makes them",
	.options =
"  -m, --mode MODE     async: writes go on; block: a writer sleeps until it is\n"
"                      answered; signal: it gets SIGBUS; default async\n"
"  -k, --on-kernel allow|fail|block\n"
"                      writes that the kernel makes: write(2), O_DIRECT, ...\n"
"  -x, --on-close allow|signal\n"
"                      what becomes of later writes when watch ends\n"
"  -a, --answer allow|fail\n"
"                      what a sleeping writer is told; default allow\n"
"  -w, --writer-timeout TIME|never\n"
"                      after that a sleeping writer goes on; default 10\n"
"  -R, --rearm TIME    watch written pages again every TIME; 0 is at once;\n"
"                      default: tell of the first write to each page only\n"
"  -c, --count N       end after N lines about writes\n"
"  -t, --timeout TIME  end after TIME\n"
"  -J, --json          one JSON object a line\n"
"  -n, --noheadings    no headings\n"
"  -b, --bytes         sizes and offsets as plain numbers of bytes\n",
	.more =
"Without a range all regions are watched. A line is armed, write, disarmed,\n"
"overflow (events were dropped) or scan (pages found written after that, which\n"
"may have been told before).\n"
"TIME is in seconds, or has ms, s, m or h behind it. SIGINT and SIGTERM end the\n"
"watch with status 0; --timeout before --count is reached is status 1.\n",
	.run = run,
};
