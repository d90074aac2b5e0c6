/*
 * The test card inside: testcard.c makes it and is its configuration space, testcard_regs.c
 * its registers, testcard_irq.c what it does by itself.
 */
#ifndef DEVICES_PCI_TESTCARD_INTERNAL_H
#define DEVICES_PCI_TESTCARD_INTERNAL_H

#include <pthread.h>

#include "devices/pci/pci_config.h"
#include "devices/pci/testcard.h"

struct testcard_options {
	bool intx, msi, msix, pcie, bar64, delay_never;
	unsigned fault, lose, storm, delay;
};

struct testcard {
	struct pci_device d; /* first */
	struct pci_config config;
	struct testcard_options options;
	struct pci_bar_notify bell;
	uint8_t *memory;
	int bell_fd, work_fd, timer_fd; /* in the event loop */
	_Atomic bool removed;

	/* Of what follows; never held while a device of the event loop is called. */
	pthread_mutex_t lock;
	unsigned nr_msi; /* vectors; 0: off */
	bool msix, intx; /* MSI-X is on; INTA# is asserted */
	uint32_t scratch, cause, enable, sent;
	uint32_t lost; /* causes whose interrupt was lost: they do not assert INTA# */
	uint64_t dma_address;
	uint32_t dma_length, dma_offset, dma_status, dma_bytes, bells;
	uint32_t fault, lose, storm, delay;
	bool timer_is_set;
	uint32_t error; /* to be reported by the loop's thread */
	bool leaves;	/* the same: it was pulled out */
	/* For statistics, over resets. */
	uint64_t total_sent, total_lost, total_dma_bytes;
};

/* testcard_regs.c: the functions of pci_device_ops. */
uint64_t testcard_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes);
void testcard_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
			uint64_t val);
/* The registers as after reset, with the faults of the options. Lock held. */
void testcard_regs_reset(struct testcard *t);

/* testcard_irq.c. Lock held, but for open and close. */
int testcard_irq_open(struct testcard *t); /* 0 or negative errno */
void testcard_irq_close(struct testcard *t);
void testcard_raise(struct testcard *t, uint32_t causes);
/* The level of INTA# after anything that it depends on has changed. */
void testcard_intx_update(struct testcard *t);
/* The timer that a storm needs, after `storm` has changed. */
void testcard_storm_update(struct testcard *t);
/* The loop's thread is to look at `error` and `leaves`. */
void testcard_work(struct testcard *t);

#endif
