// SPDX-License-Identifier: GPL-2.0
/* What ptbench compares; described in bench.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/memfd.h>

#include "../ptshare_util.h"
#include "../share.h"
#include "bench.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGETLB	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

/* A multiple of what one PUD page maps, far from everything else. */
#define FAR	(32UL << 40)

static const char *const mode_names[] = {
	[M_PLAIN] = "plain", [M_THP] = "thp", [M_HUGETLB] = "hugetlb",
	[M_NONE] = "none", [M_PMD] = "pmd", [M_PUD] = "pud",
	[M_ANON] = "anon", [M_NOTHING] = "nothing",
};

const char *mode_name(enum peer_mode mode)
{
	return mode_names[mode];
}

const char *place_name(enum place place)
{
	static const char *const names[] = { "null", "far", "odd" };

	return names[place];
}

bool is_container(enum peer_mode mode)
{
	return mode == M_NONE || mode == M_PMD || mode == M_PUD;
}

static size_t round_up(size_t len, size_t unit)
{
	return (len + unit - 1) / unit * unit;
}

/* --- backings ----------------------------------------------------------- */

/* The buffer must not stay: what the heap keeps is copied by each fork. */
static void fill(int fd, size_t len)
{
	char *buf = mmap(NULL, MIB, PTS_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t off;

	if (buf == MAP_FAILED)
		die("no memory for a buffer");
	memset(buf, 'f', MIB);
	for (off = 0; off < len; off += MIB)
		if (pwrite(fd, buf, MIB, off) != MIB)
			die("filling %zu MiB", len / MIB);
	munmap(buf, MIB);
}

static bool open_memfd(struct peer *p, bool filled)
{
	p->mem = pts_memfd(p->len, 0);
	if (p->mem < 0)
		die("memfd: %d", p->mem);
	if (filled)
		fill(p->mem, p->len);
	return true;
}

/* The setting also decides about the addresses that mmap(2) chooses. */
static bool open_thp(struct peer *p)
{
	long long before;

	if (pts_spit(THP, "always")) {
		skip(mode_name(p->mode), "no huge pages in tmpfs");
		return false;
	}
	before = pts_meminfo("ShmemHugePages");
	open_memfd(p, true);
	if (pts_meminfo("ShmemHugePages") - before < p->len / KIB * 0.9) {
		skip(mode_name(p->mode), "no memory for huge pages in tmpfs");
		peer_close(p);
		return false;
	}
	return true;
}

static long long hugetlb_reserve(size_t pages)
{
	char text[32];

	pts_spit("/proc/sys/vm/compact_memory", "1");
	snprintf(text, sizeof(text), "%zu", pages);
	if (pts_spit(HUGETLB, text) || pts_slurp(HUGETLB, text, 32) <= 0)
		return -1;
	return atoll(text);
}

/* hugetlbfs has no write(2). */
static bool open_hugetlb(struct peer *p)
{
	const size_t pages = p->len / HUGE_SIZE;
	const long long got = hugetlb_reserve(pages);
	char *win;

	if (got < (long long)pages) {
		skip("hugetlb", got < 0 ? "no hugetlbfs in this kernel" :
			      "no memory for the reservation");
		hugetlb_reserve(0);
		return false;
	}
	p->mem = pts_memfd(p->len, MFD_HUGETLB | MFD_HUGE_2MB);
	if (p->mem < 0)
		die("hugetlb memfd: %d", p->mem);
	p->fd = p->mem;
	win = peer_map(p, P_NULL);
	memset(win, 'f', p->len);
	peer_unmap(p, win);
	return true;
}

/* --- containers --------------------------------------------------------- */

static bool set_share(enum peer_mode mode)
{
	char now[16];

	if (access(PTS_DEV, R_OK | W_OK)) {
		skip(mode_name(mode), "no ptshare in this kernel");
		return false;
	}
	if (!share_set(mode_name(mode)))
		return true;
	/* A kernel without the parameter never shares. */
	share_get(now, sizeof(now));
	if (mode == M_NONE && !now[0])
		return true;
	skip(mode_name(mode), "this kernel has no such ptshare.share");
	return false;
}

/* What mshare-ctl does too: the rest is a hole and costs nothing. */
static size_t container_length(const struct peer *p)
{
	struct ptshare_info info;
	int dev = pts_open_dev();

	if (dev < 0 || pts_info(dev, &info))
		die("INFO of the device");
	close(dev);
	return p->mode == M_PUD ? round_up(p->len, info.granule) : p->len;
}

static void open_container(struct peer *p)
{
	int ret;

	p->maplen = container_length(p);
	p->fd = pts_create(p->maplen, PTS_RW);
	if (p->fd < 0)
		die("CREATE: %d", p->fd);
	ret = pts_map(p->fd, p->mem, PTS_RW, 0, p->len, 0);
	if (ret)
		die("MAP: %d", ret);
}

/* --- peers -------------------------------------------------------------- */

static bool open_backing(struct peer *p, bool huge, bool filled)
{
	if (p->mode == M_HUGETLB)
		return open_hugetlb(p);
	if (p->mode == M_THP || huge)
		return open_thp(p);
	return open_memfd(p, filled);
}

static bool open_any(struct peer *p, enum peer_mode mode, size_t len, bool huge,
		     bool filled)
{
	*p = (struct peer) {
		.mode = mode, .mem = -1, .fd = -1, .len = len, .maplen = len,
	};
	if (mode == M_ANON || mode == M_NOTHING)
		return true;
	if (is_container(mode) && !set_share(mode))
		return false;
	if (!open_backing(p, huge, filled))
		return false;
	p->fd = p->mem;
	if (is_container(mode))
		open_container(p);
	return true;
}

bool peer_open_huge(struct peer *p, enum peer_mode mode, size_t len, bool huge)
{
	return open_any(p, mode, len, huge, true);
}

bool peer_open_sparse(struct peer *p, enum peer_mode mode, size_t len)
{
	return open_any(p, mode, len, false, false);
}

bool peer_open(struct peer *p, enum peer_mode mode, size_t len)
{
	return open_any(p, mode, len, false, true);
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0 && p->fd != p->mem)
		close(p->fd);
	if (p->mem >= 0)
		close(p->mem);
	p->fd = -1;
	p->mem = -1;
	pts_spit(THP, "never");
	if (p->mode == M_HUGETLB)
		hugetlb_reserve(0);
}

char *peer_map(const struct peer *p, enum place place)
{
	int flags = p->mode == M_ANON ? MAP_PRIVATE | MAP_ANONYMOUS :
					MAP_SHARED;
	char *hint = NULL, *win;

	if (p->mode == M_NOTHING)
		return NULL;
	if (place != P_NULL) {
		hint = (char *)FAR + (place == P_ODD ? 5 * pts_psz : 0);
		flags |= MAP_FIXED_NOREPLACE;
	}
	win = mmap(hint, p->maplen, PTS_RW, flags, p->fd, 0);
	if (win == MAP_FAILED)
		die("mmap of %s", mode_name(p->mode));
	if (p->mode == M_ANON)
		madvise(win, p->maplen, MADV_NOHUGEPAGE);
	return win;
}

void peer_unmap(const struct peer *p, char *win)
{
	if (win && munmap(win, p->maplen))
		die("munmap of %s", mode_name(p->mode));
}
