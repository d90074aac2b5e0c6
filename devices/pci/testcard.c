/*
 * The test card: its making, its configuration space, and its end. testcard.h is its data
 * sheet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/pci/pci_options.h"
#include "devices/pci/testcard_internal.h"

#define CLASS_OTHER 0xff0000u

static const struct pci_option options[] = {
	PCI_FLAG(struct testcard_options, "intx", intx),
	PCI_FLAG(struct testcard_options, "msi", msi),
	PCI_FLAG(struct testcard_options, "msix", msix),
	PCI_FLAG(struct testcard_options, "pcie", pcie),
	PCI_FLAG(struct testcard_options, "bar64", bar64),
	PCI_NUMBER(struct testcard_options, "fault", fault, 0, TESTCARD_FAULTS),
	PCI_NUMBER(struct testcard_options, "lose", lose, 0, ~0u),
	PCI_NUMBER(struct testcard_options, "storm", storm, 0, 1000),
	PCI_NUMBER(struct testcard_options, "delay", delay, 0, 60000),
	PCI_FLAG(struct testcard_options, "delay-never", delay_never),
	PCI_OPTIONS_END,
};

static int parse(struct testcard_options *o, const char *text, char *err, size_t errlen)
{
	*o = (struct testcard_options){.intx = true, .msi = true, .msix = true, .pcie = true};
	return pci_options_parse(options, o, text, err, errlen);
}

static int check(const char *text, bool files, char *err, size_t errlen)
{
	struct testcard_options o;

	return parse(&o, text, err, errlen);
}

/* ---- configuration space ---- */

static int config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	struct testcard *t = (struct testcard *)d;
	uint32_t ones = bytes < 4 ? (1u << 8 * bytes) - 1 : ~0u;
	int rc = pci_config_read(&t->config, offset, bytes, val);

	if (rc)
		return rc;
	pthread_mutex_lock(&t->lock);
	if (t->removed)
		*val = ones;
	else if (t->fault & TESTCARD_FAULT_DEAD)
		rc = -EIO;
	else if (t->fault & TESTCARD_FAULT_WRONG)
		*val ^= ones;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static int reset(struct pci_device *d);

static int config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	struct testcard *t = (struct testcard *)d;
	bool dead;

	pthread_mutex_lock(&t->lock);
	dead = t->fault & TESTCARD_FAULT_DEAD;
	pthread_mutex_unlock(&t->lock);
	if (t->removed)
		return 0;
	if (dead)
		return -EIO;
	int rc = pci_config_write(&t->config, offset, bytes, val);
	unsigned control = t->config.pcie + PCI_EXP_DEVCTL;

	if (!rc && t->config.pcie &&
	    pci_config_get(&t->config, control, 2) & PCI_EXP_DEVCTL_BCR_FLR)
		rc = reset(d);
	return rc;
}

static void make_config(struct testcard *t)
{
	struct pci_config *c = &t->config;
	const struct testcard_options *o = &t->options;
	const struct pci_config_id id = {
		.vendor = TESTCARD_VENDOR,
		.device = TESTCARD_DEVICE,
		.subsystem_vendor = TESTCARD_VENDOR,
		.subsystem = TESTCARD_DEVICE,
		.class = CLASS_OTHER,
		.revision = 1,
		.interrupt_pin = o->intx,
	};

	pci_config_init(c, o->pcie ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE, &id);
	pci_config_bars(c, &t->d);
	pci_config_add_pm(c);
	if (o->msi)
		pci_config_add_msi(c, TESTCARD_CAUSES, true);
	if (o->msix)
		pci_config_add_msix(c, TESTCARD_CAUSES, 0, TESTCARD_TABLE, 0, TESTCARD_PENDING);
	if (o->pcie) {
		pci_config_add_pcie(c);
		pci_config_add_aer(c);
		/* A function-level reset is seen by config_write(), and then over. */
		pci_config_set_writable(c, c->pcie + PCI_EXP_DEVCTL, 2, 0xffff);
	}
	pci_config_done(c);
}

static void make_bars(struct testcard *t)
{
	struct pci_bar *b = &t->d.bar[0];

	t->bell = (struct pci_bar_notify){.offset = TESTCARD_BELL, .fd = t->bell_fd};
	*b = (struct pci_bar){
		.kind = t->options.bar64 ? PCI_BAR_MEM64 : PCI_BAR_MEM32,
		.prefetchable = t->options.bar64,
		.size = TESTCARD_BAR,
		.nr_areas = 1,
		.area[0] = {TESTCARD_PAGE, TESTCARD_MEMORY, t->memory},
		.nr_notify = 1,
		.notify = &t->bell,
	};
	t->d.bar[2] = (struct pci_bar){.kind = PCI_BAR_IO, .size = TESTCARD_PORTS};
}

/* ---- interrupts ---- */

static void set_mode(struct testcard *t, unsigned nr_msi, bool msix)
{
	pthread_mutex_lock(&t->lock);
	t->nr_msi = nr_msi;
	t->msix = msix;
	testcard_intx_update(t);
	pthread_mutex_unlock(&t->lock);
}

static int msi_enable(struct pci_device *d, unsigned nr)
{
	set_mode((struct testcard *)d, nr, false);
	return 0;
}

static int msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	set_mode((struct testcard *)d, 0, true);
	return 0;
}

static void interrupts_disable(struct pci_device *d)
{
	set_mode((struct testcard *)d, 0, false);
}

/* ---- life ---- */

static int reset(struct pci_device *d)
{
	struct testcard *t = (struct testcard *)d;

	if (t->removed)
		return -ENODEV;
	pci_config_reset(&t->config);
	pthread_mutex_lock(&t->lock);
	t->nr_msi = 0;
	t->msix = false;
	testcard_regs_reset(t);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

static void stats(struct pci_device *d, void *file)
{
	struct testcard *t = (struct testcard *)d;

	pthread_mutex_lock(&t->lock);
	fprintf(file, "\"interrupts\": %llu, \"lost_interrupts\": %llu, \"dma_bytes\": %llu",
		(unsigned long long)t->total_sent, (unsigned long long)t->total_lost,
		(unsigned long long)t->total_dma_bytes);
	pthread_mutex_unlock(&t->lock);
}

static void destroy(struct pci_device *d)
{
	struct testcard *t = (struct testcard *)d;

	testcard_irq_close(t);
	if (t->memory)
		munmap(t->memory, TESTCARD_MEMORY);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static const struct pci_device_ops ops = {
	.model = "testcard",
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = testcard_bar_read,
	.bar_write = testcard_bar_write,
	.msi_enable = msi_enable,
	.msi_disable = interrupts_disable,
	.msix_enable = msix_enable,
	.msix_disable = interrupts_disable,
	.reset = reset,
	.stats = stats,
	.destroy = destroy,
};

static struct pci_device *create(struct pci_host *h, const char *text, char *err, size_t errlen)
{
	struct testcard *t = calloc(1, sizeof(*t));

	if (!t) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	t->bell_fd = t->work_fd = t->timer_fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	t->d.ops = &ops;
	t->d.host = h;
	strcpy(t->d.name, "testcard");
	if (parse(&t->options, text, err, errlen)) {
		destroy(&t->d);
		return NULL;
	}
	t->memory = mmap(NULL, TESTCARD_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	int rc = t->memory == MAP_FAILED ? -ENOMEM : testcard_irq_open(t);
	if (rc) {
		if (t->memory == MAP_FAILED)
			t->memory = NULL;
		snprintf(err, errlen, "the card cannot be made: %s", strerror(-rc));
		destroy(&t->d);
		return NULL;
	}
	make_bars(t);
	make_config(t);
	testcard_regs_reset(t);
	return &t->d;
}

const struct pci_model pci_testcard = {
	.name = "testcard",
	.create = create,
	.check = check,
	.options_help = "intx=0, msi=0, msix=0, pcie=0, bar64, fault=N, lose=N, storm=N, delay=MS, "
			"delay-never: what it has, and what it does wrong",
};
