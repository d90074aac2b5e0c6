/*
 * May the guest map this frame of a device? Apart from iocap.c because code of ours inside
 * the guest asks, too.
 */
#include "pvabi/pvabi.h"

bool domain_iomem_permitted(const struct domain *d, uint64_t mfn)
{
	const struct iocaps *c = &d->iocaps;
	const struct iomem_range *r = shared(c->iomem);

	for (unsigned i = 0; i < c->nr_iomem; i++)
		if (mfn >= r[i].first && mfn < r[i].end)
			return true;
	return false;
}
