/*
 * grant_table_op: the calls about the table, and the lists of requests about
 * grants. Xen: common/grant_table.c, do_grant_table_op.
 */
#include <errno.h>
#include <limits.h>

#include "pvabi/grant_table.h"
#include "pvabi/hypercalls.h"
#include "pvabi/mm.h"

/* The upper bits of cmd are where cache_flush goes on (GNTTABOP_CMD_MASK). */
#define CMD_MASK 0xfffu

#define UNMAP_BATCH 32 /* Xen: GNTTAB_UNMAP_BATCH_SIZE */

/* The largest request. */
union grant_request {
	struct gnttab_map_grant_ref map;
	struct gnttab_unmap_grant_ref unmap;
	struct gnttab_unmap_and_replace replace;
	struct gnttab_transfer transfer;
	struct gnttab_copy copy;
	struct gnttab_swap_grant_ref swap;
	struct gnttab_cache_flush flush;
};

struct grant_op {
	uint32_t cmd;
	const char *name;
	uint8_t profiles;
	/* A call about the table ... */
	long (*call)(struct vcpu *v, uint64_t uop, uint32_t count);
	/* ... or a list, of requests of this size, of which `back` bytes at back_off are
	 * written back after each. A negative result ends the list. */
	int (*each)(struct vcpu *v, union grant_request *r);
	uint16_t size, back_off, back;
	/* Events wait for so many requests; 0: for one. */
	uint8_t batch;
};

/* ---- about the table ---- */

/* XSM_TARGET: a domain may ask about itself, and domain 0 about everybody. */
static int table_peer_status(const struct domain *d, domid_t domid)
{
	switch (grant_peer(d, domid, true)) {
	case PEER_SELF:
		return GNTST_okay;
	case PEER_DOM0:
		return GNTST_permission_denied;
	case PEER_NONE:
		break;
	}
	return GNTST_bad_domain;
}

static int put_frames(struct vcpu *v, uint64_t list, const uint64_t *mfns, uint32_t nr)
{
	int status = GNTST_okay;

	for (uint32_t i = 0; i < nr; i++)
		if (guest_copy_to(v, list + i * sizeof(*mfns), &mfns[i], sizeof(*mfns)))
			status = GNTST_bad_virt_addr;
	return status;
}

#define PUT_FIELD(v, uop, op, field)                                            \
	(guest_copy_to(v, (uop) + offsetof(__typeof__(op), field), &(op).field, \
		       sizeof((op).field))                                      \
		 ? -EFAULT                                                      \
		 : 0)

static long setup_table(struct vcpu *v, uint64_t uop, uint32_t count)
{
	struct domain *d = v->domain;
	struct grant_table *gt = d->grant_table;
	struct gnttab_setup_table op;
	uint64_t list;

	if (count != 1)
		return -EINVAL;
	if (guest_copy_from(v, &op, uop, sizeof(op)))
		return -EFAULT;
	list = (uintptr_t)op.frame_list.p;
	if (!guest_addr_ok(list))
		return -EFAULT;
	op.status = table_peer_status(d, op.dom);
	if (op.status == GNTST_okay) {
		if (op.nr_frames > gt->max_frames || grant_table_grow(d, op.nr_frames))
			op.status = GNTST_general_error;
		else
			op.status = put_frames(v, list, gt->frames, op.nr_frames);
	}
	return PUT_FIELD(v, uop, op, status);
}

static long query_size(struct vcpu *v, uint64_t uop, uint32_t count)
{
	const struct grant_table *gt = v->domain->grant_table;
	struct gnttab_query_size op;

	if (count != 1)
		return -EINVAL;
	if (guest_copy_from(v, &op, uop, sizeof(op)))
		return -EFAULT;
	op.status = table_peer_status(v->domain, op.dom);
	if (op.status == GNTST_okay) {
		op.nr_frames = gt->nr_frames;
		op.max_nr_frames = gt->max_frames;
	}
	return guest_copy_to(v, uop, &op, sizeof(op));
}

static long set_version(struct vcpu *v, uint64_t uop, uint32_t count)
{
	struct gnttab_set_version op;
	int rc;

	if (guest_copy_from(v, &op, uop, sizeof(op)))
		return -EFAULT;
	rc = grant_table_set_version(v->domain, op.version);
	op.version = v->domain->grant_table->version;
	return guest_copy_to(v, uop, &op, sizeof(op)) ? -EFAULT : rc;
}

static long get_version(struct vcpu *v, uint64_t uop, uint32_t count)
{
	struct gnttab_get_version op;

	if (guest_copy_from(v, &op, uop, sizeof(op)))
		return -EFAULT;
	switch (table_peer_status(v->domain, op.dom)) {
	case GNTST_bad_domain:
		return -ESRCH;
	case GNTST_permission_denied:
		return -EPERM;
	}
	op.version = v->domain->grant_table->version;
	return PUT_FIELD(v, uop, op, version);
}

static long get_status_frames(struct vcpu *v, uint64_t uop, uint32_t count)
{
	const struct grant_table *gt = v->domain->grant_table;
	struct gnttab_get_status_frames op;
	uint64_t list;

	if (count != 1)
		return -EINVAL;
	if (guest_copy_from(v, &op, uop, sizeof(op)))
		return -EFAULT;
	list = (uintptr_t)op.frame_list.p;
	if (!guest_addr_ok(list))
		return -EFAULT;
	op.status = table_peer_status(v->domain, op.dom);
	if (op.status == GNTST_okay)
		op.status = op.nr_frames > gt->nr_status_frames
				    ? GNTST_general_error
				    : put_frames(v, list, gt->status_frames, op.nr_frames);
	return PUT_FIELD(v, uop, op, status);
}

/* ---- lists ---- */

static int each_map(struct vcpu *v, union grant_request *r)
{
	grant_map(v, &r->map);
	return 0;
}

static int each_unmap(struct vcpu *v, union grant_request *r)
{
	grant_unmap(v, &r->unmap);
	return 0;
}

static int each_replace(struct vcpu *v, union grant_request *r)
{
	grant_unmap_and_replace(v, &r->replace);
	return 0;
}

static int each_transfer(struct vcpu *v, union grant_request *r)
{
	grant_transfer(v, &r->transfer);
	return 0;
}

static int each_copy(struct vcpu *v, union grant_request *r)
{
	grant_copy(v, &r->copy);
	return 0;
}

static int swap_refs(struct domain *d, grant_ref_t a, grant_ref_t b)
{
	const struct grant_table *gt = d->grant_table;
	unsigned nr = grant_nr_entries(gt);

	if (a >= nr || b >= nr)
		return GNTST_bad_gntref;
	if (a == b)
		return GNTST_okay;
	if (grant_is_pinned(&gt->active[a]) || grant_is_pinned(&gt->active[b]))
		return GNTST_eagain;
	if (gt->version == 1) {
		grant_entry_v1_t *ea = grant_entry_1(d, a), *eb = grant_entry_1(d, b), e = *ea;

		*ea = *eb;
		*eb = e;
	} else {
		union grant_entry_v2 *ea = grant_entry_2(d, a), *eb = grant_entry_2(d, b), e = *ea;
		grant_status_t *sa = grant_status(d, a), *sb = grant_status(d, b), s = *sa;

		*ea = *eb;
		*eb = e;
		*sa = *sb;
		*sb = s;
	}
	return GNTST_okay;
}

static int each_swap(struct vcpu *v, union grant_request *r)
{
	r->swap.status = swap_refs(v->domain, r->swap.ref_a, r->swap.ref_b);
	return 0;
}

/* x86 is coherent: all there is to do is to refuse what Xen refuses
 * (_cache_flush, asm/flushtlb.h: invalidate_dcache_va_range). */
static int each_cache_flush(struct vcpu *v, union grant_request *r)
{
	const struct gnttab_cache_flush *f = &r->flush;
	const struct domain *d = v->domain;
	uint64_t mfn = f->a.dev_bus_addr >> PAGE_SHIFT;

	if (f->offset >= PAGE_SIZE || f->length > PAGE_SIZE || f->offset + f->length > PAGE_SIZE ||
	    f->op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))
		return -EINVAL;
	if (!f->length || !f->op)
		return 0;
	if (mfn >= d->nr_frames)
		return -EINVAL;
	if (!mm_page_of_guest(d, mfn))
		return -EPERM;
	return f->op == GNTTAB_CACHE_INVAL ? -EOPNOTSUPP : 0;
}

#define ALL PROFILES_ALL
#define NEW PROFILES_4_17
#define CALL(cmd, who, f)                            \
	{                                            \
		GNTTABOP_##cmd, #cmd, who, .call = f \
	}
/* A list whose requests get their field `status` back. */
#define EACH(cmd, who, f, type, ...)                                                          \
	{                                                                                     \
		GNTTABOP_##cmd, #cmd, who, .each = f, .size = sizeof(type),                   \
					   .back_off = offsetof(type, status),                \
					   .back = sizeof(((type *)0)->status), ##__VA_ARGS__ \
	}

static const struct grant_op grant_ops[] = {
	{GNTTABOP_map_grant_ref, "map_grant_ref", ALL, .each = each_map,
	 .size = sizeof(struct gnttab_map_grant_ref), .back = sizeof(struct gnttab_map_grant_ref)},
	EACH(unmap_grant_ref, ALL, each_unmap, struct gnttab_unmap_grant_ref, .batch = UNMAP_BATCH),
	CALL(setup_table, ALL, setup_table),
	EACH(transfer, ALL, each_transfer, struct gnttab_transfer),
	EACH(copy, NEW, each_copy, struct gnttab_copy),
	CALL(query_size, NEW, query_size),
	EACH(unmap_and_replace, NEW, each_replace, struct gnttab_unmap_and_replace,
	     .batch = UNMAP_BATCH),
	CALL(set_version, NEW, set_version),
	CALL(get_status_frames, NEW, get_status_frames),
	CALL(get_version, NEW, get_version),
	EACH(swap_grant_ref, NEW, each_swap, struct gnttab_swap_grant_ref),
	{GNTTABOP_cache_flush, "cache_flush", NEW, .each = each_cache_flush,
	 .size = sizeof(struct gnttab_cache_flush)},
};

#define NR_OPS (sizeof(grant_ops) / sizeof(grant_ops[0]))

bool grant_table_op_at(unsigned i, struct op_info *info)
{
	if (i >= NR_OPS)
		return false;
	*info = (struct op_info){(int)grant_ops[i].cmd, grant_ops[i].name, grant_ops[i].profiles};
	return true;
}

static long list_call(struct vcpu *v, const struct grant_op *op, uint64_t uop, uint32_t count)
{
	union grant_request r;

	if (!guest_addr_ok(uop))
		return -EFAULT;
	for (uint32_t i = 0; i < count && !v->domain->is_shut_down; i++, uop += op->size) {
		int rc;

		if (i && (!op->batch || !(i % op->batch)) && hypercall_preempt_check(v))
			return hypercall_continue(
				v, (const uint64_t[NR_HYPERCALL_ARGS]){op->cmd, uop, count - i});
		if (guest_copy_from(v, &r, uop, op->size))
			return -EFAULT;
		rc = op->each(v, &r);
		if (rc)
			return rc;
		if (op->back &&
		    guest_copy_to(v, uop + op->back_off, (uint8_t *)&r + op->back_off, op->back))
			return -EFAULT;
	}
	return 0;
}

long hypercall_grant_table_op(struct vcpu *v, const uint64_t *args)
{
	uint32_t cmd = args[0], count = args[2], opaque = cmd & ~CMD_MASK;

	if (count > INT_MAX)
		return -EINVAL;
	cmd &= CMD_MASK;
	if (opaque && cmd != GNTTABOP_cache_flush)
		return -EINVAL;
	for (unsigned i = 0; i < NR_OPS; i++) {
		const struct grant_op *op = &grant_ops[i];

		if (op->cmd != cmd || !(op->profiles & PROFILE_BIT(v->domain->profile->id)))
			continue;
		return op->call ? op->call(v, args[1], count) : list_call(v, op, args[1], count);
	}
	return -ENOSYS;
}
