/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What core mm and the file layer see of ptshare. With CONFIG_PTSHARE off
 * every helper is a constant and its caller compiles to what it was before.
 */
#ifndef _LINUX_PTSHARE_H
#define _LINUX_PTSHARE_H

#include <linux/mm.h>

struct cpumask;
struct file;
struct mmu_gather;
struct iov_iter;
struct poll_table_struct;
struct ptshare;
struct ptshare_arm;
struct ptshare_info;
struct ptshare_map;
struct ptshare_protect;
struct ptshare_query;
struct ptshare_range_prot;
struct ptshare_region;
struct ptshare_resolve;
struct ptshare_scan;
struct ptshare_watch;
struct tlbflush_unmap_batch;
struct vm_area_struct;

/* Called only where vma_is_ptshare() holds, so they need no stand-in. */
vm_fault_t ptshare_fault(struct vm_area_struct *vma, unsigned long address,
			 unsigned int flags);
struct vm_area_struct *ptshare_gup_begin(struct vm_area_struct *vma,
					 unsigned long address, bool nowait,
					 unsigned long *haddr);
void ptshare_gup_end(struct vm_area_struct *host);
bool ptshare_advice_ok(int advice);
bool ptshare_zap_pud(struct mmu_gather *tlb, struct vm_area_struct *vma,
		     pud_t *pudp, unsigned long addr, bool unmap);
bool ptshare_zap_pmd(struct mmu_gather *tlb, struct vm_area_struct *vma,
		     pmd_t *pmdp, unsigned long addr, bool unmap);

/* Called only where mm_is_ptshare() holds. */
void ptshare_unlink_block(struct mm_struct *cmm, unsigned long haddr);
void ptshare_batch_add(struct tlbflush_unmap_batch *batch,
		       struct mm_struct *cmm);

#ifdef CONFIG_PTSHARE

extern const struct vm_operations_struct ptshare_vm_ops;

/**
 * vma_is_ptshare - is this VMA a window on a container?
 * @vma: the VMA; the caller holds its mmap_lock or its VMA lock
 *
 * The flag test comes first, so that an ordinary VMA costs no load of vm_ops.
 */
static inline bool vma_is_ptshare(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_PFNMAP) && vma->vm_ops == &ptshare_vm_ops;
}

/* Does an mm belong to a container? Then no CPU ever runs it. */
static inline bool mm_is_ptshare(const struct mm_struct *mm)
{
	return unlikely(READ_ONCE(mm->ptshare));
}

/*
 * A protection fault of a region, told apart from a fault beside every VMA.
 * Always set together with VM_FAULT_SIGSEGV.
 */
#define VM_FAULT_PTSHARE_ACCERR	((__force vm_fault_t)0x100000)

static inline bool ptshare_fault_is_accerr(vm_fault_t fault)
{
	return (__force unsigned int)fault &
	       (__force unsigned int)VM_FAULT_PTSHARE_ACCERR;
}

vm_fault_t ptshare_host_fault(struct vm_area_struct *host, unsigned long address,
			      unsigned int flags);
void ptshare_populate(unsigned long start, unsigned long len);
void ptshare_notifier_added(struct mm_struct *mm);
void ptshare_batch_flush(struct tlbflush_unmap_batch *batch);
void ptshare_flush_cpus(const struct cpumask *cpus);

#else /* CONFIG_PTSHARE */

static inline bool vma_is_ptshare(const struct vm_area_struct *vma)
{
	return false;
}

/* Known to be false before functions are inlined: their order must not change. */
#define mm_is_ptshare(mm)	(false && (mm))

static inline bool ptshare_fault_is_accerr(vm_fault_t fault)
{
	return false;
}

static inline void ptshare_populate(unsigned long start, unsigned long len)
{
}

static inline void ptshare_notifier_added(struct mm_struct *mm)
{
}

#define ptshare_batch_flush(batch)	((void)(batch))

#endif /* CONFIG_PTSHARE */

/*
 * The container itself, for fs/ptshare.c. Arguments have been checked for
 * flags and reserved fields only; all of these sleep and none may be called
 * with an mmap_lock held.
 */
struct ptshare *ptshare_create(unsigned long length, unsigned long prot);
void ptshare_get(struct ptshare *pt);
void ptshare_put(struct ptshare *pt);
void ptshare_set_file(struct ptshare *pt, struct file *file);
int ptshare_mmap(struct ptshare *pt, struct vm_area_struct *vma);
int ptshare_map(struct ptshare *pt, struct file *backing,
		const struct ptshare_map *map);
int ptshare_unmap(struct ptshare *pt, u64 offset, u64 length);
int ptshare_protect(struct ptshare *pt, const struct ptshare_range_prot *ranges,
		    unsigned int nr, u32 *failed);
int ptshare_query(struct ptshare *pt, u64 start, struct ptshare_region *regions,
		  unsigned int room, unsigned int *filled, u64 *next);
unsigned int ptshare_query_bound(struct ptshare *pt);
int ptshare_seal(struct ptshare *pt, u32 seals);
int ptshare_info(struct ptshare *pt, struct ptshare_info *info);
void ptshare_limits(struct ptshare_info *info);
unsigned long ptshare_nr_flushes(struct ptshare *pt);
unsigned long ptshare_nr_trimmed(struct ptshare *pt);

#define PTSHARE_MAX_RANGES	65536U

/*
 * What is behind a notify fd. Arguments have been checked for flags and
 * reserved fields only; all but the poll sleep.
 */
struct ptshare_watch_stat {
	struct ptshare *pt;	/* the container, held by the watch */
	unsigned int queued;	/* events to be read */
	unsigned int len;	/* for how many there is room */
	u64 seq;		/* events so far, with those dropped */
	u64 overflows;		/* PTSHARE_EVENT_OVERFLOW so far */
	u64 bytes;		/* watched */
};

#define PTSHARE_QUEUE_LEN	4096U
#define PTSHARE_MAX_QUEUE_LEN	1048576U

struct ptshare_watch *ptshare_watch_create(struct ptshare *pt,
					   unsigned int queue_len);
void ptshare_watch_close(struct ptshare_watch *watch);
int ptshare_watch_arm(struct ptshare_watch *watch, struct ptshare_arm *arm);
int ptshare_watch_resolve(struct ptshare_watch *watch,
			  struct ptshare_resolve *resolve);
int ptshare_watch_scan(struct ptshare_watch *watch, struct ptshare_scan *arg,
		       struct ptshare_scan __user *uarg);
ssize_t ptshare_watch_read(struct ptshare_watch *watch, struct iov_iter *to,
			   bool nowait);
__poll_t ptshare_watch_poll(struct ptshare_watch *watch, struct file *file,
			    struct poll_table_struct *wait);
void ptshare_watch_stat(struct ptshare_watch *watch,
			struct ptshare_watch_stat *stat);

#endif /* _LINUX_PTSHARE_H */
