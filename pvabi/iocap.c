/*
 * Which frames that are no memory the domain may map, and which I/O ports it may touch
 * (Xen: iomem_caps and ioport_caps, common/rangeset.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/mm.h"

#define NR_PORTS 65536u

static bool has_memory(const struct domain *d, uint64_t first, uint64_t end)
{
	for (uint64_t mfn = first; mfn < end && mfn < d->nr_frames; mfn++)
		if (domain_is_memory(d, mfn))
			return true;
	return false;
}

/* The ranges without [first, end), and then with it as one when `with`. */
static int rebuild(struct iocaps *c, uint64_t first, uint64_t end, bool with)
{
	struct iomem_range *new = malloc((c->nr_iomem + 2) * sizeof(*new));
	struct iomem_range add = {first, end};
	unsigned n = 0;

	if (!new)
		return -ENOMEM;
	for (unsigned i = 0; i < c->nr_iomem; i++) {
		struct iomem_range r = c->iomem[i];

		if (with && r.end >= first && r.first <= end) { /* overlaps or touches */
			add.first = r.first < add.first ? r.first : add.first;
			add.end = r.end > add.end ? r.end : add.end;
			continue;
		}
		if (with && r.first > end && add.first < add.end) {
			new[n++] = add;
			add.end = add.first;
		}
		if (with || r.end <= first || r.first >= end) {
			new[n++] = r;
			continue;
		}
		if (r.first < first)
			new[n++] = (struct iomem_range){r.first, first};
		if (r.end > end)
			new[n++] = (struct iomem_range){end, r.end};
	}
	if (with && add.first < add.end)
		new[n++] = add;
	free(c->iomem);
	c->iomem = new;
	c->nr_iomem = n;
	return 0;
}

int domain_permit_iomem(struct domain *d, uint64_t mfn, uint64_t nr)
{
	const uint64_t limit = (PTE_ADDR >> PAGE_SHIFT) + 1;
	int rc = -EINVAL;

	if (!nr || nr > limit || mfn > limit - nr)
		return rc;
	domain_lock(d);
	if (!has_memory(d, mfn, mfn + nr))
		rc = rebuild(&d->iocaps, mfn, mfn + nr, true);
	domain_unlock(d);
	return rc;
}

int domain_revoke_iomem(struct domain *d, uint64_t mfn, uint64_t nr)
{
	int rc;

	if (!nr || mfn + nr < mfn)
		return -EINVAL;
	domain_lock(d);
	rc = rebuild(&d->iocaps, mfn, mfn + nr, false);
	domain_unlock(d);
	return rc;
}

static void ports_set(struct domain *d, unsigned first, unsigned nr, bool allow)
{
	_Atomic uint64_t *map = d->iocaps.ports;

	for (unsigned p = first; p < first + nr; p++) {
		uint64_t bit = 1ull << p % 64;
		uint64_t old = allow ? atomic_fetch_or(&map[p / 64], bit)
				     : atomic_fetch_and(&map[p / 64], ~bit);

		if (allow && !(old & bit))
			d->iocaps.nr_ports++;
		else if (!allow && old & bit)
			d->iocaps.nr_ports--;
	}
}

static bool ports_ok(unsigned first, unsigned nr)
{
	return nr && nr <= NR_PORTS && first <= NR_PORTS - nr;
}

int domain_permit_ioports(struct domain *d, unsigned first, unsigned nr)
{
	int rc = 0;

	if (!ports_ok(first, nr))
		return -EINVAL;
	domain_lock(d);
	if (!d->iocaps.ports)
		d->iocaps.ports = calloc(NR_PORTS / 64, sizeof(*d->iocaps.ports));
	if (d->iocaps.ports)
		ports_set(d, first, nr, true);
	else
		rc = -ENOMEM;
	domain_unlock(d);
	return rc;
}

void domain_revoke_ioports(struct domain *d, unsigned first, unsigned nr)
{
	if (!ports_ok(first, nr))
		return;
	domain_lock(d);
	if (d->iocaps.ports)
		ports_set(d, first, nr, false);
	domain_unlock(d);
}

bool domain_ioports_permitted(const struct domain *d, unsigned first, unsigned nr)
{
	const _Atomic uint64_t *map = d->iocaps.ports;

	if (!map || !ports_ok(first, nr))
		return false;
	for (unsigned p = first; p < first + nr; p++)
		if (!(map[p / 64] >> p % 64 & 1))
			return false;
	return true;
}

void iocap_domain_destroy(struct domain *d)
{
	free(d->iocaps.iomem);
	free((void *)d->iocaps.ports);
	memset(&d->iocaps, 0, sizeof(d->iocaps));
}
