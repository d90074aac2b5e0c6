/*
 * Grants: every active entry, or with "all" every entry that grants something.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/inspect.h"
#include "pvabi/grant_table.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

/* More are told by their number only. */
#define MAX_ROWS 65536

/* An entry as it was while the lock was held. */
struct row {
	grant_ref_t ref;
	struct active_grant act;
	bool active;
	uint16_t flags, status; /* the guest's, and those that tell its use */
	domid_t domid;
	uint64_t frame; /* the guest's word */
	domid_t trans_domid;
	grant_ref_t trans_ref;
	uint16_t page_off, length;
};

struct rows {
	struct row *row;
	unsigned nr, active, unused, version, entries, frames, max_frames;
	bool more;
};

static void read_entry(const struct domain *d, grant_ref_t ref, struct row *r)
{
	const struct grant_table *gt = d->grant_table;

	*r = (struct row){.ref = ref, .act = gt->active[ref]};
	r->active = grant_is_pinned(&gt->active[ref]);
	if (gt->version == 1) {
		grant_entry_v1_t e;

		memcpy(&e, grant_entry_1(d, ref), sizeof(e));
		r->flags = r->status = e.flags;
		r->domid = e.domid;
		r->frame = e.frame;
		return;
	}
	union grant_entry_v2 e;
	memcpy(&e, grant_entry_2(d, ref), sizeof(e));
	r->flags = e.hdr.flags;
	r->status = *grant_status(d, ref);
	r->domid = e.hdr.domid;
	if ((e.hdr.flags & GTF_type_mask) == GTF_transitive) {
		r->trans_domid = e.transitive.trans_domid;
		r->trans_ref = e.transitive.gref;
	} else if (e.hdr.flags & GTF_sub_page) {
		r->frame = e.sub_page.frame;
		r->page_off = e.sub_page.page_off;
		r->length = e.sub_page.length;
	} else {
		r->frame = e.full_page.frame;
	}
}

static void collect(struct domain *d, bool all, struct rows *rows)
{
	const struct grant_table *gt = d->grant_table;
	struct row r;

	*rows = (struct rows){.row = malloc(MAX_ROWS * sizeof(r))};
	domain_lock(d);
	rows->version = gt->version;
	rows->entries = grant_nr_entries(gt);
	rows->frames = gt->nr_frames;
	rows->max_frames = gt->max_frames;
	for (grant_ref_t ref = 0; rows->row && ref < rows->entries; ref++) {
		/* What is granted has a type; most entries have none. */
		if (!(grant_entry(d, ref)->flags & GTF_type_mask) &&
		    !grant_is_pinned(&gt->active[ref]))
			continue;
		read_entry(d, ref, &r);
		rows->active += r.active;
		rows->unused += !r.active;
		if (!r.active && !all)
			continue;
		if (rows->nr == MAX_ROWS)
			rows->more = true;
		else
			rows->row[rows->nr++] = r;
	}
	domain_unlock(d);
}

static void flag_words(json_t *j, const struct row *r)
{
	static const char *const types[] = {"invalid", "access", "transfer", "transitive"};
	static const struct {
		uint16_t bit;
		const char *name;
	} bits[] = {
		{GTF_readonly, "readonly"},
		{GTF_reading, "reading"},
		{GTF_writing, "writing"},
		{GTF_sub_page, "sub-page"},
	};
	uint16_t flags = r->flags | (r->status & (GTF_reading | GTF_writing));
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (flags & bits[i].bit)
			json_array_append_new(all, json_string(bits[i].name));
	json_object_set_new(j, "type", json_string(types[r->flags & GTF_type_mask]));
	json_object_set_new(j, "flags", all);
	json_put(j, "raw_flags", flags);
}

static void put_use(json_t *j, const struct row *r, uint64_t now, const struct domain *d,
		    const struct inspect_holders *h)
{
	const uint8_t *pin = r->act.pins;
	const char *user = inspect_grant_user(h, r->ref);
	char own[40];

	snprintf(own, sizeof(own), "domain %u", r->act.domid);
	if (!user)
		user = r->act.domid == d->domid ? "the guest itself" : own;
	json_put(j, "mapped_frame", r->act.mfn);
	json_put(j, "mapped_by", r->act.domid);
	json_put(j, "maps", (uint64_t)pin[0] + pin[1] + pin[2] + pin[3]);
	json_put(j, "maps_readonly", (uint64_t)pin[PIN_HOST_RO] + pin[PIN_DEV_RO]);
	if (r->act.since && now >= r->act.since)
		json_put(j, "held_ns", now - r->act.since);
	json_object_set_new(j, "user", json_string(user));
	if (r->act.is_sub_page)
		json_object_set_new(j, "sub_page", json_true());
}

static json_t *row_json(const struct row *r, uint64_t now, const struct domain *d,
			const struct inspect_holders *h)
{
	json_t *j = json_pack("{s:i, s:b, s:i}", "ref", (int)r->ref, "active", r->active,
			      "granted_to", (int)r->domid);

	flag_words(j, r);
	if ((r->flags & GTF_type_mask) == GTF_transitive) {
		json_put(j, "transitive_domain", r->trans_domid);
		json_put(j, "transitive_ref", r->trans_ref);
	} else {
		json_put(j, "frame", r->frame);
	}
	if (r->length) {
		json_put(j, "offset", r->page_off);
		json_put(j, "length", r->length);
	}
	if (r->active)
		put_use(j, r, now, d, h);
	return j;
}

/* What the guest maps itself, by handle. */
static json_t *mappings_json(struct domain *d)
{
	json_t *all = json_array();

	domain_lock(d);
	const struct grant_table *gt = d->grant_table;
	for (uint32_t i = 0; i < gt->nr_handles && json_array_size(all) < MAX_ROWS; i++) {
		const struct grant_mapping *m = &gt->maptrack[i];

		if (m->flags)
			json_array_append_new(
				all, json_pack("{s:i, s:i, s:i, s:b, s:b, s:b}", "handle", (int)i,
					       "domain", (int)m->domid, "ref", (int)m->ref,
					       "readonly", m->flags & GNTMAP_readonly ? 1 : 0,
					       "host", m->flags & GNTMAP_host_map ? 1 : 0, "device",
					       m->flags & GNTMAP_device_map ? 1 : 0));
	}
	domain_unlock(d);
	return all;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	struct rows rows;

	if (nr && strcmp(arg[0], "all"))
		return error_set(err, -EINVAL, "'grants' takes 'all', or nothing, not '%.40s'",
				 arg[0]);
	json_t *devices = inspect_devices(t, INSPECT_GRANTS), *grants = json_array();
	struct inspect_holders *h = inspect_holders_new(devices);
	collect(d, nr, &rows);
	uint64_t now = d->ops->system_time(d);
	for (unsigned i = 0; i < rows.nr; i++)
		json_array_append_new(grants, row_json(&rows.row[i], now, d, h));
	json_put(out, "version", rows.version);
	json_put(out, "frames", rows.frames);
	json_put(out, "max_frames", rows.max_frames);
	json_put(out, "entries", rows.entries);
	json_put(out, "active", rows.active);
	json_put(out, "unused", rows.unused);
	json_object_set_new(out, "grants", grants);
	json_object_set_new(out, "mappings", mappings_json(d));
	if (rows.more)
		json_object_set_new(out, "more", json_true());
	free(rows.row);
	inspect_holders_free(h);
	json_decref(devices);
	return 0;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column grants[] = {
		{"ref", "ref", COL_PLAIN},
		{"type", "type", COL_PLAIN},
		{"flags", "flags", COL_PLAIN},
		{"granted_to", "to", COL_PLAIN},
		{"frame", "frame", COL_PLAIN},
		{"transitive_domain", "via domain", COL_PLAIN},
		{"transitive_ref", "via ref", COL_PLAIN},
		{"offset", "offset", COL_PLAIN},
		{"length", "length", COL_PLAIN},
		{"maps", "maps", COL_PLAIN},
		{"maps_readonly", "read-only", COL_PLAIN},
		{"held_ns", "held for", COL_NS},
		{"user", "used by", COL_PLAIN},
		{0},
	};
	static const struct column mappings[] = {
		{"handle", "handle", COL_PLAIN},
		{"domain", "domain", COL_PLAIN},
		{"ref", "ref", COL_PLAIN},
		{"readonly", "read-only", COL_PLAIN},
		{"host", "host", COL_PLAIN},
		{"device", "device", COL_PLAIN},
		{0},
	};

	fprintf(f,
		"grant table: version %lld, %lld of %lld frames, %lld entries; %lld in use, %lld "
		"granted and not in use\n",
		(long long)text_int(j, "version"), (long long)text_int(j, "frames"),
		(long long)text_int(j, "max_frames"), (long long)text_int(j, "entries"),
		(long long)text_int(j, "active"), (long long)text_int(j, "unused"));
	text_table(f, "", json_object_get(j, "grants"), grants);
	if (json_is_true(json_object_get(j, "more")))
		fprintf(f, "and more\n");
	if (json_array_size(json_object_get(j, "mappings"))) {
		fprintf(f, "\nmapped by the guest:\n");
		text_table(f, "", json_object_get(j, "mappings"), mappings);
	}
}

const struct inspect_subject inspect_grants = {
	.name = "grants",
	.operands = "[all]",
	.summary = "grants in use: which frame, by whom, since when; all: those granted, too",
	.max_args = 1,
	.fill = fill,
	.print = print,
};
