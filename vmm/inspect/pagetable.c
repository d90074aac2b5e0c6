/*
 * A walk through a guest's page tables, level by level, with the frames on the way.
 */
#include <errno.h>
#include <string.h>

#include "vmm/inspect/frames.h"
#include "vmm/inspect/text.h"
#include "vmm/json.h"

struct walk_args {
	uint64_t va;
	uint64_t vcpu;
	bool user;
};

static int parse(const struct domain *d, unsigned nr, const char *const *arg, struct walk_args *a,
		 struct error *err)
{
	int rc = inspect_number("virtual address", arg[0], UINT64_MAX, &a->va, err);

	for (unsigned i = 1; !rc && i < nr; i++) {
		if (!strcmp(arg[i], "kernel") || !strcmp(arg[i], "user"))
			a->user = arg[i][0] == 'u';
		else if (!strcmp(arg[i], "vcpu") && i + 1 < nr)
			rc = inspect_number("vcpu", arg[++i], d->nr_vcpus - 1, &a->vcpu, err);
		else
			rc = error_set(err, -EINVAL,
				       "behind the address come 'vcpu N', 'kernel' or 'user', not "
				       "'%.40s'",
				       arg[i]);
	}
	if (!rc && (uint64_t)((int64_t)(a->va << 16) >> 16) != a->va)
		rc = error_set(err, -EINVAL, "%#llx is not canonical: bits 48 to 63 differ from 47",
			       (unsigned long long)a->va);
	return rc;
}

/* The levels from the top down to where the walk ends; a sentence about that. */
static json_t *walk(const struct domain *d, uint64_t mfn, uint64_t va, json_t *out)
{
	json_t *levels = json_array();
	bool writable = true, user = true, exec = true;

	for (unsigned level = 4; level; level--) {
		const uint64_t *table = frame_ptr(d, mfn);
		unsigned shift = PAGE_SHIFT + 9 * (level - 1), slot = va >> shift & 511;

		if (!table) {
			json_object_set_new(out, "ends",
					    json_sprintf("frame %llu of the L%u table "
							 "is no memory",
							 (unsigned long long)mfn, level));
			return levels;
		}
		uint64_t pte = __atomic_load_n(&table[slot], __ATOMIC_RELAXED);
		json_t *j =
			json_pack("{s:i, s:i, s:o, s:o}", "level", (int)level, "slot", (int)slot,
				  "entry", json_hex(pte), "flags", pte_flags(pte, level));
		json_t *t = json_object();
		frame_describe(d, mfn, t);
		json_object_set_new(j, "table", t);
		if (pte & PTE_P)
			json_put(j, "mfn", pte_mfn(pte));
		json_array_append_new(levels, j);
		if (!(pte & PTE_P)) {
			json_object_set_new(out, "ends",
					    json_sprintf("not present at level %u", level));
			return levels;
		}
		writable &= !!(pte & PTE_RW);
		user &= !!(pte & PTE_US);
		exec &= !(pte & PTE_NX);
		mfn = pte_mfn(pte);
		if (level > 1 && !(pte & PTE_PSE))
			continue;
		uint64_t span = 1ull << shift;
		uint64_t maddr = (pte & PTE_ADDR & ~(span - 1)) | (va & (span - 1));
		json_t *to = json_object();
		frame_describe(d, maddr >> PAGE_SHIFT, to);
		json_object_set_new(out, "maddr", json_hex(maddr));
		json_object_set_new(out, "frame", to);
		json_object_set_new(out, "writable", json_boolean(writable));
		json_object_set_new(out, "user", json_boolean(user));
		json_object_set_new(out, "executable", json_boolean(exec));
		break;
	}
	return levels;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	struct walk_args a = {0};
	int rc = parse(d, nr, arg, &a, err);

	if (rc)
		return rc;
	domain_lock(d);
	const struct vcpu *v = d->vcpu[a.vcpu];
	uint64_t l4 = a.user ? v->guest_table_user : v->guest_table;
	json_object_set_new(out, "va", json_hex(a.va));
	json_put(out, "vcpu", a.vcpu);
	json_object_set_new(out, "tables", json_string(a.user ? "user" : "kernel"));
	if (l4 == INVALID_MFN || (a.user && !l4))
		rc = error_set(err, -EINVAL, "vcpu %llu has no %s page tables%s",
			       (unsigned long long)a.vcpu, a.user ? "user" : "kernel",
			       a.user ? " now" : "; it never ran");
	else
		json_object_set_new(out, "levels", walk(d, l4, a.va, out));
	domain_unlock(d);
	return rc;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column levels[] = {
		{"level", "level", COL_PLAIN},	       {"table.mfn", "table", COL_PLAIN},
		{"table.type", "its type", COL_PLAIN}, {"table.type_count", "count", COL_PLAIN},
		{"table.pinned", "pinned", COL_PLAIN}, {"slot", "slot", COL_PLAIN},
		{"entry", "entry", COL_PLAIN},	       {"mfn", "to frame", COL_PLAIN},
		{"flags", "flags", COL_PLAIN},	       {0},
	};

	fprintf(f, "%s in the %s tables of vcpu %lld\n", text_str(j, "va"), text_str(j, "tables"),
		(long long)text_int(j, "vcpu"));
	text_table(f, "", json_object_get(j, "levels"), levels);
	if (*text_str(j, "ends")) {
		fprintf(f, "the walk ends: %s\n", text_str(j, "ends"));
		return;
	}
	fprintf(f, "machine address %s, %s, %s, %s\n", text_str(j, "maddr"),
		json_is_true(json_object_get(j, "writable")) ? "writable" : "read-only",
		json_is_true(json_object_get(j, "user")) ? "user" : "no user access",
		json_is_true(json_object_get(j, "executable")) ? "executable" : "no code");
	fprintf(f, "frame %lld", (long long)text_int(j, "frame.mfn"));
	if (json_member(j, "frame.pfn"))
		fprintf(f, ", pfn %lld", (long long)text_int(j, "frame.pfn"));
	fprintf(f, ": of %s", text_str(j, "frame.owner"));
	if (json_member(j, "frame.type"))
		fprintf(f, ", type %s, %lld times, %lld references", text_str(j, "frame.type"),
			(long long)text_int(j, "frame.type_count"),
			(long long)text_int(j, "frame.refs"));
	fputc('\n', f);
}

const struct inspect_subject inspect_pagetable = {
	.name = "pagetable",
	.operands = "VA [vcpu N] [kernel|user]",
	.summary = "the page tables' way to a virtual address",
	.min_args = 1,
	.max_args = 4,
	.fill = fill,
	.print = print,
};
