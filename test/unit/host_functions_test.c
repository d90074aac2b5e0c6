/*
 * Functions of the host in a directory that stands for /sys: addresses as they are written,
 * which can be assigned, and what is in the way of the others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/host_functions.h"
#include "test/unit/test_run.h"
#include "test/unit/vfio_stand_in.h"

static char dir[64];
static char err[300];

static void setup(void)
{
	strcpy(dir, "/tmp/host_functions.XXXXXX");
	stand_in_sysfs_make(dir);
}

static void teardown(void)
{
	stand_in_sysfs_remove(dir);
}

START_TEST(addresses)
{
	static const struct {
		const char *text, *printed, *end;
	} good[] = {
		{"0000:03:00.0", "0000:03:00.0", ""},
		{"03:00.0", "0000:03:00.0", ""},
		{"abcd:ff:1F.7", "abcd:ff:1f.7", ""},
		{"1:2:3.4", "0001:02:03.4", ""},
		{"3:0.0", "0000:03:00.0", ""},
		{"0000:03:00.0@5,x", "0000:03:00.0", "@5,x"},
		{"03:00.0,a:b", "0000:03:00.0", ",a:b"},
	};
	static const char *const bad[] = {
		"",	     "03",	 "03:00",	 "03:00.",	  "03:00.8",
		"03:20.0",   "100:00.0", ":03:00.0",	 "10000:03:00.0", "0000::00.0",
		"0000:03.0", "x3:00.0",	 "0000:03:00:0", "-3:00.0",	  " 03:00.0",
		"03:00.0x"};
	char text[HOST_BDF_SIZE];
	struct host_bdf b;
	const char *end;

	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_msg(!host_bdf_parse(good[i].text, &b, &end), "%s", good[i].text);
		ck_assert_str_eq(host_bdf_print(&b, text), good[i].printed);
		ck_assert_str_eq(end, good[i].end);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(host_bdf_parse(bad[i], &b, NULL) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(those_bound_to_vfio_are_listed)
{
	struct host_function *list;
	unsigned nr;
	char text[HOST_BDF_SIZE];

	/* No PCI at all. */
	ck_assert_int_eq(host_functions_assignable(dir, &list, &nr), 0);
	ck_assert_uint_eq(nr, 0);
	ck_assert_ptr_null(list);
	stand_in_sysfs_add(dir, "0000:03:00.1", "vfio-pci", 8, "0x020000\n");
	stand_in_sysfs_add(dir, "0000:03:00.0", "vfio-pci", 7, "0x010802\n");
	stand_in_sysfs_add(dir, "0001:00:1f.3", "vfio-pci", -1, "0x040300\n");
	stand_in_sysfs_add(dir, "0000:00:02.0", "i915", 1, "0x030000\n");
	stand_in_sysfs_add(dir, "0000:00:03.0", NULL, 2, "0x030000\n");
	stand_in_sysfs_add(dir, "nonsense", "vfio-pci", 2, "0x030000\n");
	ck_assert_int_eq(host_functions_assignable(dir, &list, &nr), 0);
	ck_assert_uint_eq(nr, 3);
	ck_assert_str_eq(host_bdf_print(&list[0].bdf, text), "0000:03:00.0");
	ck_assert_str_eq(host_bdf_print(&list[1].bdf, text), "0000:03:00.1");
	ck_assert_str_eq(host_bdf_print(&list[2].bdf, text), "0001:00:1f.3");
	ck_assert_uint_eq(list[0].vendor, 0x1af4);
	ck_assert_uint_eq(list[0].class, 0x010802);
	ck_assert_int_eq(list[0].group, 7);
	ck_assert_int_eq(list[2].group, -1);
	free(list);
}
END_TEST

static int check(const char *bdf)
{
	struct host_bdf b;

	err[0] = 0;
	ck_assert_int_eq(host_bdf_parse(bdf, &b, NULL), 0);
	return host_function_check(dir, &b, err, sizeof(err));
}

START_TEST(what_is_in_the_way_is_named)
{
	stand_in_sysfs_add(dir, "0000:00:01.0", "pcieport", 1, "0x060400\n");
	stand_in_sysfs_add(dir, "0000:03:00.0", "vfio-pci", 1, "0x020000\n");
	ck_assert_int_eq(check("03:00.0"), 0);
	ck_assert_int_eq(check("03:00.1"), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err, "no PCI function 0000:03:00.1"));
	ck_assert_int_eq(check("00:01.0"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "is a bridge"));
	stand_in_sysfs_add(dir, "0000:04:00.0", "vfio-pci", -1, "0x020000\n");
	ck_assert_int_eq(check("04:00.0"), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err, "intel_iommu=on"));
	stand_in_sysfs_add(dir, "0000:05:00.0", "e1000e", 5, "0x020000\n");
	ck_assert_int_eq(check("05:00.0"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err, "bound to e1000e; bind it to vfio-pci"));
	stand_in_sysfs_add(dir, "0000:06:00.0", NULL, 6, "0x020000\n");
	ck_assert_int_eq(check("06:00.0"), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err, "not bound to vfio-pci"));
	/* Others of its group: without a driver is nobody's. */
	stand_in_sysfs_add(dir, "0000:03:00.1", NULL, 1, "0x020000\n");
	stand_in_sysfs_add(dir, "0000:03:00.2", "pci-stub", 1, "0x020000\n");
	ck_assert_int_eq(check("03:00.0"), 0);
	stand_in_sysfs_add(dir, "0000:03:00.3", "xhci_hcd", 1, "0x0c0330\n");
	ck_assert_int_eq(check("03:00.0"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err, "0000:03:00.3"));
	ck_assert_ptr_nonnull(strstr(err, "group 1"));
	ck_assert_ptr_nonnull(strstr(err, "xhci_hcd"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {addresses, those_bound_to_vfio_are_listed,
				      what_is_in_the_way_is_named};

	return RUN_TESTS("host_functions", setup, teardown, tests);
}
