/*
 * Grant tables: what a domain lets other domains do with its frames. All of it
 * under domain.lock, apart from the shared frames, which belong to the guest.
 *
 * An entry in the shared frames is the guest's word; the active entry beside it
 * is what we made of it: once a grant is in use, its frame and its user are
 * those of the active entry, whatever the guest writes.
 */
#ifndef PVABI_GRANT_TABLE_H
#define PVABI_GRANT_TABLE_H

#include "pvabi/pvabi.h"

/* Xen 4.17: INITIAL_NR_GRANT_FRAMES, MAPTRACK_PER_PAGE (common/grant_table.c). Xen 3.0:
 * NR_GRANT_FRAMES, fixed. */
#define GRANT_INITIAL_FRAMES 1
#define GRANT_FRAMES_3_0     4
#define MAPTRACK_PER_FRAME   256

#define GRANT_V1_PER_FRAME     (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define GRANT_V2_PER_FRAME     (PAGE_SIZE / sizeof(union grant_entry_v2))
#define GRANT_STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define GRANT_STATUS_FRAMES(nr_frames) \
	(((nr_frames)*GRANT_V2_PER_FRAME + GRANT_STATUS_PER_FRAME - 1) / GRANT_STATUS_PER_FRAME)

/* How a grant is held (Xen: GNTPIN_*): by a processor or a device, read-only or
 * writable. */
enum grant_pin { PIN_HOST_RO, PIN_HOST_RW, PIN_DEV_RO, PIN_DEV_RW, NR_GRANT_PINS };
#define GRANT_PIN_MAX 0x80 /* holders of one kind */

struct active_grant {
	uint8_t pins[NR_GRANT_PINS];
	domid_t domid; /* who holds it */
	bool is_sub_page;
	uint16_t start, length; /* the part of the frame that is granted */
	uint64_t mfn;
	uint64_t since; /* system time when it was mapped while nobody held it */
};

/* A grant that this domain mapped; the handle is its index. */
struct grant_mapping {
	domid_t domid;	/* who granted it */
	uint16_t flags; /* GNTMAP_*; 0: free */
	grant_ref_t ref;
	uint32_t next_free;
};

struct grant_table {
	unsigned version, max_version;
	unsigned nr_frames, max_frames;
	unsigned nr_status_frames;
	/* Heap frames. Of status frames more may be there than are shared now: they
	 * are kept when the guest goes back to version 1. */
	uint64_t *frames, *status_frames;
	unsigned nr_status_allocated;
	struct active_grant *active; /* for max_frames of version 1, lazily zero */
	struct grant_mapping *maptrack;
	uint32_t nr_handles, handles_allocated, max_handles, free_handle;
};

/* ---- grant_table.c ---- */
int grant_table_init(struct domain *d, const struct grant_limits *limits);
void grant_table_destroy(struct domain *d);
/* At least nr (<= max_frames) frames, and the status frames that go with them in
 * version 2. 0 or -ENOMEM. */
int grant_table_grow(struct domain *d, unsigned nr);
int grant_table_set_version(struct domain *d, unsigned version);
unsigned grant_nr_entries(const struct grant_table *gt);
/* Entry `ref`, which must be in range. The header is the same in both versions. */
struct grant_entry_header *grant_entry(const struct domain *d, grant_ref_t ref);
grant_entry_v1_t *grant_entry_1(const struct domain *d, grant_ref_t ref);
union grant_entry_v2 *grant_entry_2(const struct domain *d, grant_ref_t ref);
/* Where "in use" is shown: the flags of version 1, the status of version 2. */
uint16_t *grant_status(const struct domain *d, grant_ref_t ref);
bool grant_is_pinned(const struct active_grant *act);
/* The first grant from *ref on that somebody holds, for a report: its entry, and *ref is
 * its number. NULL: there are no more. */
const struct active_grant *grant_next_in_use(const struct domain *d, grant_ref_t *ref);
/* What the toolstack does before the guest runs: grants a frame of the guest's
 * (console, xenstore) to domid in one of the reserved entries. */
int grant_table_seed(struct domain *d, grant_ref_t ref, domid_t domid, uint64_t mfn);

/* ---- grant_access.c ---- */
/* Takes grant `ref` of domain d for domain `user`: GNTST_*. On success *act is the
 * active entry, pinned once more; no reference to the frame is taken. `copy`: for a
 * copy (parts of a page will do), else for a mapping. */
int grant_acquire(struct domain *d, grant_ref_t ref, domid_t user, enum grant_pin pin, bool copy,
		  struct active_grant **act);
void grant_release(struct domain *d, grant_ref_t ref, enum grant_pin pin);
/* The combined first two fields of an entry, read and exchanged as one. */
union grant_header_word {
	uint32_t raw;
	struct {
		uint16_t flags;
		domid_t domid;
	};
};
union grant_header_word grant_header_read(const struct grant_entry_header *h);
bool grant_header_cmpxchg(struct grant_entry_header *h, union grant_header_word *old,
			  union grant_header_word new);

/* For backends in our process, which are domain 0 to the guest. They take `lock`
 * themselves: call without it. Map gives the frame's address, good until unmap of
 * the same (ref, readonly); NULL and *status GNTST_* when refused. */
void *grant_backend_map(struct domain *d, grant_ref_t ref, bool readonly, int *status);
void grant_backend_unmap(struct domain *d, grant_ref_t ref, bool readonly);
/* The same, for who made it wait (fault_host.release_later). */
void grant_backend_release(struct domain *d, grant_ref_t ref, bool readonly);
/* GNTTABOP_copy between a grant and our memory: GNTST_*. */
int grant_backend_copy_from(struct domain *d, void *dst, grant_ref_t ref, unsigned offset,
			    unsigned len);
int grant_backend_copy_to(struct domain *d, grant_ref_t ref, unsigned offset, const void *src,
			  unsigned len);

/* ---- one element of each call; `lock` held. They set op->status. ---- */
void grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op);
void grant_unmap(struct vcpu *v, struct gnttab_unmap_grant_ref *op);
void grant_unmap_and_replace(struct vcpu *v, struct gnttab_unmap_and_replace *op);
void grant_copy(struct vcpu *v, struct gnttab_copy *op);
void grant_transfer(struct vcpu *v, struct gnttab_transfer *op);

/* Which domain a domid means to the caller. Alone in its world it knows itself and
 * domain 0, which grants it nothing. */
enum grant_peer { PEER_SELF, PEER_DOM0, PEER_NONE };
enum grant_peer grant_peer(const struct domain *d, domid_t domid, bool self_alias);
/* What using `ref` of domain 0's table comes to. */
int grant_dom0_status(grant_ref_t ref);

#endif
