// SPDX-License-Identifier: GPL-2.0
/*
 * Permission is given to the page, not to a process: whoever comes after the
 * first writer is not asked, and where tables are shared takes no fault at all.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "../kselftest_harness.h"
#include "notify_util.h"
#include "share.h"

#define GIB		0x40000000UL
#define LEN		0x200000UL
#define NR		24		/* pages that are armed */
#define PROCS		5
#define TIMEOUT		120

FIXTURE(links)
{
	int ctl, mem, nfd;
	size_t len;
	struct pts_child c[PROCS];
};

FIXTURE_VARIANT(links)
{
	const char *share;
	size_t len;
	bool huge;
	bool linked;
};

FIXTURE_VARIANT_ADD(links, pud) { "pud", GIB, false, true };
FIXTURE_VARIANT_ADD(links, pud_huge) { "pud", GIB, true, true };
FIXTURE_VARIANT_ADD(links, pmd) { "pmd", LEN, false, true };
/* A huge entry is no table, so there is nothing to share until it is split. */
FIXTURE_VARIANT_ADD(links, pmd_huge) { "pmd", LEN, true, false };
FIXTURE_VARIANT_ADD(links, none) { "none", LEN, false, false };
FIXTURE_VARIANT_ADD(links, none_huge) { "none", LEN, true, false };

static void store_all(char *win, __u64 val)
{
	int i;

	for (i = 0; i < NR; i++)
		pts_store(win + PG(i), val);
}

/* Stores to all pages when told, and answers with its minor faults. */
static int client(int sock, void *arg)
{
	struct _test_data_links *self = arg;
	char *at = pts_window_aligned(self->ctl, self->len, GIB, 0);
	__u64 val;
	long before;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (at == MAP_FAILED)
		return 1;
	store_all(at, 1);
	/* What the loop below touches besides is there by now. */
	pts_minor_faults();
	pts_send(sock, 0);
	while (!pts_recv(sock, &val)) {
		before = pts_minor_faults();
		store_all(at, val);
		pts_send(sock, pts_minor_faults() - before);
	}
	return 0;
}

FIXTURE_SETUP(links)
{
	__u64 up;
	int i;

	if (!pts_notify_available() || !share_available())
		SKIP(return, "no write-notify");
	self->len = variant->len;
	self->mem = pts_memfd_pages(LEN, variant->huge);
	if (self->mem == -ENODEV)
		SKIP(return, "no huge pages in shmem");
	ASSERT_GE(self->mem, 0);
	self->ctl = share_create(variant->share, self->len, PTS_RW);
	ASSERT_GE(self->ctl, 0);
	ASSERT_EQ(0, pts_map(self->ctl, self->mem, PTS_RW, 0, LEN, 0));
	self->nfd = pts_notify(self->ctl, 0);
	ASSERT_GE(self->nfd, 0);
	for (i = 0; i < PROCS; i++) {
		ASSERT_EQ(0, pts_fork(&self->c[i], client, self));
		ASSERT_EQ(0, pts_recv(self->c[i].sock, &up));
	}
}

FIXTURE_TEARDOWN(links)
{
	int i;

	for (i = PROCS - 1; i >= 0; i--)
		EXPECT_EQ(0, pts_join(&self->c[i]));
}

/* All but the first one store: no question, and no fault or one per page. */
static void others_go_on(struct __test_metadata *_metadata,
			 struct _test_data_links *self,
			 const struct _fixture_variant_links *variant)
{
	const __u64 most = variant->linked ? 0 : NR;
	__u64 faults;
	int i, round;

	for (i = 1; i < PROCS; i++) {
		faults = pts_ask(self->c[i].sock, 100 + i);
		EXPECT_LE(faults, most) {
			TH_LOG("process %d", i);
		}
	}
	/* From then on nobody takes a fault. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < PROCS; i++)
			EXPECT_EQ(0, pts_ask(self->c[i].sock, 200 + i));
	}
	EXPECT_TRUE(pts_no_event(self->nfd));
}

TEST_F_TIMEOUT(links, async, TIMEOUT)
{
	struct ptshare_info info;
	int round, i;

	ASSERT_EQ(0, pts_info(self->ctl, &info));
	EXPECT_EQ(variant->linked, info.nr_links > 0);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(NR), PTSHARE_ASYNC, 0));
		EXPECT_LE(NR, pts_ask(self->c[0].sock, 50));
		for (i = 0; i < NR; i++)
			EXPECT_TRUE(pts_told(self->nfd, 0, PG(i),
					     self->c[0].pid));
		others_go_on(_metadata, self, variant);
	}
}

TEST_F_TIMEOUT(links, block, TIMEOUT)
{
	__u64 faults;
	int i;

	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(NR), PTSHARE_BLOCK, 0));
	ASSERT_EQ(0, pts_send(self->c[0].sock, 50));
	for (i = 0; i < NR; i++) {
		ASSERT_TRUE(pts_told(self->nfd, PTSHARE_EVENT_F_BLOCKED, PG(i),
				     self->c[0].pid));
		EXPECT_EQ(1, pts_resolve(self->nfd, PG(i), PG(1),
					 PTSHARE_ALLOW));
	}
	ASSERT_EQ(0, pts_recv(self->c[0].sock, &faults));
	others_go_on(_metadata, self, variant);
}

/* Allowed before anybody has asked. */
TEST_F_TIMEOUT(links, allowed_before, TIMEOUT)
{
	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(NR), PTSHARE_SIGNAL,
			     PTSHARE_KERNEL_FAIL));
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(NR), PTSHARE_ALLOW));
	EXPECT_GE(2 * NR, pts_ask(self->c[0].sock, 50));
	EXPECT_TRUE(pts_no_event(self->nfd));
	others_go_on(_metadata, self, variant);
}

/* Disarmed: nobody is asked, and a fault or two give the permission back. */
TEST_F_TIMEOUT(links, disarmed, TIMEOUT)
{
	ASSERT_EQ(0, pts_arm(self->nfd, 0, PG(NR), PTSHARE_SIGNAL,
			     PTSHARE_KERNEL_FAIL));
	ASSERT_EQ(0, pts_resolve(self->nfd, 0, PG(NR), PTSHARE_DISARM));
	EXPECT_GE(2 * NR, pts_ask(self->c[0].sock, 50));
	others_go_on(_metadata, self, variant);
}

TEST_HARNESS_MAIN
