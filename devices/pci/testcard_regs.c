/*
 * The test card's registers: one row each.
 */
#include <string.h>

#include "devices/pci/testcard_internal.h"

static uint32_t status(struct testcard *t)
{
	return (t->intx ? TESTCARD_IS_INTX : 0) | (t->nr_msi ? TESTCARD_IS_MSI : 0) |
	       (t->msix ? TESTCARD_IS_MSIX : 0) |
	       (pci_config_command(&t->config) & PCI_COMMAND_MASTER ? TESTCARD_IS_MASTER : 0);
}

static uint32_t read_id(struct testcard *t)
{
	return TESTCARD_MAGIC;
}

static uint32_t read_version(struct testcard *t)
{
	return 1;
}

static uint32_t read_address(struct testcard *t)
{
	return (uint32_t)t->dma_address;
}

static uint32_t read_address_hi(struct testcard *t)
{
	return (uint32_t)(t->dma_address >> 32);
}

static void write_address(struct testcard *t, uint32_t val)
{
	t->dma_address = (t->dma_address & ~0xffffffffull) | val;
}

static void write_address_hi(struct testcard *t, uint32_t val)
{
	t->dma_address = (t->dma_address & 0xffffffffull) | (uint64_t)val << 32;
}

static void write_cause(struct testcard *t, uint32_t val)
{
	t->cause &= ~val;
	t->lost &= ~val;
	testcard_intx_update(t);
}

static void write_enable(struct testcard *t, uint32_t val)
{
	t->enable = val & ((1u << TESTCARD_CAUSES) - 1);
	testcard_intx_update(t);
}

static uint32_t dma(struct testcard *t, bool to_host)
{
	uint32_t len = t->dma_length, offset = t->dma_offset;
	int rc;

	if (!(pci_config_command(&t->config) & PCI_COMMAND_MASTER))
		return TESTCARD_DMA_NO_MASTER;
	if (len > TESTCARD_MEMORY || offset > TESTCARD_MEMORY - len)
		return TESTCARD_DMA_BAD_BOUNDS;
	if (to_host)
		rc = pci_dma_write(&t->d, t->dma_address, t->memory + offset, len);
	else
		rc = pci_dma_read(&t->d, t->dma_address, t->memory + offset, len);
	if (rc)
		return TESTCARD_DMA_BAD_ADDR;
	t->dma_bytes += len;
	t->total_dma_bytes += len;
	return 0;
}

static void write_dma(struct testcard *t, uint32_t val)
{
	if (!(val & TESTCARD_DMA_START))
		return;
	t->dma_status = TESTCARD_DMA_DONE | dma(t, val & TESTCARD_DMA_TO_HOST);
	if (val & TESTCARD_DMA_IRQ)
		testcard_raise(t, 1u << (val >> 8 & 7));
}

static void write_dma_status(struct testcard *t, uint32_t val)
{
	t->dma_status &= ~val;
}

static void write_fault(struct testcard *t, uint32_t val)
{
	t->fault = val & TESTCARD_FAULTS;
	testcard_intx_update(t);
}

static void write_storm(struct testcard *t, uint32_t val)
{
	t->storm = val;
	testcard_storm_update(t);
}

static void write_delay(struct testcard *t, uint32_t val)
{
	t->delay = val;
	t->d.answer_delay = val;
}

static void write_error(struct testcard *t, uint32_t val)
{
	if (!val || val > 3)
		return;
	t->error = val;
	testcard_work(t);
}

static void write_remove(struct testcard *t, uint32_t val)
{
	if (val != TESTCARD_REMOVE_KEY)
		return;
	t->removed = true;
	t->leaves = true;
	memset(t->memory, 0xff, TESTCARD_MEMORY);
	testcard_intx_update(t);
	testcard_storm_update(t);
	testcard_work(t);
}

static void write_reset(struct testcard *t, uint32_t val)
{
	if (val == 1)
		testcard_regs_reset(t);
}

#define FIELD(f) .has_field = true, .field = offsetof(struct testcard, f)

static const struct {
	uint32_t (*read)(struct testcard *t);
	void (*write)(struct testcard *t, uint32_t val);
	bool has_field, plain; /* what is read; and it is written, too */
	size_t field;
} regs[TESTCARD_END / 4] = {
	[TESTCARD_ID / 4] = {.read = read_id},
	[TESTCARD_VERSION / 4] = {.read = read_version},
	[TESTCARD_SCRATCH / 4] = {FIELD(scratch), .plain = true},
	[TESTCARD_STATUS / 4] = {.read = status},
	[TESTCARD_CAUSE / 4] = {FIELD(cause), .write = write_cause},
	[TESTCARD_ENABLE / 4] = {FIELD(enable), .plain = true, .write = write_enable},
	[TESTCARD_RAISE / 4] = {.write = testcard_raise},
	[TESTCARD_SENT / 4] = {FIELD(sent)},
	[TESTCARD_DMA_ADDRESS / 4] = {.read = read_address, .plain = true, .write = write_address},
	[TESTCARD_DMA_ADDRESS_HI /
		4] = {.read = read_address_hi, .plain = true, .write = write_address_hi},
	[TESTCARD_DMA_LENGTH / 4] = {FIELD(dma_length), .plain = true},
	[TESTCARD_DMA_OFFSET / 4] = {FIELD(dma_offset), .plain = true},
	[TESTCARD_DMA_CONTROL / 4] = {.write = write_dma},
	[TESTCARD_DMA_STATUS / 4] = {FIELD(dma_status), .write = write_dma_status},
	[TESTCARD_DMA_BYTES / 4] = {FIELD(dma_bytes)},
	[TESTCARD_BELLS / 4] = {FIELD(bells)},
	[TESTCARD_FAULT / 4] = {FIELD(fault), .plain = true, .write = write_fault},
	[TESTCARD_LOSE / 4] = {FIELD(lose), .plain = true},
	[TESTCARD_STORM / 4] = {FIELD(storm), .plain = true, .write = write_storm},
	[TESTCARD_DELAY / 4] = {FIELD(delay), .plain = true, .write = write_delay},
	[TESTCARD_ERROR / 4] = {.write = write_error},
	[TESTCARD_REMOVE / 4] = {.write = write_remove},
	[TESTCARD_RESET / 4] = {.write = write_reset},
};

static uint32_t *field(struct testcard *t, unsigned i)
{
	return (uint32_t *)(void *)((uint8_t *)t + regs[i].field);
}

static uint32_t reg_read(struct testcard *t, unsigned i)
{
	if (regs[i].read)
		return regs[i].read(t);
	return regs[i].has_field ? *field(t, i) : 0;
}

static void reg_write(struct testcard *t, unsigned i, uint32_t val)
{
	if (regs[i].write)
		regs[i].write(t, val);
	else if (regs[i].plain)
		*field(t, i) = val;
}

/* `bytes` of 1 or 2 at `shift` bits of a register. */
static void reg_write_part(struct testcard *t, unsigned i, unsigned shift, unsigned bytes,
			   uint32_t val)
{
	uint32_t mask = ((1u << 8 * bytes) - 1) << shift;
	uint32_t rest = regs[i].plain ? reg_read(t, i) & ~mask : 0;

	reg_write(t, i, rest | (val << shift & mask));
}

/* The registers' offset that an access means; false: none. */
static bool locate(struct testcard *t, unsigned bar, uint64_t *offset, unsigned bytes)
{
	uint16_t needs = bar == 2 ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	uint64_t end = bar == 2 ? TESTCARD_PORTS : TESTCARD_END;

	if (t->removed || !(pci_config_command(&t->config) & needs))
		return false;
	return *offset < end && bytes <= end - *offset;
}

static bool is_table(unsigned bar, uint64_t offset)
{
	return bar == 0 && offset >= TESTCARD_TABLE && offset < TESTCARD_BELL;
}

uint64_t testcard_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct testcard *t = (struct testcard *)d;
	uint64_t val = 0, ones = bytes < 8 ? (1ull << 8 * bytes) - 1 : ~0ull;

	pthread_mutex_lock(&t->lock);
	if (t->fault & TESTCARD_FAULT_ONES || t->removed)
		val = ones;
	else if (is_table(bar, offset))
		val = 0;
	else if (!locate(t, bar, &offset, bytes))
		val = ones;
	else
		for (unsigned i = 0; i < bytes; i++, offset++)
			val |= (uint64_t)(reg_read(t, (unsigned)offset / 4) >> offset % 4 * 8 &
					  0xff)
			       << 8 * i;
	pthread_mutex_unlock(&t->lock);
	return val;
}

void testcard_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
			uint64_t val)
{
	struct testcard *t = (struct testcard *)d;
	unsigned i = (unsigned)offset / 4, part = (unsigned)offset % 4;

	pthread_mutex_lock(&t->lock);
	if (t->fault & TESTCARD_FAULT_ONES || !locate(t, bar, &offset, bytes))
		goto out;
	if (bytes >= 4 && !part) {
		reg_write(t, i, (uint32_t)val);
		if (bytes == 8)
			reg_write(t, i + 1, (uint32_t)(val >> 32));
	} else if (bytes < 4 && part + bytes <= 4) {
		reg_write_part(t, i, part * 8, bytes, (uint32_t)val);
	}
out:
	pthread_mutex_unlock(&t->lock);
}

void testcard_regs_reset(struct testcard *t)
{
	t->scratch = t->cause = t->enable = t->sent = t->lost = 0;
	t->dma_address = 0;
	t->dma_length = t->dma_offset = t->dma_status = t->dma_bytes = t->bells = 0;
	t->fault = t->options.fault;
	t->lose = t->options.lose;
	t->storm = t->options.storm;
	write_delay(t, t->options.delay_never ? PCI_ANSWER_NEVER : t->options.delay);
	memset(t->memory, 0, TESTCARD_MEMORY);
	testcard_intx_update(t);
	testcard_storm_update(t);
}
