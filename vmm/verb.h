/*
 * The verbs of the command line. Each is one file that defines one struct verb;
 * verbs.c has the table.
 */
#ifndef VMM_VERB_H
#define VMM_VERB_H

#include <stdio.h>

#include "vmm/options.h"
#include "vmm/vmm.h"

struct verb {
	const char *name;
	const char *operands; /* for the usage line: "KERNEL", or "" */
	const char *summary;  /* one line */
	const char *more;     /* for `help VERB`, whole lines; may be NULL */
	void (*print_more)(FILE *f); /* the same, where it comes from a table */
	const struct option *options;
	/* argv[0] is the verb's name. enum exit_status. */
	int (*run)(const struct verb *v, int argc, char **argv);
};

extern const struct verb verb_run, verb_create, verb_info, verb_help, verb_version;
/* scenario/verb_test.c */
extern const struct verb verb_test;
/* verb_list.c, verb_power.c, verb_tune.c, verb_device.c, ... */
extern const struct verb verb_list, verb_vcpu_list, verb_domid, verb_domname, verb_uptime,
	verb_console, verb_shutdown, verb_reboot, verb_destroy, verb_pause, verb_unpause,
	verb_sysrq, verb_mem_set, verb_vcpu_set, verb_vcpu_pin, verb_rename, verb_block_attach,
	verb_block_detach, verb_block_list, verb_network_attach, verb_network_detach,
	verb_network_list, verb_top, verb_dmesg, verb_trigger, verb_debug_keys, verb_cd_insert,
	verb_cd_eject, verb_gdb, verb_dump_core, verb_trace, verb_inject, verb_pci_attach, verb_pci_detach, verb_pci_list,
	verb_pci_assignable_list, verb_inspect, verb_watch;

/* All verbs; NULL ends the table. */
extern const struct verb *const verbs[];

/* NULL after a message when there is none of that name. */
const struct verb *verb_find(const char *name);

/* For max_operands. */
#define ANY_OPERANDS (-1)

/* Parses v's options into `into`; operands come to argv[0] and on. Returns how
 * many, or -1 when nothing is left to do but to exit with *status: help was
 * printed, or a message about bad usage (more than max_operands is one). */
int verb_parse(const struct verb *v, int argc, char **argv, void *into, int max_operands,
	       int *status);

void usage_print(FILE *out);				/* the program's */
void verb_usage_print(const struct verb *v, FILE *out); /* the verb's, in full */

/* Prints "xenolith: " and the sentence to stderr; returns EXIT_BAD_USAGE. */
int bad_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
