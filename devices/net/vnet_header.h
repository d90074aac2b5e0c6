/*
 * struct virtio_net_hdr, with which a tap interface and the other guest's vif tell what is
 * left to do for a frame.
 */
#ifndef DEVICES_NET_VNET_HEADER_H
#define DEVICES_NET_VNET_HEADER_H

#include <linux/virtio_net.h>

#include "devices/net/packet.h"

void vnet_header_of(const struct packet *p, struct virtio_net_hdr *h);
/* The other way; p->data and p->len are set. A checksum at a place that a frontend would
 * not look for is filled in. false: it makes no sense. */
bool vnet_header_apply(const struct virtio_net_hdr *h, struct packet *p);

#endif
