// SPDX-License-Identifier: GPL-2.0
/* What the oracle says. */
#include <stdio.h>
#include <string.h>

#include "oracle.h"

const char * const oracle_world_names[OR_WORLDS] = {
	[OR_NONE]	= "share=none",
	[OR_PMD]	= "share=pmd",
	[OR_PUD]	= "share=pud",
	[OR_PLAIN]	= "plain",
};

static const char * const kind_names[OP_NR] = {
	[OP_ACCESS]		= "access",
	[OP_MAP]		= "map",
	[OP_REPLACE]		= "replace",
	[OP_UNMAP]		= "unmap",
	[OP_PROTECT]		= "protect",
	[OP_TRUNCATE]		= "truncate",
	[OP_PUNCH]		= "punch",
	[OP_PWRITE]		= "pwrite",
	[OP_PREAD]		= "pread",
	[OP_POPULATE_READ]	= "populate-read",
	[OP_POPULATE_WRITE]	= "populate-write",
	[OP_VM_READ]		= "vm-read",
	[OP_VM_WRITE]		= "vm-write",
	[OP_PIPE_IN]		= "pipe-in",
	[OP_PIPE_OUT]		= "pipe-out",
	[OP_FILE_IN]		= "file-in",
	[OP_FILE_OUT]		= "file-out",
	[OP_DIRECT_IN]		= "direct-in",
	[OP_DIRECT_OUT]		= "direct-out",
	[OP_WIN_MAP]		= "mmap",
	[OP_WIN_UNMAP]		= "munmap",
	[OP_WIN_REUSE]		= "reuse",
	[OP_FORK]		= "fork",
	[OP_ATTACH]		= "attach",
	[OP_EXIT]		= "exit",
	[OP_CHECK]		= "check",
};

static const char * const touch_names[] = {
	[TOUCH_LOAD8]	= "load8",
	[TOUCH_STORE8]	= "store8",
	[TOUCH_LOAD1]	= "load1",
	[TOUCH_STORE1]	= "store1",
};

void oracle_print_op(const struct oracle_op *op)
{
	const struct ptshare_range_prot *r = op->ranges;
	unsigned int i;

	fprintf(stderr, "# step %u: process %u window %u: %s off %#llx len %#llx",
		op->step, op->slot, op->win, kind_names[op->kind], op->off,
		op->len);
	fprintf(stderr, " file %u pos %#llx prot %u peer %u", op->file, op->pos,
		op->prot, op->peer);
	fprintf(stderr, " how %u populate %u attach %u\n", op->how,
		op->populate, op->attach);
	for (i = 0; op->kind == OP_PROTECT && i < op->nr; i++)
		fprintf(stderr, "#    range %u: off %#llx len %#llx prot %u\n",
			i, r[i].offset, r[i].length, r[i].prot);
	for (i = 0; op->kind != OP_PROTECT && i < op->nr; i++)
		fprintf(stderr, "#    access %u: off %#llx %s\n", i,
			op->touch[i].off, touch_names[op->touch[i].how]);
}

static void print_seen(const char *who, unsigned int i,
		       const struct touch_seen *s)
{
	fprintf(stderr, "#    %s: access %u: signal %d code %d address %#llx value %#llx\n",
		who, i, s->sig, s->code, s->addr, s->val);
}

/* What the model has there, with the operation done. */
static void print_page(const struct oracle *o, __u64 off)
{
	const struct oracle_model *m = &o->board->model;
	unsigned int i, hi;

	oracle_indices(off & ~(OR_PAGE - 1), OR_PAGE, &i, &hi);
	if (i == hi || !m->page[i].present)
		fprintf(stderr, "#    %#llx: a hole\n", off);
	else
		fprintf(stderr, "#    %#llx: file %u (of %llu bytes) page %u prot %u\n",
			off, m->page[i].file,
			m->size[oracle_inode(m->page[i].file)],
			m->page[i].pgoff, m->page[i].prot);
}

/* The window's pages that the system call is about. */
static void print_pages(const struct oracle *o, const struct oracle_op *op)
{
	__u64 off = op->off & ~(OR_PAGE - 1);

	if (op->kind < OP_POPULATE_READ || op->kind > OP_DIRECT_OUT)
		return;
	for (; off < op->off + op->len; off += OR_PAGE)
		print_page(o, off);
}

bool oracle_same(const struct oracle *o, const struct oracle_op *op,
		 const struct oracle_result *got, unsigned int world,
		 const struct oracle_result *want)
{
	const char *who = oracle_world_names[world];
	unsigned int i;

	if (!memcmp(got, want, sizeof(*got)))
		return true;
	fprintf(stderr, "# oracle: seed %llu: %s differs from plain at step %u\n",
		o->seed, who, op->step);
	oracle_print_op(op);
	fprintf(stderr, "#    %s: returns %lld failed %llu hash %#llx\n", who,
		got->ret, got->failed, got->hash);
	fprintf(stderr, "#    plain: returns %lld failed %llu hash %#llx\n",
		want->ret, want->failed, want->hash);
	print_pages(o, op);
	for (i = 0; i < OR_ACCS; i++) {
		if (!memcmp(got->seen + i, want->seen + i, sizeof(got->seen[0])))
			continue;
		if (i < op->nr)
			print_page(o, op->touch[i].off);
		print_seen(who, i, got->seen + i);
		print_seen("plain", i, want->seen + i);
	}
	return false;
}

void oracle_print_stats(const struct oracle *o, __u64 msecs)
{
	const struct oracle_stats *s = &o->stats;
	unsigned int i;

	fprintf(stderr, "# oracle: seed %llu, %u steps, %s pages (%lld kB), %llu ms:",
		o->seed, o->steps, o->huge ? "huge" : "small", s->huge_kb,
		msecs);
	for (i = 0; i < OR_PLAIN; i++)
		if (o->world[i].used)
			fprintf(stderr, " %s (%lu links)",
				oracle_world_names[i], s->links[i]);
	fprintf(stderr, " and plain agree\n# each: accesses %lu good,", s->ok);
	fprintf(stderr, " %lu SIGSEGV, %lu SIGBUS; calls %lu EFAULT;",
		s->segv, s->bus, s->efault);
	for (i = 0; i < OP_NR; i++)
		fprintf(stderr, " %s %lu", kind_names[i], s->ops[i]);
	fprintf(stderr, "\n");
}
