/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ptshare

#if !defined(_TRACE_PTSHARE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PTSHARE_H

#include <linux/tracepoint.h>

/*
 * Offsets and lengths are bytes in the container; a container is named by its
 * inode number, as in /proc/PID/maps. These are for mm/ptshare*.c, whose
 * private header comes first.
 */

TRACE_EVENT(ptshare_create,
	    TP_PROTO(struct ptshare *pt),
	    TP_ARGS(pt),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned long, length)
			     __field(unsigned int, prot)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->length = pt->length;
			   __entry->prot = ptshare_flags_prot(pt->max_flags);),
	    TP_printk("id=%lu length=0x%lx max_prot=%u", __entry->id,
		      __entry->length, __entry->prot)
);

TRACE_EVENT(ptshare_map,
	    TP_PROTO(struct ptshare *pt, const struct ptshare_map *map, int err),
	    TP_ARGS(pt, map, err),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(u64, offset)
			     __field(u64, length)
			     __field(u64, fd_offset)
			     __field(u32, prot)
			     __field(u32, flags)
			     __field(int, err)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->offset = map->offset;
			   __entry->length = map->length;
			   __entry->fd_offset = map->fd_offset;
			   __entry->prot = map->prot;
			   __entry->flags = map->flags;
			   __entry->err = err;),
	    TP_printk("id=%lu offset=0x%llx length=0x%llx fd_offset=0x%llx prot=%u flags=%u err=%d",
		      __entry->id, __entry->offset, __entry->length,
		      __entry->fd_offset, __entry->prot, __entry->flags,
		      __entry->err)
);

TRACE_EVENT(ptshare_unmap,
	    TP_PROTO(struct ptshare *pt, u64 offset, u64 length, int err),
	    TP_ARGS(pt, offset, length, err),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(u64, offset)
			     __field(u64, length)
			     __field(int, err)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->offset = offset;
			   __entry->length = length;
			   __entry->err = err;),
	    TP_printk("id=%lu offset=0x%llx length=0x%llx err=%d", __entry->id,
		      __entry->offset, __entry->length, __entry->err)
);

TRACE_EVENT(ptshare_protect,
	    TP_PROTO(struct ptshare *pt, unsigned int nr, int err),
	    TP_ARGS(pt, nr, err),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned int, nr)
			     __field(int, err)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->nr = nr;
			   __entry->err = err;),
	    TP_printk("id=%lu nr=%u err=%d", __entry->id, __entry->nr,
		      __entry->err)
);

/* A fault that cmm had to handle. */
TRACE_EVENT(ptshare_fault,
	    TP_PROTO(unsigned long ino, unsigned long haddr, unsigned int flags,
		     vm_fault_t ret),
	    TP_ARGS(ino, haddr, flags, ret),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned long, offset)
			     __field(unsigned int, flags)
			     __field(unsigned int, ret)),
	    TP_fast_assign(__entry->id = ino;
			   __entry->offset = haddr - PTSHARE_BASE;
			   __entry->flags = flags;
			   __entry->ret = (__force unsigned int)ret;),
	    TP_printk("id=%lu offset=0x%lx flags=0x%x ret=0x%x",
		      __entry->id, __entry->offset,
		      __entry->flags, __entry->ret)
);

/* Entries set in a window; @nr were looked at, @added were not there. */
TRACE_EVENT(ptshare_mirror,
	    TP_PROTO(struct vm_area_struct *vma, unsigned long start,
		     unsigned int nr, long added),
	    TP_ARGS(vma, start, nr, added),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned long, start)
			     __field(unsigned int, nr)
			     __field(long, added)),
	    TP_fast_assign(__entry->id = vma_ptshare(vma)->ino;
			   __entry->start = start;
			   __entry->nr = nr;
			   __entry->added = added;),
	    TP_printk("id=%lu start=0x%lx nr=%u added=%ld", __entry->id,
		      __entry->start, __entry->nr, __entry->added)
);

/* Entries cleared in a window, because the container's are to change. */
TRACE_EVENT(ptshare_zap,
	    TP_PROTO(struct vm_area_struct *vma, unsigned long start,
		     unsigned long end, long zapped),
	    TP_ARGS(vma, start, end, zapped),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned long, start)
			     __field(unsigned long, end)
			     __field(long, zapped)),
	    TP_fast_assign(__entry->id = vma_ptshare(vma)->ino;
			   __entry->start = start;
			   __entry->end = end;
			   __entry->zapped = zapped;),
	    TP_printk("id=%lu start=0x%lx end=0x%lx zapped=%ld", __entry->id,
		      __entry->start, __entry->end, __entry->zapped)
);

DECLARE_EVENT_CLASS(ptshare_entry,
		    TP_PROTO(struct vm_area_struct *vma, unsigned long start,
			     unsigned long size),
		    TP_ARGS(vma, start, size),
		    TP_STRUCT__entry(__field(unsigned long, id)
				     __field(unsigned long, start)
				     __field(unsigned long, offset)
				     __field(unsigned long, size)),
		    TP_fast_assign(__entry->id = vma_ptshare(vma)->ino;
				   __entry->start = start;
				   __entry->offset =
					ptshare_host_addr(vma, start) -
					PTSHARE_BASE;
				   __entry->size = size;),
		    TP_printk("id=%lu start=0x%lx offset=0x%lx size=0x%lx",
			      __entry->id, __entry->start, __entry->offset,
			      __entry->size)
);

/* An entry of a window points at a table of the container from now on. */
DEFINE_EVENT(ptshare_entry, ptshare_link,
	     TP_PROTO(struct vm_area_struct *vma, unsigned long start,
		      unsigned long size),
	     TP_ARGS(vma, start, size)
);

/* It was cleared; its TLB entries are flushed later. */
DEFINE_EVENT(ptshare_entry, ptshare_unlink,
	     TP_PROTO(struct vm_area_struct *vma, unsigned long start,
		      unsigned long size),
	     TP_ARGS(vma, start, size)
);

/* A flush passed on to linked windows, and to so many CPUs by IPI. */
TRACE_EVENT(ptshare_flush,
	    TP_PROTO(struct ptshare *pt, unsigned int windows,
		     unsigned int cpus),
	    TP_ARGS(pt, windows, cpus),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned int, windows)
			     __field(unsigned int, cpus)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->windows = windows;
			   __entry->cpus = cpus;),
	    TP_printk("id=%lu windows=%u cpus=%u", __entry->id,
		      __entry->windows, __entry->cpus)
);

/* Empty PTE tables were given back. */
TRACE_EVENT(ptshare_trim,
	    TP_PROTO(struct ptshare *pt, unsigned int tables),
	    TP_ARGS(pt, tables),
	    TP_STRUCT__entry(__field(unsigned long, id)
			     __field(unsigned int, tables)),
	    TP_fast_assign(__entry->id = pt->ino;
			   __entry->tables = tables;),
	    TP_printk("id=%lu tables=%u", __entry->id, __entry->tables)
);

#endif /* _TRACE_PTSHARE_H */

#include <trace/define_trace.h>
