// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the environment asks for, and the one line that tells of a failure. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ptshare.h>
#include "shim.h"

#define DEFAULT_MIN	(16UL << 20)
#define EXIT_REQUIRED	125

#define __printf(a, b)	__attribute__((format(printf, a, b)))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool active, required, filtered;
static uint64_t min_length = DEFAULT_MIN;

/* In memory that all descendants share, so that one of them warns. */
static int *told;

/* Nobody may read it any more; the program shall not end of that. */
static void print(const char *line, size_t len)
{
	static const struct timespec now;
	sigset_t gone, mask;
	int cancel;

	sigemptyset(&gone);
	sigaddset(&gone, SIGPIPE);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_sigmask(SIG_BLOCK, &gone, &mask);
	if (write(STDERR_FILENO, line, len) < 0 && errno == EPIPE &&
	    !sigismember(&mask, SIGPIPE))
		sigtimedwait(&gone, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	pthread_setcancelstate(cancel, NULL);
}

static void vwarn(const char *fmt, va_list ap)
{
	char line[256] = "libptshare-preload: ";
	int len = strlen(line);

	len += vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	print(line, len);
}

static __printf(1, 2) void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarn(fmt, ap);
	va_end(ap);
}

static bool first_time(void)
{
	return !__atomic_exchange_n(told, 1, __ATOMIC_RELAXED);
}

static void make_told(void)
{
	static int own;

	told = next_mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		told = &own;
}

static void read_environment(void)
{
	const char *mode = getenv("PTSHARE_PRELOAD");
	const char *min = getenv("PTSHARE_PRELOAD_MIN");

	/* Whoever runs with others' rights does not do as the caller says. */
	if (getauxval(AT_SECURE) || (mode && !strcmp(mode, "off")))
		return;
	active = true;
	make_told();
	required = mode && !strcmp(mode, "require");
	if (mode && *mode && !required && strcmp(mode, "auto") && first_time())
		warn("PTSHARE_PRELOAD is '%.40s', none of auto, require, off\n",
		     mode);
	if (!min || !*min)
		return;
	if (ptshare_size_parse(min, &min_length)) {
		min_length = DEFAULT_MIN;
		if (first_time())
			warn("PTSHARE_PRELOAD_MIN is '%.40s', no size\n", min);
	}
}

static void setup(void)
{
	int saved = errno;

	shim_find_next();
	read_environment();
	if (active) {
		filtered = prctl(PR_GET_SECCOMP) > 0;
		shim_lock_setup();
	}
	errno = saved;
}

/* Library constructors may map memory before ours runs. */
void shim_setup(void)
{
	pthread_once(&once, setup);
}

static __attribute__((constructor)) void at_start(void)
{
	shim_setup();
}

bool shim_wants(size_t length)
{
	return active && length >= min_length;
}

/*
 * A filter that the program was started with is made for programs in general.
 * One that it has set since knows the calls that it makes, and not ours.
 */
int shim_permitted(void)
{
	return filtered || prctl(PR_GET_SECCOMP) <= 0 ? 0 : -EPERM;
}

static const char *describe(int err)
{
	const char *text = strerrordesc_np(-err);

	if (err == -ENOENT)
		return "this kernel has no ptshare, or " PTSHARE_DEVICE " is missing";
	if (err == -ENOSPC)
		return "too many of them";
	return text ? text : "unknown error";
}

void shim_failed(size_t length, int err)
{
	const char *why = describe(err);
	char size[24];

	ptshare_size_format(length, size);
	if (required || first_time())
		warn("no container for %s of shared memory: %s; %s\n", size,
		     why, required ? "ending, as PTSHARE_PRELOAD=require" :
		     "it stays as it was");
	if (required)
		_exit(EXIT_REQUIRED);
}
