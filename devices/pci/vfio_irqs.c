/*
 * Interrupts of a function behind a link: an eventfd for each in the event loop, set up by
 * VFIO_DEVICE_SET_IRQS and its message in vfio-user. Only one of INTx, MSI and MSI-X is set
 * up at a time (vfio-pci refuses a second).
 *
 * INTx is level-triggered: VFIO masks it when it signals (VFIO_IRQ_INFO_AUTOMASKED), the
 * guest's EOI unmasks it, and it is signalled again if the line is still asserted then.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/vfio.h"

#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

static int set(struct vfio_function *f, unsigned index, uint32_t flags, unsigned start,
	       unsigned count, const int *fds)
{
	struct vfio_irq_set s = {
		.argsz = sizeof(s), .flags = flags, .index = index, .start = start, .count = count};

	return f->link->ops->set_irqs(f->link, &s, fds);
}

/* What a signal of the index means. */

static void on_intx(struct vfio_function *f, unsigned number)
{
	pci_intx(&f->dev, true);
}

static void on_msi(struct vfio_function *f, unsigned number)
{
	pci_msi(&f->dev, number);
}

static void on_msix(struct vfio_function *f, unsigned number)
{
	pci_msix(&f->dev, number);
}

static uint32_t config(struct vfio_function *f, unsigned offset)
{
	uint32_t val;

	return vfio_config_read(&f->dev, offset, 4, &val) ? ~0u : val;
}

/* The advanced error reporting capability of PCI Express; 0: none. */
static unsigned find_aer(struct vfio_function *f)
{
	unsigned at = PCI_CONFIG_SIZE;

	for (int i = 0; i < 64 && at >= PCI_CONFIG_SIZE && at + 4 <= f->dev.config_size; i++) {
		uint32_t header = config(f, at);
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_ERR)
			return at;
		at = PCI_EXT_CAP_NEXT(header) & ~3u;
	}
	return 0;
}

/* An uncorrectable error; which, VFIO does not say. What reads as all ones is gone. */
static void on_error(struct vfio_function *f, unsigned number)
{
	unsigned aer = find_aer(f);
	bool fatal = true;

	if (config(f, PCI_VENDOR_ID) == ~0u) {
		vfio_function_lost(&f->dev);
		return;
	}
	if (aer)
		fatal = config(f, aer + PCI_ERR_UNCOR_STATUS) &
			config(f, aer + PCI_ERR_UNCOR_SEVER);
	pci_aer(&f->dev, fatal ? PCI_AER_FATAL : PCI_AER_NONFATAL);
}

/* Somebody wants the device back: unbinds it, or pulls it out. It works till we let go. */
static void on_request(struct vfio_function *f, unsigned number)
{
	if (f->left)
		return;
	f->left = true;
	domain_log(f->dev.host->domain, LOG_WARN,
		   "pci: the host wants %s back; the guest is asked to let it go", f->dev.name);
	pci_leave(&f->dev);
}

static void (*const signalled[VFIO_PCI_NUM_IRQS])(struct vfio_function *, unsigned) = {
	[VFIO_PCI_INTX_IRQ_INDEX] = on_intx,   [VFIO_PCI_MSI_IRQ_INDEX] = on_msi,
	[VFIO_PCI_MSIX_IRQ_INDEX] = on_msix,   [VFIO_PCI_ERR_IRQ_INDEX] = on_error,
	[VFIO_PCI_REQ_IRQ_INDEX] = on_request,
};

static void on_vector(void *arg, uint32_t events)
{
	struct vfio_vector *v = arg;
	eventfd_t n;

	if (eventfd_read(v->fd, &n))
		return;
	v->function->interrupts++;
	signalled[v->index](v->function, v->number);
}

static void forget(struct vfio_function *f, unsigned index)
{
	struct vfio_irq_index *x = &f->irq[index];

	for (unsigned i = 0; i < x->nr_vectors; i++)
		if (x->vector[i].fd >= 0) {
			event_loop_del(f->dev.host->loop, x->vector[i].fd);
			close(x->vector[i].fd);
		}
	free(x->vector);
	x->vector = NULL;
	x->nr_vectors = 0;
}

static void disable(struct vfio_function *f, unsigned index)
{
	if (!f->irq[index].vector)
		return;
	/* A link that fails has nobody at its other end. */
	set(f, index, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 0, NULL);
	forget(f, index);
}

/* nr vectors 0.., or those of entries[]. */
static int enable(struct vfio_function *f, unsigned index, unsigned nr, const uint16_t *entries)
{
	struct vfio_irq_index *x = &f->irq[index];
	unsigned last = 0;
	int rc = 0;

	for (unsigned i = 0; i < nr; i++) {
		unsigned number = entries ? entries[i] : i;
		last = number > last ? number : last;
	}
	if (!nr || last >= x->count)
		return -EINVAL;
	if (x->vector)
		return -EBUSY;
	int *fds = malloc((last + 1) * sizeof(*fds));
	x->vector = calloc(nr, sizeof(*x->vector));
	if (!fds || !x->vector) {
		free(fds);
		forget(f, index);
		return -ENOMEM;
	}
	memset(fds, 0xff, (last + 1) * sizeof(*fds));
	for (unsigned i = 0; i < nr && !rc; i++) {
		struct vfio_vector *v = &x->vector[i];
		*v = (struct vfio_vector){f, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
					  (uint16_t)index, (uint16_t)(entries ? entries[i] : i)};
		x->nr_vectors = i + 1;
		rc = v->fd < 0 ? -errno
		     : fds[v->number] >= 0
			     ? -EINVAL
			     : event_loop_add(f->dev.host->loop, v->fd, EPOLLIN, on_vector, v);
		fds[v->number] = v->fd;
	}
	if (!rc)
		rc = set(f, index, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, last + 1, fds);
	/* That many vectors the host could not find: vfio-pci says how many there are. */
	if (rc > 0)
		rc = -ENOSPC;
	free(fds);
	if (rc)
		forget(f, index);
	return rc;
}

/* ---- INTx ---- */

void vfio_intx_eoi(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;

	if (!f->irq[VFIO_PCI_INTX_IRQ_INDEX].vector)
		return;
	/* Unmasked, a line that is still asserted signals again. */
	pci_intx(d, false);
	if (f->irq[VFIO_PCI_INTX_IRQ_INDEX].flags &
	    (VFIO_IRQ_INFO_AUTOMASKED | VFIO_IRQ_INFO_MASKABLE))
		set(f, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		    0, 1, NULL);
}

int vfio_intx_enable(struct vfio_function *f)
{
	if (!f->irq[VFIO_PCI_INTX_IRQ_INDEX].count || f->irq[VFIO_PCI_INTX_IRQ_INDEX].vector)
		return 0;
	return enable(f, VFIO_PCI_INTX_IRQ_INDEX, 1, NULL);
}

static void intx_disable(struct vfio_function *f)
{
	if (!f->irq[VFIO_PCI_INTX_IRQ_INDEX].vector)
		return;
	disable(f, VFIO_PCI_INTX_IRQ_INDEX);
	pci_intx(&f->dev, false);
}

/* ---- MSI and MSI-X take INTx's place, and give it back ---- */

int vfio_msi_enable(struct pci_device *d, unsigned nr_vectors)
{
	struct vfio_function *f = (struct vfio_function *)d;

	intx_disable(f);
	int rc = enable(f, VFIO_PCI_MSI_IRQ_INDEX, nr_vectors, NULL);
	if (rc && !f->irq[VFIO_PCI_MSI_IRQ_INDEX].vector)
		vfio_intx_enable(f);
	return rc;
}

void vfio_msi_disable(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;

	if (!f->irq[VFIO_PCI_MSI_IRQ_INDEX].vector)
		return;
	disable(f, VFIO_PCI_MSI_IRQ_INDEX);
	vfio_intx_enable(f);
}

static void show_entries(struct vfio_function *f, const uint16_t *entries, unsigned nr)
{
	for (unsigned i = 0; i < f->table_size; i++)
		f->unmasked[i] = 0;
	for (unsigned i = 0; i < nr; i++)
		if (entries[i] < f->table_size)
			f->unmasked[entries[i]] = 1;
}

int vfio_msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	struct vfio_function *f = (struct vfio_function *)d;

	intx_disable(f);
	int rc = enable(f, VFIO_PCI_MSIX_IRQ_INDEX, nr, entries);
	if (!rc)
		show_entries(f, entries, nr);
	else if (!f->irq[VFIO_PCI_MSIX_IRQ_INDEX].vector)
		vfio_intx_enable(f);
	return rc;
}

void vfio_msix_disable(struct pci_device *d)
{
	struct vfio_function *f = (struct vfio_function *)d;

	if (!f->irq[VFIO_PCI_MSIX_IRQ_INDEX].vector)
		return;
	show_entries(f, NULL, 0);
	disable(f, VFIO_PCI_MSIX_IRQ_INDEX);
	vfio_intx_enable(f);
}

/* ---- beginning and end ---- */

int vfio_irqs_create(struct vfio_function *f, char *err, size_t errlen)
{
	static const unsigned most[VFIO_PCI_NUM_IRQS] = {1, PCI_MAX_MSI, PCI_MAX_MSIX, 1, 1};
	int rc;

	for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info info = {.argsz = sizeof(info), .index = i};
		rc = f->link->ops->irq_info(f->link, &info);
		/* vfio-pci has error signals of PCI Express only. */
		if (rc == -EINVAL && i > VFIO_PCI_MSIX_IRQ_INDEX)
			continue;
		if (rc)
			return rc;
		if (info.count > most[i]) {
			snprintf(err, errlen, "%s has %u interrupts where PCI allows %u",
				 f->dev.name, info.count, most[i]);
			return -EPROTO;
		}
		f->irq[i].flags = info.flags;
		f->irq[i].count = info.flags & VFIO_IRQ_INFO_EVENTFD ? info.count : 0;
	}
	for (unsigned i = VFIO_PCI_ERR_IRQ_INDEX; i < VFIO_PCI_NUM_IRQS; i++)
		if (f->irq[i].count && (rc = enable(f, i, 1, NULL)))
			return rc;
	rc = vfio_intx_enable(f);
	/* Not wired, or shared with a device that the host uses, and this one cannot mask it. */
	if (rc == -ENODEV || rc == -EBUSY) {
		domain_log(f->dev.host->domain, LOG_WARN,
			   "pci: %s has no INTx: its line is %s; MSI and MSI-X work", f->dev.name,
			   rc == -EBUSY ? "shared with a device of the host" : "not connected");
		f->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 0;
		return 0;
	}
	if (rc)
		snprintf(err, errlen, "%s: its INTx cannot be had: %s", f->dev.name, strerror(-rc));
	return rc;
}

void vfio_irqs_destroy(struct vfio_function *f)
{
	for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		disable(f, i);
}
