/*
 * Control of a running domain by other processes of its user: a UNIX socket in the
 * domain's folder (runtime_dir.h: control.sock), served in the event loop's thread.
 *
 * A request is a line of JSON, and so is the answer:
 *
 *	{"version": 1, "id": 7, "request": "pause", "args": {}}
 *	{"version": 1, "id": 7, "ok": {"count": 1}}
 *	{"version": 1, "id": 7, "error": "EOVERFLOW", "text": "it is paused 255 times"}
 *
 * "id" is a number or a string that comes back, or is left out; "args" may be left out
 * when there are none, and must have no others than those of the request (requests.c has
 * the table). A line is up to CONTROL_LINE_MAX bytes. The requests of a connection are
 * answered in their order, one by one; some answers take as long as the guest does.
 * Whoever sends a line that is too long is told so and disconnected. The connection ends
 * after the domain has, its folder included.
 */
#ifndef VMM_CONTROL_CONTROL_H
#define VMM_CONTROL_CONTROL_H

#include "vmm/runtime_dir.h"
#include "vmm/vcpu.h"

#define CONTROL_VERSION	 1
#define CONTROL_LINE_MAX 8192
/* Connections at a time. For one more the one that was idle longest is closed. */
#define CONTROL_MAX_PEERS 64

struct run_options;
struct control;

/* What a server controls; everything outlives it. */
struct control_domain {
	const struct run_options *options;
	struct guest *guest;
	struct xenstore *xenstore;
	struct runtime_dir *dir;
	int64_t started;	    /* wall clock, s */
	void (*destroy)(void *arg); /* the domain is to end, whatever its guest does */
	/* Its server for gdb, made when there is none. */
	int (*gdb_server)(void *arg, struct gdb_server **s, struct error *err);
	void *arg;
};

/* Listens at `path`, where nothing is. Before the loop starts. NULL and a sentence. */
struct control *control_create(struct event_loop *l, const struct control_domain *d,
			       const char *path, struct error *err);
/* Tells those who wait for it how the domain ended: "poweroff", "destroyed", ... The loop
 * does not run any more. */
void control_end(struct control *c, const char *how);
/* Closes the connections. */
void control_destroy(struct control *c);

#endif
