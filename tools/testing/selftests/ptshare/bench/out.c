// SPDX-License-Identifier: GPL-2.0
/* Rows and verdicts of ptbench; described in bench.h. */
#define _GNU_SOURCE
#include <string.h>

#include "bench.h"

static FILE *json;

void out_open(const char *path)
{
	json = fopen(path, "ae");
	if (!json)
		die("%s", path);
}

void row_begin(const char *table)
{
	printf("%-10s", table);
	fprintf(json, "{\"table\":\"%s\"", table);
}

void row_begin_cost(const char *table)
{
	char full[64];

	snprintf(full, sizeof(full), "%s%s", table,
		 opt.counted ? "_counted" : "");
	row_begin(full);
}

/* No text of ours has a character that JSON wants escaped. */
void row_str(const char *key, const char *val)
{
	printf(" %s=%s", key, val);
	fprintf(json, ",\"%s\":\"%s\"", key, val);
}

void row_int(const char *key, long long val)
{
	printf(" %s=%lld", key, val);
	fprintf(json, ",\"%s\":%lld", key, val);
}

void row_num(const char *key, double val)
{
	printf(" %s=%.2f", key, val);
	fprintf(json, ",\"%s\":%.2f", key, val);
}

void row_cost(const char *key, double val)
{
	char full[64];

	snprintf(full, sizeof(full), "%s_%s", key,
		 opt.counted ? "kinstr" : "us");
	row_num(full, val / 1000);
}

/* Flushed by row: a guest that is lost leaves what it had so far. */
void row_end(void)
{
	putchar('\n');
	fflush(stdout);
	fputs("}\n", json);
	fflush(json);
}

static void verdict(const char *rule, const char *what, double val,
		    const char *sense, double limit, bool ok)
{
	row_begin("limits");
	row_str("rule", rule);
	row_str("what", what);
	row_num("value", val);
	row_str("sense", sense);
	row_num("limit", limit);
	row_str("verdict", ok ? "ok" : "MISSED");
	row_end();
}

void at_most(const char *rule, const char *what, double val, double limit)
{
	verdict(rule, what, val, "at most", limit, val <= limit);
}

void at_least(const char *rule, const char *what, double val, double limit)
{
	verdict(rule, what, val, "at least", limit, val >= limit);
}

void skip(const char *mode, const char *why)
{
	static char said[16][96];
	char line[96];
	int i;

	snprintf(line, sizeof(line), "%s %s", mode, why);
	for (i = 0; i < COUNT_OF(said) && said[i][0]; i++)
		if (!strcmp(said[i], line))
			return;
	if (i < COUNT_OF(said))
		memcpy(said[i], line, sizeof(line));
	row_begin("skipped");
	row_str("mode", mode);
	row_str("why", why);
	row_end();
}
