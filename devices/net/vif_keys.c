/*
 * An interface's xenstore keys, as libxl (libxl_nic.c) and Linux's netback
 * (xen-netback/xenbus.c) write and read them.
 */
#include <stdio.h>

#include "devices/net/netback.h"

unsigned vif_max_queues(const struct netback *v)
{
	unsigned n = v->spec.max_queues ? v->spec.max_queues : v->b.domain->nr_vcpus;

	return n < VIF_MAX_QUEUES ? n : VIF_MAX_QUEUES;
}

static void publish_features(struct netback *v)
{
	const struct vif_spec *s = &v->spec;
	struct backend *b = &v->b;

	backend_write(b, "feature-sg", "%d", !s->no_sg);
	backend_write(b, "feature-gso-tcpv4", "%d", !s->no_gso);
	backend_write(b, "feature-gso-tcpv6", "%d", !s->no_gso);
	backend_write(b, "feature-ipv6-csum-offload", "%d", !s->no_csum);
	if (s->no_csum)
		backend_write(b, "feature-no-csum-offload", "1");
	backend_write(b, "feature-rx-copy", "1");
	backend_write(b, "feature-rx-flip", "0");
	backend_write(b, "feature-multicast-control", "%d", !s->no_multicast);
	backend_write(b, "feature-dynamic-multicast-control", "%d", !s->no_multicast);
	backend_write(b, "feature-split-event-channels", "%d", !s->no_split);
	backend_write(b, "multi-queue-max-queues", "%u", vif_max_queues(v));
	backend_write(b, "feature-ctrl-ring", "%d", !s->no_ctrl);
	backend_write(b, "feature-xdp-headroom", "1");
}

int vif_publish(struct backend *b)
{
	struct netback *v = (struct netback *)b;
	const struct vif_spec *s = &v->spec;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", s->mac[0], s->mac[1], s->mac[2],
		 s->mac[3], s->mac[4], s->mac[5]);
	backend_write_frontend(b, "handle", "%u", b->id);
	backend_write_frontend(b, "mac", "%s", mac);
	backend_write_frontend(b, "trusted", "%d", !s->untrusted);
	if (s->mtu)
		backend_write_frontend(b, "mtu", "%u", s->mtu);

	backend_write(b, "script", "%s", s->script[0] ? s->script : "/etc/xen/scripts/vif-bridge");
	if (s->vifname[0])
		backend_write(b, "vifname", "%s", s->vifname);
	backend_write(b, "mac", "%s", mac);
	if (s->ip[0])
		backend_write(b, "ip", "%s", s->ip);
	if (s->rate_bytes != VIF_RATE_UNLIMITED)
		backend_write(b, "rate", "%llu,%u", (unsigned long long)s->rate_bytes,
			      s->rate_usecs);
	backend_write(b, "bridge", "%s", s->bridge);
	backend_write(b, "handle", "%u", b->id);
	backend_write(b, "type", "vif");
	if (s->mtu)
		backend_write(b, "mtu", "%u", s->mtu);
	publish_features(v);
	if (s->net == VIF_NET_SOCKET)
		backend_write(b, "carrier", "%d", v->link->carrier);
	/* What the hotplug script says when it is done; ours has nothing to wait for. */
	return backend_write(b, "hotplug-status", "connected");
}

bool vif_flag(struct netback *v, const char *key, bool otherwise)
{
	uint64_t value;

	return backend_frontend_option(&v->b, key, ~0u, otherwise, &value) ? otherwise : value != 0;
}

void vif_read_features(struct netback *v)
{
	const struct vif_spec *s = &v->spec;

	v->sg = vif_flag(v, "feature-sg", false) && !s->no_sg;
	v->gso4 = v->sg && vif_flag(v, "feature-gso-tcpv4", false) && !s->no_gso;
	v->gso6 = v->sg && vif_flag(v, "feature-gso-tcpv6", false) && !s->no_gso;
	v->csum4 = !vif_flag(v, "feature-no-csum-offload", false) && !s->no_csum;
	v->csum6 = vif_flag(v, "feature-ipv6-csum-offload", false) && !s->no_csum;
	v->rx_notify = vif_flag(v, "feature-rx-notify", false);
	if (v->link->ops->offload)
		v->link->ops->offload(v->link, v->csum4 && v->csum6, v->gso4, v->gso6);
}
