// SPDX-License-Identifier: GPL-2.0
/*
 * KVM itself: a memory slot of a virtual machine is a window. The guest is two
 * instructions long; each access starts it at one of them and ends at HLT.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "../kselftest_harness.h"
#include "ptshare_util.h"

#define PAGES		16		/* what 16 bits can address */
#define CODE_ADDR	0x1000		/* guest-physical */
#define WIN_ADDR	0x100000
#define LOAD_IP		0
#define STORE_IP	16
#define TIMEOUT		120

/* mov eax, [bx]; hlt -- mov [bx], eax; hlt */
static const unsigned char load_code[] = { 0x66, 0x8b, 0x07, 0xf4 };
static const unsigned char store_code[] = { 0x66, 0x89, 0x07, 0xf4 };

FIXTURE(kvm)
{
	int ctl, fd, mem[2];
	size_t len;
	char *win, *code;
	int dev, vm, cpu;
	struct kvm_run *run;
};

FIXTURE_VARIANT(kvm)
{
	enum pts_via via;
	unsigned int odd;	/* pages of the container before the region */
	bool touched;
};

FIXTURE_VARIANT_ADD(kvm, control) { PTS_VIA_CONTROL, 0, false };
FIXTURE_VARIANT_ADD(kvm, attach) { PTS_VIA_ATTACH, 0, false };
FIXTURE_VARIANT_ADD(kvm, attach_odd) { PTS_VIA_ATTACH, 5, false };
FIXTURE_VARIANT_ADD(kvm, attach_touched) { PTS_VIA_ATTACH, 5, true };

static int slot(int vm, __u32 nr, __u64 gpa, void *addr, size_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = nr, .guest_phys_addr = gpa, .memory_size = len,
		.userspace_addr = (uintptr_t)addr,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static void make_vm(struct __test_metadata *_metadata, struct _test_data_kvm *self)
{
	struct kvm_sregs sregs;
	int size;

	self->code = mmap(NULL, pts_psz, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->code);
	memcpy(self->code + LOAD_IP, load_code, sizeof(load_code));
	memcpy(self->code + STORE_IP, store_code, sizeof(store_code));
	self->vm = ioctl(self->dev, KVM_CREATE_VM, 0);
	ASSERT_GE(self->vm, 0);
	ASSERT_EQ(0, slot(self->vm, 0, CODE_ADDR, self->code, pts_psz));
	ASSERT_EQ(0, slot(self->vm, 1, WIN_ADDR, self->win, self->len));
	self->cpu = ioctl(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_GE(self->cpu, 0);
	size = ioctl(self->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	self->run = mmap(NULL, size, PTS_RW, MAP_SHARED, self->cpu, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->run);
	ASSERT_EQ(0, ioctl(self->cpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = CODE_ADDR;
	sregs.cs.selector = CODE_ADDR >> 4;
	sregs.ds.base = WIN_ADDR;
	sregs.ds.selector = 0;
	ASSERT_EQ(0, ioctl(self->cpu, KVM_SET_SREGS, &sregs));
}

FIXTURE_SETUP(kvm)
{
	const size_t odd = variant->odd * pts_psz;
	__u64 val;
	int i;

	self->dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->dev < 0)
		SKIP(return, "no /dev/kvm in here");
	self->len = PAGES * pts_psz;
	self->mem[0] = pts_memfd_stamped(self->len, 1);
	self->mem[1] = pts_memfd_stamped(self->len, 2);
	ASSERT_GE(self->mem[1], 0);
	self->ctl = pts_create(self->len + odd, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem[0], PTS_RW, odd, self->len,
			     0));
	self->fd = pts_client_fd(self->ctl, variant->via);
	ASSERT_GE(self->fd, 0);
	self->win = pts_window(self->fd, self->len, odd);
	ASSERT_NE(MAP_FAILED, (void *)self->win);
	for (i = 0; variant->touched && i < PAGES; i++)
		ASSERT_EQ(0, pts_read8(self->win + i * pts_psz, &val).sig);
	make_vm(_metadata, self);
}

FIXTURE_TEARDOWN(kvm)
{
}

/* 0, or -EFAULT if the guest could not make the access, else -EPROTO. */
static int guest_run(struct _test_data_kvm *self, struct kvm_regs *regs)
{
	int ret;

	regs->rflags = 2;
	if (ioctl(self->cpu, KVM_SET_REGS, regs))
		return -EPROTO;
	ret = ioctl(self->cpu, KVM_RUN, 0);
	if (ret < 0)
		return errno == EFAULT ? -EFAULT : -EPROTO;
	switch (self->run->exit_reason) {
	case KVM_EXIT_HLT:
		return ioctl(self->cpu, KVM_GET_REGS, regs) ? -EPROTO : 0;
	case KVM_EXIT_MMIO:
		/* An immediate exit completes it; nobody answers. */
		self->run->immediate_exit = 1;
		ioctl(self->cpu, KVM_RUN, 0);
		self->run->immediate_exit = 0;
		return -EFAULT;
	case KVM_EXIT_MEMORY_FAULT:
		return -EFAULT;
	}
	fprintf(stderr, "# exit reason %u\n", self->run->exit_reason);
	return -EPROTO;
}

static int guest_load(struct _test_data_kvm *self, unsigned int off, __u32 *val)
{
	struct kvm_regs regs = { .rip = LOAD_IP, .rbx = off };
	int ret = guest_run(self, &regs);

	*val = regs.rax;
	return ret;
}

static int guest_store(struct _test_data_kvm *self, unsigned int off, __u32 val)
{
	struct kvm_regs regs = { .rip = STORE_IP, .rbx = off, .rax = val };

	return guest_run(self, &regs);
}

static __u32 low_stamp(__u64 tag, unsigned int i)
{
	/* The tag is in the upper half; 8 bytes on it is written below. */
	return pts_stamp(tag, i * pts_psz);
}

static __u32 in_file(int fd, off_t off)
{
	__u32 val = 0;

	return pread(fd, &val, sizeof(val), off) == sizeof(val) ? val : ~0U;
}

/* The guest has touched all, for writing. */
static void warm(struct __test_metadata *_metadata, struct _test_data_kvm *self)
{
	__u32 val;
	int i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, guest_load(self, i * pts_psz, &val));
		ASSERT_EQ(low_stamp(1, i), val);
		ASSERT_EQ(0, guest_store(self, i * pts_psz + 8, i + 100));
		ASSERT_EQ(i + 100, in_file(self->mem[0], i * pts_psz + 8));
	}
}

TEST_F_TIMEOUT(kvm, guest_sees_and_writes, TIMEOUT)
{
	warm(_metadata, self);
	EXPECT_TRUE(pts_writes(self->win + 16, 4711));
	EXPECT_EQ(4711, in_file(self->mem[0], 16));
}

TEST_F_TIMEOUT(kvm, protect, TIMEOUT)
{
	__u32 val;
	int i;

	warm(_metadata, self);
	ASSERT_EQ(0, pts_protect(self->ctl, variant->odd * pts_psz, self->len,
				 PROT_READ));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(-EFAULT, guest_store(self, i * pts_psz + 8, 7));
		EXPECT_EQ(i + 100, in_file(self->mem[0], i * pts_psz + 8));
		EXPECT_EQ(0, guest_load(self, i * pts_psz, &val));
		EXPECT_EQ(low_stamp(1, i), val);
	}
	EXPECT_EQ(-EFAULT, guest_store(self, 8, 7));
	EXPECT_EQ(100, in_file(self->mem[0], 8));
	ASSERT_EQ(0, pts_protect(self->ctl, variant->odd * pts_psz, self->len,
				 PTS_RW));
	EXPECT_EQ(0, guest_store(self, 8, 7));
	EXPECT_EQ(7, in_file(self->mem[0], 8));
}

/* The second file differs in what 32 bits show: it is written first. */
TEST_F_TIMEOUT(kvm, replace, TIMEOUT)
{
	__u32 val, mark;
	int i;

	warm(_metadata, self);
	for (i = 0; i < PAGES; i++) {
		mark = 0xb0b0000 + i;
		ASSERT_EQ(4, pwrite(self->mem[1], &mark, 4, i * pts_psz));
	}
	ASSERT_EQ(0, pts_replace(self->ctl, self->mem[1], PTS_RW,
				 variant->odd * pts_psz, self->len, 0));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(0, guest_load(self, i * pts_psz, &val));
		EXPECT_EQ(0xb0b0000 + i, val);
	}
	EXPECT_EQ(0, guest_store(self, 8, 9));
	EXPECT_EQ(9, in_file(self->mem[1], 8));
	EXPECT_EQ(100, in_file(self->mem[0], 8));
}

TEST_F_TIMEOUT(kvm, unmap, TIMEOUT)
{
	__u32 val;
	int i;

	warm(_metadata, self);
	ASSERT_EQ(0, pts_unmap(self->ctl, variant->odd * pts_psz, self->len));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(-EFAULT, guest_load(self, i * pts_psz, &val));
		EXPECT_EQ(-EFAULT, guest_store(self, i * pts_psz + 8, 7));
		EXPECT_EQ(i + 100, in_file(self->mem[0], i * pts_psz + 8));
	}
}

TEST_F_TIMEOUT(kvm, punch_and_truncate, TIMEOUT)
{
	__u32 val = 1;

	warm(_metadata, self);
	ASSERT_EQ(0, fallocate(self->mem[0], FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 0, 4 * pts_psz));
	EXPECT_EQ(0, guest_load(self, 0, &val));
	EXPECT_EQ(0, val);
	ASSERT_EQ(0, ftruncate(self->mem[0], 0));
	EXPECT_EQ(-EFAULT, guest_load(self, 0, &val));
	EXPECT_EQ(-EFAULT, guest_load(self, 9 * pts_psz, &val));
}

TEST_HARNESS_MAIN
