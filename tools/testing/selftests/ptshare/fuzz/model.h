/* SPDX-License-Identifier: GPL-2.0 */
/* ptfuzz: the model, which knows what each operation has to do. */
#ifndef PTFUZZ_MODEL_H
#define PTFUZZ_MODEL_H

#include "fuzz.h"

struct fz_region {
	__u32 start, nr;	/* pages of the container */
	__u32 file, pgoff, prot;
	bool maywrite;		/* PROTECT may add it */
	bool writer;		/* its fd was open for writing */
};

struct fz_cont {
	__u32 max_prot, seals;
	__u32 nr;
	struct fz_region reg[FZ_REGIONS];
};

#define OWNER_NONE	(-1)
#define OWNER_GONE	(-2)	/* closed, with PTSHARE_CLOSE_SIGNAL */

/* A page of a file, for write-notify. */
struct fz_page {
	__s8 owner;		/* notify slot or OWNER_* */
	__u8 armed, written, told;
	__u8 mode, kern, close, soon;
	__u32 coff;		/* page of the container it was armed at */
	__u64 cookie;
};

struct fz_ev {
	__u16 type, flags;
	__u32 page;
	__u64 cookie;
	pid_t pid;
};

struct fz_queue {
	bool open;
	bool vague;		/* an event was dropped, or none knows */
	__u32 c, len, nr, head;
	struct fz_ev ev[FZ_EVENTS];
};

/* A worker that sleeps until somebody decides. */
struct fz_sleeper {
	bool asleep;
	bool failed;		/* and was refused; else it tries again */
	bool woken;
	__u32 file, page;
	struct fz_op op;
	__u32 step;
};

struct fz_mwin {
	bool there;
	__u32 c, start, nr;	/* pages of the container */
};

struct fz_model {
	struct fz_cont cont[FZ_CONTS];
	struct fz_mwin win[FZ_WORKERS][FZ_WINS];
	struct fz_mwin plain[FZ_WORKERS];	/* c: the file */
	__u8 *bytes[FZ_FILES];
	__u8 disk[FZ_DISK_PAGES * 4096];
	__u64 size[FZ_FILES];
	bool dirty[FZ_FILES][FZ_FILE_PAGES];	/* somebody wrote to it */
	__u32 fseals[FZ_FILES];
	struct fz_page page[FZ_FILES][FZ_FILE_PAGES];
	struct fz_queue queue[FZ_NFDS];
	struct fz_sleeper sleeper[FZ_WORKERS];
	pid_t pid[FZ_WORKERS];
	bool huge;
	/* Some of write-notify is not known: no more of it is compared. */
	bool vague;
	/* A write let another one go on: who came last nobody knows. */
	bool torn;
};

/* What is to be compared besides the result. */
#define CMP_SEEN	1
#define CMP_DATA	2
#define CMP_FAILED	4
#define CMP_INFO	8
#define CMP_QUERY	16
#define CMP_SCAN	32
#define CMP_EVENTS	64
#define CMP_ARM		128
#define CMP_WOKEN	256

struct fz_want {
	bool skip;		/* can't be done here and now */
	bool sleeps;
	bool any;		/* nobody knows */
	bool fd;		/* any fd will do */
	__u32 cmp;
	__u32 nr_err;
	int err[8];		/* one of them, if there are any */
	bool or_ok;		/* or it succeeds with @ret */
	__u32 nr_seen;
	__u32 windows[FZ_CONTS];
	struct fz_res res;
};

void fz_model_begin(struct fz_model *m, const struct fz_prog *prog);
/* What @op has to do; the model does it as well. */
void fz_model_do(struct fz_model *m, const struct fz_op *op, __u32 step,
		 struct fz_want *want);
/* What was not known before; @ret is what it returned. */
void fz_model_after(struct fz_model *m, const struct fz_op *op, __u32 step,
		    __s64 ret);

void fz_may(struct fz_want *want, int err);
/* Where a byte of a file is, to be written to. */
__u8 *fz_write_at(struct fz_model *m, __u32 file, __u64 pos);

/* --- model.c: layout ---------------------------------------------------- */

const struct fz_region *fz_region_at(const struct fz_cont *c, __u32 page);
void fz_layout(struct fz_model *m, const struct fz_op *op,
	       struct fz_want *want);
/* Region that holds @page or follows it, with those that continue it. */
bool fz_region_whole(const struct fz_cont *c, __u32 page,
		     struct fz_region *out);
__u32 fz_nr_regions(const struct fz_cont *c);
/* Errors of the fd and the structure; true if there are any. */
bool fz_call_errors(const struct fz_model *m, const struct fz_op *op,
		    struct fz_want *want);

/* --- model_notify.c ----------------------------------------------------- */

enum fz_verdict { FZ_GO, FZ_FAIL, FZ_WAIT };

struct fz_writer {
	__u16 flags;		/* PTSHARE_EVENT_F_* */
	pid_t pid;
	bool nosleep;
	bool dry;		/* only asks */
};

enum fz_verdict fz_ask(struct fz_model *m, __u32 file, __u32 page,
		       const struct fz_writer *by);
struct fz_sleeper *fz_sleeper_of(struct fz_model *m, __u32 file, __u32 page);
void fz_unmapped(struct fz_model *m, __u32 c, __u32 start, __u32 nr);
void fz_truncated(struct fz_model *m, __u32 file, __u64 from, __u64 to);
void fz_notify_op(struct fz_model *m, const struct fz_op *op,
		  struct fz_want *want);
/* A notify fd is closed. */
void fz_notify_close(struct fz_model *m, __u32 n);

/* --- model_mem.c: accesses ---------------------------------------------- */

void fz_mem_op(struct fz_model *m, const struct fz_op *op, __u32 step,
	       struct fz_want *want);
void fz_file_op(struct fz_model *m, const struct fz_op *op, __u32 step,
		struct fz_want *want);
/* write(2) of what want->res.data has. */
void fz_model_write(struct fz_model *m, const struct fz_op *op, __u32 step,
		    __u64 pos, __u64 len, struct fz_want *want);
/* A woken worker goes on: what is the end of it? */
void fz_model_woken(struct fz_model *m, unsigned int w, struct fz_want *want);

/* --- judge.c ------------------------------------------------------------ */

/* Prints what is different; false if something is. */
bool fz_judge(struct fz_model *m, const struct fz_op *op,
	      const struct fz_want *want, const struct fz_res *res);
/* All of the files and of the layout. */
bool fz_judge_world(struct fz_model *m);

#endif /* PTFUZZ_MODEL_H */
