/*
 * A network frontend for unit tests: rings through Xen's own macros (io/ring.h), pages and
 * grants of a test domain, keys in a xenstore. The other end of the vif is in the test,
 * too: a socket with net=socket.
 */
#ifndef TEST_UNIT_TEST_NETFRONT_H
#define TEST_UNIT_TEST_NETFRONT_H

#include <linux/virtio_net.h>

#include "devices/backend.h"
#include "devices/net/net.h"
#include "devices/net/netif.h"
#include "test/unit/test_domain.h"

#define NETFRONT_QUEUES 4
#define NETFRONT_FE	"/local/domain/1/device/vif/0"
#define NETFRONT_BE	"/local/domain/0/backend/vif/1/0"
#define NETFRONT_MAC	"00:16:3e:00:00:01"

struct netfront_queue {
	netif_tx_front_ring_t tx;
	netif_rx_front_ring_t rx;
	evtchn_port_t tx_port, rx_port;
	struct {
		grant_ref_t ref;
		uint8_t *page;
	} buffer[256]; /* by slot of the rx ring */
};

struct netfront {
	struct test_domain *t;
	struct xenstore *xs;
	struct event_loop *loop;
	struct backend *backend;
	char dir[40], path[60];
	int peer; /* -1: none */
	unsigned nr_queues;
	struct netfront_queue queue[NETFRONT_QUEUES];
	xen_netif_ctrl_front_ring_t ctrl;
	evtchn_port_t ctrl_port;
	grant_ref_t next_ref;
	uint16_t next_id;
};

/* A vif with these fields, which waits; with net=socket and a peer when they name no
 * net=. */
struct netfront *netfront_new(const char *fields);
void netfront_free(struct netfront *f);
/* Makes rings and writes their keys: with `queues`, 1 to NETFRONT_QUEUES, and split
 * event channels or one for both. */
void netfront_rings(struct netfront *f, unsigned queues, bool split);
void netfront_ctrl_ring(struct netfront *f);
/* Rings, the features that Linux's netfront has, and Connected, which is asserted. */
void netfront_connect(struct netfront *f, unsigned queues);
void netfront_write(struct netfront *f, const char *key, unsigned value);
void netfront_state(struct netfront *f, enum xenbus_state s);
/* A number in the backend's directory, ~0 if there is none. */
unsigned netfront_backend(struct netfront *f, const char *key);
/* Lets the backend's loop serve what is there. */
void netfront_run(struct netfront *f);

/* A page and a grant of it for domain 0; the page of a reference that was used before is
 * used again. */
uint8_t *netfront_page(struct netfront *f, bool readonly, grant_ref_t *ref);

/* The next free slot of a tx ring; its id. */
uint16_t netfront_tx(struct netfront *f, unsigned queue, grant_ref_t ref, uint16_t offset,
		     uint16_t size, uint16_t flags);
void netfront_tx_extra(struct netfront *f, unsigned queue, struct netif_extra_info e);
/* A frame on queue 0 in slots of 4096 bytes, the first with what is left; extra may be NULL. The
 * number of slots, their ids in id[]. */
unsigned netfront_put_frame(struct netfront *f, const uint8_t *frame, size_t len, uint16_t flags,
			    const struct netif_extra_info *extra, uint16_t *id);
/* Shows requests to the backend, notifies it if it wants that, runs it. */
void netfront_push(struct netfront *f, unsigned queue);
/* The next response; false: none. */
bool netfront_tx_response(struct netfront *f, unsigned queue, netif_tx_response_t *r);
/* A frame in one slot: NETIF_RSP_*. */
int netfront_send(struct netfront *f, unsigned queue, const void *frame, uint16_t len,
		  uint16_t flags);

/* Puts `nr` buffers on an rx ring. */
void netfront_post(struct netfront *f, unsigned queue, unsigned nr);
/* The next response, and its buffer. */
bool netfront_rx_response(struct netfront *f, unsigned queue, netif_rx_response_t *r,
			  uint8_t **page);
/* A whole frame; its length, 0: none, or negative: a response with an error. The extra
 * infos by type, and the first slot's flags. */
int netfront_receive(struct netfront *f, unsigned queue, uint8_t *frame,
		     struct netif_extra_info extra[6], uint16_t *flags);

uint32_t netfront_ctrl(struct netfront *f, uint16_t type, uint32_t a, uint32_t b, uint32_t c,
		       uint32_t *data);

/* The other end. */
void netfront_peer_connect(struct netfront *f);
void netfront_peer_send(struct netfront *f, const struct virtio_net_hdr *h, const void *frame,
			size_t len);
/* The frame's length, 0: none. */
size_t netfront_peer_receive(struct netfront *f, struct virtio_net_hdr *h, uint8_t *frame);

/* ---- frames ---- */
#define FRAME_TCP 54u /* Ethernet, IPv4 and TCP headers */
/* A frame of TCP over IPv4 with `payload` bytes, checksums filled in. Its length. */
size_t frame_tcp4(uint8_t *frame, uint16_t source_port, unsigned payload);
/* UDP over IPv6. */
size_t frame_udp6(uint8_t *frame, uint16_t source_port, unsigned payload);
/* Is the TCP or UDP checksum right, by a sum of the test's own? */
bool frame_checksum_is_good(const uint8_t *frame, size_t len);

#endif
