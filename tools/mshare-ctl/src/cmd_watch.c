// SPDX-License-Identifier: GPL-2.0-or-later
/* watch: tell who writes to a live container; its command line. */
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
		return ctl_usage("which container? NAME, PID:FD or FD is missing");
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

static bool set_writer_timeout(struct watch_request *req, const char *text)
{
	if (!strcmp(text, "never")) {
		req->writer_timeout_ns = CTL_NEVER;
		return true;
	}
	if (!ctl_set_time("writer-timeout", text, &req->writer_timeout_ns))
		return false;
	if (req->writer_timeout_ns)
		return true;
	ctl_usage("writer-timeout is 0");
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
		return ctl_set_count(arg, &req->count);
	case 't':
		return ctl_set_time("timeout", arg, &req->timeout_ns);
	case 'w':
		return set_writer_timeout(req, arg);
	default:
		return ctl_set_time("rearm", arg, &req->rearm_ns);
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
		.count = CTL_NEVER,
		.timeout_ns = CTL_NEVER,
		.rearm_ns = CTL_NEVER,
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
	.synopsis = "watch TARGET [OFFSET LENGTH]... [options]",
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
"Without a range all regions are watched; each is told on stderr when it is\n"
"armed. A line is write, disarmed, overflow (events were dropped) or scan (pages\n"
"found written after that, which may have been told before).\n"
"TIME is in seconds, or has ms, s, m or h behind it. SIGINT and SIGTERM end the\n"
"watch with status 0; --timeout before --count is reached is status 1.\n",
	.control = true,
	.run = run,
};
