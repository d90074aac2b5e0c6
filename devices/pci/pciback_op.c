/*
 * The shared page: io/pciif.h, as Linux's xen-pciback serves it (pciback_ops.c). A request is
 * copied once; only err, value and the vectors of MSI-X are written back, then the flag is
 * cleared, then the frontend, which waits for that with its interrupts off, is notified.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/pci/pciback_internal.h"
#include "pvabi/fault.h"

/* Requests served before others of the loop have their turn. */
#define BATCH 8

/* ---- the operations: what goes into op->err ---- */

static int conf_read(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	p->stats.reads++;
	return conf_space_read(&fn->conf, op->offset, op->size, &op->value);
}

static int conf_write(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	p->stats.writes++;
	return conf_space_write(&fn->conf, op->offset, op->size, op->value);
}

static int enable_msi(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	struct pci_irqs *q = fn->f.device->irqs;
	uint16_t pirq;

	op->value = 0;
	if (!fn->conf.msi || q->nr_msi || q->nr_msix || pci_irqs_enable_msi(q, 1, &pirq))
		return XEN_PCI_ERR_op_failed;
	p->stats.interrupts_set++;
	op->value = pirq;
	return XEN_PCI_ERR_success;
}

/* The PIRQ that the function has now (Linux: dev->irq). */
static uint32_t pirq_now(const struct pci_irqs *q)
{
	return q->nr_msi ? q->msi[0] : q->line;
}

static int disable_msi(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	if (fn->f.device->irqs->nr_msi)
		pci_irqs_disable(fn->f.device->irqs);
	op->value = pirq_now(fn->f.device->irqs);
	return XEN_PCI_ERR_success;
}

/* Entries of the device's table, each once: 0 or Linux's errno (msi.c, __pci_enable_msix). */
static int check_entries(struct pci_fn *fn, const struct xen_pci_op *op, uint16_t *entry)
{
	uint32_t flags;

	if (!fn->conf.msix || !op->value ||
	    conf_real_read(&fn->conf, fn->conf.msix + PCI_MSIX_FLAGS, 2, &flags))
		return -EINVAL;
	unsigned size = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	if (op->value > size)
		return -ENOSPC;
	for (unsigned i = 0; i < op->value; i++) {
		entry[i] = op->msix_entries[i].entry;
		if (entry[i] >= size)
			return -EINVAL;
		for (unsigned j = 0; j < i; j++)
			if (entry[j] == entry[i])
				return -EINVAL;
	}
	return 0;
}

static int enable_msix(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	struct pci_irqs *q = fn->f.device->irqs;
	uint16_t entry[SH_INFO_MAX_VEC], pirq[SH_INFO_MAX_VEC];
	unsigned nr = op->value;

	if (nr > SH_INFO_MAX_VEC)
		return -EINVAL;
	if (q->nr_msix)
		return -EALREADY;
	if (q->nr_msi || !conf_space_memory(&fn->conf))
		return -ENXIO;
	int rc = check_entries(fn, op, entry);
	if (!rc)
		rc = pci_irqs_enable_msix(q, entry, nr, pirq);
	op->value = (uint32_t)rc;
	if (rc)
		return rc;
	p->stats.interrupts_set++;
	for (unsigned i = 0; i < nr; i++)
		op->msix_entries[i].vector = pirq[i];
	return XEN_PCI_ERR_success;
}

static int disable_msix(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	if (fn->f.device->irqs->nr_msix)
		pci_irqs_disable(fn->f.device->irqs);
	op->value = pirq_now(fn->f.device->irqs);
	return XEN_PCI_ERR_success;
}

/* The AER requests are ours to make; several MSIs Linux does not offer either. */
static int (*const handlers[])(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op) = {
	[XEN_PCI_OP_conf_read] = conf_read,	[XEN_PCI_OP_conf_write] = conf_write,
	[XEN_PCI_OP_enable_msi] = enable_msi,	[XEN_PCI_OP_disable_msi] = disable_msi,
	[XEN_PCI_OP_enable_msix] = enable_msix, [XEN_PCI_OP_disable_msix] = disable_msix,
};
#define NR_HANDLERS (sizeof(handlers) / sizeof(handlers[0]))

static int carry_out(struct pciback *p, struct pci_fn *fn, struct xen_pci_op *op)
{
	if (!fn) {
		p->stats.unknown++;
		return XEN_PCI_ERR_dev_not_found;
	}
	if (op->cmd >= NR_HANDLERS)
		return XEN_PCI_ERR_not_implemented;
	int rc = handlers[op->cmd](p, fn, op);
	if (rc)
		p->stats.refused++;
	return rc;
}

void pciback_answer(struct pciback *p, const struct xen_pci_op *op, unsigned nr)
{
	struct xen_pci_op *there = &p->shared->op;

	__atomic_store_n(&there->err, op->err, __ATOMIC_RELAXED);
	__atomic_store_n(&there->value, op->value, __ATOMIC_RELAXED);
	for (unsigned i = 0; !op->err && i < nr; i++)
		__atomic_store_n(&there->msix_entries[i].vector, op->msix_entries[i].vector,
				 __ATOMIC_RELAXED);
	__atomic_fetch_and(&p->shared->flags, ~(uint32_t)XEN_PCIF_active, __ATOMIC_SEQ_CST);
	evtchn_backend_send(p->b.domain, p->port);
}

/* False: the answer does not come now. */
static bool do_op(struct pciback *p)
{
	struct xen_pci_op op;
	bool faulty = false;
	unsigned nr = 0;
	struct fault f;

	memcpy(&op, &p->shared->op, sizeof(op));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (op.cmd == XEN_PCI_OP_enable_msix)
		nr = op.value;
	struct pci_fn *fn = pciback_lookup(p, op.domain, op.bus, op.devfn);
	if (FAULT_AT(p->b.domain, pci_op, &f, op.cmd, op.domain, op.bus, op.devfn, op.offset,
		     op.size, op.value, 0)) {
		if (f.kind == FAULT_DROP)
			return false;
		faulty = true;
	}
	if (faulty && f.kind == FAULT_FAIL)
		op.err = (int)fault_value(&f, XEN_PCI_ERR_op_failed);
	else
		op.err = carry_out(p, fn, &op);
	if (faulty && f.kind == FAULT_CORRUPT)
		op.value ^= (uint32_t)fault_value(&f, 1);
	PROBE_HIT(p->b.domain, pci_op, op.cmd, op.domain, op.bus, op.devfn, op.offset, op.size,
		  op.value, (uint64_t)(int64_t)op.err);
	if (faulty && f.kind == FAULT_DELAY &&
	    pciback_answer_in(p, &op, fault_value(&f, 100000000)))
		return false;
	if (pciback_put_off(p, fn, &op))
		return false;
	pciback_answer(p, &op, nr);
	return true;
}

void pciback_serve(struct pciback *p)
{
	if (p->late.pending)
		return;
	for (unsigned i = 0; p->shared && i < BATCH; i++) {
		if (!(__atomic_load_n(&p->shared->flags, __ATOMIC_SEQ_CST) & XEN_PCIF_active))
			return;
		if (!do_op(p))
			return;
	}
	/* A frontend that makes request after request waits for the others. */
	if (p->shared)
		eventfd_write(p->event_fd, 1);
}
