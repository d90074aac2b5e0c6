/*
 * A ring of one page that a frontend shares with its vif (io/ring.h), and its event
 * channel. The guest's index is read once and checked; ours are kept here and only shown
 * to it.
 */
#ifndef DEVICES_NET_VIF_RING_H
#define DEVICES_NET_VIF_RING_H

#include "devices/backend.h"

struct vif_ring {
	struct ring_map map;
	unsigned nr_slots, slot_size;
	uint32_t req_cons, rsp_prod, rsp_pushed;
	uint32_t seen; /* req_cons when `taken` was set */
	uint64_t taken, answered; /* inspect_now() of the last wake-up that did so */
	evtchn_port_t port;
	int event_fd; /* -1: none of its own */
	bool bound;
};

/* Maps the page of grant `ref`, binds `port` to a new event_fd (port 0: to none). 0, or
 * negative errno with nothing left behind. */
int vif_ring_open(struct vif_ring *r, struct backend *b, grant_ref_t ref, size_t slot_size,
		  evtchn_port_t port);
/* Safe for one that is all zero but event_fd -1. */
void vif_ring_close(struct vif_ring *r, struct backend *b);
/* What inspection shows of it; the names are the caller's. */
struct ring_look;
void vif_ring_look(const struct vif_ring *r, struct ring_look *look);
/* Copies the request of this index. */
void vif_ring_read(const struct vif_ring *r, uint32_t index, void *request, size_t size);
/* Requests that wait, -EIO: more than there is room for. */
int vif_ring_waiting(const struct vif_ring *r);
/* Copies the request that is `ahead` of the next one. */
void vif_ring_peek(const struct vif_ring *r, unsigned ahead, void *request, size_t size);
/* Puts a response into the next slot. */
void vif_ring_respond(struct vif_ring *r, const void *response, size_t size);
/* Shows the responses to the guest. Does it want an event? */
bool vif_ring_push(struct vif_ring *r);
/* Asks for an event once `n` more requests are there than now wait to be taken, and tells
 * whether they are there already. */
bool vif_ring_ask(struct vif_ring *r, unsigned n);

#endif
