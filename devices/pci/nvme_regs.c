/*
 * NVMe: controller registers and doorbells, as the vcpus see them (1.4, 3.1).
 */
#include <string.h>
#include <sys/eventfd.h>

#include "devices/pci/nvme.h"

#define CC_EN	1u
#define CC_SHN	(3u << NVME_CC_SHN_SHIFT)
#define VERSION 0x10400u
/* In half seconds: more than an image may take for what is in flight. */
#define TIMEOUT 130ull

void nvme_kick(struct nvme *n)
{
	n->touched = true;
	if (!atomic_exchange(&n->awake, true))
		eventfd_write(n->kick_fd, 1);
}

static uint64_t cap(const struct nvme *n)
{
	return (uint64_t)(n->options.entries - 1) << NVME_CAP_MQES_SHIFT |
	       1ull << NVME_CAP_CQR_SHIFT | TIMEOUT << NVME_CAP_TO_SHIFT |
	       (uint64_t)NVME_CAP_CSS_NVM << NVME_CAP_CSS_SHIFT;
}

/* Lock held. */
static uint32_t reg_read(struct nvme *n, unsigned offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return (uint32_t)cap(n);
	case NVME_REG_CAP + 4:
		return (uint32_t)(cap(n) >> 32);
	case NVME_REG_VS:
		return VERSION;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return n->masked;
	case NVME_REG_CC:
		return n->cc;
	case NVME_REG_CSTS:
		return n->csts;
	case NVME_REG_AQA:
		return n->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)n->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(n->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)n->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(n->acq >> 32);
	default:
		return 0; /* reserved, or optional and not there */
	}
}

static void set_half(uint64_t *reg, bool upper, uint32_t val)
{
	if (upper)
		*reg = (*reg & 0xffffffffull) | (uint64_t)val << 32;
	else
		*reg = (*reg & ~0xffffffffull) | (val & ~0xfffu);
}

static void write_cc(struct nvme *n, uint32_t val)
{
	uint32_t old = n->cc;

	n->cc = val & 0x00fffff1;
	if (old & CC_EN && !(val & CC_EN))
		n->disable = true;
	if (val & CC_SHN && (val & CC_SHN) != (old & CC_SHN)) {
		n->shutdown = NVME_CC_SHN(val);
		n->csts = (n->csts & ~(NVME_CSTS_SHST_MASK << NVME_CSTS_SHST_SHIFT)) |
			  NVME_CSTS_SHST_OCCUR << NVME_CSTS_SHST_SHIFT;
	}
}

/* Lock held. True: the thread has to look. */
static bool reg_write(struct nvme *n, unsigned offset, uint32_t val)
{
	switch (offset) {
	case NVME_REG_CC:
		write_cc(n, val);
		return true;
	case NVME_REG_AQA:
		n->aqa = val & 0x0fff0fff;
		return false;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		set_half(&n->asq, offset != NVME_REG_ASQ, val);
		return false;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		set_half(&n->acq, offset != NVME_REG_ACQ, val);
		return false;
	default:
		return false;
	}
}

/* Interrupt masks have a lock of their own: INTx is raised and lowered under it. */
static void write_mask(struct nvme *n, unsigned offset, uint32_t val)
{
	pthread_mutex_lock(&n->irq_lock);
	if (n->mode != NVME_MSIX)
		n->masked = offset == NVME_REG_INTMS ? n->masked | val : n->masked & ~val;
	pthread_mutex_unlock(&n->irq_lock);
	nvme_intx_update(n);
}

/* A doorbell is 16 bits in a register of 32 (1.4, 3.1.24). */
static void ring(struct nvme *n, unsigned nr, uint32_t val)
{
	unsigned queue = nr / 2, is_head = nr % 2;

	if (queue >= NVME_MAX_QUEUES) {
		n->bad_doorbell = true;
	} else {
		n->doorbell[nr] = val & 0xffff;
		atomic_fetch_or(&n->rung[is_head], 1ull << queue);
		/* INTx goes before the handler ends, or it would be called again. */
		if (is_head && n->mode == NVME_INTX)
			nvme_intx_update(n);
	}
	n->stats.doorbells++;
	nvme_kick(n);
}

static bool answers(const struct nvme *n)
{
	return !n->removed && pci_config_command(&n->config) & PCI_COMMAND_MEMORY;
}

static bool is_table(uint64_t offset)
{
	return offset >= NVME_TABLE && offset < NVME_BAR;
}

uint64_t nvme_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct nvme *n = (struct nvme *)d;
	uint64_t val = 0;

	if (!answers(n))
		return bytes < 8 ? (1ull << 8 * bytes) - 1 : ~0ull;
	if (is_table(offset) || offset >= NVME_DOORBELLS)
		return 0; /* doorbells: "vendor specific" (3.1.24) */
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < bytes; i++) {
		unsigned at = (unsigned)offset + i;

		val |= (uint64_t)(reg_read(n, at & ~3u) >> at % 4 * 8 & 0xff) << 8 * i;
	}
	pthread_mutex_unlock(&n->lock);
	return val;
}

static void write_word(struct nvme *n, unsigned offset, uint32_t val)
{
	if (offset == NVME_REG_INTMS || offset == NVME_REG_INTMC) {
		write_mask(n, offset, val);
		return;
	}
	pthread_mutex_lock(&n->lock);
	bool kick = reg_write(n, offset, val);
	pthread_mutex_unlock(&n->lock);
	if (kick)
		nvme_kick(n);
}

void nvme_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		    uint64_t val)
{
	struct nvme *n = (struct nvme *)d;

	/* "The host shall not" do it in another way (1.4, 3.1): nothing happens. */
	if (!answers(n) || is_table(offset) || bytes < 4 || offset % 4)
		return;
	for (unsigned i = 0; i < bytes; i += 4, offset += 4, val >>= 32) {
		if (offset >= NVME_DOORBELLS)
			ring(n, (unsigned)(offset - NVME_DOORBELLS) / 4, (uint32_t)val);
		else
			write_word(n, (unsigned)offset, (uint32_t)val);
	}
}
