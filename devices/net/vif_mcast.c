/*
 * The multicast addresses that a frontend wants (io/netif.h, "feature-multicast-control").
 */
#include <errno.h>
#include <string.h>

#include "devices/net/netback.h"

static int place(const struct netback *v, const uint8_t *addr)
{
	for (unsigned i = 0; i < v->nr_mcast; i++)
		if (!memcmp(v->mcast[i], addr, ETH_ADDRESS_SIZE))
			return (int)i;
	return -1;
}

/* As with netback, an address may be there several times, and is then deleted as often. */
int vif_mcast_add(struct netback *v, const uint8_t *addr)
{
	if (v->nr_mcast == VIF_MAX_MCAST)
		return -ENOSPC;
	memcpy(v->mcast[v->nr_mcast++], addr, ETH_ADDRESS_SIZE);
	return 0;
}

void vif_mcast_del(struct netback *v, const uint8_t *addr)
{
	int i = place(v, addr);

	if (i >= 0)
		memmove(v->mcast[i], v->mcast[--v->nr_mcast], ETH_ADDRESS_SIZE);
}

bool vif_mcast_wants(const struct netback *v, const uint8_t *addr)
{
	static const uint8_t broadcast[ETH_ADDRESS_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return !v->mcast_control || !(addr[0] & 1) || !memcmp(addr, broadcast, sizeof(broadcast)) ||
	       place(v, addr) >= 0;
}
