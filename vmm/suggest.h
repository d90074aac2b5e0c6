/* The nearest of some names to a mistyped word. */
#ifndef VMM_SUGGEST_H
#define VMM_SUGGEST_H

struct suggestion {
	const char *word;    /* what was typed */
	const char *nearest; /* NULL: nothing is near enough */
	unsigned distance;
};

/* Offers one more name; the first of the nearest stays. */
void suggestion_offer(struct suggestion *s, const char *name);

#endif
