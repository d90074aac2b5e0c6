/*
 * Around one PCI function in a unit test: a domain in plain memory, an event loop that runs,
 * and, in place of pciback's, the functions that a device calls, which count. To be included
 * by one file of a program that does not use pciback.
 */
#ifndef TEST_UNIT_TEST_PCI_H
#define TEST_UNIT_TEST_PCI_H

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/device.h"
#include "devices/pci/pci_device.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_loop.h"

static struct {
	struct test_domain *t;
	struct pci_host host;
	_Atomic unsigned msi[PCI_MAX_MSI], msix[64], intx_edges;
	_Atomic bool intx;
	_Atomic unsigned aer[3], left;
	pthread_t aer_thread;
} pci;

void pci_intx(struct pci_device *d, bool asserted)
{
	if (asserted && !pci.intx)
		pci.intx_edges++;
	pci.intx = asserted;
}

void pci_msi(struct pci_device *d, unsigned vector)
{
	ck_assert_uint_lt(vector, PCI_MAX_MSI);
	pci.msi[vector]++;
}

void pci_msix(struct pci_device *d, unsigned entry)
{
	ck_assert_uint_lt(entry, 64);
	pci.msix[entry]++;
}

void pci_aer(struct pci_device *d, enum pci_aer_severity severity)
{
	pci.aer[severity]++;
	pci.aer_thread = pthread_self();
}

void pci_leave(struct pci_device *d)
{
	pci.left++;
}

static inline struct pci_device *pci_new(const struct pci_model *m, const char *options)
{
	char err[300] = "";

	memset(&pci, 0, sizeof(pci));
	pci.t = test_domain_new(1, PROFILE_XEN_4_17);
	pci.host.domain = pci.t->d;
	pci.host.loop = event_loop_create();
	test_loop_init(pci.host.loop);
	struct pci_device *d = m->create(&pci.host, options, err, sizeof(err));
	ck_assert_msg(d != NULL, "%s", err);
	ck_assert_int_eq(event_loop_start(pci.host.loop), 0);
	return d;
}

static inline void pci_free(struct pci_device *d)
{
	event_loop_stop(pci.host.loop);
	d->ops->destroy(d);
	event_loop_destroy(pci.host.loop);
	test_loop_free();
	test_domain_free(pci.t);
}

/* Waits, for a minute at most, for what another thread does. */
#define PCI_WAIT(what)                                                           \
	do {                                                                     \
		for (unsigned i_ = 0; i_ < 60000 && !(what); i_++)               \
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); \
		ck_assert_msg(what, "in vain waited for %s", #what);             \
	} while (0)

/* What pciback does: in the loop's thread, or in a test while that has nothing to do. */
static inline uint32_t config_get(struct pci_device *d, unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	ck_assert_int_eq(d->ops->config_read(d, offset, bytes, &val), 0);
	return val;
}

static inline void config_set(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	ck_assert_int_eq(d->ops->config_write(d, offset, bytes, val), 0);
}

static inline uint32_t bar_get(struct pci_device *d, unsigned bar, uint64_t offset)
{
	return (uint32_t)d->ops->bar_read(d, bar, offset, 4);
}

static inline void bar_set(struct pci_device *d, unsigned bar, uint64_t offset, uint32_t val)
{
	d->ops->bar_write(d, bar, offset, 4, val);
}

/* The capability of this number; 0: none. */
static inline unsigned config_find(struct pci_device *d, uint8_t id)
{
	unsigned at = config_get(d, 0x34, 1);

	for (unsigned i = 0; at && i < 48; i++) {
		if (config_get(d, at, 1) == id)
			return at;
		at = config_get(d, at + 1, 1);
	}
	return 0;
}

#endif
