/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of mshare-ctl. */
#ifndef MSHARE_CTL_H
#define MSHARE_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <getopt.h>
#include <sys/types.h>
#include <ptshare.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define __printf(a, b)	__attribute__((format(printf, a, b)))

enum {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NO_KERNEL = 3,
	/* Of run and shim, as env(1) and nohup(1) have them. */
	CTL_RUN_FAILED = 125,
	CTL_RUN_NOEXEC = 126,
	CTL_RUN_NOTFOUND = 127,
};

struct out_column;

struct command {
	const char *name;
	const char *synopsis;
	const char *summary;
	const char *options;	/* text, may be empty */
	const char *more;	/* text after the options, may be NULL */
	const struct out_column *columns;	/* NULL: prints no table */
	size_t nr_columns;
	const char *defaults;			/* NULL: all columns */
	bool control;		/* of a holder, the control fd is wanted */
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_check;
extern const struct command cmd_run;
extern const struct command cmd_hold;
extern const struct command cmd_attach;
extern const struct command cmd_map;
extern const struct command cmd_unmap;
extern const struct command cmd_protect;
extern const struct command cmd_seal;
extern const struct command cmd_list;
extern const struct command cmd_info;
extern const struct command cmd_table;
extern const struct command cmd_stat;
extern const struct command cmd_watch;
extern const struct command cmd_shim;
extern const struct command cmd_help;
extern const struct command cmd_version;

/* main.c */
void ctl_print_help(const struct command *cmd);
extern const struct command *const ctl_commands[];
extern const struct command *ctl_current;

/* target.c */
struct target {
	const char *name;
	bool holder;		/* got from the holder of that name */
	pid_t pid;		/* 0: our own */
	int number;		/* of the fd, in that process */
	int fd;			/* ours */
	struct ptshare_info info;
};

int target_open(struct target *target, const char *name);

/* util.c: one line on stderr; the functions with a result return it */
void ctl_print(const char *prefix, const char *fmt, ...) __printf(2, 3);
#define ctl_error(...)	ctl_print("", __VA_ARGS__)
#define ctl_note(...)	ctl_print("", __VA_ARGS__)
#define ctl_hint(...)	ctl_print("hint: ", __VA_ARGS__)
int ctl_usage(const char *fmt, ...) __printf(1, 2);
void ctl_text_error(const char *file, const struct ptshare_error *err);
int ctl_bad_option(int c);
bool ctl_kernel_has(void);
int ctl_no_kernel(void);
char *ctl_read_text(const char *file, size_t *len);
const char *ctl_range_name(uint64_t offset, uint64_t length, char *buf);
int ctl_parse_aligned(const char *what, const char *text, uint64_t *value);
char *ctl_join(char *const *words, int nr, int per_line);
const char *ctl_features(uint64_t features);
const char *ctl_denied(const struct target *target, uint32_t seal);

#define CTL_RANGE_NAME	48

/* time.c */
#define CTL_SECOND	UINT64_C(1000000000)	/* all times are in ns */
#define CTL_NEVER	UINT64_MAX

uint64_t ctl_now(void);
bool ctl_set_time(const char *option, const char *text, uint64_t *ns);
bool ctl_set_count(const char *text, uint64_t *count);

/* build.c */
struct build {
	const char *file;
	uint64_t length;	/* 0: as the layout needs */
	int max_prot;
};

bool build_option(struct build *build, int c, const char *arg);
struct ptshare_layout *build_read(const struct build *build);
uint64_t build_length(const struct build *build,
		      const struct ptshare_layout *layout);
int build_assemble(const struct build *build,
		   const struct ptshare_layout *layout, int *fd);
int build_container(const struct build *build, int *fd);
int ctl_become(int fd, char **command);

/* out.c */
/* A list is given as one string with newlines between the items. */
enum out_kind { OUT_TEXT, OUT_NUMBER, OUT_SIZE, OUT_OFFSET, OUT_LIST };

struct out_column {
	const char *name;
	const char *help;
	enum out_kind kind;
};

struct out_options {
	bool json;
	bool raw;
	bool pairs;
	bool noheadings;
	bool bytes;
	bool can_draw;	/* set by a command that has --draw */
	bool draw;
	const char *columns;
};

struct out;

#define OUT_NUMBER_SIZE	24

bool out_option(struct out_options *opts, int c, const char *arg);
bool out_parse(struct out_options *opts, int argc, char **argv, int args,
	       int *ret);
struct out *out_new(const struct out_options *opts, const char *name);
void out_free(struct out *out);
bool out_has(const struct out *out, size_t column);
void out_row(struct out *out);
void out_text(struct out *out, size_t column, const char *text);
void out_number(struct out *out, size_t column, uint64_t value);
void out_format(const struct out *out, size_t column, uint64_t value,
		char text[OUT_NUMBER_SIZE]);
int out_finish(struct out *out);
int out_finish_keys(struct out *out);
bool out_machine(const struct out_options *opts);

/* proc.c */
struct proc_map {
	uint64_t start;
	uint64_t end;
	dev_t dev;
	uint64_t ino;
	const char *name;
};

void proc_each_pid(void (*fn)(pid_t pid, void *arg), void *arg);
void proc_each_fd(pid_t pid, void (*fn)(pid_t pid, int fd, void *arg),
		  void *arg);
void proc_each_map(pid_t pid, void (*fn)(pid_t pid, const struct proc_map *map,
					 void *arg), void *arg);
char *proc_fd_link(pid_t pid, int fd, char *buf, size_t size);

/* escape.c: to be released by free(); NULL when out of memory */
char *ctl_escape(const char *text);

/* source.c */
struct sources;

struct sources *sources_find(const struct target *target,
			     const struct ptshare_region *regions, size_t nr);
char *sources_name(const struct sources *sources,
		   const struct ptshare_region *region, bool *lost);
void sources_free(struct sources *sources);

#endif /* MSHARE_CTL_H */
