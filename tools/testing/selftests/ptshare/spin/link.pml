/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Links, and the TLB flushes of those who have them, for the model checker spin.
 *
 * Two CPUs run two processes with one window each, which one entry links to a
 * table of cmm. With -DPUD the entry is a PUD link, at a PMD table that lives as
 * long as the container; else a PMD link, at a PTE table that khugepaged takes
 * away. Every loop is without end, so what holds here holds for any number of
 * operations one after the other.
 *
 *   here			there
 *
 *   walk			what hardware caches, also speculatively while
 *				the CPU is lazy
 *   switch_to, lazy		switch_mm_irqs_off(), choose_new_asid(); a
 *				process keeps its entries meanwhile
 *   ipi			flush_tlb_func()
 *   raise			inc_mm_tlb_gen()
 *   collect, send		tlb_collect(), ptshare_flush_cpus(); with lazy
 *				CPUs left out: arch_tlbbatch_flush()
 *   close_gate, open_gate	ptshare_invalidate_start() and _end()
 *   host_fault			ptshare_host_fault()
 *   join, link			ptshare_tlb_join(), link_pmd_new() and
 *				pmd_set(); link_pud() and pud_set()
 *   peek			ptshare_peek()
 *   munmap			ptshare_zap_pud() or ptshare_zap_pmd(), the
 *				caller's gather, unlink_file_vma(),
 *				ptshare_tlb_leave()
 *   register			ptshare_notifier_added()
 *   change_leaf		truncation, PROTECT: flush under the PTE lock
 *   change_leaf_batched	reclaim: ptshare_batch_add(), and
 *				ptshare_batch_flush() after the bracket
 *   collapse, unlink_block	collapse_pte_mapped_thp() or
 *				retract_page_tables(), ptshare_unlink_block()
 *   trim			trim_run()
 *
 * What must hold: no CPU uses a translation to a page after the operation that
 * took the page away has returned; none has anything of a window after the
 * munmap() or registration that unlinked it; nobody walks a table that is free.
 *
 * What keeps it small, and why nothing is missed by it: a CPU caches all it may
 * at once, for with less there is less to go wrong. One page and one PTE table
 * will do, since what is stale is used before it is good again. A generation is
 * the one bit that its readers ask for, whether the CPU is behind, and a process
 * that is not loaded is flushed at once instead of when it is loaded next; seq
 * is likewise whether it is new. A step is what one lock covers, or one access.
 * Process 1 does nothing but fault, CPU 1 runs nothing but process 0: more is
 * the same with numbers exchanged.
 *
 * What it does not show: two changes of cmm at once, mirrors, tables of the
 * window's own, weak memory order. The barriers of tlb_collect() and
 * ptshare_tlb_join() are taken for granted; the order of the steps is not.
 *
 * Each of the macros M_* breaks the code in one way; a run must then fail.
 */
#define NONE		2	/* init_mm, or between two processes */
#define AT(c, p)	(3 * (c) + (p))
#define CUR		AT(c, loaded[c])
#define RUNS		(loaded[c] != NONE)
#define CACHED(at)	(upper_cached[at] || walk_cached[at] || tlb[at])

#ifdef PUD
#define IS_LINK		true
#define BLOCK_LINKS	false
#define HOST_PMD	host_pmd
#else
#define IS_LINK		host_pmd
#define BLOCK_LINKS	nr_links
#define HOST_PMD	true
#endif
#ifdef M_NO_GATE
#define GATE_OPEN(p)	true
#else
#define GATE_OPEN(p)	(!closed && seq[p] == same)
#endif
#ifdef M_LATE_JOIN
#define LATE		true
#else
#define LATE		false
#endif
#ifdef M_LAZY_LEFT_OUT
#define LEAVE_LAZY	true
#else
#define LEAVE_LAZY	false
#endif

/* CPUs: what is loaded; by CPU and process: what they have of it. */
byte loaded[2] = NONE;
bool lazy[2];
bool behind[2];		/* the generation of what is loaded is above the CPU's */
bool upper_cached[6];	/* paging-structure cache: the PMD table (PUD link) */
bool walk_cached[6];	/* the same: the PTE table */
bool tlb[6];		/* translation to the page */
chan ipi[2] = [0] of { bit };

/* cmm */
bool host_pmd;		/* points at the PTE table */
bool pte_table;		/* is not free */
bool leaf;		/* its entry maps the page */
bool page_gone = true;	/* the operation that took it away has returned */
bool ptl;
byte rcu_readers;
bool closed;		/* the gate */

/* windows, by process */
bool upper[3];		/* the entry is a link; if not, it is empty */
mtype = { idle, same, newer };
mtype seq[2] = idle;	/* gate->seq, by what this process has read */
bool joined[2];
bool in_i_mmap[2];
bool live[3];		/* its user may use it */
byte nr_links;		/* of the block */
bool i_mmap_read, i_mmap_write;

/* --- CPUs ---------------------------------------------------------------- */

/* What the walker caches of the tables as they are, and what that must not be. */
inline walk(c)
{
	upper_cached[CUR] = upper_cached[CUR] || upper[loaded[c]];
	walk_cached[CUR] = walk_cached[CUR] || (upper_cached[CUR] && HOST_PMD);
	assert(!walk_cached[CUR] || pte_table);
	tlb[CUR] = tlb[CUR] || (walk_cached[CUR] && leaf);
	assert(lazy[c] || !tlb[CUR] || !page_gone);
	assert(live[loaded[c]] || !CACHED(CUR))
}

/* To be said in every step that adds an entry or ends an operation. */
inline walkers()
{
	d_step { walk(0); walk(1) }
}

inline flush(c, p)
{
	upper_cached[AT(c, p)] = false;
	walk_cached[AT(c, p)] = false;
	tlb[AT(c, p)] = false
}

inline catch_up(c)
{
	d_step {
		if
		:: behind[c] -> behind[c] = false; flush(c, loaded[c])
		:: else
		fi;
		walk(c)
	}
}

/* What is behind is flushed when it is loaded next; nobody uses it before. */
inline unload(c)
{
	d_step {
		if
		:: behind[c] -> behind[c] = false; flush(c, loaded[c])
		:: else
		fi;
		loaded[c] = NONE;
		lazy[c] = false
	}
}

inline raise_one(c, p)
{
	if
	:: loaded[c] == p -> behind[c] = true
	:: else -> flush(c, p)
	fi
}

/* The order within switch_mm_irqs_off() is core mm's. */
inline switch_to(c, p)
{
	atomic {
		loaded[c] != p && (c == 0 || p == 0) ->
		unload(c);
		loaded[c] = p;
		catch_up(c)
	}
}

proctype cpu(byte c)
{
	do
	:: atomic { ipi[c]?_ ->
		if
		:: lazy[c] -> unload(c)
		:: else -> catch_up(c)
		fi }
	:: atomic { c == 0 && RUNS && !lazy[c] -> lazy[c] = true }
	:: atomic { lazy[c] -> lazy[c] = false; catch_up(c) }
	:: switch_to(c, 0)
	:: switch_to(c, 1)
	od
}

/* --- flushes; the caller has the variable cpus --------------------------- */

/*
 * Generation first, cpumask second: a CPU that changes over between the two is
 * in the mask, or flushes by itself when it loads p.
 */
inline raise(p)
{
	raise_one(0, p);
	raise_one(1, p)
}

inline add_cpus(p)
{
	cpus = cpus | (loaded[0] == p) | ((loaded[1] == p) << 1)
}

/* Nobody joins or leaves the list meanwhile. */
inline collect_one(p)
{
	if
	:: joined[p] ->
#ifndef M_NO_GENERATION
		raise(p);
#endif
		add_cpus(p)
	:: else
	fi
}

inline collect()
{
	d_step {
		collect_one(0);
#ifndef M_ONE_FLUSH
		collect_one(1)
#endif
	}
}

/* One IPI after the other is as good as all at once: each is waited for. */
inline send(leave_lazy)
{
	do
	:: cpus & 1 ->
		atomic {
			if
			:: leave_lazy && lazy[0]
			:: else -> ipi[0]!0
			fi;
			cpus = cpus & 2
		}
	:: cpus & 2 ->
		atomic {
			if
			:: leave_lazy && lazy[1]
			:: else -> ipi[1]!0
			fi;
			cpus = cpus & 1
		}
	:: else -> break
	od
}

inline pass_on(leave_lazy)
{
#ifndef M_NO_FLUSH
	collect();
#endif
	send(leave_lazy)
}

inline flush_mm(p)
{
	d_step { raise(p); add_cpus(p) };
	send(false)
}

/* --- gates --------------------------------------------------------------- */

inline close_gate()
{
	closed = true
}

inline seq_raise(p)
{
	if
	:: seq[p] == same -> seq[p] = newer
	:: else
	fi
}

inline open_gate()
{
	atomic {
		closed = false;
		seq_raise(0);
		seq_raise(1)
	}
}

/* --- a process with a window --------------------------------------------- */

/* cmm gets the page, in a table of its own. */
inline host_fault()
{
	atomic {
		!ptl && page_gone && (host_pmd || !pte_table) ->
		host_pmd = true;
		pte_table = true;
		leaf = true;
		page_gone = false;
		walkers()
	}
}

inline join(p)
{
	if
	:: joined[p]
	:: !joined[p] -> joined[p] = true
	fi
}

inline link(p)
{
#ifdef PUD
	atomic {
		assert(joined[p] || LATE);
		if
		:: !upper[p] -> upper[p] = true; nr_links++; walkers()
		:: else
		fi
	}
#else
	seq[p] = same;
	if
	:: closed -> seq[p] = idle
	:: else ->
		table = host_pmd;
		atomic {
			if
			:: table && !upper[p] && GATE_OPEN(p) ->
				assert(joined[p] || LATE);
				upper[p] = true;
				nr_links++;
				walkers()
			:: else
			fi;
			table = false;
			seq[p] = idle
		}
	fi
#endif
}

/* Lockless, under RCU. */
inline peek()
{
	atomic { rcu_readers++; table = host_pmd };
	atomic {
		assert(!table || pte_table);
		rcu_readers--;
		table = false
	}
}

/* What is no link would be taken for a private table. */
inline unlink(p)
{
	if
	:: upper[p] ->
		assert(IS_LINK);
		upper[p] = false;
		nr_links--;
		unlinked = true
	:: else
	fi
}

inline leave(p)
{
	atomic { assert(!upper[p]); joined[p] = false }
}

inline munmap(p)
{
	atomic { unlink(p) };
#ifdef M_EARLY_LEAVE
	leave(p);
#endif
	if
#ifndef M_NO_UNLINK_FLUSH
	:: unlinked -> unlinked = false; flush_mm(p)
#endif
	:: else -> unlinked = false
	fi;
	atomic { !i_mmap_read && !i_mmap_write -> in_i_mmap[p] = false };
#ifndef M_EARLY_LEAVE
	leave(p);
#endif
	atomic { live[p] = false; walkers() }
}

inline register(p)
{
	atomic { !i_mmap_read && !i_mmap_write -> i_mmap_write = true };
	atomic { unlink(p) };
	if
	:: unlinked -> unlinked = false; flush_mm(p)
	:: else
	fi;
	atomic { i_mmap_write = false; live[p] = false; walkers() }
}

proctype process(byte p)
{
	byte cpus;
	bool table, unlinked;

unmapped:
	atomic { in_i_mmap[p] = true; live[p] = true };
	do
	:: host_fault()
	:: !upper[p] ->
#ifdef M_LATE_JOIN
		link(p);
		join(p)
#else
		join(p);
		link(p)
#endif
	:: p == 0 -> peek()
	:: p == 0 -> register(p); break
	:: p == 0 -> break
	od;
	munmap(p);
	goto unmapped
}

/* --- who changes cmm ----------------------------------------------------- */

inline taken()
{
	atomic { page_gone = page_gone || hit; hit = false; walkers() }
}

/* Truncation, PROTECT: the flush comes before ptl is let go. */
inline change_leaf()
{
	close_gate();
	atomic { !ptl -> ptl = true; hit = leaf; leaf = false };
	pass_on(false);
	ptl = false;
	open_gate();
	taken()
}

/* Reclaim, migration: the flush comes when the batch is full. */
inline change_leaf_batched()
{
	close_gate();
	atomic { !ptl -> hit = leaf; leaf = false };
	open_gate();
	pass_on(true);
	taken()
}

inline collapse_one(p)
{
	atomic {
		if
		:: in_i_mmap[p] && upper[p] && host_pmd ->
			upper[p] = false;
			nr_links--
		:: else
		fi
	}
}

inline unlink_block()
{
	if
	:: atomic { BLOCK_LINKS && !i_mmap_write -> i_mmap_read = true };
		collapse_one(0);
		collapse_one(1);
		assert(!nr_links);
#ifndef M_NO_COLLAPSE_FLUSH
		pass_on(false);
#endif
		i_mmap_read = false
	:: !BLOCK_LINKS
	fi
}

inline collapse()
{
	close_gate();
#ifndef M_LATE_UNLINK
	unlink_block();
#endif
	atomic { !ptl -> ptl = true; hit = leaf; leaf = false };
	host_pmd = false;
	pass_on(LEAVE_LAZY);
	ptl = false;
#ifdef M_LATE_UNLINK
	unlink_block();
#endif
	open_gate();
	taken();
#ifndef M_NO_RCU
	!rcu_readers;
#endif
	atomic { pte_table = false; walkers() }
}

/* The flush comes after the gate is open again, and covers many tables. */
inline trim()
{
	close_gate();
	unlink_block();
	atomic {
		!ptl ->
		hit = host_pmd && !leaf;
		host_pmd = host_pmd && leaf
	};
	open_gate();
	if
	:: hit ->
#ifndef M_TRIM_NO_FLUSH
		pass_on(false);
#endif
		!rcu_readers;
		atomic { hit = false; pte_table = false; walkers() }
	:: else
	fi
}

proctype changer()
{
	byte cpus;
	bool hit;

	do
	:: leaf -> change_leaf()
	:: leaf -> change_leaf_batched()
	:: host_pmd -> collapse()
	:: host_pmd && !leaf -> trim()
	od
}

init
{
	atomic {
		run cpu(0);
		run cpu(1);
		run process(0);
		run process(1);
		run changer()
	}
}
