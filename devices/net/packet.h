/*
 * An Ethernet frame on its way between a guest and the host's side, with what the two
 * may leave to each other: checksums and the cutting of large TCP packets.
 */
#ifndef DEVICES_NET_PACKET_H
#define DEVICES_NET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX	 65549u /* an IP packet of 65535 bytes behind an Ethernet header */
#define ETH_HEADER	 14u
#define ETH_ADDRESS_SIZE 6

struct packet {
	uint8_t *data;
	uint32_t len;
	bool csum_blank;   /* the TCP or UDP checksum is not filled in ... */
	bool validated;	   /* ... or it is, and known to be good */
	uint8_t gso_type;  /* XEN_NETIF_GSO_TYPE_*: to be cut into segments ... */
	uint16_t gso_size; /* ... with so much TCP payload each */
	uint32_t copied;   /* bytes that we copied to make it */
};

/* Where a frame's headers are. */
struct packet_headers {
	uint8_t ip_version; /* 4 or 6 */
	uint8_t protocol;   /* IPPROTO_* of what is at l4 */
	bool fragment;
	uint16_t l3, l4;  /* offsets; l4 is inside the frame */
	uint32_t end;	  /* of the IP packet: what follows in the frame is padding */
	uint16_t csum;	  /* offset of TCP's or UDP's checksum field, 0: neither, or cut off */
	uint16_t payload; /* TCP: offset of its data; else 0 */
};

/* false: no IP packet, or one whose headers make no sense. */
bool packet_headers(const struct packet *p, struct packet_headers *h);

/* The Internet checksum's sum of bytes, not yet folded or inverted. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);
uint16_t checksum_fold(uint64_t sum);

/* Fills in a checksum that is blank. false: there is none that could be (Linux's
 * skb_checksum_setup() refuses the same packets). */
bool packet_fill_checksum(struct packet *p);
/* Makes a checksum blank: only the pseudo header's sum is in its place, as
 * CHECKSUM_PARTIAL of Linux wants it. false as above. */
bool packet_blank_checksum(struct packet *p, const struct packet_headers *h);

/* Cuts a packet with a gso_type into ones of at most gso_size, with checksums filled in,
 * and calls fn for each. The packet must be TCP. false: it cannot be cut. */
bool packet_segment(const struct packet *p, void (*fn)(void *arg, struct packet *segment),
		    void *arg);

static inline bool packet_is_multicast(const struct packet *p)
{
	return p->data[0] & 1;
}

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

#endif
