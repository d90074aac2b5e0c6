/*
 * The test card keeps what its data sheet (devices/pci/testcard.h) says.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "devices/pci/testcard.h"
#include "test/unit/test_pci.h"
#include "test/unit/test_run.h"

#define ALL_ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static struct pci_device *d;

static void card(const char *options)
{
	d = pci_new(&pci_testcard, options);
	config_set(d, PCI_COMMAND, 2, ALL_ON);
}

static void setup(void)
{
	d = NULL;
}

static void teardown(void)
{
	if (d)
		pci_free(d);
}

static uint32_t get(unsigned reg)
{
	return bar_get(d, 0, reg);
}

static void set(unsigned reg, uint32_t val)
{
	bar_set(d, 0, reg, val);
}

START_TEST(shows_what_it_is)
{
	card(NULL);
	ck_assert_uint_eq(config_get(d, PCI_VENDOR_ID, 4),
			  (uint32_t)TESTCARD_DEVICE << 16 | TESTCARD_VENDOR);
	ck_assert_uint_eq(config_get(d, PCI_CLASS_REVISION, 4), 0xff000001);
	ck_assert_uint_eq(config_get(d, PCI_INTERRUPT_PIN, 1), 1);
	unsigned msix = config_find(d, PCI_CAP_ID_MSIX);
	ck_assert_uint_ne(msix, 0);
	ck_assert_uint_eq(config_get(d, msix + PCI_MSIX_FLAGS, 2), 7);
	ck_assert_uint_eq(config_get(d, msix + PCI_MSIX_TABLE, 4), TESTCARD_TABLE);
	unsigned msi = config_find(d, PCI_CAP_ID_MSI);
	ck_assert_uint_eq(config_get(d, msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK, 3 << 1);
	ck_assert_uint_ne(config_find(d, PCI_CAP_ID_PM), 0);
	ck_assert_uint_ne(config_find(d, PCI_CAP_ID_EXP), 0);
	ck_assert_uint_eq(config_get(d, PCI_CFG_SPACE_SIZE, 2), PCI_EXT_CAP_ID_ERR);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_uint_eq(get(TESTCARD_VERSION), 1);
	ck_assert_uint_eq(get(TESTCARD_STATUS), TESTCARD_IS_MASTER);
}
END_TEST

START_TEST(has_what_its_options_say)
{
	card("intx=0,msi=0,msix=0,pcie=0,bar64");
	ck_assert_uint_eq(config_get(d, PCI_INTERRUPT_PIN, 1), 0);
	ck_assert_uint_eq(config_find(d, PCI_CAP_ID_MSI), 0);
	ck_assert_uint_eq(config_find(d, PCI_CAP_ID_MSIX), 0);
	ck_assert_uint_eq(config_find(d, PCI_CAP_ID_EXP), 0);
	ck_assert_uint_eq(d->config_size, PCI_CONFIG_SIZE);
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM64);
	ck_assert_uint_eq(config_get(d, PCI_BASE_ADDRESS_0, 4) & 0xf,
			  PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	set(TESTCARD_ENABLE, 1);
	set(TESTCARD_RAISE, 1);
	ck_assert(!pci.intx);
}
END_TEST

START_TEST(refuses_bad_options)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"bar", "unknown option 'bar' (there are intx, msi"},
		{"storm=1001", "storm is 0 to 1000, not '1001'"},
		{"lose=-1", "lose is 0 to 4294967295, not '-1'"},
		{"delay", "delay is 0 to 60000, not ''"},
		{"fault=0x20", "fault is 0 to 31, not '0x20'"},
		{"msi=yes", "msi is 0 or 1, not 'yes'"},
	};
	char err[300];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(pci_testcard.check(bad[i].text, true, err, sizeof(err)), -EINVAL);
		ck_assert_msg(!strncmp(err, bad[i].says, strlen(bad[i].says)), "%s", err);
		ck_assert_ptr_null(pci_testcard.create(&pci.host, bad[i].text, err, sizeof(err)));
	}
	ck_assert_int_eq(
		pci_testcard.check("msi=0,,delay=0x10,delay-never", true, err, sizeof(err)), 0);
}
END_TEST

START_TEST(registers_take_the_widths_of_the_sheet)
{
	card(NULL);
	set(TESTCARD_SCRATCH, 0x12345678);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_SCRATCH, 8),
			  (uint64_t)TESTCARD_IS_MASTER << 32 | 0x12345678);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_SCRATCH + 1, 2), 0x3456);
	ck_assert_uint_eq(d->ops->bar_read(d, 2, TESTCARD_SCRATCH + 3, 1), 0x12);
	d->ops->bar_write(d, 0, TESTCARD_SCRATCH + 1, 2, 0xabcd);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0x12abcd78);
	d->ops->bar_write(d, 0, TESTCARD_SCRATCH + 3, 2, 0xffff);
	d->ops->bar_write(d, 0, TESTCARD_SCRATCH + 2, 4, 0);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0x12abcd78);
	d->ops->bar_write(d, 0, TESTCARD_DMA_ADDRESS, 8, 0x1122334455667788);
	ck_assert_uint_eq(get(TESTCARD_DMA_ADDRESS), 0x55667788);
	ck_assert_uint_eq(get(TESTCARD_DMA_ADDRESS_HI), 0x11223344);
	set(TESTCARD_ID, 0);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	/* No registers, and across their end. */
	ck_assert_uint_eq(get(TESTCARD_END), ~0u);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_END - 2, 4), ~0u);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_BAR - 1, 1), 0xff);
	ck_assert_uint_eq(d->ops->bar_read(d, 2, TESTCARD_PORTS - 2, 4), ~0u);
	ck_assert_uint_eq(get(TESTCARD_TABLE), 0);
}
END_TEST

START_TEST(bars_answer_when_enabled)
{
	card(NULL);
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_IO);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	ck_assert_uint_eq(bar_get(d, 2, TESTCARD_ID), TESTCARD_MAGIC);
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_uint_eq(bar_get(d, 2, TESTCARD_ID), ~0u);
}
END_TEST

START_TEST(intx_is_a_level)
{
	card(NULL);
	set(TESTCARD_RAISE, 3);
	ck_assert(!pci.intx);
	set(TESTCARD_ENABLE, 2);
	ck_assert(pci.intx);
	ck_assert_uint_eq(get(TESTCARD_STATUS) & TESTCARD_IS_INTX, TESTCARD_IS_INTX);
	ck_assert_uint_ne(config_get(d, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	set(TESTCARD_CAUSE, 1);
	ck_assert(pci.intx);
	set(TESTCARD_CAUSE, 2);
	ck_assert(!pci.intx);
	set(TESTCARD_RAISE, 2);
	ck_assert(pci.intx);
	ck_assert_uint_eq(get(TESTCARD_SENT), 2);
	ck_assert_uint_eq(pci.msi[0] + pci.msix[0], 0);
	/* MSI takes its place. */
	d->ops->msi_enable(d, 2);
	ck_assert(!pci.intx);
	d->ops->msi_disable(d);
	ck_assert(pci.intx);
}
END_TEST

START_TEST(messages_are_sent)
{
	card(NULL);
	set(TESTCARD_ENABLE, 0xff);
	d->ops->msi_enable(d, 4);
	set(TESTCARD_RAISE, 0x23);
	ck_assert_uint_eq(pci.msi[0], 1);
	ck_assert_uint_eq(pci.msi[1], 2); /* 1, and 5 */
	set(TESTCARD_CAUSE, ~0u);
	d->ops->msi_disable(d);
	d->ops->msix_enable(d, (const uint16_t[]){0, 7}, 2);
	set(TESTCARD_RAISE, 0x80);
	set(TESTCARD_RAISE, 0x80);
	ck_assert_uint_eq(pci.msix[7], 2);
	ck_assert_uint_eq(get(TESTCARD_CAUSE), 0x80);
	ck_assert_uint_eq(get(TESTCARD_SENT), 5);
	ck_assert_uint_eq(pci.intx_edges, 0);
	ck_assert_uint_eq(get(TESTCARD_STATUS), TESTCARD_IS_MSIX | TESTCARD_IS_MASTER);
}
END_TEST

static uint32_t dma(uint64_t address, uint32_t len, uint32_t offset, uint32_t control)
{
	d->ops->bar_write(d, 0, TESTCARD_DMA_ADDRESS, 8, address);
	set(TESTCARD_DMA_LENGTH, len);
	set(TESTCARD_DMA_OFFSET, offset);
	set(TESTCARD_DMA_STATUS, ~0u);
	set(TESTCARD_DMA_CONTROL, control | TESTCARD_DMA_START);
	return get(TESTCARD_DMA_STATUS);
}

START_TEST(dma_moves_bytes)
{
	card(NULL);
	uint64_t at = test_frame(pci.t) * PAGE_SIZE;
	uint8_t *frame = pci.t->memory + at, *memory = d->bar[0].area[0].memory;

	ck_assert_uint_eq(d->bar[0].area[0].offset, TESTCARD_PAGE);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		frame[i] = (uint8_t)(i * 3);
	ck_assert_uint_eq(dma(at, PAGE_SIZE, 0, 0), TESTCARD_DMA_DONE);
	ck_assert_int_eq(memcmp(memory, frame, PAGE_SIZE), 0);
	memset(memory, 0x5a, 100);
	set(TESTCARD_ENABLE, 1 << 4);
	ck_assert_uint_eq(dma(at + 500, 100, 0, TESTCARD_DMA_TO_HOST | TESTCARD_DMA_IRQ | 4 << 8),
			  TESTCARD_DMA_DONE);
	ck_assert_uint_eq(frame[499], (uint8_t)(499 * 3));
	ck_assert_uint_eq(frame[500] & frame[599], 0x5a);
	ck_assert_uint_eq(frame[600], (uint8_t)(600 * 3));
	ck_assert(pci.intx);
	ck_assert_uint_eq(get(TESTCARD_CAUSE), 1 << 4);
	ck_assert_uint_eq(get(TESTCARD_DMA_BYTES), PAGE_SIZE + 100);
}
END_TEST

START_TEST(dma_keeps_to_its_bounds)
{
	card(NULL);
	uint64_t at = test_frame(pci.t) * PAGE_SIZE;
	uint32_t bounds = TESTCARD_DMA_DONE | TESTCARD_DMA_BAD_BOUNDS;
	uint32_t address = TESTCARD_DMA_DONE | TESTCARD_DMA_BAD_ADDR;

	ck_assert_uint_eq(dma(at, TESTCARD_MEMORY + 1, 0, 0), bounds);
	ck_assert_uint_eq(dma(at, 1, TESTCARD_MEMORY, 0), bounds);
	ck_assert_uint_eq(dma(at, ~0u, 2, 0), bounds);
	ck_assert_uint_eq(dma(at, 2, ~0u, TESTCARD_DMA_TO_HOST), bounds);
	ck_assert_uint_eq(dma(pci.t->d->nr_ram * PAGE_SIZE - 1, 2, 0, TESTCARD_DMA_TO_HOST),
			  address);
	ck_assert_uint_eq(dma(~0ull, 1, 0, 0), address);
	set(TESTCARD_ENABLE, 1);
	ck_assert_uint_eq(dma(1ull << 60, 1, 0, TESTCARD_DMA_IRQ), address);
	ck_assert(pci.intx);
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(dma(at, 1, 0, 0), TESTCARD_DMA_DONE | TESTCARD_DMA_NO_MASTER);
	ck_assert_uint_eq(get(TESTCARD_DMA_BYTES), 0);
}
END_TEST

START_TEST(interrupts_are_lost)
{
	card("lose=1");
	set(TESTCARD_ENABLE, 0xff);
	set(TESTCARD_RAISE, 1);
	ck_assert(!pci.intx);
	ck_assert_uint_eq(get(TESTCARD_LOSE), 0);
	set(TESTCARD_RAISE, 1);
	ck_assert(pci.intx);
	set(TESTCARD_CAUSE, 1);
	d->ops->msix_enable(d, (const uint16_t[]){0}, 1);
	set(TESTCARD_FAULT, TESTCARD_FAULT_MUTE);
	set(TESTCARD_RAISE, 1);
	set(TESTCARD_RAISE, 1);
	ck_assert_uint_eq(pci.msix[0], 0);
	set(TESTCARD_FAULT, 0);
	set(TESTCARD_RAISE, 1);
	ck_assert_uint_eq(pci.msix[0], 1);
}
END_TEST

START_TEST(intx_is_stuck)
{
	card("fault=1");
	ck_assert(pci.intx);
	set(TESTCARD_CAUSE, ~0u);
	ck_assert(pci.intx);
	set(TESTCARD_FAULT, 0);
	ck_assert(!pci.intx);
}
END_TEST

START_TEST(storms)
{
	card(NULL);
	set(TESTCARD_ENABLE, 1);
	d->ops->msix_enable(d, (const uint16_t[]){0}, 1);
	set(TESTCARD_STORM, 5000);
	ck_assert_uint_eq(get(TESTCARD_STORM), 1000);
	PCI_WAIT(pci.msix[0] > 3000);
	set(TESTCARD_STORM, 0);
	test_loop_sync();
	unsigned n = pci.msix[0];
	ck_assert_uint_eq(get(TESTCARD_SENT), n);
	test_loop_sync();
	ck_assert_uint_eq(pci.msix[0], n);
}
END_TEST

START_TEST(the_doorbell_rings)
{
	card(NULL);
	set(TESTCARD_ENABLE, 2);
	ck_assert_uint_eq(d->bar[0].nr_notify, 1);
	ck_assert_uint_eq(d->bar[0].notify[0].offset, TESTCARD_BELL);
	eventfd_write(d->bar[0].notify[0].fd, 1);
	PCI_WAIT(pci.intx);
	ck_assert_uint_eq(get(TESTCARD_BELLS), 1);
	ck_assert_uint_eq(get(TESTCARD_CAUSE), 2);
}
END_TEST

START_TEST(configuration_space_misbehaves)
{
	uint32_t val = 0;

	card("delay=20");
	ck_assert_uint_eq(d->answer_delay, 20);
	set(TESTCARD_DELAY, PCI_ANSWER_NEVER);
	ck_assert_uint_eq(d->answer_delay, PCI_ANSWER_NEVER);
	set(TESTCARD_FAULT, TESTCARD_FAULT_WRONG);
	ck_assert_uint_eq(config_get(d, PCI_VENDOR_ID, 2), 0xffff & ~TESTCARD_VENDOR);
	set(TESTCARD_FAULT, TESTCARD_FAULT_DEAD);
	ck_assert_int_lt(d->ops->config_read(d, 0, 4, &val), 0);
	ck_assert_int_lt(d->ops->config_write(d, PCI_COMMAND, 2, 0), 0);
	set(TESTCARD_RESET, 1);
	ck_assert_uint_eq(config_get(d, PCI_VENDOR_ID, 2), TESTCARD_VENDOR);
	ck_assert_uint_eq(d->answer_delay, 20);
	set(TESTCARD_FAULT, TESTCARD_FAULT_ONES);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	set(TESTCARD_FAULT, 0);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	ck_assert_int_eq(d->ops->reset(d), 0);
	config_set(d, PCI_COMMAND, 2, ALL_ON);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
}
END_TEST

START_TEST(errors_are_reported)
{
	card(NULL);
	unsigned aer = PCI_CFG_SPACE_SIZE;

	for (uint32_t i = 0; i < 5; i++)
		set(TESTCARD_ERROR, i == 4 ? ~0u : i);
	PCI_WAIT(pci.aer[PCI_AER_FATAL]);
	set(TESTCARD_ERROR, 1);
	PCI_WAIT(pci.aer[PCI_AER_CORRECTABLE]);
	set(TESTCARD_ERROR, 2);
	PCI_WAIT(pci.aer[PCI_AER_NONFATAL]);
	ck_assert(!pthread_equal(pci.aer_thread, pthread_self()));
	ck_assert_uint_eq(config_get(d, aer + PCI_ERR_UNCOR_STATUS, 4),
			  PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_COMP_TIME);
	ck_assert_uint_eq(config_get(d, aer + PCI_ERR_COR_STATUS, 4), PCI_ERR_COR_BAD_TLP);
}
END_TEST

START_TEST(it_is_pulled_out)
{
	card(NULL);
	set(TESTCARD_ENABLE, 1);
	set(TESTCARD_RAISE, 1);
	set(TESTCARD_STORM, 10);
	set(TESTCARD_REMOVE, 1);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	set(TESTCARD_REMOVE, TESTCARD_REMOVE_KEY);
	PCI_WAIT(pci.left);
	ck_assert(!pci.intx);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	ck_assert_uint_eq(((uint8_t *)d->bar[0].area[0].memory)[5], 0xff);
	ck_assert_uint_eq(d->ops->bar_read(d, 2, 0, 1), 0xff);
	ck_assert_uint_eq(config_get(d, PCI_VENDOR_ID, 4), ~0u);
	config_set(d, PCI_COMMAND, 2, 0);
	ck_assert_int_lt(d->ops->reset(d), 0);
	set(TESTCARD_REMOVE, TESTCARD_REMOVE_KEY);
	test_loop_sync();
	ck_assert_uint_eq(pci.left, 1);
}
END_TEST

START_TEST(a_reset_ends_everything)
{
	card(NULL);
	unsigned exp = config_find(d, PCI_CAP_ID_EXP);

	for (unsigned how = 0; how < 2; how++) {
		set(TESTCARD_SCRATCH, 1);
		set(TESTCARD_ENABLE, 1);
		set(TESTCARD_RAISE, 1);
		((uint8_t *)d->bar[0].area[0].memory)[5] = 1;
		d->ops->msix_enable(d, (const uint16_t[]){0}, 1);
		if (how)
			config_set(d, exp + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
		else
			ck_assert_int_eq(d->ops->reset(d), 0);
		ck_assert_uint_eq(config_get(d, exp + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR,
				  0);
		ck_assert_uint_eq(config_get(d, PCI_COMMAND, 2), 0);
		config_set(d, PCI_COMMAND, 2, ALL_ON);
		ck_assert_uint_eq(
			get(TESTCARD_SCRATCH) | get(TESTCARD_ENABLE) | get(TESTCARD_CAUSE), 0);
		ck_assert_uint_eq(get(TESTCARD_STATUS), TESTCARD_IS_MASTER);
		ck_assert_uint_eq(((uint8_t *)d->bar[0].area[0].memory)[5], 0);
		ck_assert(!pci.intx);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		shows_what_it_is,
		has_what_its_options_say,
		refuses_bad_options,
		registers_take_the_widths_of_the_sheet,
		bars_answer_when_enabled,
		intx_is_a_level,
		messages_are_sent,
		dma_moves_bytes,
		dma_keeps_to_its_bounds,
		interrupts_are_lost,
		intx_is_stuck,
		storms,
		the_doorbell_rings,
		configuration_space_misbehaves,
		errors_are_reported,
		it_is_pulled_out,
		a_reset_ends_everything,
	};

	return RUN_TESTS("testcard", setup, teardown, tests);
}
