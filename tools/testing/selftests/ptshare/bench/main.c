// SPDX-License-Identifier: GPL-2.0
/*
 * ptbench: benchmarks of ptshare and its peers. See
 * Documentation/mm/ptshare-bench.rst.
 *
 * usage: ptbench [-q] [-c] [-o FILE] PART...
 *	-q	quick: few processes, small memory
 *	-c	counted: the guest counts instructions ("-icount shift=0")
 *	-o	append the rows to FILE, one JSON object per line
 */
#define _GNU_SOURCE
#include <stdnoreturn.h>
#include <string.h>
#include <unistd.h>
#include <sys/personality.h>

#include "bench.h"

struct bench_opts opt;

static const struct {
	const char *name;
	void (*fn)(void);
} parts[] = {
	{ "tables", bench_tables },
	{ "sparse", bench_sparse },
	{ "after-punch", bench_after_punch },
	{ "faults", bench_faults },
	{ "touch", bench_touch },
	{ "protect", bench_protect },
	{ "scattered", bench_scattered },
	{ "folios", bench_folios },
	{ "forkcost", bench_forkcost },
	{ "forktables", bench_forktables },
	{ "forklatency", bench_forklatency },
	{ "attach", bench_attach },
	{ "detach", bench_detach },
	{ "leave", bench_leave },
	{ "stale", bench_stale },
	{ "reclaim-idle", bench_reclaim_idle },
	{ "reclaim-running", bench_reclaim_running },
	{ "punch", bench_punch },
	{ "notify", bench_notify },
	{ "notify-arm", bench_notify_arm },
	{ "notify-scan", bench_notify_scan },
	{ "bystander", bench_bystander },
};

static noreturn void wrong_usage(void)
{
	int i;

	fputs("usage: ptbench [-q] [-c] [-o FILE] PART...\nparts:",
	      stderr);
	for (i = 0; i < COUNT_OF(parts); i++)
		fprintf(stderr, " %s", parts[i].name);
	fputc('\n', stderr);
	exit(2);
}

static void run(const char *name)
{
	int i;

	for (i = 0; i < COUNT_OF(parts); i++)
		if (!strcmp(parts[i].name, name)) {
			parts[i].fn();
			return;
		}
	wrong_usage();
}

/* Which tables are there already depends on addresses: the same each time. */
static void fixed_addresses(char **argv)
{
	const int old = personality(0xffffffff);

	if (old & ADDR_NO_RANDOMIZE)
		return;
	personality(old | ADDR_NO_RANDOMIZE);
	execv("/proc/self/exe", argv);
	die("exec");
}

int main(int argc, char **argv)
{
	const char *out = "/dev/null";
	int c;

	fixed_addresses(argv);
	while ((c = getopt(argc, argv, "qco:")) != -1) {
		switch (c) {
		case 'q':
			opt.quick = true;
			break;
		case 'c':
			opt.counted = true;
			break;
		case 'o':
			out = optarg;
			break;
		default:
			wrong_usage();
		}
	}
	if (optind == argc)
		wrong_usage();
	out_open(out);
	now_check();
	for (; optind < argc; optind++)
		run(argv[optind]);
	return 0;
}
