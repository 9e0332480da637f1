// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * checkpoint: keep a copy of shared memory up to date while others write to it.
 *
 * usage: checkpoint [-n CYCLES] [-w WRITERS] [-s SIZE] [-o FILE]
 *
 * It is built by
 *	cc -o checkpoint checkpoint.c $(pkg-config --cflags --libs libptshare)
 *
 * The pool stands for the buffer pool of a database, the writers for its back
 * ends. One ARM watches the pool for writes of all of them, by stores and by
 * write(2), and each cycle copies what was written since the one before. Nobody
 * is stopped for that, and the writers need not know of it. In the end the
 * writers stop, and a last cycle makes the copy equal to the pool.
 *
 * Exit status: 0, or 1 if something failed or the copy is wrong.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ptshare.h>

#define MOST_WRITERS	256
#define REGIONS		256	/* per call of SCAN */
#define CYCLE_MS	100

struct pool {
	uint64_t size;
	uint64_t page;
	int mem;		/* the memory */
	int box;		/* the container that shows it */
	int notify;		/* tells of writes */
	int copy;		/* where the checkpoint goes */
	char *data;		/* our window of the container */
	char *buf;		/* for reading the copy back */
};

static volatile sig_atomic_t stop;

/* The functions of libptshare return -errno, system calls set errno. */
static int must(int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	fprintf(stderr, "checkpoint: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static int sys(int ret, const char *what)
{
	return must(ret < 0 ? -errno : ret, what);
}

/* --- the checkpointer ------------------------------------------------------ */

static void make_pool(struct pool *pool)
{
	struct ptshare_window window;

	pool->page = sysconf(_SC_PAGESIZE);
	pool->mem = sys(memfd_create("pool", MFD_CLOEXEC), "memfd");
	sys(ftruncate(pool->mem, pool->size), "size of the memfd");
	pool->box = must(ptshare_create(-1, pool->size, PROT_READ | PROT_WRITE),
			 "container");
	must(ptshare_map(pool->box, 0, pool->size, PROT_READ | PROT_WRITE,
			 pool->mem, 0, 0), "MAP");
	must(ptshare_window_open(&window, pool->box, 0, 0), "window");
	pool->data = window.addr;
	pool->buf = malloc(pool->page);
	if (!pool->buf)
		must(-ENOMEM, "buffer");
}

/*
 * The queue of events is not read here: it may overflow, and loses nothing by
 * that. SCAN knows of each page whether it was written.
 */
static void watch_pool(struct pool *pool)
{
	struct ptshare_arm arm = {
		.size = sizeof(arm),
		.length = pool->size,
		.mode = PTSHARE_ASYNC,
	};

	pool->notify = must(ptshare_notify(pool->box, 0), "NOTIFY");
	must(ptshare_arm(pool->notify, &arm), "ARM");
	/* A device may write there unseen; SCAN tells them in each cycle. */
	if (arm.pinned)
		printf("%llu bytes are pinned\n",
		       (unsigned long long)arm.pinned);
}

/* Returns the number of pages. */
static uint64_t save(const struct pool *pool, uint64_t start, uint64_t end)
{
	const uint64_t pages = (end - start) / pool->page;
	ssize_t done;

	while (start < end) {
		done = pwrite(pool->copy, pool->data + start, end - start,
			      start);
		if (done < 0 && errno == EINTR)
			continue;
		/* Nothing at all would be an endless loop. */
		if (done <= 0)
			must(done ? -errno : -EIO, "writing the copy");
		start += done;
	}
	return pages;
}

/*
 * REARM first, copy after: a page that is written while it is copied is then
 * armed already, and the next cycle copies it again.
 */
static uint64_t copy_written(const struct pool *pool)
{
	struct ptshare_scan_region written[REGIONS];
	struct ptshare_scan scan = {
		.size = sizeof(scan),
		.flags = PTSHARE_SCAN_REARM,
		.end = pool->size,
		.vec = (uintptr_t)written,
		.vec_len = REGIONS,
		.categories = PTSHARE_PAGE_WRITTEN,
	};
	uint64_t i, pages = 0;

	while (scan.start < scan.end) {
		must(ptshare_scan(pool->notify, &scan), "SCAN");
		for (i = 0; i < scan.nr; i++)
			pages += save(pool, written[i].start, written[i].end);
		scan.start = scan.walk_end;
	}
	return pages;
}

static bool same(const struct pool *pool, uint64_t offset)
{
	ssize_t got = pread(pool->copy, pool->buf, pool->page, offset);

	sys(got, "reading the copy");
	return (uint64_t)got == pool->page &&
	       !memcmp(pool->buf, pool->data + offset, pool->page);
}

static uint64_t count_wrong(const struct pool *pool)
{
	uint64_t offset, wrong = 0;

	for (offset = 0; offset < pool->size; offset += pool->page)
		wrong += !same(pool, offset);
	return wrong;
}

/* --- the writers ------------------------------------------------------------ */

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void nap(unsigned int ms)
{
	const struct timespec ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};

	nanosleep(&ts, NULL);
}

/* The first writes by pwrite(2), past all windows; that is caught as well. */
static void write_word(const struct pool *pool, unsigned int id,
		       uint64_t offset, uint64_t word)
{
	if (!id)
		sys(pwrite(pool->mem, &word, sizeof(word), offset), "pwrite");
	else
		*(volatile uint64_t *)(pool->data + offset) = word;
}

static _Noreturn void write_pages(const struct pool *pool, unsigned int id)
{
	const uint64_t pages = pool->size / pool->page;
	uint64_t word = id + 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!stop) {
		/* A sequence of numbers that is random enough here. */
		word = word * 6364136223846793005 + 1442695040888963407;
		write_word(pool, id, (word >> 33) % pages * pool->page, word);
		if (!(word >> 61))
			nap(1);
	}
	_exit(0);
}

static void start_writers(const struct pool *pool, pid_t *pids,
			  unsigned int nr)
{
	struct sigaction action = { .sa_handler = on_term };
	unsigned int i;

	/* Before the first fork, so that no writer can miss the signal. */
	sys(sigaction(SIGTERM, &action, NULL), "sigaction");
	fflush(stdout);
	for (i = 0; i < nr; i++) {
		pids[i] = sys(fork(), "fork");
		if (!pids[i])
			write_pages(pool, i);
	}
}

static void stop_writers(const pid_t *pids, unsigned int nr)
{
	unsigned int i;
	int status;

	for (i = 0; i < nr; i++)
		sys(kill(pids[i], SIGTERM), "kill");
	for (i = 0; i < nr; i++) {
		sys(waitpid(pids[i], &status, 0), "waitpid");
		if (status) {
			fprintf(stderr, "checkpoint: writer %u: status %#x\n",
				i, status);
			exit(1);
		}
	}
}

/* --- all of it ---------------------------------------------------------------- */

struct options {
	unsigned int cycles;
	unsigned int writers;
	const char *file;
};

static int run(struct pool *pool, const struct options *opt)
{
	pid_t pids[MOST_WRITERS];
	uint64_t wrong;
	unsigned int i;

	make_pool(pool);
	watch_pool(pool);
	start_writers(pool, pids, opt->writers);
	printf("base: %" PRIu64 " pages\n", save(pool, 0, pool->size));
	for (i = 1; i <= opt->cycles; i++) {
		nap(CYCLE_MS);
		printf("cycle %u: %" PRIu64 " pages\n", i, copy_written(pool));
		fflush(stdout);
	}
	stop_writers(pids, opt->writers);
	printf("last: %" PRIu64 " pages\n", copy_written(pool));
	wrong = count_wrong(pool);
	if (wrong)
		printf("WRONG: %" PRIu64 " pages of the copy differ\n", wrong);
	else
		puts("the copy is equal to the pool");
	return wrong ? 1 : 0;
}

static unsigned int number(const char *text, unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value > most) {
		fprintf(stderr, "checkpoint: '%s' is not 0 to %u\n", text,
			most);
		exit(1);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct options opt = { .cycles = 5, .writers = 4 };
	struct pool pool = { .size = 64 << 20 };
	int c;

	while ((c = getopt(argc, argv, "n:w:s:o:")) != -1) {
		if (c == 'n')
			opt.cycles = number(optarg, 1000000);
		else if (c == 'w')
			opt.writers = number(optarg, MOST_WRITERS);
		else if (c == 's')
			must(ptshare_size_parse(optarg, &pool.size), optarg);
		else if (c == 'o')
			opt.file = optarg;
		else
			return 1;
	}
	if (opt.file)
		pool.copy = sys(open(opt.file, O_RDWR | O_CREAT | O_TRUNC |
				     O_CLOEXEC, 0600), opt.file);
	else
		pool.copy = sys(memfd_create("copy", MFD_CLOEXEC), "memfd");
	return run(&pool, &opt);
}
