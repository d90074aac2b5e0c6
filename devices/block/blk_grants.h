/*
 * The frontend's pages that a queue's requests use. With persistent grants a page
 * stays mapped for the next request that names it (feature-persistent in io/blkif.h).
 * By the queue's thread only.
 */
#ifndef DEVICES_BLOCK_BLK_GRANTS_H
#define DEVICES_BLOCK_BLK_GRANTS_H

#include "devices/backend.h"

/* As many as Linux's blkback keeps for each ring (xen_blkif_max_pgrants). */
#define BLK_MAX_PERSISTENT  1056
#define BLK_PERSISTENT_HASH 4096 /* a power of two, more than twice as many */

struct blk_grants {
	struct domain *domain;
	bool persistent;
	unsigned nr;
	struct {
		grant_ref_t ref;
		void *addr; /* NULL: free */
	} * table;
};

/* One page of a request in flight. */
struct blk_grant {
	grant_ref_t ref;
	bool readonly, kept; /* kept: by the cache */
};

int blk_grants_init(struct blk_grants *g, struct domain *d, bool persistent);
/* Gives back what is kept. */
void blk_grants_destroy(struct blk_grants *g);
/* The page's address; NULL: the grant cannot be used. `to_guest`: it is written. */
void *blk_grant_map(struct blk_grants *g, grant_ref_t ref, bool to_guest, struct blk_grant *out);
void blk_grant_unmap(struct blk_grants *g, const struct blk_grant *grant);

#endif
