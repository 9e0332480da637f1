// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the bats tests can't do from a shell: read and write through a window,
 * and call libptshare where no command of mshare-ctl shows its answer.
 *
 * A container is FD, or PID:FD of another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <ptshare.h>
#include "draw.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

static int get_fd(const char *text)
{
	const char *colon = strchr(text, ':');
	int pidfd, fd;

	if (!colon)
		return atoi(text);
	pidfd = syscall(SYS_pidfd_open, atoi(text), 0);
	fd = syscall(SYS_pidfd_getfd, pidfd, atoi(colon + 1), 0);
	if (fd < 0)
		perror(text);
	return fd;
}

static volatile uint64_t *word_at(const char *target, const char *offset)
{
	struct ptshare_window window;
	uint64_t pos;
	int ret;

	if (ptshare_size_parse(offset, &pos))
		exit(2);
	ret = ptshare_window_open(&window, get_fd(target), 0, 0);
	if (ret) {
		fprintf(stderr, "window: %s\n", strerrorname_np(-ret));
		exit(1);
	}
	return (uint64_t *)((char *)window.addr + pos);
}

/* peek TARGET OFFSET: the word there, in hex */
static int peek(char **arg)
{
	printf("%" PRIx64 "\n", *word_at(arg[0], arg[1]));
	return 0;
}

/* poke TARGET OFFSET WORD */
static int poke(char **arg)
{
	*word_at(arg[0], arg[1]) = strtoull(arg[2], NULL, 16);
	return 0;
}

/* fill TARGET OFFSET LENGTH: store into each page */
static int fill(char **arg)
{
	volatile uint64_t *p = word_at(arg[0], arg[1]);
	uint64_t length, page = sysconf(_SC_PAGESIZE), i;

	if (ptshare_size_parse(arg[2], &length))
		return 2;
	for (i = 0; i < length; i += page)
		p[i / sizeof(*p)] = i;
	return 0;
}

/* window TARGET: keep a window, but no fd, until killed */
static int window(char **arg)
{
	struct ptshare_window kept;
	int fd = get_fd(arg[0]);

	if (ptshare_window_open(&kept, fd, 0, 0))
		return 1;
	close(fd);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

/*
 * talk TARGET: keep a window, but no fd. Each line of standard input is an
 * OFFSET to read, or OFFSET=WORD to write.
 */
static int talk(char **arg)
{
	struct ptshare_window window;
	int fd = get_fd(arg[0]);
	char line[64], *word;
	uint64_t pos;

	if (ptshare_window_open(&window, fd, 0, 0))
		return 1;
	close(fd);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		word = strchr(line, '=');
		if (word)
			*word++ = 0;
		if (ptshare_size_parse(line, &pos))
			return 2;
		if (word)
			*(uint64_t *)((char *)window.addr + pos) =
				strtoull(word, NULL, 16);
		printf("%" PRIx64 "\n",
		       *(uint64_t *)((char *)window.addr + pos));
		fflush(stdout);
	}
	return 0;
}

/* seal TARGET SEALS */
static int seal(char **arg)
{
	int ret = ptshare_seal(get_fd(arg[0]), atoi(arg[1]));

	if (ret)
		puts(strerrorname_np(-ret));
	return ret ? 1 : 0;
}

/* open PATH|memfd:NAME SIZE FD COMMAND...: start it with that file at FD */
static int open_at(char **arg)
{
	uint64_t size;
	int fd;

	if (!strncmp(arg[0], "memfd:", 6))
		fd = memfd_create(arg[0] + 6, 0);
	else
		fd = open(arg[0], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ptshare_size_parse(arg[1], &size) ||
	    ftruncate(fd, size) || dup2(fd, atoi(arg[2])) < 0) {
		perror(arg[0]);
		return 1;
	}
	if (fd != atoi(arg[2]))
		close(fd);
	execvp(arg[3], arg + 3);
	return 127;
}

static char *read_stdin(size_t *len)
{
	char *text = malloc(1 << 20);

	*len = text ? fread(text, 1, 1 << 20, stdin) : 0;
	return text;
}

static int print_error(int ret, const struct ptshare_error *err)
{
	printf("%s line %u: %s\n", strerrorname_np(-ret), err->line, err->text);
	if (*err->hint)
		printf("hint: %s\n", err->hint);
	return 1;
}

static void print_region(const struct ptshare_layout_region *r)
{
	char length[24], size[24];

	printf("0x%" PRIx64 " %s %s ", r->offset,
	       ptshare_size_format(r->length, length),
	       ptshare_prot_format(r->prot));
	if (r->kind == PTSHARE_SOURCE_FD)
		printf("fd:%d", r->fd);
	else if (r->kind == PTSHARE_SOURCE_MEMFD)
		printf("memfd:%s", r->source);
	else if (r->kind == PTSHARE_SOURCE_HUGETLB)
		printf("hugetlb:%s:%s",
		       ptshare_size_format(r->page_size, size), r->source);
	else
		printf("%s", r->source);
	printf(" 0x%" PRIx64 "\n", r->source_offset);
}

/* layout: what the library read from standard input */
static int layout(char **arg)
{
	struct ptshare_layout *result;
	struct ptshare_error err;
	char size[24], *text;
	size_t i, len;
	int ret;

	(void)arg;
	text = read_stdin(&len);
	ret = ptshare_layout_parse(text, len, &result, &err);
	free(text);
	if (ret)
		return print_error(ret, &err);
	printf("# %zu regions, %s, %s\n", ptshare_layout_count(result),
	       ptshare_size_format(ptshare_layout_length(result), size),
	       ptshare_prot_format(ptshare_layout_prot(result)));
	for (i = 0; i < ptshare_layout_count(result); i++)
		print_region(ptshare_layout_region(result, i));
	ptshare_layout_free(result);
	return 0;
}

static void take_region(struct ptshare_region *to,
			const struct ptshare_layout_region *from)
{
	*to = (struct ptshare_region) {
		.offset = from->offset,
		.length = from->length,
		.prot = from->prot,
	};
}

/* draw LENGTH: the layout on standard input, as table --draw would show it */
static int draw_layout(char **arg)
{
	struct ptshare_region regions[64];
	struct drawing drawing = {
		.regions = regions,
		.width = draw_width(),
		.utf8 = draw_utf8(),
	};
	struct ptshare_layout *layout;
	char *text;
	size_t len;

	text = read_stdin(&len);
	if (ptshare_size_parse(arg[0], &drawing.length) ||
	    ptshare_layout_parse(text, len, &layout, NULL))
		return 2;
	while (drawing.nr < ptshare_layout_count(layout)) {
		take_region(&regions[drawing.nr],
			    ptshare_layout_region(layout, drawing.nr));
		drawing.nr++;
	}
	ptshare_layout_free(layout);
	free(text);
	return draw(&drawing) ? 1 : 0;
}

/* size TEXT: in bytes, and spelled again */
static int size(char **arg)
{
	char text[24];
	uint64_t value;
	int ret = ptshare_size_parse(arg[0], &value);

	if (ret)
		puts(strerrorname_np(-ret));
	else
		printf("%" PRIu64 " %s\n", value,
		       ptshare_size_format(value, text));
	return ret ? 1 : 0;
}

/* import NAME: the fd that LISTEN_FDS gives for it */
static int import(char **arg)
{
	int fd = ptshare_listen_import(*arg[0] ? arg[0] : NULL);

	if (fd < 0) {
		puts(strerrorname_np(-fd));
		return 1;
	}
	printf("%d %s\n", fd,
	       fcntl(fd, F_GETFD) & FD_CLOEXEC ? "cloexec" : "inherited");
	return 0;
}

/* export FD NAME COMMAND... */
static int export(char **arg)
{
	int ret = ptshare_listen_export(atoi(arg[0]), *arg[1] ? arg[1] : NULL);

	if (ret < 0) {
		puts(strerrorname_np(-ret));
		return 1;
	}
	execvp(arg[2], arg + 2);
	return 127;
}

/* errors: what the ioctls answer on a file that is no container */
static int errors(char **arg)
{
	struct ptshare_range_prot range = { .length = 4096 };
	struct ptshare_scan scan = { .size = sizeof(scan) };
	struct ptshare_arm arm = { .size = sizeof(arm) };
	const struct ptshare_event *event;
	struct ptshare_events *events;
	uint64_t woken = 1;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct ptshare_window kept;
	struct ptshare_info info;
	struct ptshare_iter *iter;
	uint32_t failed = 0;

	(void)arg;
	if (ptshare_events_new(fd, &events))
		return 1;
	printf("%d %d %d %d %d %d %d %d %d %d %d %d %d\n",
	       ptshare_info(fd, &info) == -ENOTTY,
	       ptshare_map(fd, 0, 4096, PROT_READ, fd, 0, 0) == -ENOTTY,
	       ptshare_unmap(fd, 0, 4096) == -ENOTTY,
	       ptshare_protect(fd, &range, 1, &failed) == -ENOTTY &&
	       failed == ~0U,
	       ptshare_iter_new(fd, 0, &iter) == -ENOTTY,
	       ptshare_attach_fd(fd) == -ENOTTY,
	       ptshare_seal(fd, 1) == -ENOTTY,
	       ptshare_window_open(&kept, -1, 0, 0) == -EBADF,
	       ptshare_notify(fd, 0) == -ENOTTY,
	       ptshare_arm(fd, &arm) == -ENOTTY,
	       ptshare_resolve(fd, 0, 4096, PTSHARE_ALLOW, &woken) == -ENOTTY &&
	       !woken,
	       ptshare_scan(fd, &scan) == -ENOTTY,
	       ptshare_events_next(events, &event) == 0);
	ptshare_events_free(events);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "peek", 2, peek }, { "poke", 3, poke }, { "fill", 3, fill },
	{ "window", 1, window }, { "talk", 1, talk },
	{ "seal", 2, seal }, { "open", 4, open_at }, { "layout", 0, layout },
	{ "size", 1, size }, { "import", 1, import }, { "export", 3, export },
	{ "draw", 1, draw_layout }, { "errors", 0, errors },
};

int main(int argc, char **argv)
{
	size_t i;

	setlocale(LC_ALL, "");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc - 2 >= commands[i].args)
			return commands[i].run(argv + 2);
	fputs("usage: see ctl-probe.c\n", stderr);
	return 2;
}
