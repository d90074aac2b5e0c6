/*
 * Mapping of grants for block requests, and the table of those that stay.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/block/blk_grants.h"

int blk_grants_init(struct blk_grants *g, struct domain *d, bool persistent)
{
	*g = (struct blk_grants){.domain = d, .persistent = persistent};
	if (!persistent)
		return 0;
	g->table = calloc(BLK_PERSISTENT_HASH, sizeof(g->table[0]));
	return g->table ? 0 : -ENOMEM;
}

void blk_grants_destroy(struct blk_grants *g)
{
	if (g->table)
		for (unsigned i = 0; i < BLK_PERSISTENT_HASH; i++)
			if (g->table[i].addr)
				grant_backend_unmap(g->domain, g->table[i].ref, false);
	free(g->table);
	g->table = NULL;
}

/* Where ref is, or would be. There is always a free place. */
static unsigned place(const struct blk_grants *g, grant_ref_t ref)
{
	unsigned i = ref * 2654435761u % BLK_PERSISTENT_HASH;

	while (g->table[i].addr && g->table[i].ref != ref)
		i = (i + 1) % BLK_PERSISTENT_HASH;
	return i;
}

/* A grant that is kept is mapped for writing: the next request may be a read. */
static void *map_kept(struct blk_grants *g, grant_ref_t ref)
{
	unsigned i = place(g, ref);
	int status;

	if (g->table[i].addr || g->nr == BLK_MAX_PERSISTENT)
		return g->table[i].addr;
	void *addr = grant_backend_map(g->domain, ref, false, &status);
	if (addr) {
		g->table[i].ref = ref;
		/* In this order for those who inspect the table from another thread. */
		__atomic_store_n(&g->table[i].addr, addr, __ATOMIC_RELEASE);
		g->nr++;
	}
	return addr;
}

void *blk_grant_map(struct blk_grants *g, grant_ref_t ref, bool to_guest, struct blk_grant *out)
{
	int status;

	*out = (struct blk_grant){.ref = ref, .readonly = !to_guest};
	if (g->persistent) {
		void *p = map_kept(g, ref);
		out->kept = p;
		if (p)
			return p;
	}
	return grant_backend_map(g->domain, ref, !to_guest, &status);
}

void blk_grant_unmap(struct blk_grants *g, const struct blk_grant *grant)
{
	if (!grant->kept)
		grant_backend_unmap(g->domain, grant->ref, grant->readonly);
}
