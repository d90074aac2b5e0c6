/*
 * The event loop answers a question put to it like any other descriptor. One that was ready
 * before may come later in the same round of epoll, so it is asked twice. Backends with
 * threads of their own count what they have in hand (domain.backend_work).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "vmm/futex.h"
#include "vmm/quiesce.h"
#include "vmm/stats.h"

#define PATIENCE_NS 1000000000ull
#define LOOK_NS	    50000

static void on_question(void *arg, uint32_t events)
{
	struct quiesce *q = arg;
	eventfd_t n;

	if (eventfd_read(q->fd, &n))
		return;
	atomic_fetch_add(&q->answers, 1);
	futex_wake(&q->answers);
}

int quiesce_init(struct quiesce *q, struct event_loop *l, struct domain *d)
{
	q->loop = l;
	q->domain = d;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->fd < 0 ? -errno : event_loop_add(l, q->fd, EPOLLIN, on_question, q);
}

void quiesce_close(struct quiesce *q)
{
	if (!q->loop)
		return;
	event_loop_del(q->loop, q->fd);
	close(q->fd);
	q->loop = NULL;
}

static void ask(struct quiesce *q, uint64_t end)
{
	uint32_t before = atomic_load(&q->answers);
	uint64_t now;

	eventfd_write(q->fd, 1);
	while (atomic_load(&q->answers) == before && (now = stats_now()) < end) {
		struct timespec t = {.tv_sec = (time_t)((end - now) / 1000000000),
				     .tv_nsec = (long)((end - now) % 1000000000)};

		futex_wait(&q->answers, before, &t);
	}
}

void quiesce_wait(struct quiesce *q)
{
	uint64_t end = stats_now() + PATIENCE_NS;
	const struct timespec t = {.tv_nsec = LOOK_NS};

	do {
		ask(q, end);
		ask(q, end);
		while (atomic_load(&q->domain->backend_work) && stats_now() < end)
			nanosleep(&t, NULL);
		/* What they did may be something for the loop. */
		ask(q, end);
	} while (atomic_load(&q->domain->backend_work) && stats_now() < end);
	if (stats_now() >= end)
		q->late++;
}
