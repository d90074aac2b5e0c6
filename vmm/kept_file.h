/*
 * What files that we keep for later have in common: a sum, and which boot of the host it was.
 */
#ifndef VMM_KEPT_FILE_H
#define VMM_KEPT_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Against what happens to files, not against who wants to deceive. */
uint64_t kept_sum(const void *data, size_t len);

#define BOOT_ID_SIZE 40
/* Different after each start of the host. 0 or -ENOENT. */
int boot_id_read(char id[BOOT_ID_SIZE]);

#endif
