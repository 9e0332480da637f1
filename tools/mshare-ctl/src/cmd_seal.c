// SPDX-License-Identifier: GPL-2.0-or-later
/* seal: give up rights to a container, for all and for good. */
#include <errno.h>
#include <string.h>
#include "ctl.h"

static const struct {
	const char *name;
	uint32_t bit;
} seals[] = {
	{ "layout", PTSHARE_SEAL_LAYOUT },
	{ "prot", PTSHARE_SEAL_PROT },
	{ "seal", PTSHARE_SEAL_SEAL },
};

static int add_seal(const char *name, uint32_t *bits)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		if (strcmp(seals[i].name, name))
			continue;
		*bits |= seals[i].bit;
		return CTL_OK;
	}
	return ctl_usage("'%s' is no seal: layout, prot or seal", name);
}

static int seal(const char *name, uint32_t bits)
{
	struct target target;
	int ret;

	ret = target_open(&target, name);
	if (ret)
		return ret;
	ret = ptshare_seal(target.fd, bits);
	if (!ret)
		return CTL_OK;
	ctl_error("%s: %s (%s)", name, ret == -EPERM ?
		  ctl_denied(&target, PTSHARE_SEAL_SEAL) :
		  strerrordesc_np(-ret), strerrorname_np(-ret));
	if (ret == -EPERM)
		ctl_hint("'mshare-ctl info %s' shows its seals", name);
	return CTL_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint32_t bits = 0;
	int c, i, ret;

	c = getopt_long(argc, argv, "h", longopts, NULL);
	if (c >= 0)
		return ctl_bad_option(c);
	if (argc - optind < 2)
		return ctl_usage("expected TARGET and one seal or more: layout, prot, seal");
	for (i = optind + 1; i < argc; i++) {
		ret = add_seal(argv[i], &bits);
		if (ret)
			return ret;
	}
	return seal(argv[optind], bits);
}

const struct command cmd_seal = {
	.name = "seal",
	.synopsis = "seal TARGET {layout | prot | seal}...",
	.summary = "Give up rights to a container, for all and for good",
	.options = "",
	.more =
"layout: no map and no unmap; prot: no protect; seal: no more seals.\n",
	.control = true,
	.run = run,
};
