/*
 * INTx, MSI and MSI-X as PIRQs: see pci_irq.h. On Xen the number of a line's PIRQ is its GSI
 * (libxl_pci.c, xc_physdev_map_pirq), and MSIs get numbers from the top downwards
 * (arch/x86/irq.c, get_free_pirq).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/pci_irq.h"
#include "pvabi/pvabi.h"

#define LAST_LINE 255 /* the register of the configuration space has 8 bits */

/* ---- the line ---- */

/* The guest's EOI, with evtchn_lock held. */
static void line_acknowledged(void *arg)
{
	struct pci_irqs *q = arg;

	if (q->asserted || q->device->ops->intx_eoi)
		eventfd_write(q->eoi_fd, 1);
}

static void on_eoi(void *arg, uint32_t events)
{
	struct pci_irqs *q = arg;
	eventfd_t n;

	if (eventfd_read(q->eoi_fd, &n))
		return;
	if (q->device->ops->intx_eoi)
		q->device->ops->intx_eoi(q->device);
	pthread_mutex_lock(&q->lock);
	if (q->asserted && pci_irqs_line_on(q))
		domain_send_pirq(q->domain, q->line);
	pthread_mutex_unlock(&q->lock);
}

/* As long as the IO-APIC's lines last they are those; the register has room for more. */
static int take_line(struct pci_irqs *q)
{
	int n = domain_get_free_pirq(q->domain, true, 1);

	if (n >= 0 && n < NR_GSIS &&
	    !domain_permit_pirq(q->domain, (unsigned)n, line_acknowledged, q))
		q->line = (unsigned)n;
	else if (n >= 0)
		domain_revoke_pirq(q->domain, (unsigned)n);
	for (unsigned i = NR_GSIS; !q->line && i <= LAST_LINE; i++)
		if (!domain_permit_pirq(q->domain, i, line_acknowledged, q))
			q->line = i;
	return q->line ? 0 : -ENOSPC;
}

void pci_irqs_close_line(struct pci_irqs *q)
{
	unsigned line = q->line;

	pthread_mutex_lock(&q->lock);
	q->line = 0;
	pthread_mutex_unlock(&q->lock);
	if (line)
		domain_revoke_pirq(q->domain, line);
}

/* ---- messages ---- */

static void give_back(struct pci_irqs *q, const uint16_t *pirq, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		domain_revoke_pirq(q->domain, pirq[i]);
}

static int take(struct pci_irqs *q, unsigned nr, uint16_t *pirq)
{
	for (unsigned i = 0; i < nr; i++) {
		int n = domain_get_free_pirq(q->domain, false, 1);
		int rc = n < 0 ? n : domain_permit_pirq(q->domain, (unsigned)n, NULL, NULL);

		if (rc) {
			give_back(q, pirq, i);
			return rc;
		}
		pirq[i] = (uint16_t)n;
	}
	return 0;
}

int pci_irqs_enable_msi(struct pci_irqs *q, unsigned nr, uint16_t *pirq)
{
	int rc = take(q, nr, pirq);

	if (rc)
		return rc;
	/* The device may send at once. */
	pthread_mutex_lock(&q->lock);
	memcpy(q->msi, pirq, nr * sizeof(*pirq));
	q->nr_msi = nr;
	pthread_mutex_unlock(&q->lock);
	rc = q->device->ops->msi_enable ? q->device->ops->msi_enable(q->device, nr) : -ENOTSUP;
	if (!rc)
		return 0;
	pthread_mutex_lock(&q->lock);
	q->nr_msi = 0;
	pthread_mutex_unlock(&q->lock);
	give_back(q, pirq, nr);
	return rc;
}

/* Takes MSI-X off; what was on. */
static unsigned forget_msix(struct pci_irqs *q)
{
	unsigned nr = q->nr_msix;

	pthread_mutex_lock(&q->lock);
	q->nr_msix = 0;
	for (unsigned i = 0; i < nr; i++) {
		domain_revoke_pirq(q->domain, q->msix[q->entry[i]]);
		q->msix[q->entry[i]] = 0;
	}
	pthread_mutex_unlock(&q->lock);
	return nr;
}

int pci_irqs_enable_msix(struct pci_irqs *q, const uint16_t *entry, unsigned nr, uint16_t *pirq)
{
	int rc = take(q, nr, pirq);

	if (rc)
		return rc;
	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < nr; i++) {
		q->entry[i] = entry[i];
		q->msix[entry[i]] = pirq[i];
	}
	q->nr_msix = nr;
	pthread_mutex_unlock(&q->lock);
	rc = q->device->ops->msix_enable ? q->device->ops->msix_enable(q->device, entry, nr)
					 : -ENOTSUP;
	if (rc)
		forget_msix(q);
	return rc;
}

/* What was raised while messages were on is not lost. */
static void line_again(struct pci_irqs *q)
{
	pthread_mutex_lock(&q->lock);
	if (q->asserted && pci_irqs_line_on(q))
		domain_send_pirq(q->domain, q->line);
	pthread_mutex_unlock(&q->lock);
}

void pci_irqs_disable(struct pci_irqs *q)
{
	if (q->nr_msi) {
		unsigned nr = q->nr_msi;

		q->device->ops->msi_disable(q->device);
		pthread_mutex_lock(&q->lock);
		q->nr_msi = 0;
		pthread_mutex_unlock(&q->lock);
		give_back(q, q->msi, nr);
		line_again(q);
	}
	if (q->nr_msix) {
		q->device->ops->msix_disable(q->device);
		forget_msix(q);
		line_again(q);
	}
}

int pci_irqs_restore(struct pci_irqs *q)
{
	if (q->nr_msi)
		return q->device->ops->msi_enable(q->device, q->nr_msi);
	if (q->nr_msix)
		return q->device->ops->msix_enable(q->device, q->entry, q->nr_msix);
	return 0;
}

/* ---- the whole ---- */

static int open_line(struct pci_irqs *q)
{
	int rc = take_line(q);

	if (rc)
		return rc;
	q->eoi_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->eoi_fd < 0)
		return -errno;
	return event_loop_add(q->loop, q->eoi_fd, EPOLLIN, on_eoi, q);
}

int pci_irqs_create(struct pci_device *d, bool pin)
{
	struct pci_irqs *q = calloc(1, sizeof(*q));
	int rc = -ENOMEM;

	if (!q)
		return rc;
	q->device = d;
	q->domain = d->host->domain;
	q->loop = d->host->loop;
	q->eoi_fd = -1;
	pthread_mutex_init(&q->lock, NULL);
	q->msix = calloc(PCI_MAX_MSIX, sizeof(*q->msix));
	q->entry = calloc(PCI_MAX_MSIX, sizeof(*q->entry));
	if (q->msix && q->entry)
		rc = pin ? open_line(q) : 0;
	if (rc)
		pci_irqs_free(q);
	else
		d->irqs = q;
	return rc;
}

void pci_irqs_free(struct pci_irqs *q)
{
	give_back(q, q->msi, q->nr_msi);
	forget_msix(q);
	pci_irqs_close_line(q);
	if (q->eoi_fd >= 0) {
		event_loop_del(q->loop, q->eoi_fd);
		close(q->eoi_fd);
	}
	pthread_mutex_destroy(&q->lock);
	free(q->msix);
	free(q->entry);
	free(q);
}
