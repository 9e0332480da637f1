// SPDX-License-Identifier: GPL-2.0-or-later
/* mshare-ctl: assemble, change and look at containers of shared memory. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

const struct command *const ctl_commands[] = {
	&cmd_check, &cmd_run, &cmd_hold, &cmd_attach,
	&cmd_map, &cmd_unmap, &cmd_protect, &cmd_seal,
	&cmd_list, &cmd_info, &cmd_table, &cmd_stat, &cmd_watch,
	&cmd_shim, &cmd_help, &cmd_version,
	NULL,
};

const struct command *ctl_current;

static const char table_options[] =
	"  -J, --json          JSON\n"
	"  -r, --raw           raw columns, one blank between them\n"
	"  -P, --pairs         KEY=\"value\" pairs\n"
	"  -o, --output LIST   columns, separated by commas; +LIST adds to the default\n"
	"  -n, --noheadings    no headings\n"
	"  -b, --bytes         sizes and offsets as plain numbers of bytes\n";

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; ctl_commands[i]; i++)
		if (!strcmp(ctl_commands[i]->name, name))
			return ctl_commands[i];
	return NULL;
}

static void print_overview(FILE *file)
{
	size_t i;

	fputs("Usage: mshare-ctl COMMAND [NAME | PID:FD | FD] [options]\n\nCommands:\n",
	      file);
	for (i = 0; ctl_commands[i]; i++)
		fprintf(file, "  %-9s %s\n", ctl_commands[i]->name,
			ctl_commands[i]->summary);
	fputs("\nA container is named by an fd: FD of this process (as 'run' hands it over), or\n"
	      "PID:FD of another one; or by the NAME under which 'hold' keeps it. Offsets and\n"
	      "lengths take hex and K, M, G, T.\n"
	      "Exit status: 0 ok, 1 failed, 2 usage, 3 the kernel has no ptshare.\n"
	      "'mshare-ctl help COMMAND' tells more.\n", file);
}

void ctl_print_help(const struct command *cmd)
{
	size_t i;

	printf("Usage: mshare-ctl %s\n\n%s.\n", cmd->synopsis, cmd->summary);
	if (strstr(cmd->synopsis, "TARGET"))
		puts("TARGET is the NAME of a 'mshare-ctl hold', PID:FD, or FD of this process.");
	if (cmd != &cmd_help)
		printf("\nOptions:\n%s%s  -h, --help          this text\n",
		       cmd->options, cmd->columns ? table_options : "");
	if (cmd->nr_columns)
		puts("\nColumns for -o:");
	for (i = 0; i < cmd->nr_columns; i++)
		printf("  %-10s  %s\n", cmd->columns[i].name,
		       cmd->columns[i].help);
	if (cmd->more)
		printf("\n%s", cmd->more);
}

static int run_help(int argc, char **argv)
{
	const struct command *cmd;

	if (argc > 2)
		return ctl_usage("one command at a time");
	if (argc < 2 || *argv[1] == '-') {
		print_overview(stdout);
		return CTL_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return ctl_usage("no such command: %s", argv[1]);
	ctl_print_help(cmd);
	return CTL_OK;
}

const struct command cmd_help = {
	.name = "help",
	.synopsis = "help [COMMAND]",
	.summary = "Tell how to use mshare-ctl, or one of its commands",
	.options = "",
	.run = run_help,
};

static int dispatch(int argc, char **argv)
{
	const char *name = argv[1];

	if (!strcmp(name, "-h") || !strcmp(name, "--help"))
		name = "help";
	else if (!strcmp(name, "-V") || !strcmp(name, "--version"))
		name = "version";
	ctl_current = find_command(name);
	if (!ctl_current)
		return ctl_usage("no such command: %s", name);
	/* getopt_long() begins its messages with this. */
	if (asprintf(&argv[1], "mshare-ctl: %s", name) < 0)
		return CTL_FAILED;
	return ctl_current->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int ret;

	setlocale(LC_ALL, "");
	if (argc < 2) {
		print_overview(stderr);
		return CTL_USAGE;
	}
	ret = dispatch(argc, argv);
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		ctl_error("output: %m");
		return ret ? ret : CTL_FAILED;
	}
	return ret;
}
