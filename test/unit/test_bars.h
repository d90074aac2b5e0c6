/*
 * A PCI device for unit tests that only remembers what was asked of its BARs.
 */
#ifndef TEST_UNIT_TEST_BARS_H
#define TEST_UNIT_TEST_BARS_H

#include <pthread.h>
#include <stdatomic.h>

#include "devices/pci/pci_device.h"

struct test_bars {
	struct pci_device device; /* first */
	pthread_mutex_t lock;
	/* The last access, and what reads answer: each byte is its offset, plus `salt`. */
	unsigned bar, bytes;
	uint64_t offset, value;
	unsigned reads, writes;
	uint8_t salt;
	_Atomic unsigned inside; /* accesses under way */
	_Atomic bool hold;	 /* they stay until it is false */
	_Atomic bool gone;	 /* an access now is a bug */
};

void test_bars_init(struct test_bars *p);

#endif
