/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Races: one aggressor changes what a region shows, in a loop; victims look at
 * it through windows and judge what they see.
 *
 * How a victim can judge. The aggressor publishes a state of the whole region
 * with a sequence number. A victim reads the state, makes one access, and reads
 * the state again. If it did not change, the access fell into a time in which
 * the contract leaves one result only: a store after PROTECT(RO) has returned
 * must fail, a load after REPLACE has returned must see the new file, a load
 * after MAP has returned must not get SIGBUS. If the state did change, the
 * result may be that of before or after, and of no earlier time.
 *
 * Each page begins with a stamp: what page it is and of which generation. The
 * aggressor publishes the oldest generation that may still be seen (floor),
 * once a call that replaces has returned, and the newest (ceil), before such a
 * call begins. What is left behind is overwritten with a generation above all;
 * who began to read before the call returned may find that if it pins pages.
 */
#ifndef PTSHARE_RACE_H
#define PTSHARE_RACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include <linux/types.h>

#include "cg.h"

/* Pages of the region, the last of them for the aggressor. */
#define RACE_FEW	160
#define RACE_MANY	512		/* a huge page */
#define RACE_GIB	262144		/* what one PUD entry can link */
#define RACE_ALIGNED	RACE_GIB	/* where a huge page fits */
#define RACE_ODD	(RACE_GIB - 40)	/* over the edge of two blocks */
#define RACE_TOTAL	(3 * RACE_GIB)	/* pages in the container */
#define RACE_SHIFT	7		/* page of the second file it begins at */

/* Generation of what was left behind. */
#define RACE_ABOVE_ALL	(~0U)

/* Bytes of a page: the stamp, then a word for each victim, then the rest. */
#define RACE_SLOT(id)	(64 + 8 * (id))
#define RACE_SLOTS	64
#define RACE_FUTEX	640
#define RACE_SECTOR(id)	(1024 + 512 * (id))

enum race_kind {
	RACE_TRANSIT,		/* a change is under way */
	RACE_OPEN,		/* loads and stores work, stamps are there */
	RACE_RO,		/* loads work, stores fail by SIGSEGV */
	RACE_NONE,		/* all fails by SIGSEGV */
	RACE_GONE,		/* all fails by SIGBUS */
	RACE_ZERO,		/* loads find zeroes, stores work */
};

/* Results of an access besides 0, SIGBUS and SIGSEGV. */
#define RACE_EFAULT	(-1)		/* the kernel could not access it */

struct race_shared {
	atomic_ullong state;		/* sequence << 8 | enum race_kind */
	atomic_uint floor;
	atomic_uint ceil;
	atomic_uint stop;
	atomic_uint ready;		/* victims that have a window */
	atomic_uint go;			/* all of them have */
	atomic_uint failed;	/* victims that found something */
	atomic_ullong accesses;
	atomic_ullong refused;	/* accesses that failed as they should */
	atomic_ullong wakes;
	char what[256];			/* what the first of them found */
};

struct race;

struct race_aggressor {
	const char *name;
	int (*prepare)(struct race *r);	/* 1: can't be done here */
	/* One round, from OPEN to OPEN: 0, or -errno, or -EBADE: see msg. */
	int (*step)(struct race *r);
	/* At the end: did it do what it is named after? */
	bool (*effective)(struct race *r);
	bool keeps_data;	/* what a victim stored stays */
	bool replaces;		/* the file shown changes */
	unsigned int may_get;	/* bits of signals a victim may see */
	bool may_be_zero;
	bool many;		/* the region has RACE_MANY pages */
	bool aligned;		/* and fits a huge page */
};

struct race_victim {
	const char *name;
	unsigned int nr;	/* processes */
	int (*run)(struct race *r, unsigned int id);
	bool cpu_stores;	/* stores end at once when they are forbidden */
	bool pins;		/* may hold on to a page while it looks */
};

struct race {
	const struct race_aggressor *agg;
	const struct race_victim *victim;
	struct race_shared *sh;
	int ctl, att;
	unsigned int first;	/* page of the container the region begins at */
	unsigned int pages;	/* of the region */
	int mem[2];
	char *plain[2];		/* the region in each file, mapped plainly */
	unsigned int cur;	/* the file shown */
	__u32 gen;
	unsigned long steps, done;
	unsigned long long wakes;	/* of FUTEX_WAKE, in all */
	long long stat;
	struct cg cg;		/* of the creator, if path is set */
	pid_t *pids;
	char msg[320];
};

extern const struct race_aggressor race_truncate, race_punch, race_protect,
	race_unmap, race_replace, race_swap, race_migrate, race_khugepaged;
extern const struct race_victim race_touch, race_touch200, race_odirect,
	race_fork, race_readv, race_ptrace, race_futex, race_remap, race_device;

/* Stamp of page @page of the region. */
static inline __u64 race_stamp(unsigned int page, __u32 gen)
{
	return 0x5ca1ULL << 48 | (__u64)page << 32 | gen;
}

/*
 * PTSHARE_RACE_PLAIN=1 maps the file itself in place of a window, for the
 * aggressors that need no container: what the test says then is true of Linux.
 */
bool race_plain(void);

/*
 * Runs the pair for PTSHARE_TEST_SECS seconds (2). Returns 0, 1 for "can't be
 * done here", or -1; r->msg says why.
 */
int race_run(struct race *r, const struct race_aggressor *agg,
	     const struct race_victim *victim);

/* For victims: a window that shows pages *lo to *hi of the region. */
char *race_window(struct race *r, unsigned int id, unsigned int *lo,
		  unsigned int *hi);
void race_unwindow(struct race *r, char *page0, unsigned int id);
bool race_stopped(struct race *r);
/* Writes down what is wrong, as printf does. Always false. */
bool race_fail(struct race *r, const char *fmt, ...);

#endif /* PTSHARE_RACE_H */
