/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ptfuzz: short programs of operations on containers, windows, notify fds and
 * what lies below them, run by several processes.
 *
 * In the serial mode one process does one operation at a time, so that a model
 * knows the result: errno, bytes, signals, events. Where more than one thing is
 * wrong with a call the contract names no order, so the model knows a set. In
 * the racing mode all processes run at once, and what must hold whatever the
 * order is looked at: values that only a legal store can have left, counters
 * that go back to zero, fdinfo that says what INFO says.
 *
 * Programs that reach new code (KCOV) or new results are kept and changed.
 *
 *	ops.c		the table of operations, and programs as text
 *	gen.c		makes operations, changes programs
 *	model*.c	what each operation has to do
 *	do_*.c		what a process does for each
 *	exec.c		the processes and the serial mode
 *	judge.c		compares what was with what the model says
 *	race.c		the racing mode
 *	kcov.c		coverage
 *	corpus.c	programs kept
 *	main.c		options and figures
 *
 * Who runs what: the controller commands the workers, which share its fd table,
 * so that an fd is the same number everywhere. The maker is one more of them;
 * it is in a memory cgroup and makes the containers, which are charged to it.
 */
#ifndef PTFUZZ_H
#define PTFUZZ_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "../cg.h"
#include "../ptshare_util.h"
#include "../touch.h"

#define FZ_PAGE		4096ULL
#define FZ_GIB		0x40000000ULL
#define FZ_GIB_PAGES	262144U
/* Two slots of 1 GiB and a part of a third, which is no whole 2 MiB. */
#define FZ_PAGES	(2 * FZ_GIB_PAGES + 512 + 16)

#define FZ_WORKERS	3
#define FZ_MAKER	FZ_WORKERS
#define FZ_TASKS	(FZ_WORKERS + 1)
#define FZ_CONTS	2		/* the second may be read-only */
#define FZ_WINS		2		/* windows of a worker */
#define FZ_NFDS	3
#define FZ_FILES	4
#define FZ_FILE_PAGES	1024		/* of the largest */
#define FZ_DISK_PAGES	16
#define FZ_OPS		48		/* in a program */
#define FZ_TOUCHES	6
#define FZ_RANGES	3
#define FZ_REGIONS	128
#define FZ_TOLD		16		/* regions that QUERY and SCAN tell */
#define FZ_EVENTS	4096
#define FZ_READ		64		/* events of one read(2) */
#define FZ_DATA		(3 * 4096)	/* bytes of one system call */

/* What stands for a file in a program. */
enum fz_file {
	FZ_RDONLY = FZ_FILES,	/* file 0, opened so */
	FZ_WRONLY,
	FZ_NO_FD,
	FZ_PIPE,
	FZ_DISK_FILE,		/* no tmpfs */
	FZ_CONTAINER,
	FZ_FILE_KINDS,
};

/* Fields of an operation; ops.c has their names and what they mean. */
enum fz_field {
	F_W, F_C, F_VIA, F_BAD, F_FILE, F_PROT, F_OFF, F_LEN, F_SKEW, F_POS,
	F_BYTE, F_BYTES, F_FLAGS, F_N, F_MODE, F_KERN, F_CLOSE, F_TIME, F_ACT,
	F_CATS, F_MAX, F_ROOM, F_WIN, F_AT, F_KIND, F_PEER, F_BY, F_NR,
	F_FIELDS,
};

enum fz_kind {
	OP_CREATE, OP_INFO, OP_MAP, OP_UNMAP, OP_PROTECT, OP_QUERY, OP_ATTACH,
	OP_SEAL, OP_NOTIFY, OP_NCLOSE, OP_ARM, OP_RESOLVE, OP_SCAN, OP_NREAD,
	OP_WMAP, OP_WUNMAP, OP_WREMAP, OP_WPROT, OP_WADVISE, OP_WLOCK, OP_WMISC,
	OP_TOUCH, OP_POPULATE, OP_IO, OP_PEER,
	OP_PWRITE, OP_PREAD, OP_TRUNC, OP_PUNCH, OP_FSEAL,
	OP_PMAP, OP_PUNMAP, OP_PTOUCH, OP_PADVISE, OP_UFFD,
	OP_RECLAIM, OP_MEMMAX, OP_CGMOVE, OP_EXEC, OP_EXIT,
	OP_KINDS,
};

/* F_BAD: what is wrong with the structure of an ioctl. */
enum fz_bad {
	BAD_NONE, BAD_SMALL, BAD_ZERO, BAD_LARGE, BAD_TAIL, BAD_HUGE,
	BAD_FLAG, BAD_RESERVED, BAD_NULL, BAD_CUT, BAD_READONLY, BAD_NUMBER,
	BAD_POINTER,
	BADS,
};

/* F_VIA: the fd of an ioctl. */
enum fz_via {
	VIA_RIGHT, VIA_ATTACH, VIA_CONTROL, VIA_NOTIFY, VIA_DEVICE, VIA_FILE,
	VIA_CLOSED,
	VIAS,
};

/* F_SKEW: what is wrong with a range. */
enum fz_skew {
	SKEW_NONE, SKEW_OFF, SKEW_LEN, SKEW_POS, SKEW_EMPTY, SKEW_WRAP,
	SKEW_BEYOND,
	SKEWS,
};

/* F_KIND of OP_IO; the even ones write to the window. */
enum fz_io {
	IO_PIPE_IN, IO_PIPE_OUT, IO_FILE_IN, IO_FILE_OUT, IO_DIRECT_IN,
	IO_DIRECT_OUT, IO_VMSPLICE_IN, IO_VMSPLICE_OUT, IO_URING_IN,
	IO_URING_OUT, IO_FIXED_IN,
	IOS,
};

/* F_KIND of OP_PEER; the odd ones write. */
enum fz_peer { PEER_READ, PEER_WRITE, PEER_MEM_READ, PEER_MEM_WRITE, PEERS };

enum fz_wmisc {
	MISC_MSYNC, MISC_MINCORE, MISC_MBIND, MISC_UFFD, MISC_FIXED_PART,
	MISC_PRIVATE, MISC_WEAK_PROT, MISC_EXEC, MISC_TOO_LONG,
	MISCS,
};

enum fz_padvise {
	PADV_PAGEOUT, PADV_COLD, PADV_DONTNEED, PADV_REMOVE, PADV_COLLAPSE,
	PADV_SOFT_OFFLINE,
	PADVS,
};

/* F_KIND of OP_TOUCH and OP_PTOUCH is an enum touch_how. */
/* F_AT: the address as its offset modulo 1 GiB, modulo 2 MiB, or not. */
enum fz_at { AT_GIB, AT_2MIB, AT_ODD, AT_ANY, ATS };
enum fz_by { BY_SELF, BY_CHILD, BYS };

struct fz_op {
	__u32 kind;
	__u32 v[F_FIELDS];
};

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))
#define V(op, field)	((op)->v[F_##field])

struct fz_prog {
	__u32 nr;
	__u32 huge;		/* huge pages in the files */
	__u32 ro;		/* the second container can't be written */
	__u32 one;		/* all on one processor, which is faster */
	__u32 few;		/* only one window of a container is linked */
	struct fz_op op[FZ_OPS];
};

/* --- results ------------------------------------------------------------ */

struct fz_res {
	__s64 ret;		/* -errno or what the call returned */
	__u32 failed;		/* PROTECT */
	__u32 nr;		/* of @region, @told or @ev */
	__u64 next;		/* QUERY, SCAN */
	__u64 armed, pinned, woken;
	__u32 fresh;		/* code or results not seen before */
	__u32 pid;
	struct ptshare_info info;
	struct touch_seen seen[FZ_TOUCHES];
	/* What is above is cleared before each operation. */
	struct ptshare_region region[FZ_TOLD];
	struct ptshare_scan_region told[FZ_TOLD];
	struct ptshare_event ev[FZ_READ];
	__u8 data[FZ_DATA];
};

struct fz_win {
	char *addr;		/* NULL: none */
	__u32 c;
	__u64 off, len;		/* bytes */
};

/* --- the processes ------------------------------------------------------ */

enum fz_cmd { CMD_OP, CMD_RESET, CMD_MAKE, CMD_RUN };

struct fz_box {
	__u32 cmd;		/* futex: number of the command */
	__u32 done;		/* futex: the last one done */
	__u32 what;		/* enum fz_cmd */
	__u32 step;
	pid_t pid;
	__u32 at;		/* racing: where it is */
	struct fz_op op;
	struct fz_win win[FZ_WINS];
	struct fz_win plain;	/* of a file */
	int pipe[2];
	int ring;		/* its io_uring, to be closed after it */
	struct fz_res res;
};

#define FZ_COVS		0x40000	/* a power of 2 */
#define FZ_PCS		0x8000

struct fz_board {
	struct fz_box box[FZ_TASKS];
	struct fz_prog prog;	/* racing */
	__u32 go;		/* futex: racing begins */
	__u32 bad;		/* racing: a worker saw something */
	char what[256];
	__u32 nonce;		/* of the program's stamps */
	bool racing;
	bool bulk;		/* some writes are not of whole words */
	int dev, ctl[FZ_CONTS], att[FZ_CONTS], nfd[FZ_NFDS];
	int file[FZ_FILE_KINDS];
	int disk, direct;	/* IO_DIRECT_*: a memfd, as a block device */
	__u64 ino[FZ_FILES], tmpdev;
	int make_err;
	bool ro;
	__u32 nr_pcs;
	__u64 pcs[FZ_PCS];
	__u8 cov[FZ_COVS];
};

extern struct fz_board *board;
extern struct cg fz_cg;
extern const __u32 fz_file_pages[FZ_FILES];
extern const char * const fz_share_names[];

struct fz_model;

/* --- ops.c -------------------------------------------------------------- */

enum fz_type { T_SMALL, T_PAGE, T_PAGES, T_FPAGE, T_BYTE, T_BYTES, T_MASK };

struct fz_field_desc {
	const char *name;
	enum fz_type type;
	__u32 max;		/* T_SMALL and T_MASK: values from 0 to it */
	__u32 rare;		/* T_SMALL: not 0 in one of so many */
};

struct fz_op_desc {
	const char *name;
	__u32 weight;
	__s8 field[14];		/* ended by -1 */
};

extern const struct fz_field_desc fz_fields[F_FIELDS];
extern const struct fz_op_desc fz_ops[OP_KINDS];

void fz_print_op(FILE *f, const struct fz_op *op);
void fz_print(FILE *f, const struct fz_prog *prog);
/* 0, or -EINVAL after it has said why. */
int fz_parse(const char *path, struct fz_prog *prog);
/* Makes every field a legal one. */
void fz_sane(struct fz_op *op);

/* --- gen.c -------------------------------------------------------------- */

struct fz_gen {
	__u64 rng;
	const struct fz_prog *parent, *mate;	/* NULL: from nothing */
	__u32 at;		/* in @parent */
	bool spliced;
};

__u32 fz_below(struct fz_gen *g, __u32 n);
void fz_gen_begin(struct fz_gen *g, const struct fz_prog *parent,
		  const struct fz_prog *mate, struct fz_prog *prog);
/* The next operation; false at the end. */
bool fz_gen_next(struct fz_gen *g, const struct fz_model *m, __u32 nr,
		 struct fz_op *op);

/* --- do_*.c: in a worker ------------------------------------------------ */

struct fz_job {
	struct fz_box *box;
	const struct fz_op *op;
	struct fz_res *res;
	__u32 w, step;
};

__s64 fz_do(struct fz_job *job);
__s64 fz_do_ioctl(struct fz_job *job);
__s64 fz_do_window(struct fz_job *job);
__s64 fz_do_io(struct fz_job *job);
__s64 fz_do_file(struct fz_job *job);
__s64 fz_do_system(struct fz_job *job);
void fz_do_reset(struct fz_box *box);
int fz_do_make(void);
/* Touches @nr places of @win; the first @nr of @seen tell. */
void fz_touch_all(struct fz_job *job, const struct fz_win *win, __u64 off);
/* What operation @step stores: @i counts words. */
__u64 fz_stamp(__u32 step, __u32 w, __u64 page, __u32 i);
void fz_fill(struct fz_job *job, __u8 *buf, __u32 len);
void fz_fill_as(__u32 step, __u32 w, __u8 *buf, __u32 len);
/* Racing: may this value be found, anywhere and there? */
bool fz_legal(__u64 val);
bool fz_legal_at(__u64 val, __u32 file, __u32 fpage);

/* The bytes of a file that a range of a program names, with its skew. */
struct fz_range {
	__u64 off, len, pos;
};

struct fz_range fz_range_of(const struct fz_op *op);
/* The bytes of a window, given as bytes of the container, that it accesses. */
struct fz_range fz_span_of(const struct fz_op *op, __u64 win_off,
			   __u64 win_len);
/* Where IO_DIRECT_* and IO_FIXED_IN are on the disk, in bytes. */
__u64 fz_disk_pos(const struct fz_op *op);
__u64 fz_cookie(const struct fz_op *op);
/* Seals of OP_FSEAL. */
__u32 fz_fseals(const struct fz_op *op);
/* The ranges of a PROTECT: how many, perhaps none. */
__u32 fz_protect_ranges(const struct fz_op *op, struct ptshare_range_prot *p);

/* --- exec.c ------------------------------------------------------------- */

struct fz_stats {
	unsigned long execs, races, ops, skipped, mismatches;
	unsigned long slept, events, told, ok, refused;
};

extern struct fz_stats fz_stats;

int fz_start(void);
void fz_stop(void);
void fz_post(unsigned int w, enum fz_cmd what);
/* 0, -ETIMEDOUT, -ECHILD if the process is gone. */
int fz_await(unsigned int w, unsigned int secs);
int fz_spawn(unsigned int w);
/* Who hangs or is in an unknown state is killed, and there are new ones. */
void fz_restart(void);
/* A new world for a program. */
int fz_world(const struct fz_prog *prog, unsigned int share, __u32 nonce,
	     bool racing);
void fz_unworld(void);
/*
 * Runs what @gen makes, or @prog as it is without one; @prog is what was run.
 * -1 after a mismatch. *@fresh: it did something new.
 */
int fz_serial(struct fz_gen *gen, struct fz_prog *prog, unsigned int share,
	      bool *fresh);
int fz_race(struct fz_gen *gen, struct fz_prog *prog, unsigned int share,
	    bool *fresh);
extern bool fz_verbose, fz_quiet;
/* What is to be read by people, unless a program is only tried. */
void fz_say(const char *fmt, ...);

/* --- kcov.c ------------------------------------------------------------- */

/* In each worker. */
void fz_cov_open(void);
bool fz_cov_there(void);
void fz_cov_begin(void);
/* How many edges and results are new. */
__u32 fz_cov_end(const struct fz_op *op, const struct fz_res *res);
void fz_cov_save(const char *path);

/* --- corpus.c ----------------------------------------------------------- */

int fz_corpus_load(const char *dir);
void fz_corpus_add(const struct fz_prog *prog, bool keep);
const struct fz_prog *fz_corpus_pick(struct fz_gen *g);
unsigned int fz_corpus_nr(void);
const struct fz_prog *fz_corpus_at(unsigned int i);
/* Writes a program to a file of its own: its name, or NULL. */
const char *fz_save(const char *dir, const char *stem,
		    const struct fz_prog *prog);

#endif /* PTFUZZ_H */
