/*
 * Cuts a large TCP packet, for a side that cannot take it whole. Each segment is as
 * TCP would have sent it: RFC 9293, and what Linux's tcp_gso_segment() does to flags.
 */
#include <netinet/in.h>
#include <string.h>

#include "devices/net/packet.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/* Less is no TCP's (Linux: TCP_MIN_SND_MSS) but somebody's who wants us to work. */
#define MIN_GSO_SIZE 48

struct cutter {
	const struct packet *p;
	struct packet_headers h;
	uint32_t offset; /* of the segment in the payload */
	uint32_t len;	 /* of its payload */
	bool first, last;
};

static void fix_ip(const struct cutter *c, uint8_t *frame, unsigned index)
{
	uint8_t *ip = frame + c->h.l3;
	uint16_t total = (uint16_t)(c->h.payload - c->h.l3 + c->len);

	if (c->h.ip_version == 6) {
		put16(ip + 4, (uint16_t)(total - 40));
		return;
	}
	put16(ip + 2, total);
	put16(ip + 4, (uint16_t)(get16(ip + 4) + index));
	put16(ip + 10, 0);
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, ip, c->h.l4 - c->h.l3));
	memcpy(ip + 10, &sum, 2);
}

static void fix_tcp(const struct cutter *c, uint8_t *frame)
{
	uint8_t *tcp = frame + c->h.l4;

	put32(tcp + 4, get32(tcp + 4) + c->offset);
	if (!c->last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (!c->first)
		tcp[13] &= (uint8_t)~TCP_CWR;
}

bool packet_segment(const struct packet *p, void (*fn)(void *arg, struct packet *segment),
		    void *arg)
{
	struct cutter c = {.p = p, .first = true};
	uint8_t frame[PACKET_MAX];

	if (!packet_headers(p, &c.h) || c.h.protocol != IPPROTO_TCP || !c.h.payload ||
	    p->gso_size < MIN_GSO_SIZE)
		return false;
	uint32_t total = c.h.end - c.h.payload;
	for (unsigned i = 0; c.first || c.offset < total; i++) {
		c.len = total - c.offset < p->gso_size ? total - c.offset : p->gso_size;
		c.last = c.offset + c.len == total;
		memcpy(frame, p->data, c.h.payload);
		memcpy(frame + c.h.payload, p->data + c.h.payload + c.offset, c.len);
		fix_ip(&c, frame, i);
		fix_tcp(&c, frame);
		struct packet s = {.data = frame, .len = c.h.payload + c.len};
		packet_fill_checksum(&s);
		fn(arg, &s);
		c.offset += c.len;
		c.first = false;
	}
	return true;
}
