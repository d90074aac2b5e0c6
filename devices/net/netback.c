/*
 * An interface's life in the event loop: connecting as Linux's netback does it
 * (xen-netback/xenbus.c), and what wakes it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/net/vif_fault.h"
#include "devices/xenstore/local.h"

static struct netback *of(struct backend *b)
{
	return (struct netback *)b;
}

uint64_t vif_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void vif_timer_at(struct netback *v, uint64_t when)
{
	struct itimerspec t = {{0, 0}, {(time_t)(when / 1000000000), (long)(when % 1000000000)}};

	if (v->timer_at && v->timer_at <= when)
		return;
	v->timer_at = when;
	timerfd_settime(v->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

void vif_broken(struct netback *v, const char *fmt, ...)
{
	va_list ap;

	if (v->broken)
		return;
	v->broken = true;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

/* ---- the end of a wake-up ---- */

static void push(struct netback *v, struct vif_ring *tx, struct vif_ring *rx)
{
	bool t = tx->map.nr && vif_ring_push(tx), r = rx && vif_ring_push(rx);

	if (t || (r && rx->port == tx->port)) {
		v->stats.notifications++;
		evtchn_backend_send(v->b.domain, tx->port);
	}
	if (r && rx->port != tx->port) {
		v->stats.notifications++;
		evtchn_backend_send(v->b.domain, rx->port);
	}
}

void vif_push(struct netback *v, struct vif_ring *r)
{
	if (!vif_ring_push(r))
		return;
	v->stats.notifications++;
	evtchn_backend_send(v->b.domain, r->port);
}

/* Shows the guest what was done for it; queues may be gone afterwards. */
static void finish(struct netback *v)
{
	if (v->link->ops->flush)
		v->link->ops->flush(v->link);
	for (unsigned i = 0; i < v->nr_queues; i++)
		push(v, &v->queue[i]->tx, &v->queue[i]->rx);
	if (v->has_ctrl)
		push(v, &v->ctrl, NULL);
	if (v->broken)
		backend_fail(&v->b, -EINVAL, "the frontend breaks the protocol: %s", v->why);
}

static void serve_all(struct netback *v)
{
	for (unsigned i = 0; i < v->nr_queues; i++) {
		vif_rx_serve(v->queue[i]);
		vif_tx_serve(v->queue[i]);
		vif_fault_due(v->queue[i]);
	}
}

static bool woken(struct netback *v, int fd)
{
	eventfd_t n;

	return !eventfd_read(fd, &n) && !v->broken;
}

/* An event of either ring: a frontend may have one port for both. */
static void on_event(void *arg, uint32_t events)
{
	struct vif_queue *q = arg;
	struct netback *v = q->vif;

	woken(v, q->tx.event_fd);
	if (q->rx.event_fd >= 0)
		woken(v, q->rx.event_fd);
	v->stats.wakeups += !q->kicked;
	q->kicked = false;
	vif_rx_serve(q);
	vif_tx_serve(q);
	finish(v);
}

static void on_ctrl(void *arg, uint32_t events)
{
	struct netback *v = arg;

	if (woken(v, v->ctrl.event_fd)) {
		v->stats.wakeups++;
		vif_ctrl_serve(v);
	}
	finish(v);
}

static void on_timer(void *arg, uint32_t events)
{
	struct netback *v = arg;
	uint64_t n;

	if (read(v->timer_fd, &n, sizeof(n)) < 0)
		return;
	v->timer_at = 0;
	serve_all(v);
	finish(v);
}

/* ---- the link's calls ---- */

static void link_receive(void *arg, struct packet *p)
{
	vif_rx(arg, p);
}

static void link_done(void *arg)
{
	finish(arg);
}

static void link_ready(void *arg)
{
	serve_all(arg);
	finish(arg);
}

/* io/netif.h, "Link state". */
static void link_carrier(void *arg, bool up)
{
	struct netback *v = arg;

	backend_write(&v->b, "carrier", "%d", up);
	domain_log(v->b.domain, LOG_INFO, "%s: the other end is %s", v->name,
		   up ? "there" : "gone");
}

static void link_log(void *arg, enum log_level level, const char *text)
{
	struct netback *v = arg;

	domain_log(v->b.domain, level, "%s: %s", v->name, text);
}

/* Both may change at any time (netback: xen_register_watchers). */
static void rate_changed(void *arg)
{
	struct netback *v = arg;
	unsigned long long bytes, usecs;
	char path[BACKEND_PATH_SIZE + 8], rest;

	snprintf(path, sizeof(path), "%s/rate", v->b.be_path);
	char *text = xenstore_read(v->b.xenstore, path);
	v->rate_bytes = VIF_RATE_UNLIMITED;
	if (text && sscanf(text, "%llu,%llu%c", &bytes, &usecs, &rest) == 2 && usecs &&
	    usecs < UINT32_MAX) {
		v->rate_bytes = bytes;
		v->rate_ns = usecs * 1000;
	}
	free(text);
	vif_rate_changed(v);
	finish(v);
}

static void multicast_changed(void *arg)
{
	struct netback *v = arg;

	v->mcast_control = !v->spec.no_multicast && vif_flag(v, "request-multicast-control", false);
}

static bool read_xdp(struct backend *b)
{
	struct netback *v = of(b);
	uint64_t n;

	v->xdp_headroom = 0;
	if (!backend_frontend_option(b, "xdp-headroom", UINT16_MAX, 0, &n))
		v->xdp_headroom = (unsigned)(n < VIF_MAX_XDP_HEADROOM ? n : VIF_MAX_XDP_HEADROOM);
	return true;
}

/* ---- connecting ---- */

static void close_ring(struct netback *v, struct vif_ring *r)
{
	if (r->event_fd >= 0)
		event_loop_del(v->b.loop, r->event_fd);
	vif_ring_close(r, &v->b);
}

static void stop_queue(struct netback *v, struct vif_queue *q)
{
	vif_fault_forget(q);
	vif_rx_forget(q);
	close_ring(v, &q->tx);
	close_ring(v, &q->rx);
	free(q->buffer);
	free(q);
}

/* The keys of one queue are in a directory of its own when there are several. */
static int queue_number(struct netback *v, unsigned queue, bool dir, const char *name,
			uint64_t *value)
{
	char key[48];

	if (dir)
		snprintf(key, sizeof(key), "queue-%u/%s", queue, name);
	else
		snprintf(key, sizeof(key), "%s", name);
	return backend_frontend_number(&v->b, key, ~0u, value);
}

static int open_rings(struct netback *v, struct vif_queue *q, bool dir)
{
	struct backend *b = &v->b;
	uint64_t tx, rx, tx_port, rx_port;
	int rc = queue_number(v, q->index, dir, "tx-ring-ref", &tx);

	if (!rc)
		rc = queue_number(v, q->index, dir, "rx-ring-ref", &rx);
	if (rc) {
		backend_error(b, rc, "reading tx-ring-ref and rx-ring-ref of queue %u", q->index);
		return rc;
	}
	if (queue_number(v, q->index, dir, "event-channel-tx", &tx_port) ||
	    queue_number(v, q->index, dir, "event-channel-rx", &rx_port)) {
		rc = queue_number(v, q->index, dir, "event-channel", &tx_port);
		rx_port = tx_port;
	}
	if (rc || !tx_port || !rx_port) {
		backend_error(b, -EINVAL, "reading event-channel(-tx/rx) of queue %u", q->index);
		return -EINVAL;
	}
	rc = vif_ring_open(&q->tx, b, (grant_ref_t)tx, sizeof(union netif_tx_sring_entry),
			   (evtchn_port_t)tx_port);
	if (!rc)
		rc = vif_ring_open(&q->rx, b, (grant_ref_t)rx, sizeof(union netif_rx_sring_entry),
				   rx_port == tx_port ? 0 : (evtchn_port_t)rx_port);
	if (rc)
		backend_error(b, rc,
			      "mapping the rings of queue %u (grants %u and %u, ports %u "
			      "and %u)",
			      q->index, (unsigned)tx, (unsigned)rx, (unsigned)tx_port,
			      (unsigned)rx_port);
	q->rx.port = (evtchn_port_t)rx_port;
	return rc;
}

static int start_queue(struct netback *v, unsigned i, bool dir)
{
	struct vif_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->vif = v;
	q->index = i;
	q->tx.event_fd = q->rx.event_fd = -1;
	q->credit = v->rate_bytes;
	q->credit_since = vif_now();
	vif_rx_init(q);
	q->buffer = malloc(PACKET_MAX);
	int rc = q->buffer ? open_rings(v, q, dir) : -ENOMEM;
	if (!rc)
		rc = event_loop_add(v->b.loop, q->tx.event_fd, EPOLLIN, on_event, q);
	if (!rc && q->rx.event_fd >= 0)
		rc = event_loop_add(v->b.loop, q->rx.event_fd, EPOLLIN, on_event, q);
	if (rc) {
		stop_queue(v, q);
		return rc;
	}
	v->queue[v->nr_queues++] = q;
	return 0;
}

static int connect_ctrl(struct netback *v)
{
	struct backend *b = &v->b;
	uint64_t ref, port;

	if (v->spec.no_ctrl || backend_frontend_number(b, "ctrl-ring-ref", ~0u, &ref))
		return 0;
	int rc = backend_frontend_number(b, "event-channel-ctrl", ~0u, &port);
	if (!rc)
		rc = port ? vif_ring_open(&v->ctrl, b, (grant_ref_t)ref,
					  sizeof(union xen_netif_ctrl_sring_entry),
					  (evtchn_port_t)port)
			  : -EINVAL;
	if (!rc) {
		v->has_ctrl = true;
		rc = event_loop_add(b->loop, v->ctrl.event_fd, EPOLLIN, on_ctrl, v);
	}
	if (rc)
		backend_error(b, rc, "connecting the control ring");
	return rc;
}

static int watch(struct netback *v)
{
	char path[BACKEND_PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%s/rate", v->b.be_path);
	v->rate_watch = xenstore_watch(v->b.xenstore, path, rate_changed, v);
	snprintf(path, sizeof(path), "%s/request-multicast-control", v->b.fe_path);
	v->mcast_watch = xenstore_watch(v->b.xenstore, path, multicast_changed, v);
	return v->rate_watch && v->mcast_watch ? 0 : -ENOMEM;
}

static void disconnect(struct backend *b)
{
	struct netback *v = of(b);

	if (v->rate_watch)
		xenstore_unwatch(v->rate_watch);
	if (v->mcast_watch)
		xenstore_unwatch(v->mcast_watch);
	v->rate_watch = v->mcast_watch = NULL;
	while (v->nr_queues)
		stop_queue(v, v->queue[--v->nr_queues]);
	if (v->has_ctrl)
		close_ring(v, &v->ctrl);
	v->has_ctrl = false;
	if (v->link_paused)
		v->link->ops->want(v->link, true);
	v->link_paused = false;
	v->broken = false;
	v->xdp_headroom = 0;
	v->nr_mcast = 0;
	memset(&v->hash, 0, sizeof(v->hash));
}

static int connect_frontend(struct backend *b)
{
	struct netback *v = of(b);
	uint64_t queues;
	int rc = 0;

	if (!vif_flag(v, "request-rx-copy", false)) {
		backend_error(b, -EOPNOTSUPP, "the frontend wants pages flipped, not copied");
		return -EOPNOTSUPP;
	}
	if (backend_frontend_option(b, "multi-queue-num-queues", vif_max_queues(v), 1, &queues) ||
	    !queues) {
		backend_error(b, -EINVAL, "the frontend wants more queues than there are");
		return -EINVAL;
	}
	v->rate_bytes = v->spec.rate_bytes;
	v->rate_ns = v->spec.rate_usecs * 1000ull;
	vif_read_features(v);
	read_xdp(b);
	multicast_changed(v);
	rc = connect_ctrl(v);
	for (unsigned i = 0; !rc && i < queues; i++)
		rc = start_queue(v, i, queues > 1);
	if (!rc)
		rc = watch(v);
	if (rc)
		disconnect(b);
	return rc;
}

/* ---- the device ---- */

static void destroy(struct backend *b)
{
	struct netback *v = of(b);

	if (v->timer_fd >= 0) {
		event_loop_del(b->loop, v->timer_fd);
		close(v->timer_fd);
	}
	if (v->link)
		v->link->ops->close(v->link);
	pcap_close(v->pcap);
	free(v);
}

static const struct backend_class netback_class = {
	.type = "vif",
	.publish = vif_publish,
	.connect = connect_frontend,
	.disconnect = disconnect,
	.reconfigure = read_xdp,
	.destroy = destroy,
	.inspect = vif_inspect,
};

static struct link *open_link(struct event_loop *l, const struct vif_spec *s, const char *name,
			      const struct link_owner *owner, char *err, size_t errlen)
{
	switch (s->net) {
	case VIF_NET_USER:
		return link_user_open(l, s, owner, err, errlen);
	case VIF_NET_TAP:
		return link_tap_open(l, s, name, owner, err, errlen);
	case VIF_NET_SOCKET:
		return link_socket_open(l, s, owner, err, errlen);
	default:
		return NULL;
	}
}

int netback_check(const struct vif_spec *s, char *err, size_t errlen)
{
	const struct link_owner nobody = {0};
	struct event_loop *l;
	struct link *link;

	if (s->pcap[0]) {
		struct pcap *c = pcap_open(s->pcap, err, errlen);

		if (!c)
			return -EINVAL;
		pcap_close(c);
	}
	/* The other guest would see it come and go. */
	if (s->net == VIF_NET_SOCKET)
		return 0;
	l = event_loop_create();
	if (!l) {
		snprintf(err, errlen, "cannot make an event loop: %s", strerror(errno));
		return -errno;
	}
	link = open_link(l, s, s->vifname[0] ? s->vifname : "vifcheck", &nobody, err, errlen);
	if (link)
		link->ops->close(link);
	event_loop_destroy(l);
	return link ? 0 : -EINVAL;
}

static int set_up(struct netback *v, char *err, size_t errlen)
{
	const struct link_owner owner = {
		.receive = link_receive,
		.done = link_done,
		.ready = link_ready,
		.carrier = link_carrier,
		.log = link_log,
		.arg = v,
	};

	v->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int rc = v->timer_fd < 0 ? -errno
				 : event_loop_add(v->b.loop, v->timer_fd, EPOLLIN, on_timer, v);
	if (rc) {
		snprintf(err, errlen, "%s: %s", v->name, strerror(-rc));
		return rc;
	}
	if (v->spec.pcap[0]) {
		v->pcap = pcap_open(v->spec.pcap, err, errlen);
		if (!v->pcap)
			return -EINVAL;
	}
	v->link = open_link(v->b.loop, &v->spec, v->name, &owner, err, errlen);
	if (!v->link)
		return -EINVAL;
	rc = backend_create(&v->b);
	if (rc)
		snprintf(err, errlen, "interface %u: %s", v->b.id,
			 rc == -EEXIST ? "the guest has one of this number already"
				       : strerror(-rc));
	return rc;
}

struct backend *netback_create(struct event_loop *l, struct xenstore *xs, struct domain *d,
			       const struct vif_spec *spec, char *err, size_t errlen)
{
	struct netback *v = calloc(1, sizeof(*v));

	if (!v) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	v->b = (struct backend){
		.class = &netback_class,
		.loop = l,
		.xenstore = xs,
		.domain = d,
		.id = (unsigned)spec->devid,
	};
	v->spec = *spec;
	v->timer_fd = -1;
	if (spec->vifname[0])
		memcpy(v->name, spec->vifname, sizeof(v->name));
	else
		snprintf(v->name, sizeof(v->name), "vif%u.%u", d->domid, v->b.id);
	if (set_up(v, err, errlen)) {
		destroy(&v->b);
		return NULL;
	}
	return &v->b;
}

const struct vif_stats *netback_stats(const struct backend *b)
{
	return &((const struct netback *)b)->stats;
}

const struct vif_spec *netback_spec(const struct backend *b)
{
	return &((const struct netback *)b)->spec;
}

const char *netback_name(const struct backend *b)
{
	return ((const struct netback *)b)->name;
}

unsigned netback_queues(const struct backend *b)
{
	return ((const struct netback *)b)->nr_queues;
}
