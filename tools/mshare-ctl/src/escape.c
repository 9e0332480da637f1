// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of layout lines: the reverse of what the layout parser does to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

/* One word of printable ASCII that begins no comment. */
char *ctl_escape(const char *text)
{
	char *word = malloc(4 * strlen(text) + 1);
	char *to = word;

	for (; word && *text; text++) {
		unsigned char c = *text;

		if (c > ' ' && c < 0x7f && c != '\\' &&
		    (c != '#' || to != word))
			*to++ = c;
		else
			to += sprintf(to, "\\%03o", c);
	}
	if (word)
		*to = 0;
	return word;
}
