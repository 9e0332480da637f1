// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: options, the loop, and figures. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define SECONDS		60
#define SHARES		3
#define ROUND		16	/* programs before the next way to share */
#define ENOUGH		10	/* mismatches */
#define SHRINK_MS	60000
#define TELL_MS		30000

typedef int (*run_fn)(struct fz_gen *gen, struct fz_prog *prog,
		      unsigned int share, bool *fresh);

static struct {
	unsigned int secs, shares, share;
	unsigned long execs;
	__u64 seed;
	const char *replay, *corpus, *pcs;
	bool serial, race, keep;
} opt = {
	.secs = SECONDS, .shares = (1U << SHARES) - 1,
	.serial = true, .race = true, .keep = true,
};

bool fz_quiet;
static __u64 started, told;

void fz_say(const char *fmt, ...)
{
	va_list ap;

	if (fz_quiet)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

static noreturn void wrong_usage(void)
{
	fprintf(stderr,
		"usage: ptfuzz [-t SECONDS] [-s SEED] [-m none|pmd|pud|all] [-r FILE] [-c CORPUSDIR]\n"
		"              [-n PROGRAMS] [-x serial|race] [-p PCFILE] [-v]\n");
	exit(2);
}

static unsigned int shares_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < SHARES; i++)
		if (!strcmp(name, fz_share_names[i]))
			return 1U << i;
	if (strcmp(name, "all"))
		wrong_usage();
	return (1U << SHARES) - 1;
}

static void options(int argc, char **argv)
{
	int c;

	opt.seed = pts_now_ms();
	while ((c = getopt(argc, argv, "t:s:m:r:c:n:x:p:v")) >= 0) {
		switch (c) {
		case 't':
			opt.secs = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			opt.shares = shares_of(optarg);
			break;
		case 'r':
			opt.replay = optarg;
			break;
		case 'c':
			opt.corpus = optarg;
			break;
		case 'n':
			opt.execs = strtoul(optarg, NULL, 0);
			break;
		case 'x':
			opt.serial = strcmp(optarg, "race");
			opt.race = strcmp(optarg, "serial");
			if (opt.serial && opt.race)
				wrong_usage();
			break;
		case 'p':
			opt.pcs = optarg;
			break;
		case 'v':
			fz_verbose = true;
			break;
		default:
			wrong_usage();
		}
	}
	if (optind != argc)
		wrong_usage();
}

/* --- a mismatch --------------------------------------------------------- */

static bool still_fails(run_fn run, const struct fz_prog *prog)
{
	struct fz_prog copy = *prog;
	bool fresh;

	return run(NULL, &copy, opt.share, &fresh) < 0;
}

/* Leaves out what is not needed; only what fails each time can be made so. */
static void shrink(run_fn run, struct fz_prog *prog)
{
	__u64 end = pts_now_ms() + SHRINK_MS;
	struct fz_prog less;
	__u32 i;

	fz_quiet = true;
	for (i = prog->nr; i-- && pts_now_ms() < end;) {
		less = *prog;
		memmove(less.op + i, less.op + i + 1,
			(less.nr - i - 1) * sizeof(less.op[0]));
		less.nr--;
		if (still_fails(run, &less))
			*prog = less;
	}
	fz_quiet = false;
}

static void report(run_fn run, const struct fz_prog *prog)
{
	const char *dir = getenv("PTSHARE_OUT") ?: "/tmp", *path;
	bool race = run == fz_race;
	struct fz_prog least = *prog;

	fz_stats.mismatches++;
	if (!race && still_fails(run, prog)) {
		shrink(run, &least);
		still_fails(run, &least);
	}
	path = fz_save(dir, "mismatch", &least);
	printf("# seed %llu, share %s, %s; the program:\n", opt.seed,
	       fz_share_names[opt.share], race ? "racing" : "serial");
	fz_print(stdout, &least);
	printf("# again: ptfuzz -m %s -x %s -r %s\n", fz_share_names[opt.share],
	       race ? "race" : "serial", path ?: "(not saved)");
	fflush(stdout);
}

/* --- the loop ----------------------------------------------------------- */

static unsigned long programs(void)
{
	return fz_stats.execs + fz_stats.races;
}

static void figures(void)
{
	__u64 ms = pts_now_ms() - started;

	printf("# execs %lu, %llu.%llu execs/s, corpus %u, covered %u, mismatches %lu\n",
	       programs(), programs() * 1000 / (ms + 1),
	       programs() * 10000 / (ms + 1) % 10, fz_corpus_nr(),
	       board->nr_pcs, fz_stats.mismatches);
	fflush(stdout);
	told = pts_now_ms();
}

static bool time_left(void)
{
	if (pts_now_ms() - told > TELL_MS)
		figures();
	if (fz_stats.mismatches >= ENOUGH)
		return false;
	if (opt.execs && programs() >= opt.execs)
		return false;
	return pts_now_ms() - started < opt.secs * 1000ULL;
}

static void next_share(void)
{
	do {
		opt.share = (opt.share + 1) % SHARES;
	} while (!(opt.shares & 1U << opt.share));
}

static void try(run_fn run, struct fz_gen *gen, struct fz_prog *prog, bool keep)
{
	bool fresh;

	if (run(gen, prog, opt.share, &fresh) < 0)
		report(run, prog);
	else if (fresh && keep && prog->nr)
		fz_corpus_add(prog, true);
}

/* Every program of the corpus as it is, in every way to share. */
static void warm_up(void)
{
	unsigned int i, j, nr = fz_corpus_nr();
	struct fz_prog prog;

	for (j = 0; j < SHARES; j++) {
		if (!(opt.shares & 1U << j))
			continue;
		opt.share = j;
		for (i = 0; i < nr && time_left(); i++) {
			prog = *fz_corpus_at(i);
			try(opt.serial ? fz_serial : fz_race, NULL, &prog,
			    false);
		}
	}
}

static void fuzz(void)
{
	struct fz_prog prog;
	struct fz_gen gen;
	__u64 i;

	warm_up();
	for (i = 0; time_left(); i++) {
		const struct fz_prog *parent = NULL, *mate;
		bool race;

		if (!(i % ROUND))
			next_share();
		gen.rng = (opt.seed + i) * 0x9e3779b97f4a7c15ULL;
		race = opt.race && (!opt.serial || !fz_below(&gen, 4));
		if (fz_below(&gen, 5))
			parent = fz_corpus_pick(&gen);
		mate = parent ? fz_corpus_pick(&gen) : NULL;
		fz_gen_begin(&gen, parent, mate, &prog);
		try(race ? fz_race : fz_serial, &gen, &prog, true);
	}
}

/* Once in each way to share; while all race, as long as there is time. */
static int replay(void)
{
	struct fz_prog prog, copy;
	unsigned int i;

	if (fz_parse(opt.replay, &prog))
		return 2;
	do {
		for (i = 0; i < SHARES; i++) {
			opt.share = i;
			copy = prog;
			if (opt.shares & 1U << i)
				try(opt.serial ? fz_serial : fz_race, NULL,
				    &copy, false);
		}
	} while (!opt.serial && time_left());
	return 0;
}

int main(int argc, char **argv)
{
	int err;

	options(argc, argv);
	if (opt.corpus && fz_corpus_load(opt.corpus))
		return 2;
	err = fz_start();
	if (err) {
		fprintf(stderr, "ptfuzz: can't begin: %s; is this a kernel with %s?\n",
			strerror(-err), PTS_DEV);
		return 2;
	}
	printf("# seed %llu, KCOV %s\n", opt.seed,
	       fz_cov_there() ? "guides" : "is not there");
	started = pts_now_ms();
	told = started;
	if (opt.replay)
		err = replay();
	else
		fuzz();
	printf("# serial %lu, racing %lu, operations %lu, left out %lu\n",
	       fz_stats.execs, fz_stats.races, fz_stats.ops, fz_stats.skipped);
	printf("# %lu done, %lu refused, %lu slept, %lu events\n", fz_stats.ok,
	       fz_stats.refused, fz_stats.slept, fz_stats.events);
	figures();
	if (opt.pcs)
		fz_cov_save(opt.pcs);
	fz_stop();
	return err ?: fz_stats.mismatches ? 1 : 0;
}
