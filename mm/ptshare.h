/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ptshare, private to mm/: the container and the rules its files keep.
 *
 * A container owns an mm that no task runs on ("cmm"). Each region is one
 * ordinary shared file VMA of cmm, at PTSHARE_BASE + offset. cmm is the only
 * truth: reverse mapping, reclaim, truncation, migration and accounting work on
 * it as on any mm. A window is one process's VMA of the container's file. It
 * shows cmm in two ways that nobody can tell apart from outside:
 *
 * - links: an upper entry of the process's tables points at a table of cmm, a
 *   PUD entry at a PMD table (1 GiB) or a PMD entry at a PTE table (2 MiB);
 * - mirrors: special PTEs in the process's own tables, wherever no link fits
 *   and where the process has mmu_notifiers of its own.
 *
 * Invariants
 *
 * I1. A mirror repeats an entry that cmm has, with no more rights than it: it
 *     is writable only where cmm's entry is writable and dirty. It holds no
 *     reference and is in no rmap, so it must be gone before cmm's entry is
 *     changed or cleared.
 * I2. Whoever takes rights from an entry of cmm brackets that with
 *     mmu_notifier start and end on cmm (core mm does so for every clear and
 *     downgrade of a shared file VMA). start closes the gates of the range,
 *     zaps and flushes the mirrors, and lets each window's mm tell its own
 *     notifiers; end opens the gates.
 * I3. A mirror is set under the window's PTE lock and the gate lock, a PMD link
 *     under the window's PMD lock and the gate lock, and only if the gate is
 *     open and has not been closed since cmm's entry was read.
 * I4. As long as it has files cmm frees no page-table page but PTE tables by
 *     pte_free_defer(), what khugepaged collapses and what ptshare_trim.c finds
 *     empty; so lockless readers of cmm's tables need RCU below the PMD and
 *     nothing above it.
 * I5. A region VMA is changed only under cmm's mmap_lock for write and its own
 *     VMA lock for write. "No region here" is said under cmm's mmap_lock only:
 *     during a REPLACE the old VMAs are detached before the new one is there.
 * I6. All files of a container share one address_space, so that its i_mmap
 *     finds every window.
 * I7. A PUD or PMD entry of a window is judged on one value, read after it was
 *     seen not to be empty. From empty it becomes a link or private, decided
 *     under the table's lock. What is private stays so until munmap. A PUD
 *     link becomes empty only under mmap_lock and all VMA locks for write, or
 *     in exit; a PMD link also when the PTE table is taken from cmm, under
 *     the window's PMD lock, before cmm's entry changes.
 * I8. A link is known by its table being the one that cmm's own entry has, and
 *     by nothing else. At PUD level that may be asked without a lock, since
 *     cmm's entry is there to stay; at PMD level under the window's PMD lock.
 * I9. A window is on the list of those whose TLB entries are flushed from
 *     before its first link until ->close, which comes after the flush of the
 *     munmap or exit that unlinked it. A link that is cleared is flushed with
 *     every page below it, and with the paging-structure caches. Who clears it
 *     for another reason flushes before it lets go of the container's
 *     i_mmap_rwsem: a munmap would find nothing to flush, and the window would
 *     leave the list.
 * I10. An mm with notifiers of its own has no links.
 *
 * Lock order, outer first
 *
 *   notify_mutex -> cmm's mmap_lock (what is below it: write_notify.h)
 *   window's mmap_lock -> cmm's mmap_lock
 *   window's VMA lock (read) with region's VMA lock (read, trylock only); cmm's
 *     mmap_lock is never taken under a VMA lock
 *   cmm's mmap_lock (write) -> region's VMA lock (write)
 *   backing's i_mmap_rwsem -> start on cmm -> container's i_mmap_rwsem ->
 *     start on a window's mm -> window's PMD lock -> window's PTE lock ->
 *     gate lock
 *   window's page_table_lock (PUD links): takes nothing
 *   cmm's PTE and PMD locks -> link_lock (read); link_lock (write): takes nothing
 *   window's mmap_lock (write) -> container's i_mmap_rwsem (write)
 *
 * mm_take_all_locks() takes container mappings last for the same reason.
 * Between start and end on cmm no mmap_lock, VMA lock or folio lock is taken,
 * so that a fault may wait for a gate with the window's lock held. User memory is
 * never touched, and no security hook but security_file_mprotect() is called,
 * under cmm's mmap_lock. Nothing reclaims under a notifier callback.
 */
#ifndef __MM_PTSHARE_H
#define __MM_PTSHARE_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/ptshare.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct mmu_gather;

/* Congruent with every offset modulo the largest granule, and not 0. */
#define PTSHARE_BASE	PUD_SIZE

/* Invalidations are told apart by 2 MiB block, modulo this. */
#define PTSHARE_NR_GATES	256

/**
 * struct ptshare_gate - admission of mirrors to the blocks that hash to it
 * @lock: innermost lock; taken to set a mirror and to open or close
 * @active: invalidations under way
 * @seq: invalidations that ended
 */
struct ptshare_gate {
	spinlock_t lock;	/* innermost, see the lock order above */
	unsigned int active;
	unsigned int seq;
};

/* Where entries were cleared is known by GiB, modulo this. */
#define PTSHARE_TRIM_MARKS	256

/**
 * struct ptshare_trim - what the search for empty tables is to look through
 * @marks: GiBs, modulo their number, where entries were cleared
 * @work: looks there
 * @took: jiffies that it took the last time
 * @stop: the container is about to go
 * @freed: tables given back
 */
struct ptshare_trim {
	DECLARE_BITMAP(marks, PTSHARE_TRIM_MARKS);
	struct delayed_work work;
	unsigned long took;
	bool stop;
	atomic_long_t freed;
};

/* The largest table that windows of a container share. */
enum ptshare_share {
	PTSHARE_SHARE_NONE,
	PTSHARE_SHARE_PMD,	/* PMD links */
	PTSHARE_SHARE_PUD,	/* PUD links, and PMD links where these do not fit */
};

/**
 * struct ptshare - a container
 * @rcu: readers of mm->ptshare are under RCU
 * @refs: one for each file
 * @pins: on the memory of this structure
 * @id: in ptshare_ids, immutable
 * @cmm: holds the regions; its mmap_lock guards @seals
 * @length: bytes, immutable
 * @max_flags: VM_READ or VM_READ | VM_WRITE, immutable
 * @seals: PTSHARE_SEAL_*
 * @share: enum ptshare_share, immutable
 * @ino: inode number of all its files, immutable once a file exists
 * @memcg: the creator's memory cgroup; a reference is held
 * @nr_windows: VMAs of the container
 * @nr_slow: windows that an invalidation must visit
 * @mapping: f_mapping of all its files; i_mmap holds the windows
 * @notifier: hears of invalidations in @cmm
 * @tlb_notifier: hears of TLB flushes of @cmm
 * @gate_wait: faults that met a closed gate
 * @slots: struct ptshare_slot by GiB of @cmm, for what has links
 * @link_lock: guards @linked and @nr_linked
 * @linked: windows that have or had links
 * @nr_linked: so many
 * @nr_flushes: TLB flushes passed on to them
 * @trim: empty tables that are to be given back
 * @notify_mutex: guards @watches, and who watches what
 * @watches: struct ptshare_watch of all notify fds
 * @gates: see struct ptshare_gate
 */
struct ptshare {
	struct rcu_head rcu;
	struct kref refs;
	refcount_t pins;
	u32 id;
	struct mm_struct *cmm;
	unsigned long length;
	vm_flags_t max_flags;
	u32 seals;
	int share;
	ino_t ino;
	struct mem_cgroup *memcg;
	atomic_t nr_windows;
	atomic_t nr_slow;
	struct address_space mapping;
	struct mmu_notifier notifier;
	struct mmu_notifier tlb_notifier;
	wait_queue_head_t gate_wait;
	struct xarray slots;
	rwlock_t link_lock;	/* see the lock order above */
	struct list_head linked;
	unsigned int nr_linked;
	atomic_long_t nr_flushes;
	struct ptshare_trim trim;
	struct mutex notify_mutex;	/* outermost */
	struct list_head watches;
	struct ptshare_gate gates[PTSHARE_NR_GATES];
};

/**
 * struct ptshare_slot - links to the tables of one GiB of cmm
 * @index: of the GiB in cmm, immutable
 * @table: cmm's PMD table, immutable: who makes a slot has found it
 * @links: PUD links
 * @blocks: PMD links by 2 MiB block; NULL before the first
 */
struct ptshare_slot {
	unsigned long index;
	pmd_t *table;
	atomic_t links;
	atomic_t *blocks;
};

/**
 * struct ptshare_window - what a window has beyond its VMA
 * @node: in ptshare.linked
 * @mm: of the VMA
 * @nr_mirrors: present private entries, changed under the PTE locks of @mm
 * @nr_links: entries that point at tables of cmm
 * @slot: a GiB that is linked, the last one that faulted; or NULL
 * @joined: it is in ptshare.linked
 * @slow: invalidations visit it: it has mirrors, or @mm has notifiers
 * @unlink_gen: TLB generation of @mm at the last unlink
 */
struct ptshare_window {
	struct list_head node;
	struct mm_struct *mm;
	atomic_long_t nr_mirrors;
	atomic_long_t nr_links;
	struct ptshare_slot *slot;
	bool joined;
	bool slow;
	u64 unlink_gen;
};

extern const struct mmu_notifier_ops ptshare_notifier_ops;
extern struct xarray ptshare_ids;

static inline struct ptshare *vma_ptshare(const struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

/* Where in cmm a window's address is shown from. */
static inline unsigned long ptshare_host_addr(const struct vm_area_struct *vma,
					      unsigned long address)
{
	return PTSHARE_BASE + (address - vma->vm_start) +
	       (vma->vm_pgoff << PAGE_SHIFT);
}

/*
 * Upper tables without a lock. Those of cmm are there as long as files are;
 * those of a window for who holds a lock of its VMA or finds it in i_mmap.
 */
static inline pud_t *ptshare_walk_pud(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;

	if (pgd_none(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(READ_ONCE(*p4d)))
		return NULL;
	return pud_offset(p4d, addr);
}

/* A window's PUD entry, with its table: charged to who faults. */
static inline pud_t *ptshare_alloc_pud(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);

	return p4d ? pud_alloc(mm, p4d, addr) : NULL;
}

/* For cmm and mappings of files: a window's PUD entry may be a link. */
static inline pmd_t *ptshare_walk_pmd(struct mm_struct *cmm,
				      unsigned long haddr)
{
	pud_t *pudp = ptshare_walk_pud(cmm, haddr), pud;

	if (!pudp)
		return NULL;
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || pud_leaf(pud))
		return NULL;
	return pmd_offset(pudp, haddr);
}

/* cmm's PMD entry, if it is in the GiB that the window has linked last. */
static inline pmd_t *ptshare_slot_pmd(const struct ptshare_window *window,
				      unsigned long haddr)
{
	struct ptshare_slot *slot = READ_ONCE(window->slot);

	if (!slot || slot->index != haddr >> PUD_SHIFT)
		return NULL;
	return slot->table + pmd_index(haddr);
}

static inline struct ptshare_gate *ptshare_gate_of(struct ptshare *pt,
						   unsigned long haddr)
{
	return &pt->gates[(haddr >> PMD_SHIFT) % PTSHARE_NR_GATES];
}

/* Under the gate lock: does what was read since ptshare_gate_begin() hold? */
static inline bool ptshare_gate_valid(const struct ptshare_gate *gate,
				      unsigned int seq)
{
	lockdep_assert_held(&gate->lock);
	return !gate->active && gate->seq == seq;
}

/* Who pays: the creator's group, or what is left of it. @pt holds them all. */
static inline struct mem_cgroup *ptshare_memcg(struct ptshare *pt)
{
	struct mem_cgroup *memcg = pt->memcg;

	while (memcg && !mem_cgroup_online(memcg))
		memcg = parent_mem_cgroup(memcg);
	return memcg;
}

/* Allocations until ptshare_charge_end() are the creator's. */
static inline struct mem_cgroup *ptshare_charge_begin(struct ptshare *pt)
{
	return set_active_memcg(ptshare_memcg(pt));
}

static inline void ptshare_charge_end(struct mem_cgroup *old)
{
	set_active_memcg(old);
}

static inline vm_flags_t ptshare_prot_flags(u32 prot)
{
	return (prot & PROT_READ ? VM_READ : 0) |
	       (prot & PROT_WRITE ? VM_WRITE : 0);
}

static inline u32 ptshare_flags_prot(vm_flags_t flags)
{
	return (flags & VM_READ ? PROT_READ : 0) |
	       (flags & VM_WRITE ? PROT_WRITE : 0);
}

/* A link was cleared, under the window's lock of that table. */
static inline void ptshare_tlb_note(struct ptshare_window *window)
{
#ifdef CONFIG_X86
	window->unlink_gen = atomic64_read(&window->mm->context.tlb_gen);
#endif
}

/* ptshare.c */
int ptshare_check_range(const struct ptshare *pt, u64 offset, u64 length);
int ptshare_check_prot(const struct ptshare *pt, u32 prot);

unsigned long ptshare_granule(int share);
struct ptshare *ptshare_pin(struct mm_struct *cmm);
void ptshare_unpin(struct ptshare *pt);

/* ptshare_region.c */
int ptshare_lock(struct ptshare *pt, u32 seal);
void ptshare_merge(struct ptshare *pt, unsigned long start, unsigned long end);
int ptshare_split_at(struct ptshare *pt, unsigned long addr);

/* ptshare_window.c */
struct ptshare_window *ptshare_window_get(struct vm_area_struct *vma);
void ptshare_window_slow(struct ptshare *pt, struct ptshare_window *window);

/* ptshare_gate.c */
void ptshare_gates_init(struct ptshare *pt);
void ptshare_gates_close(struct ptshare *pt, unsigned long start,
			 unsigned long end);
void ptshare_gates_open(struct ptshare *pt, unsigned long start,
			unsigned long end);
bool ptshare_gate_begin(struct ptshare *pt, unsigned long haddr,
			unsigned int *seq);
bool ptshare_gate_closed(struct ptshare *pt, unsigned long haddr);
void ptshare_gate_wait(struct ptshare *pt, unsigned long haddr, bool killable);

/* ptshare_mirror.c */
int ptshare_mirror(struct vm_area_struct *vma, struct ptshare_window *window,
		   unsigned long address, bool write);
unsigned long ptshare_count_mirrors(struct ptshare *pt);

/* ptshare_peek.c */
bool ptshare_peek(struct mm_struct *cmm, unsigned long haddr, bool write);
bool ptshare_peek_slot(struct ptshare_window *window, unsigned long haddr,
		       bool write, bool *linked);

/* ptshare_upgrade.c */
bool ptshare_upgrade(struct vm_area_struct *host,
		     struct ptshare_window *window, unsigned long haddr);

/* ptshare_link.c */
void ptshare_links_init(struct ptshare *pt);
void ptshare_links_destroy(struct ptshare *pt);
int ptshare_link(struct vm_area_struct *vma, struct ptshare_window *window,
		 unsigned long address);
bool ptshare_pud_is_link(struct vm_area_struct *vma, unsigned long addr,
			 pud_t pud);
void ptshare_unlink_blocks(struct ptshare *pt, unsigned long start,
			   unsigned long end);
bool ptshare_pmd_is_private(struct vm_area_struct *vma, unsigned long addr,
			    pmd_t *pmdp);
void ptshare_links_info(struct ptshare *pt, struct ptshare_info *info);

/* ptshare_notify.c */
int ptshare_watch_lock(struct ptshare *pt, struct list_head *spares);
void ptshare_watch_unlock(struct ptshare *pt, struct list_head *spares);
void ptshare_watch_unmapped(struct ptshare *pt, u64 offset, u64 length,
			    struct list_head *spares);

/* ptshare_tlb.c */
void ptshare_tlb_init(struct ptshare *pt);
bool ptshare_tlb_join(struct ptshare *pt, struct ptshare_window *window);
void ptshare_tlb_leave(struct ptshare *pt, struct ptshare_window *window);
void ptshare_tlb_flush(struct ptshare *pt);

/* ptshare_trim.c */
void ptshare_trim_init(struct ptshare *pt);
void ptshare_trim_end(struct ptshare *pt);
void ptshare_trim_note(struct ptshare *pt,
		       const struct mmu_notifier_range *range);

#endif /* __MM_PTSHARE_H */
