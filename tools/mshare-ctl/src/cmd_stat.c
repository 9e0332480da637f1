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
	struct out_options opts;
};

enum {
	TIME, BOXES, REGIONS, WINDOWS, LINKS, MIRRORS, FLUSHES, RSS, PGTABLES,
	SAVED, SYSTEM,
};

static const struct out_column columns[] = {
	[TIME] = { "TIME", "seconds since the start", OUT_NUMBER },
	[BOXES] = { "BOXES", "containers that are summed up", OUT_NUMBER },
	[REGIONS] = { "REGIONS", "number of regions", OUT_NUMBER },
	[WINDOWS] = { "WINDOWS", "mappings in all processes", OUT_NUMBER },
	[LINKS] = { "LINKS", "entries that share a page table", OUT_NUMBER },
	[MIRRORS] = { "MIRRORS", "entries copied to private ones", OUT_NUMBER },
	[FLUSHES] = { "FLUSHES", "TLB flushes so far", OUT_NUMBER },
	[RSS] = { "RSS", "memory that is mapped", OUT_SIZE },
	[PGTABLES] = { "PGTABLES", "the containers' own page tables", OUT_SIZE },
	[SAVED] = { "SAVED", "page tables saved by links", OUT_SIZE },
	[SYSTEM] = { "SYSTEM", "page tables of the machine", OUT_SIZE },
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

static uint64_t value_of(const struct sample *sample, size_t column)
{
	static const enum scan_value values[] = {
		[REGIONS] = SCAN_REGIONS, [WINDOWS] = SCAN_WINDOWS,
		[LINKS] = SCAN_LINKS, [MIRRORS] = SCAN_MIRRORS,
		[FLUSHES] = SCAN_FLUSHES, [RSS] = SCAN_RSS,
		[PGTABLES] = SCAN_PGTABLES, [SAVED] = SCAN_SAVED,
	};

	switch (column) {
	case BOXES:
		return sample->boxes;
	case SYSTEM:
		return sample->system;
	default:
		return sample->value[values[column]];
	}
}

/*
 * Each row is a table of its own, as nobody knows what the next ones need: cells
 * for people are wide enough for all.
 */
static int cell_width(const struct out_options *opts, size_t column)
{
	if (out_machine(opts))
		return 0;
	switch (column) {
	case TIME:
		return 12;
	case BOXES:
		return 5;
	default:
		return opts->bytes && columns[column].kind == OUT_SIZE ? 14 : 8;
	}
}

static void add_cell(struct out *out, const struct out_options *opts,
		     size_t column, const char *text)
{
	char cell[32];

	snprintf(cell, sizeof(cell), "%*s", cell_width(opts, column), text);
	out_text(out, column, cell);
}

static void fill(struct out *out, const struct out_options *opts,
		 const struct sample *sample, uint64_t start_ns)
{
	const uint64_t us = (sample->time_ns - start_ns) / 1000;
	char text[OUT_NUMBER_SIZE];
	size_t i;

	/* Integers: a locale may have another sign for the decimal point. */
	snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, us / 1000000,
		 us % 1000000);
	out_row(out);
	add_cell(out, opts, TIME, text);
	for (i = BOXES; i < ARRAY_SIZE(columns); i++) {
		out_format(out, i, value_of(sample, i), text);
		add_cell(out, opts, i, text);
	}
}

/* A line for each row, so that they can be read as they come. */
static void print_json(const struct stat_request *req, const struct out *out,
		       const struct sample *sample)
{
	const char *sep = "{";
	const char *p;
	size_t i;

	if (out_has(out, TIME)) {
		printf("{\"time_ns\":%" PRIu64 ",\"id\":", sample->time_ns);
		if (req->target)
			printf("%" PRIu64, (uint64_t)req->target->info.id);
		else
			printf("null");
		sep = ",";
	}
	for (i = BOXES; i < ARRAY_SIZE(columns); i++) {
		if (!out_has(out, i))
			continue;
		printf("%s\"", sep);
		for (p = columns[i].name; *p; p++)
			putchar(*p - 'A' + 'a');
		printf("\":%" PRIu64, value_of(sample, i));
		sep = ",";
	}
	puts("}");
}

static int print_sample(const struct stat_request *req,
			const struct sample *sample, uint64_t start_ns,
			uint64_t row)
{
	struct out_options opts = req->opts;
	struct out *out;

	if (row && (row % ROWS_PER_PAGE || !isatty(STDOUT_FILENO)))
		opts.noheadings = true;
	out = out_new(&opts, "stat");
	if (!out)
		return CTL_FAILED;
	if (opts.json) {
		print_json(req, out, sample);
		out_free(out);
		return CTL_OK;
	}
	fill(out, &opts, sample, start_ns);
	return out_finish(out);
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
		if (!ret)
			ret = print_sample(req, &sample, start_ns, row);
		if (ret)
			return ret;
		if (fflush(stdout))
			break;
	}
	return CTL_OK;
}

static int stat(struct stat_request *req, const char *name)
{
	struct target target;
	struct out *out;
	int ret, signals;

	/* Is there a column that does not exist? */
	out = out_new(&req->opts, "stat");
	if (!out)
		return CTL_USAGE;
	out_free(out);
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
		{ "raw", no_argument, NULL, 'r' },
		{ "pairs", no_argument, NULL, 'P' },
		{ "output", required_argument, NULL, 'o' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct stat_request req = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "i:c:JrPo:nbh", longopts,
				NULL)) >= 0) {
		if (out_option(&req.opts, c, optarg))
			continue;
		if (c == 'h' || c == '?')
			return ctl_bad_option(c);
		if (!(c == 'i' ? set_interval(&req, optarg) :
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
"  -c, --count N       end after N rows; alone: one a second\n",
	.more =
"Without TARGET the row is the sum over all containers that 'list' finds.\n"
"JSON is one object a line, with sizes in bytes, time_ns and id.\n"
"TIME is in seconds, or has us, ms, s, m or h behind it.\n",
	.columns = columns,
	.nr_columns = ARRAY_SIZE(columns),
	.run = run,
};
