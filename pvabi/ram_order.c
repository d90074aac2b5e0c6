#include "pvabi/ram_order.h"

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014): any seed is a good one. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Of an odd number, modulo 2^64: Newton's iteration doubles the bits that are right, of
 * which n itself has three. */
static uint64_t inverse_of(uint64_t n)
{
	uint64_t i = n;

	for (unsigned bits = 3; bits < 64; bits *= 2)
		i *= 2 - n * i;
	return i;
}

void ram_order_shuffle(struct ram_order *o, uint64_t nr, uint64_t seed)
{
	unsigned bits = 0;

	while (bits < 63 && 1ull << bits < nr)
		bits++;
	*o = (struct ram_order){
		.nr = nr,
		.shuffled = nr > 1,
		.half = (bits + 1) / 2,
		.mask = (1ull << bits) - 1,
	};
	for (unsigned i = 0; i < 3; i++) {
		/* 5 modulo 8: every bit of n, the lowest two aside, reaches those above. */
		o->mul[i] = (random_next(&seed) & ~7ull) | 5;
		o->inverse[i] = inverse_of(o->mul[i]);
		o->add[i] = random_next(&seed);
	}
}
