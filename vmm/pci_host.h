/*
 * The VMM as the host of a domain's PCI functions (struct pci_host): where their BARs are in
 * the machine, and who serves them.
 */
#ifndef VMM_PCI_HOST_H
#define VMM_PCI_HOST_H

#include "devices/pci/pci_device.h"
#include "pvabi/limits.h"

struct machine;

/* Machine addresses of 32-bit BARs, as on a PC below its interrupt controllers. In a domain
 * whose memory reaches it, there is a hole in the machine's RAM, up to 4 GiB. */
#define PCI_WINDOW_START 0xe0000000ull
#define PCI_WINDOW_END	 0xfec00000ull
#define PCI_HOLE_END	 0x100000000ull
/* Ports of BARs: above those that a PC's own devices have. */
#define PCI_PORTS_START 0xc000u
#define PCI_PORTS_END	0xf000u

struct vmm_pci {
	struct pci_host host; /* first */
	struct machine *machine;
	bool reachable;	   /* 32-bit BARs have their window */
	uint64_t above;	   /* 64-bit BARs are above it */
	_Atomic unsigned pins;
	/* Statistics. */
	unsigned mapped; /* areas that are memory to KVM */
	unsigned notified; /* addresses that KVM writes an eventfd for */
};

/* The machine's memory exists. Nothing is to be undone when there are no functions. */
void vmm_pci_init(struct vmm_pci *p, struct machine *m, struct domain *d, struct event_loop *l);

#endif
