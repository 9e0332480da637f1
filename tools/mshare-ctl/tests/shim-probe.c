// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that knows nothing of containers, for the tests of the preload
 * library. What it prints on stdout must be the same with and without it; on
 * stderr it says what its memory is: "window" or "plain".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define MIB		0x100000UL
#define SIZE		(64 * MIB)
#define PAGE		4096UL
#define RW		(PROT_READ | PROT_WRITE)
#define SHARED		(MAP_SHARED | MAP_ANONYMOUS)

struct line {
	uintptr_t start;
	uintptr_t end;
	char rest[256];		/* permissions and name */
};

/* The line of /proc/self/maps with @addr. */
static bool find_line(const void *addr, struct line *line)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char perms[8], text[512];
	bool found = false;

	while (maps && !found && fgets(text, sizeof(text), maps)) {
		int name = 0;

		if (sscanf(text, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %n",
			   &line->start, &line->end, perms, &name) < 3)
			continue;
		found = (uintptr_t)addr >= line->start &&
			(uintptr_t)addr < line->end;
		text[strcspn(text, "\n")] = 0;
		snprintf(line->rest, sizeof(line->rest), "%s %.200s", perms,
			 name ? text + name : "");
	}
	if (maps)
		fclose(maps);
	return found;
}

static void say_kind(const void *addr)
{
	struct line line;
	const char *kind = "nothing";

	if (find_line(addr, &line))
		kind = strstr(line.rest, "[ptshare]") ? "window" : "plain";
	fprintf(stderr, "%s\n", kind);
}

static char *map(size_t length, int flags)
{
	char *addr = mmap(NULL, length, RW, flags, -1, 0);

	if (addr == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return addr;
}

/* Lines that name memory of the shim, or of a container. */
static int count_left(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char text[512];
	int nr = 0;

	while (maps && fgets(text, sizeof(text), maps))
		nr += strstr(text, "[ptshare]") || strstr(text, "ptshare-shim");
	if (maps)
		fclose(maps);
	return nr;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static int wait_all(void)
{
	int status, bad = 0;

	while (wait(&status) > 0)
		bad += !WIFEXITED(status) || WEXITSTATUS(status);
	return bad;
}

/* window [SIZE]: map, use, unmap by the length that was asked for */
static int window(char **arg)
{
	size_t length = arg[0] ? strtoull(arg[0], NULL, 0) : SIZE, i;
	int fds = count_fds(), ret;
	char *p;

	errno = 77;
	p = map(length, SHARED);
	printf("errno %d, fds %d\n", errno, count_fds() - fds);
	say_kind(p);
	for (i = 0; i < length && !p[i]; i += PAGE)
		p[i] = 1 + i / PAGE % 100;
	printf("zeroes %d\n", i >= length);
	for (i = 0; i < length && p[i] == (char)(1 + i / PAGE % 100); i += PAGE)
		;
	printf("kept %d\n", i >= length);
	errno = 77;
	ret = munmap(p, length);
	printf("munmap %d errno %d ", ret, errno);
	printf("left %d\n", count_left());
	return 0;
}

/* hold: map 64 MiB, say where, wait to be killed */
static int hold(char **arg)
{
	char *p = map(SIZE, SHARED);

	(void)arg;
	memset(p, 1, SIZE);
	say_kind(p);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

/* forks: both sides see what the other one wrote, also grandchildren */
static int forks(char **arg)
{
	volatile char *p = map(SIZE, SHARED);
	int i;

	(void)arg;
	say_kind((void *)p);
	p[PAGE] = 1;
	if (!fork()) {
		if (!fork()) {
			p[2 * PAGE] = p[PAGE] + 1;
			exit(0);
		}
		exit(wait_all());
	}
	i = wait_all();
	printf("failed %d, grandchild %d\n", i, p[2 * PAGE]);
	/* A child that unmaps and maps has nothing to do with the parent. */
	if (!fork()) {
		if (munmap((void *)p, SIZE) || count_left())
			exit(1);
		exit(map(SIZE, SHARED)[PAGE]);
	}
	i = wait_all();
	printf("failed %d, parent has %d\n", i, p[PAGE]);
	return 0;
}

static long meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char name[64];
	long value = -1;
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) < 0)
		perror("stat_refresh");
	if (fd >= 0)
		close(fd);
	while (file && fscanf(file, "%63s %ld%*[^\n]", name, &value) == 2)
		if (!strcmp(name, key))
			break;
	if (file)
		fclose(file);
	return value;
}

/* crowd N: PageTables in kB that N children cost more once they have read */
static int crowd(char **arg)
{
	volatile char *p = map(SIZE, SHARED);
	struct { int ready, go, done; } *gate = (void *)map(PAGE, SHARED);
	long before, after;
	int i, nr = atoi(arg[0]);
	size_t pos;

	say_kind((void *)p);
	memset((void *)p, 1, SIZE);
	for (i = 0; i < nr; i++) {
		if (fork())
			continue;
		__atomic_fetch_add(&gate->ready, 1, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&gate->go, __ATOMIC_SEQ_CST))
			usleep(1000);
		for (pos = 0; pos < SIZE; pos += PAGE)
			if (p[pos] != 1)
				exit(1);
		__atomic_fetch_add(&gate->done, 1, __ATOMIC_SEQ_CST);
		pause();
	}
	while (__atomic_load_n(&gate->ready, __ATOMIC_SEQ_CST) < nr)
		usleep(1000);
	before = meminfo("PageTables:");
	__atomic_store_n(&gate->go, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&gate->done, __ATOMIC_SEQ_CST) < nr)
		usleep(1000);
	after = meminfo("PageTables:");
	printf("%ld\n", after - before);
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

/* What lies at a few places of [p, p + SIZE): contents, or why there are none */
static void show(const char *what, const char *p)
{
	static const size_t places[] = { 0, 16 * MIB, 32 * MIB, SIZE - PAGE };
	struct line line;
	size_t i;

	printf("%s:", what);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		const char *at = p + places[i];

		if (!find_line(at, &line))
			printf(" -");
		else if (line.rest[0] == 'r')
			printf(" %.2s=%d", line.rest, *at);
		else
			printf(" %.2s", line.rest);
	}
	puts("");
}

static char *fresh(void)
{
	char *p = map(SIZE, SHARED);

	say_kind(p);
	memset(p, 1, 16 * MIB);
	memset(p + 16 * MIB, 2, 16 * MIB);
	memset(p + 32 * MIB, 3, 32 * MIB);
	return p;
}

static void report(const char *what, const char *p, long ret)
{
	printf("%ld/%s ", ret < 0 ? ret : 0, ret < 0 ? strerrorname_np(errno) : "0");
	show(what, p);
}

static void part_unmap(void)
{
	char *p = fresh();

	report("head", p, munmap(p, 16 * MIB));
	report("rest", p, munmap(p + 16 * MIB, 48 * MIB));
	p = fresh();
	report("middle", p, munmap(p + 16 * MIB, 16 * MIB));
	report("all", p, munmap(p, SIZE));
	p = fresh();
	report("tail", p, munmap(p + 32 * MIB, 32 * MIB));
	report("odd", p, munmap(p + 1, PAGE));
	report("none", p, munmap(p, 0));
	report("all", p, munmap(p, SIZE));
	printf("left %d\n", count_left());
}

/* unmapped together with a neighbour, and by a range that begins before it */
static void part_neighbours(void)
{
	char *at = (char *)0x600000000000, *p;

	p = mmap(at, SIZE - MIB + PAGE, RW, SHARED, -1, 0);
	say_kind(p);
	mmap(at + SIZE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mmap(at - PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	report("behind", p, munmap(at + SIZE - MIB, 2 * MIB));
	report("before", p, munmap(at - PAGE, 16 * MIB));
	munmap(p, SIZE);
	p = mmap(at, SIZE - MIB + PAGE, RW, SHARED, -1, 0);
	say_kind(p);
	mmap(at + SIZE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	report("both", p, munmap(at, SIZE + PAGE));
	printf("left %d\n", count_left());
}

static void part_protect(void)
{
	char *p = fresh();

	report("same", p, mprotect(p, SIZE, RW));
	report("same of a part", p, mprotect(p + 16 * MIB, PAGE, RW));
	say_kind(p);
	report("read", p, mprotect(p, 16 * MIB, PROT_READ));
	report("none", p, mprotect(p + 16 * MIB, 16 * MIB, PROT_NONE));
	report("again", p, mprotect(p, SIZE, RW));
	report("exec", p, mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	report("all", p, munmap(p, SIZE));
}

static void part_remap(void)
{
	char *p = fresh(), *q;

	q = mremap(p, SIZE, SIZE, 0);
	printf("nothing %d\n", q == p);
	say_kind(p);
	q = mremap(p, SIZE, 32 * MIB, 0);
	report("shrink", p, q == p ? 0 : -1);
	munmap(p, SIZE);
	p = fresh();
	q = mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	printf("grow %d\n", q != MAP_FAILED);
	show("grown", q);
	munmap(q, 2 * SIZE);
	p = fresh();
	q = mremap(p, 0, SIZE, MREMAP_MAYMOVE);
	q[16 * MIB] = 9;
	show("twice", p);
	munmap(p, SIZE);
	p = mremap(q, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS));
	show("moved", p);
	report("all", p, munmap(p, SIZE));
}

static void part_fixed(void)
{
	char *p = fresh(), *q;

	q = mmap(p + 16 * MIB, 16 * MIB, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	report("over a part", p, q == p + 16 * MIB ? 0 : -1);
	report("all", p, munmap(p, SIZE));
	p = fresh();
	q = mmap(p, SIZE, PROT_READ, SHARED | MAP_FIXED, -1, 0);
	report("over all", p, q == p ? 0 : -1);
	report("all", p, munmap(p, SIZE));
}

static void part_advise(void)
{
	static const struct {
		const char *name;
		int advice;
	} hints[] = {
		{ "normal", MADV_NORMAL }, { "random", MADV_RANDOM },
		{ "sequential", MADV_SEQUENTIAL }, { "willneed", MADV_WILLNEED },
		{ "dontneed", MADV_DONTNEED }, { "cold", MADV_COLD },
		{ "pageout", MADV_PAGEOUT },
		{ "free", MADV_FREE }, { "wipeonfork", MADV_WIPEONFORK },
		{ "populate", MADV_POPULATE_WRITE },
		{ "dontdump", MADV_DONTDUMP }, { "unknown", 4711 },
		{ "remove", MADV_REMOVE },
	};
	char *p = fresh();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hints); i++)
		report(hints[i].name, p,
		       madvise(p + 16 * MIB, 16 * MIB, hints[i].advice));
	say_kind(p);
	report("dodump", p, madvise(p, SIZE, MADV_DODUMP));
	report("all", p, munmap(p, SIZE));
}

/* The child has no such memory, and may have other memory there. */
static void part_dontfork(void)
{
	char *at = (char *)0x600000000000, *p, *q;
	size_t length = SIZE - MIB + PAGE;

	p = mmap(at, length, RW, SHARED, -1, 0);
	say_kind(p);
	report("dontfork", p, madvise(p, length, MADV_DONTFORK));
	if (!fork()) {
		q = mmap(p + length, PAGE, RW,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		*q = 5;
		munmap(p, length);
		exit(*q != 5);
	}
	printf("child failed %d\n", wait_all());
	report("all", p, munmap(p, length));
}

/* parts: whatever a process may do with a part of its memory */
static int parts(char **arg)
{
	(void)arg;
	part_unmap();
	part_neighbours();
	part_protect();
	part_remap();
	part_fixed();
	part_advise();
	part_dontfork();
	printf("left %d\n", count_left());
	return 0;
}

static void line_of(const char *what, const char *addr)
{
	struct line line;

	if (addr == MAP_FAILED)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else if (find_line(addr, &line))
		printf("%s: %zu %s\n", what, line.end - line.start, line.rest);
	/* So that neighbours don't become one line. */
	mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int file_of(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, SIZE))
		perror(path);
	unlink(path);
	return fd;
}

/* untouched: large memory of other kinds, and its lines in maps */
static int untouched(char **arg)
{
	int fd = memfd_create("mine", MFD_CLOEXEC), shm, id;

	(void)arg;
	if (ftruncate(fd, SIZE))
		return 1;
	line_of("memfd", mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0));
	shm = shm_open("/shim-probe", O_RDWR | O_CREAT, 0600);
	if (shm < 0 || ftruncate(shm, SIZE))
		return 1;
	shm_unlink("/shim-probe");
	line_of("shm_open", mmap(NULL, SIZE, RW, MAP_SHARED, shm, 0));
	line_of("file", mmap(NULL, SIZE, RW, MAP_SHARED,
			     file_of("/tmp/shim-probe"), 0));
	id = shmget(IPC_PRIVATE, SIZE, 0600);
	line_of("sysv", shmat(id, NULL, 0));
	shmctl(id, IPC_RMID, NULL);
	line_of("small", map(15 * MIB, SHARED));
	line_of("private", map(SIZE, MAP_PRIVATE | MAP_ANONYMOUS));
	line_of("read", mmap(NULL, SIZE, PROT_READ, SHARED, -1, 0));
	line_of("none", mmap(NULL, SIZE, PROT_NONE, SHARED, -1, 0));
	line_of("exec", mmap(NULL, SIZE, RW | PROT_EXEC, SHARED, -1, 0));
	line_of("locked", mmap(NULL, 17 * MIB, RW, SHARED | MAP_LOCKED, -1, 0));
	line_of("huge", mmap(NULL, SIZE, RW, SHARED | MAP_HUGETLB, -1, 0));
	line_of("validate", mmap(NULL, SIZE, RW,
				 MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
	line_of("fixed", mmap((void *)0x700000000000, SIZE, RW,
			      SHARED | MAP_FIXED, -1, 0));
	line_of("too much", mmap(NULL, 1UL << 45, RW, SHARED, -1, 0));
	line_of("nothing", mmap(NULL, 0, RW, SHARED, -1, 0));
	return 0;
}

/* hint: an address that is free and aligned is where the memory is */
static int hint(char **arg)
{
	char *p = mmap((void *)0x600000200000, SIZE, RW, SHARED, -1, 0);
	char *q = mmap(p, SIZE, RW, SHARED, -1, 0);

	(void)arg;
	printf("%p %d\n", p, q == p);
	say_kind(p);
	say_kind(q);
	return 0;
}

/* low: memory for the first 2 GiB is there, and leaves room for more */
static int low(char **arg)
{
	const size_t lengths[] = { SIZE, SIZE + PAGE, 512 * MIB };
	size_t i;
	char *p;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		p = map(lengths[i], SHARED | MAP_32BIT);
		say_kind(p);
		p[lengths[i] - 1] = 7;
		printf("low %d\n", (size_t)p + lengths[i] <= 2048 * MIB);
	}
	printf("munmap %d\n", munmap(p, lengths[i - 1]));
	return 0;
}

/* populate: no fault is left for each page */
static int populate(char **arg)
{
	struct rusage before, after;
	volatile char *p = map(SIZE, SHARED | MAP_POPULATE);
	size_t i;

	(void)arg;
	say_kind((void *)p);
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < SIZE; i += PAGE)
		p[i] = 1;
	getrusage(RUSAGE_SELF, &after);
	printf("few faults %d\n", after.ru_minflt - before.ru_minflt < 1000);
	return 0;
}

/* many N: N children that map; what they say on stderr counts */
static int many(char **arg)
{
	int i, nr = atoi(arg[0]);

	for (i = 0; i < nr; i++)
		if (!fork()) {
			map(SIZE, SHARED);
			exit(0);
		}
	printf("failed %d\n", wait_all());
	return 0;
}

/* limits: memory that is more than a file may have, with no fd to be had */
static int limits(char **arg)
{
	struct rlimit size = { MIB, MIB }, nofile = { 3, 3 };

	(void)arg;
	setrlimit(RLIMIT_FSIZE, &size);
	say_kind(memset(map(SIZE, SHARED), 1, SIZE));
	size.rlim_cur = RLIM_INFINITY;
	size.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_NOFILE, &nofile);
	memset(map(SIZE, SHARED), 1, SIZE);
	puts("alive");
	return 0;
}

/* seccomp: a sandbox that ends whoever makes a memfd or opens a file */
static int seccomp(char **arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };
	char *before = map(SIZE, SHARED);

	(void)arg;
	say_kind(before);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 1;
	memset(map(SIZE, SHARED), 1, SIZE);
	memset(before, 1, SIZE);
	printf("munmap %d\n", munmap(before, SIZE));
	return 0;
}

static int stop;

static void *map_and_unmap(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	long bad = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t length = 16 * MIB + rand_r(&seed) % 64 * PAGE;
		char *p = map(length, SHARED);

		p[0] = 1;
		p[length - PAGE] = 2;
		if (rand_r(&seed) % 4 == 0)
			bad += mprotect(p, PAGE, PROT_READ) != 0;
		if (rand_r(&seed) % 4 == 0)
			bad += munmap(p + PAGE, PAGE) != 0;
		bad += p[0] != 1 || p[length - PAGE] != 2;
		bad += munmap(p, length) != 0;
	}
	return (void *)bad;
}

static void on_alarm(int sig)
{
	static __thread char *held;

	/* Not what a handler should do, but what some do. */
	(void)sig;
	if (held)
		munmap(held, 16 * MIB);
	held = held ? NULL : map(16 * MIB, SHARED);
}

/* threads SECONDS: map and unmap in four of them, fork in the middle */
static int threads(char **arg)
{
	struct sigaction action = { .sa_handler = on_alarm };
	pthread_t thread[4];
	time_t end = time(NULL) + atoi(arg[0]);
	int fds = count_fds();
	long bad = 0;
	void *ret;
	size_t i, n;

	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_create(&thread[i], NULL, map_and_unmap, (void *)i);
	while (time(NULL) < end) {
		for (n = 0; n < 100; n++)
			for (i = 0; i < ARRAY_SIZE(thread); i++)
				pthread_kill(thread[i], SIGALRM);
		if (!fork()) {
			char *p = map(SIZE, SHARED);

			/* A lock that nobody holds any more would hang it. */
			signal(SIGALRM, SIG_DFL);
			alarm(60);
			p[0] = 1;
			exit(munmap(p, SIZE) || count_fds() != fds);
		}
		bad += wait_all();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		pthread_join(thread[i], &ret);
		bad += (long)ret;
	}
	printf("bad %ld, fds %d\n", bad, count_fds() - fds);
	return 0;
}

/* slots N: N mappings at once, more than the shim keeps */
static int slots(char **arg)
{
	int i, nr = atoi(arg[0]), bad = 0;
	char **p = calloc(nr, sizeof(*p));

	for (i = 0; i < nr; i++) {
		p[i] = map(16 * MIB, SHARED);
		p[i][PAGE] = 1;
	}
	for (i = 0; i < nr; i++)
		bad += p[i][PAGE] != 1 || munmap(p[i], 16 * MIB);
	printf("bad %d left %d\n", bad, count_left());
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "window", 0, window }, { "hold", 0, hold }, { "forks", 0, forks },
	{ "crowd", 1, crowd }, { "parts", 0, parts },
	{ "untouched", 0, untouched }, { "hint", 0, hint },
	{ "low", 0, low }, { "populate", 0, populate }, { "many", 1, many },
	{ "limits", 0, limits }, { "seccomp", 0, seccomp },
	{ "threads", 1, threads }, { "slots", 1, slots },
};

int main(int argc, char **argv)
{
	size_t i;

	/* Children shall not print what the parent has printed. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].args)
			return commands[i].run(argv + 2);
	fputs("usage: see shim-probe.c\n", stderr);
	return 2;
}
