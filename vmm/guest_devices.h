/*
 * The devices of a domain that have a backend of ours: made from the options before it
 * runs, gone when it has ended. In the event loop's thread, or while that does not run.
 */
#ifndef VMM_GUEST_DEVICES_H
#define VMM_GUEST_DEVICES_H

#include <stdio.h>

#include "devices/backend.h"
#include "vmm/error.h"

struct run_options;

#define MAX_GUEST_DEVICES 128

struct guest_devices {
	struct backend *backend[MAX_GUEST_DEVICES];
	unsigned nr;
};

/* Looks at the files that the options name: what cannot be opened is told before KVM
 * is touched. 0, or negative errno and a sentence. */
int guest_devices_check(const struct run_options *o, struct error *err);
/* Makes them all; the domain's directory must be in xenstore. */
int guest_devices_create(struct guest_devices *g, const struct run_options *o, struct event_loop *l,
			 struct xenstore *xs, struct domain *d, struct error *err);
/* Waits for what is in flight. */
void guest_devices_destroy(struct guest_devices *g);

/* What they did, for --stats: lines, or members of a JSON object. */
void guest_devices_text(FILE *f, const struct guest_devices *g);
void guest_devices_json(FILE *f, const struct guest_devices *g);

#endif
