/*
 * Where a domain in the background says what it has to say: NAME.log in
 * $XDG_STATE_HOME/xenolith, for root without that variable /var/log/xenolith. The log of the
 * domain before stays as NAME.log.1.
 */
#ifndef VMM_LOG_FILE_H
#define VMM_LOG_FILE_H

#include <stddef.h>

#include "vmm/error.h"

/* Opens a new log and sets `path`. A descriptor, or negative errno and a sentence. */
int log_file_open(const char *name, char *path, size_t size, struct error *err);

#endif
