/*
 * The control ring (io/netif.h, "Control ring"): how received frames are spread over
 * queues. Statuses are those of Linux's netback (xen-netback/hash.c, netback.c:
 * process_ctrl_request), which has no static grants either.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/net/netback.h"

#define OK	    XEN_NETIF_CTRL_STATUS_SUCCESS
#define UNSUPPORTED XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
#define INVALID	    XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER

#define HASH_TYPES                                                           \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP | \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

#define NR_TYPES (XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING + 1)

static uint32_t set_algorithm(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	if (arg[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	    arg[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ)
		return INVALID;
	v->hash.algorithm = arg[0];
	return OK;
}

static uint32_t get_flags(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	if (v->hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return UNSUPPORTED;
	*data = HASH_TYPES;
	return OK;
}

static uint32_t set_flags(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	if (arg[0] & ~(uint32_t)HASH_TYPES ||
	    v->hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return INVALID;
	v->hash.flags = arg[0];
	return OK;
}

static uint32_t set_key(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	uint8_t key[VIF_HASH_KEY] = {0};

	/* The header has BUFFER_OVERFLOW for a long one; netback says this. */
	if (arg[1] > VIF_HASH_KEY)
		return INVALID;
	if (arg[1] && grant_backend_copy_from(v->b.domain, key, arg[0], 0, arg[1]))
		return INVALID;
	memcpy(v->hash.key, key, sizeof(key));
	return OK;
}

static uint32_t get_mapping_size(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	*data = VIF_HASH_MAPPING;
	return OK;
}

static uint32_t set_mapping_size(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	if (arg[0] > VIF_HASH_MAPPING)
		return INVALID;
	v->hash.mapping_size = arg[0];
	memset(v->hash.mapping, 0, sizeof(v->hash.mapping));
	return OK;
}

static uint32_t set_mapping(struct netback *v, const uint32_t arg[3], uint32_t *data)
{
	uint32_t new[VIF_HASH_MAPPING], len = arg[1], offset = arg[2];

	if (len > v->hash.mapping_size || offset > v->hash.mapping_size - len)
		return INVALID;
	if (len &&
	    grant_backend_copy_from(v->b.domain, new, arg[0], 0, (unsigned)(len * sizeof(new[0]))))
		return INVALID;
	for (uint32_t i = 0; i < len; i++)
		if (new[i] >= v->nr_queues)
			return INVALID;
	memcpy(v->hash.mapping + offset, new, len * sizeof(new[0]));
	return OK;
}

static uint32_t (*const handlers[NR_TYPES])(struct netback *v, const uint32_t arg[3],
					    uint32_t *data) = {
	[XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM] = set_algorithm,
	[XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS] = get_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS] = set_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_KEY] = set_key,
	[XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE] = get_mapping_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE] = set_mapping_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING] = set_mapping,
};

static void serve_one(struct netback *v)
{
	struct xen_netif_ctrl_request req;
	struct xen_netif_ctrl_response r = {.status = UNSUPPORTED};

	vif_ring_peek(&v->ctrl, 0, &req, sizeof(req));
	v->ctrl.req_cons++;
	v->stats.ctrl_requests++;
	r.id = req.id;
	r.type = req.type;
	if (req.type < NR_TYPES && handlers[req.type])
		r.status = handlers[req.type](v, req.data, &r.data);
	vif_ring_respond(&v->ctrl, &r, sizeof(r));
}

void vif_ctrl_serve(struct netback *v)
{
	unsigned budget = VIF_BUDGET;

	do {
		int n;

		while ((n = vif_ring_waiting(&v->ctrl)) > 0) {
			if (!budget--) {
				eventfd_write(v->ctrl.event_fd, 1);
				return;
			}
			serve_one(v);
		}
		if (n < 0) {
			vif_broken(v, "the control ring claims more requests than it has room for");
			return;
		}
	} while (vif_ring_ask(&v->ctrl, 1));
}
