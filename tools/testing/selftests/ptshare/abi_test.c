// SPDX-License-Identifier: GPL-2.0
/*
 * The rules that every ioctl keeps: how the argument is sized and copied, what
 * refuses it, and that a refused call changes nothing. Each rule runs once for
 * each ioctl; what is particular to one ioctl is in abi_errno_test.c.
 */
#include <fcntl.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "../kselftest_harness.h"
#include "notify_util.h"

/* On which kinds of fd an ioctl works. */
#define ON_DEV		1
#define ON_CTL		2
#define ON_ATT		4
#define ON_NFY		8
#define KINDS		4

#define PAGES		16

FIXTURE(abi)
{
	int fds[KINDS];		/* device, control, attach, notify */
	int mem;
	struct pts_snap before;
	struct ptshare_range_prot range;
	struct ptshare_region regions[8];
	struct ptshare_scan_region told;
	char *page;		/* two pages; the second can't be accessed */
};

FIXTURE_VARIANT(abi)
{
	unsigned long cmd;
	size_t size;		/* of the first version */
	unsigned int on;
	__u32 flags;		/* that are known */
	int reserved;		/* offset of __reserved, or -1 */
};

FIXTURE_VARIANT_ADD(abi, create) {
	PTSHARE_IOC_CREATE, 24, ON_DEV, 0,
	offsetof(struct ptshare_create, __reserved)
};

FIXTURE_VARIANT_ADD(abi, info) {
	PTSHARE_IOC_INFO, 104, ON_DEV | ON_CTL | ON_ATT, 0, -1
};

FIXTURE_VARIANT_ADD(abi, map) {
	PTSHARE_IOC_MAP, 40, ON_CTL, PTSHARE_MAP_REPLACE, -1
};

FIXTURE_VARIANT_ADD(abi, unmap) {
	PTSHARE_IOC_UNMAP, 24, ON_CTL, 0, -1
};

FIXTURE_VARIANT_ADD(abi, protect) {
	PTSHARE_IOC_PROTECT, 24, ON_CTL, 0, -1
};

FIXTURE_VARIANT_ADD(abi, query) {
	PTSHARE_IOC_QUERY, 40, ON_CTL | ON_ATT, 0,
	offsetof(struct ptshare_query, __reserved)
};

FIXTURE_VARIANT_ADD(abi, attach_fd) {
	PTSHARE_IOC_ATTACH_FD, 8, ON_CTL, 0, -1
};

FIXTURE_VARIANT_ADD(abi, seal) {
	PTSHARE_IOC_SEAL, 16, ON_CTL, 0,
	offsetof(struct ptshare_seal, __reserved)
};

FIXTURE_VARIANT_ADD(abi, notify) {
	PTSHARE_IOC_NOTIFY, 16, ON_CTL, 0, -1
};

FIXTURE_VARIANT_ADD(abi, arm) {
	PTSHARE_IOC_ARM, 72, ON_NFY, 0,
	offsetof(struct ptshare_arm, __reserved)
};

FIXTURE_VARIANT_ADD(abi, resolve) {
	PTSHARE_IOC_RESOLVE, 40, ON_NFY, 0,
	offsetof(struct ptshare_resolve, __reserved)
};

FIXTURE_VARIANT_ADD(abi, scan) {
	PTSHARE_IOC_SCAN, 72, ON_NFY,
	PTSHARE_SCAN_CLEAR | PTSHARE_SCAN_REARM, -1
};

FIXTURE_SETUP(abi)
{
	self->mem = pts_memfd(PAGES * pts_psz, 0);
	ASSERT_GE(self->mem, 0);
	self->fds[0] = pts_open_dev();
	ASSERT_GE(self->fds[0], 0);
	self->fds[1] = pts_create(PAGES * pts_psz, PTS_RW);
	ASSERT_GE(self->fds[1], 0);
	self->fds[2] = pts_attach(self->fds[1]);
	ASSERT_GE(self->fds[2], 0);
	ASSERT_EQ(0, pts_map(self->fds[1], self->mem, PTS_RW, 0, 4 * pts_psz,
			     0));
	ASSERT_EQ(0, pts_map(self->fds[1], self->mem, PTS_RO, 6 * pts_psz,
			     2 * pts_psz, 6 * pts_psz));
	self->fds[3] = pts_notify(self->fds[1], 0);
	ASSERT_GE(self->fds[3], 0);
	ASSERT_EQ(0, pts_arm(self->fds[3], 0, pts_psz, PTSHARE_ASYNC,
			     PTSHARE_KERNEL_ALLOW));
	ASSERT_EQ(0, pts_snap_take(self->fds[1], &self->before));
	self->page = mmap(NULL, 3 * pts_psz, PTS_RW,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + 2 * pts_psz, pts_psz, PROT_NONE));
}

FIXTURE_TEARDOWN(abi)
{
}

/* Writes an argument that succeeds on the right kind of fd. */
static void fill(struct _test_data_abi *self,
		 const struct _fixture_variant_abi *variant, void *arg)
{
	memset(arg, 0, variant->size);
	*(__u32 *)arg = variant->size;
	switch (variant->cmd) {
	case PTSHARE_IOC_CREATE: {
		struct ptshare_create *c = arg;

		c->length = pts_psz;
		c->max_prot = PTS_RW;
		break;
	}
	case PTSHARE_IOC_MAP: {
		struct ptshare_map *m = arg;

		m->fd = self->mem;
		m->prot = PTS_RW;
		m->offset = 4 * pts_psz;
		m->length = pts_psz;
		break;
	}
	case PTSHARE_IOC_UNMAP: {
		struct ptshare_unmap *u = arg;

		u->offset = pts_psz;
		u->length = pts_psz;
		break;
	}
	case PTSHARE_IOC_PROTECT: {
		struct ptshare_protect *p = arg;

		self->range = (struct ptshare_range_prot) {
			.offset = pts_psz, .length = pts_psz, .prot = PTS_RO,
		};
		p->nr = 1;
		p->ranges = (uintptr_t)&self->range;
		break;
	}
	case PTSHARE_IOC_QUERY: {
		struct ptshare_query *q = arg;

		q->buf = (uintptr_t)self->regions;
		q->nr = ARRAY_SIZE(self->regions);
		break;
	}
	case PTSHARE_IOC_SEAL: {
		struct ptshare_seal *s = arg;

		s->seals = PTSHARE_SEAL_PROT;
		break;
	}
	case PTSHARE_IOC_ARM: {
		struct ptshare_arm *a = arg;

		a->offset = pts_psz;
		a->length = pts_psz;
		break;
	}
	case PTSHARE_IOC_RESOLVE: {
		struct ptshare_resolve *r = arg;

		r->length = pts_psz;
		break;
	}
	case PTSHARE_IOC_SCAN: {
		struct ptshare_scan *s = arg;

		s->end = 2 * pts_psz;
		s->vec = (uintptr_t)&self->told;
		s->vec_len = 1;
		s->categories = PTSHARE_PAGE_ARMED;
		break;
	}
	}
}

/* First kind of fd that the ioctl works on. */
static int good_fd(struct _test_data_abi *self,
		   const struct _fixture_variant_abi *variant)
{
	return self->fds[ffs(variant->on) - 1];
}

static bool unchanged(struct _test_data_abi *self)
{
	struct pts_snap now;
	bool same;

	if (pts_snap_take(self->fds[1], &now))
		return false;
	same = pts_snap_equal(&self->before, &now) &&
	       pts_page_state(self->fds[3], 0) == PTS_ARMED &&
	       pts_page_state(self->fds[3], pts_psz) == 0;
	pts_snap_free(&now);
	return same;
}

/* The call fails with @err on each fd it works on, and changes nothing. */
static void expect_refused(struct __test_metadata *_metadata,
			   struct _test_data_abi *self,
			   const struct _fixture_variant_abi *variant, void *arg,
			   int err)
{
	int i;

	for (i = 0; i < KINDS; i++) {
		if (!(variant->on & (1 << i)))
			continue;
		EXPECT_EQ(err, pts_ioctl(self->fds[i], variant->cmd, arg)) {
			TH_LOG("on fd kind %d", i);
		}
	}
	EXPECT_TRUE(unchanged(self));
}

TEST_F(abi, size_zero)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = 0;
	expect_refused(_metadata, self, variant, self->page, -EINVAL);
}

TEST_F(abi, size_minus_one)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = variant->size - 1;
	expect_refused(_metadata, self, variant, self->page, -EINVAL);
}

/* Only size bytes are read: the next one can't be. */
TEST_F(abi, size_exact)
{
	void *arg = self->page + 2 * pts_psz - variant->size;

	fill(self, variant, arg);
	EXPECT_LE(0, pts_ioctl(good_fd(self, variant), variant->cmd, arg));
}

/* A caller from the future that uses nothing new. */
TEST_F(abi, size_plus_one_zero_tail)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = variant->size + 1;
	self->page[variant->size] = 0;
	EXPECT_LE(0, pts_ioctl(good_fd(self, variant), variant->cmd,
			       self->page));
}

TEST_F(abi, size_plus_one_nonzero_tail)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = variant->size + 1;
	self->page[variant->size] = 1;
	expect_refused(_metadata, self, variant, self->page, -E2BIG);
}

/* The last byte of a page-sized argument counts too. */
TEST_F(abi, size_page)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = pts_psz;
	self->page[pts_psz - 1] = 1;
	expect_refused(_metadata, self, variant, self->page, -E2BIG);
	self->page[pts_psz - 1] = 0;
	EXPECT_LE(0, pts_ioctl(good_fd(self, variant), variant->cmd,
			       self->page));
}

TEST_F(abi, size_above_page)
{
	fill(self, variant, self->page);
	*(__u32 *)self->page = pts_psz + 1;
	expect_refused(_metadata, self, variant, self->page, -E2BIG);
	*(__u32 *)self->page = UINT32_MAX;
	expect_refused(_metadata, self, variant, self->page, -E2BIG);
}

TEST_F(abi, unknown_flag)
{
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (variant->flags & (1U << bit))
			continue;
		fill(self, variant, self->page);
		((__u32 *)self->page)[1] = variant->flags | (1U << bit);
		expect_refused(_metadata, self, variant, self->page,
			       -EOPNOTSUPP);
	}
}

TEST_F(abi, reserved)
{
	if (variant->reserved < 0)
		return;
	fill(self, variant, self->page);
	*(__u32 *)(self->page + variant->reserved) = 1;
	expect_refused(_metadata, self, variant, self->page, -EINVAL);
	*(__u32 *)(self->page + variant->reserved) = 1U << 31;
	expect_refused(_metadata, self, variant, self->page, -EINVAL);
}

TEST_F(abi, bad_pointer)
{
	void *cross = self->page + 2 * pts_psz - variant->size + 1;

	expect_refused(_metadata, self, variant, NULL, -EFAULT);
	expect_refused(_metadata, self, variant, self->page + 2 * pts_psz,
		       -EFAULT);
	expect_refused(_metadata, self, variant, (void *)-pts_psz, -EFAULT);

	/* Begins well and ends where nothing can be read. */
	memset(self->page, 0, 2 * pts_psz);
	*(__u32 *)cross = variant->size;
	expect_refused(_metadata, self, variant, cross, -EFAULT);
	*(__u32 *)cross = variant->size + 8;
	expect_refused(_metadata, self, variant, cross, -EFAULT);
}

/* A result that can't be written is EFAULT too. */
TEST_F(abi, result_not_writable)
{
	char *ro = self->page + pts_psz;

	if (variant->cmd != PTSHARE_IOC_INFO &&
	    variant->cmd != PTSHARE_IOC_QUERY &&
	    variant->cmd != PTSHARE_IOC_NOTIFY &&
	    variant->cmd != PTSHARE_IOC_SCAN)
		return;
	fill(self, variant, ro);
	ASSERT_EQ(0, mprotect(ro, pts_psz, PROT_READ));
	expect_refused(_metadata, self, variant, ro, -EFAULT);
}

TEST_F(abi, wrong_fd_kind)
{
	int i;

	for (i = 0; i < KINDS; i++) {
		if (variant->on & (1 << i))
			continue;
		fill(self, variant, self->page);
		EXPECT_EQ(-EPERM, pts_ioctl(self->fds[i], variant->cmd,
					    self->page)) {
			TH_LOG("fd kind %d", i);
		}
	}
	EXPECT_TRUE(unchanged(self));
}

TEST_F(abi, right_fd_kinds)
{
	int i;

	for (i = 0; i < KINDS; i++) {
		if (!(variant->on & (1 << i)))
			continue;
		fill(self, variant, self->page);
		EXPECT_LE(0, pts_ioctl(self->fds[i], variant->cmd,
				       self->page)) {
			TH_LOG("fd kind %d", i);
		}
	}
}

/* Calls that make an fd return it, close-on-exec; the others return 0. */
TEST_F(abi, return_value)
{
	bool makes_fd = variant->cmd == PTSHARE_IOC_CREATE ||
			variant->cmd == PTSHARE_IOC_ATTACH_FD ||
			variant->cmd == PTSHARE_IOC_NOTIFY;
	int ret;

	fill(self, variant, self->page);
	ret = pts_ioctl(good_fd(self, variant), variant->cmd, self->page);
	if (!makes_fd) {
		EXPECT_EQ(0, ret);
		return;
	}
	ASSERT_GT(ret, self->fds[3]);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ret, F_GETFD));
}

/* Nothing is written behind the size that the caller gave. */
TEST_F(abi, output_bounded)
{
	size_t i;

	memset(self->page, 0xa5, 2 * pts_psz);
	fill(self, variant, self->page);
	EXPECT_LE(0, pts_ioctl(good_fd(self, variant), variant->cmd,
			       self->page));
	for (i = variant->size; i < 2 * pts_psz; i++)
		ASSERT_EQ((char)0xa5, self->page[i]);
	EXPECT_EQ(variant->size, *(__u32 *)self->page);
	EXPECT_EQ(0, ((__u32 *)self->page)[1]);
}

/* The header's structures are those of the first version, without padding. */
TEST_F(abi, layout)
{
	size_t size = 0;

	switch (variant->cmd) {
	case PTSHARE_IOC_CREATE:
		size = sizeof(struct ptshare_create);
		break;
	case PTSHARE_IOC_INFO:
		size = sizeof(struct ptshare_info);
		break;
	case PTSHARE_IOC_MAP:
		size = sizeof(struct ptshare_map);
		break;
	case PTSHARE_IOC_UNMAP:
		size = sizeof(struct ptshare_unmap);
		break;
	case PTSHARE_IOC_PROTECT:
		size = sizeof(struct ptshare_protect);
		break;
	case PTSHARE_IOC_QUERY:
		size = sizeof(struct ptshare_query);
		break;
	case PTSHARE_IOC_ATTACH_FD:
		size = sizeof(struct ptshare_attach_fd);
		break;
	case PTSHARE_IOC_SEAL:
		size = sizeof(struct ptshare_seal);
		break;
	case PTSHARE_IOC_NOTIFY:
		size = sizeof(struct ptshare_notify);
		break;
	case PTSHARE_IOC_ARM:
		size = sizeof(struct ptshare_arm);
		break;
	case PTSHARE_IOC_RESOLVE:
		size = sizeof(struct ptshare_resolve);
		break;
	case PTSHARE_IOC_SCAN:
		size = sizeof(struct ptshare_scan);
		break;
	}
	EXPECT_LE(variant->size, size);
	EXPECT_EQ(0, size % 8);
	EXPECT_EQ(0xAA, _IOC_TYPE(variant->cmd));
	EXPECT_LE(0x40, _IOC_NR(variant->cmd));
	EXPECT_EQ(0, _IOC_SIZE(variant->cmd));
}

TEST_HARNESS_MAIN
