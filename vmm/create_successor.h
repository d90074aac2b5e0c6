/*
 * on_...="rename-restart": the domain that has shut down keeps its process, under another
 * name, and a new `create` makes the next one.
 */
#ifndef VMM_CREATE_SUCCESSOR_H
#define VMM_CREATE_SUCCESSOR_H

#include <stdint.h>

#include "vmm/error.h"

/* How many domains before this one lived too short a time. */
unsigned successor_short_lives(void);
/* Gives the running domain `name` the name that xl's preserve_domain() would: with the time
 * behind it. By a thread that does not serve its control. 0 or negative errno and a sentence. */
int successor_rename(const char *name, struct error *err);
/* Runs `create` with the same arguments (argv[0] is the verb; NULL ends them) but for those
 * about a terminal and a pause, and waits until the domain is up. */
int successor_start(char *const *argv, const uint8_t uuid[16], unsigned short_lives,
		    struct error *err);

#endif
