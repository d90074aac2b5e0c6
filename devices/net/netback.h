/*
 * The network backend: one struct netback an interface, one struct vif_queue a pair of
 * rings. All of it in the event loop's thread; the work of one wake-up is bounded.
 */
#ifndef DEVICES_NET_NETBACK_H
#define DEVICES_NET_NETBACK_H

#include "devices/backend.h"

#include "devices/net/link.h"
#include "devices/net/net.h"
#include "devices/net/netif.h"
#include "devices/net/pcap.h"
#include "devices/net/vif_hash.h"
#include "devices/net/vif_ring.h"

/* Linux's netback: XEN_NETBK_LEGACY_SLOTS_MAX slots behind a packet's first are taken, up
 * to fatal_skb_slots are dropped, more are an attack. */
#define VIF_MAX_FRAGS	18
#define VIF_FATAL_FRAGS 20
#define VIF_MAX_MCAST	64 /* XEN_NETBK_MCAST_MAX */
#define VIF_BUDGET	64 /* packets of one queue in one go: the weight of Linux's NAPI */

/* Of frames that wait for the guest's buffers, on one interface. */
#define VIF_BACKLOG_BYTES  (1u << 20)
#define VIF_BACKLOG_FRAMES 1024

/* Linux's netif.h has one more type of extra info than Xen's header of 4.17: the room
 * that is left in front of each received page for XDP. */
#define VIF_EXTRA_TYPE_XDP   5
#define VIF_MAX_XDP_HEADROOM 0x7fff

/* A packet that was taken from a ring. */
struct vif_tx {
	struct packet p;
	unsigned nr_slots; /* of data: the first and what follows the extra infos */
	unsigned nr_extras;
	uint16_t id[1 + VIF_FATAL_FRAGS];
	int16_t status[1 + VIF_FATAL_FRAGS];
};

struct vif_frame; /* vif_rx.c */
struct vif_held;  /* vif_fault.c */
struct vif_held_response;

struct vif_queue {
	struct netback *vif;
	unsigned index;
	struct vif_ring tx, rx;
	bool kicked; /* by ourselves, to go on later */

	struct vif_tx out;
	bool blocked; /* out waits for the link */
	uint64_t blocked_until;
	uint64_t credit, credit_since; /* bytes that may be sent, and when it was given */
	uint8_t *buffer;	       /* out's bytes */

	struct vif_held *held[2]; /* vif_fault.c: to the link, to the guest */
	struct vif_held_response *held_responses;
	struct vif_frame *first, **last; /* wait for the guest's buffers */
	uint64_t last_rx;
};

struct netback {
	struct backend b; /* first */
	struct vif_spec spec;
	char name[VIF_IFNAME_SIZE];
	struct link *link;
	struct pcap *pcap;
	struct vif_stats stats;
	int timer_fd;
	uint64_t timer_at; /* 0: off */
	struct local_watch *rate_watch, *mcast_watch;
	uint64_t rate_bytes, rate_ns;

	/* While connected. */
	unsigned nr_queues;
	struct vif_queue *queue[VIF_MAX_QUEUES];
	struct vif_ring ctrl;
	bool has_ctrl;
	/* The frontend's features. */
	bool sg, gso4, gso6, csum4, csum6, rx_notify;
	unsigned xdp_headroom;
	struct vif_hash hash;
	bool mcast_control;
	unsigned nr_mcast;
	uint8_t mcast[VIF_MAX_MCAST][ETH_ADDRESS_SIZE];
	unsigned backlog_bytes, backlog_frames;
	bool link_paused;
	bool broken; /* the frontend lies: it is closed at the end of the wake-up */
	char why[120];
};

/* netback.c */
uint64_t vif_now(void);
/* Wakes us at `when` (vif_now() + ns). */
void vif_timer_at(struct netback *v, uint64_t when);
/* Shows the guest what is in this ring by now; else that is done at the end of a wake-up. */
void vif_push(struct netback *v, struct vif_ring *r);
void vif_broken(struct netback *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* vif_keys.c */
unsigned vif_max_queues(const struct netback *v);
/* What a backend_class publishes. */
int vif_publish(struct backend *b);
/* A key of the frontend's that is 0 or 1. */
bool vif_flag(struct netback *v, const char *key, bool otherwise);
void vif_read_features(struct netback *v);

/* vif_tx.c */
/* Takes what the guest sends, VIF_BUDGET packets at most. */
void vif_tx_serve(struct vif_queue *q);
void vif_rate_changed(struct netback *v);
/* A packet of no slot's: it is lost when the link takes none. */
void vif_tx_send(struct vif_queue *q, struct packet *p);

/* vif_mcast.c: the frontend's list of multicast addresses */
int vif_mcast_add(struct netback *v, const uint8_t *addr);
void vif_mcast_del(struct netback *v, const uint8_t *addr);
bool vif_mcast_wants(const struct netback *v, const uint8_t *addr);

/* vif_rx.c */
/* A frame of the link's for the guest. */
void vif_rx(struct netback *v, struct packet *p);
/* A frame of this queue's: into buffers, or it waits for them. */
void vif_rx_deliver(struct vif_queue *q, struct packet *p);
/* Gives the guest what waits, as far as there are buffers. */
void vif_rx_serve(struct vif_queue *q);
void vif_rx_init(struct vif_queue *q);
void vif_rx_forget(struct vif_queue *q);

/* vif_inspect.c */
void vif_inspect(struct backend *b, struct json_t *device, unsigned what);

/* vif_ctrl.c: the control ring */
void vif_ctrl_serve(struct netback *v);

#endif
