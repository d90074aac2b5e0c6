/*
 * The tree that libxl 4.17 makes for a PV domU (tools/libs/light: libxl_create.c,
 * libxl_dom.c, libxl_console.c): what the toolstack wrote is n0,rN; what the guest
 * may write is its own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

struct maker {
	struct xenstore *xs;
	uint16_t domid;
	int rc;
};

static void put(struct maker *m, const struct xs_perms *perms, const char *value, const char *fmt,
		va_list ap)
{
	char path[PATH_SIZE];

	if (m->rc)
		return;
	vsnprintf(path, sizeof(path), fmt, ap);
	struct node *n = store_make(&m->xs->store, path, 0);
	if (!n) {
		m->rc = -ENOMEM;
		return;
	}
	store_set_perms(&m->xs->store, n, perms);
	if (value)
		m->rc = store_set(&m->xs->store, n, value, strlen(value));
}

/* Domain 0's, readable by the guest. */
static __attribute__((format(printf, 3, 4))) void ro(struct maker *m, const char *value,
						     const char *fmt, ...)
{
	struct xs_perms p = {.nr = 2, .p = {{0, XS_PERM_NONE}, {m->domid, XS_PERM_READ}}};
	va_list ap;

	va_start(ap, fmt);
	put(m, &p, value, fmt, ap);
	va_end(ap);
}

/* The guest's own. */
static __attribute__((format(printf, 3, 4))) void rw(struct maker *m, const char *value,
						     const char *fmt, ...)
{
	struct xs_perms p = {.nr = 1, .p = {{m->domid, XS_PERM_NONE}}};
	va_list ap;

	va_start(ap, fmt);
	put(m, &p, value, fmt, ap);
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

int tree_build(struct xenstore *xs, const struct xenstore_domain *xd)
{
	const struct domain *d = xd->domain;
	struct maker maker = {.xs = xs, .domid = d->domid}, *m = &maker;
	char uuid[40], n[24], dom[64], vm[64], back[96], front[96];
	static const char *const own_dirs[] = {"data", "drivers", "feature", "attr", "error"};
	static const char *const features[] = {"poweroff", "reboot", "suspend"};

	uuid_text(d->handle, uuid);
	snprintf(dom, sizeof(dom), "/local/domain/%u", d->domid);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);
	snprintf(back, sizeof(back), "/local/domain/0/backend/console/%u/0", d->domid);
	snprintf(front, sizeof(front), "%s/console", dom);

	ro(m, uuid, "%s/uuid", vm);
	ro(m, d->name, "%s/name", vm);
	ro(m, "linux", "%s/image/ostype", vm);

	ro(m, "", "%s", dom);
	ro(m, vm, "%s/vm", dom);
	ro(m, d->name, "%s/name", dom);
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		ro(m, i < xd->vcpus_online ? "online" : "offline", "%s/cpu/%u/availability", dom,
		   i);
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
	ro(m, number(n, xd->store_port), "%s/store/port", dom);
	ro(m, number(n, xd->store_mfn), "%s/store/ring-ref", dom);

	ro(m, back, "%s/backend", front);
	ro(m, "0", "%s/backend-id", front);
	rw(m, "1048576", "%s/limit", front);
	rw(m, xd->console_type, "%s/type", front);
	rw(m, "pty", "%s/output", front);
	rw(m, xd->tty ? xd->tty : "", "%s/tty", front);
	ro(m, number(n, xd->console_port), "%s/port", front);
	ro(m, number(n, xd->console_mfn), "%s/ring-ref", front);
	ro(m, front, "%s/frontend", back);
	ro(m, number(n, d->domid), "%s/frontend-id", back);
	ro(m, "1", "%s/online", back);
	ro(m, "1", "%s/state", back);
	ro(m, "xterm", "%s/protocol", back);
	return m->rc;
}
