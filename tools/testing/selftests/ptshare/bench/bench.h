/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of ptbench share: peers, crews of processes, counters, rows.
 *
 * A benchmark has no use for half a result: whatever fails ends the program by
 * die(), so that none of these functions returns an error unless it says so.
 */
#ifndef PTSHARE_BENCH_H
#define PTSHARE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <linux/types.h>

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)
#define PAGE		4096UL
#define HUGE_SIZE	(2 * MIB)
#define ROUNDS		6	/* the first is dropped */
#define COUNT_OF(a)	((int)(sizeof(a) / sizeof((a)[0])))

struct bench_opts {
	bool quick;		/* few processes: is the program sound? */
	bool counted;		/* the time stamp counter counts instructions */
};

extern struct bench_opts opt;

/* --- out.c: results ---------------------------------------------------- */

/* Processes of a crew end with their parent. */
#define die(fmt, ...) \
	(fprintf(stderr, "ptbench: " fmt ": %m\n", ##__VA_ARGS__), exit(1))

void out_open(const char *path);
/*
 * One row of a table: a line of JSON in the file, and words on stdout. All rows
 * of a table have the same keys.
 */
void row_begin(const char *table);
/* For tables that have a row_cost(): they are not the same in both units. */
void row_begin_cost(const char *table);
void row_str(const char *key, const char *val);
void row_int(const char *key, long long val);
void row_num(const char *key, double val);
/* A duration in units of now(): KEY_us, or KEY_kinstr. */
void row_cost(const char *key, double val);
void row_end(void);
/* The limit that @rule of the requirements sets, beside what was found. */
void at_most(const char *rule, const char *what, double val, double limit);
void at_least(const char *rule, const char *what, double val, double limit);
/* Says once that a peer was left out, and why. */
void skip(const char *mode, const char *why);

/* --- measure.c: clocks, counters, statistics --------------------------- */

/* Nanoseconds, or instructions when opt.counted. */
__u64 now(void);
/* Nanoseconds that this process has had a CPU. */
__u64 cpu_now(void);
/* Ends the program if opt.counted and now() counts something else. */
void now_check(void);
/* Makes the kernel add up what its processors still hold apart. */
void refresh_stats(void);
/* Sum over all processors of a line of /proc/interrupts, such as "CAL". */
long long nr_interrupts(const char *key);
/* Accesses that the compiler neither drops nor moves. */
static inline char peek(const char *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void poke(char *p, char val)
{
	__atomic_store_n(p, val, __ATOMIC_RELAXED);
}

/* One byte in each @step bytes; the second stores. */
void touch_read(const char *p, size_t len, size_t step);
void touch_write(char *p, size_t len, size_t step);

struct stats {
	double median, mean, std, min, max;
};

/* Sorts @v. */
struct stats stats_of(double *v, int nr);
/* (max - min) / median in per cent. */
double spread(const struct stats *s);

/* --- peer.c: what is compared ------------------------------------------ */

enum peer_mode {
	M_PLAIN,		/* memfd */
	M_THP,			/* memfd of huge pages */
	M_HUGETLB,
	M_NONE,			/* containers, by ptshare.share */
	M_PMD,
	M_PUD,
	M_PEERS,		/* those above are in every comparison */
	M_ANON = M_PEERS,	/* private memory */
	M_NOTHING,
};

enum place {
	P_NULL,			/* of the kernel's choice */
	P_FAR,			/* congruent modulo 1 GiB, where nothing is */
	P_ODD,			/* congruent modulo a page only */
};

struct peer {
	enum peer_mode mode;
	int mem;		/* the backing */
	int fd;			/* what processes map */
	size_t len;		/* bytes of data */
	size_t maplen;		/* bytes of a window */
};

const char *mode_name(enum peer_mode mode);
const char *place_name(enum place place);
bool is_container(enum peer_mode mode);
/* The backing of a container has huge pages if @huge. False: left out. */
bool peer_open_huge(struct peer *p, enum peer_mode mode, size_t len, bool huge);
/* The data is written if @fill, else the file is one hole. */
bool peer_open_sparse(struct peer *p, enum peer_mode mode, size_t len);
bool peer_open(struct peer *p, enum peer_mode mode, size_t len);
void peer_close(struct peer *p);
char *peer_map(const struct peer *p, enum place place);
void peer_unmap(const struct peer *p, char *win);

/* --- crew.c: processes that do the same at a time ---------------------- */

struct slot {
	pid_t pid;
	long long faults;	/* minor faults in the last measured job */
	__u64 cost;
	long long val;		/* the job's own result */
};

struct worker {
	unsigned int id;
	const struct peer *peer;
	char *win;
	struct slot *slot;
};

typedef void (*job_fn)(struct worker *w, unsigned long arg);

struct crew {
	struct board *board;
	size_t size;
	unsigned int nr;
	struct slot *slot;
};

/* Forks @nr processes, which wait without running. */
void crew_start(struct crew *c, const struct peer *peer, unsigned int nr);
/* The same, and all of them have mapped, read and written it (@step as jobs). */
void crew_start_touched(struct crew *c, const struct peer *peer,
			unsigned int nr, unsigned long step);
/* All of them run @fn; returns when the last one has, with its duration. */
__u64 crew_run(struct crew *c, job_fn fn, unsigned long arg);
/* The same for those from @first to before @last. */
__u64 crew_some(struct crew *c, unsigned int first, unsigned int last,
		job_fn fn, unsigned long arg);
/* From now on jobs fill slot.faults and slot.cost. */
void crew_measure(struct crew *c, bool on);
/* Between jobs the first @nr read their windows instead of waiting. */
void crew_busy(struct crew *c, unsigned int nr);
void crew_end(struct crew *c);

long long crew_sum_faults(const struct crew *c);
long long crew_max_faults(const struct crew *c, unsigned int first,
			  unsigned int last);
/* Sum of VmPTE in kB. */
long long crew_vmpte(const struct crew *c);

void job_nothing(struct worker *w, unsigned long unused);
void job_map(struct worker *w, unsigned long place);
void job_unmap(struct worker *w, unsigned long unused);
/* @step as above; 0: every page. */
void job_read(struct worker *w, unsigned long step);
void job_write(struct worker *w, unsigned long step);

/* --- the benchmarks ----------------------------------------------------- */

void bench_tables(void);
void bench_sparse(void);
void bench_after_punch(void);
void bench_faults(void);
void bench_touch(void);
void bench_protect(void);
void bench_scattered(void);
void bench_folios(void);
void bench_forkcost(void);
void bench_forktables(void);
void bench_forklatency(void);
void bench_attach(void);
void bench_detach(void);
void bench_leave(void);
void bench_stale(void);
void bench_reclaim_idle(void);
void bench_reclaim_running(void);
void bench_punch(void);
void bench_notify(void);
void bench_notify_arm(void);
void bench_notify_scan(void);
void bench_bystander(void);

#endif /* PTSHARE_BENCH_H */
