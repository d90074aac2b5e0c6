/*
 * xl's disk syntax: the examples and rules of xl-disk-configuration(5), the numbers of
 * xen-vbd-interface(7).
 */
#include <errno.h>
#include <string.h>

#include "devices/block/disk_spec.h"
#include "test/unit/test_run.h"

static void setup(void)
{
}

START_TEST(numbers_of_devices)
{
	static const struct {
		const char *name;
		unsigned number, disk, partition;
	} good[] = {
		{"xvda", 202 << 8, 0, 0},
		{"xvda1", 202 << 8 | 1, 0, 1},
		{"xvdb15", 202 << 8 | 1 << 4 | 15, 1, 15},
		{"xvdb16", 1u << 28 | 1 << 8 | 16, 1, 16},
		{"xvdp", 202 << 8 | 15 << 4, 15, 0},
		{"xvdq", 1u << 28 | 16 << 8, 16, 0},
		{"xvdaa", 1u << 28 | 26 << 8, 26, 0},
		{"xvdba3", 1u << 28 | 52 << 8 | 3, 52, 3},
		{"d0p0", 202 << 8, 0, 0},
		{"d5p2", 202 << 8 | 5 << 4 | 2, 5, 2},
		{"d536p37", 1u << 28 | 536 << 8 | 37, 536, 37},
		{"hda", 3 << 8, 0, 0},
		{"hdb2", 3 << 8 | 1 << 6 | 2, 1, 2},
		{"hdc", 22 << 8, 2, 0},
		{"hdd63", 22 << 8 | 1 << 6 | 63, 3, 63},
		{"sda", 8 << 8, 0, 0},
		{"sdp15", 8 << 8 | 15 << 4 | 15, 15, 15},
		{"51712", 51712, 0, 0},
		{"0xca00", 51712, 0, 0},
	};
	static const char *const wrong[] = {"",	       "xvd", "xvdA",	     "xvda0",	  "xvda256",
					    "xvdax1y", "hde", "hda64",	     "sdq",	  "sda16",
					    "d1",      "d1p", "d1p2x",	     "d01p2",	  "vda",
					    "xvd1",    "-1",  "99999999999", "xvdzzzzzzz"};
	unsigned n, d, p;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(!disk_vdev_number(good[i].name, &n, &d, &p), "%s", good[i].name);
		ck_assert_msg(n == good[i].number && d == good[i].disk && p == good[i].partition,
			      "%s: %u %u %u", good[i].name, n, d, p);
	}
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(disk_vdev_number(wrong[i], &n, &d, &p) == -EINVAL, "%s", wrong[i]);
}
END_TEST

START_TEST(good_specs)
{
	static const struct {
		const char *text, *target, *vdev;
		enum disk_format format;
		bool readonly, cdrom;
	} cases[] = {
		{"/dev/vg/guest,raw,hda,rw", "/dev/vg/guest", "hda", DISK_RAW, false, false},
		{"/dev/vg/guest,,hda", "/dev/vg/guest", "hda", DISK_RAW, false, false},
		{"format=raw, vdev=hda, access=rw, target=/dev/vg/guest", "/dev/vg/guest", "hda",
		 DISK_RAW, false, false},
		{"raw:/dev/vg/guest,hda,w", "/dev/vg/guest", "hda", DISK_RAW, false, false},
		{"/root/image.iso,,hdc,cdrom", "/root/image.iso", "hdc", DISK_RAW, true, true},
		{"/root/image.iso, raw, hdc, devtype=cdrom", "/root/image.iso", "hdc", DISK_RAW,
		 true, true},
		{"file:/root/image.iso,hdc:cdrom,ro", "/root/image.iso", "hdc", DISK_RAW, true,
		 true},
		{"phy:/dev/sdb1,xvda1,w", "/dev/sdb1", "xvda1", DISK_RAW, false, false},
		{"tap:qcow2:/x.qcow2,xvda,w", "/x.qcow2", "xvda", DISK_QCOW2, false, false},
		{"tap:aio:/x.img,xvda,r", "/x.img", "xvda", DISK_RAW, true, false},
		{"/x,qcow2,xvdb,r", "/x", "xvdb", DISK_QCOW2, true, false},
		{",,hdc,cdrom", "", "hdc", DISK_RAW, true, true},
		{"vdev=xvda,target=/a,b=c,d", "/a,b=c,d", "xvda", DISK_RAW, false, false},
		{"/with=equals,raw,xvda,rw", "/with=equals", "xvda", DISK_RAW, false, false},
		{"/x,raw,xvda,rw,discard,backendtype=phy,script=s", "/x", "xvda", DISK_RAW, false,
		 false},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk_spec s;
		char err[200] = "";
		int rc = disk_spec_parse(&s, cases[i].text, err, sizeof(err));

		ck_assert_msg(!rc, "%s: %s", cases[i].text, err);
		ck_assert_str_eq(s.target, cases[i].target);
		ck_assert_str_eq(s.vdev, cases[i].vdev);
		ck_assert_int_eq(s.format, cases[i].format);
		ck_assert_int_eq(s.readonly, cases[i].readonly);
		ck_assert_int_eq(s.cdrom, cases[i].cdrom);
		disk_spec_free(&s);
	}
}
END_TEST

START_TEST(bad_specs)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "vdev"},
		{"/x", "vdev"},
		{"/x,raw", "vdev"},
		{"/x,floppy,xvda,rw", "floppy"},
		{"/x,raw,sdz9,rw", "sdz9"},
		{"/x,raw,xvda,maybe", "maybe"},
		{"/x,raw,xvda,rw,more", "more"},
		{"/x,raw,xvda,rw,frobnicate=1", "frobnicate"},
		{",raw,xvda,rw", "target"},
		{"/x,raw,xvda,sector-size=1000", "sector-size"},
		{"/x,raw,xvda,ring-order=5", "ring-order"},
		{"/x,raw,xvda,queues=0", "queues"},
		{"/x,raw,xvda,devtype=floppy", "devtype"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk_spec s;
		char err[200] = "";

		ck_assert_msg(disk_spec_parse(&s, cases[i].text, err, sizeof(err)) == -EINVAL, "%s",
			      cases[i].text);
		ck_assert_msg(strstr(err, cases[i].says), "%s: %s", cases[i].text, err);
	}
}
END_TEST

START_TEST(what_is_published_can_be_less)
{
	struct disk_spec s;
	char err[200];

	ck_assert_int_eq(disk_spec_parse(&s,
					 "/x,raw,xvda,rw,no-persistent,no-indirect,no-flush,"
					 "no-discard,sector-size=4096,ring-order=2,queues=3",
					 err, sizeof(err)),
			 0);
	ck_assert(s.no_persistent && s.no_indirect && s.no_flush && s.no_discard);
	ck_assert_uint_eq(s.sector_size, 4096);
	ck_assert_uint_eq(s.max_ring_order, 2);
	ck_assert_uint_eq(s.max_queues, 3);
	disk_spec_free(&s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers_of_devices,
		good_specs,
		bad_specs,
		what_is_published_can_be_less,
	};

	return RUN_TESTS("disk_spec", setup, NULL, tests);
}
