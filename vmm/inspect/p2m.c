/*
 * The guest's own table from pfns to frames, beside what the M2P says. Entries that
 * follow each other are one row. Linux keeps the table linear, at p2m_vaddr in the tables
 * of p2m_cr3; older kernels have a tree of frame lists (arch-x86/xen.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/inspect/frames.h"
#include "vmm/inspect/text.h"

#define WORDS	 (PAGE_SIZE / sizeof(uint64_t))
#define MAX_LOOK (4ull << 20) /* entries in one go */
#define MAX_ROWS 65536

void p2m_open(const struct domain *d, struct p2m_view *p)
{
	const struct arch_shared_info *a = &d->shared_info->arch;
	uint64_t cr3 = __atomic_load_n(&a->p2m_cr3, __ATOMIC_RELAXED);

	*p = (struct p2m_view){.page = ~0ull};
	p->max_pfn = __atomic_load_n(&a->max_pfn, __ATOMIC_RELAXED);
	p->top = __atomic_load_n(&a->pfn_to_mfn_frame_list_list, __ATOMIC_RELAXED);
	if (cr3) {
		p->form = P2M_LINEAR;
		p->l4 = xen_cr3_to_pfn(cr3);
		p->va = __atomic_load_n(&a->p2m_vaddr, __ATOMIC_RELAXED);
	} else if (p->top && p->top != ~0ull) {
		p->form = P2M_TREE;
	}
}

/* The n-th word of a frame as a frame; NULL: there is none. */
static const uint64_t *follow(const struct domain *d, uint64_t mfn, uint64_t n)
{
	const uint64_t *list = frame_ptr(d, mfn);

	return list ? frame_ptr(d, __atomic_load_n(&list[n], __ATOMIC_RELAXED)) : NULL;
}

static const uint64_t *find_page(const struct domain *d, const struct p2m_view *p, uint64_t page)
{
	struct guest_walk w;

	if (p->form == P2M_LINEAR) {
		uint64_t va = p->va + page * PAGE_SIZE;

		return guest_walk(d, p->l4, va, &w) && w.present
			       ? frame_ptr(d, w.maddr >> PAGE_SHIFT)
			       : NULL;
	}
	const uint64_t *top = frame_ptr(d, p->top);
	if (!top || page / WORDS >= WORDS)
		return NULL;
	return follow(d, __atomic_load_n(&top[page / WORDS], __ATOMIC_RELAXED), page % WORDS);
}

bool p2m_read(const struct domain *d, struct p2m_view *p, uint64_t pfn, uint64_t *entry)
{
	if (p->form == P2M_NONE || pfn >= p->max_pfn)
		return false;
	if (p->page != pfn / WORDS) {
		p->page = pfn / WORDS;
		p->words = find_page(d, p, p->page);
	}
	if (!p->words)
		return false;
	*entry = __atomic_load_n(&p->words[pfn % WORDS], __ATOMIC_RELAXED);
	return true;
}

/* ---- rows ---- */

enum kind { FRAME, MISSING, INVALID, IDENTITY, FOREIGN, WRONG, NR_KINDS };

static const char *const kind_names[] = {
	[FRAME] = "frame",	 [MISSING] = "no table",	 [INVALID] = "none",
	[IDENTITY] = "identity", [FOREIGN] = "another domain's", [WRONG] = "frame, M2P differs",
};

struct run {
	enum kind kind;
	uint64_t pfn, nr, mfn, m2p;
};

static void look(const struct domain *d, struct p2m_view *p, uint64_t pfn, struct run *r)
{
	uint64_t e;

	*r = (struct run){.pfn = pfn, .nr = 1, .kind = MISSING};
	if (!p2m_read(d, p, pfn, &e))
		return;
	r->mfn = e & ~(P2M_FOREIGN | P2M_IDENTITY);
	if (e == P2M_INVALID)
		r->kind = INVALID;
	else if (e & P2M_IDENTITY)
		r->kind = IDENTITY;
	else if (e & P2M_FOREIGN)
		r->kind = FOREIGN;
	else
		r->kind = (r->m2p = frame_pfn(d, e)) == pfn ? FRAME : WRONG;
}

static bool continues(const struct run *a, const struct run *b)
{
	if (a->kind != b->kind || a->kind == WRONG)
		return false;
	return a->kind == MISSING || a->kind == INVALID || b->mfn == a->mfn + a->nr;
}

static void add_run(json_t *rows, const struct run *r)
{
	json_t *j = json_pack("{s:I, s:I, s:I, s:s}", "pfn", (json_int_t)r->pfn, "last",
			      (json_int_t)(r->pfn + r->nr - 1), "count", (json_int_t)r->nr, "kind",
			      kind_names[r->kind]);

	if (r->kind != MISSING && r->kind != INVALID)
		json_put(j, "mfn", r->mfn);
	if (r->kind == WRONG && r->m2p != INVALID_MFN)
		json_put(j, "m2p", r->m2p);
	json_array_append_new(rows, j);
}

static int parse_range(const char *text, uint64_t *from, uint64_t *to, struct error *err)
{
	char first[64];
	size_t len = strcspn(text, "-");

	snprintf(first, sizeof(first), "%.*s", (int)(len < 60 ? len : 60), text);
	int rc = inspect_number("pfn", first, 1ull << 40, from, err);
	*to = *from;
	if (!rc && text[len])
		rc = inspect_number("pfn", text + len + 1, 1ull << 40, to, err);
	if (!rc && *to < *from)
		rc = error_set(err, -EINVAL, "'%.60s' ends before it begins", text);
	return rc;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	static const char *const forms[] = {
		[P2M_NONE] = "none", [P2M_LINEAR] = "linear", [P2M_TREE] = "tree"};
	struct domain *d = t->guest->domain;
	uint64_t from = 0, to = UINT64_MAX, count[NR_KINDS] = {0}, looked = 0;
	json_t *rows = json_array(), *counts = json_object();
	struct p2m_view p;
	struct run now = {0}, next;
	int rc = nr ? parse_range(arg[0], &from, &to, err) : 0;

	if (!rc) {
		p2m_open(d, &p);
		if (p.form == P2M_NONE)
			rc = error_set(err, -EAGAIN,
				       "the guest has not told yet where its p2m is (shared_info)");
		else if (from >= p.max_pfn)
			rc = error_set(err, -EINVAL, "the guest's p2m ends at pfn %llu",
				       (unsigned long long)p.max_pfn - 1);
	}
	if (rc) {
		json_decref(rows);
		json_decref(counts);
		return rc;
	}
	if (to >= p.max_pfn)
		to = p.max_pfn - 1;
	for (uint64_t pfn = from;
	     pfn <= to && looked < MAX_LOOK && json_array_size(rows) < MAX_ROWS; pfn++, looked++) {
		look(d, &p, pfn, &next);
		count[next.kind]++;
		if (now.nr && continues(&now, &next)) {
			now.nr++;
			continue;
		}
		if (now.nr)
			add_run(rows, &now);
		now = next;
	}
	if (now.nr)
		add_run(rows, &now);
	for (unsigned i = 0; i < NR_KINDS; i++)
		json_put(counts, kind_names[i], count[i]);
	json_object_set_new(out, "form", json_string(forms[p.form]));
	json_put(out, "entries", p.max_pfn);
	json_put(out, "looked_at", looked);
	json_object_set_new(out, "counts", counts);
	json_object_set_new(out, "rows", rows);
	if (from + looked <= to)
		json_put(out, "more_from", from + looked);
	return 0;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column rows[] = {
		{"pfn", "pfn", COL_PLAIN},
		{"last", "to", COL_PLAIN},
		{"count", "count", COL_PLAIN},
		{"mfn", "frame", COL_PLAIN},
		{"m2p", "M2P says", COL_PLAIN},
		{"kind", "kind", COL_PLAIN},
		{0},
	};
	const char *name;
	json_t *n;

	fprintf(f, "p2m: %s, %lld entries; of the %lld looked at:", text_str(j, "form"),
		(long long)text_int(j, "entries"), (long long)text_int(j, "looked_at"));
	json_object_foreach(json_object_get(j, "counts"), name, n) if (json_integer_value(n))
		fprintf(f, " %lld %s;", (long long)json_integer_value(n), name);
	fputc('\n', f);
	text_table(f, "", json_object_get(j, "rows"), rows);
	if (json_object_get(j, "more_from"))
		fprintf(f, "and more, from pfn %lld on\n", (long long)text_int(j, "more_from"));
}

const struct inspect_subject inspect_p2m = {
	.name = "p2m",
	.operands = "[PFN|FROM-TO]",
	.summary = "the guest's table of its frames, beside the M2P",
	.max_args = 1,
	.fill = fill,
	.print = print,
};
