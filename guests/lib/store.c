/*
 * xenstore from a guest with events off: one request at a time, its answer is polled for. Watch
 * events are dropped.
 */
#include "guests/lib/guest.h"

#include <xen/io/xs_wire.h>

static struct xenstore_domain_interface *ring;
static char reply[XENSTORE_PAYLOAD_MAX + 1];

static void wait_for_store(void)
{
	evtchn_port_t port = start_info->store_evtchn;

	evtchn_send(port);
	event_clear(port);
	poll_ports(&port, 1, system_time() + 100 * MS);
}

static void put(const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		XENSTORE_RING_IDX prod = ring->req_prod;

		while (prod - __atomic_load_n(&ring->req_cons, __ATOMIC_SEQ_CST) ==
		       XENSTORE_RING_SIZE)
			wait_for_store();
		ring->req[MASK_XENSTORE_IDX(prod)] = *p++;
		len--;
		__atomic_store_n(&ring->req_prod, prod + 1, __ATOMIC_SEQ_CST);
	}
}

static void get(void *data, size_t len)
{
	char *p = data;

	while (len) {
		XENSTORE_RING_IDX cons = ring->rsp_cons;

		while (cons == __atomic_load_n(&ring->rsp_prod, __ATOMIC_SEQ_CST))
			wait_for_store();
		*p++ = ring->rsp[MASK_XENSTORE_IDX(cons)];
		len--;
		__atomic_store_n(&ring->rsp_cons, cons + 1, __ATOMIC_SEQ_CST);
	}
}

/* The answer's length, in `reply` with a NUL behind it; -1: an error, its name is there. */
static long request(uint32_t type, const char *path, const char *value)
{
	static uint32_t id;
	struct xsd_sockmsg m = {.type = type, .req_id = ++id};

	if (!ring)
		ring = va_of_mfn(start_info->store_mfn);
	m.len = strlen(path) + 1 + (value ? strlen(value) : 0);
	put(&m, sizeof(m));
	put(path, strlen(path) + 1);
	if (value)
		put(value, strlen(value));
	do {
		get(&m, sizeof(m));
		if (m.len > XENSTORE_PAYLOAD_MAX)
			fail("xenstore sends %u bytes", m.len);
		get(reply, m.len);
		reply[m.len] = 0;
	} while (m.type == XS_WATCH_EVENT);
	evtchn_send(start_info->store_evtchn);
	if (m.req_id != id)
		fail("xenstore answers request %u, not %u", m.req_id, id);
	return m.type == XS_ERROR ? -1 : (long)m.len;
}

const char *store_read(const char *path)
{
	return request(XS_READ, path, NULL) < 0 ? NULL : reply;
}

const char *store_write(const char *path, const char *value)
{
	return request(XS_WRITE, path, value) < 0 ? reply : NULL;
}
