// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The main job, on a container handed over by "mshare-ctl run": many processes
 * map it, each reads one slice through its own window, and permissions change
 * for all of them by one call.
 *
 *   ptshare-demo run DIGESTS SLICE OFFSET LENGTH [OFFSET LENGTH]...
 *	one process for each SLICE bytes of each range; digests are appended to
 *	the file DIGESTS, as pread-digests prints them
 *   ptshare-demo memfd FD SIZE COMMAND...
 *	start COMMAND with a filled memfd at FD
 *
 * Store number G of process I leaves the word "ptsh" G I (32, 16, 16 bits) at
 * the beginning of its slice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ptshare.h>

#define MAX_PROCESSES	4096
#define STEP_SECONDS	120

enum step { ATTACH = 1, READ, STORE, STORE_DENIED, STORE_AGAIN, LEAVE };

struct range {
	uint64_t offset;
	uint64_t length;
};

struct worker {
	struct range slice;
	pid_t pid;
	bool ok;
	long faults;
};

/* Lives in memory shared by all processes of the demo. */
struct board {
	atomic_int step;
	atomic_int done;
	int nr;
	struct worker worker[MAX_PROCESSES];
};

static struct board *board;
static const char *digests;
static int container;

static sigjmp_buf denied;
static siginfo_t denied_info;

static int futex(atomic_int *word, int op, int value,
		 const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* --- one process ------------------------------------------------------- */

static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	denied_info = *info;
	siglongjmp(denied, 1);
}

static bool catch_segv(void)
{
	struct sigaction action = {
		.sa_sigaction = on_segv,
		.sa_flags = SA_SIGINFO,
	};

	return !sigaction(SIGSEGV, &action, NULL);
}

static uint64_t stamp(int store, int index)
{
	return 0x7074736800000000ULL | (uint64_t)store << 16 | index;
}

static bool store(volatile uint64_t *word, uint64_t value)
{
	if (sigsetjmp(denied, 1))
		return false;
	*word = value;
	return *word == value;
}

/* A store that must not get through: right signal, right place, no change. */
static bool store_denied(volatile uint64_t *word, uint64_t value)
{
	uint64_t before = *word;

	memset(&denied_info, 0, sizeof(denied_info));
	return !store(word, value) && denied_info.si_signo == SIGSEGV &&
	       denied_info.si_code == SEGV_ACCERR &&
	       denied_info.si_addr == word && *word == before;
}

static bool write_digest(const struct range *slice, const void *data)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int i, len;
	char line[128];
	int fd, at;

	if (!EVP_Digest(data, slice->length, digest, &len, EVP_sha256(), NULL))
		return false;
	at = sprintf(line, "%" PRIx64 " %" PRIu64 " ", slice->offset,
		     slice->length);
	for (i = 0; i < len; i++)
		at += sprintf(line + at, "%02x", digest[i]);
	line[at++] = '\n';
	fd = open(digests, O_WRONLY | O_APPEND | O_CLOEXEC);
	return fd >= 0 && write(fd, line, at) == at && !close(fd);
}

static bool do_step(enum step step, int index, struct ptshare_window *window)
{
	const struct range *slice = &board->worker[index].slice;
	void *data = (char *)window->addr + slice->offset;

	switch (step) {
	case ATTACH:
		return !ptshare_window_open(window, container, 0, 0) &&
		       catch_segv();
	case READ:
		return write_digest(slice, data);
	case STORE:
		return store(data, stamp(1, index));
	case STORE_DENIED:
		return store_denied(data, stamp(2, index));
	case STORE_AGAIN:
		return store(data, stamp(3, index));
	default:
		return true;
	}
}

static void work(int index)
{
	struct worker *me = &board->worker[index];
	struct ptshare_window window = { 0 };
	struct rusage usage;
	int step;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (step = ATTACH; step <= LEAVE; step++) {
		while (atomic_load(&board->step) < step)
			futex(&board->step, FUTEX_WAIT, step - 1, NULL);
		me->ok = do_step(step, index, &window);
		getrusage(RUSAGE_SELF, &usage);
		me->faults = usage.ru_minflt + usage.ru_majflt;
		atomic_fetch_add(&board->done, 1);
		futex(&board->done, FUTEX_WAKE, 1, NULL);
	}
	_exit(0);
}

/* --- the one that drives them ------------------------------------------ */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int failed(const char *what)
{
	printf("FAILED: %s\n", what);
	return -1;
}

static long faults(void)
{
	long sum = 0;
	int i;

	for (i = 0; i < board->nr; i++)
		sum += board->worker[i].faults;
	return sum;
}

static int wait_step(void)
{
	const struct timespec tick = { .tv_nsec = 200000000 };
	double end = now() + STEP_SECONDS;

	for (;;) {
		int done = atomic_load(&board->done);

		if (done == board->nr)
			return 0;
		if (now() > end)
			return failed("a process hangs");
		if (waitpid(-1, NULL, WNOHANG) > 0 &&
		    atomic_load(&board->step) != LEAVE)
			return failed("a process died");
		futex(&board->done, FUTEX_WAIT, done, &tick);
	}
}

/* Lets all processes do one step at once. */
static int step(enum step step, const char *what)
{
	long before = faults();
	double start = now();
	int i, good = 0;

	atomic_store(&board->done, 0);
	atomic_store(&board->step, step);
	futex(&board->step, FUTEX_WAKE, INT_MAX, NULL);
	if (wait_step())
		return -1;
	for (i = 0; i < board->nr; i++)
		good += board->worker[i].ok;
	printf("    %d of %d %s  (%.1f s, %ld faults)\n", good, board->nr, what,
	       now() - start, faults() - before);
	return good == board->nr ? 0 : failed(what);
}

static long number_in(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "re");

	while (file && value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* The counters of /proc/meminfo lag behind until this file is written. */
static long page_tables_kb(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			puts("    (counters may lag: stat_refresh refused)");
		close(fd);
	}
	return number_in("/proc/meminfo", "PageTables:");
}

static long vmpte_kb(void)
{
	char path[32];
	long sum = 0;
	int i;

	for (i = 0; i < board->nr; i++) {
		snprintf(path, sizeof(path), "/proc/%d/status",
			 (int)board->worker[i].pid);
		sum += number_in(path, "VmPTE:");
	}
	return sum;
}

static int start(void)
{
	int i;

	fflush(stdout);
	for (i = 0; i < board->nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return failed("fork");
		if (!pid)
			work(i);
		board->worker[i].pid = pid;
	}
	return 0;
}

static int protect(const struct range *ranges, int nr, int prot)
{
	struct ptshare_range_prot arg[nr];
	uint64_t page = sysconf(_SC_PAGESIZE);
	double begin;
	int i, ret;

	for (i = 0; i < nr; i++)
		arg[i] = (struct ptshare_range_prot) {
			.offset = ranges[i].offset,
			.length = (ranges[i].length + page - 1) & -page,
			.prot = prot,
		};
	begin = now();
	ret = ptshare_protect(container, arg, nr, NULL);
	if (ret) {
		printf("FAILED: PROTECT: %s\n", strerrorname_np(-ret));
		return ret;
	}
	printf("--- one PROTECT makes %d regions '%s' for all %d processes (%.1f ms)\n",
	       nr, ptshare_prot_format(prot), board->nr,
	       (now() - begin) * 1e3);
	return 0;
}

static int show(const char *command)
{
	char line[160];

	snprintf(line, sizeof(line), command, (int)getpid(), container);
	printf("$ %s\n", line);
	fflush(stdout);
	return system(line) ? failed("the command") : 0;
}

static int report(long tables_before, long vmpte_before)
{
	struct ptshare_info info;
	long vmpte = vmpte_kb();
	int ret;

	ret = ptshare_info(container, &info);
	if (ret)
		return failed("INFO");
	if (info.nr_windows != (unsigned int)board->nr)
		return failed("INFO does not count one window for each process");
	printf("    regions %u, processes %d, faults %ld, memory shown %" PRIu64 " kB\n",
	       info.nr_regions, board->nr, faults(),
	       (uint64_t)info.rss_bytes / 1024);
	printf("    page tables: %ld kB more in the system than with idle processes\n",
	       page_tables_kb() - tables_before);
	printf("      of which the container's own: %" PRIu64 " kB\n",
	       (uint64_t)info.pgtable_bytes / 1024);
	printf("      the %d processes' own, by VmPTE: %ld kB before, %ld kB now\n",
	       board->nr, vmpte_before, vmpte);
	if (show("mshare-ctl list -o ID,LENGTH,PROT,REGIONS,WINDOWS,RSS,PGTABLES,SAVED"))
		return -1;
	return show("mshare-ctl table %d:%d");
}

static int leave(void)
{
	struct ptshare_info info;

	if (step(LEAVE, "processes left"))
		return -1;
	while (wait(NULL) > 0)
		continue;
	if (ptshare_info(container, &info) || info.nr_windows)
		return failed("windows remain after all processes left");
	puts("    no window remains");
	return 0;
}

static int play(const struct range *ranges, int nr)
{
	long tables, vmpte;

	printf("--- %d processes, each with a window of its own\n", board->nr);
	if (start() || step(ATTACH, "processes mapped the container"))
		return -1;
	tables = page_tables_kb();
	vmpte = vmpte_kb();
	if (step(READ, "slices were read and hashed through the windows") ||
	    step(STORE, "stores went through"))
		return -1;
	puts("--- what it costs");
	if (report(tables, vmpte))
		return -1;
	if (protect(ranges, nr, PROT_READ) ||
	    step(STORE_DENIED,
		 "next stores got SIGSEGV, SEGV_ACCERR, at the right address") ||
	    protect(ranges, nr, PROT_READ | PROT_WRITE) ||
	    step(STORE_AGAIN, "stores went through again"))
		return -1;
	return leave();
}

static int cut(const struct range *ranges, int nr, uint64_t slice)
{
	uint64_t pos;
	int i;

	for (i = 0; i < nr; i++) {
		for (pos = 0; pos < ranges[i].length; pos += slice) {
			uint64_t left = ranges[i].length - pos;

			if (board->nr == MAX_PROCESSES)
				return failed("too many slices");
			board->worker[board->nr++].slice = (struct range) {
				.offset = ranges[i].offset + pos,
				.length = left < slice ? left : slice,
			};
		}
	}
	return 0;
}

static int run(int argc, char **argv)
{
	int i, nr = argc / 2 - 1;
	struct range ranges[nr > 0 ? nr : 1];
	uint64_t slice;

	if (nr < 1 || argc % 2 || ptshare_size_parse(argv[1], &slice) || !slice)
		return failed("usage");
	for (i = 0; i < nr; i++)
		if (ptshare_size_parse(argv[2 + 2 * i], &ranges[i].offset) ||
		    ptshare_size_parse(argv[3 + 2 * i], &ranges[i].length))
			return failed("usage");
	digests = argv[0];
	container = ptshare_listen_import(NULL);
	if (container < 0)
		return failed("start this by 'mshare-ctl run'");
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return failed("mmap");
	return cut(ranges, nr, slice) ? -1 : play(ranges, nr);
}

static int give_memfd(int argc, char **argv)
{
	uint64_t size, pos, *word;
	int fd, to;

	if (argc < 3 || ptshare_size_parse(argv[1], &size))
		return failed("usage");
	to = atoi(argv[0]);
	fd = memfd_create("demo", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, size))
		return failed("memfd");
	word = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED)
		return failed("mmap of the memfd");
	for (pos = 0; pos < size / sizeof(*word); pos++)
		word[pos] = pos * 0x9e3779b97f4a7c15ULL;
	if (dup2(fd, to) < 0)
		return failed("dup2");
	execvp(argv[2], argv + 2);
	return failed(argv[2]);
}

int main(int argc, char **argv)
{
	int ret = 2;

	setlinebuf(stdout);
	if (argc > 2 && !strcmp(argv[1], "run"))
		ret = run(argc - 2, argv + 2) ? 1 : 0;
	else if (argc > 2 && !strcmp(argv[1], "memfd"))
		ret = give_memfd(argc - 2, argv + 2) ? 1 : 0;
	else
		fputs("usage: see the top of ptshare-demo.c\n", stderr);
	return ret;
}
