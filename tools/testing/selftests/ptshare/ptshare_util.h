/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Helpers shared by the ptshare selftests.
 *
 * Unless said otherwise a helper returns 0 (or an fd, or a count) and -errno on
 * failure, so that a test can state the errno it expects in one line.
 */
#ifndef PTSHARE_UTIL_H
#define PTSHARE_UTIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <linux/ptshare.h>

#define PTS_DEV	"/dev/ptshare"
#define PTS_RO	PROT_READ
#define PTS_RW	(PROT_READ | PROT_WRITE)

/* Page size, filled before main() runs. */
extern size_t pts_psz;

/* --- ioctls ----------------------------------------------------------- */

int pts_ioctl(int fd, unsigned long cmd, void *arg);
int pts_open_dev(void);
/* Opens the device, makes a container, closes the device: a control fd. */
int pts_create(__u64 length, __u32 max_prot);
int pts_info(int fd, struct ptshare_info *info);
int pts_map(int ctl, int backing, __u32 prot, __u64 offset,
	    __u64 length, __u64 fd_offset);
int pts_replace(int ctl, int backing, __u32 prot, __u64 offset,
		__u64 length, __u64 fd_offset);
int pts_unmap(int ctl, __u64 offset, __u64 length);
int pts_protect(int ctl, __u64 offset, __u64 length, __u32 prot);
/* @failed may be NULL; it is left alone when the kernel does not write it. */
int pts_protect_vec(int ctl, const struct ptshare_range_prot *ranges,
		    __u32 nr, __u32 *failed);
int pts_attach(int ctl);
int pts_seal(int ctl, __u32 seals);

/*
 * What is visible of a container's layout. Counters that move by themselves
 * (rss, tables) are left out, so that two snapshots can be compared.
 */
struct pts_snap {
	__u64 id, length;
	__u32 max_prot, seals, nr_regions, nr_windows;
	__u32 nr;			/* entries in regions, from QUERY */
	struct ptshare_region *regions;
};

int pts_snap_take(int fd, struct pts_snap *snap);
/* Prints the first difference. */
bool pts_snap_equal(const struct pts_snap *a, const struct pts_snap *b);
void pts_snap_free(struct pts_snap *snap);
/* Region @i of a fresh snapshot has these values? Prints what it has if not. */
bool pts_region_is(int fd, __u32 i, __u64 offset, __u64 length,
		   __u64 fd_offset, __u32 prot);
/* Number of regions that QUERY lists. */
int pts_nr_regions(int fd);

/* --- fds -------------------------------------------------------------- */

/* How a client got its fd: every window test runs once through each. */
enum pts_via { PTS_VIA_CONTROL, PTS_VIA_ATTACH };

/* A new fd of the container of @ctl: a dup or an attach fd. */
int pts_client_fd(int ctl, enum pts_via via);

/* memfd of @size bytes; @flags as for memfd_create(2). */
int pts_memfd(size_t size, unsigned int flags);
/* The same with every page starting with pts_stamp(tag, offset). */
int pts_memfd_stamped(size_t size, __u64 tag);
/* Another open file of the same inode, through /proc/self/fd. */
int pts_reopen(int fd, int oflags);
/*
 * A block device opened with O_DIRECT, so that I/O goes through
 * get_user_pages(): a loop device over @backing that vanishes with the last
 * close. -ENODEV and the like where there are no loop devices.
 */
int pts_loop_direct(int backing);
int pts_send_fd(int sock, int fd);
int pts_recv_fd(int sock);

static inline __u64 pts_stamp(__u64 tag, __u64 offset)
{
	return (tag << 48) ^ offset ^ 0x5ca1ab1e00000001ULL;
}

/* --- windows and faults ------------------------------------------------ */

/* Shared read-write mapping at a place of the kernel's choice, or MAP_FAILED. */
void *pts_window(int fd, size_t length, off_t offset);
/* The same of offset 0, @shift bytes beyond a multiple of @align (power of 2). */
void *pts_window_aligned(int fd, size_t length, size_t align, size_t shift);
/* The same at an address that no link fits. */
void *pts_window_mirrored(int fd, size_t length);
/* Reserves @length bytes of address space aligned to @align (power of 2). */
void *pts_reserve(size_t length, size_t align);

/*
 * The usual playground: a container whose first half is one read-write region
 * of a stamped memfd (tag 1) and whose second half is a hole, and a window that
 * shows all of it.
 */
struct pts_rig {
	int ctl;		/* control fd */
	int fd;			/* the client's fd: what the window came from */
	int mem;		/* backing */
	char *win;
	size_t half;		/* bytes of the region */
};

int pts_rig_make(struct pts_rig *rig, enum pts_via via, unsigned int pages);
void pts_rig_free(struct pts_rig *rig);

/* One access by the processor, at this place and at once. */
static inline __u64 pts_load(const void *addr)
{
	return __atomic_load_n((const __u64 *)addr, __ATOMIC_RELAXED);
}

static inline void pts_store(void *addr, __u64 val)
{
	__atomic_store_n((__u64 *)addr, val, __ATOMIC_RELAXED);
}

/* Reads the stamp of every page of @len bytes: how many have another. */
unsigned long pts_wrong_stamps(const char *win, size_t len, __u64 tag);

struct pts_fault {
	int sig;		/* 0: no fault */
	int code;		/* si_code */
	void *addr;		/* si_addr */
};

/*
 * Access memory and report the SIGSEGV or SIGBUS that it met. The handlers are
 * installed on first use; a fault outside of these calls kills the process.
 */
struct pts_fault pts_read8(const void *addr, __u64 *val);
struct pts_fault pts_write8(void *addr, __u64 val);
/* The byte variants, for addresses that are not a multiple of 8. */
struct pts_fault pts_read1(const void *addr, __u8 *val);
struct pts_fault pts_write1(void *addr, __u8 val);

/* Exactly this signal, code and address? Prints what came if not. */
bool pts_fault_is(struct pts_fault f, int sig, int code, const void *addr);
/* Read succeeds and finds @want. Prints what happened if not. */
bool pts_reads(const void *addr, __u64 want);
/* Write of @val succeeds and is read back. */
bool pts_writes(void *addr, __u64 val);

/* --- processes --------------------------------------------------------- */

struct pts_child {
	pid_t pid;
	int sock;		/* stream of 64-bit words */
};

/*
 * Runs fn(sock, arg) in a child, which exits with fn's value. pts_send() and
 * pts_recv() work on both ends and serve as barrier; pts_recv() gives up after
 * 60 s with -ETIMEDOUT, and with -EPIPE when the other end died.
 */
int pts_fork(struct pts_child *c, int (*fn)(int sock, void *arg), void *arg);
int pts_send(int sock, __u64 val);
int pts_recv(int sock, __u64 *val);
/* Sends @req and returns the answer, or UINT64_MAX if there is none. */
__u64 pts_ask(int sock, __u64 req);
/* Until @what, which others count in shared memory, is @nr; prints both if not. */
bool pts_wait_for(const atomic_uint *what, unsigned int nr, __u64 ms);
/* Closes the socket and waits: exit status, or 256 + signal. */
int pts_join(struct pts_child *c);

/* --- /proc -------------------------------------------------------------- */

/* Line of /proc/self/maps whose mapping starts at @addr; -ENOENT if none. */
int pts_maps_line(const void *addr, char *buf, size_t size);
/* Value in kB of @key for the mapping at @addr in /proc/self/smaps. */
long long pts_smaps(const void *addr, const char *key);
/* Value of "key:\tvalue" in /proc/self/fdinfo/@fd, or -errno. */
long long pts_fdinfo(int fd, const char *key);
/* Value in kB of a line of /proc/meminfo or of /proc/@pid/status. */
long long pts_meminfo(const char *key);
long long pts_status(pid_t pid, const char *key);
/* Whole file into @buf (nul-terminated): length or -errno. */
ssize_t pts_slurp(const char *path, char *buf, size_t size);
/* What stands in brackets in a file, as in "always [never]": 0 or -ENODEV. */
int pts_chosen(const char *path, char *mode, size_t size);
/* Writes a string to a file: 0 or -errno. */
int pts_spit(const char *path, const char *text);
/* Page frame at @addr of this process, for root; 0 if there is none. */
__u64 pts_pfn(const void *addr);
/* Minor faults of the calling process. */
long pts_minor_faults(void);
/* What errno is after a system call that this kernel does not have. */
int pts_no_syscall(void);
/* CLOCK_MONOTONIC in milliseconds. */
__u64 pts_now_ms(void);

#endif /* PTSHARE_UTIL_H */
