/*
 * The PCI backend: what stands between a guest's pcifront and the functions that it was
 * given, as Linux's xen-pciback does (io/pciif.h; keys in xenstore as libxl writes them).
 *
 * A guest has one, of number 0, with up to PCIBACK_MAX_FUNCTIONS functions. Its directories
 * in xenstore are made with the first function and go with the last. Functions come and go
 * while the guest runs (XenbusStateReconfiguring). Everything here runs in the event loop's
 * thread, or while that does not run.
 */
#ifndef DEVICES_PCI_PCIBACK_H
#define DEVICES_PCI_PCIBACK_H

#include "devices/pci/host_functions.h"
#include "devices/pci/pci_device.h"

struct backend;
struct pciback;
struct xenstore;

#define PCIBACK_MAX_FUNCTIONS 64
/* Functions that are no host's get an address on a bus that no host has:
 * ffff:00:00.0, ffff:00:01.0, ... */
#define PCIBACK_OWN_DOMAIN 0xffff

/* How the guest sees the functions. */
enum pciback_topology {
	PCIBACK_VPCI,	     /* all on one bus 0000:00, in slots of their own */
	PCIBACK_PASSTHROUGH, /* at the host's addresses */
};

#define PCIBACK_MAX_QUIRKS 8
/* Registers that the guest may write although no rule says so: for a driver that needs one, and
 * a device that need not be permissive as a whole (Linux: xen-pciback's sysfs file quirks). */
struct pciback_quirk {
	uint16_t offset;
	uint8_t size; /* 1, 2, 4 */
};

/* xl's options of a device. All zero but vslot = -1 is xl's default. */
struct pciback_options {
	bool has_host; /* it is a device of the host's at `host`; false: one is made up */
	struct host_bdf host;
	int vslot;	 /* 0 to 31: "@vslot", of PCIBACK_VPCI only; -1: the first free one */
	bool permissive; /* a register that no rule guards may be written */
	bool msitranslate, power_mgmt; /* of no effect, as with PV guests of xl */
	bool rdm_relaxed;	       /* the same */
	const char *name;	       /* xl's name=; NULL: none */
	unsigned nr_quirks;
	struct pciback_quirk quirk[PCIBACK_MAX_QUIRKS];
};

struct pciback_function {
	struct pci_device *device;
	struct host_bdf host, guest;
	struct pciback_options options;
	unsigned state; /* XenbusStateInitialising, Initialised, or Closing: being removed */
};

struct pciback_params {
	struct event_loop *loop;
	struct xenstore *xenstore;
	struct pci_host *host; /* stays the caller's, and stays */
	enum pciback_topology topology;
	/* A function is about to be destroyed: removed, or given up by a guest that shut
	 * its frontend down for good. NULL: nobody wants to know. */
	void (*gone)(void *arg, const struct pciback_function *f);
	void *arg;
};

/* Has no functions yet, and writes nothing. NULL: out of memory, or of descriptors. */
struct pciback *pciback_create(const struct pciback_params *params);
/* With all functions, at once. NULL is accepted. */
void pciback_destroy(struct pciback *p);

/* Places d's BARs, finds it a slot and interrupts, and shows it to the guest: at once, or, when
 * the frontend is just reconfiguring itself, after that. d is the backend's from now on.
 * -EEXIST: the host's device, or the slot, is taken; -ENOSPC: no room for another; -ENOTSUP: a
 * bridge; -ENOMEM, or the errno of the device or of pci_host.place: d is still the caller's. err: a
 * sentence. */
int pciback_add(struct pciback *p, struct pci_device *d, const struct pciback_options *o, char *err,
		size_t errlen);
/* Asks the frontend to let the function go; gone() tells when it has. `force`: it does not
 * wait for that. -ENOENT: there is no such function. f may be gone when this returns. */
int pciback_remove(struct pciback *p, const struct pciback_function *f, bool force);

/* "44:2+e0:4": registers in hexadecimal digits, their sizes. 0 and o->quirk, or -EINVAL: it is
 * not written so, is not aligned, or has too many. */
int pciback_quirks_parse(const char *text, struct pciback_options *o);

/* In the order of xenstore's dev-N. NULL: there are no more. */
const struct pciback_function *pciback_at(const struct pciback *p, unsigned i);
/* By the host's address, or the name that `name=` gave. NULL: there is none. */
const struct pciback_function *pciback_find(const struct pciback *p, const char *which);

/* Its side of xenstore; NULL while it has no function. For lists and statistics only. */
const struct backend *pciback_backend(const struct pciback *p);

/* What it did. */
struct pciback_stats {
	uint64_t reads, writes, interrupts_set, refused, unknown, aer, aer_unanswered;
};
const struct pciback_stats *pciback_stats(const struct pciback *p);

#endif
