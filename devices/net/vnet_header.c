/*
 * Offloads in the words of virtio and in those of io/netif.h. A header comes from another
 * process: nothing that it says is believed.
 */
#include <netinet/in.h>
#include <string.h>

#include "devices/net/netif.h"
#include "devices/net/vnet_header.h"

void vnet_header_of(const struct packet *p, struct virtio_net_hdr *h)
{
	struct packet_headers at;

	memset(h, 0, sizeof(*h));
	if (p->csum_blank && packet_headers(p, &at) && at.csum) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = at.l4;
		h->csum_offset = at.csum - at.l4;
	} else if (p->validated) {
		h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (!p->gso_type || !h->csum_start)
		return;
	h->gso_type = p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
							      : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = p->gso_size;
	h->hdr_len = at.payload;
}

static bool fill_at(const struct virtio_net_hdr *h, struct packet *p)
{
	uint32_t start = h->csum_start, field = start + h->csum_offset;

	if (start < ETH_HEADER || start > p->len || field + 2 > p->len)
		return false;
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, p->data + start, p->len - start));
	memcpy(p->data + field, &sum, 2);
	p->validated = true;
	return true;
}

static bool apply_gso(const struct virtio_net_hdr *h, struct packet *p,
		      const struct packet_headers *at)
{
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		p->gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		p->gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
		break;
	default:
		return false;
	}
	p->gso_size = h->gso_size;
	return p->csum_blank && p->gso_size && at->protocol == IPPROTO_TCP && at->payload &&
	       (at->ip_version == 4) == (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4);
}

bool vnet_header_apply(const struct virtio_net_hdr *h, struct packet *p)
{
	struct packet_headers at = {0};

	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (packet_headers(p, &at) && at.csum && at.l4 == h->csum_start &&
		    at.csum == h->csum_start + h->csum_offset)
			p->csum_blank = p->validated = true;
		else if (!fill_at(h, p))
			return false;
	} else {
		p->validated = h->flags & VIRTIO_NET_HDR_F_DATA_VALID;
	}
	return h->gso_type == VIRTIO_NET_HDR_GSO_NONE || apply_gso(h, p, &at);
}
