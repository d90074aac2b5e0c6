/*
 * The guest's ring (io/xs_wire.h, struct xenstore_domain_interface), and the
 * store's life. A message may come in any number of pieces; a guest that does
 * not read its answers is not read from either.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/guest_barrier.h"
#include "devices/xenstore/xenstore.h"

/* For good: the guest may overwrite what the ring says, so the ring is not asked. */
static void ring_failed(struct xenstore *xs, uint32_t error)
{
	domain_log(xs->domain, LOG_WARN, "the guest's xenstore ring is unusable (error %u)", error);
	xs->ring->error = error;
	xs->failed = true;
}

/* Takes requests. True when something was taken. */
static bool take(struct xenstore *xs)
{
	struct xenstore_domain_interface *r = xs->ring;
	uint8_t buf[XENSTORE_RING_SIZE];
	uint32_t cons = r->req_cons, prod = __atomic_load_n(&r->req_prod, __ATOMIC_ACQUIRE);
	uint32_t n = prod - cons;

	if (n > XENSTORE_RING_SIZE) {
		ring_failed(xs, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	if (!n || !client_may_request(xs->guest))
		return false;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = (uint8_t)((volatile char *)r->req)[MASK_XENSTORE_IDX(cons + i)];
	long taken = client_take(xs->guest, buf, n);
	if (taken < 0) {
		ring_failed(xs, XENSTORE_ERROR_PROTO);
		return false;
	}
	__atomic_store_n(&r->req_cons, cons + (uint32_t)taken, __ATOMIC_SEQ_CST);
	return taken > 0;
}

/* Delivers answers. True when something was delivered. */
static bool give(struct xenstore *xs)
{
	struct xenstore_domain_interface *r = xs->ring;
	struct client *c = xs->guest;
	uint32_t prod = r->rsp_prod, cons = __atomic_load_n(&r->rsp_cons, __ATOMIC_ACQUIRE);
	uint32_t used = prod - cons;

	if (used > XENSTORE_RING_SIZE) {
		ring_failed(xs, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	size_t n = XENSTORE_RING_SIZE - used;
	if (n > c->out_len)
		n = c->out_len;
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		((volatile char *)r->rsp)[MASK_XENSTORE_IDX(prod + (uint32_t)i)] = (char)c->out[i];
	__atomic_store_n(&r->rsp_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
	client_sent(c, n);
	return true;
}

static void serve(void *arg, uint32_t events)
{
	struct xenstore *xs = arg;
	eventfd_t n;
	bool moved = false, fresh = false;

	eventfd_read(xs->event_fd, &n);
	if (!xs->ring || xs->failed)
		return;
	xs->serving = true;
	while (!xs->failed) {
		bool took = take(xs), gave = give(xs);

		if (took || gave) {
			moved = fresh = true;
		} else if (fresh) {
			fresh = false;
			guest_barrier();
		} else {
			break;
		}
	}
	xs->serving = false;
	if (moved)
		evtchn_backend_send(xs->domain, (evtchn_port_t)xs->port);
}

static void on_notify(void *arg)
{
	struct xenstore *xs = arg;

	eventfd_write(xs->event_fd, 1);
}

/* An event for the guest that it did not cause itself. */
static void on_output(struct client *c)
{
	if (!c->xs->serving)
		on_notify(c->xs);
}

struct xenstore *xenstore_create(struct event_loop *l)
{
	struct xenstore *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return NULL;
	guest_barrier_init();
	xs->loop = l;
	xs->local.event_fd = -1;
	xs->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (store_init(&xs->store) || local_init(xs) || xs->event_fd < 0 ||
	    event_loop_add(l, xs->event_fd, EPOLLIN, serve, xs)) {
		xenstore_destroy(xs);
		return NULL;
	}
	return xs;
}

void xenstore_destroy(struct xenstore *xs)
{
	if (xs->listener)
		listener_destroy(xs->listener);
	while (xs->clients)
		client_free(xs->clients);
	local_destroy(xs);
	store_free(&xs->store);
	if (xs->event_fd >= 0)
		close(xs->event_fd);
	free(xs);
}

int xenstore_bind_port(struct xenstore *xs, struct domain *d)
{
	xs->domain = d;
	xs->port = evtchn_bind_backend(d, on_notify, xs);
	return xs->port;
}

int xenstore_introduce(struct xenstore *xs, const struct xenstore_domain *xd)
{
	struct xenstore_domain_interface *ring = frame_ptr(xd->domain, xd->store_mfn);

	if (!ring)
		return -EINVAL;
	xs->guest = client_new(xs, xd->domain->domid);
	if (!xs->guest)
		return -ENOMEM;
	xs->guest->wake = on_output;
	int rc = tree_build(xs, xd);
	if (rc)
		return rc;
	ring->server_features = XENSTORE_SERVER_FEATURE_ERROR;
	ring->connection = XENSTORE_CONNECTED;
	xs->ring = ring;
	watch_fire(xs, "@introduceDomain", false);
	on_notify(xs);
	return 0;
}
