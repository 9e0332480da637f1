/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ptshare: memory assembled from other files behind one fd, mapped by many
 * processes, with its permissions kept in one place.
 *
 * This is the only file that describes the user interface; the library, the
 * tools and the tests include it as it stands.
 */
#ifndef _UAPI_LINUX_PTSHARE_H
#define _UAPI_LINUX_PTSHARE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Rules that every ioctl keeps
 *
 * The argument is a pointer to a structure that begins with @size, the size in
 * bytes of the structure the caller was compiled against, and @flags. A kernel
 * that knows a shorter structure accepts a longer one as long as what it does
 * not know is zero; a kernel that knows a longer one treats what the caller
 * left out as zero. Results are written up to the caller's @size. The layout is
 * the same for 32-bit callers.
 *
 * A call that makes an fd returns it (always close-on-exec), the others return
 * 0. A call that fails leaves the container exactly as it was. errno means the
 * same for all of them:
 *
 *  - ENOTTY: the kernel does not know the ioctl
 *  - EPERM: the wrong kind of fd, a sealed container, or a sealed memfd
 *  - EFAULT: a pointer that can't be read or written
 *  - EINVAL: @size below the first version; a range that is misaligned,
 *    empty, overflows or leaves the container; unknown prot or seal bits;
 *    PROT_WRITE without PROT_READ; a reserved field that is not 0; a count
 *    that is 0 or too large; ranges that overlap
 *  - E2BIG: a tail the kernel does not know is not zero, or @size is above a
 *    page
 *  - EOPNOTSUPP: an unknown bit in @flags, or a backing that this kernel
 *    cannot serve
 *  - EBADF: no such fd
 *  - EACCES: the fd's mode, max_prot, an append-only file or a noexec mount
 *    does not allow it
 *  - ETXTBSY: the file is in use for swapping
 *  - EEXIST: the range already has a region
 *  - ENOENT: the range has no region, or meets a hole
 *  - EBUSY: somebody else's claim
 *  - ENOSPC: a limit (see max_regions)
 *  - EINTR: killed while waiting
 *  - ENOMEM: no memory
 *
 * Besides, a security module may refuse with its own errno.
 *
 * prot is made of PROT_READ and PROT_WRITE of <sys/mman.h>, or is PROT_NONE.
 * Offsets and lengths are in bytes and multiples of the page size.
 *
 * When UNMAP, MAP with PTSHARE_MAP_REPLACE or PROTECT returns, no CPU can use
 * an older translation of the range. During the call other processes may see
 * the old or the new state, page by page.
 */

#define PTSHARE_IOC_TYPE	0xAA

/*
 * The number alone names a call: the size of its structure is in the
 * structure, so it may grow without a new number.
 */
#define PTSHARE_IOC_CREATE	_IO(PTSHARE_IOC_TYPE, 0x40)
#define PTSHARE_IOC_INFO	_IO(PTSHARE_IOC_TYPE, 0x41)
#define PTSHARE_IOC_MAP		_IO(PTSHARE_IOC_TYPE, 0x42)
#define PTSHARE_IOC_UNMAP	_IO(PTSHARE_IOC_TYPE, 0x43)
#define PTSHARE_IOC_PROTECT	_IO(PTSHARE_IOC_TYPE, 0x44)
#define PTSHARE_IOC_QUERY	_IO(PTSHARE_IOC_TYPE, 0x45)
#define PTSHARE_IOC_ATTACH_FD	_IO(PTSHARE_IOC_TYPE, 0x46)
#define PTSHARE_IOC_SEAL	_IO(PTSHARE_IOC_TYPE, 0x47)
#define PTSHARE_IOC_NOTIFY	_IO(PTSHARE_IOC_TYPE, 0x48)
#define PTSHARE_IOC_ARM		_IO(PTSHARE_IOC_TYPE, 0x50)
#define PTSHARE_IOC_RESOLVE	_IO(PTSHARE_IOC_TYPE, 0x51)
#define PTSHARE_IOC_SCAN	_IO(PTSHARE_IOC_TYPE, 0x52)

/**
 * struct ptshare_create - PTSHARE_IOC_CREATE on /dev/ptshare: make a container
 * @size: sizeof(struct ptshare_create)
 * @flags: must be 0
 * @length: length of the container in bytes, fixed for its life; holes cost
 *	nothing
 * @max_prot: PROT_READ or PROT_READ|PROT_WRITE: no region ever allows more, and
 *	every mmap of the container must ask for at least this
 * @__reserved: must be 0
 *
 * Returns the control fd. Memory and page tables of the container are charged
 * to the memory cgroup of the caller. EOPNOTSUPP if @max_prot has PROT_EXEC.
 */
struct ptshare_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 length;
	__u32 max_prot;
	__u32 __reserved;
};

/* struct ptshare_info.features */
#define PTSHARE_FEATURE_SHMEM	(1ULL << 0)	/* memfd and tmpfs backings */
#define PTSHARE_FEATURE_NOTIFY	(1ULL << 1)	/* PTSHARE_IOC_NOTIFY and its fd */

/**
 * struct ptshare_info - PTSHARE_IOC_INFO on the device, a control or attach fd
 * @size: sizeof(struct ptshare_info)
 * @flags: must be 0
 * @id: the container's inode number, as /proc/PID/maps shows it
 * @length: bytes, as given to PTSHARE_IOC_CREATE
 * @max_prot: as given to PTSHARE_IOC_CREATE
 * @seals: PTSHARE_SEAL_* set so far
 * @nr_regions: regions, as PTSHARE_IOC_QUERY would list them
 * @nr_windows: mappings of the container in all processes
 * @rss_bytes: memory that the container's own page tables map
 * @pgtable_bytes: the container's own page tables
 * @saved_bytes: what the linked windows would cost as private page tables
 * @nr_links: page-table entries of windows that point at the container's tables
 * @nr_mirrors: entries in private page tables of windows that repeat one of the
 *	container's
 * @granule: the largest alignment of address and offset that is of use, in
 *	bytes; a hint
 * @features: PTSHARE_FEATURE_*
 * @max_regions: most regions a container can have
 * @max_ranges: most ranges in one PTSHARE_IOC_PROTECT
 *
 * All but @size and @flags are results. On the device fd only @granule,
 * @features and the limits are filled, the rest is 0. The counters are read
 * without stopping the container and may be off by what is in flight.
 */
struct ptshare_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 id;
	__aligned_u64 length;
	__u32 max_prot;
	__u32 seals;
	__u32 nr_regions;
	__u32 nr_windows;
	__aligned_u64 rss_bytes;
	__aligned_u64 pgtable_bytes;
	__aligned_u64 saved_bytes;
	__aligned_u64 nr_links;
	__aligned_u64 nr_mirrors;
	__aligned_u64 granule;
	__aligned_u64 features;
	__u32 max_regions;
	__u32 max_ranges;
};

/* struct ptshare_map.flags */
#define PTSHARE_MAP_REPLACE	(1U << 0)

/**
 * struct ptshare_map - PTSHARE_IOC_MAP on a control fd: make a region
 * @size: sizeof(struct ptshare_map)
 * @flags: 0 or PTSHARE_MAP_REPLACE: take the place of what lies in the range,
 *	at once for everybody; no reader meets a hole in between
 * @fd: the backing: a memfd or a tmpfs file
 * @prot: permission of the region, within max_prot
 * @offset: where in the container, in bytes
 * @length: bytes
 * @fd_offset: where in the backing, in bytes
 *
 * @fd must be open for reading, and for writing if @prot has PROT_WRITE or a
 * later PTSHARE_IOC_PROTECT is to add it. Seals of a memfd, noexec,
 * append-only and security modules are honoured as by mmap(2). The fd may be
 * closed afterwards. EEXIST if the range has a region and PTSHARE_MAP_REPLACE
 * is not given; EPERM under PTSHARE_SEAL_LAYOUT.
 */
struct ptshare_map {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 prot;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 fd_offset;
};

/**
 * struct ptshare_unmap - PTSHARE_IOC_UNMAP on a control fd: remove regions
 * @size: sizeof(struct ptshare_unmap)
 * @flags: must be 0
 * @offset: start of the range in the container, in bytes
 * @length: bytes
 *
 * Regions may be cut; holes in the range are fine, but a range without any
 * region is ENOENT. EPERM under PTSHARE_SEAL_LAYOUT.
 */
struct ptshare_unmap {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * struct ptshare_range_prot - one range of PTSHARE_IOC_PROTECT
 * @offset: start in the container, in bytes
 * @length: bytes
 * @prot: new permission, within max_prot and what the backing fd allowed
 * @__reserved: must be 0
 */
struct ptshare_range_prot {
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 prot;
	__u32 __reserved;
};

/**
 * struct ptshare_protect - PTSHARE_IOC_PROTECT on a control fd
 * @size: sizeof(struct ptshare_protect)
 * @flags: must be 0
 * @nr: number of ranges, 1 to max_ranges
 * @failed: result: index of the first refused range, on EINVAL, EACCES and
 *	ENOENT that a range caused
 * @ranges: pointer to an array of struct ptshare_range_prot, in any order, not
 *	overlapping
 *
 * All ranges are checked before the first is changed. A range that meets a
 * hole is ENOENT. EPERM under PTSHARE_SEAL_PROT.
 */
struct ptshare_protect {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 failed;
	__aligned_u64 ranges;
};

/**
 * struct ptshare_region - one region, as PTSHARE_IOC_QUERY tells it
 * @offset: start in the container, in bytes
 * @length: bytes
 * @fd_offset: start in the backing, in bytes
 * @ino: inode number of the backing
 * @dev: device of the backing, as st_dev
 * @prot: permission
 * @flags: 0
 */
struct ptshare_region {
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 fd_offset;
	__aligned_u64 ino;
	__aligned_u64 dev;
	__u32 prot;
	__u32 flags;
};

/**
 * struct ptshare_query - PTSHARE_IOC_QUERY on a control or attach fd
 * @size: sizeof(struct ptshare_query)
 * @flags: must be 0
 * @start: offset in the container to start at, in bytes; a region that begins
 *	before it and reaches beyond it is told whole
 * @buf: pointer to an array of struct ptshare_region
 * @nr: room in @buf in entries, at least 1; result: entries filled
 * @__reserved: must be 0
 * @next: result: the @start for the next call; the container's length when
 *	there is no more
 *
 * Neighbours that continue each other in the same backing with the same
 * permission are told as one region.
 */
struct ptshare_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 start;
	__aligned_u64 buf;
	__u32 nr;
	__u32 __reserved;
	__aligned_u64 next;
};

/**
 * struct ptshare_attach_fd - PTSHARE_IOC_ATTACH_FD on a control fd
 * @size: sizeof(struct ptshare_attach_fd)
 * @flags: must be 0
 *
 * Returns an fd of the same container that can be mapped, queried and passed
 * on, and nothing else.
 */
struct ptshare_attach_fd {
	__u32 size;
	__u32 flags;
};

/* struct ptshare_seal.seals */
#define PTSHARE_SEAL_SEAL	(1U << 0)	/* no more seals */
#define PTSHARE_SEAL_LAYOUT	(1U << 1)	/* no MAP, no UNMAP */
#define PTSHARE_SEAL_PROT	(1U << 2)	/* no PROTECT */

/**
 * struct ptshare_seal - PTSHARE_IOC_SEAL on a control fd: give up rights
 * @size: sizeof(struct ptshare_seal)
 * @flags: must be 0
 * @seals: PTSHARE_SEAL_* to add; seals are never taken off
 * @__reserved: must be 0
 *
 * EPERM under PTSHARE_SEAL_SEAL.
 */
struct ptshare_seal {
	__u32 size;
	__u32 flags;
	__u32 seals;
	__u32 __reserved;
};

/**
 * struct ptshare_notify - PTSHARE_IOC_NOTIFY on a control fd: make a notify fd
 * @size: sizeof(struct ptshare_notify)
 * @flags: must be 0
 * @queue_len: events that wait to be read, 0 for 4096, at most 1048576
 * @event_size: result: bytes of one struct ptshare_event from read(2)
 *
 * Returns an fd that can be armed, scanned, read and polled. Its last close
 * gives up all that was armed through it, as on_close says.
 */
struct ptshare_notify {
	__u32 size;
	__u32 flags;
	__u32 queue_len;
	__u32 event_size;
};

/* struct ptshare_arm.mode: what becomes of a store of a process */
#define PTSHARE_ASYNC		0	/* goes on, and is recorded */
#define PTSHARE_BLOCK		1	/* sleeps until PTSHARE_IOC_RESOLVE */
#define PTSHARE_SIGNAL		2	/* SIGBUS, BUS_ADRERR */

/* struct ptshare_arm.on_kernel: of a write that the kernel makes for it */
#define PTSHARE_KERNEL_ALLOW	0	/* goes on, and is recorded */
#define PTSHARE_KERNEL_FAIL	1	/* EFAULT, or EPERM from write(2) */
#define PTSHARE_KERNEL_BLOCK	2	/* sleeps; needs CAP_SYS_PTRACE */

/* struct ptshare_arm.on_close */
#define PTSHARE_CLOSE_ALLOW	0	/* everybody writes */
#define PTSHARE_CLOSE_SIGNAL	1	/* as with PTSHARE_SIGNAL, untold */

/**
 * struct ptshare_arm - PTSHARE_IOC_ARM on a notify fd: watch a range
 * @size: sizeof(struct ptshare_arm)
 * @flags: must be 0
 * @offset: start in the container, in bytes
 * @length: bytes
 * @cookie: is in each event of the range
 * @mode: PTSHARE_ASYNC, _BLOCK or _SIGNAL
 * @on_kernel: PTSHARE_KERNEL_ALLOW, _FAIL or _BLOCK
 * @on_close: PTSHARE_CLOSE_ALLOW or _SIGNAL
 * @__reserved: must be 0
 * @timeout_ns: how long a writer sleeps at most before it goes on, in
 *	nanoseconds, counted from the first that sleeps for a page; 0 for 10
 *	seconds; more than an hour, or ~0 for ever, needs CAP_SYS_PTRACE
 * @armed_bytes: result: bytes armed
 * @pinned: result: bytes of pages that a device or the kernel holds for long and
 *	may write unseen
 *
 * Watches the bytes of the backing, so it catches whoever writes them by
 * whatever way, once per page and arming. Needs a backing fd that was open for
 * writing (EACCES); all but PTSHARE_ASYNC with PTSHARE_KERNEL_ALLOW and
 * PTSHARE_CLOSE_ALLOW needs to own the file or CAP_LEASE (EPERM). ENOENT if
 * the range meets a hole, EBUSY if another notify fd watches some of it or, but
 * for PTSHARE_ASYNC, if pages are pinned; EOPNOTSUPP for a backing that can't be
 * watched. All or nothing. Arming again what this fd has armed is fine.
 */
struct ptshare_arm {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 cookie;
	__u32 mode;
	__u32 on_kernel;
	__u32 on_close;
	__u32 __reserved;
	__aligned_u64 timeout_ns;
	__aligned_u64 armed_bytes;
	__aligned_u64 pinned;
};

/* struct ptshare_resolve.action */
#define PTSHARE_ALLOW		0	/* writers go on, until armed again */
#define PTSHARE_FAIL		1	/* those that sleep fail; stays armed */
#define PTSHARE_DISARM		2	/* ALLOW, and the range is given up */

/**
 * struct ptshare_resolve - PTSHARE_IOC_RESOLVE on a notify fd
 * @size: sizeof(struct ptshare_resolve)
 * @flags: must be 0
 * @offset: start in the container, in bytes
 * @length: bytes
 * @action: PTSHARE_ALLOW, _FAIL or _DISARM
 * @__reserved: must be 0
 * @woken: result: writers that slept
 *
 * A writer that fails gets SIGBUS for a store, EFAULT or EPERM from a system
 * call; the kernel may try the rest of a copy in smaller pieces first, and that
 * is one more writer. ENOENT if a page of the range is not this fd's or, but for
 * PTSHARE_DISARM, if none of them is armed any more.
 */
struct ptshare_resolve {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 action;
	__u32 __reserved;
	__aligned_u64 woken;
};

/* struct ptshare_scan.flags */
#define PTSHARE_SCAN_CLEAR	(1U << 0)	/* forget what is told as written */
#define PTSHARE_SCAN_REARM	(1U << 1)	/* and arm it again */

/* struct ptshare_scan.categories and struct ptshare_scan_region.categories */
#define PTSHARE_PAGE_WRITTEN	(1ULL << 0)	/* permission was given since */
#define PTSHARE_PAGE_ARMED	(1ULL << 1)	/* the next write is caught */
#define PTSHARE_PAGE_PENDING	(1ULL << 2)	/* a writer sleeps or was refused */
#define PTSHARE_PAGE_PINNED	(1ULL << 3)	/* may be written unseen */

/**
 * struct ptshare_scan_region - pages of the same categories
 * @start: in the container, in bytes
 * @end: first byte behind them
 * @categories: PTSHARE_PAGE_*
 */
struct ptshare_scan_region {
	__aligned_u64 start;
	__aligned_u64 end;
	__aligned_u64 categories;
};

/**
 * struct ptshare_scan - PTSHARE_IOC_SCAN on a notify fd: what was written?
 * @size: sizeof(struct ptshare_scan)
 * @flags: PTSHARE_SCAN_CLEAR, PTSHARE_SCAN_REARM
 * @start: in the container, in bytes
 * @end: first byte not to be looked at
 * @vec: pointer to an array of struct ptshare_scan_region
 * @vec_len: room in @vec in entries, at least 1
 * @max_pages: tell at most so many pages, 0 for any number
 * @categories: tell pages that have one of these, 0 for PTSHARE_PAGE_WRITTEN
 * @walk_end: result: where it stopped, @end if all was looked at
 * @nr: result: entries filled
 *
 * Tells pages that were armed through this fd. With PTSHARE_SCAN_REARM the
 * pages told are armed again, with the parameters they had, before the call
 * returns; read their contents after it. A page that is armed and pinned stays
 * written.
 * A call that fails has forgotten nothing.
 */
struct ptshare_scan {
	__u32 size;
	__u32 flags;
	__aligned_u64 start;
	__aligned_u64 end;
	__aligned_u64 vec;
	__aligned_u64 vec_len;
	__aligned_u64 max_pages;
	__aligned_u64 categories;
	__aligned_u64 walk_end;
	__aligned_u64 nr;
};

/* struct ptshare_event.type */
#define PTSHARE_EVENT_WRITE	1	/* a write was let through, or waits */
#define PTSHARE_EVENT_OVERFLOW	2	/* events were dropped: PTSHARE_IOC_SCAN */
#define PTSHARE_EVENT_DISARMED	3	/* UNMAP, REPLACE or truncation */

/* struct ptshare_event.flags */
#define PTSHARE_EVENT_F_BLOCKED	(1U << 0)	/* the writer sleeps */
#define PTSHARE_EVENT_F_KERNEL	(1U << 1)	/* the kernel writes for it */
#define PTSHARE_EVENT_F_REMOTE	(1U << 2)	/* into another process */
#define PTSHARE_EVENT_F_SYSCALL	(1U << 3)	/* to the file, as write(2) does */
#define PTSHARE_EVENT_F_TIMEOUT	(1U << 4)	/* nobody resolved it in time */

/**
 * struct ptshare_event - one record of read(2) on a notify fd
 * @size: bytes of this record: step by it
 * @type: PTSHARE_EVENT_*
 * @flags: PTSHARE_EVENT_F_*
 * @cookie: of the arming
 * @offset: in the container, in bytes
 * @length: bytes, whole pages
 * @addr: address of the access, 0 with PTSHARE_EVENT_F_SYSCALL; unless the
 *	notify fd was made with CAP_SYS_PTRACE, also 0 with
 *	PTSHARE_EVENT_F_REMOTE, and for a process of another user, with more
 *	capabilities, or that is not dumpable
 * @seq: goes up by 1 for each event, also for those that were dropped
 * @time_ns: CLOCK_MONOTONIC
 * @pid: process that writes, in the reader's pid namespace; 0 if not visible
 * @tid: its thread
 *
 * read(2) returns whole records; a copy that fails keeps them. @cookie, @offset,
 * @length and the rest are 0 in PTSHARE_EVENT_OVERFLOW, but for @seq and
 * @time_ns.
 */
struct ptshare_event {
	__u32 size;
	__u16 type;
	__u16 flags;
	__aligned_u64 cookie;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 addr;
	__aligned_u64 seq;
	__aligned_u64 time_ns;
	__s32 pid;
	__s32 tid;
};

#endif /* _UAPI_LINUX_PTSHARE_H */
