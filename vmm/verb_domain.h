/*
 * What the verbs that work on running domains have in common. Their exit statuses: 0 it
 * is done; 1 the domain did not do it, or does not answer; 2 bad usage, or no such domain.
 */
#ifndef VMM_VERB_DOMAIN_H
#define VMM_VERB_DOMAIN_H

#include "vmm/control/client.h"
#include "vmm/verb.h"

/* As verb_parse(), with a least number of operands, too. */
int verb_parse_operands(const struct verb *v, int argc, char **argv, void *into, int min, int max,
			int *status);

/* Prints the sentence; the exit status for rc, a negative errno. */
int verb_failed(int rc, const struct error *err);

/* Finds a domain and asks it one thing that waits for no guest. An exit status; *ok
 * (which may be NULL) is its answer, the caller's to free. Takes `args`. */
int verb_ask(const char *domain, const char *request, json_t *args, json_t **ok);

/* The terminal and the domain's console, until the user or the domain ends that. `unpause`
 * it as soon as nothing of its output can be lost. verb_console.c */
int console_attach(const char *domain, bool unpause);

/* The domains that operands name, or all without operands. An exit status: they are
 * there (and are to be closed) when it is EXIT_OK. */
int verb_domains(int n, char **argv, struct link_list *l);

/* For verbs without options. */
extern const struct option no_options[];

/* ---- tables (tables.c): what goes to stdout, of answers to "info" ---- */
void table_list_head(FILE *f, bool verbose);
void table_list_row(FILE *f, const json_t *info, bool verbose);
void table_vcpu_head(FILE *f);
void table_vcpu_rows(FILE *f, const json_t *info);
void table_block_head(FILE *f);
void table_block_rows(FILE *f, const json_t *info, const json_t *devices);
void table_network_head(FILE *f);
void table_network_rows(FILE *f, const json_t *info, const json_t *devices);
void table_uptime_head(FILE *f);
void table_uptime_row(FILE *f, const json_t *info, int64_t now, bool brief);

#endif
