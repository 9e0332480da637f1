// SPDX-License-Identifier: GPL-2.0
/*
 * ptshare notify files: read, poll and the ioctls ARM, RESOLVE and SCAN.
 *
 * Owns nothing but the file; what is behind it is struct ptshare_watch of
 * mm/ptshare_notify.c. Takes no lock of its own.
 */
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/ptshare.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <uapi/linux/ptshare.h>

#include "ptshare.h"

static ssize_t ptshare_notify_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;

	return ptshare_watch_read(file->private_data, to,
				  (file->f_flags & O_NONBLOCK) ||
				  (iocb->ki_flags & IOCB_NOWAIT));
}

static __poll_t ptshare_notify_poll(struct file *file, poll_table *wait)
{
	return ptshare_watch_poll(file->private_data, file, wait);
}

static long ptshare_notify_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	return ptshare_file_ioctl(file, cmd, (void __user *)arg,
				  CALL_ON_NOTIFY);
}

static int ptshare_notify_release(struct inode *inode, struct file *file)
{
	ptshare_watch_close(file->private_data);
	return 0;
}

#ifdef CONFIG_PROC_FS
static void ptshare_notify_fdinfo(struct seq_file *m, struct file *file)
{
	struct ptshare_watch_stat stat;

	ptshare_watch_stat(file->private_data, &stat);
	ptshare_show_info(m, stat.pt);
	seq_printf(m, "ptshare-pending:\t%u\n", stat.queued);
	seq_printf(m, "ptshare-armed:\t%llu\n", stat.bytes);
	seq_printf(m, "ptshare-notify-queue-len:\t%u\n", stat.len);
	seq_printf(m, "ptshare-notify-seq:\t%llu\n", stat.seq);
	seq_printf(m, "ptshare-notify-overflows:\t%llu\n", stat.overflows);
}
#else
#define ptshare_notify_fdinfo NULL
#endif

static const struct file_operations ptshare_notify_fops = {
	.owner			= THIS_MODULE,
	.read_iter		= ptshare_notify_read,
	.poll			= ptshare_notify_poll,
	.unlocked_ioctl		= ptshare_notify_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
	.release		= ptshare_notify_release,
	.show_fdinfo		= ptshare_notify_fdinfo,
};

static struct file *ptshare_notify_file(struct ptshare *pt, u32 queue_len)
{
	struct ptshare_watch *watch = ptshare_watch_create(pt, queue_len);
	struct file *file;

	if (IS_ERR(watch))
		return ERR_CAST(watch);
	file = anon_inode_create_getfile("[ptshare-notify]",
					 &ptshare_notify_fops, watch, O_RDWR,
					 NULL);
	if (IS_ERR(file)) {
		ptshare_watch_close(watch);
		return file;
	}
	stream_open(file_inode(file), file);
	file->f_mode |= FMODE_NOWAIT;
	return file;
}

/**
 * ptshare_ioc_notify - PTSHARE_IOC_NOTIFY
 * @control: the control file
 * @notify: see the uapi header
 * @unotify: where its results go
 *
 * The result is written before the fd is there, so that a bad pointer leaves
 * none behind.
 *
 * Return: the fd or an errno.
 */
int ptshare_ioc_notify(struct file *control, struct ptshare_notify *notify,
		       struct ptshare_notify __user *unotify)
{
	struct file *file;
	u32 len = notify->queue_len ?: PTSHARE_QUEUE_LEN;
	int fd;

	if (len > PTSHARE_MAX_QUEUE_LEN)
		return -EINVAL;
	if (put_user((u32)sizeof(struct ptshare_event), &unotify->event_size))
		return -EFAULT;

	CLASS(get_unused_fd, reserved)(O_CLOEXEC);
	if (reserved < 0)
		return reserved;

	file = ptshare_notify_file(control->private_data, len);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = take_fd(reserved);
	fd_install(fd, file);
	return fd;
}
