/*
 * The PCI backend's own parts: see pciback.h.
 */
#ifndef DEVICES_PCI_PCIBACK_INTERNAL_H
#define DEVICES_PCI_PCIBACK_INTERNAL_H

#include <stdint.h>
#include <xen/io/pciif.h>

#include "devices/backend.h"
#include "devices/pci/conf_space.h"
#include "devices/pci/pci_irq.h"
#include "devices/pci/pciback.h"

#define PCIBACK_NAME_SIZE	 64
#define PCIBACK_MAX_ROOTS	 PCIBACK_MAX_FUNCTIONS
#define PCIBACK_PATIENCE_SECONDS 300 /* for the answer to an AER request: as Linux */

/* A function and where it is on its way in or out. */
struct pci_fn {
	struct pciback *pciback;
	struct pciback_function f; /* f.device NULL: it is gone, its keys are there still */
	struct conf_space conf;
	char name[PCIBACK_NAME_SIZE]; /* xl's name=; "": none */
	bool published;		      /* its keys are in xenstore */
	bool exported;		      /* the guest may use it */
	bool unwanted;		      /* it is to be removed */
	/* An error that the frontend is yet to be told of, or is told of now. */
	bool has_error, corrected;
	enum pci_aer_severity error;
};

/* What the frontend is asked about an error, one request at a time. */
struct pci_recovery {
	struct pci_fn *fn; /* NULL: none is under way */
	bool asked;	   /* the page holds a request, and no answer yet */
	uint32_t cmd;	   /* the last request: XEN_PCI_OP_aer_* */
	bool fatal, failed;
	int timer_fd; /* the patience ends; -1: there was no error yet */
	unsigned reports;
};

struct pciback {
	struct backend b; /* first */
	struct pciback_params params;
	bool live;   /* b's directories are there */
	bool ending; /* nothing new is begun */
	unsigned nr; /* functions, those that are published first */
	struct pci_fn *fn[PCIBACK_MAX_FUNCTIONS];
	unsigned nr_roots;
	struct host_bdf root[PCIBACK_MAX_ROOTS];
	/* Of a connected frontend. */
	struct ring_map page;
	struct xen_pci_sharedinfo *shared;
	evtchn_port_t port;
	int event_fd;
	struct pci_recovery recovery;
	unsigned patience_seconds;
	/* What a device said from within itself is dealt with from the loop. */
	int later_fd;
	/* An answer that is not yet given. */
	struct {
		int timer_fd; /* -1: there was none yet */
		bool pending;
		struct xen_pci_op op;
	} late;
	struct pciback_stats stats;
};

static inline struct pciback *pciback_of(struct backend *b)
{
	return (struct pciback *)b;
}

/* ---- pciback.c ---- */
/* The device goes; what xenstore has of it stays. */
void pciback_release(struct pciback *p, struct pci_fn *fn);
void pciback_later(struct pciback *p);

/* ---- pciback_xenbus.c ---- */
extern const struct backend_class pciback_class;
/* Shows what is new, and asks for what is unwanted, when the frontend is ready for that. 0,
 * or why there is no backend. */
int pciback_pump(struct pciback *p);

/* ---- pciback_slot.c: where the guest finds a function ---- */
/* 0: fn->f.guest; -ENOSPC, or -EEXIST for a slot that was asked for. */
int pciback_assign_slot(struct pciback *p, struct pci_fn *fn);
/* The exported function there; NULL. */
struct pci_fn *pciback_lookup(struct pciback *p, uint32_t domain, uint32_t bus, uint32_t devfn);
static inline unsigned pci_devfn(const struct host_bdf *b)
{
	return b->device << 3u | b->function;
}

/* ---- pciback_op.c: the shared page ---- */
/* The frontend notified us. */
void pciback_serve(struct pciback *p);

/* The answer to `op` of the frontend, of which the first nr vectors are one. */
void pciback_answer(struct pciback *p, const struct xen_pci_op *op, unsigned nr);

/* ---- pciback_late.c ---- */
/* True: the function (NULL: none) wants this answer to come later, or never. */
bool pciback_put_off(struct pciback *p, struct pci_fn *fn, const struct xen_pci_op *op);
/* The answer comes in `ns`. False: it cannot. */
bool pciback_answer_in(struct pciback *p, const struct xen_pci_op *op, int64_t ns);
void pciback_late_close(struct pciback *p);

/* ---- pciback_inspect.c ---- */
void pciback_inspect(struct backend *b, struct json_t *device, unsigned what);

/* ---- pciback_aer.c ---- */
void pciback_error(struct pci_fn *fn, enum pci_aer_severity severity);
/* Deals with what pciback_error() was told, when nothing else is under way. */
void pciback_aer_begin(struct pciback *p);
/* The frontend notified us: maybe it has answered. */
void pciback_aer_answered(struct pciback *p);
/* The frontend is gone (fn NULL), or a function: nobody answers any more. */
void pciback_aer_forget(struct pciback *p, struct pci_fn *fn);
void pciback_aer_close(struct pciback *p);

#endif
