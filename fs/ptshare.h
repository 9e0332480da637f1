/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of ptshare: fs/ptshare.c and fs/ptshare_notify.c. */
#ifndef __FS_PTSHARE_H
#define __FS_PTSHARE_H

#include <linux/bits.h>
#include <linux/types.h>

struct file;
struct ptshare;
struct ptshare_notify;
struct seq_file;

/* Kinds of fds a call may be made on. */
#define CALL_ON_DEVICE		BIT(0)
#define CALL_ON_CONTROL		BIT(1)
#define CALL_ON_ATTACH		BIT(2)
#define CALL_ON_NOTIFY		BIT(3)

long ptshare_file_ioctl(struct file *file, unsigned int cmd, void __user *uarg,
			u8 on);
void ptshare_show_info(struct seq_file *m, struct ptshare *pt);
int ptshare_ioc_notify(struct file *control, struct ptshare_notify *notify,
		       struct ptshare_notify __user *unotify);

#endif /* __FS_PTSHARE_H */
