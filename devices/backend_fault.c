/*
 * Faults of a backend's state machine (pvabi/faults.def, backend_state): a state that is not
 * published, late or twice, a backend that dies and perhaps comes back.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/backend_internal.h"
#include "devices/device.h"
#include "pvabi/fault.h"

#define RESTART_NS 100000000ll

static void publish(struct backend *b)
{
	backend_write(b, "state", "%d", (int)b->state);
}

static void on_timer(void *arg, uint32_t events)
{
	struct backend *b = arg;
	uint64_t n;

	if (read(b->fault.timer_fd, &n, sizeof(n)) != sizeof(n))
		return;
	if (b->fault.dead) {
		b->fault.dead = false;
		/* As a driver that is loaded again: it begins at the beginning. */
		b->state = b->class->waiting ? b->class->waiting : XenbusStateInitWait;
	}
	publish(b);
}

static void later(struct backend *b, int64_t ns)
{
	struct itimerspec t = {{0, 0}, {ns / 1000000000, ns % 1000000000}};

	if (ns <= 0)
		t.it_value.tv_nsec = 1;
	if (b->fault.timer_fd <= 0) {
		b->fault.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (b->fault.timer_fd < 0 ||
		    event_loop_add(b->loop, b->fault.timer_fd, EPOLLIN, on_timer, b))
			return;
	}
	timerfd_settime(b->fault.timer_fd, 0, &t, NULL);
}

static void die(struct backend *b)
{
	b->fault.dead = true;
	backend_disconnect(b);
	b->state = XenbusStateClosed;
	publish(b);
}

bool backend_fault_state(struct backend *b)
{
	struct fault f;

	if (b->fault.dead)
		return true;
	if (!FAULT_AT_BLOCK(b->domain, backend_state, &f, b->be_path, strlen(b->be_path), b->state))
		return false;
	switch (f.kind) {
	case FAULT_SKIP:
		return true;
	case FAULT_DELAY:
		later(b, fault_value(&f, RESTART_NS));
		return true;
	case FAULT_REPEAT:
		publish(b);
		return false;
	case FAULT_DIE:
		die(b);
		return true;
	case FAULT_RESTART:
		die(b);
		later(b, fault_value(&f, RESTART_NS));
		return true;
	default:
		return false;
	}
}

void backend_fault_close(struct backend *b)
{
	if (b->fault.timer_fd <= 0)
		return;
	event_loop_del(b->loop, b->fault.timer_fd);
	close(b->fault.timer_fd);
	b->fault.timer_fd = 0;
}
