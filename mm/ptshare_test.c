// SPDX-License-Identifier: GPL-2.0
/*
 * A secondary MMU for tests: /dev/ptshare_test.
 *
 * Behaves to memory management as KVM does and is as small as that allows. It
 * looks pages up by GUP, remembers their frame numbers without a reference and
 * relies on its mmu_notifier alone to hear when it must forget them. What KVM
 * does by guest instructions is done here by an ioctl, under the lock that the
 * notifier takes: after invalidate_range_start() has returned, no access can
 * hit the old page, unless the notifier was not called at all. Finding that
 * out is what the device is for.
 */
#define pr_fmt(fmt) "ptshare_test: " fmt

#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "ptshare_test.h"

/* An entry of ptshare_test.table is 0 or a frame number and these. */
#define ENTRY_VALID	1UL
#define ENTRY_WRITE	2UL
#define ENTRY_SHIFT	2

/**
 * struct ptshare_test - one open file
 * @mn: listens on the mm of the process that registered
 * @register_lock: see below
 * @start: first address of the range, fixed by REGISTER
 * @nr: pages in the range; set last, 0 until REGISTER is done
 * @lock: protects all below
 * @table: the device's page table
 * @seq: invalidations that have ended
 * @active: invalidations under way
 * @inv_start: hull of the invalidations under way
 * @inv_end: end of that hull
 * @info: counters
 */
struct ptshare_test {
	struct mmu_notifier mn;
	struct mutex register_lock;	/* makes REGISTER happen once */
	unsigned long start;
	unsigned long nr;

	spinlock_t lock;	/* what mmu_lock is to KVM */
	unsigned long *table;
	unsigned long seq;
	unsigned long active;
	unsigned long inv_start;
	unsigned long inv_end;
	struct ptshare_test_info info;
};

static void drop_range(struct ptshare_test *test, unsigned long start,
		       unsigned long end)
{
	unsigned long last = test->start + (test->nr << PAGE_SHIFT);
	unsigned long *entry;

	lockdep_assert_held(&test->lock);

	start = max(start, test->start);
	end = min(end, last);
	for (; start < end; start += PAGE_SIZE) {
		entry = &test->table[(start - test->start) >> PAGE_SHIFT];
		if (!*entry)
			continue;
		*entry = 0;
		test->info.dropped++;
		test->info.mapped--;
	}
}

static int ptshare_test_start(struct mmu_notifier *mn,
			      const struct mmu_notifier_range *range)
{
	struct ptshare_test *test = container_of(mn, struct ptshare_test, mn);

	spin_lock(&test->lock);
	if (!test->active++) {
		test->inv_start = range->start;
		test->inv_end = range->end;
	} else {
		test->inv_start = min(test->inv_start, range->start);
		test->inv_end = max(test->inv_end, range->end);
	}
	test->info.starts++;
	drop_range(test, range->start & PAGE_MASK, range->end);
	spin_unlock(&test->lock);
	return 0;
}

static void ptshare_test_end(struct mmu_notifier *mn,
			     const struct mmu_notifier_range *range)
{
	struct ptshare_test *test = container_of(mn, struct ptshare_test, mn);

	spin_lock(&test->lock);
	WARN_ON_ONCE(!test->active);
	test->seq++;
	test->active--;
	test->info.ends++;
	spin_unlock(&test->lock);
}

/* The mm goes away, or the file is closed. */
static void ptshare_test_gone(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct ptshare_test *test = container_of(mn, struct ptshare_test, mn);

	spin_lock(&test->lock);
	drop_range(test, 0, ULONG_MAX);
	spin_unlock(&test->lock);
}

static const struct mmu_notifier_ops ptshare_test_mn_ops = {
	.release		= ptshare_test_gone,
	.invalidate_range_start	= ptshare_test_start,
	.invalidate_range_end	= ptshare_test_end,
};

/* Did an invalidation of @addr run since @seq was sampled, or does one now? */
static bool must_retry(struct ptshare_test *test, unsigned long addr,
		       unsigned long seq)
{
	lockdep_assert_held(&test->lock);

	if (test->active && addr >= test->inv_start && addr < test->inv_end)
		return true;
	return test->seq != seq;
}

static void set_entry(struct ptshare_test *test, unsigned long addr,
		      struct page *page, bool write)
{
	unsigned long *entry;

	lockdep_assert_held(&test->lock);

	entry = &test->table[(addr - test->start) >> PAGE_SHIFT];
	if (!*entry)
		test->info.mapped++;
	*entry = page_to_pfn(page) << ENTRY_SHIFT | ENTRY_VALID;
	if (write)
		*entry |= ENTRY_WRITE;
}

/* One look-up by GUP: 1 if mapped, 0 if an invalidation came in between. */
static int try_map(struct ptshare_test *test, unsigned long addr, bool write)
{
	struct page *page;
	unsigned long seq;
	int ret;

	spin_lock(&test->lock);
	seq = test->seq;
	spin_unlock(&test->lock);

	ret = get_user_pages_fast(addr & PAGE_MASK, 1, write ? FOLL_WRITE : 0,
				  &page);
	if (ret < 0)
		return ret;
	if (!ret)
		return -EFAULT;
	if (write)
		set_page_dirty_lock(page);

	spin_lock(&test->lock);
	ret = !must_retry(test, addr, seq);
	if (ret)
		set_entry(test, addr, page, write);
	else
		test->info.retries++;
	spin_unlock(&test->lock);

	/* From here on only the notifier keeps the entry honest. */
	put_page(page);
	return ret;
}

static int map_page(struct ptshare_test *test, unsigned long addr, bool write)
{
	int ret;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		ret = try_map(test, addr, write);
	} while (!ret);
	return ret < 0 ? ret : 0;
}

/* The access itself, if the page is mapped well enough. */
static bool access_locked(struct ptshare_test *test,
			  struct ptshare_test_access *access)
{
	unsigned long index = (access->addr - test->start) >> PAGE_SHIFT;
	unsigned long need = ENTRY_VALID;
	unsigned long entry;
	u64 *word;
	void *page;

	if (access->flags & PTSHARE_TEST_WRITE)
		need |= ENTRY_WRITE;

	lockdep_assert_held(&test->lock);
	entry = test->table[index];
	if ((entry & need) != need)
		return false;
	if (access->flags & PTSHARE_TEST_MAP_ONLY)
		return true;

	page = kmap_local_page(pfn_to_page(entry >> ENTRY_SHIFT));
	word = page + offset_in_page(access->addr);
	if (access->flags & PTSHARE_TEST_WRITE)
		WRITE_ONCE(*word, access->value);
	else
		access->value = READ_ONCE(*word);
	kunmap_local(page);
	return true;
}

static bool access_mapped(struct ptshare_test *test,
			  struct ptshare_test_access *access)
{
	bool done;

	spin_lock(&test->lock);
	done = access_locked(test, access);
	spin_unlock(&test->lock);
	return done;
}

static int do_access(struct ptshare_test *test,
		     struct ptshare_test_access *access)
{
	const u32 known = PTSHARE_TEST_WRITE | PTSHARE_TEST_NOFAULT |
			  PTSHARE_TEST_MAP_ONLY;
	unsigned long nr;
	int ret;

	/* Pairs with ioctl_register(). */
	nr = smp_load_acquire(&test->nr);
	if (!nr || (access->flags & ~known) ||
	    !IS_ALIGNED(access->addr, sizeof(u64)) ||
	    access->addr < test->start ||
	    access->addr - test->start >= nr << PAGE_SHIFT)
		return -EINVAL;
	if (test->mn.mm != current->mm)
		return -EIO;

	access->faults = 0;
	while (!access_mapped(test, access)) {
		if (access->flags & PTSHARE_TEST_NOFAULT)
			return -ENOENT;
		access->faults++;
		ret = map_page(test, access->addr,
			       access->flags & PTSHARE_TEST_WRITE);
		if (ret)
			return ret;
	}
	return 0;
}

static long ioctl_access(struct ptshare_test *test, void __user *arg)
{
	struct ptshare_test_access access;
	int ret;

	if (copy_from_user(&access, arg, sizeof(access)))
		return -EFAULT;
	ret = do_access(test, &access);
	if (ret)
		return ret;
	return copy_to_user(arg, &access, sizeof(access)) ? -EFAULT : 0;
}

static long ioctl_register(struct ptshare_test *test, void __user *arg)
{
	struct ptshare_test_register reg;
	int ret;

	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	if (!reg.length || reg.length > PTSHARE_TEST_MAX_LENGTH ||
	    !PAGE_ALIGNED(reg.length) || !PAGE_ALIGNED(reg.addr) ||
	    reg.addr + reg.length < reg.addr)
		return -EINVAL;

	guard(mutex)(&test->register_lock);
	if (test->nr)
		return -EBUSY;
	test->table = kvcalloc(reg.length >> PAGE_SHIFT, sizeof(*test->table),
			       GFP_KERNEL);
	if (!test->table)
		return -ENOMEM;
	test->start = reg.addr;
	ret = mmu_notifier_register(&test->mn, current->mm);
	if (ret) {
		kvfree(test->table);
		test->table = NULL;
		return ret;
	}
	/* Pairs with do_access(): the range is valid once nr is seen. */
	smp_store_release(&test->nr, reg.length >> PAGE_SHIFT);
	return 0;
}

static long ioctl_info(struct ptshare_test *test, void __user *arg)
{
	struct ptshare_test_info info;

	spin_lock(&test->lock);
	info = test->info;
	spin_unlock(&test->lock);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ptshare_test_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct ptshare_test *test = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case PTSHARE_TEST_IOC_REGISTER:
		return ioctl_register(test, uarg);
	case PTSHARE_TEST_IOC_ACCESS:
		return ioctl_access(test, uarg);
	case PTSHARE_TEST_IOC_INFO:
		return ioctl_info(test, uarg);
	default:
		return -ENOTTY;
	}
}

static int ptshare_test_open(struct inode *inode, struct file *file)
{
	struct ptshare_test *test = kzalloc(sizeof(*test), GFP_KERNEL);

	if (!test)
		return -ENOMEM;
	mutex_init(&test->register_lock);
	spin_lock_init(&test->lock);
	test->mn.ops = &ptshare_test_mn_ops;
	file->private_data = test;
	return 0;
}

static int ptshare_test_release(struct inode *inode, struct file *file)
{
	struct ptshare_test *test = file->private_data;

	if (test->nr)
		mmu_notifier_unregister(&test->mn, test->mn.mm);
	kvfree(test->table);
	kfree(test);
	return 0;
}

static const struct file_operations ptshare_test_fops = {
	.owner		= THIS_MODULE,
	.open		= ptshare_test_open,
	.release	= ptshare_test_release,
	.unlocked_ioctl	= ptshare_test_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice ptshare_test_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "ptshare_test",
	.fops	= &ptshare_test_fops,
	.mode	= 0600,
};

builtin_misc_device(ptshare_test_misc);
