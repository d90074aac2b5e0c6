/*
 * The domain builder: lays a kernel out in a new domain's memory as Xen's
 * toolstack does (xen.h, "start-of-day memory layout") and starts vcpu 0's
 * context. Works on memory and pvabi only: no KVM.
 */
#ifndef VMM_BUILD_H
#define VMM_BUILD_H

#include "pvabi/pvabi.h"
#include "vmm/error.h"
#include "vmm/loader/kernel_image.h"

enum p2m_order { P2M_IDENTITY, P2M_SHUFFLE };

struct build_params {
	const struct kernel_image *kernel;
	const void *ramdisk; /* may be NULL */
	size_t ramdisk_size;
	const char *cmdline;
	enum p2m_order p2m;
	uint64_t p2m_seed;
	evtchn_port_t store_port, console_port; /* already bound */
	uint32_t vmcall;			/* for hypercall_page_fill */
};

struct build_result {
	uint64_t store_mfn, console_mfn;
	uint64_t start_info_mfn;
};

/* Fills d (fresh from domain_create, d->xen_l4 set) and vcpu 0; vcpu 0 is
 * initialised and still VPF_DOWN afterwards. 0 or negative errno and a
 * sentence (e.g. "256 MiB are not enough for this kernel and ramdisk: 300 MiB needed"). */
int domain_build(struct domain *d, const struct build_params *p, struct build_result *r,
		 struct error *err);

#endif
