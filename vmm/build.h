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

/* How memory that has contents already becomes the guest's, at a machine address: whole pages
 * of a file, privately, or pages of ours. False: it is to be copied. */
struct build_placer {
	bool (*file)(void *arg, uint64_t maddr, uint64_t size, int fd, uint64_t at);
	bool (*pages)(void *arg, uint64_t maddr, uint64_t size, void *pages);
};

/* The ramdisk as the guest gets it: build_ramdisk_init(), which may take long and needs
 * nothing else. */
struct build_ramdisk {
	const uint8_t *data;
	uint64_t size;	   /* bytes of data; 0: no module */
	uint64_t seg_size; /* bytes that its place in memory has; the rest is zero */
	uint8_t *unpacked; /* `room` bytes in pages, owned, or NULL */
	uint64_t room;
};

/* A gzip file is unpacked, as the toolstack does it. */
int build_ramdisk_init(struct build_ramdisk *r, const void *data, size_t size, struct error *err);
void build_ramdisk_free(struct build_ramdisk *r);

struct build_params {
	const struct kernel_image *kernel;
	const struct build_ramdisk *ramdisk; /* may be NULL; the builder takes its pages */
	const struct build_placer *placer;   /* NULL: everything is copied */
	void *placer_arg;
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
