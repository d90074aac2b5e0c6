/*
 * The configuration space that a guest sees: the function's own with fields laid over it,
 * which decide what may be written and what is read instead. The rules are those of Linux
 * 6.1's xen-pciback (conf_space.c, conf_space_header.c, conf_space_capability.c).
 *
 * A register without a field reads as the function has it, and is written only in permissive
 * mode. All in the event loop's thread.
 */
#ifndef DEVICES_PCI_CONF_SPACE_H
#define DEVICES_PCI_CONF_SPACE_H

#include <linux/pci_regs.h>

#include "devices/pci/pci_device.h"

#define CONF_MAX_FIELDS 48
#define CONF_FAILED	1 /* of a field's write: the guest may not (PCIBIOS_SET_FAILED) */

struct conf_space;
struct conf_entry;

struct conf_field {
	uint8_t offset, size; /* size 0 ends a table */
	/* Both 0, CONF_FAILED, or the device's negative errno. read NULL: as the function has
	 * it; write NULL: nothing happens. */
	int (*read)(struct conf_space *c, struct conf_entry *e, uint32_t *val);
	int (*write)(struct conf_space *c, struct conf_entry *e, uint32_t val);
	int (*init)(struct conf_space *c, struct conf_entry *e);
};

/* A field of one function. */
struct conf_entry {
	const struct conf_field *field;
	unsigned offset;
	uint32_t val, len_val; /* a BAR's address and what tells its size */
	bool which;	       /* the size is read */
};

struct conf_space {
	struct pci_device *device;
	bool permissive;
	bool enabled, master;			/* Linux: pci_is_enabled(), is_busmaster */
	uint16_t command;			/* as the guest wrote it */
	unsigned vpd, pm, msi, msix, pcie, aer; /* where; 0: it has none */
	unsigned nr;
	struct conf_entry entry[CONF_MAX_FIELDS];
};

/* For a function whose BARs are placed: puts their addresses into it and makes it answer
 * there, as a BIOS does. 0; -ENOTSUP: a bridge; the device's errno. */
int conf_space_init(struct conf_space *c, struct pci_device *d, bool permissive);
/* A register that may be written. A rule that there is for it stays. -EINVAL: there is no such
 * register; -ENOSPC. */
int conf_space_add_quirk(struct conf_space *c, unsigned offset, unsigned size);
/* Xen's xen_pci_op: XEN_PCI_ERR_*. What is read after an error is 0 or what the device gave. */
int conf_space_read(struct conf_space *c, int32_t offset, int32_t size, uint32_t *val);
int conf_space_write(struct conf_space *c, int32_t offset, int32_t size, uint32_t val);
/* The frontend is gone: interrupts and DMA are off, as for the next one. */
void conf_space_quiet(struct conf_space *c);
/* The device was reset: what it had forgotten is as before. */
int conf_space_restore(struct conf_space *c);
/* Does the device answer in memory, as MSI-X needs it? */
bool conf_space_memory(struct conf_space *c);
/* The AER status is cleared, as Linux does when it has dealt with it. */
void conf_space_clear_errors(struct conf_space *c, bool correctable);

/* ---- for the files with fields ---- */

/* The function's own registers. A device that does not answer: all ones. */
int conf_real_read(struct conf_space *c, unsigned offset, unsigned bytes, uint32_t *val);
int conf_real_write(struct conf_space *c, unsigned offset, unsigned bytes, uint32_t val);
/* Bits of the real command register that let the BARs answer. */
uint32_t conf_decode_bits(const struct pci_device *d);
/* Adds a table's fields, which begin at `base`. */
int conf_add(struct conf_space *c, const struct conf_field *table, unsigned base);

int conf_header_add(struct conf_space *c);     /* conf_header.c */
int conf_capability_add(struct conf_space *c); /* conf_capability.c */

#endif
