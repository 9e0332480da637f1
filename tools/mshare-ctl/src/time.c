// SPDX-License-Identifier: GPL-2.0-or-later
/* Times and counts on the command line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl.h"

uint64_t ctl_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * CTL_SECOND + ts.tv_nsec;
}

static bool unit_of(const char *text, uint64_t *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "", CTL_SECOND }, { "s", CTL_SECOND }, { "us", 1000 },
		{ "ms", 1000000 }, { "m", 60 * CTL_SECOND }, { "h", 3600 * CTL_SECOND },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcmp(units[i].name, text)) {
			*unit = units[i].ns;
			return true;
		}
	}
	return false;
}

/* "2", "0.5", "1.5s", "20ms", "us", "m", "h" */
static bool parse_time(const char *text, uint64_t *ns)
{
	uint64_t whole = 0, part = 0, scale = 1, unit;
	const char *p = text;

	for (; isdigit((unsigned char)*p) && whole < 1000000000; p++)
		whole = whole * 10 + *p - '0';
	if (p == text)
		return false;
	if (*p == '.' && isdigit((unsigned char)p[1]))
		for (p++; isdigit((unsigned char)*p) && scale < CTL_SECOND; p++) {
			part = part * 10 + *p - '0';
			scale *= 10;
		}
	/* Beyond that is not a time but a mistake: 30 years. */
	if (!unit_of(p, &unit) || whole > 1000000000 * (double)CTL_SECOND / unit)
		return false;
	*ns = whole * unit + part * unit / scale;
	return true;
}

bool ctl_set_time(const char *option, const char *text, uint64_t *ns)
{
	if (parse_time(text, ns))
		return true;
	ctl_usage("%s '%s' is no time", option, text);
	return false;
}

bool ctl_set_count(const char *text, uint64_t *count)
{
	char *end;

	errno = 0;
	*count = strtoull(text, &end, 10);
	if (isdigit((unsigned char)*text) && !*end && !errno && *count)
		return true;
	ctl_usage("count '%s' is no number from 1", text);
	return false;
}
