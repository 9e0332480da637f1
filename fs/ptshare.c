// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare files: the device, the control and the attach fd; the notify fd is in
 * ptshare_notify.c.
 *
 * Owns the user interface: which call is for which fd, how structures of other
 * sizes are read and written, and what fdinfo shows. Takes no lock of its own;
 * mm/ptshare.h has those of the container.
 *
 * The control and the attach files of a container are files of one inode with
 * one f_mapping. Each holds a reference on the container, as a window does by
 * its vm_file.
 */
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mman.h>
#include <linux/nospec.h>
#include <linux/ptshare.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/ptshare.h>

#include "ptshare.h"

static const struct file_operations ptshare_control_fops;
static const struct file_operations ptshare_attach_fops;
static const struct file_operations ptshare_device_fops;

union ptshare_arg {
	struct {
		u32 size;
		u32 flags;
	};
	struct ptshare_create create;
	struct ptshare_info info;
	struct ptshare_map map;
	struct ptshare_unmap unmap;
	struct ptshare_protect protect;
	struct ptshare_query query;
	struct ptshare_attach_fd attach;
	struct ptshare_seal seal;
	struct ptshare_notify notify;
	struct ptshare_arm arm;
	struct ptshare_resolve resolve;
	struct ptshare_scan scan;
};

/* Does a call write its structure back? */
enum ptshare_results {
	RESULTS_NONE,
	RESULTS_TOLD,	/* it has only that to do */
	RESULTS_DONE,	/* what it did is not undone, and so has succeeded */
};

/**
 * struct ptshare_call - one ioctl
 * @size: bytes of the structure this kernel knows
 * @min_size: bytes of its first version
 * @flags: that this kernel knows
 * @on: CALL_ON_*
 * @results: what happens when it has succeeded
 * @fn: gets the structure whole and its flags checked
 */
struct ptshare_call {
	u32 size;
	u32 min_size;
	u32 flags;
	u8 on;
	enum ptshare_results results;
	int (*fn)(struct file *file, union ptshare_arg *arg, void __user *uarg);
};

static int ptshare_new_fd(struct ptshare *pt)
{
	struct file *file;
	int fd;

	CLASS(get_unused_fd, reserved)(O_CLOEXEC);
	if (reserved < 0)
		return reserved;

	file = anon_inode_create_getfile("[ptshare]", &ptshare_control_fops, pt,
					 O_RDWR, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);

	ptshare_get(pt);
	ptshare_set_file(pt, file);
	fd = take_fd(reserved);
	fd_install(fd, file);
	return fd;
}

static int ptshare_ioc_create(struct file *file, union ptshare_arg *arg,
			      void __user *uarg)
{
	struct ptshare_create *create = &arg->create;
	struct ptshare *pt;
	int fd;

	if (create->__reserved)
		return -EINVAL;
	if (create->max_prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	pt = ptshare_create(create->length, create->max_prot);
	if (IS_ERR(pt))
		return PTR_ERR(pt);
	fd = ptshare_new_fd(pt);
	/* The file has taken a reference of its own. */
	ptshare_put(pt);
	return fd;
}

static int ptshare_ioc_attach_fd(struct file *file, union ptshare_arg *arg,
				 void __user *uarg)
{
	struct file *attach;
	int fd;

	CLASS(get_unused_fd, reserved)(O_CLOEXEC);
	if (reserved < 0)
		return reserved;

	/* Shares inode and f_mapping, so that its windows are found too. */
	attach = alloc_file_clone(file, O_RDWR, &ptshare_attach_fops);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	attach->private_data = file->private_data;
	ptshare_get(attach->private_data);
	fd = take_fd(reserved);
	fd_install(fd, attach);
	return fd;
}

static int ptshare_ioc_info(struct file *file, union ptshare_arg *arg,
			    void __user *uarg)
{
	arg->info = (struct ptshare_info) { .size = arg->size };
	if (file->f_op == &ptshare_device_fops) {
		ptshare_limits(&arg->info);
		return 0;
	}
	return ptshare_info(file->private_data, &arg->info);
}

static int ptshare_ioc_map(struct file *file, union ptshare_arg *arg,
			   void __user *uarg)
{
	struct file *backing __free(fput) = fget(arg->map.fd);

	if (!backing)
		return -EBADF;
	return ptshare_map(file->private_data, backing, &arg->map);
}

static int ptshare_ioc_unmap(struct file *file, union ptshare_arg *arg,
			     void __user *uarg)
{
	return ptshare_unmap(file->private_data, arg->unmap.offset,
			     arg->unmap.length);
}

static int ptshare_ioc_protect(struct file *file, union ptshare_arg *arg,
			       void __user *uarg)
{
	struct ptshare_protect *protect = &arg->protect;
	struct ptshare_protect __user *uprotect = uarg;
	u32 failed = 0;
	int err;

	if (!protect->nr || protect->nr > PTSHARE_MAX_RANGES)
		return -EINVAL;

	struct ptshare_range_prot *ranges __free(kvfree) =
		kvmalloc_array(protect->nr, sizeof(*ranges), GFP_KERNEL_ACCOUNT);

	if (!ranges)
		return -ENOMEM;
	if (copy_from_user(ranges, u64_to_user_ptr(protect->ranges),
			   protect->nr * sizeof(*ranges)))
		return -EFAULT;

	err = ptshare_protect(file->private_data, ranges, protect->nr, &failed);
	if (err == -EINVAL || err == -EACCES || err == -ENOENT)
		if (put_user(failed, &uprotect->failed))
			return -EFAULT;
	return err;
}

static int ptshare_ioc_query(struct file *file, union ptshare_arg *arg,
			     void __user *uarg)
{
	struct ptshare *pt = file->private_data;
	struct ptshare_query *query = &arg->query;
	unsigned int room, filled;
	int err;

	if (query->__reserved || !query->nr)
		return -EINVAL;
	room = min(query->nr, ptshare_query_bound(pt));

	struct ptshare_region *regions __free(kvfree) =
		kvmalloc_array(room, sizeof(*regions), GFP_KERNEL_ACCOUNT);

	if (!regions)
		return -ENOMEM;
	err = ptshare_query(pt, query->start, regions, room, &filled,
			    &query->next);
	if (err)
		return err;
	query->nr = filled;
	if (copy_to_user(u64_to_user_ptr(query->buf), regions,
			 filled * sizeof(*regions)))
		return -EFAULT;
	return 0;
}

static int ptshare_ioc_seal(struct file *file, union ptshare_arg *arg,
			    void __user *uarg)
{
	if (arg->seal.__reserved)
		return -EINVAL;
	return ptshare_seal(file->private_data, arg->seal.seals);
}

static int ptshare_call_notify(struct file *file, union ptshare_arg *arg,
			       void __user *uarg)
{
	return ptshare_ioc_notify(file, &arg->notify, uarg);
}

static int ptshare_call_arm(struct file *file, union ptshare_arg *arg,
			    void __user *uarg)
{
	return ptshare_watch_arm(file->private_data, &arg->arm);
}

static int ptshare_call_resolve(struct file *file, union ptshare_arg *arg,
				void __user *uarg)
{
	return ptshare_watch_resolve(file->private_data, &arg->resolve);
}

static int ptshare_call_scan(struct file *file, union ptshare_arg *arg,
			     void __user *uarg)
{
	return ptshare_watch_scan(file->private_data, &arg->scan, uarg);
}

#define CALL(_name, _struct, _flags, _on, _results, _fn)			\
	[_IOC_NR(_name) - _IOC_NR(PTSHARE_IOC_CREATE)] = {		\
		.size		= sizeof(_struct),			\
		.min_size	= sizeof(_struct),			\
		.flags		= _flags,				\
		.on		= _on,					\
		.results	= _results,				\
		.fn		= _fn,					\
	}

static const struct ptshare_call ptshare_calls[] = {
	CALL(PTSHARE_IOC_CREATE, struct ptshare_create, 0, CALL_ON_DEVICE,
	     RESULTS_NONE, ptshare_ioc_create),
	CALL(PTSHARE_IOC_INFO, struct ptshare_info, 0,
	     CALL_ON_DEVICE | CALL_ON_CONTROL | CALL_ON_ATTACH,
	     RESULTS_TOLD, ptshare_ioc_info),
	CALL(PTSHARE_IOC_MAP, struct ptshare_map, PTSHARE_MAP_REPLACE,
	     CALL_ON_CONTROL, RESULTS_NONE, ptshare_ioc_map),
	CALL(PTSHARE_IOC_UNMAP, struct ptshare_unmap, 0, CALL_ON_CONTROL,
	     RESULTS_NONE, ptshare_ioc_unmap),
	CALL(PTSHARE_IOC_PROTECT, struct ptshare_protect, 0, CALL_ON_CONTROL,
	     RESULTS_NONE, ptshare_ioc_protect),
	CALL(PTSHARE_IOC_QUERY, struct ptshare_query, 0,
	     CALL_ON_CONTROL | CALL_ON_ATTACH, RESULTS_TOLD, ptshare_ioc_query),
	CALL(PTSHARE_IOC_ATTACH_FD, struct ptshare_attach_fd, 0,
	     CALL_ON_CONTROL, RESULTS_NONE, ptshare_ioc_attach_fd),
	CALL(PTSHARE_IOC_SEAL, struct ptshare_seal, 0, CALL_ON_CONTROL,
	     RESULTS_NONE, ptshare_ioc_seal),
	CALL(PTSHARE_IOC_NOTIFY, struct ptshare_notify, 0, CALL_ON_CONTROL,
	     RESULTS_NONE, ptshare_call_notify),
	CALL(PTSHARE_IOC_ARM, struct ptshare_arm, 0, CALL_ON_NOTIFY,
	     RESULTS_DONE, ptshare_call_arm),
	CALL(PTSHARE_IOC_RESOLVE, struct ptshare_resolve, 0, CALL_ON_NOTIFY,
	     RESULTS_DONE, ptshare_call_resolve),
	CALL(PTSHARE_IOC_SCAN, struct ptshare_scan,
	     PTSHARE_SCAN_CLEAR | PTSHARE_SCAN_REARM, CALL_ON_NOTIFY,
	     RESULTS_DONE, ptshare_call_scan),
};

/**
 * ptshare_file_ioctl - a call on one of the files
 * @file: the file
 * @cmd: PTSHARE_IOC_*
 * @uarg: its structure
 * @on: CALL_ON_*, the kind of @file
 *
 * Return: what the call returns, or an errno of the contract in the uapi header.
 */
long ptshare_file_ioctl(struct file *file, unsigned int cmd, void __user *uarg,
			u8 on)
{
	unsigned int nr = _IOC_NR(cmd) - _IOC_NR(PTSHARE_IOC_CREATE);
	const struct ptshare_call *call;
	union ptshare_arg arg;
	u32 size;
	int ret;

	if (cmd != _IO(PTSHARE_IOC_TYPE, _IOC_NR(cmd)) ||
	    nr >= ARRAY_SIZE(ptshare_calls))
		return -ENOTTY;
	call = &ptshare_calls[array_index_nospec(nr, ARRAY_SIZE(ptshare_calls))];
	if (!call->fn)
		return -ENOTTY;
	if (!(call->on & on))
		return -EPERM;

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < call->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&arg, call->size, uarg, size);
	if (ret)
		return ret;
	if (arg.flags & ~call->flags)
		return -EOPNOTSUPP;

	/* Another thread may have changed it since. */
	arg.size = size;
	/* What can't be told shall not be done. */
	if (call->results && put_user(size, (u32 __user *)uarg))
		return -EFAULT;
	ret = call->fn(file, &arg, uarg);
	/* It was there before: another thread has taken it away meanwhile. */
	if (!ret && call->results &&
	    copy_to_user(uarg, &arg, min(size, call->size)) &&
	    call->results != RESULTS_DONE)
		return -EFAULT;
	return ret;
}

static long ptshare_device_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	return ptshare_file_ioctl(file, cmd, (void __user *)arg, CALL_ON_DEVICE);
}

static long ptshare_control_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	return ptshare_file_ioctl(file, cmd, (void __user *)arg, CALL_ON_CONTROL);
}

static long ptshare_attach_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	return ptshare_file_ioctl(file, cmd, (void __user *)arg, CALL_ON_ATTACH);
}

static int ptshare_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	return ptshare_mmap(file->private_data, vma);
}

/* An address congruent with the offset modulo @align, or an errno. */
static unsigned long ptshare_congruent_area(struct file *file,
					    unsigned long len,
					    unsigned long pgoff,
					    unsigned long flags,
					    unsigned long align)
{
	unsigned long offset = pgoff << PAGE_SHIFT, addr;

	if (len < align || len + align < len)
		return -ENOMEM;
	addr = mm_get_unmapped_area(current->mm, file, 0, len + align, pgoff,
				    flags);
	if (IS_ERR_VALUE(addr))
		return addr;
	return addr + ((offset - addr) & (align - 1));
}

/*
 * Whoever names an address gets it. Else pick one where whole tables of the
 * container fit: modulo the largest granule if the length allows.
 */
static unsigned long ptshare_get_unmapped_area(struct file *file,
					       unsigned long addr,
					       unsigned long len,
					       unsigned long pgoff,
					       unsigned long flags)
{
	unsigned long ret;

	if (addr || (flags & MAP_FIXED) || in_compat_syscall())
		return mm_get_unmapped_area(current->mm, file, addr, len, pgoff,
					    flags);

	ret = ptshare_congruent_area(file, len, pgoff, flags, PUD_SIZE);
	if (IS_ERR_VALUE(ret))
		ret = ptshare_congruent_area(file, len, pgoff, flags, PMD_SIZE);
	if (IS_ERR_VALUE(ret))
		ret = mm_get_unmapped_area(current->mm, file, 0, len, pgoff,
					   flags);
	return ret;
}

static int ptshare_file_release(struct inode *inode, struct file *file)
{
	ptshare_put(file->private_data);
	return 0;
}

#ifdef CONFIG_PROC_FS
/* What every fd of a container tells of it. */
void ptshare_show_info(struct seq_file *m, struct ptshare *pt)
{
	struct ptshare_info info = {};

	if (ptshare_info(pt, &info))
		return;
	seq_printf(m, "ptshare-id:\t%llu\n", info.id);
	seq_printf(m, "ptshare-length:\t%llu\n", info.length);
	seq_printf(m, "ptshare-max-prot:\t%s\n",
		   info.max_prot & PROT_WRITE ? "rw" : "r");
	seq_printf(m, "ptshare-regions:\t%u\n", info.nr_regions);
	seq_printf(m, "ptshare-windows:\t%u\n", info.nr_windows);
	seq_printf(m, "ptshare-rss-kB:\t%llu\n", info.rss_bytes >> 10);
	seq_printf(m, "ptshare-pgtables-kB:\t%llu\n", info.pgtable_bytes >> 10);
	seq_printf(m, "ptshare-saved-kB:\t%llu\n", info.saved_bytes >> 10);
	seq_printf(m, "ptshare-links:\t%llu\n", info.nr_links);
	seq_printf(m, "ptshare-mirrors:\t%llu\n", info.nr_mirrors);
	seq_printf(m, "ptshare-flushes:\t%lu\n",
		   ptshare_nr_flushes(pt));
	seq_printf(m, "ptshare-trimmed:\t%lu\n",
		   ptshare_nr_trimmed(pt));
}

static void ptshare_show_fdinfo(struct seq_file *m, struct file *file)
{
	ptshare_show_info(m, file->private_data);
}
#else
#define ptshare_show_fdinfo NULL
#endif

/* The file is told apart by its operations, so there are two of them. */
static const struct file_operations ptshare_control_fops = {
	.owner			= THIS_MODULE,
	.mmap			= ptshare_file_mmap,
	.get_unmapped_area	= ptshare_get_unmapped_area,
	.unlocked_ioctl		= ptshare_control_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.release		= ptshare_file_release,
	.fsync			= noop_fsync,
	.show_fdinfo		= ptshare_show_fdinfo,
};

static const struct file_operations ptshare_attach_fops = {
	.owner			= THIS_MODULE,
	.mmap			= ptshare_file_mmap,
	.get_unmapped_area	= ptshare_get_unmapped_area,
	.unlocked_ioctl		= ptshare_attach_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.release		= ptshare_file_release,
	.fsync			= noop_fsync,
	.show_fdinfo		= ptshare_show_fdinfo,
};

static const struct file_operations ptshare_device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= ptshare_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice ptshare_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "ptshare",
	.fops	= &ptshare_device_fops,
	.mode	= 0600,
};

builtin_misc_device(ptshare_device);
