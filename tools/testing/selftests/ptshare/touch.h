/* SPDX-License-Identifier: GPL-2.0 */
/* Accesses that may fault, by processes that catch all of their faults. */
#ifndef PTSHARE_TOUCH_H
#define PTSHARE_TOUCH_H

#include <stdbool.h>
#include <linux/types.h>

enum touch_how { TOUCH_LOAD8, TOUCH_STORE8, TOUCH_LOAD1, TOUCH_STORE1, TOUCHES };

/* What an access came to: a value, or a signal. */
struct touch_seen {
	__s32 sig, code;
	__u64 addr;		/* from the start of the mapping */
	__u64 val;
};

/* For the rest of the process's life; a fault of anything else kills it. */
void touch_catch(void);
/* Calls fn(arg): false, and @seen says why, if it met a fault at @base or beyond. */
bool touch_try(struct touch_seen *seen, char *base, void (*fn)(void *arg),
	       void *arg);
/* One access at @at, of @stamp if it is a store. */
void touch(struct touch_seen *seen, char *base, char *at, __u32 how,
	   __u64 stamp);

#endif /* PTSHARE_TOUCH_H */
