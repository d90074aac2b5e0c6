/*
 * What a function of the host (vfio_host.c) and one that another program serves (vfio_user.c)
 * have in common: both are described by regions and interrupts as <linux/vfio.h> has them.
 * A link asks the kernel or the program; the function (vfio_function.c, vfio_bars.c,
 * vfio_irqs.c) makes a pci_device of the answers. Neither is trusted to be right.
 */
#ifndef DEVICES_PCI_VFIO_H
#define DEVICES_PCI_VFIO_H

#include <linux/vfio.h>
#include <stdatomic.h>

#include "devices/pci/pci_device.h"

struct vfio_link;

/* Each returns 0 or negative errno. Any thread for read, write, set_irqs and broken; the
 * others in the loop's or before it starts. */
struct vfio_link_ops {
	int (*device_info)(struct vfio_link *l, struct vfio_device_info *info);
	/* info->argsz is how much room there is, info->index what is asked for. When the answer
	 * needs more, argsz says so and what is beyond is missing. */
	int (*region_info)(struct vfio_link *l, struct vfio_region_info *info);
	int (*irq_info)(struct vfio_link *l, struct vfio_irq_info *info);
	/* fds: set->count of them with VFIO_IRQ_SET_DATA_EVENTFD; -1: no vector of ours. */
	int (*set_irqs)(struct vfio_link *l, const struct vfio_irq_set *set, const int *fds);
	/* All of it, or an error. */
	int (*read)(struct vfio_link *l, unsigned region, uint64_t offset, void *buf, size_t len);
	int (*write)(struct vfio_link *l, unsigned region, uint64_t offset, const void *buf,
		     size_t len);
	/* A piece of a region that region_info said can be mapped. NULL: it cannot. */
	void *(*map)(struct vfio_link *l, unsigned region, uint64_t offset, size_t len);
	void (*unmap)(struct vfio_link *l, void *memory, size_t len);
	/* Stores that ring a bell; may be NULL. Fills at most `max`, the eventfds are the
	 * link's. How many. */
	unsigned (*bells)(struct vfio_link *l, unsigned region, struct pci_bar_notify *bell,
			  unsigned max);
	int (*reset)(struct vfio_link *l);
	void (*destroy)(struct vfio_link *l);
};

struct vfio_link {
	const struct vfio_link_ops *ops;
};

#define VFIO_MAX_BELLS 64

struct vfio_region {
	uint64_t size; /* 0: there is none */
	uint32_t flags;
};

/* One interrupt that is set up: its eventfd is in the event loop. */
struct vfio_vector {
	struct vfio_function *function;
	int fd; /* -1: none */
	uint16_t index, number;
};

/* The vectors of one of VFIO's indexes. */
struct vfio_irq_index {
	unsigned count; /* that the device has */
	uint32_t flags;
	struct vfio_vector *vector; /* nr_vectors; NULL: not enabled */
	unsigned nr_vectors;
};

struct vfio_function {
	struct pci_device dev;
	struct vfio_link *link;
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	struct vfio_region region[VFIO_PCI_NUM_REGIONS];
	struct pci_bar_notify bell[PCI_NR_BARS][VFIO_MAX_BELLS];
	/* Of the MSI-X capability. table_bar PCI_NR_BARS: there is none. */
	unsigned table_bar, table_size;
	uint64_t table_offset;
	_Atomic uint8_t *unmasked; /* table_size: entries that are enabled */
	/* Bits that the guest sees and the device does not: vfio_function.c. */
	unsigned pm; /* offset of the power management capability; 0: none */
	uint8_t power_state;
	uint16_t decode, decodes; /* PCI_COMMAND_IO and _MEMORY: as written, and that it has */
	struct vfio_irq_index irq[VFIO_PCI_NUM_IRQS];
	bool left; /* pci_leave() was called */
	bool lost; /* the link does not work any more */
	_Atomic uint64_t reads, writes, interrupts;
};

/*
 * Makes a pci_device of what `link` leads to; name: for messages. The link is the device's
 * from then on, and goes with it. NULL and a sentence: there is no device, and the link is
 * still the caller's.
 */
struct pci_device *vfio_function_create(struct pci_host *h, const struct pci_device_ops *ops,
					struct vfio_link *link, const char *name, char *err,
					size_t errlen);
/* The link has found out that nothing comes from there any more: the guest is told. Loop's
 * thread. */
void vfio_function_lost(struct pci_device *d);

/* The members of pci_device_ops, for both models. */
int vfio_config_read(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val);
int vfio_config_write(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val);
uint64_t vfio_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes);
void vfio_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		    uint64_t val);
int vfio_msi_enable(struct pci_device *d, unsigned nr_vectors);
void vfio_msi_disable(struct pci_device *d);
int vfio_msix_enable(struct pci_device *d, const uint16_t *entries, unsigned nr);
void vfio_msix_disable(struct pci_device *d);
void vfio_intx_eoi(struct pci_device *d);
int vfio_reset(struct pci_device *d);
void vfio_stats(struct pci_device *d, void *file);
void vfio_destroy(struct pci_device *d);
#define VFIO_FUNCTION_OPS(stats_fn)                                                            \
	.config_read = vfio_config_read, .config_write = vfio_config_write,                    \
	.bar_read = vfio_bar_read, .bar_write = vfio_bar_write, .msi_enable = vfio_msi_enable, \
	.msi_disable = vfio_msi_disable, .msix_enable = vfio_msix_enable,                      \
	.msix_disable = vfio_msix_disable, .intx_eoi = vfio_intx_eoi, .reset = vfio_reset,     \
	.stats = stats_fn, .destroy = vfio_destroy

/* ---- among vfio_*.c ---- */

/* The guest's RAM, in bytes of machine addresses: what a device may reach. */
struct vfio_range {
	uint64_t start, end; /* the byte behind it */
};
#define VFIO_MAX_RANGES 2
unsigned vfio_ram_ranges(const struct domain *d, struct vfio_range *r);

/* vfio_bars.c: d->bar[] from the regions. 0, or negative errno and a sentence. */
int vfio_bars_create(struct vfio_function *f, char *err, size_t errlen);
void vfio_bars_destroy(struct vfio_function *f);
/* vfio_irqs.c */
int vfio_irqs_create(struct vfio_function *f, char *err, size_t errlen);
/* INTx on, when nothing else is: 0 or negative errno. */
int vfio_intx_enable(struct vfio_function *f);
void vfio_irqs_destroy(struct vfio_function *f);

#endif
