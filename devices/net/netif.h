/*
 * Xen's io/netif.h, with the barriers that it wants. (The rings' indexes are ours to
 * handle: vif_ring.h.)
 */
#ifndef DEVICES_NET_NETIF_H
#define DEVICES_NET_NETIF_H

#include "pvabi/xen_abi.h"

#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif
#include <xen/io/netif.h>

#endif
