/*
 * The PCI frontend of the unit tests.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/device.h"
#include "devices/pci/pciback_internal.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"

/* ---- the host ---- */

static struct pcifront *front_of(struct pci_host *h)
{
	return (struct pcifront *)((char *)h - offsetof(struct pcifront, host));
}

static int place(struct pci_host *h, struct pci_device *d)
{
	struct pcifront *f = front_of(h);

	if (f->place_rc)
		return f->place_rc;
	f->placed++;
	for (unsigned i = 0; i < PCI_NR_BARS && !f->keep_places; i++) {
		struct pci_bar *b = &d->bar[i];

		if (b->kind == PCI_BAR_IO) {
			b->address = f->next_port;
			f->next_port += (unsigned)b->size;
		} else if (b->kind) {
			f->next_address = (f->next_address + b->size - 1) & ~(b->size - 1);
			b->address = f->next_address;
			if (b->kind == PCI_BAR_MEM64)
				b->address += 0x500000000;
			f->next_address += b->size;
		}
	}
	return 0;
}

static void unplace(struct pci_host *h, struct pci_device *d)
{
	front_of(h)->unplaced++;
}

/* ---- a function ---- */

static struct soft_function *soft(struct pci_device *d)
{
	return (struct soft_function *)d;
}

static int config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	return soft(d)->dead ? -EIO : pci_config_read(&soft(d)->config, offset, bytes, val);
}

static int config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	struct soft_function *s = soft(d);

	s->writes++;
	s->last_write_offset = offset;
	s->last_write = val;
	return s->dead ? -EIO : pci_config_write(&s->config, offset, bytes, val);
}

static int msi_enable(struct pci_device *d, unsigned nr)
{
	struct soft_function *s = soft(d);

	s->msi_enables++;
	s->nr_msi = s->refuses ? 0 : nr;
	return s->refuses;
}

static void msi_disable(struct pci_device *d)
{
	soft(d)->msi_disables++;
	soft(d)->nr_msi = 0;
}

static int msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	struct soft_function *s = soft(d);

	s->msix_enables++;
	s->nr_msix = s->refuses ? 0 : nr;
	memcpy(s->msix, entries, nr * sizeof(*entries));
	return s->refuses;
}

static void msix_disable(struct pci_device *d)
{
	soft(d)->msix_disables++;
	soft(d)->nr_msix = 0;
}

static int reset(struct pci_device *d)
{
	struct soft_function *s = soft(d);

	s->resets++;
	if (!s->refuses)
		pci_config_reset(&s->config);
	return s->refuses;
}

static void destroy(struct pci_device *d)
{
	if (soft(d)->gone)
		*soft(d)->gone = true;
	free(d);
}

static const struct pci_device_ops soft_ops = {
	.model = "soft",
	.config_read = config_read,
	.config_write = config_write,
	.msi_enable = msi_enable,
	.msi_disable = msi_disable,
	.msix_enable = msix_enable,
	.msix_disable = msix_disable,
	.reset = reset,
	.destroy = destroy,
};

struct soft_function *soft_empty(struct pcifront *f)
{
	struct soft_function *s = calloc(1, sizeof(*s));

	s->d.ops = &soft_ops;
	s->d.host = &f->host;
	strcpy(s->d.name, "soft");
	return s;
}

struct soft_function *soft_new(struct pcifront *f, unsigned config_size)
{
	static const struct pci_config_id id = {
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x1111,
		.subsystem = 0x2222,
		.class = 0x020000,
		.revision = 7,
		.interrupt_pin = 1,
	};
	struct soft_function *s = soft_empty(f);
	struct pci_config *c = &s->config;

	s->d.bar[0] = (struct pci_bar){.kind = PCI_BAR_MEM64, .size = 0x4000};
	s->d.bar[2] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 0x20};
	s->d.bar[3] = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x1000, .prefetchable = true};
	pci_config_init(c, config_size, &id);
	pci_config_bars(c, &s->d);
	pci_config_add_pm(c);
	pci_config_add_msi(c, 4, true);
	pci_config_add_msix(c, SOFT_MSIX, 0, 0x2000, 0, 0x3000);
	s->vpd = pci_config_add_cap(c, PCI_CAP_ID_VPD, 8);
	pci_config_set_writable(c, s->vpd + PCI_VPD_ADDR, 2, 0xffff);
	pci_config_set_writable(c, s->vpd + PCI_VPD_DATA, 4, ~0u);
	if (config_size > PCI_CONFIG_SIZE) {
		pci_config_add_pcie(c);
		pci_config_add_aer(c);
	}
	pci_config_done(c);
	return s;
}

/* ---- the frontend ---- */

static void gone(void *arg, const struct pciback_function *f)
{
	((struct pcifront *)arg)->gone++;
}

struct pcifront *pf_new(enum pciback_topology topology)
{
	struct pcifront *f = calloc(1, sizeof(*f));

	f->t = test_domain_new(2, PROFILE_XEN_4_17);
	f->loop = event_loop_create();
	f->xs = xenstore_create(f->loop);
	f->host = (struct pci_host){
		.domain = f->t->d,
		.loop = f->loop,
		.place = place,
		.unplace = unplace,
	};
	f->next_address = 0xe0000000;
	f->next_port = 0xc000;
	const struct pciback_params params = {
		.loop = f->loop,
		.xenstore = f->xs,
		.host = &f->host,
		.topology = topology,
		.gone = gone,
		.arg = f,
	};
	f->pciback = pciback_create(&params);
	ck_assert_ptr_nonnull(f->pciback);
	test_loop_init(f->loop);
	return f;
}

void pf_free(struct pcifront *f)
{
	event_loop_stop(f->loop);
	pciback_destroy(f->pciback);
	event_loop_destroy(f->loop);
	test_loop_free();
	xenstore_destroy(f->xs);
	ck_assert_uint_eq(f->placed, f->unplaced);
	if (f->ref)
		ck_assert_int_eq(grant_v1(f->t, f->ref)->flags & (GTF_reading | GTF_writing), 0);
	test_domain_free(f->t);
	free(f);
}

struct soft_function *pf_add_with(struct pcifront *f, const struct pciback_options *o)
{
	struct soft_function *s = soft_new(f, PCIE_CONFIG_SIZE);
	char err[300];

	ck_assert_msg(!pciback_add(f->pciback, &s->d, o, err, sizeof(err)), "%s", err);
	local_run(f->xs);
	return s;
}

struct soft_function *pf_add(struct pcifront *f, const char *bdf)
{
	struct pciback_options o = {.vslot = -1};

	if (bdf) {
		o.has_host = true;
		ck_assert_int_eq(host_bdf_parse(bdf, &o.host, NULL), 0);
	}
	return pf_add_with(f, &o);
}

void pf_run(struct pcifront *f)
{
	local_run(f->xs);
	/* The loop's thread runs only here: what it does is done when it is stopped. */
	ck_assert_int_eq(event_loop_start(f->loop), 0);
	test_loop_sync();
	test_loop_sync();
	event_loop_stop(f->loop);
	local_run(f->xs);
}

void pf_share(struct pcifront *f)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};

	f->page_mfn = test_frame(f->t);
	f->ref = 20;
	f->page = (struct xen_pci_sharedinfo *)(void *)frame_bytes(f->t, f->page_mfn);
	f->page->flags = XEN_PCIB_AERHANDLER;
	grant_v1_set(f->t, f->ref, GTF_permit_access, 0, f->page_mfn);
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	f->port = a.port;
}

void pf_publish(struct pcifront *f)
{
	xenstore_write(f->xs, PF_FE "/pci-op-ref", "%u", f->ref);
	xenstore_write(f->xs, PF_FE "/event-channel", "%u", f->port);
	xenstore_write(f->xs, PF_FE "/magic", XEN_PCI_MAGIC);
}

unsigned pf_backend_state(struct pcifront *f)
{
	uint64_t v = 99;

	xenstore_read_number(f->xs, PF_BE "/state", 8, &v);
	return (unsigned)v;
}

unsigned pf_state(struct pcifront *f, enum xenbus_state s)
{
	xenstore_write(f->xs, PF_FE "/state", "%d", (int)s);
	local_run(f->xs);
	return pf_backend_state(f);
}

void pf_connect(struct pcifront *f)
{
	pf_share(f);
	pf_publish(f);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialised), XenbusStateConnected);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
}

void pf_is(struct pcifront *f, const char *key, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), PF_BE "/%s", key);
	char *v = xenstore_read(f->xs, path);
	if (!value)
		ck_assert_msg(!v, "%s is there: '%s'", key, v);
	else
		ck_assert_msg(v && !strcmp(v, value), "%s is '%s', not '%s'", key, v ? v : "none",
			      value);
	free(v);
}

/* ---- requests ---- */

void pf_notify(struct pcifront *f)
{
	struct evtchn_send send = {.port = f->port};

	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send), 0);
	pf_run(f);
}

bool pf_notified(struct pcifront *f)
{
	bool was = port_pending(f->t, f->port);

	port_clear(f->t, f->port);
	return was;
}

int pf_op(struct pcifront *f, struct xen_pci_op *op)
{
	pf_notified(f);
	f->page->op = *op;
	__atomic_fetch_or(&f->page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	pf_notify(f);
	ck_assert_msg(!(f->page->flags & XEN_PCIF_active), "no answer");
	ck_assert(pf_notified(f));
	*op = f->page->op;
	return op->err;
}

int pf_read(struct pcifront *f, unsigned devfn, int offset, int size, uint32_t *value)
{
	struct xen_pci_op op = {
		.cmd = XEN_PCI_OP_conf_read,
		.devfn = devfn,
		.offset = offset,
		.size = size,
	};
	int rc = pf_op(f, &op);

	*value = op.value;
	return rc;
}

int pf_write(struct pcifront *f, unsigned devfn, int offset, int size, uint32_t value)
{
	struct xen_pci_op op = {
		.cmd = XEN_PCI_OP_conf_write,
		.devfn = devfn,
		.offset = offset,
		.size = size,
		.value = value,
	};

	return pf_op(f, &op);
}

uint32_t pf_get(struct pcifront *f, unsigned devfn, int offset, int size)
{
	uint32_t v;

	ck_assert_int_eq(pf_read(f, devfn, offset, size, &v), 0);
	return v;
}
