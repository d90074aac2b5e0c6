/*
 * The configuration space of a function made of software: bytes, which of them may be
 * written, and the capabilities. A device embeds one and gives it to pci_device_ops:
 * config_read is pci_config_read(), config_write is pci_config_write() and whatever the
 * device wants to know of its own registers. Register names: <linux/pci_regs.h>.
 *
 * Everything runs in the event loop's thread or before it, pci_config_set_intx() and
 * pci_config_command() in any.
 */
#ifndef DEVICES_PCI_PCI_CONFIG_H
#define DEVICES_PCI_PCI_CONFIG_H

#include <linux/pci_regs.h>

#include "devices/pci/pci_device.h"

struct pci_config_id {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint32_t class; /* 24 bits: class, subclass, programming interface */
	uint8_t revision;
	uint8_t interrupt_pin; /* 1: INTA#; 0: has no INTx */
};

struct pci_config {
	unsigned size; /* PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE */
	uint8_t byte[PCIE_CONFIG_SIZE];
	uint8_t writable[PCIE_CONFIG_SIZE]; /* bits that a write changes */
	uint8_t clears[PCIE_CONFIG_SIZE];   /* bits that writing 1 clears */
	uint8_t initial[PCIE_CONFIG_SIZE];  /* what pci_config_reset() gives back */
	/* Where they are; 0: it has none. */
	unsigned msi, msix, pm, pcie, aer;
	/* Of the lists being made. */
	unsigned last_cap, end_cap, last_ext, end_ext;
	_Atomic uint16_t command;
	_Atomic bool intx;
};

/* A type 0 header without BARs and capabilities. PCIE_CONFIG_SIZE: it has an extended
 * part, and should have a PCI Express capability. */
void pci_config_init(struct pci_config *c, unsigned size, const struct pci_config_id *id);
/* The BARs and the ROM of d: their kinds and sizes; d->config_size is set, too. */
void pci_config_bars(struct pci_config *c, struct pci_device *d);
/* The registers are now what a reset gives back: after everything was added. */
void pci_config_done(struct pci_config *c);
/* As after power-on, BARs excepted. */
void pci_config_reset(struct pci_config *c);

/* ---- capabilities: in the order in which they are added. The offset; 0: no room. ---- */

/* len bytes with the header of two, read-only and zero: the caller fills them. */
unsigned pci_config_add_cap(struct pci_config *c, uint8_t id, unsigned len);
/* len bytes with the header of four. */
unsigned pci_config_add_ext_cap(struct pci_config *c, uint16_t id, unsigned version, unsigned len);
/* nr: 1 to PCI_MAX_MSI, a power of two. With 64-bit addresses. */
unsigned pci_config_add_msi(struct pci_config *c, unsigned nr, bool maskable);
unsigned pci_config_add_msix(struct pci_config *c, unsigned nr, unsigned table_bar,
			     uint32_t table_offset, unsigned pba_bar, uint32_t pba_offset);
/* D0 and D3hot. */
unsigned pci_config_add_pm(struct pci_config *c);
/* An endpoint; with function-level reset. */
unsigned pci_config_add_pcie(struct pci_config *c);
/* Advanced error reporting; needs PCIE_CONFIG_SIZE. */
unsigned pci_config_add_aer(struct pci_config *c);
/* What is at the place of an error that the device reports now: PCI_ERR_UNC_* (severity
 * as the guest configured it in PCI_ERR_UNCOR_SEVER) or PCI_ERR_COR_*. */
enum pci_aer_severity pci_config_report_uncorrectable(struct pci_config *c, uint32_t error,
						      const uint32_t header_log[4]);
void pci_config_report_correctable(struct pci_config *c, uint32_t error);

/* ---- access ---- */

/* As pci_device_ops has them; what is beyond the space is -EINVAL. */
int pci_config_read(const struct pci_config *c, unsigned offset, unsigned bytes, uint32_t *val);
int pci_config_write(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t val);
/* For the device itself: nothing is read-only. */
uint32_t pci_config_get(const struct pci_config *c, unsigned offset, unsigned bytes);
void pci_config_set(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t val);
/* Bits of a register that the guest may write. */
void pci_config_set_writable(struct pci_config *c, unsigned offset, unsigned bytes, uint32_t mask);

/* PCI_COMMAND_MASTER: it may do DMA; _MEMORY, _IO: its BARs answer; _INTX_DISABLE. */
static inline uint16_t pci_config_command(const struct pci_config *c)
{
	return c->command;
}
/* PCI_STATUS_INTERRUPT: what pci_intx() was told, whether or not INTx is enabled. */
static inline void pci_config_set_intx(struct pci_config *c, bool asserted)
{
	c->intx = asserted;
}

#endif
