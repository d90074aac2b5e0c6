/*
 * Probes: named points of the code, in one catalogue (probes.def). A trace records who
 * passes one; faults are injected at one (fault.h). One that nobody asks for costs a load
 * and a branch.
 *
 * pvabi and the backends hit probes; what becomes of that is their host's business, which
 * sets domain.probe_host and arms probes by domain.probe_armed[].
 */
#ifndef PVABI_PROBE_H
#define PVABI_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domain;

enum probe_category {
	PROBES_HYPERCALL,
	PROBES_MMU,
	PROBES_EVENT,
	PROBES_TIMER,
	PROBES_GRANT,
	PROBES_XENSTORE,
	PROBES_CONSOLE,
	PROBES_BLOCK,
	PROBES_NET,
	PROBES_PCI,
	PROBES_MONITOR,
	PROBES_FAULT,
	NR_PROBE_CATEGORIES
};

enum probe_id {
#define PROBE(category, name, fields) PROBE_##name,
#include "pvabi/probes.def"
#undef PROBE
	NR_PROBES
};

#define PROBE_MAX_FIELDS 8
#define PROBE_MAX_BLOCK	 88 /* bytes; a longer block is cut */

/* Who passed a probe. */
struct probe_hit {
	enum probe_id id;
	/* System time, ns, of the beginning of what took `duration`. */
	uint64_t time, duration;
	const uint64_t *field; /* as many as the row has */
	const void *block;     /* NULL: none */
	size_t block_size;
};

/* domain.probe_armed[]: why somebody is asked. */
#define PROBE_TRACED 1
#define PROBE_FAULTY 2

struct probe_host {
	/* Any thread, often with locks of ours held: does not block, or call back. */
	void (*hit)(struct probe_host *h, struct domain *d, const struct probe_hit *hit);
};

/* ---- the catalogue, read ---- */

struct probe_field {
	char name[16];
	char format;		  /* 'u' ...; 0: one of names */
	const char *const *names; /* of an enumeration, NULL at its end; may have holes ("") */
};
struct probe_desc {
	const char *name;
	enum probe_category category;
	unsigned nr_fields;
	struct probe_field field[PROBE_MAX_FIELDS];
	bool text; /* the block is text */
};
/* Never NULL for a number below NR_PROBES. Any thread, once probes_init() was called. */
const struct probe_desc *probe_get(enum probe_id id);
void probes_init(void);
/* "hypercall" ... */
const char *probe_category_name(enum probe_category c);
/* A number's name in an enumeration; NULL: it has none. */
const char *probe_enum_name(const struct probe_field *f, uint64_t value);
/* The number of a name, or -1. */
int probe_enum_value(const struct probe_field *f, const char *name);

/* ---- for who hits probes: pvabi.h has PROBE_HIT() and the rest, which need struct domain ---- */

#endif
