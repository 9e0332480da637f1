// SPDX-License-Identifier: GPL-2.0
/*
 * ptfuzz: what a program reached that none before it did.
 *
 * With KCOV: pairs of addresses in the files that are instrumented, ours, and
 * besides each kind of operation with what it returned, which is all there is
 * without KCOV.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kcov.h>

#include "fuzz.h"

#define COVER_WORDS	(64 << 10)

static unsigned long *cover;

bool fz_cov_there(void)
{
	return !access("/sys/kernel/debug/kcov", W_OK);
}

/* The fd goes again: the mapping keeps what is behind it. */
void fz_cov_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	void *area = MAP_FAILED;

	if (fd < 0)
		return;
	if (!ioctl(fd, KCOV_INIT_TRACE, COVER_WORDS))
		area = mmap(NULL, COVER_WORDS * sizeof(*cover), PTS_RW,
			    MAP_SHARED, fd, 0);
	if (area != MAP_FAILED && !ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		cover = area;
	close(fd);
}

void fz_cov_begin(void)
{
	if (cover)
		__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
}

static __u64 mix(__u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static bool is_new(__u64 what)
{
	__u8 *at = &board->cov[mix(what) % FZ_COVS];

	return !*at && !__atomic_exchange_n(at, 1, __ATOMIC_RELAXED);
}

/* Addresses, counted once each; a full table counts no more. */
static void count_pc(__u64 pc)
{
	__u32 i = mix(pc) % FZ_PCS, tries;
	__u64 old;

	for (tries = 0; tries < 64; tries++, i = (i + 1) % FZ_PCS) {
		old = 0;
		if (board->pcs[i] == pc)
			return;
		if (!__atomic_compare_exchange_n(&board->pcs[i], &old, pc,
						 false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED)) {
			if (old == pc)
				return;
			continue;
		}
		__atomic_add_fetch(&board->nr_pcs, 1, __ATOMIC_RELAXED);
		return;
	}
}

static __u32 result_class(const struct fz_op *op, const struct fz_res *res)
{
	__u32 class = res->ret < 0 ? -res->ret : res->ret > 0 ? 4096 : 0;

	if (res->seen[0].sig)
		class += 8192 * res->seen[0].sig;
	return class << 12 | op->kind << 6 | V(op, KIND);
}

__u32 fz_cov_end(const struct fz_op *op, const struct fz_res *res)
{
	__u32 fresh = is_new(~(__u64)result_class(op, res));
	unsigned long i, nr, prev = 0;

	if (!cover)
		return fresh;
	nr = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	if (nr > COVER_WORDS - 1)
		nr = COVER_WORDS - 1;
	for (i = 1; i <= nr; i++) {
		if (is_new(mix(prev) ^ cover[i])) {
			fresh++;
			count_pc(cover[i]);
		}
		prev = cover[i];
	}
	return fresh;
}

/* Of the calls, not of what comes after them, which may be another line. */
void fz_cov_save(const char *path)
{
	FILE *f = fopen(path, "we");
	__u32 i;

	if (!f) {
		fprintf(stderr, "ptfuzz: %s: %s\n", path, strerror(errno));
		return;
	}
	for (i = 0; i < FZ_PCS; i++)
		if (board->pcs[i])
			fprintf(f, "%#llx\n", board->pcs[i] - 1);
	fclose(f);
}
