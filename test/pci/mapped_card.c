/*
 * A card whose memory can be mapped by the server's client: see server.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/pci_config.h"
#include "test/pci/server.h"

#define VECTORS 4

struct mapped_card {
	struct pci_device d;
	struct pci_config config;
	uint32_t sent;
	_Atomic uint32_t rung;
	struct pci_bar_notify bell;
};

static int config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val)
{
	return pci_config_read(&((struct mapped_card *)d)->config, offset, bytes, val);
}

static int config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val)
{
	return pci_config_write(&((struct mapped_card *)d)->config, offset, bytes, val);
}

static uint64_t bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct mapped_card *c = (struct mapped_card *)d;

	return offset == 4 ? c->sent : offset == 8 ? c->rung : ~0ull;
}

static void bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		      uint64_t val)
{
	struct mapped_card *c = (struct mapped_card *)d;

	if (offset || val >= VECTORS)
		return;
	c->sent++;
	pci_msix(d, (unsigned)val);
}

static int msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr)
{
	return 0;
}

static void msix_disable(struct pci_device *d)
{
}

static int reset(struct pci_device *d)
{
	((struct mapped_card *)d)->sent = 0;
	pci_config_reset(&((struct mapped_card *)d)->config);
	return 0;
}

static const struct pci_device_ops ops = {
	.model = "mapped",
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.msix_enable = msix_enable,
	.msix_disable = msix_disable,
	.reset = reset,
};

static void on_bell(void *arg, uint32_t events)
{
	struct mapped_card *c = arg;
	eventfd_t n;

	if (!eventfd_read(c->bell.fd, &n))
		c->rung += (uint32_t)n;
}

struct pci_device *mapped_card_create(struct pci_host *h, bool sealed, int *bar_fd)
{
	const struct pci_config_id id = {0x5853, 0xf0c2, 0x5853, 1, 0xff0000, 1, 0};
	struct mapped_card *c = calloc(1, sizeof(*c));
	int fd = memfd_create("card", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (!c || fd < 0 || ftruncate(fd, 0x4000) ||
	    (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)))
		return NULL;
	c->bell = (struct pci_bar_notify){.offset = 0x10,
					  .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (c->bell.fd < 0 || event_loop_add(h->loop, c->bell.fd, EPOLLIN, on_bell, c))
		return NULL;
	c->d.ops = &ops;
	c->d.host = h;
	c->d.bar[0] = (struct pci_bar){
		.kind = PCI_BAR_MEM64,
		.prefetchable = true,
		.size = 0x4000,
		.nr_areas = 1,
		.nr_notify = 1,
		.notify = &c->bell,
		.area = {{0x1000, 0x2000,
			  mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x1000)}},
	};
	if (c->d.bar[0].area[0].memory == MAP_FAILED)
		return NULL;
	pci_config_init(&c->config, PCI_CONFIG_SIZE, &id);
	pci_config_bars(&c->config, &c->d);
	pci_config_add_msix(&c->config, VECTORS, 0, 0x3000, 0, 0x3800);
	pci_config_done(&c->config);
	*bar_fd = fd;
	return &c->d;
}
