/*
 * NVMe: the model, its options, its configuration space, its life.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/nvme.h"
#include "devices/pci/pci_options.h"

#define CLASS_NVME	0x010802u
#define DEFAULT_QUEUES	16
#define DEFAULT_ENTRIES 1024
#define IMAGE_TIMEOUT	30 /* seconds */

enum { ACCESS_RW, ACCESS_RO, ACCESS_SHARED };

static const struct pci_option options[] = {
	PCI_STRING(struct nvme_options, "file", file),
	PCI_CHOICE(struct nvme_options, "format", format, "raw|qcow2|qcow|vhd|qed|vmdk"),
	PCI_CHOICE(struct nvme_options, "access", access, "rw|ro|rw!"),
	PCI_CHOICE(struct nvme_options, "sector-size", sector_size, "512|4096"),
	PCI_STRING(struct nvme_options, "serial", serial),
	PCI_NUMBER(struct nvme_options, "queues", queues, 1, NVME_MAX_IO_QUEUES),
	PCI_NUMBER(struct nvme_options, "entries", entries, 2, NVME_MAX_ENTRIES),
	PCI_FLAG(struct nvme_options, "msi", msi),
	PCI_FLAG(struct nvme_options, "msix", msix),
	PCI_FLAG(struct nvme_options, "no-discard", no_discard),
	PCI_FLAG(struct nvme_options, "no-flush", no_flush),
	PCI_FLAG(struct nvme_options, "no-dbbuf", no_dbbuf),
	PCI_FLAG(struct nvme_options, "faults", faults),
	PCI_OPTIONS_END,
};

/* 0, or negative errno and a sentence. The spec borrows the options' strings. */
static int parse(struct nvme_options *o, struct disk_spec *spec, const char *text, char *err,
		 size_t errlen)
{
	*o = (struct nvme_options){
		.queues = DEFAULT_QUEUES, .entries = DEFAULT_ENTRIES, .msi = true, .msix = true};
	int rc = pci_options_parse(options, o, text, err, errlen);
	if (!rc && !o->file) {
		snprintf(err, errlen, "nvme has no file=: which image is it?");
		rc = -EINVAL;
	} else if (!rc && o->serial && strlen(o->serial) > 20) {
		snprintf(err, errlen, "serial has at most 20 characters");
		rc = -EINVAL;
	}
	*spec = (struct disk_spec){
		.target = o->file,
		.format = (enum disk_format)o->format,
		.vdev = "nvme",
		.readonly = o->access == ACCESS_RO,
		.shared = o->access == ACCESS_SHARED,
		.sector_size = o->sector_size ? 4096 : 512,
		.timeout = IMAGE_TIMEOUT,
	};
	return rc;
}

static int check(const char *text, bool files, char *err, size_t errlen)
{
	struct nvme_options o;
	struct disk_spec spec;
	int rc = parse(&o, &spec, text, err, errlen);

	if (!rc && files)
		rc = image_check(&spec, err, errlen);
	pci_options_free(options, &o);
	return rc;
}

/* ---- configuration space ---- */

static int config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	struct nvme *n = (struct nvme *)d;

	if (!n->removed)
		return pci_config_read(&n->config, offset, bytes, val);
	*val = bytes < 4 ? (1u << 8 * bytes) - 1 : ~0u;
	return 0;
}

static int reset(struct pci_device *d)
{
	struct nvme *n = (struct nvme *)d;

	if (n->removed)
		return -ENODEV;
	nvme_set_mode(n, NVME_INTX, 0);
	nvme_reset(n);
	pci_config_reset(&n->config);
	return 0;
}

static int config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	struct nvme *n = (struct nvme *)d;

	if (n->removed)
		return 0;
	int rc = pci_config_write(&n->config, offset, bytes, val);
	if (rc)
		return rc;
	nvme_kick(n); /* it may be the bus's master now */
	if (pci_config_get(&n->config, n->config.pcie + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR)
		rc = reset(d);
	return rc;
}

static void make_config(struct nvme *n)
{
	static const struct pci_config_id id = {
		.vendor = NVME_VENDOR,
		.device = NVME_DEVICE,
		.subsystem_vendor = NVME_VENDOR,
		.subsystem = NVME_DEVICE,
		.class = CLASS_NVME,
		.revision = 1,
		.interrupt_pin = 1,
	};
	struct pci_config *c = &n->config;

	n->d.bar[0] = (struct pci_bar){.kind = PCI_BAR_MEM64, .size = NVME_BAR};
	pci_config_init(c, PCIE_CONFIG_SIZE, &id);
	pci_config_bars(c, &n->d);
	pci_config_add_pm(c);
	if (n->options.msi)
		pci_config_add_msi(c, PCI_MAX_MSI, false);
	if (n->options.msix)
		pci_config_add_msix(c, n->options.queues + 1, 0, NVME_TABLE, 0, NVME_PENDING);
	pci_config_add_pcie(c);
	pci_config_set_writable(c, c->pcie + PCI_EXP_DEVCTL, 2, 0xffff); /* with FLR */
	pci_config_add_aer(c);
	pci_config_done(c);
}

/* ---- interrupts ---- */

static int msi_enable(struct pci_device *d, unsigned nr)
{
	nvme_set_mode((struct nvme *)d, NVME_MSI, nr);
	return 0;
}

static int msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	nvme_set_mode((struct nvme *)d, NVME_MSIX, 0);
	return 0;
}

static void interrupts_disable(struct pci_device *d)
{
	nvme_set_mode((struct nvme *)d, NVME_INTX, 0);
}

/* ---- faults, in the event loop's thread ---- */

void nvme_work(struct nvme *n)
{
	eventfd_write(n->work_fd, 1);
}

static void on_work(void *arg, uint32_t events)
{
	struct nvme *n = arg;
	eventfd_t count;

	eventfd_read(n->work_fd, &count);
	pthread_mutex_lock(&n->lock);
	uint32_t error = n->error;
	bool leaves = n->leaves;
	n->error = 0;
	n->leaves = false;
	pthread_mutex_unlock(&n->lock);
	if (error == 1) {
		pci_config_report_correctable(&n->config, PCI_ERR_COR_BAD_TLP);
		pci_aer(&n->d, PCI_AER_CORRECTABLE);
	} else if (error) {
		uint32_t what = error == 2 ? PCI_ERR_UNC_COMP_TIME : PCI_ERR_UNC_MALF_TLP;

		pci_aer(&n->d, pci_config_report_uncorrectable(&n->config, what, NULL));
	}
	if (leaves)
		pci_leave(&n->d);
}

/* ---- life ---- */

static void stats(struct pci_device *d, void *file)
{
	struct nvme *n = (struct nvme *)d;
	const struct nvme_stats *s = &n->stats;
	const struct {
		const char *name;
		uint64_t val;
	} rows[] = {
		{"reads", s->reads},	       {"writes", s->writes},
		{"flushes", s->flushes},       {"discards", s->discards},
		{"zeroes", s->zeroes},	       {"errors", s->errors},
		{"read_bytes", s->read_bytes}, {"written_bytes", s->written_bytes},
		{"doorbells", s->doorbells},   {"wakeups", s->wakeups},
		{"interrupts", s->interrupts}, {"copied_bytes", n->image.copied},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(file, "%s\"%s\": %llu", i ? ", " : "", rows[i].name,
			(unsigned long long)rows[i].val);
}

static void destroy(struct pci_device *d)
{
	struct nvme *n = (struct nvme *)d;

	nvme_thread_stop(n);
	image_close(&n->image);
	if (n->work_fd >= 0) {
		event_loop_del(d->host->loop, n->work_fd);
		close(n->work_fd);
	}
	if (n->kick_fd >= 0)
		close(n->kick_fd);
	pthread_cond_destroy(&n->reset_done);
	pthread_mutex_destroy(&n->irq_lock);
	pthread_mutex_destroy(&n->lock);
	pci_options_free(options, &n->options);
	free(n);
}

static const struct pci_device_ops ops = {
	.model = "nvme",
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.msi_enable = msi_enable,
	.msi_disable = interrupts_disable,
	.msix_enable = msix_enable,
	.msix_disable = interrupts_disable,
	.reset = reset,
	.stats = stats,
	.destroy = destroy,
};

/* Names that stay the same from one start to the next, of the image's name (FNV-1a). */
static void make_names(struct nvme *n)
{
	uint64_t hash[2] = {0xcbf29ce484222325, 0x84222325cbf29ce4};

	for (const char *s = n->options.file; *s; s++)
		for (unsigned i = 0; i < 2; i++)
			hash[i] = (hash[i] ^ (uint8_t)*s) * 0x100000001b3;
	memcpy(n->uuid, hash, sizeof(n->uuid));
	n->uuid[6] = (n->uuid[6] & 0x0f) | 0x80; /* RFC 9562: version 8, of our own making */
	n->uuid[8] = (n->uuid[8] & 0x3f) | 0x80;
	if (n->options.serial)
		strcpy(n->serial, n->options.serial);
	else
		snprintf(n->serial, sizeof(n->serial), "XL%016llx", (unsigned long long)hash[0]);
}

static int open_all(struct nvme *n, char *err, size_t errlen)
{
	int rc = image_open(&n->image, &n->spec, 1, err, errlen);

	if (rc)
		return rc;
	n->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	n->work_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = n->kick_fd < 0 || n->work_fd < 0 ? -errno : 0;
	if (!rc)
		rc = event_loop_add(n->d.host->loop, n->work_fd, EPOLLIN, on_work, n);
	if (!rc)
		rc = nvme_thread_start(n);
	if (rc)
		snprintf(err, errlen, "nvme: %s", strerror(-rc));
	return rc;
}

static struct pci_device *create(struct pci_host *h, const char *text, char *err, size_t errlen)
{
	struct nvme *n = calloc(1, sizeof(*n));

	if (!n) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	n->d.ops = &ops;
	n->d.host = h;
	strcpy(n->d.name, "nvme");
	n->image.fd = n->kick_fd = n->work_fd = n->epoll_fd = n->timer_fd = -1;
	pthread_mutex_init(&n->lock, NULL);
	pthread_mutex_init(&n->irq_lock, NULL);
	pthread_cond_init(&n->reset_done, NULL);
	nvme_features_reset(n);
	if (parse(&n->options, &n->spec, text, err, errlen)) {
		destroy(&n->d);
		return NULL;
	}
	n->lba_shift = n->options.sector_size ? 12 : 9;
	/* Doorbells in memory are written without an exit, and INTx must fall with one. */
	n->options.no_dbbuf |= !n->options.msi && !n->options.msix;
	make_names(n);
	make_config(n);
	if (open_all(n, err, errlen)) {
		destroy(&n->d);
		return NULL;
	}
	return &n->d;
}

const struct pci_model pci_nvme = {
	.name = "nvme",
	.create = create,
	.check = check,
	.options_help =
		"file=PATH, format=raw|qcow2|..., access=rw|ro|rw!, sector-size=512|4096, "
		"serial=TEXT, "
		"queues=N, entries=N, msi=0, msix=0, no-discard, no-flush, no-dbbuf, faults",
};
