/*
 * `xenolith info --abi`: what is implemented, from the table of hypercalls itself.
 */
#include "vmm/vmm.h"

#include "pvabi/pvabi.h"

static void print_row(FILE *out, int indent, int nr, const char *name, uint8_t profiles,
		      const struct abi_profile *only)
{
	if (only && !(profiles & PROFILE_BIT(only->id)))
		return;
	if (only) {
		fprintf(out, "%*d  %s\n", indent, nr, name);
		return;
	}
	fprintf(out, "%*d  %-*s", indent, nr, 38 - indent, name);
	for (unsigned p = 0; p < NR_PROFILES; p++)
		fprintf(out, "%11s", profiles & PROFILE_BIT(p) ? "yes" : "-");
	fputc('\n', out);
}

static void print_features(FILE *out, const struct abi_profile *p)
{
	fprintf(out, "%-11s XENVER_version %u.%u, features %#lx%s%s\n", p->name, p->version >> 16,
		p->version & 0xffff, (unsigned long)p->features,
		p->poll_needs_masked && p->id != PROFILE_XEN_3_0_1
			? ", SCHEDOP_poll wants upcalls masked"
			: "",
		p->vcpu_info_placement ? ", vcpu_info can be placed" : "");
}

void abi_info_print(FILE *out, const struct abi_profile *only)
{
	struct op_info op;

	for (unsigned p = 0; p < NR_PROFILES; p++)
		if (!only || only->id == p)
			print_features(out, abi_profile_get(p));
	fputs("\nHypercalls, and their operations; the others answer -ENOSYS.\n", out);
	if (!only) {
		fprintf(out, "%40s", "");
		for (unsigned p = 0; p < NR_PROFILES; p++)
			fprintf(out, "%11s", abi_profile_get(p)->name);
		fputc('\n', out);
	}
	for (int nr = 0; nr < NR_HYPERCALLS; nr++) {
		const struct hypercall *hc = &hypercall_table[nr];
		uint8_t profiles = hc->profiles;

		/* A row without a handler only has a name. */
		if (!hc->name || !(hc->fn || hc->subops))
			continue;
		print_row(out, 3, nr, hc->name, profiles, only);
		for (unsigned i = 0; hypercall_op_at(hc, i, &op); i++)
			print_row(out, 9, op.nr, op.name, op.profiles & profiles, only);
	}
}
