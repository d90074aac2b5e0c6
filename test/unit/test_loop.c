/*
 * An event loop for unit tests: see test_loop.h. epoll hands out descriptors in
 * the order in which they became ready, so our own, signalled last, comes last. More than
 * once, for handlers that one batch had no room for, and because ours, once it was
 * ready, is looked at before one that became ready while it was handled.
 */
#include <check.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test/unit/test_loop.h"

static int sync_fd;
static sem_t done;

static void on_sync(void *arg, uint32_t events)
{
	eventfd_t n;

	eventfd_read(sync_fd, &n);
	sem_post(&done);
}

void test_loop_init(struct event_loop *l)
{
	sem_init(&done, 0, 0);
	sync_fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(sync_fd, 0);
	ck_assert_int_eq(event_loop_add(l, sync_fd, EPOLLIN, on_sync, NULL), 0);
}

void test_loop_sync(void)
{
	for (int i = 0; i < 4; i++) {
		eventfd_write(sync_fd, 1);
		sem_wait(&done);
	}
}

void test_loop_free(void)
{
	close(sync_fd);
	sem_destroy(&done);
}
