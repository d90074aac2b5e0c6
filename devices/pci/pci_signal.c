/*
 * What a device calls: its interrupts on their way to the guest, and what it reports by itself.
 */
#include "devices/pci/pci_irq.h"
#include "pvabi/pvabi.h"

void pci_intx(struct pci_device *d, bool asserted)
{
	struct pci_irqs *q = d->irqs;

	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	bool was = atomic_exchange(&q->asserted, asserted);
	if (asserted && !was && pci_irqs_line_on(q))
		domain_send_pirq(q->domain, q->line);
	pthread_mutex_unlock(&q->lock);
}

void pci_msi(struct pci_device *d, unsigned vector)
{
	struct pci_irqs *q = d->irqs;

	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	if (vector < q->nr_msi)
		domain_send_pirq(q->domain, q->msi[vector]);
	pthread_mutex_unlock(&q->lock);
}

void pci_msix(struct pci_device *d, unsigned entry)
{
	struct pci_irqs *q = d->irqs;

	if (!q || entry >= PCI_MAX_MSIX)
		return;
	pthread_mutex_lock(&q->lock);
	if (q->nr_msix && q->msix[entry])
		domain_send_pirq(q->domain, q->msix[entry]);
	pthread_mutex_unlock(&q->lock);
}

void pci_aer(struct pci_device *d, enum pci_aer_severity severity)
{
	if (d->irqs && d->irqs->aer)
		d->irqs->aer(d->irqs->owner, severity);
}

void pci_leave(struct pci_device *d)
{
	if (d->irqs && d->irqs->leave)
		d->irqs->leave(d->irqs->owner);
}
