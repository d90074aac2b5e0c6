/*
 * A network interface as xl's users write it (xl-network-configuration(5)): KEY=VALUE,
 * separated by commas, and what only we have: net=, fwd=, pcap= and so on.
 */
#ifndef DEVICES_NET_VIF_SPEC_H
#define DEVICES_NET_VIF_SPEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIF_IFNAME_SIZE	   16 /* IFNAMSIZ */
#define VIF_MAX_FORWARDS   32
#define VIF_MAX_QUEUES	   8 /* Linux's netback: MAX_QUEUES_DEFAULT */
#define VIF_MTU_MIN	   68
#define VIF_MTU_MAX	   65521 /* 65535 less the Ethernet header */
#define VIF_DEFAULT_MTU	   1500
#define VIF_RATE_UNLIMITED UINT64_MAX

enum vif_net { VIF_NET_USER, VIF_NET_TAP, VIF_NET_SOCKET, NR_VIF_NETS };

/* A port of the host's that leads into the guest. */
struct vif_forward {
	bool udp;
	struct in_addr host, guest; /* guest 0: the address that DHCP gives it */
	uint16_t host_port, guest_port;
};

struct vif_spec {
	enum vif_net net;
	uint8_t mac[6]; /* a random one of Xen's (00:16:3e) when none is given */
	int devid;	/* -1: the next that is free */
	char bridge[VIF_IFNAME_SIZE], vifname[VIF_IFNAME_SIZE];
	char ip[64], script[64];
	char path[108];	     /* VIF_NET_SOCKET: of the socket (sun_path) */
	char pcap[256];	     /* "": no capture */
	unsigned mtu;	     /* 0: not given */
	bool untrusted;	     /* trusted=0 */
	uint64_t rate_bytes; /* in each interval; VIF_RATE_UNLIMITED */
	uint32_t rate_usecs;

	/* VIF_NET_USER */
	struct in_addr network, netmask; /* the guest's; 10.0.2.0/24 */
	struct in_addr address;		 /* what DHCP gives: ip=, else number 15 of it */
	char hostname[64], domain[128];
	bool restricted; /* the guest reaches nothing but what is forwarded to it */
	bool no_host;	 /* it does not reach the host's own 127.0.0.1 */
	unsigned nr_forwards;
	struct vif_forward forward[VIF_MAX_FORWARDS];

	/* Ours, for tests of frontends: what is not published. */
	unsigned max_queues; /* 0: one for each vcpu, at most VIF_MAX_QUEUES */
	bool no_sg, no_gso, no_csum, no_split, no_multicast, no_ctrl;
};

const char *vif_net_name(enum vif_net n);
/* 0, or -EINVAL and a sentence. */
int vif_spec_parse(struct vif_spec *spec, const char *text, char *err, size_t errlen);
/* "00:16:3e:..." into mac. */
bool vif_mac_parse(uint8_t mac[6], const char *text);
/* "tcp:[ADDRESS:]PORT:[ADDRESS:]PORT", vif_forward.c. 0, or -EINVAL and a sentence. */
int vif_forward_parse(struct vif_forward *f, const char *text, char *err, size_t errlen);

#endif
