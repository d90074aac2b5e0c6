/*
 * Flow hashes. The Toeplitz hash and its fields are described in io/netif.h.
 */
#include <netinet/in.h>
#include <string.h>

#define XEN_NETIF_DEFINE_TOEPLITZ
#include "devices/net/netif.h"
#include "devices/net/vif_hash.h"

#define TAG_MAX 36

/* Addresses, and the ports if `ports`. */
static unsigned tag(const struct packet *p, const struct packet_headers *h, bool ports,
		    uint8_t out[TAG_MAX])
{
	const uint8_t *ip = p->data + h->l3;
	unsigned n = h->ip_version == 4 ? 8 : 32;

	memcpy(out, ip + (h->ip_version == 4 ? 12 : 8), n);
	if (ports) {
		memcpy(out + n, p->data + h->l4, 4);
		n += 4;
	}
	return n;
}

bool vif_hash_packet(const struct vif_hash *hash, const struct packet *p, uint32_t *value,
		     uint8_t *type)
{
	struct packet_headers h;
	uint8_t bytes[TAG_MAX];

	if (hash->algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ || !hash->flags ||
	    !packet_headers(p, &h))
		return false;
	bool v4 = h.ip_version == 4, tcp = h.protocol == IPPROTO_TCP && h.csum;
	uint8_t with = v4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP : _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP;
	uint8_t without = v4 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV4 : _XEN_NETIF_CTRL_HASH_TYPE_IPV6;
	if (tcp && hash->flags & 1u << with)
		*type = with;
	else if (hash->flags & 1u << without)
		*type = without;
	else
		return false;
	unsigned n = tag(p, &h, *type == with, bytes);
	*value = xen_netif_toeplitz_hash(hash->key, sizeof(hash->key), bytes, n);
	return true;
}

/* Any that spreads flows and keeps one together. */
static uint32_t own_hash(const struct packet *p)
{
	struct packet_headers h;
	uint8_t bytes[TAG_MAX];
	uint32_t v = 2166136261u;

	if (!packet_headers(p, &h))
		return 0;
	unsigned n = tag(p, &h, h.csum, bytes);
	for (unsigned i = 0; i < n; i++)
		v = (v ^ bytes[i]) * 16777619u;
	return v ^ v >> 16;
}

unsigned vif_hash_queue(const struct vif_hash *h, const struct packet *p, unsigned nr_queues)
{
	uint32_t value;
	uint8_t type;

	if (nr_queues < 2)
		return 0;
	if (h->algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return own_hash(p) % nr_queues;
	if (!vif_hash_packet(h, p, &value, &type))
		value = 0;
	if (!h->mapping_size)
		return value % nr_queues;
	/* Checked when it was set, but for the queues of that time. */
	return h->mapping[value % h->mapping_size] % nr_queues;
}
