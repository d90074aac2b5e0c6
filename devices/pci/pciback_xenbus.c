/*
 * The PCI backend's keys in xenstore, as libxl (libxl_pci.c) and Linux's xen-pciback
 * (xenbus.c) write them, and the states in which functions come and go:
 *
 *   state-N Initialising, state Reconfiguring   ours (libxl's part): a new function
 *   state-N Closing, state Reconfiguring        the same: one that is to go
 *   frontend Reconfiguring                      it let go what is Closing
 *   vdev-N, state-N Initialised, Reconfigured   ours (pciback's part)
 *   frontend Connected                          it found what is new
 *   Connected; the keys of what went go         ours
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/pciback_internal.h"
#include "devices/xenstore/local.h"

#define KEY_SIZE 32

static const char *key(char buf[KEY_SIZE], const char *name, unsigned i)
{
	snprintf(buf, KEY_SIZE, "%s-%u", name, i);
	return buf;
}

static void set_state(struct pciback *p, unsigned i, enum xenbus_state state)
{
	char k[KEY_SIZE];

	p->fn[i]->f.state = state;
	backend_write(&p->b, key(k, "state", i), "%d", (int)state);
}

/* ---- what libxl writes ---- */

static int publish_fn(struct pciback *p, unsigned i)
{
	struct pci_fn *fn = p->fn[i];
	const struct pciback_options *o = &fn->f.options;
	char k[KEY_SIZE], bdf[HOST_BDF_SIZE];

	host_bdf_print(&fn->f.host, bdf);
	backend_write(&p->b, key(k, "key", i), "%s", bdf);
	backend_write(&p->b, key(k, "dev", i), "%s", bdf);
	if (o->vslot > 0)
		backend_write(&p->b, key(k, "vdevfn", i), "%x", (unsigned)o->vslot << 3);
	if (fn->name[0])
		backend_write(&p->b, key(k, "name", i), "%s", fn->name);
	backend_write(&p->b, key(k, "opts", i),
		      "msitranslate=%d,power_mgmt=%d,permissive=%d,rdm_policy=%s", o->msitranslate,
		      o->power_mgmt, o->permissive, o->rdm_relaxed ? "relaxed" : "strict");
	set_state(p, i, XenbusStateInitialising);
	fn->published = true;
	return backend_write(&p->b, "num_devs", "%u", i + 1);
}

/* The keys of the functions behind it get the numbers before theirs. */
static void unpublish_fn(struct pciback *p, unsigned i)
{
	static const char *const names[] = {"state", "dev",    "key", "vdev",
					    "opts",  "vdevfn", "name"};
	unsigned nr = 0;
	char path[2 * BACKEND_PATH_SIZE], k[KEY_SIZE];

	while (nr < p->nr && p->fn[nr]->published)
		nr++;
	for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
		for (unsigned j = i; j < nr; j++) {
			snprintf(path, sizeof(path), "%s/%s-%u", p->b.be_path, names[n], j + 1);
			char *next = j + 1 < nr ? xenstore_read(p->b.xenstore, path) : NULL;
			if (next) {
				backend_write(&p->b, key(k, names[n], j), "%s", next);
			} else {
				snprintf(path, sizeof(path), "%s/%s-%u", p->b.be_path, names[n], j);
				xenstore_remove(p->b.xenstore, path);
			}
			free(next);
		}
	backend_write(&p->b, "num_devs", "%u", nr - 1);
}

/* ---- what pciback writes ---- */

/* Roots stay until the directory goes: there is no way to take one from a frontend. */
static void publish_root(struct pciback *p, const struct host_bdf *at)
{
	char k[KEY_SIZE];

	for (unsigned i = 0; i < p->nr_roots; i++)
		if (p->root[i].domain == at->domain && p->root[i].bus == at->bus)
			return;
	if (p->nr_roots == PCIBACK_MAX_ROOTS)
		return;
	backend_write(&p->b, key(k, "root", p->nr_roots), "%04x:%02x", at->domain, at->bus);
	p->root[p->nr_roots++] = *at;
	backend_write(&p->b, "root_num", "%u", p->nr_roots);
}

static void export_fn(struct pciback *p, unsigned i)
{
	struct pci_fn *fn = p->fn[i];
	const struct host_bdf *g = &fn->f.guest;
	char k[KEY_SIZE];

	backend_write(&p->b, key(k, "vdev", i), "%04x:%02x:%02x.%02x", g->domain, g->bus, g->device,
		      g->function);
	fn->exported = true;
	publish_root(p, g);
	set_state(p, i, XenbusStateInitialised);
}

/* ---- coming and going ---- */

static void drop(struct pciback *p, unsigned i)
{
	struct pci_fn *fn = p->fn[i];

	if (fn->f.device)
		pciback_release(p, fn);
	if (fn->published)
		unpublish_fn(p, i);
	memmove(&p->fn[i], &p->fn[i + 1], (p->nr - i - 1) * sizeof(p->fn[0]));
	p->nr--;
	free(fn);
}

/* Those that a frontend has never seen, or sees no more. */
static void drop_unwanted(struct pciback *p, bool all)
{
	for (unsigned i = p->nr; i-- > 0;)
		if (p->fn[i]->unwanted && (all || !p->fn[i]->published))
			drop(p, i);
}

/* The frontend is told of everything at once. */
static void ask(struct pciback *p)
{
	bool any = false;

	for (unsigned i = 0; i < p->nr; i++) {
		if (!p->fn[i]->published) {
			publish_fn(p, i);
			any = true;
		} else if (p->fn[i]->unwanted) {
			set_state(p, i, XenbusStateClosing);
			any = true;
		}
	}
	if (any)
		backend_set_state(&p->b, XenbusStateReconfiguring);
}

/* There is no directory. */
static void forget_keys(struct pciback *p)
{
	p->live = false;
	for (unsigned i = 0; i < p->nr; i++) {
		p->fn[i]->published = p->fn[i]->exported = false;
		p->fn[i]->f.state = XenbusStateInitialising;
	}
}

static int create(struct pciback *p)
{
	int rc;

	p->b = (struct backend){
		.class = &pciback_class,
		.loop = p->params.loop,
		.xenstore = p->params.xenstore,
		.domain = p->params.host->domain,
	};
	p->nr_roots = 0;
	p->live = true;
	rc = backend_create(&p->b);
	if (rc) {
		forget_keys(p);
		domain_log(p->b.domain, LOG_ERROR, "pci 0: the backend cannot be made: %s",
			   strerror(-rc));
	}
	return rc;
}

int pciback_pump(struct pciback *p)
{
	if (p->ending)
		return 0;
	if (!p->live) {
		drop_unwanted(p, true);
		return p->nr ? create(p) : 0;
	}
	if (p->b.detaching)
		return 0;
	if (p->b.connected) {
		drop_unwanted(p, false);
		/* One change after the other. */
		if (p->b.state != XenbusStateConnected)
			return 0;
		if (p->nr) {
			ask(p);
			return 0;
		}
	} else {
		drop_unwanted(p, true);
		for (unsigned i = 0; i < p->nr; i++) {
			if (!p->fn[i]->published)
				publish_fn(p, i);
			if (!p->fn[i]->exported)
				export_fn(p, i);
		}
	}
	if (!p->nr)
		backend_detach(&p->b);
	return 0;
}

/* ---- the backend's class ---- */

static int publish(struct backend *b)
{
	struct pciback *p = pciback_of(b);

	backend_write(b, "domain", "%s", b->domain->name);
	for (unsigned i = 0; i < p->nr; i++) {
		int rc = publish_fn(p, i);
		if (rc)
			return rc;
	}
	for (unsigned i = 0; i < p->nr; i++)
		export_fn(p, i);
	return 0;
}

static void on_event(void *arg, uint32_t events)
{
	struct pciback *p = arg;
	eventfd_t n;

	if (eventfd_read(p->event_fd, &n) || !p->shared)
		return;
	pciback_serve(p);
	pciback_aer_answered(p);
}

static int check_magic(struct backend *b)
{
	char *magic = backend_frontend_string(b, "magic");
	int rc = magic && !strcmp(magic, XEN_PCI_MAGIC) ? 0 : -EFAULT;

	if (rc)
		backend_error(b, rc, "version mismatch (%.16s/%s) with pcifront",
			      magic ? magic : "none", XEN_PCI_MAGIC);
	free(magic);
	return rc;
}

static void unmap(struct pciback *p)
{
	p->shared = NULL;
	ring_unmap(&p->page);
	if (p->event_fd >= 0) {
		event_loop_del(p->b.loop, p->event_fd);
		close(p->event_fd);
		p->event_fd = -1;
	}
}

static int open_event(struct pciback *p)
{
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->event_fd < 0)
		return -errno;
	int rc = event_loop_add(p->b.loop, p->event_fd, EPOLLIN, on_event, p);
	return rc ? rc : backend_bind_port(&p->b, p->port, p->event_fd);
}

static int connect(struct backend *b)
{
	struct pciback *p = pciback_of(b);
	uint64_t ref, port;

	int rc = backend_frontend_number(b, "pci-op-ref", UINT32_MAX, &ref);
	if (!rc)
		rc = backend_frontend_number(b, "event-channel", UINT32_MAX, &port);
	if (rc) {
		backend_error(b, rc, "reading the configuration from the frontend");
		return rc;
	}
	rc = check_magic(b);
	if (rc)
		return rc;
	rc = ring_map(&p->page, b->domain, &(grant_ref_t){(grant_ref_t)ref}, 1);
	if (rc) {
		backend_error(b, rc, "mapping the shared page (grant %u)", (unsigned)ref);
		return rc;
	}
	p->shared = (struct xen_pci_sharedinfo *)(void *)p->page.page[0];
	p->port = (evtchn_port_t)port;
	rc = open_event(p);
	if (rc) {
		backend_error(b, rc, "binding event channel %u", p->port);
		unmap(p);
	}
	return rc;
}

static void disconnect(struct backend *b)
{
	struct pciback *p = pciback_of(b);

	pciback_aer_forget(p, NULL);
	pciback_late_close(p);
	evtchn_backend_close(b->domain, p->port);
	unmap(p);
	for (unsigned i = 0; i < p->nr; i++)
		if (p->fn[i]->f.device)
			conf_space_quiet(&p->fn[i]->conf);
}

/* The frontend has let go what is Closing, and will look for what is new. */
static bool reconfigure(struct backend *b)
{
	struct pciback *p = pciback_of(b);

	if (b->state != XenbusStateReconfiguring)
		return false;
	for (unsigned i = 0; i < p->nr; i++) {
		struct pci_fn *fn = p->fn[i];

		if (fn->published && !fn->exported)
			export_fn(p, i);
		else if (fn->f.state == XenbusStateClosing && fn->f.device)
			pciback_release(p, fn);
	}
	return true;
}

static void changed(struct backend *b, enum xenbus_state frontend)
{
	struct pciback *p = pciback_of(b);

	if (frontend == XenbusStateConnected && b->state == XenbusStateReconfigured) {
		backend_set_state(b, XenbusStateConnected);
		for (unsigned i = p->nr; i-- > 0;)
			if (!p->fn[i]->f.device)
				drop(p, i);
	}
	pciback_pump(p);
}

static void destroy(struct backend *b)
{
	struct pciback *p = pciback_of(b);

	forget_keys(p);
	pciback_pump(p);
}

const struct backend_class pciback_class = {
	.type = "pci",
	.waiting = XenbusStateInitialised,
	.publish = publish,
	.connect = connect,
	.disconnect = disconnect,
	.reconfigure = reconfigure,
	.changed = changed,
	.destroy = destroy,
	.inspect = pciback_inspect,
};
