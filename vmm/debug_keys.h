/*
 * Xen's debug keys for one domain: what a key shows goes to the domain's log.
 */
#ifndef VMM_DEBUG_KEYS_H
#define VMM_DEBUG_KEYS_H

#include <stdbool.h>

struct guest;

/* True when `key` is one. In the event loop's thread. */
bool debug_key(struct guest *g, char key);

#endif
