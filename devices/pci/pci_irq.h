/*
 * A function's interrupts as PIRQs of the guest: its line, and one for each MSI or MSI-X
 * vector that is enabled. As on Xen, where the toolstack permits the line's PIRQ and pciback
 * those of MSI. The loop's thread, but pci_intx(), pci_msi() and pci_msix() (pci_device.h).
 */
#ifndef DEVICES_PCI_PCI_IRQ_H
#define DEVICES_PCI_PCI_IRQ_H

#include <pthread.h>
#include <stdatomic.h>

#include "devices/pci/pci_device.h"

struct pci_irqs {
	struct pci_device *device;
	struct domain *domain;
	struct event_loop *loop;
	/* Who is told of what the device reports by itself. */
	void (*aer)(void *owner, enum pci_aer_severity severity);
	void (*leave)(void *owner);
	void *owner;

	unsigned line; /* its PIRQ; 0: the function has no INTx */
	_Atomic bool asserted;
	int eoi_fd; /* the guest acknowledged the line's interrupt; -1: no line */

	pthread_mutex_t lock; /* of what follows; taken before evtchn_lock */
	unsigned nr_msi;      /* enabled vectors; 0: MSI is off */
	uint16_t msi[PCI_MAX_MSI];
	unsigned nr_msix; /* the same */
	uint16_t *msix;	  /* of PCI_MAX_MSIX entries of the table; 0: is not used */
	uint16_t *entry;  /* the nr_msix entries in the order in which they were enabled */
};

/* Under lock. */
static inline bool pci_irqs_line_on(const struct pci_irqs *q)
{
	return q->line && !q->nr_msi && !q->nr_msix;
}

/* d->irqs: with a line if `pin`. `aer`, `leave` and `owner` are the caller's to set. 0, -ENOSPC
 * (no PIRQ is free), -ENOMEM or what the event loop says. */
int pci_irqs_create(struct pci_device *d, bool pin);
/* After the device was destroyed: nobody calls pci_intx() and the like any more. */
void pci_irqs_free(struct pci_irqs *q);

/* Takes PIRQs and has the device use them. 0; -ENOSPC: there are not so many; the device's
 * errno. pirq: of each vector. Only while neither MSI nor MSI-X is on. */
int pci_irqs_enable_msi(struct pci_irqs *q, unsigned nr, uint16_t *pirq);
/* entry: different ones, of the device's table. */
int pci_irqs_enable_msix(struct pci_irqs *q, const uint16_t *entry, unsigned nr, uint16_t *pirq);
/* Whichever is on. */
void pci_irqs_disable(struct pci_irqs *q);
/* The function goes: its line is nobody's. */
void pci_irqs_close_line(struct pci_irqs *q);
/* The device was reset, and forgot what was enabled. */
int pci_irqs_restore(struct pci_irqs *q);

#endif
