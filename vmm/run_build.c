/*
 * The domain comes to be in its memory: the kernel, the store's tree, the devices.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/grant_table.h"
#include "vmm/resident/resident.h"
#include "vmm/run_internal.h"

/* The toolstack grants the page (libxc: xg_dom_boot.c, xc_dom_gnttab_seed), its daemon
 * maps it. Ours need no mapping, but the guest sees the entry in use. */
static int grant_reserved(struct domain *d, grant_ref_t ref, uint64_t mfn)
{
	int status, rc = grant_table_seed(d, ref, 0, mfn);

	if (rc)
		return rc;
	return grant_backend_map(d, ref, false, &status) ? 0 : -ENOMEM;
}

static bool place_file(void *machine, uint64_t maddr, uint64_t size, int fd, uint64_t at)
{
	return machine_place_file(machine, maddr, size, fd, at);
}

static bool place_pages(void *machine, uint64_t maddr, uint64_t size, void *pages)
{
	return machine_place_pages(machine, maddr, size, pages);
}

static const struct build_placer placer = {place_file, place_pages};

int run_build(struct run *r)
{
	const struct run_options *o = r->o;
	struct domain *d = r->guest.domain;
	uint32_t vmcall = 0;

	run_doing(r, "building the domain");
	if (o->gate == GATE_VMCALL && !r->machine.host.vmcall)
		return error_set(
			&r->err, -EINVAL,
			"--gate vmcall: this host's KVM does not hand vmcall to user space");
	if (o->gate != GATE_SYSCALL)
		vmcall = r->machine.host.vmcall;
	/* An exit where the resident monitor needs none. */
	if (r->guest.monitor.resident && o->gate != GATE_VMCALL)
		vmcall = 0;
	if (vmcall && machine_enable_xen_hypercalls(&r->machine))
		vmcall = 0;
	int rc = run_job_end(&r->ramdisk_job);
	if (rc)
		return rc;
	struct build_params bp = {
		.kernel = &r->kernel,
		.ramdisk = &r->ramdisk,
		.placer = &placer,
		.placer_arg = &r->machine,
		.cmdline = o->cmdline,
		.p2m = o->p2m,
		.p2m_seed = o->p2m_seed,
		.store_port = (evtchn_port_t)r->store_port,
		.console_port = (evtchn_port_t)r->console_port,
		.vmcall = vmcall,
	};
	uint64_t from = stats_now();
	rc = domain_build(d, &bp, &r->built, &r->err);
	start_profile_add(&r->profile, "memory", from);
	/* The images are in the guest now. */
	kernel_image_free(&r->kernel);
	r->have_kernel = false;
	run_drop_ramdisk(r);
	if (rc)
		return rc;
	struct xenstore_domain xd = {
		.domain = d,
		.memory_kib = o->memory_mib << 10,
		.maxmem_kib = o->maxmem_mib << 10,
		.vcpus_online = o->nr_vcpus,
		.store_mfn = r->built.store_mfn,
		.console_mfn = r->built.console_mfn,
		.store_port = bp.store_port,
		.console_port = bp.console_port,
		.console_type = "xenconsoled",
		.tty = o->console == CONSOLE_PTY ? console_where(r->guest.console) : "",
		.kernel = o->kernel,
		.ramdisk = o->ramdisk,
		.cmdline = o->cmdline[0] ? o->cmdline : NULL,
	};
	rc = xenstore_introduce(r->xenstore, &xd);
	if (!rc)
		rc = domain_control_start(&r->control, r->xenstore, d);
	if (rc)
		return error_set(&r->err, rc, "cannot make the guest's xenstore tree: %s",
				 strerror(-rc));
	if (grant_reserved(d, GNTTAB_RESERVED_CONSOLE, r->built.console_mfn) ||
	    grant_reserved(d, GNTTAB_RESERVED_XENSTORE, r->built.store_mfn))
		return error_set(&r->err, -ENOMEM, "cannot grant the console and the store");
	vmm_pci_init(&r->guest.devices.pci, &r->machine, d, r->loop);
	rc = guest_devices_create(&r->guest.devices, o, r->loop, r->xenstore, d, &r->err);
	if (rc)
		return rc;
	rc = console_start(r->guest.console, d, r->built.console_mfn);
	return rc ? error_set(&r->err, rc, "cannot start the console: %s", strerror(-rc)) : 0;
}
