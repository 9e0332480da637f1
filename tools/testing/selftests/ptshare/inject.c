// SPDX-License-Identifier: GPL-2.0
/* Failures on demand, by the kernel's fail-nth. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "inject.h"
#include "ptshare_util.h"

bool pts_can_inject(void)
{
	static const char * const lines[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 lines[i][0]);
		if (pts_spit(path, lines[i][1]))
			return false;
	}
	pts_spit("/sys/kernel/debug/fail_usercopy/verbose", "0");
	return true;
}

int pts_inject_open(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR);
}

int pts_run_failing(int proc, unsigned int nth, int (*fn)(void *arg), void *arg,
		    bool *hit)
{
	char text[16];
	ssize_t len;
	int ret;

	len = snprintf(text, sizeof(text), "%u", nth);
	if (pwrite(proc, text, len, 0) != len)
		return -EPROTO;
	ret = fn(arg);
	memset(text, 0, sizeof(text));
	/* What remains of the count; even reading it may be what fails. */
	len = pread(proc, text, sizeof(text) - 1, 0);
	*hit = len > 0 && !strcmp(text, "0\n");
	while (pwrite(proc, "0", 1, 0) != 1)
		;
	return ret;
}

bool pts_fair_failure(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT || ret == -EAGAIN;
}
