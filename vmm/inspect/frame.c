/*
 * One frame: its page_info, and everything that is known to refer to it.
 */
#include <errno.h>
#include <time.h>

#include "devices/inspect.h"
#include "pvabi/evtchn.h"
#include "pvabi/grant_table.h"
#include "vmm/inspect/frames.h"
#include "vmm/inspect/text.h"

#define MAX_REFERRERS 256
/* The loop has other work; tables that are not looked at are told of. */
#define SCAN_NS	    50000000ull
#define SCAN_FRAMES 4096 /* between two looks at the clock and the lock */

static json_t *refer(json_t *all, const char *what)
{
	json_t *j = json_pack("{s:s}", "what", what);

	if (json_array_size(all) < MAX_REFERRERS)
		json_array_append(all, j);
	json_decref(j);
	return all;
}

#define REFER(all, ...)                                      \
	do {                                                 \
		char text_[96];                              \
		snprintf(text_, sizeof(text_), __VA_ARGS__); \
		refer(all, text_);                           \
	} while (0)

static void of_vcpus(struct domain *d, uint64_t mfn, json_t *all)
{
	struct vcpu *v;

	for_each_vcpu (d, v) {
		if (v->guest_table == mfn)
			REFER(all, "vcpu %u: its kernel's L4", v->id);
		if (v->guest_table_user && v->guest_table_user == mfn)
			REFER(all, "vcpu %u: its user L4", v->id);
		for (unsigned i = 0; i < GUEST_GDT_FRAMES && i * 512 < v->gdt_ents; i++)
			if (v->gdt_frames[i] == mfn)
				REFER(all, "vcpu %u: page %u of its GDT", v->id, i);
		for (unsigned i = 0; i < LDT_PAGES; i++)
			if (v->ldt_mapped >> i & 1 && v->ldt_frames[i] == mfn)
				REFER(all, "vcpu %u: page %u of its LDT", v->id, i);
		if (v->vcpu_info_mfn == mfn)
			REFER(all, "vcpu %u: its vcpu_info", v->id);
	}
}

static void of_events(struct domain *d, uint64_t mfn, json_t *all)
{
	uint64_t at;
	int vcpu;

	if (d->physdev.has_eoi_map && d->physdev.eoi_map_mfn == mfn)
		REFER(all, "the map of PIRQs that need an EOI");
	for (unsigned i = 0; d->evtchn_fifo; i++) {
		at = evtchn_fifo_page(d, i, &vcpu);
		if (at == INVALID_MFN)
			break;
		if (at != mfn)
			continue;
		if (vcpu < 0)
			REFER(all, "page %u of the event words", i);
		else
			REFER(all, "vcpu %d: its event control block", vcpu);
	}
}

static void of_xen(struct domain *d, uint64_t mfn, json_t *all)
{
	const struct grant_table *gt = d->grant_table;

	if (mfn == d->shared_info_mfn)
		REFER(all, "shared_info");
	if (mfn >= d->m2p_mfn && mfn - d->m2p_mfn < (d->nr_m2p * 8 + PAGE_SIZE - 1) / PAGE_SIZE)
		REFER(all, "the M2P");
	for (unsigned i = 0; i < gt->nr_frames; i++)
		if (gt->frames[i] == mfn)
			REFER(all, "frame %u of the grant table", i);
	for (unsigned i = 0; i < gt->nr_status_frames; i++)
		if (gt->status_frames[i] == mfn)
			REFER(all, "status frame %u of the grant table", i);
}

static void of_grants(struct domain *d, uint64_t mfn, const struct inspect_holders *h, json_t *all)
{
	const struct active_grant *act;

	for (grant_ref_t ref = 0; (act = grant_next_in_use(d, &ref)); ref++) {
		const char *user = inspect_grant_user(h, ref);

		if (act->mfn == mfn)
			REFER(all, "grant %u, in use by %s", ref,
			      user		       ? user
			      : act->domid == d->domid ? "the guest itself"
						       : "a backend");
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void of_table(const struct domain *d, uint64_t table, unsigned level, uint64_t mfn,
		     json_t *all)
{
	const uint64_t *e = frame_ptr(d, table);

	for (unsigned i = 0; e && i < 512; i++) {
		uint64_t pte = __atomic_load_n(&e[i], __ATOMIC_RELAXED);

		if (!(pte & PTE_P) || !mm_guest_slot(level, i))
			continue;
		uint64_t span = level > 1 && pte & PTE_PSE ? 1ull << 9 * (level - 1) : 1;
		if (mfn - pte_mfn(pte) < span)
			REFER(all, "entry %u of the L%u table in frame %llu: %s", i, level,
			      (unsigned long long)table, pte & PTE_RW ? "writable" : "read-only");
	}
}

/* Every page table of the guest is looked through. False: that took too long. */
static bool of_tables(struct domain *d, uint64_t mfn, json_t *all)
{
	uint64_t start = now_ns();

	for (uint64_t at = 0; at < d->ram_used; at += SCAN_FRAMES) {
		domain_lock(d);
		for (uint64_t i = at; i < at + SCAN_FRAMES && i < d->ram_used; i++) {
			const struct page_info *p = &d->pages[i];

			unsigned type = __atomic_load_n(&p->type, __ATOMIC_RELAXED);

			if (p->type_count && type >= PGT_L1 && type <= PGT_L4 && frame_ptr(d, i))
				of_table(d, i, type, mfn, all);
		}
		domain_unlock(d);
		if (now_ns() - start > SCAN_NS)
			return at + SCAN_FRAMES >= d->ram_used;
	}
	return true;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	json_t *all = json_array();
	uint64_t mfn, entry;
	struct p2m_view p;
	int rc = inspect_number("frame", arg[0], d->nr_frames - 1, &mfn, err);

	if (rc) {
		json_decref(all);
		return rc;
	}
	json_t *devices = inspect_devices(t, INSPECT_GRANTS);
	struct inspect_holders *h = inspect_holders_new(devices);
	domain_lock(d);
	frame_describe(d, mfn, out);
	of_xen(d, mfn, all);
	of_vcpus(d, mfn, all);
	of_grants(d, mfn, h, all);
	evtchn_lock(d);
	of_events(d, mfn, all);
	evtchn_unlock(d);
	domain_unlock(d);
	bool complete = of_tables(d, mfn, all);
	p2m_open(d, &p);
	if (json_object_get(out, "pfn") &&
	    p2m_read(d, &p, (uint64_t)text_int(out, "pfn"), &entry) && entry != P2M_INVALID)
		json_put(out, "p2m", entry & ~(P2M_FOREIGN | P2M_IDENTITY));
	json_object_set_new(out, "referrers", all);
	json_object_set_new(out, "complete",
			    json_boolean(complete && json_array_size(all) < MAX_REFERRERS));
	inspect_holders_free(h);
	json_decref(devices);
	return 0;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column rows[] = {{"what", "referred to by", COL_PLAIN}, {0}};

	fprintf(f, "frame %lld (%#llx): of %s\n", (long long)text_int(j, "mfn"),
		(long long)text_int(j, "mfn"), text_str(j, "owner"));
	if (!json_object_get(j, "type"))
		return;
	fprintf(f, "type %s, %lld times%s%s%s%s%s; %lld references\n", text_str(j, "type"),
		(long long)text_int(j, "type_count"),
		*text_str(j, "last_type") ? " (the last was " : "", text_str(j, "last_type"),
		*text_str(j, "last_type") ? ")" : "",
		json_is_true(json_object_get(j, "pinned")) ? ", pinned" : "",
		json_is_true(json_object_get(j, "validating")) ? ", being validated" : "",
		(long long)text_int(j, "refs"));
	if (json_object_get(j, "pfn"))
		fprintf(f, "pfn %lld by the M2P", (long long)text_int(j, "pfn"));
	else
		fprintf(f, "no pfn by the M2P");
	if (json_object_get(j, "p2m"))
		fprintf(f,
			text_int(j, "p2m") == text_int(j, "mfn")
				? ", and so the guest's p2m"
				: "; the guest's p2m has frame %lld for it",
			(long long)text_int(j, "p2m"));
	fputc('\n', f);
	text_table(f, "", json_object_get(j, "referrers"), rows);
	if (!json_is_true(json_object_get(j, "complete")))
		fprintf(f, "not all page tables were looked through\n");
}

const struct inspect_subject inspect_frame = {
	.name = "frame",
	.operands = "MFN",
	.summary = "a machine frame: type, counts, its pfn, who refers to it",
	.min_args = 1,
	.max_args = 1,
	.fill = fill,
	.print = print,
};
