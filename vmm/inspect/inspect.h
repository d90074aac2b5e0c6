/*
 * Inspection of a live domain: a table of subjects, one file or so each. A subject fills
 * a JSON object; the text that people see is made from that object, in the same process
 * or in another, so the two never disagree. The control socket ("inspect"), the verb and
 * a debugger's monitor commands all come through here.
 *
 * Everything runs in the event loop's thread and waits for nobody: what vcpus and
 * queues change meanwhile is copied under its lock, or read word by word.
 */
#ifndef VMM_INSPECT_INSPECT_H
#define VMM_INSPECT_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/error.h"
#include "vmm/vcpu.h"

struct xenstore;

struct inspect_target {
	struct guest *guest; /* its console, devices and cpus may be missing */
	struct xenstore *xenstore;
};

#define INSPECT_MAX_ARGS 4

struct inspect_subject {
	const char *name;
	const char *operands; /* for the usage: "MFN", "[PATH]", "" */
	const char *summary;  /* one line */
	unsigned min_args, max_args;
	bool of_vcpus; /* wants the registers of running vcpus: look.h */
	/* 0, or negative errno and a sentence: -EINVAL for bad arguments. `out` is an
	 * empty object. */
	int (*fill)(const struct inspect_target *t, unsigned nr, const char *const *arg,
		    json_t *out, struct error *err);
	void (*print)(FILE *f, const json_t *j);
};

/* NULL ends the table. */
extern const struct inspect_subject *const inspect_subjects[];

/* NULL, and a sentence that lists them. */
const struct inspect_subject *inspect_find(const char *name, struct error *err);
/* Are there as many words as it takes? 0, or -EINVAL and a sentence. */
int inspect_check(const struct inspect_subject *s, unsigned nr, struct error *err);
/* Find, check and fill; *out is the caller's to free. */
int inspect_fill(const struct inspect_target *t, const char *name, unsigned nr,
		 const char *const *arg, json_t **out, struct error *err);

/* A number, decimal or 0x..., up to `max`: 0, or -EINVAL and a sentence. */
int inspect_number(const char *what, const char *text, uint64_t max, uint64_t *value,
		   struct error *err);

extern const struct inspect_subject inspect_events, inspect_grants, inspect_rings, inspect_store,
	inspect_vcpus, inspect_timers, inspect_p2m, inspect_pagetable, inspect_frame;

/* ---- for subjects ---- */

/* A 64-bit number as "0x...": JSON's integers have a sign. */
json_t *json_hex(uint64_t n);
/* Sets a member to an integer; times, counts and frames fit. */
void json_put(json_t *j, const char *key, uint64_t n);

/* rings.c: all rings of the domain and what uses its grants. `what`: INSPECT_* of
 * devices/inspect.h. {"devices": [{"device": "vbd 51712", "rings": [...], ...}, ...]} */
json_t *inspect_devices(const struct inspect_target *t, unsigned what);

/* holders.c: names for ports and grants, from inspect_devices(). */
struct inspect_holders;
struct inspect_holders *inspect_holders_new(const json_t *devices);
void inspect_holders_free(struct inspect_holders *h);
/* "vbd 51712 queue 1"; NULL: nobody that is known. */
const char *inspect_port_holder(const struct inspect_holders *h, evtchn_port_t port);
const char *inspect_grant_user(const struct inspect_holders *h, grant_ref_t ref);

#endif
