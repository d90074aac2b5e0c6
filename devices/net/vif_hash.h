/*
 * Which queue a received frame goes to: by a hash of its flow, the guest's if it asked
 * for one through the control ring (io/netif.h, "Hash types"), else one of ours.
 */
#ifndef DEVICES_NET_VIF_HASH_H
#define DEVICES_NET_VIF_HASH_H

#include "devices/net/packet.h"

/* Linux's netback: XEN_NETBK_MAX_HASH_KEY_SIZE and _MAPPING_SIZE. */
#define VIF_HASH_KEY	 40
#define VIF_HASH_MAPPING 128

struct vif_hash {
	uint32_t algorithm, flags; /* XEN_NETIF_CTRL_HASH_* */
	uint8_t key[VIF_HASH_KEY];
	uint32_t mapping_size; /* 0: by modulo */
	uint32_t mapping[VIF_HASH_MAPPING];
};

/* Of the guest's kind. Its type is _XEN_NETIF_CTRL_HASH_TYPE_*. false: the frame has none. */
bool vif_hash_packet(const struct vif_hash *h, const struct packet *p, uint32_t *value,
		     uint8_t *type);
unsigned vif_hash_queue(const struct vif_hash *h, const struct packet *p, unsigned nr_queues);

#endif
