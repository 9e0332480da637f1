// SPDX-License-Identifier: GPL-2.0
/* Accesses that may fault, many in a row: the handlers stay, no mask is saved. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "touch.h"

static struct {
	sigjmp_buf jmp;
	sig_atomic_t armed;
	struct touch_seen *seen;
	char *base;
} fault;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	if (!fault.armed) {
		/* A bug of the program: again, and die of it. */
		signal(sig, SIG_DFL);
		return;
	}
	fault.armed = 0;
	fault.seen->sig = sig;
	fault.seen->code = si->si_code;
	fault.seen->addr = (char *)si->si_addr - fault.base;
	siglongjmp(fault.jmp, 1);
}

/* SA_NODEFER, or each access would have to restore the signal mask. */
void touch_catch(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

bool touch_try(struct touch_seen *seen, char *base, void (*fn)(void *arg),
	       void *arg)
{
	fault.seen = seen;
	fault.base = base;
	if (sigsetjmp(fault.jmp, 0))
		return false;
	fault.armed = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	fn(arg);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	fault.armed = 0;
	return true;
}

struct access {
	char *at;
	__u32 how;
	__u64 val;
};

static void do_touch(void *arg)
{
	struct access *a = arg;

	switch (a->how) {
	case TOUCH_LOAD8:
		a->val = __atomic_load_n((__u64 *)a->at, __ATOMIC_SEQ_CST);
		break;
	case TOUCH_STORE8:
		__atomic_store_n((__u64 *)a->at, a->val, __ATOMIC_SEQ_CST);
		break;
	case TOUCH_LOAD1:
		a->val = __atomic_load_n((__u8 *)a->at, __ATOMIC_SEQ_CST);
		break;
	default:
		a->val = (__u8)a->val;
		__atomic_store_n((__u8 *)a->at, (__u8)a->val, __ATOMIC_SEQ_CST);
	}
}

void touch(struct touch_seen *seen, char *base, char *at, __u32 how,
	   __u64 stamp)
{
	struct access a = { .at = at, .how = how, .val = stamp };

	if (touch_try(seen, base, do_touch, &a))
		seen->val = a.val;
}
