/*
 * A guest's ring (io/xs_wire.h, struct xenstore_domain_interface), and the
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
static void ring_failed(struct store_domain *d, uint32_t error)
{
	domain_log(d->domain, LOG_WARN, "the guest's xenstore ring is unusable (error %u)", error);
	d->ring->error = error;
	d->failed = true;
	client_reset(d->client);
}

/* Takes requests. True when something was taken. */
static bool take(struct store_domain *d)
{
	struct xenstore_domain_interface *r = d->ring;
	uint8_t buf[XENSTORE_RING_SIZE];
	uint32_t cons = r->req_cons, prod = __atomic_load_n(&r->req_prod, __ATOMIC_ACQUIRE);
	uint32_t n = prod - cons;

	if (n > XENSTORE_RING_SIZE) {
		ring_failed(d, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	d->stalled = n && !client_may_request(d->client);
	if (!n || d->stalled)
		return false;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = (uint8_t)((volatile char *)r->req)[MASK_XENSTORE_IDX(cons + i)];
	long taken = client_take(d->client, buf, n);
	if (taken < 0) {
		ring_failed(d, XENSTORE_ERROR_PROTO);
		return false;
	}
	__atomic_store_n(&r->req_cons, cons + (uint32_t)taken, __ATOMIC_SEQ_CST);
	return taken > 0;
}

/* Delivers answers. True when something was delivered. */
static bool give(struct store_domain *d)
{
	struct xenstore_domain_interface *r = d->ring;
	uint32_t prod = r->rsp_prod, cons = __atomic_load_n(&r->rsp_cons, __ATOMIC_ACQUIRE);
	uint32_t room = XENSTORE_RING_SIZE - (prod - cons), at = prod;
	const uint8_t *p;
	size_t n;

	if (prod - cons > XENSTORE_RING_SIZE) {
		ring_failed(d, XENSTORE_ERROR_RINGIDX);
		return false;
	}
	while (room && (n = client_output(d->client, &p))) {
		if (n > room)
			n = room;
		for (size_t i = 0; i < n; i++)
			((volatile char *)r->rsp)[MASK_XENSTORE_IDX(at + (uint32_t)i)] = (char)p[i];
		at += (uint32_t)n;
		room -= (uint32_t)n;
		client_sent(d->client, n);
	}
	if (at == prod)
		return false;
	__atomic_store_n(&r->rsp_prod, at, __ATOMIC_SEQ_CST);
	return true;
}

static void serve(void *arg, uint32_t events)
{
	struct store_domain *d = arg;
	eventfd_t n;
	bool moved = false, fresh = false;

	eventfd_read(d->event_fd, &n);
	domain_shut_down(d);
	if (!d->ring || d->failed)
		return;
	d->serving = true;
	while (!d->failed) {
		bool took = take(d), gave = !d->failed && give(d);

		if (took || gave) {
			moved = fresh = true;
		} else if (fresh) {
			fresh = false;
			guest_barrier();
		} else {
			break;
		}
	}
	d->serving = false;
	if (moved && d->bound)
		evtchn_backend_send(d->domain, (evtchn_port_t)d->port);
}

void ring_notify(struct store_domain *d)
{
	if (d->event_fd >= 0 && !d->serving)
		eventfd_write(d->event_fd, 1);
}

/* Any thread: a vcpu's, for one. */
static void on_notify(void *arg)
{
	struct store_domain *d = arg;

	eventfd_write(d->event_fd, 1);
}

/* An event for the guest that it did not cause itself. */
static void on_output(struct client *c)
{
	ring_notify(c->domain);
}

int ring_open(struct store_domain *d)
{
	struct xenstore_domain_interface *ring = frame_ptr(d->domain, d->ring_mfn);

	if (!ring)
		return -EINVAL;
	d->ring = ring;
	d->failed = d->stalled = false;
	d->bound = true;
	ring->server_features = XENSTORE_SERVER_FEATURE_ERROR;
	return 0;
}

void ring_close(struct store_domain *d)
{
	d->ring = NULL;
}

void ring_reset(struct store_domain *d)
{
	struct xenstore_domain_interface *r = d->ring;

	client_reset(d->client);
	d->failed = false;
	d->client->wake = on_output;
	r->req_cons = r->req_prod = r->rsp_cons = r->rsp_prod = 0;
	r->error = XENSTORE_ERROR_NONE;
	__atomic_store_n(&r->connection, XENSTORE_CONNECTED, __ATOMIC_SEQ_CST);
	if (d->bound)
		evtchn_backend_send(d->domain, (evtchn_port_t)d->port);
	ring_notify(d);
}

static int special_perms_init(struct xs_perms *p)
{
	static struct xs_perm none = {0, XS_PERM_NONE, false};

	return perms_copy(p, &(const struct xs_perms){1, &none});
}

struct xenstore *xenstore_create(struct event_loop *l)
{
	struct xenstore *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return NULL;
	guest_barrier_init();
	xs->loop = l;
	xs->local.event_fd = xs->late_fd = -1;
	quotas_init(&xs->quota);
	if (store_init(&xs->store) || local_init(xs) || !domain_add(xs, 0) ||
	    special_perms_init(&xs->introduce_perms) || special_perms_init(&xs->release_perms) ||
	    tree_start(xs)) {
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
	if (xs->late_fd >= 0)
		close(xs->late_fd);
	store_free(&xs->store);
	perms_free(&xs->introduce_perms);
	perms_free(&xs->release_perms);
	domains_free(xs);
	free(xs);
}

int xenstore_bind_port(struct xenstore *xs, struct domain *dom)
{
	struct store_domain *d = domain_add(xs, dom->domid);

	if (!d)
		return -ENOMEM;
	d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->event_fd < 0 || event_loop_add(xs->loop, d->event_fd, EPOLLIN, serve, d))
		return -ENOMEM;
	d->domain = dom;
	d->port = evtchn_bind_backend(dom, on_notify, d);
	if (d->port > 0)
		evtchn_backend_offer_fd(dom, (evtchn_port_t)d->port, d->event_fd);
	return d->port;
}

int xenstore_introduce(struct xenstore *xs, const struct xenstore_domain *xd)
{
	struct store_domain *d = domain_find(xs, xd->domain->domid);

	if (!d || !d->domain)
		return -EINVAL;
	d->ring_mfn = xd->store_mfn;
	int rc = tree_build(xs, xd);
	if (!rc)
		rc = domain_introduce(d);
	if (rc)
		return rc;
	xs->guest = d->client;
	d->client->wake = on_output;
	d->ring->connection = XENSTORE_CONNECTED;
	ring_notify(d);
	return 0;
}
