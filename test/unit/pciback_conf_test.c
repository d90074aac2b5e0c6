/*
 * The configuration space that a guest sees, field by field: the rules of Linux 6.1's
 * xen-pciback (conf_space_header.c, conf_space_capability.c).
 */
#include <errno.h>
#include <string.h>

#include "devices/pci/pciback_internal.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

static struct pcifront *f;
static struct soft_function *s;
static struct conf_space *c;

static void start(bool permissive)
{
	s = pf_add_with(f, &(struct pciback_options){.vslot = -1, .permissive = permissive});
	c = &f->pciback->fn[0]->conf;
}

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	start(false);
}

static void setup_permissive(void)
{
	f = pf_new(PCIBACK_VPCI);
	start(true);
}

static void teardown(void)
{
	pf_free(f);
}

static uint32_t get(int offset, int size)
{
	uint32_t v = 0xdead;

	ck_assert_int_eq(conf_space_read(c, offset, size, &v), 0);
	return v;
}

static int set(int offset, int size, uint32_t v)
{
	return conf_space_write(c, offset, size, v);
}

/* The function's own. */
static uint32_t real(unsigned offset, unsigned size)
{
	return pci_config_get(&s->config, offset, size);
}

static void preset(unsigned offset, unsigned size, uint32_t v)
{
	pci_config_set(&s->config, offset, size, v);
}

START_TEST(sizes_and_offsets)
{
	static const int bad[][2] = {
		{0, 0},
		{0, 3},
		{0, 8},
		{0, -1},
		{1, 2},
		{2, 4},
		{3, 4},
		{-1, 1},
		{-4, 4},
		{4096, 1},
		{4096, 4},
		{4098, 2},
		{0x7fffffff, 1},
		{0x7ffffffc, 4},
		{-2147483647 - 1, 4},
		{0, 2147483647},
		{0, -2147483647 - 1},
		{-2, -2},
	};
	uint32_t v;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = 1;
		ck_assert_int_eq(conf_space_read(c, bad[i][0], bad[i][1], &v),
				 XEN_PCI_ERR_invalid_offset);
		ck_assert_uint_eq(v, 0);
		unsigned before = s->writes;
		ck_assert_int_eq(conf_space_write(c, bad[i][0], bad[i][1], ~0u),
				 XEN_PCI_ERR_invalid_offset);
		ck_assert_uint_eq(s->writes, before);
	}
	ck_assert_uint_eq(get(4092, 4), 0);
	ck_assert_uint_eq(get(4095, 1), 0);
	s->d.config_size = PCI_CONFIG_SIZE;
	ck_assert_uint_eq(get(256, 4), ~0u);
	ck_assert_uint_eq(get(4094, 2), 0xffff);
	unsigned before = s->writes;
	ck_assert_int_eq(set(256, 4, 0), 0);
	ck_assert_uint_eq(s->writes, before);
	ck_assert_int_eq(conf_space_read(c, 255, 1, &v), 0);
}
END_TEST

START_TEST(identity_is_read_only)
{
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_uint_eq(get(PCI_CLASS_REVISION, 4), 0x02000007);
	ck_assert_uint_eq(get(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x22221111);
	ck_assert_uint_eq(get(PCI_HEADER_TYPE, 1), 0);
	ck_assert_uint_eq(get(PCI_CAPABILITY_LIST, 1), 0x40);
	memset(s->config.writable, 0xff, sizeof(s->config.writable));
	unsigned before = s->writes;
	for (unsigned o = 0; o < 0x40; o += 4) {
		if (o == PCI_COMMAND || o == PCI_CACHE_LINE_SIZE)
			continue;
		ck_assert_int_eq(set((int)o, 4, 0x5a5a5a5a), 0);
	}
	ck_assert_uint_eq(s->writes, before);
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_uint_eq(get(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x22221111);
}
END_TEST

START_TEST(the_command_register)
{
	/* As a BIOS leaves it: its BARs answer. */
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	/* What decodes goes on to decode; the guest sees what it wrote. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(real(PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	/* Bus mastering is real. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert(real(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY), 0);
	ck_assert(!(real(PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
	/* It ends when nothing is decoded; asked for together, it comes back at once. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER), 0);
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_MASTER), 0);
	ck_assert(real(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0), 0);
	ck_assert(!(real(PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
	/* INTx is not the guest's to switch off: it only sees its bit; as SERR, parity, and the
	 * reserved ones. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0xfd40), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0xfd40);
	ck_assert(!(real(PCI_COMMAND, 2) & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
	/* Special cycles and the like the device does not do, and reads say so. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_SPECIAL | PCI_COMMAND_FAST_BACK), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
	/* A byte of it. */
	ck_assert_int_eq(set(PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE);
	ck_assert_int_eq(set(PCI_COMMAND, 1, PCI_COMMAND_MEMORY), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY);
}
END_TEST

/* Memory write and invalidate needs a cache line's size. */
START_TEST(memory_write_and_invalidate)
{
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_INVALIDATE), 0);
	ck_assert_uint_eq(real(PCI_CACHE_LINE_SIZE, 1), 16);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0); /* the device does not have the bit */
	pci_config_set_writable(&s->config, PCI_COMMAND, 2, 0xffff);
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0), 0);
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_INVALIDATE), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), PCI_COMMAND_INVALIDATE);
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
	pci_config_set_writable(&s->config, PCI_CACHE_LINE_SIZE, 1, 0);
	preset(PCI_CACHE_LINE_SIZE, 1, 0);
	ck_assert_int_eq(set(PCI_COMMAND, 2, PCI_COMMAND_INVALIDATE), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
}
END_TEST

START_TEST(status_is_read_only)
{
	preset(PCI_STATUS, 2, PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR);
	ck_assert_int_eq(set(PCI_STATUS, 2, 0xffff), 0);
	ck_assert_uint_eq(get(PCI_STATUS, 2), PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR);
	/* Both registers in one write: the command's half is taken. */
	ck_assert_int_eq(set(PCI_COMMAND, 4, 0xffff0000 | PCI_COMMAND_MEMORY), 0);
	ck_assert_uint_eq(get(PCI_COMMAND, 4), (PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR)
							       << 16 |
						       PCI_COMMAND_MEMORY);
	pci_config_set_intx(&s->config, true);
	ck_assert(get(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	ck_assert(get(PCI_COMMAND, 4) & PCI_STATUS_INTERRUPT << 16);
}
END_TEST

START_TEST(bars_show_where_they_are)
{
	uint64_t a = s->d.bar[0].address;

	ck_assert_uint_gt(a >> 32, 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0, 4), (uint32_t)a | 4);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_1, 4), a >> 32);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_2, 4), s->d.bar[2].address | 1);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_3, 4), s->d.bar[3].address | 8);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_4, 4), 0);
	ck_assert_uint_eq(get(PCI_ROM_ADDRESS, 4), 0);
	/* The device itself knows, too. */
	ck_assert_uint_eq(real(PCI_BASE_ADDRESS_0, 4), (uint32_t)a | 4);
	ck_assert_uint_eq(real(PCI_BASE_ADDRESS_1, 4), a >> 32);
	ck_assert_uint_eq(real(PCI_BASE_ADDRESS_2, 4), s->d.bar[2].address | 1);
	/* Parts of them. */
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0 + 2, 2), (uint32_t)a >> 16);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0 + 3, 1), (uint32_t)a >> 24);
}
END_TEST

START_TEST(bars_tell_their_sizes)
{
	static const struct {
		int at;
		uint32_t size;
	} bars[] = {
		{PCI_BASE_ADDRESS_0, 0xffffc004},
		{PCI_BASE_ADDRESS_1, 0xffffffff},
		{PCI_BASE_ADDRESS_2, 0xffffffe1},
		{PCI_BASE_ADDRESS_3, 0xfffff008},
		{PCI_BASE_ADDRESS_4, 0},
		{PCI_BASE_ADDRESS_5, 0},
		{PCI_ROM_ADDRESS, 0},
	};
	unsigned before = s->writes;

	for (unsigned i = 0; i < sizeof(bars) / sizeof(bars[0]); i++) {
		uint32_t was = get(bars[i].at, 4);

		ck_assert_int_eq(set(bars[i].at, 4, ~0u), 0);
		ck_assert_uint_eq(get(bars[i].at, 4), bars[i].size);
		ck_assert_int_eq(set(bars[i].at, 4, was), 0);
		ck_assert_uint_eq(get(bars[i].at, 4), was);
		/* Another address is not taken, and ends the question. */
		ck_assert_int_eq(set(bars[i].at, 4, ~0u), 0);
		ck_assert_int_eq(set(bars[i].at, 4, 0x12345000), 0);
		ck_assert_uint_eq(get(bars[i].at, 4), was);
	}
	/* The flags' bits do not matter. */
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_0, 4, 0xfffffff0), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_0, 4), 0xffffc004);
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_1, 4, 0xfffffff0), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_1, 4), s->d.bar[0].address >> 32);
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_2, 4, 0xfffffffc), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_2, 4), 0xffffffe1);
	/* Nothing of it reached the device. */
	ck_assert_uint_eq(s->writes, before);
}
END_TEST

/* A device that lost its address gets that, and no other. */
START_TEST(bars_are_put_back)
{
	uint32_t was = get(PCI_BASE_ADDRESS_3, 4);

	preset(PCI_BASE_ADDRESS_3, 4, 0);
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_3, 4, was + 0x1000), 0);
	ck_assert_uint_eq(real(PCI_BASE_ADDRESS_3, 4), 0);
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_3, 4, was), 0);
	ck_assert_uint_eq(s->last_write_offset, PCI_BASE_ADDRESS_3);
	ck_assert_uint_eq(s->last_write, was);
}
END_TEST

START_TEST(interrupt_line_and_pin)
{
	ck_assert_uint_eq(get(PCI_INTERRUPT_LINE, 1), s->d.irqs->line);
	ck_assert_uint_eq(get(PCI_INTERRUPT_LINE, 1), 16);
	ck_assert_uint_eq(get(PCI_INTERRUPT_PIN, 1), 1);
	ck_assert_int_eq(set(PCI_INTERRUPT_LINE, 2, 0x0503), 0);
	ck_assert_uint_eq(get(PCI_INTERRUPT_LINE, 2), 0x0110);
}
END_TEST

START_TEST(bytes_that_may_be_written)
{
	memset(s->config.writable + PCI_CACHE_LINE_SIZE, 0xff, 4);
	ck_assert_int_eq(set(PCI_CACHE_LINE_SIZE, 1, 0x10), 0);
	ck_assert_uint_eq(get(PCI_CACHE_LINE_SIZE, 1), 0x10);
	ck_assert_int_eq(set(PCI_LATENCY_TIMER, 1, 0x20), 0);
	ck_assert_uint_eq(get(PCI_LATENCY_TIMER, 1), 0);
	/* A self test may be started, its code and completion not be written. */
	preset(PCI_BIST, 1, PCI_BIST_CAPABLE);
	ck_assert_int_eq(set(PCI_BIST, 1, PCI_BIST_CAPABLE | 5), 0);
	ck_assert_uint_eq(get(PCI_BIST, 1), PCI_BIST_CAPABLE);
	ck_assert_int_eq(set(PCI_BIST, 1, PCI_BIST_CAPABLE | PCI_BIST_START), 0);
	ck_assert_uint_eq(get(PCI_BIST, 1), PCI_BIST_CAPABLE | PCI_BIST_START);
}
END_TEST

START_TEST(capabilities_are_all_shown)
{
	static const uint8_t expected[] = {PCI_CAP_ID_PM, PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX,
					   PCI_CAP_ID_VPD, PCI_CAP_ID_EXP};
	unsigned at = get(PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; i < sizeof(expected); i++) {
		uint32_t head = get((int)at, 2);

		ck_assert_uint_eq(head & 0xff, expected[i]);
		ck_assert_int_eq(set((int)at, 2, 0xffff), 0);
		ck_assert_uint_eq(get((int)at, 2), head);
		at = head >> 8;
	}
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(get(PCI_CONFIG_SIZE, 4) & 0xffff, PCI_EXT_CAP_ID_ERR);
}
END_TEST

START_TEST(power_management)
{
	unsigned pm = s->config.pm;
	int ctrl = (int)pm + PCI_PM_CTRL;

	/* No PME, which may be another domain's. */
	preset(pm + PCI_PM_PMC, 2, PCI_PM_CAP_PME_MASK | PCI_PM_CAP_D1 | 3);
	ck_assert_uint_eq(get((int)pm + PCI_PM_PMC, 2), PCI_PM_CAP_D1 | 3);
	pci_config_set_writable(&s->config, (unsigned)ctrl, 2, 0xffff);
	ck_assert_int_eq(set(ctrl, 2, PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_DATA_SEL_MASK), 0);
	ck_assert_uint_eq(get(ctrl, 2), PCI_PM_CTRL_NO_SOFT_RESET | PCI_PM_CTRL_DATA_SEL_MASK);
	ck_assert_int_eq(set(ctrl, 2, 0), 0);
	/* Deeper, or to D0. D2 this one has not. */
	ck_assert_int_eq(set(ctrl, 2, 2), XEN_PCI_ERR_access_denied);
	ck_assert_int_eq(set(ctrl, 2, 1), 0);
	ck_assert_uint_eq(get(ctrl, 2) & 3, 1);
	ck_assert_int_eq(set(ctrl, 2, 3), 0);
	ck_assert_uint_eq(get(ctrl, 2) & 3, 3);
	ck_assert_int_eq(set(ctrl, 2, 1), XEN_PCI_ERR_access_denied);
	ck_assert_uint_eq(get(ctrl, 2) & 3, 3);
	ck_assert_int_eq(set(ctrl, 2, 0), 0);
	ck_assert_uint_eq(get(ctrl, 2), PCI_PM_CTRL_NO_SOFT_RESET);
}
END_TEST

START_TEST(vital_product_data)
{
	int at = (int)s->vpd;

	ck_assert_int_eq(set(at + PCI_VPD_ADDR, 2, 0x1234), 0);
	ck_assert_uint_eq(get(at + PCI_VPD_ADDR, 2), 0x1234);
	ck_assert_int_eq(set(at + PCI_VPD_ADDR, 2, PCI_VPD_ADDR_F), XEN_PCI_ERR_access_denied);
	ck_assert_uint_eq(get(at + PCI_VPD_ADDR, 2), 0x1234);
	ck_assert_int_eq(set(at + PCI_VPD_DATA, 4, 0xffffffff), 0);
	ck_assert_uint_eq(get(at + PCI_VPD_DATA, 4), 0);
}
END_TEST

START_TEST(msi_is_not_enabled_by_its_register)
{
	int msi = (int)s->config.msi + PCI_MSI_FLAGS, msix = (int)s->config.msix + PCI_MSIX_FLAGS;
	uint32_t v = get(msi, 2), x = get(msix, 2);

	ck_assert_int_eq(set(msi, 2, v), 0); /* as it is */
	ck_assert_int_eq(set(msi, 2, v | PCI_MSI_FLAGS_ENABLE), XEN_PCI_ERR_access_denied);
	ck_assert_int_eq(set(msi, 2, v | 1 << 4), XEN_PCI_ERR_access_denied);
	ck_assert_uint_eq(get(msi, 2), v);
	ck_assert_int_eq(set(msix, 2, x | PCI_MSIX_FLAGS_ENABLE), XEN_PCI_ERR_access_denied);
	ck_assert_int_eq(set(msix, 2, x | PCI_MSIX_FLAGS_MASKALL), XEN_PCI_ERR_access_denied);
	ck_assert_uint_eq(get(msix, 2), x);
	/* Addresses and data are read-only, without an error. */
	ck_assert_int_eq(set(msi + 2, 4, 0xfee00000), 0);
	ck_assert_uint_eq(get(msi + 2, 4), 0);
	ck_assert_uint_eq(s->msi_enables + s->msix_enables, 0);
}
END_TEST

START_TEST(what_has_no_rule_is_read_only)
{
	int devctl = (int)s->config.pcie + PCI_EXP_DEVCTL;
	uint32_t was = get(devctl, 2);

	ck_assert_int_eq(set(devctl, 2, ~was & 0xffff), 0);
	ck_assert_uint_eq(get(devctl, 2), was);
	ck_assert_int_eq(set(0x108, 4, ~0u), 0);
	ck_assert_uint_eq(get(0x108, 4), 0);
}
END_TEST

START_TEST(a_device_that_does_not_answer)
{
	uint32_t v;

	s->dead = true;
	ck_assert_int_eq(conf_space_read(c, 0, 4, &v), XEN_PCI_ERR_dev_not_found);
	ck_assert_uint_eq(v, ~0u);
	ck_assert_int_eq(conf_space_read(c, 2, 2, &v), XEN_PCI_ERR_dev_not_found);
	ck_assert_uint_eq(v, 0xffff);
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0xffff), XEN_PCI_ERR_dev_not_found);
	s->dead = false;
	ck_assert_uint_eq(get(0, 4), 0x56781234);
}
END_TEST

/* ---- registers that the user allows ---- */

START_TEST(quirks)
{
	int devctl = (int)s->config.pcie + PCI_EXP_DEVCTL;
	uint32_t line = get(PCI_INTERRUPT_LINE, 1);

	ck_assert_int_eq(conf_space_add_quirk(c, (unsigned)devctl, 2), 0);
	ck_assert_int_eq(set(devctl, 2, 0x2fff), 0);
	ck_assert_uint_eq(get(devctl, 2), 0x2fff);
	/* Its neighbour is as before. */
	ck_assert_int_eq(set(devctl + 8, 2, 0x40), 0);
	ck_assert_uint_eq(get(devctl + 8, 2), 0);
	/* What has a rule keeps it. */
	ck_assert_int_eq(conf_space_add_quirk(c, PCI_INTERRUPT_LINE, 1), 0);
	ck_assert_int_eq(conf_space_add_quirk(c, PCI_BASE_ADDRESS_3, 4), 0);
	ck_assert_int_eq(set(PCI_INTERRUPT_LINE, 1, 5), 0);
	ck_assert_uint_eq(get(PCI_INTERRUPT_LINE, 1), line);
	ck_assert_int_eq(conf_space_add_quirk(c, 4096, 4), -EINVAL);
	ck_assert_int_eq(conf_space_add_quirk(c, 0x42, 4), -EINVAL);
}
END_TEST

START_TEST(quirks_as_options)
{
	static const char *const bad[] = {"",
					  "44",
					  "44:",
					  "44:3",
					  "45:2",
					  "44:2+",
					  "44:22",
					  "+44:2",
					  "1000:4",
					  "x:1",
					  ":2",
					  "44:2,e0:4",
					  "0:1+0:1+0:1+0:1+0:1+0:1+0:1+0:1+0:1"};
	struct pciback_options o = {.vslot = -1};
	char err[200];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(pciback_quirks_parse(bad[i], &o) == -EINVAL, "'%s'", bad[i]);
	ck_assert_int_eq(pciback_quirks_parse("44:2+E0:4+ffc:1", &o), 0);
	ck_assert_uint_eq(o.nr_quirks, 3);
	ck_assert_uint_eq(o.quirk[1].offset, 0xe0);
	ck_assert_uint_eq(o.quirk[1].size, 4);
	struct soft_function *other = soft_new(f, PCI_CONFIG_SIZE);
	ck_assert_int_eq(pciback_add(f->pciback, &other->d, &o, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "soft: its configuration space: Invalid argument");
	o.nr_quirks = 2;
	pci_config_set_writable(&other->config, 0xe0, 4, ~0u);
	ck_assert_int_eq(pciback_add(f->pciback, &other->d, &o, err, sizeof(err)), 0);
	c = &f->pciback->fn[1]->conf;
	ck_assert_int_eq(set(0xe0, 4, 0x12345678), 0);
	ck_assert_uint_eq(get(0xe0, 4), 0x12345678);
}
END_TEST

/* ---- permissive ---- */

START_TEST(permissive_writes_what_has_no_rule)
{
	int devctl = (int)s->config.pcie + PCI_EXP_DEVCTL;
	int msi = (int)s->config.msi;

	ck_assert_int_eq(set(devctl, 2, 0x2fff), 0);
	ck_assert_uint_eq(get(devctl, 2), 0x2fff);
	ck_assert_int_eq(set(msi + PCI_MSI_ADDRESS_LO, 4, 0xfee01000), 0);
	ck_assert_uint_eq(get(msi + PCI_MSI_ADDRESS_LO, 4), 0xfee01000);
	ck_assert_int_eq(set(0x108, 4, ~0u), 0);
	ck_assert_uint_ne(get(0x108, 4), 0);
}
END_TEST

START_TEST(permissive_keeps_the_rules)
{
	int msi = (int)s->config.msi + PCI_MSI_FLAGS;
	uint32_t v = get(msi, 2);

	memset(s->config.writable, 0xff, 0x40);
	ck_assert_int_eq(set(PCI_VENDOR_ID, 4, 0), 0);
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_int_eq(set(PCI_BASE_ADDRESS_3, 4, 0x1000), 0);
	ck_assert_uint_eq(get(PCI_BASE_ADDRESS_3, 4), s->d.bar[3].address | 8);
	ck_assert_int_eq(set(PCI_LATENCY_TIMER, 1, 0x20), 0);
	ck_assert_uint_eq(get(PCI_LATENCY_TIMER, 1), 0);
	/* Some bits of the command register are the device's now. */
	ck_assert_int_eq(set(PCI_COMMAND, 2, 0xffff), 0);
	ck_assert_uint_eq(real(PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
							PCI_COMMAND_MASTER | PCI_COMMAND_SPECIAL |
							PCI_COMMAND_INVALIDATE |
							PCI_COMMAND_VGA_PALETTE | PCI_COMMAND_WAIT |
							PCI_COMMAND_FAST_BACK);
	/* MSI is enabled by a request, always. */
	ck_assert_int_eq(set(msi, 2, v | PCI_MSI_FLAGS_ENABLE), XEN_PCI_ERR_access_denied);
	ck_assert_int_eq(set(msi, 2, v | 2 << 4), 0);
	ck_assert_uint_eq(get(msi, 2), v | 2 << 4);
	ck_assert_uint_eq(s->msi_enables, 0);
}
END_TEST

/* ---- every register, for everything that a guest can write ---- */

/* Whatever is written, one access or several: identity, BARs and what Xen needs stay. */
START_TEST(nothing_gets_through)
{
	uint8_t before[PCI_CONFIG_SIZE];
	uint32_t seed = 1;

	memcpy(before, s->config.byte, sizeof(before));
	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		int size = 1 << (seed >> 30) % 3, offset = (int)(seed >> 8 & 0xfff) & ~(size - 1);
		set(offset, size, seed * 2654435761u);
	}
	for (unsigned o = 0; o < PCI_CONFIG_SIZE; o++) {
		bool may = (o >= PCI_COMMAND && o < PCI_STATUS) || o == PCI_CACHE_LINE_SIZE ||
			   o == PCI_BIST || o - s->config.pm - PCI_PM_CTRL < 2 ||
			   o - s->vpd - PCI_VPD_ADDR < 2;
		if (!may)
			ck_assert_msg(s->config.byte[o] == before[o], "register %x", o);
	}
	ck_assert_uint_eq(s->msi_enables + s->msix_enables + s->resets, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sizes_and_offsets,
		identity_is_read_only,
		the_command_register,
		memory_write_and_invalidate,
		status_is_read_only,
		bars_show_where_they_are,
		bars_tell_their_sizes,
		bars_are_put_back,
		interrupt_line_and_pin,
		bytes_that_may_be_written,
		capabilities_are_all_shown,
		power_management,
		vital_product_data,
		msi_is_not_enabled_by_its_register,
		what_has_no_rule_is_read_only,
		a_device_that_does_not_answer,
		nothing_gets_through,
		quirks,
		quirks_as_options,
	};
	Suite *suite = suite_create("pciback_conf");
	TCase *strict = tcase_create("strict"), *permissive = tcase_create("permissive");

	tcase_add_checked_fixture(strict, setup, teardown);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(strict, tests[i]);
	tcase_add_checked_fixture(permissive, setup_permissive, teardown);
	tcase_add_test(permissive, permissive_writes_what_has_no_rule);
	tcase_add_test(permissive, permissive_keeps_the_rules);
	suite_add_tcase(suite, strict);
	suite_add_tcase(suite, permissive);
	return run_suite(suite);
}
