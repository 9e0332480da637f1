/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel parameter ptshare.share, read once by each container at CREATE. */
#ifndef PTSHARE_SHARE_H
#define PTSHARE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* Is there such a parameter, and may it be changed? */
bool share_available(void);
/* Its value, without the newline; "" where there is no such parameter. */
void share_get(char *buf, size_t size);
/* 0 or -errno */
int share_set(const char *value);
/* A container made with the parameter at @share, which is put back after. */
int share_create(const char *share, __u64 length, __u32 max_prot);
/* The same, and @size bytes of a new stamped memfd at its start: fd or -errno. */
int share_stamped(const char *share, __u64 length, size_t size, __u64 tag,
		  int *mem);

#endif /* PTSHARE_SHARE_H */
