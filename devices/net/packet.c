/*
 * Headers and checksums of frames. Nothing here trusts a length that the frame names.
 */
#include <netinet/in.h>
#include <string.h>

#include "devices/net/packet.h"

#define ETHERTYPE_VLAN	0x8100
#define ETHERTYPE_QINQ	0x88a8
#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86dd
#define MAX_VLAN_TAGS	2
#define IPV6_HEADER	40u
#define MAX_IPV6_HEADER 256u /* with extensions; Linux: MAX_IPV6_HDR_LEN */

static uint16_t ethertype(const struct packet *p, uint16_t *l3)
{
	uint16_t type = get16(p->data + 12);

	*l3 = ETH_HEADER;
	for (unsigned i = 0; i < MAX_VLAN_TAGS; i++) {
		if ((type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ) || *l3 + 4u > p->len)
			break;
		type = get16(p->data + *l3 + 2);
		*l3 += 4;
	}
	return type;
}

static bool ipv4(const struct packet *p, struct packet_headers *h)
{
	const uint8_t *ip = p->data + h->l3;

	if (p->len < h->l3 + 20u || ip[0] >> 4 != 4)
		return false;
	unsigned header = (ip[0] & 15u) * 4, total = get16(ip + 2);
	if (header < 20 || total < header || h->l3 + total > p->len)
		return false;
	h->ip_version = 4;
	h->protocol = ip[9];
	h->fragment = get16(ip + 6) & 0x3fff; /* more fragments, or an offset */
	h->l4 = (uint16_t)(h->l3 + header);
	h->end = h->l3 + total;
	return true;
}

static bool ipv6(const struct packet *p, struct packet_headers *h)
{
	const uint8_t *ip = p->data + h->l3;

	if (p->len < h->l3 + IPV6_HEADER || ip[0] >> 4 != 6)
		return false;
	uint32_t at = h->l3 + IPV6_HEADER;
	uint8_t next = ip[6];
	h->ip_version = 6;
	h->end = at + get16(ip + 4);
	if (h->end > p->len)
		return false;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT) {
		if (at + 8 > h->end || at - h->l3 > MAX_IPV6_HEADER)
			return false;
		const uint8_t *ext = p->data + at;
		if (next == IPPROTO_FRAGMENT) {
			h->fragment |= get16(ext + 2) & 0xfff9;
			at += 8;
		} else {
			at += (ext[1] + 1u) * 8;
		}
		next = ext[0];
	}
	if (at > h->end)
		return false;
	h->protocol = next;
	h->l4 = (uint16_t)at;
	return true;
}

bool packet_headers(const struct packet *p, struct packet_headers *h)
{
	memset(h, 0, sizeof(*h));
	if (p->len < ETH_HEADER)
		return false;
	uint16_t type = ethertype(p, &h->l3);
	if (type == ETHERTYPE_IPV4 ? !ipv4(p, h) : type != ETHERTYPE_IPV6 || !ipv6(p, h))
		return false;
	if (h->fragment)
		return true;
	if (h->protocol == IPPROTO_TCP && h->l4 + 20u <= h->end) {
		unsigned header = (p->data[h->l4 + 12] >> 4) * 4u;

		h->csum = h->l4 + 16;
		if (header >= 20 && h->l4 + header <= h->end)
			h->payload = (uint16_t)(h->l4 + header);
	} else if (h->protocol == IPPROTO_UDP && h->l4 + 8u <= h->end) {
		h->csum = h->l4 + 6;
	}
	return true;
}

/* ---- checksums (RFC 1071) ---- */

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = 0, b = 0;
	uint32_t w[4];

	/* In the host's byte order: the sum comes out in it, too. */
	for (; len >= 16; len -= 16, p += 16) {
		memcpy(w, p, 16);
		a += (uint64_t)w[0] + w[1];
		b += (uint64_t)w[2] + w[3];
	}
	for (; len >= 2; len -= 2, p += 2) {
		uint16_t v;

		memcpy(&v, p, 2);
		a += v;
	}
	if (len)
		a += *p; /* the low byte of a little-endian word */
	a = (a & 0xffffffff) + (a >> 32);
	b = (b & 0xffffffff) + (b >> 32);
	return sum + a + b;
}

uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t pseudo_header(const struct packet *p, const struct packet_headers *h, uint32_t len)
{
	const uint8_t *ip = p->data + h->l3;
	uint8_t tail[8] = {0};
	uint64_t sum =
		h->ip_version == 4 ? checksum_add(0, ip + 12, 8) : checksum_add(0, ip + 8, 32);

	put32(tail, len);
	tail[7] = h->protocol;
	return checksum_add(sum, tail, sizeof(tail));
}

static void store_checksum(uint8_t *field, uint16_t sum)
{
	memcpy(field, &sum, 2);
}

bool packet_fill_checksum(struct packet *p)
{
	struct packet_headers h;

	if (!packet_headers(p, &h) || !h.csum)
		return false;
	uint32_t len = h.end - h.l4;
	put16(p->data + h.csum, 0);
	uint64_t sum = checksum_add(pseudo_header(p, &h, len), p->data + h.l4, len);
	uint16_t c = (uint16_t)~checksum_fold(sum);
	if (!c && h.protocol == IPPROTO_UDP)
		c = 0xffff; /* none would be "no checksum" */
	store_checksum(p->data + h.csum, c);
	p->csum_blank = false;
	p->validated = true;
	return true;
}

bool packet_blank_checksum(struct packet *p, const struct packet_headers *h)
{
	if (!h->csum)
		return false;
	store_checksum(p->data + h->csum, checksum_fold(pseudo_header(p, h, h->end - h->l4)));
	p->csum_blank = true;
	p->validated = true;
	return true;
}
