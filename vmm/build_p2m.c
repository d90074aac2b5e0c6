/*
 * Which machine frame is behind which pfn, in both directions, and copies to
 * pfns. A domain may be huge: nothing but the two tables is touched a frame,
 * and they are written in straight loops.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/build_internal.h"

#define P2M_PER_PAGE (PAGE_SIZE / sizeof(uint64_t))

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014): any seed is a good one. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 to n - 1, each as likely as the others: Lemire, "Fast random integer
 * generation in an interval", 2019. */
static uint64_t random_below(uint64_t *state, uint64_t n)
{
	unsigned __int128 m = (unsigned __int128)random_next(state) * n;

	if ((uint64_t)m < n) {
		uint64_t least = -n % n;

		while ((uint64_t)m < least)
			m = (unsigned __int128)random_next(state) * n;
	}
	return m >> 64;
}

int build_p2m_init(struct build_p2m *m, const struct domain *d, enum p2m_order order, uint64_t seed,
		   struct error *err)
{
	uint64_t nr_ram = d->tot_pages;

	*m = (struct build_p2m){.domain = d, .nr = nr_ram};
	if (order == P2M_IDENTITY)
		return 0;
	if (nr_ram > UINT32_MAX)
		return error_set(err, -EINVAL, "the p2m of so large a domain cannot be shuffled");
	m->list = malloc(nr_ram * sizeof(*m->list));
	if (!m->list)
		return error_set(err, -ENOMEM,
				 "no memory to shuffle the p2m: %llu MiB needed on the host",
				 (unsigned long long)(nr_ram * sizeof(*m->list) >> 20) + 1);
	for (uint64_t i = 0; i < nr_ram; i++)
		m->list[i] = (uint32_t)domain_ram_frame(d, i);
	for (uint64_t i = nr_ram - 1; i > 0; i--) {
		uint64_t j = random_below(&seed, i + 1);
		uint32_t mfn = m->list[i];

		m->list[i] = m->list[j];
		m->list[j] = mfn;
	}
	return 0;
}

void build_p2m_free(struct build_p2m *m)
{
	free(m->list);
	m->list = NULL;
}

void build_m2p_write(struct domain *d, const struct build_p2m *m)
{
	for (uint64_t pfn = 0; pfn < m->nr; pfn++)
		d->m2p[build_pfn_to_mfn(m, pfn)] = pfn;
}

void build_p2m_write(struct domain *d, const struct build_p2m *m, uint64_t pfn)
{
	for (uint64_t from = 0; from < m->nr; from += P2M_PER_PAGE, pfn++) {
		uint64_t *page = build_pfn_ptr(d, m, pfn);
		uint64_t n = m->nr - from < P2M_PER_PAGE ? m->nr - from : P2M_PER_PAGE;

		for (uint64_t i = 0; i < n; i++)
			page[i] = build_pfn_to_mfn(m, from + i);
	}
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
