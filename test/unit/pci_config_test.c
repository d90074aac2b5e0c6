/*
 * The configuration space of functions made of software: layouts of PCI 3.0 and PCI Express 3.0
 * (numbers from <linux/pci_regs.h>), what writes change, what a reset gives back.
 */
#include <errno.h>
#include <string.h>

#include "devices/pci/pci_config.h"
#include "test/unit/test_run.h"

static struct pci_config c;
static struct pci_device d;

static void setup(void)
{
	static const struct pci_config_id id = {.vendor = 0x1234,
						.device = 0x5678,
						.subsystem_vendor = 0x9abc,
						.subsystem = 0xdef0,
						.class = 0x010802,
						.revision = 3,
						.interrupt_pin = 2};
	memset(&d, 0, sizeof(d));
	d.bar[0] = (struct pci_bar){.kind = PCI_BAR_MEM64, .size = 1ull << 33};
	d.bar[2] = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x2000, .prefetchable = true};
	d.bar[4] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 64};
	d.rom = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x10000};
	pci_config_init(&c, PCIE_CONFIG_SIZE, &id);
	pci_config_bars(&c, &d);
	pci_config_done(&c);
}

static uint32_t get(unsigned offset, unsigned bytes)
{
	uint32_t v = 0;

	ck_assert_int_eq(pci_config_read(&c, offset, bytes, &v), 0);
	return v;
}

static void set(unsigned offset, unsigned bytes, uint32_t v)
{
	ck_assert_int_eq(pci_config_write(&c, offset, bytes, v), 0);
}

START_TEST(header)
{
	ck_assert_uint_eq(get(0, 4), 0x56781234);
	ck_assert_uint_eq(get(8, 4), 0x01080203);
	ck_assert_uint_eq(get(0x2c, 4), 0xdef09abc);
	ck_assert_uint_eq(get(PCI_INTERRUPT_PIN, 1), 2);
	ck_assert_uint_eq(get(PCI_HEADER_TYPE, 1), 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2), 0);
	ck_assert_uint_eq(d.config_size, PCIE_CONFIG_SIZE);
	set(0, 4, 0);
	set(8, 4, 0);
	ck_assert_uint_eq(get(0, 4), 0x56781234);
	ck_assert_uint_eq(get(8, 4), 0x01080203);
}
END_TEST

START_TEST(command_and_status)
{
	set(PCI_COMMAND, 2, 0xffff);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0x0547);
	ck_assert_uint_eq(pci_config_command(&c), 0x0547);
	set(PCI_COMMAND + 1, 1, 0);
	ck_assert_uint_eq(pci_config_command(&c), 0x0047);
	pci_config_set(&c, PCI_STATUS, 2, 0xf910);
	set(PCI_STATUS, 2, 0x8000); /* writing 1 clears */
	ck_assert_uint_eq(get(PCI_STATUS, 2), 0x7910);
	pci_config_set_intx(&c, true);
	ck_assert_uint_eq(get(PCI_STATUS, 1), 0x18);
	ck_assert_uint_eq(get(PCI_STATUS + 1, 1), 0x79);
	ck_assert_uint_eq(get(PCI_COMMAND, 4), 0x79180047);
	pci_config_set_intx(&c, false);
	ck_assert_uint_eq(get(PCI_STATUS, 2), 0x7910);
}
END_TEST

START_TEST(bars_tell_sizes)
{
	static const uint32_t sizes[] = {0x00000004, 0xfffffffe, 0xffffe008, 0, 0xffffffc1, 0};

	for (unsigned i = 0; i < 6; i++) {
		set(PCI_BASE_ADDRESS_0 + 4 * i, 4, ~0u);
		ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0 + 4 * i, 4), sizes[i]);
	}
	set(PCI_ROM_ADDRESS, 4, ~0u);
	ck_assert_uint_eq(get(PCI_ROM_ADDRESS, 4), 0xffff0001);
	set(PCI_BASE_ADDRESS_2, 4, 0xe0002000);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_2, 4), 0xe0002008);
}
END_TEST

START_TEST(capability_list)
{
	static const uint8_t ids[] = {PCI_CAP_ID_PM, PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX,
				      PCI_CAP_ID_EXP};

	ck_assert_uint_eq(pci_config_add_pm(&c), 0x40);
	ck_assert_uint_eq(pci_config_add_msi(&c, 8, false), 0x48);
	ck_assert_uint_eq(pci_config_add_msix(&c, 9, 2, 0x1000, 4, 0x800), 0x58);
	ck_assert_uint_eq(pci_config_add_pcie(&c), 0x64);
	ck_assert_uint_eq(get(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	unsigned at = get(PCI_CAPABILITY_LIST, 1);
	for (unsigned i = 0; i < 4; i++, at = get(at + 1, 1))
		ck_assert_uint_eq(get(at, 1), ids[i]);
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(get(c.msi + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT | 3 << 1);
	ck_assert_uint_eq(get(c.msix + PCI_MSIX_FLAGS, 2), 8);
	ck_assert_uint_eq(get(c.msix + PCI_MSIX_TABLE, 4), 0x1002);
	ck_assert_uint_eq(get(c.msix + PCI_MSIX_PBA, 4), 0x804);
	ck_assert_uint_eq(get(c.pcie + PCI_EXP_FLAGS, 2), 2);
	/* No room. */
	ck_assert_uint_eq(pci_config_add_cap(&c, PCI_CAP_ID_VNDR, 0x60), 0xa0);
	ck_assert_uint_eq(pci_config_add_cap(&c, PCI_CAP_ID_VNDR, 3), 0);
	ck_assert_uint_eq(get(0xa1, 1), 0);
}
END_TEST

START_TEST(extended_capabilities)
{
	ck_assert_uint_eq(pci_config_add_aer(&c), 0x100);
	ck_assert_uint_eq(pci_config_add_ext_cap(&c, PCI_EXT_CAP_ID_DSN, 1, 12), 0x148);
	ck_assert_uint_eq(get(0x100, 4), PCI_EXT_CAP_ID_ERR | 2 << 16 | 0x148u << 20);
	ck_assert_uint_eq(get(0x148, 4), PCI_EXT_CAP_ID_DSN | 1 << 16);
	ck_assert_uint_eq(pci_config_add_ext_cap(&c, PCI_EXT_CAP_ID_VNDR, 1, 4096), 0);
	/* A space that has no such part. */
	pci_config_init(&c, PCI_CONFIG_SIZE, &(struct pci_config_id){0});
	ck_assert_uint_eq(pci_config_add_aer(&c), 0);
}
END_TEST

START_TEST(errors)
{
	static const uint32_t log[4] = {1, 2, 3, 4};

	pci_config_add_pcie(&c);
	pci_config_add_aer(&c);
	pci_config_done(&c);
	ck_assert_int_eq(pci_config_report_uncorrectable(&c, PCI_ERR_UNC_COMP_TIME, log),
			 PCI_AER_NONFATAL);
	ck_assert_uint_eq(get(c.aer + PCI_ERR_UNCOR_STATUS, 4), PCI_ERR_UNC_COMP_TIME);
	ck_assert_uint_eq(get(c.aer + PCI_ERR_CAP, 4) & 0x1f, 14);
	ck_assert_uint_eq(get(c.aer + PCI_ERR_HEADER_LOG + 12, 4), 4);
	ck_assert_uint_eq(get(c.pcie + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_NFED);
	ck_assert_int_eq(pci_config_report_uncorrectable(&c, PCI_ERR_UNC_MALF_TLP, NULL),
			 PCI_AER_FATAL);
	/* The severity is the guest's to choose. */
	set(c.aer + PCI_ERR_UNCOR_SEVER, 4, PCI_ERR_UNC_COMP_TIME);
	ck_assert_int_eq(pci_config_report_uncorrectable(&c, PCI_ERR_UNC_MALF_TLP, NULL),
			 PCI_AER_NONFATAL);
	set(c.aer + PCI_ERR_UNCOR_STATUS, 4, PCI_ERR_UNC_MALF_TLP);
	ck_assert_uint_eq(get(c.aer + PCI_ERR_UNCOR_STATUS, 4), PCI_ERR_UNC_COMP_TIME);
	set(c.pcie + PCI_EXP_DEVSTA, 2, 0xffff);
	ck_assert_uint_eq(get(c.pcie + PCI_EXP_DEVSTA, 2), 0);
	pci_config_report_correctable(&c, PCI_ERR_COR_BAD_TLP);
	ck_assert_uint_eq(get(c.aer + PCI_ERR_COR_STATUS, 4), PCI_ERR_COR_BAD_TLP);
	ck_assert_uint_eq(get(c.pcie + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_CED);
}
END_TEST

START_TEST(a_reset_keeps_the_addresses)
{
	pci_config_add_msix(&c, 4, 0, 0, 0, 0x800);
	pci_config_done(&c);
	set(PCI_COMMAND, 2, 7);
	set(PCI_BASE_ADDRESS_2, 4, 0xe0002000);
	set(c.msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert_uint_eq(get(c.msix + PCI_MSIX_FLAGS, 2), PCI_MSIX_FLAGS_ENABLE | 3);
	pci_config_reset(&c);
	ck_assert_uint_eq(pci_config_command(&c), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_2, 4), 0xe0002008);
	ck_assert_uint_eq(get(c.msix + PCI_MSIX_FLAGS, 2), 3);
}
END_TEST

START_TEST(accesses_that_are_none)
{
	static const unsigned bad[][2] = {{0, 0},   {0, 3},    {0, 8},	       {1, 2},
					  {2, 4},   {4096, 1}, {4096, 4},      {~0u, 1},
					  {~3u, 4}, {0, ~0u},  {0x80000000, 4}};
	uint32_t v = 7;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(pci_config_read(&c, bad[i][0], bad[i][1], &v), -EINVAL);
		ck_assert_int_eq(pci_config_write(&c, bad[i][0], bad[i][1], 0), -EINVAL);
	}
	ck_assert_uint_eq(v, 7);
	ck_assert_uint_eq(get(4095, 1), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		header,
		command_and_status,
		bars_tell_sizes,
		capability_list,
		extended_capabilities,
		errors,
		a_reset_keeps_the_addresses,
		accesses_that_are_none,
	};

	return RUN_TESTS("pci_config", setup, NULL, tests);
}
