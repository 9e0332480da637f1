/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/ptshare_test, for tools/testing/selftests/ptshare only: a device that
 * maps a range of its user's memory as a hypervisor does.
 */
#ifndef _MM_PTSHARE_TEST_H
#define _MM_PTSHARE_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct ptshare_test_register - take a range of the caller's address space
 * @addr: page aligned; nothing needs to be mapped there yet
 * @length: bytes, page multiple, at most PTSHARE_TEST_MAX_LENGTH
 *
 * Once per open file. From then on an mmu_notifier listens on the caller's mm
 * until the file is closed.
 */
struct ptshare_test_register {
	__aligned_u64 addr;
	__aligned_u64 length;
};

#define PTSHARE_TEST_MAX_LENGTH	0x100000000ULL

/* struct ptshare_test_access.flags */
#define PTSHARE_TEST_WRITE	0x1U	/* write @value, else read it */
#define PTSHARE_TEST_NOFAULT	0x2U	/* ENOENT if not mapped here */
#define PTSHARE_TEST_MAP_ONLY	0x4U	/* map, touch no byte */

/**
 * struct ptshare_test_access - one access by the device
 * @addr: address in the registered range, a multiple of 8
 * @value: what to write, or result
 * @flags: PTSHARE_TEST_*
 * @faults: result: how often the page had to be looked up by GUP
 *
 * The page is looked up by GUP unless it is mapped already; the device keeps
 * the page frame number and no reference, and drops it when its notifier says
 * so.
 */
struct ptshare_test_access {
	__aligned_u64 addr;
	__aligned_u64 value;
	__u32 flags;
	__u32 faults;
};

/**
 * struct ptshare_test_info - what the notifier saw
 * @starts: calls of invalidate_range_start, of any range of the mm
 * @ends: calls of invalidate_range_end
 * @dropped: pages that the device had to forget
 * @mapped: pages mapped by the device now
 * @retries: look-ups that met an invalidation and were repeated
 */
struct ptshare_test_info {
	__aligned_u64 starts;
	__aligned_u64 ends;
	__aligned_u64 dropped;
	__aligned_u64 mapped;
	__aligned_u64 retries;
};

#define PTSHARE_TEST_IOC_REGISTER \
	_IOW(0xAA, 0xf0, struct ptshare_test_register)
#define PTSHARE_TEST_IOC_ACCESS	_IOWR(0xAA, 0xf1, struct ptshare_test_access)
#define PTSHARE_TEST_IOC_INFO	_IOR(0xAA, 0xf2, struct ptshare_test_info)

#endif /* _MM_PTSHARE_TEST_H */
