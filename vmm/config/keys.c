/*
 * The table of keys, in the order of xl.cfg(5).
 */
#include <limits.h>
#include <stddef.h>

#include "vmm/config/keys.h"

#define MEMBER(m) .offset = offsetof(struct domain_settings, m)

static const char scheduler[] = "the host's scheduler decides (nice, cgroups, taskset)",
		  hvm[] = "it is for HVM guests", pvh[] = "it is for PVH guests",
		  model[] = "a PV guest here has no device model",
		  graphics[] = "there is no display, only the console", arm[] = "it is for ARM",
		  xm[] = "xl knows it no more; put it into `extra`", old[] = "xl knows it no more",
		  no_device[] = "there is no such device here",
		  no_security[] = "there is no XSM here",
		  no_numa[] = "PV guests have no virtual NUMA nodes",
		  no_hardware[] = "no hardware is handed to the guest";

#define PLAIN(k, f)                \
	{                          \
		k, f, .note = NULL \
	}
#define HVM(k)                           \
	{                                \
		k, key_warn, .note = hvm \
	}
#define PVH(k)                           \
	{                                \
		k, key_warn, .note = pvh \
	}
#define MODEL(k)                           \
	{                                  \
		k, key_warn, .note = model \
	}
#define DISPLAY(k)                            \
	{                                     \
		k, key_warn, .note = graphics \
	}
#define ARM(k)                           \
	{                                \
		k, key_warn, .note = arm \
	}
#define XM(k)                           \
	{                               \
		k, key_warn, .note = xm \
	}
#define OLD(k)                           \
	{                                \
		k, key_warn, .note = old \
	}
#define DEVICE(k)                                \
	{                                        \
		k, key_refuse, .note = no_device \
	}

const struct config_key config_keys[] = {
	/* Mandatory; the guest's type. */
	PLAIN("name", key_set_name),
	{"type", key_set_string, MEMBER(type)},
	{"builder", key_set_string, MEMBER(builder)},

	/* CPUs. */
	{"pool", key_warn, .note = scheduler},
	{"vcpus", key_set_number, MEMBER(vcpus), .min = 1, .max = MAX_VCPUS},
	{"maxvcpus", key_set_number, MEMBER(maxvcpus), .min = 1, .max = MAX_VCPUS},
	PLAIN("cpus", key_set_cpus),
	{"cpus_soft", key_warn, .note = scheduler},
	{"cpu_weight", key_warn, .note = scheduler},
	{"cap", key_warn, .note = scheduler},
	{"period", key_warn, .note = scheduler},
	{"slice", key_warn, .note = scheduler},
	{"latency", key_warn, .note = scheduler},
	{"extratime", key_warn, .note = scheduler},
	{"budget", key_warn, .note = scheduler},

	/* Memory. */
	{"memory", key_set_number, MEMBER(memory_mib), .min = MEMORY_MIN_MIB,
	 .max = MEMORY_MAX_MIB},
	{"maxmem", key_set_number, MEMBER(maxmem_mib), .min = MEMORY_MIN_MIB,
	 .max = MEMORY_MAX_MIB},
	{"vnuma", key_warn, .note = no_numa},

	/* Event actions. */
	{"on_poweroff", key_set_action, .min = SHUTDOWN_poweroff},
	{"on_reboot", key_set_action, .min = SHUTDOWN_reboot},
	{"on_watchdog", key_set_action, .min = SHUTDOWN_watchdog},
	{"on_crash", key_set_action, .min = SHUTDOWN_crash},
	{"on_soft_reset", key_set_action, .min = SHUTDOWN_soft_reset},

	/* What is booted. */
	{"kernel", key_set_string, MEMBER(run.kernel)},
	{"ramdisk", key_set_string, MEMBER(run.ramdisk)},
	{"cmdline", key_set_string, MEMBER(given_cmdline)},
	{"root", key_set_string, MEMBER(root)},
	{"extra", key_set_string, MEMBER(extra)},
	{"firmware", key_set_string, MEMBER(firmware)},
	PVH("pvshim"),
	PVH("pvshim_path"),
	PVH("pvshim_cmdline"),
	PVH("pvshim_extra"),

	/* Other options. */
	PLAIN("uuid", key_set_uuid),
	{"seclabel", key_warn, .note = no_security},
	{"init_seclabel", key_warn, .note = no_security},
	{"max_grant_frames", key_set_number, MEMBER(run.grants.frames), .min = 1,
	 .max = GRANT_FRAMES_LIMIT},
	{"max_maptrack_frames", key_set_number, MEMBER(run.grants.maptrack_frames),
	 .max = MAPTRACK_FRAMES_LIMIT},
	{"max_grant_version", key_set_number, MEMBER(run.grants.version), .min = 1, .max = 2},
	PLAIN("nomigrate", key_accept),
	{"driver_domain", key_warn, .note = "one domain knows nothing of another here"},
	{"device_tree", key_warn, .note = arm},
	PLAIN("passthrough", key_accept), /* "disabled", or it comes with pci */
	PLAIN("xend_suspend_evtchn_compat", key_accept),
	{"vmtrace_buf_kb", key_warn, .note = "there is no trace of the processor"},
	{"vpmu", key_warn, .note = "there are no performance counters for the guest"},
	{"xenstore_feature_mask", key_warn, .note = "the store's features are fixed"},
	{"xenstore_quota", key_warn, .note = "the store's quotas are those of Xen"},

	/* Devices. */
	PLAIN("disk", key_set_devices),
	PLAIN("vif", key_set_devices),
	DEVICE("vtpm"),
	DEVICE("p9"),
	DEVICE("pvcalls"),
	DISPLAY("vfb"),
	DEVICE("channel"),
	{"rdm", key_warn, .note = no_hardware},
	DEVICE("usbctrl"),
	DEVICE("usbdev"),
	PLAIN("pci", key_set_devices),
	{"pci_permissive", key_set_number, MEMBER(run.pci_defaults.permissive), .max = 1},
	{"pci_msitranslate", key_set_number, MEMBER(run.pci_defaults.msitranslate), .max = 1},
	{"pci_seize", key_set_number, MEMBER(run.pci_defaults.seize), .max = 1},
	{"pci_power_mgmt", key_set_number, MEMBER(run.pci_defaults.power_mgmt), .max = 1},
	HVM("gfx_passthru"),
	HVM("rdm_mem_boundary"),
	DEVICE("dtdev"),
	DEVICE("ioports"),
	DEVICE("iomem"),
	DEVICE("irqs"),
	{"max_event_channels", key_set_number, MEMBER(max_event_channels), .min = 1, .max = 131071},
	{"event_channels", key_set_number, MEMBER(max_event_channels), .min = 1, .max = 131071},
	DEVICE("vdispl"),
	MODEL("dm_restrict"),
	DEVICE("vsnd"),
	DISPLAY("vkb"),
	DEVICE("virtio"),
	ARM("tee"),

	/* PV guests. */
	{"bootloader", key_set_string, MEMBER(bootloader)},
	PLAIN("bootloader_args", key_set_bootloader_args),
	PLAIN("bootloader_restrict", key_accept), /* ours always is */
	PLAIN("bootloader_user", key_accept),
	{"e820_host", key_set_number, MEMBER(run.e820_host), .max = 1},

	/* HVM and PVH guests. */
	HVM("boot"),
	HVM("hdtype"),
	HVM("hap"),
	HVM("oos"),
	HVM("shadow_memory"),
	HVM("bios"),
	HVM("bios_path_override"),
	HVM("firmware_override"),
	HVM("pae"),
	HVM("acpi"),
	HVM("acpi_s3"),
	HVM("acpi_s4"),
	HVM("acpi_laptop_slate"),
	HVM("apic"),
	HVM("nx"),
	HVM("hpet"),
	HVM("altp2m"),
	HVM("altp2mhvm"),
	HVM("altp2m_count"),
	HVM("nestedhvm"),
	{"cpuid", key_warn, .note = "the guest sees the CPUID of an ABI profile"},
	HVM("acpi_firmware"),
	HVM("smbios_firmware"),
	HVM("smbios"),
	HVM("ms_vm_genid"),
	{"tsc_mode", key_warn, .note = "the guest has a TSC that never changes its pace"},
	{"localtime", key_set_number, MEMBER(localtime), .max = INT_MAX},
	PLAIN("rtc_timeoffset", key_set_time_offset),
	HVM("vpt_align"),
	HVM("timer_mode"),
	HVM("mmio_hole"),
	HVM("xen_platform_pci"),
	HVM("xen_platform_pci_bar_uc"),
	HVM("viridian"),
	HVM("hvm_pirq"),
	DISPLAY("videoram"),
	DISPLAY("stdvga"),
	DISPLAY("vga"),
	DISPLAY("vnc"),
	DISPLAY("vnclisten"),
	DISPLAY("vncdisplay"),
	DISPLAY("vncunused"),
	DISPLAY("vncpasswd"),
	DISPLAY("vncviewer"),
	DISPLAY("keymap"),
	DISPLAY("sdl"),
	DISPLAY("opengl"),
	DISPLAY("display"),
	DISPLAY("xauthority"),
	DISPLAY("nographic"),
	DISPLAY("spice"),
	DISPLAY("spicehost"),
	DISPLAY("spiceport"),
	DISPLAY("spicetls_port"),
	DISPLAY("spicedisable_ticketing"),
	DISPLAY("spicepasswd"),
	DISPLAY("spiceagent_mouse"),
	DISPLAY("spicevdagent"),
	DISPLAY("spice_clipboard_sharing"),
	DISPLAY("spiceusbredirection"),
	DISPLAY("spice_image_compression"),
	DISPLAY("spice_streaming_video"),
	HVM("serial"),
	HVM("soundhw"),
	HVM("vkb_device"),
	HVM("usb"),
	HVM("usbversion"),
	HVM("usbdevice"),
	HVM("vendor_device"),

	/* Device models. */
	MODEL("device_model"),
	MODEL("device_model_version"),
	MODEL("device_model_override"),
	MODEL("device_model_user"),
	MODEL("device_model_stubdomain_override"),
	MODEL("device_model_stubdomain_seclabel"),
	MODEL("device_model_args"),
	MODEL("device_model_args_pv"),
	MODEL("device_model_args_hvm"),
	MODEL("stubdomain_kernel"),
	MODEL("stubdomain_cmdline"),
	MODEL("stubdomain_ramdisk"),
	MODEL("stubdomain_memory"),

	/* Other processors. */
	ARM("gic_version"),
	ARM("vuart"),
	ARM("sve"),
	ARM("llc_colors"),
	ARM("nr_spis"),
	ARM("trap_unmapped_accesses"),
	ARM("arm_sci"),
	HVM("mca_caps"),
	{"msr_relaxed", key_warn, .note = "what an MSR reads follows the ABI profile"},

	/* Ours: no key of xl. */
	PLAIN("hugepages", key_set_hugepages),
	{"kernel_cache", key_set_string, MEMBER(run.kernel_cache)},

	/* Of xm's and of older versions of xl, which takes whatever it does not know. */
	XM("ip"),
	XM("dhcp"),
	XM("netmask"),
	XM("gateway"),
	XM("hostname"),
	XM("interface"),
	XM("nfs_server"),
	XM("nfs_root"),
	OLD("vif2"),
	OLD("vcpu_avail"),
	OLD("vncconsole"),
	OLD("features"),
	OLD("on_xend_start"),
	OLD("on_xend_stop"),
	OLD("cpu"),
	OLD("cpu_cap"),
	OLD("monitor"),
	OLD("guest_os_type"),
	OLD("platform"),
	OLD("vscsi"),
	OLD("blkif"),
	OLD("netif"),
	OLD("tpmif"),
	OLD("machine_address_size"),
	OLD("superpages"),
	OLD("description"),
	PLAIN(NULL, NULL),
};
