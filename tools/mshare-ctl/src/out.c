// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables, JSON, raw and pairs: one description of columns for all of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libsmartcols.h>
#include "ctl.h"

#define MAX_SELECTED	64

struct out {
	struct libscols_table *table;
	struct libscols_line *line;
	const struct out_column *columns;
	const struct out_options *opts;
	size_t nr_selected;
	size_t selected[MAX_SELECTED];
};

/* False for what is no option of tables. */
bool out_option(struct out_options *opts, int c, const char *arg)
{
	switch (c) {
	case 'J':
		opts->json = true;
		return true;
	case 'r':
		opts->raw = true;
		return true;
	case 'P':
		opts->pairs = true;
		return true;
	case 'n':
		opts->noheadings = true;
		return true;
	case 'b':
		opts->bytes = true;
		return true;
	case 'o':
		opts->columns = arg;
		return true;
	case 'd':
		opts->draw = true;
		return true;
	default:
		return false;
	}
}

/*
 * For commands that have no options but these, and up to @args arguments.
 * False: nothing remains to be done but to exit with @ret.
 */
bool out_parse(struct out_options *opts, int argc, char **argv, int args,
	       int *ret)
{
	/* The first one is for those that can draw. */
	static const struct option longopts[] = {
		{ "draw", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'J' },
		{ "raw", no_argument, NULL, 'r' },
		{ "pairs", no_argument, NULL, 'P' },
		{ "noheadings", no_argument, NULL, 'n' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	static const char shortopts[] = "dJrPnbo:h";
	int skip = opts->can_draw ? 0 : 1, c;

	while ((c = getopt_long(argc, argv, shortopts + skip, longopts + skip,
				NULL)) >= 0) {
		if (out_option(opts, c, optarg))
			continue;
		*ret = ctl_bad_option(c);
		return false;
	}
	if (argc - optind <= args)
		return true;
	*ret = ctl_usage("unexpected argument: %s", argv[optind + args]);
	return false;
}

bool out_machine(const struct out_options *opts)
{
	return opts->json || opts->raw || opts->pairs;
}

static bool select_one(struct out *out, const char *name, size_t len,
		       size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (strncasecmp(out->columns[i].name, name, len) ||
		    out->columns[i].name[len])
			continue;
		if (out->nr_selected < MAX_SELECTED)
			out->selected[out->nr_selected++] = i;
		return true;
	}
	ctl_usage("unknown column: %.*s", (int)len, name);
	return false;
}

static bool select_list(struct out *out, const char *list, size_t nr)
{
	for (;;) {
		size_t len = strcspn(list, ",");

		if (!select_one(out, list, len, nr))
			return false;
		if (!list[len])
			return true;
		list += len + 1;
	}
}

static void select_all(struct out *out, size_t nr)
{
	while (out->nr_selected < nr) {
		out->selected[out->nr_selected] = out->nr_selected;
		out->nr_selected++;
	}
}

static bool select_columns(struct out *out, size_t nr, const char *defaults)
{
	const char *wanted = out->opts->columns;

	if (wanted && *wanted != '+')
		return select_list(out, wanted, nr);
	if (!defaults)
		select_all(out, nr);
	else if (!select_list(out, defaults, nr))
		return false;
	return !wanted || select_list(out, wanted + 1, nr);
}

static int json_type(const struct out *out, const struct out_column *column)
{
	switch (column->kind) {
	case OUT_NUMBER:
		return SCOLS_JSON_NUMBER;
	case OUT_SIZE:
	case OUT_OFFSET:
		return out->opts->bytes ? SCOLS_JSON_NUMBER : SCOLS_JSON_STRING;
	case OUT_LIST:
		return SCOLS_JSON_ARRAY_STRING;
	default:
		return SCOLS_JSON_STRING;
	}
}

static int column_flags(const struct out *out, enum out_kind kind)
{
	switch (kind) {
	case OUT_NUMBER:
	case OUT_SIZE:
		return SCOLS_FL_RIGHT;
	case OUT_LIST:
		/* Else libsmartcols does not cut the items of a JSON array. */
		return out->opts->json ? SCOLS_FL_WRAP : 0;
	default:
		return 0;
	}
}

static bool add_columns(struct out *out)
{
	size_t i;

	for (i = 0; i < out->nr_selected; i++) {
		const struct out_column *column =
			&out->columns[out->selected[i]];
		struct libscols_column *cl;

		cl = scols_table_new_column(out->table, column->name, 0,
					    column_flags(out, column->kind));
		if (!cl)
			return false;
		scols_column_set_json_type(cl, json_type(out, column));
		if (column->kind == OUT_LIST && out->opts->json)
			scols_column_set_wrapfunc(cl, scols_wrapnl_chunksize,
						  scols_wrapnl_nextchunk, NULL);
	}
	return true;
}

static void set_modes(struct out *out, const char *name)
{
	scols_table_set_name(out->table, name);
	scols_table_enable_json(out->table, out->opts->json);
	scols_table_enable_raw(out->table, out->opts->raw);
	scols_table_enable_export(out->table, out->opts->pairs);
	scols_table_enable_noheadings(out->table, out->opts->noheadings);
}

static int modes_wanted(const struct out_options *opts)
{
	return opts->json + opts->raw + opts->pairs;
}

/*
 * A table with the columns of the current command. NULL after an error that
 * has been printed: a usage error.
 */
struct out *out_new(const struct out_options *opts, const char *name)
{
	const struct command *cmd = ctl_current;
	struct out *out;

	if (modes_wanted(opts) > 1) {
		ctl_usage("-J, -r and -P exclude each other");
		return NULL;
	}
	out = calloc(1, sizeof(*out));
	if (!out)
		return NULL;
	out->opts = opts;
	out->columns = cmd->columns;
	if (!select_columns(out, cmd->nr_columns, cmd->defaults))
		goto fail;
	scols_init_debug(0);
	out->table = scols_new_table();
	if (!out->table)
		goto fail;
	set_modes(out, name);
	if (add_columns(out))
		return out;
	scols_unref_table(out->table);
fail:
	free(out);
	return NULL;
}

/* Is the column among those that were asked for? */
bool out_has(const struct out *out, size_t column)
{
	size_t i;

	for (i = 0; i < out->nr_selected; i++)
		if (out->selected[i] == column)
			return true;
	return false;
}

void out_row(struct out *out)
{
	out->line = scols_table_new_line(out->table, NULL);
}

static void set_cell(struct out *out, size_t column, const char *text)
{
	size_t i;

	for (i = 0; i < out->nr_selected && out->line; i++)
		if (out->selected[i] == column)
			scols_line_set_data(out->line, i, text);
}

static void set_list(struct out *out, size_t column, const char *text)
{
	char *copy = strdup(text);
	char *p;

	if (!copy)
		return;
	for (p = copy; *p; p++)
		if (*p == '\n')
			*p = ',';
	set_cell(out, column, copy);
	free(copy);
}

/*
 * libsmartcols would print an empty array as [null]; null alone has at least
 * the right length. Only tables of one row have lists that can be empty.
 */
static void set_no_list(struct out *out, size_t column)
{
	size_t i;

	for (i = 0; i < out->nr_selected; i++) {
		struct libscols_column *cl =
			scols_table_get_column(out->table, i);

		if (out->selected[i] == column)
			scols_column_set_json_type(cl, SCOLS_JSON_STRING);
	}
}

/* NULL stands for unknown. */
void out_text(struct out *out, size_t column, const char *text)
{
	bool list = out->columns[column].kind == OUT_LIST;

	if (list && (!text || !*text))
		set_no_list(out, column);
	else if (list && !out->opts->json)
		set_list(out, column, text);
	else
		set_cell(out, column, text);
}

/* A number as the column and the options have it. */
void out_format(const struct out *out, size_t column, uint64_t value,
		char text[OUT_NUMBER_SIZE])
{
	enum out_kind kind = out->columns[column].kind;

	if (kind == OUT_SIZE && !out->opts->bytes)
		ptshare_size_format(value, text);
	else if (kind == OUT_OFFSET && !out->opts->bytes)
		snprintf(text, OUT_NUMBER_SIZE, "0x%" PRIx64, value);
	else
		snprintf(text, OUT_NUMBER_SIZE, "%" PRIu64, value);
}

void out_number(struct out *out, size_t column, uint64_t value)
{
	char text[OUT_NUMBER_SIZE];

	out_format(out, column, value, text);
	set_cell(out, column, text);
}

void out_free(struct out *out)
{
	scols_unref_table(out->table);
	free(out);
}

int out_finish(struct out *out)
{
	int ret = scols_print_table(out->table);

	out_free(out);
	if (!ret)
		return CTL_OK;
	ctl_error("output: %s", strerror(-ret));
	return CTL_FAILED;
}

static const char *cell(struct out *out, size_t i)
{
	struct libscols_cell *ce = scols_line_get_cell(out->line, i);
	const char *text = ce ? scols_cell_get_data(ce) : NULL;

	return text && *text ? text : "-";
}

/* The one row as lines "KEY VALUE" for people; as a row for programs. */
int out_finish_keys(struct out *out)
{
	struct libscols_table *keys;
	struct libscols_line *line;
	size_t i;

	if (out_machine(out->opts))
		return out_finish(out);
	keys = scols_new_table();
	if (!keys)
		return out_finish(out);
	scols_table_new_column(keys, "KEY", 0, 0);
	scols_table_new_column(keys, "VALUE", 0, 0);
	scols_table_enable_noheadings(keys, 1);
	for (i = 0; i < out->nr_selected; i++) {
		const char *name = out->columns[out->selected[i]].name;

		line = scols_table_new_line(keys, NULL);
		if (!line)
			break;
		scols_line_set_data(line, 0, name);
		scols_line_set_data(line, 1, cell(out, i));
	}
	scols_unref_table(out->table);
	out->table = keys;
	return out_finish(out);
}
