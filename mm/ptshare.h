/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ptshare, private to mm/: the container and the rules its files keep.
 *
 * A container owns an mm that no task runs on ("cmm"). Each region is one
 * ordinary shared file VMA of cmm, at PTSHARE_BASE + offset. cmm is the only
 * truth: reverse mapping, reclaim, truncation, migration and accounting work on
 * it as on any mm. A window is one process's VMA of the container's file; it
 * shows cmm by mirrors: special PTEs in that process's own tables.
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
 * I3. A mirror is set under the window's PTE lock and the gate lock, and only
 *     if the gate is open and has not been closed since cmm's entry was read.
 * I4. While windows exist cmm frees no page-table page but PTE tables by
 *     pte_free_defer(), so lockless readers of cmm's tables need RCU below the
 *     PMD and nothing above it.
 * I5. A region VMA is changed only under cmm's mmap_lock for write and its own
 *     VMA lock for write. "No region here" is said under cmm's mmap_lock only:
 *     during a REPLACE the old VMAs are detached before the new one is there.
 * I6. All files of a container share one address_space, so that its i_mmap
 *     finds every window.
 *
 * Lock order, outer first
 *
 *   window's mmap_lock -> cmm's mmap_lock
 *   window's VMA lock (read) with region's VMA lock (read, trylock only); cmm's
 *     mmap_lock is never taken under a VMA lock
 *   cmm's mmap_lock (write) -> region's VMA lock (write)
 *   backing's i_mmap_rwsem -> start on cmm -> container's i_mmap_rwsem ->
 *     start on a window's mm -> window's PTE lock -> gate lock
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
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/ptshare.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

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

/**
 * struct ptshare - a container
 * @rcu: readers of mm->ptshare are under RCU
 * @refs: one for each file
 * @cmm: holds the regions; its mmap_lock guards @seals
 * @length: bytes, immutable
 * @max_flags: VM_READ or VM_READ | VM_WRITE, immutable
 * @seals: PTSHARE_SEAL_*
 * @ino: inode number of all its files, immutable once a file exists
 * @memcg: the creator's memory cgroup; a reference is held
 * @nr_windows: VMAs of the container
 * @mapping: f_mapping of all its files; i_mmap holds the windows
 * @notifier: hears of invalidations in @cmm
 * @gate_wait: faults that met a closed gate
 * @gates: see struct ptshare_gate
 */
struct ptshare {
	struct rcu_head rcu;
	struct kref refs;
	struct mm_struct *cmm;
	unsigned long length;
	vm_flags_t max_flags;
	u32 seals;
	ino_t ino;
	struct mem_cgroup *memcg;
	atomic_t nr_windows;
	struct address_space mapping;
	struct mmu_notifier notifier;
	wait_queue_head_t gate_wait;
	struct ptshare_gate gates[PTSHARE_NR_GATES];
};

extern const struct mmu_notifier_ops ptshare_notifier_ops;

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

/* Mirrors in a window; changed under the PTE locks of its mm. */
static inline atomic_long_t *window_mirrors(struct vm_area_struct *vma)
{
	return (atomic_long_t *)&vma->vm_private_data;
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

/* ptshare.c */
int ptshare_check_range(const struct ptshare *pt, u64 offset, u64 length);
int ptshare_check_prot(const struct ptshare *pt, u32 prot);
struct mem_cgroup *ptshare_charge_begin(struct ptshare *pt);
void ptshare_charge_end(struct mem_cgroup *old);

/* ptshare_region.c */
int ptshare_lock(struct ptshare *pt, u32 seal);
void ptshare_merge(struct ptshare *pt, unsigned long start, unsigned long end);
int ptshare_split_at(struct ptshare *pt, unsigned long addr);

/* ptshare_mirror.c */
int ptshare_mirror(struct vm_area_struct *vma, unsigned long address,
		   bool write);
bool ptshare_gate_closed(struct ptshare *pt, unsigned long haddr);
void ptshare_gate_wait(struct ptshare *pt, unsigned long haddr, bool killable);
unsigned long ptshare_count_mirrors(struct ptshare *pt);
void ptshare_gates_init(struct ptshare *pt);

#endif /* __MM_PTSHARE_H */
