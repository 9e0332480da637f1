// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare gates: who may show cmm's entries while they change.
 *
 * An invalidation of cmm closes the gates of its range for as long as it lasts.
 * The protocol is KVM's for its secondary page tables, with gates by range in
 * the place of one hull:
 *
 *   set:			invalidate:
 *   seq = gate's		start: close the gates of the range
 *   read cmm's entry		       take back what was set
 *   lock the table, the gate	(the entry of cmm is changed)
 *   closed, or seq new?	end:   seq++, open the gates, wake
 *   set
 *
 * Whoever sets under the gate lock before start closes is found by start,
 * because the table is visible by then; whoever comes later sees the gate
 * closed, or the new seq.
 *
 * The gate lock is the innermost one; see ptshare.h.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "internal.h"
#include "ptshare.h"

void ptshare_gates_init(struct ptshare *pt)
{
	unsigned int i;

	init_waitqueue_head(&pt->gate_wait);
	for (i = 0; i < PTSHARE_NR_GATES; i++)
		spin_lock_init(&pt->gates[i].lock);
}

static unsigned int gates_in_range(unsigned long start, unsigned long end)
{
	unsigned long blocks = ((end - 1) >> PMD_SHIFT) -
			       (start >> PMD_SHIFT) + 1;

	return min_t(unsigned long, blocks, PTSHARE_NR_GATES);
}

void ptshare_gates_close(struct ptshare *pt, unsigned long start,
			 unsigned long end)
{
	unsigned int i, nr = gates_in_range(start, end);
	struct ptshare_gate *gate;

	for (i = 0; i < nr; i++) {
		gate = ptshare_gate_of(pt, start + i * PMD_SIZE);
		spin_lock(&gate->lock);
		WRITE_ONCE(gate->active, gate->active + 1);
		spin_unlock(&gate->lock);
	}
}

void ptshare_gates_open(struct ptshare *pt, unsigned long start,
			unsigned long end)
{
	unsigned int i, nr = gates_in_range(start, end);
	struct ptshare_gate *gate;

	for (i = 0; i < nr; i++) {
		gate = ptshare_gate_of(pt, start + i * PMD_SIZE);
		spin_lock(&gate->lock);
		/* Who reads the new count reads cmm's new entry. */
		smp_store_release(&gate->seq, gate->seq + 1);
		WRITE_ONCE(gate->active, gate->active - 1);
		spin_unlock(&gate->lock);
	}
	if (wq_has_sleeper(&pt->gate_wait))
		wake_up_all(&pt->gate_wait);
}

/* The first step of who sets: false if the gate is closed. */
bool ptshare_gate_begin(struct ptshare *pt, unsigned long haddr,
			unsigned int *seq)
{
	struct ptshare_gate *gate = ptshare_gate_of(pt, haddr);

	/* Pairs with the release in ptshare_gates_open(). */
	*seq = smp_load_acquire(&gate->seq);
	return !READ_ONCE(gate->active);
}

bool ptshare_gate_closed(struct ptshare *pt, unsigned long haddr)
{
	struct ptshare_gate *gate = ptshare_gate_of(pt, haddr);
	bool closed;

	spin_lock(&gate->lock);
	closed = gate->active;
	spin_unlock(&gate->lock);
	return closed;
}

void ptshare_gate_wait(struct ptshare *pt, unsigned long haddr, bool killable)
{
	struct ptshare_gate *gate = ptshare_gate_of(pt, haddr);

	if (killable)
		wait_event_killable(pt->gate_wait, !READ_ONCE(gate->active));
	else
		wait_event(pt->gate_wait, !READ_ONCE(gate->active));
}
