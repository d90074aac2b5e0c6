/*
 * `xenolith info`: what was measured of this host, and what follows from it.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "vmm/bell.h"
#include "vmm/probe.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"
#include "vmm/vmm.h"

static const char *yes(bool b)
{
	return b ? "yes" : "no";
}

int host_info_print(FILE *out)
{
	struct machine m;
	struct error err;
	struct utsname u;

	if (machine_open(&m, &err) || host_probe(&m, &err)) {
		fprintf(stderr, "xenolith: %s\n", err.text);
		machine_destroy(&m);
		return EXIT_HOST_FAILED;
	}
	const struct host_features *h = &m.host;
	uname(&u);
	fprintf(out, "host            %s %s, KVM API version 12\n", u.sysname, u.release);
	fprintf(out, "virtualisation  %s\n",
		h->syscall_faults ? "none below KVM: CPL 3 runs natively, CPL 0 is interpreted"
				  : "by the processor: CPL 0 and CPL 3 run natively");
	fprintf(out, "page tables     %s\n",
		h->shadow_paging
			? "shadowed by KVM: overwritten entries are shown to it by the monitor"
			: "nested: the processor walks the guest's own");
	fprintf(out, "exit            %u ns from an exception to the program and back\n",
		h->exit_ns);
	fprintf(out, "monitor step    %u ns\n", h->op_ns);
	fprintf(out, "cpuid at CPL 3  %s\n",
		!h->cpuid_native ? "shows the domain's policy"
		: h->cpuid_kept	 ? "shows the processor's features, and Xen's leaves"
				 : "shows the processor's own leaves");
	fprintf(out, "TSC             %u kHz, offset to the host's %ld\n", h->tsc_khz,
		(long)h->tsc_offset);
	fprintf(out, "M2P at L4 slot  %u; XSAVE %s, FSGSBASE %s\n", h->slot256_usable ? 256 : 257,
		yes(h->osxsave), yes(h->fsgsbase));
	fprintf(out, "gate            %s\n",
		h->vmcall ? "vmcall in hypercall pages (KVM_CAP_XEN_HVM hands it over); raw "
			    "syscall too"
			  : "syscall: this KVM does not hand vmcall to programs");
	bool timers;
	if (!resident_refusal(h))
		fprintf(out,
			"monitor         resident: its handlers run at CPL 0\n"
			"events          %s\n",
			!bells_offered(&m, &timers) ? "reach a vcpu in guest mode by a signal"
			: timers ? "reach a vcpu in guest mode by its local APIC, and so do timers"
				 : "reach a vcpu in guest mode by its local APIC");
	else if (!ring3_refusal(h))
		fprintf(out, "monitor         resident: its handlers run at CPL 3, for this KVM "
			     "interprets "
			     "CPL 0\n");
	else
		fprintf(out, "monitor         forward: %s\n",
			h->syscall_faults ? ring3_refusal(h) : resident_refusal(h));
	machine_destroy(&m);
	return EXIT_OK;
}
