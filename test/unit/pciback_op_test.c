/*
 * Requests in the page that pcifront shares with the backend (io/pciif.h), right and wrong ones;
 * the errors are those of Linux's xen-pciback (pciback_ops.c).
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "devices/pci/pciback_internal.h"
#include "pvabi/pirq.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

static struct pcifront *f;
static struct soft_function *s;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	s = pf_add(f, NULL);
	pf_connect(f);
}

static void teardown(void)
{
	pf_free(f);
}

START_TEST(reads_and_writes)
{
	const struct pciback_stats *stats = pciback_stats(f->pciback);
	uint32_t v = 1;

	ck_assert_uint_eq(pf_get(f, 0, PCI_VENDOR_ID, 2), 0x1234);
	ck_assert_uint_eq(pf_get(f, 0, PCI_DEVICE_ID, 2), 0x5678);
	ck_assert_int_eq(pf_write(f, 0, PCI_CACHE_LINE_SIZE, 1, 0xabcdef40), 0);
	ck_assert_uint_eq(pf_get(f, 0, PCI_CACHE_LINE_SIZE, 1), 0x40);
	ck_assert_int_eq(pf_read(f, 0, 1, 2, &v), XEN_PCI_ERR_invalid_offset);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(pf_write(f, 0, -4, 4, 0), XEN_PCI_ERR_invalid_offset);
	s->dead = true;
	ck_assert_int_eq(pf_read(f, 0, 0, 4, &v), XEN_PCI_ERR_dev_not_found);
	ck_assert_uint_eq(stats->reads, 5);
	ck_assert_uint_eq(stats->writes, 2);
	ck_assert_uint_eq(stats->refused, 3);
}
END_TEST

START_TEST(functions_that_are_not_there)
{
	static const struct {
		uint32_t domain, bus, devfn;
	} none[] = {{1, 0, 0},	   {0, 1, 0},	   {0, 0, 1},	   {0, 0, 8},
		    {0, 0, 0x100}, {0, 0, ~0u},	   {~0u, 0, 0},	   {0x10000, 0, 0},
		    {0, 0x100, 0}, {0xffff, 0, 0}, {0, 0, 256 * 8}};

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		for (unsigned cmd = 0; cmd < 12; cmd++) {
			struct xen_pci_op op = {
				.cmd = cmd,
				.domain = none[i].domain,
				.bus = none[i].bus,
				.devfn = none[i].devfn,
				.size = 4,
				.value = 5,
			};
			ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_dev_not_found);
			ck_assert_uint_eq(op.value, 5);
		}
	ck_assert_uint_eq(s->msi_enables + s->msix_enables, 0);
	ck_assert_uint_eq(pciback_stats(f->pciback)->unknown, 12 * sizeof(none) / sizeof(none[0]));
}
END_TEST

START_TEST(operations_that_are_none)
{
	static const uint32_t none[] = {XEN_PCI_OP_aer_detected,
					XEN_PCI_OP_aer_resume,
					XEN_PCI_OP_aer_mmio,
					XEN_PCI_OP_aer_slotreset,
					XEN_PCI_OP_enable_multi_msi,
					11,
					0x80000000,
					~0u};

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct xen_pci_op op = {.cmd = none[i], .size = 4, .value = 9};
		ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_not_implemented);
		ck_assert_uint_eq(op.value, 9);
	}
}
END_TEST

/* Only err and value are written, and the flag. */
START_TEST(the_rest_of_the_page_is_the_guests)
{
	uint8_t before[PAGE_SIZE], *page = (uint8_t *)f->page;
	size_t op = offsetof(struct xen_pci_sharedinfo, op);

	for (unsigned i = 0; i < PAGE_SIZE; i++)
		page[i] = (uint8_t)(i * 5 + 3);
	f->page->flags = XEN_PCIB_AERHANDLER | XEN_PCIF_active | 0xff000000;
	f->page->op.cmd = XEN_PCI_OP_conf_read;
	f->page->op.domain = f->page->op.bus = f->page->op.devfn = 0;
	f->page->op.offset = 0;
	f->page->op.size = 2;
	memcpy(before, page, PAGE_SIZE);
	pf_notify(f);
	ck_assert_uint_eq(f->page->flags, XEN_PCIB_AERHANDLER | 0xff000000);
	for (unsigned i = 4; i < PAGE_SIZE; i++) {
		if ((i - op - offsetof(struct xen_pci_op, err)) < 4 ||
		    (i - op - offsetof(struct xen_pci_op, value)) < 4)
			continue;
		ck_assert_msg(page[i] == before[i], "byte %u", i);
	}
}
END_TEST

START_TEST(nothing_is_asked)
{
	pf_notified(f);
	f->page->op = (struct xen_pci_op){.cmd = XEN_PCI_OP_conf_read, .size = 4, .err = 77};
	pf_notify(f);
	ck_assert_int_eq(f->page->op.err, 77);
	ck_assert(!pf_notified(f));
}
END_TEST

/* ---- MSI and MSI-X ---- */

static long bind(unsigned pirq)
{
	struct evtchn_bind_pirq b = {.pirq = pirq};
	long rc = EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b);

	return rc ? rc : (long)b.port;
}

static bool pending(long port)
{
	bool is = port_pending(f->t, (evtchn_port_t)port);

	port_clear(f->t, (evtchn_port_t)port);
	return is;
}

START_TEST(msi)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi, .value = 3};
	int flags = (int)s->config.msi + PCI_MSI_FLAGS;

	ck_assert_int_eq(pf_op(f, &op), 0);
	unsigned pirq = op.value;
	ck_assert_uint_eq(pirq, NR_PIRQS - 1);
	ck_assert_uint_eq(s->nr_msi, 1);
	ck_assert(pf_get(f, 0, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	long port = bind(pirq);
	ck_assert_int_gt(port, 0);
	pci_msi(&s->d, 0);
	ck_assert(pending(port));
	pci_msi(&s->d, 1); /* there is no such */
	ck_assert(!pending(port));
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_op_failed); /* it is on */
	ck_assert_uint_eq(op.value, 0);
	op.cmd = XEN_PCI_OP_enable_msix;
	op.value = 1;
	ck_assert_int_eq(pf_op(f, &op), -ENXIO);
	ck_assert_uint_eq(s->nr_msi, 1);
	op.cmd = XEN_PCI_OP_disable_msi;
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert_uint_eq(op.value, s->d.irqs->line);
	ck_assert_uint_eq(s->nr_msi, 0);
	ck_assert(!(pf_get(f, 0, flags, 2) & PCI_MSI_FLAGS_ENABLE));
	pci_msi(&s->d, 0);
	ck_assert(!pending(port));
	ck_assert_int_eq(pf_op(f, &op), 0); /* off already */
	ck_assert_uint_eq(s->msi_disables, 1);
	ck_assert_int_eq(close_port(f->t, (evtchn_port_t)port), 0);
	ck_assert_int_eq(bind(pirq), -EPERM);
}
END_TEST

START_TEST(msi_that_the_device_refuses)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi, .value = 3};

	s->refuses = -EIO;
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_op_failed);
	ck_assert_uint_eq(op.value, 0);
	ck_assert_int_eq(bind(NR_PIRQS - 1), -EPERM);
	s->refuses = 0;
	ck_assert_int_eq(pf_op(f, &op), 0);
	/* One without the capability. */
	op.cmd = XEN_PCI_OP_disable_msi;
	ck_assert_int_eq(pf_op(f, &op), 0);
	f->pciback->fn[0]->conf.msi = 0;
	op.cmd = XEN_PCI_OP_enable_msi;
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_op_failed);
}
END_TEST

static int msix(struct xen_pci_op *op, uint32_t nr, const uint16_t *entries)
{
	*op = (struct xen_pci_op){.cmd = XEN_PCI_OP_enable_msix, .value = nr};
	for (unsigned i = 0; i < nr && i < SH_INFO_MAX_VEC; i++) {
		op->msix_entries[i].vector = 0xffff;
		op->msix_entries[i].entry = entries ? entries[i] : (uint16_t)i;
	}
	return pf_op(f, op);
}

START_TEST(msix_vectors)
{
	static const uint16_t entries[] = {7, 0, 15};
	struct xen_pci_op op;
	long port[3];

	ck_assert_int_eq(msix(&op, 3, entries), 0);
	ck_assert_uint_eq(op.value, 0);
	ck_assert_uint_eq(s->nr_msix, 3);
	ck_assert_mem_eq(s->msix, entries, sizeof(entries));
	ck_assert(pf_get(f, 0, (int)s->config.msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE);
	msix(&op, 3, entries);
	ck_assert_int_eq(op.err, -EALREADY);
	op = f->page->op;
	uint16_t pirq[3];
	for (unsigned i = 0; i < 3; i++) {
		pirq[i] = f->pciback->fn[0]->f.device->irqs->msix[entries[i]];
		port[i] = bind(pirq[i]);
		ck_assert_int_gt(port[i], 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		pci_msix(&s->d, entries[i]);
		for (unsigned j = 0; j < 3; j++)
			ck_assert(pending(port[j]) == (i == j));
	}
	pci_msix(&s->d, 1);
	pci_msix(&s->d, 16);
	pci_msix(&s->d, ~0u);
	for (unsigned j = 0; j < 3; j++)
		ck_assert(!pending(port[j]));
	op = (struct xen_pci_op){.cmd = XEN_PCI_OP_enable_msi};
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_op_failed);
	op.cmd = XEN_PCI_OP_disable_msix;
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert_uint_eq(op.value, s->d.irqs->line);
	ck_assert_uint_eq(s->nr_msix, 0);
	pci_msix(&s->d, 7);
	ck_assert(!pending(port[0]));
}
END_TEST

START_TEST(msix_tells_the_pirqs)
{
	struct xen_pci_op op;

	ck_assert_int_eq(msix(&op, SOFT_MSIX, NULL), 0);
	for (unsigned i = 0; i < SOFT_MSIX; i++) {
		ck_assert_uint_eq(op.msix_entries[i].entry, i);
		ck_assert_uint_eq(op.msix_entries[i].vector, NR_PIRQS - 1 - i);
		ck_assert_int_gt(bind(op.msix_entries[i].vector), 0);
	}
}
END_TEST

START_TEST(msix_requests_that_are_refused)
{
	static const uint16_t twice[] = {1, 2, 1}, beyond[] = {0, SOFT_MSIX}, far[] = {0xffff};
	struct xen_pci_op op;

	ck_assert_int_eq(msix(&op, 0, NULL), -EINVAL);
	ck_assert_int_eq(msix(&op, 3, twice), -EINVAL);
	ck_assert_int_eq(msix(&op, 2, beyond), -EINVAL);
	ck_assert_int_eq(msix(&op, 1, far), -EINVAL);
	ck_assert_int_eq((int)op.value, -EINVAL);
	ck_assert_uint_eq(op.msix_entries[0].vector, 0xffff);
	ck_assert_int_eq(msix(&op, SOFT_MSIX + 1, NULL), -ENOSPC);
	ck_assert_int_eq(msix(&op, SH_INFO_MAX_VEC, NULL), -ENOSPC);
	ck_assert_int_eq(msix(&op, SH_INFO_MAX_VEC + 1, NULL), -EINVAL);
	ck_assert_uint_eq(op.value, SH_INFO_MAX_VEC + 1);
	ck_assert_int_eq(msix(&op, ~0u, NULL), -EINVAL);
	ck_assert_int_eq(msix(&op, 0x80000000, NULL), -EINVAL);
	/* The table is in a BAR that must answer. */
	pci_config_set(&s->config, PCI_COMMAND, 2, PCI_COMMAND_IO);
	ck_assert_int_eq(msix(&op, 1, NULL), -ENXIO);
	pci_config_set(&s->config, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(s->msix_enables, 0);
	s->refuses = -ENODEV;
	ck_assert_int_eq(msix(&op, 2, NULL), -ENODEV);
	s->refuses = 0;
	/* No PIRQ is lost by all that. */
	ck_assert_int_eq(msix(&op, 1, NULL), 0);
	ck_assert_uint_eq(op.msix_entries[0].vector, NR_PIRQS - 1);
}
END_TEST

START_TEST(there_are_no_more_pirqs)
{
	struct xen_pci_op op;
	int last = -1;

	for (int n; (n = domain_get_free_pirq(f->t->d, false, 1)) >= 0;)
		last = n;
	ck_assert_int_eq(msix(&op, 1, NULL), -ENOSPC);
	op = (struct xen_pci_op){.cmd = XEN_PCI_OP_enable_msi};
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_op_failed);
	domain_revoke_pirq(f->t->d, (unsigned)last);
	ck_assert_int_eq(msix(&op, 2, NULL), -ENOSPC);
	ck_assert_int_eq(msix(&op, 1, NULL), 0);
	ck_assert_uint_eq(op.msix_entries[0].vector, (unsigned)last);
}
END_TEST

/* ---- hostile frontends ---- */

static const struct pci_device_ops *soft;

/* The guest writes to its page while the request is carried out. */
static int swapped_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	memset(&f->page->op, 0xff, sizeof(f->page->op));
	f->page->op.cmd = XEN_PCI_OP_enable_msix;
	return soft->config_read(d, offset, bytes, val);
}

static int swapped_msix(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	f->page->op.cmd = XEN_PCI_OP_conf_write;
	f->page->op.value = SH_INFO_MAX_VEC;
	return soft->msix_enable(d, entries, nr);
}

START_TEST(a_page_that_changes_meanwhile)
{
	struct pci_device_ops ops = *s->d.ops;
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_conf_read, .size = 2};

	soft = s->d.ops;
	ops.config_read = swapped_read;
	s->d.ops = &ops;
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert_uint_eq(op.value, 0x1234);
	ck_assert_uint_eq(op.msix_entries[0].vector, 0xffff);
	ck_assert_int_eq(op.size, -1);
	ops.config_read = soft->config_read;
	ops.msix_enable = swapped_msix;
	ck_assert_int_eq(msix(&op, 2, NULL), 0);
	ck_assert_uint_eq(s->nr_msix, 2);
	ck_assert_uint_eq(op.msix_entries[2].vector, 0); /* two were written */
	s->d.ops = soft;
}
END_TEST

static _Atomic bool stop;

static void *asks_and_asks(void *arg)
{
	uint32_t n = 0;

	while (!stop) {
		f->page->op.cmd = n++ % 11;
		f->page->op.devfn = 0;
		f->page->op.offset = (int32_t)(n * 2654435761u >> (n % 31));
		f->page->op.size = 1 << n % 4;
		f->page->op.value = n;
		__atomic_fetch_or(&f->page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* A guest that never stops asking keeps nobody from their turn. */
START_TEST(others_have_their_turn)
{
	pthread_t guest;

	stop = false;
	ck_assert_int_eq(event_loop_start(f->loop), 0);
	ck_assert_int_eq(pthread_create(&guest, NULL, asks_and_asks, NULL), 0);
	struct evtchn_send send = {.port = f->port};
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send), 0);
	for (unsigned i = 0; i < 200; i++)
		test_loop_sync();
	stop = true;
	pthread_join(guest, NULL);
	event_loop_stop(f->loop);
	pf_run(f);
	f->page->flags &= ~(uint32_t)XEN_PCIF_active;
	ck_assert_uint_eq(pf_get(f, 0, 0, 4), 0x56781234);
}
END_TEST

/* The page's frame is the guest's: it takes the grant back as far as that goes. */
START_TEST(a_grant_that_is_revoked)
{
	grant_v1(f->t, f->ref)->flags = 0;
	ck_assert_uint_eq(pf_get(f, 0, 0, 2), 0x1234);
	pf_state(f, XenbusStateClosed);
}
END_TEST

START_TEST(a_port_that_is_closed)
{
	ck_assert_int_eq(close_port(f->t, f->port), 0);
	f->page->flags |= XEN_PCIF_active;
	pf_run(f);
	pf_state(f, XenbusStateClosed);
	pf_connect(f);
	ck_assert_uint_eq(pf_get(f, 0, 0, 2), 0x1234);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		reads_and_writes,
		functions_that_are_not_there,
		operations_that_are_none,
		the_rest_of_the_page_is_the_guests,
		nothing_is_asked,
		msi,
		msi_that_the_device_refuses,
		msix_vectors,
		msix_tells_the_pirqs,
		msix_requests_that_are_refused,
		there_are_no_more_pirqs,
		a_page_that_changes_meanwhile,
		others_have_their_turn,
		a_grant_that_is_revoked,
		a_port_that_is_closed,
	};

	return RUN_TESTS("pciback_op", setup, teardown, tests);
}
