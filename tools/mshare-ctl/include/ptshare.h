/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libptshare: containers of shared memory, see linux/ptshare.h for what the
 * kernel does and for the meaning of each errno.
 *
 * Rules for the whole library:
 *  - a function that can fail returns a negative errno and leaves the variable
 *    errno undefined; success is 0, or the new fd where one is made;
 *  - offsets and lengths are in bytes, permissions are PROT_READ, PROT_WRITE
 *    and PROT_NONE of <sys/mman.h>;
 *  - new fds are close-on-exec;
 *  - nothing is printed, no signal handler is set, no global state is kept:
 *    every function may be called from any thread at any time, except
 *    ptshare_listen_export(), which changes the environment.
 */
#ifndef LIBPTSHARE_H
#define LIBPTSHARE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <linux/ptshare.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PTSHARE_VERSION		"0.1.0"
#define PTSHARE_DEVICE		"/dev/ptshare"
#define PTSHARE_LISTEN_FD	3
#define PTSHARE_LISTEN_NAME	"ptshare"

/**
 * ptshare_version() - version of the library that runs, "MAJOR.MINOR.PATCH"
 */
const char *ptshare_version(void);

/**
 * ptshare_open() - open /dev/ptshare
 *
 * Return: an fd for ptshare_create() and ptshare_info(); -ENOENT if the kernel
 * has no containers, -EACCES without the right to create one.
 */
int ptshare_open(void);

/**
 * ptshare_create() - make an empty container
 * @dev: fd of ptshare_open(), or -1 to have the device opened and closed
 * @length: bytes, a multiple of the page size, fixed for life; holes cost
 *	nothing
 * @max_prot: PROT_READ or PROT_READ | PROT_WRITE
 *
 * Return: the control fd or -errno (-EINVAL: @length; -EOPNOTSUPP: PROT_EXEC;
 * and those of ptshare_open() if @dev is -1).
 */
int ptshare_create(int dev, uint64_t length, int max_prot);

/**
 * ptshare_info() - sizes, counters, features and limits
 * @fd: control fd, attach fd or device
 * @info: filled; on the device only features and limits
 *
 * Return: 0 or -errno (-ENOTTY: @fd is none of these).
 */
int ptshare_info(int fd, struct ptshare_info *info);

/**
 * ptshare_map() - show a range of a file in a range of the container
 * @fd: control fd
 * @offset: where in the container
 * @length: bytes
 * @prot: permission, within max_prot and what @backing is open for
 * @backing: memfd or tmpfs file; may be closed afterwards
 * @backing_offset: where in @backing
 * @flags: 0 or PTSHARE_MAP_REPLACE
 *
 * Return: 0 or -errno (-EEXIST: a region is there; -EOPNOTSUPP: this kernel
 * can't serve @backing; -EACCES: @prot; -EPERM: an attach fd, or sealed).
 */
int ptshare_map(int fd, uint64_t offset, uint64_t length, int prot,
		int backing, uint64_t backing_offset, unsigned int flags);

/**
 * ptshare_unmap() - take regions, or parts of them, out of the container
 * @fd: control fd
 * @offset: where in the container
 * @length: bytes; may span holes
 *
 * Return: 0 or -errno (-ENOENT: there is nothing but holes).
 */
int ptshare_unmap(int fd, uint64_t offset, uint64_t length);

/**
 * ptshare_protect() - change permissions for all processes at once
 * @fd: control fd
 * @ranges: the ranges and their new permissions, in any order
 * @nr: how many, up to max_ranges of ptshare_info()
 * @failed: if not NULL and a range was refused: its index; else ~0
 *
 * Either all ranges are changed or none.
 *
 * Return: 0 or -errno (-ENOENT: a hole; -EACCES: beyond max_prot or the mode
 * of the backing fd; -EINVAL: ranges overlap, or a range is misaligned).
 */
int ptshare_protect(int fd, const struct ptshare_range_prot *ranges,
		    uint32_t nr, uint32_t *failed);

/**
 * ptshare_query() - read one batch of regions
 * @fd: control or attach fd
 * @start: offset to start at
 * @buf: array of regions
 * @nr: in: entries in @buf, at least 1; out: entries filled
 * @next: out: @start of the next batch; the container's length at the end
 *
 * Return: 0 or -errno.
 */
int ptshare_query(int fd, uint64_t start, struct ptshare_region *buf,
		  uint32_t *nr, uint64_t *next);

/**
 * struct ptshare_iter - a walk over the regions, in order of offset
 *
 * One thread at a time may use an iterator. Regions that change during the
 * walk may be seen old or new.
 */
struct ptshare_iter;

/**
 * ptshare_iter_new() - start a walk
 * @fd: control or attach fd, must stay open during the walk
 * @start: offset to start at
 * @iter: out: for ptshare_iter_next() and ptshare_iter_free()
 *
 * Return: 0 or -errno.
 */
int ptshare_iter_new(int fd, uint64_t start, struct ptshare_iter **iter);

/**
 * ptshare_iter_next() - the next region
 *
 * Return: 1 with @region filled, 0 at the end, or -errno.
 */
int ptshare_iter_next(struct ptshare_iter *iter, struct ptshare_region *region);

/** ptshare_iter_free() - end a walk; NULL is fine */
void ptshare_iter_free(struct ptshare_iter *iter);

/**
 * ptshare_attach_fd() - an fd that can map and query, and nothing else
 * @fd: control fd
 *
 * Return: the attach fd or -errno.
 */
int ptshare_attach_fd(int fd);

/**
 * ptshare_seal() - give up rights for good
 * @fd: control fd
 * @seals: PTSHARE_SEAL_*
 *
 * Return: 0 or -errno (-EPERM: PTSHARE_SEAL_SEAL is set).
 */
int ptshare_seal(int fd, uint32_t seals);

/**
 * ptshare_notify() - make an fd that tells of writes
 * @fd: control fd
 * @queue_len: events that may wait to be read; 0 is 4096
 *
 * The fd is for ptshare_arm(), ptshare_resolve(), ptshare_scan() and
 * ptshare_events_new(); it can be polled. Its last close ends what was armed
 * through it.
 *
 * Return: the notify fd or -errno (-ENOTTY: the kernel can't tell of writes;
 * -EPERM: an attach fd).
 */
int ptshare_notify(int fd, uint32_t queue_len);

/**
 * ptshare_arm() - watch a range: its next writes are caught
 * @fd: notify fd
 * @arm: what to watch and how; @arm->size is the sizeof that the caller knows.
 *	armed_bytes and pinned are filled
 *
 * Return: 0 or -errno (-ENOENT: a hole; -EBUSY: somebody else watches it, or
 * pinned pages forbid it; -EPERM: the file is not ours and the mode could stall
 * its writers; -EACCES: the backing was not open for writing).
 */
int ptshare_arm(int fd, struct ptshare_arm *arm);

/**
 * ptshare_resolve() - decide about a range that is armed
 * @fd: notify fd
 * @offset: where in the container
 * @length: bytes
 * @action: PTSHARE_ALLOW, PTSHARE_FAIL or PTSHARE_DISARM
 * @woken: out, if not NULL: writers that slept
 *
 * Return: 0 or -errno (-ENOENT: some of it is not this fd's, or nothing of it
 * is armed any more: whoever slept is awake).
 */
int ptshare_resolve(int fd, uint64_t offset, uint64_t length, uint32_t action,
		    uint64_t *woken);

/**
 * ptshare_scan() - what was written?
 * @fd: notify fd
 * @scan: where to look, for what and what to do; @scan->size is the sizeof that
 *	the caller knows. walk_end and nr are filled
 *
 * One batch: the next one starts at walk_end. With PTSHARE_SCAN_REARM read the
 * contents of the pages after the call.
 *
 * Return: 0 or -errno.
 */
int ptshare_scan(int fd, struct ptshare_scan *scan);

/**
 * struct ptshare_events - the records of a notify fd, one by one
 *
 * One thread at a time may use it, and nobody else should read the fd.
 */
struct ptshare_events;

/**
 * ptshare_events_new() - start to read events
 * @fd: notify fd, must stay open as long as @events is used
 * @events: out: for ptshare_events_next() and ptshare_events_free()
 *
 * Return: 0 or -errno.
 */
int ptshare_events_new(int fd, struct ptshare_events **events);

/**
 * ptshare_events_next() - the next event
 * @events: of ptshare_events_new()
 * @event: out: valid until the next call
 *
 * Several records are read at a time, so poll the fd only after a 0. What this
 * kernel does not tell of an event is 0.
 *
 * Return: 1 with @event set; 0 if the fd has O_NONBLOCK and there is none now;
 * or -errno (-EINTR: a signal came first).
 */
int ptshare_events_next(struct ptshare_events *events,
			const struct ptshare_event **event);

/** ptshare_events_free() - drops what was read and not asked for; NULL is fine */
void ptshare_events_free(struct ptshare_events *events);

/**
 * struct ptshare_window - one mapping of a container in this process
 * @addr: first byte
 * @length: bytes
 */
struct ptshare_window {
	void *addr;
	size_t length;
};

/**
 * ptshare_window_open() - map a container, or a part of it
 * @window: filled
 * @fd: control or attach fd
 * @offset: first byte wanted; rounded down to a page
 * @length: bytes wanted, rounded up to a page; 0 is up to the container's end
 *
 * The kernel picks an address at which page tables can be shared. What may be
 * done in the window is each region's permission.
 *
 * Return: 0 or -errno (-EINVAL: the range leaves the container).
 */
int ptshare_window_open(struct ptshare_window *window, int fd,
			uint64_t offset, uint64_t length);

/** ptshare_window_close() - unmap @window; the container is not affected */
void ptshare_window_close(struct ptshare_window *window);

/**
 * ptshare_listen_export() - hand a container to the program exec'ed next
 * @fd: control or attach fd
 * @name: for LISTEN_FDNAMES; NULL is "ptshare"
 *
 * Puts @fd at PTSHARE_LISTEN_FD, open across exec, and sets LISTEN_FDS,
 * LISTEN_PID and LISTEN_FDNAMES as sd_listen_fds_with_names(3) reads them.
 * Whatever was at that number is closed. Not thread-safe.
 *
 * Return: PTSHARE_LISTEN_FD or -errno.
 */
int ptshare_listen_export(int fd, const char *name);

/**
 * ptshare_listen_import() - find a container handed over by LISTEN_FDS
 * @name: as in LISTEN_FDNAMES; NULL is "ptshare"
 *
 * The fd is made close-on-exec. The environment is left alone.
 *
 * Return: the fd, or -ENOENT if this process was given none of that name.
 */
int ptshare_listen_import(const char *name);

/**
 * struct ptshare_error - what was wrong with a text, or with a layout
 * @line: line number from 1, 0 if it is no single line's fault
 * @text: the cause, without a newline
 * @hint: what to do about it, or empty
 */
struct ptshare_error {
	unsigned int line;
	char text[232];
	char hint[128];
};

/**
 * ptshare_size_parse() - read "4096", "0x1000", "4K", "2M", "1G", "1T"
 * @text: the whole string must be the number
 * @value: out
 *
 * Return: 0, -EINVAL, or -ERANGE above 64 bits.
 */
int ptshare_size_parse(const char *text, uint64_t *value);

/**
 * ptshare_size_format() - the shortest exact spelling that can be read back
 * @value: bytes
 * @buf: at least 24 bytes
 *
 * Return: @buf.
 */
char *ptshare_size_format(uint64_t value, char *buf);

/**
 * ptshare_prot_parse() - read "r", "rw", "-" or "none", "r-", "rw-", "---"
 *
 * Return: 0 with @prot filled, or -EINVAL.
 */
int ptshare_prot_parse(const char *text, int *prot);

/** ptshare_prot_format() - "r", "rw", "-"; "?" for what is none of these */
const char *ptshare_prot_format(int prot);

/**
 * ptshare_ranges_parse() - read lines "offset length prot"
 * @text: need not end in a zero byte
 * @len: bytes in @text
 * @ranges: out: array for ptshare_protect(), to be released by free()
 * @nr: out: entries
 * @err: out, if not NULL: the cause on failure
 *
 * Return: 0 or -errno (-EINVAL: @err tells why).
 */
int ptshare_ranges_parse(const char *text, size_t len,
			 struct ptshare_range_prot **ranges, uint32_t *nr,
			 struct ptshare_error *err);

/**
 * enum ptshare_source - kinds of backings in a layout
 * @PTSHARE_SOURCE_PATH: a file by its path
 * @PTSHARE_SOURCE_MEMFD: "memfd:NAME", new memory; lines with the same NAME
 *	show the same memfd
 * @PTSHARE_SOURCE_HUGETLB: "hugetlb:SIZE:NAME", new memory in huge pages
 * @PTSHARE_SOURCE_FD: "fd:N", an fd of the calling process
 */
enum ptshare_source {
	PTSHARE_SOURCE_PATH,
	PTSHARE_SOURCE_MEMFD,
	PTSHARE_SOURCE_HUGETLB,
	PTSHARE_SOURCE_FD,
};

/**
 * struct ptshare_layout_region - one line of a layout
 * @offset: in the container
 * @length: bytes
 * @source_offset: in the backing
 * @page_size: of PTSHARE_SOURCE_HUGETLB, else 0
 * @source: the path, or the NAME
 * @prot: permission
 * @kind: enum ptshare_source
 * @fd: of PTSHARE_SOURCE_FD, else -1
 * @line: line number from 1
 */
struct ptshare_layout_region {
	uint64_t offset;
	uint64_t length;
	uint64_t source_offset;
	uint64_t page_size;
	const char *source;
	int prot;
	int kind;
	int fd;
	unsigned int line;
};

/**
 * struct ptshare_layout - a container's description
 *
 * Lines "offset length prot source [source-offset]". A word that begins with
 * "#" starts a comment. "\ooo" stands for the byte with that octal value, for
 * paths with spaces. Lines that overlap are an error.
 */
struct ptshare_layout;

/**
 * ptshare_layout_parse() - read a layout from memory
 * @text: need not end in a zero byte
 * @len: bytes in @text
 * @layout: out, to be released by ptshare_layout_free()
 * @err: out, if not NULL: the cause on failure
 *
 * Return: 0 or -errno (-EINVAL: @err tells why).
 */
int ptshare_layout_parse(const char *text, size_t len,
			 struct ptshare_layout **layout,
			 struct ptshare_error *err);

/** ptshare_layout_free() - release a layout; NULL is fine */
void ptshare_layout_free(struct ptshare_layout *layout);

/** ptshare_layout_count() - number of regions */
size_t ptshare_layout_count(const struct ptshare_layout *layout);

/**
 * ptshare_layout_region() - a region by its index, in order of lines
 *
 * Return: valid until ptshare_layout_free(); NULL beyond the last.
 */
const struct ptshare_layout_region *
ptshare_layout_region(const struct ptshare_layout *layout, size_t index);

/** ptshare_layout_length() - end of the last region, rounded up to 1 GiB */
uint64_t ptshare_layout_length(const struct ptshare_layout *layout);

/** ptshare_layout_prot() - PROT_READ and all that any region asks for */
int ptshare_layout_prot(const struct ptshare_layout *layout);

/**
 * ptshare_layout_apply() - open or make the backings and map all regions
 * @layout: what to map
 * @fd: control fd
 * @flags: as for ptshare_map()
 * @err: out, if not NULL: the cause on failure
 *
 * All backings are opened before the first region is mapped. After a failure
 * the regions mapped so far are taken out again, except with
 * PTSHARE_MAP_REPLACE, where what they replaced is lost.
 *
 * Return: 0 or -errno.
 */
int ptshare_layout_apply(const struct ptshare_layout *layout, int fd,
			 unsigned int flags, struct ptshare_error *err);

#ifdef __cplusplus
}
#endif

#endif /* LIBPTSHARE_H */
