/*
 * Requests to pciback, waited for as Linux's pcifront does it, who loses patience (do_pci_op()),
 * and the few that tests of devices need.
 */
#ifndef GUESTS_LIB_PCI_WAIT_H
#define GUESTS_LIB_PCI_WAIT_H

#include "guests/lib/guest.h"

struct pcifront {
	unsigned polls;	   /* of the last request */
	uint64_t patience; /* ns; 5 s at first */
};

/* pci_connect(); fails the guest when there is no backend. */
void pcifront_connect(struct pcifront *p);
/* The request's err, or PCIFRONT_GAVE_UP: no answer within `patience`. */
#define PCIFRONT_GAVE_UP (-1000)
int pcifront_op(struct pcifront *p, struct xen_pci_op *op);
/* Of function 0000:00:00.0. *val: what was read. */
int pcifront_read(struct pcifront *p, unsigned offset, unsigned bytes, uint32_t *val);
int pcifront_write(struct pcifront *p, unsigned offset, unsigned bytes, uint32_t val);

/* The first function's BAR without its type bits, memory and ports enabled. */
uint64_t pcifront_bar(struct pcifront *p, unsigned bar);
void pcifront_enable(struct pcifront *p, uint16_t command);

#endif
