/*
 * What a device reaches of a guest's memory: its own RAM, all of a transfer or nothing, and
 * never what Xen or the page tables need.
 */
#include <errno.h>
#include <string.h>

#include "devices/pci/pci_device.h"
#include "pvabi/mm.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

static struct test_domain *t;
static struct pci_host host;
static struct pci_device dev;
static uint8_t buf[3 * PAGE_SIZE];

static void setup(void)
{
	t = test_domain_with_spare(8);
	host.domain = t->d;
	dev.host = &host;
	memset(buf, 0xaa, sizeof(buf));
}

static void teardown(void)
{
	for (uint64_t mfn = 0; mfn < t->d->nr_ram; mfn++)
		ck_assert_uint_eq(t->d->pages[mfn].refs, 0);
	test_domain_free(t);
}

START_TEST(moves_bytes_across_pages)
{
	uint64_t to = test_frame(t) * PAGE_SIZE - PAGE_SIZE / 2; /* ends in the frame */

	test_frame(t);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		buf[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(pci_dma_write(&dev, to, buf, PAGE_SIZE), 0);
	ck_assert_int_eq(memcmp(t->memory + to, buf, PAGE_SIZE), 0);
	ck_assert_int_eq(pci_dma_read(&dev, to + 1, buf + PAGE_SIZE, PAGE_SIZE - 1), 0);
	ck_assert_int_eq(memcmp(buf + 1, buf + PAGE_SIZE, PAGE_SIZE - 1), 0);
	ck_assert_int_eq(pci_dma_read(&dev, ~0ull, buf, 0), 0);
}
END_TEST

static void refused(uint64_t maddr, size_t len)
{
	memset(buf, 0xaa, sizeof(buf));
	ck_assert_int_eq(pci_dma_read(&dev, maddr, buf, len), -EFAULT);
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0xaa);
	ck_assert_int_eq(pci_dma_write(&dev, maddr, buf, len), -EFAULT);
}

START_TEST(refuses_what_is_not_the_guests)
{
	uint64_t end = TEST_RAM_FRAMES * PAGE_SIZE; /* what follows was never its own */

	refused(end, 1);
	refused(end - 1, 2);
	refused(end - PAGE_SIZE, 2 * PAGE_SIZE);
	ck_assert_uint_eq(t->memory[end - 1], 0);
	refused(t->d->nr_ram * PAGE_SIZE, 8);
	refused(t->d->shared_info_mfn * PAGE_SIZE, 8);
	refused(t->d->nr_frames * PAGE_SIZE, 8);
	refused(~0ull, 1);
	refused(~0ull - 7, 16);
	refused(1ull << 63, 8);
}
END_TEST

START_TEST(refuses_what_was_given_back)
{
	uint64_t mfn = test_frame(t);

	domain_lock(t->d);
	ck_assert_int_eq(mm_free_frame(t->d, mfn), 0);
	domain_unlock(t->d);
	refused(mfn * PAGE_SIZE, 8);
}
END_TEST

START_TEST(writes_to_no_page_table)
{
	uint64_t mfn = test_frame(t);

	domain_lock(t->d);
	ck_assert_int_eq(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	domain_unlock(t->d);
	ck_assert_int_eq(pci_dma_write(&dev, mfn * PAGE_SIZE, buf, 8), -EFAULT);
	ck_assert_ptr_null(pci_dma_map(&dev, mfn * PAGE_SIZE, 8, true));
	ck_assert_int_eq(pci_dma_read(&dev, mfn * PAGE_SIZE, buf, 8), 0);
	domain_lock(t->d);
	mm_put_page_and_type(t->d, mfn);
	domain_unlock(t->d);
	ck_assert_int_eq(pci_dma_write(&dev, mfn * PAGE_SIZE, buf, 8), 0);
}
END_TEST

START_TEST(a_mapped_page_stays_writable)
{
	uint64_t mfn = test_frame(t);
	uint8_t *p = pci_dma_map(&dev, mfn * PAGE_SIZE + 100, PAGE_SIZE - 100, true);

	ck_assert_ptr_eq(p, t->memory + mfn * PAGE_SIZE + 100);
	domain_lock(t->d);
	ck_assert_int_ne(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	domain_unlock(t->d);
	pci_dma_unmap(&dev, mfn * PAGE_SIZE + 100, true);
	domain_lock(t->d);
	ck_assert_int_eq(mm_get_page_and_type(t->d, mfn, PGT_L1), 0);
	mm_put_page_and_type(t->d, mfn);
	domain_unlock(t->d);
	ck_assert_ptr_null(pci_dma_map(&dev, mfn * PAGE_SIZE + 100, PAGE_SIZE, false));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		moves_bytes_across_pages,     refuses_what_is_not_the_guests,
		refuses_what_was_given_back,  writes_to_no_page_table,
		a_mapped_page_stays_writable,
	};

	return RUN_TESTS("pci_dma", setup, teardown, tests);
}
