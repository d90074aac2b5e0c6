/*
 * Scenarios: plain-text files that say which guest runs, with which devices, what the host
 * does to it and what must come of it (docs/scenarios.md has the format). `xenolith test`
 * runs them.
 */
#ifndef VMM_SCENARIO_SCENARIO_H
#define VMM_SCENARIO_SCENARIO_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

/* Words or lines; each is malloc()ed. */
struct text_list {
	char **text;
	unsigned nr;
};
/* Takes the text. false: no memory; the text is freed. */
bool text_list_add(struct text_list *l, char *text);
void text_list_free(struct text_list *l);

/* A disk: a sparse file of its own. */
struct scenario_disk {
	char *dev;	/* "xvda" */
	uint64_t bytes; /* 0: a drive without a medium */
	char *spec;	/* more of xl's syntax: "ro,queues=2"; may be "" */
	bool spare;	/* not there at the start: for block-attach */
};
#define SCENARIO_MAX_DISKS 16

struct scenario_module {
	char *name; /* a path when it has a '/' */
	bool later; /* the script loads it */
};
#define SCENARIO_MAX_MODULES 8

enum step_kind {
	STEP_DO,
	STEP_WAIT,
	STEP_REPEAT,
	STEP_END, /* of what is repeated */
	STEP_CONSOLE,
	STEP_NO_CONSOLE, /* holds for the whole run */
	STEP_MESSAGE,	 /* of xenolith's own */
	STEP_XENSTORE,
	STEP_NO_XENSTORE,
	STEP_TRACE,
	STEP_EXIT,
};
enum step_limit { AT_LEAST, AT_MOST, EXACTLY };
enum step_outcome { MUST_SUCCEED, MUST_FAIL, MAY_FAIL };

struct step {
	enum step_kind kind;
	unsigned line;
	uint64_t at;	 /* ns from the guest's start; 0: at once */
	uint64_t within; /* ns; for STEP_WAIT how long */
	char *text;	 /* regular expression, path, WHAT of a trace, kind of exit */
	char *regex_text;
	regex_t regex;
	bool has_regex;
	struct text_list word; /* STEP_DO: the action and its operands */
	enum step_outcome outcome;
	enum step_limit limit;
	unsigned n;	  /* of records; times */
	unsigned partner; /* STEP_REPEAT: its STEP_END, and the other way round */
};
#define SCENARIO_MAX_STEPS 128

struct scenario {
	char *path; /* as it was given */
	char *name; /* the file's, without folder and .scn */
	char *title, *why;
	char *guest;   /* "linux-cloud", "small:NAME" or a path */
	char *ramdisk; /* a path; NULL: one is made */
	struct scenario_module module[SCENARIO_MAX_MODULES];
	unsigned nr_modules;
	struct text_list cmdline; /* pieces of the kernel's command line */
	char *memory, *maxmem, *vcpus, *maxvcpus, *profile, *p2m;
	struct scenario_disk disk[SCENARIO_MAX_DISKS];
	unsigned nr_disks;
	struct text_list vif, pci, option, inject, trace;
	char *inject_seed;
	char *script;	/* run in the guest; NULL: none, the guest stays until it is ended */
	uint64_t limit; /* ns: of the whole run */
	struct text_list allow, xfail_kernel, xfail_reason;
	struct text_list xfail_message; /* expressions: what the known failure says */
	struct step *step;
	unsigned nr_steps;
	unsigned nr_trace_steps;
};

/* Reads a file. NULL and a sentence "FILE:LINE: ...". */
struct scenario *scenario_read(const char *path, struct error *err);
/* The same of a text; `path` names it. */
struct scenario *scenario_parse(const char *path, const char *text, struct error *err);
void scenario_free(struct scenario *s);

/* Does the extended regular expression match? One that cannot be compiled matches nothing. */
bool scenario_matches(const char *regex, const char *text);
/* "10ms", "2s", "100us": 0 and nanoseconds, or -EINVAL. scenario_words.c */
int scenario_time(const char *text, uint64_t *ns);
/* "64M": 0 and bytes, or -EINVAL. */
int scenario_size(const char *text, uint64_t *bytes);
/* Splits at blanks; '...' and "..." keep them. 0, -EINVAL (a quote has no end) or -ENOMEM. */
int scenario_split(const char *text, struct text_list *words);
/* Whether a host action exists, and has enough operands. 0 or -EINVAL and a sentence without
 * the line. scenario_action.c */
int scenario_action_check(const struct text_list *words, struct error *err);
/* One step's line, without what is before its first word; `rest` is what follows that.
 * scenario_step.c. 0, or a negative errno and a sentence without the line. */
int scenario_step_parse(struct step *st, const char *word, const char *rest, struct error *err);
/* Is it the first word of a step? */
bool scenario_is_step(const char *word);

/* ---- the matrix: scenario_matrix.c ---- */

enum matrix_key {
	MATRIX_KERNEL,
	MATRIX_PROFILE,
	MATRIX_VCPUS,
	MATRIX_MEMORY,
	MATRIX_P2M,
	MATRIX_DISK, /* added to each disk */
	MATRIX_VIF,  /* added to each interface */
	NR_MATRIX_KEYS
};
struct matrix {
	struct text_list value[NR_MATRIX_KEYS];
};
/* One point of the product; NULL: as the scenario has it. */
struct variant {
	const char *value[NR_MATRIX_KEYS];
};
/* "kernel=cloud|amd64,vcpus=1|2". 0, or negative errno and a sentence. */
int matrix_parse(struct matrix *m, const char *text, struct error *err);
unsigned matrix_points(const struct matrix *m); /* at least 1 */
void matrix_variant(const struct matrix *m, unsigned point, struct variant *v);
/* "vcpus=2 kernel=amd64", or "". */
void variant_name(const struct variant *v, char *buf, size_t size);
void matrix_free(struct matrix *m);

#endif
