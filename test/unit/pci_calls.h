/*
 * What a device calls of pciback, written down instead: for tests of devices. Included by
 * one source of a program, whose own these functions are then.
 */
#ifndef TEST_UNIT_PCI_CALLS_H
#define TEST_UNIT_PCI_CALLS_H

#include <stdatomic.h>

#include "devices/pci/pci_device.h"

static struct pci_calls {
	_Atomic int intx; /* its level */
	_Atomic unsigned intx_raised, msi[PCI_MAX_MSI], msix[PCI_MAX_MSIX];
	_Atomic unsigned aer[3], leaves;
} pci_calls;

void pci_intx(struct pci_device *d, bool asserted)
{
	if (asserted && !pci_calls.intx)
		pci_calls.intx_raised++;
	pci_calls.intx = asserted;
}

void pci_msi(struct pci_device *d, unsigned vector)
{
	pci_calls.msi[vector]++;
}

void pci_msix(struct pci_device *d, unsigned entry)
{
	pci_calls.msix[entry]++;
}

void pci_aer(struct pci_device *d, enum pci_aer_severity severity)
{
	pci_calls.aer[severity]++;
}

void pci_leave(struct pci_device *d)
{
	pci_calls.leaves++;
}

#endif
