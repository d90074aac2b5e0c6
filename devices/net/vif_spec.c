/*
 * xl's syntax of network interfaces, and our keys.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "devices/net/vif_spec.h"

/* libxlu_vif.c */
#define DEFAULT_RATE_USECS 50000

static const char *const nets[NR_VIF_NETS] = {"user", "tap", "socket"};

const char *vif_net_name(enum vif_net n)
{
	return nets[n];
}

struct parser {
	struct vif_spec *spec;
	char *err;
	size_t errlen;
	bool has_net, has_mac, has_network;
};

static int bad(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool number(const char *s, unsigned long min, unsigned long max, unsigned *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	unsigned long v = strtoul(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool copy(char *dst, size_t size, const char *v)
{
	if (!*v || strlen(v) >= size)
		return false;
	strcpy(dst, v);
	return true;
}

bool vif_mac_parse(uint8_t mac[6], const char *text)
{
	unsigned b[6];
	int n = 0;

	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &n) != 6 ||
	    text[n])
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

/* ---- xl's keys ---- */

static int set_mac(struct parser *p, const char *v)
{
	if (!vif_mac_parse(p->spec->mac, v))
		return bad(p, "'%s' is no MAC address (00:16:3e:xx:xx:xx)", v);
	if (p->spec->mac[0] & 1)
		return bad(p, "'%s' is a multicast address; an interface needs one of its own", v);
	p->has_mac = true;
	return 0;
}

static bool ifname(char dst[VIF_IFNAME_SIZE], const char *v)
{
	return !strpbrk(v, "/: \t%") && strcmp(v, ".") && strcmp(v, "..") &&
	       copy(dst, VIF_IFNAME_SIZE, v);
}

static int set_bridge(struct parser *p, const char *v)
{
	return ifname(p->spec->bridge, v) ? 0 : bad(p, "'%s' is no name of a bridge", v);
}

static int set_vifname(struct parser *p, const char *v)
{
	return ifname(p->spec->vifname, v)
		       ? 0
		       : bad(p, "'%s' is no name of an interface (at most %d characters)", v,
			     VIF_IFNAME_SIZE - 1);
}

static int set_type(struct parser *p, const char *v)
{
	if (!strcmp(v, "vif") || !strcmp(v, "netfront"))
		return 0;
	if (!strcmp(v, "ioemu"))
		return bad(p, "type=ioemu is an emulated card; a PV guest has type=vif");
	return bad(p, "type is vif, not '%s'", v);
}

/* Of an emulated card; xl takes it for a PV guest, too. */
static int ignored(struct parser *p, const char *v)
{
	return 0;
}

static int set_script(struct parser *p, const char *v)
{
	const char *slash = strrchr(v, '/');

	if (strcmp(slash ? slash + 1 : v, "vif-bridge"))
		return bad(p,
			   "script=%s: no scripts are run; use bridge=, or net=tap with a "
			   "vifname= and configure that",
			   v);
	return copy(p->spec->script, sizeof(p->spec->script), v)
		       ? 0
		       : bad(p, "the path of script is too long");
}

static int set_ip(struct parser *p, const char *v)
{
	return copy(p->spec->ip, sizeof(p->spec->ip), v) ? 0 : bad(p, "'%s' is no address", v);
}

static int set_backend(struct parser *p, const char *v)
{
	if (!strcmp(v, "0") || !strcmp(v, "Domain-0"))
		return 0;
	return bad(p, "backend=%s: there are no driver domains here; the backend is ours", v);
}

static int set_gatewaydev(struct parser *p, const char *v)
{
	return bad(p, "gatewaydev is for the script vif-route, which is not run here; use bridge=");
}

/* "10Mb/s", as libxlu_vif.c reads it. */
static bool rate_bytes(const char *s, uint64_t *bytes)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 10), scale = 1;
	if (errno)
		return false;
	if (*end == 'K')
		scale = 1000;
	else if (*end == 'M')
		scale = 1000000;
	else if (*end == 'G')
		scale = 1000000000;
	end += scale > 1;
	if ((*end != 'B' && *end != 'b') || v > UINT64_MAX / scale)
		return false;
	v = v * scale / (*end == 'b' ? 8 : 1);
	*bytes = v;
	return !strcmp(end + 1, "/s") || !end[1];
}

/* "50ms"; a number alone is seconds. */
static bool rate_interval(const char *s, uint32_t *usecs)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 10);
	if (errno || v > UINT32_MAX)
		return false;
	if (!strcmp(end, "ms"))
		v *= 1000;
	else if (!*end || !strcmp(end, "s"))
		v *= 1000000;
	else if (strcmp(end, "us"))
		return false;
	*usecs = (uint32_t)v;
	return v && v <= UINT32_MAX;
}

static int set_rate(struct parser *p, const char *v)
{
	struct vif_spec *s = p->spec;
	char text[64], *at;
	uint64_t bytes = 0;

	s->rate_usecs = DEFAULT_RATE_USECS;
	if (!copy(text, sizeof(text), v))
		return bad(p, "rate takes RATE[@INTERVAL], 10Mb/s or 1MB/s@20ms");
	at = strchr(text, '@');
	if (at)
		*at++ = 0;
	if (!rate_bytes(text, &bytes) || (at && !rate_interval(at, &s->rate_usecs)))
		return bad(p, "rate takes RATE[@INTERVAL], 10Mb/s or 1MB/s@20ms, not '%s'", v);
	unsigned __int128 per = (unsigned __int128)bytes * s->rate_usecs / 1000000;
	if (!per || per >= VIF_RATE_UNLIMITED)
		return bad(p, "rate=%s leaves nothing for an interval, or is beyond all measure",
			   v);
	s->rate_bytes = (uint64_t)per;
	return 0;
}

static int set_devid(struct parser *p, const char *v)
{
	unsigned n;

	if (!number(v, 0, 255, &n))
		return bad(p, "devid is 0 to 255, not '%s'", v);
	p->spec->devid = (int)n;
	return 0;
}

static int set_mtu(struct parser *p, const char *v)
{
	return number(v, VIF_MTU_MIN, VIF_MTU_MAX, &p->spec->mtu)
		       ? 0
		       : bad(p, "mtu is %d to %d, not '%s'", VIF_MTU_MIN, VIF_MTU_MAX, v);
}

static int set_trusted(struct parser *p, const char *v)
{
	bool no = !strcmp(v, "0") || !strcmp(v, "false") || !strcmp(v, "no");

	if (!no && strcmp(v, "1") && strcmp(v, "true") && strcmp(v, "yes"))
		return bad(p, "trusted is 0 or 1, not '%s'", v);
	p->spec->untrusted = no;
	return 0;
}

/* ---- ours ---- */

static int set_net(struct parser *p, const char *v)
{
	for (unsigned i = 0; i < NR_VIF_NETS; i++)
		if (!strcmp(v, nets[i])) {
			p->spec->net = (enum vif_net)i;
			p->has_net = true;
			return 0;
		}
	return bad(p, "net is user, tap or socket, not '%s'", v);
}

static int set_path(struct parser *p, const char *v)
{
	return copy(p->spec->path, sizeof(p->spec->path), v)
		       ? 0
		       : bad(p, "path takes 1 to %zu characters", sizeof(p->spec->path) - 1);
}

static int set_pcap(struct parser *p, const char *v)
{
	return copy(p->spec->pcap, sizeof(p->spec->pcap), v)
		       ? 0
		       : bad(p, "pcap takes the path of a file, 1 to %zu characters",
			     sizeof(p->spec->pcap) - 1);
}

static int set_forward(struct parser *p, const char *v)
{
	struct vif_spec *s = p->spec;

	if (s->nr_forwards == VIF_MAX_FORWARDS)
		return bad(p, "at most %d ports can be forwarded", VIF_MAX_FORWARDS);
	return vif_forward_parse(&s->forward[s->nr_forwards++], v, p->err, p->errlen);
}

static int set_network(struct parser *p, const char *v)
{
	struct vif_spec *s = p->spec;
	char text[32], *slash;
	unsigned bits = 24;

	p->has_network = true;
	if (copy(text, sizeof(text), v)) {
		slash = strchr(text, '/');
		if (slash)
			*slash++ = 0;
		if ((!slash || number(slash, 8, 27, &bits)) && inet_aton(text, &s->network)) {
			s->netmask.s_addr = htonl(~0u << (32 - bits));
			if (!(s->network.s_addr & ~s->netmask.s_addr))
				return 0;
		}
	}
	return bad(p, "network takes ADDRESS/BITS of 8 to 27 bits, 10.0.2.0/24, not '%s'", v);
}

static int set_hostname(struct parser *p, const char *v)
{
	return copy(p->spec->hostname, sizeof(p->spec->hostname), v)
		       ? 0
		       : bad(p, "hostname takes 1 to %zu characters",
			     sizeof(p->spec->hostname) - 1);
}

static int set_domain(struct parser *p, const char *v)
{
	return copy(p->spec->domain, sizeof(p->spec->domain), v)
		       ? 0
		       : bad(p, "domain takes 1 to %zu characters", sizeof(p->spec->domain) - 1);
}

static int set_queues(struct parser *p, const char *v)
{
	return number(v, 1, VIF_MAX_QUEUES, &p->spec->max_queues)
		       ? 0
		       : bad(p, "queues is 1 to %d, not '%s'", VIF_MAX_QUEUES, v);
}

static const struct {
	const char *key;
	int (*set)(struct parser *p, const char *value);
} keys[] = {
	{"mac", set_mac},	    {"bridge", set_bridge}, {"gatewaydev", set_gatewaydev},
	{"type", set_type},	    {"model", ignored},	    {"vifname", set_vifname},
	{"script", set_script},	    {"ip", set_ip},	    {"backend", set_backend},
	{"rate", set_rate},	    {"devid", set_devid},   {"mtu", set_mtu},
	{"trusted", set_trusted},   {"net", set_net},	    {"path", set_path},
	{"pcap", set_pcap},	    {"fwd", set_forward},   {"network", set_network},
	{"hostname", set_hostname}, {"domain", set_domain}, {"queues", set_queues},
};
#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct {
	const char *word;
	size_t offset; /* of the bool */
} flags[] = {
	{"restrict", offsetof(struct vif_spec, restricted)},
	{"no-host", offsetof(struct vif_spec, no_host)},
	{"no-sg", offsetof(struct vif_spec, no_sg)},
	{"no-gso", offsetof(struct vif_spec, no_gso)},
	{"no-csum", offsetof(struct vif_spec, no_csum)},
	{"no-split", offsetof(struct vif_spec, no_split)},
	{"no-multicast", offsetof(struct vif_spec, no_multicast)},
	{"no-ctrl", offsetof(struct vif_spec, no_ctrl)},
};

static int field(struct parser *p, const char *text)
{
	const char *eq = strchr(text, '=');
	size_t len = eq ? (size_t)(eq - text) : strlen(text);

	for (unsigned i = 0; eq && i < NR_KEYS; i++)
		if (strlen(keys[i].key) == len && !strncmp(keys[i].key, text, len))
			return keys[i].set(p, eq + 1);
	for (unsigned i = 0; !eq && i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(flags[i].word, text)) {
			*((bool *)p->spec + flags[i].offset) = true;
			return 0;
		}
	if (!strcmp(text, "accel") || !strncmp(text, "accel=", 6))
		return bad(p, "accel is of Xen's past; leave it away");
	return eq ? bad(p, "unknown key in '%s'", text)
		  : bad(p, "'%s' is no KEY=VALUE that an interface has", text);
}

/* ---- what fits together ---- */

static void choose_mac(struct vif_spec *s)
{
	/* Xen's own range, as libxl does. */
	s->mac[0] = 0x00;
	s->mac[1] = 0x16;
	s->mac[2] = 0x3e;
	if (getrandom(s->mac + 3, 3, 0) != 3)
		memset(s->mac + 3, 1, 3);
	s->mac[3] &= 0x7f;
}

/* The last number of the network is left to broadcasts, the first four are ours. */
static int check_user(struct parser *p)
{
	struct vif_spec *s = p->spec;

	if (!s->network.s_addr) {
		s->network.s_addr = htonl(0x0a000200);
		s->netmask.s_addr = htonl(0xffffff00);
		/* xl's files know the guest's address, and nothing of our network. */
		if (inet_aton(s->ip, &s->address))
			s->network.s_addr = s->address.s_addr & s->netmask.s_addr;
	}
	s->address.s_addr = htonl(ntohl(s->network.s_addr) + 15);
	if (!s->ip[0])
		return 0;
	if (!inet_aton(s->ip, &s->address))
		return bad(p, "ip=%s: net=user takes one IPv4 address", s->ip);
	uint32_t host = ntohl(s->address.s_addr) & ~ntohl(s->netmask.s_addr);
	if ((s->address.s_addr & s->netmask.s_addr) != s->network.s_addr || host < 4 ||
	    host == ~ntohl(s->netmask.s_addr))
		return bad(p,
			   "ip=%s is not in the network, or is an address of its own; see "
			   "network=",
			   s->ip);
	return 0;
}

static int check(struct parser *p)
{
	struct vif_spec *s = p->spec;

	if (!p->has_net)
		s->net = s->bridge[0] ? VIF_NET_TAP : s->path[0] ? VIF_NET_SOCKET : VIF_NET_USER;
	if (s->bridge[0] && s->net != VIF_NET_TAP)
		return bad(p, "bridge=%s is for net=tap, not for net=%s", s->bridge, nets[s->net]);
	if (s->path[0] && s->net != VIF_NET_SOCKET)
		return bad(p, "path= is for net=socket, not for net=%s", nets[s->net]);
	if (s->net == VIF_NET_SOCKET && !s->path[0])
		return bad(p, "net=socket needs path=, the same for both guests");
	if (s->net == VIF_NET_TAP && !s->bridge[0] && !s->vifname[0])
		return bad(p, "net=tap needs bridge=, or vifname= of an interface that you "
			      "configure");
	if (s->net != VIF_NET_USER && (s->nr_forwards || p->has_network || s->hostname[0] ||
				       s->domain[0] || s->restricted || s->no_host))
		return bad(p,
			   "fwd, network, hostname, domain, restrict and no-host are for "
			   "net=user, not for net=%s",
			   nets[s->net]);
	if (s->no_sg && !s->no_gso)
		s->no_gso = true;
	if (!p->has_mac)
		choose_mac(s);
	return s->net == VIF_NET_USER ? check_user(p) : 0;
}

int vif_spec_parse(struct vif_spec *spec, const char *text, char *err, size_t errlen)
{
	struct parser p = {.spec = spec, .err = err, .errlen = errlen};
	char *own = strdup(text), *rest = own, *word;
	int rc = own ? 0 : bad(&p, "out of memory");

	memset(spec, 0, sizeof(*spec));
	spec->devid = -1;
	spec->rate_bytes = VIF_RATE_UNLIMITED;
	while (!rc && (word = strsep(&rest, ","))) {
		word += strspn(word, " \t");
		for (size_t n = strlen(word); n && (word[n - 1] == ' ' || word[n - 1] == '\t');)
			word[--n] = 0;
		if (*word)
			rc = field(&p, word);
	}
	if (!rc)
		rc = check(&p);
	free(own);
	return rc;
}
