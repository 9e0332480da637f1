// SPDX-License-Identifier: GPL-2.0-or-later
/* map: add regions to a live container, from arguments or from a layout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

static int apply(const struct target *target, const char *file,
		 const char *text, size_t len, unsigned int flags)
{
	struct ptshare_layout *layout;
	struct ptshare_error err;
	int ret;

	ret = ptshare_layout_parse(text, len, &layout, &err);
	if (ret) {
		ctl_text_error(file, &err);
		return file ? CTL_FAILED : CTL_USAGE;
	}
	ret = ptshare_layout_apply(layout, target->fd, flags, &err);
	ptshare_layout_free(layout);
	if (!ret)
		return CTL_OK;
	ctl_text_error(file, &err);
	if (ret == -EEXIST)
		ctl_hint("--replace takes its place");
	return CTL_FAILED;
}

static int map_file(const char *name, const char *file, unsigned int flags)
{
	struct target target;
	size_t len;
	char *text;
	int ret;

	ret = target_open(&target, name);
	if (ret)
		return ret;
	text = ctl_read_text(file, &len);
	if (!text)
		return CTL_FAILED;
	ret = apply(&target, file, text, len, flags);
	free(text);
	return ret;
}

static int map_words(const char *name, char **words, int nr,
		     unsigned int flags)
{
	struct target target;
	char *text;
	int ret;

	if (nr < 4 || nr > 5)
		return ctl_usage("expected OFFSET LENGTH PROT SOURCE [SOURCE-OFFSET]");
	ret = target_open(&target, name);
	if (ret)
		return ret;
	text = ctl_join(words, nr, nr);
	if (!text)
		return CTL_FAILED;
	ret = apply(&target, NULL, text, strlen(text), flags);
	free(text);
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "replace", no_argument, NULL, 'R' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *file = NULL, *name;
	unsigned int flags = 0;
	int c;

	while ((c = getopt_long(argc, argv, "f:Rh", longopts, NULL)) >= 0) {
		if (c == 'f')
			file = optarg;
		else if (c == 'R')
			flags = PTSHARE_MAP_REPLACE;
		else
			return ctl_bad_option(c);
	}
	name = argv[optind];
	if (name)
		optind++;
	if (!file)
		return map_words(name, argv + optind, argc - optind, flags);
	if (optind < argc)
		return ctl_usage("either -f or one region as arguments");
	return map_file(name, file, flags);
}

const struct command cmd_map = {
	.name = "map",
	.synopsis = "map TARGET [-R] {OFFSET LENGTH PROT SOURCE [SOURCE-OFFSET] | -f LAYOUT}",
	.summary = "Add regions to a container",
	.options =
"  -f, --file LAYOUT   lines as the arguments are; - is standard input\n"
"  -R, --replace       take the place of what lies there, for all at once\n",
	.more =
"PROT is r, rw or -. SOURCE is a path, memfd:NAME, hugetlb:SIZE:NAME or fd:N.\n"
"A memfd is made anew, and shared by the lines of one LAYOUT.\n"
"If a line is refused, those before it are taken back, except with -R.\n",
	.control = true,
	.run = run,
};
