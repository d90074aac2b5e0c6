/*
 * What a configuration file says about a domain: the keys of xl.cfg(5), by their meaning.
 *
 * keys.c has the table: a row for every key that xl.cfg(5) documents, for those of older
 * versions and for xm's that are still in people's files. A key that means nothing for a PV
 * guest of ours warns when it asks for something, one that asks for what the guest would
 * miss is an error, and so is a key that is in no row.
 */
#ifndef VMM_CONFIG_DOMAIN_SETTINGS_H
#define VMM_CONFIG_DOMAIN_SETTINGS_H

#include "vmm/config/config_file.h"
#include "vmm/vmm.h"

/* xl.cfg(5), "Event Actions". */
enum on_action {
	ON_DESTROY,
	ON_RESTART,
	ON_RENAME_RESTART,
	ON_PRESERVE,
	ON_COREDUMP_DESTROY,
	ON_COREDUMP_RESTART,
	ON_SOFT_RESET,
	NR_ON_ACTIONS
};

#define NR_SHUTDOWN_CODES (SHUTDOWN_soft_reset + 1)

struct domain_settings {
	struct config_file file; /* has all strings */
	struct run_options run;
	enum on_action on[NR_SHUTDOWN_CODES]; /* by SHUTDOWN_*; suspend is never asked */
	/* The kernel's command line is one of these. */
	const char *given_cmdline, *root, *extra;
	char *joined_cmdline; /* owned */
	const char *type, *builder, *firmware;
	const char *bootloader; /* NULL: `kernel` is a file */
	char **bootloader_arg;	/* owned; NULL ends it */
	unsigned nr_bootloader_args;
	unsigned localtime; /* a flag */
	unsigned memory_mib, maxmem_mib, vcpus, maxvcpus, max_event_channels; /* 0: not given */
};

struct settings_reader {
	struct domain_settings *settings;
	const char *source; /* the file's name, for what is not there */
	/* Takes the warnings, sentences with the place before them; may be NULL. */
	void (*warn)(void *arg, const char *text);
	void *arg;
	struct error *err;
};

/* The defaults of xl, no file read yet. */
void domain_settings_init(struct domain_settings *s);
/* Understands s->file, which was parsed; s->run is complete after it. 0, or negative errno
 * and a sentence with the place. s is to be freed in either case. */
int domain_settings_read(struct settings_reader *r);
void domain_settings_free(struct domain_settings *s);

/* "destroy" ... */
const char *on_action_name(enum on_action a);
/* As `xl create --dryrun` prints it. settings_json.c */
void domain_settings_json(FILE *out, const struct domain_settings *s);

#endif
