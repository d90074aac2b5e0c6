/*
 * Grants that nobody gives back: mapped by a backend that no device of ours has any more;
 * and a guest that grants more and more.
 */
#include <string.h>

#include "devices/inspect.h"
#include "pvabi/grant_table.h"
#include "vmm/inspect/text.h"
#include "vmm/inspect/watch_internal.h"

#define SHOWN_REFS 6
#define MIN_GROWTH 64
#define PERSISTENT "persistent cache"

struct count {
	uint64_t granted; /* entries that grant something */
	uint64_t unknown; /* held for long by domain 0, and no device says that it has them */
	char refs[80];	  /* the first of those */
};

/* Do all that hold grants say so? */
static bool all_tell(const struct guest_devices *g)
{
	for (unsigned i = 0; i < g->nr; i++)
		if (!g->backend[i]->class->inspect)
			return false;
	return true;
}

static void count(struct watchdog *w, const struct inspect_holders *h, struct count *c)
{
	struct domain *d = w->target.guest->domain;
	bool tell = all_tell(&w->target.guest->devices) && w->target.guest->console;
	const struct grant_table *gt = d->grant_table;

	memset(c, 0, sizeof(*c));
	domain_lock(d);
	uint64_t now = d->ops->system_time(d);
	for (grant_ref_t ref = 0; ref < grant_nr_entries(gt); ref++) {
		const struct active_grant *act = &gt->active[ref];

		c->granted += (grant_entry(d, ref)->flags & GTF_type_mask) != 0;
		if (!tell || !grant_is_pinned(act) || act->domid != 0 ||
		    now - act->since < w->limit || inspect_grant_user(h, ref))
			continue;
		if (c->unknown++ < SHOWN_REFS)
			snprintf(c->refs + strlen(c->refs), sizeof(c->refs) - strlen(c->refs),
				 "%s%u", *c->refs ? ", " : "", ref);
	}
	domain_unlock(d);
}

static uint64_t persistent(const json_t *devices)
{
	json_t *d, *g;
	size_t i, k;
	uint64_t n = 0;

	json_array_foreach(json_object_get(devices, "devices"), i, d)
	{
		json_array_foreach(json_object_get(d, "grants"), k, g)
		{
			n += strstr(text_str(g, "for"), PERSISTENT) != NULL;
		}
	}
	return n;
}

/* Each of the last times more, never less. What a backend keeps is bounded. */
static void note_growth(struct watchdog *w, uint64_t n)
{
	if (!w->grants.known || n <= w->grants.last) {
		w->grants.grew = 0;
		w->grants.first = n;
	} else {
		w->grants.grew++;
	}
	w->grants.known = true;
	w->grants.last = n;
}

void watch_grants(struct watchdog *w)
{
	struct count c;

	/* The table is looked through once in a while; what was found holds till then. */
	if (w->clock >= w->grants.next) {
		json_t *devices = inspect_devices(&w->target, INSPECT_GRANTS);
		struct inspect_holders *h = inspect_holders_new(devices);
		uint64_t kept = persistent(devices);

		w->grants.next = w->clock + w->limit;
		count(w, h, &c);
		note_growth(w, c.granted > kept ? c.granted - kept : 0);
		w->grants.unknown = c.unknown;
		memcpy(w->grants.refs, c.refs, sizeof(c.refs));
		inspect_holders_free(h);
		json_decref(devices);
	}
	if (w->grants.unknown)
		watch_hold(w, "grant leak", "grants", 0, w->clock, w->limit,
			   "the guest waits for the backend to give them back: %llu are mapped for "
			   "longer "
			   "than %u s, and no backend that is there has them: %s%s",
			   (unsigned long long)w->grants.unknown, w->seconds, w->grants.refs,
			   w->grants.unknown > SHOWN_REFS ? ", ..." : "");
	if (w->grants.grew >= WATCH_GROWTHS && w->grants.last - w->grants.first >= MIN_GROWTH)
		watch_hold(w, "grants grow", "granted entries", 0, w->clock, 0,
			   "the guest grants more and more and takes nothing back: from %llu to "
			   "%llu entries in %u s",
			   (unsigned long long)w->grants.first, (unsigned long long)w->grants.last,
			   w->grants.grew * w->seconds);
}
