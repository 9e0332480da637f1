// SPDX-License-Identifier: GPL-2.0
/*
 * Write notification: the queue of events behind a notify fd.
 *
 * Owns struct wn_queue: a ring of a fixed number of records and one more, for
 * PTSHARE_EVENT_OVERFLOW. Events are hints; what was written stands in the bits
 * of the file, so that a full ring loses nothing but the order.
 *
 * Locks: read_mutex for who takes records out, outside of user memory faults'
 * locks; lock for the ring itself. See write_notify.h.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/ptshare.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>

#include "write_notify.h"

/* An event as it waits; pids are those of whoever reads it. */
struct wn_event {
	u16 type;
	u16 flags;
	u64 cookie;
	u64 offset;
	u64 length;
	u64 addr;
	u64 seq;
	u64 time_ns;
	struct pid *pid;
	struct pid *tid;
};

/**
 * struct wn_queue - events of a notify fd
 * @read_mutex: whoever takes records out
 * @lock: guards the ring and the counters
 * @wait: readers and pollers
 * @cred: of who made the notify fd
 * @sees_all: may he look into every process?
 * @ranges: struct wn_range, under notify_mutex of the container
 * @len: records without the one for an overflow
 * @head: the next one to be read
 * @nr: records in the ring
 * @seq: of the next event
 * @overflows: records of PTSHARE_EVENT_OVERFLOW so far
 * @ring: @len + 1 records
 */
struct wn_queue {
	struct mutex read_mutex;	/* outer, see above */
	spinlock_t lock;		/* under wn->lock */
	wait_queue_head_t wait;
	const struct cred *cred;
	bool sees_all;
	struct list_head ranges;
	unsigned int len;
	unsigned int head;
	unsigned int nr;
	u64 seq;
	u64 overflows;
	struct wn_event *ring;
};

struct list_head *wn_queue_ranges(struct wn_queue *queue)
{
	return &queue->ranges;
}

struct wn_queue *wn_queue_alloc(unsigned int len)
{
	struct wn_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->ring = kvmalloc_array(len + 1, sizeof(*queue->ring),
				     GFP_KERNEL_ACCOUNT);
	if (!queue->ring) {
		kfree(queue);
		return NULL;
	}
	mutex_init(&queue->read_mutex);
	spin_lock_init(&queue->lock);
	init_waitqueue_head(&queue->wait);
	INIT_LIST_HEAD(&queue->ranges);
	queue->cred = get_current_cred();
	queue->sees_all = capable(CAP_SYS_PTRACE);
	queue->len = len;
	return queue;
}

static struct wn_event *ring_at(struct wn_queue *queue, unsigned int nth)
{
	unsigned int at = queue->head + nth;

	return &queue->ring[at > queue->len ? at - queue->len - 1 : at];
}

/* Nobody knows of it any more. */
void wn_queue_free(struct wn_queue *queue)
{
	unsigned int i;

	WARN_ON_ONCE(!list_empty(&queue->ranges));
	for (i = 0; i < queue->nr; i++) {
		put_pid(ring_at(queue, i)->pid);
		put_pid(ring_at(queue, i)->tid);
	}
	kvfree(queue->ring);
	put_cred(queue->cred);
	kfree(queue);
}

/*
 * Where a process of somebody else has its memory is not told to all who may
 * write to the file; nor where one with more rights has it, or one that another
 * writes to, of which nothing is known here.
 */
static bool may_see_address(const struct wn_queue *queue, u16 flags)
{
	const struct cred *cred = current_real_cred();
	struct mm_struct *mm = current->mm;

	if (queue->sees_all)
		return true;
	if (flags & PTSHARE_EVENT_F_REMOTE || !mm)
		return false;
	return uid_eq(cred->uid, queue->cred->euid) &&
	       uid_eq(cred->euid, queue->cred->euid) &&
	       cap_issubset(cred->cap_permitted, queue->cred->cap_permitted) &&
	       get_dumpable(mm) == SUID_DUMP_USER;
}

/* The place for one more event, with @seq; NULL if it is dropped. */
static struct wn_event *ring_add(struct wn_queue *queue, u64 *seq)
{
	struct wn_event *event;

	lockdep_assert_held(&queue->lock);
	if (queue->nr < queue->len) {
		*seq = queue->seq++;
		return ring_at(queue, queue->nr++);
	}
	if (ring_at(queue, queue->nr - 1)->type != PTSHARE_EVENT_OVERFLOW) {
		event = ring_at(queue, queue->nr++);
		*event = (struct wn_event) {
			.type		= PTSHARE_EVENT_OVERFLOW,
			.seq		= queue->seq++,
			.time_ns	= ktime_get_ns(),
		};
		queue->overflows++;
	}
	queue->seq++;
	return NULL;
}

/**
 * wn_queue_add - tell the queue of a range
 * @range: what the event is about; nothing happens if it has no queue
 * @type: PTSHARE_EVENT_*
 * @flags: PTSHARE_EVENT_F_*
 * @index: first page, in the file
 * @nr: pages
 * @addr: of the access
 *
 * Context: under wn->lock, perhaps under a page table lock.
 */
void wn_queue_add(struct wn_range *range, u16 type, u16 flags, pgoff_t index,
		  unsigned long nr, unsigned long addr)
{
	struct wn_queue *queue = range->queue;
	struct wn_event *event;
	u64 seq;

	lockdep_assert_held(&range->wn->lock);
	if (!queue)
		return;
	spin_lock(&queue->lock);
	event = ring_add(queue, &seq);
	if (event)
		*event = (struct wn_event) {
			.type		= type,
			.flags		= flags,
			.cookie		= range->params.cookie,
			.offset		= wn_range_offset(range, index),
			.length		= (u64)nr << PAGE_SHIFT,
			.addr		= may_see_address(queue, flags) ? addr : 0,
			.seq		= seq,
			.time_ns	= ktime_get_ns(),
			.pid		= get_pid(task_tgid(current)),
			.tid		= get_pid(task_pid(current)),
		};
	spin_unlock(&queue->lock);
	if (wq_has_sleeper(&queue->wait))
		wake_up_poll(&queue->wait, EPOLLIN | EPOLLRDNORM);
}

static bool queue_readable(struct wn_queue *queue)
{
	return READ_ONCE(queue->nr);
}

static void event_to_user(const struct wn_event *event,
			  struct ptshare_event *out)
{
	struct pid_namespace *ns = task_active_pid_ns(current);

	*out = (struct ptshare_event) {
		.size		= sizeof(*out),
		.type		= event->type,
		.flags		= event->flags,
		.cookie		= event->cookie,
		.offset		= event->offset,
		.length		= event->length,
		.addr		= event->addr,
		.seq		= event->seq,
		.time_ns	= event->time_ns,
		.pid		= pid_nr_ns(event->pid, ns),
		.tid		= pid_nr_ns(event->tid, ns),
	};
}

/*
 * One record to the reader: 1, 0 if there is none. It leaves the ring only when
 * it was copied. Others add behind it meanwhile, and nobody takes it away.
 */
static int queue_take(struct wn_queue *queue, struct iov_iter *to)
{
	struct wn_event *event = NULL;
	struct ptshare_event out;
	struct pid *pid, *tid;

	lockdep_assert_held(&queue->read_mutex);
	spin_lock(&queue->lock);
	if (queue->nr)
		event = ring_at(queue, 0);
	spin_unlock(&queue->lock);
	if (!event)
		return 0;

	event_to_user(event, &out);
	if (!copy_to_iter_full(&out, sizeof(out), to))
		return -EFAULT;

	pid = event->pid;
	tid = event->tid;
	spin_lock(&queue->lock);
	queue->head = queue->head == queue->len ? 0 : queue->head + 1;
	queue->nr--;
	spin_unlock(&queue->lock);
	put_pid(pid);
	put_pid(tid);
	return 1;
}

static ssize_t queue_read_some(struct wn_queue *queue, struct iov_iter *to)
{
	ssize_t done = 0;
	int ret = 0;

	while (iov_iter_count(to) >= sizeof(struct ptshare_event)) {
		ret = queue_take(queue, to);
		if (ret <= 0)
			break;
		done += sizeof(struct ptshare_event);
		if (!queue_readable(queue))
			break;
	}
	return done ?: ret;
}

/**
 * wn_queue_read - read events
 * @queue: of a notify fd
 * @to: whole records only
 * @nowait: -EAGAIN instead of sleeping
 *
 * Return: bytes, or -EINVAL if no record fits, -EAGAIN, -EFAULT, -ERESTARTSYS.
 */
ssize_t wn_queue_read(struct wn_queue *queue, struct iov_iter *to, bool nowait)
{
	ssize_t ret;

	if (iov_iter_count(to) < sizeof(struct ptshare_event))
		return -EINVAL;
	do {
		if (nowait) {
			if (!mutex_trylock(&queue->read_mutex))
				return -EAGAIN;
		} else if (wait_event_interruptible(queue->wait,
						    queue_readable(queue))) {
			return -ERESTARTSYS;
		} else if (mutex_lock_interruptible(&queue->read_mutex)) {
			return -ERESTARTSYS;
		}
		ret = queue_read_some(queue, to);
		mutex_unlock(&queue->read_mutex);
		if (!ret && nowait)
			ret = -EAGAIN;
	} while (!ret);
	return ret;
}

__poll_t wn_queue_poll(struct wn_queue *queue, struct file *file,
		       poll_table *wait)
{
	poll_wait(file, &queue->wait, wait);
	return queue_readable(queue) ? EPOLLIN | EPOLLRDNORM : 0;
}

void wn_queue_stat(struct wn_queue *queue, struct ptshare_watch_stat *stat)
{
	spin_lock(&queue->lock);
	stat->queued = queue->nr;
	stat->len = queue->len;
	stat->seq = queue->seq;
	stat->overflows = queue->overflows;
	spin_unlock(&queue->lock);
}
