/*
 * A PCI frontend for unit tests: a test domain with a grant and an event channel, a host
 * that places BARs, and functions made of software whose calls are counted.
 */
#ifndef TEST_UNIT_TEST_PCIFRONT_H
#define TEST_UNIT_TEST_PCIFRONT_H

#include <xen/io/pciif.h>

#include "devices/backend.h"
#include "devices/pci/pci_config.h"
#include "devices/pci/pciback.h"
#include "test/unit/test_domain.h"

#define PF_FE "/local/domain/1/device/pci/0"
#define PF_BE "/local/domain/0/backend/pci/1/0"

/* What the software function of the tests has: two memory BARs (64-bit; 32-bit
 * prefetchable) and one of ports, all capabilities that pciback knows. */
struct soft_function {
	struct pci_device d; /* first */
	struct pci_config config;
	unsigned msi_enables, msi_disables, nr_msi;
	unsigned msix_enables, msix_disables, nr_msix;
	uint16_t msix[PCI_MAX_MSIX];
	unsigned resets, eois;
	bool dead;   /* does not answer */
	int refuses; /* of msi_enable, msix_enable and reset */
	bool *gone;  /* set when it is destroyed; may be NULL */
	unsigned vpd, writes;
	uint32_t last_write_offset, last_write;
};
#define SOFT_MSIX 16

struct pcifront {
	struct test_domain *t;
	struct event_loop *loop;
	struct xenstore *xs;
	struct pci_host host;
	struct pciback *pciback;
	uint64_t next_address;
	unsigned next_port, placed, unplaced, gone;
	bool keep_places; /* BARs have addresses already */
	int place_rc;
	struct xen_pci_sharedinfo *page;
	uint64_t page_mfn;
	evtchn_port_t port;
	grant_ref_t ref;
};

struct pcifront *pf_new(enum pciback_topology topology);
void pf_free(struct pcifront *f);
/* config_size: PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE. */
struct soft_function *soft_new(struct pcifront *f, unsigned config_size);
/* The same without a configuration space, which is the caller's to fill. */
struct soft_function *soft_empty(struct pcifront *f);
/* Adds one at the host's `bdf` ("0000:03:00.0"; NULL: none of the host's). */
struct soft_function *pf_add(struct pcifront *f, const char *bdf);
struct soft_function *pf_add_with(struct pcifront *f, const struct pciback_options *o);
/* Until our handlers have nothing to do: watches, events. */
void pf_run(struct pcifront *f);

/* The frontend's keys; all or nothing can be made wrong before. */
void pf_share(struct pcifront *f);
void pf_publish(struct pcifront *f);
void pf_connect(struct pcifront *f); /* both, and Connected */
/* Writes the frontend's state; the backend's after that. */
unsigned pf_state(struct pcifront *f, enum xenbus_state s);
unsigned pf_backend_state(struct pcifront *f);
/* Is what a backend's key says; NULL: there is no such key. */
void pf_is(struct pcifront *f, const char *key, const char *value);

/* One request as pcifront makes it: err; *value as written back. */
int pf_op(struct pcifront *f, struct xen_pci_op *op);
int pf_read(struct pcifront *f, unsigned devfn, int offset, int size, uint32_t *value);
int pf_write(struct pcifront *f, unsigned devfn, int offset, int size, uint32_t value);
/* A read that must succeed. */
uint32_t pf_get(struct pcifront *f, unsigned devfn, int offset, int size);
/* Did the backend notify us since the last question? */
bool pf_notified(struct pcifront *f);
void pf_notify(struct pcifront *f);

#endif
