/*
 * What the unit tests of the domain builder share: a synthetic kernel, the domain
 * that it is built into, and the guest's own way to look at it: through the page
 * tables that it is given.
 */
#ifndef TEST_UNIT_TEST_BUILD_H
#define TEST_UNIT_TEST_BUILD_H

#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "vmm/build.h"

#define MIB_FRAMES   256ul
#define LINUX_BASE   0xffffffff80000000ul
#define LINUX_START  0x1000000ul /* p_paddr of a Debian kernel's first segment */
#define LINUX_P2M    0x8000000000ul
#define STORE_PORT   1
#define CONSOLE_PORT 2

/* What the kernel's two segments and the ramdisk hold, after built_setup(). */
extern uint8_t built_text[3 * PAGE_SIZE + 100], built_data[500], built_ramdisk[5 * PAGE_SIZE + 7];
void built_setup(void);

struct built {
	struct test_domain *t;
	struct kernel_image k;
	struct kernel_segment segments[2];
	struct build_params p;
	const void *ramdisk;
	size_t ramdisk_size;
	struct build_result r;
	struct error err;
	uint64_t l4;
	const struct start_info *si;
};

/* What today's Linux looks like: text, then data with a large bss. */
void built_linux(struct built *b, uint64_t mib);
int built_try(struct built *b);
void built_ok(struct built *b);
/* With this errno value and a sentence that has `part`. */
void built_refused(struct built *b, int rc, const char *part);
void built_free(struct built *b);

/* The mfn behind a guest address that must be mapped. */
uint64_t built_mfn_at(struct built *b, uint64_t va, struct guest_walk *w);
bool built_is_mapped(struct built *b, uint64_t va);
void *built_at(struct built *b, uint64_t va);
/* want: NULL for zeros. */
void built_assert_bytes(struct built *b, uint64_t va, const uint8_t *want, size_t len);
/* The guest's own view: mfn of a pfn, from its list. */
uint64_t built_p2m(struct built *b, uint64_t pfn);
void built_assert_p2m(struct built *b);
/* Everything in start_info that does not depend on the layout. */
void built_assert_start_info(struct built *b);

#endif
