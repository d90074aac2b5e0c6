/*
 * A device's directories and the negotiation of states with its frontend. The rules
 * are those of Linux's backends (xen-blkback/xenbus.c, xen-netback/xenbus.c:
 * frontend_changed) and of what libxl writes (libxl_device.c).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/backend_internal.h"
#include "devices/device.h"
#include "devices/xenstore/local.h"

#define ERROR_SIZE  200
#define MAX_REPORTS 16 /* of one device: a guest can have us fail again and again */

/* How long a guest may take to notice that a device is gone. */
#define LEAVE_TICK_NS 10000000l
#define LEAVE_TICKS   300

void backend_set_state(struct backend *b, enum xenbus_state state)
{
	if (b->state == state)
		return;
	b->state = state;
	PROBE_HIT_BLOCK(b->domain, backend_state, b->be_path, strlen(b->be_path), state);
	if (!backend_fault_state(b))
		backend_write(b, "state", "%d", (int)state);
}

static void set_waiting(struct backend *b)
{
	backend_set_state(b, b->class->waiting ? b->class->waiting : XenbusStateInitWait);
}

void backend_disconnect(struct backend *b)
{
	if (!b->connected)
		return;
	b->connected = false;
	b->class->disconnect(b);
}

static enum xenbus_state frontend_state(struct backend *b)
{
	uint64_t state;

	if (backend_frontend_number(b, "state", XenbusStateReconfigured, &state))
		return XenbusStateUnknown;
	return (enum xenbus_state)state;
}

static void connect(struct backend *b)
{
	/* Once closing, the frontend must have been Closed before it may come again. */
	if (b->connected || b->detaching || b->state == XenbusStateClosing)
		return;
	if (b->class->connect(b)) {
		backend_set_state(b, XenbusStateClosing);
		return;
	}
	b->connected = true;
	backend_set_state(b, XenbusStateConnected);
}

static void on_leave_tick(void *arg, uint32_t events)
{
	struct backend *b = arg;
	uint64_t n;

	if (read(b->leave_fd, &n, sizeof(n)) < 0)
		return;
	if (++b->leave_ticks >= LEAVE_TICKS ||
	    !xenstore_watched_by(b->xenstore, b->domain->domid, b->be_path))
		backend_destroy(b);
}

/* The frontend has closed, or there is none. */
static void leave(struct backend *b)
{
	struct itimerspec t = {{0, LEAVE_TICK_NS}, {0, LEAVE_TICK_NS}};

	if (b->leave_fd >= 0)
		return;
	xenstore_remove(b->xenstore, b->fe_path);
	if (xenstore_watched_by(b->xenstore, b->domain->domid, b->be_path)) {
		b->leave_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (b->leave_fd >= 0 && !timerfd_settime(b->leave_fd, 0, &t, NULL) &&
		    !event_loop_add(b->loop, b->leave_fd, EPOLLIN, on_leave_tick, b))
			return;
	}
	backend_destroy(b);
}

static void frontend_changed(void *arg)
{
	struct backend *b = arg;
	enum xenbus_state state = frontend_state(b);

	PROBE_HIT_BLOCK(b->domain, frontend_state, b->fe_path, strlen(b->fe_path), state);
	if (b->fault.dead && !b->detaching)
		return;
	switch (state) {
	case XenbusStateInitialising:
		if (b->state == XenbusStateClosed && !b->detaching)
			set_waiting(b);
		break;
	case XenbusStateInitialised:
	case XenbusStateConnected:
		connect(b);
		break;
	case XenbusStateReconfiguring:
		/* Linux's netback; the frontend is Connected next, and we stay so. */
		if (b->connected && b->class->reconfigure && b->class->reconfigure(b))
			backend_set_state(b, XenbusStateReconfigured);
		break;
	case XenbusStateClosing:
		if (!b->class->serves_closing)
			backend_disconnect(b);
		backend_set_state(b, XenbusStateClosing);
		break;
	case XenbusStateClosed:
	case XenbusStateUnknown:
		if (state == XenbusStateClosed && b->connected && b->class->drain)
			b->class->drain(b);
		backend_disconnect(b);
		backend_set_state(b, XenbusStateClosed);
		if (b->detaching) {
			leave(b);
			return;
		}
		break;
	default:
		break;
	}
	if (b->class->changed && !b->detaching)
		b->class->changed(b, state);
}

static int write_common(struct backend *b)
{
	int rc = xenstore_mkdir(b->xenstore, b->fe_path, b->domain->domid, 0);

	if (!rc)
		rc = xenstore_mkdir(b->xenstore, b->be_path, 0, b->domain->domid);
	if (rc)
		return rc;
	backend_write_frontend(b, "backend", "%s", b->be_path);
	backend_write_frontend(b, "backend-id", "0");
	backend_write(b, "frontend", "%s", b->fe_path);
	backend_write(b, "frontend-id", "%u", b->domain->domid);
	backend_write(b, "online", "1");
	return backend_write(b, "state", "%d", XenbusStateInitialising);
}

static void error_path(const struct backend *b, char path[2 * BACKEND_PATH_SIZE])
{
	snprintf(path, 2 * BACKEND_PATH_SIZE, "/local/domain/0/error/backend/%s/%u/%u",
		 b->class->type, b->domain->domid, b->id);
}

static void forget(struct backend *b)
{
	char path[2 * BACKEND_PATH_SIZE];

	if (b->watch)
		xenstore_unwatch(b->watch);
	error_path(b, path);
	xenstore_remove(b->xenstore, path);
	xenstore_remove(b->xenstore, b->be_path);
	xenstore_remove(b->xenstore, b->fe_path);
}

int backend_create(struct backend *b)
{
	snprintf(b->fe_path, sizeof(b->fe_path), "/local/domain/%u/device/%s/%u", b->domain->domid,
		 b->class->type, b->id);
	snprintf(b->be_path, sizeof(b->be_path), "/local/domain/0/backend/%s/%u/%u", b->class->type,
		 b->domain->domid, b->id);
	b->leave_fd = -1;
	if (xenstore_exists(b->xenstore, b->fe_path) || xenstore_exists(b->xenstore, b->be_path))
		return -EEXIST;
	b->state = XenbusStateInitialising;
	int rc = write_common(b);
	if (!rc)
		rc = b->class->publish(b);
	if (!rc) {
		/* The guest may look at once: the frontend's state comes last. */
		rc = backend_write_frontend(b, "state", "%d", XenbusStateInitialising);
		set_waiting(b);
	}
	if (!rc) {
		char path[BACKEND_PATH_SIZE + 8];

		snprintf(path, sizeof(path), "%s/state", b->fe_path);
		b->watch = xenstore_watch(b->xenstore, path, frontend_changed, b);
		rc = b->watch ? 0 : -ENOMEM;
	}
	if (rc)
		forget(b);
	return rc;
}

void backend_detach(struct backend *b)
{
	enum xenbus_state fe = frontend_state(b);

	b->detaching = true;
	backend_write(b, "online", "0");
	/* Without a driver, nobody would ever close. */
	if (fe == XenbusStateClosed || fe == XenbusStateUnknown ||
	    (fe == XenbusStateInitialising && !b->connected)) {
		leave(b);
		return;
	}
	/* libxl writes the backend's state, and the frontend, who watches it, closes. */
	backend_set_state(b, XenbusStateClosing);
}

void backend_destroy(struct backend *b)
{
	backend_disconnect(b);
	if (b->leave_fd >= 0) {
		event_loop_del(b->loop, b->leave_fd);
		close(b->leave_fd);
	}
	backend_fault_close(b);
	forget(b);
	if (b->gone)
		b->gone(b->gone_arg, b);
	b->class->destroy(b);
}

static void report(struct backend *b, int err, const char *fmt, va_list ap)
{
	char text[ERROR_SIZE], path[2 * BACKEND_PATH_SIZE + 8];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (b->reports++ < MAX_REPORTS)
		domain_log(b->domain, LOG_WARN, "%s %u: %s", b->class->type, b->id, text);
	error_path(b, path);
	strcat(path, "/error");
	xenstore_write(b->xenstore, path, "%d %s", err, text);
}

void backend_error(struct backend *b, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(b, err, fmt, ap);
	va_end(ap);
}

void backend_fail(struct backend *b, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(b, err, fmt, ap);
	va_end(ap);
	backend_disconnect(b);
	backend_set_state(b, XenbusStateClosing);
}

static int write_key(struct backend *b, const char *dir, const char *key, const char *fmt,
		     va_list ap)
{
	char path[2 * BACKEND_PATH_SIZE], value[1024];

	int len = vsnprintf(value, sizeof(value), fmt, ap);
	if (len < 0 || (size_t)len >= sizeof(value))
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return xenstore_write(b->xenstore, path, "%s", value);
}

int backend_write(struct backend *b, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int rc = write_key(b, b->be_path, key, fmt, ap);
	va_end(ap);
	return rc;
}

int backend_write_frontend(struct backend *b, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int rc = write_key(b, b->fe_path, key, fmt, ap);
	va_end(ap);
	return rc;
}

int backend_frontend_number(struct backend *b, const char *key, uint64_t max, uint64_t *value)
{
	char path[2 * BACKEND_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", b->fe_path, key);
	return xenstore_read_number(b->xenstore, path, max, value);
}

int backend_frontend_option(struct backend *b, const char *key, uint64_t max, uint64_t otherwise,
			    uint64_t *value)
{
	int rc = backend_frontend_number(b, key, max, value);

	if (rc == -ENOENT) {
		*value = otherwise;
		rc = 0;
	}
	return rc;
}

char *backend_frontend_string(struct backend *b, const char *key)
{
	char path[2 * BACKEND_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", b->fe_path, key);
	return xenstore_read(b->xenstore, path);
}
