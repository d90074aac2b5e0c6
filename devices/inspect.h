/*
 * What a device shows of itself to those who debug it (`xenolith inspect`, the watchdog):
 * its rings and the grants that it holds, as JSON. In the event loop's thread.
 *
 *	"rings": [{"ring": "queue 0", "kind": "block", "port": 9, "slots": 32,
 *		   "req_prod": ..., "req_cons": ..., "req_event": ..., "rsp_prod": ...,
 *		   "rsp_event": ..., "waiting": requests that were not taken, "in_flight":
 *		   taken and not answered, "unread": responses that the frontend was to be
 *		   told of and has not taken, "oldest": {"id", "op", "age_ns"} of the requests
 *		   in flight, where that is known, "taken_ns", "answered_ns": since the last of
 *		   them, "says": who waits for whom, "requests": [...]}, ...],
 *	"grants": [{"ref": 8, "for": "queue 0, ring page"}, ...]
 */
#ifndef DEVICES_INSPECT_H
#define DEVICES_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "pvabi/pvabi.h"

struct json_t; /* jansson.h */

/* What is wanted beside the rings' indexes. */
#define INSPECT_REQUESTS 0x1 /* the requests in them, decoded */
#define INSPECT_GRANTS	 0x2 /* the grants that are held */

/* A ring of io/ring.h, as it is read once. */
struct ring_look {
	const char *ring, *kind;
	evtchn_port_t port; /* 0: none */
	unsigned slots;
	uint32_t req_prod, req_event, rsp_prod, rsp_event; /* the shared page's */
	uint32_t req_cons, rsp_made;			   /* ours */
	/* In ns: the clock now, and when requests were last taken and answered (0: never). */
	uint64_t now, taken, answered;
	/* Requests are buffers for what will come: that they wait is how it should be. */
	bool buffers;
	const char *held; /* why requests that wait are not taken on purpose; NULL */
};

/* The ring as JSON, added to the device's "rings" and returned (borrowed). */
struct json_t *inspect_ring(struct json_t *device, const struct ring_look *look);
/* A grant that is held. `use`: "queue 0, ring page". */
void inspect_grant(struct json_t *device, uint32_t ref, const char *use);
/* Nanoseconds of the clock that ages are counted by. */
uint64_t inspect_now(void);

/* Those that are no backend_class: the console and the store. */
struct console;
struct xenstore;
void console_inspect(struct console *c, struct json_t *device, unsigned what);
void xenstore_inspect_ring(struct xenstore *xs, struct json_t *device, unsigned what);
/* The tree at `path` with owners and permissions, watches, transactions, use of quotas.
 * 0, -ENOENT. devices/xenstore/inspect.c */
int xenstore_inspect(struct xenstore *xs, const char *path, struct json_t *out);

#endif
