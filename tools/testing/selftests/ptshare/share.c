// SPDX-License-Identifier: GPL-2.0
/* The kernel parameter ptshare.share. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ptshare_util.h"
#include "share.h"

#define SHARE	"/sys/module/ptshare/parameters/share"

bool share_available(void)
{
	return !access(SHARE, R_OK | W_OK);
}

void share_get(char *buf, size_t size)
{
	if (pts_slurp(SHARE, buf, size) < 0)
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
}

int share_set(const char *value)
{
	char line[32];

	snprintf(line, sizeof(line), "%s\n", value);
	return pts_spit(SHARE, line);
}

int share_create(const char *share, __u64 length, __u32 max_prot)
{
	char before[16];
	int ctl, err;

	share_get(before, sizeof(before));
	err = share_set(share);
	if (err)
		return err;
	ctl = pts_create(length, max_prot);
	err = share_set(before);
	if (err && ctl >= 0) {
		close(ctl);
		return err;
	}
	return ctl;
}

int share_stamped(const char *share, __u64 length, size_t size, __u64 tag,
		  int *mem)
{
	int ctl, err;

	*mem = pts_memfd_stamped(size, tag);
	if (*mem < 0)
		return *mem;
	ctl = share_create(share, length, PTS_RW);
	if (ctl < 0)
		return ctl;
	err = pts_map(ctl, *mem, PTS_RW, 0, size, 0);
	return err ?: ctl;
}
