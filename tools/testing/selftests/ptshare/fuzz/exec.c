// SPDX-License-Identifier: GPL-2.0
/* ptfuzz: the processes, and the world in which they run a program. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../share.h"
#include "fuzz.h"

#define SHMEM	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define TRIM_MS		"/sys/module/ptshare/parameters/trim_ms"
#define MAX_LINKED	"/proc/sys/vm/ptshare_max_linked"

struct fz_board *board;
struct cg fz_cg;
struct fz_stats fz_stats;
bool fz_verbose;

const char * const fz_share_names[] = { "none", "pmd", "pud" };

static char old_share[16], old_shmem[16], old_trim[16], old_linked[16];

/* --- commands ----------------------------------------------------------- */

static void wait_for(__u32 *word, __u32 old)
{
	struct timespec moment = { .tv_nsec = 20000000 };

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == old)
		syscall(SYS_futex, word, FUTEX_WAIT, old, &moment, NULL, 0);
}

static void wake(__u32 *word, __u32 val)
{
	__atomic_store_n(word, val, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void fz_post(unsigned int w, enum fz_cmd what)
{
	struct fz_box *box = &board->box[w];

	box->what = what;
	wake(&box->cmd, box->cmd + 1);
}

int fz_await(unsigned int w, unsigned int secs)
{
	struct fz_box *box = &board->box[w];
	__u64 end = pts_now_ms() + 1000ULL * secs;
	__u32 done;

	for (;;) {
		done = __atomic_load_n(&box->done, __ATOMIC_ACQUIRE);
		if (done == box->cmd)
			return 0;
		wait_for(&box->done, done);
		if (__atomic_load_n(&box->done, __ATOMIC_ACQUIRE) != done)
			continue;
		if (waitpid(box->pid, NULL, WNOHANG) == box->pid) {
			box->pid = 0;
			return -ECHILD;
		}
		if (pts_now_ms() > end)
			return -ETIMEDOUT;
	}
}

/* --- a worker ----------------------------------------------------------- */

__s64 fz_do(struct fz_job *job)
{
	__u32 kind = job->op->kind;

	if (kind <= OP_NREAD)
		return fz_do_ioctl(job);
	if (kind == OP_IO || kind == OP_PEER)
		return fz_do_io(job);
	if (kind <= OP_POPULATE)
		return fz_do_window(job);
	if (kind <= OP_UFFD)
		return fz_do_file(job);
	return fz_do_system(job);
}

static void do_one(struct fz_box *box, const struct fz_op *op, __u32 w,
		   __u32 step)
{
	struct fz_job job = {
		.box = box, .op = op, .res = &box->res, .w = w, .step = step,
	};

	memset(&box->res, 0, offsetof(struct fz_res, region));
	fz_cov_begin();
	box->res.ret = fz_do(&job);
	box->res.fresh = fz_cov_end(op, &box->res);
}

/* What is seen while all race: nothing that nobody has stored. */
static void look(struct fz_box *box, const struct fz_op *op)
{
	__u32 i;

	if (op->kind != OP_TOUCH && op->kind != OP_PTOUCH &&
	    op->kind != OP_WUNMAP)
		return;
	for (i = 0; i < FZ_TOUCHES; i++) {
		if (box->res.seen[i].sig || fz_legal(box->res.seen[i].val))
			continue;
		if (!__atomic_fetch_add(&board->bad, 1, __ATOMIC_SEQ_CST))
			snprintf(board->what, sizeof(board->what),
				 "operation %u found %#llx, which none of them stores",
				 box->at, box->res.seen[i].val);
	}
}

/* Its own operations, one after the other. */
static void run(struct fz_box *box, __u32 w)
{
	__u32 i, fresh = 0;

	while (!__atomic_load_n(&board->go, __ATOMIC_ACQUIRE))
		wait_for(&board->go, 0);
	for (i = 0; i < board->prog.nr; i++) {
		const struct fz_op *op = &board->prog.op[i];

		if (V(op, W) != w)
			continue;
		box->at = i;
		do_one(box, op, w, i);
		look(box, op);
		fresh += box->res.fresh;
	}
	box->res.fresh = fresh;
}

static noreturn void work(__u32 w)
{
	struct fz_box *box = &board->box[w];
	__u32 done = box->done;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	touch_catch();
	if (w == FZ_MAKER)
		cg_enter(&fz_cg);
	else
		fz_cov_open();
	for (;; wake(&box->done, ++done)) {
		while (__atomic_load_n(&box->cmd, __ATOMIC_ACQUIRE) == done)
			wait_for(&box->cmd, done);
		switch (box->what) {
		case CMD_OP:
			do_one(box, &box->op, w, box->step);
			break;
		case CMD_RESET:
			fz_do_reset(box);
			break;
		case CMD_MAKE:
			board->make_err = fz_do_make();
			break;
		case CMD_RUN:
			run(box, w);
			break;
		}
	}
}

/* Not fork(): an fd that one of them makes is to be there for all. */
int fz_spawn(unsigned int w)
{
	struct fz_box *box = &board->box[w];
	long pid;

	if (box->ring > 0)
		close(box->ring);
	box->ring = 0;
	box->done = box->cmd;
	memset(box->win, 0, sizeof(box->win));
	memset(&box->plain, 0, sizeof(box->plain));
	fflush(NULL);
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		work(w);
	box->pid = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : -errno;
}

/* --- all of them -------------------------------------------------------- */

static int make_disk(void)
{
	board->disk = pts_memfd(FZ_DISK_PAGES * FZ_PAGE, 0);
	board->direct = board->disk < 0 ? -1 : pts_loop_direct(board->disk);
	return board->disk;
}

static void no_world(void)
{
	__u32 i;

	for (i = 0; i < FZ_CONTS; i++) {
		board->ctl[i] = -1;
		board->att[i] = -1;
	}
	for (i = 0; i < FZ_NFDS; i++)
		board->nfd[i] = -1;
	for (i = 0; i < FZ_FILE_KINDS; i++)
		board->file[i] = -1;
}

int fz_start(void)
{
	unsigned int w;
	int err = 0;

	board = mmap(NULL, sizeof(*board), PTS_RW, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (board == MAP_FAILED)
		return -ENOMEM;
	no_world();
	board->dev = pts_open_dev();
	if (board->dev < 0)
		return board->dev;
	if (make_disk() < 0)
		return -EMFILE;
	share_get(old_share, sizeof(old_share));
	if (pts_chosen(SHMEM, old_shmem, sizeof(old_shmem)))
		old_shmem[0] = '\0';
	if (pts_slurp(MAX_LINKED, old_linked, sizeof(old_linked)) <= 0)
		old_linked[0] = '\0';
	/* A program is over before empty tables are looked for. */
	if (pts_slurp(TRIM_MS, old_trim, sizeof(old_trim)) > 0)
		pts_spit(TRIM_MS, "2");
	else
		old_trim[0] = '\0';
	if (!cg_available() || cg_make(&fz_cg, "fuzz"))
		fz_cg.path[0] = '\0';
	for (w = 0; !err && w < FZ_TASKS; w++) {
		err = pipe2(board->box[w].pipe, O_NONBLOCK | O_CLOEXEC) ?
			-errno : fz_spawn(w);
	}
	return err;
}

static void end_worker(struct fz_box *box)
{
	if (box->pid <= 0)
		return;
	kill(box->pid, SIGKILL);
	waitpid(box->pid, NULL, 0);
	box->pid = 0;
}

void fz_stop(void)
{
	unsigned int w;

	for (w = 0; w < FZ_TASKS; w++)
		end_worker(&board->box[w]);
	fz_unworld();
	cg_destroy(&fz_cg);
	if (old_share[0])
		share_set(old_share);
	if (old_shmem[0])
		pts_spit(SHMEM, old_shmem);
	if (old_trim[0])
		pts_spit(TRIM_MS, old_trim);
	if (old_linked[0])
		pts_spit(MAX_LINKED, old_linked);
}

void fz_restart(void)
{
	unsigned int w;

	/* Who sleeps for a notify fd may wait for that. */
	fz_unworld();
	for (w = 0; w < FZ_TASKS; w++)
		end_worker(&board->box[w]);
	for (w = 0; w < FZ_TASKS; w++)
		fz_spawn(w);
}

/* --- the world ---------------------------------------------------------- */

static int make_files(void)
{
	struct stat st;
	__u32 i;

	for (i = 0; i < FZ_FILES; i++) {
		board->file[i] = pts_memfd(fz_file_pages[i] * FZ_PAGE,
					   MFD_ALLOW_SEALING);
		if (board->file[i] < 0 || fstat(board->file[i], &st))
			return -EMFILE;
		board->ino[i] = st.st_ino;
	}
	board->file[FZ_RDONLY] = pts_reopen(board->file[0], O_RDONLY);
	board->file[FZ_WRONLY] = pts_reopen(board->file[0], O_WRONLY);
	board->file[FZ_PIPE] = dup(board->box[FZ_MAKER].pipe[0]);
	board->file[FZ_DISK_FILE] = open("/proc/self/exe",
					 O_RDONLY | O_CLOEXEC);
	return 0;
}

/* In the maker, whose memory cgroup pays for it. */
int fz_do_make(void)
{
	int err = make_files();
	__u32 i;

	for (i = 0; !err && i < FZ_CONTS; i++) {
		board->ctl[i] = pts_create(FZ_PAGES * FZ_PAGE,
					   i && board->ro ? PTS_RO : PTS_RW);
		if (board->ctl[i] < 0)
			return board->ctl[i];
		board->att[i] = pts_attach(board->ctl[i]);
		err = board->att[i] < 0 ? board->att[i] : 0;
	}
	return err;
}

static void clear_disk(void)
{
	static __u8 zeroes[FZ_DISK_PAGES * FZ_PAGE];

	if (pwrite(board->disk, zeroes, sizeof(zeroes), 0) != sizeof(zeroes))
		fprintf(stderr, "ptfuzz: the disk can't be written: %s\n",
			strerror(errno));
}

/*
 * On one processor nobody waits for another to wake up; but then no process has
 * translations left in another's while it is told to do nothing.
 */
static void spread(bool one)
{
	static int now = -1;
	static cpu_set_t all, first;
	unsigned int w;

	if (now < 0)
		sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (now == one)
		return;
	now = one;
	sched_setaffinity(0, sizeof(all), one ? &first : &all);
	for (w = 0; w < FZ_TASKS; w++)
		sched_setaffinity(board->box[w].pid, sizeof(all),
				  one ? &first : &all);
}

int fz_world(const struct fz_prog *prog, unsigned int share, __u32 nonce,
	     bool racing)
{
	static unsigned int now_share = ~0U, now_huge = ~0U, now_few = ~0U;
	int err;

	if (share != now_share && share_available())
		share_set(fz_share_names[share]);
	if (prog->huge != now_huge)
		pts_spit(SHMEM, prog->huge ? "within_size" : "never");
	if (prog->few != now_few && old_linked[0])
		pts_spit(MAX_LINKED, prog->few ? "1" : old_linked);
	now_share = share;
	now_huge = prog->huge;
	now_few = prog->few;
	spread(prog->one && !racing);
	board->nonce = nonce;
	board->ro = prog->ro;
	board->racing = racing;
	if (fz_cg.path[0])
		cg_write(&fz_cg, "memory.max", "max");
	clear_disk();
	fz_post(FZ_MAKER, CMD_MAKE);
	err = fz_await(FZ_MAKER, 60);
	if (err == -ECHILD)
		fz_spawn(FZ_MAKER);
	return err ?: board->make_err;
}

static void close_all(int *fds, __u32 nr)
{
	__u32 i;

	for (i = 0; i < nr; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void fz_unworld(void)
{
	close_all(board->nfd, FZ_NFDS);
	close_all(board->att, FZ_CONTS);
	close_all(board->ctl, FZ_CONTS);
	close_all(board->file, FZ_FILE_KINDS);
	no_world();
}
