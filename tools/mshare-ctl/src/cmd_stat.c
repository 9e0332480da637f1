// SPDX-License-Identifier: GPL-2.0-or-later
/* stat: a row of counters, once or every so often, as vmstat(8) does. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include "scan.h"

/* On a terminal the headings come again before they have left the screen. */
#define ROWS_PER_PAGE	20

struct sample {
	uint64_t time_ns;
	uint64_t boxes;
	uint64_t value[SCAN_VALUES];
	uint64_t system;	/* page tables of the whole machine */
};

struct stat_request {
	const struct target *target;	/* NULL: all containers */
	uint64_t interval_ns;
	uint64_t count;
	bool json;
	bool noheadings;
	bool bytes;
};

/* In the order in which they are printed. */
static const struct {
	enum scan_value value;
	const char *key;
	bool size;
} columns[] = {
	{ SCAN_REGIONS, "regions", false },
	{ SCAN_WINDOWS, "windows", false },
	{ SCAN_LINKS, "links", false },
	{ SCAN_MIRRORS, "mirrors", false },
	{ SCAN_FLUSHES, "flushes", false },
	{ SCAN_RSS, "rss", true },
	{ SCAN_PGTABLES, "pgtables", true },
	{ SCAN_SAVED, "saved", true },
};

static uint64_t system_pgtables(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kb = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "PageTables: %" SCNu64, &kb) == 1)
			break;
	fclose(file);
	return kb * 1024;
}

static void add_box(struct sample *sample, const struct scan_box *box)
{
	size_t i;

	sample->boxes++;
	for (i = 0; i < SCAN_VALUES; i++)
		sample->value[i] += box->value[i];
}

static int take_sample(const struct stat_request *req, struct sample *sample)
{
	struct scan_box found = { 0 };
	const struct scan_box *box;
	struct scan scan;

	*sample = (struct sample) {
		.time_ns = ctl_now(),
		.system = system_pgtables(),
	};
	if (!req->target) {
		scan_all(&scan);
		for (box = scan.first; box; box = box->next)
			add_box(sample, box);
		scan_free(&scan);
		return CTL_OK;
	}
	if (!scan_fd(getpid(), req->target->fd, &found)) {
		ctl_error("%s: its fdinfo can't be read", req->target->name);
		ctl_hint("is /proc mounted?");
		return CTL_FAILED;
	}
	add_box(sample, &found);
	return CTL_OK;
}

/* --- output --------------------------------------------------------------- */

static void print_headings(const struct stat_request *req)
{
	size_t i;

	printf("%12s %5s", "TIME", "BOXES");
	for (i = 0; i < ARRAY_SIZE(columns); i++) {
		char name[16], *p;

		snprintf(name, sizeof(name), "%s", columns[i].key);
		for (p = name; *p; p++)
			*p += 'A' - 'a';
		printf(" %*s", req->bytes && columns[i].size ? 14 : 8, name);
	}
	printf(" %*s\n", req->bytes ? 14 : 8, "SYSTEM");
}

static void print_cell(const struct stat_request *req, uint64_t value,
		       bool size)
{
	char text[24];

	if (size && !req->bytes)
		printf(" %8s", ptshare_size_format(value, text));
	else
		printf(" %*" PRIu64, size ? 14 : 8, value);
}

static void print_columns(const struct stat_request *req,
			  const struct sample *sample, uint64_t start_ns)
{
	const uint64_t us = (sample->time_ns - start_ns) / 1000;
	size_t i;

	printf("%5" PRIu64 ".%06" PRIu64 " %5" PRIu64, us / 1000000,
	       us % 1000000, sample->boxes);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		print_cell(req, sample->value[columns[i].value],
			   columns[i].size);
	print_cell(req, sample->system, true);
	putchar('\n');
}

static void print_json(const struct stat_request *req,
		       const struct sample *sample)
{
	size_t i;

	printf("{\"time_ns\":%" PRIu64 ",\"id\":", sample->time_ns);
	if (req->target)
		printf("%" PRIu64, (uint64_t)req->target->info.id);
	else
		printf("null");
	printf(",\"boxes\":%" PRIu64, sample->boxes);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		printf(",\"%s\":%" PRIu64, columns[i].key,
		       sample->value[columns[i].value]);
	printf(",\"system\":%" PRIu64 "}\n", sample->system);
}

static void print_sample(const struct stat_request *req,
			 const struct sample *sample, uint64_t start_ns,
			 uint64_t row)
{
	if (req->json) {
		print_json(req, sample);
		return;
	}
	if (!req->noheadings &&
	    (!row || (!(row % ROWS_PER_PAGE) && isatty(STDOUT_FILENO))))
		print_headings(req);
	print_columns(req, sample, start_ns);
}

/* --- time ----------------------------------------------------------------- */

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/*
 * False: we were told to end, or nobody reads on. That is asked even if it is
 * late already, or samples that take long could not be ended.
 */
static bool sleep_until(uint64_t until, int signals)
{
	struct pollfd polls[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	uint64_t now;

	do {
		struct timespec left = { 0 };

		now = ctl_now();
		if (now < until) {
			left.tv_sec = (until - now) / CTL_SECOND;
			left.tv_nsec = (until - now) % CTL_SECOND;
		}
		if (ppoll(polls, ARRAY_SIZE(polls), &left, NULL) > 0 &&
		    (polls[0].revents || polls[1].revents & POLLERR))
			return false;
	} while (now < until);
	return true;
}

static int sample_all(const struct stat_request *req, int signals)
{
	uint64_t start_ns = ctl_now(), row;
	struct sample sample;
	int ret;

	for (row = 0; row < req->count; row++) {
		if (row && !sleep_until(start_ns + row * req->interval_ns,
					signals))
			break;
		ret = take_sample(req, &sample);
		if (ret)
			return ret;
		print_sample(req, &sample, start_ns, row);
		if (fflush(stdout))
			break;
	}
	return CTL_OK;
}

static int stat(struct stat_request *req, const char *name)
{
	struct target target;
	int ret, signals;

	if (name) {
		ret = target_open(&target, name);
		if (ret)
			return ret;
		req->target = &target;
	} else if (!ctl_kernel_has()) {
		return ctl_no_kernel();
	}
	signals = catch_signals();
	ret = sample_all(req, signals);
	close(signals);
	return ret;
}

/* --- options -------------------------------------------------------------- */

static bool set_interval(struct stat_request *req, const char *text)
{
	if (!ctl_set_time("interval", text, &req->interval_ns))
		return false;
	/* More often is a busy loop, and no more than that. */
	if (req->interval_ns >= 1000000)
		return true;
	ctl_usage("interval '%s' is less than 1ms", text);
	return false;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'J' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct stat_request req = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "i:c:Jnbh", longopts, NULL)) >= 0) {
		if (c == 'J')
			req.json = true;
		else if (c == 'n')
			req.noheadings = true;
		else if (c == 'b')
			req.bytes = true;
		else if (c == 'h' || c == '?')
			return ctl_bad_option(c);
		else if (!(c == 'i' ? set_interval(&req, optarg) :
				      ctl_set_count(optarg, &req.count)))
			return CTL_USAGE;
	}
	if (argc - optind > 1)
		return ctl_usage("unexpected argument: %s", argv[optind + 1]);
	/* As vmstat: an interval alone is without end, a count alone is per second. */
	if (!req.count)
		req.count = req.interval_ns ? CTL_NEVER : 1;
	if (!req.interval_ns)
		req.interval_ns = CTL_SECOND;
	return stat(&req, argv[optind]);
}

const struct command cmd_stat = {
	.name = "stat",
	.synopsis = "stat [TARGET] [options]",
	.summary = "Print page tables used and saved, and other counters, as they change",
	.options =
"  -i, --interval TIME a row every TIME, until SIGINT or --count\n"
"  -c, --count N       end after N rows; alone: one a second\n"
"  -J, --json          one JSON object a line, sizes in bytes\n"
"  -n, --noheadings    no headings\n"
"  -b, --bytes         sizes as plain numbers of bytes\n",
	.more =
"Without TARGET the row is the sum over all containers that 'list' finds.\n"
"LINKS are entries that share a page table, MIRRORS copies in private ones,\n"
"FLUSHES TLB flushes so far, PGTABLES the containers' own page tables, SAVED what\n"
"the links spare, SYSTEM the page tables of the whole machine.\n"
"TIME is in seconds, or has us, ms, s, m or h behind it.\n",
	.run = run,
};
