/*
 * The devices of a domain that have a backend of ours: made from the options before it
 * runs, attached and detached while it does, gone when it has ended. In the event loop's
 * thread, or while that does not run.
 */
#ifndef VMM_GUEST_DEVICES_H
#define VMM_GUEST_DEVICES_H

#include <stdio.h>

#include "devices/backend.h"
#include "vmm/error.h"
#include "vmm/pci_host.h"
#include "vmm/pci_spec.h"

struct pciback;
struct run_options;

#define MAX_GUEST_DEVICES 128

struct guest_devices {
	/* Set by guest_devices_create. */
	struct event_loop *loop;
	struct xenstore *xenstore;
	struct domain *domain;
	struct backend *backend[MAX_GUEST_DEVICES];
	unsigned nr;
	/* guest_pci.c: all functions have one backend. */
	struct vmm_pci pci;
	struct pci_defaults pci_defaults; /* of those that are made with the domain */
	struct pciback *pciback; /* NULL: there never was a function */
};

/* A kind whose devices share one backend keeps them itself, and has these functions
 * instead of create, is, text and json. */
struct device_kind_shared {
	int (*attach)(struct guest_devices *g, const char *spec, struct error *err);
	/* -ENODEV: it has no such device. It may be there until the guest has let it go. */
	int (*detach)(struct guest_devices *g, const char *which, bool force, struct error *err);
	bool (*has)(const struct guest_devices *g, const char *which);
	void (*destroy)(struct guest_devices *g); /* all of them */
	void (*text)(FILE *f, const struct guest_devices *g);
	/* Members of a JSON object. */
	void (*json)(FILE *f, const struct guest_devices *g);
};

/* One kind of device, a row of device_kinds: guest_disks.c, ... All that reads a spec
 * returns 0, or negative errno and a sentence that names it. */
struct device_kind {
	const char *type;   /* backend_class.type: "vbd" */
	const char *option; /* of the command line, without the dashes: "disk" */
	const char *plural; /* its member in the statistics: "disks" */
	/* Is it written as it must be? Looks at nothing else. */
	int (*parse)(const char *spec, struct error *err);
	/* The same, and looks at the files that it names. */
	int (*check)(const char *spec, struct error *err);
	/* NULL and a sentence: there is no device. */
	struct backend *(*create)(struct guest_devices *g, const char *spec, struct error *err);
	/* Does `which` name b, in one of xl's ways ("xvda", "51712")? */
	bool (*is)(const struct backend *b, const char *which);
	/* What it did, for --stats: a line, or `"name": {...}`. */
	void (*text)(FILE *f, const struct backend *b);
	void (*json)(FILE *f, const struct backend *b);
	const struct device_kind_shared *shared; /* NULL: each has a backend of its own */
};

extern const struct device_kind disk_kind, vif_kind, pci_kind;

/* All kinds; NULL ends the table. */
extern const struct device_kind *const device_kinds[];

/* A device that an option or a configuration file asks for. */
struct device_option {
	const struct device_kind *kind;
	const char *spec;
};

/* Looks at the files that the options name: what cannot be opened is told before KVM
 * is touched. 0, or negative errno and a sentence. */
int guest_devices_check(const struct run_options *o, struct error *err);
/* Makes them all; the domain's directory must be in xenstore. */
int guest_devices_create(struct guest_devices *g, const struct run_options *o, struct event_loop *l,
			 struct xenstore *xs, struct domain *d, struct error *err);
/* Waits for what is in flight. */
void guest_devices_destroy(struct guest_devices *g);

/* What the options ask of the machine: room for devices below 4 GiB; memory that other
 * processes can map. */
bool guest_wants_hole(const struct run_options *o);
bool guest_shares_memory(const struct run_options *o);

/* One more, also while the domain runs. *b (which may be NULL): the device, ours until it
 * is detached (backend_detach, backend_destroy); NULL with a kind that is `shared`. -ENOSPC:
 * there is no room for it. */
int guest_devices_attach(struct guest_devices *g, const struct device_kind *k, const char *spec,
			 struct backend **b, struct error *err);
/* NULL: there is none. */
struct backend *guest_devices_find(const struct guest_devices *g, const struct device_kind *k,
				   const char *which);

/* guest_pci.c: as pci-detach names it. NULL: there is none. */
struct pciback_function;
const struct pciback_function *pci_find(const struct guest_devices *g, const char *which);

/* What they did, for --stats: lines, or members of a JSON object. */
void guest_devices_text(FILE *f, const struct guest_devices *g);
void guest_devices_json(FILE *f, const struct guest_devices *g);

#endif
