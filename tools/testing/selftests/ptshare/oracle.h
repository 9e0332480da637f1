/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The oracle: one random trace of operations, on several worlds in lockstep.
 *
 * A world is a set of files of its own and the processes that look at them:
 * through windows of a container made with share=none, pmd or pud, or through
 * plain mappings of the same files. Plain mappings are what Linux has always
 * had, so they are the model: all worlds must see the same bytes, signals and
 * errno at each step.
 *
 * How plain mappings are made to agree, all of it in oracle_plain.c:
 * - A hole is a mapping of an empty file, which gives SIGBUS, BUS_ADRERR and
 *   EFAULT as a hole of a container does. Unmapped memory would not.
 * - What one ioctl does to a container is done in each process.
 * - The errno of the ioctls is that of oracle_model.c.
 * - MADV_POPULATE_* where the permission forbids it is EINVAL, not EFAULT.
 *
 * Everything is decided by the seed, in one process that commands the others.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "ptshare_util.h"
#include "touch.h"

#define OR_PAGE		4096ULL
#define OR_MIB		0x100000ULL
#define OR_GIB		(1024 * OR_MIB)
/* Two whole slots of 1 GiB and a part of a third, which is no whole 2 MiB. */
#define OR_LENGTH	(2 * OR_GIB + 2 * OR_MIB + 16 * OR_PAGE)

#define OR_SLOTS	5	/* processes in a world */
#define OR_WINS		2	/* windows in a process */
#define OR_FILES	4
#define OR_RDONLY	OR_FILES	/* file 0, opened for reading only */
#define OR_ACCS		8
#define OR_RANGES	8
#define OR_BUF		(60 << 10)	/* fits a pipe, wherever it begins */
#define OR_DISK		(64 << 10)	/* bytes of the block device */

/* What a window may show, and what the processes may touch. */
#define OR_ZONES	5
#define OR_PAGES	920	/* sum of all zones */

enum oracle_place { OR_NONE, OR_PMD, OR_PUD, OR_PLAIN, OR_WORLDS };

enum oracle_kind {
	OP_ACCESS,
	OP_MAP,
	OP_REPLACE,
	OP_UNMAP,
	OP_PROTECT,
	OP_TRUNCATE,
	OP_PUNCH,
	OP_PWRITE,
	OP_PREAD,
	OP_POPULATE_READ,
	OP_POPULATE_WRITE,
	OP_VM_READ,		/* process_vm_readv() of a window of @peer */
	OP_VM_WRITE,
	OP_PIPE_IN,		/* read(2) into the window */
	OP_PIPE_OUT,		/* write(2) from it */
	OP_FILE_IN,
	OP_FILE_OUT,
	OP_DIRECT_IN,		/* the same with O_DIRECT */
	OP_DIRECT_OUT,
	OP_WIN_MAP,
	OP_WIN_UNMAP,
	OP_WIN_REUSE,		/* unmap, private memory in its place */
	OP_FORK,
	OP_ATTACH,		/* a process without windows */
	OP_EXIT,
	OP_CHECK,		/* all pages that can be read */
	OP_NR
};

enum oracle_end { OR_RETURN, OR_KILLED, OR_EXEC, OR_ENDS };
/* Address of a window: as its offset modulo 1 GiB, modulo 2 MiB, or not. */
enum oracle_at { OR_AT_GIB, OR_AT_2MIB, OR_AT_ODD, OR_AT_ANY, OR_ATS };

struct oracle_touched {
	__u64 off;		/* in the container */
	__u32 how;		/* enum touch_how */
	__u32 pad;
};

struct oracle_op {
	__u32 step;
	__u32 kind;
	__u32 slot, win;	/* who does it, through which window */
	__u32 peer;		/* another process: OP_VM_*, OP_FORK */
	__u32 file, prot;
	__u32 how;		/* enum oracle_end, enum oracle_at */
	__u32 populate, attach;	/* OP_WIN_MAP: MAP_POPULATE, attach fd */
	__u32 nr;		/* of @touch or @ranges */
	__u64 off, len;		/* in the container */
	__u64 pos;		/* in the file */
	__u64 stamp;
	struct oracle_touched touch[OR_ACCS];
	struct ptshare_range_prot ranges[OR_RANGES];
};

struct oracle_result {
	__s64 ret;		/* -errno or what the call returned */
	__u64 failed;		/* PROTECT */
	__u64 hash;		/* of the bytes read */
	struct touch_seen seen[OR_ACCS];
};

struct oracle_win {
	char *addr;		/* NULL: no window */
	__u64 off, len;
	bool guarded;		/* private pages before and behind it */
};

/* A page of the container that is in a zone. */
struct oracle_page {
	__u8 present;
	__u8 file;
	__u8 prot;
	__u32 pgoff;
};

struct oracle_model {
	struct oracle_page page[OR_PAGES];
	__u64 size[OR_FILES];
};

/* One process of one world, and how it is told what to do. */
struct oracle_box {
	__u32 cmd;		/* futex: number of the command */
	__u32 done;		/* futex: the last one that was done */
	pid_t pid;
	struct oracle_win win[OR_WINS];
	struct oracle_result res;
};

/* Shared by all processes. */
struct oracle_board {
	struct oracle_op op;
	struct oracle_model model;	/* with @op done */
	__s64 expect;			/* of an ioctl, by the model */
	__u64 expect_failed;
	struct oracle_box box[OR_WORLDS][OR_SLOTS];
};

struct oracle_world {
	bool used;
	int ctl, att;
	int mem[OR_FILES + 1];
	int empty;
	int disk, direct;
	int pipe[2];
};

struct oracle_stats {
	unsigned long ops[OP_NR], ok, segv, bus, efault;
	unsigned long links[OR_PLAIN];	/* most at a time */
	long long huge_kb;		/* mapped as huge pages, likewise */
};

struct oracle {
	/* given by the caller */
	__u64 seed;
	unsigned int steps;
	bool huge;
	/* the rest is the oracle's */
	__u64 rng;
	bool direct;
	bool alive[OR_SLOTS];
	struct oracle_board *board;
	struct oracle_world world[OR_WORLDS];
	struct oracle_stats stats;
	char share[16], shmem[16];	/* settings found, to be restored */
};

/* --- oracle.c: the run ------------------------------------------------- */

extern const char * const oracle_share_names[OR_PLAIN];

/* 0, or -1 after it has printed the difference. -ENODEV: no huge pages. */
int oracle_run(struct oracle *o);
/* A number from the environment. */
__u64 oracle_env(const char *name, __u64 otherwise);

/* --- oracle_setup.c ----------------------------------------------------- */

int oracle_make(struct oracle *o);
void oracle_unmake(struct oracle *o);

/* --- oracle_gen.c: what to do next -------------------------------------- */

void oracle_next(struct oracle *o, struct oracle_op *op);

/* --- oracle_model.c: what the layout is --------------------------------- */

struct oracle_zone {
	__u32 first;		/* page of the container */
	__u32 nr;
	__u32 base;		/* index of its first page in the model */
};

extern const struct oracle_zone oracle_zones[OR_ZONES];
extern const __u64 oracle_file_max[OR_FILES];

/* Offset in the container of a page of the model. */
__u64 oracle_offset(unsigned int index);
/* Pages of the model within a range of the container: lo <= index < hi. */
void oracle_indices(__u64 off, __u64 len, unsigned int *lo, unsigned int *hi);
/* Does @index + 1 show what follows in the same file, or a hole as well? */
bool oracle_continues(const struct oracle_model *m, unsigned int index);
/* The page can be read, and is within its file. */
bool oracle_readable(const struct oracle_model *m, unsigned int index);
unsigned int oracle_nr_regions(const struct oracle_model *m);
/* What the ioctl of @op returns; changes the model if it succeeds. */
__s64 oracle_model_do(struct oracle_model *m, const struct oracle_op *op,
		      __u64 *failed);

static inline unsigned int oracle_inode(unsigned int file)
{
	return file == OR_RDONLY ? 0 : file;
}

/* --- oracle_worker.c: how it is done -------------------------------------- */

struct oracle_job {
	struct oracle *o;
	unsigned int world, slot;
	struct oracle_world *w;
	struct oracle_box *box;
	const struct oracle_op *op;
	struct oracle_result *res;
};

/* Does as told until it is told to end; never returns. */
void oracle_work(struct oracle *o, unsigned int world, unsigned int slot);
/* Waits until *@word is not @old, at most a second. */
void oracle_wait(__u32 *word, __u32 old);
void oracle_wake(__u32 *word, __u32 val);
__u64 oracle_hash(__u64 hash, const void *buf, size_t len);

/* --- oracle_io.c: system calls that access a window, or a file ------------ */

__s64 oracle_io(struct oracle_job *job);

/* --- oracle_plain.c: the world without a container ------------------------ */

/* Maps all of @win, at its address if it has one. */
int oracle_plain_map(struct oracle_job *job, struct oracle_win *win);
/* What an ioctl does to a container, for this process. */
__s64 oracle_plain_layout(struct oracle_job *job);
__s64 oracle_plain_populate(__s64 ret);

/* --- oracle_print.c --------------------------------------------------------- */

extern const char * const oracle_world_names[OR_WORLDS];

void oracle_print_op(const struct oracle_op *op);
/* Prints in what they differ; false if they do. */
bool oracle_same(const struct oracle *o, const struct oracle_op *op,
		 const struct oracle_result *got, unsigned int world,
		 const struct oracle_result *want);
void oracle_print_stats(const struct oracle *o, __u64 msecs);

#endif /* ORACLE_H */
