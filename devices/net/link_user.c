/*
 * net=user: the guest is behind a NAT in our own process, libslirp, and needs no
 * privilege. What slirp is told by its callbacks is here; which sockets it waits for is
 * in user_poll.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/net/link_user.h"

/* slirp keeps what it cannot put together yet for half a minute, however much it is. */
#define FRAGMENT_WINDOW_NS 30000000000ll
#define FRAGMENT_BYTES	   (8u << 20)

/* The guest's network, as QEMU's users know it: .2 is the host, .3 answers DNS, .15 is
 * the first that DHCP gives. */
#define HOST_NUMBER 2
#define DNS_NUMBER  3

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- callbacks ---- */

static ssize_t on_packet(const void *buf, size_t len, void *arg)
{
	struct link_user *u = arg;
	struct packet p = {
		.data = (uint8_t *)(uintptr_t)buf,
		.len = (uint32_t)len,
		.validated = true, /* slirp made the checksum, or checked it */
	};

	if (len <= PACKET_MAX)
		coalesce_add(&u->coalesce, &p);
	return (ssize_t)len;
}

static void to_guest(void *arg, struct packet *p)
{
	struct link_user *u = arg;

	if (u->l.owner.receive)
		u->l.owner.receive(u->l.owner.arg, p);
}

static void on_guest_error(const char *msg, void *arg)
{
	struct link_user *u = arg;

	if (u->nr_errors++ < 16 && u->l.owner.log)
		u->l.owner.log(u->l.owner.arg, LOG_INFO, msg);
}

static int64_t clock_ns(void *arg)
{
	return now_ns();
}

static void *timer_new(SlirpTimerId id, void *timer_arg, void *arg)
{
	struct link_user *u = arg;

	for (unsigned i = 0; i < USER_TIMERS; i++)
		if (!u->timer[i].used) {
			u->timer[i] = (struct user_timer){true, id, timer_arg, -1};
			return &u->timer[i];
		}
	return NULL;
}

static void timer_free(void *timer, void *arg)
{
	if (timer)
		((struct user_timer *)timer)->used = false;
}

static void timer_mod(void *timer, int64_t expire_ms, void *arg)
{
	if (timer)
		((struct user_timer *)timer)->at_ms = expire_ms;
}

static void registered(int fd, void *arg)
{
}

static void unregistered(int fd, void *arg)
{
	user_poll_forget(arg, fd);
}

static void notified(void *arg)
{
}

static const SlirpCb callbacks = {
	.send_packet = on_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = clock_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = registered,
	.unregister_poll_fd = unregistered,
	.notify = notified,
};

/* ---- the link ---- */

/* Not when it would cost another descriptor, and there are many. */
static bool opens_socket(const struct packet *p, const struct packet_headers *h)
{
	if (h->protocol == IPPROTO_TCP && h->payload) {
		uint8_t flags = p->data[h->l4 + 13];

		return (flags & 0x12) == 0x02; /* SYN without ACK */
	}
	if (h->protocol == IPPROTO_UDP && h->csum)
		return get16(p->data + h->l4 + 2) != 67; /* DHCP */
	return h->protocol == IPPROTO_ICMP;
}

static bool admit(struct link_user *u, const struct packet *p)
{
	struct packet_headers h;

	if (!packet_headers(p, &h))
		return true; /* ARP; what is broken slirp drops itself */
	if (h.fragment) {
		int64_t now = now_ns();

		if (now - u->fragments_since > FRAGMENT_WINDOW_NS) {
			u->fragments_since = now;
			u->fragment_bytes = 0;
		}
		u->fragment_bytes += p->len;
		return u->fragment_bytes <= FRAGMENT_BYTES;
	}
	return !user_poll_is_full(u) || !opens_socket(p, &h);
}

/* A packet that is to be cut goes in whole: slirp only looks at its lengths. */
static int send_packet(struct link *l, struct packet *p)
{
	struct link_user *u = (struct link_user *)l;

	if (p->csum_blank && !packet_fill_checksum(p))
		return -EINVAL;
	if (!admit(u, p))
		return -ENOBUFS;
	user_poll_freshen(u);
	slirp_input(u->slirp, p->data, (int)p->len);
	u->touched = true;
	return 0;
}

static void flush(struct link *l)
{
	struct link_user *u = (struct link_user *)l;

	if (u->touched)
		user_poll_update(u);
	u->touched = false;
	coalesce_flush(&u->coalesce);
}

static void offload(struct link *l, bool checksum, bool tso4, bool tso6)
{
	((struct link_user *)l)->coalesce.on = checksum && tso4;
}

static void want(struct link *l, bool wanted)
{
	user_poll_pause((struct link_user *)l, !wanted);
}

static void close_link(struct link *l)
{
	struct link_user *u = (struct link_user *)l;

	u->l.owner = (struct link_owner){0};
	if (u->slirp)
		slirp_cleanup(u->slirp);
	user_poll_close(u);
	coalesce_free(&u->coalesce);
	free(u);
}

static const struct link_ops user_ops = {
	.name = "user",
	.send = send_packet,
	.flush = flush,
	.want = want,
	.offload = offload,
	.close = close_link,
};

static struct in_addr number(const struct vif_spec *s, uint32_t n)
{
	return (struct in_addr){htonl(ntohl(s->network.s_addr) + n)};
}

static Slirp *new_slirp(struct link_user *u, const struct vif_spec *s)
{
	SlirpConfig c = {
		.version = 4,
		.restricted = s->restricted,
		.in_enabled = true,
		.vnetwork = s->network,
		.vnetmask = s->netmask,
		.vhost = number(s, HOST_NUMBER),
		.vnameserver = number(s, DNS_NUMBER),
		.vdhcp_start = s->address,
		.in6_enabled = true,
		.vprefix_len = 64,
		.vhostname = s->hostname[0] ? s->hostname : NULL,
		.vdomainname = s->domain[0] ? s->domain : NULL,
		.if_mtu = s->mtu ? s->mtu : VIF_DEFAULT_MTU,
		.if_mru = s->mtu ? s->mtu : VIF_DEFAULT_MTU,
		.disable_host_loopback = s->no_host,
	};

	inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &c.vhost6);
	inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
	return slirp_new(&c, &callbacks, u);
}

static int add_forward(struct link_user *u, const struct vif_forward *f, char *err, size_t errlen)
{
	char host[INET_ADDRSTRLEN];

	errno = 0;
	if (slirp_add_hostfwd(u->slirp, f->udp, f->host, f->host_port, f->guest, f->guest_port) >=
	    0)
		return 0;
	inet_ntop(AF_INET, &f->host, host, sizeof(host));
	snprintf(err, errlen, "%s port %u of %s cannot be forwarded to the guest: %s",
		 f->udp ? "UDP" : "TCP", f->host_port, host, strerror(errno ? errno : EADDRINUSE));
	return -EINVAL;
}

struct link *link_user_open(struct event_loop *l, const struct vif_spec *s,
			    const struct link_owner *owner, char *err, size_t errlen)
{
	struct link_user *u = calloc(1, sizeof(*u));

	if (!u) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	u->l = (struct link){.ops = &user_ops, .owner = *owner, .loop = l, .carrier = true};
	int rc = user_poll_open(u);
	if (!rc)
		rc = coalesce_init(&u->coalesce, to_guest, u);
	if (!rc)
		u->slirp = new_slirp(u, s);
	if (!u->slirp)
		snprintf(err, errlen, "cannot set up the user network: %s",
			 rc ? strerror(-rc) : "libslirp refuses its parameters");
	for (unsigned i = 0; u->slirp && !rc && i < s->nr_forwards; i++)
		rc = add_forward(u, &s->forward[i], err, errlen);
	if (!u->slirp || rc) {
		close_link(&u->l);
		return NULL;
	}
	user_poll_update(u);
	return &u->l;
}
