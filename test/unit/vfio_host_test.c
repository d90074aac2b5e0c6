/*
 * Functions of the host, on a stand-in for the kernel's VFIO: what is opened and set up, and
 * a sentence for each way in which that can fail.
 */
#include "test/unit/vfio_fixture.h"

/* ---- setting up ---- */

START_TEST(a_card_is_described)
{
	create();
	ck_assert_str_eq(d->name, STAND_IN_BDF);
	ck_assert_str_eq(d->ops->model, "vfio");
	ck_assert_uint_eq(d->config_size, PCIE_CONFIG_SIZE);
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM32);
	ck_assert_uint_eq(d->bar[0].size, 16384);
	ck_assert_int_eq(d->bar[1].kind, PCI_BAR_IO);
	ck_assert_uint_eq(d->bar[1].size, 32);
	ck_assert_uint_eq(d->bar[1].nr_areas, 0);
	ck_assert_int_eq(d->bar[2].kind, PCI_BAR_MEM64);
	ck_assert(d->bar[2].prefetchable && !d->bar[0].prefetchable);
	ck_assert_int_eq(d->bar[3].kind, PCI_BAR_NONE);
	ck_assert_uint_eq(d->bar[2].nr_areas, 1);
	ck_assert_uint_eq(d->bar[2].area[0].size, 8192);
	ck_assert_uint_eq(s.device_resets, 1);
}
END_TEST

/* The IOMMU gets the guest's RAM, and none of Xen's heap. */
START_TEST(the_iommu_has_the_guests_memory)
{
	create();
	ck_assert_int_eq(pinned, 1);
	ck_assert_uint_eq(s.nr_maps, 1);
	ck_assert_uint_eq(s.map[0].iova, 0);
	ck_assert_uint_eq(s.map[0].size, t->d->nr_ram * 4096);
	ck_assert_uint_eq(s.map[0].vaddr, (uintptr_t)t->d->memory);
	ck_assert_uint_eq(s.map[0].flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	destroy();
	ck_assert_uint_eq(s.unset_container, 1);
}
END_TEST

/* Devices' addresses are below 4 GiB: no memory is there, and none is pinned. */
START_TEST(a_hole_is_no_memory)
{
	uint64_t nr_ram = t->d->nr_ram;

	t->d->hole_start = 100;
	t->d->hole_frames = 28;
	create();
	ck_assert_uint_eq(s.nr_maps, 2);
	ck_assert_uint_eq(s.map[0].size, 100 * 4096);
	ck_assert_uint_eq(s.map[1].iova, 128 * 4096);
	ck_assert_uint_eq(s.map[1].vaddr, (uintptr_t)t->d->memory + 128 * 4096);
	ck_assert_uint_eq(s.map[1].size, (nr_ram - 128) * 4096);
	destroy();
	/* It ends before the hole. */
	t->d->hole_start = nr_ram;
	create();
	ck_assert_uint_eq(s.nr_maps, 1);
	ck_assert_uint_eq(s.map[0].size, nr_ram * 4096);
	t->d->hole_frames = 0;
}
END_TEST

START_TEST(a_second_function_of_the_group_shares_all)
{
	s.irqs[VFIO_PCI_INTX_IRQ_INDEX] = 0; /* the stand-in has one device */
	create();
	struct pci_device *first = d, *second = try(STAND_IN_BDF);
	ck_assert_msg(second, "%s", err);
	ck_assert_uint_eq(s.set_container, 1);
	ck_assert_uint_eq(s.nr_maps, 1);
	first->ops->destroy(first);
	ck_assert_uint_eq(s.unset_container, 0);
	d = second;
}
END_TEST

START_TEST(a_token_is_passed_on)
{
	s.token = "12345678-1234-1234-1234-123456789abc";
	refused("vf-token=");
	d = try(STAND_IN_BDF ",vf-token=12345678-1234-1234-1234-123456789abc");
	ck_assert_msg(d, "%s", err);
}
END_TEST

/* ---- what can be in the way ---- */

/* Each call that opens the device, each errno that it is known for. */
static const struct {
	const char *open;
	unsigned long request;
	int error;
	const char *words;
} ways[] = {
	{"vfio", 0, ENOENT, "modprobe vfio-pci"},
	{"vfio", 0, ENODEV, "modprobe vfio-pci"},
	{"vfio", 0, EACCES, "permission denied; run this as root"},
	{"vfio", 0, EMFILE, "ulimit -n"},
	{"vfio", 0, EIO, "Input/output error"},
	{NULL, VFIO_GET_API_VERSION, ENOTTY, "has version -1"},
	{NULL, VFIO_CHECK_EXTENSION, ENOTTY, "modprobe vfio_iommu_type1"},
	{"7", 0, ENOENT, "is every function of the group bound to vfio-pci?"},
	{"7", 0, EACCES, "permission denied"},
	{"7", 0, EPERM, "permission denied"},
	{"7", 0, EBUSY, "another program has the group"},
	{"7", 0, ENODEV, "unbound or pulled out"},
	{NULL, VFIO_GROUP_GET_STATUS, ENODEV, "unbound or pulled out"},
	{NULL, VFIO_GROUP_SET_CONTAINER, EINVAL, "in another container"},
	{NULL, VFIO_GROUP_SET_CONTAINER, EPERM, "noiommu"},
	{NULL, VFIO_SET_IOMMU, EPERM, "allow_unsafe_interrupts"},
	{NULL, VFIO_SET_IOMMU, ENODEV, "intel_iommu=on"},
	{NULL, VFIO_SET_IOMMU, EBUSY, "another user in the kernel"},
	{NULL, VFIO_SET_IOMMU, ENOMEM, "out of memory"},
	{NULL, VFIO_IOMMU_MAP_DMA, ENOMEM, "ulimit -l"},
	{NULL, VFIO_IOMMU_MAP_DMA, EINVAL, "reserved there"},
	{NULL, VFIO_IOMMU_MAP_DMA, ENOSPC, "dma_entry_limit"},
	{NULL, VFIO_IOMMU_MAP_DMA, EFAULT, "cannot be pinned"},
	{NULL, VFIO_GROUP_GET_DEVICE_FD, ENODEV, "not bound to vfio-pci"},
	{NULL, VFIO_GROUP_GET_DEVICE_FD, EBUSY, "another program has it"},
	{NULL, VFIO_GROUP_GET_DEVICE_FD, EMFILE, "ulimit -n"},
	{NULL, VFIO_DEVICE_GET_INFO, EIO, "Input/output error"},
	{NULL, VFIO_DEVICE_GET_REGION_INFO, EIO, "Input/output error"},
	{NULL, VFIO_DEVICE_GET_IRQ_INFO, EIO, "Input/output error"},
	{NULL, VFIO_DEVICE_SET_IRQS, EMFILE, "Too many open files"},
};

START_TEST(each_failure_has_a_sentence)
{
	s.fail_open = ways[_i].open;
	s.fail_request = ways[_i].request;
	s.fail_errno = ways[_i].error;
	refused(ways[_i].words);
	/* Nothing of it stays: the next try succeeds. */
	s.fail_open = NULL;
	s.fail_request = 0;
	create();
}
END_TEST

START_TEST(a_group_that_is_not_viable)
{
	s.viable = false;
	refused("not viable; bind every function");
	s.viable = true;
	s.taken = true;
	refused("the group is in use");
}
END_TEST

START_TEST(other_versions_are_not_understood)
{
	s.version = 1;
	refused("has version 1");
	s.version = 0;
	s.type1v2 = false;
	refused("type 1, version 2");
}
END_TEST

/* Devices that are none, or lie. */
static void no_config(void)
{
	s.size[CONFIG] = 64;
}
static void config_not_written(void)
{
	s.flags[CONFIG] = VFIO_REGION_INFO_FLAG_READ;
}
static void is_bridge(void)
{
	stand_in_set(&s, CONFIG, PCI_HEADER_TYPE, 1, 1);
}
static void is_gone(void)
{
	stand_in_set(&s, CONFIG, PCI_HEADER_TYPE, 1, 0xff);
}
static void big_ports(void)
{
	s.size[1] = 512;
}
static void two_in_one(void)
{
	s.size[3] = 4096;
}
static void table_outside(void)
{
	stand_in_set(&s, CONFIG, 0x50 + PCI_MSIX_TABLE, 4, 0x3fd0);
}
static void table_in_no_bar(void)
{
	stand_in_set(&s, CONFIG, 0x50 + PCI_MSIX_TABLE, 4, 6);
}
static void many_msis(void)
{
	s.irqs[VFIO_PCI_MSI_IRQ_INDEX] = 64;
}

static const struct {
	void (*make)(void);
	const char *words;
} lies[] = {
	{no_config, "no configuration space"},
	{config_not_written, "no configuration space"},
	{is_bridge, "a bridge"},
	{is_gone, "gone"},
	{big_ports, "BAR 1 of 512 bytes"},
	{two_in_one, "BAR 2"},
	{table_outside, "outside its BARs"},
	{table_in_no_bar, "outside its BARs"},
	{many_msis, "64 interrupts where PCI allows 32"},
};

START_TEST(a_device_that_lies)
{
	lies[_i].make();
	refused(lies[_i].words);
}
END_TEST

/* The list of capabilities leads in circles: there is no MSI-X then. */
START_TEST(capabilities_in_circles)
{
	stand_in_set(&s, CONFIG, 0x40, 2, PCI_CAP_ID_PM | 0x60 << 8);
	stand_in_set(&s, CONFIG, 0x60, 2, 0x09 | 0x60 << 8);
	create();
	ck_assert_uint_eq(d->bar[0].nr_areas, 1);
}
END_TEST

START_TEST(bad_options)
{
	static const char *const bad[] = {"",
					  "nonsense",
					  "0000:03:00.0,",
					  "0000:03:00.0,x=1",
					  "0000:03:00.0,vf-token=1",
					  "0000:03:20.0",
					  "03:00.8"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_int_eq(pci_vfio.check(bad[i], false, err, sizeof(err)), -EINVAL);
		ck_assert_msg(strlen(err) > 20, "%s", bad[i]);
	}
	ck_assert_int_eq(pci_vfio.check("0000:03:00.0", false, err, sizeof(err)), 0);
	ck_assert_int_eq(pci_vfio.check("fffe:03:1f.7", true, err, sizeof(err)), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err, "this host has no PCI function fffe:03:1f.7"));
}
END_TEST

int main(void)
{
	const TTest *const plain[] = {
		a_card_is_described,
		the_iommu_has_the_guests_memory,
		a_hole_is_no_memory,
		a_second_function_of_the_group_shares_all,
		a_token_is_passed_on,
		a_group_that_is_not_viable,
		other_versions_are_not_understood,
		capabilities_in_circles,
		bad_options,
	};
	Suite *suite = suite_create("vfio_host");
	TCase *c = tcase_create("vfio_host");

	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		tcase_add_test(c, plain[i]);
	tcase_add_loop_test(c, each_failure_has_a_sentence, 0, sizeof(ways) / sizeof(*ways));
	tcase_add_loop_test(c, a_device_that_lies, 0, sizeof(lies) / sizeof(*lies));
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
