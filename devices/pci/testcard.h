/*
 * The test card: a PCI function for those who write drivers and frontends. It has one of
 * everything that a driver meets, and does wrong what it is told to do wrong. This is its
 * data sheet: `--pci model=testcard`, with the options at the end.
 *
 * Configuration space: 5853:f0c1, class ff00 (no driver of Linux takes it by itself), INTA#,
 * 4096 bytes with these capabilities: power management (D0, D3hot), MSI (8 vectors, 64 bit,
 * with masks), MSI-X (8 vectors), PCI Express endpoint, advanced error reporting.
 *
 * BAR 0, memory, 16 KiB (32 bit; bar64: 64 bit, prefetchable, BAR 1 is its upper half)
 *	0x0000	the registers
 *	0x1000	a page of memory, which the DMA engine works on, too
 *	0x2000	MSI-X table and, at 0x2800, pending bits: for the hypervisor, the guest
 *		reads zeros
 *	0x3000	the doorbell: a write of any width to this address is counted and raises cause
 *		1, without the writer waiting for anything
 *	All else reads as ones.
 * BAR 2, 64 I/O ports: the registers 0x00 to 0x3f.
 *
 * Registers are little-endian, of 32 bits. They are read in any width. They are written
 * with 32 or 64 bits, aligned to 4; a narrower write inside one register changes its own
 * bytes of a read-write register, and has zeros in the others elsewhere. Other writes
 * are ignored. A BAR that the command register has not enabled reads as ones.
 */
#ifndef DEVICES_PCI_TESTCARD_H
#define DEVICES_PCI_TESTCARD_H

#define TESTCARD_VENDOR	 0x5853 /* XenSource; the device's number is not registered */
#define TESTCARD_DEVICE	 0xf0c1
#define TESTCARD_CAUSES	 8 /* of interrupts, and vectors */
#define TESTCARD_PAGE	 0x1000
#define TESTCARD_MEMORY	 0x1000
#define TESTCARD_TABLE	 0x2000
#define TESTCARD_PENDING 0x2800
#define TESTCARD_BELL	 0x3000
#define TESTCARD_BAR	 0x4000
#define TESTCARD_PORTS	 64

/* ---- registers: r read-only, w write-only (reads 0), rw, c a written 1 clears ---- */
#define TESTCARD_ID	 0x00 /* r: TESTCARD_MAGIC */
#define TESTCARD_VERSION 0x04 /* r: 1 */
#define TESTCARD_SCRATCH 0x08 /* rw */
#define TESTCARD_STATUS	 0x0c /* r: TESTCARD_IS_* */

/*
 * Interrupts. A cause n of 0 to 7 is raised by RAISE and by the card's parts. One that is
 * enabled sends MSI-X entry n, or MSI n modulo the vectors that are on; INTA# is asserted
 * as long as a cause is set and enabled, and neither MSI nor MSI-X is on.
 */
#define TESTCARD_CAUSE	0x10 /* c: those that were raised */
#define TESTCARD_ENABLE 0x14 /* rw: those that interrupt; 0 after reset */
#define TESTCARD_RAISE	0x18 /* w: raises these, already set or not */
#define TESTCARD_SENT	0x1c /* r: messages sent, and times that INTA# was asserted */

/*
 * DMA: START moves LENGTH bytes between machine address ADDRESS and byte OFFSET of the card's
 * page of memory, and is done before the write of CONTROL is. It needs bus mastering. What
 * is not within the page, or at a machine address that is not the guest's own memory, is an
 * error, and no byte moves. IRQ raises the cause in bits 15:8 at the end, error or not.
 */
#define TESTCARD_DMA_ADDRESS	0x20 /* rw; upper half at 0x24 */
#define TESTCARD_DMA_ADDRESS_HI 0x24
#define TESTCARD_DMA_LENGTH	0x28 /* rw: bytes */
#define TESTCARD_DMA_OFFSET	0x2c /* rw */
#define TESTCARD_DMA_CONTROL	0x30 /* w: TESTCARD_DMA_START, ... */
#define TESTCARD_DMA_STATUS	0x34 /* c: TESTCARD_DMA_DONE, ... */
#define TESTCARD_DMA_BYTES	0x38 /* r: moved since reset, modulo 2^32 */
#define TESTCARD_BELLS		0x3c /* r: writes to the doorbell; several at once count as one */

/* ---- misbehaviour ---- */
#define TESTCARD_FAULT 0x40 /* rw: TESTCARD_FAULT_* */
#define TESTCARD_LOSE  0x44 /* rw: so many interrupts to come are not sent; counts down */
#define TESTCARD_STORM 0x48 /* rw: raises cause 0 so many times a ms, at most 1000 */
/* rw: pciback answers accesses of the configuration space after so many ms; all ones: never. */
#define TESTCARD_DELAY 0x4c
/* w: reports an error (PCI Express AER): 1 correctable, 2 non-fatal, 3 fatal. */
#define TESTCARD_ERROR 0x50
/* w: with TESTCARD_REMOVE_KEY the card is pulled out: everything reads as ones from now on,
 * nothing can be written, and pciback takes it from the guest. */
#define TESTCARD_REMOVE 0x54
/* w: 1 resets all but the configuration space, as a reset of the function does. */
#define TESTCARD_RESET 0x58
#define TESTCARD_END   0x5c

#define TESTCARD_MAGIC	    0x31435458u /* "XTC1" */
#define TESTCARD_REMOVE_KEY 0x64616564u

#define TESTCARD_IS_INTX   0x1 /* INTA# is asserted */
#define TESTCARD_IS_MSI	   0x2
#define TESTCARD_IS_MSIX   0x4
#define TESTCARD_IS_MASTER 0x8

#define TESTCARD_DMA_START   0x1
#define TESTCARD_DMA_TO_HOST 0x2 /* from the card's memory; else to it */
#define TESTCARD_DMA_IRQ     0x4

#define TESTCARD_DMA_DONE	0x1
#define TESTCARD_DMA_BAD_ADDR	0x2
#define TESTCARD_DMA_BAD_BOUNDS 0x4
#define TESTCARD_DMA_NO_MASTER	0x8

#define TESTCARD_FAULT_STUCK 0x01 /* INTA# stays asserted (when MSI and MSI-X are off) */
#define TESTCARD_FAULT_MUTE  0x02 /* no interrupt is sent */
#define TESTCARD_FAULT_WRONG 0x04 /* reads of the configuration space have all bits inverted */
#define TESTCARD_FAULT_DEAD  0x08 /* accesses of the configuration space fail */
#define TESTCARD_FAULT_ONES  0x10 /* BARs read as ones and are not written, until a reset */
#define TESTCARD_FAULTS	     0x1f

/*
 * Options, of `--pci model=testcard,...`; the faults are there from the start and again
 * after each reset.
 *	intx=0, msi=0, msix=0	it has no such interrupts
 *	pcie=0			a conventional card: 256 bytes, no AER
 *	bar64			BAR 0 has 64 bits
 *	fault=N, lose=N, storm=N, delay=MS	what the registers hold
 *	delay-never		accesses of the configuration space are never answered
 */

#endif
