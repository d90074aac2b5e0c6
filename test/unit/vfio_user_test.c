/*
 * The vfio-user client, on the server of test/pci: our test card and one whose memory can be
 * mapped, in another process.
 */
#include "test/unit/vfio_user_fixture.h"

/* ---- a card in another process ---- */

START_TEST(a_card_is_described)
{
	serve("testcard");
	create("");
	ck_assert_str_eq(d->ops->model, "vfio-user");
	ck_assert_uint_eq(d->config_size, PCIE_CONFIG_SIZE);
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4),
			  TESTCARD_VENDOR | (uint32_t)TESTCARD_DEVICE << 16);
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM32);
	ck_assert_uint_eq(d->bar[0].size, TESTCARD_BAR);
	ck_assert_int_eq(d->bar[2].kind, PCI_BAR_IO);
	ck_assert_uint_eq(d->bar[2].size, TESTCARD_PORTS);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_uint_eq((uint32_t)d->ops->bar_read(d, 2, TESTCARD_ID, 4), TESTCARD_MAGIC);
	put(TESTCARD_SCRATCH, 0x12345678);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0x12345678);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_SCRATCH, 1), 0x78);
	ck_assert_uint_eq(get(0x2004), 0);
	ck_assert_int_eq(reset(), 0);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0);
}
END_TEST

START_TEST(messages_arrive)
{
	const uint16_t entries[] = {6, 0, 1, 3};

	serve("testcard");
	create("");
	ck_assert_int_eq(msi_enable(8), 0);
	raise_all();
	for (unsigned i = 0; i < 8; i++)
		WAIT_FOR(pci_calls.msi[i] == 1);
	msi_disable();
	put(TESTCARD_CAUSE, 0xff);
	ck_assert_int_eq(msix_enable(entries, 4), 0);
	raise_all();
	for (unsigned i = 0; i < 4; i++)
		WAIT_FOR(pci_calls.msix[entries[i]] == 1);
	ck_assert_uint_eq(pci_calls.msix[2] + pci_calls.msix[4], 0);
	msix_disable();
	/* Which entries there are is the server's to say. */
	ck_assert_int_eq(msix_enable((const uint16_t[]){8}, 1), -EINVAL);
}
END_TEST

START_TEST(intx_is_level_triggered)
{
	serve("testcard");
	create("");
	put(TESTCARD_ENABLE, 1);
	put(TESTCARD_RAISE, 1);
	WAIT_FOR(pci_calls.intx_raised == 1);
	eoi();
	WAIT_FOR(pci_calls.intx_raised == 2);
	put(TESTCARD_CAUSE, 1);
	eoi();
	WAIT_FOR(pci_calls.intx == 0);
	ck_assert_uint_eq(pci_calls.intx_raised, 2);
	put(TESTCARD_RAISE, 1);
	WAIT_FOR(pci_calls.intx_raised == 3);
}
END_TEST

START_TEST(errors_and_departures_are_told)
{
	serve("testcard");
	create("");
	put(TESTCARD_ERROR, 3);
	WAIT_FOR(pci_calls.aer[PCI_AER_FATAL] == 1);
	put(TESTCARD_REMOVE, TESTCARD_REMOVE_KEY);
	WAIT_FOR(pci_calls.leaves == 1);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
}
END_TEST

static void dma(uint64_t maddr, uint32_t len, uint32_t offset, uint32_t control)
{
	put(TESTCARD_DMA_ADDRESS, (uint32_t)maddr);
	put(TESTCARD_DMA_ADDRESS_HI, (uint32_t)(maddr >> 32));
	put(TESTCARD_DMA_LENGTH, len);
	put(TESTCARD_DMA_OFFSET, offset);
	put(TESTCARD_DMA_CONTROL, TESTCARD_DMA_START | control);
}

/* From the guest's memory to the card's and back, elsewhere. */
static void move_bytes(void)
{
	uint64_t from = test_frame(t) * PAGE_SIZE, to = test_frame(t) * PAGE_SIZE;

	d->ops->config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		t->memory[from + i] = (uint8_t)(i * 7 + 3);
	dma(from, PAGE_SIZE, 0, 0);
	ck_assert_uint_eq(get(TESTCARD_DMA_STATUS), TESTCARD_DMA_DONE);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_MEMORY + 100, 1), (100 * 7 + 3) & 0xff);
	put(TESTCARD_DMA_STATUS, ~0u);
	dma(to + 5, PAGE_SIZE - 5, 5, TESTCARD_DMA_TO_HOST);
	ck_assert_uint_eq(get(TESTCARD_DMA_STATUS), TESTCARD_DMA_DONE);
	ck_assert_mem_eq(t->memory + to + 5, t->memory + from + 5, PAGE_SIZE - 5);
	ck_assert_uint_eq(t->memory[to + 4], 0);
}

START_TEST(dma_through_shared_memory)
{
	struct vfio_user_link *l;

	share_memory();
	serve("testcard");
	create("");
	move_bytes();
	l = (struct vfio_user_link *)((struct vfio_function *)d)->link;
	ck_assert_uint_eq(l->dma_reads + l->dma_writes, 0);
}
END_TEST

START_TEST(dma_through_messages)
{
	struct vfio_user_link *l;
	char *text = NULL;
	size_t size;

	share_memory();
	serve(_i ? "testcard" : "--dma-messages testcard");
	create(_i ? ",memory=private" : "");
	move_bytes();
	l = (struct vfio_user_link *)((struct vfio_function *)d)->link;
	ck_assert_uint_ge(l->dma_reads, 1);
	ck_assert_uint_ge(l->dma_writes, 1);
	FILE *f = open_memstream(&text, &size);
	d->ops->stats(d, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "\"dma_reads\": 1, \"dma_writes\": 1"));
	free(text);
}
END_TEST

/* What is not the guest's RAM is refused: Xen's heap, page tables, nothing at all. */
START_TEST(dma_elsewhere_is_refused)
{
	const uint64_t bad[] = {t->d->shared_info_mfn * PAGE_SIZE, ~0ull - 4095,
				t->d->nr_ram * PAGE_SIZE - 8};

	serve("--dma-messages testcard");
	create("");
	d->ops->config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	uint8_t before = t->memory[t->d->shared_info_mfn * PAGE_SIZE];
	for (unsigned i = 0; i < 3; i++) {
		dma(bad[i], 16, 0, i & 1 ? 0 : TESTCARD_DMA_TO_HOST);
		ck_assert_uint_ne(get(TESTCARD_DMA_STATUS) & TESTCARD_DMA_BAD_ADDR, 0);
		put(TESTCARD_DMA_STATUS, ~0u);
	}
	ck_assert_uint_eq(t->memory[t->d->shared_info_mfn * PAGE_SIZE], before);
	move_bytes();
}
END_TEST

/* Several threads at once, each with its own register of the card. */
static void *hammer(void *arg)
{
	unsigned reg = *(unsigned *)arg;

	for (unsigned i = 0; i < 500; i++) {
		put(reg, i);
		if (get(reg) != i)
			return arg;
	}
	return NULL;
}

START_TEST(vcpus_ask_at_the_same_time)
{
	unsigned regs[] = {TESTCARD_SCRATCH, TESTCARD_DMA_ADDRESS, TESTCARD_DMA_LENGTH,
			   TESTCARD_DMA_OFFSET};
	pthread_t threads[4];
	void *wrong;

	serve("testcard");
	create("");
	for (unsigned i = 0; i < 4; i++)
		ck_assert(!pthread_create(&threads[i], NULL, hammer, &regs[i]));
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(!pthread_join(threads[i], &wrong));
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

/* Its server keeps a device as it was left; the next guest finds it as new. */
START_TEST(the_next_guest_finds_it_as_new)
{
	serve("testcard");
	create("");
	put(TESTCARD_SCRATCH, 0x12345678);
	destroy();
	create("");
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0);
}
END_TEST

/* ---- memory that can be mapped ---- */

START_TEST(areas_are_mapped)
{
	serve("mapped");
	create("");
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM64);
	ck_assert_uint_eq(d->bar[0].nr_areas, 1);
	ck_assert_uint_eq(d->bar[0].area[0].offset, 0x1000);
	ck_assert_uint_eq(d->bar[0].area[0].size, 0x2000);
	*(volatile uint32_t *)d->bar[0].area[0].memory = 0xabcdef;
	/* The server sees it: its messages do. */
	ck_assert_uint_eq(get(0x1000), 0xabcdef);
	put(0x2ffc, 77);
	ck_assert_uint_eq(((volatile uint32_t *)d->bar[0].area[0].memory)[0x7ff], 77);
	/* A bell. */
	ck_assert_uint_eq(d->bar[0].nr_notify, 1);
	ck_assert_uint_eq(d->bar[0].notify[0].offset, 0x10);
	ck_assert(!eventfd_write(d->bar[0].notify[0].fd, 1));
	WAIT_FOR(get(8) == 1);
	ck_assert_int_eq(msix_enable((const uint16_t[]){2}, 1), 0);
	put(0, 2);
	WAIT_FOR(pci_calls.msix[2] == 1);
	ck_assert_uint_eq(get(4), 1);
}
END_TEST

/* The server could cut its file off: the guest would touch what is not there. */
START_TEST(what_could_shrink_is_not_mapped)
{
	serve("mapped-unsealed");
	create("");
	ck_assert_uint_eq(d->bar[0].nr_areas, 0);
	put(0x1000, 5);
	ck_assert_uint_eq(get(0x1000), 5);
	destroy();
	create(",map=any");
	ck_assert_uint_eq(d->bar[0].nr_areas, 1);
	*(volatile uint32_t *)d->bar[0].area[0].memory = 6;
	ck_assert_uint_eq(get(0x1000), 6);
	destroy();
	create(",map=none");
	ck_assert_uint_eq(d->bar[0].nr_areas, 0);
}
END_TEST

int main(void)
{
	const TTest *const plain[] = {
		a_card_is_described,	    messages_arrive,
		intx_is_level_triggered,    errors_and_departures_are_told,
		dma_through_shared_memory,  dma_elsewhere_is_refused,
		vcpus_ask_at_the_same_time, the_next_guest_finds_it_as_new,
		areas_are_mapped,	    what_could_shrink_is_not_mapped,
	};
	Suite *suite = suite_create("vfio_user");
	TCase *c = tcase_create("vfio_user");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		tcase_add_test(c, plain[i]);
	tcase_add_loop_test(c, dma_through_messages, 0, 2);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
