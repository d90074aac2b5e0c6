/*
 * The configuration space of a function made of software. Layouts: PCI 3.0 chapter 6,
 * PCI Express 3.0 chapter 7, with the names of <linux/pci_regs.h>.
 */
#include <errno.h>
#include <string.h>

#include "devices/pci/pci_config.h"

#define COMMAND_BITS                                                                     \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
	 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define STATUS_ERRORS                                                                    \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT | \
	 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)

static uint32_t get(const uint8_t *from, unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	memcpy(&val, from + offset, bytes);
	return val;
}

static void set(uint8_t *to, unsigned offset, unsigned bytes, uint32_t val)
{
	memcpy(to + offset, &val, bytes);
}

uint32_t pci_config_get(const struct pci_config *c, unsigned offset, unsigned bytes)
{
	return get(c->byte, offset, bytes);
}

/* The command register, which other threads look at, too. */
static void command_changed(struct pci_config *c)
{
	c->command = (uint16_t)get(c->byte, PCI_COMMAND, 2);
}

void pci_config_set(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t val)
{
	set(c->byte, offset, bytes, val);
	command_changed(c);
}

void pci_config_set_writable(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t mask)
{
	set(c->writable, offset, bytes, mask);
}

void pci_config_init(struct pci_config *c, unsigned size, const struct pci_config_id *id)
{
	memset(c, 0, sizeof(*c));
	c->size = size;
	c->end_cap = PCI_STD_HEADER_SIZEOF;
	c->end_ext = PCI_CONFIG_SIZE;
	set(c->byte, PCI_VENDOR_ID, 2, id->vendor);
	set(c->byte, PCI_DEVICE_ID, 2, id->device);
	set(c->byte, PCI_CLASS_REVISION, 4, id->class << 8 | id->revision);
	set(c->byte, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor);
	set(c->byte, PCI_SUBSYSTEM_ID, 2, id->subsystem);
	set(c->byte, PCI_INTERRUPT_PIN, 1, id->interrupt_pin);
	set(c->writable, PCI_COMMAND, 2, COMMAND_BITS);
	set(c->clears, PCI_STATUS, 2, STATUS_ERRORS);
	set(c->writable, PCI_CACHE_LINE_SIZE, 1, 0xff);
	set(c->writable, PCI_INTERRUPT_LINE, 1, 0xff);
	pci_config_done(c);
}

static void add_bar(struct pci_config *c, unsigned offset, const struct pci_bar *b)
{
	uint64_t mask = ~(b->size - 1);
	uint32_t flags = b->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0;

	switch (b->kind) {
	case PCI_BAR_IO:
		set(c->byte, offset, 4, PCI_BASE_ADDRESS_SPACE_IO);
		set(c->writable, offset, 4, (uint32_t)mask & PCI_BASE_ADDRESS_IO_MASK);
		break;
	case PCI_BAR_MEM32:
		set(c->byte, offset, 4, flags);
		set(c->writable, offset, 4, (uint32_t)mask & PCI_BASE_ADDRESS_MEM_MASK);
		break;
	case PCI_BAR_MEM64:
		set(c->byte, offset, 4, flags | PCI_BASE_ADDRESS_MEM_TYPE_64);
		set(c->writable, offset, 4, (uint32_t)mask & PCI_BASE_ADDRESS_MEM_MASK);
		set(c->writable, offset + 4, 4, (uint32_t)(mask >> 32));
		break;
	case PCI_BAR_NONE:
		break;
	}
}

void pci_config_bars(struct pci_config *c, struct pci_device *d)
{
	d->config_size = c->size;
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		add_bar(c, PCI_BASE_ADDRESS_0 + 4 * i, &d->bar[i]);
	if (d->rom.size) {
		uint32_t mask = ~(uint32_t)(d->rom.size - 1) & PCI_ROM_ADDRESS_MASK;
		set(c->writable, PCI_ROM_ADDRESS, 4, mask | PCI_ROM_ADDRESS_ENABLE);
	}
}

void pci_config_done(struct pci_config *c)
{
	memcpy(c->initial, c->byte, sizeof(c->initial));
	command_changed(c);
}

void pci_config_reset(struct pci_config *c)
{
	uint8_t bars[4 * PCI_NR_BARS];

	memcpy(bars, c->byte + PCI_BASE_ADDRESS_0, sizeof(bars));
	memcpy(c->byte, c->initial, sizeof(c->byte));
	memcpy(c->byte + PCI_BASE_ADDRESS_0, bars, sizeof(bars));
	command_changed(c);
}

/* ---- capabilities ---- */

unsigned pci_config_add_cap(struct pci_config *c, uint8_t id, unsigned len)
{
	unsigned offset = c->end_cap;

	if (offset + len > PCI_CONFIG_SIZE)
		return 0;
	c->end_cap = (offset + len + 3) & ~3u;
	set(c->byte, offset, 2, id);
	if (c->last_cap)
		c->byte[c->last_cap + PCI_CAP_LIST_NEXT] = (uint8_t)offset;
	else
		c->byte[PCI_CAPABILITY_LIST] = (uint8_t)offset;
	c->last_cap = offset;
	c->byte[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return offset;
}

unsigned pci_config_add_ext_cap(struct pci_config *c, uint16_t id, unsigned version, unsigned len)
{
	unsigned offset = c->end_ext;

	if (offset + len > c->size)
		return 0;
	c->end_ext = (offset + len + 3) & ~3u;
	set(c->byte, offset, 4, id | version << 16);
	/* The list begins at 0x100; its entries name the next one in bits 31:20. */
	if (c->last_ext)
		set(c->byte, c->last_ext, 4, get(c->byte, c->last_ext, 4) | offset << 20);
	c->last_ext = offset;
	return offset;
}

static unsigned log2_of(unsigned n)
{
	return n > 1 ? 31 - (unsigned)__builtin_clz(n) : 0;
}

unsigned pci_config_add_msi(struct pci_config *c, unsigned nr, bool maskable)
{
	unsigned o = pci_config_add_cap(c, PCI_CAP_ID_MSI, maskable ? 24 : 14);

	if (!o)
		return 0;
	set(c->byte, o + PCI_MSI_FLAGS, 2,
	    PCI_MSI_FLAGS_64BIT | log2_of(nr) << 1 | (maskable ? PCI_MSI_FLAGS_MASKBIT : 0));
	set(c->writable, o + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	set(c->writable, o + PCI_MSI_ADDRESS_LO, 4, ~3u);
	set(c->writable, o + PCI_MSI_ADDRESS_HI, 4, ~0u);
	set(c->writable, o + PCI_MSI_DATA_64, 2, 0xffff);
	if (maskable)
		set(c->writable, o + PCI_MSI_MASK_64, 4, nr < 32 ? (1u << nr) - 1 : ~0u);
	c->msi = o;
	return o;
}

unsigned pci_config_add_msix(struct pci_config *c, unsigned nr, unsigned table_bar,
			     uint32_t table_offset, unsigned pba_bar, uint32_t pba_offset)
{
	unsigned o = pci_config_add_cap(c, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	if (!o)
		return 0;
	set(c->byte, o + PCI_MSIX_FLAGS, 2, nr - 1);
	set(c->writable, o + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	set(c->byte, o + PCI_MSIX_TABLE, 4, table_offset | table_bar);
	set(c->byte, o + PCI_MSIX_PBA, 4, pba_offset | pba_bar);
	c->msix = o;
	return o;
}

unsigned pci_config_add_pm(struct pci_config *c)
{
	unsigned o = pci_config_add_cap(c, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	if (!o)
		return 0;
	set(c->byte, o + PCI_PM_PMC, 2, 3); /* of version 1.2 */
	set(c->byte, o + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	set(c->writable, o + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
	c->pm = o;
	return o;
}

unsigned pci_config_add_pcie(struct pci_config *c)
{
	unsigned o = pci_config_add_cap(c, PCI_CAP_ID_EXP, 60);

	if (!o)
		return 0;
	set(c->byte, o + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	set(c->byte, o + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	/* Relaxed ordering and no-snoop are on, requests read 512 bytes. */
	set(c->byte, o + PCI_EXP_DEVCTL, 2, 0x2810);
	set(c->writable, o + PCI_EXP_DEVCTL, 2, 0x7fff);
	set(c->clears, o + PCI_EXP_DEVSTA, 2,
	    PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD);
	set(c->byte, o + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	set(c->writable, o + PCI_EXP_LNKCTL, 2,
	    PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	set(c->byte, o + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	c->pcie = o;
	return o;
}

/* ---- access ---- */

static bool inside(const struct pci_config *c, unsigned offset, unsigned bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && !(offset % bytes) && offset < c->size;
}

int pci_config_read(const struct pci_config *c, unsigned offset, unsigned bytes, uint32_t *val)
{
	if (!inside(c, offset, bytes))
		return -EINVAL;
	*val = get(c->byte, offset, bytes);
	if (c->intx && offset <= PCI_STATUS && PCI_STATUS < offset + bytes)
		*val |= PCI_STATUS_INTERRUPT << 8 * (PCI_STATUS - offset);
	return 0;
}

int pci_config_write(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t val)
{
	if (!inside(c, offset, bytes))
		return -EINVAL;
	uint32_t writable = get(c->writable, offset, bytes);
	uint32_t old = get(c->byte, offset, bytes) & ~(get(c->clears, offset, bytes) & val);

	set(c->byte, offset, bytes, (old & ~writable) | (val & writable));
	command_changed(c);
	return 0;
}
