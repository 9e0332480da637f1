// SPDX-License-Identifier: GPL-2.0
/* Helpers for /dev/ptshare_test; described in secmmu.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "ptshare_util.h"
#include "secmmu.h"

#define SECMMU_DEV	"/dev/ptshare_test"

bool secmmu_available(void)
{
	return !access(SECMMU_DEV, R_OK | W_OK);
}

int secmmu_open(const void *addr, size_t length)
{
	struct ptshare_test_register reg = {
		.addr = (uintptr_t)addr, .length = length,
	};
	int dev = open(SECMMU_DEV, O_RDWR | O_CLOEXEC);
	int ret;

	if (dev < 0)
		return -errno;
	ret = pts_ioctl(dev, PTSHARE_TEST_IOC_REGISTER, &reg);
	if (!ret)
		return dev;
	close(dev);
	return ret;
}

int secmmu_read(int dev, const void *addr, __u64 *val, __u32 flags)
{
	struct ptshare_test_access access = {
		.addr = (uintptr_t)addr, .flags = flags,
	};
	int ret = pts_ioctl(dev, PTSHARE_TEST_IOC_ACCESS, &access);

	if (!ret)
		*val = access.value;
	return ret;
}

int secmmu_write(int dev, const void *addr, __u64 val, __u32 flags)
{
	struct ptshare_test_access access = {
		.addr = (uintptr_t)addr, .value = val,
		.flags = flags | PTSHARE_TEST_WRITE,
	};

	return pts_ioctl(dev, PTSHARE_TEST_IOC_ACCESS, &access);
}

bool secmmu_maps(int dev, const void *addr, bool write)
{
	struct ptshare_test_access access = {
		.addr = (uintptr_t)addr,
		.flags = PTSHARE_TEST_NOFAULT | PTSHARE_TEST_MAP_ONLY |
			 (write ? PTSHARE_TEST_WRITE : 0),
	};

	return !pts_ioctl(dev, PTSHARE_TEST_IOC_ACCESS, &access);
}

int secmmu_info(int dev, struct ptshare_test_info *info)
{
	return pts_ioctl(dev, PTSHARE_TEST_IOC_INFO, info);
}
