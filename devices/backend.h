/*
 * What all backends have in common: a device's two directories in xenstore, the
 * negotiation of states (io/xenbus.h) as Linux's backends do it, and the means to
 * reach what the frontend shares. Everything runs in the event loop's thread, or before
 * it starts; a class may serve its rings from threads of its own between connect and
 * disconnect.
 *
 * A device's life: backend_create writes what libxl writes and lets the class publish
 * its keys, then the state is InitWait. When the frontend is Initialised or Connected
 * the class connects, and we are Connected. When it is Closing or Closed the class
 * disconnects; a frontend that starts again finds InitWait again. backend_detach asks the
 * frontend to close and forgets the device when it has: its directory goes first, ours
 * when the guest's kernel has noticed and watches it no more. (Linux takes a device that is
 * made again before for the old one, and does nothing with it.) backend_destroy forgets the
 * device at once.
 */
#ifndef DEVICES_BACKEND_H
#define DEVICES_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xenbus.h>

#include "pvabi/grant_table.h"
#include "pvabi/pvabi.h"

struct backend;
struct event_loop;
struct json_t; /* jansson.h */
struct xenstore;

#define BACKEND_PATH_SIZE      128
#define BACKEND_MAX_RING_PAGES 16

struct backend_class {
	const char *type; /* the directories' name: "vbd", "vif" */
	/* Our state while we wait for a frontend; 0: XenbusStateInitWait. */
	enum xenbus_state waiting;
	/* The keys that libxl writes beside the common ones, in both directories, and
	 * those that the backend publishes: b->be_path and b->fe_path are there. 0, or
	 * negative errno: there will be no device. */
	int (*publish)(struct backend *b);
	/* The frontend's keys are there: map its rings, start to serve. 0, or negative
	 * errno after backend_error(): both sides close. */
	int (*connect)(struct backend *b);
	/* The frontend goes on using its rings while it is Closing: only Closed disconnects, as
	 * with Linux's blkback. */
	bool serves_closing;
	/* The frontend has closed, a disconnect follows: what it published before that is to be
	 * served first. Not when we end the connection. May be NULL. */
	void (*drain)(struct backend *b);
	/* Stop; give back every grant and port. Only after a connect that succeeded. */
	void (*disconnect)(struct backend *b);
	/* The frontend changed keys of a connected device (XenbusStateReconfiguring). False: it
	 * is not answered. May be NULL. */
	bool (*reconfigure)(struct backend *b);
	/* The frontend wrote its state, and what follows from that is done. Not while the
	 * device is detached. May be NULL. */
	void (*changed)(struct backend *b, enum xenbus_state frontend);
	/* Free what contains b. It is disconnected, its directories are gone. */
	void (*destroy)(struct backend *b);
	/* Its rings and the grants that it holds, for those who debug it: devices/inspect.h
	 * has the members and the flags. Must not wait for a thread that serves a ring. May
	 * be NULL. */
	void (*inspect)(struct backend *b, struct json_t *device, unsigned what);
};

/* The first member of a device of any class. */
struct backend {
	const struct backend_class *class;
	struct event_loop *loop;
	struct xenstore *xenstore;
	struct domain *domain; /* the frontend's */
	unsigned id;	       /* its number among the guest's devices of the type */
	char be_path[BACKEND_PATH_SIZE], fe_path[BACKEND_PATH_SIZE];
	enum xenbus_state state; /* ours */
	bool connected;
	bool detaching;
	unsigned reports; /* errors so far */
	struct local_watch *watch;
	int leave_fd; /* looks whether the guest has noticed; -1: not yet */
	unsigned leave_ticks;
	struct {	    /* backend_fault.c */
		int timer_fd; /* 0: none */
		bool dead;
	} fault;
	/* The device is about to be destroyed; NULL or the owner's. */
	void (*gone)(void *arg, struct backend *b);
	void *gone_arg;
};

/* class, loop, xenstore, domain, id, gone and gone_arg are set. On an error nothing is
 * left behind, and class->destroy was not called. */
int backend_create(struct backend *b);
/* What xl does to detach: the frontend is asked to close. The device is destroyed
 * when it has closed. */
void backend_detach(struct backend *b);
void backend_destroy(struct backend *b);

/* Publishes our state. */
void backend_set_state(struct backend *b, enum xenbus_state state);
/* Says what is wrong with the device, in the log and in the error node where
 * xenbus_dev_error() of Linux puts it. */
void backend_error(struct backend *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, and the device closes: for a frontend that breaks the protocol. */
void backend_fail(struct backend *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- keys; `key` may have slashes ("queue-0/ring-ref") ---- */
int backend_write(struct backend *b, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int backend_write_frontend(struct backend *b, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A number that the frontend wrote. 0, -ENOENT, -EINVAL (no number, or above max). */
int backend_frontend_number(struct backend *b, const char *key, uint64_t max, uint64_t *value);
/* The same with a value for a key that is not there. */
int backend_frontend_option(struct backend *b, const char *key, uint64_t max, uint64_t otherwise,
			    uint64_t *value);
/* The caller's to free; NULL: not there. */
char *backend_frontend_string(struct backend *b, const char *key);

/* ---- rings of one or several pages ---- */

/* A frontend's pages. They are not next to each other in our address space. */
struct ring_map {
	struct domain *domain;
	unsigned nr;
	grant_ref_t ref[BACKEND_MAX_RING_PAGES];
	uint8_t *page[BACKEND_MAX_RING_PAGES];
};

/* Maps the grants read-write. 0, or negative errno with nothing mapped. */
int ring_map(struct ring_map *m, struct domain *d, const grant_ref_t *refs, unsigned nr);
/* Safe for one that is not mapped (all zero). */
void ring_unmap(struct ring_map *m);
/* Bytes at `offset` of the ring, which must be inside it. */
void ring_read(const struct ring_map *m, size_t offset, void *dst, size_t len);
void ring_write(const struct ring_map *m, size_t offset, const void *src, size_t len);

/* ---- event channels ---- */

/* Binds the frontend's unbound port to us: its notifications write event_fd (which is
 * written once at once, for what came before). 0, or -EINVAL. Undo it with
 * evtchn_backend_close, after which event_fd may be closed. */
int backend_bind_port(struct backend *b, evtchn_port_t port, int event_fd);

#endif
