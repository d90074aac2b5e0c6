/*
 * The tree that libxl 4.17 makes for a PV domU (tools/libs/light: libxl_create.c,
 * libxl_dom.c, libxl_console.c): what the toolstack wrote is n0,rN; what the guest
 * may write is its own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "devices/xenstore/xenstore.h"

struct maker {
	struct xenstore *xs;
	uint16_t domid;
	int rc;
};

static void put(struct maker *m, const struct xs_perms *perms, const char *value, const char *fmt,
		va_list ap)
{
	struct view v = {.xs = m->xs};
	char path[PATH_SIZE];
	struct node *n;

	vsnprintf(path, sizeof(path), fmt, ap);
	if (!m->rc && view_read(&v, path, &n))
		m->rc = -view_create(&v, path, NULL, 0);
	if (m->rc || view_read(&v, path, &n))
		return;
	m->rc = -view_set_perms(&v, n, perms);
	if (!m->rc)
		m->rc = -view_set_data(&v, n, value, strlen(value));
}

/* Domain 0's alone: what is above the domain's own directories. */
static __attribute__((format(printf, 3, 4))) void priv(struct maker *m, const char *value,
						       const char *fmt, ...)
{
	struct xs_perm p = {0, XS_PERM_NONE, false};
	va_list ap;

	va_start(ap, fmt);
	put(m, &(const struct xs_perms){1, &p}, value, fmt, ap);
	va_end(ap);
}

/* Domain 0's, readable by the guest. */
static __attribute__((format(printf, 3, 4))) void ro(struct maker *m, const char *value,
						     const char *fmt, ...)
{
	struct xs_perm p[] = {{0, XS_PERM_NONE, false}, {m->domid, XS_PERM_READ, false}};
	va_list ap;

	va_start(ap, fmt);
	put(m, &(const struct xs_perms){2, p}, value, fmt, ap);
	va_end(ap);
}

/* The guest's own. */
static __attribute__((format(printf, 3, 4))) void rw(struct maker *m, const char *value,
						     const char *fmt, ...)
{
	struct xs_perm p = {m->domid, XS_PERM_NONE, false};
	va_list ap;

	va_start(ap, fmt);
	put(m, &(const struct xs_perms){1, &p}, value, fmt, ap);
	va_end(ap);
}

/* The guest's, readable by domain 0. */
static __attribute__((format(printf, 3, 4))) void front(struct maker *m, const char *value,
							const char *fmt, ...)
{
	struct xs_perm p[] = {{m->domid, XS_PERM_NONE, false}, {0, XS_PERM_READ, false}};
	va_list ap;

	va_start(ap, fmt);
	put(m, &(const struct xs_perms){2, p}, value, fmt, ap);
	va_end(ap);
}

static void uuid_text(const uint8_t *h, char out[40])
{
	snprintf(out, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12],
		 h[13], h[14], h[15]);
}

static const char *number(char buf[24], uint64_t n)
{
	snprintf(buf, 24, "%llu", (unsigned long long)n);
	return buf;
}

/* xenstored's own nodes, and domain 0's as xen-init-dom0 makes them. */
int tree_start(struct xenstore *xs)
{
	struct xs_perm p = {0, XS_PERM_NONE, false};
	struct node *root = node_new("/", &(const struct xs_perms){1, &p});
	struct maker maker = {.xs = xs}, *m = &maker;

	if (!root)
		return -ENOMEM;
	store_put(&xs->store, root);
	domain_charge_node(xs, 0, root, 1);
	domain_count_nodes(xs, 0, 1);
	priv(m, "", "/tool/xenstored");
	return m->rc;
}

static void console(struct maker *m, const struct xenstore_domain *xd, const char *dom)
{
	char n[24], domid[24], back[96], at[96];

	number(domid, m->domid);
	snprintf(back, sizeof(back), "/local/domain/0/backend/console/%u/0", m->domid);
	snprintf(at, sizeof(at), "%s/console", dom);
	priv(m, "", "/local/domain/0/backend/console/%u", m->domid);
	ro(m, "", "%s", back);
	ro(m, at, "%s/frontend", back);
	ro(m, domid, "%s/frontend-id", back);
	ro(m, "1", "%s/online", back);
	ro(m, "1", "%s/state", back);
	ro(m, "vt100", "%s/protocol", back);
	ro(m, "", "%s", at);
	ro(m, back, "%s/backend", at);
	front(m, "0", "%s/backend-id", at);
	ro(m, "1048576", "%s/limit", at);
	ro(m, xd->console_type, "%s/type", at);
	ro(m, "pty", "%s/output", at);
	ro(m, xd->tty ? xd->tty : "", "%s/tty", at);
	ro(m, number(n, xd->console_port), "%s/port", at);
	ro(m, number(n, xd->console_mfn), "%s/ring-ref", at);
}

static void vm_nodes(struct maker *m, const struct xenstore_domain *xd, const char *vm,
		     const char *uuid)
{
	char start[40];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(start, sizeof(start), "%lld.%02ld", (long long)now.tv_sec, now.tv_nsec / 10000000);
	priv(m, "", "/vm");
	ro(m, "", "%s", vm);
	ro(m, xd->domain->name, "%s/name", vm);
	ro(m, uuid, "%s/uuid", vm);
	ro(m, "", "%s/image", vm);
	ro(m, "linux", "%s/image/ostype", vm);
	if (xd->kernel)
		ro(m, xd->kernel, "%s/image/kernel", vm);
	ro(m, start, "%s/start_time", vm);
	if (xd->ramdisk)
		ro(m, xd->ramdisk, "%s/image/ramdisk", vm);
	if (xd->cmdline)
		ro(m, xd->cmdline, "%s/image/cmdline", vm);
}

int tree_build(struct xenstore *xs, const struct xenstore_domain *xd)
{
	const struct domain *d = xd->domain;
	struct maker maker = {.xs = xs, .domid = d->domid}, *m = &maker;
	char uuid[40], n[24], dom[64], vm[64];
	static const char *const own_dirs[] = {"data", "drivers", "feature", "attr", "error"};
	static const char *const features[] = {"poweroff", "reboot", "suspend"};

	uuid_text(d->handle, uuid);
	snprintf(dom, sizeof(dom), "/local/domain/%u", d->domid);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);

	priv(m, "0", "/local/domain/0/domid");
	priv(m, "Domain-0", "/local/domain/0/name");
	ro(m, "", "%s", dom);
	ro(m, vm, "%s/vm", dom);
	ro(m, d->name, "%s/name", dom);
	ro(m, "", "%s/cpu", dom);
	for (unsigned i = 0; i < d->nr_vcpus; i++) {
		ro(m, "", "%s/cpu/%u", dom, i);
		ro(m, i < xd->vcpus_online ? "online" : "offline", "%s/cpu/%u/availability", dom,
		   i);
	}
	ro(m, "", "%s/memory", dom);
	ro(m, number(n, xd->maxmem_kib), "%s/memory/static-max", dom);
	ro(m, number(n, xd->memory_kib), "%s/memory/target", dom);
	ro(m, "0", "%s/memory/videoram", dom);
	ro(m, "", "%s/device", dom);
	ro(m, "", "%s/device/suspend", dom);
	rw(m, "", "%s/device/suspend/event-channel", dom);
	ro(m, "", "%s/control", dom);
	rw(m, "", "%s/control/shutdown", dom);
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		rw(m, "", "%s/control/feature-%s", dom, features[i]);
	rw(m, "", "%s/control/sysrq", dom);
	ro(m, "1", "%s/control/platform-feature-multiprocessor-suspend", dom);
	ro(m, "1", "%s/control/platform-feature-xs_reset_watches", dom);
	for (unsigned i = 0; i < sizeof(own_dirs) / sizeof(own_dirs[0]); i++)
		rw(m, "", "%s/%s", dom, own_dirs[i]);
	ro(m, number(n, d->domid), "%s/domid", dom);
	ro(m, "", "%s/store", dom);
	ro(m, number(n, xd->store_port), "%s/store/port", dom);
	ro(m, number(n, xd->store_mfn), "%s/store/ring-ref", dom);
	console(m, xd, dom);
	vm_nodes(m, xd, vm, uuid);
	return m->rc;
}
