/*
 * The header's fields (Linux: xen-pciback/conf_space_header.c).
 */
#include "devices/pci/conf_space.h"
#include "devices/pci/pci_irq.h"

#define CACHE_LINE_DWORDS 16 /* of x86's 64 bytes */
#define LATENCY_MIN	  16
#define LATENCY_SET	  64

/* What the function itself tells; the rest the guest sees as it wrote it
 * (Linux: PCI_COMMAND_GUEST). */
#define COMMAND_REAL                                                         \
	(PCI_COMMAND_MASTER | PCI_COMMAND_SPECIAL | PCI_COMMAND_INVALIDATE | \
	 PCI_COMMAND_VGA_PALETTE | PCI_COMMAND_WAIT | PCI_COMMAND_FAST_BACK)
#define COMMAND_DECODE (PCI_COMMAND_MEMORY | PCI_COMMAND_IO)

/* ---- the command register ---- */

static int command_init(struct conf_space *c, struct conf_entry *e)
{
	uint32_t val;
	int rc = conf_real_read(c, PCI_COMMAND, 2, &val);

	c->command = (uint16_t)val;
	return rc;
}

static int command_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	int rc = conf_real_read(c, PCI_COMMAND, 2, val);

	*val = (*val & COMMAND_REAL) | (c->command & ~(uint32_t)COMMAND_REAL);
	return rc;
}

/* Bits of the real register, which the device's own words do not concern. */
static int change_command(struct conf_space *c, uint32_t set, uint32_t clear)
{
	uint32_t val;
	int rc = conf_real_read(c, PCI_COMMAND, 2, &val);

	return rc ? rc : conf_real_write(c, PCI_COMMAND, 2, (val & ~clear) | set);
}

/* Linux: pci_enable_device() and pci_disable_device(), after which the device still answers
 * at its BARs. */
static int set_enabled(struct conf_space *c, bool on)
{
	c->enabled = on;
	if (on)
		return change_command(c, conf_decode_bits(c->device), 0);
	c->master = false;
	return change_command(c, 0, PCI_COMMAND_MASTER);
}

/* Linux: pci_set_master() and pcibios_set_master(). */
static int set_master(struct conf_space *c, bool on)
{
	uint32_t latency;
	int rc = change_command(c, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);

	c->master = on;
	if (!rc && on && !c->pcie && !conf_real_read(c, PCI_LATENCY_TIMER, 1, &latency) &&
	    latency < LATENCY_MIN)
		rc = conf_real_write(c, PCI_LATENCY_TIMER, 1, LATENCY_SET);
	return rc;
}

/* Linux: pci_set_mwi(). It needs a cache line's size that the device takes. */
static bool set_invalidate(struct conf_space *c)
{
	uint32_t line = 0;

	if (conf_real_read(c, PCI_CACHE_LINE_SIZE, 1, &line))
		return false;
	if (!line || line % CACHE_LINE_DWORDS) {
		conf_real_write(c, PCI_CACHE_LINE_SIZE, 1, CACHE_LINE_DWORDS);
		if (conf_real_read(c, PCI_CACHE_LINE_SIZE, 1, &line) || line != CACHE_LINE_DWORDS)
			return false;
	}
	return !change_command(c, PCI_COMMAND_INVALIDATE, 0);
}

static int command_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	bool decode = val & COMMAND_DECODE, master = val & PCI_COMMAND_MASTER;
	int rc = 0;

	if (decode != c->enabled)
		rc = set_enabled(c, decode);
	if (!rc && master != c->master)
		rc = set_master(c, master);
	if (rc)
		return rc;
	if (!(c->command & PCI_COMMAND_INVALIDATE) && (val & PCI_COMMAND_INVALIDATE)) {
		if (!set_invalidate(c))
			val &= ~(uint32_t)PCI_COMMAND_INVALIDATE;
	} else if ((c->command & PCI_COMMAND_INVALIDATE) && !(val & PCI_COMMAND_INVALIDATE)) {
		change_command(c, 0, PCI_COMMAND_INVALIDATE);
	}
	/* INTx stays as it is: the line may be shared, and only the toolstack gives a guest
	 * the right to switch it off (Linux: allow_interrupt_control). */
	c->command = (uint16_t)val;
	return c->permissive ? change_command(c, val & COMMAND_REAL, ~val & COMMAND_REAL) : 0;
}

/* ---- BARs ---- */

/* What bar[pos] is a part of, and whether it is its upper half. */
static const struct pci_bar *bar_at(const struct conf_space *c, const struct conf_entry *e,
				    bool *upper)
{
	unsigned pos = (e->offset - PCI_BASE_ADDRESS_0) / 4;
	const struct pci_bar *bar = c->device->bar;

	*upper = false;
	if (e->offset == PCI_ROM_ADDRESS)
		return &c->device->rom;
	*upper = pos && bar[pos - 1].kind == PCI_BAR_MEM64;
	return &bar[*upper ? pos - 1 : pos];
}

static uint32_t bar_flags(const struct pci_bar *b)
{
	if (b->kind == PCI_BAR_IO)
		return PCI_BASE_ADDRESS_SPACE_IO;
	return (b->kind == PCI_BAR_MEM64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
	       (b->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
}

static int bar_init(struct conf_space *c, struct conf_entry *e)
{
	bool upper;
	const struct pci_bar *b = bar_at(c, e, &upper);

	if (!b->size)
		return 0;
	if (upper) {
		e->val = (uint32_t)(b->address >> 32);
		e->len_val = (uint32_t)(-b->size >> 32);
	} else {
		uint32_t flags = e->offset == PCI_ROM_ADDRESS ? 0 : bar_flags(b);

		e->val = (uint32_t)b->address | flags;
		e->len_val = (uint32_t)-b->size | flags;
	}
	return 0;
}

static int bar_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	*val = e->which ? e->len_val : e->val;
	return 0;
}

/* All ones asks for the size; the address itself is put back, should the device have lost
 * it; anything else changes nothing. */
static int address_write(struct conf_space *c, struct conf_entry *e, uint32_t val, uint32_t mask)
{
	uint32_t real;

	e->which = (val | mask) == ~0u;
	if (!e->which && val == e->val && !conf_real_read(c, e->offset, 4, &real) && real != e->val)
		conf_real_write(c, e->offset, 4, e->val);
	return 0;
}

static int bar_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	bool upper;
	const struct pci_bar *b = bar_at(c, e, &upper);
	uint32_t mask = ~(uint32_t)PCI_BASE_ADDRESS_MEM_MASK;

	if (upper)
		mask = 0;
	else if (b->kind == PCI_BAR_IO)
		mask = ~(uint32_t)PCI_BASE_ADDRESS_IO_MASK;
	return address_write(c, e, val, mask);
}

static int rom_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return address_write(c, e, val, ~(uint32_t)PCI_ROM_ADDRESS_MASK);
}

/* ---- the rest ---- */

/* The PIRQ, which the guest binds. */
static int interrupt_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	*val = c->device->irqs->line;
	return 0;
}

static int byte_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return conf_real_write(c, e->offset, 1, val);
}

/* A self test may be started, and nothing else be changed. */
static int bist_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	uint32_t now;
	int rc = conf_real_read(c, e->offset, 1, &now);

	if (!rc && ((now & ~PCI_BIST_START) == (val & ~PCI_BIST_START) || val == PCI_BIST_START))
		rc = conf_real_write(c, e->offset, 1, val);
	return rc;
}

#define BAR(n)                                                                       \
	{                                                                            \
		.offset = PCI_BASE_ADDRESS_0 + 4 * (n), .size = 4, .read = bar_read, \
		.write = bar_write, .init = bar_init                                 \
	}

/* Those with a size alone are read-only, in permissive mode, too. */
static const struct conf_field header[] = {
	{.offset = PCI_VENDOR_ID, .size = 2},
	{.offset = PCI_DEVICE_ID, .size = 2},
	{.offset = PCI_COMMAND,
	 .size = 2,
	 .read = command_read,
	 .write = command_write,
	 .init = command_init},
	{.offset = PCI_INTERRUPT_LINE, .size = 1, .read = interrupt_read},
	{.offset = PCI_INTERRUPT_PIN, .size = 1},
	{.offset = PCI_CACHE_LINE_SIZE, .size = 1, .write = byte_write},
	{.offset = PCI_LATENCY_TIMER, .size = 1},
	{.offset = PCI_BIST, .size = 1, .write = bist_write},
	BAR(0),
	BAR(1),
	BAR(2),
	BAR(3),
	BAR(4),
	BAR(5),
	{.offset = PCI_ROM_ADDRESS,
	 .size = 4,
	 .read = bar_read,
	 .write = rom_write,
	 .init = bar_init},
	{0},
};

int conf_header_add(struct conf_space *c)
{
	return conf_add(c, header, 0);
}
