/* SPDX-License-Identifier: GPL-2.0 */
/* Failures on demand: allocations and user copies of one thread. */
#ifndef PTSHARE_INJECT_H
#define PTSHARE_INJECT_H

#include <stdbool.h>

/* Can this kernel inject failures? Sets up which. */
bool pts_can_inject(void);
/* For pts_run_failing() in this thread: an fd. */
int pts_inject_open(void);
/*
 * What @fn returns with the @nth chance to fail taken; *@hit tells whether it
 * came to that.
 */
int pts_run_failing(int proc, unsigned int nth, int (*fn)(void *arg), void *arg,
		    bool *hit);
/* An error that a lack of memory, or a failed user copy, may lead to? */
bool pts_fair_failure(int ret);

#endif /* PTSHARE_INJECT_H */
