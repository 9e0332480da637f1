/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture of a container, for table --draw. */
#ifndef MSHARE_DRAW_H
#define MSHARE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ptshare.h>

struct drawing {
	const struct ptshare_region *regions;	/* by offset */
	size_t nr;
	uint64_t length;	/* of the container */
	unsigned int width;	/* columns, at least 1 */
	bool utf8;
};

unsigned int draw_width(void);
bool draw_utf8(void);
int draw(const struct drawing *drawing);

#endif /* MSHARE_DRAW_H */
