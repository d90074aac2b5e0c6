/*
 * Accesses to the guest's view of a configuration space: see conf_space.h.
 */
#include <errno.h>
#include <string.h>
#include <stdint.h>
#include <xen/io/pciif.h>

#include "devices/pci/conf_space.h"
#include "devices/pci/pci_irq.h"
#include "pvabi/pvabi.h"

int conf_real_read(struct conf_space *c, unsigned offset, unsigned bytes, uint32_t *val)
{
	int rc = c->device->ops->config_read(c->device, offset, bytes, val);

	if (rc)
		*val = bytes == 4 ? ~0u : (1u << 8 * bytes) - 1;
	return rc;
}

int conf_real_write(struct conf_space *c, unsigned offset, unsigned bytes, uint32_t val)
{
	return c->device->ops->config_write(c->device, offset, bytes, val);
}

int conf_add(struct conf_space *c, const struct conf_field *table, unsigned base)
{
	for (const struct conf_field *f = table; f->size; f++) {
		if (c->nr == CONF_MAX_FIELDS)
			return -ENOSPC;
		struct conf_entry *e = &c->entry[c->nr];
		*e = (struct conf_entry){.field = f, .offset = base + f->offset};
		int rc = f->init ? f->init(c, e) : 0;
		if (rc)
			return rc;
		c->nr++;
	}
	return 0;
}

static int entry_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	if (e->field->read)
		return e->field->read(c, e, val);
	return conf_real_read(c, e->offset, e->field->size, val);
}

static uint32_t mask_of(unsigned size)
{
	return size == 4 ? ~0u : (1u << 8 * size) - 1;
}

/* `val` with the bytes of `part` that are `at` bytes behind its start (or before, negative). */
static uint32_t merge(uint32_t val, uint32_t part, uint32_t mask, int at)
{
	if (at >= 0) {
		mask <<= 8 * at;
		part <<= 8 * at;
	} else {
		mask >>= -8 * at;
		part >>= -8 * at;
	}
	return (val & ~mask) | (part & mask);
}

static bool overlaps(const struct conf_entry *e, unsigned offset, unsigned size)
{
	return offset + size > e->offset && e->offset + e->field->size > offset;
}

static bool valid(const struct conf_space *c, int32_t offset, int32_t size)
{
	return (size == 1 || size == 2 || size == 4) && offset >= 0 && !(offset % size) &&
	       offset < PCIE_CONFIG_SIZE;
}

/* A host with memory-mapped configuration space reads all ones behind the end of a function's
 * own. */
static bool beyond(const struct conf_space *c, unsigned offset)
{
	return offset >= c->device->config_size;
}

static int answer(int rc)
{
	if (rc == CONF_FAILED)
		return XEN_PCI_ERR_access_denied;
	return rc ? XEN_PCI_ERR_dev_not_found : XEN_PCI_ERR_success;
}

int conf_space_read(struct conf_space *c, int32_t offset, int32_t size, uint32_t *val)
{
	unsigned at = (unsigned)offset, bytes = (unsigned)size;

	*val = 0;
	if (!valid(c, offset, size))
		return XEN_PCI_ERR_invalid_offset;
	if (beyond(c, at)) {
		*val = mask_of(bytes);
		return XEN_PCI_ERR_success;
	}
	int rc = conf_real_read(c, at, bytes, val);
	for (unsigned i = 0; !rc && i < c->nr; i++) {
		struct conf_entry *e = &c->entry[i];
		uint32_t part = 0;

		if (!overlaps(e, at, bytes))
			continue;
		rc = entry_read(c, e, &part);
		if (!rc)
			*val = merge(*val, part, mask_of(e->field->size), (int)e->offset - (int)at);
	}
	/* Of a field that is wider than the access, the rest comes with it (sic). */
	return answer(rc);
}

int conf_space_write(struct conf_space *c, int32_t offset, int32_t size, uint32_t val)
{
	unsigned at = (unsigned)offset, bytes = (unsigned)size;
	bool guarded = false;
	int rc = 0;

	if (!valid(c, offset, size))
		return XEN_PCI_ERR_invalid_offset;
	if (beyond(c, at))
		return XEN_PCI_ERR_success;
	for (unsigned i = 0; !rc && i < c->nr; i++) {
		struct conf_entry *e = &c->entry[i];
		uint32_t whole = 0;

		if (!overlaps(e, at, bytes))
			continue;
		guarded = true;
		rc = entry_read(c, e, &whole);
		whole = merge(whole, val, mask_of(bytes), (int)at - (int)e->offset);
		if (!rc && e->field->write)
			rc = e->field->write(c, e, whole & mask_of(e->field->size));
	}
	if (!guarded && c->permissive)
		rc = conf_real_write(c, at, bytes, val & mask_of(bytes));
	return answer(rc);
}

/* ---- the device as a whole ---- */

uint32_t conf_decode_bits(const struct pci_device *d)
{
	uint32_t bits = d->rom.size ? PCI_COMMAND_MEMORY : 0;

	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		if (d->bar[i].kind)
			bits |= d->bar[i].kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	return bits;
}

/* A device that somebody used before does no DMA by itself (Linux: xen_pcibk_reset_device()). */
static int set_command(struct conf_space *c, uint32_t bits)
{
	uint32_t command;
	int rc = conf_real_read(c, PCI_COMMAND, 2, &command);

	return rc ? rc
		  : conf_real_write(c, PCI_COMMAND, 2,
				    (command & ~(uint32_t)PCI_COMMAND_MASTER) | bits);
}

static int place_bars(struct conf_space *c)
{
	struct pci_device *d = c->device;
	int rc = 0;

	for (unsigned i = 0; !rc && i < PCI_NR_BARS; i++) {
		const struct pci_bar *b = &d->bar[i];

		if (!b->kind)
			continue;
		rc = conf_real_write(c, PCI_BASE_ADDRESS_0 + 4 * i, 4, (uint32_t)b->address);
		if (!rc && b->kind == PCI_BAR_MEM64)
			rc = conf_real_write(c, PCI_BASE_ADDRESS_0 + 4 * i + 4, 4,
					     (uint32_t)(b->address >> 32));
	}
	if (!rc && d->rom.size)
		rc = conf_real_write(c, PCI_ROM_ADDRESS, 4, (uint32_t)d->rom.address);
	if (!rc)
		rc = conf_real_write(c, PCI_INTERRUPT_LINE, 1, d->irqs->line);
	return rc ? rc : set_command(c, conf_decode_bits(d));
}

/* Where capability `id` is; 0: nowhere. As long as a list can be (Linux: PCI_FIND_CAP_TTL). */
static unsigned find_capability(struct conf_space *c, uint8_t id)
{
	uint32_t status, at, head;

	if (conf_real_read(c, PCI_STATUS, 2, &status) || !(status & PCI_STATUS_CAP_LIST) ||
	    conf_real_read(c, PCI_CAPABILITY_LIST, 1, &at))
		return 0;
	for (unsigned ttl = 48; ttl && at >= PCI_STD_HEADER_SIZEOF; ttl--) {
		at &= ~3u;
		if (conf_real_read(c, at, 2, &head) || (head & 0xff) == 0xff)
			return 0;
		if ((head & 0xff) == id)
			return at;
		at = head >> 8;
	}
	return 0;
}

static unsigned find_ext_capability(struct conf_space *c, uint16_t id)
{
	unsigned at = PCI_CONFIG_SIZE, ttl = (PCIE_CONFIG_SIZE - PCI_CONFIG_SIZE) / 8;
	uint32_t head;

	while (ttl-- && at >= PCI_CONFIG_SIZE && at < c->device->config_size) {
		if (conf_real_read(c, at, 4, &head) || !head)
			return 0;
		if (PCI_EXT_CAP_ID(head) == id)
			return at;
		at = PCI_EXT_CAP_NEXT(head);
	}
	return 0;
}

int conf_space_init(struct conf_space *c, struct pci_device *d, bool permissive)
{
	uint32_t header;

	*c = (struct conf_space){.device = d, .permissive = permissive};
	int rc = conf_real_read(c, PCI_HEADER_TYPE, 1, &header);
	if (!rc && (header & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		rc = -ENOTSUP;
	if (!rc)
		rc = place_bars(c);
	if (rc)
		return rc;
	c->vpd = find_capability(c, PCI_CAP_ID_VPD);
	c->pm = find_capability(c, PCI_CAP_ID_PM);
	c->msi = find_capability(c, PCI_CAP_ID_MSI);
	c->msix = find_capability(c, PCI_CAP_ID_MSIX);
	c->pcie = find_capability(c, PCI_CAP_ID_EXP);
	c->aer = find_ext_capability(c, PCI_EXT_CAP_ID_ERR);
	rc = conf_header_add(c);
	return rc ? rc : conf_capability_add(c);
}

void conf_space_quiet(struct conf_space *c)
{
	uint32_t command;

	pci_irqs_disable(c->device->irqs);
	if (!conf_real_read(c, PCI_COMMAND, 2, &command))
		conf_real_write(c, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MASTER);
	c->enabled = c->master = false;
	for (unsigned i = 0; i < c->nr; i++)
		c->entry[i].which = false;
}

int conf_space_restore(struct conf_space *c)
{
	int rc = place_bars(c);

	if (!rc && c->master)
		rc = set_command(c, PCI_COMMAND_MASTER);
	return rc ? rc : pci_irqs_restore(c->device->irqs);
}

bool conf_space_memory(struct conf_space *c)
{
	uint32_t command;

	return !conf_real_read(c, PCI_COMMAND, 2, &command) && (command & PCI_COMMAND_MEMORY);
}

/* Bits that writing them clears. */
static void clear(struct conf_space *c, unsigned offset, unsigned bytes)
{
	uint32_t val;

	if (!conf_real_read(c, offset, bytes, &val) && val)
		conf_real_write(c, offset, bytes, val);
}

void conf_space_clear_errors(struct conf_space *c, bool correctable)
{
	if (c->pcie)
		clear(c, c->pcie + PCI_EXP_DEVSTA, 2);
	if (c->aer)
		clear(c, c->aer + (correctable ? PCI_ERR_COR_STATUS : PCI_ERR_UNCOR_STATUS), 4);
}
