/* SPDX-License-Identifier: GPL-2.0 */
/* The test device that maps memory as a hypervisor does: mm/ptshare_test.c. */
#ifndef PTSHARE_SECMMU_H
#define PTSHARE_SECMMU_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "../../../../mm/ptshare_test.h"

/* Does the kernel have the device? */
bool secmmu_available(void);
/* Opens it for this process and takes a range of its addresses. */
int secmmu_open(const void *addr, size_t length);
/*
 * Access by the device: 0, or -errno (-EFAULT: no such memory). With
 * PTSHARE_TEST_NOFAULT -ENOENT says that the device has it not mapped.
 */
int secmmu_read(int dev, const void *addr, __u64 *val, __u32 flags);
int secmmu_write(int dev, const void *addr, __u64 val, __u32 flags);
/* Is the page mapped by the device, and may it be written? */
bool secmmu_maps(int dev, const void *addr, bool write);
int secmmu_info(int dev, struct ptshare_test_info *info);

#endif /* PTSHARE_SECMMU_H */
