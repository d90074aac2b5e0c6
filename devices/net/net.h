/*
 * Network interfaces for the guest: what the VMM calls.
 */
#ifndef DEVICES_NET_NET_H
#define DEVICES_NET_NET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/net/vif_spec.h"

struct backend;
struct domain;
struct event_loop;
struct xenstore;

/* Counted from the start; readable at any time by any thread. tx is what the guest
 * sends, rx what it receives. */
struct vif_stats {
	_Atomic uint64_t tx_packets, tx_bytes, tx_errors, tx_drops, tx_gso;
	_Atomic uint64_t rx_packets, rx_bytes, rx_errors, rx_drops, rx_gso;
	_Atomic uint64_t wakeups;	/* by the frontend's events */
	_Atomic uint64_t notifications; /* events to the frontend */
	_Atomic uint64_t copied;	/* bytes, by us, between the guest and the host's side */
	_Atomic uint64_t ctrl_requests;
};

/* Looks at what the spec names, and leaves nothing behind. 0, or negative errno and a
 * sentence. */
int netback_check(const struct vif_spec *spec, char *err, size_t errlen);
/* An interface: opens the host's side, makes the xenstore directories. devid must be
 * given and free. NULL and a sentence on an error. */
struct backend *netback_create(struct event_loop *l, struct xenstore *xs, struct domain *d,
			       const struct vif_spec *spec, char *err, size_t errlen);
const struct vif_stats *netback_stats(const struct backend *b);
const struct vif_spec *netback_spec(const struct backend *b);
/* The interface's name on the host: vifname, or "vif1.0". */
const char *netback_name(const struct backend *b);
/* Rings in use; 0: not connected. */
unsigned netback_queues(const struct backend *b);

#endif
