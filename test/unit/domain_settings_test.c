/*
 * What keys mean: xl.cfg(5) and xl's own reading of it (tools/xl/xl_parse.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "test/unit/test_settings.h"

/* Every key that xl.cfg(5) of Xen 4.17 to 4.22 documents. */
START_TEST(every_documented_key_has_a_row)
{
	static const char *const documented[] = {
		"acpi",
		"acpi_firmware",
		"acpi_laptop_slate",
		"acpi_s3",
		"acpi_s4",
		"altp2m",
		"altp2m_count",
		"altp2mhvm",
		"apic",
		"arm_sci",
		"bios",
		"bios_path_override",
		"boot",
		"bootloader",
		"bootloader_args",
		"bootloader_restrict",
		"bootloader_user",
		"builder",
		"cap",
		"channel",
		"cmdline",
		"cpu_weight",
		"cpuid",
		"cpus",
		"cpus_soft",
		"device_model_args",
		"device_model_args_hvm",
		"device_model_args_pv",
		"device_model_override",
		"device_model_stubdomain_override",
		"device_model_stubdomain_seclabel",
		"device_model_user",
		"device_model_version",
		"device_tree",
		"disk",
		"dm_restrict",
		"driver_domain",
		"dtdev",
		"e820_host",
		"extra",
		"firmware",
		"gfx_passthru",
		"gic_version",
		"hap",
		"hdtype",
		"hpet",
		"hvm_pirq",
		"init_seclabel",
		"iomem",
		"ioports",
		"irqs",
		"kernel",
		"keymap",
		"llc_colors",
		"localtime",
		"max_event_channels",
		"max_grant_frames",
		"max_grant_version",
		"max_maptrack_frames",
		"maxmem",
		"maxvcpus",
		"mca_caps",
		"memory",
		"mmio_hole",
		"ms_vm_genid",
		"msr_relaxed",
		"name",
		"nestedhvm",
		"nographic",
		"nomigrate",
		"nr_spis",
		"nx",
		"on_crash",
		"on_poweroff",
		"on_reboot",
		"on_soft_reset",
		"on_watchdog",
		"oos",
		"p9",
		"pae",
		"passthrough",
		"pci",
		"pci_msitranslate",
		"pci_permissive",
		"pci_power_mgmt",
		"pci_seize",
		"pool",
		"pvcalls",
		"pvshim",
		"pvshim_cmdline",
		"pvshim_extra",
		"pvshim_path",
		"ramdisk",
		"rdm",
		"rdm_mem_boundary",
		"root",
		"rtc_timeoffset",
		"sdl",
		"seclabel",
		"serial",
		"shadow_memory",
		"smbios",
		"smbios_firmware",
		"soundhw",
		"spice",
		"spice_clipboard_sharing",
		"spice_image_compression",
		"spice_streaming_video",
		"spiceagent_mouse",
		"spicedisable_ticketing",
		"spicehost",
		"spicepasswd",
		"spiceport",
		"spicetls_port",
		"spiceusbredirection",
		"spicevdagent",
		"stdvga",
		"stubdomain_cmdline",
		"stubdomain_kernel",
		"stubdomain_memory",
		"stubdomain_ramdisk",
		"sve",
		"tee",
		"timer_mode",
		"trap_unmapped_accesses",
		"tsc_mode",
		"type",
		"usb",
		"usbctrl",
		"usbdev",
		"usbdevice",
		"usbversion",
		"uuid",
		"vcpus",
		"vdispl",
		"vendor_device",
		"vfb",
		"vga",
		"videoram",
		"vif",
		"viridian",
		"virtio",
		"vkb",
		"vkb_device",
		"vmtrace_buf_kb",
		"vnc",
		"vncdisplay",
		"vnclisten",
		"vncpasswd",
		"vncunused",
		"vnuma",
		"vpmu",
		"vpt_align",
		"vsnd",
		"vtpm",
		"vuart",
		"xen_platform_pci",
		"xen_platform_pci_bar_uc",
		"xend_suspend_evtchn_compat",
		"xenstore_feature_mask",
		"xenstore_quota",
	};

	for (unsigned i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		ck_assert_msg(row(documented[i]), "%s", documented[i]);
	for (const struct config_key *k = config_keys; k->key; k++) {
		ck_assert_msg(row(k->key) == k, "%s is there twice", k->key);
		ck_assert_msg((k->set != key_warn && k->set != key_refuse) || k->note, "%s",
			      k->key);
	}
}
END_TEST

START_TEST(defaults)
{
	ck_assert_int_eq(read_more(""), 0);
	ck_assert_str_eq(s.run.name, "g");
	ck_assert(s.run.name_given);
	ck_assert_str_eq(s.run.kernel, "/k");
	ck_assert_ptr_null(s.run.ramdisk);
	ck_assert_str_eq(s.run.cmdline, "");
	ck_assert_uint_eq(s.run.memory_mib, MEMORY_DEF_MIB);
	ck_assert_uint_eq(s.run.maxmem_mib, MEMORY_DEF_MIB);
	ck_assert_uint_eq(s.run.nr_vcpus, 1);
	ck_assert_uint_eq(s.run.max_vcpus, 1);
	ck_assert_uint_eq(s.run.max_evtchn_port, 0);
	ck_assert_int_eq(s.on[SHUTDOWN_poweroff], ON_DESTROY);
	ck_assert_int_eq(s.on[SHUTDOWN_reboot], ON_RESTART);
	ck_assert_int_eq(s.on[SHUTDOWN_crash], ON_DESTROY);
	ck_assert_int_eq(s.on[SHUTDOWN_watchdog], ON_DESTROY);
	ck_assert_int_eq(s.on[SHUTDOWN_soft_reset], ON_SOFT_RESET);
	/* Random, of RFC 4122's version 4. */
	ck_assert(s.run.has_uuid);
	ck_assert_uint_eq(s.run.uuid[6] >> 4, 4);
	ck_assert_uint_eq(s.run.uuid[8] >> 6, 2);
	ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		unsigned memory, maxmem, vcpus, maxvcpus;
	} cases[] = {
		{"memory=64", 64, 64, 1, 1},
		{"memory='64'; vcpus='2'", 64, 64, 2, 2},
		{"memory=64; maxmem=128", 64, 128, 1, 1},
		{"maxmem=128", 128, 128, 1, 1},
		{"memory=0x40; vcpus=010", 64, 64, 8, 8},
		{"vcpus=2; maxvcpus=4", MEMORY_DEF_MIB, MEMORY_DEF_MIB, 2, 4},
		{"maxvcpus=4", MEMORY_DEF_MIB, MEMORY_DEF_MIB, 1, 4},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(!read_more(cases[i].text), "%s: %s", cases[i].text, err.text);
		ck_assert_uint_eq(s.run.memory_mib, cases[i].memory);
		ck_assert_uint_eq(s.run.maxmem_mib, cases[i].maxmem);
		ck_assert_uint_eq(s.run.nr_vcpus, cases[i].vcpus);
		ck_assert_uint_eq(s.run.max_vcpus, cases[i].maxvcpus);
		again();
	}
}
END_TEST

/* xl's parse_cmdline(). */
START_TEST(command_lines)
{
	static const struct {
		const char *text, *cmdline;
		unsigned warnings;
	} cases[] = {
		{"extra='quiet'", "quiet", 0},
		{"root='/dev/xvda2 ro'", "root=/dev/xvda2 ro", 0},
		{"root='/dev/xvda2 ro'; extra='4'", "root=/dev/xvda2 ro 4", 0},
		{"extra='4'; root='/dev/xvda2'", "root=/dev/xvda2 4", 0},
		{"cmdline='a'", "a", 0},
		{"cmdline='a'; extra='b'", "a", 1},
		{"cmdline='a'; root='b'; extra='c'", "a", 1},
		{"cmdline=''; extra='b'", "b", 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(!read_more(cases[i].text), "%s: %s", cases[i].text, err.text);
		ck_assert_str_eq(s.run.cmdline, cases[i].cmdline);
		ck_assert_uint_eq(warnings, cases[i].warnings);
		again();
	}
}
END_TEST

START_TEST(uuids)
{
	static const uint8_t bytes[16] = {0x5e, 0x4b, 0x5a, 0x08, 0x60, 0xae, 0x4e, 0x2c,
					  0x8a, 0x52, 0x1f, 0x2a, 0x9c, 0x3f, 0x7d, 0x10};

	ck_assert_int_eq(read_more("uuid='5e4b5a08-60AE-4e2c-8a52-1f2a9c3f7d10'"), 0);
	ck_assert_mem_eq(s.run.uuid, bytes, sizeof(bytes));
}
END_TEST

START_TEST(actions)
{
	static const char *const names[NR_ON_ACTIONS] = {
		"destroy",	    "restart",		"rename-restart", "preserve",
		"coredump-destroy", "coredump-restart", "soft-reset"};
	char text[100];

	for (unsigned a = 0; a < ON_SOFT_RESET; a++) {
		snprintf(text, sizeof(text), "on_poweroff='%s'; on_crash='%s'", names[a], names[a]);
		ck_assert_int_eq(read_more(text), 0);
		ck_assert_uint_eq(s.on[SHUTDOWN_poweroff], a);
		ck_assert_uint_eq(s.on[SHUTDOWN_crash], a);
		ck_assert_int_eq(s.on[SHUTDOWN_watchdog], ON_DESTROY);
		ck_assert_str_eq(on_action_name((enum on_action)a), names[a]);
		again();
	}
	ck_assert_int_eq(read_more("on_soft_reset='soft-reset'; on_watchdog='restart'"), 0);
	ck_assert_int_eq(s.on[SHUTDOWN_watchdog], ON_RESTART);
}
END_TEST

START_TEST(disks)
{
	ck_assert_int_eq(read_more("disk = [ 'phy:/dev/x,xvda1,w', '/y,raw,xvdb,ro' ]"), 0);
	ck_assert_uint_eq(s.run.nr_devices, 2);
	ck_assert_ptr_eq(s.run.device[0].kind, &disk_kind);
	ck_assert_str_eq(s.run.device[0].spec, "phy:/dev/x,xvda1,w");
	ck_assert_str_eq(s.run.device[1].spec, "/y,raw,xvdb,ro");
}
END_TEST

START_TEST(pci_functions)
{
	ck_assert_int_eq(read_more("pci_permissive=1\npci_msitranslate=0\n"
				   "pci=['03:00.0@5,permissive=0', 'model=testcard']\n"),
			 0);
	ck_assert_uint_eq(s.run.nr_devices, 2);
	ck_assert_ptr_eq(s.run.device[1].kind, &pci_kind);
	ck_assert_str_eq(s.run.device[0].spec, "03:00.0@5,permissive=0");
	ck_assert_uint_eq(s.run.pci_defaults.permissive, 1);
	ck_assert(guest_wants_hole(&s.run));
	ck_assert(!guest_shares_memory(&s.run));
	ck_assert_uint_eq(warnings, 0);
	again();
	ck_assert_int_eq(read_more("e820_host=1\n"), 0);
	ck_assert(guest_wants_hole(&s.run));
	again();
	ck_assert_int_eq(read_more("pci=['vfio-user=/x']\n"), 0);
	ck_assert(guest_shares_memory(&s.run));
	again();
	ck_assert_int_eq(read_more("pci=['03:00.0@5,colour=red']\n"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "f.cfg:3"));
	again();
	ck_assert_int_eq(read_more("pci_permissive=2\n"), -EINVAL);
	again();
	ck_assert_int_eq(read_more(""), 0);
	ck_assert(!guest_wants_hole(&s.run));
}
END_TEST

START_TEST(time_offsets)
{
	ck_assert_int_eq(read_more("rtc_timeoffset=3600"), 0);
	ck_assert_int_eq(s.run.time_offset, 3600);
	again();
	ck_assert_int_eq(read_more("rtc_timeoffset='-7200'; localtime=0"), 0);
	ck_assert_int_eq(s.run.time_offset, -7200);
	again();
	setenv("TZ", "XYZ-3", 1); /* three hours east */
	tzset();
	ck_assert_int_eq(read_more("rtc_timeoffset=1; localtime=1"), 0);
	ck_assert_int_eq(s.run.time_offset, 3 * 3600 + 1);
	again();
	ck_assert_int_eq(read_more("localtime='0'"), 0);
	ck_assert_int_eq(s.run.time_offset, 0);
	ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(pinned_cpus)
{
	ck_assert_int_eq(read_more("cpus='0'"), 0);
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		ck_assert_str_eq(s.run.cpus[i], "0");
	again();
	ck_assert_int_eq(read_more("cpus=['0', 'all,^1']"), 0);
	ck_assert_str_eq(s.run.cpus[0], "0");
	ck_assert_str_eq(s.run.cpus[1], "all,^1");
	ck_assert_ptr_null(s.run.cpus[2]);
	ck_assert_uint_eq(warnings, 0);
	again();
	/* A file of a larger host, and of one with nodes. */
	ck_assert_int_eq(read_more("cpus='1022-1023'"), 0);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_null(s.run.cpus[0]);
	again();
	ck_assert_int_eq(read_more("cpus=['0', 'nodes:0-1,^node:1']"), 0);
	ck_assert_uint_eq(warnings, 1);
	ck_assert_str_eq(s.run.cpus[0], "0");
	ck_assert_ptr_null(s.run.cpus[1]);
}
END_TEST

START_TEST(bootloaders)
{
	ck_assert_int_eq(read_more("kernel=''; bootloader='/usr/lib/xen-4.17/bin/pygrub'\n"
				   "disk=['/x,raw,xvda,w']\n"
				   "bootloader_args=['--entry=1', '--args=a b']"),
			 0);
	ck_assert_ptr_null(s.run.kernel);
	ck_assert_uint_eq(s.nr_bootloader_args, 2);
	ck_assert_str_eq(s.bootloader_arg[1], "--args=a b");
	ck_assert_ptr_null(s.bootloader_arg[2]);
	again();
	/* The deprecated form. */
	ck_assert_int_eq(read_more("bootloader='pygrub'; disk=['/x,raw,xvda,w']\n"
				   "bootloader_args=' --entry=1  -q '"),
			 0);
	ck_assert_uint_eq(s.nr_bootloader_args, 2);
	ck_assert_str_eq(s.bootloader_arg[0], "--entry=1");
	ck_assert_str_eq(s.bootloader_arg[1], "-q");
}
END_TEST

START_TEST(huge_pages_and_kernel_cache)
{
	ck_assert_int_eq(read_more("hugepages='1G'\nkernel_cache='/var/cache/k'\n"), 0);
	ck_assert_uint_eq(s.run.huge_shift, 30);
	ck_assert_str_eq(s.run.kernel_cache, "/var/cache/k");
	ck_assert_uint_eq(warnings, 0);
	again();
	ck_assert_int_eq(read_more("hugepages='2M'\n"), 0);
	ck_assert_uint_eq(s.run.huge_shift, 21);
	again();
	ck_assert_int_eq(read_more("hugepages=''\nkernel_cache=''\n"), 0);
	ck_assert_uint_eq(s.run.huge_shift, 0);
	ck_assert_ptr_null(s.run.kernel_cache);
	again();
	ck_assert_int_eq(read_more("hugepages='4K'\n"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "f.cfg:3"));
	ck_assert_ptr_nonnull(strstr(err.text, "hugepages is \"2M\" or \"1G\", not '4K'"));
	again();
	ck_assert_int_eq(read_more("hugepages=[ '2M' ]\n"), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_documented_key_has_a_row,
		defaults,
		sizes,
		command_lines,
		uuids,
		actions,
		disks,
		pci_functions,
		pinned_cpus,
		time_offsets,
		bootloaders,
		huge_pages_and_kernel_cache,
	};

	return RUN_TESTS("domain_settings", setup, teardown, tests);
}
