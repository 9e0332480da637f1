// SPDX-License-Identifier: GPL-2.0-or-later
/* Gives files to the fuzz target, for compilers that have no libFuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include "target.h"

#define ROOM	1048576

static int replay(const char *name)
{
	FILE *file = fopen(name, "re");
	uint8_t *data = malloc(ROOM);
	size_t size;

	if (!file || !data) {
		perror(name);
		return 1;
	}
	size = fread(data, 1, ROOM, file);
	fclose(file);
	/* Of its own size, so that a sanitizer sees each byte beyond it. */
	data = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int i, ret = 0;

	for (i = 1; i < argc; i++)
		ret |= replay(argv[i]);
	return ret;
}
