/* Pages of our own that can become a guest's: aligned as its memory is, so that huge ones stay
 * huge. */
#ifndef VMM_PAGES_H
#define VMM_PAGES_H

#include <stddef.h>

/* Zero-filled when touched; to be given back by munmap(). NULL: no memory. */
void *pages_alloc(size_t size);

#endif
