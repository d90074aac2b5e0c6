/*
 * Options that `run` has in common with `create`: `into` is a struct run_options, or begins
 * with one. verb_run.c
 */
#ifndef VMM_RUN_OPTIONS_H
#define VMM_RUN_OPTIONS_H

#include "vmm/options.h"
#include "vmm/vmm.h"

/* The defaults of a domain without a kernel and a name. */
void run_options_init(struct run_options *o);

int run_option_profile(void *into, const char *value, struct error *err);
int run_option_p2m(void *into, const char *value, struct error *err);
int run_option_monitor(void *into, const char *value, struct error *err);
int run_option_gate(void *into, const char *value, struct error *err);
int run_option_xenstore(void *into, const char *value, struct error *err);
int run_option_stats(void *into, const char *value, struct error *err);
int run_option_paused(void *into, const char *value, struct error *err);
int run_option_quiet(void *into, const char *value, struct error *err);
int run_option_verbose(void *into, const char *value, struct error *err);
/* A regular file with something in it that we may read; `what` is it. */
int run_check_file(const char *what, const char *path, struct error *err);

#endif
