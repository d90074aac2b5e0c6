/*
 * Judges for the PCI fuzzer: what must never happen, whatever the guest does.
 */
#ifndef TEST_FUZZ_PCI_JUDGE_H
#define TEST_FUZZ_PCI_JUDGE_H

#include "devices/pci/pci_device.h"
#include "test/unit/test_domain.h"

/* From now on every write of d's configuration space is looked at: what Linux's xen-pciback
 * lets no guest write must not arrive. Before pciback_add(). */
void judge_device(struct pci_device *d, bool permissive);
extern _Atomic unsigned long judged_writes;

/* Frames that may change, beside these: whatever a device may write to, and what the
 * hypervisor and the guest share. */
struct judge_memory {
	struct test_domain *t;
	uint64_t first, nr; /* the arena: a device may write there */
	uint64_t except[4]; /* pages of the guest's that others write to */
	unsigned nr_except;
	uint8_t *copy; /* as it was */
};
void judge_memory_begin(struct judge_memory *m, struct test_domain *t, uint64_t first, uint64_t nr);
/* Ends the program if anything else has changed. */
void judge_memory_end(struct judge_memory *m);

/* Ends the program. */
void verdict(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
