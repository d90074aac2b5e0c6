/*
 * Traces of a domain: who passed which probe (pvabi/probe.h), when, with what.
 *
 * Each thread that passes an armed probe writes a record into a ring of its own; no lock, no
 * system call. One thread of the tracer empties the rings and hands the records to every
 * session that asked for them, which writes them out (a sink). A ring that is full loses
 * records, which are counted.
 */
#ifndef VMM_TRACE_TRACE_H
#define VMM_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pvabi/probe.h"
#include "vmm/error.h"

struct domain;
struct symbols;
struct tracer;
struct trace_filter;

#define TRACE_NO_VCPU	   0xffff
#define TRACE_MAX_SESSIONS 4

struct trace_record {
	uint64_t end, duration; /* system time when it was over, ns */
	uint64_t rip;		/* of the guest; 0: no vcpu's thread */
	uint16_t id;		/* enum probe_id */
	uint16_t vcpu;
	uint16_t thread; /* number of the ring */
	uint8_t kernel_mode;
	uint8_t block_size; /* of what is here; the whole may have been longer */
	uint64_t field[PROBE_MAX_FIELDS];
	uint8_t block[PROBE_MAX_BLOCK];
};

enum trace_format { TRACE_TEXT, TRACE_JSON, TRACE_CTF, TRACE_RAW, NR_TRACE_FORMATS };
extern const char *const trace_format_names[]; /* ends with NULL */

/* What a session wants; also what --trace and the verb trace fill in. */
struct trace_options {
	/* "CATEGORIES[:FILTER]", several; 0: all categories but monitor and mmu. */
	const char *what[8];
	unsigned nr_what;
	const char *path; /* NULL: the caller gives a stream */
	enum trace_format format;
	bool has_format; /* else by the path: *.json, a path that ends in '/' is CTF, else text */
	const char *symbols; /* System.map or ELF; NULL: addresses stay numbers */
};

/* 0, or -EINVAL and a sentence: is it written as it must be? Opens nothing. */
int trace_what_check(const char *what, struct error *err);
int trace_options_check(const struct trace_options *o, struct error *err);

/* A tracer for d, which probes arm from then on. Costs nothing until a session starts. */
struct tracer *tracer_create(struct domain *d);
/* Ends all sessions: everything is written. No thread of the domain runs any more. */
void tracer_destroy(struct tracer *t);

/* Starts one. Its number (0 or more), or negative errno and a sentence. Any thread. */
int tracer_start(struct tracer *t, const struct trace_options *o, struct error *err);
/* Writes out what was recorded until now, and ends it. */
void tracer_stop(struct tracer *t, int session);
/* It ended by itself: nobody reads it, the disk is full. */
bool tracer_is_over(struct tracer *t, int session);

struct trace_counts {
	uint64_t records, lost;
};
/* Of all sessions until now. */
void tracer_counts(struct tracer *t, struct trace_counts *c);

/* ---- sinks: trace_text.c, trace_json.c, trace_ctf.c ---- */

struct trace_sink {
	/* All in the tracer's thread. false: it cannot be written any more. */
	bool (*record)(struct trace_sink *s, const struct trace_record *r);
	/* A thread's records begin. */
	bool (*thread)(struct trace_sink *s, unsigned number, const char *name);
	/* n more records of a thread were lost. */
	bool (*lost)(struct trace_sink *s, unsigned thread, uint64_t n);
	/* Nothing more comes for now: what is buffered goes out. */
	bool (*flush)(struct trace_sink *s);
	void (*close)(struct trace_sink *s);
	const struct symbols *symbols; /* NULL: none */
	const struct domain *domain;
};
struct trace_sink *trace_text_open(const struct trace_options *o, struct error *err);
struct trace_sink *trace_json_open(const struct trace_options *o, struct error *err);
struct trace_sink *trace_ctf_open(const struct trace_options *o, const struct domain *d,
				  struct error *err);

/* trace_file.c: the first member of a sink that writes one stream. A pipe whose reader has
 * stopped for seconds is an error at the next write, not a wait without end. */
struct trace_file {
	struct trace_sink s; /* first */
	FILE *f;
};
/* `size` zeroed bytes, which begin with one; its flush and close are there. NULL and a sentence. */
void *trace_file_open(size_t size, const char *path, struct error *err);

/* ---- trace_filter.c ---- */
/* NULL and a sentence; or what all of `what` ask for. */
struct trace_filter *trace_filter_create(const char *const *what, unsigned nr, struct error *err);
void trace_filter_free(struct trace_filter *f);
/* Is the probe wanted at all? */
bool trace_filter_wants(const struct trace_filter *f, enum probe_id id);
bool trace_filter_match(const struct trace_filter *f, const struct trace_record *r);

/* ---- trace_names.c: records in words ---- */
/* "sched_op/poll", "blk_request". */
void trace_name(const struct trace_record *r, char *buf, size_t size);
/* A hypercall's sub-operation; NULL: it has none of that number, or none at all. */
const char *trace_subop(const struct trace_record *r);
/* Calls `put` with each argument by its name: the probe's fields, or for a hypercall its
 * arguments and those of its block. quoted: the value is no number. */
typedef void (*trace_put_fn)(void *arg, const char *name, const char *value, bool quoted);
void trace_arguments(const struct trace_record *r, trace_put_fn put, void *arg);

#endif
