/*
 * A PCI function that a guest is given, whatever is behind it: a card made of software,
 * a device of the host through VFIO, or one that another program serves (vfio-user).
 *
 * The function has a configuration space of its own, which only pciback (pciback.h) reads
 * and writes: it stands between the guest and the function as Linux's xen-pciback does, and
 * decides what the guest sees and may change. The function's BARs the guest reaches without
 * pciback, through its page tables and its I/O instructions; pci_host says where they are.
 *
 * Who calls what: everything of pci_device_ops but bar_read and bar_write runs in the event
 * loop's thread, or before that starts. A BAR's accesses come from any vcpu's thread, several
 * at once; they end soon, and none is under way when `destroy` is called. pci_intx(),
 * pci_msi() and pci_msix() may be called by any thread, with the device's own locks held, from
 * within bar_write, too.
 */
#ifndef DEVICES_PCI_PCI_DEVICE_H
#define DEVICES_PCI_PCI_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domain;
struct event_loop;
struct pci_device;
struct vfio_container;

#define PCI_NR_BARS	 6
#define PCI_MAX_MSI	 32   /* PCI 3.0, 6.8.1.3 */
#define PCI_MAX_MSIX	 2048 /* 6.8.2.3 */
#define PCI_MAX_AREAS	 8
#define PCI_CONFIG_SIZE	 256
#define PCIE_CONFIG_SIZE 4096
#define PCI_ANSWER_NEVER (~0u)

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64, /* the next BAR is its upper half, and is PCI_BAR_NONE */
};

/* A part of a memory BAR that the guest reaches without an exit: plain memory of ours. What
 * no area covers is answered by bar_read and bar_write. Both in whole pages. */
struct pci_bar_area {
	uint64_t offset, size;
	void *memory;
};

/* A store of any width at `offset` writes `fd` (an eventfd) and nothing else: the guest's
 * vcpu goes on at once, where KVM can do that. bar_write is not called for it. */
struct pci_bar_notify {
	uint64_t offset;
	unsigned bytes; /* 0: any width */
	int fd;
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	/* A power of two; of memory at least a page (so that two devices never share one), of
	 * ports 4 to 256. */
	uint64_t size;
	unsigned nr_areas, nr_notify;
	struct pci_bar_area area[PCI_MAX_AREAS];
	const struct pci_bar_notify *notify;
	/* Where the guest finds it: a machine address or a port. Written by pci_host.place,
	 * and put into the configuration space by pciback as a BIOS would. */
	uint64_t address;
};

struct pci_device_ops {
	const char *model; /* "testcard", "nvme", "vfio", "vfio-user": for messages and lists */
	/* Configuration space: offset + bytes is inside it, bytes 1, 2 or 4, aligned. 0, or
	 * negative errno: the device did not answer. A write is what pciback let through: no
	 * BAR ever changes its place by it, and MSI and MSI-X are not enabled by it. */
	int (*config_read)(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t *val);
	int (*config_write)(struct pci_device *d, unsigned offset, unsigned bytes, uint32_t val);
	/* bytes 1, 2, 4 or 8 (memory), inside the BAR, and not across two areas; not always
	 * aligned. What is no register reads as all ones. May be NULL: all BARs are areas. */
	uint64_t (*bar_read)(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes);
	void (*bar_write)(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
			  uint64_t val);
	/* Interrupts. INTx is on when neither of the others is. 0 or negative errno. */
	int (*msi_enable)(struct pci_device *d, unsigned nr_vectors);
	void (*msi_disable)(struct pci_device *d);
	/* nr entries of the table are used: entries[i], in the order of the guest's request. */
	int (*msix_enable)(struct pci_device *d, const uint16_t *entries, unsigned nr);
	void (*msix_disable)(struct pci_device *d);
	/* The guest acknowledged a level interrupt: one that is still asserted comes again
	 * (pci_intx does that for devices that leave this NULL). */
	void (*intx_eoi)(struct pci_device *d);
	/* As after power-on, BARs' addresses excepted. */
	int (*reset)(struct pci_device *d);
	/* What it did, as members of a JSON object without braces, for --stats; may be NULL. */
	void (*stats)(struct pci_device *d, void *file);
	void (*destroy)(struct pci_device *d);
};

/*
 * What the host of the devices does for them: the VMM, or a unit test. One for the domain.
 * Every member is set. In the event loop's thread or before it starts.
 */
struct pci_host {
	struct domain *domain; /* DMA: its frames, through frame_ptr() */
	struct event_loop *loop;
	/* Finds addresses for all BARs of d, permits the guest to use them (iomem and ioport
	 * rights) and begins to serve them. 0, or -ENOSPC, -ENOMEM, -EINVAL with nothing placed. */
	int (*place)(struct pci_host *h, struct pci_device *d);
	/* The opposite: the guest's rights go, an access that is under way ends first. Entries of
	 * the guest's page tables that still name a BAR then name nothing: reads are all ones. */
	void (*unplace)(struct pci_host *h, struct pci_device *d);
	/* All of the guest's memory as one piece for a device that does DMA by itself (IOMMU of
	 * VFIO, DMA_MAP of vfio-user): machine address 0.. is at `offset` of `fd`, mapped at
	 * `memory`. 0, or -ENOTSUP when it has no fd. */
	int (*guest_memory)(struct pci_host *h, int *fd, uint64_t *offset, uint64_t *size,
			    void **memory);
	/* An IOMMU knows the host's pages behind that memory (pinned) or does no more: frames
	 * that the guest gives back meanwhile keep theirs, for the IOMMU would not learn of
	 * others. Calls nest. */
	void (*pin_memory)(struct pci_host *h, bool pinned);
	/* What the devices of one model share. */
	struct vfio_container *vfio; /* vfio_container.c; NULL at first */
};

/* The first member of a device of any model. */
struct pci_device {
	const struct pci_device_ops *ops;
	struct pci_host *host;
	unsigned config_size; /* PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE */
	struct pci_bar bar[PCI_NR_BARS];
	struct pci_bar rom; /* size 0: none */
	char name[64];	    /* for messages: "testcard", "0000:03:00.0" */
	/* For tests of frontends: pciback's answer to an access of the configuration space takes
	 * so many ms, or does not come. Any thread. */
	_Atomic unsigned answer_delay;
	/* ---- pciback's ---- */
	struct pci_irqs *irqs; /* pci_irq.h */
};

/* ---- what a device calls ---- */

/* The level of INTx. While it is asserted, each EOI of the guest raises the interrupt again. */
void pci_intx(struct pci_device *d, bool asserted);
/* MSI number `vector`, less than msi_enable's nr_vectors; nothing happens when it is off. */
void pci_msi(struct pci_device *d, unsigned vector);
/* MSI-X: entry `entry` of the table. Nothing happens for one that is not enabled. */
void pci_msix(struct pci_device *d, unsigned entry);
/* The device reports an error by itself (AER): pciback tells the frontend. Loop's thread. */
enum pci_aer_severity { PCI_AER_CORRECTABLE, PCI_AER_NONFATAL, PCI_AER_FATAL };
void pci_aer(struct pci_device *d, enum pci_aer_severity severity);
/* The device goes, or is gone (somebody wants it back, or pulled it out; the server ended): the
 * frontend is asked to give it up, as by pci-detach, and it is destroyed then. Until that it
 * works on, or answers with all ones. May be called again. Loop's thread. */
void pci_leave(struct pci_device *d);

/* DMA by a device made of software: machine addresses of the guest's memory, nothing else. 0, or
 * -EFAULT when any byte of it is not the guest's own (then nothing was moved). Any thread. */
int pci_dma_read(struct pci_device *d, uint64_t maddr, void *dst, size_t len);
int pci_dma_write(struct pci_device *d, uint64_t maddr, const void *src, size_t len);
/* The same without a copy: our address of len bytes inside one page, NULL when it is not the
 * guest's. Until pci_dma_unmap() it stays the guest's, and (write: the device writes to it) becomes
 * no page table. */
void *pci_dma_map(struct pci_device *d, uint64_t maddr, size_t len, bool write);
void pci_dma_unmap(struct pci_device *d, uint64_t maddr, bool write);

/* ---- models ---- */

/* A line of the table of models: what `--pci` of that model makes. */
struct pci_model {
	const char *name;
	/* options: "key=value,key=value", what is left of the spec; NULL: none. NULL, and a
	 * sentence in err: there is no device. */
	struct pci_device *(*create)(struct pci_host *h, const char *options, char *err,
				     size_t errlen);
	/* Is it written as it must be (opens nothing)? And, with files: do they exist? 0, or
	 * negative errno and a sentence. */
	int (*check)(const char *options, bool files, char *err, size_t errlen);
	/* One line for `xenolith help` and the man page. */
	const char *options_help;
};

/* The options of the last two begin with where the device is, without a key: "0000:03:00.0",
 * "/run/card.sock,timeout=5". */
extern const struct pci_model pci_testcard, pci_nvme, pci_vfio, pci_vfio_user;

#endif
