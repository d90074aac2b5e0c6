/*
 * Puts TCP segments that follow each other together again, for a guest that takes large
 * packets: what a network card, or Linux's GRO, does for a machine.
 */
#ifndef DEVICES_NET_COALESCE_H
#define DEVICES_NET_COALESCE_H

#include "devices/net/packet.h"

struct coalesce {
	bool on;
	uint32_t next_seq;
	unsigned nr;	 /* segments in the packet; 0: none */
	struct packet p; /* in buffer */
	struct packet_headers h;
	uint8_t *buffer;
	void (*give)(void *arg, struct packet *p);
	void *arg;
};

/* 0 or -ENOMEM. Off at first: packets go through as they come. */
int coalesce_init(struct coalesce *c, void (*give)(void *arg, struct packet *p), void *arg);
void coalesce_free(struct coalesce *c);
/* Packets whose checksums are filled in and good. Their order is kept. */
void coalesce_add(struct coalesce *c, struct packet *p);
/* What waits for more does not wait any longer. */
void coalesce_flush(struct coalesce *c);

#endif
