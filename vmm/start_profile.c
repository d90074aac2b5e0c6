#include "vmm/start_profile.h"

#include "vmm/stats.h"

void start_profile_add(struct start_profile *p, const char *phase, uint64_t from)
{
	unsigned i;

	if (!p)
		return;
	i = atomic_fetch_add(&p->nr, 1);
	if (i < START_SPANS)
		p->span[i] = (struct start_span){phase, from, stats_now()};
}

static unsigned spans(const struct start_profile *p)
{
	unsigned n = atomic_load(&p->nr);

	return n < START_SPANS ? n : START_SPANS;
}

static unsigned long us(uint64_t ns)
{
	return (unsigned long)(ns / 1000);
}

void start_profile_text(FILE *f, const struct start_profile *p)
{
	for (unsigned i = 0; i < spans(p); i++)
		fprintf(f, "  start: %-19s %10lu us, from %lu us on\n", p->span[i].phase,
			us(p->span[i].to - p->span[i].from), us(p->span[i].from - p->begin));
	fprintf(f, "  start: resident beyond the guest's %lu KiB, %lu minor faults\n",
		(unsigned long)(p->resident_kib - p->resident_guest_kib),
		(unsigned long)p->minor_faults);
}

void start_profile_json(FILE *f, const struct start_profile *p)
{
	fprintf(f,
		"  \"start\": {\"resident_kib\": %lu, \"resident_guest_kib\": %lu, "
		"\"minor_faults\": %lu, \"phases\": [",
		(unsigned long)p->resident_kib, (unsigned long)p->resident_guest_kib,
		(unsigned long)p->minor_faults);
	for (unsigned i = 0; i < spans(p); i++)
		fprintf(f, "%s\n    {\"phase\": \"%s\", \"at_us\": %lu, \"us\": %lu}", i ? "," : "",
			p->span[i].phase, us(p->span[i].from - p->begin),
			us(p->span[i].to - p->span[i].from));
	fprintf(f, "]}");
}
