/*
 * Which machine frame is behind which pfn, the guest's list of that, and copies to pfns.
 */
#include <pthread.h>
#include <string.h>

#include "pvabi/m2p.h"
#include "vmm/build_internal.h"

#define P2M_PER_PAGE (PAGE_SIZE / sizeof(uint64_t))

void build_p2m_init(struct build_p2m *m, struct domain *d, enum p2m_order order, uint64_t seed)
{
	struct ram_order o = {.nr = d->tot_pages};

	if (order == P2M_SHUFFLE)
		ram_order_shuffle(&o, d->tot_pages, seed);
	m2p_order(d, &o);
	*m = (struct build_p2m){.domain = d, .nr = d->tot_pages};
}

struct part {
	struct domain *d;
	const struct build_p2m *m;
	uint64_t pfn, from, to; /* pfns of the list's pages, and what is in them */
};

static void *write_part(void *arg)
{
	struct part *p = arg;

	for (uint64_t from = p->from; from < p->to; from += P2M_PER_PAGE, p->pfn++) {
		uint64_t *page = build_pfn_ptr(p->d, p->m, p->pfn);
		uint64_t n = p->to - from < P2M_PER_PAGE ? p->to - from : P2M_PER_PAGE;

		for (uint64_t i = 0; i < n; i++)
			page[i] = build_pfn_to_mfn(p->m, from + i);
	}
	return NULL;
}

/* The list of a large domain is written by two threads. */
#define MANY_FRAMES (1ul << 20)

void build_p2m_write(struct domain *d, const struct build_p2m *m, uint64_t pfn)
{
	uint64_t half = m->nr < MANY_FRAMES ? 0 : m->nr / 2 & ~(P2M_PER_PAGE - 1);
	struct part low = {d, m, pfn, 0, half},
		    high = {d, m, pfn + half / P2M_PER_PAGE, half, m->nr};
	pthread_t thread;
	bool busy = half && !pthread_create(&thread, NULL, write_part, &low);

	write_part(&high);
	if (busy)
		pthread_join(thread, NULL);
	else
		write_part(&low);
}

void build_copy(struct domain *d, const struct build_p2m *m, uint64_t offset, const void *src,
		uint64_t len)
{
	const uint8_t *from = src;

	while (len) {
		uint8_t *to = build_pfn_ptr(d, m, offset >> PAGE_SHIFT);
		uint64_t at = offset & (PAGE_SIZE - 1);
		uint64_t n = PAGE_SIZE - at < len ? PAGE_SIZE - at : len;

		if (from) {
			memcpy(to + at, from, n);
			from += n;
		} else {
			memset(to + at, 0, n);
		}
		offset += n;
		len -= n;
	}
}
