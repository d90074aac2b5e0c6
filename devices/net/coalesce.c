/*
 * The rules are those of Linux's GRO for TCP over IPv4 (net/ipv4/tcp_offload.c,
 * tcp_gro_receive): segments of one size with the same headers but for their sequence
 * numbers; a shorter one, or a PSH, is the last.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/coalesce.h"
#include "devices/net/netif.h"

#define TCP_PSH	 0x08
#define TCP_ACK	 0x10
#define MAX_SIZE (ETH_HEADER + 65535u)

int coalesce_init(struct coalesce *c, void (*give)(void *arg, struct packet *p), void *arg)
{
	memset(c, 0, sizeof(*c));
	c->give = give;
	c->arg = arg;
	c->buffer = malloc(MAX_SIZE);
	return c->buffer ? 0 : -ENOMEM;
}

void coalesce_free(struct coalesce *c)
{
	free(c->buffer);
	c->buffer = NULL;
}

/* Data with nothing else to say, over IPv4 without options. */
static bool is_data(const struct packet *p, struct packet_headers *h)
{
	if (!packet_headers(p, h) || h->ip_version != 4 || h->l4 - h->l3 != 20 ||
	    h->protocol != IPPROTO_TCP || !h->payload || h->end == h->payload || p->gso_type)
		return false;
	return (p->data[h->l4 + 13] & ~TCP_PSH) == TCP_ACK;
}

/* Bytes of both headers that must be the same: [from, to) of the frame. */
static bool same(const struct coalesce *c, const struct packet *p, unsigned from, unsigned to)
{
	return !memcmp(c->p.data + from, p->data + from, to - from);
}

static bool follows(const struct coalesce *c, const struct packet *p,
		    const struct packet_headers *h)
{
	unsigned l3 = h->l3, l4 = h->l4;

	if (l3 != c->h.l3 || h->payload != c->h.payload)
		return false;
	return get32(p->data + l4 + 4) == c->next_seq && same(c, p, 0, l3 + 2) &&
	       same(c, p, l3 + 6, l3 + 10) &&	/* fragments, TTL, protocol */
	       same(c, p, l3 + 12, l4 + 4) &&	/* addresses, ports */
	       same(c, p, l4 + 8, l4 + 13) &&	/* acknowledgement, header's length */
	       same(c, p, l4 + 14, l4 + 16) &&	/* window */
	       same(c, p, l4 + 18, h->payload); /* urgent pointer, options */
}

static void begin(struct coalesce *c, const struct packet *p, const struct packet_headers *h)
{
	memcpy(c->buffer, p->data, h->end);
	c->p = *p;
	c->p.data = c->buffer;
	c->p.len = h->end;
	c->p.copied = h->end;
	c->p.gso_size = (uint16_t)(h->end - h->payload);
	c->h = *h;
	c->nr = 1;
	c->next_seq = get32(p->data + h->l4 + 4) + c->p.gso_size;
}

static void append(struct coalesce *c, const struct packet *p, const struct packet_headers *h)
{
	uint32_t n = h->end - h->payload;

	memcpy(c->buffer + c->p.len, p->data + h->payload, n);
	c->p.len += n;
	c->p.copied += n;
	c->next_seq += n;
	c->nr++;
	c->buffer[c->h.l4 + 13] |= p->data[h->l4 + 13] & TCP_PSH;
}

void coalesce_flush(struct coalesce *c)
{
	unsigned nr = c->nr;

	if (!nr)
		return;
	c->nr = 0;
	if (nr == 1) {
		c->p.gso_size = 0;
	} else {
		uint8_t *ip = c->buffer + c->h.l3;

		put16(ip + 2, (uint16_t)(c->p.len - c->h.l3));
		put16(ip + 10, 0);
		uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, ip, 20));
		memcpy(ip + 10, &sum, 2);
		c->p.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
		c->h.end = c->p.len;
		packet_blank_checksum(&c->p, &c->h);
	}
	c->give(c->arg, &c->p);
}

void coalesce_add(struct coalesce *c, struct packet *p)
{
	struct packet_headers h;

	if (!c->on || !is_data(p, &h)) {
		coalesce_flush(c);
		c->give(c->arg, p);
		return;
	}
	uint32_t n = h.end - h.payload;
	if (c->nr && follows(c, p, &h) && n <= c->p.gso_size && c->p.len + n <= MAX_SIZE) {
		append(c, p, &h);
	} else {
		coalesce_flush(c);
		begin(c, p, &h);
	}
	if (n < c->p.gso_size || p->data[h.l4 + 13] & TCP_PSH)
		coalesce_flush(c);
}
