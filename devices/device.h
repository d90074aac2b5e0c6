/*
 * devices: the backends. This header is the folder's contract with vmm/.
 * Backends see guest memory only through pvabi's frames and event channels.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvabi/pvabi.h"

struct event_loop; /* devices/event_loop.h: the one thread that serves devices */
struct xenstore;   /* devices/xenstore/xenstore.h */

/* ---- event loop: one thread, epoll; handlers run in it ---- */
struct event_loop *event_loop_create(void);
int event_loop_start(struct event_loop *l);
/* Joins the thread: what follows is as before the start. */
void event_loop_stop(struct event_loop *l);
void event_loop_destroy(struct event_loop *l); /* stops it first */
/* EPOLL* `events` of fd; only before start or from the loop's own thread. */
int event_loop_add(struct event_loop *l, int fd, uint32_t events,
		   void (*fn)(void *arg, uint32_t events), void *arg);
int event_loop_mod(struct event_loop *l, int fd, uint32_t events);
void event_loop_del(struct event_loop *l, int fd);

/* ---- xenstore ---- */
/* A store with the tree that libxl makes for a PV domU (ORACLE, part B), for
 * domain d: memory, vcpus, console and store entries as given. */
struct xenstore_domain {
	struct domain *domain;
	uint64_t memory_kib, maxmem_kib;
	unsigned vcpus_online;
	uint64_t store_mfn, console_mfn;
	evtchn_port_t store_port, console_port;
	const char *console_type; /* "xenconsoled" */
	const char *tty;	  /* "" when there is none */
	/* What it was made from; NULL: not told. */
	const char *kernel, *ramdisk, *cmdline;
};
struct xenstore *xenstore_create(struct event_loop *l);
void xenstore_destroy(struct xenstore *xs);
/* "NAME=N" as xenstore-control's `quota set` has it; xs NULL: only looks at it. 0 or
 * -EINVAL. */
int xenstore_quota(struct xenstore *xs, const char *assignment);
/* Port for the guest's ring; call before the domain is built. */
int xenstore_bind_port(struct xenstore *xs, struct domain *d);
/* Serves programs on a new socket that only the user may connect to; removed with the
 * store. Once, before the loop starts. err: a sentence. Nothing may exist at `path`. */
int xenstore_listen(struct xenstore *xs, const char *path, char *err, size_t errlen);
/* Starts serving the guest's ring in frame store_mfn and makes its tree. */
int xenstore_introduce(struct xenstore *xs, const struct xenstore_domain *xd);
/* The domain has shut down: @releaseDomain, soon. Any thread. */
void xenstore_domain_shut_down(struct xenstore *xs, domid_t domid);
/* It is there no more: its nodes are removed, too. In the loop's thread. */
void xenstore_domain_gone(struct xenstore *xs, domid_t domid);

/* ---- console: the PV console ring and console_io ---- */
enum console_kind { CONSOLE_STDIO, CONSOLE_PTY, CONSOLE_SOCKET, CONSOLE_FILE, CONSOLE_NONE };
struct console_params {
	enum console_kind kind;
	const char *path; /* CONSOLE_SOCKET, CONSOLE_FILE: looked at by console_create only */
	void (*escape)(void *arg); /* Ctrl-] typed on a raw terminal; in the loop's thread */
	void *escape_arg;
};
struct console;
/* Opens the host's side; puts a terminal on stdin into raw mode until
 * console_destroy or console_restore_terminal. err: a sentence. NULL on error. */
struct console *console_create(struct event_loop *l, const struct console_params *p, char *err,
			       size_t errlen);
int console_bind_port(struct console *c, struct domain *d);
int console_start(struct console *c, struct domain *d, uint64_t console_mfn);
/* For host_ops.console_write and console_read. Any thread. */
void console_write(struct console *c, const char *buf, size_t len);
size_t console_read(struct console *c, char *buf, size_t len);
/* Takes what is still in the guest's ring, writes everything out (1 s at most). */
void console_drain(struct console *c);
/* pty name or socket path for messages, NULL for others. */
const char *console_where(const struct console *c);
/* Is somebody connected to the socket? Loop's thread. */
bool console_attached(const struct console *c);
void console_destroy(struct console *c);
/* Async-signal-safe; for exits that skip console_destroy. */
void console_restore_terminal(void);

#endif
