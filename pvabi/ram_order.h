/*
 * In which order a domain's frames of RAM are its pfns: a permutation of [0, nr) that is
 * computed, in both directions, so that a huge domain needs no table of it.
 *
 * Of the numbers below the next power of two, n becomes n * a + b three times, with the upper
 * half of the bits mixed into the lower one after the first and the second: each step has an
 * inverse. What comes out at or above nr goes through again ("cycle walking": Black and
 * Rogaway, "Ciphers with arbitrary finite domains", 2002).
 */
#ifndef PVABI_RAM_ORDER_H
#define PVABI_RAM_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct ram_order {
	uint64_t nr;
	bool shuffled; /* false: n is n */
	unsigned half; /* of the bits, rounded up */
	uint64_t mask;
	uint64_t mul[3], inverse[3], add[3]; /* mul[i] * inverse[i] is 1 */
};

/* The same seed is the same order. */
void ram_order_shuffle(struct ram_order *o, uint64_t nr, uint64_t seed);

static inline uint64_t ram_order_step(const struct ram_order *o, uint64_t n)
{
	n = (n * o->mul[0] + o->add[0]) & o->mask;
	n ^= n >> o->half;
	n = (n * o->mul[1] + o->add[1]) & o->mask;
	n ^= n >> o->half;
	return (n * o->mul[2] + o->add[2]) & o->mask;
}

static inline uint64_t ram_order_step_back(const struct ram_order *o, uint64_t n)
{
	n = ((n - o->add[2]) * o->inverse[2]) & o->mask;
	n ^= n >> o->half;
	n = ((n - o->add[1]) * o->inverse[1]) & o->mask;
	n ^= n >> o->half;
	return ((n - o->add[0]) * o->inverse[0]) & o->mask;
}

/* Which frame of RAM is the n-th pfn; n below nr. */
static inline uint64_t ram_order_at(const struct ram_order *o, uint64_t n)
{
	if (!o->shuffled)
		return n;
	do {
		n = ram_order_step(o, n);
	} while (n >= o->nr);
	return n;
}

/* Which pfn is the n-th frame of RAM; n below nr. */
static inline uint64_t ram_order_of(const struct ram_order *o, uint64_t n)
{
	if (!o->shuffled)
		return n;
	do {
		n = ram_order_step_back(o, n);
	} while (n >= o->nr);
	return n;
}

#endif
