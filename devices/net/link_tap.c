/*
 * net=tap: an interface of the host's, on a bridge or as the user sets it up. The kernel
 * takes and gives blank checksums and large TCP packets (IFF_VNET_HDR).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/net/link.h"
#include "devices/net/vnet_header.h"

#define BATCH 64 /* frames for the guest in one go */

struct link_tap {
	struct link l; /* first */
	int fd;
	bool gone; /* somebody deleted the interface */
	char name[IFNAMSIZ];
	uint8_t buffer[sizeof(struct virtio_net_hdr) + PACKET_MAX];
};

static int send_packet(struct link *l, struct packet *p)
{
	struct link_tap *t = (struct link_tap *)l;
	struct virtio_net_hdr h;
	struct iovec iov[2] = {{&h, sizeof(h)}, {p->data, p->len}};

	vnet_header_of(p, &h);
	/* An interface that is down takes nothing: like a cable that is not plugged in. */
	return writev(t->fd, iov, 2) < 0 ? -ENETDOWN : 0;
}

static void deleted(struct link_tap *t)
{
	t->gone = true;
	event_loop_del(t->l.loop, t->fd);
	t->l.owner.log(t->l.owner.arg, LOG_WARN, "its interface on the host was deleted");
	t->l.owner.carrier(t->l.owner.arg, false);
}

static void on_frames(void *arg, uint32_t events)
{
	struct link_tap *t = arg;

	for (unsigned i = 0; i < BATCH; i++) {
		struct virtio_net_hdr h;
		ssize_t n = read(t->fd, t->buffer, sizeof(t->buffer));

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				deleted(t);
			break;
		}
		if (n < (ssize_t)(sizeof(h) + ETH_HEADER))
			continue;
		memcpy(&h, t->buffer, sizeof(h));
		struct packet p = {.data = t->buffer + sizeof(h), .len = (uint32_t)n - sizeof(h)};
		if (vnet_header_apply(&h, &p))
			t->l.owner.receive(t->l.owner.arg, &p);
		if (!t->l.wanted)
			break;
	}
	t->l.owner.done(t->l.owner.arg);
}

static void want(struct link *l, bool wanted)
{
	struct link_tap *t = (struct link_tap *)l;

	l->wanted = wanted;
	if (!t->gone)
		event_loop_mod(l->loop, t->fd, wanted ? EPOLLIN : 0);
}

static void offload(struct link *l, bool checksum, bool tso4, bool tso6)
{
	unsigned long f = checksum ? TUN_F_CSUM : 0;

	if (checksum && tso4)
		f |= TUN_F_TSO4 | TUN_F_TSO_ECN;
	if (checksum && tso6)
		f |= TUN_F_TSO6 | TUN_F_TSO_ECN;
	ioctl(((struct link_tap *)l)->fd, TUNSETOFFLOAD, f);
}

static void close_link(struct link *l)
{
	struct link_tap *t = (struct link_tap *)l;

	if (t->fd >= 0) {
		if (!t->gone)
			event_loop_del(l->loop, t->fd);
		close(t->fd);
	}
	free(t);
}

static const struct link_ops tap_ops = {
	.name = "tap",
	.send = send_packet,
	.want = want,
	.offload = offload,
	.close = close_link,
};

/* ---- the interface ---- */

struct setup {
	struct link_tap *t;
	const struct vif_spec *spec;
	int control; /* a socket for ioctls */
	char *err;
	size_t errlen;
};

static int create(struct setup *s, const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

	s->t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (s->t->fd < 0) {
		snprintf(s->err, s->errlen, "/dev/net/tun: %s%s", strerror(errno),
			 errno == ENOENT   ? "; 'modprobe tun' makes it"
			 : errno == EACCES ? "; net=user needs no privilege"
					   : "");
		return -errno;
	}
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(s->t->fd, TUNSETIFF, &r)) {
		int rc = -errno;

		if (rc == -EPERM)
			snprintf(
				s->err, s->errlen,
				"only root may make the interface %s; root can make one for you "
				"('ip tuntap add NAME mode tap user USER', then vifname=NAME), and "
				"net=user needs no privilege",
				name);
		else
			snprintf(s->err, s->errlen, "cannot make the interface %s: %s%s", name,
				 strerror(-rc),
				 rc == -EBUSY	 ? "; somebody uses it"
				 : rc == -EINVAL ? "; is there one that is no tap interface?"
						 : "");
		return rc;
	}
	snprintf(s->t->name, sizeof(s->t->name), "%s", r.ifr_name);
	return 0;
}

static int interface_ioctl(struct setup *s, unsigned long cmd, struct ifreq *r)
{
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", s->t->name);
	return ioctl(s->control, cmd, r) ? -errno : 0;
}

/* The address that Xen's vif-bridge gives: the bridge never takes it for its own. */
static void set_address(struct setup *s)
{
	struct ifreq r = {0};

	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memset(r.ifr_hwaddr.sa_data, 0xff, ETH_ADDRESS_SIZE);
	r.ifr_hwaddr.sa_data[0] = (char)0xfe;
	interface_ioctl(s, SIOCSIFHWADDR, &r);
}

static int set_mtu(struct setup *s)
{
	struct ifreq r = {.ifr_mtu = (int)s->spec->mtu};
	int rc = interface_ioctl(s, SIOCSIFMTU, &r);

	if (rc)
		snprintf(s->err, s->errlen, "cannot set the MTU of %s to %u: %s", s->t->name,
			 s->spec->mtu, strerror(-rc));
	return rc;
}

static bool is_on_bridge(const struct setup *s)
{
	char path[64], target[256];

	snprintf(path, sizeof(path), "/sys/class/net/%s/brport/bridge", s->t->name);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	const char *slash = strrchr(target, '/');
	return !strcmp(slash ? slash + 1 : target, s->spec->bridge);
}

static int join_bridge(struct setup *s)
{
	const char *bridge = s->spec->bridge;
	struct ifreq r = {.ifr_ifindex = (int)if_nametoindex(s->t->name)};

	if (is_on_bridge(s))
		return 0;
	set_address(s);
	r.ifr_ifindex = (int)if_nametoindex(s->t->name);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", bridge);
	if (!ioctl(s->control, SIOCBRADDIF, &r))
		return 0;
	int rc = -errno;
	if (rc == -ENODEV)
		snprintf(s->err, s->errlen,
			 "there is no bridge '%s'; 'ip link add %s type bridge' makes one, and "
			 "without bridge= the guest is behind a NAT",
			 bridge, bridge);
	else
		snprintf(s->err, s->errlen, "cannot put %s on the bridge '%s': %s", s->t->name,
			 bridge, rc == -EOPNOTSUPP ? "it is no bridge" : strerror(-rc));
	return rc;
}

static int bring_up(struct setup *s)
{
	struct ifreq r = {0};
	int rc = interface_ioctl(s, SIOCGIFFLAGS, &r);

	if (rc || r.ifr_flags & IFF_UP)
		return 0;
	r.ifr_flags |= IFF_UP;
	rc = interface_ioctl(s, SIOCSIFFLAGS, &r);
	if (rc)
		snprintf(s->err, s->errlen, "cannot bring %s up: %s; 'ip link set %s up' as root",
			 s->t->name, strerror(-rc), s->t->name);
	return rc;
}

static int set_up(struct setup *s, const char *name)
{
	int rc = create(s, name);

	if (!rc && s->spec->mtu)
		rc = set_mtu(s);
	if (!rc && s->spec->bridge[0])
		rc = join_bridge(s);
	return rc ? rc : bring_up(s);
}

struct link *link_tap_open(struct event_loop *l, const struct vif_spec *spec, const char *name,
			   const struct link_owner *owner, char *err, size_t errlen)
{
	struct link_tap *t = calloc(1, sizeof(*t));
	struct setup s = {.t = t, .spec = spec, .err = err, .errlen = errlen};

	if (!t) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	t->l = (struct link){
		.ops = &tap_ops, .owner = *owner, .loop = l, .carrier = true, .wanted = true};
	t->fd = -1;
	t->gone = true; /* not in the loop */
	s.control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = s.control < 0 ? -errno : set_up(&s, name);
	if (s.control >= 0)
		close(s.control);
	else
		snprintf(err, errlen, "cannot make a socket: %s", strerror(-rc));
	if (!rc) {
		rc = event_loop_add(l, t->fd, EPOLLIN, on_frames, t);
		t->gone = rc;
		if (rc)
			snprintf(err, errlen, "%s: %s", t->name, strerror(-rc));
	}
	if (rc) {
		close_link(&t->l);
		return NULL;
	}
	return &t->l;
}
