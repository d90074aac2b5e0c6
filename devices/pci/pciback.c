/*
 * The functions of a guest, and what the VMM does with them: see pciback.h.
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

void pciback_later(struct pciback *p)
{
	eventfd_write(p->later_fd, 1);
}

static void on_later(void *arg, uint32_t events)
{
	struct pciback *p = arg;
	eventfd_t n;

	if (eventfd_read(p->later_fd, &n))
		return;
	pciback_aer_begin(p);
	pciback_pump(p);
}

struct pciback *pciback_create(const struct pciback_params *params)
{
	struct pciback *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->params = *params;
	p->later_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->later_fd < 0 || event_loop_add(params->loop, p->later_fd, EPOLLIN, on_later, p)) {
		close(p->later_fd);
		free(p);
		return NULL;
	}
	p->event_fd = p->recovery.timer_fd = p->late.timer_fd = -1;
	p->patience_seconds = PCIBACK_PATIENCE_SECONDS;
	domain_raise_pirqs(params->host->domain);
	return p;
}

void pciback_release(struct pciback *p, struct pci_fn *fn)
{
	struct pci_device *d = fn->f.device;
	struct pci_irqs *irqs = d->irqs;

	fn->exported = false;
	pciback_aer_forget(p, fn);
	if (p->params.gone)
		p->params.gone(p->params.arg, &fn->f);
	pci_irqs_close_line(irqs);
	conf_space_quiet(&fn->conf);
	p->params.host->unplace(p->params.host, d);
	fn->f.device = NULL;
	d->ops->destroy(d);
	pci_irqs_free(irqs);
}

void pciback_destroy(struct pciback *p)
{
	if (!p)
		return;
	p->ending = true;
	if (p->live)
		backend_destroy(&p->b);
	while (p->nr) {
		struct pci_fn *fn = p->fn[--p->nr];

		if (fn->f.device)
			pciback_release(p, fn);
		free(fn);
	}
	pciback_aer_close(p);
	pciback_late_close(p);
	event_loop_del(p->params.loop, p->later_fd);
	close(p->later_fd);
	free(p);
}

/* ---- a new one ---- */

static void on_error(void *owner, enum pci_aer_severity severity)
{
	pciback_error(owner, severity);
}

static void on_leave(void *owner)
{
	struct pci_fn *fn = owner;

	fn->unwanted = true;
	pciback_later(fn->pciback);
}

static bool host_address_used(const struct pciback *p, const struct host_bdf *b)
{
	for (unsigned i = 0; i < p->nr; i++) {
		const struct host_bdf *h = &p->fn[i]->f.host;

		if (p->fn[i]->f.device && h->domain == b->domain && h->bus == b->bus &&
		    pci_devfn(h) == pci_devfn(b))
			return true;
	}
	return false;
}

static int find_host_address(const struct pciback *p, struct pci_fn *fn)
{
	if (fn->f.options.has_host) {
		fn->f.host = fn->f.options.host;
		return host_address_used(p, &fn->f.host) ? -EEXIST : 0;
	}
	fn->f.host = (struct host_bdf){.domain = PCIBACK_OWN_DOMAIN};
	while (host_address_used(p, &fn->f.host))
		if (++fn->f.host.device == 32) {
			fn->f.host.device = 0;
			fn->f.host.bus++;
		}
	return 0;
}

static int create_irqs(struct pci_fn *fn)
{
	struct pci_device *d = fn->f.device;
	uint32_t pin;
	int rc = d->ops->config_read(d, PCI_INTERRUPT_PIN, 1, &pin);

	if (!rc)
		rc = pci_irqs_create(d, pin);
	if (rc)
		return rc;
	d->irqs->aer = on_error;
	d->irqs->leave = on_leave;
	d->irqs->owner = fn;
	return 0;
}

static void free_irqs(struct pci_device *d)
{
	if (d->irqs)
		pci_irqs_free(d->irqs);
	d->irqs = NULL;
}

/* Everything but what the guest sees. 0, or negative errno and what it is about. */
static int set_up(struct pciback *p, struct pci_fn *fn, const char **what)
{
	struct pci_device *d = fn->f.device;

	*what = "its address on the host";
	int rc = find_host_address(p, fn);
	if (rc)
		return rc;
	*what = "its slot";
	rc = pciback_assign_slot(p, fn);
	if (rc)
		return rc;
	*what = "its interrupt";
	rc = create_irqs(fn);
	if (rc)
		return rc;
	*what = "the addresses of its BARs";
	rc = p->params.host->place(p->params.host, d);
	if (rc)
		return rc;
	*what = "its configuration space";
	rc = conf_space_init(&fn->conf, d, fn->f.options.permissive);
	for (unsigned i = 0; !rc && i < fn->f.options.nr_quirks; i++)
		rc = conf_space_add_quirk(&fn->conf, fn->f.options.quirk[i].offset,
					  fn->f.options.quirk[i].size);
	if (rc)
		p->params.host->unplace(p->params.host, d);
	return rc;
}

static const char *why(int rc)
{
	switch (rc) {
	case -EEXIST:
		return "another function of the guest's has it";
	case -ENOSPC:
		return "there is no room for another function";
	case -ENOTSUP:
		return "it is a bridge, which no guest can have";
	default:
		return strerror(-rc);
	}
}

int pciback_add(struct pciback *p, struct pci_device *d, const struct pciback_options *o, char *err,
		size_t errlen)
{
	const char *what = "pci function";

	struct pci_fn *fn = p->nr < PCIBACK_MAX_FUNCTIONS ? calloc(1, sizeof(*fn)) : NULL;
	int rc = fn ? 0 : p->nr < PCIBACK_MAX_FUNCTIONS ? -ENOMEM : -ENOSPC;
	if (!rc) {
		fn->pciback = p;
		fn->f.device = d;
		fn->f.options = *o;
		snprintf(fn->name, sizeof(fn->name), "%s", o->name ? o->name : "");
		fn->f.options.name = fn->name[0] ? fn->name : NULL;
		fn->f.state = XenbusStateInitialising;
		rc = set_up(p, fn, &what);
	}
	if (!rc) {
		p->fn[p->nr++] = fn;
		what = "its keys in xenstore";
		rc = pciback_pump(p);
		if (!rc)
			return 0;
		p->nr--;
		p->params.host->unplace(p->params.host, d);
	}
	snprintf(err, errlen, "%s: %s: %s", d->name, what, why(rc));
	free_irqs(d);
	free(fn);
	return rc;
}

/* ---- those that are there ---- */

int pciback_remove(struct pciback *p, const struct pciback_function *f, bool force)
{
	for (unsigned i = 0; i < p->nr; i++) {
		struct pci_fn *fn = p->fn[i];

		if (&fn->f != f || !fn->f.device)
			continue;
		fn->unwanted = true;
		if (force)
			pciback_release(p, fn);
		pciback_pump(p);
		return 0;
	}
	return -ENOENT;
}

const struct pciback_function *pciback_at(const struct pciback *p, unsigned i)
{
	for (unsigned j = 0; j < p->nr; j++)
		if (p->fn[j]->f.device && !i--)
			return &p->fn[j]->f;
	return NULL;
}

const struct pciback_function *pciback_find(const struct pciback *p, const char *which)
{
	const struct pciback_function *f;
	struct host_bdf bdf;
	bool address = !host_bdf_parse(which, &bdf, NULL);

	for (unsigned i = 0; (f = pciback_at(p, i)); i++) {
		if (f->options.name && !strcmp(f->options.name, which))
			return f;
		if (address && f->host.domain == bdf.domain && f->host.bus == bdf.bus &&
		    pci_devfn(&f->host) == pci_devfn(&bdf))
			return f;
	}
	return NULL;
}

const struct backend *pciback_backend(const struct pciback *p)
{
	return p->live ? &p->b : NULL;
}

const struct pciback_stats *pciback_stats(const struct pciback *p)
{
	return &p->stats;
}
