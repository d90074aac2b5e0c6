/*
 * The rules are those of Linux 6.1's drivers/xen/xen-pciback (conf_space_header.c,
 * conf_space_capability.c), written down a second time: our backend is not asked.
 */
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/pci/pci_irq.h"
#include "pvabi/grant_table.h"
#include "test/fuzz/pci_judge.h"

#define MAX_JUDGED 32

/* PCI_COMMAND_GUEST of conf_space_header.c */
#define COMMAND_GUEST                                                        \
	(PCI_COMMAND_MASTER | PCI_COMMAND_SPECIAL | PCI_COMMAND_INVALIDATE | \
	 PCI_COMMAND_VGA_PALETTE | PCI_COMMAND_WAIT | PCI_COMMAND_FAST_BACK)
/* What enabling a device, and making it a bus master, sets by itself. */
#define COMMAND_HOST \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INVALIDATE)

_Atomic unsigned long judged_writes;

static struct judged {
	struct pci_device *d;
	const struct pci_device_ops *real;
	struct pci_device_ops ops;
	bool permissive;
	unsigned pm, vpd, msi, msix, pcie, aer;
} judged[MAX_JUDGED];

void verdict(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "VERDICT: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

static struct judged *judged_of(const struct pci_device *d)
{
	for (unsigned i = 0; i < MAX_JUDGED; i++)
		if (judged[i].d == d)
			return &judged[i];
	abort();
}

static uint32_t real(struct judged *j, unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	return j->real->config_read(j->d, offset, bytes, &val) ? ~0u : val;
}

static bool bar_is_placed(const struct pci_device *d, unsigned i, uint32_t val)
{
	const struct pci_bar *b = &d->bar[i];

	if (i && d->bar[i - 1].kind == PCI_BAR_MEM64)
		return val == (uint32_t)(d->bar[i - 1].address >> 32);
	return b->kind && (val & ~0xfu) == ((uint32_t)b->address & ~0xfu);
}

/* NULL, or why this must not arrive. */
static const char *wrong(struct judged *j, unsigned offset, unsigned bytes, uint32_t val)
{
	uint32_t old;

	if (j->real->config_read(j->d, offset, bytes, &old))
		return NULL; /* it answers nobody now */
	if (offset >= PCI_BASE_ADDRESS_0 && offset <= PCI_BASE_ADDRESS_5)
		return bytes == 4 && bar_is_placed(j->d, (offset - PCI_BASE_ADDRESS_0) / 4, val)
			       ? NULL
			       : "a BAR moves";
	if (offset == PCI_COMMAND && bytes == 2) {
		uint32_t may = COMMAND_HOST | (j->permissive ? COMMAND_GUEST : 0);
		return (val ^ old) & ~may ? "the command register" : NULL;
	}
	if (offset == PCI_BIST && bytes == 1)
		return (old ^ val) & ~(uint32_t)PCI_BIST_START && val != PCI_BIST_START ? "BIST"
											: NULL;
	if (j->vpd && offset == j->vpd + PCI_VPD_ADDR)
		return bytes == 2 && !(val & PCI_VPD_ADDR_F) ? NULL : "VPD is written";
	if (j->pm && offset == j->pm + PCI_PM_CTRL)
		return bytes == 2 && !(val & ~old & PCI_PM_CTRL_PME_ENABLE) ? NULL : "PME enabled";
	if (j->msi && offset == j->msi + PCI_MSI_FLAGS)
		return j->permissive && bytes == 2 && !(val & PCI_MSI_FLAGS_ENABLE)
			       ? NULL
			       : "MSI's control";
	if (j->msix && offset == j->msix + PCI_MSIX_FLAGS)
		return j->permissive && bytes == 2 && !(val & PCI_MSIX_FLAGS_ENABLE)
			       ? NULL
			       : "MSI-X's control";
	if (j->vpd && offset >= j->vpd + PCI_VPD_ADDR && offset < j->vpd + PCI_VPD_DATA + 4)
		return "VPD's data";
	if ((offset == PCI_CACHE_LINE_SIZE || offset == PCI_INTERRUPT_LINE) && bytes == 1)
		return NULL;
	/* pci_set_master() of Linux: pcibios_set_master() */
	if (offset == PCI_LATENCY_TIMER && bytes == 1)
		return old < 16 && val == 64 ? NULL : "the latency timer";
	/* Cleared when the backend has dealt with an error. */
	if ((j->pcie && offset == j->pcie + PCI_EXP_DEVSTA) ||
	    (j->aer &&
	     (offset == j->aer + PCI_ERR_UNCOR_STATUS || offset == j->aer + PCI_ERR_COR_STATUS)))
		return NULL;
	if (!j->permissive)
		return "no field of pciback";
	/* A register that a field guards is not written as a whole either. */
	if (offset < PCI_STD_HEADER_SIZEOF &&
	    (offset + bytes > PCI_BASE_ADDRESS_0 && offset < PCI_BASE_ADDRESS_5 + 4))
		return "a part of a BAR";
	return NULL;
}

static int judge_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	struct judged *j = judged_of(d);

	if ((bytes != 1 && bytes != 2 && bytes != 4) || offset % bytes ||
	    offset + bytes > d->config_size || (bytes < 4 && val >> 8 * bytes))
		verdict("%s: write of %u bytes at %#x: %#x", d->name, bytes, offset, val);
	const char *why = wrong(j, offset, bytes, val);
	if (why)
		verdict("%s: %s: %u bytes at %#x: %#x", d->name, why, bytes, offset, val);
	judged_writes++;
	return j->real->config_write(d, offset, bytes, val);
}

static int judge_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	if ((bytes != 1 && bytes != 2 && bytes != 4) || offset % bytes ||
	    offset + bytes > d->config_size)
		verdict("%s: read of %u bytes at %#x", d->name, bytes, offset);
	return judged_of(d)->real->config_read(d, offset, bytes, val);
}

static void judge_destroy(struct pci_device *d)
{
	struct judged *j = judged_of(d);
	const struct pci_device_ops *real_ops = j->real;

	d->ops = real_ops;
	j->d = NULL;
	real_ops->destroy(d);
}

static unsigned find(struct judged *j, unsigned id)
{
	unsigned at = real(j, PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; i < 48 && at >= 0x40 && at < 0xff; i++) {
		if (real(j, at, 1) == id)
			return at;
		at = real(j, at + 1, 1);
	}
	return 0;
}

void judge_device(struct pci_device *d, bool permissive)
{
	struct judged *j = judged_of(NULL);

	*j = (struct judged){.d = d, .real = d->ops, .ops = *d->ops, .permissive = permissive};
	j->ops.config_write = judge_write;
	j->ops.config_read = judge_read;
	j->ops.destroy = judge_destroy;
	j->pm = find(j, PCI_CAP_ID_PM);
	j->vpd = find(j, PCI_CAP_ID_VPD);
	j->msi = find(j, PCI_CAP_ID_MSI);
	j->msix = find(j, PCI_CAP_ID_MSIX);
	j->pcie = find(j, PCI_CAP_ID_EXP);
	for (unsigned at = PCI_CONFIG_SIZE, i = 0; at && at + 4 <= d->config_size && i < 64; i++) {
		uint32_t head = real(j, at, 4);
		if (PCI_EXT_CAP_ID(head) == PCI_EXT_CAP_ID_ERR)
			j->aer = at;
		at = PCI_EXT_CAP_NEXT(head);
	}
	d->ops = &j->ops;
}

/* ---- memory ---- */

void judge_memory_begin(struct judge_memory *m, struct test_domain *t, uint64_t first, uint64_t nr)
{
	size_t size = t->d->nr_frames * PAGE_SIZE;

	*m = (struct judge_memory){.t = t, .first = first, .nr = nr};
	/* Not from the heap: sanitizers keep what is freed. */
	m->copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->copy == MAP_FAILED)
		abort();
	memcpy(m->copy, t->memory, size);
}

static bool is_shared(const struct domain *d, uint64_t mfn)
{
	if (mfn == d->shared_info_mfn)
		return true;
	/* The table of grants: in use or not. */
	for (grant_ref_t ref = 0; ref < 512; ref += PAGE_SIZE / sizeof(grant_entry_v1_t)) {
		const uint8_t *entry = (const uint8_t *)grant_entry_1((struct domain *)d, ref);
		if (entry && entry >= d->memory && (uint64_t)(entry - d->memory) / PAGE_SIZE == mfn)
			return true;
	}
	return false;
}

void judge_memory_end(struct judge_memory *m)
{
	for (uint64_t n = 0; n < m->t->d->nr_frames; n++) {
		bool may = n - m->first < m->nr || is_shared(m->t->d, n);
		for (unsigned i = 0; i < m->nr_except; i++)
			may |= n == m->except[i];
		if (may)
			continue;
		const uint8_t *now = m->t->memory + n * PAGE_SIZE, *was = m->copy + n * PAGE_SIZE;
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			if (now[i] != was[i])
				verdict("byte %#x of frame %#lx of %s was %#x and is %#x", i,
					(unsigned long)n,
					n < m->t->d->nr_ram ? "the guest's memory" : "Xen's heap",
					was[i], now[i]);
	}
	munmap(m->copy, m->t->d->nr_frames * PAGE_SIZE);
}
