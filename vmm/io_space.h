/*
 * What answers the guest's accesses to memory addresses that are no memory, and to I/O ports:
 * the BARs of its PCI functions. Vcpus' threads access it, several at once; functions are
 * added and removed in the event loop's thread. One for the domain.
 */
#ifndef VMM_IO_SPACE_H
#define VMM_IO_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/pci/pci_device.h"

enum io_kind { IO_MEMORY, IO_PORTS, NR_IO_KINDS };

struct io_space;

/* NULL: out of memory. */
struct io_space *io_space_create(void);
void io_space_destroy(struct io_space *s);

/* A BAR at bar->address, which stays where it is until it is removed. `index` is what the
 * device's bar_read and bar_write are told. -EEXIST: something is there; -ENOMEM. */
int io_space_add(struct io_space *s, enum io_kind kind, struct pci_device *d,
		 const struct pci_bar *bar, unsigned index);
/* When this returns no access to it is under way, and none will come. */
void io_space_remove(struct io_space *s, enum io_kind kind, const struct pci_bar *bar);
/* The first free place for `size` bytes, a power of two, aligned to its size, from `first` to
 * before `end`. 0: there is none. */
uint64_t io_space_find(struct io_space *s, enum io_kind kind, uint64_t first, uint64_t end,
		       uint64_t size);

/* Any number of bytes at any address: the parts that somebody has are split into accesses of
 * 1, 2, 4 or 8 bytes, as wide as they can be; the rest reads as all ones. */
void io_space_read(struct io_space *s, enum io_kind kind, uint64_t addr, void *data,
		   unsigned bytes);
void io_space_write(struct io_space *s, enum io_kind kind, uint64_t addr, const void *data,
		    unsigned bytes);

#endif
