/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Write notification: what core mm and shmem see of it. A file some of whose
 * pages are watched has AS_WRITE_NOTIFY set, and keeps it. While there is no
 * such file every helper is a static key that is off; otherwise it is a test of
 * that flag; with CONFIG_PTSHARE off it is a constant.
 */
#ifndef _LINUX_WRITE_NOTIFY_H
#define _LINUX_WRITE_NOTIFY_H

#include <linux/jump_label_ratelimit.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

struct iov_iter;
struct kiocb;
struct write_notify;

/* Between write_notify_begin() and its caller: ask without locks first. */
#define EWRITENOTIFY	540

#ifdef CONFIG_PTSHARE

/* There is a file in memory that somebody watches or has watched. */
extern struct static_key_false_deferred write_notify_used;

/* Called only where mapping_write_notify() holds. */
bool write_notify_armed(struct vm_area_struct *vma, unsigned long addr,
			unsigned int nr);
vm_fault_t write_notify_fault(struct vm_fault *vmf);
vm_fault_t write_notify_wp(struct vm_fault *vmf);
vm_fault_t write_notify_refused(struct vm_fault *vmf, vm_fault_t ret);
int write_notify_begin(struct folio *folio, loff_t pos, size_t len);
int write_notify_fill(struct address_space *mapping, pgoff_t index);
ssize_t write_notify_resume(struct kiocb *iocb, struct iov_iter *from,
			    ssize_t ret,
			    ssize_t (*write)(struct kiocb *iocb,
					     struct iov_iter *from));
void write_notify_poked(struct page *page, unsigned long addr);
int write_notify_change(struct address_space *mapping, loff_t pos, loff_t len);
void write_notify_changed(struct address_space *mapping, loff_t pos,
			  loff_t len);
void write_notify_truncated(struct address_space *mapping, loff_t newsize,
			    loff_t oldsize);
void write_notify_free(struct write_notify *wn);

/* Was a page of the file ever watched? */
static inline bool mapping_write_notify(const struct address_space *mapping)
{
	return static_branch_unlikely(&write_notify_used.key) &&
	       test_bit(AS_WRITE_NOTIFY, &mapping->flags);
}

/* Are there pages in a shared mapping that may not become writable? */
static inline bool vma_write_notify(const struct vm_area_struct *vma)
{
	return static_branch_unlikely(&write_notify_used.key) &&
	       (vma->vm_flags & VM_SHARED) && vma->vm_file &&
	       test_bit(AS_WRITE_NOTIFY, &vma->vm_file->f_mapping->flags);
}

/**
 * vma_write_notify_armed - must some of these pages not become writable?
 * @vma: the mapping
 * @addr: of the first page
 * @nr: pages
 *
 * Context: under the page table lock under which the answer is used.
 */
static inline bool vma_write_notify_armed(struct vm_area_struct *vma,
					  unsigned long addr, unsigned int nr)
{
	return vma_write_notify(vma) && write_notify_armed(vma, addr, nr);
}

/**
 * vma_write_notify_prot - was the flag set while vm_page_prot was made?
 * @vma: the mapping, whose vm_page_prot was stored
 *
 * Either the caller sees the flag, or wn_enable() sees what the caller stored.
 */
static inline bool vma_write_notify_prot(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED) || !vma->vm_file)
		return false;
	smp_mb(); /* pairs with the one in wn_enable() */
	return mapping_write_notify(vma->vm_file->f_mapping);
}

#else /* CONFIG_PTSHARE */

/* Macros: what the callers become must not depend on what is inlined when. */
#define mapping_write_notify(mapping)			(false && (mapping))
#define vma_write_notify(vma)				(false && (vma))
#define vma_write_notify_prot(vma)			(false && (vma))
#define vma_write_notify_armed(vma, addr, nr)	\
	(false && (vma) && (addr) && (nr))

static inline vm_fault_t write_notify_fault(struct vm_fault *vmf)
{
	return 0;
}

static inline vm_fault_t write_notify_wp(struct vm_fault *vmf)
{
	return 0;
}

static inline vm_fault_t write_notify_refused(struct vm_fault *vmf,
					      vm_fault_t ret)
{
	return ret;
}

static inline int write_notify_begin(struct folio *folio, loff_t pos,
				     size_t len)
{
	return 0;
}

static inline int write_notify_fill(struct address_space *mapping,
				    pgoff_t index)
{
	return 0;
}

static inline ssize_t
write_notify_resume(struct kiocb *iocb, struct iov_iter *from, ssize_t ret,
		    ssize_t (*write)(struct kiocb *iocb, struct iov_iter *from))
{
	return ret;
}

static inline void write_notify_poked(struct page *page, unsigned long addr)
{
}

static inline int write_notify_change(struct address_space *mapping, loff_t pos,
				      loff_t len)
{
	return 0;
}

static inline void write_notify_changed(struct address_space *mapping,
					loff_t pos, loff_t len)
{
}

static inline void write_notify_truncated(struct address_space *mapping,
					  loff_t newsize, loff_t oldsize)
{
}

#endif /* CONFIG_PTSHARE */

#endif /* _LINUX_WRITE_NOTIFY_H */
