/*
 * How a PCI function is written on the command line and in xl's files: a BDF of the host, a
 * model made here, or a server's socket, each with xl's options (xl-pci-configuration(5)).
 */
#ifndef VMM_PCI_SPEC_H
#define VMM_PCI_SPEC_H

#include "devices/pci/pciback.h"
#include "vmm/error.h"

/* xl's pci_permissive and the like: of functions that do not say otherwise. */
struct pci_defaults {
	unsigned permissive, msitranslate, power_mgmt, seize; /* 0 or 1 */
};

struct pci_spec {
	const struct pci_model *model; /* NULL: only named, for pci-detach */
	char *model_options;	       /* what is left for the model; NULL: nothing */
	char *name;		       /* xl's name=; NULL: none */
	struct pciback_options options;
	bool all_functions; /* "03:00.*" */
	bool seize;
};

/* The models that this program has; NULL ends the table. */
extern const struct pci_model *const pci_models[];

/* Is this model asked for by model=NAME? Others by an address or a socket. */
bool pci_spec_is_named(const char *model);

/* Looks at nothing but the text. 0, or negative errno and a sentence; then nothing is to be
 * freed. defaults may be NULL. */
int pci_spec_parse(struct pci_spec *s, const char *text, const struct pci_defaults *defaults,
		   struct error *err);
/* What pci-detach takes: a name or an address will do, and there is no model. */
int pci_spec_parse_which(struct pci_spec *s, const char *text, struct error *err);
void pci_spec_free(struct pci_spec *s);
/* Does the device need the guest's memory as a file? */
bool pci_spec_shares_memory(const char *text);

#endif
