// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One lock, held by nobody who could be interrupted: a signal handler may call
 * munmap(), and a child of fork() gets the lock as it is. fork() takes it, so
 * that a child finds a table that is whole, and no fds of a half-made window.
 */
#include <pthread.h>
#include <signal.h>
#include "shim.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Of who holds the lock. */
static sigset_t saved_mask;
static int saved_cancel;

void shim_lock(void)
{
	sigset_t all, mask;
	int cancel;

	/* open() and close() are points where a thread may be cancelled. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	pthread_mutex_lock(&lock);
	saved_mask = mask;
	saved_cancel = cancel;
}

void shim_unlock(void)
{
	sigset_t mask = saved_mask;
	int cancel = saved_cancel;

	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	pthread_setcancelstate(cancel, NULL);
}

void shim_lock_setup(void)
{
	pthread_atfork(shim_lock, shim_unlock, shim_unlock);
}
