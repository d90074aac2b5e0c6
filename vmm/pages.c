#include "vmm/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define SUPERPAGE ((size_t)1 << 21)
#define PAGE	  ((size_t)4096)

void *pages_alloc(size_t size)
{
	size_t pages = (size + PAGE - 1) & ~(PAGE - 1);
	uint8_t *area = mmap(NULL, pages + SUPERPAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	uint8_t *at = (uint8_t *)(((uintptr_t)area + SUPERPAGE - 1) & ~(SUPERPAGE - 1));
	if (at > area)
		munmap(area, (size_t)(at - area));
	munmap(at + pages, (size_t)(area + SUPERPAGE - at));
	madvise(at, pages, MADV_HUGEPAGE);
	return at;
}
